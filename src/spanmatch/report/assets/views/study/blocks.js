// Block structure: similarity of the layers of one network, and of the same layers of two networks.
/** @import { BlocksRecord, ComparedStep, StudyRecord } from "../../page_data.d.ts" */
import { appendNote, section, table } from "../../display/elements.js";
import { number, numberWithInterval } from "../../display/text.js";
import { isCompared } from "./steps.js";

const HEADS = [
  "Variant",
  "Within one network",
  "Between two networks",
  "First component, median",
  "First component, largest",
];

/** @import { Step } from "./steps.js" */

/** @param {StudyRecord} study */
export function blocksView(study) {
  const steps = study.steps.filter(hasBlocks);
  if (!steps.length) return null;
  return section("blocks", "Block structure", (body) => {
    const rows = steps.map(({ variants, blocks }) => {
      const shares = Object.values(blocks.first_component).map((spread) => spread.value);
      const [median, largest] = [d3.median(shares, (share) => share ?? NaN), d3.max(shares, (share) => share ?? NaN)];
      const means = [blocks.within, blocks.between].map(numberWithInterval);
      return [variants[0], ...means, number(median, 2), number(largest, 2)];
    });
    body.append(table("Blocks", HEADS, rows));
    appendNote(
      body,
      `Mean ${steps[0].blocks.measure} of two different layers, with intervals over ${study.intervals_over}: of one network, and of the same two layers in two networks. ` +
        "A block that is particular to each network has a first column far above the second.",
    );
  });
}

/**
 * @param {Step} step
 * @returns {step is ComparedStep & { blocks: BlocksRecord }}
 */
function hasBlocks(step) {
  return isCompared(step) && step.blocks !== null;
}
