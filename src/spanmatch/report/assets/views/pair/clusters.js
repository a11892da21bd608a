// Clusters of the neurons of both networks by |correlation|.
/** @import { PageClusters } from "../../page_data.d.ts" */
/** @import { Pair, Side } from "../../data/pair.js" */
import { place, token } from "../../display/charts.js";
import { appendFigure, appendLongTable, appendNote, foldedSection, h } from "../../display/elements.js";
import { MISSING, number, short } from "../../display/text.js";

const WIDTH = 320;

/** @param {Pair} pair */
export function clusterViews(pair) {
  const { clusters } = pair.alignment;
  if (!clusters) return [];
  const draw = (/** @type {HTMLElement} */ body) => {
    appendNote(
      body,
      `${clusters.eps.length} clusters of the neurons of both networks by |correlation| (${clusters.method}). `,
      clusters.clear ? "" : "The eigenvalues have no clear gap that tells the number of clusters. ",
      h("em", {}, "Match at"),
      ": the smallest eps at which the two halves of a cluster are a match, that is, express each other.",
    );
    const label = `Matrix of |correlation| of ${pair.name}, in the networks' order and by cluster`;
    drawCorrelations(appendFigure(body, label, "matrices"), pair, clusters);
    const blocks = clusters.drawn.by_cluster;
    if (blocks.length < pair.x_neurons || blocks[0].length < pair.y_neurons)
      appendNote(
        body,
        `Drawn in ${blocks.length} x ${blocks[0].length} blocks of neurons, the largest |correlation| of each.`,
      );
    const heads = ["Match at", "|c| between", "|c| outside", pair.x_layer, pair.y_layer];
    appendLongTable(body, `Clusters of ${pair.name}`, heads, clusterRows(clusters));
  };
  const both = clusters.eps.filter((_, k) => clusters.sizes.x[k] && clusters.sizes.y[k]).length;
  const title = `Clusters (many-to-many): ${clusters.eps.length}, of which ${both} ${both === 1 ? "has" : "have"} neurons of both networks`;
  return [foldedSection(title, draw)];
}

/** @param {PageClusters} clusters */
function clusterRows(clusters) {
  const members = { x: clusterMembers(clusters, "x"), y: clusterMembers(clusters, "y") };
  return clusters.eps.map((eps, k) => [
    members.x[k].length && members.y[k].length ? number(eps, 2) : MISSING,
    number(clusters.between[k], 2),
    number(clusters.outside[k], 2),
    members.x[k].join(", ") || MISSING,
    members.y[k].join(", ") || MISSING,
  ]);
}

/**
 * The neurons of a layer in each cluster, ascending.
 * @param {PageClusters} clusters
 * @param {Side} side
 */
export function clusterMembers({ order, sizes }, side) {
  const ends = d3.cumsum(sizes[side]);
  return sizes[side].map((size, k) => d3.sort(order[side].slice(ends[k] - size, ends[k])));
}

/**
 * |correlation| between the layers in the networks' order, and with the neurons in the order of the clusters.
 * @param {HTMLElement} figure
 * @param {Pair} pair
 * @param {PageClusters} clusters
 */
function drawCorrelations(figure, pair, { drawn, sizes }) {
  const ends = (/** @type {Side} */ side) => [...d3.cumsum(sizes[side])].slice(0, -1);
  place(
    figure,
    correlationMatrix("|correlation|, in the networks' order", pair, drawn.as_they_come, [], []),
    correlationMatrix("|correlation|, by cluster", pair, drawn.by_cluster, ends("x"), ends("y")),
  );
}

/**
 * @param {string} title
 * @param {Pair} pair
 * @param {number[][]} percent
 * @param {number[]} xEnds where clusters end, in neurons
 * @param {number[]} yEnds
 */
function correlationMatrix(title, pair, percent, xEnds, yEnds) {
  const { x_neurons: p, y_neurons: q } = pair;
  const blocks = { width: percent[0].length, height: percent.length, x1: 0, y1: 0, x2: q, y2: p };
  const chart = Plot.plot({
    width: WIDTH,
    height: Math.max(120, Math.min(420, (WIDTH * p) / q)),
    margin: 24,
    style: { background: "transparent", fontSize: "11px", maxWidth: "100%" },
    x: { label: short(pair.y_layer), ticks: [], domain: [0, q] },
    y: { label: short(pair.x_layer), ticks: [], domain: [p, 0] },
    color: { type: "linear", domain: [0, 100], range: [token("--card"), token("--ink")] },
    marks: [
      Plot.raster(percent.flat(), { ...blocks, imageRendering: "pixelated" }),
      Plot.frame({ strokeOpacity: 0.3 }),
      Plot.ruleX(yEnds, { stroke: token("--y") }),
      Plot.ruleY(xEnds, { stroke: token("--y") }),
    ],
  });
  return h("div", {}, h("h3", { class: "group" }, title), chart);
}
