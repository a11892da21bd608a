// Every neuron of two layers at its level: those of one network above the axis, those of the other below.
/** @import { ScaleLinear, Selection } from "d3" */
/** @import { Pair, Side } from "../../data/pair.js" */
import { orderByLevel, partnerOf } from "../../data/neurons.js";
import { layerOf } from "../../data/pair.js";
import { place, widthOf } from "../../display/charts.js";
import { number } from "../../display/text.js";
import { tipIn } from "../../display/tip.js";
import { swarmOf } from "./swarm_layout.js";

const SIDES = /** @type {const} */ (["x", "y"]);
// Pixels: the most that one network's dots take, the least, the axis, names, silent neurons, and both margins.
const HIGHEST = 150;
const LOWEST = 40;
const AXIS = 34;
const NAMES = 20;
const SILENT = 64;
const [LEFT, RIGHT] = [18, 18];
const FIRST_LABEL = 56;
const RING = 7;
// How far from its level a neuron may stand: pixels, and a share of the width.
const LEAST_SHIFT = 12;
const MOST_SHIFT = 0.025;
// How near to a neuron the pointer has to be.
const NEAR = 16;
const STEPS = new Map([
  ["ArrowRight", 1],
  ["ArrowDown", 1],
  ["ArrowLeft", -1],
  ["ArrowUp", -1],
]);

/** @typedef {{ side: Side, neuron: number, cx: number, cy: number, element: SVGElement }} Dot */

/**
 * Draw the neurons; returns the first one, what chooses one, and what moves the chart with eps.
 * @param {HTMLElement} figure
 * @param {Pair} pair
 * @param {(side: Side, neuron: number) => void} choose
 */
export function drawSwarm(figure, pair, choose) {
  const hasSilent = [...pair.x_levels, ...pair.y_levels].includes(null);
  const width = widthOf(figure);
  const x = d3.scaleLinear([0, 1], [LEFT, width - RIGHT - (hasSilent ? SILENT : 0)]);
  const swarm = (/** @type {Side} */ side, /** @type {number | undefined} */ most) =>
    swarmOf(
      placesOf(layerOf(pair, side).levels, x, width - RIGHT - SILENT / 2),
      HIGHEST,
      Math.max(LEAST_SHIFT, MOST_SHIFT * width),
      most,
    );
  const radius = Math.min(...SIDES.map((side) => swarm(side, undefined).radius));
  const swarms = { x: swarm("x", radius), y: swarm("y", radius) };
  const up = NAMES + Math.max(LOWEST, swarms.x.height);
  const height = up + AXIS + Math.max(LOWEST, swarms.y.height) + NAMES;
  const svg = d3.create("svg").attr("class", "swarm").attr("width", width).attr("height", height);
  svg.attr("viewBox", [0, 0, width, height].join(" "));
  const marker = svg
    .append("line")
    .attr("class", "marker")
    .attr("y1", NAMES)
    .attr("y2", height - NAMES);
  drawAxis(svg, x, up, hasSilent ? width - RIGHT - SILENT / 2 : null);
  drawName(svg, pair.x_layer, "side-x", NAMES - 6);
  drawName(svg, pair.y_layer, "side-y", height - 6);
  const lists = { x: drawList("x"), y: drawList("y") };
  const chosenLink = svg.append("path").attr("class", "partner chosen");
  const link = svg.append("path").attr("class", "partner");
  place(figure, /** @type {SVGSVGElement} */ (svg.node()));
  const dotOf = (/** @type {Side} */ side, /** @type {number} */ neuron) => lists[side].dots[neuron];
  const showLink = (/** @type {typeof link} */ path, /** @type {Dot | null} */ dot) => {
    const partner = dot && partnerOf(pair, dot.side, dot.neuron);
    path.attr("d", dot && partner && linkPath(dot, dotOf(dot.side === "x" ? "y" : "x", partner.neuron)));
  };
  followPointer(figure, [...lists.x.dots, ...lists.y.dots], {
    textOf: (dot) => neuronInWords(pair, dot),
    enter: (dot) => showLink(link, dot),
    choose: (dot) => choose(dot.side, dot.neuron),
  });
  return {
    first: lists.x.order[0],
    /**
     * @param {Side} side
     * @param {number} neuron
     */
    select(side, neuron) {
      for (const each of SIDES) lists[each].select(each === side ? neuron : null);
      showLink(chosenLink, dotOf(side, neuron));
    },
    /**
     * Fill the neurons in the match; returns how many of each layer are.
     * @param {number} eps
     * @returns {[number, number]}
     */
    move(eps) {
      marker.attr("x1", x(eps)).attr("x2", x(eps));
      return [lists.x.move(eps), lists.y.move(eps)];
    },
  };

  /** @param {Side} side */
  function drawList(side) {
    const { name, levels } = layerOf(pair, side);
    const { places, heights } = swarms[side];
    const centre = (/** @type {number} */ above) => (side === "x" ? up - above : up + AXIS + above);
    const list = svg.append("g").attr("id", `${side}-neurons`).attr("class", `side-${side}`);
    list.attr("role", "listbox").attr("tabindex", 0).attr("aria-label", `Neurons of ${name}`);
    const ofSide = places.map((cx, neuron) => ({ side, neuron, cx, cy: centre(heights[neuron]) }));
    const dots = ofSide.map((dot) => ({ ...dot, element: drawDot(list, dot, radius, levels[dot.neuron], name) }));
    return {
      dots,
      ...neuronList(/** @type {SVGGElement} */ (list.node()), dots, levels, (neuron) => choose(side, neuron)),
    };
  }
}

