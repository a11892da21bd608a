import assert from "node:assert/strict";
import { test } from "node:test";
import { epochScale, layersAxis, unitDomain } from "../../src/spanmatch/report/assets/display/scales.js";
import {
  count,
  inBrackets,
  layerLabels,
  listed,
  networkOf,
  number,
  numberWithInterval,
  percent,
  percentWithInterval,
  pValue,
  short,
  significant,
} from "../../src/spanmatch/report/assets/display/text.js";
import {
  controlsOf,
  differenceRow,
  outcomeRow,
} from "../../src/spanmatch/report/assets/views/comparison/transplants.js";
import { epsLabels } from "../../src/spanmatch/report/assets/views/comparison/similarity_by_layer.js";
import { clusterMembers } from "../../src/spanmatch/report/assets/views/pair/clusters.js";
import {
  measureRow,
  missingReasons,
  reasonsWithoutTest,
  rowsInWords,
  sampleInWords,
} from "../../src/spanmatch/report/assets/views/pair/evidence.js";
import { placeAfterKey } from "../../src/spanmatch/report/assets/views/pair/swarm.js";
import { swarmOf } from "../../src/spanmatch/report/assets/views/pair/swarm_layout.js";
import { visible } from "../../src/spanmatch/report/assets/views/pair/top_inputs.js";
import { stepName } from "../../src/spanmatch/report/assets/views/study/steps.js";

test("numbers in as many digits, and a dash for what is missing", () => {
  assert.deepEqual([number(0.12345), number(2, 1), number(null), number(undefined)], ["0.123", "2.0", "–", "–"]);
  assert.deepEqual([number(-0.0002), number(-0.02), number(-0.4, 0)], ["0.000", "-0.020", "0"]);
  assert.deepEqual([percent(0.256), percent(0.2564, 1), percent(null)], ["26%", "25.6%", "–"]);
  assert.deepEqual([count(1234567), count(0.6), count(null)], ["1,234,567", "1", "–"]);
  assert.deepEqual([significant(12.345), significant(0.0001234), significant(null)], ["12.3", "0.000123", "–"]);
});

test("labels of layers leave out what all names have, but nothing of one name alone", () => {
  const labels = (...layers) => [...layerLabels(layers).labels.values()];
  assert.deepEqual(labels("conv1", "relu1"), ["conv1", "relu1"]);
  assert.deepEqual(labels("h.0.mlp", "h.0.attn", "h.1.mlp"), ["0.mlp", "0.attn", "1.mlp"]);
  assert.deepEqual(labels("block.act", "block.0.act"), ["act", "0.act"]);
  assert.deepEqual(labels("a.b.c"), ["a.b.c"]);
  assert.deepEqual(labels("a.a", "a.a.a"), ["a", "a.a"]);
  assert.equal(layerLabels(["x.1.y", "x.2.y"]).pattern, "x.*.y");
  assert.equal(layerLabels(["one", "two"]).pattern, null);
  assert.deepEqual(labels(), []);
});

test("p-values that are small are said to be small", () => {
  assert.deepEqual([pValue(0.0004), pValue(0.0123), pValue(null)], ["<0.001", "0.012", "–"]);
});

test("a measure says what it estimates, and how much too large it is", () => {
  const measure = {
    kind: "similarity",
    value: 0.5,
    low: 0.25,
    high: 0.75,
    bias: 0,
    null_value: 0,
    p_value: 0,
    permutations: 0,
    calibrated: 0.25,
    reason: "",
  };
  const test = ["<0.001 (all)", "0.250"];
  const unbiased = measureRow({ ...measure, name: "debiased cka", estimator: "unbiased" });
  assert.deepEqual(unbiased, ["debiased cka", "0.500", "unbiased", "0.250 to 0.750", "none", "0.000", ...test]);
  const unknown = { low: null, high: null, bias: 0.12345, null_value: null, p_value: null };
  const biased = measureRow({ ...measure, ...unknown, name: "cca", estimator: "in sample" });
  assert.deepEqual(biased, ["cca", "0.500", "in sample", "–", "0.123", "–", "–", "–"]);
  const missing = measureRow({ ...measure, ...unknown, name: "cka", estimator: "in sample", value: null, reason: "r" });
  assert.deepEqual(missing, ["cka", "–", "in sample", "–", "–", "–", "–", "–"]);
  const heldOut = measureRow({ ...measure, name: "ridge regression", estimator: "held out", null_value: null });
  assert.deepEqual(heldOut.slice(2, 6), ["held out", "0.250 to 0.750", "none", "–"]);
  const permuted = measureRow({
    ...measure,
    name: "mutual knn",
    estimator: "in sample",
    p_value: 0.005,
    permutations: 1999,
  });
  assert.deepEqual(permuted.slice(6), ["0.005 (1,999)", "0.250"]);
});

