// Similarity over eps: a curve for each layer of the networks chosen.
/** @import { ComparisonView } from "../../data/comparison.js" */
/** @import { Estimate, Pair } from "../../data/pair.js" */
import { depthColours, epsMarker, frame, place, scaleOf } from "../../display/charts.js";
import { isMissing } from "../../display/text.js";

const LABELS = { population: "s(eps), estimated for the population", sample: "s(eps) in sample" };
const HIGHEST_EPS = 0.995;
const EPS_STEPS = 200;

/**
 * Draw the chart; returns what moves it with eps, and the eps and the layer of a point.
 * @param {HTMLElement} figure
 * @param {ComparisonView} view
 * @param {Estimate} estimate
 * @param {string} chosenLayer
 * @param {string} chosenNetworks
 */
export function drawSimilarityByEps(figure, view, estimate, chosenLayer, chosenNetworks) {
  const pairs = view.layers.flatMap((layer) => view.pairsOf(layer).filter((pair) => pair.networks === chosenNetworks));
  const similarityAt = (/** @type {Pair} */ pair, /** @type {number} */ eps) => pair.similarityAt(estimate, eps);
  const colours = depthColours(view.layers);
  const colour = (/** @type {Pair} */ pair) => colours[view.layers.indexOf(pair.layer)];
  const points = pairs.flatMap((pair) => pair.curve(estimate).map((point) => ({ ...point, layer: pair.layer })));
  const chart = place(
    figure,
    Plot.plot({
      ...frame(figure, 380),
      x: { domain: [0, 1], label: "eps", grid: true },
      y: { domain: [0, 1], label: LABELS[estimate], grid: true },
      marks: [
        ...pairs.map((pair) =>
          Plot.lineY(pair.curve(estimate), {
            x: "eps",
            y: "similarity",
            curve: "step-after",
            stroke: colour(pair),
            strokeWidth: pair.layer === chosenLayer ? 4 : 1.8,
          }),
        ),
        Plot.tip(
          points,
          Plot.pointer({
            x: "eps",
            y: "similarity",
            title: (point) => `${point.layer}\ns(${point.eps.toFixed(3)}) = ${point.similarity.toFixed(3)}`,
          }),
        ),
      ],
    }),
  );
  const [x, y] = [scaleOf(chart, "x"), scaleOf(chart, "y")];
  const moveMarker = epsMarker(chart, y.apply(0), y.apply(1));
  const dots = d3.select(chart).append("g").selectAll("circle").data(pairs).join("circle");
  dots.attr("class", "crossing").attr("r", 4).attr("fill", colour);
  const distance = (/** @type {Pair} */ pair, /** @type {number} */ px, /** @type {number} */ py) =>
    isMissing(similarityAt(pair, x.invert(px))) ? Infinity : Math.abs(y.apply(similarityAt(pair, x.invert(px))) - py);
  return {
    /** @param {number} eps */
    move(eps) {
      moveMarker(eps);
      dots.attr("cx", x.apply(eps)).attr("cy", (pair) => y.apply(similarityAt(pair, eps) ?? 0));
      dots.attr("display", (pair) => (isMissing(similarityAt(pair, eps)) ? "none" : null));
    },
    epsAt: (/** @type {number} */ px) =>
      Math.min(HIGHEST_EPS, Math.max(0, Math.round(x.invert(px) * EPS_STEPS) / EPS_STEPS)),
    nearest: (/** @type {number} */ px, /** @type {number} */ py) =>
      d3.least(pairs, (pair) => distance(pair, px, py))?.layer,
    chart,
  };
}