/**
 * Where neurons stand along the axis; silent ones beside it.
 * @param {(number | null)[]} levels
 * @param {(level: number) => number} x
 * @param {number} silent
 */
function placesOf(levels, x, silent) {
  return levels.map((level) => (level === null ? silent : x(level)));
}

/**
 * @param {Selection<SVGSVGElement, undefined, null, undefined>} svg
 * @param {ScaleLinear<number, number>} x
 * @param {number} top
 * @param {number | null} silent where silent neurons stand, if there are any
 */
function drawAxis(svg, x, top, silent) {
  const axis = svg.append("g").attr("class", "axis");
  const [start, end] = x.range();
  for (const y of [top, top + AXIS]) axis.append("line").attr("x1", start).attr("x2", end).attr("y1", y).attr("y2", y);
  const middle = top + AXIS / 2;
  const write = (/** @type {number} */ at, /** @type {string} */ text) =>
    axis.append("text").attr("x", at).attr("y", middle).attr("dy", "0.35em").attr("text-anchor", "middle").text(text);
  const ticks = x.ticks(end - start > 500 ? 10 : 5);
  for (const tick of ticks.slice(1, -1).filter((place) => x(place) - start > FIRST_LABEL))
    write(x(tick), tick.toFixed(1));
  write(start, "level 0").attr("text-anchor", "start");
  write(end, "1.0").attr("text-anchor", "end");
  if (silent !== null) write(silent, "silent");
}

/**
 * @param {Selection<SVGSVGElement, undefined, null, undefined>} svg
 * @param {string} name
 * @param {string} kind
 * @param {number} y
 */
function drawName(svg, name, kind, y) {
  svg.append("text").attr("class", `name ${kind}`).attr("x", LEFT).attr("y", y).text(name);
}

/**
 * @param {Selection<SVGGElement, undefined, null, undefined>} list
 * @param {{ side: Side, neuron: number, cx: number, cy: number }} dot
 * @param {number} radius
 * @param {number | null} level
 * @param {string} layer
 */
function drawDot(list, { side, neuron, cx, cy }, radius, level, layer) {
  const circle = list
    .append("circle")
    .attr("class", "cell")
    .attr("role", "option")
    .attr("id", `${side}-neurons-${neuron}`);
  circle.attr("data-neuron", neuron).attr("cx", cx.toFixed(1)).attr("cy", cy.toFixed(1)).attr("r", radius);
  circle.attr("aria-label", `neuron ${neuron} of ${layer}, ${level === null ? "silent" : `level ${number(level)}`}`);
  return /** @type {SVGElement} */ (circle.node());
}

/**
 * A curve from a neuron to its partner, with a ring around that.
 * @param {Dot} from
 * @param {Dot} to
 */
