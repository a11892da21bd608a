// A comparison as the views ask for it: its layers in order, its pairs of networks, and means over them.
/** @import { PageComparison } from "../page_data.d.ts" */
/** @import { Estimate, Pair } from "./pair.js" */
import { count, listed, percent } from "../display/text.js";
import { preparePair } from "./pair.js";

// The most layers that a sentence names.
const NAMED_LAYERS = 8;
// The smallest share of silent neurons that is worth a sentence.
const MANY_SILENT = 0.05;
// The most reasons that are given; all of them stand with their layers.
const REASONS = 3;
const LAYERS_OF_REASON = /^layers? '.*?'( and '.*?')?: /;
const NO_EVIDENCE = "evidence was not computed";

/**
 * @typedef {object} ComparisonView
 * @property {PageComparison} comparison
 * @property {Pair[]} pairs
 * @property {number[]} eps those that the comparison lists
 * @property {string[]} layers in the order of the comparison
 * @property {string[]} networks names of every two networks
 * @property {(layer: string) => Pair[]} pairsOf
 * @property {boolean} isEstimated whether s(eps) is estimated for the population, of some pair
 * @property {(estimate: Estimate, layer: string, eps: number) => number | undefined} meanAt mean s(eps) over pairs of networks
 * @property {(layer: string, eps: number) => number | undefined} nullAt mean s(eps) in sample under the null
 * @property {boolean} hasNull whether s(eps) under the null is known, of some pair
 * @property {(measure: string, layer: string) => number | null} meanOf mean of a measure over pairs of networks
 * @property {string[]} measures similarities that some pair has a value of, as they come
 * @property {(layer: string, networks: string | null) => Pair} pair of two networks, or the layer's first
 */

/**
 * @param {PageComparison} comparison
 * @returns {ComparisonView}
 */
export function comparisonView(comparison) {
  const pairs = comparison.pairs.map(preparePair);
  const byLayer = d3.group(pairs, (pair) => pair.layer);
  const pairsOf = (/** @type {string} */ layer) => byLayer.get(layer) ?? [];
  return {
    comparison,
    pairs,
    eps: comparison.eps,
    layers: [...byLayer.keys()],
    networks: [...new Set(pairs.map((pair) => pair.networks))],
    pairsOf,
    isEstimated: pairs.some((pair) => pair.isEstimated),
    meanAt: (estimate, layer, eps) => d3.mean(pairsOf(layer), (pair) => pair.similarityAt(estimate, eps)),
    nullAt: (layer, eps) => d3.mean(pairsOf(layer), (pair) => pair.nullAt(eps)),
    hasNull: pairs.some((pair) => pair.nullAt(0.5) !== null),
    meanOf: (measure, layer) => d3.mean(pairsOf(layer), (pair) => valueOf(pair, measure)) ?? null,
    measures: similaritiesOf(pairs),
    pair: (layer, networks) => pairsOf(layer).find((pair) => pair.networks === networks) ?? pairsOf(layer)[0],
  };
}

/**
 * The value of a measure of a pair of layers.
 * @param {Pair} pair
 * @param {string} measure
 */
function valueOf(pair, measure) {
  return pair.measures.find(({ name }) => name === measure)?.value;
}

/**
 * The similarities that some pair has a value of.
 * @param {Pair[]} pairs
 */
function similaritiesOf(pairs) {
  const known = pairs.flatMap((pair) =>
    pair.measures.filter(({ kind, value }) => kind === "similarity" && value !== null),
  );
  return [...new Set(known.map(({ name }) => name))];
}

/**
 * Of the eps listed, the one at which the layers differ the most.
 * @param {ComparisonView} view
 * @param {Estimate} estimate
 */
export function mostTellingEps(view, estimate) {
  const spreads = view.eps.map((eps) => d3.deviation(view.layers, (layer) => view.meanAt(estimate, layer, eps)) ?? 0);
  return view.eps[(d3.max(spreads) ?? 0) > 0 ? d3.maxIndex(spreads) : Math.floor(view.eps.length / 2)];
}

/**
 * How much of the layers is matched at eps, and under the null, in one sentence; of many layers the extremes.
 * @param {ComparisonView} view
 * @param {Estimate} estimate
 * @param {number} eps
 */
export function similarityInWords(view, estimate, eps) {
  const isSample = estimate === "sample";
  const layers = view.layers.filter((layer) => isSample || view.pairsOf(layer).some((pair) => pair.isEstimated));
  const rows = layers.map((layer) => ({ layer, share: view.meanAt(estimate, layer, eps) }));
  const several = view.networks.length > 1 ? `, mean over ${view.networks.length} pairs of networks` : "";
  const of = isSample ? "in this sample" : "estimated for the population";
  const shares = rows.length > NAMED_LAYERS ? extremesInWords(rows) : sharesInWords(rows);
  return `At eps ${eps.toFixed(3)}, the match holds ${shares} (${of}${several})${nullInWords(view, eps)}.`;
}

/**
 * Of which layers many neurons are silent, so that no match can hold all of them, in one sentence; empty if of none.
 * @param {ComparisonView} view
 */
