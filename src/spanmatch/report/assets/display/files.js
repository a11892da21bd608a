// Figures and tables as files: buttons, and what they download.
/** @import { Cell } from "../data/csv.js" */
import { csvText } from "../data/csv.js";
import { latexText } from "../data/latex.js";
import { pngOf, svgText } from "./drawing.js";

/** @typedef {[name: string, heads: string[], rows: Cell[][]]} TableFile a table, with the name of its file without its end */

const LONGEST_NAME = 60;

/**
 * Download a table as CSV.
 * @param {TableFile} table
 */
export function downloadCsv([name, heads, rows]) {
  download(`${name}.csv`, new Blob([csvText(heads, rows)], { type: "text/csv" }));
}

/**
 * Download a table as LaTeX.
 * @param {TableFile} table
 */
export function downloadLatex([name, heads, rows]) {
  download(`${name}.tex`, new Blob([latexText(name, heads, rows)], { type: "text/x-tex" }));
}

/**
 * Offer a figure as SVG and as PNG, with buttons after it; once for each figure.
 * @param {HTMLElement} figure
 */
export function offerFigure(figure) {
  if (!figure.parentElement || figure.nextElementSibling?.classList.contains("export")) return;
  const label = figure.dataset.name ?? figure.getAttribute("aria-label") ?? figure.id;
  const name = fileName(label);
  const asSvg = () => download(`${name}.svg`, new Blob([svgText(figure)], { type: "image/svg+xml" }));
  const asPng = async () => {
    const png = await pngOf(figure);
    if (png) download(`${name}.png`, png);
  };
  figure.after(buttons(label, [["SVG", asSvg], ["PNG", asPng]])); // prettier-ignore
}

/**
 * Buttons for a table as CSV and as LaTeX.
 * @param {string} label
 * @param {() => [string[], Cell[][]]} contents
 */
export function tableButtons(label, contents) {
  const file = () => /** @type {TableFile} */ ([fileName(label), ...contents()]);
  return buttons(label, [["CSV", () => downloadCsv(file())], ["LaTeX", () => downloadLatex(file())]]); // prettier-ignore
}

/**
 * @param {string} label
 * @param {[string, () => void][]} kinds
 */
function buttons(label, kinds) {
  const bar = document.createElement("div");
  bar.className = "export";
  for (const [kind, save] of kinds) {
    const button = document.createElement("button");
    Object.assign(button, { type: "button", textContent: kind, title: `${label} as ${kind}` });
    button.setAttribute("aria-label", `${label} as ${kind}`);
    button.addEventListener("click", save);
    bar.append(button);
  }
  return bar;
}

/**
 * The name of a file, of letters, digits and dashes.
 * @param {string} label
 */
export function fileName(label) {
  const words = label.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, "-");
  return words.replace(/^-/, "").slice(0, LONGEST_NAME).replace(/-$/, "") || "spanmatch";
}

/**
 * @param {string} name
 * @param {Blob} file
 */
function download(name, file) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
