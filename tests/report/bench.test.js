import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import {
  AT_FIRST,
  benchView,
  columnsOf,
  detailsCsv,
  hashOf,
  keyOf,
  measuresOf,
  positionOf,
  scoresCsv,
  shownIn,
} from "../../src/spanmatch/report/assets/data/bench.js";
import { unpackBench } from "../../src/spanmatch/report/assets/data/unpack.js";
import { placeAfter } from "../../src/spanmatch/report/assets/display/arrow_keys.js";
import { frontier, placedLabels } from "../../src/spanmatch/report/assets/views/bench/cost.js";
import { scoreInWords } from "../../src/spanmatch/report/assets/views/bench/heat_map.js";
import { contrast } from "../../src/spanmatch/report/assets/views/bench/score_colours.js";

function measure(name, rank, seconds, needs = "moments") {
  return { name, kind: "similarity", needs, rank: { value: rank }, seconds };
}

function score(networks, test, measure, rank) {
  const chance = test === "second" ? 0 : 0.5;
  return { networks, test, measure, chance, value: rank === null ? null : 1 / rank, low: null, high: null, rank };
}

const BENCH = {
  tests: [
    { name: "a|b", perfect: 1 },
    { name: "second", perfect: -1 },
  ],
  networks: [
    { name: "small & few", tests: ["second", "a|b"] },
    { name: "large", tests: ["second"] },
  ],
  measures: [measure("cka", 1, 2), measure("[x]", 2, 1, "sample"), measure("no rank", null, null)],
  scores: [
    score("small & few", "a|b", "cka", 2),
    score("small & few", "a|b", "[x]", 1),
    score("large", "second", "cka", 1),
    score("large", "second", "[x]", null),
  ],
};
const VIEW = benchView(BENCH);
const names = (shown) => measuresOf(VIEW, { ...AT_FIRST, ...shown }).map(({ name }) => name);

test("columns are the tests of each set of networks, in the order of the tests", () => {
  assert.deepEqual(
    columnsOf(VIEW, "").map(({ networks, test }) => [networks, test.name]),
    [
      ["small & few", "a|b"],
      ["small & few", "second"],
      ["large", "second"],
    ],
  );
  assert.equal(columnsOf(VIEW, "large").length, 1);
  assert.equal(VIEW.score("cka", keyOf("small & few", "a|b")).value, 0.5);
  assert.equal(VIEW.score("cka", keyOf("small & few", "second")), undefined);
});

test("measures are ordered by a quantity, those without it last", () => {
  assert.deepEqual(names({}), ["cka", "[x]", "no rank"]);
  assert.deepEqual(names({ order: "seconds" }), ["[x]", "cka", "no rank"]);
  assert.deepEqual(names({ order: "name" }), ["[x]", "cka", "no rank"]);
  assert.deepEqual(names({ order: keyOf("small & few", "a|b") }), ["[x]", "cka", "no rank"]);
  assert.deepEqual(names({ order: keyOf("large", "second") }), ["cka", "[x]", "no rank"]);
  assert.deepEqual(names({ needs: "sample" }), ["[x]"]);
});

test("a score lies between chance and perfect, whichever is larger", () => {
  assert.deepEqual(
    [1, 0.5, 0.25].map((value) => positionOf(value, { ...BENCH.tests[0], chance: 0.5 })),
    [1, 0, -0.5],
  );
  assert.deepEqual(
    [-1, 0.5].map((value) => positionOf(value, { ...BENCH.tests[1], chance: 0 })),
    [1, -0.5],
  );
});

test("the hash of an address says what is shown, whatever the names are", () => {
  assert.equal(hashOf(AT_FIRST), "");
  const cell = keyOf("small & few", "a|b", "[x]");
  const order = keyOf("small & few", "a|b");
  for (const shown of [
    { ...AT_FIRST, cell, with: "cka", order, networks: "small & few", needs: "sample" },
    { ...AT_FIRST, order: "seconds" },
    AT_FIRST,
  ])
    assert.deepEqual(shownIn(VIEW, `#${hashOf(shown)}`), shown);
});

test("what the benchmark does not have is shown as at first", () => {
  for (const hash of [
    "",
    "#results",
    "#order=none",
    "#order=a&order=b",
    "#cell=a",
    "#with=cka",
    "#networks=none&needs=x",
  ])
    assert.deepEqual(shownIn(VIEW, hash), AT_FIRST);
  const [networks, test] = ["large", "a|b"]; // not a test of these networks
  assert.equal(shownIn(VIEW, `#${hashOf({ ...AT_FIRST, cell: keyOf(networks, test, "cka") })}`).cell, "");
});

