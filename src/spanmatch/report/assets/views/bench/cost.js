// Cost beside quality: mean rank over the seconds for a pair of layers.
/** @import { BenchMeasureRecord, BenchRecord } from "../../bench_data.d.ts" */
/** @import { Chart } from "../../display/charts.js" */
import { arrowKeys } from "../../display/arrow_keys.js";
import { frame, legend, place, scaleOf, token } from "../../display/charts.js";
import { inBrackets, number, short } from "../../display/text.js";

const HEIGHT = 520;
const LOWEST_HEIGHT = 420;
const NARROW = 700;
const RADIUS = 5;
// The width of a character and the height of a line of a label.
const CHARACTER = 6.4;
const LINE = 12;
const SECONDS = d3.format(".2~g");

/** @typedef {{ x0: number, x1: number, y0: number, y1: number }} Box */
/** @typedef {{ measure: BenchMeasureRecord, seconds: number, rank: number }} Timed */

/**
 * Prepare a figure; what comes back draws it.
 * @param {HTMLElement} figure
 * @param {BenchRecord} bench
 * @param {(measure: string) => void} choose
 */
export function costChart(figure, { measures }, choose) {
  const setStops = arrowKeys(figure);
  const timed = measures.flatMap((measure) => {
    const { seconds, rank } = measure;
    return seconds === null || rank.value === null ? [] : [{ measure, seconds, rank: rank.value }];
  });
  return () => {
    if (!timed.length) return;
    const height = figure.clientWidth < NARROW ? LOWEST_HEIGHT : HEIGHT;
    const chart = place(figure, baseOf(figure, timed, height), keyOfKinds());
    appendLabels(chart, timed, figure.clientWidth);
    const dots = timed.map((one) => appendDot(chart, one, choose));
    setStops(
      dots.map((dot) => [dot]),
      dots[0],
    );
  };
}

/**
 * Where a measure stands in a chart.
 * @param {Chart} chart
 * @param {Timed} one
 */
function pointOf(chart, { seconds, rank }) {
  return { x: scaleOf(chart, "x").apply(seconds), y: scaleOf(chart, "y").apply(rank) };
}

/**
 * @param {Chart} chart
 * @param {Timed} one
 * @param {(measure: string) => void} choose
 */
function appendDot(chart, one, choose) {
  const { x, y } = pointOf(chart, one);
  const { measure } = one;
  const said = placeInWords(one);
  const dot = d3.create("svg:circle").attr("class", "dot").attr("role", "button");
  dot.attr("cx", x).attr("cy", y).attr("r", RADIUS);
  dot.attr("fill", token(measure.needs === "sample" ? "--y" : "--x"));
  dot.attr("data-tip", `${measure.name}\n${said}`).attr("aria-label", `${measure.name}: ${said}`);
  dot.on("click", () => choose(measure.name));
  dot.on("keydown", (/** @type {KeyboardEvent} */ event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    choose(measure.name);
  });
  const element = /** @type {SVGElement} */ (dot.node());
  svgOf(chart).append(element);
  return element;
}

/**
 * @param {Chart} chart
 * @param {Timed[]} timed
 * @param {number} width
 */
function appendLabels(chart, timed, width) {
  const points = timed.map((one) => ({ ...pointOf(chart, one), text: one.measure.name }));
  const labels = d3.create("svg:g").attr("aria-hidden", "true").attr("text-anchor", "start");
  for (const { x0, y1, text, i } of placedLabels(points, width)) {
    const kind = timed[i].measure.maximum_match ? "label match" : "label";
    labels
      .append("text")
      .attr("class", kind)
      .attr("x", x0)
      .attr("y", y1 - 2)
      .text(text);
  }
  svgOf(chart).append(/** @type {SVGElement} */ (labels.node()));
}

/** @param {Chart} chart */
function svgOf(chart) {
  return chart instanceof SVGSVGElement ? chart : /** @type {SVGSVGElement} */ (chart.querySelector("svg"));
}

