// Which layers correspond, scores of two networks, and what changed between networks that are nearly the same.
/** @import { ChangesRecord, LayerChangeRecord, PageComparison } from "../../page_data.d.ts" */
import { appendLongTable, appendNote, h, section } from "../../display/elements.js";
import { MISSING, number, percent } from "../../display/text.js";

const CHANGE_HEADS = ["Layer", "Difference", "1 \u2212 CKA", "Median level", "Largest level", "Levels above 0.05"];

/** @param {PageComparison} comparison */
export function correspondenceView({ correspondence, scores, not_compared: left }) {
  if (!correspondence && !left.length) return null;
  return section("correspondence", "Layers that correspond", (body) => {
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
  const [x, y] = [layer.x_layer, layer.y_layer].map((name) => name.slice(name.indexOf(":") + 1));
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
