// Several comparisons side by side: each one's layers by depth at the same eps, and a table of them.
/** @import { ComparisonView } from "../../data/comparison.js" */
/** @import { Estimate } from "../../data/pair.js" */
/** @import { Child } from "../../display/elements.js" */
import { h, table } from "../../display/elements.js";
import { MISSING, number, percent } from "../../display/text.js";
import { drawSimilarityByLayer } from "./similarity_by_layer.js";

const HEADS = ["Comparison", "Networks", "Layers", "s(eps), mean of layers", "Least", "Most", "Under the null, most"];

/** @typedef {{ view: ComparisonView, title: string }} Named */

/**
 * Draw the section; returns what moves it with eps. Nothing is drawn of one comparison alone.
 * @param {HTMLElement} box
 * @param {Named[]} comparisons
 * @param {ComparisonView} chosen
 * @param {Estimate} estimate where it is known
 * @param {string} beside
 * @param {(name: string) => void} choose
 */
export function drawSideBySide(box, comparisons, chosen, estimate, beside, choose) {
  if (comparisons.length < 2) return null;
  const estimateOf = (/** @type {ComparisonView} */ view) => (view.isEstimated ? estimate : "sample");
  const panels = comparisons.map(({ view, title }) => {
    const open = () => choose(view.comparison.name);
    const isChosen = String(view === chosen);
    const button = h("button", { type: "button", class: "link", "aria-pressed": isChosen, onclick: open }, title);
    const label = `Similarity by layer of ${title}`;
    const figure = h("figure", { role: "img", "aria-label": label });
    return {
      view,
      figure,
      element: h("div", { class: view === chosen ? "panel chosen" : "panel" }, h("h3", {}, button), figure),
    };
  });
  const numbers = h("div");
  const section = h(
    "section",
    {},
    h("h2", {}, `${comparisons.length} comparisons side by side`),
    h(
      "p",
      {},
      "s(eps) by layer at the same eps, with its null (dotted) and the same measure. Choose one to see all of it below.",
    ),
    h(
      "div",
      { class: "panels" },
      panels.map(({ element }) => element),
    ),
    numbers,
  );
  box.replaceChildren(section);
  const charts = panels.map(({ view, figure }) =>
    drawSimilarityByLayer(figure, view, estimateOf(view), "", "", view.measures.includes(beside) ? beside : "", true),
  );
  return {
    /** @param {number} eps */
    move(eps) {
      for (const chart of charts) chart.move(eps);
      const rows = comparisons.map(({ view, title }) => rowOf(view, title, estimateOf(view), eps));
      numbers.replaceChildren(table("Comparisons", HEADS, rows));
    },
  };
}

/**
 * @param {ComparisonView} view
 * @param {string} title
 * @param {Estimate} estimate
 * @param {number} eps
 * @returns {Child[]}
 */
function rowOf({ comparison, layers, meanAt, nullAt }, title, estimate, eps) {
  const known = layers.filter((layer) => meanAt(estimate, layer, eps) !== undefined);
  const share = (/** @type {string} */ layer) => meanAt(estimate, layer, eps) ?? 0;
  const [least, most] = [d3.least(known, share), d3.greatest(known, share)];
  const named = (/** @type {string | undefined} */ layer) =>
    layer === undefined ? MISSING : `${percent(share(layer))} of ${layer}`;
  const of = estimate === "sample" ? " in sample" : " of the population";
  return [
    title,
    comparison.networks.join(", "),
    layers.length,
    `${number(d3.mean(known, share))}${of}`,
    named(least),
    named(most),
    percent(d3.max(layers, (layer) => nullAt(layer, eps))),
  ];
}