test("scores and what is behind them as tables", () => {
  const [, heads, rows] = scoresCsv(BENCH);
  assert.deepEqual(rows[3].slice(0, 4), ["large", "second", "[x]", null]);
  assert.equal(heads[6], "rank");
  const [x, y] = [
    [1, 2],
    [3, 4],
  ];
  const axes = { x_axis: "x", y_axis: "y" };
  assert.deepEqual(detailsCsv({ kind: "bars", labels: ["a", "b"], values: [1, null] })[2], [
    ["a", 1],
    ["b", null],
  ]);
  assert.deepEqual(detailsCsv({ kind: "scatter", ...axes, x, y }).slice(1), [
    ["x", "y"],
    [
      [1, 3],
      [2, 4],
    ],
  ]);
  assert.deepEqual(detailsCsv({ kind: "strips", axis: "s", labels: ["a", "b"], values: [[1], []] })[2], [["a", 1]]);
  assert.deepEqual(detailsCsv({ kind: "curves", ...axes, labels: ["a"], x: [x], y: [y] })[2], [
    ["a", 1, 3],
    ["a", 2, 4],
  ]);
});

test("a score in words; where there is none, why", () => {
  const facts = { value: 0.5, low: 0.25, high: 0.75, rank: 1.5, among_best: true, reason: "" };
  assert.equal(scoreInWords(facts), "0.500 (0.250 to 0.750), rank 1.5, among the best");
  assert.equal(scoreInWords({ ...facts, low: null, rank: 3, among_best: false }), "0.500, rank 3");
  assert.equal(scoreInWords({ ...facts, value: null, reason: "too few" }), "no score: too few");
});

test("the scores of a page are unpacked from columns", async () => {
  const pack = (data) => ({ textContent: gzipSync(JSON.stringify(data)).toString("base64") });
  const found = await unpackBench(pack({ level: 0.95, scores: { measure: ["a", "b"], value: [1, null] } }));
  assert.deepEqual(found.scores, [
    { measure: "a", value: 1 },
    { measure: "b", value: null },
  ]);
  assert.deepEqual((await unpackBench(pack({ scores: {} }))).scores, []);
});

test("arrow keys move in rows of different lengths", () => {
  const lengths = [2, 4, 4];
  const after = (key, place, isFar = false) => placeAfter(key, isFar, place, lengths);
  assert.deepEqual(after("ArrowUp", [1, 3]), [0, 1]);
  assert.deepEqual(after("ArrowLeft", [1, 0]), [1, 0]);
  assert.deepEqual(after("ArrowRight", [1, 0]), [1, 1]);
  assert.deepEqual(after("PageDown", [0, 1]), [2, 1]);
  assert.deepEqual(
    [after("Home", [2, 2]), after("Home", [2, 2], true)],
    [
      [2, 0],
      [0, 0],
    ],
  );
  assert.deepEqual(
    [after("End", [0, 0]), after("End", [0, 0], true)],
    [
      [0, 1],
      [2, 3],
    ],
  );
  assert.equal(after("a", [0, 0]), null);
});

test("the frontier has the measures than which none is both better and faster", () => {
  const timed = [
    { seconds: 3, rank: 1 },
    { seconds: 1, rank: 5 },
    { seconds: 2, rank: 6 },
    { seconds: 2.5, rank: 2 },
  ];
  assert.deepEqual(frontier(timed), [timed[1], timed[3], timed[0]]);
});

test("labels do not overlap; one without room is left out", () => {
  const points = Array.from({ length: 30 }, () => ({ x: 200, y: 100, text: "measure" }));
  const placed = placedLabels(points, 400);
  assert.ok(placed.length >= 4 && placed.length < 10);
  assert.equal(placed[0].i, 0);
  for (const [i, a] of placed.entries())
    for (const b of placed.slice(0, i)) assert.ok(a.x1 <= b.x0 || b.x1 <= a.x0 || a.y1 <= b.y0 || b.y1 <= a.y0);
  const [atEdge] = placedLabels([{ x: 390, y: 100, text: "measure" }], 400);
  assert.ok(atEdge.x1 <= 390);
});

test("contrasts are those of the WCAG", () => {
  assert.equal(contrast("#000000", "#ffffff"), 21);
  assert.ok(Math.abs(contrast("#777777", "#ffffff") - 4.48) < 0.01);
});
