// What is behind a score: bars, strips, a scatter, or curves.
/** @import { BarsRecord, CurvesRecord, ScatterRecord, StripsRecord } from "../../bench_data.d.ts" */
/** @import { BenchDetails, Test } from "../../data/bench.js" */
import { depthColours, frame, place, token } from "../../display/charts.js";
import { layersAxis, layersMargin } from "../../display/scales.js";
import { number } from "../../display/text.js";

const HEIGHT = 230;
// The room for names of layers that stand level.
const LEVEL = 34;
const STRIP = 62;
// How far points of a strip are spread, of the distance between strips; and the steps between them, which fill it evenly.
const SPREAD = 0.42;
const GOLDEN = (Math.sqrt(5) - 1) / 2;
// The most curves that are told apart by a legend.
const NAMED_CURVES = 8;

/**
 * @param {HTMLElement} figure
 * @param {BenchDetails} details
 * @param {Test} test
 * @param {string} colour
 */
export function drawDetails(figure, details, test, colour) {
  if (details.kind === "bars") drawBars(figure, details, test, colour);
  else if (details.kind === "strips") drawStrips(figure, details, colour);
  else if (details.kind === "scatter") drawScatter(figure, details, colour);
  else drawCurves(figure, details, colour);
}

/**
 * @param {HTMLElement} figure
 * @param {BarsRecord} details
 * @param {Test} test
 * @param {string} colour
 */
function drawBars(figure, { labels, values }, { score, chance, perfect }, colour) {
  const rows = labels.map((label, i) => ({ label, value: values[i] }));
  const missing = rows.filter(({ value }) => value === null);
  const marginBottom = layersMargin(labels, LEVEL);
  const domain = d3.extent([0, chance, perfect, ...values.filter((value) => value !== null)]).map((end) => end ?? 0);
  place(
    figure,
    Plot.plot({
      ...frame(figure, HEIGHT - LEVEL + marginBottom),
      marginBottom,
      marginRight: 52,
      x: layersAxis(labels),
      y: { domain, label: score, grid: true, ticks: 5 },
      marks: [
        Plot.barY(rows, {
          x: "label",
          y: "value",
          fill: colour,
          tip: true,
          title: ({ label, value }) => `${label}\n${number(value)}`,
        }),
        Plot.text(missing, { x: "label", y: () => 0, text: () => "none", dy: -8, fill: token("--soft") }),
        Plot.ruleY([0]),
        Plot.ruleY([chance], { stroke: token("--soft"), strokeDasharray: "4,3" }),
        Plot.text([chance], {
          y: (value) => value,
          text: () => "chance",
          frameAnchor: "right",
          dx: 5,
          fill: token("--soft"),
          textAnchor: "start",
        }),
      ],
    }),
  );
}

/**
 * @param {HTMLElement} figure
 * @param {StripsRecord} details
 * @param {string} colour
 */
function drawStrips(figure, { axis, labels, values }, colour) {
  const points = labels.flatMap((label, i) => values[i].map((value, k) => ({ label, value, y: jitter(i, k) })));
  const medians = labels.flatMap((label, i) => {
    const median = d3.median(values[i]);
    return median === undefined ? [] : [{ label, median, i }];
  });
  const titles = labels.map((label, i) => ({ label: `${label} (${values[i].length})`, y: i - 0.5 }));
  place(
    figure,
    Plot.plot({
      ...frame(figure, 56 + STRIP * labels.length),
      marginTop: 10,
      marginLeft: 12,
      x: { label: axis, grid: true, nice: true, ticks: 5 },
      y: { axis: null, domain: [labels.length - 0.4, -0.7] },
      marks: [
        Plot.dot(points, { x: "value", y: "y", r: 2.2, fill: colour, fillOpacity: 0.55 }),
        Plot.ruleX(medians, {
          x: "median",
          y1: ({ i }) => i - SPREAD / 2 - 0.06,
          y2: ({ i }) => i + SPREAD / 2 + 0.06,
          stroke: token("--ink"),
          strokeWidth: 2.5,
        }),
        Plot.text(titles, {
          y: "y",
          text: "label",
          frameAnchor: "left",
          textAnchor: "start",
          fill: token("--ink"),
          dy: 2,
        }),
        Plot.tip(
          medians,
          Plot.pointerY({ x: "median", y: "i", title: ({ label, median }) => `${label}\nmedian ${number(median)}` }),
        ),
      ],
    }),
  );
}

/**
 * The height of a point of a strip.
 * @param {number} strip
 * @param {number} point
 */
function jitter(strip, point) {
  return strip + SPREAD * (((point * GOLDEN) % 1) - 0.5);
}

/**
 * @param {HTMLElement} figure
 * @param {ScatterRecord} details
 * @param {string} colour
 */
function drawScatter(figure, { x_axis: xAxis, y_axis: yAxis, x, y }, colour) {
  const points = d3.range(x.length).map((i) => ({ x: x[i], y: y[i] }));
  place(
    figure,
    Plot.plot({
      ...frame(figure, HEIGHT),
      x: { label: xAxis, grid: true, nice: true, ticks: 5 },
      y: { label: yAxis, grid: true, nice: true, ticks: 5 },
      marks: [
        Plot.dot(points, { x: "x", y: "y", r: 2.6, fill: colour, fillOpacity: 0.65 }),
        Plot.tip(points, Plot.pointer({ x: "x", y: "y", title: (point) => `${number(point.x)}, ${number(point.y)}` })),
      ],
    }),
  );
}

/**
 * @param {HTMLElement} figure
 * @param {CurvesRecord} details
 * @param {string} colour
 */
function drawCurves(figure, { x_axis: xAxis, y_axis: yAxis, labels, x, y }, colour) {
  const points = labels.flatMap((label, i) => x[i].map((at, k) => ({ label, x: at, y: y[i][k] })));
  const range = labels.length > 1 ? depthColours(labels) : [colour];
  place(
    figure,
    Plot.plot({
      ...frame(figure, HEIGHT),
      x: { label: xAxis, grid: true, ticks: 5 },
      y: { label: yAxis, grid: true, nice: true, ticks: 5 },
      color: { domain: labels, range, legend: labels.length > 1 && labels.length <= NAMED_CURVES },
      marks: [
        Plot.line(points, { x: "x", y: "y", z: "label", stroke: "label", strokeWidth: 1.8 }),
        Plot.tip(
          points,
          Plot.pointer({ x: "x", y: "y", title: (point) => `${point.label}\n${number(point.x)}, ${number(point.y)}` }),
        ),
      ],
    }),
  );
}
