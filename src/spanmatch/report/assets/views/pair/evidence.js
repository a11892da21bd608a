// Evidence: the profile and the measures with intervals, their values under the null, and whether there are enough rows.
/** @import { MeasureRecord, ProfileRecord, RowsRecord } from "../../page_data.d.ts" */
/** @import { Pair } from "../../data/pair.js" */
import { frame, place, token } from "../../display/charts.js";
import { appendFigure, appendNote, foldedSection, table } from "../../display/elements.js";
import { count, isMissing, MISSING, number } from "../../display/text.js";

/** @param {Pair} pair */
export function evidenceViews(pair) {
  const { evidence, name } = pair;
  if (!evidence) return [];
  const { rows, level, profile, measures } = evidence;
  const draw = (/** @type {HTMLElement} */ body) => {
    if (rows) appendNote(body, rowsInWords(rows));
    if (profile) {
      const text = `The profile with its ${100 * level}% interval over examples (band), the share of neurons within eps on held-out rows (dots), `;
      appendNote(body, text, "and the profile under the null pairing (dotted).");
      drawEvidence(
        appendFigure(body, `Match profile of ${name} with interval, held-out share and null`, "proof"),
        profile,
      );
    }
    const heads = ["Measure", "Value", `${100 * level}% interval`, "Under the null"];
    body.append(table(`Measures of ${name}`, heads, measures.map(measureRow)));
    for (const [names, reason] of missingReasons(pair.refusals)) appendNote(body, `Missing, ${names}: ${reason}.`);
  };
  return [foldedSection("Evidence", draw, true)];
}

/** @param {RowsRecord} rows */
function rowsInWords(rows) {
  return (
    `The ${count(rows.rows)} rows of ${count(rows.n_examples)} examples have an effective sample size of ` +
    `${count(rows.effective_sample_size)}; ${count(rows.needed)} are needed at eps ${rows.eps}.`
  );
}

/** @param {MeasureRecord} measure */
function measureRow({ name, value, low, high, null_value: nullValue }) {
  const interval = isMissing(low) ? MISSING : `${number(low)} to ${number(high)}`;
  return [name, number(value), interval, number(nullValue)];
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
 */
function drawEvidence(figure, profile) {
  const rows = profile.eps.map((eps, i) => ({
    eps,
    similarity: profile.similarity[i],
    low: profile.low[i],
    high: profile.high[i],
    null: profile.null[i],
  }));
  const heldOut = profile.held_out_eps.map((eps, i) => ({ eps, share: profile.held_out[i] }));
  const tip = (/** @type {(typeof rows)[number]} */ row) => {
    const lines = [`eps ${row.eps}: ${number(row.similarity)}`, `${number(row.low)} to ${number(row.high)}`];
    if (row.null !== null) lines.push(`under the null ${number(row.null)}`);
    return lines.join("\n");
  };
  place(
    figure,
    Plot.plot({
      ...frame(figure),
      x: { domain: [0, 1], label: "eps", grid: true },
      y: { domain: [0, 1], label: "share of neurons matched", grid: true },
      marks: [
        Plot.areaY(rows, { x: "eps", y1: "low", y2: "high", fill: token("--accent"), fillOpacity: 0.2 }),
        Plot.lineY(rows, { x: "eps", y: "similarity", stroke: token("--accent"), strokeWidth: 2 }),
        Plot.dot(heldOut, { x: "eps", y: "share", fill: token("--y"), r: 4 }),
        Plot.lineY(
          rows.filter((row) => row.null !== null),
          { x: "eps", y: "null", stroke: "currentColor", strokeDasharray: "1,4", strokeWidth: 2 },
        ),
        Plot.tip(rows, Plot.pointerX({ x: "eps", y: "similarity", title: tip })),
      ],
    }),
  );
}
