// The page: what is chosen, and everything that follows from it.
"use strict";
(() => {
  const { count, fill, h, number, percent, unknown } = spanmatch;
  const at = (id) => document.getElementById(id);
  const listed = (texts) => new Intl.ListFormat("en-GB").format(texts);
  // Layers that a sentence can name.
  const NAMED = 8;
  const state = { comparison: null, networks: null, layer: null, eps: 0.3, side: "x", neuron: null };
  let data = null;
  let view = null;
  let drawn = {};

  // A pair of layers as the charts ask for it: its levels in order, once.
  function prepared(pair) {
    const total = pair.x_levels.length + pair.y_levels.length;
    const sorted = (levels) => Float64Array.from(levels.filter((level) => level !== null)).sort();
    const sides = { x: sorted(pair.x_levels), y: sorted(pair.y_levels) };
    const known = sorted([...sides.x, ...sides.y]);
    const networks = `${spanmatch.network(pair.x_layer)} ~ ${spanmatch.network(pair.y_layer)}`;
    const chance = pair.evidence?.profile;
    // Below the resolution it cannot be told who is in the match: levels there are unresolved unless they are 0.
    const unresolvedBelow = known.length && known[0] > 0 && known[0] <= pair.resolution ? pair.resolution : 0;
    return Object.assign(pair, {
      networks,
      inside: (side, eps) => (eps < unresolvedBelow ? null : d3.bisectRight(sides[side], eps)),
      shareAt: (eps) => (eps < unresolvedBelow ? null : d3.bisectRight(known, eps) / total),
      chanceAt: (eps) => (chance && chance.null[0] !== null ? chance.null[Math.max(0, d3.bisectRight(chance.eps, eps) - 1)] : null),
      curve() {
        const points = unresolvedBelow ? [] : [{ eps: 0, share: d3.bisectRight(known, 0) / total }];
        known.forEach((level, i) => level < 1 && points.push({ eps: level, share: (i + 1) / total }));
        return [...points, { eps: 1, share: d3.bisectLeft(known, 1) / total }];
      },
    });
  }

  // A comparison as the charts ask for it.
  function viewOf(comparison) {
    const { pairs, eps } = comparison;
    const of = d3.group(pairs, (pair) => pair.layer);
    return {
      comparison,
      pairs,
      eps,
      layers: [...of.keys()],
      networks: [...new Set(pairs.map((pair) => pair.networks))],
      of: (layer) => of.get(layer),
      meanListed: (layer, k) => d3.mean(of.get(layer), (pair) => pair.similarity[k]),
      pair: (layer, networks) => of.get(layer).find((pair) => pair.networks === networks) ?? of.get(layer)[0],
    };
  }

  const chosen = () => view.pair(state.layer, state.networks);

  function options(select, names, value) {
    select.replaceChildren(...names.map((name) => h("option", { value: name, selected: name === value }, name)));
  }

  function chooseComparison(name) {
    state.comparison = name;
    const comparison = data.comparisons.find((found) => found.name === name);
    view = viewOf(comparison);
    if (!view.layers.includes(state.layer)) state.layer = view.layers[0];
    if (!view.networks.includes(state.networks)) state.networks = view.networks[0];
    options(at("networks"), view.networks, state.networks);
    options(at("layer"), view.layers, state.layer);
    at("networks-label").hidden = view.networks.length < 2;
    at("all-layers").hidden = !comparison.matrices.length;
    options(at("measure"), comparison.matrices.map((matrix) => matrix.name), comparison.matrices[0]?.name);
    showFacts(comparison);
    showWarnings(comparison);
    at("rest").replaceChildren(...spanmatch.rest(comparison));
    drawAll();
  }

  function chooseLayer(layer, networks = state.networks) {
    Object.assign(state, { layer, networks, neuron: null });
    at("layer").value = layer;
    at("networks").value = networks;
    drawTop();
    drawLayer();
    move();
  }

  function chooseNeuron(side, neuron) {
    Object.assign(state, { side, neuron });
    drawn.x.select(side === "x" ? neuron : null);
    drawn.y.select(side === "y" ? neuron : null);
    at("neuron").replaceChildren(...spanmatch.card(view.comparison, chosen(), side, neuron, chooseNeuron));
  }

  function showFacts(comparison) {
    const [least, most] = comparison.rows.map(count);
    const facts = { Rows: `${least === most ? least : `${least} to ${most}`} a layer`, Activations: comparison.centred ? "centred" : "as they are, not centred", ...comparison.notes };
    at("facts").replaceChildren(...Object.entries(facts).map(([title, text]) => h("div", {}, h("dt", {}, title), h("dd", {}, text))));
  }

  // What to heed, said once for all the pairs of layers that it holds for.
  function showWarnings(comparison) {
    const found = new Map();
    for (const pair of comparison.pairs) {
      const advice = pair.evidence?.rows?.enough === false ? [pair.evidence.rows.advice] : [];
      const missing = pair.evidence && !pair.evidence.rows ? [`Evidence is missing: ${pair.refusals["rows needed"]}`] : [];
      for (const text of [...pair.warnings, ...advice, ...missing]) found.set(text, [...(found.get(text) ?? []), pair.name]);
    }
    const items = [...found].map(([text, names]) => h("li", {}, h("strong", {}, names.slice(0, 3).join("; ") + (names.length > 3 ? ` and ${names.length - 3} more` : "")), `: ${text}.`));
    at("warnings").hidden = !items.length;
    at("warnings").replaceChildren(h("h2", {}, "Before you trust these numbers"), h("ul", {}, items));
  }

  function drawTop() {
    drawn.depth = spanmatch.drawDepth(at("depth"), view, state);
    drawn.curves = spanmatch.drawCurves(at("curves"), view, state);
    drawn.rows = tableOfLayers();
  }

  // The table of layers; gives the cells that follow eps.
  function tableOfLayers() {
    const palette = spanmatch.depthColours(view.layers);
    const followed = [];
    const several = view.networks.length > 1;
    const shown = view.layers.flatMap((layer) => view.of(layer).filter((pair) => !several || pair.networks === state.networks));
    const rows = shown.map((pair) => {
      const cells = { share: h("span"), x: h("span"), y: h("span"), mean: h("span"), chance: h("span") };
      followed.push({ pair, cells });
      const swatch = h("span", { class: "swatch", "aria-hidden": "true", style: `background:${palette[view.layers.indexOf(pair.layer)]}` });
      const name = h("button", { type: "button", class: "link", "aria-pressed": String(pair.layer === state.layer), onclick: () => chooseLayer(pair.layer) }, pair.layer);
      const rowsWorth = pair.evidence?.rows;
      const worth = !rowsWorth ? "\u2013" : rowsWorth.enough ? count(rowsWorth.effective_sample_size) : h("strong", { class: "few", title: rowsWorth.advice }, `${count(rowsWorth.effective_sample_size)} of ${count(rowsWorth.needed)} needed`);
      const widths = pair.x_neurons === pair.y_neurons ? pair.x_neurons : `${pair.x_neurons} / ${pair.y_neurons}`;
      const distance = number(rowsWorth ? rowsWorth.chance_distance : pair.chance_distance, 2);
      const silent = `${pair.x_silent.length} / ${pair.y_silent.length}`;
      return [[swatch, name], widths, cells.share, h("span", {}, cells.x, " / ", cells.y), ...(several ? [cells.mean] : []), cells.chance, silent, count(pair.rows), worth, distance];
    });
    const heads = ["Layer", "Neurons", "s(eps)", "In the match", ...(several ? [`Mean over ${view.networks.length} pairs`] : []), "By chance", "Silent", "Rows", "Rows worth", "Chance distance"];
    fill(at("layers"), heads, rows);
    at("layers").querySelectorAll("tbody tr").forEach((row, i) => row.classList.toggle("chosen", shown[i].layer === state.layer));
    return followed;
  }

  function drawLayer() {
    const pair = chosen();
    at("layer-title").textContent = pair.name;
    at("x-name").textContent = pair.x_layer;
    at("y-name").textContent = pair.y_layer;
    drawn.levels = spanmatch.drawLevels(at("levels"), pair);
    for (const side of ["x", "y"]) {
      drawn[side] = spanmatch.grid(at(`${side}-neurons`), pair[`${side}_levels`], pair[`${side}_layer`], (neuron) => chooseNeuron(side, neuron));
    }
    at("parts").replaceChildren(...spanmatch.parts(pair));
    if (state.neuron === null) chooseNeuron("x", drawn.x.first);
    else chooseNeuron(state.side, state.neuron);
  }

  // What the chart of layers shows, in a sentence.
  function inWords(eps) {
    const shares = view.layers.map((layer) => ({ layer, share: d3.mean(view.of(layer), (pair) => pair.shareAt(eps)) }));
    const byChance = d3.max(view.pairs, (pair) => pair.chanceAt(eps));
    const chance = byChance === undefined ? "" : ` By chance: ${byChance < 0.005 ? "nothing" : `at most ${percent(byChance)} of a layer`}.`;
    const start = `Matched at eps ${eps.toFixed(3)}:`;
    if (shares.length > NAMED) {
      const [least, most] = [d3.least(shares, (d) => d.share), d3.greatest(shares, (d) => d.share)];
      const half = shares.filter((d) => d.share >= 0.5).length;
      return `${start} from ${percent(least.share)} of ${least.layer} to ${percent(most.share)} of ${most.layer}; half or more of ${half} of the ${shares.length} layers.${chance}`;
    }
    const amount = (share) => (share === undefined ? "an unresolved share" : share >= 0.995 ? "all" : share < 0.005 ? "nothing" : percent(share));
    const groups = d3.groups(d3.sort(shares, (d) => -d.share), (d) => amount(d.share));
    const said = groups.map(([much, rows]) => `${much} of ${listed(rows.map((d) => d.layer))}`);
    return `${start} ${said.join("; ")}.${chance}`;
  }

  // Everything that follows eps.
  function move() {
    const { eps } = state;
    const pair = chosen();
    at("eps").value = eps;
    at("eps-value").textContent = eps.toFixed(3);
    drawn.depth.move(eps);
    drawn.curves.move(eps);
    drawn.levels.move(eps);
    const [x, y] = [drawn.x.move(eps), drawn.y.move(eps)];
    for (const { pair: own, cells } of drawn.rows) {
      cells.share.textContent = number(own.shareAt(eps));
      cells.x.textContent = count(own.inside("x", eps));
      cells.y.textContent = count(own.inside("y", eps));
      cells.mean.textContent = number(d3.mean(view.of(own.layer), (other) => other.shareAt(eps)));
      cells.chance.textContent = number(own.chanceAt(eps), 2);
    }
    at("in-words").textContent = inWords(eps);
    const chance = pair.chanceAt(eps);
    const text = `At eps ${eps.toFixed(3)}, ${x} of ${pair.x_neurons} neurons of ${pair.x_layer} and ${y} of ${pair.y_neurons} of ${pair.y_layer} are in the match: ${percent(pair.shareAt(eps), 1)}`;
    const unresolved = `Below eps ${number(pair.resolution)} it cannot be told which neurons of ${pair.x_layer} and ${pair.y_layer} match: neurons of a layer are nearly combinations of others.`;
    at("layer-summary").textContent = unknown(pair.shareAt(eps)) ? unresolved : `${text}${chance === null ? "" : `, by chance ${percent(chance, 1)}`}.`;
    at("eps").setAttribute("aria-valuetext", `${eps.toFixed(3)}: ${percent(pair.shareAt(eps))} of ${pair.layer} matched`);
  }

  let waiting = 0;
  function setEps(eps) {
    state.eps = eps;
    cancelAnimationFrame(waiting);
    waiting = requestAnimationFrame(move);
  }

  const csv = {
    layers: () => [
      "layers.csv",
      ["layer", "networks", "eps", "similarity", "x in the match", "y in the match", "x neurons", "y neurons", "by chance", "rows", "rows worth"],
      view.pairs.map((p) => [p.layer, p.networks, state.eps, p.shareAt(state.eps), p.inside("x", state.eps), p.inside("y", state.eps), p.x_neurons, p.y_neurons, p.chanceAt(state.eps), p.rows, p.evidence?.rows?.effective_sample_size]),
    ],
    profiles: () => ["profiles.csv", ["layer", "networks", "eps", "similarity"], view.pairs.flatMap((p) => p.curve().map((point) => [p.layer, p.networks, point.eps, point.share]))],
    matrix: () => {
      const { layers, values } = matrix();
      return ["matrix.csv", ["layer", ...layers], values.map((row, i) => [layers[i], ...row])];
    },
    neurons: () => ["neurons.csv", ...spanmatch.neuronRows(chosen(), state.eps)],
  };

  const matrix = () => view.comparison.matrices.find((found) => found.name === at("measure").value);

  // A cell of the heat map is of two layers; the chosen one is that of the pair, or of the first layer's own name.
  function chooseCell(x, y) {
    const pair = view.pairs.find((p) => (p.x_layer === x && p.y_layer === y) || (p.x_layer === y && p.y_layer === x));
    const layer = x.slice(x.indexOf(":") + 1);
    if (pair) chooseLayer(pair.layer, pair.networks);
    else if (view.layers.includes(layer)) chooseLayer(layer);
  }

  function drawAll() {
    drawTop();
    drawLayer();
    if (view.comparison.matrices.length) spanmatch.drawMatrix(at("matrix"), matrix(), chooseCell);
    document.querySelectorAll("#rest > section").forEach((section) => section.redraw());
    move();
  }

  function drawStudy() {
    document.querySelectorAll("#study > section, #over-all > section").forEach((section) => section.redraw());
  }

  function listen() {
    at("comparison").addEventListener("change", (event) => chooseComparison(event.target.value));
    at("networks").addEventListener("change", (event) => chooseLayer(state.layer, event.target.value));
    at("layer").addEventListener("change", (event) => chooseLayer(event.target.value));
    at("measure").addEventListener("change", () => spanmatch.drawMatrix(at("matrix"), matrix(), chooseCell));
    at("eps").addEventListener("input", (event) => setEps(Number(event.target.value)));
    at("eps").addEventListener("change", () => (at("said").textContent = at("layer-summary").textContent));
    document.querySelectorAll("[data-csv]").forEach((button) => button.addEventListener("click", () => spanmatch.download(...csv[button.dataset.csv]())));
    at("depth").addEventListener("click", (event) => chooseLayer(drawn.depth.nearest(d3.pointer(event, drawn.depth.plot)[0])));
    let dragged = false;
    const drag = (event) => setEps(drawn.curves.eps(d3.pointer(event, drawn.curves.plot)[0]));
    at("curves").addEventListener("pointerdown", () => (dragged = false));
    at("curves").addEventListener("pointermove", (event) => {
      if (!event.buttons) return;
      dragged = true;
      drag(event);
    });
    at("curves").addEventListener("click", (event) => {
      if (dragged) return;
      const layer = drawn.curves.nearest(...d3.pointer(event, drawn.curves.plot));
      if (layer) chooseLayer(layer);
      drag(event);
    });
    spanmatch.dark.addEventListener("change", () => {
      drawStudy();
      drawAll();
    });
    let width = document.body.clientWidth;
    new ResizeObserver(() => {
      if (document.body.clientWidth === width) return;
      width = document.body.clientWidth;
      drawStudy();
      drawAll();
      document.querySelectorAll("details.part").forEach((part) => part.redraw());
    }).observe(document.body);
    let folded = [];
    addEventListener("beforeprint", () => {
      folded = [...document.querySelectorAll("details:not([open], .guide)")];
      folded.forEach((details) => {
        details.open = true;
        details.redraw?.();
      });
    });
    addEventListener("afterprint", () => folded.forEach((details) => (details.open = false)));
  }

  // Of the eps listed, the one at which layers differ the most.
  function telling(of) {
    const spread = (_, k) => d3.deviation(of.layers, (layer) => of.meanListed(layer, k)) ?? 0;
    const middle = Math.floor(of.eps.length / 2);
    const spreads = of.eps.map(spread);
    return of.eps[d3.max(spreads) > 0 ? d3.maxIndex(spreads) : middle];
  }

  async function start() {
    try {
      data = await spanmatch.unpack(at("data"));
    } catch (error) {
      at("failed").hidden = false;
      throw error;
    }
    data.comparisons.forEach((comparison) => (comparison.pairs = spanmatch.byRow(comparison.pairs, comparison.pairs.name.length).map(prepared)));
    const [first] = data.comparisons;
    state.eps = telling(viewOf(first));
    if (data.study) {
      at("study").replaceChildren(spanmatch.studyOverview(data.study));
      at("over-all").replaceChildren(...spanmatch.studySections(data.study));
    }
    const named = (name) => data.study.steps.find((step) => step.name === name);
    at("comparison").replaceChildren(...data.comparisons.map(({ name }) => h("option", { value: name }, data.study ? spanmatch.stepName(named(name)) : name)));
    at("comparison-label").hidden = data.comparisons.length < 2;
    listen();
    drawStudy();
    chooseComparison(first.name);
    document.documentElement.dataset.ready = "true";
  }

  start();
})();
