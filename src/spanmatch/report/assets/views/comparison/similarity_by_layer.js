// Similarity at eps by layer: every pair of networks, their mean and range, the null, one measure beside, and thin lines
// at the eps listed.
/** @import { ComparisonView } from "../../data/comparison.js" */
/** @import { Estimate, Pair } from "../../data/pair.js" */
/** @import { LegendItem } from "../../display/charts.js" */
import { frame, legend, place, scaleOf, token, widthOf } from "../../display/charts.js";
import { layersAxis, layersMargin, unitDomain } from "../../display/scales.js";
import { isMissing } from "../../display/text.js";

/** @typedef {{ x: number, mean: number, low: number, high: number, isResolved: boolean }} Point */

const LABELS = {
  population: "share matched, estimated for the population",
  sample: "share matched in sample",
};
// Pixels below which the chart is lower, so that it stands on a phone's first screen.
const NARROW = 480;
// Lines that end closer to each other, as shares, share a label.
const LABEL_HEIGHT = 0.06;
// Pixels beside the layers.
const MARGINS = 120;
const xOf = (/** @type {Point} */ point) => point.x;
const isResolved = (/** @type {Point} */ point) => point.isResolved;
const MEAN = d3.line(xOf, (point) => point.mean).defined(isResolved);
const RANGE = d3
  .area(
    xOf,
    (point) => point.low,
    (point) => point.high,
  )
  .defined(isResolved);
const NULL = d3.line().defined(([, y]) => Number.isFinite(y));

/**
 * Draw the chart; returns what moves it with eps, and the layer nearest to a point.
 * @param {HTMLElement} figure
 * @param {ComparisonView} view
 * @param {Estimate} estimate
 * @param {string} chosenLayer
 * @param {string} chosenNetworks
 * @param {string} beside a measure that is drawn beside s(eps); empty for none
 * @param {boolean} [isSmall] whether it is one of several: without legend and lines at other eps
 */
export function drawSimilarityByLayer(figure, view, estimate, chosenLayer, chosenNetworks, beside, isSmall = false) {
  const { layers, pairs } = view;
  const rows = isSmall
    ? []
    : layers.flatMap((layer) => view.eps.map((eps) => ({ layer, eps, similarity: view.meanAt(estimate, layer, eps) })));
  const measured = beside ? layers.map((layer) => ({ layer, value: view.meanOf(beside, layer) })) : [];
  const second = token("--y");
  const chart = Plot.plot({
    ...frame(figure, isSmall ? 220 : widthOf(figure) < NARROW ? 260 : 330),
    marginBottom: layersMargin(layers, 40),
    marginRight: isSmall ? 16 : 72,
    x: { ...layersAxis(layers, widthOf(figure) - MARGINS), type: "point" },
    y: {
      domain: unitDomain(measured.map(({ value }) => value)),
      grid: true,
      label: LABELS[estimate],
      tickFormat: ".0%",
    },
    marks: [
      Plot.ruleY([0]),
      Plot.ruleX(chosenLayer ? [chosenLayer] : [], { stroke: token("--soft"), strokeOpacity: 0.14, strokeWidth: 20 }),
      Plot.lineY(rows, { x: "layer", y: "similarity", z: "eps", stroke: "currentColor", strokeOpacity: 0.18 }),
      Plot.text(epsLabels(rows, layers[layers.length - 1]), {
        x: "layer",
        y: "similarity",
        text: "text",
        dx: 8,
        dy: -7,
        textAnchor: "start",
        fillOpacity: 0.7,
      }),
      Plot.lineY(measured, { x: "layer", y: "value", stroke: second, strokeWidth: 1.8 }),
      Plot.dot(measured, { x: "layer", y: "value", stroke: second, fill: token("--paper"), symbol: "square", r: 4 }),
    ],
  });
  if (isSmall) place(figure, chart);
  else place(figure, legend(legendItems(view, beside)), chart);
  const [x, y] = [scaleOf(chart, "x").apply, scaleOf(chart, "y").apply];
  const svg = d3.select(chart);
  const range = svg.append("path").attr("class", "band");
  const underNull = svg.append("path").attr("class", "null");
  const mean = svg.append("path").attr("class", "mean");
  const isChosen = (/** @type {Pair} */ pair) => pair.networks === chosenNetworks;
  const dots = svg.append("g").selectAll("circle").data(d3.sort(pairs, isChosen)).join("circle");
  dots
    .attr("class", (pair) => (isChosen(pair) ? "pair own" : "pair"))
    .attr("r", (pair) => (isChosen(pair) ? 4.5 : 2.5));
  dots.attr("cx", (pair) => x(pair.layer));
  return {
    /** @param {number} eps */
    move(eps) {
      const points = layers.map((layer) => {
        const values = view.pairsOf(layer).map((pair) => pair.similarityAt(estimate, eps));
        const known = values.filter((value) => value !== null);
        const [low, high] = d3.extent(known);
        return { x: x(layer), mean: y(d3.mean(known)), low: y(low), high: y(high), isResolved: known.length > 0 };
      });
      range.attr("d", RANGE(points));
      mean.attr("d", MEAN(points));
      underNull.attr("d", NULL(layers.map((layer) => [x(layer), y(view.nullAt(layer, eps))])));
      dots.attr("cy", (pair) => y(pair.similarityAt(estimate, eps) ?? 0));
      dots.attr("display", (pair) => (isMissing(pair.similarityAt(estimate, eps)) ? "none" : null));
    },
    nearest: (/** @type {number} */ px) => d3.least(layers, (layer) => Math.abs(x(layer) - px)) ?? chosenLayer,
    chart,
  };
}

