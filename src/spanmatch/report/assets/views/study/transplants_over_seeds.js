// What transplants cost, with intervals over seeds.
/** @import { StudyRecord, TransplantedRecord } from "../../page_data.d.ts" */
import { appendNote, h, section, selectOf, table } from "../../display/elements.js";
import { MISSING, percentWithInterval } from "../../display/text.js";
import { isCompared, stepName } from "./steps.js";

const CONDITIONS = {
  untouched: "Untouched",
  transplant: "Predicted",
  ablation: "Mean-ablated",
  "other examples": "Other examples",
  untrained: "Untrained network",
  stitch: "Full layer predicted",
};

/** @param {StudyRecord} study */
export function transplantsOverSeedsView(study) {
  const steps = study.steps.filter(isCompared).filter((step) => step.transplants.length);
  if (!steps.length) return null;
  const over = study.intervals_over;
  return section("transplants-over-seeds", `Transplants, with intervals over ${over}`, (body) => {
    appendNote(
      body,
      `Accuracy of each network with matched neurons predicted from the next network's, beside the controls. Means over pairs of networks, with 95% intervals over ${over}.`,
    );
    const place = h("div");
    const show = (/** @type {number} */ i) => place.replaceChildren(transplantsTable(steps[i].transplants));
    const names = steps.map((step) => stepName(step, over));
    if (steps.length > 1) body.append(h("label", {}, "Comparison: ", selectOf(names, show)));
    body.append(place);
    show(0);
  });
}

/** @param {TransplantedRecord[]} transplants */
function transplantsTable(transplants) {
  const rows = transplants.map(({ layer, eps, matched, accuracy }) => [
    layer,
    eps,
    percentWithInterval(matched),
    ...Object.keys(CONDITIONS).map((name) => (name in accuracy ? percentWithInterval(accuracy[name]) : MISSING)),
  ]);
  return table("Transplanted", ["Layer", "eps", "Matched", ...Object.values(CONDITIONS)], rows);
}
