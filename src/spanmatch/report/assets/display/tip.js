// A text beside whatever the pointer or the keyboard is on.
import { h } from "./elements.js";

const GAP = 8;

/**
 * A box for texts beside elements. Screen readers get the elements' labels instead.
 * @param {HTMLElement} box
 */
export function tipIn(box) {
  const tip = h("div", { class: "tip", "aria-hidden": "true", hidden: true });
  box.append(tip);
  return {
    /**
     * @param {string} text
     * @param {Element} element
     */
    show(text, element) {
      tip.textContent = text;
      tip.toggleAttribute("hidden", false);
      placeBeside(tip, element);
    },
    hide: () => tip.toggleAttribute("hidden", true),
  };
}

/**
 * Show texts about elements, on hover and on focus; Escape hides them.
 * @param {HTMLElement} box
 * @param {(element: Element) => string | null} textOf what is said of an element, if anything
 */
export function showTips(box, textOf) {
  const { show, hide } = tipIn(box);
  const showOf = (/** @type {Event} */ { target }) => {
    const text = target instanceof Element ? textOf(target) : null;
    if (!text) return hide();
    show(text, /** @type {Element} */ (target).closest("[data-tip]") ?? box);
  };
  for (const kind of ["pointerover", "focusin"]) box.addEventListener(kind, showOf);
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