test("a measure that is a distance says so", () => {
  const measure = { ...{ value: 0.5, low: null, high: null, bias: null, null_value: 1.5, p_value: null }, reason: "" };
  const rowOf = (name) => measureRow({ ...measure, kind: "distance", estimator: "in sample", name });
  assert.deepEqual(rowOf("gulp"), ["gulp (distance)", "0.500", "in sample", "–", "–", "1.500", "–", "–"]);
  assert.equal(rowOf("shape distance")[0], "shape distance");
});

test("what the sample is of", () => {
  const sample = {
    size: 1000,
    n_examples: 10000,
    seed: 0,
    x_features: 64,
    y_features: 32,
    x_rows: "flat",
    y_rows: "flat",
  };
  const neurons = { x_neurons: 64, y_neurons: 32 };
  assert.equal(sampleInWords(sample, neurons), "Of a sample of 1,000 of 10,000 examples");
  assert.equal(sampleInWords({ ...sample, size: 10000 }, neurons), "Of all 10,000 examples");
  const maps = { ...sample, x_features: 4096 };
  assert.equal(sampleInWords(maps, neurons), "Of a sample of 1,000 of 10,000 examples (flattened outputs)");
  const [means, last] = [
    { ...sample, x_rows: "mean", y_rows: "mean" },
    { ...sample, x_rows: "mean", y_rows: "last" },
  ];
  assert.equal(sampleInWords(means, neurons), "Of a sample of 1,000 of 10,000 examples (means over rows)");
  assert.equal(sampleInWords(last, neurons), "Of a sample of 1,000 of 10,000 examples (means over rows and last rows)");
});

test("why there is no p-value, of measures that have a value", () => {
  const measure = { value: 0.5, p_value: null, reason: "no interval, because; no p-value by default; use more" };
  const measures = [
    { ...measure, name: "cca" },
    { ...measure, name: "svcca", value: null },
    { ...measure, name: "cka", p_value: 0.5 },
    { ...measure, name: "rsa", reason: "neighbouring rows are alike" },
  ];
  assert.deepEqual(reasonsWithoutTest(measures), {
    cca: "no p-value by default; use more",
    rsa: "neighbouring rows are alike",
  });
});

test("rows in words, also if their effective number is not known", () => {
  const rows = { rows: 5000, n_examples: 50, needed: 28, eps: 0.3, enough: false };
  assert.equal(
    rowsInWords({ ...rows, effective_sample_size: 61.7, advice: "more" }),
    "The 5,000 rows of 50 examples have an effective sample size of 62; 28 are needed at eps 0.3.",
  );
  assert.equal(
    rowsInWords({ ...rows, effective_sample_size: null, advice: "no folds were kept" }),
    "5,000 rows of 50 examples: no folds were kept.",
  );
});

test("intervals stand after their value, if there is one", () => {
  assert.equal(inBrackets({ low: 0.1, high: 0.25 }), " (0.10 to 0.25)");
  assert.equal(inBrackets({ low: null, high: null }), "");
  assert.equal(numberWithInterval({ value: 0.5, low: 0.25, high: 0.75 }), "0.500 (0.25 to 0.75)");
  assert.equal(percentWithInterval({ value: 0.986, low: 0.968, high: 1.004 }), "98.6% (96.8 to 100.4)");
  assert.equal(percentWithInterval({ value: 0.5, low: null, high: null }), "50.0%");
});

test("names", () => {
  assert.equal(short("a name of 18 chars"), "a name of 18 chars");
  assert.equal(short("seed0:features.block4.relu"), "seed0:fe…ck4.relu"); // prettier-ignore
  assert.equal(networkOf("seed0:a:b"), "seed0");
  assert.equal(listed(["a", "b", "c"]), "a, b and c");
  assert.equal(visible("a\n\tb"), "a↵→b");
  assert.equal(stepName({ kind: "seeds", variants: ["main"] }, "seeds"), "seeds");
  assert.equal(stepName({ kind: "seeds", variants: ["wide"] }, "networks"), "networks of wide");
  assert.equal(stepName({ kind: "across", variants: ["wide", "deep"] }, "seeds"), "wide against deep");
  assert.equal(stepName({ kind: "across", variants: ["main", "wide"] }, "networks"), "main against wide");
});

test("scales", () => {
  assert.equal(layersAxis(["a", "b"]).tickRotate, 0);
  assert.equal(layersAxis(d3.range(9).map(String)).tickRotate, -40);
  const names = d3.range(40).map((i) => `model.layers.${i}.act`);
  const axis = layersAxis(names, 280);
  assert.deepEqual(axis.ticks, names.filter((_, i) => i % 2 === 0)); // prettier-ignore
  assert.deepEqual([axis.tickFormat(names[12]), axis.label], ["12", "model.layers.*.act"]);
  assert.equal(layersAxis(names.slice(0, 5), 280).ticks, undefined);
  assert.deepEqual(epochScale([10, 50]), {});
  assert.deepEqual(epochScale([2, 60]), { type: "symlog", ticks: [0, 1, 2, 5, 10, 20, 50] });
  assert.deepEqual(epochScale([]), {});
  assert.deepEqual(unitDomain([0.2, null, 0.4]), [0, 1]);
  assert.deepEqual(unitDomain([-0.1, 1.5]), [-0.1, 1.5]);
  assert.deepEqual(unitDomain([]), [0, 1]);
});

