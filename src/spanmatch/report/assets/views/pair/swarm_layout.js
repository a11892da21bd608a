// Where the dots of neurons stand: at their levels, and beside or above one another where they would overlap.

// Radii of dots, of which the largest is taken with which all are near enough to their places.
const RADII = [6, 5, 4, 3, 2.4, 1.8];
const GAP = 1;
// How much farther sideways counts than upwards.
const SIDEWAYS = 3;
const ROUNDING = 1e-6;

/** @typedef {{ radius: number, places: number[], heights: number[], height: number }} Swarm places along the axis, heights above it */

/**
 * Places for dots near where they belong along an axis, so that none overlap.
 * @param {number[]} wanted pixels along the axis
 * @param {number} highest pixels that they may rise above it
 * @param {number} farthest pixels from where a dot belongs
 * @param {number} [most] radius
 * @returns {Swarm}
 */
export function swarmOf(wanted, highest, farthest, most = RADII[0]) {
  const radii = RADII.filter((radius) => radius <= most);
  for (const radius of radii) {
    const swarm = placed(wanted, radius, highest, radius === radii[radii.length - 1] ? Infinity : farthest);
    if (swarm) return swarm;
  }
  throw new Error("the smallest radius always fits");
}

/**
 * @param {number[]} wanted
 * @param {number} radius
 * @param {number} highest
 * @param {number} farthest
 * @returns {Swarm | null} null if a dot is farther
 */
function placed(wanted, radius, highest, farthest) {
  const step = 2 * radius + GAP;
  /** @type {number[][]} */
  const rows = d3.range(Math.max(1, Math.floor(highest / step))).map(() => []);
  const [places, heights] = [[...wanted], wanted.map(() => 0)];
  let tallest = 0;
  for (const i of d3.sort(d3.range(wanted.length), (dot) => wanted[dot])) {
    const { row, place } = nearestSpot(rows, wanted[i], step);
    if (Math.abs(place - wanted[i]) > farthest) return null;
    rows[row].splice(d3.bisectLeft(rows[row], place), 0, place);
    places[i] = place;
    heights[i] = radius + GAP + row * step;
    tallest = Math.max(tallest, row);
  }
  return { radius, places, heights, height: step * (tallest + 1) + GAP };
}

/**
 * The free spot that is nearest to where a dot belongs.
 * @param {number[][]} rows
 * @param {number} wanted
 * @param {number} step
 */
function nearestSpot(rows, wanted, step) {
  let best = { row: 0, place: wanted, cost: Infinity };
  for (let row = 0; row < rows.length && row * step < best.cost; row++) {
    const place = nearestFree(rows[row], wanted, step);
    const cost = Math.hypot(SIDEWAYS * (place - wanted), row * step);
    if (cost < best.cost) best = { row, place, cost };
  }
  return best;
}

/**
 * The free place in a row that is nearest to the one that is wanted.
 * @param {number[]} taken ascending
 * @param {number} wanted
 * @param {number} step
 */
function nearestFree(taken, wanted, step) {
  const least = step - ROUNDING;
  let [left, right] = [wanted, wanted];
  for (let i = d3.bisectLeft(taken, wanted + least) - 1; i >= 0 && taken[i] > left - least; i--) left = taken[i] - step;
  for (let i = d3.bisectRight(taken, wanted - least); i < taken.length && taken[i] < right + least; i++)
    right = taken[i] + step;
  return wanted - left <= right - wanted ? left : right;
}
