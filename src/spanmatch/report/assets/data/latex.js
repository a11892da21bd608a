// Tables as LaTeX, with the rules of the package booktabs.
/** @import { Cell } from "./csv.js" */

const DIGITS = 4;
/** @type {Record<string, string>} */
const ESCAPED = {
  "\\": "\\textbackslash{}",
  "~": "\\textasciitilde{}",
  "^": "\\textasciicircum{}",
  "\u2212": "$-$",
  "\u2013": "--",
  "<": "$<$",
  ">": "$>$",
};

/**
 * A table as LaTeX; numbers in four significant digits, what is missing as a dash.
 * @param {string} caption
 * @param {string[]} heads
 * @param {Cell[][]} rows
 */
export function latexText(caption, heads, rows) {
  const isNumber = heads.map((_, i) =>
    rows.every((row) => row[i] === null || row[i] === undefined || isNumeric(row[i])),
  );
  const line = (/** @type {Cell[]} */ cells) => `${cells.map(latexCell).join(" & ")} \\\\`;
  return [
    "% \\usepackage{booktabs}",
    "\\begin{table}",
    `\\caption{${escaped(caption)}}`,
    `\\begin{tabular}{${isNumber.map((right) => (right ? "r" : "l")).join("")}}`,
    "\\toprule",
    line(heads),
    "\\midrule",
    ...rows.map(line),
    "\\bottomrule",
    "\\end{tabular}",
    "\\end{table}",
    "",
  ].join("\n");
}

/** @param {Cell} cell */
function isNumeric(cell) {
  return typeof cell === "number" || (typeof cell === "string" && /^[-\u2212+<]?\d[\d,.]*%?$/.test(cell.trim()));
}

/** @param {Cell} cell */
function latexCell(cell) {
  if (cell === null || cell === undefined || cell === "") return "--";
  if (typeof cell === "number" && !Number.isInteger(cell)) return escaped(String(Number(cell.toPrecision(DIGITS))));
  return escaped(String(cell));
}

/** @param {string} text */
export function escaped(text) {
  return text
    .replace(/[\\~^<>\u2212\u2013]|[&%$#_{}]/g, (character) => ESCAPED[character] ?? `\\${character}`)
    .replaceAll("\n", " ");
}
