// A benchmark as the views ask for it: which scores are shown, in which order, and where they lie.
/** @import { BenchMeasureRecord, BenchRecord, BenchScoreRecord, BenchTestRecord } from "../bench_data.d.ts" */
/** @import { Cell } from "./csv.js" */

/** @typedef {NonNullable<BenchScoreRecord["details"]>} BenchDetails */
/** @typedef {BenchTestRecord & { chance: number }} Test a test, with the score by chance on the networks of a column */
/** @typedef {{ networks: string, test: Test, key: string }} Column */
/** @typedef {string} Order "rank", "seconds", "name", or the key of a column */
/** @typedef {{ networks: string, needs: string, order: Order, cell: string, with: string }} Shown */

// What is shown at first: everything, the best measure first.
/** @type {Shown} */
export const AT_FIRST = { networks: "", needs: "", order: "rank", cell: "", with: "" };
const ORDERS = ["rank", "seconds", "name"];

/**
 * One text for several: the set of networks and the test of a column, and the measure of a cell.
 * @param {...string} parts
 */
export function keyOf(...parts) {
  return JSON.stringify(parts);
}

/**
 * @param {string} key
 * @returns {string[]}
 */
export function partsOf(key) {
  return JSON.parse(key);
}

/**
 * @typedef {object} BenchView
 * @property {BenchRecord} bench
 * @property {Column[]} columns every test of every set of networks
 * @property {(measure: string, column: string) => BenchScoreRecord | undefined} score
 */

/**
 * @param {BenchRecord} bench
 * @returns {BenchView}
 */
export function benchView(bench) {
  const tests = new Map(bench.tests.map((test) => [test.name, test]));
  const scores = new Map(bench.scores.map((score) => [keyOf(keyOf(score.networks, score.test), score.measure), score]));
  const chances = new Map(bench.scores.map((score) => [keyOf(score.networks, score.test), score.chance]));
  const columns = bench.networks.flatMap((networks) =>
    bench.tests
      .filter(({ name }) => networks.tests.includes(name))
      .map(({ name }) => ({
        networks: networks.name,
        test: {
          .../** @type {BenchTestRecord} */ (tests.get(name)),
          chance: chances.get(keyOf(networks.name, name)) ?? 0,
        },
        key: keyOf(networks.name, name),
      })),
  );
  return { bench, columns, score: (measure, column) => scores.get(keyOf(column, measure)) };
}

/**
 * The columns of one set of networks, or of all.
 * @param {BenchView} view
 * @param {string} networks empty for all
 */
export function columnsOf({ columns }, networks) {
  return columns.filter((column) => !networks || column.networks === networks);
}

/**
 * The measures that are shown, in order; those without the quantity come last.
 * @param {BenchView} view
 * @param {Shown} shown
 */
export function measuresOf(view, { needs, order }) {
  const measures = view.bench.measures.filter((measure) => !needs || measure.needs === needs);
  return order === "name"
    ? d3.sort(measures, (a, b) => d3.ascending(a.name, b.name))
    : d3.sort(measures, quantityOf(view, order));
}

/**
 * What measures are ordered by, smallest first.
 * @param {BenchView} view
 * @param {Order} order
 * @returns {(measure: BenchMeasureRecord) => number}
 */
function quantityOf(view, order) {
  if (order === "rank") return ({ rank }) => rank.value ?? Infinity;
  if (order === "seconds") return ({ seconds }) => seconds ?? Infinity;
  return ({ name }) => view.score(name, order)?.rank ?? Infinity;
}

/**
 * Where a score lies: 0 at chance, 1 if perfect, below 0 if worse than chance.
 * @param {number} value
 * @param {Test} test
 */
export function positionOf(value, { chance, perfect }) {
  return (value - chance) / (perfect - chance);
}

/**
 * What is shown, as the hash of an address; what is as at first is left out.
 * @param {Shown} shown
 */
export function hashOf(shown) {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(shown)) {
    if (value === AT_FIRST[/** @type {keyof Shown} */ (name)]) continue;
    const isKey = name === "cell" || (name === "order" && !ORDERS.includes(value));
    for (const part of isKey ? partsOf(value) : [value]) parameters.append(name, part);
  }
  return parameters.toString();
}

/**
 * What the hash of an address shows; what the benchmark does not have is as at first.
 * @param {BenchView} view
 * @param {string} hash
 * @returns {Shown}
 */
export function shownIn({ bench, columns }, hash) {
  const parameters = new URLSearchParams(hash.replace(/^#/, ""));
  const measures = bench.measures.map(({ name }) => name);
  const keys = columns.map(({ key }) => key);
  const known = (/** @type {string} */ name, /** @type {string[]} */ values) => {
    const value = parameters.get(name) ?? "";
    return values.includes(value) ? value : "";
  };
  const column = (/** @type {string[]} */ [networks, test]) => keyOf(networks, test);
  const [order, cell] = [parameters.getAll("order"), parameters.getAll("cell")];
  const isOrder = ORDERS.includes(order[0]) || keys.includes(column(order));
  const isCell = cell.length === 3 && keys.includes(column(cell)) && measures.includes(cell[2]);
  return {
    networks: known(
      "networks",
      bench.networks.map(({ name }) => name),
    ),
    needs: known("needs", ["moments", "sample"]),
    order: !isOrder ? AT_FIRST.order : order.length === 1 ? order[0] : column(order),
    cell: isCell ? keyOf(...cell) : "",
    with: isCell ? known("with", measures) : "",
  };
}

/**
 * All scores as CSV: name, heads and rows.
 * @param {BenchRecord} bench
 * @returns {[string, string[], Cell[][]]}
 */
export function scoresCsv({ scores }) {
  const heads = /** @type {const} */ ([
    "networks",
    "test",
    "measure",
    "value",
    "low",
    "high",
    "rank",
    "among_best",
    "reason",
  ]);
  return ["scores", [...heads], scores.map((score) => heads.map((head) => score[head]))];
}

/**
 * All measures as CSV.
 * @param {BenchRecord} bench
 * @returns {[string, string[], Cell[][]]}
 */
export function measuresCsv({ measures }) {
  const heads = ["measure", "kind", "needs", "yours", "mean_rank", "low", "high", "won", "lost", "seconds"];
  const rows = measures.map(({ name, kind, needs, yours, rank, won, lost, seconds }) => [
    ...[name, kind, needs, yours, rank.value, rank.low, rank.high],
    ...[won, lost, seconds],
  ]);
  return ["measures", heads, rows];
}

/**
 * What is behind a score as CSV.
 * @param {BenchDetails} details
 * @returns {[string, string[], Cell[][]]}
 */
export function detailsCsv(details) {
  const name = "details";
  if (details.kind === "bars")
    return [name, ["name", "value"], details.labels.map((label, i) => [label, details.values[i]])];
  if (details.kind === "scatter") return [name, [details.x_axis, details.y_axis], d3.zip(details.x, details.y)];
  if (details.kind === "strips") {
    const rows = details.labels.flatMap((label, i) => details.values[i].map((value) => [label, value]));
    return [name, ["group", details.axis], rows];
  }
  const rows = details.labels.flatMap((label, i) => details.x[i].map((x, k) => [label, x, details.y[i][k]]));
  return [name, ["line", details.x_axis, details.y_axis], rows];
}
