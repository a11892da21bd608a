// The heat map: measures by tests, each cell with its score and interval.
/** @import { BenchMeasureRecord, BenchScoreRecord } from "../../bench_data.d.ts" */
/** @import { BenchView, Column, Shown } from "../../data/bench.js" */
/** @import { ScoreColours } from "./score_colours.js" */
import { columnsOf, keyOf, measuresOf, partsOf, positionOf } from "../../data/bench.js";
import { arrowKeys } from "../../display/arrow_keys.js";
import { h } from "../../display/elements.js";
import { inBrackets, MISSING, number, percent } from "../../display/text.js";
import { ramp, scoreColours } from "./score_colours.js";

// Where tests stand before what else is known of a measure.
export const NARROW = "(max-width: 40rem)";
const SECONDS = d3.format(".2~g");

/** @typedef {(changes: Partial<Shown>) => void} Change */

/**
 * Prepare a table; `fill` shows scores in it, and clicks and keys change what is shown.
 * @param {HTMLElement} table
 * @param {BenchView} view
 * @param {Change} change
 */
export function heatMap(table, view, change) {
  const setStops = arrowKeys(table);
  const open = (/** @type {Event} */ { target }) => {
    const cell = target instanceof Element ? target.closest("td[data-cell]") : null;
    if (cell instanceof HTMLElement) change({ cell: cell.dataset.cell });
    return cell !== null;
  };
  table.addEventListener("click", open);
  table.addEventListener("keydown", (event) => {
    if ((event.key === "Enter" || event.key === " ") && open(event)) event.preventDefault();
  });
  return {
    /** @param {Shown} shown */
    fill(shown) {
      const focused = document.activeElement?.getAttribute("data-order");
      const { heads, body } = tableParts(view, shown, change);
      table.replaceChildren(h("thead", {}, heads.rows), h("tbody", {}, body));
      const cells = body.map((row) => /** @type {HTMLElement[]} */ ([...row.children]));
      setStops([heads.stops, ...cells], cells[0]?.find(({ dataset }) => dataset.cell) ?? heads.stops[0]);
      if (focused) heads.stops.find((stop) => stop.dataset.order === focused)?.focus();
    },
    /**
     * Mark a cell as the one of which details are shown.
     * @param {string} cell empty for none
     */
    mark(cell) {
      for (const element of table.querySelectorAll("[aria-selected]")) element.removeAttribute("aria-selected");
      for (const element of table.querySelectorAll("tr.chosen")) element.classList.remove("chosen");
      const element = cellOf(table, cell);
      element?.setAttribute("aria-selected", "true");
      element?.parentElement?.classList.add("chosen");
      element?.scrollIntoView({ block: "nearest", inline: "nearest" });
      return element;
    },
    /** @param {string} cell */
    focusCell(cell) {
      cellOf(table, cell)?.focus();
    },
    /** @param {string} measure */
    focusRow(measure) {
      const heads = /** @type {NodeListOf<HTMLElement>} */ (table.querySelectorAll("tbody th"));
      const head = [...heads].find(({ dataset }) => dataset.measure === measure);
      head?.scrollIntoView({ block: "center" });
      head?.focus({ preventScroll: true });
    },
  };
}

/**
 * @param {HTMLElement} table
 * @param {string} cell
 */
function cellOf(table, cell) {
  const cells = /** @type {NodeListOf<HTMLElement>} */ (table.querySelectorAll("td[data-cell]"));
  return [...cells].find(({ dataset }) => dataset.cell === cell) ?? null;
}

/**
 * A table for each set of networks that is shown, as paper is not as wide as all of them.
 * @param {BenchView} view
 * @param {Shown} shown
 */
export function printedMaps(view, shown) {
  const sets = [...new Set(columnsOf(view, shown.networks).map(({ networks }) => networks))];
  return sets.map((networks) => {
    const { heads, body } = tableParts(view, { ...shown, networks }, () => {});
    return h("table", { class: "scores printed" }, h("thead", {}, heads.rows), h("tbody", {}, body));
  });
}

/**
 * @param {BenchView} view
 * @param {Shown} shown
 * @param {Change} change
 */
function tableParts(view, shown, change) {
  const columns = columnsOf(view, shown.networks);
  const measures = measuresOf(view, shown);
  const isNarrow = matchMedia(NARROW).matches && !matchMedia("print").matches;
  const colours = scoreColours();
  const body = measures.map((measure) => measureRow(view, measure, columns, colours, isNarrow));
  return { heads: headRows(columns, shown, change, isNarrow), body };
}

/**
 * Two rows of heads, and what arrow keys reach of them: one for each column.
 * @param {Column[]} columns
 * @param {Shown} shown
 * @param {Change} change
 * @param {boolean} isNarrow
 */
