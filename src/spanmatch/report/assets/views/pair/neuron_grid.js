// One network's neurons in the order of their levels, as a list to choose from.
import { orderByLevel } from "../../data/neurons.js";
import { h } from "../../display/elements.js";
import { number } from "../../display/text.js";

const STEPS = new Map([
  ["ArrowRight", 1],
  ["ArrowDown", 1],
  ["ArrowLeft", -1],
  ["ArrowUp", -1],
]);

/**
 * Fill a box with neurons. Those in the match come first, as the order is that of levels.
 * @param {HTMLElement} box
 * @param {(number | null)[]} levels
 * @param {string} layer
 * @param {(neuron: number) => void} choose
 */
export function fillNeuronGrid(box, levels, layer, choose) {
  const order = orderByLevel(levels);
  const sorted = order.map((neuron) => levels[neuron] ?? Infinity);
  const cells = order.map((neuron) => cellOf(`${box.id}-${neuron}`, neuron, levels[neuron], layer));
  box.replaceChildren(...cells);
  box.removeAttribute("aria-activedescendant");
  /** @type {number | null} */
  let chosen = null;
  let inside = 0;
  box.onclick = ({ target }) => {
    if (target instanceof HTMLElement && target.dataset.neuron !== undefined) choose(Number(target.dataset.neuron));
  };
  box.onkeydown = (event) => {
    const last = order.length - 1;
    const place = placeAfterKey(event.key, chosen, last);
    if (place === null) return;
    event.preventDefault();
    choose(order[place]);
    cells[place].scrollIntoView({ block: "nearest" });
  };
  return {
    first: order[0],
    /** @param {number | null} neuron */
    select(neuron) {
      if (chosen !== null) cells[chosen].removeAttribute("aria-selected");
      chosen = neuron === null ? null : order.indexOf(neuron);
      if (chosen === null) {
        box.removeAttribute("aria-activedescendant");
        return;
      }
      cells[chosen].setAttribute("aria-selected", "true");
      box.setAttribute("aria-activedescendant", cells[chosen].id);
    },
    /**
     * Fill the cells in the match, touching those that change alone; returns how many are in it.
     * @param {number} eps
     */
    move(eps) {
      const now = d3.bisectRight(sorted, eps);
      for (let i = Math.min(inside, now); i < Math.max(inside, now); i++) cells[i].classList.toggle("in", i < now);
      inside = now;
      return now;
    },
  };
}

/**
 * @param {string} id
 * @param {number} neuron
 * @param {number | null} level
 * @param {string} layer
 */
function cellOf(id, neuron, level, layer) {
  const label = `neuron ${neuron} of ${layer}, ${level === null ? "silent" : `level ${number(level)}`}`;
  const title = `${neuron}: ${level === null ? "silent" : number(level)}`;
  return h("span", { role: "option", id, class: "cell", "data-neuron": neuron, "aria-label": label, title });
}

/**
 * The place in a list after a key was pressed; null if the key does not move.
 * @param {string} key
 * @param {number | null} place
 * @param {number} last
 */
export function placeAfterKey(key, place, last) {
  if (key === "Home") return 0;
  if (key === "End") return last;
  const step = STEPS.get(key);
  return step === undefined ? null : Math.min(last, Math.max(0, (place ?? -1) + step));
}
