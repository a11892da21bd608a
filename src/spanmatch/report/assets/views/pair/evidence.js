// Evidence: s(eps) of the population and in sample, the measures, and whether there are enough rows.
/** @import { MeasureRecord, ProfileRecord, RowsRecord } from "../../page_data.d.ts" */
/** @import { Pair } from "../../data/pair.js" */
import { frame, legend, place, token } from "../../display/charts.js";
import { appendFigure, appendNote, foldedSection, h, table } from "../../display/elements.js";
import { count, isMissing, MISSING, number, pValue, significant } from "../../display/text.js";

/** @param {Pair} pair */
export function evidenceViews(pair) {
  const { evidence, measures, name } = pair;
  const draw = (/** @type {HTMLElement} */ body) => {
    if (evidence?.rows) appendNote(body, rowsInWords(evidence.rows));
    if (evidence?.profile) {
      const label = `s(eps) of ${name}: of the population with its interval, in sample, under the null, held out`;
      drawEvidence(appendFigure(body, label, "proof"), evidence.profile, evidence.level);
      appendNote(body, profileInWords(evidence.profile));
    }
    body.append(evidence ? assessed(name, measures, evidence.level) : valuesAlone(name, measures));
    appendNote(
      body,
      "Unbiased and corrected values estimate those of the population that the examples come from. Held out: of rows that were not fitted. In sample: the formula applied to these rows, ",
      evidence
        ? "which is too large by about the bias (of a distance, too small); it has an interval only where the bias is small. p: how often unrelated layers have such a value."
        : "which shows too much similarity if rows are few. Intervals, values under the null and p-values were not computed: use evidence=True (--evidence).",
    );
    appendNote(body, `Neurons and rows: ${pair.layout}.`);
    for (const [names, reason] of missingReasons(pair.refusals)) appendNote(body, `Missing, ${names}: ${reason}.`);
  };
  return [foldedSection(evidence ? "Evidence" : "Measures", draw, true)];
}

/**
 * @param {string} name of the pair
 * @param {MeasureRecord[]} measures
 * @param {number} level of the intervals
 */
function assessed(name, measures, level) {
  const heads = ["Measure", "Value", "Estimate", `${100 * level}% interval`, "Bias", "Under the null", "p"];
  return table(`Measures of ${name}`, heads, measures.map(measureRow));
}

/**
 * The table of measures without evidence.
 * @param {string} name of the pair
 * @param {MeasureRecord[]} measures
 */
function valuesAlone(name, measures) {
  const rows = measures.map((measure) => [
    nameOf(measure),
    isMissing(measure.value) ? noValue(measure.reason) : number(measure.value),
    measure.estimator,
  ]);
  return table(`Measures of ${name}`, ["Measure", "Value", "Estimate"], rows);
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
  const { estimator, value, low, high, bias, null_value: nullValue, p_value: p, reason } = measure;
  const name = nameOf(measure);
  if (isMissing(value)) return [name, MISSING, estimator, MISSING, MISSING, number(nullValue), MISSING];
  const interval = isMissing(low) ? noInterval(reason) : `${number(low)} to ${number(high)}`;
  const biasInWords = estimator === "in sample" ? significant(bias) : "none";
  return [name, number(value), estimator, interval, biasInWords, number(nullValue), pValue(p)];
}

/**
 * Why there is no interval, in small letters; that it is for the bias, which has a column of its own, shortly.
 * @param {string} reason
 */
function noInterval(reason) {
  if (!reason) return MISSING;
  return h("span", { class: "reason", title: reason }, reason.includes("is biased") ? "none: biased" : reason);
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
