// A pair of layers as the views ask for it: which neurons are in the match at eps, and how similar the layers are.
/** @import { PagePair } from "../page_data.d.ts" */
import { networkOf } from "../display/text.js";

/** @typedef {"x" | "y"} Side */
/** @typedef {"population" | "sample"} Estimate what s(eps) is of: corrected levels, or the maximum match of the sample */

/**
 * What can be asked of a pair of layers beside its record.
 * @typedef {object} PairFunctions
 * @property {string} networks names of both networks
 * @property {boolean} isEstimated whether s(eps) is estimated for the population
 * @property {(side: Side, eps: number) => number | null} matchedCount neurons of a layer in the maximum match; null below the resolution
 * @property {(estimate: Estimate, eps: number) => number | null} similarityAt s(eps), null below the resolution or if it is not estimated
 * @property {(eps: number) => number | null} nullAt s(eps) in sample under the null, null if it is not known
 * @property {(estimate: Estimate) => CurvePoint[]} curve s(eps) at every eps at which it changes, empty if it is not estimated
 */
/** @typedef {PagePair & PairFunctions} Pair */
/** @typedef {{ eps: number, similarity: number }} CurvePoint */

/**
 * The same record with its functions; levels are sorted once.
 * @param {PagePair} record
 * @returns {Pair}
 */
export function preparePair(record) {
  const levels = { x: ascendingLevels(record.x_levels), y: ascendingLevels(record.y_levels) };
  const { corrected, profile } = record.evidence ?? {};
  const curves = {
    sample: similarityCurve([...record.x_levels, ...record.y_levels], record.resolution),
    population: corrected && similarityCurve([...corrected.x_levels, ...corrected.y_levels], record.resolution),
  };
  return Object.assign(record, {
    networks: `${networkOf(record.x_layer)} ~ ${networkOf(record.y_layer)}`,
    isEstimated: Boolean(corrected),
    matchedCount: (/** @type {Side} */ side, /** @type {number} */ eps) =>
      eps < curves.sample.unresolvedBelow ? null : d3.bisectRight(levels[side], eps),
    similarityAt: (/** @type {Estimate} */ estimate, /** @type {number} */ eps) => curves[estimate]?.at(eps) ?? null,
    nullAt: (/** @type {number} */ eps) =>
      profile && profile.null[0] !== null ? profile.null[Math.max(0, d3.bisectRight(profile.eps, eps) - 1)] : null,
    curve: (/** @type {Estimate} */ estimate) => curves[estimate]?.points() ?? [],
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
 * s(eps) of the levels of both layers.
 * @param {(number | null)[]} levels
 * @param {number} resolution
 */
function similarityCurve(levels, resolution) {
  const total = levels.length;
  const ascending = ascendingLevels(levels);
  // Below the resolution levels cannot be told from each other, unless they are 0.
  const isUnresolved = ascending.length > 0 && ascending[0] > 0 && ascending[0] <= resolution;
  const unresolvedBelow = isUnresolved ? resolution : 0;
  return {
    unresolvedBelow,
    at: (/** @type {number} */ eps) => (eps < unresolvedBelow ? null : d3.bisectRight(ascending, eps) / total),
    points: () => curvePoints(ascending, total, !isUnresolved),
  };
}

/**
 * s(eps) at 0 if it is resolved there, at every level below 1, and towards 1.
 * @param {Float64Array} levels of both layers, ascending
 * @param {number} total neurons of both layers
 * @param {boolean} resolvedAt0
 * @returns {CurvePoint[]}
 */
function curvePoints(levels, total, resolvedAt0) {
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
    ? { name: pair.x_layer, levels: pair.x_levels, corrected: pair.evidence?.corrected?.x_levels }
    : { name: pair.y_layer, levels: pair.y_levels, corrected: pair.evidence?.corrected?.y_levels };
}
