// Similarity at eps by layer: every pair of networks, their mean and range, and thin lines at the eps listed.
/** @import { ComparisonView } from "../../data/comparison.js" */
/** @import { Estimate, Pair } from "../../data/pair.js" */
import { frame, place, scaleOf, token } from "../../display/charts.js";
import { layersAxis, layersMargin } from "../../display/scales.js";
import { isMissing } from "../../display/text.js";

/** @typedef {{ x: number, mean: number, low: number, high: number, isResolved: boolean }} Point */

const LABELS = {
  population: "share matched, estimated for the population",
  sample: "share matched in sample",
};
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

/**
 * Draw the chart; returns what moves it with eps, and the layer nearest to a point.
 * @param {HTMLElement} figure
 * @param {ComparisonView} view
 * @param {Estimate} estimate
 * @param {string} chosenLayer
 * @param {string} chosenNetworks
 */
export function drawSimilarityByLayer(figure, view, estimate, chosenLayer, chosenNetworks) {
  const { layers, pairs } = view;
  const rows = layers.flatMap((layer) =>
    view.eps.map((eps) => ({ layer, eps, similarity: view.meanAt(estimate, layer, eps) })),
  );
  const chart = place(
    figure,
    Plot.plot({
      ...frame(figure, 330),
      marginBottom: layersMargin(layers, 40),
      marginRight: 72,
      x: { ...layersAxis(layers), type: "point" },
      y: { domain: [0, 1], grid: true, label: LABELS[estimate], tickFormat: ".0%" },
      marks: [
        Plot.ruleY([0]),
        Plot.ruleX([chosenLayer], { stroke: token("--accent"), strokeOpacity: 0.25, strokeWidth: 14 }),
        Plot.lineY(rows, { x: "layer", y: "similarity", z: "eps", stroke: "currentColor", strokeOpacity: 0.22 }),
        Plot.text(epsLabels(rows, layers[layers.length - 1]), {
          x: "layer",
          y: "similarity",
          text: "text",
          dx: 8,
          dy: -7,
          textAnchor: "start",
          fillOpacity: 0.7,
        }),
      ],
    }),
  );
  const [x, y] = [scaleOf(chart, "x").apply, scaleOf(chart, "y").apply];
  const svg = d3.select(chart);
  const range = svg.append("path").attr("class", "band");
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
      dots.attr("cy", (pair) => y(pair.similarityAt(estimate, eps) ?? 0));
      dots.attr("display", (pair) => (isMissing(pair.similarityAt(estimate, eps)) ? "none" : null));
    },
    nearest: (/** @type {number} */ px) => d3.least(layers, (layer) => Math.abs(x(layer) - px)) ?? chosenLayer,
    chart,
  };
}

/**
 * Labels at the ends of the lines of the eps listed; lines that end in one place share a label.
 * @param {{ layer: string, eps: number, similarity: number | undefined }[]} rows
 * @param {string} lastLayer
 */
export function epsLabels(rows, lastLayer) {
  const ends = rows.filter((row) => row.layer === lastLayer);
  const groups = d3.groups(ends, (row) => Math.round(20 * (row.similarity ?? NaN)));
  return groups.map(([, group]) => {
    const eps = group.map((row) => row.eps);
    const text = eps.length > 2 ? `${eps[0]} \u2026 ${eps[eps.length - 1]}` : eps.join(", ");
    return { layer: lastLayer, similarity: group[0].similarity, text };
  });
}
