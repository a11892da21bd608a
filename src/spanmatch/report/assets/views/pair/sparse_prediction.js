// Sparse prediction: how well neurons are predicted from few neurons of the other network.
/** @import { PageSparse } from "../../page_data.d.ts" */
/** @import { Pair } from "../../data/pair.js" */
import { frame, place, token } from "../../display/charts.js";
import { appendFigure, appendLongTable, appendNote, foldedSection } from "../../display/elements.js";
import { number, significant } from "../../display/text.js";

/** @param {Pair} pair */
export function sparsePredictionViews({ alignment, name }) {
  // A constant layer has nothing to predict.
  const maps = [...alignment.sparse].filter((map) => map.table.length);
  if (!maps.length) return [];
  const draw = (/** @type {HTMLElement} */ body) => {
    appendNote(
      body,
      "How well neurons are predicted (error = 1 - R\u00b2, mean over neurons) from how many neurons of the other network: chosen by an L1 penalty on standardised neurons, up to all of them. " +
        "Circle: from the single best neuron by least squares. Dashed: on held-out folds.",
    );
    drawErrors(appendFigure(body, `Error against number of predictors for ${name}`, "sparse"), maps);
    const heads = ["Penalty", ...maps.flatMap((map) => [`${map.to}: predictors`, "error", "held out"])];
    appendLongTable(body, `Sparse predictions of ${name}`, heads, errorRows(maps));
  };
  return [foldedSection(`Sparse prediction (few-to-one): ${errorsInWords(maps)}`, draw)];
}

/**
 * The mean errors from one neuron and from all.
 * @param {PageSparse[]} maps
 */
function errorsInWords(maps) {
  const errorOf = (/** @type {number | null} */ penalty) =>
    number(
      d3.mean(maps, ({ table }) => table.find((row) => row.penalty === penalty)?.error),
      2,
    );
  return `error ${errorOf(null)} from the best neuron, ${errorOf(0)} from all`;
}

/** @param {PageSparse[]} maps */
function errorRows(maps) {
  return maps[0].table.map(({ penalty }, i) => [
    penalty === null ? "one neuron" : significant(penalty),
    ...maps.flatMap(({ table }) => [
      number(table[i].predictors, 1),
      number(table[i].error),
      number(table[i].held_out_error),
    ]),
  ]);
}

/**
 * Error against the number of predictors, in both directions.
 * @param {HTMLElement} figure
 * @param {PageSparse[]} maps
 */
function drawErrors(figure, maps) {
  const rows = maps.flatMap((map) =>
    map.table.filter((row) => row.predictors >= 1).map((row) => ({ to: map.to, ...row })),
  );
  const path = rows.filter((row) => row.penalty !== null);
  const heldOut = path.filter((row) => row.held_out_error !== null);
  const single = rows.filter((row) => row.penalty === null);
  const highest = d3.max(rows, (row) => Math.max(row.error ?? 0, row.held_out_error ?? 0)) ?? 1;
  const dashed = { z: "to", stroke: "to", strokeDasharray: "4,3", sort: "predictors" };
  const tip = (/** @type {(typeof rows)[number]} */ row) =>
    `${row.to}\n${number(row.predictors, 1)} predictors, error ${number(row.error)}`;
  place(
    figure,
    Plot.plot({
      ...frame(figure),
      x: { type: "log", label: "predictors", tickFormat: "~s", grid: true },
      y: { label: "error", grid: true, domain: [0, highest] },
      color: { legend: true, domain: maps.map((map) => map.to), range: [token("--y"), token("--x")] },
      marks: [
        Plot.ruleY([0]),
        Plot.line(path, { x: "predictors", y: "error", z: "to", stroke: "to", strokeWidth: 2, sort: "predictors" }),
        Plot.dot(single, { x: "predictors", y: "error", stroke: "to", r: 4, strokeWidth: 2 }),
        Plot.line(heldOut, { x: "predictors", y: "held_out_error", ...dashed }),
        Plot.tip(rows, Plot.pointer({ x: "predictors", y: "error", title: tip })),
      ],
    }),
  );
}
