// Which layer of one network corresponds to each of another: two rows of layers with lines between them.
import { place, token, widthOf } from "../../display/charts.js";
import { h } from "../../display/elements.js";
import { layerLabels, layerNameOf, number } from "../../display/text.js";

/** @typedef {{ from: string, to: string, similarity: number | null, margin: number | null, isOther: boolean }} Counterpart layers with their networks' names; isOther: not those that were compared */

const [HEIGHT, SIDE] = [120, 56];
// Pixels between layers below which their names stand aslant, the room of names, and of each letter where they do, and
// the least between two names.
const LEVEL_STEP = 64;
const ASLANT = 34;
const LETTER = 4.2;
const LINE = 14;

/**
 * @param {HTMLElement} figure
 * @param {string[]} fromLayers in order
 * @param {string[]} toLayers
 * @param {Counterpart[]} counterparts
 */
export function drawCounterparts(figure, fromLayers, toLayers, counterparts) {
  const width = widthOf(figure, 900);
  const step = (width - 2 * SIDE) / Math.max(1, Math.max(fromLayers.length, toLayers.length) - 1);
  const longest = d3.max([fromLayers, toLayers].flatMap(namesOf), (name) => name.length) ?? 0;
  const margin = step < LEVEL_STEP ? ASLANT + LETTER * longest : ASLANT;
  const height = HEIGHT + 2 * margin;
  const svg = d3.create("svg").attr("class", "counterparts").attr("width", width).attr("height", height);
  svg.attr("viewBox", [0, 0, width, height].join(" "));
  const place_ = (/** @type {string[]} */ layers) => d3.scalePoint(layers, [SIDE, width - SIDE]);
  const [x1, x2] = [place_(fromLayers), place_(toLayers)];
  const [top, bottom] = [margin, height - margin];
  const middle = (top + bottom) / 2;
  const links = svg.append("g").attr("class", "links").selectAll("path").data(counterparts).join("path");
  links.attr("d", ({ from, to }) => {
    const [start, end] = [x1(from) ?? 0, x2(to) ?? 0];
    return `M${start},${top}C${start},${middle} ${end},${middle} ${end},${bottom}`;
  });
  links.attr("stroke", ({ isOther }) => token(isOther ? "--y" : "--accent"));
  links.attr("stroke-width", ({ similarity }) => 1 + 4 * Math.max(0, Math.min(1, similarity ?? 0)));
  links.append("title").text(inWords);
  drawLayers(svg, fromLayers, x1, top, -1, step);
  drawLayers(svg, toLayers, x2, bottom, 1, step);
  place(figure, /** @type {SVGSVGElement} */ (svg.node()));
}

/** @param {Counterpart} counterpart */
function inWords({ from, to, similarity, margin }) {
  const ahead = margin === null ? "" : `, ${number(margin)} over the next best`;
  return `${from}: ${to}, ${number(similarity)}${ahead}`;
}

/**
 * A row of layers, with their names on the outer side.
 * @param {import("d3").Selection<SVGSVGElement, undefined, null, undefined>} svg
 * @param {string[]} layers
 * @param {import("d3").ScalePoint<string>} x
 * @param {number} y
 * @param {-1 | 1} side
 * @param {number} step
 */
function drawLayers(svg, layers, x, y, side, step) {
  const group = svg.append("g");
  group
    .selectAll("circle")
    .data(layers)
    .join("circle")
    .attr("cx", (layer) => x(layer) ?? 0)
    .attr("cy", y)
    .attr("r", 4.5);
  const every = Math.ceil(LINE / step);
  const labels = group
    .selectAll("text")
    .data(layers.filter((_, i) => i % every === 0))
    .join("text");
  labels.text((_, i) => namesOf(layers)[i * every]);
  const isLevel = step >= LEVEL_STEP;
  const turn = isLevel ? 0 : -40;
  labels.attr("transform", (layer) => `translate(${x(layer) ?? 0},${y + side * 12}) rotate(${turn})`);
  labels.attr("text-anchor", isLevel ? "middle" : side < 0 ? "start" : "end");
  labels.attr("dy", side < 0 ? 0 : "0.7em");
}

/** @param {string[]} layers */
function namesOf(layers) {
  return [...layerLabels(layers.map(layerNameOf)).labels.values()];
}

/**
 * What the marks of the diagram mean.
 * @param {string} from
 * @param {string} to
 * @param {string} measure
 */
export function counterpartsKey(from, to, measure) {
  return h(
    "p",
    { class: "note" },
    `Above: the layers of ${from}, the first at the left; below: those of ${to}. A line joins each layer above to its counterpart below; the thicker it is, the larger is ${measure}. Orange: not the layer with which it is compared.`,
  );
}
