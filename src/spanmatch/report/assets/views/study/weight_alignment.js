// Alignment of the first layer's weights with the data.
/** @import { AlignmentStep, StudyRecord } from "../../page_data.d.ts" */
import { appendFigure, appendNote, h, section, table } from "../../display/elements.js";
import { inBrackets, number, numberWithInterval } from "../../display/text.js";
import { drawOverEpochs } from "./over_epochs.js";

/** @param {StudyRecord} study */
export function weightAlignmentView(study) {
  const steps = study.steps.filter((step) => step.kind === "alignment");
  if (!steps.length) return null;
  const [{ random }] = steps;
  return section("alignment", "Alignment of first-layer weights with the data", (body) => {
    const text =
      "Misalignment of the principal directions of the weights of the first layer and of its inputs: 0 if they are the same.";
    body.append(h("p", {}, text));
    const course = steps.flatMap(({ variants, epochs }) => epochs.map((epoch) => ({ name: variants[0], ...epoch })));
    if (course.length > steps.length)
      drawOverEpochs(appendFigure(body, "Misalignment over epochs"), course, "misalignment", { isUnit: false });
    const isOfSeeds = study.intervals_over === "seeds";
    const heads = [
      "Variant",
      "Neurons",
      "Inputs",
      "Random weights",
      ...(isOfSeeds ? ["First epoch", "Final epoch", "Change"] : ["Networks"]),
    ];
    body.append(
      table(
        "Misalignment",
        heads,
        steps.map((step) => misalignmentRow(step, isOfSeeds)),
      ),
    );
    appendNote(
      body,
      `Means over ${study.intervals_over} with 95% intervals; for random weights the range of ${random.draws} draws. After Maennel et al., NeurIPS 2020.`,
    );
  });
}

/**
 * @param {AlignmentStep} step
 * @param {boolean} isOfSeeds whether training was followed
 */
function misalignmentRow({ variants, neurons, inputs, random, epochs }, isOfSeeds) {
  const [first, last] = [epochs[0], epochs[epochs.length - 1]];
  const drawn = `${number(random.value, 2)}${inBrackets(random)}`;
  const ends = (isOfSeeds ? [first, last, last.change] : [last]).map(numberWithInterval);
  return [variants[0], neurons, inputs, drawn, ...ends];
}