/**
 * What each line and mark is of.
 * @param {ComparisonView} view
 * @param {string} beside
 */
function legendItems({ networks, hasNull }, beside) {
  const [accent, soft] = [token("--accent"), token("--soft")];
  const areSeveral = networks.length > 1;
  /** @type {[boolean, LegendItem][]} */
  const items = [
    [
      true,
      {
        mark: "line",
        colour: accent,
        text: areSeveral ? `s(eps), mean of ${networks.length} pairs of networks` : "s(eps)",
      },
    ],
    [areSeveral, { mark: "band", colour: accent, text: "their range" }],
    [areSeveral, { mark: "dots", colour: accent, text: "each pair; ring: the chosen one" }],
    [hasNull, { mark: "dotted", colour: soft, text: "s(eps) under the null, in sample" }],
    [beside !== "", { mark: "line", colour: token("--y"), text: `${beside}${areSeveral ? ", mean" : ""}` }],
    [true, { mark: "line", colour: token("--line"), text: "s(eps) at the eps that are written beside them" }],
  ];
  return items.filter(([isShown]) => isShown).map(([, item]) => item);
}

/**
 * Labels at the ends of the lines of the eps listed; lines that end in one place share a label.
 * @param {{ layer: string, eps: number, similarity: number | undefined }[]} rows
 * @param {string} lastLayer
 */
export function epsLabels(rows, lastLayer) {
  const ends = rows.filter((row) => row.layer === lastLayer && row.similarity !== undefined);
  /** @type {(typeof ends)[]} */
  const groups = [];
  for (const row of d3.sort(
    ends,
    (end) => end.similarity,
    (end) => end.eps,
  )) {
    const group = groups[groups.length - 1];
    const before = group?.[group.length - 1].similarity ?? -Infinity;
    if ((row.similarity ?? 0) - before < LABEL_HEIGHT) group.push(row);
    else groups.push([row]);
  }
  return groups.map((group) => {
    const eps = d3.sort(group.map((row) => row.eps));
    const text = eps.length > 2 ? `${eps[0]} \u2026 ${eps[eps.length - 1]}` : eps.join(", ");
    return { layer: lastLayer, similarity: group[0].similarity, text };
  });
}
