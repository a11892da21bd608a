// What is behind a score, and behind that of a second measure in the same test.
/** @import { BenchScoreRecord } from "../../bench_data.d.ts" */
/** @import { BenchView, Column, Shown } from "../../data/bench.js" */
import { detailsCsv, partsOf } from "../../data/bench.js";
import { token } from "../../display/charts.js";
import { appendFigure, appendNote, h, table } from "../../display/elements.js";
import { downloadCsv } from "../../display/files.js";
import { inBrackets, MISSING, number, percent, significant } from "../../display/text.js";
import { drawDetails } from "./details_chart.js";

const COLOURS = ["--x", "--y"];

/**
 * Fill the panel, which stands in the page already.
 * @param {HTMLElement} panel
 * @param {BenchView} view
 * @param {Shown} shown with a cell
 * @param {(changes: Partial<Shown>) => void} change
 * @param {() => void} close
 */
export function fillCellPanel(panel, view, shown, change, close) {
  const [networks, name, measure] = partsOf(shown.cell);
  const column = view.columns.find((candidate) => candidate.networks === networks && candidate.test.name === name);
  if (!column) return;
  const names = [measure, shown.with].filter((other, i) => other && (i === 0 || other !== measure));
  const scores = names.flatMap((other) => view.score(other, column.key) ?? []);
  const button = h("button", { type: "button", onclick: close }, "Close");
  panel.replaceChildren(
    h("div", { class: "head" }, h("h2", { id: "cell-title" }, `${measure}: ${name}, ${networks}`), button),
    h("p", { class: "said" }, column.test.question),
    scoresTable(view, column, scores),
    h("p", { class: "note" }, scoreInWords(column)),
  );
  for (const score of scores) {
    if (score.reason) appendNote(panel, `${score.measure}: ${score.reason}.`);
    else if (score.defined < 1) {
      appendNote(panel, `${score.measure} is defined for ${percent(score.defined)} of the pairs of layers.`);
    }
  }
  const [first, ...others] = scores;
  if (first) appendDetails(panel, first, column, COLOURS[0]);
  panel.append(h("label", {}, "Compare with ", comparedSelect(view, column, measure, shown.with, change)));
  for (const score of others) appendDetails(panel, score, column, COLOURS[1]);
}

/** @param {Column} column */
function scoreInWords({ test }) {
  return `The score: ${test.score}. By chance ${significant(test.chance)}, perfect ${significant(test.perfect)}.`;
}

/**
 * @param {BenchView} view
 * @param {Column} column
 * @param {BenchScoreRecord[]} scores
 */
function scoresTable(view, column, scores) {
  const tested = view.bench.measures.filter(({ name }) => (view.score(name, column.key)?.value ?? null) !== null);
  const rows = scores.map((score) => [
    score.measure,
    score.value === null ? MISSING : [number(score.value), h("small", {}, inBrackets(score, 3).trim())],
    score.rank === null ? MISSING : [`${significant(score.rank)} of ${tested.length}`, best(score)],
  ]);
  return table("The scores", ["Measure", "Score", "Rank"], rows);
}

/** @param {BenchScoreRecord} score */
function best({ among_best: isBest }) {
  return isBest ? h("small", {}, "among the best") : null;
}

/**
 * @param {BenchView} view
 * @param {Column} column
 * @param {string} measure
 * @param {string} chosen
 * @param {(changes: Partial<Shown>) => void} change
 */
function comparedSelect(view, column, measure, chosen, change) {
  const scores = view.bench.measures.flatMap(({ name }) => view.score(name, column.key) ?? []);
  const others = d3.sort(scores, ({ rank }) => rank ?? Infinity).filter((score) => score.measure !== measure);
  const option = (/** @type {BenchScoreRecord} */ { measure: name, value }) =>
    h("option", { value: name, selected: name === chosen }, `${name} (${number(value, 2)})`);
  const options = [h("option", { value: "" }, "no other measure"), ...others.map(option)];
  const select = h("select", { id: "with", onchange: () => change({ with: select.value }) }, options);
  return select;
}

/**
 * @param {HTMLElement} panel
 * @param {BenchScoreRecord} score
 * @param {Column} column
 * @param {string} colour
 */
function appendDetails(panel, { measure, details }, { test, networks }, colour) {
  if (!details) return;
  const csv = h("button", { type: "button", onclick: () => downloadCsv(detailsCsv(details)) }, "CSV");
  panel.append(h("div", { class: "head" }, h("h3", {}, measure), csv));
  const label = `What is behind the score of ${measure} in ${test.name} on ${networks}; the numbers can be downloaded as CSV.`;
  drawDetails(appendFigure(panel, label), details, test, token(colour));
}
