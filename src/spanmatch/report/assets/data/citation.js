// How to cite the results: what was compared, with which version and settings, at which eps.
/** @import { PageComparison, StudyRecord } from "../page_data.d.ts" */
/** @import { ComparisonView } from "./comparison.js" */
/** @import { Estimate } from "./pair.js" */
import { count, listed, percent } from "../display/text.js";

/** @type {Record<PageComparison["match"], string>} */
const PAIRED = {
  name: "by name",
  depth: "by relative depth",
  best: "each with its most similar layer",
  given: "as listed",
};
const REFERENCE =
  "Wang, L., Hu, L., Gu, J., Wu, Y., Hu, Z., He, K., & Hopcroft, J. (2018). Towards understanding learning " +
  "representations: To what extent do different neural networks learn the same representation. NeurIPS 31.";

/**
 * @param {StudyRecord | null} study
 * @param {ComparisonView} view
 * @param {Estimate} estimate
 * @param {number} eps
 */
export function citationOf(study, { comparison, layers, pairs, meanAt }, estimate, eps) {
  const { spanmatch, networks, name } = comparison;
  const title = [study?.name, name].filter(Boolean).join(", ");
  const shares = layers.map((layer) => `${layer} ${percent(meanAt(estimate, layer, eps), 1)}`);
  const of = estimate === "sample" ? "in sample" : "corrected for the population";
  return [
    `Similarity of ${listed(networks)}${title ? ` (${title})` : ""}, ${pairs.length} ${pairs.length === 1 ? "pair" : "pairs"} of layers.`,
    `Maximum matching similarity s(eps) at eps ${eps.toFixed(3)}, ${of}: ${shares.join(", ")}.`,
    `Computed with spanmatch ${spanmatch}${study ? ` and PyTorch ${study.torch}` : ""}.`,
    `Settings: ${settingsOf(comparison).join("; ")}.`,
    REFERENCE,
  ].join("\n");
}

/** @param {PageComparison} comparison */
function settingsOf({ rows, centred, method, match, pairs, notes }) {
  const [fewest, most] = rows.map(count);
  const { evidence, sample, layout } = pairs[0];
  const permutations = d3.max(pairs[0].measures, (measure) => measure.permutations ?? 0);
  return [
    `${fewest === most ? fewest : `${fewest} to ${most}`} rows per layer (${layout})`,
    `activations ${centred ? "centred" : "not centred"}`,
    `moments kept as ${method}`,
    `layers paired ${PAIRED[match]}`,
    ...(sample ? [`sample of ${count(sample.size)} of ${count(sample.n_examples)} examples, seed ${sample.seed}`] : []),
    ...(evidence ? [`${100 * evidence.level}% intervals`] : ["no evidence"]),
    ...(permutations ? [`up to ${count(permutations)} permutations`] : []),
    ...Object.entries(notes).map(([title, text]) => `${title}: ${text}`),
  ];
}
