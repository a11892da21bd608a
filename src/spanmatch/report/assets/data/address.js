// What is shown, as the hash of the page's address, so that a link opens the same layer or neuron.
/** @import { Estimate, Side } from "./pair.js" */

/** @typedef {"overview" | "layer" | "neuron"} Level */
/**
 * What an address can hold; null is what the page shows at first.
 * @typedef {object} Address
 * @property {Level} at
 * @property {string | null} comparison
 * @property {string | null} networks
 * @property {string | null} layer
 * @property {{ side: Side, index: number } | null} neuron
 * @property {number | null} eps
 * @property {Estimate | null} estimate
 */

const LEVELS = /** @type {const} */ (["overview", "layer", "neuron"]);
const ESTIMATES = /** @type {const} */ (["population", "sample"]);
const NEURON = /^([xy])(\d+)$/;

/**
 * The hash of an address, without "#"; empty for what the page shows at first.
 * @param {Address} address
 */
export function hashOf({ at, neuron, ...others }) {
  const values = { at: at === "overview" ? null : at, ...others, neuron: neuron && `${neuron.side}${neuron.index}` };
  const known = Object.entries(values).filter(([, value]) => value !== null);
  return new URLSearchParams(known.map(([name, value]) => [name, String(value)])).toString();
}

/**
 * What a hash holds; what cannot be read is as at first. Whether there is such a layer or neuron is for the page to say.
 * @param {string} hash
 * @returns {Address}
 */
export function addressIn(hash) {
  const parameters = new URLSearchParams(hash.replace(/^#/, ""));
  const [, side, index] = NEURON.exec(parameters.get("neuron") ?? "") ?? [];
  const eps = Number.parseFloat(parameters.get("eps") ?? "");
  return {
    at: LEVELS.find((level) => level === parameters.get("at")) ?? "overview",
    comparison: parameters.get("comparison"),
    networks: parameters.get("networks"),
    layer: parameters.get("layer"),
    neuron: side === "x" || side === "y" ? { side, index: Number(index) } : null,
    eps: eps >= 0 && eps < 1 ? eps : null,
    estimate: ESTIMATES.find((estimate) => estimate === parameters.get("estimate")) ?? null,
  };
}

/**
 * Put a hash into the page's address. A page inside another one's srcdoc has no address that could be set.
 * @param {string} hash
 */
export function setHash(hash) {
  if (location.hash === (hash && `#${hash}`)) return;
  try {
    history.replaceState(null, "", hash ? `#${hash}` : location.pathname + location.search);
  } catch {
    // What is shown does not depend on it.
  }
}
