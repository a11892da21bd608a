import assert from "node:assert/strict";
import { test } from "node:test";
import { addressIn, hashOf } from "../../src/spanmatch/report/assets/data/address.js";
import { citationOf } from "../../src/spanmatch/report/assets/data/citation.js";
import {
  comparisonView,
  factsOf,
  mostTellingEps,
  notEstimatedInWords,
  silentInWords,
  similarityInWords,
  warningsOf,
} from "../../src/spanmatch/report/assets/data/comparison.js";
import { csvText } from "../../src/spanmatch/report/assets/data/csv.js";
import { escaped, latexText } from "../../src/spanmatch/report/assets/data/latex.js";
import {
  fewPredictorsOf,
  minimumMatchOf,
  neuronTable,
  orderByLevel,
  partnerOf,
} from "../../src/spanmatch/report/assets/data/neurons.js";
import { nextSteps } from "../../src/spanmatch/report/assets/data/next_steps.js";
import { preparePair } from "../../src/spanmatch/report/assets/data/pair.js";
import { fromColumns, unpack } from "../../src/spanmatch/report/assets/data/unpack.js";
import { comparisonRecord, pairRecord } from "./records.js";

const close = (value, expected) => assert.ok(Math.abs(value - expected) < 1e-12, `${value} is not ${expected}`);

test("columns become rows, objects in them too", () => {
  const columns = { name: ["a", "b"], inner: { of: { value: [1, 2], list: [[3], []] } } };
  assert.deepEqual(fromColumns(columns, 2), [
    { name: "a", inner: { value: 1, list: [3] } },
    { name: "b", inner: { value: 2, list: [] } },
  ]);
});

test("data are unpacked from base64 of gzip of JSON", async () => {
  const packed = { study: null, comparisons: [{ name: "c", pairs: { name: ["層 ~ b"], rows: [5] } }] };
  const stream = new Blob([JSON.stringify(packed)]).stream().pipeThrough(new CompressionStream("gzip"));
  const bytes = Buffer.from(await new Response(stream).arrayBuffer());
  const data = await unpack({ textContent: bytes.toString("base64") });
  assert.deepEqual(data.comparisons, [{ name: "c", pairs: [{ name: "層 ~ b", rows: 5 }] }]);
});

test("a neuron is in the match from its level on, a silent one never", () => {
  const pair = preparePair(pairRecord([0.3, 0, null], [0.3, 1]));
  assert.equal(pair.networks, "a ~ b");
  assert.deepEqual([0, 0.299, 0.3, 0.999].map((eps) => pair.matchedCount("x", eps)), [1, 1, 2, 2]); // prettier-ignore
  assert.deepEqual([0, 0.3].map((eps) => pair.matchedCount("y", eps)), [0, 1]); // prettier-ignore
  close(pair.similarityAt("sample", 0), 1 / 5);
  close(pair.similarityAt("sample", 0.3), 3 / 5);
  assert.deepEqual(pair.curve("sample"), [
    { eps: 0, similarity: 1 / 5 },
    { eps: 0, similarity: 1 / 5 },
    { eps: 0.3, similarity: 2 / 5 },
    { eps: 0.3, similarity: 3 / 5 },
    { eps: 1, similarity: 3 / 5 },
  ]);
});

test("below the resolution it is not known who is in the match, unless distances are 0", () => {
  const unresolved = preparePair(pairRecord([0.01, 0.5], [0.01], { resolution: 0.02 }));
  assert.equal(unresolved.similarityAt("sample", 0.015), null);
  assert.equal(unresolved.matchedCount("x", 0.015), null);
  close(unresolved.similarityAt("sample", 0.02), 2 / 3);
  assert.equal(unresolved.curve("sample")[0].eps, 0.01);
  const exact = preparePair(pairRecord([0, 0.5], [0.01], { resolution: 0.02 }));
  close(exact.similarityAt("sample", 0), 1 / 3);
});

test("the null is that of the largest eps that is not larger", () => {
  const evidence = { rows: { enough: true }, profile: { eps: [0.1, 0.2, 0.3], null: [0, 0.25, 0.5] } };
  const pair = preparePair(pairRecord([0.1], [0.1], { evidence }));
  assert.deepEqual([0, 0.1, 0.25, 0.9].map((eps) => pair.nullAt(eps)), [0, 0, 0.25, 0.5]); // prettier-ignore
  assert.equal(preparePair(pairRecord([0.1], [0.1])).nullAt(0.5), null);
  const unknown = { rows: null, profile: { eps: [0.1], null: [null] } };
  assert.equal(preparePair(pairRecord([0.1], [0.1], { evidence: unknown })).nullAt(0.5), null);
});

