// Evidence: s(eps) of the population and in sample, the measures, and whether there are enough rows.
/** @import { MeasureRecord, ProfileRecord, RowsRecord, SampleRecord } from "../../page_data.d.ts" */
/** @import { Child } from "../../display/elements.js" */
/** @import { Pair } from "../../data/pair.js" */
import { frame, legend, place, token } from "../../display/charts.js";
import { appendFigure, appendNote, foldedSection, h, table } from "../../display/elements.js";
import { count, isMissing, MISSING, number, pValue, significant } from "../../display/text.js";

const TEST_HEADS = ["p (permutations)", "Calibrated"];
// Columns that measures of the sample do not have: the interval and the bias.
const OF_ALL_ROWS = [3, 4];
/** @type {Record<SampleRecord["x_rows"], string>} */
const ROWS_IN_WORDS = { flat: "flattened outputs", mean: "means over rows", last: "last rows" };
const CALIBRATED =
  "p: how often unrelated layers have such a value, or one that is more similar; the sampled examples of one layer are permuted, and of K permutations p is at least 1 / (K + 1). " +
  "Calibrated: how far the sample's value is above the one that unrelated layers exceed with a probability of 5%, as a share of the way to the value of identical layers; 0 if it is not above.";

/** @param {Pair} pair */
export function evidenceViews(pair) {
  const { evidence, name } = pair;
  const draw = (/** @type {HTMLElement} */ body) => {
    if (evidence?.rows) appendNote(body, rowsInWords(evidence.rows));
    if (evidence?.profile) {
      const label = `s(eps) of ${name}: of the population with its interval, in sample, under the null, held out`;
      drawEvidence(appendFigure(body, label, "proof"), evidence.profile, evidence.level);
      appendNote(body, profileInWords(evidence.profile));
    }
    for (const [title, measures] of groupsOf(pair)) {
      body.append(h("h3", { class: "group" }, title));
      body.append(
        evidence
          ? assessed(`Measures of ${name}, ${title}`, measures, evidence.level)
          : valuesAlone(`Measures of ${name}, ${title}`, measures),
      );
    }
    appendNote(
      body,
      "Unbiased and corrected values estimate those of the population that the examples come from. Held out: of rows that were not fitted. In sample: the formula applied to these rows, ",
      evidence
        ? "which is too large by about the bias (of a distance, too small); it has an interval only where the bias is small."
        : "which shows too much similarity if rows are few. Intervals, values under the null and p-values were not computed: use evidence=True (--evidence).",
    );
    if (evidence) {
      if (pair.measures.some((measure) => !isMissing(measure.p_value))) appendNote(body, CALIBRATED);
      for (const [names, reason] of missingReasons(reasonsWithoutTest(pair.measures)))
        appendNote(body, `No p and no calibrated value, ${names}: ${reason}.`);
    }
    appendNote(body, `Neurons and rows: ${pair.layout}.`);
    for (const [names, reason] of missingReasons(pair.refusals)) appendNote(body, `Missing, ${names}: ${reason}.`);
  };
  return [foldedSection(titleOf(pair), draw, true)];
}

/** @param {Pair} pair */
function titleOf({ evidence, measures }) {
  if (!evidence) return `Measures: ${measures.length} values, without evidence`;
  const { rows } = evidence;
  if (!rows || rows.effective_sample_size === null) return "Evidence: how many rows are needed is unknown";
  const sizes = `${count(rows.effective_sample_size)} effective, ${count(rows.needed)} needed`;
  return `Evidence: ${rows.enough ? "enough rows" : "fewer rows than needed"} (${sizes})`;
}

/**
 * The measures of all rows and those of the sample, with what they are of; none of a sample that there is not.
 * @param {Pair} pair
 * @returns {[string, MeasureRecord[]][]}
 */
function groupsOf(pair) {
  const of = (/** @type {MeasureRecord["needs"]} */ needs) =>
    pair.measures.filter((measure) => measure.needs === needs);
  /** @type {[string, MeasureRecord[]][]} */
  const groups = [["Of all rows", of("moments")]];
  if (pair.sample) groups.push([sampleInWords(pair.sample, pair), of("sample")]);
  return groups;
}

/**
 * @param {SampleRecord} sample
 * @param {{ x_neurons: number, y_neurons: number }} pair
 */
