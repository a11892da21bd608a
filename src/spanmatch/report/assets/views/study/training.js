// What was trained, and how accurate it is.
/** @import { StudyRecord, VariantRecord } from "../../page_data.d.ts" */
import { appendFigure, appendNote, section, table } from "../../display/elements.js";
import { MISSING, percentWithInterval } from "../../display/text.js";
import { drawOverEpochs } from "./over_epochs.js";

const HEADS = ["Variant", "Network", "Seeds", "Epochs", "Test accuracy", "Training accuracy", "Data"];

/** @param {StudyRecord} study */
export function trainingView({ variants, settings }) {
  const seeds = Array.isArray(settings.seeds) ? settings.seeds.length : MISSING;
  return section("accuracy", "Training", (body) => {
    const rows = variants.map((variant) => variantRow(variant, seeds));
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
 * @param {number | string} seeds
 */
function variantRow({ name, network, epochs, data }, seeds) {
  const { epoch, test_accuracy: test, train_accuracy: train } = epochs[epochs.length - 1];
  return [name, network, seeds, epoch, percentWithInterval(test), train ? percentWithInterval(train) : MISSING, data];
}
