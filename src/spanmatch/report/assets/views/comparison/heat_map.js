// One measure of the layers of a block as a heat map, with layers grouped by network.
/** @import { Selection } from "d3" */
/** @import { Block, Group } from "../../data/matrix.js" */
import { token } from "../../display/charts.js";
import { layerLabels, layerNameOf } from "../../display/text.js";

// The most cells that are drawn one by one; more are one picture.
const MOST_CELLS = 2500;
// Pixels: sides of a cell, the room for a network's name, for its layers by the length of their names, and for others.
const LARGEST_CELL = 46;
const SMALLEST_CELL = 2;
const NETWORK = 20;
const LETTER = 6.3;
const MOST_LABEL = 120;
const PADDING = 8;
// The least distance of two labels, and the side of a cell that has room for its value.
const LINE = 12;
const ROOMY_CELL = 34;
// Between networks.
const GAP = 3;
// The value from which on cells are so light that black is read better than white.
const LIGHT = 0.62;

/** @typedef {{ row: number, column: number }} Place of a cell */
/** @typedef {Selection<SVGSVGElement, undefined, null, undefined>} Svg */
/** @typedef {{ cell: number, left: number, width: number, height: number, x: (column: number) => number, y: (row: number) => number }} Layout */

/**
 * Where the cells of a map are; cells are squares.
 * @param {Block} block
 * @param {number} most pixels that the map may be wide
 * @returns {Layout}
 */
export function layoutOf({ rows, columns, rowGroups, columnGroups }, most) {
  const longest = d3.max([...labelsOf(rows, rowGroups), ...labelsOf(columns, columnGroups)], (name) => name.length);
  const label = Math.min(MOST_LABEL, LETTER * (longest ?? 0) + PADDING);
  const left = NETWORK + label;
  const gaps = GAP * (columnGroups.length - 1);
  const cell = Math.max(SMALLEST_CELL, Math.min(LARGEST_CELL, (most - left - gaps - PADDING) / columns.length));
  const placeOf = (/** @type {Group[]} */ groups) => (/** @type {number} */ i) =>
    i * cell + GAP * Math.max(0, groups.findIndex(({ end }) => i < end)); // prettier-ignore
  const [x, y] = [placeOf(columnGroups), placeOf(rowGroups)];
  const [width, height] = [x(columns.length - 1) + cell, y(rows.length - 1) + cell];
  return {
    cell,
    left,
    width: left + width + PADDING,
    height: height + label + NETWORK + PADDING,
    x: (column) => left + x(column),
    y: (row) => PADDING + y(row),
  };
}

/**
 * Labels of layers, each network's without what all of its names have.
 * @param {string[]} layers
 * @param {Group[]} groups
 */
function labelsOf(layers, groups) {
  return groups.flatMap(({ start, end }) => [
    ...layerLabels(layers.slice(start, end).map(layerNameOf)).labels.values(),
  ]);
}

/**
 * Draw a map; returns its picture, what marks a cell, and the cell at a point.
 * @param {Block} block
 * @param {(row: string, column: string) => number | null} value
 * @param {Layout} layout
 */
export function heatMap(block, value, layout) {
  const svg = d3.create("svg").attr("class", "heat").attr("width", layout.width).attr("height", layout.height);
  svg.attr("viewBox", [0, 0, layout.width, layout.height].join(" "));
  const { rows, columns } = block;
  if (rows.length * columns.length > MOST_CELLS) drawPicture(svg, block, value, layout);
  else drawCells(svg, block, value, layout);
  const labels = drawLabels(svg, block, layout);
  const cursor = svg.append("rect").attr("class", "cursor").attr("width", layout.cell).attr("height", layout.cell);
  cursor.attr("display", "none");
  return {
    svg: /** @type {SVGSVGElement} */ (svg.node()),
    /** @param {Place | null} place */
    mark(place) {
      cursor.attr("display", place ? null : "none");
      if (place) cursor.attr("x", layout.x(place.column)).attr("y", layout.y(place.row));
      labels.rows.classed("at", (_, i) => i === place?.row);
      labels.columns.classed("at", (_, i) => i === place?.column);
    },
    /**
     * @param {number} px
     * @param {number} py
     * @returns {Place | null}
     */
    at(px, py) {
      const within = (/** @type {number} */ start, /** @type {number} */ p) => p >= start && p < start + layout.cell;
      const row = d3.range(rows.length).find((i) => within(layout.y(i), py));
      const column = d3.range(columns.length).find((i) => within(layout.x(i), px));
      return row === undefined || column === undefined ? null : { row, column };
    },
  };
}

/** @param {number | null} value */
function colourOf(value) {
  return value === null ? "none" : d3.interpolateMagma(Math.min(1, Math.max(0, value)));
}

/**
 * @param {Svg} svg
 * @param {Block} block
 * @param {(row: string, column: string) => number | null} value
 * @param {Layout} layout
 */
