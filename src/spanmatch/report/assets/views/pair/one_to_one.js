// One-to-one alignment: each neuron's partner, by two matchings.
/** @import { PageAlignment } from "../../page_data.d.ts" */
/** @import { Pair } from "../../data/pair.js" */
import { frame, place, token } from "../../display/charts.js";
import { appendFigure, appendLongTable, appendNote, foldedSection, h } from "../../display/elements.js";
import { MISSING, number, short } from "../../display/text.js";

/** @param {Pair} pair */
export function oneToOneViews(pair) {
  const { alignment, x_layer: xLayer, y_layer: yLayer, name } = pair;
  const draw = (/** @type {HTMLElement} */ body) => {
    appendNote(
      body,
      "Each neuron's partner by correlation, strongest first. ",
      h("em", {}, "Bipartite"),
      ": every neuron is taken once, for the largest sum. ",
      h("em", {}, "Semi"),
      ": each neuron takes its best, which others may take too. Where the two curves part, neurons have no partner of their own. ",
      h("em", {}, "Within"),
      ": the same matching inside one network. ",
      h("em", {}, "Clear"),
      `: each is the other's best, and above chance. Unrelated neurons reach about ${number(alignment.chance_correlation, 2)}.`,
      constantInWords(alignment, xLayer, yLayer),
      informationInWords(alignment),
    );
    drawPartners(appendFigure(body, `Strength of the partners of ${name}, strongest first`, "partners"), pair);
    const heads = [xLayer, yLayer, "Correlation", "Margin", "Next best", "Margin of partner", "Next best of partner"];
    appendLongTable(body, `Partners of ${name}`, heads, partnerRows(alignment));
  };
  return [foldedSection(`One-to-one alignment: ${clearInWords(pair)}`, draw)];
}

/**
 * How many neurons have a clear partner: each is the other's best, and above what unrelated neurons reach.
 * @param {Pair} pair
 */
export function clearInWords({ alignment, x_neurons: p, y_neurons: q }) {
  const { strength, margin, back_margin: backMargin } = alignment.bipartite;
  const isClear = (/** @type {number} */ i) =>
    strength[i] > alignment.chance_correlation && (margin[i] ?? 0) > 0 && (backMargin[i] ?? 0) > 0;
  const clear = strength.filter((_, i) => isClear(i)).length;
  const of = p === q ? `${clear} of ${p}` : `${clear} of ${p} and of ${q}`;
  return `${of} neurons have a clear partner`;
}

/**
 * @param {PageAlignment} alignment
 * @param {string} xLayer
 * @param {string} yLayer
 */
function constantInWords({ constant: [x, y] }, xLayer, yLayer) {
  if (!x.length && !y.length) return "";
  return ` Constant neurons are left out: ${x.length} of ${xLayer}, ${y.length} of ${yLayer}.`;
}

/** @param {PageAlignment} alignment */
function informationInWords({ information, by_information_only: different }) {
  if (!information) return "";
  return ` By mutual information ${different} of ${information} partners differ from those by |correlation|, and exceed chance (p at most 0.05 for all pairs together).`;
}

/** @param {PageAlignment} alignment */
function partnerRows({ bipartite }) {
  const next = (/** @type {number} */ neuron) => (neuron >= 0 ? neuron : MISSING);
  return bipartite.x.map((neuron, i) => [
    neuron,
    bipartite.y[i],
    number(bipartite.strength[i]),
    number(bipartite.margin[i]),
    next(bipartite.next_y[i]),
    number(bipartite.back_margin[i]),
    next(bipartite.next_x[i]),
  ]);
}

/**
 * Both matchings from strongest to weakest, and the same within each network.
 * @param {HTMLElement} figure
 * @param {Pair} pair
 */
function drawPartners(figure, { alignment, x_layer: xLayer, y_layer: yLayer }) {
  const { bipartite, semi } = alignment;
  const curves = [
    { curve: "bipartite", values: bipartite.strength },
    { curve: "semi", values: semi.strength },
    { curve: `within ${short(xLayer)}`, values: bipartite.x_baseline },
    { curve: `within ${short(yLayer)}`, values: bipartite.y_baseline },
  ].filter(({ values }) => values.length);
  const rows = curves.flatMap(({ curve, values }) => values.map((strength, i) => ({ curve, rank: i + 1, strength })));
  const tips = bipartite.strength.map((strength, i) => ({
    rank: i + 1,
    strength,
    title: `${bipartite.x[i]} and ${bipartite.y[i]}: ${number(strength)}\nmargin ${number(bipartite.margin[i])}`,
  }));
  const lowest = d3.min(rows, (row) => row.strength ?? undefined) ?? 0;
  const chance = { stroke: "currentColor", strokeOpacity: 0.4, strokeDasharray: "2,4" };
  place(
    figure,
    Plot.plot({
      ...frame(figure),
      x: { label: "neurons, strongest partner first", nice: true },
      y: { label: "correlation", grid: true, domain: [Math.min(0, lowest), 1] },
      color: {
        legend: true,
        domain: curves.map(({ curve }) => curve),
        range: [token("--accent"), token("--y"), token("--soft"), token("--line")],
      },
      marks: [
        Plot.ruleY([0]),
        Plot.ruleY([alignment.chance_correlation], chance),
        Plot.lineY(rows, { x: "rank", y: "strength", stroke: "curve", strokeWidth: 2 }),
        Plot.tip(tips, Plot.pointerX({ x: "rank", y: "strength", title: "title" })),
      ],
    }),
  );
}
