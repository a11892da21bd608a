// A measure of all layers against all, as the heat map asks for it: which blocks of networks, and their values.
/** @import { MatrixRecord, PageComparison } from "../page_data.d.ts" */
import { networkOf } from "../display/text.js";

/** @typedef {{ network: string, start: number, end: number }} Group layers of one network among those of a block: from start up to end */
/**
 * The rows and columns of the matrix that are shown.
 * @typedef {object} Block
 * @property {string[]} rows layers
 * @property {string[]} columns
 * @property {Group[]} rowGroups
 * @property {Group[]} columnGroups
 */

/**
 * The blocks that can be shown: everything, and every two networks.
 * @param {PageComparison} comparison
 * @returns {[string, [string, string] | null][]} what a block is called, and its networks
 */
export function blockChoices({ matrices }) {
  const networks = [...new Set(matrices[0]?.layers.map(networkOf))];
  const pairs = networks.flatMap((a, i) => networks.slice(i + 1).map((b) => /** @type {[string, string]} */ ([a, b])));
  const own = networks.map((a) => /** @type {[string, string]} */ ([a, a]));
  const names = [...pairs, ...own].map(
    ([a, b]) => /** @type {[string, [string, string]]} */ ([`${a} \u00d7 ${b}`, [a, b]]),
  );
  return [["all networks", null], ...names];
}

/**
 * @param {MatrixRecord} matrix
 * @param {[string, string] | null} networks those of rows and columns; null for all
 * @returns {Block}
 */
export function blockOf({ layers }, networks) {
  const of = (/** @type {number} */ axis) => layers.filter((layer) => !networks || networkOf(layer) === networks[axis]);
  const [rows, columns] = [of(0), of(1)];
  return { rows, columns, rowGroups: groupsOf(rows), columnGroups: groupsOf(columns) };
}

/**
 * Layers that follow one another and are of one network.
 * @param {string[]} layers
 * @returns {Group[]}
 */
export function groupsOf(layers) {
  /** @type {Group[]} */
  const groups = [];
  layers.forEach((layer, i) => {
    const network = networkOf(layer);
    const last = groups[groups.length - 1];
    if (last?.network === network) last.end = i + 1;
    else groups.push({ network, start: i, end: i + 1 });
  });
  return groups;
}

/**
 * What a matrix holds of two layers.
 * @param {MatrixRecord} matrix
 * @returns {(row: string, column: string) => number | null}
 */
export function valuesOf({ layers, values }) {
  const places = new Map(layers.map((layer, i) => [layer, i]));
  return (row, column) => values[places.get(row) ?? -1]?.[places.get(column) ?? -1] ?? null;
}

/**
 * For each layer of one network the layer of another that is most similar, with how much more than the next.
 * @param {MatrixRecord} matrix
 * @param {[string, string]} networks
 * @returns {{ from: string, to: string, similarity: number, margin: number | null }[]}
 */
export function counterpartsOf(matrix, networks) {
  const { rows, columns } = blockOf(matrix, networks);
  const value = valuesOf(matrix);
  return rows.flatMap((from) => {
    const known = columns.filter((to) => value(from, to) !== null);
    const [best, next] = d3.sort(known, (to) => -(value(from, to) ?? 0));
    const similarity = best === undefined ? null : value(from, best);
    if (similarity === null) return [];
    const second = next === undefined ? null : value(from, next);
    return [{ from, to: best, similarity, margin: second === null ? null : similarity - second }];
  });
}
