// Layers with intervals over seeds, or over networks that were trained before the study.
/** @import { ComparedStep, LayerRecord, StudyRecord } from "../../page_data.d.ts" */
import { appendNote, h, section, selectOf, table } from "../../display/elements.js";
import { MISSING, numberWithInterval } from "../../display/text.js";
import { isCompared, stepName } from "./steps.js";

/** @param {StudyRecord} study */
export function layersOverSeedsView(study) {
  const steps = study.steps.filter(isCompared);
  if (!steps.length) return null;
  const over = study.intervals_over;
  const one = over === "seeds" ? "seed" : "network";
  return section("over-seeds", `Layers, with intervals over ${over}`, (body) => {
    appendNote(
      body,
      `s(eps) is in sample: the share of neurons in the maximum match. Means over pairs of networks, with 95% intervals over ${over}. Pairs that share a ${one} are not independent; the delete-one jackknife over ${over} accounts for this.`,
    );
    const place = h("div");
    const show = (/** @type {number} */ i) => place.replaceChildren(layersTable(steps[i]));
    if (steps.length > 1)
      body.append(
        h(
          "label",
          {},
          "Comparison: ",
          selectOf(
            steps.map((step) => stepName(step, over)),
            show,
          ),
        ),
      );
    body.append(place);
    show(0);
  });
}

/** @param {ComparedStep} step */
function layersTable({ rows }) {
  const quantities = [...new Set(rows.map((row) => row.quantity))];
  const byLayer = d3.groups(rows, (row) => row.layer);
  const cells = byLayer.map(([layer, records]) => [
    layer,
    records[0].neurons,
    ...quantities.map((quantity) => valueOf(records, quantity)),
  ]);
  return table("Layers", ["Layer", "Neurons", ...quantities], cells);
}

/**
 * @param {LayerRecord[]} records
 * @param {string} quantity
 */
function valueOf(records, quantity) {
  const record = records.find((candidate) => candidate.quantity === quantity);
  return record ? numberWithInterval(record) : MISSING;
}
