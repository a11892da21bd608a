// The data in the page: base64 of gzip of JSON, with the pairs of layers by column.
/** @import { PageComparison, PageData } from "../page_data.d.ts" */

/** @typedef {{ [name: string]: unknown[] | { of: Columns } }} Columns */

/**
 * The data that an element of the page holds.
 * @param {Element} element
 * @returns {Promise<PageData>}
 */
export async function unpack(element) {
  const bytes = Uint8Array.from(atob(element.textContent ?? ""), (character) => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  const data = await new Response(stream).json();
  for (const comparison of data.comparisons)
    comparison.pairs = fromColumns(comparison.pairs, comparison.pairs.name.length);
  return data;
}

/**
 * Rows of columns: a column is a list, or {of: columns} where each row holds an object.
 * @param {Columns} columns
 * @param {number} length
 * @returns {Record<string, unknown>[]}
 */
export function fromColumns(columns, length) {
  const lists = Object.entries(columns).map(
    ([name, column]) =>
      /** @type {[string, unknown[]]} */ ([name, Array.isArray(column) ? column : fromColumns(column.of, length)]),
  );
  return d3.range(length).map((i) => Object.fromEntries(lists.map(([name, column]) => [name, column[i]])));
}
