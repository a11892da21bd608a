// What to do next, as a list.
/** @import { NextStep } from "../../data/next_steps.js" */
import { h } from "../../display/elements.js";

/**
 * Fill the section, if the steps are others than those it shows.
 * @param {HTMLElement} section
 * @param {NextStep[]} steps
 * @param {(layer: string) => void} openLayer
 */
export function fillNextSteps(section, steps, openLayer) {
  const contents = JSON.stringify(steps);
  if (section.dataset.steps === contents) return;
  section.dataset.steps = contents;
  section.hidden = !steps.length;
  const items = steps.map(({ what, why, option, layer, isWarning }) => {
    const open = () => openLayer(layer ?? "");
    const end = layer
      ? [h("button", { type: "button", class: "link", onclick: open }, `open ${layer}`), "."]
      : option
        ? ["(", h("code", {}, option), ")."]
        : [];
    const mark = /[?.:]$/.test(what) ? "" : ":";
    return h("li", { class: isWarning ? "doubt" : null }, h("strong", {}, `${what}${mark}`), ` ${why} `, ...end);
  });
  section.replaceChildren(h("h2", {}, "What to do next"), h("ul", {}, items));
}
