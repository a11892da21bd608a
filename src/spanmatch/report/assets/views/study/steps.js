// The steps of a study: what they are called, and which compare whole networks.
/** @import { ComparedStep, StudyRecord } from "../../page_data.d.ts" */

/** @typedef {StudyRecord["steps"][number]} Step */

/** @param {Pick<Step, "kind" | "variants">} step */
export function stepName({ kind, variants }) {
  const names = variants.filter((name) => name !== "main");
  if (kind === "across") return names.join(" against ");
  return names.length ? `seeds of ${names.join(", ")}` : "seeds";
}

/**
 * @param {Step} step
 * @returns {step is ComparedStep}
 */
export function isCompared(step) {
  return step.kind === "seeds" || step.kind === "across";
}
