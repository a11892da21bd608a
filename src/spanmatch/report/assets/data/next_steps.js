// What to do next: what the results lack, and what is worth a look, most important first.
/** @import { ComparisonView } from "./comparison.js" */
import { count, listed as inWords, percent } from "../display/text.js";

// The most layers that a step names.
const NAMED = 4;
// A share of neurons that match under the null from which on a match says little.
const CHANCE = 0.05;
// A share of neurons that match from which on it is worth asking what the match is for.
const MATCHED = 0.5;

/**
 * @typedef {object} NextStep
 * @property {string} what
 * @property {string} why
 * @property {string} [option] of the command line
 * @property {string} [layer] that is to be opened
 * @property {boolean} [isWarning] whether results are doubtful until this is done
 */

/**
 * @param {ComparisonView} view
 * @param {number} eps
 * @param {boolean} isStudy
 * @returns {NextStep[]}
 */
export function nextSteps(view, eps, isStudy) {
  const steps = [fewRows(view), noEvidence(view), byChance(view, eps), ...notComputed(view, eps, isStudy)];
  return [...steps, leastMatched(view, eps)].filter((step) => step !== null);
}

/** @param {ComparisonView} view */
function fewRows({ layers, pairsOf }) {
  const rowsOf = (/** @type {string} */ layer) =>
    pairsOf(layer).flatMap(({ evidence }) => (evidence?.rows?.enough === false ? [evidence.rows] : []));
  const few = layers.filter((layer) => rowsOf(layer).length);
  if (!few.length) return null;
  const times = d3.max(few.flatMap(rowsOf), ({ needed, effective_sample_size: size }) => size && needed / size);
  const sizes = few.map((layer) => {
    const { effective_sample_size: size, needed } = rowsOf(layer)[0];
    return `${layer} (${size === null ? "an unknown number" : count(size)} of ${count(needed)})`;
  });
  const more = times
    ? `Compare over about ${count(Math.ceil(times))} times as many examples`
    : "Compare over more examples";
  return {
    what: `${share(few, layers)} fewer rows than needed`,
    why: `${named(sizes)}, as effective sample sizes. ${more}; until then, what these layers match may be chance.`,
    isWarning: true,
  };
}

/** @param {ComparisonView} view */
function noEvidence({ layers, pairsOf }) {
  const without = layers.filter((layer) => pairsOf(layer).some(({ evidence }) => !evidence));
  if (!without.length) return null;
  return {
    what: `${share(without, layers)} no evidence`,
    why: `Nothing says how far ${without.length === layers.length ? "they" : named(without)} may be from chance: compare again with intervals and a null`,
    option: "--evidence",
    isWarning: true,
  };
}

/**
 * @param {ComparisonView} view
 * @param {number} eps
 */
function byChance({ layers, pairsOf }, eps) {
  const isChance = (/** @type {string} */ layer) =>
    pairsOf(layer).some((pair) => {
      const [underNull, similarity] = [pair.nullAt(eps) ?? 0, pair.similarityAt("sample", eps) ?? 1];
      return underNull > CHANCE && similarity - underNull < CHANCE;
    });
  const chance = layers.filter(isChance);
  if (!chance.length) return null;
  return {
    what: `${count(chance.length)} of ${layers.length} layers match${chance.length === 1 ? "es" : ""} no more than unrelated data at this eps`,
    why: `${named(chance)}: choose a smaller eps, at which the dotted line of the null is near 0.`,
    isWarning: true,
  };
}

/**
 * What could be computed beside what is there.
 * @param {ComparisonView} view
 * @param {number} eps
 * @param {boolean} isStudy
 * @returns {(NextStep | null)[]}
 */
function notComputed({ comparison, layers, networks, meanAt }, eps, isStudy) {
  const { transplants, matrices, inputs } = comparison;
  const isMatched = layers.some((layer) => (meanAt("sample", layer, eps) ?? 0) >= MATCHED);
  return [
    networks.length > 1 || isStudy
      ? null
      : {
          what: "One pair of networks is compared",
          why: "It does not show what other trainings would give: compare more seeds, and an untrained network as a control, with spanmatch study.",
        },
    transplants.length || !isMatched
      ? null
      : {
          what: "Is what matches also used in the same way?",
          why: "Predict the matched neurons from the other network and see whether accuracy survives",
          option: "--transplant EPS --labels LABELS",
        },
    matrices.length || layers.length < 2
      ? null
      : {
          what: "Only layers of the same place are compared",
          why: "See whether another layer is more similar",
          option: "--pairs all",
        },
    inputs
      ? null
      : { what: "What do the neurons respond to?", why: "Keep the inputs that excite each most", option: "--top 9" },
  ];
}

/**
 * @param {ComparisonView} view
 * @param {number} eps
 */
function leastMatched({ layers, isEstimated, meanAt, eps: listed }, eps) {
  const estimate = isEstimated ? "population" : "sample";
  const known = layers.filter((layer) => meanAt(estimate, layer, eps) !== undefined);
  const overall = (/** @type {string} */ layer) => d3.mean(listed, (other) => meanAt(estimate, layer, other)) ?? 0;
  // Of layers that match alike at this eps, the one that matches least at those listed.
  const [least] = known.length > 1 ? d3.sort(known, (layer) => meanAt(estimate, layer, eps), overall) : [];
  if (least === undefined) return null;
  const matched = percent(meanAt(estimate, least, eps));
  return { what: `The networks differ most in ${least}`, why: `${matched} of it match at this eps:`, layer: least };
}

/**
 * @param {string[]} some
 * @param {string[]} layers
 */
function share(some, layers) {
  return `${count(some.length)} of ${layers.length} layers ${some.length === 1 ? "has" : "have"}`;
}

/** @param {string[]} names */
function named(names) {
  return names.length > NAMED ? `${names.slice(0, NAMED).join(", ")} and ${names.length - NAMED} more` : inWords(names);
}