export function silentInWords(view) {
  const all = view.layers.map((layer) => ({ layer, share: d3.mean(view.pairsOf(layer), silentShare) ?? 0 }));
  const [most, ...others] = d3.sort(all, ({ share }) => -share).filter(({ share }) => share >= MANY_SILENT);
  if (!most) return "";
  const named = [`${percent(most.share)} of the neurons of ${most.layer}`];
  if (others.length < NAMED_LAYERS) named.push(...others.map(({ layer, share }) => `${percent(share)} of ${layer}`));
  else named.push(`as many or fewer of ${others.length} other layers`);
  return `Silent, and so in no match: ${listed(named)}.`;
}

/**
 * The share of the neurons of both layers that are silent.
 * @param {Pair} pair
 */
function silentShare(pair) {
  return (pair.x_silent.length + pair.y_silent.length) / (pair.x_neurons + pair.y_neurons);
}

/**
 * How much of a layer is matched at eps on average, of several comparisons, in one sentence.
 * @param {{ view: ComparisonView, title: string }[]} comparisons
 * @param {Estimate} estimate where it is known
 * @param {number} eps
 */
export function severalInWords(comparisons, estimate, eps) {
  const parts = comparisons.map(({ view, title }, i) => {
    const of = view.isEstimated ? estimate : "sample";
    const mean = d3.mean(view.layers, (layer) => view.meanAt(of, layer, eps));
    const inSample = of === estimate ? "" : " (in sample)";
    return `${percent(mean)}${i ? "" : " of the neurons of a layer"} of ${title}${inSample}`;
  });
  const of = estimate === "sample" ? "in these samples" : "estimated for the population";
  const pairs = comparisons.flatMap(({ view }) => view.pairs);
  return `At eps ${eps.toFixed(3)}, the match holds ${listed(parts)} (means over layers, ${of})${nullInWords({ pairs }, eps)}.`;
}

/** @typedef {{ layer: string, share: number | undefined }} LayerShare */

/**
 * Layers with what is matched of them, most first.
 * @param {LayerShare[]} rows
 */
function sharesInWords(rows) {
  const groups = d3.groups(
    d3.sort(rows, (row) => -(row.share ?? NaN)),
    (row) => shareInWords(row.share),
  );
  const parts = groups.map(([share, layers]) => [share, listed(layers.map((row) => row.layer))]);
  return listed(parts.map(([share, layers], i) => `${share} of ${i ? "" : "the neurons of "}${layers}`));
}

/**
 * The layers of which the least and the most is matched.
 * @param {LayerShare[]} rows
 */
function extremesInWords(rows) {
  const known = rows.filter((row) => row.share !== undefined);
  const [lowest, highest] = [d3.least(known, (row) => row.share), d3.greatest(known, (row) => row.share)];
  if (!lowest || !highest) return "an unresolved share of the neurons";
  const half = known.filter((row) => (row.share ?? 0) >= 0.5).length;
  const range = `from ${percent(lowest.share)} of the neurons of ${lowest.layer} to ${percent(highest.share)} of ${highest.layer}`;
  return `${range}, and half or more of ${half} of the ${rows.length} layers`;
}

/** @param {number | undefined} share */
function shareInWords(share) {
  if (share === undefined) return "an unresolved share";
  if (share >= 0.995) return "all";
  return share < 0.005 ? "nothing" : percent(share);
}

/**
 * Why s(eps) is not estimated for the population, of the layers for which it is not; empty if it is of all.
 * @param {ComparisonView} view
 */
export function notEstimatedInWords(view) {
  const pairs = view.pairs.filter((pair) => !pair.isEstimated);
  const groups = d3.groups(pairs, (pair) =>
    (pair.refusals["corrected levels"] ?? NO_EVIDENCE).replace(LAYERS_OF_REASON, ""),
  );
  return groups.slice(0, REASONS).map(([reason, group]) => {
    const layers = [...new Set(group.map((pair) => pair.layer))];
    const others = layers.length > NAMED_LAYERS ? ` and ${layers.length - NAMED_LAYERS} more` : "";
    return `No estimate for the population of ${layers.slice(0, NAMED_LAYERS).join(", ")}${others}: ${reason}.`;
  });
}

/**
 * @param {Pick<ComparisonView, "pairs">} view
 * @param {number} eps
 */
function nullInWords({ pairs }, eps) {
  const share = d3.max(pairs, (pair) => pair.nullAt(eps));
  if (share === undefined) return "";
  return `; under the null, ${share < 0.005 ? "nothing" : `at most ${percent(share)} of a layer in sample`}`;
}

/**
 * Facts about the comparison by title, the notes that it was given among them.
 * @param {PageComparison} comparison
 * @returns {[string, string][]}
 */
export function factsOf(comparison) {
  const [fewest, most] = comparison.rows.map(count);
  return [
    ["Rows", `${fewest === most ? fewest : `${fewest} to ${most}`} per layer`],
    ["Activations", comparison.centred ? "centred" : "not centred"],
    ...Object.entries(comparison.notes),
  ];
}

/**
 * Each warning once, with the names of the pairs of layers that it holds for.
 * @param {Pair[]} pairs
 * @returns {[string, string[]][]}
 */
export function warningsOf(pairs) {
  /** @type {Map<string, string[]>} */
  const names = new Map();
  for (const pair of pairs) {
    const texts = [...pair.warnings];
    if (pair.evidence?.rows?.enough === false) texts.push(pair.evidence.rows.advice);
    if (pair.evidence && !pair.evidence.rows) texts.push(`Evidence is missing: ${pair.refusals["rows needed"]}`);
    for (const text of texts) names.set(text, [...(names.get(text) ?? []), pair.name]);
  }
  return [...names];
}
