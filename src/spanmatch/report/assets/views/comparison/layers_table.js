// The table of layers at eps.
/** @import { ComparisonView } from "../../data/comparison.js" */
/** @import { Cell } from "../../data/csv.js" */
/** @import { Estimate, Pair } from "../../data/pair.js" */
import { depthColours } from "../../display/charts.js";
import { fillTable, h } from "../../display/elements.js";
import { count, MISSING, number } from "../../display/text.js";

// Rows from which on the table scrolls.
const MANY = 16;
const ESTIMATES = /** @type {const} */ (["population", "sample"]);

/**
 * Fill the table; returns what moves it with eps.
 * @param {HTMLElement} element
 * @param {ComparisonView} view
 * @param {Estimate} estimate of the mean over pairs of networks
 * @param {string} chosenLayer
 * @param {string} chosenNetworks
 * @param {(layer: string) => void} chooseLayer
 */
export function fillLayersTable(element, view, estimate, chosenLayer, chosenNetworks, chooseLayer) {
  const colours = depthColours(view.layers);
  const areSeveral = view.networks.length > 1;
  const pairs = view.layers.flatMap((layer) =>
    view.pairsOf(layer).filter((pair) => !areSeveral || pair.networks === chosenNetworks),
  );
  const rows = pairs.map((pair) => {
    const reason = pair.isEstimated ? null : pair.refusals["corrected levels"];
    const cells = {
      population: h("strong", { title: reason }),
      sample: h("span"),
      x: h("span"),
      y: h("span"),
      mean: h("span"),
      null: h("span"),
    };
    const pressed = String(pair.layer === chosenLayer);
    const choose = () => chooseLayer(pair.layer);
    const name = h("button", { type: "button", class: "link", "aria-pressed": pressed, onclick: choose }, pair.layer);
    const row = [
      [swatch(colours[view.layers.indexOf(pair.layer)]), name],
      pair.x_neurons === pair.y_neurons ? pair.x_neurons : `${pair.x_neurons} / ${pair.y_neurons}`,
      ...(view.isEstimated ? [cells.population] : []),
      cells.sample,
      h("span", {}, cells.x, " / ", cells.y),
      ...(areSeveral ? [cells.mean] : []),
      cells.null,
      `${pair.x_silent.length} / ${pair.y_silent.length}`,
      count(pair.n_examples),
      count(pair.rows),
      effectiveSampleSize(pair),
      number(pair.evidence?.rows ? pair.evidence.rows.chance_distance : pair.chance_distance, 2),
    ];
    return { pair, cells, row };
  });
  const heads = [
    "Layer",
    "Neurons",
    ...(view.isEstimated ? ["s(eps) of the population"] : []),
    "s(eps) in sample",
    "In the match",
    ...(areSeveral ? [meanHead(view, estimate)] : []),
    "Under the null",
    "Silent",
    "Examples",
    "Rows",
    "Effective sample size",
    "Chance distance",
  ];
  const cellsOfRows = rows.map(({ row }) => row);
  fillTable(element, heads, cellsOfRows);
  element.parentElement?.classList.toggle("tall", pairs.length > MANY);
  element
    .querySelectorAll("tbody tr")
    .forEach((row, i) => row.classList.toggle("chosen", pairs[i].layer === chosenLayer));
  return {
    /** @param {number} eps */
    move(eps) {
      for (const { pair, cells } of rows) {
        cells.population.textContent = number(pair.similarityAt("population", eps));
        cells.sample.textContent = number(pair.similarityAt("sample", eps));
        cells.x.textContent = count(pair.matchedCount("x", eps));
        cells.y.textContent = count(pair.matchedCount("y", eps));
        cells.mean.textContent = number(view.meanAt(estimate, pair.layer, eps));
        cells.null.textContent = number(pair.nullAt(eps), 2);
      }
    },
  };
}

/**
 * @param {ComparisonView} view
 * @param {Estimate} estimate
 */
function meanHead(view, estimate) {
  const of = view.isEstimated ? `, ${estimate === "population" ? "of the population" : "in sample"}` : "";
  return `Mean over ${view.networks.length} pairs${of}`;
}

/** @param {string} colour */
function swatch(colour) {
  return h("span", { class: "swatch", "aria-hidden": "true", style: `background:${colour}` });
}

/** @param {Pair} pair */
function effectiveSampleSize(pair) {
  const rows = pair.evidence?.rows;
  if (!rows) return MISSING;
  if (rows.enough) return count(rows.effective_sample_size);
  const text = `${count(rows.effective_sample_size)} of ${count(rows.needed)} needed`;
  return h("strong", { class: "few", title: rows.advice }, text);
}

/**
 * The table of all pairs of networks as CSV: name, heads and rows.
 * @param {ComparisonView} view
 * @param {number} eps
 * @returns {[string, string[], Cell[][]]}
 */
export function layersCsv(view, eps) {
  const heads = [
    "layer",
    "networks",
    "eps",
    "similarity, population",
    "similarity, in sample",
    "x in the match",
    "y in the match",
    "x neurons",
    "y neurons",
    "under the null",
    "n examples",
    "rows",
    "effective sample size",
  ];
  const rows = view.pairs.map((pair) => [
    pair.layer,
    pair.networks,
    eps,
    pair.similarityAt("population", eps),
    pair.similarityAt("sample", eps),
    pair.matchedCount("x", eps),
    pair.matchedCount("y", eps),
    pair.x_neurons,
    pair.y_neurons,
    pair.nullAt(eps),
    pair.n_examples,
    pair.rows,
    pair.evidence?.rows?.effective_sample_size,
  ]);
  return ["layers", heads, rows];
}

/**
 * Similarity at every eps as CSV: name, heads and rows.
 * @param {ComparisonView} view
 * @returns {[string, string[], Cell[][]]}
 */
export function profilesCsv(view) {
  const rows = view.pairs.flatMap((pair) =>
    ESTIMATES.flatMap((estimate) =>
      pair.curve(estimate).map(({ eps, similarity }) => [pair.layer, pair.networks, estimate, eps, similarity]),
    ),
  );
  return ["profiles", ["layer", "networks", "estimate", "eps", "similarity"], rows];
}
