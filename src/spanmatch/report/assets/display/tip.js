// A text beside whatever the pointer or the keyboard is on.
import { h } from "./elements.js";

const GAP = 8;

/**
 * Show texts about elements in a box, on hover and on focus; Escape hides them. Screen readers get the elements' labels.
 * @param {HTMLElement} box
 * @param {(element: Element) => string | null} textOf what is said of an element, if anything
 */
export function showTips(box, textOf) {
  const tip = h("div", { class: "tip", "aria-hidden": "true", hidden: true });
  box.append(tip);
  const hide = () => tip.toggleAttribute("hidden", true);
  const show = (/** @type {Event} */ { target }) => {
    const text = target instanceof Element ? textOf(target) : null;
    if (!text) return hide();
    tip.textContent = text;
    tip.toggleAttribute("hidden", false);
    placeBeside(tip, /** @type {Element} */ (target).closest("[data-tip]") ?? box);
  };
  for (const kind of ["pointerover", "focusin"]) box.addEventListener(kind, show);
  for (const kind of ["pointerleave", "focusout", "scroll", "click"]) box.addEventListener(kind, hide, true);
  addEventListener("scroll", hide);
  box.addEventListener("keydown", ({ key }) => {
    if (key === "Escape") hide();
  });
}

/**
 * Place a tip below an element, or above where there is no room.
 * @param {HTMLElement} tip
 * @param {Element} element
 */
function placeBeside(tip, element) {
  const { left, top, bottom } = element.getBoundingClientRect();
  const most = document.documentElement.clientWidth - tip.offsetWidth - GAP;
  const isBelow = bottom + tip.offsetHeight + GAP < innerHeight;
  tip.style.left = `${Math.max(GAP, Math.min(left, most))}px`;
  tip.style.top = `${isBelow ? bottom + GAP / 2 : top - tip.offsetHeight - GAP / 2}px`;
}
