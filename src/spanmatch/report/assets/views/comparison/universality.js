// In how many other networks each neuron is found.
/** @import { PageComparison, UniversalityRecord } from "../../page_data.d.ts" */
import { frame, place, shades } from "../../display/charts.js";
import { appendFigure, appendNote, h, section, table } from "../../display/elements.js";
import { layersAxis, layersMargin } from "../../display/scales.js";
import { MISSING, number, percent } from "../../display/text.js";

const KINDS = /** @type {const} */ ({ partners: "has a partner", matched: "is in the match" });
const HEADS = [
  "Layer",
  "Partner in all",
  "Partner in none",
  "Matched in all",
  "Matched in none",
  "Mutual partners in all",
  "Cycle-consistent partners",
  "Under the null",
];

/** @param {PageComparison} comparison */
export function universalityView({ universality, networks }) {
  if (!universality.length) return null;
  const [{ by, min_correlation: least, eps }] = universality;
  const strength = by === "information" ? "mutual information" : "correlation";
  return section("universality", "Universality across networks", (body) => {
    const text =
      `For every neuron: in how many of the other ${networks.length - 1} networks it has a one-to-one partner with a ` +
      `${strength} of at least ${least}, and in how many it is in the maximum match at eps ${eps}.`;
    body.append(h("p", {}, text));
    const label = "Share of neurons by the number of other networks in which they are found";
    drawUniversality(appendFigure(body, label), universality, networks.length);
    body.append(table("Neurons found in all networks", HEADS, universality.map(rowOf)));
    appendNote(
      body,
      "Three networks give a cycle: from a neuron to its partner in a second network, on to that neuron's partner in a third, and back. " +
        "Partners are cycle-consistent if the cycle ends where it began. Under the null, each layer's neurons are other mixtures of its principal components.",
    );
  });
}

/** @param {UniversalityRecord} record */
function rowOf(record) {
  const { layer, distribution, everywhere, triangles } = record;
  const shares = [distribution.partners, distribution.matched].flatMap((counts) =>
    [counts[counts.length - 1], counts[0]].map((neurons) => percent(neurons / d3.sum(counts))),
  );
  const chains = d3.sum(triangles, (triangle) => triangle.chains);
  const consistent = triangles.length ? `${percent(record.cycle_consistency)} of ${chains}` : MISSING;
  return [layer, ...shares, everywhere.length, consistent, percent(record.null_cycle_consistency, 1)];
}

/**
 * @param {HTMLElement} figure
 * @param {UniversalityRecord[]} universality
 * @param {number} networks
 */
function drawUniversality(figure, universality, networks) {
  const layers = universality.map((record) => record.layer);
  const titles = Object.values(KINDS);
  const rows = universality.flatMap(({ layer, distribution }) =>
    /** @type {(keyof typeof KINDS)[]} */ (Object.keys(KINDS)).flatMap((kind) => {
      const total = d3.sum(distribution[kind]);
      return distribution[kind].map((neurons, others) => ({
        layer,
        title: KINDS[kind],
        others,
        share: neurons / total,
      }));
    }),
  );
  place(
    figure,
    Plot.plot({
      ...frame(figure, 340),
      marginBottom: layersMargin(layers, 50),
      fy: { label: null, domain: titles, axis: null, padding: 0.25 },
      x: layersAxis(layers, figure.clientWidth),
      y: { domain: [0, 1], label: "share of neurons", tickFormat: ".0%", grid: true, ticks: 3 },
      color: {
        type: "ordinal",
        legend: true,
        label: "other networks",
        domain: d3.range(networks),
        tickFormat: (others) => `in ${number(others, 0)} others`,
        range: shades(networks),
      },
      marks: [
        Plot.barY(rows, {
          x: "layer",
          y: "share",
          fy: "title",
          fill: "others",
          order: "-others",
          tip: true,
          title: (row) => `${row.layer}: ${percent(row.share)} ${row.title} in ${row.others} others`,
        }),
        Plot.text(titles, {
          fy: (title) => title,
          text: (title) => title,
          frameAnchor: "top-left",
          dy: -13,
          fontWeight: 600,
        }),
        Plot.ruleY([0]),
      ],
    }),
  );
}