export function sampleInWords(sample, { x_neurons: p, y_neurons: q }) {
  const { size, n_examples: examples, x_features: x, y_features: y, x_rows: xRows, y_rows: yRows } = sample;
  const isOneRow = x === p && y === q && xRows === "flat" && yRows === "flat";
  const rows = [...new Set([xRows, yRows])].map((kind) => ROWS_IN_WORDS[kind]);
  const of =
    size === examples ? `all ${count(size)} examples` : `a sample of ${count(size)} of ${count(examples)} examples`;
  return `Of ${of}${isOneRow ? "" : ` (${rows.join(" and ")})`}`;
}

/**
 * @param {string} label
 * @param {MeasureRecord[]} measures
 * @param {number} level of the intervals
 */
function assessed(label, measures, level) {
  const heads = ["Measure", "Value", "Estimate", `${100 * level}% interval`, "Bias", "Under the null", ...TEST_HEADS];
  const isOfSample = measures.every((measure) => measure.needs === "sample");
  const [rows, kept] = [measures.map(measureRow), heads.map((_, i) => !isOfSample || !OF_ALL_ROWS.includes(i))];
  const withoutEmpty = (/** @type {Child[]} */ cells) => cells.filter((_, i) => kept[i]);
  return table(
    label,
    heads.filter((_, i) => kept[i]),
    rows.map(withoutEmpty),
  );
}

/**
 * Why measures that have a value have no p-value, by their names.
 * @param {MeasureRecord[]} measures
 */
export function reasonsWithoutTest(measures) {
  const without = measures.filter((measure) => !isMissing(measure.value) && isMissing(measure.p_value));
  const reasonOf = (/** @type {string} */ reason) => reason.slice(Math.max(0, reason.indexOf("no p-value")));
  return Object.fromEntries(without.map(({ name, reason }) => [name, reasonOf(reason)]));
}

/**
 * The table of measures without evidence.
 * @param {string} label
 * @param {MeasureRecord[]} measures
 */
function valuesAlone(label, measures) {
  const rows = measures.map((measure) => [
    nameOf(measure),
    isMissing(measure.value) ? noValue(measure.reason) : number(measure.value),
    measure.estimator,
  ]);
  return table(label, ["Measure", "Value", "Estimate"], rows);
}

/** @param {string} reason */
function noValue(reason) {
  return h("span", { class: "reason", title: reason }, reason);
}

/** @param {RowsRecord} record */
export function rowsInWords({ rows, n_examples: examples, effective_sample_size: size, needed, eps, advice }) {
  if (size === null) return `${count(rows)} rows of ${count(examples)} examples: ${advice}.`;
  return (
    `The ${count(rows)} rows of ${count(examples)} examples have an effective sample size of ${count(size)}; ` +
    `${count(needed)} are needed at eps ${eps}.`
  );
}

/** @param {ProfileRecord} profile */
function profileInWords({ corrected, low, reason }) {
  if (corrected.every(isMissing)) return `There is no estimate for the population: ${reason}.`;
  const end = low.every(isMissing)
    ? `no interval: ${reason}.`
    : "the interval ends at a share of 0.75, where it would be too narrow.";
  return (
    "Of the population: distances are enlarged for the degrees of freedom of the fit, as in an adjusted R\u00b2. " +
    `In sample: the maximum match of these rows, which is too large if rows are few. No line, dot or band: not known; ${end}`
  );
}

/**
 * The name of a measure, with its kind where larger values mean less similar layers.
 * @param {MeasureRecord} measure
 */
function nameOf({ name, kind }) {
  return kind === "distance" && !name.includes("distance") ? `${name} (distance)` : name;
}

/** @param {MeasureRecord} measure */
export function measureRow(measure) {
  const { estimator, value, low, high, bias, null_value: nullValue, reason } = measure;
  const [name, test] = [nameOf(measure), testCells(measure)];
  if (isMissing(value)) return [name, MISSING, estimator, MISSING, MISSING, number(nullValue), ...test];
  const interval = isMissing(low) ? noInterval(reason) : `${number(low)} to ${number(high)}`;
  const biasInWords = estimator === "in sample" ? significant(bias) : "none";
  return [name, number(value), estimator, interval, biasInWords, number(nullValue), ...test];
}

/**
 * The p-value with the number of permutations, and the calibrated value.
 * @param {MeasureRecord} measure
 */