test("layers and networks come in the order of the comparison", () => {
  const pairs = [
    pairRecord([0.1], [0.1], { layer: "deep" }),
    pairRecord([0.1], [0.9], { layer: "deep", y_layer: "c:l" }),
    pairRecord([0.9, 0.4], [0.3, 0.2], { layer: "again" }),
  ];
  const view = comparisonView(comparisonRecord(pairs));
  assert.deepEqual(view.layers, ["deep", "again"]);
  assert.deepEqual(view.networks, ["a ~ b", "a ~ c"]);
  assert.equal(view.pair("deep", "a ~ c"), view.pairs[1]);
  assert.equal(view.pair("again", "a ~ c"), view.pairs[2]); // the layer's first, as there is no other
  assert.equal(view.meanAt("sample", "deep", 0.1), 0.75);
  assert.equal(view.meanAt("population", "deep", 0.1), undefined);
  assert.equal(mostTellingEps(view, "sample"), 0.1);
});

test("where layers do not differ, the middle of the eps listed is shown", () => {
  const view = comparisonView(comparisonRecord([pairRecord([0.1], [0.1])], { eps: [0.1, 0.2, 0.3] }));
  assert.equal(mostTellingEps(view, "sample"), 0.2);
});

test("similarity in words: few layers by share, of many the extremes", () => {
  const levels = { all: [0.1, 0.1], half: [0.1, 0.9], none: [0.9, 0.9] };
  const pairs = Object.entries(levels).map(([layer, values]) => pairRecord(values, values, { layer }));
  const text = similarityInWords(comparisonView(comparisonRecord(pairs)), "sample", 0.5);
  assert.equal(
    text,
    "At eps 0.500, the match holds all of the neurons of all, 50% of half and nothing of none (in this sample).",
  );
  const many = d3.range(9).map((i) => pairRecord([i / 10], [i / 10], { layer: `l${i}` }));
  const range = similarityInWords(comparisonView(comparisonRecord(many)), "sample", 0.3);
  const extremes = "from 0% of the neurons of l4 to 100% of l0, and half or more of 4 of the 9 layers";
  assert.equal(range, `At eps 0.300, the match holds ${extremes} (in this sample).`);
  const unresolved = pairRecord([0.01], [0.01], { resolution: 0.5, layer: "flat" });
  const unknown = similarityInWords(comparisonView(comparisonRecord([unresolved])), "sample", 0.1);
  assert.equal(unknown, "At eps 0.100, the match holds an unresolved share of the neurons of flat (in this sample).");
  const evidence = { rows: { enough: true }, profile: { eps: [0.1], null: [0.2] } };
  const withNull = comparisonView(comparisonRecord([pairRecord([0.1], [0.1], { evidence })]));
  assert.equal(
    similarityInWords(withNull, "sample", 0.5),
    "At eps 0.500, the match holds all of the neurons of l (in this sample); under the null, at most 20% of a layer in sample.",
  );
});

test("layers with many silent neurons are named, as no match can hold all of them", () => {
  const levels = [0.1, 0.1, 0.1, null];
  const silent = pairRecord(levels, levels, { layer: "half", x_silent: [3, 2], y_silent: [3, 2] });
  const other = pairRecord(levels, levels, { layer: "some", x_silent: [3], y_silent: [] });
  const none = pairRecord([0.1], [0.1], { layer: "none" });
  const text = silentInWords(comparisonView(comparisonRecord([none, other, silent])));
  assert.equal(text, "Silent, and so in no match: 50% of the neurons of half and 13% of some.");
  assert.equal(silentInWords(comparisonView(comparisonRecord([none]))), "");
  const many = d3.range(12).map((i) => pairRecord(levels, levels, { layer: `l${i}`, x_silent: [3] }));
  assert.match(silentInWords(comparisonView(comparisonRecord(many))), /l0 and as many or fewer of 11 other layers\.$/);
});

test("what is estimated for the population comes from corrected levels, and what is not has its reason", () => {
  const corrected = { sample_size: 90, x_levels: [0.4, null], y_levels: [0.6, 1] };
  const evidence = { rows: { enough: true }, profile: null, corrected };
  const refusals = { "corrected levels": "layers 'a:few' and 'b:few': too few rows" };
  const pairs = [
    pairRecord([0.1, null], [0.2, 0.3], { layer: "good", evidence }),
    pairRecord([0.1], [0.2], { layer: "few", evidence: { rows: null, profile: null, corrected: null }, refusals }),
    pairRecord([0.1], [0.2], { layer: "large" }),
  ];
  const view = comparisonView(comparisonRecord(pairs));
  const [good, few] = view.pairs;
  assert.deepEqual([good.isEstimated, few.isEstimated, view.isEstimated], [true, false, true]);
  assert.deepEqual([0.3, 0.4, 0.6].map((eps) => good.similarityAt("population", eps)), [0, 0.25, 0.5]); // prettier-ignore
  assert.equal(good.similarityAt("sample", 0.3), 0.75);
  assert.equal(few.similarityAt("population", 0.3), null);
  assert.deepEqual(few.curve("population"), []);
  assert.deepEqual(good.curve("population").at(-1), { eps: 1, similarity: 0.5 });
  assert.equal(
    similarityInWords(view, "population", 0.5),
    "At eps 0.500, the match holds 25% of the neurons of good (estimated for the population).",
  );
  assert.deepEqual(notEstimatedInWords(view), [
    "No estimate for the population of few: too few rows.",
    "No estimate for the population of large: evidence was not computed.",
  ]);
  const [heads, rows] = neuronTable(good, 0.25);
  assert.deepEqual(rows.map((row) => row[heads.indexOf("corrected level")]), [0.4, null, 0.6, 1]); // prettier-ignore
});

