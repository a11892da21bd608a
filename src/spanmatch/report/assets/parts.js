// The parts of one layer's section that not every comparison has: evidence, partners, predictors, groups, smallest groups.
"use strict";
(() => {
  const { count, h, number, percent, table } = spanmatch;
  const ROWS = 200;

  // A part folds, and is drawn when it is opened.
  function part(title, draw, open = false) {
    const body = h("div", { class: "body" });
    const show = () => details.open && !body.childElementCount && draw(body);
    const details = h("details", { class: "part", open, ontoggle: show }, h("summary", {}, title), body);
    details.redraw = () => {
      body.replaceChildren();
      show();
    };
    return details;
  }

  function figure(body, label, kind = "") {
    return body.appendChild(h("figure", { role: "img", "aria-label": label, class: kind }));
  }

  function note(body, ...texts) {
    body.appendChild(h("p", { class: "note" }, ...texts));
  }

  function limited(body, label, heads, rows) {
    body.appendChild(table(label, heads, rows.slice(0, ROWS), "tall"));
    if (rows.length > ROWS) note(body, `The first ${ROWS} of ${rows.length}; all are in the CSV files.`);
  }

  function evidence(pair) {
    const { rows, level, profile, measures } = pair.evidence;
    const refused = ["rows needed", "profile evidence"].filter((name) => name in pair.refusals).map((name) => [name, pair.refusals[name]]);
    return part("Evidence", (body) => {
      if (rows)
        note(
          body,
          `The ${count(rows.rows)} rows of ${count(rows.n_examples)} examples have an effective sample size of ${count(rows.effective_sample_size)}; ${count(rows.needed)} are needed at eps ${rows.eps}.`,
        );
      if (profile) {
        note(
          body,
          `The profile with its ${100 * level}% interval over examples (band), the share of neurons that stays within eps on rows not fitted (dots), and the profile of rows ` +
            "paired with other examples (dotted).",
        );
        spanmatch.drawEvidence(figure(body, `Match profile of ${pair.name} with interval, held-out share and chance`, "proof"), profile);
      }
      const interval = (m) => (m.low === null ? "\u2013" : `${number(m.low)} to ${number(m.high)}`);
      const listed = measures.map((m) => [m.name, number(m.value), interval(m), number(m.null_value)]);
      body.appendChild(table(`Measures of ${pair.name}`, ["Measure", "Value", `${100 * level}% interval`, "By chance"], listed));
      // A reason that holds for several measures is said once.
      const reasons = d3.rollup(measures.filter((m) => m.reason), (group) => group.map((m) => m.name).join(", "), (m) => m.reason);
      const missing = [...refused, ...[...reasons].map(([reason, names]) => [names, reason])];
      missing.forEach(([names, reason]) => note(body, `Missing, ${names}: ${reason}.`));
    }, true);
  }

  function oneToOne(pair) {
    const found = pair.alignment;
    const { x, y, strength, margin, next_y: nextY, back_margin: backMargin, next_x: nextX } = found.bipartite;
    return part("One to one", (body) => {
      const constant = found.constant.map((neurons) => neurons.length);
      note(
        body,
        "Each neuron's partner by correlation, strongest first. ",
        h("em", {}, "Bipartite"),
        ": every neuron is taken once, for the largest sum. ",
        h("em", {}, "Semi"),
        ": each takes its best, whoever else takes it. Where the two curves part, neurons have no partner of their own. ",
        h("em", {}, "Within"),
        `: the same inside one network. Unrelated neurons reach about ${number(found.chance_correlation, 2)}.`,
        constant[0] + constant[1] ? ` Left out as they never vary: ${constant[0]} of ${pair.x_layer}, ${constant[1]} of ${pair.y_layer}.` : "",
        found.information ? ` By mutual information ${found.by_information_only} of ${found.information} partners are other ones than by |correlation|, and more than chance (p at most 0.05 for all pairs together).` : "",
      );
      spanmatch.drawPartners(figure(body, `Strength of the partners of ${pair.name}, strongest first`, "partners"), pair);
      const next = (neuron) => (neuron >= 0 ? neuron : "\u2013");
      const rows = x.map((neuron, i) => [neuron, y[i], number(strength[i]), number(margin[i]), next(nextY[i]), number(backMargin[i]), next(nextX[i])]);
      limited(body, `Partners of ${pair.name}`, [pair.x_layer, pair.y_layer, "Correlation", "Margin", "Next best", "Margin back", "Next best back"], rows);
    });
  }

  function fewToOne(pair) {
    // Where a layer never varies there is nothing to predict.
    const maps = pair.alignment.sparse.filter((map) => map.table.length);
    return part("Few to one", (body) => {
      note(
        body,
        "How well neurons are predicted (error = 1 - R\u00b2, mean over neurons) from how many of the other network's, chosen by an L1 penalty on standardised neurons, up to all of them. " +
          "Circle: from the single best neuron by least squares. Dashed: on folds that the coefficients did not see.",
      );
      spanmatch.drawSparse(figure(body, `Error against number of predictors for ${pair.name}`, "sparse"), maps);
      const heads = ["Penalty", ...maps.flatMap((map) => [`${map.to}: predictors`, "error", "held out"])];
      const rows = maps[0].table.map((row, i) => [
        row.penalty === null ? "one neuron" : d3.format(".3~g")(row.penalty),
        ...maps.flatMap((map) => [number(map.table[i].predictors, 1), number(map.table[i].error), number(map.table[i].held_out_error)]),
      ]);
      limited(body, `Sparse predictions of ${pair.name}`, heads, rows);
    });
  }

  function groups(pair) {
    const { clusters } = pair.alignment;
    return part("Groups", (body) => {
      note(
        body,
        `${clusters.eps.length} clusters of the neurons of both networks by |correlation| (${clusters.method}). `,
        clusters.clear ? "" : "No clear gap between the eigenvalues tells how many there are. ",
        h("em", {}, "Match at"),
        ": the smallest eps at which a cluster's two halves are a match, that is, express each other.",
      );
      spanmatch.drawCorrelations(figure(body, `Matrix of |correlation| of ${pair.name}, as it comes and by cluster`, "matrices"), pair);
      const rows = clusters.drawn.by_cluster;
      if (rows.length < pair.x_neurons || rows[0].length < pair.y_neurons) note(body, `Drawn in ${rows.length} x ${rows[0].length} blocks of neurons, the largest |correlation| of each.`);
      const starts = (side) => [0, ...d3.cumsum(clusters.sizes[side])];
      const members = (side, k) => d3.sort(clusters.order[side].slice(starts(side)[k], starts(side)[k + 1])).join(", ") || "\u2013";
      const listed = clusters.eps.map((eps, k) => [
        clusters.sizes.x[k] && clusters.sizes.y[k] ? number(eps, 2) : "\u2013",
        number(clusters.between[k], 2),
        number(clusters.outside[k], 2),
        members("x", k),
        members("y", k),
      ]);
      limited(body, `Clusters of ${pair.name}`, ["Match at", "|c| between", "|c| outside", pair.x_layer, pair.y_layer], listed);
    });
  }

  // Simple matches: sizes, and for a chosen match each neuron written in terms of the other side's.
  function smallest(pair, found) {
    return part(`Smallest groups at eps ${found.eps}`, (body) => {
      if (!found.count) return note(body, "Nothing matches at this eps.");
      note(
        body,
        `For each of the ${found.minimum_sizes.length} neurons of the maximum match, the size of the smallest match found that holds it and of which no part does (a minimum match). ` +
          `${found.count} different ones ${found.complete ? "are all there are" : "were found; there may be more"}.`,
      );
      spanmatch.drawSizes(figure(body, `Sizes of the minimum matches of ${pair.name} at eps ${found.eps}`), found);
      const shown = found.matches.length;
      if (shown < found.count) note(body, shown ? `The ${shown} smallest can be chosen here; all are in simple.csv.` : "They are too large to be shown here; all are in simple.csv.");
      if (!shown) return;
      const maps = h("div", { class: "maps" });
      const options = found.matches.map((match, i) => {
        const names = [...match.x.map((n) => `x${n}`), ...match.y.map((n) => `y${n}`)];
        return h("option", { value: i }, `${names.length} neurons: ${names.slice(0, 12).join(" ")}${names.length > 12 ? " \u2026" : ""}`);
      });
      const select = h("select", { onchange: () => maps.replaceChildren(...coefficients(found.matches[select.value])) }, options);
      body.append(h("label", {}, "A match: ", select), maps);
      maps.replaceChildren(...coefficients(found.matches[0]));
    });
  }

  function coefficients(match) {
    const map = (title, of, by, own, other, values) =>
      table(
        `Coefficients, ${title}`,
        [title, ...by.map((neuron) => `${other}${neuron}`)],
        of.map((neuron, i) => [`${own}${neuron} =`, ...by.map((_, j) => d3.format(".3~g")(values[j][i]))]),
      );
    return [map("x from y", match.x, match.y, "x", "y", match.x_from_y), map("y from x", match.y, match.x, "y", "x", match.y_from_x)];
  }

  function parts(pair) {
    return [
      pair.evidence ? evidence(pair) : null,
      oneToOne(pair),
      pair.alignment.sparse.some((map) => map.table.length) ? fewToOne(pair) : null,
      pair.alignment.clusters ? groups(pair) : null,
      ...pair.simple.map((found) => smallest(pair, found)),
    ].filter(Boolean);
  }

  // What a comparison has beside its layers: what all networks have in common, and transplants.
  function rest(comparison) {
    return [comparison.universality.length ? inCommon(comparison) : null, comparison.transplants.length ? transplants(comparison) : null].filter(Boolean);
  }

  function section(id, title, draw) {
    const body = h("div");
    const made = h("section", { id }, h("h2", {}, title), body);
    made.redraw = () => {
      body.replaceChildren();
      draw(body);
    };
    return made;
  }

  function inCommon({ universality, networks }) {
    const [first] = universality;
    return section("universality", "Across all networks", (body) => {
      body.append(
        h(
          "p",
          {},
          `For every neuron: in how many of the other ${networks.length - 1} networks it has a one-to-one partner with a ` +
            `${first.by === "information" ? "mutual information" : "correlation"} of at least ${first.min_correlation}, and in how many it is in the maximum match at eps ${first.eps}.`,
        ),
      );
      spanmatch.drawUniversality(figure(body, "Share of neurons by the number of other networks in which they are found"), universality, networks.length);
      const rows = universality.map((found) => {
        const shares = [found.distribution.partners, found.distribution.matched].flatMap((counts) => [counts.at(-1), counts[0]].map((n) => percent(n / d3.sum(counts))));
        const chains = found.triangles.length ? `${percent(found.consistency)} of ${d3.sum(found.triangles, (t) => t.chains)}` : "\u2013";
        return [found.layer, ...shares, found.everywhere.length, chains, found.chance === null ? "\u2013" : percent(found.chance, 1)];
      });
      const heads = ["Layer", "Partner in all", "Partner in none", "Matched in all", "Matched in none", "Mutual partners in all", "Chains that close", "By chance"];
      body.append(table("Neurons found in all networks", heads, rows));
      note(
        body,
        "A chain leads from a neuron to its partner in a second network and on to that one's partner in a third. It closes if that is also the first neuron's own partner there: " +
          "partnerships that are real do. By chance as many do as where each layer's neurons are other mixtures of its principal components.",
      );
    });
  }

  const CONTROLS = { untouched: "Untouched", ablation: "Mean-ablated", "other examples": "Other examples", untrained: "Untrained network" };

  function transplants(comparison) {
    const [first] = comparison.transplants;
    return section("transplants", "Does it matter to the network?", (body) => {
      body.append(
        h(
          "p",
          {},
          `The neurons of the first network that are matched at eps ${first.eps} are replaced by what the matched neurons of the second predict them to be, and the forward pass goes on. ` +
            `Accuracy over ${count(first.n_examples)} labelled examples, loss in brackets.`,
        ),
        h(
          "ul",
          {},
          h("li", {}, h("em", {}, "Mean-ablated"), ": the same neurons at their means. If that costs nothing, the network does not need them, and the transplant shows nothing."),
          h("li", {}, h("em", {}, "Other examples"), ": the same predictions, each given to another example. If that costs nothing, it does not matter what the neurons say."),
          h("li", {}, h("em", {}, "Untrained network"), ": predicted from as many neurons of a network that was never trained. If that does as well, the match says nothing of what was learned."),
        ),
      );
      group(body, "transplant", "Matched neurons", "");
      group(body, "stitch", "Full layer (stitched)", "stitch ");
      for (const found of comparison.transplants)
        for (const [what, reason] of Object.entries(found.refused)) note(body, `Missing, ${found.x_layer}, ${what}: ${reason}.`);
    });

    // Outcomes of one kind of replacement, and the differences to its controls.
    function group(body, condition, title, prefix) {
      const control = (name) => (name === "untouched" ? name : prefix + name);
      const outcome = (found, name) => found.outcomes.find((one) => one.condition === name);
      const shown = (one) => (one ? `${percent(one.accuracy, 1)} (${number(one.loss, 2)})` : "\u2013");
      const layers = (found) => `${found.x_layer} from ${found.y_layer}`;
      const names = Object.keys(CONTROLS).map(control);
      const rows = comparison.transplants.map((found) => [
        layers(found),
        outcome(found, condition).neurons,
        shown(outcome(found, condition)),
        ...names.map((name) => shown(outcome(found, name))),
      ]);
      body.append(h("h3", {}, title), table(`Transplants: ${title}`, ["Layer", "Neurons", "Predicted", ...Object.values(CONTROLS)], rows));
      const points = ({ value, low, high }) => (value === null ? "\u2013" : `${d3.format("+.1f")(100 * value)} (${(100 * low).toFixed(1)} to ${(100 * high).toFixed(1)})`);
      const less = comparison.transplants.map((found) => [
        layers(found),
        ...names.map((name) => {
          const difference = found.differences.find((d) => d.condition === condition && d.control === name);
          return difference ? points(difference.accuracy) : "\u2013";
        }),
      ]);
      note(body, `Predicted less each, in points of accuracy, with ${100 * first.level}% intervals over examples. An interval that holds 0 shows no difference.`);
      body.append(table(`Differences: ${title}`, ["Layer", ...Object.values(CONTROLS)], less));
    }
  }

  Object.assign(spanmatch, { figure, note, parts, rest, section });
})();
