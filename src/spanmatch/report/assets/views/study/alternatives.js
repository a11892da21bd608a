// What of the result depends on how the rows of a layer are made.
/** @import { AlternativesStep, StudyRecord } from "../../page_data.d.ts" */
import { appendNote, h, section, selectOf, table } from "../../display/elements.js";
import { MISSING, numberWithInterval } from "../../display/text.js";

/** @param {StudyRecord} study */
export function alternativesView(study) {
  const steps = study.steps.filter((step) => step.kind === "alternatives");
  if (!steps.length) return null;
  const quantities = [...new Set(steps[0].rows.map((row) => row.quantity))];
  const measures = [...new Set(steps[0].rows.filter((row) => row.eps === null).map((row) => row.quantity))];
  return section("alternatives", "Other ways to make the rows", (body) => {
    const place = h("div");
    const chosen = { step: 0, quantity: quantities.length - 1 - measures.length };
    const choose = (/** @type {Partial<typeof chosen>} */ choice) => {
      Object.assign(chosen, choice);
      place.replaceChildren(alternativesTable(steps[chosen.step], quantities[chosen.quantity]));
    };
    if (steps.length > 1) {
      const variants = steps.map((step) => step.variants[0]);
      const select = selectOf(variants, (step) => choose({ step }));
      body.append(h("label", {}, "Variant: ", select), " ");
    }
    const select = selectOf(quantities, (quantity) => choose({ quantity }), chosen.quantity);
    body.append(h("label", {}, "Measure: ", select), place);
    appendNote(
      body,
      `The same networks, with the rows of every layer made in another way. s(eps) is in sample. Means over pairs of networks, with 95% intervals over ${study.intervals_over}; all numbers are in alternatives.csv.`,
    );
    choose({});
  });
}

/**
 * @param {AlternativesStep} step
 * @param {string} quantity
 */
function alternativesTable({ rows }, quantity) {
  const ofQuantity = rows.filter((row) => row.quantity === quantity);
  const names = [...new Set(ofQuantity.map((row) => row.alternative))];
  const cells = d3
    .groups(ofQuantity, (row) => row.layer)
    .map(([layer, records]) => [
      layer,
      ...names.map((name) => {
        const record = records.find((candidate) => candidate.alternative === name);
        return record ? numberWithInterval(record) : MISSING;
      }),
    ]);
  return table("Alternatives", ["Layer", ...names], cells);
}
