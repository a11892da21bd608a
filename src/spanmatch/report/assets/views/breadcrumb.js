// The three levels of the page, as a line that says where one is and leads back.
/** @import { Level } from "../data/address.js" */
import { h } from "../display/elements.js";

/** @typedef {{ level: Level, text: string, hash: string }} Crumb */

/**
 * Fill the list; a click on a crumb goes to its level, and its link can be copied.
 * @param {HTMLElement} list
 * @param {Crumb[]} crumbs
 * @param {Level} current
 * @param {(level: Level) => void} go
 */
export function fillBreadcrumb(list, crumbs, current, go) {
  const items = crumbs.map(({ level, text, hash }) => {
    const follow = (/** @type {Event} */ event) => {
      event.preventDefault();
      go(level);
    };
    const here = level === current ? "location" : null;
    return h("li", {}, h("a", { href: `#${hash}`, "aria-current": here, title: text, onclick: follow }, text));
  });
  list.replaceChildren(...items);
}
