// Layers with intervals over seeds, or over networks that were trained before the study.
/** @import { ComparedStep, LayerRecord, StudyRecord } from "../../page_data.d.ts" */
import { appendNote, h, section, selectOf, table } from "../../display/elements.js";
import { MISSING, numberWithInterval } from "../../display/text.js";
import { isCompared, stepName } from "./steps.js";

// Estimates of s(eps), by what the select calls them.
const ESTIMATES = /** @type {const} */ ({
  corrected: "for the population (corrected)",
  "in sample": "in sample",
  "held out": "on held-out rows",
  null: "under the null",
});

/** @param {StudyRecord} study */
export function layersOverSeedsView(study) {
  const steps = study.steps.filter(isCompared);
  if (!steps.length) return null;
  const known = /** @type {(keyof typeof ESTIMATES)[]} */ (Object.keys(ESTIMATES)).filter((estimate) =>
    steps.some(({ rows }) => rows.some((row) => row.estimate === estimate && row.value !== null)),
  );
  const over = study.intervals_over;
  const one = over === "seeds" ? "seed" : "network";
  return section("over-seeds", `Layers, with intervals over ${over}`, (body) => {
    appendNote(
      body,
      `s(eps) is the share of neurons in the maximum match. Means over pairs of networks, with 95% intervals over ${over}. Pairs that share a ${one} are not independent; the delete-one jackknife over ${over} accounts for this.`,
    );
    const place = h("div");
    const chosen = { step: 0, estimate: 0 };
    const choose = (/** @type {Partial<typeof chosen>} */ choice) => {
      Object.assign(chosen, choice);
      place.replaceChildren(layersTable(steps[chosen.step], known[chosen.estimate]));
    };
    if (steps.length > 1) {
      const names = steps.map((step) => stepName(step, over));
      const select = selectOf(names, (step) => choose({ step }));
      body.append(h("label", {}, "Comparison: ", select), " ");
    }
    const names = known.map((estimate) => ESTIMATES[estimate]);
    const select = selectOf(names, (estimate) => choose({ estimate }));
    body.append(h("label", {}, "s(eps): ", select), place);
    choose({});
  });
}

/**
 * @param {ComparedStep} step
 * @param {string} estimate
 */
function layersTable({ rows }, estimate) {
  const shown = rows.filter((row) => row.estimate === null || row.estimate === estimate);
  const quantities = [...new Set(shown.map((row) => row.quantity))];
  const heads = quantities.map((quantity) => {
    const eps = shown.find((row) => row.quantity === quantity)?.eps;
    return typeof eps === "number" ? `s(${eps})` : quantity;
  });
  const cells = d3
    .groups(shown, (row) => row.layer)
    .map(([layer, records]) => [
      layer,
      records[0].neurons,
      ...quantities.map((quantity) => valueOf(records, quantity)),
    ]);
  return table("Layers", ["Layer", "Neurons", ...heads], cells);
}

/**
 * @param {LayerRecord[]} records
 * @param {string} quantity
 */
function valueOf(records, quantity) {
  const record = records.find((candidate) => candidate.quantity === quantity);
  return record ? numberWithInterval(record) : MISSING;
}
