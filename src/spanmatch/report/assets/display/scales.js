// Scales and axes that charts share, as options of Observable Plot.
/** @import { ScaleOptions } from "@observablehq/plot" */
import { layerLabels } from "./text.js";

// Courses of training that differ more in length are shown on a logarithmic scale.
const LONGER = 5;
const TICKS = [0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000];
// The most layers whose names stand level.
const LEVEL_NAMES = 6;
// Pixels that names aslant need: of any length, and for each letter.
const NAMES_BASE = 22;
const NAMES_LETTER = 4.6;
// The least distance of two names aslant.
const LINE = 14;

/**
 * An axis of layers: what their names have in common stands once, and as many are named as there is room for.
 * @param {string[]} layers
 * @param {number} [room] pixels along the axis
 * @returns {ScaleOptions}
 */
export function layersAxis(layers, room = Infinity) {
  const { labels, pattern } = layerLabels(layers);
  const every = Math.max(1, Math.ceil((layers.length * LINE) / room));
  const ticks = every > 1 ? { ticks: layers.filter((_, i) => i % every === 0) } : {};
  const tickRotate = layers.length > LEVEL_NAMES ? -40 : 0;
  return { domain: layers, tickFormat: (layer) => labels.get(layer) ?? "", tickRotate, label: pattern, ...ticks };
}

/**
 * The room that the names of layers need below their axis.
 * @param {string[]} layers
 * @param {number} level the room for names that stand level
 */
export function layersMargin(layers, level) {
  const { labels, pattern } = layerLabels(layers);
  if (layers.length <= LEVEL_NAMES) return level;
  const longest = d3.max(labels.values(), (label) => label.length) ?? 0;
  return Math.max(level, NAMES_BASE + NAMES_LETTER * longest + (pattern ? 1.5 * LINE : 0));
}

/**
 * A scale of epochs from the last epoch of each course: logarithmic but for its start where they differ much.
 * @param {number[]} ends
 * @returns {ScaleOptions}
 */
export function epochScale(ends) {
  const [shortest = 0, longest = 0] = d3.extent(ends);
  return longest > LONGER * shortest ? { type: "symlog", ticks: TICKS.filter((tick) => tick <= longest) } : {};
}

/**
 * The domain of a measure that is 0 to 1 unless values lie outside.
 * @param {(number | null)[]} values
 * @returns {[number, number]}
 */
export function unitDomain(values) {
  const [lowest = 0, highest = 1] = d3.extent(values, (value) => value ?? undefined);
  return [Math.min(0, lowest), Math.max(1, highest)];
}