test("facts and warnings", () => {
  const record = comparisonRecord([], { rows: [1000, 2000], centred: false, notes: { Data: "digits" } });
  assert.deepEqual(factsOf(record), [
    ["Rows", "1,000 to 2,000 per layer"],
    ["Activations", "not centred"],
    ["Data", "digits"],
  ]);
  const few = { rows: { enough: false, advice: "more rows" } };
  const refusals = { "rows needed": "constant" };
  const pairs = [
    pairRecord([0], [0], { name: "one", warnings: ["w"], evidence: few }),
    pairRecord([0], [0], { name: "two", warnings: ["w"], evidence: { rows: null }, refusals }),
  ];
  assert.deepEqual(warningsOf(pairs.map(preparePair)), [
    ["w", ["one", "two"]],
    ["more rows", ["one"]],
    ["Evidence is missing: constant", ["two"]],
  ]);
});

const ALIGNED = {
  ...pairRecord([], []).alignment,
  bipartite: {
    x: [2, 0],
    y: [1, 0],
    strength: [0.9, 0.4],
    margin: [0.3, -0.1],
    next_y: [0, 1],
    back_margin: [0.5, null],
    next_x: [0, -1],
  },
  few: {
    y: { neuron: [1, 4], count: [5, 1], predictors: [[3, 2], [7]], coefficients: [[1, 0.5], [2]], error: [0.1, 0.2], held_out_error: [0.3, null] }, // prettier-ignore
  },
};
const SMALL = { x: [0], y: [1], minimum_for: [["x", 0]], x_from_y: [[1]], y_from_x: [[1]] };
const LARGE = { x: [0, 2], y: [1], minimum_for: [["y", 1], ["x", 2]], x_from_y: [], y_from_x: [] }; // prettier-ignore

test("neurons by level, silent ones last, equals by index", () => {
  assert.deepEqual(orderByLevel([0.5, null, 0.1, 0.5, 1]), [2, 0, 3, 4, 1]);
});

test("a neuron's partner is seen from its own side", () => {
  const pair = pairRecord([0, 0, 0], [0, 0], { alignment: ALIGNED });
  assert.deepEqual(partnerOf(pair, "x", 2), { neuron: 1, strength: 0.9, margin: 0.3, next: 0 });
  assert.deepEqual(partnerOf(pair, "y", 1), { neuron: 2, strength: 0.9, margin: 0.5, next: 0 });
  assert.deepEqual(partnerOf(pair, "y", 0), { neuron: 0, strength: 0.4, margin: null, next: -1 });
  assert.equal(partnerOf(pair, "x", 1), null);
});

test("few predictors are looked up by neuron", () => {
  const pair = pairRecord([0], [0], { alignment: ALIGNED });
  const expected = { predictors: [7], coefficients: [2], count: 1, error: 0.2, heldOutError: null };
  assert.deepEqual(fewPredictorsOf(pair, "y", 4), expected);
  assert.equal(fewPredictorsOf(pair, "y", 2), null);
  assert.equal(fewPredictorsOf(pair, "x", 4), null);
});

test("a minimum match is that of the first eps that has one", () => {
  const simple = [
    { eps: 0.1, matches: [SMALL], count: 1 },
    { eps: 0.5, matches: [SMALL, LARGE], count: 3 },
  ];
  const pair = pairRecord([0, 0, 0], [0, 0], { simple });
  assert.deepEqual(minimumMatchOf(pair, "x", 0), { eps: 0.1, match: SMALL });
  assert.deepEqual(minimumMatchOf(pair, "y", 1), { eps: 0.5, match: LARGE });
  assert.equal(minimumMatchOf(pair, "y", 0), null);
});

