// What the tests ask, and what the networks are.
/** @import { BenchRecord } from "../../bench_data.d.ts" */
/** @import { BenchView } from "../../data/bench.js" */
import { h, table } from "../../display/elements.js";
import { count, listed, percentWithInterval, significant } from "../../display/text.js";

/** @param {BenchView} view */
export function testsTable({ bench: { tests, networks }, columns }) {
  const rows = tests.map(({ name, question, score, perfect }) => {
    const sets = networks.filter((set) => set.tests.includes(name)).map((set) => set.name);
    const chances = columns.filter(({ test }) => test.name === name).map(({ test }) => test.chance);
    const ends = d3.extent(chances).map((chance) => significant(chance ?? 0));
    return [
      name,
      question,
      score,
      [...new Set(ends)].join(" to "),
      significant(perfect),
      sets.length === networks.length ? "all" : listed(sets),
    ];
  });
  return table("Tests", ["Test", "Question", "Score", "Chance", "Perfect", "On"], rows, { kind: "words" });
}

/** @param {BenchRecord} bench */
export function networksTable({ networks }) {
  const rows = networks.map((set) => [
    set.name,
    set.words,
    count(set.networks.length),
    h("span", { title: listed(set.layers) }, count(set.layers.length)),
    `${count(set.n_rows)}, ${set.rows}`,
    count(set.sample_size),
    percentWithInterval(set.accuracy),
  ]);
  const heads = ["Networks", "What they are", "How many", "Layers", "Rows", "Sampled rows", "Accuracy"];
  return table("Sets of networks", heads, rows, { kind: "words" });
}
