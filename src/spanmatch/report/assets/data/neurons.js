// The neurons of a pair of layers: their order, and what is known of each.
/** @import { PageFew, PagePair, SimpleMatchRecord } from "../page_data.d.ts" */
/** @import { Cell } from "./csv.js" */
/** @import { Side } from "./pair.js" */
import { layerOf } from "./pair.js";

/** @typedef {{ neuron: number, strength: number, margin: number | null, next: number }} Partner */
/** @typedef {{ predictors: number[], coefficients: number[], count: number, error: number, heldOutError: number | null }} FewPredictors */

/**
 * Indices of neurons, smallest level first, silent ones last.
 * @param {(number | null)[]} levels
 */
export function orderByLevel(levels) {
  return d3.range(levels.length).sort((i, j) => d3.ascending(levels[i] ?? 2, levels[j] ?? 2) || i - j);
}

/**
 * A neuron's one-to-one partner; null if it has none.
 * @param {PagePair} pair
 * @param {Side} side
 * @param {number} neuron
 * @returns {Partner | null}
 */
export function partnerOf(pair, side, neuron) {
  const { x, y, strength, margin, next_y: nextY, back_margin: backMargin, next_x: nextX } = pair.alignment.bipartite;
  const i = (side === "x" ? x : y).indexOf(neuron);
  if (i < 0) return null;
  return side === "x"
    ? { neuron: y[i], strength: strength[i], margin: margin[i], next: nextY[i] }
    : { neuron: x[i], strength: strength[i], margin: backMargin[i], next: nextX[i] };
}

/**
 * A minimum match of a neuron at the first eps that has one, and that eps; null if none is shown.
 * @param {PagePair} pair
 * @param {Side} side
 * @param {number} neuron
 * @returns {{ eps: number, match: SimpleMatchRecord } | null}
 */
export function minimumMatchOf(pair, side, neuron) {
  for (const { eps, matches } of pair.simple) {
    const match = matches.find(({ minimum_for: members }) =>
      members.some(([of, index]) => of === side && index === neuron),
    );
    if (match) return { eps, match };
  }
  return null;
}

/**
 * The few neurons of the other layer that predict a neuron; null if they were not looked for.
 * @param {PagePair} pair
 * @param {Side} side
 * @param {number} neuron
 * @returns {FewPredictors | null}
 */
export function fewPredictorsOf(pair, side, neuron) {
  const few = pair.alignment.few[side];
  if (!few) return null;
  const i = d3.bisectLeft(few.neuron, neuron);
  if (few.neuron[i] !== neuron) return null;
  return {
    predictors: few.predictors[i],
    coefficients: few.coefficients[i],
    count: few.count[i],
    error: few.error[i],
    heldOutError: few.held_out_error[i],
  };
}

/**
 * Neurons of a simple match by name.
 * @param {SimpleMatchRecord} match
 */
export function namesOf(match) {
  return [...match.x.map((neuron) => `x${neuron}`), ...match.y.map((neuron) => `y${neuron}`)];
}

/**
 * What is known of every neuron of both layers: column heads, and a row for each neuron.
 * @param {PagePair} pair
 * @param {number} eps
 * @returns {[string[], Cell[][]]}
 */
export function neuronTable(pair, eps) {
  const heads = [
    "layer",
    "neuron",
    "level",
    "corrected level",
    `in the match at ${eps}`,
    "partner",
    "correlation",
    "margin",
    "minimum match",
    "few predictors",
  ];
  const rowsOf = (/** @type {Side} */ side) =>
    layerOf(pair, side).levels.map((level, neuron) => {
      const partner = partnerOf(pair, side, neuron);
      const minimum = minimumMatchOf(pair, side, neuron);
      return [
        layerOf(pair, side).name,
        neuron,
        level,
        layerOf(pair, side).corrected?.[neuron],
        level !== null && level <= eps,
        partner?.neuron,
        partner?.strength,
        partner?.margin,
        minimum && namesOf(minimum.match).join(" "),
        fewPredictorsOf(pair, side, neuron)?.predictors.join(" "),
      ];
    });
  return [heads, [...rowsOf("x"), ...rowsOf("y")]];
}