test("lines that end in one place share a label", () => {
  const rows = [
    { layer: "first", eps: 0.1, similarity: 0.9 },
    ...[0.1, 0.2, 0.3].map((eps) => ({ layer: "last", eps, similarity: eps / 100 })),
    ...[0.4, 0.5].map((eps) => ({ layer: "last", eps, similarity: 1 })),
  ];
  assert.deepEqual(
    epsLabels(rows, "last").map((label) => label.text),
    ["0.1 … 0.3", "0.4, 0.5"],
  );
  const close = [0.02, 0.03, 0.2, undefined].map((similarity, i) => ({ layer: "last", eps: (i + 1) / 10, similarity }));
  assert.deepEqual(
    epsLabels(close, "last").map((label) => [label.text, label.similarity]),
    [
      ["0.1, 0.2", 0.02],
      ["0.3", 0.2],
    ],
  );
});

test("clusters follow each other in the order of neurons", () => {
  const clusters = { order: { x: [5, 1, 4, 0, 2, 3], y: [] }, sizes: { x: [3, 0, 2], y: [0, 0, 0] } };
  assert.deepEqual(clusterMembers(clusters, "x"), [[1, 4, 5], [], [0, 2]]);
  assert.deepEqual(clusterMembers(clusters, "y"), [[], [], []]);
});

test("a reason that holds for several things is given once", () => {
  const refusals = { "rows needed": "no null", cka: "constant", svcca: "constant" };
  assert.deepEqual(missingReasons(refusals), [
    ["rows needed", "no null"],
    ["cka, svcca", "constant"],
  ]);
});

test("keys move within the neurons", () => {
  assert.equal(placeAfterKey("ArrowRight", null, 9), 0);
  assert.equal(placeAfterKey("ArrowRight", 9, 9), 9);
  assert.equal(placeAfterKey("ArrowUp", 0, 9), 0);
  assert.equal(placeAfterKey("ArrowLeft", 4, 9), 3);
  assert.equal(placeAfterKey("Home", 4, 9), 0);
  assert.equal(placeAfterKey("End", 4, 9), 9);
  assert.equal(placeAfterKey("Tab", 4, 9), null);
  assert.equal(placeAfterKey("toString", 4, 9), null);
});

test("a transplant shows what it has, with its own controls", () => {
  const interval = { value: 0.25, low: 0.1, high: 0.4 };
  const transplant = {
    x_layer: "a:l",
    y_layer: "b:l",
    outcomes: [
      { condition: "untouched", neurons: 0, predictors: 0, loss: 0.5, accuracy: 0.9 },
      { condition: "stitch", neurons: 8, predictors: 6, loss: 0.625, accuracy: null },
      { condition: "stitch ablation", neurons: 8, predictors: 0, loss: 2, accuracy: 0.1 },
    ],
    differences: [{ condition: "stitch", control: "stitch ablation", accuracy: interval, loss: interval }],
  };
  assert.deepEqual(controlsOf("transplant"), ["untouched", "ablation", "other examples", "untrained"]);
  assert.deepEqual(controlsOf("stitch"), ["untouched", "stitch ablation", "stitch other examples", "stitch untrained"]);
  const shown = ["a:l from b:l", 8, "– (0.63)", "90.0% (0.50)", "10.0% (2.00)", "–", "–"];
  assert.deepEqual(outcomeRow(transplant, "stitch"), shown);
  assert.deepEqual(differenceRow(transplant, "stitch"), ["a:l from b:l", "–", "+25.0 (10.0 to 40.0)", "–", "–"]);
  // Nothing was transplanted neuron by neuron.
  assert.deepEqual(outcomeRow(transplant, "transplant").slice(1, 4), ["–", "–", "90.0% (0.50)"]);
});

test("dots stand at their places, apart, and the more there are the smaller they get", () => {
  const far = swarmOf([0, 50, 100], 100, 10);
  assert.deepEqual([far.radius, far.places, new Set(far.heights).size], [6, [0, 50, 100], 1]);
  for (const count of [30, 300, 1000]) {
    const wanted = d3.range(count).map((i) => (i % 7 === 0 ? 200 : 100 + (i % 3)));
    const { radius, places, heights, height } = swarmOf(wanted, 120, 25);
    for (let i = 0; i < count; i++)
      for (let j = 0; j < i; j++)
        assert.ok(Math.hypot(places[i] - places[j], heights[i] - heights[j]) > 2 * radius, `${i} and ${j} overlap`);
    assert.ok(height <= 121 && heights.every((value) => value <= height));
    assert.ok(count > 30 ? radius < 6 : places.every((place, i) => Math.abs(place - wanted[i]) <= 25));
  }
  assert.equal(swarmOf([], 100, 10).radius, 6);
});
