// What a study found over its seeds: accuracy, tables of layers with intervals, the course of training, blocks, alignment.
"use strict";
(() => {
  const { figure, h, interval, note, number, percent, section, table } = spanmatch;

  function overview(study) {
    return section("accuracy", "What was trained", (body) => {
      const rows = study.variants.map((variant) => {
        const { test_accuracy: test, train_accuracy: train } = variant.epochs.at(-1);
        return [variant.name, variant.network, study.settings.seeds.length, variant.epochs.at(-1).epoch, percentWith(test), train ? percentWith(train) : "\u2013", variant.data];
      });
      body.append(table("Variants", ["Variant", "Network", "Seeds", "Epochs", "Test accuracy", "In training", "Data"], rows));
      note(body, "Means over seeds with 95% intervals over seeds (Student's, by the delete-one jackknife).");
      const course = study.variants.flatMap((variant) => variant.epochs.map((epoch) => ({ name: variant.name, epoch: epoch.epoch, ...epoch.test_accuracy })));
      if (course.length > study.variants.length) spanmatch.drawOverEpochs(figure(body, "Test accuracy over epochs; the numbers are in runs.csv"), course, "test accuracy");
    });
  }

  const percentWith = (spread) => `${percent(spread.value, 1)}${spread.low === null ? "" : ` (${(100 * spread.low).toFixed(1)} to ${(100 * spread.high).toFixed(1)})`}`;
  const numberWith = (spread) => `${number(spread.value)}${interval(spread)}`;

  function layers(study) {
    const steps = study.steps.filter((step) => step.kind === "seeds" || step.kind === "across");
    return section("over-seeds", "How sure, over seeds", (body) => {
      note(body, "Means over pairs of networks, with 95% intervals over seeds: pairs that share a seed are not independent, and the delete-one jackknife over seeds heeds that.");
      const choice = h("select", { onchange: () => show() }, steps.map((step, i) => h("option", { value: i }, stepName(step))));
      const place = h("div");
      const show = () => {
        const { rows } = steps[choice.value];
        const quantities = [...new Set(rows.map((row) => row.quantity))];
        const byLayer = d3.groups(rows, (row) => row.layer);
        place.replaceChildren(table("Layers over seeds", ["Layer", "Neurons", ...quantities], byLayer.map(([layer, found]) => [layer, found[0].neurons, ...quantities.map((q) => numberWith(found.find((row) => row.quantity === q)))])));
      };
      if (steps.length > 1) body.append(h("label", {}, "Comparison: ", choice));
      body.append(place);
      show();
    });
  }

  function stepName({ kind, variants }) {
    const names = variants.filter((name) => name !== "main");
    if (kind === "across") return `${names.join(" against ")}`;
    return names.length ? `seeds of ${names.join(", ")}` : "seeds";
  }

  function course(steps) {
    const titles = { own: "to itself at the end", between: "to the other seeds then" };
    return section("course", "When do representations settle?", (body) => {
      const quantities = [...new Set(steps[0].rows.map((row) => row.quantity))];
      const variant = h("select", { onchange: () => show() }, steps.map((step, i) => h("option", { value: i }, step.variants[0])));
      const choice = h("select", { onchange: () => show() }, quantities.map((q) => h("option", { value: q, selected: q === "debiased cka" }, q)));
      const pair = h("div", { class: "sides" });
      const show = () => {
        const rows = steps[variant.value].rows.filter((row) => row.quantity === choice.value);
        pair.replaceChildren();
        const places = Object.entries(titles).map(([of, title]) => {
          const box = pair.appendChild(h("div", {}, h("h3", {}, title)));
          return [of, figure(box, `${choice.value} of each layer over training, ${title}; the numbers are in epochs.csv`)];
        });
        for (const [of, place] of places) {
          spanmatch.drawOverEpochs(place, rows.map((row) => ({ name: row.layer, epoch: row.epoch, ...row[of] })), choice.value, { band: false });
        }
      };
      if (steps.length > 1) body.append(h("label", {}, "Variant: ", variant), " ");
      body.append(h("label", {}, "Measure: ", choice), pair);
      note(body, "Epoch 0 is before training. Means over seeds, or over pairs of seeds; intervals are in the tips and in epochs.csv.");
      show();
    });
  }

  function blocks(steps) {
    return section("blocks", "Are the layers of a network alike, and is that its own?", (body) => {
      const rows = steps.map((step) => {
        const shares = Object.values(step.blocks.first_component).map((spread) => spread.value);
        return [step.variants[0], numberWith(step.blocks.within), numberWith(step.blocks.between), number(d3.median(shares), 2), number(d3.max(shares), 2)];
      });
      body.append(table("Blocks", ["Variant", "Two layers of one network", "The same of two networks", "First component, median", "largest"], rows));
      note(body, `Mean ${steps[0].blocks.measure} of two different layers, with intervals over seeds. A block that is each network's own shows as a first column far above the second.`);
    });
  }

  function alignment(steps) {
    return section("alignment", "Do the first layer's weights line up with the data?", (body) => {
      const rows = steps.flatMap((step) => step.epochs.map((epoch) => ({ name: step.variants[0], ...epoch })));
      const { random, neurons, inputs } = steps[0];
      body.append(h("p", {}, `Misalignment of the principal directions of the weights of ${neurons} neurons and of their ${inputs} inputs: 0 if they are the same.`));
      spanmatch.drawOverEpochs(figure(body, "Misalignment over epochs"), rows, "misalignment", { zero: false });
      const drawn = (found) => `${number(found.value, 2)} (${number(found.low, 2)} to ${number(found.high, 2)})`;
      const last = steps.map((step) => [step.variants[0], drawn(step.random), numberWith(step.epochs[0]), numberWith(step.epochs.at(-1)), numberWith(step.epochs.at(-1).change)]);
      body.append(table("Misalignment", ["Variant", "Random weights", "At the start", "At the end", "Change"], last));
      note(body, `Means over seeds with 95% intervals; of random weights the range of ${random.draws} draws. After Maennel et al., NeurIPS 2020.`);
    });
  }

  function sections(study) {
    const of = (kind) => study.steps.filter((step) => step.kind === kind);
    const blocky = study.steps.filter((step) => step.blocks);
    return [
      layers(study),
      of("epochs").length ? course(of("epochs")) : null,
      blocky.length ? blocks(blocky) : null,
      of("alignment").length ? alignment(of("alignment")) : null,
    ].filter(Boolean);
  }

  Object.assign(spanmatch, { stepName, studyOverview: overview, studySections: sections });
})();
