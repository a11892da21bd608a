// A measure of all layers against all, and each layer's first principal component.
/** @import { MatrixRecord } from "../../page_data.d.ts" */
/** @import { Cell } from "../../data/csv.js" */
import { place, token, widthOf } from "../../display/charts.js";
import { networkOf, short } from "../../display/text.js";

// The most layers that the axes name.
const NAMED = 30;
const STYLE = { background: "transparent", fontSize: "11px" };
const COLOUR = /** @type {const} */ ({ scheme: "magma", domain: [0, 1], label: "similarity" });

/**
 * @param {HTMLElement} figure
 * @param {MatrixRecord} matrix
 * @param {(x: string, y: string) => void} choose what a click on a cell does
 */
export function drawAllLayers(figure, matrix, choose) {
  const { layers } = matrix;
  const areNamed = layers.length <= NAMED;
  const labels = layers.map(areNamed ? short : networkOf);
  const size = {
    width: widthOf(figure, 760),
    margin: Math.min(150, 7 * (d3.max(labels, (label) => label.length) ?? 0) + 12),
  };
  const heat = heatMap(matrix, areNamed, size);
  heat.addEventListener("click", () => {
    if (heat.value) choose(heat.value.x, heat.value.y);
  });
  place(figure, heat, Plot.legend({ color: COLOUR, marginLeft: 14 }), componentBars(matrix, size));
}

/**
 * @param {MatrixRecord} matrix
 * @param {boolean} areNamed
 * @param {{ width: number, margin: number }} size
 */
function heatMap({ layers, values }, areNamed, { width, margin }) {
  const cells = layers
    .flatMap((x, i) => layers.map((y, j) => ({ x, y, value: values[i][j] })))
    .filter((cell) => cell.value !== null);
  const axis = areNamed ? { tickFormat: short } : networksAxis(layers);
  return Plot.plot({
    width,
    height: areNamed ? width - margin / 2 : width,
    marginLeft: margin,
    marginBottom: areNamed ? margin : 30,
    marginRight: 8,
    style: STYLE,
    x: { domain: layers, label: null, ...axis, tickRotate: areNamed ? -90 : 0 },
    y: { domain: layers, label: null, ...axis },
    color: COLOUR,
    marks: [
      Plot.cell(cells, {
        inset: areNamed ? 0.5 : 0,
        shapeRendering: areNamed ? "auto" : "crispEdges",
        x: "y",
        y: "x",
        fill: "value",
        tip: true,
        title: (cell) => `${cell.x}\n${cell.y}\n${cell.value.toFixed(3)}`,
      }),
    ],
  });
}

/**
 * Where layers are too many to be named, the networks are, each at its middle.
 * @param {string[]} layers
 */
function networksAxis(layers) {
  const middles = d3
    .groups(layers, networkOf)
    .map(([, layersOfNetwork]) => layersOfNetwork[layersOfNetwork.length >> 1]);
  return { padding: 0, ticks: middles, tickFormat: networkOf, tickSize: 0 };
}

/**
 * @param {MatrixRecord} matrix
 * @param {{ width: number, margin: number }} size
 */
function componentBars({ layers, first_component: shares }, { width, margin }) {
  const rows = layers.map((layer, i) => ({ layer, share: shares[i] }));
  return Plot.plot({
    width,
    height: 150,
    marginLeft: margin,
    marginRight: 8,
    marginBottom: 20,
    style: STYLE,
    x: { domain: layers, axis: null },
    y: { domain: [0, 1], label: "variance in the first component", grid: true, ticks: 3 },
    marks: [Plot.barY(rows, { x: "layer", y: "share", fill: token("--accent"), tip: true }), Plot.ruleY([0])],
  });
}

/**
 * The matrix as CSV: name, heads and rows.
 * @param {MatrixRecord} matrix
 * @returns {[string, string[], Cell[][]]}
 */
export function matrixCsv({ layers, values }) {
  return ["matrix", ["layer", ...layers], values.map((row, i) => [layers[i], ...row])];
}
