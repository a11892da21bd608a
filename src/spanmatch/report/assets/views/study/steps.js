// The steps of a study: what they are called, and which compare whole networks.
/** @import { ComparedStep, StudyRecord } from "../../page_data.d.ts" */

/** @typedef {StudyRecord["steps"][number]} Step */

/**
 * @param {Pick<Step, "kind" | "variants">} step
 * @param {StudyRecord["intervals_over"]} over
 */
export function stepName({ kind, variants }, over) {
  if (kind === "across") return variants.join(" against ");
  const names = variants.filter((name) => name !== "main");
  return names.length ? `${over} of ${names.join(", ")}` : over;
}

/**
 * @param {Step} step
 * @returns {step is ComparedStep}
 */
export function isCompared(step) {
  return step.kind === "seeds" || step.kind === "across";
}
