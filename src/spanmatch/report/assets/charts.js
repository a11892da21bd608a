// The charts, by Observable Plot.  Each takes a figure and what to draw, and replaces what the figure held.
"use strict";
(() => {
  const { dark, h, number, percent, short, token, unknown } = spanmatch;
  const HEIGHT = 260;
  const MANY = 30;
  const LONGER = 5;
  const TICKS = [0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000];

  // What all charts share: as wide as the page allows, with room for the title of the vertical axis.
  function frame(figure, height = HEIGHT) {
    return { width: Math.max(figure.clientWidth, 280), height, marginTop: 34, marginLeft: 48, marginBottom: 38, style: { background: "transparent", fontSize: "12px" } };
  }

  function place(figure, ...plots) {
    figure.replaceChildren(...plots);
    // Plot names its marks, which takes a role.
    figure.querySelectorAll("svg :is(g, rect)[aria-label]").forEach((mark) => mark.setAttribute("role", "group"));
    return plots[0];
  }

  // An axis of layers: their names aslant where there are many.
  function layersAxis(layers) {
    return { domain: layers, tickFormat: short, tickRotate: layers.length > 6 ? -40 : 0, label: null };
  }

  function shades(count) {
    const range = dark.matches ? ["#2d6f9e", "#bfe3ff"] : ["#9ccaec", "#08386b"];
    return d3.quantize(d3.interpolateRgb(...range), Math.max(2, count));
  }

  // Depth as colour, within the part of the scale that shows on the background.
  function depthColours(layers) {
    const [from, to] = dark.matches ? [0.98, 0.35] : [0.82, 0.0];
    return layers.map((_, i) => d3.interpolateViridis(from + (to - from) * (layers.length > 1 ? i / (layers.length - 1) : 1)));
  }

  // s by layer, every pair of networks, their mean and spread; listed eps as thin lines; gives what moves with eps.
  function drawDepth(figure, view, state) {
    const { layers, pairs, eps: listed } = view;
    const thin = layers.flatMap((layer) => listed.map((eps, k) => ({ layer, eps, share: view.meanListed(layer, k) })));
    // Lines that end in one place share a label.
    const ends = d3.groups(thin.filter((row) => row.layer === layers.at(-1)), (row) => Math.round(20 * row.share));
    const labels = ends.map(([, rows]) => ({ layer: layers.at(-1), share: rows[0].share, text: rows.length > 2 ? `${rows[0].eps} \u2026 ${rows.at(-1).eps}` : rows.map((row) => row.eps).join(", ") }));
    const plot = place(
      figure,
      Plot.plot({
        ...frame(figure, 330),
        marginBottom: layers.length > 6 ? 90 : 40,
        marginRight: 72,
        x: { ...layersAxis(layers), type: "point" },
        y: { domain: [0, 1], grid: true, label: "share of neurons matched", tickFormat: ".0%" },
        marks: [
          Plot.ruleY([0]),
          Plot.ruleX([state.layer], { stroke: token("--accent"), strokeOpacity: 0.25, strokeWidth: 14 }),
          Plot.lineY(thin, { x: "layer", y: "share", z: "eps", stroke: "currentColor", strokeOpacity: 0.22 }),
          Plot.text(labels, { x: "layer", y: "share", text: "text", dx: 8, dy: -7, textAnchor: "start", fillOpacity: 0.7 }),
        ],
      }),
    );
    const [x, y] = ["x", "y"].map((name) => plot.scale(name).apply);
    const svg = d3.select(plot);
    const band = svg.append("path").attr("class", "band");
    const mean = svg.append("path").attr("class", "mean");
    const shown = d3.sort(pairs, (pair) => pair.networks === state.networks);
    const dots = svg.append("g").selectAll("circle").data(shown).join("circle").attr("cx", (pair) => x(pair.layer));
    dots.attr("class", (pair) => (pair.networks === state.networks ? "pair own" : "pair")).attr("r", (pair) => (pair.networks === state.networks ? 4.5 : 2.5));
    return {
      move(eps) {
        const shares = layers.map((layer) => view.of(layer).map((pair) => pair.shareAt(eps)));
        const resolved = (row) => d3.mean(row) !== undefined;
        band.attr("d", d3.area((_, i) => x(layers[i]), (row) => y(d3.min(row)), (row) => y(d3.max(row))).defined(resolved)(shares));
        mean.attr("d", d3.line((_, i) => x(layers[i]), (row) => y(d3.mean(row))).defined(resolved)(shares));
        dots.attr("cy", (pair) => y(pair.shareAt(eps) ?? 0)).attr("display", (pair) => (unknown(pair.shareAt(eps)) ? "none" : null));
      },
      nearest: (px) => d3.least(layers, (layer) => Math.abs(x(layer) - px)),
      plot,
    };
  }

  // s over eps, a curve for each layer of the networks chosen; gives what moves with eps.
  function drawCurves(figure, view, state) {
    const shown = view.layers.flatMap((layer) => view.pairs.filter((pair) => pair.layer === layer && pair.networks === state.networks));
    const palette = depthColours(view.layers);
    const colour = (pair) => palette[view.layers.indexOf(pair.layer)];
    const plot = place(
      figure,
      Plot.plot({
        ...frame(figure, 380),
        x: { domain: [0, 1], label: "eps", grid: true },
        y: { domain: [0, 1], label: "maximum matching similarity s(eps)", grid: true },
        marks: [
          ...shown.map((pair) => Plot.lineY(pair.curve(), { x: "eps", y: "share", curve: "step-after", stroke: colour(pair), strokeWidth: pair.layer === state.layer ? 4 : 1.8 })),
          Plot.tip(
            shown.flatMap((pair) => pair.curve().map((point) => ({ ...point, name: pair.layer }))),
            Plot.pointer({ x: "eps", y: "share", title: (d) => `${d.name}\ns(${d.eps.toFixed(3)}) = ${d.share.toFixed(3)}` }),
          ),
        ],
      }),
    );
    const [x, y] = [plot.scale("x"), plot.scale("y")];
    const svg = d3.select(plot);
    const rule = svg.append("line").attr("class", "marker").attr("y1", y.apply(0)).attr("y2", y.apply(1));
    const dots = svg.append("g").selectAll("circle").data(shown).join("circle").attr("class", "crossing").attr("r", 4).attr("fill", colour);
    return {
      move(eps) {
        rule.attr("x1", x.apply(eps)).attr("x2", x.apply(eps));
        dots.attr("cx", x.apply(eps)).attr("cy", (pair) => y.apply(pair.shareAt(eps) ?? 0));
        dots.attr("display", (pair) => (unknown(pair.shareAt(eps)) ? "none" : null));
      },
      eps: (px) => Math.min(0.995, Math.max(0, Math.round(x.invert(px) * 200) / 200)),
      nearest: (px, py) => d3.least(shown, (pair) => Math.abs(y.apply(pair.shareAt(x.invert(px))) - py))?.layer,
      plot,
    };
  }

  // How many neurons of each network have which level; gives what moves with eps.
  function drawLevels(figure, pair) {
    const sides = [pair.x_layer, pair.y_layer];
    const rows = [pair.x_levels, pair.y_levels].flatMap((levels, side) =>
      levels.flatMap((level) => (level === null ? [] : [{ layer: sides[side], level }])),
    );
    const plot = place(
      figure,
      Plot.plot({
        ...frame(figure, 250),
        x: { domain: [0, 1], label: "level (eps)" },
        y: { label: "neurons", grid: true, nice: true },
        fy: { label: null, domain: sides, axis: null, padding: 0.25 },
        color: { domain: sides, range: [token("--x"), token("--y")] },
        marks: [
          Plot.rectY(rows, Plot.binX({ y: "count" }, { x: "level", fy: "layer", fill: "layer", thresholds: d3.range(0, 1.0001, 0.02), inset: 0.5, tip: true })),
          Plot.text(sides, { fy: (d) => d, text: (d) => d, frameAnchor: "top-right", dy: -12, fontWeight: 600 }),
          Plot.ruleY([0]),
        ],
      }),
    );
    const svg = plot.tagName.toLowerCase() === "svg" ? plot : plot.querySelector("svg:last-of-type");
    const rule = d3.select(svg).append("line").attr("class", "marker").attr("y1", 22).attr("y2", 220);
    return { move: (eps) => rule.attr("x1", plot.scale("x").apply(eps)).attr("x2", plot.scale("x").apply(eps)) };
  }

  // A profile with its interval, what holds on rows not fitted, and chance.
  function drawEvidence(figure, found) {
    const rows = found.eps.map((eps, i) => ({ eps, share: found.similarity[i], low: found.low[i], high: found.high[i], chance: found.null[i] }));
    const held = found.held_out_eps.map((eps, i) => ({ eps, share: found.held_out[i] }));
    place(
      figure,
      Plot.plot({
        ...frame(figure),
        x: { domain: [0, 1], label: "eps", grid: true },
        y: { domain: [0, 1], label: "share of neurons matched", grid: true },
        marks: [
          Plot.areaY(rows, { x: "eps", y1: "low", y2: "high", fill: token("--accent"), fillOpacity: 0.2 }),
          Plot.lineY(rows, { x: "eps", y: "share", stroke: token("--accent"), strokeWidth: 2 }),
          Plot.dot(held, { x: "eps", y: "share", fill: token("--y"), r: 4 }),
          Plot.lineY(rows.filter((row) => row.chance !== null), { x: "eps", y: "chance", stroke: "currentColor", strokeDasharray: "1,4", strokeWidth: 2 }),
          Plot.tip(rows, Plot.pointerX({ x: "eps", y: "share", title: (d) => `eps ${d.eps}: ${number(d.share)}\n${number(d.low)} to ${number(d.high)}${d.chance === null ? "" : `\nby chance ${d.chance.toFixed(3)}`}` })),
        ],
      }),
    );
  }

  // One-to-one alignment: both matchings from strongest to weakest, over the same within each network.
  function drawPartners(figure, pair) {
    const found = pair.alignment;
    const curves = [
      ["bipartite", found.bipartite.strength],
      ["semi", found.semi.strength],
      [`within ${short(pair.x_layer)}`, found.bipartite.x_baseline],
      [`within ${short(pair.y_layer)}`, found.bipartite.y_baseline],
    ].filter(([, values]) => values.length);
    const rows = curves.flatMap(([curve, values]) => values.map((strength, rank) => ({ curve, rank: rank + 1, strength })));
    const { x, y, strength, margin } = found.bipartite;
    const titles = strength.map((value, i) => ({ rank: i + 1, strength: value, title: `${x[i]} and ${y[i]}: ${value.toFixed(3)}\nmargin ${number(margin[i])}` }));
    place(
      figure,
      Plot.plot({
        ...frame(figure),
        x: { label: "neurons, strongest partner first", nice: true },
        y: { label: "correlation", grid: true, domain: [Math.min(0, d3.min(rows, (d) => d.strength) ?? 0), 1] },
        color: { legend: true, domain: curves.map(([curve]) => curve), range: [token("--accent"), token("--y"), token("--soft"), token("--line")] },
        marks: [
          Plot.ruleY([0]),
          Plot.ruleY([found.chance_correlation], { stroke: "currentColor", strokeOpacity: 0.4, strokeDasharray: "2,4" }),
          Plot.lineY(rows, { x: "rank", y: "strength", stroke: "curve", strokeWidth: 2 }),
          Plot.tip(titles, Plot.pointerX({ x: "rank", y: "strength", title: "title" })),
        ],
      }),
    );
  }

  // Error against the number of predictors, both ways; dashed on folds that were not fitted.
  function drawSparse(figure, maps) {
    const rows = maps.flatMap((map) => map.table.filter((row) => row.predictors >= 1).map((row) => ({ to: map.to, ...row })));
    const path = rows.filter((row) => row.penalty !== null);
    const held = path.filter((row) => row.held_out_error !== null);
    const single = rows.filter((row) => row.penalty === null);
    place(
      figure,
      Plot.plot({
        ...frame(figure),
        x: { type: "log", label: "predictors", tickFormat: "~s", grid: true },
        y: { label: "error", grid: true, domain: [0, d3.max(rows, (d) => Math.max(d.error, d.held_out_error ?? 0)) ?? 1] },
        color: { legend: true, domain: maps.map((map) => map.to), range: [token("--y"), token("--x")] },
        marks: [
          Plot.ruleY([0]),
          Plot.line(path, { x: "predictors", y: "error", z: "to", stroke: "to", strokeWidth: 2, sort: "predictors" }),
          Plot.dot(single, { x: "predictors", y: "error", stroke: "to", r: 4, strokeWidth: 2 }),
          Plot.line(held, { x: "predictors", y: "held_out_error", z: "to", stroke: "to", strokeDasharray: "4,3", sort: "predictors" }),
          Plot.tip(rows, Plot.pointer({ x: "predictors", y: "error", title: (d) => `${d.to}\n${d.predictors.toFixed(1)} predictors, error ${d.error.toFixed(3)}` })),
        ],
      }),
    );
  }

  // |correlation| between the layers, as it comes and with the neurons in the order of the clusters.
  function drawCorrelations(figure, pair) {
    const { clusters } = pair.alignment;
    const [p, q] = [pair.x_neurons, pair.y_neurons];
    const ends = (side) => d3.cumsum(clusters.sizes[side]).slice(0, -1);
    const draw = (title, percent, rules) =>
      h(
        "div",
        {},
        h("h4", {}, title),
        Plot.plot({
          width: 320,
          height: Math.max(120, Math.min(420, (320 * p) / q)),
          margin: 24,
          style: { background: "transparent", fontSize: "11px", maxWidth: "100%" },
          x: { label: short(pair.y_layer), ticks: [], domain: [0, q] },
          y: { label: short(pair.x_layer), ticks: [], domain: [p, 0] },
          color: { type: "linear", domain: [0, 100], range: [token("--card"), token("--ink")] },
          marks: [
            Plot.raster(percent.flat(), { width: percent[0].length, height: percent.length, x1: 0, y1: 0, x2: q, y2: p, imageRendering: "pixelated" }),
            Plot.frame({ strokeOpacity: 0.3 }),
            Plot.ruleX(rules ? ends("y") : [], { stroke: token("--y") }),
            Plot.ruleY(rules ? ends("x") : [], { stroke: token("--y") }),
          ],
        }),
      );
    place(figure, draw("|correlation|, as they come", clusters.drawn.as_they_come, false), draw("by cluster", clusters.drawn.by_cluster, true));
  }

  function drawMatrix(figure, { layers, values, first_component: share }, choose) {
    const cells = layers.flatMap((x, i) => layers.map((y, j) => ({ x, y, value: values[i][j] }))).filter((d) => d.value !== null);
    const size = Math.min(Math.max(figure.clientWidth, 280), 760);
    // Where layers are too many to be named, the networks are, each at its middle.
    const many = layers.length > MANY;
    const middles = d3.groups(layers, spanmatch.network).map(([, own]) => own[own.length >> 1]);
    const axis = { domain: layers, label: null, ...(many ? { padding: 0, ticks: middles, tickFormat: spanmatch.network, tickSize: 0 } : { tickFormat: short }) };
    const margin = Math.min(150, 7 * d3.max(layers, (name) => (many ? spanmatch.network(name) : short(name)).length) + 12);
    const style = { background: "transparent", fontSize: "11px" };
    const color = { scheme: "magma", domain: [0, 1], label: "similarity" };
    const heat = Plot.plot({
      width: size,
      height: many ? size : size - margin / 2,
      marginLeft: margin,
      marginBottom: many ? 30 : margin,
      marginRight: 8,
      style,
      x: { ...axis, tickRotate: many ? 0 : -90 },
      y: axis,
      color,
      marks: [Plot.cell(cells, { inset: many ? 0 : 0.5, shapeRendering: many ? "crispEdges" : "auto", x: "y", y: "x", fill: "value", tip: true, title: (d) => `${d.x}\n${d.y}\n${d.value.toFixed(3)}` })],
    });
    heat.addEventListener("click", () => heat.value && choose(heat.value.x, heat.value.y));
    const bars = Plot.plot({
      width: size,
      height: 150,
      marginLeft: margin,
      marginRight: 8,
      marginBottom: 20,
      style,
      x: { domain: layers, axis: null },
      y: { domain: [0, 1], label: "first component's share of variance", grid: true, ticks: 3 },
      marks: [Plot.barY(layers.map((layer, i) => ({ layer, share: share[i] })), { x: "layer", y: "share", fill: token("--accent"), tip: true }), Plot.ruleY([0])],
    });
    place(figure, heat, Plot.legend({ color, marginLeft: 14 }), bars);
  }

  function drawUniversality(figure, found, networks) {
    const kinds = { partners: "has a partner", matched: "is in the match" };
    const rows = found.flatMap((layer) =>
      Object.entries(kinds).flatMap(([kind, title]) => {
        const counts = layer.distribution[kind];
        return counts.map((value, others) => ({ layer: layer.layer, title, others, share: value / d3.sum(counts) }));
      }),
    );
    place(
      figure,
      Plot.plot({
        ...frame(figure, 340),
        marginBottom: found.length > 6 ? 90 : 50,
        fy: { label: null, domain: Object.values(kinds), axis: null, padding: 0.25 },
        x: layersAxis(found.map((layer) => layer.layer)),
        y: { domain: [0, 1], label: "share of neurons", tickFormat: ".0%", grid: true, ticks: 3 },
        color: { type: "ordinal", legend: true, label: "other networks", domain: d3.range(networks), tickFormat: (n) => `in ${n} others`, range: shades(networks) },
        marks: [
          Plot.barY(rows, { x: "layer", y: "share", fy: "title", fill: "others", order: "-others", tip: true, title: (d) => `${d.layer}: ${percent(d.share)} ${d.title} in ${d.others} others` }),
          Plot.text(Object.values(kinds), { fy: (d) => d, text: (d) => d, frameAnchor: "top-left", dy: -13, fontWeight: 600 }),
          Plot.ruleY([0]),
        ],
      }),
    );
  }

  // Sizes of minimum matches.
  function drawSizes(figure, found) {
    place(
      figure,
      Plot.plot({
        ...frame(figure, 180),
        width: Math.min(Math.max(figure.clientWidth, 280), 640),
        x: { label: "neurons in the match", interval: 1 },
        y: { label: "neurons that it is minimum for", grid: true },
        marks: [Plot.rectY(found.minimum_sizes, Plot.binX({ y: "count" }, { x: (d) => d, interval: 1, fill: token("--accent"), inset: 0.5, tip: true })), Plot.ruleY([0])],
      }),
    );
  }

  // Means over seeds with their intervals, over epochs: rows of {epoch, name, value, low, high}.
  function drawOverEpochs(figure, rows, label, { band = true, zero = true } = {}) {
    const names = [...new Set(rows.map((row) => row.name))];
    const range = names.length > 3 ? depthColours(names) : [token("--x"), token("--y"), token("--soft")].slice(0, names.length);
    const known = rows.filter((row) => row.value !== null);
    // Courses of very different length are seen side by side on a scale that is logarithmic but for its start.
    const courses = d3.group(known, (d) => d.name);
    const ends = [...courses.values()].map((course) => d3.max(course, (d) => d.epoch));
    const apart = d3.max(ends) > LONGER * d3.min(ends);
    const scale = apart ? { type: "symlog", ticks: TICKS.filter((tick) => tick <= d3.max(ends)) } : {};
    const values = known.flatMap((d) => [d.value, d.low ?? d.value, d.high ?? d.value]);
    const domain = zero ? [Math.min(0, d3.min(known, (d) => d.value) ?? 0), Math.max(1, d3.max(known, (d) => d.value) ?? 1)] : d3.extent(values);
    place(
      figure,
      Plot.plot({
        ...frame(figure),
        x: { label: "epoch", grid: true, tickFormat: "d", ...scale },
        y: { domain, label, grid: true, nice: !zero },
        color: { domain: names, range, legend: names.length > 1 },
        symbol: { domain: names },
        marks: [
          zero ? Plot.ruleY([0]) : null,
          band ? Plot.areaY(known.filter((row) => row.low !== null), { x: "epoch", y1: "low", y2: "high", z: "name", fill: "name", fillOpacity: 0.15, clip: true }) : null,
          Plot.lineY(known, { x: "epoch", y: "value", stroke: "name", strokeWidth: 2 }),
          Plot.dot(known.filter((d) => courses.get(d.name).length <= MANY), { x: "epoch", y: "value", stroke: "name", symbol: "name", r: 3 }),
          Plot.tip(known, Plot.pointer({ x: "epoch", y: "value", title: (d) => `${d.name}, epoch ${d.epoch}\n${number(d.value)}${spanmatch.interval(d, 3)}` })),
        ],
      }),
    );
  }

  Object.assign(spanmatch, {
    depthColours,
    drawCorrelations,
    drawCurves,
    drawDepth,
    drawEvidence,
    drawLevels,
    drawMatrix,
    drawOverEpochs,
    drawPartners,
    drawSizes,
    drawSparse,
    drawUniversality,
  });
})();
