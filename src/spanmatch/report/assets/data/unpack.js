// The data in a page: base64 of gzip of JSON, with the pairs of layers, or the scores of a benchmark, by column.
/** @import { BenchRecord } from "../bench_data.d.ts" */
/** @import { PageData } from "../page_data.d.ts" */

/** @typedef {{ [name: string]: unknown[] | { of: Columns } }} Columns */

/**
 * The data that an element of the page holds.
 * @param {Element} element
 * @returns {Promise<PageData>}
 */
export async function unpack(element) {
  const data = await unzip(element);
  for (const comparison of data.comparisons)
    comparison.pairs = fromColumns(comparison.pairs, comparison.pairs.name.length);
  return data;
}

/**
 * The benchmark that an element of the page holds.
 * @param {Element} element
 * @returns {Promise<BenchRecord>}
 */
export async function unpackBench(element) {
  const data = await unzip(element);
  return { ...data, scores: fromColumns(data.scores, data.scores.measure?.length ?? 0) };
}

/** @param {Element} element */
async function unzip(element) {
  const bytes = Uint8Array.from(atob(element.textContent ?? ""), (character) => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).json();
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