function drawCells(svg, { rows, columns }, value, { cell, x, y }) {
  const places = rows.flatMap((row, i) => columns.map((column, j) => ({ i, j, value: value(row, column) })));
  const known = places.filter((place) => place.value !== null);
  const inset = cell > 8 ? 0.5 : 0;
  const group = svg.append("g").attr("aria-label", "cell");
  const rects = group.selectAll("rect").data(known).join("rect");
  rects.attr("x", ({ j }) => x(j) + inset).attr("y", ({ i }) => y(i) + inset);
  rects.attr("width", cell - 2 * inset).attr("height", cell - 2 * inset);
  rects.attr("fill", (place) => colourOf(place.value));
  if (cell < ROOMY_CELL) return;
  const texts = svg.append("g").attr("class", "values").selectAll("text").data(known).join("text");
  texts
    .attr("x", ({ j }) => x(j) + cell / 2)
    .attr("y", ({ i }) => y(i) + cell / 2)
    .attr("dy", "0.35em");
  texts.style("fill", (place) => ((place.value ?? 0) > LIGHT ? "#000" : "#fff"));
  texts.text((place) => (place.value ?? 0).toFixed(2));
}

/**
 * A picture with a pixel for each cell, and one for each gap between networks, as large as the cells are.
 * @param {Svg} svg
 * @param {Block} block
 * @param {(row: string, column: string) => number | null} value
 * @param {Layout} layout
 */
function drawPicture(svg, { rows, columns, rowGroups, columnGroups }, value, { cell, x, y }) {
  for (const across of rowGroups)
    for (const down of columnGroups) {
      const canvas = document.createElement("canvas");
      const [width, height] = [down.end - down.start, across.end - across.start];
      Object.assign(canvas, { width, height });
      const context = canvas.getContext("2d");
      d3.cross(d3.range(height), d3.range(width)).forEach(([i, j]) => {
        const known = value(rows[across.start + i], columns[down.start + j]);
        if (!context || known === null) return;
        context.fillStyle = colourOf(known);
        context.fillRect(j, i, 1, 1);
      });
      const image = svg.append("image").attr("href", canvas.toDataURL()).attr("preserveAspectRatio", "none");
      image.attr("x", x(down.start)).attr("y", y(across.start));
      image
        .attr("width", cell * width)
        .attr("height", cell * height)
        .style("image-rendering", "pixelated");
    }
}

/**
 * Names of layers, as many as there is room for, and each network's name once.
 * @param {Svg} svg
 * @param {Block} block
 * @param {Layout} layout
 */
function drawLabels(svg, { rows, columns, rowGroups, columnGroups }, { cell, left, height, x, y }) {
  const bottom = y(rows.length - 1) + cell;
  const group = svg.append("g").attr("class", "labels");
  const [rowLabels, columnLabels] = [labelsOf(rows, rowGroups), labelsOf(columns, columnGroups)];
  const isShown = (/** @type {number} */ i) => i % Math.ceil(LINE / cell) === 0;
  const ofRows = group
    .append("g")
    .selectAll("text")
    .data(rowLabels)
    .join("text")
    .text((label) => label);
  ofRows
    .attr("x", left - 5)
    .attr("y", (_, i) => y(i) + cell / 2)
    .attr("dy", "0.35em")
    .attr("text-anchor", "end");
  const ofColumns = group
    .append("g")
    .selectAll("text")
    .data(columnLabels)
    .join("text")
    .text((label) => label);
  ofColumns.attr("transform", (_, i) => `translate(${x(i) + cell / 2},${bottom + 6}) rotate(-90)`);
  ofColumns.attr("dy", "0.35em").attr("text-anchor", "end");
  for (const labels of [ofRows, ofColumns]) labels.classed("thinned", (_, i) => !isShown(i));
  for (const { network, start, end } of rowGroups) {
    const [from, to] = [y(start), y(end - 1) + cell];
    group.append("path").attr("d", `M${NETWORK + 2},${from}H${NETWORK - 2}V${to}H${NETWORK + 2}`);
    writeNetwork(group, network, to - from, `translate(${NETWORK - 8},${(from + to) / 2}) rotate(-90)`);
  }
  const edge = height - NETWORK;
  for (const { network, start, end } of columnGroups) {
    const [from, to] = [x(start), x(end - 1) + cell];
    group.append("path").attr("d", `M${from},${edge - 2}V${edge + 2}H${to}V${edge - 2}`);
    writeNetwork(group, network, to - from, `translate(${(from + to) / 2},${edge + 15})`);
  }
  return { rows: ofRows, columns: ofColumns };
}

/**
 * @param {Selection<SVGGElement, undefined, null, undefined>} group
 * @param {string} network
 * @param {number} room
 * @param {string} transform
 */
function writeNetwork(group, network, room, transform) {
  const most = Math.max(1, Math.floor(room / LETTER));
  const text = network.length > most ? `${network.slice(0, most - 1)}\u2026` : network;
  group.append("text").attr("class", "network").attr("transform", transform).attr("text-anchor", "middle").text(text);
}

/** A legend of the colours. */
export function heatLegend() {
  const color = { interpolate: d3.interpolateMagma, domain: [0, 1], label: "similarity" };
  return Plot.legend({ color, width: 200, marginLeft: 14, style: { color: token("--ink") } });
}
