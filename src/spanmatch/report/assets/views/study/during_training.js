// Similarity during training: each network to its final epoch, and seeds to each other.
/** @import { EpochsStep, StudyRecord } from "../../page_data.d.ts" */
import { appendFigure, appendNote, h, section, selectOf } from "../../display/elements.js";
import { drawOverEpochs } from "./over_epochs.js";

const KINDS = /** @type {const} */ ({ own: "similarity to the final epoch", between: "similarity between seeds" });
const FIRST_MEASURE = "debiased cka";

/** @param {StudyRecord} study */
export function duringTrainingView(study) {
  const steps = study.steps.filter((step) => step.kind === "epochs");
  if (!steps.length) return null;
  const quantities = [...new Set(steps[0].rows.map((row) => row.quantity))];
  return section("course", "Similarity during training", (body) => {
    const charts = h("div", { class: "sides" });
    const chosen = { step: 0, quantity: Math.max(0, quantities.indexOf(FIRST_MEASURE)) };
    const show = () => drawCharts(charts, steps[chosen.step], quantities[chosen.quantity]);
    const choose = (/** @type {Partial<typeof chosen>} */ choice) => {
      Object.assign(chosen, choice);
      show();
    };
    if (steps.length > 1) {
      const variants = steps.map((step) => step.variants[0]);
      body.append(
        h(
          "label",
          {},
          "Variant: ",
          selectOf(variants, (step) => choose({ step })),
        ),
        " ",
      );
    }
    const select = selectOf(quantities, (quantity) => choose({ quantity }), chosen.quantity);
    body.append(h("label", {}, "Measure: ", select), charts);
    appendNote(
      body,
      "Epoch 0 is before training. Means over seeds, or over pairs of seeds at the same epoch; intervals are in the tooltips and in epochs.csv.",
    );
    show();
  });
}

/**
 * @param {HTMLElement} box
 * @param {EpochsStep} step
 * @param {string} quantity
 */
function drawCharts(box, step, quantity) {
  const rows = step.rows.filter((row) => row.quantity === quantity);
  box.replaceChildren();
  const figures = /** @type {(keyof typeof KINDS)[]} */ (Object.keys(KINDS)).map((kind) => {
    const half = box.appendChild(h("div", {}, h("h3", {}, `${KINDS[kind]}`)));
    const label = `${quantity} of each layer during training, ${KINDS[kind]}; the numbers are in epochs.csv`;
    return { kind, figure: appendFigure(half, label) };
  });
  // Charts are as wide as their figures, once both figures stand there.
  for (const { kind, figure } of figures) {
    const course = rows.map((row) => ({ name: row.layer, epoch: row.epoch, ...row[kind] }));
    drawOverEpochs(figure, course, quantity, { band: false });
  }
}
