// Numbers and names as texts.

export const MISSING = "\u2013";
// The smallest p-value that is given as a number.
const SMALLEST_P_VALUE = 0.001;
const NEGATIVE_ZERO = /^-(0\.?0*)$/;
const COUNT = d3.format(",.0f");
const SIGNIFICANT = d3.format(".3~g");
const LIST = new Intl.ListFormat("en-GB");

/**
 * @param {unknown} value
 * @returns {value is null | undefined}
 */
export function isMissing(value) {
  return value === null || value === undefined;
}

/**
 * @param {number | null | undefined} value
 * @param {number} [digits]
 */
export function number(value, digits = 3) {
  return isMissing(value) ? MISSING : value.toFixed(digits).replace(NEGATIVE_ZERO, "$1");
}

/**
 * @param {number | null | undefined} value
 * @param {number} [digits]
 */
export function percent(value, digits = 0) {
  return isMissing(value) ? MISSING : `${(100 * value).toFixed(digits)}%`;
}

/**
 * A p-value to three digits; of small ones, that they are small.
 * @param {number | null} value
 */
export function pValue(value) {
  return value !== null && value < SMALLEST_P_VALUE ? `<${SMALLEST_P_VALUE}` : number(value);
}

/** @param {number | null | undefined} value */
export function count(value) {
  return isMissing(value) ? MISSING : COUNT(value);
}

/**
 * A number to three significant digits.
 * @param {number | null} value
 */
export function significant(value) {
  return value === null ? MISSING : SIGNIFICANT(value);
}

/**
 * An interval in brackets, to stand after its value; empty if there is none.
 * @param {{ low: number | null, high: number | null }} interval
 * @param {number} [digits]
 */
export function inBrackets({ low, high }, digits = 2) {
  return low === null || high === null ? "" : ` (${low.toFixed(digits)} to ${high.toFixed(digits)})`;
}

/** @param {{ value: number | null, low: number | null, high: number | null }} spread */
export function numberWithInterval(spread) {
  return `${number(spread.value)}${inBrackets(spread)}`;
}

/** @param {{ value: number | null, low: number | null, high: number | null }} spread */
export function percentWithInterval(spread) {
  return `${percent(spread.value, 1)}${inBrackets(inPercent(spread), 1)}`;
}

/**
 * An interval in percent.
 * @param {{ low: number | null, high: number | null }} interval
 */
export function inPercent({ low, high }) {
  return { low: low === null ? null : 100 * low, high: high === null ? null : 100 * high };
}

/** @param {string[]} texts */
export function listed(texts) {
  return LIST.format(texts);
}

/**
 * A long name without its middle.
 * @param {string} name
 */
export function short(name) {
  return name.length > 18 ? `${name.slice(0, 8)}\u2026${name.slice(-8)}` : name;
}

/**
 * The network of a layer, which is named "network:layer".
 * @param {string} layer
 */
export function networkOf(layer) {
  return layer.slice(0, layer.indexOf(":"));
}

/**
 * The name that a layer has in its network.
 * @param {string} layer
 */
export function layerNameOf(layer) {
  return layer.slice(layer.indexOf(":") + 1);
}

/**
 * Labels for layers that stand together: their names without the parts between dots that all begin or end with.
 * @param {string[]} layers
 * @returns {{ labels: Map<string, string>, pattern: string | null }} pattern: what all names have, with * for the label
 */
export function layerLabels(layers) {
  const names = layers.map((layer) => layer.split("."));
  const [first] = names;
  const least = Math.min(...names.map((parts) => parts.length)) - 1;
  const isShared = (/** @type {number} */ i) => names.every((parts) => parts.at(i) === first.at(i));
  let [start, end] = [0, 0];
  while (names.length > 1 && start < least && isShared(start)) start++;
  while (names.length > 1 && start + end < least && isShared(-1 - end)) end++;
  const labels = new Map(names.map((parts, i) => [layers[i], short(parts.slice(start, parts.length - end).join("."))]));
  if (!start && !end) return { labels, pattern: null };
  return { labels, pattern: [...first.slice(0, start), "*", ...first.slice(first.length - end)].join(".") };
}
