// A pair of layers as the views ask for it: which neurons are in the match at eps, and how similar the layers are.
/** @import { PagePair } from "../page_data.d.ts" */
import { networkOf } from "../display/text.js";

/** @typedef {"x" | "y"} Side */

/**
 * What can be asked of a pair of layers beside its record.
 * @typedef {object} PairFunctions
 * @property {string} networks names of both networks
 * @property {(side: Side, eps: number) => number | null} matchedCount neurons of a layer in the match; null below the resolution
 * @property {(eps: number) => number | null} similarityAt s(eps), null below the resolution
 * @property {(eps: number) => number | null} nullAt s(eps) under the null, null if it is not known
 * @property {() => CurvePoint[]} curve s(eps) at every eps at which it changes
 */
/** @typedef {PagePair & PairFunctions} Pair */
/** @typedef {{ eps: number, similarity: number }} CurvePoint */

/**
 * The same record with its functions; levels are sorted once.
 * @param {PagePair} record
 * @returns {Pair}
 */
export function preparePair(record) {
  const total = record.x_levels.length + record.y_levels.length;
  const levels = { x: ascendingLevels(record.x_levels), y: ascendingLevels(record.y_levels) };
  const all = ascendingLevels([...levels.x, ...levels.y]);
  const profile = record.evidence?.profile;
  // Below the resolution levels cannot be told from each other, unless they are 0.
  const unresolvedBelow = all.length && all[0] > 0 && all[0] <= record.resolution ? record.resolution : 0;
  return Object.assign(record, {
    networks: `${networkOf(record.x_layer)} ~ ${networkOf(record.y_layer)}`,
    matchedCount: (/** @type {Side} */ side, /** @type {number} */ eps) =>
      eps < unresolvedBelow ? null : d3.bisectRight(levels[side], eps),
    similarityAt: (/** @type {number} */ eps) => (eps < unresolvedBelow ? null : d3.bisectRight(all, eps) / total),
    nullAt: (/** @type {number} */ eps) =>
      profile && profile.null[0] !== null ? profile.null[Math.max(0, d3.bisectRight(profile.eps, eps) - 1)] : null,
    curve: () => curveOf(all, total, unresolvedBelow === 0),
  });
}

/**
 * Known levels, smallest first; silent neurons have none.
 * @param {(number | null)[]} levels
 */
function ascendingLevels(levels) {
  return Float64Array.from(levels.filter((level) => level !== null)).sort();
}

/**
 * s(eps) at 0 if it is resolved there, at every level below 1, and towards 1.
 * @param {Float64Array} levels of both layers, ascending
 * @param {number} total neurons of both layers
 * @param {boolean} resolvedAt0
 * @returns {CurvePoint[]}
 */
function curveOf(levels, total, resolvedAt0) {
  const points = resolvedAt0 ? [{ eps: 0, similarity: d3.bisectRight(levels, 0) / total }] : [];
  levels.forEach((level, i) => {
    if (level < 1) points.push({ eps: level, similarity: (i + 1) / total });
  });
  points.push({ eps: 1, similarity: d3.bisectLeft(levels, 1) / total });
  return points;
}

/**
 * Both layers with what the record says of each.
 * @param {PagePair} pair
 * @param {Side} side
 */
export function layerOf(pair, side) {
  return side === "x"
    ? { name: pair.x_layer, levels: pair.x_levels, neurons: pair.x_neurons }
    : { name: pair.y_layer, levels: pair.y_levels, neurons: pair.y_neurons };
}