function linkPath({ cx: x1, cy: y1 }, { cx: x2, cy: y2 }) {
  const middle = (y1 + y2) / 2;
  const curve = `M${x1},${y1}C${x1},${middle} ${x2},${middle} ${x2},${y2}`;
  return `${curve}M${x2 + RING},${y2}a${RING},${RING} 0 1,0 ${-2 * RING},0a${RING},${RING} 0 1,0 ${2 * RING},0`;
}

/**
 * @param {Pair} pair
 * @param {Dot} dot
 */
function neuronInWords(pair, { side, neuron }) {
  const level = layerOf(pair, side).levels[neuron];
  const partner = partnerOf(pair, side, neuron);
  const partnerName = layerOf(pair, side === "x" ? "y" : "x").name;
  const lines = [
    `Neuron ${neuron} of ${layerOf(pair, side).name}`,
    level === null ? "silent" : `level ${number(level)}`,
  ];
  lines.push(
    partner ? `partner ${partner.neuron} of ${partnerName}, correlation ${number(partner.strength)}` : "no partner",
  );
  return lines.join("\n");
}

/**
 * Say what the pointer is near to, and choose it on a click: dots may be too small to be hit.
 * @param {HTMLElement} figure
 * @param {Dot[]} dots
 * @param {{ textOf: (dot: Dot) => string, enter: (dot: Dot | null) => void, choose: (dot: Dot) => void }} actions
 */
function followPointer(figure, dots, { textOf, enter, choose }) {
  const quadtree = d3.quadtree(dots, (dot) => dot.cx, (dot) => dot.cy); // prettier-ignore
  const nearest = (/** @type {MouseEvent} */ event) => {
    const [px, py] = d3.pointer(event, figure.querySelector("svg"));
    return quadtree.find(px, py, NEAR) ?? null;
  };
  const tip = tipIn(figure);
  figure.onpointermove = (event) => {
    const dot = nearest(event);
    enter(dot);
    if (dot) tip.show(textOf(dot), dot.element);
    else tip.hide();
  };
  figure.onpointerleave = () => {
    enter(null);
    tip.hide();
  };
  figure.onclick = (event) => {
    const dot = nearest(event);
    if (dot) choose(dot);
  };
}

/**
 * One network's neurons as a list to choose from, in the order of their levels.
 * @param {SVGGElement} box
 * @param {Dot[]} dots
 * @param {(number | null)[]} levels
 * @param {(neuron: number) => void} choose
 */
function neuronList(box, dots, levels, choose) {
  const order = orderByLevel(levels);
  const sorted = order.map((neuron) => levels[neuron] ?? Infinity);
  /** @type {number | null} */
  let chosen = null;
  let inside = 0;
  box.onkeydown = (event) => {
    const next = placeAfterKey(event.key, chosen === null ? null : order.indexOf(chosen), order.length - 1);
    if (next === null) return;
    event.preventDefault();
    choose(order[next]);
  };
  return {
    order,
    /** @param {number | null} neuron */
    select(neuron) {
      if (chosen !== null) dots[chosen].element.removeAttribute("aria-selected");
      chosen = neuron;
      if (neuron === null) return box.removeAttribute("aria-activedescendant");
      dots[neuron].element.setAttribute("aria-selected", "true");
      box.setAttribute("aria-activedescendant", dots[neuron].element.id);
    },
    /**
     * Fill the dots in the match, touching those that change alone; returns how many are in it.
     * @param {number} eps
     */
    move(eps) {
      const now = d3.bisectRight(sorted, eps);
      for (let i = Math.min(inside, now); i < Math.max(inside, now); i++)
        dots[order[i]].element.classList.toggle("in", i < now);
      inside = now;
      return now;
    },
  };
}

/**
 * The place in a list after a key was pressed; null if the key does not move.
 * @param {string} key
 * @param {number | null} place
 * @param {number} last
 */
export function placeAfterKey(key, place, last) {
  if (key === "Home") return 0;
  if (key === "End") return last;
  const step = STEPS.get(key);
  return step === undefined ? null : Math.min(last, Math.max(0, (place ?? -1) + step));
}
