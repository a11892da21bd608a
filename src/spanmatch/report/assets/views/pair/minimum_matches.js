// Minimum matches at one eps: their sizes, and for a chosen match each neuron in terms of the other network's.
/** @import { PageSimple, SimpleMatchRecord } from "../../page_data.d.ts" */
/** @import { Pair, Side } from "../../data/pair.js" */
import { namesOf } from "../../data/neurons.js";
import { frame, place, token, widthOf } from "../../display/charts.js";
import { appendFigure, appendNote, foldedSection, h, selectOf, table } from "../../display/elements.js";
import { significant } from "../../display/text.js";

// Neurons of a match that its name in the list has.
const NAMED = 12;

/** @param {Pair} pair */
export function minimumMatchViews(pair) {
  return pair.simple.map((simple) =>
    foldedSection(`Minimum matches at eps ${simple.eps}: ${matchesInWords(simple)}`, (body) =>
      drawMinimumMatches(body, pair, simple),
    ),
  );
}

/** @param {PageSimple} simple */
function matchesInWords({ count, minimum_sizes: sizes }) {
  if (!count) return "nothing matches";
  const [smallest, largest] = d3.extent(sizes);
  const range = smallest === largest ? `${smallest}` : `${smallest} to ${largest}`;
  return `${count} simple ${count === 1 ? "match" : "matches"} found, minimum ones of ${range} neurons`;
}

/**
 * @param {HTMLElement} body
 * @param {Pair} pair
 * @param {PageSimple} simple
 */
function drawMinimumMatches(body, pair, simple) {
  const { eps, count, matches } = simple;
  if (!count) {
    appendNote(body, "Nothing matches at this eps.");
    return;
  }
  appendNote(
    body,
    `The size of the minimum match of each of the ${simple.minimum_sizes.length} neurons of the maximum match: the smallest match found that contains the neuron and of which no part does. ` +
      `${simple.complete ? `There are ${count} simple matches in all.` : `${count} simple matches were found; there may be more.`}`,
  );
  drawSizes(appendFigure(body, `Sizes of the minimum matches of ${pair.name} at eps ${eps}`), simple.minimum_sizes);
  if (!matches.length) appendNote(body, "The matches are too large to be shown here; all are in simple.csv.");
  else {
    if (matches.length < count)
      appendNote(body, `The ${matches.length} smallest can be chosen here; all are in simple.csv.`);
    const maps = h("div", { class: "maps" });
    const show = (/** @type {number} */ i) => maps.replaceChildren(...coefficientTables(matches[i]));
    body.append(h("label", {}, "Match: ", selectOf(matches.map(matchName), show)), maps);
    show(0);
  }
}

/** @param {SimpleMatchRecord} match */
function matchName(match) {
  const names = namesOf(match);
  return `${names.length} neurons: ${names.slice(0, NAMED).join(" ")}${names.length > NAMED ? " \u2026" : ""}`;
}

/** @param {SimpleMatchRecord} match */
function coefficientTables(match) {
  return [coefficientTable(match, "x", "y", match.x_from_y), coefficientTable(match, "y", "x", match.y_from_x)];
}

/**
 * @param {SimpleMatchRecord} match
 * @param {Side} side whose neurons are expressed
 * @param {Side} otherSide
 * @param {number[][]} coefficients
 */
function coefficientTable(match, side, otherSide, coefficients) {
  const title = `${side} from ${otherSide}`;
  const rows = match[side].map((neuron, i) => [
    `${side}${neuron} =`,
    ...coefficients.map((row) => significant(row[i])),
  ]);
  return table(`Coefficients, ${title}`, [title, ...match[otherSide].map((neuron) => `${otherSide}${neuron}`)], rows);
}

/**
 * @param {HTMLElement} figure
 * @param {number[]} sizes
 */
function drawSizes(figure, sizes) {
  const bins = { x: (/** @type {number} */ size) => size, interval: 1, fill: token("--accent"), inset: 0.5, tip: true };
  place(
    figure,
    Plot.plot({
      ...frame(figure, 180),
      width: widthOf(figure, 640),
      x: { label: "neurons in the match", interval: 1 },
      y: { label: "neurons that it is minimum for", grid: true },
      marks: [Plot.rectY(sizes, Plot.binX({ y: "count" }, bins)), Plot.ruleY([0])],
    }),
  );
}
