// A comparison as the views ask for it: its layers in order, its pairs of networks, and means over them.
/** @import { PageComparison } from "../page_data.d.ts" */
/** @import { Pair } from "./pair.js" */
import { count, listed, percent } from "../display/text.js";
import { preparePair } from "./pair.js";

// The most layers that a sentence names.
const NAMED_LAYERS = 8;

/**
 * @typedef {object} ComparisonView
 * @property {PageComparison} comparison
 * @property {Pair[]} pairs
 * @property {number[]} eps those that the comparison lists
 * @property {string[]} layers in the order of the comparison
 * @property {string[]} networks names of every two networks
 * @property {(layer: string) => Pair[]} pairsOf
 * @property {(layer: string, k: number) => number | undefined} listedMean mean similarity at the listed eps k
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
    listedMean: (layer, k) => d3.mean(pairsOf(layer), (pair) => pair.similarity[k]),
    pair: (layer, networks) => pairsOf(layer).find((pair) => pair.networks === networks) ?? pairsOf(layer)[0],
  };
}

/**
 * Of the eps listed, the one at which the layers differ the most.
 * @param {ComparisonView} view
 */
export function mostTellingEps(view) {
  const spreads = view.eps.map((_, k) => d3.deviation(view.layers, (layer) => view.listedMean(layer, k)) ?? 0);
  return view.eps[(d3.max(spreads) ?? 0) > 0 ? d3.maxIndex(spreads) : Math.floor(view.eps.length / 2)];
}

/**
 * How much of each layer is matched at eps, in a sentence; of many layers the extremes.
 * @param {ComparisonView} view
 * @param {number} eps
 */
export function similarityInWords(view, eps) {
  const rows = view.layers.map((layer) => ({
    layer,
    share: d3.mean(view.pairsOf(layer), (pair) => pair.similarityAt(eps)),
  }));
  const start = `Matched at eps ${eps.toFixed(3)}:`;
  const end = nullInWords(d3.max(view.pairs, (pair) => pair.nullAt(eps)));
  if (rows.length > NAMED_LAYERS) {
    const known = rows.filter((row) => row.share !== undefined);
    const [lowest, highest] = [d3.least(known, (row) => row.share), d3.greatest(known, (row) => row.share)];
    const half = known.filter((row) => (row.share ?? 0) >= 0.5).length;
    if (!lowest || !highest) return `${start} an unresolved share.${end}`;
    const range = `from ${percent(lowest.share)} of ${lowest.layer} to ${percent(highest.share)} of ${highest.layer}`;
    return `${start} ${range}; half or more of ${half} of the ${rows.length} layers.${end}`;
  }
  const groups = d3.groups(
    d3.sort(rows, (row) => -(row.share ?? NaN)),
    (row) => shareInWords(row.share),
  );
  const parts = groups.map(([share, layers]) => `${share} of ${listed(layers.map((row) => row.layer))}`);
  return `${start} ${parts.join("; ")}.${end}`;
}

/** @param {number | undefined} share */
function shareInWords(share) {
  if (share === undefined) return "an unresolved share";
  if (share >= 0.995) return "all";
  return share < 0.005 ? "nothing" : percent(share);
}

/** @param {number | undefined} share */
function nullInWords(share) {
  if (share === undefined) return "";
  return ` Under the null: ${share < 0.005 ? "nothing" : `at most ${percent(share)} of a layer`}.`;
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