/** @param {Timed} one */
function placeInWords({ measure, seconds }) {
  return `mean rank ${number(measure.rank.value, 1)}${inBrackets(measure.rank, 1)}, ${SECONDS(seconds)} seconds`;
}

/**
 * The axes, the intervals of ranks, and the line of the measures than which none is both better and faster.
 * @param {HTMLElement} figure
 * @param {Timed[]} timed
 * @param {number} height
 */
function baseOf(figure, timed, height) {
  const [fastest = 0.001, slowest = 1] = d3.extent(timed, ({ seconds }) => seconds);
  const lowest = d3.max(timed, ({ measure, rank }) => measure.rank.high ?? rank) ?? 1;
  return Plot.plot({
    ...frame(figure, height),
    x: {
      type: "log",
      domain: [fastest / 1.5, slowest * 2.5],
      label: "seconds for a pair of layers",
      grid: true,
      ticks: 5,
      tickFormat: "~g",
    },
    y: { label: "mean rank, 1 the best", labelArrow: "up", grid: true, domain: [lowest + 1, 1] },
    marks: [
      Plot.line(frontier(timed), {
        x: "seconds",
        y: "rank",
        stroke: token("--accent"),
        strokeOpacity: 0.5,
        strokeDasharray: "5,4",
        curve: "step-after",
      }),
      Plot.ruleX(
        timed.filter(({ measure }) => measure.rank.low !== null),
        {
          x: "seconds",
          y1: ({ measure }) => measure.rank.low,
          y2: ({ measure }) => measure.rank.high,
          stroke: token("--soft"),
          strokeOpacity: 0.35,
        },
      ),
    ],
  });
}

/**
 * The measures than which no other is both better and faster, the fastest first.
 * @param {{ seconds: number, rank: number }[]} timed
 */
export function frontier(timed) {
  let best = Infinity;
  return d3
    .sort(timed, ({ seconds }) => seconds)
    .filter(({ rank }) => {
      const isBetter = rank < best;
      if (isBetter) best = rank;
      return isBetter;
    });
}

function keyOfKinds() {
  return legend([
    { mark: "dots", colour: token("--x"), text: "of the moments" },
    { mark: "dots", colour: token("--y"), text: "of the sample" },
    { mark: "line", colour: token("--soft"), text: "interval over tests" },
    { mark: "dashed", colour: token("--accent"), text: "none is better and faster" },
  ]);
}

/**
 * Labels beside their points, the first points first; one for which there is no room is left out.
 * @param {{ x: number, y: number, text: string }[]} points
 * @param {number} width
 * @returns {(Box & { text: string, i: number })[]}
 */
export function placedLabels(points, width) {
  const dots = points.map(({ x, y }) => ({ x0: x - RADIUS, x1: x + RADIUS, y0: y - RADIUS, y1: y + RADIUS }));
  /** @type {(Box & { text: string, i: number })[]} */
  const placed = [];
  for (const [i, { x, y, text }] of points.entries()) {
    const label = short(text);
    const length = CHARACTER * label.length;
    const gap = RADIUS + 3;
    const places = [
      [x + gap, y - LINE / 2],
      [x - gap - length, y - LINE / 2],
      [x - length / 2, y - gap - LINE],
      [x - length / 2, y + gap],
      [x + gap - 2, y - gap - LINE / 2],
      [x + gap - 2, y + gap - LINE / 2],
      [x - gap - length + 2, y - gap - LINE / 2],
      [x - gap - length + 2, y + gap - LINE / 2],
    ];
    const boxes = places.map(([x0, y0]) => ({ x0, x1: x0 + length, y0, y1: y0 + LINE }));
    const isFree = (/** @type {Box} */ box) =>
      box.x0 >= 40 && box.x1 <= width && ![...placed, ...dots].some((other) => areOver(box, other));
    const box = boxes.find(isFree);
    if (box) placed.push({ ...box, text: label, i });
  }
  return placed;
}

/**
 * @param {Box} one
 * @param {Box} other
 */
function areOver(one, other) {
  return one.x0 < other.x1 && other.x0 < one.x1 && one.y0 < other.y1 && other.y0 < one.y1;
}
