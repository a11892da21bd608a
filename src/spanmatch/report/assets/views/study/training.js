// What was trained, or given trained, and how accurate it is.
/** @import { StudyRecord, VariantRecord } from "../../page_data.d.ts" */
import { appendFigure, appendNote, section, table } from "../../display/elements.js";
import { MISSING, percentWithInterval } from "../../display/text.js";
import { drawOverEpochs } from "./over_epochs.js";

const HEADS = ["Variant", "Network", "Seeds", "Epochs", "Test accuracy", "Training accuracy", "Data"];
const GIVEN_HEADS = ["Variant", "Network", "Names", "Test accuracy", "Data"];

/** @param {StudyRecord} study */
export function trainingView(study) {
  return study.intervals_over === "networks" ? givenNetworks(study) : training(study);
}

/** @param {StudyRecord} study */
function givenNetworks({ variants, runs }) {
  return section("accuracy", "Networks", (body) => {
    const rows = variants.map(({ name, network, epochs, data }) => {
      const names = runs.filter((run) => run.variant === name).map((run) => run.name);
      return [name, network, names.join(", "), percentWithInterval(epochs[0].test_accuracy), data];
    });
    body.append(table("Variants", GIVEN_HEADS, rows));
    appendNote(
      body,
      "The networks were trained before the study. Means over networks with 95% intervals over networks, on the scale of log odds.",
    );
    for (const { name, reason } of runs) if (reason !== null) appendNote(body, `${name} has no accuracy: ${reason}.`);
  });
}

/** @param {StudyRecord} study */
function training({ variants, runs }) {
  return section("accuracy", "Training", (body) => {
    const rows = variants.map((variant) =>
      variantRow(variant, runs.filter((run) => run.variant === variant.name).length),
    );
    body.append(table("Variants", HEADS, rows));
    appendNote(body, "Means over seeds with 95% intervals over seeds, on the scale of log odds.");
    const course = variants.flatMap(({ name, epochs }) =>
      epochs.map(({ epoch, test_accuracy: accuracy }) => ({ name, epoch, ...accuracy })),
    );
    if (course.length > variants.length)
      drawOverEpochs(
        appendFigure(body, "Test accuracy over epochs; the numbers are in runs.csv"),
        course,
        "test accuracy",
      );
  });
}

/**
 * @param {VariantRecord} variant
 * @param {number} seeds
 */
function variantRow({ name, network, epochs, data }, seeds) {
  const { epoch, test_accuracy: test, train_accuracy: train } = epochs[epochs.length - 1];
  return [name, network, seeds, epoch, percentWithInterval(test), train ? percentWithInterval(train) : MISSING, data];
}
