// A measure of all layers against all, or two side by side, and each layer's first principal component.
/** @import { MatrixRecord } from "../../page_data.d.ts" */
/** @import { Block } from "../../data/matrix.js" */
/** @import { TableFile } from "../../display/files.js" */
/** @import { Layout, Place } from "./heat_map.js" */
import { blockOf, valuesOf } from "../../data/matrix.js";
import { place, token, widthOf } from "../../display/charts.js";
import { h } from "../../display/elements.js";
import { MISSING, number } from "../../display/text.js";
import { heatLegend, heatMap, layoutOf } from "./heat_map.js";

// The widest a map may be, and the least width of two of them side by side.
const WIDEST = 760;
const LEAST_HALF = 340;
const BESIDE = 16;
const HINT =
  "Point at a cell, or move over the cells with the arrow keys, to read its value; a click or Enter opens its layers.";
const KEYS = new Map([
  ["ArrowUp", [-1, 0]],
  ["ArrowDown", [1, 0]],
  ["ArrowLeft", [0, -1]],
  ["ArrowRight", [0, 1]],
]);

/**
 * Draw the maps, which share the cell that is pointed at.
 * @param {HTMLElement} box
 * @param {HTMLElement} readout where the values of that cell are said
 * @param {MatrixRecord[]} matrices one, or two
 * @param {[string, string] | null} networks those of rows and of columns; null for all
 * @param {(x: string, y: string) => void} choose what a click on a cell does
 */
export function drawAllLayers(box, readout, matrices, networks, choose) {
  const block = blockOf(matrices[0], networks);
  const room = widthOf(box);
  const half = (room - BESIDE) / 2;
  const width = Math.min(WIDEST, matrices.length > 1 && half >= LEAST_HALF ? half : room);
  const layout = layoutOf(block, width);
  /** @type {Place | null} */
  let current = null;
  const values = matrices.map(valuesOf);
  const maps = values.map((value) => heatMap(block, value, layout));
  const point = (/** @type {Place | null} */ cell) => {
    current = cell;
    for (const map of maps) map.mark(cell);
    readout.textContent = cell ? inWords(matrices, values, block, cell) : HINT;
  };
  const open = () => {
    if (current) choose(block.rows[current.row], block.columns[current.column]);
  };
  const figures = maps.map((map, i) =>
    mapFigure(matrices[i].name, map, block, { point, open, current: () => current }),
  );
  box.replaceChildren(...figures.map(({ figure }) => h("div", {}, figure)));
  for (const { figure, frame } of figures) place(figure, heatLegend(), frame);
  point(null);
  return layout;
}

/**
 * @param {string} measure
 * @param {ReturnType<typeof heatMap>} map
 * @param {Block} block
 * @param {{ point: (cell: Place | null) => void, open: () => void, current: () => Place | null }} actions
 */
function mapFigure(measure, map, { rows, columns }, { point, open, current }) {
  const frame = h("div", {
    class: "map",
    role: "application",
    tabindex: 0,
    "aria-label": `Heat map of ${measure}; arrow keys move over ${rows.length} by ${columns.length} layers, Enter opens them`,
    "aria-describedby": "cell",
  });
  map.svg.setAttribute("aria-hidden", "true");
  frame.append(map.svg);
  frame.onpointermove = (event) => point(map.at(...d3.pointer(event, map.svg)));
  frame.onpointerleave = () => point(null);
  frame.onclick = (event) => {
    point(map.at(...d3.pointer(event, map.svg)));
    open();
  };
  frame.onkeydown = (event) => {
    const next = placeAfter(event.key, current(), rows.length, columns.length);
    if (event.key === "Enter") open();
    else if (next) point(next);
    else return;
    event.preventDefault();
  };
  return { figure: h("figure", { "aria-label": `Heat map of ${measure}`, "data-name": `matrix ${measure}` }), frame };
}

/**
 * The cell after a key was pressed; null if the key does not move.
 * @param {string} key
 * @param {Place | null} place
 * @param {number} rows
 * @param {number} columns
 * @returns {Place | null}
 */
export function placeAfter(key, place, rows, columns) {
  if (key === "Home") return { row: 0, column: 0 };
  if (key === "End") return { row: rows - 1, column: columns - 1 };
  const step = KEYS.get(key);
  if (!step) return null;
  if (!place) return { row: 0, column: 0 };
  const within = (/** @type {number} */ i, /** @type {number} */ count) => Math.min(count - 1, Math.max(0, i));
  return { row: within(place.row + step[0], rows), column: within(place.column + step[1], columns) };
}

/**
 * @param {MatrixRecord[]} matrices
 * @param {((row: string, column: string) => number | null)[]} values
 * @param {Block} block
 * @param {Place} cell
 */
function inWords(matrices, values, { rows, columns }, { row, column }) {
  const [x, y] = [rows[row], columns[column]];
  const parts = matrices.map(
    ({ name }, i) => `${name} ${values[i](x, y) === null ? MISSING : number(values[i](x, y))}`,
  );
  return `${x} and ${y}: ${parts.join(", ")}`;
}

/**
 * The share of variance of the first principal component of the layers in the columns, in line with them.
 * @param {HTMLElement} figure
 * @param {MatrixRecord} matrix
 * @param {[string, string] | null} networks
 * @param {Layout} layout
 */
export function drawComponents(figure, matrix, networks, { cell, left, width, x }) {
  const shares = new Map(matrix.layers.map((layer, i) => [layer, matrix.first_component[i]]));
  const { columns } = blockOf(matrix, networks);
  const bars = columns.map((layer, i) => ({
    layer,
    x1: x(i) + 0.5,
    x2: x(i) + cell - 0.5,
    share: shares.get(layer) ?? null,
  }));
  const chart = Plot.plot({
    width,
    height: 120,
    marginLeft: left,
    marginRight: 0,
    marginTop: 24,
    marginBottom: 8,
    style: { background: "transparent", fontSize: "11px" },
    x: { type: "identity", axis: null },
    y: { domain: [0, 1], label: "variance in the first component", grid: true, ticks: 3, tickFormat: ".0%" },
    marks: [
      Plot.rectY(bars, { x1: "x1", x2: "x2", y: "share", fill: token("--accent"), tip: true, title: barInWords }),
      Plot.ruleY([0]),
    ],
  });
  place(figure, chart);
}

/** @param {{ layer: string, share: number | null }} bar */
function barInWords({ layer, share }) {
  return `${layer}\n${number(share)} of its variance`;
}

/**
 * The matrix as a table.
 * @param {MatrixRecord} matrix
 * @returns {TableFile}
 */
export function matrixCsv({ layers, values }) {
  return ["matrix", ["layer", ...layers], values.map((row, i) => [layers[i], ...row])];
}
