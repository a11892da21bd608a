// What charts by Observable Plot share: their frame, their colours, and lines that follow eps.
/** @import { Scale } from "@observablehq/plot" */
import { h } from "./elements.js";
import { offerFigure } from "./files.js";

/** @typedef {ReturnType<typeof Plot.plot>} Chart */

export const DARK = "(prefers-color-scheme: dark)";
const HEIGHT = 260;
const LEAST_WIDTH = 280;

/**
 * The width of a figure's chart.
 * @param {HTMLElement} figure
 * @param {number} [most]
 */
export function widthOf(figure, most = Infinity) {
  return Math.min(Math.max(figure.clientWidth, LEAST_WIDTH), most);
}

/**
 * Options that charts share: as wide as the page allows, with room for the title of the vertical axis.
 * @param {HTMLElement} figure
 * @param {number} [height]
 */
export function frame(figure, height = HEIGHT) {
  const style = { background: "transparent", fontSize: "12px" };
  return { width: widthOf(figure), height, marginTop: 34, marginLeft: 48, marginBottom: 38, style };
}

/**
 * Replace what a figure held, and offer it as a file.
 * @template {Element} First
 * @param {HTMLElement} figure
 * @param {First} first
 * @param {...Element} others
 */
export function place(figure, first, ...others) {
  figure.replaceChildren(first, ...others);
  // Plot names its marks, which takes a role.
  for (const mark of figure.querySelectorAll("svg :is(g, rect)[aria-label]:not([role])"))
    mark.setAttribute("role", "group");
  offerFigure(figure);
  return first;
}

/** @typedef {{ mark: "line" | "dashed" | "dotted" | "dots" | "band", colour: string, text: string }} LegendItem */

/**
 * A legend for marks of different kinds.
 * @param {LegendItem[]} items
 */
export function legend(items) {
  return h(
    "div",
    { class: "legend" },
    items.map(({ mark, colour, text }) =>
      h("span", {}, h("span", { class: `key ${mark}`, style: `color:${colour}`, "aria-hidden": "true" }), text),
    ),
  );
}

/**
 * A scale that a chart has.
 * @param {Chart} chart
 * @param {"x" | "y"} name
 */
export function scaleOf(chart, name) {
  return /** @type {Scale & Required<Pick<Scale, "invert">>} */ (chart.scale(name));
}

/**
 * A vertical line at eps in a chart; returns what moves it.
 * @param {Chart} chart
 * @param {number} top in pixels
 * @param {number} bottom
 */
export function epsMarker(chart, top, bottom) {
  const { apply } = scaleOf(chart, "x");
  const svg = chart instanceof SVGSVGElement ? chart : chart.querySelector("svg:last-of-type");
  const line = d3.select(svg).append("line").attr("class", "marker").attr("y1", top).attr("y2", bottom);
  return (/** @type {number} */ eps) => line.attr("x1", apply(eps)).attr("x2", apply(eps));
}

/**
 * A colour of the page's style.
 * @param {string} name
 */
export function token(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/**
 * As many shades of blue, from few to many.
 * @param {number} count
 */
export function shades(count) {
  const [from, to] = matchMedia(DARK).matches ? ["#2d6f9e", "#bfe3ff"] : ["#9ccaec", "#08386b"];
  return d3.quantize(d3.interpolateRgb(from, to), Math.max(2, count));
}

/**
 * A colour for each layer, from the first to the last, within the part of the scale that shows on the background.
 * @param {unknown[]} layers
 */
export function depthColours(layers) {
  const [from, to] = matchMedia(DARK).matches ? [0.98, 0.35] : [0.82, 0.0];
  const depth = (/** @type {number} */ i) => (layers.length > 1 ? i / (layers.length - 1) : 1);
  return layers.map((_, i) => d3.interpolateViridis(from + (to - from) * depth(i)));
}
