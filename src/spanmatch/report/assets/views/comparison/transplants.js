// How the first network does when neurons are replaced by what the second network's predict them to be.
/** @import { IntervalRecord, OutcomeRecord, PageComparison, TransplantRecord } from "../../page_data.d.ts" */
import { appendNote, h, section, selectOf, table } from "../../display/elements.js";
import { count, inBrackets, inPercent, MISSING, networkOf, number, percent } from "../../display/text.js";

const CONTROLS = {
  untouched: "Untouched",
  ablation: "Mean-ablated",
  "other examples": "Other examples",
  untrained: "Untrained network",
};
const SIGNED = d3.format("+.1f");

/** @param {PageComparison} comparison */
export function transplantsView({ transplants }) {
  if (!transplants.length) return null;
  const groups = d3.groups(transplants, groupOf);
  return section("transplants", "Transplants", (body) => {
    const place = h("div");
    const show = (/** @type {number} */ i) => showGroup(place, groups[i][1]);
    const names = groups.map(([name]) => name);
    if (groups.length > 1) body.append(h("label", {}, "Networks and eps: ", selectOf(names, show)));
    body.append(place);
    show(0);
  });
}

/**
 * Transplants that share networks and eps, in words.
 * @param {TransplantRecord} transplant
 */
function groupOf({ x_layer: x, y_layer: y, eps }) {
  return `${networkOf(x)} from ${networkOf(y)}, eps ${eps}`;
}

/**
 * @param {HTMLElement} place
 * @param {TransplantRecord[]} transplants
 */
function showGroup(place, transplants) {
  const [{ eps, n_examples: examples, level }] = transplants;
  place.replaceChildren(
    h(
      "p",
      {},
      `Does the match matter to the network? The neurons of the first network that are matched at eps ${eps} are replaced by their prediction ` +
        "from the matched neurons of the second, and the forward pass goes on. " +
        `Accuracy over ${count(examples)} labelled examples, loss in brackets.`,
    ),
    h(
      "ul",
      {},
      control(
        "Mean-ablated",
        "the same neurons at their means. If that costs nothing, the network does not need them, and the transplant shows nothing.",
      ),
      control(
        "Other examples",
        "the same predictions, permuted over examples. If that costs nothing, the activations of these neurons do not matter.",
      ),
      control(
        "Untrained network",
        "predicted from as many neurons of a network that was never trained. If that does as well, the match shows nothing of what was learned.",
      ),
    ),
  );
  appendTables(place, transplants, level, "transplant", "Matched neurons");
  appendTables(place, transplants, level, "stitch", "Full layer (stitched)");
  for (const { x_layer: layer, refused } of transplants)
    for (const [condition, reason] of Object.entries(refused))
      appendNote(place, `Missing, ${layer}, ${condition}: ${reason}.`);
}

/**
 * @param {string} name
 * @param {string} text
 */
function control(name, text) {
  return h("li", {}, h("em", {}, name), `: ${text}`);
}

/**
 * Append the outcomes of one condition and its controls, and the differences; nothing if no transplant has it.
 * @param {HTMLElement} body
 * @param {TransplantRecord[]} transplants
 * @param {number} level
 * @param {"transplant" | "stitch"} condition
 * @param {string} title
 */
function appendTables(body, transplants, level, condition, title) {
  if (!transplants.some((transplant) => outcomeOf(transplant, condition))) return;
  const heads = Object.values(CONTROLS);
  const outcomes = transplants.map((transplant) => outcomeRow(transplant, condition));
  const differences = transplants.map((transplant) => differenceRow(transplant, condition));
  body.append(
    h("h3", {}, title),
    table(`Transplants: ${title}`, ["Layer", "Neurons", "Predicted", ...heads], outcomes),
  );
  const intervals = `${100 * level}% intervals over examples`;
  appendNote(
    body,
    `Predicted less each control, in points of accuracy, with ${intervals}. An interval that holds 0 shows no difference.`,
  );
  body.append(table(`Differences: ${title}`, ["Layer", ...heads], differences));
}

/**
 * Names of the controls of a condition, as results have them.
 * @param {"transplant" | "stitch"} condition
 */
export function controlsOf(condition) {
  const names = Object.keys(CONTROLS);
  return condition === "transplant" ? names : names.map((name) => (name === "untouched" ? name : `stitch ${name}`));
}

/**
 * The outcome of a condition, which a transplant need not have.
 * @param {TransplantRecord} transplant
 * @param {string} condition
 */
export function outcomeOf(transplant, condition) {
  return transplant.outcomes.find((outcome) => outcome.condition === condition);
}

/**
 * @param {TransplantRecord} transplant
 * @param {"transplant" | "stitch"} condition
 */
export function outcomeRow(transplant, condition) {
  const outcome = outcomeOf(transplant, condition);
  const outcomes = [outcome, ...controlsOf(condition).map((name) => outcomeOf(transplant, name))];
  return [layersOf(transplant), outcome?.neurons ?? MISSING, ...outcomes.map(accuracyAndLoss)];
}

/**
 * @param {TransplantRecord} transplant
 * @param {"transplant" | "stitch"} condition
 */
export function differenceRow(transplant, condition) {
  const differences = controlsOf(condition).map((name) =>
    transplant.differences.find((difference) => difference.condition === condition && difference.control === name),
  );
  return [layersOf(transplant), ...differences.map((difference) => points(difference?.accuracy))];
}

/** @param {TransplantRecord} transplant */
function layersOf(transplant) {
  return `${transplant.x_layer} from ${transplant.y_layer}`;
}

/** @param {OutcomeRecord | undefined} outcome */
function accuracyAndLoss(outcome) {
  return outcome ? `${percent(outcome.accuracy, 1)} (${number(outcome.loss, 2)})` : MISSING;
}

/** @param {IntervalRecord | undefined} difference */
function points(difference) {
  if (!difference || difference.value === null) return MISSING;
  return `${SIGNED(100 * difference.value)}${inBrackets(inPercent(difference), 1)}`;
}
