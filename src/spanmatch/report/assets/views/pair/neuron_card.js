// Everything that is known of one neuron.
/** @import { FewPredictors, Partner } from "../../data/neurons.js" */
/** @import { Pair, Side } from "../../data/pair.js" */
/** @import { Child, Leaf } from "../../display/elements.js" */
/** @import { PageComparison, SimpleMatchRecord } from "../../page_data.d.ts" */
import { fewPredictorsOf, minimumMatchOf, partnerOf } from "../../data/neurons.js";
import { layerOf } from "../../data/pair.js";
import { h } from "../../display/elements.js";
import { isMissing, number } from "../../display/text.js";
import { topInputs } from "./top_inputs.js";

/** @typedef {(side: Side, neuron: number) => HTMLElement} Link */

const SIGNED = d3.format("+.2f");

/**
 * The card's contents.
 * @param {PageComparison} comparison
 * @param {Pair} pair
 * @param {Side} side
 * @param {number} neuron
 * @param {(side: Side, neuron: number) => void} choose
 */
export function neuronCard(comparison, pair, side, neuron, choose) {
  const otherSide = side === "x" ? "y" : "x";
  const [layer, otherLayer] = [layerOf(pair, side), layerOf(pair, otherSide)];
  const partner = partnerOf(pair, side, neuron);
  /** @type {Link} */
  const link = (of, index) => h("button", { type: "button", class: "link", onclick: () => choose(of, index) }, index);
  const facts = [
    levelFact(layer.levels[neuron], layer.corrected?.[neuron]),
    partnerFact(partner, otherSide, otherLayer.name, link),
    marginFact(partner, otherSide, link),
    minimumMatchFact(pair, side, neuron, link),
    fewPredictorsFact(fewPredictorsOf(pair, side, neuron), otherSide, link),
  ].filter((fact) => fact !== null);
  const list = facts.flatMap(([title, content]) => [h("dt", {}, title), h("dd", {}, content)]);
  const card = [h("h3", {}, `Neuron ${neuron} of ${layer.name}`), h("dl", {}, list)];
  if (comparison.inputs) {
    const excited = h("div", { class: "excited" }, topInputs(comparison.inputs, layer.name, neuron, "Top inputs"));
    if (partner)
      excited.append(topInputs(comparison.inputs, otherLayer.name, partner.neuron, "Top inputs of its partner"));
    card.push(excited);
  }
  return card;
}

/**
 * @param {number | null} level
 * @param {number | null | undefined} corrected the level estimated for the population
 * @returns {[string, Child]}
 */
function levelFact(level, corrected) {
  if (level === null) return ["Level", "silent: never active, in no match"];
  const from = isMissing(corrected) || corrected >= 1 ? "in none" : `from ${number(corrected)} on`;
  const estimate = isMissing(corrected) ? "" : `; estimated for the population, ${from}`;
  return ["Level", `${number(level)}: in the match of this sample from this eps on${estimate}`];
}

/**
 * @param {Partner | null} partner
 * @param {Side} otherSide
 * @param {string} otherLayer
 * @param {Link} link
 * @returns {[string, Child]}
 */
function partnerFact(partner, otherSide, otherLayer, link) {
  if (!partner) return ["Partner", "none: it never varies, or all neurons of the other network have other partners"];
  return ["Partner", [link(otherSide, partner.neuron), ` of ${otherLayer}, correlation ${number(partner.strength)}`]];
}

/**
 * @param {Partner | null} partner
 * @param {Side} otherSide
 * @param {Link} link
 * @returns {[string, Child] | null}
 */
function marginFact(partner, otherSide, link) {
  if (!partner || partner.next < 0) return null;
  const { margin } = partner;
  const next = link(otherSide, partner.next);
  if (margin !== null && margin < 0)
    return ["Margin", [`${number(-margin)} below its best, `, next, ", which is the partner of another neuron"]];
  return ["Margin", [`${number(margin)} over its next best, `, next]];
}

/**
 * @param {Pair} pair
 * @param {Side} side
 * @param {number} neuron
 * @param {Link} link
 * @returns {[string, Child] | null}
 */
function minimumMatchFact(pair, side, neuron, link) {
  const minimum = minimumMatchOf(pair, side, neuron);
  if (minimum) return [`Minimum match at eps ${minimum.eps}`, matchLinks(minimum.match, pair, link)];
  const level = layerOf(pair, side).levels[neuron];
  const larger = pair.simple.find(
    ({ eps, matches, count }) => level !== null && level <= eps && matches.length < count,
  );
  return larger
    ? [`Minimum match at eps ${larger.eps}`, "larger than those that are shown here: it is in simple.csv"]
    : null;
}

/**
 * @param {SimpleMatchRecord} match
 * @param {Pair} pair
 * @param {Link} link
 */
function matchLinks(match, pair, link) {
  const links = (/** @type {Side} */ side) => match[side].flatMap((neuron, i) => [i ? ", " : "", link(side, neuron)]);
  return [...links("x"), ` of ${pair.x_layer} with `, ...links("y"), ` of ${pair.y_layer}`];
}

/**
 * @param {FewPredictors | null} few
 * @param {Side} otherSide
 * @param {Link} link
 * @returns {[string, Child] | null}
 */
function fewPredictorsFact(few, otherSide, link) {
  if (!few) return null;
  /** @type {Leaf[]} */
  const terms = few.predictors.flatMap((predictor, i) => [
    i ? ", " : "",
    link(otherSide, predictor),
    ` (${SIGNED(few.coefficients[i])})`,
  ]);
  const others = few.count - few.predictors.length;
  const heldOut = few.heldOutError === null ? "" : `, ${number(few.heldOutError)} held out`;
  return [
    "Sparse predictors",
    [...terms, `${others ? ` and ${others} more` : ""}: error ${number(few.error)}${heldOut}`],
  ];
}
