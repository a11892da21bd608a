// Elements in rows, of which Tab reaches one and arrow keys the others.

const STEPS = new Map([
  ["ArrowUp", [-1, 0]],
  ["ArrowDown", [1, 0]],
  ["ArrowLeft", [0, -1]],
  ["ArrowRight", [0, 1]],
  ["PageUp", [-10, 0]],
  ["PageDown", [10, 0]],
]);

/** @typedef {HTMLElement | SVGElement} Focusable */

/**
 * Let arrow keys move the focus through the elements of a box; returns what sets them.
 * @param {HTMLElement} box
 */
export function arrowKeys(box) {
  /** @type {Focusable[][]} */
  let rows = [];
  /** @type {Focusable | undefined} */
  let current;
  const enter = (/** @type {Focusable | undefined} */ element) => {
    current?.setAttribute("tabindex", "-1");
    current = element;
    current?.setAttribute("tabindex", "0");
  };
  box.addEventListener("focusin", ({ target }) => {
    const place = placeOf(rows, target);
    if (place) enter(rows[place[0]][place[1]]);
  });
  box.addEventListener("keydown", (event) => {
    const place = placeOf(rows, event.target);
    const lengths = rows.map((row) => row.length);
    const next = place && placeAfter(event.key, event.ctrlKey, place, lengths);
    if (!next) return;
    event.preventDefault();
    rows[next[0]][next[1]].focus();
  });
  /**
   * @param {Focusable[][]} newRows
   * @param {Focusable | undefined} first where Tab goes first
   */
  return (newRows, first) => {
    rows = newRows;
    for (const element of rows.flat()) element.setAttribute("tabindex", "-1");
    enter(first);
  };
}

/**
 * @param {Focusable[][]} rows
 * @param {EventTarget | null} element
 * @returns {[number, number] | null}
 */
function placeOf(rows, element) {
  const row = rows.findIndex((candidates) => candidates.some((candidate) => candidate === element));
  return row < 0 ? null : [row, rows[row].findIndex((candidate) => candidate === element)];
}

/**
 * The row and the column after a key was pressed; null if the key does not move.
 * @param {string} key
 * @param {boolean} isFar whether Home and End go to the first and the last of all
 * @param {[number, number]} place
 * @param {number[]} lengths of the rows
 * @returns {[number, number] | null}
 */
export function placeAfter(key, isFar, [row, column], lengths) {
  const last = lengths.length - 1;
  if (key === "Home") return [isFar ? 0 : row, 0];
  if (key === "End") return isFar ? [last, lengths[last] - 1] : [row, lengths[row] - 1];
  const step = STEPS.get(key);
  if (!step) return null;
  const next = Math.min(last, Math.max(0, row + step[0]));
  return [next, Math.min(lengths[next] - 1, Math.max(0, column + step[1]))];
}
