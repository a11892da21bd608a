// Tables as CSV.

/** @typedef {string | number | boolean | null | undefined} Cell */

/**
 * A table as CSV; what is missing is empty.
 * @param {string[]} heads
 * @param {Cell[][]} rows
 */
export function csvText(heads, rows) {
  return [heads, ...rows].map((row) => `${row.map(quoted).join(",")}\n`).join("");
}

/** @param {Cell} cell */
function quoted(cell) {
  const text = cell === null || cell === undefined ? "" : String(cell);
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
