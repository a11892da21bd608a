// A chart of means over seeds with their intervals, over epochs.
import { depthColours, frame, place, token } from "../../display/charts.js";
import { epochScale, unitDomain } from "../../display/scales.js";
import { inBrackets, number } from "../../display/text.js";

// The most epochs of a course whose points are drawn.
const POINTS = 30;

/** @typedef {{ name: string, epoch: number, value: number | null, low: number | null, high: number | null }} EpochRow */
/** @typedef {EpochRow & { value: number }} KnownRow */

/**
 * Draw a line for each name.
 * @param {HTMLElement} figure
 * @param {EpochRow[]} rows
 * @param {string} label
 * @param {{ band?: boolean, isUnit?: boolean }} [options] band: whether intervals are drawn; isUnit: whether 0 to 1 is shown
 */
export function drawOverEpochs(figure, rows, label, { band = true, isUnit = true } = {}) {
  const names = [...new Set(rows.map((row) => row.name))];
  const known = rows.filter(isKnown);
  const courses = d3.group(known, (row) => row.name);
  const few = known.filter((row) => (courses.get(row.name)?.length ?? 0) <= POINTS);
  const ends = [...courses.values()].map((course) => d3.max(course, (row) => row.epoch) ?? 0);
  const values = known.flatMap(({ value, low, high }) => [value, low ?? value, high ?? value]);
  const domain = isUnit ? unitDomain(known.map((row) => row.value)) : d3.extent(values).map((end) => end ?? 0);
  const tip = (/** @type {KnownRow} */ row) =>
    `${row.name}, epoch ${row.epoch}\n${number(row.value)}${inBrackets(row, 3)}`;
  place(
    figure,
    Plot.plot({
      ...frame(figure),
      x: { label: "epoch", grid: true, tickFormat: "d", ...epochScale(ends) },
      y: { domain, label, grid: true, nice: !isUnit },
      color: { domain: names, range: colours(names), legend: names.length > 1 },
      symbol: { domain: names },
      marks: [
        isUnit ? Plot.ruleY([0]) : null,
        band ? intervals(known) : null,
        Plot.lineY(known, { x: "epoch", y: "value", stroke: "name", strokeWidth: 2 }),
        Plot.dot(few, { x: "epoch", y: "value", stroke: "name", symbol: "name", r: 3 }),
        Plot.tip(known, Plot.pointer({ x: "epoch", y: "value", title: tip })),
      ],
    }),
  );
}

/**
 * @param {EpochRow} row
 * @returns {row is KnownRow}
 */
function isKnown(row) {
  return row.value !== null;
}

/** @param {KnownRow[]} rows */
function intervals(rows) {
  return Plot.areaY(
    rows.filter((row) => row.low !== null),
    { x: "epoch", y1: "low", y2: "high", z: "name", fill: "name", fillOpacity: 0.15, clip: true },
  );
}

/** @param {string[]} names */
function colours(names) {
  const three = [token("--x"), token("--y"), token("--soft")];
  return names.length > three.length ? depthColours(names) : three.slice(0, names.length);
}
