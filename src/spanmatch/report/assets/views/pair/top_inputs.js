// The inputs that excite a neuron most: as pictures, as texts in context, or as numbers of examples.
/** @import { PageInputs, PicturesRecord, TextsRecord } from "../../page_data.d.ts" */
import { h } from "../../display/elements.js";
import { significant } from "../../display/text.js";

// Tokens of a text that are shown on each side of the one that excites the neuron.
const CONTEXT = 24;
// Pixels of the longer side of a picture.
const PICTURE = 72;

/** @typedef {{ example: number, value: number | null, place: number | undefined }} TopInput */

/**
 * @param {PageInputs} inputs
 * @param {string} layer
 * @param {number} neuron
 * @param {string} title
 */
export function topInputs({ layers, shown }, layer, neuron, title) {
  const { examples, values, places } = layers[layer];
  const inputs = examples[neuron]
    .map((example, i) => ({ example, value: values[neuron][i], place: places?.[neuron][i] }))
    .filter(({ example }) => example >= 0);
  const largest = d3.max(inputs, ({ value }) => value ?? undefined) ?? 0;
  const items = inputs.map((input) => h("li", {}, inputElements(shown, input, largest)));
  const list = h("ol", { class: shown?.kind ?? "numbers" }, items);
  const content = items.length ? list : h("p", { class: "note" }, "None were kept.");
  const scale = items.length ? `${title}: bars show activations, from 0 to ${significant(largest)}` : title;
  return h("div", { class: "inputs" }, h("h4", {}, scale), content);
}

/**
 * @param {PicturesRecord | TextsRecord | null} shown
 * @param {TopInput} input
 * @param {number} largest activation of the neuron
 */
function inputElements(shown, { example, value, place }, largest) {
  const label = `example ${example}, activation ${significant(value)}`;
  const i = shown ? d3.bisectLeft(shown.examples, example) : -1;
  if (!shown || shown.examples[i] !== example) return [bar(value, largest), label];
  const activation = h("span", { class: "value" }, significant(value));
  if (shown.kind === "texts")
    return [
      h("span", { class: "scale", title: label }, bar(value, largest), activation),
      inContext(shown.tokens[i], place ?? 0),
    ];
  return [picture(shown, i, label), bar(value, largest), activation];
}

/**
 * An activation as a bar; nothing of one that is not positive.
 * @param {number | null} value
 * @param {number} largest
 */
function bar(value, largest) {
  const share = largest > 0 ? Math.max(0, value ?? 0) / largest : 0;
  return h("span", { class: "bar", "aria-hidden": "true" }, h("span", { style: `width:${(100 * share).toFixed(1)}%` }));
}

/**
 * @param {PicturesRecord} pictures
 * @param {number} i place of the picture on the sheet
 * @param {string} label
 */
function picture({ width, height, columns, sheet }, i, label) {
  const scale = PICTURE / Math.max(width, height);
  const size = `${columns * width * scale}px auto`;
  const position = `${-(i % columns) * width * scale}px ${-Math.floor(i / columns) * height * scale}px`;
  const style = `width:${width * scale}px;height:${height * scale}px;background:url(${sheet}) ${position} / ${size}`;
  return h("span", { class: "picture", role: "img", "aria-label": label, title: label, style });
}

/**
 * @param {string[]} tokens
 * @param {number} place
 */
function inContext(tokens, place) {
  const between = (/** @type {number} */ from, /** @type {number} */ to) =>
    visible(tokens.slice(Math.max(0, from), to).join(""));
  const [before, after] = [between(place - CONTEXT, place), between(place + 1, place + 1 + CONTEXT)];
  return h("code", {}, before, h("mark", {}, visible(tokens[place] ?? "")), after);
}

/**
 * A text with its line breaks and tabs as characters that can be seen.
 * @param {string} text
 */
export function visible(text) {
  return text.replaceAll("\n", "\u21b5").replaceAll("\t", "\u2192");
}