function testCells({ value, p_value: p, permutations, calibrated }) {
  if (isMissing(value) || isMissing(p)) return [MISSING, MISSING];
  return [`${pValue(p)} (${permutations === 0 ? "all" : count(permutations)})`, number(calibrated)];
}

// Frequent reasons for no interval, in short.
const NO_INTERVAL = [
  ["is biased", "none: biased"],
  ["bias of a value in sample is unknown", "none: bias unknown"],
  ["hundreds of fits", "none: many fits"],
];

/**
 * Why there is no interval, in small letters; frequent reasons in short.
 * @param {string} reason
 */
function noInterval(reason) {
  if (!reason) return MISSING;
  const inShort = NO_INTERVAL.find(([part]) => reason.includes(part));
  return h("span", { class: "reason", title: reason }, inShort ? inShort[1] : reason);
}

/**
 * What is missing, and why; a reason that holds for several things once, with all their names.
 * @param {Record<string, string>} refusals
 * @returns {[string, string][]}
 */
export function missingReasons(refusals) {
  const groups = d3.groups(Object.entries(refusals), ([, reason]) => reason);
  return groups.map(([reason, group]) => [group.map(([name]) => name).join(", "), reason]);
}

/**
 * @param {HTMLElement} figure
 * @param {ProfileRecord} profile
 * @param {number} level of the interval
 */
function drawEvidence(figure, profile, level) {
  const rows = profile.eps.map((eps, i) => ({
    eps,
    sample: profile.similarity[i],
    population: profile.corrected[i],
    low: profile.low[i],
    high: profile.high[i],
    null: profile.null[i],
  }));
  const heldOut = profile.held_out_eps.map((eps, i) => ({ eps, share: profile.held_out[i] }));
  const isEstimated = !profile.corrected.every(isMissing);
  const [accent, soft, dots] = ["--accent", "--soft", "--y"].map(token);
  const sample = isEstimated
    ? { stroke: accent, strokeDasharray: "6,4", strokeWidth: 1.8 }
    : { stroke: accent, strokeWidth: 2 };
  const chart = Plot.plot({
    ...frame(figure),
    x: { domain: [0, 1], label: "eps", grid: true },
    y: { domain: [0, 1], label: "share of neurons matched", grid: true },
    marks: [
      Plot.areaY(rows, { x: "eps", y1: "low", y2: "high", fill: accent, fillOpacity: 0.2 }),
      Plot.lineY(rows, { x: "eps", y: "null", stroke: soft, strokeDasharray: "1,4", strokeWidth: 2 }),
      Plot.lineY(rows, { x: "eps", y: "sample", ...sample }),
      Plot.lineY(rows, { x: "eps", y: "population", stroke: accent, strokeWidth: 2.5 }),
      Plot.dot(heldOut, { x: "eps", y: "share", fill: dots, r: 4 }),
      Plot.tip(rows, Plot.pointerX({ x: "eps", y: isEstimated ? "population" : "sample", title: tipOf })),
    ],
  });
  const known = (/** @type {(number | null)[]} */ values) => !values.every(isMissing);
  /** @type {[boolean, Parameters<typeof legend>[0][number]][]} */
  const items = [
    [isEstimated, { mark: "line", colour: accent, text: "of the population, estimated" }],
    [known(profile.low), { mark: "band", colour: accent, text: `${100 * level}% interval` }],
    [true, { mark: isEstimated ? "dashed" : "line", colour: accent, text: "in sample, maximum match" }],
    [known(profile.held_out), { mark: "dots", colour: dots, text: "in sample, within eps on held-out rows" }],
    [known(profile.null), { mark: "dotted", colour: soft, text: "in sample, under the null" }],
  ];
  const shown = items.filter(([isShown]) => isShown).map(([, item]) => item);
  place(figure, legend(shown), chart);
}

/**
 * @param {{ eps: number, sample: number | null, population: number | null, low: number | null, high: number | null, null: number | null }} row
 */
function tipOf({ eps, sample, population, low, high, null: underNull }) {
  const lines = [`eps ${eps}`];
  if (population !== null) lines.push(`of the population ${number(population)}`);
  if (low !== null) lines.push(`${number(low)} to ${number(high)}`);
  lines.push(`in sample ${number(sample)}`);
  if (underNull !== null) lines.push(`under the null ${number(underNull)}`);
  return lines.join("\n");
}
