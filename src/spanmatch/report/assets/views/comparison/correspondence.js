// Which layers correspond, scores of two networks, and what changed between networks that are nearly the same.
/** @import { ChangesRecord, LayerChangeRecord, PageComparison } from "../../page_data.d.ts" */
/** @import { Counterpart } from "./counterparts.js" */
import { counterpartsOf } from "../../data/matrix.js";
import { appendLongTable, appendNote, h, section, selectOf } from "../../display/elements.js";
import { layerNameOf, MISSING, networkOf, number, percent } from "../../display/text.js";
import { counterpartsKey, drawCounterparts } from "./counterparts.js";

const CHANGE_HEADS = ["Layer", "Difference", "1 \u2212 CKA", "Median level", "Largest level", "Levels above 0.05"];

/** @param {PageComparison} comparison */
export function correspondenceView(comparison) {
  const { correspondence, scores, not_compared: left } = comparison;
  const [measure, counterparts] = counterpartsIn(comparison);
  if (!counterparts.length && !left.length) return null;
  return section("correspondence", "Layers that correspond", (body) => {
    if (counterparts.length) appendDiagram(body, comparison, measure, counterparts);
    if (correspondence) {
      const heads = ["Layer", "Counterpart", correspondence.measure, "Margin", "Next best"];
      const rows = correspondence.counterparts.map((one) => [
        one.x_layer,
        one.y_layer,
        number(one.similarity),
        number(one.margin),
        one.next_best || MISSING,
      ]);
      appendLongTable(body, "Layers and their counterparts", heads, rows);
    }
    for (const score of scores) {
      const text =
        `${score.x_network} and ${score.y_network}, by ${score.measure}: best counterparts ${number(score.best)}, ` +
        `best monotone path ${number(score.path_score)}, soft coupling ${number(score.coupling_score)}.`;
      body.append(h("p", {}, text));
    }
    if (left.length) appendNote(body, `Not compared: ${left.join(", ")}.`);
  });
}

/**
 * The most similar layers where all were compared with all; else counterparts as they were saved.
 * @param {PageComparison} comparison
 * @returns {[string, Counterpart[]]} the measure, and counterparts
 */
function counterpartsIn({ correspondence, matrices, networks, pairs }) {
  const compared = new Set(pairs.flatMap(({ x_layer: x, y_layer: y }) => [`${x}\n${y}`, `${y}\n${x}`]));
  const measure = correspondence?.measure ?? matrices[0]?.name ?? "";
  const matrix = matrices.find(({ name }) => name === measure);
  if (matrix) {
    const between = networks.flatMap((a, i) =>
      networks.slice(i + 1).map((b) => /** @type {[string, string]} */ ([a, b])),
    );
    const best = between.flatMap((pair) => counterpartsOf(matrix, pair));
    return [measure, best.map((one) => ({ ...one, isOther: !compared.has(`${one.from}\n${one.to}`) }))];
  }
  const saved = correspondence?.counterparts ?? [];
  return [
    measure,
    saved.map(({ x_layer: from, y_layer: to, similarity, margin }) => ({
      from,
      to,
      similarity,
      margin,
      isOther: (margin ?? 0) < 0,
    })),
  ];
}

/**
 * Append the diagram of two networks, which can be chosen where there are several.
 * @param {HTMLElement} body
 * @param {PageComparison} comparison
 * @param {string} measure
 * @param {Counterpart[]} counterparts
 */
function appendDiagram(body, comparison, measure, counterparts) {
  const groups = d3.groups(counterparts, ({ from, to }) => `${networkOf(from)} \u2192 ${networkOf(to)}`);
  const sentence = h("p");
  const label = "Counterparts of layers";
  const figure = h("figure", { role: "img", "aria-label": label });
  const key = h("div");
  const show = (/** @type {number} */ i) => {
    const [, links] = groups[i];
    const [from, to] = [networkOf(links[0].from), networkOf(links[0].to)];
    const own = links.filter(({ isOther }) => !isOther).length;
    sentence.textContent = `By ${measure}, ${own} of ${links.length} layers of ${from} ${own === 1 ? "is" : "are"} most similar to the layer of ${to} with which ${own === 1 ? "it is" : "they are"} compared.`;
    drawCounterparts(figure, layersOf(comparison, from, links, "from"), layersOf(comparison, to, links, "to"), links);
    key.replaceChildren(counterpartsKey(from, to, measure));
  };
  const names = groups.map(([name]) => name);
  if (groups.length > 1) body.append(h("label", {}, "Networks: ", selectOf(names, show)));
  body.append(sentence, figure, key);
  show(0);
}

/**
 * The layers of a network in order: all that were compared with all, or else those that have or are counterparts.
 * @param {PageComparison} comparison
 * @param {string} network
 * @param {Counterpart[]} links
 * @param {"from" | "to"} end
 */
function layersOf({ matrices }, network, links, end) {
  const compared = matrices[0]?.layers.filter((layer) => networkOf(layer) === network) ?? [];
  return [...new Set([...compared, ...links.map((link) => link[end])])];
}

/** @param {PageComparison} comparison */
export function changesView({ changes }) {
  if (!changes.length) return null;
  return section("changes", "What changed", (body) => {
    for (const one of changes) appendChanges(body, one);
    appendNote(body, "Numbers after < are the smallest that can be told from 0.");
  });
}

/**
 * @param {HTMLElement} body
 * @param {ChangesRecord} changes
 */
function appendChanges(body, { x_network: x, y_network: y, sentence, layers }) {
  body.append(h("p", {}, `From ${x} to ${y}: ${sentence}.`));
  appendLongTable(body, `What changed from ${x} to ${y}`, CHANGE_HEADS, layers.map(changeRow));
}

/** @param {LayerChangeRecord} layer */
function changeRow(layer) {
  const [x, y] = [layer.x_layer, layer.y_layer].map(layerNameOf);
  return [
    x === y ? x : `${x} ~ ${y}`,
    resolved(layer.difference, layer.difference_resolution),
    resolved(layer.one_minus_cka, layer.cka_resolution),
    resolved(layer.median_level, layer.level_resolution),
    resolved(layer.largest_level, layer.level_resolution),
    percent(layer.share_above),
  ];
}

/**
 * A number to some digits; one below the resolution as such.
 * @param {number | null} value
 * @param {number | null} resolution
 */
function resolved(value, resolution) {
  if (value === null || resolution === null) return MISSING;
  return value > resolution ? d3.format(".2~g")(value) : `<${d3.format(".0e")(resolution)}`;
}