function headRows(columns, shown, change, isNarrow) {
  const head = (/** @type {string} */ text, /** @type {string} */ order, /** @type {string} */ tip, kind = "") => {
    const button = h("button", { type: "button", "data-order": order, onclick: () => change({ order }) }, text);
    const isSorted = shown.order === order ? "ascending" : null;
    const spans = columns.some(({ key }) => key === order) ? null : 2;
    const attributes = { scope: "col", class: kind, rowspan: spans, "aria-sort": isSorted, "data-tip": tip };
    return { element: h("th", attributes, button), button };
  };
  const name = head("Measure", "name", "Order by name", "name");
  const rank = head("Mean rank", "rank", "Mean over the tests, 1 the best, with its interval over tests");
  const won = h("th", { scope: "col", rowspan: 2, "data-tip": WON }, "Won : lost");
  const seconds = head("Seconds per pair", "seconds", "Time for one pair of layers");
  const tests = columns.map(({ test, key }, i) =>
    head(test.name, key, `${test.question}\nThe score: ${test.score}. Click to order by it.`, firstOf(columns, i)),
  );
  const sets = d3
    .groups(columns, ({ networks }) => networks)
    .map(([networks, { length }]) =>
      h("th", { scope: "colgroup", colspan: length, class: "of-set" }, h("span", {}, networks)),
    );
  return {
    rows: [
      h("tr", {}, name.element, rank.element, arranged(sets, [won, seconds.element], isNarrow)),
      h(
        "tr",
        {},
        tests.map(({ element }) => element),
      ),
    ],
    stops: [
      name.button,
      rank.button,
      ...arranged(
        tests.map(({ button }) => button),
        [won, seconds.button],
        isNarrow,
      ),
    ],
  };
}

/**
 * What is known of a measure before the tests, or after them on a narrow screen.
 * @template {HTMLElement} Element
 * @param {Element[]} tests
 * @param {Element[]} facts
 * @param {boolean} isNarrow
 */
function arranged(tests, facts, isNarrow) {
  return isNarrow ? [...tests, ...facts] : [...facts, ...tests];
}

const WON = "Comparisons with another measure in a test in which this one is significantly better, or worse";

/**
 * The class of a column that is the first of its set of networks.
 * @param {Column[]} columns
 * @param {number} i
 */
function firstOf(columns, i) {
  return columns[i].networks === columns[i - 1]?.networks ? "" : "first";
}

/**
 * @param {BenchView} view
 * @param {BenchMeasureRecord} measure
 * @param {Column[]} columns
 * @param {ScoreColours} colours
 * @param {boolean} isNarrow
 */
function measureRow(view, measure, columns, colours, isNarrow) {
  const { name, rank, won, lost, seconds } = measure;
  const tip = `${name}\n${kindInWords(measure)}`;
  return h(
    "tr",
    { class: measure.maximum_match ? "match" : null },
    h(
      "th",
      { scope: "row", class: "name", "data-measure": name, "data-tip": tip },
      name,
      h("small", {}, tagsOf(measure).join(" \u00b7 ")),
    ),
    h("td", { class: "number" }, number(rank.value, 1), interval(rank, 1)),
    arranged(
      columns.map((column, i) => scoreCell(view, column, name, firstOf(columns, i), colours)),
      [
        h("td", { class: "number" }, `${won} : ${lost}`),
        h("td", { class: "number" }, seconds === null ? MISSING : SECONDS(seconds)),
      ],
      isNarrow,
    ),
  );
}

/** @param {BenchMeasureRecord} measure */
function tagsOf({ kind, needs, yours }) {
  return [kind === "distance" ? kind : "", needs === "sample" ? needs : "", yours ? "yours" : ""].filter(Boolean);
}

/** @param {BenchMeasureRecord} measure */
function kindInWords({ kind, needs, yours, maximum_match: isMatch }) {
  const of = needs === "sample" ? "of the sampled rows" : "of the moments of all rows";
  const more = `${isMatch ? ", of the maximum match" : ""}${yours ? ", given by you" : ""}`;
  return `A ${kind}, ${of}${more}.`;
}

/**
 * @param {BenchView} view
 * @param {Column} column
 * @param {string} measure
 * @param {string} first the class of a column that begins a set of networks
 * @param {ScoreColours} colours
 */
function scoreCell(view, column, measure, first, colours) {
  const score = view.score(measure, column.key);
  const where = `${measure}: ${column.test.name}, ${column.networks}`;
  if (!score) {
    const text = "not tested";
    return h("td", { class: `no-test ${first}`, "data-tip": `${where}\n${text}`, "aria-label": text });
  }
  const said = scoreInWords(score);
  const cell = keyOf(...partsOf(column.key), measure);
  const attributes = { "data-cell": cell, "data-tip": `${where}\n${said}`, "aria-label": said };
  if (score.value === null) return h("td", { ...attributes, class: `empty ${first}` }, MISSING);
  const { background, ink } = colours(positionOf(score.value, column.test));
  const style = `background:${background};color:${ink}`;
  const best = score.among_best ? "best" : "";
  return h("td", { ...attributes, class: `${best} ${first}`, style }, number(score.value, 2), interval(score, 2));
}

/**
 * @param {{ low: number | null, high: number | null }} ends
 * @param {number} digits
 */
function interval({ low, high }, digits) {
  return low === null || high === null ? null : h("small", {}, `${number(low, digits)} to ${number(high, digits)}`);
}

/**
 * A score in words; where there is none, why.
 * @param {BenchScoreRecord} score
 */
export function scoreInWords(score) {
  if (score.value === null) return `no score: ${score.reason}`;
  const rank = score.rank === null ? "" : `, rank ${number(score.rank, score.rank % 1 ? 1 : 0)}`;
  return `${number(score.value)}${inBrackets(score, 3)}${rank}${score.among_best ? ", among the best" : ""}`;
}

/**
 * What the colours and marks mean.
 * @param {number} level of intervals
 */
export function mapKey(level) {
  return [
    h("span", {}, "below chance", h("span", { class: "ramp", style: `background:${ramp()}` }), "perfect"),
    h("span", {}, h("span", { class: "box best" }), "among the best"),
    h("span", {}, h("span", { class: "box empty" }), "no score"),
    h("span", {}, h("span", { class: "name" }, "name"), "of the maximum match"),
    h("span", {}, `small: ${percent(level)} interval`),
  ];
}