test("the table of neurons has a row for each neuron of both layers", () => {
  const simple = [{ eps: 0.5, matches: [LARGE], count: 1 }];
  const pair = pairRecord([0.2, null, 0.6], [0.1, 0.2], { simple, alignment: ALIGNED });
  const [heads, rows] = neuronTable(pair, 0.2);
  assert.equal(heads[4], "in the match at 0.2");
  assert.deepEqual(rows.map((row) => row[0]), ["a:l", "a:l", "a:l", "b:l", "b:l"]); // prettier-ignore
  assert.deepEqual(rows.map((row) => row[4]), [true, false, false, true, true]); // prettier-ignore
  assert.deepEqual(rows[4], ["b:l", 1, 0.2, undefined, true, 2, 0.9, 0.5, "x0 x2 y1", "3 2"]);
});

test("CSV: quotes where they are needed, nothing for what is missing", () => {
  const text = csvText(["a", 'b "c"'], [[1, null], ["x,y", undefined], ["line\nbreak", true]]); // prettier-ignore
  assert.equal(text, 'a,"b ""c"""\n1,\n"x,y",\n"line\nbreak",true\n');
});

test("an address comes back from its hash, and what cannot be read is as at first", () => {
  const first = {
    at: "overview",
    comparison: null,
    networks: null,
    layer: null,
    neuron: null,
    eps: null,
    estimate: null,
  };
  assert.equal(hashOf(first), "");
  assert.deepEqual(addressIn(""), first);
  const address = {
    ...first,
    at: "neuron",
    networks: "a & b ~ c=#",
    layer: "層",
    neuron: { side: "y", index: 12 },
    eps: 0,
    estimate: "sample",
  };
  assert.deepEqual(addressIn(`#${hashOf(address)}`), address);
  assert.deepEqual(addressIn("#at=toString&neuron=z3&eps=1&estimate=constructor"), first);
  assert.deepEqual(addressIn("#neuron=x-1&eps=-0.5"), first);
});

test("a table as LaTeX: numbers to the right, special characters as text", () => {
  const text = latexText("50% of a_b", ["name", "value"], [["x & y", 0.123456], ["~", null]]); // prettier-ignore
  assert.ok(text.includes("\\begin{tabular}{lr}"));
  assert.ok(text.includes("x \\& y & 0.1235 \\\\\n"));
  assert.ok(text.includes("\\textasciitilde{} & -- \\\\\n"));
  assert.ok(text.includes("\\caption{50\\% of a\\_b}"));
  assert.equal(escaped("\\{$#^}<\n"), "\\textbackslash{}\\{\\$\\#\\textasciicircum{}\\}$<$ ");
});

const COMPUTED = { transplants: [{}], matrices: [{}], inputs: {}, match: "name", networks: ["a", "b"], spanmatch: "0" };

test("what to do next: few rows first, then a match by chance, then the layer that differs most", () => {
  const rows = (size) => ({ enough: size >= 500, effective_sample_size: size, needed: 500 });
  const evidence = (size, share) => ({ rows: rows(size), profile: { eps: [0.5], null: [share] }, level: 0.95 });
  const pairs = [
    pairRecord([0.1, 0.9], [0.1, 0.9], { layer: "few", evidence: evidence(100, 0.5) }),
    pairRecord([0.1, 0.1], [0.1, 0.9], { layer: "good", evidence: evidence(500, 0) }),
  ];
  const view = comparisonView(comparisonRecord(pairs, COMPUTED));
  const steps = nextSteps(view, 0.5, true);
  assert.deepEqual(
    steps.map(({ what }) => what),
    [
      "1 of 2 layers has fewer rows than needed",
      "1 of 2 layers matches no more than unrelated data at this eps",
      "The networks differ most in few",
    ],
  );
  assert.ok(steps[0].why.startsWith("few (100 of 500), as effective sample sizes. Compare over about 5 times as many"));
  assert.equal(steps[2].layer, "few");
  const bare = comparisonView(
    comparisonRecord([pairRecord([0.1], [0.1])], { ...COMPUTED, transplants: [], matrices: [], inputs: null }),
  );
  const options = nextSteps(bare, 0.5, false).map(({ option }) => option);
  assert.deepEqual(options, ["--evidence", undefined, "--transplant EPS --labels LABELS", "--top 9"]);
});

test("a citation has versions, settings and the shares at this eps", () => {
  const pair = pairRecord([0.1, 0.9], [0.1, 0.9], { layout: "rows as given" });
  const notes = { Data: "digits" };
  const view = comparisonView(comparisonRecord([pair], { ...COMPUTED, notes, method: "gram", spanmatch: "1.2" }));
  const text = citationOf({ name: "demo", torch: "2.0" }, view, "sample", 0.5);
  assert.ok(text.startsWith("Similarity of a and b (demo), 1 pair"));
  assert.ok(text.includes("s(eps) at eps 0.500, in sample: l 50.0%."));
  assert.ok(text.includes("spanmatch 1.2 and PyTorch 2.0."));
  assert.ok(text.includes("10 rows per layer (rows as given); activations centred; moments kept as gram"));
  assert.ok(text.includes("no evidence; Data: digits."));
});
