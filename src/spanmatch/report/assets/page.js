// Draws the charts of the page from its data. Numbers and texts that must be right without it are in the HTML.
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const pairs = data.pairs;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const token = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const short = (name) => (name.length > 18 ? name.slice(0, 8) + "\u2026" + name.slice(-8) : name);

  const layers = [...new Set(pairs.map((pair) => pair.layer))];

  // Depth as colour, within the part of the scale that shows on the background: one for each pair.
  function colours() {
    const [from, to] = dark.matches ? [0.98, 0.35] : [0.82, 0.0];
    const step = (i) => (layers.length > 1 ? i / (layers.length - 1) : 1);
    return pairs.map((pair) => d3.interpolateViridis(from + (to - from) * step(layers.indexOf(pair.layer))));
  }

  // s(eps) of a pair as a step function: the corners, from 0 to 1.
  function curve(pair) {
    const levels = pair.x_levels.concat(pair.y_levels);
    const known = levels.filter((level) => level !== null && level < 1).sort(d3.ascending);
    const points = [{ eps: 0, share: 0 }];
    known.forEach((level, i) => points.push({ eps: level, share: (i + 1) / levels.length }));
    points.push({ eps: 1, share: known.length / levels.length });
    return points;
  }

  // What all charts share: as wide as the page allows, with room for the title of the vertical axis.
  function frame(figure, height) {
    const style = { background: "transparent", fontSize: "12px" };
    return { width: Math.max(figure.clientWidth, 280), height, marginTop: 34, style };
  }

  function place(figure, plot) {
    figure.replaceChildren(plot);
  }

  function drawDepth(figure) {
    const rows = pairs.flatMap((pair) =>
      data.eps.map((eps, k) => ({ layer: pair.layer, eps, share: pair.similarity[k], name: pair.name })),
    );
    const range = dark.matches ? ["#2d6f9e", "#bfe3ff"] : ["#9ccaec", "#08386b"];
    place(
      figure,
      Plot.plot({
        ...frame(figure, 350),
        marginLeft: 48,
        marginBottom: layers.length > 6 ? 90 : 50,
        marginRight: 24,
        x: { domain: layers, tickFormat: short, tickRotate: layers.length > 6 ? -40 : 0, label: null, type: "point" },
        y: { domain: [0, 1], grid: true, label: "share of neurons matched", tickFormat: ".0%" },
        color: { type: "ordinal", legend: true, label: "eps", tickFormat: (eps) => `eps ${eps}`, domain: data.eps, range: d3.quantize(d3.interpolateRgb(...range), Math.max(2, data.eps.length)) },
        marks: [
          Plot.ruleY([0]),
          Plot.lineY(rows, Plot.groupX({ y: "mean" }, { x: "layer", y: "share", z: "eps", stroke: "eps", strokeWidth: 2 })),
          Plot.dot(rows, {
            x: "layer",
            y: "share",
            fill: "eps",
            r: pairs.length > layers.length ? 2.5 : 3.5,
            tip: true,
            title: (d) => `${d.name}\ns(${d.eps}) = ${d.share.toFixed(3)}`,
          }),
        ],
      }),
    );
  }

  function drawCurves(figure) {
    const palette = colours();
    const lines = pairs.map((pair, i) =>
      Plot.lineY(curve(pair), { x: "eps", y: "share", curve: "step-after", stroke: palette[i], strokeWidth: 2 }),
    );
    const points = pairs.flatMap((pair) => curve(pair).map((point) => ({ ...point, name: pair.name })));
    place(
      figure,
      Plot.plot({
        ...frame(figure, 390),
        marginLeft: 48,
        x: { domain: [0, 1], label: "eps", grid: true },
        y: { domain: [0, 1], label: "maximum matching similarity s(eps)", grid: true },
        marks: [
          Plot.ruleX(data.eps, { stroke: "currentColor", strokeOpacity: 0.25, strokeDasharray: "2,4" }),
          ...lines,
          Plot.tip(
            points,
            Plot.pointer({
              x: "eps",
              y: "share",
              title: (d) => `${d.name}\ns(${d.eps.toFixed(3)}) = ${d.share.toFixed(3)}`,
            }),
          ),
        ],
      }),
    );
  }

  function drawLevels(figure, pair) {
    const sides = [
      [pair.x_layer, pair.x_levels],
      [pair.y_layer, pair.y_levels],
    ];
    const rows = sides.flatMap(([layer, levels]) =>
      levels.flatMap((level, neuron) => (level === null ? [] : [{ layer, neuron, level }])),
    );
    place(
      figure,
      Plot.plot({
        ...frame(figure, 280),
        x: { domain: [0, 1], label: "level (eps)" },
        y: { label: "neurons", grid: true, nice: true },
        fy: { label: null, domain: sides.map(([layer]) => layer), axis: null, padding: 0.25 },
        color: { domain: sides.map(([layer]) => layer), range: [token("--x"), token("--y")] },
        marks: [
          Plot.rectY(
            rows,
            Plot.binX(
              {
                y: "count",
                title: (bin) => `${bin.length} neurons: ${d3.sort(bin, (d) => d.neuron).slice(0, 40).map((d) => d.neuron).join(", ")}${bin.length > 40 ? ", \u2026" : ""}`,
              },
              { x: "level", fy: "layer", fill: "layer", thresholds: d3.range(0, 1.0001, 0.02), inset: 0.5, tip: true },
            ),
          ),
          Plot.text(sides, { fy: (d) => d[0], text: (d) => d[0], frameAnchor: "top-right", dy: -12, fontWeight: 600, fill: (d) => d[0] }),
          Plot.ruleY([0]),
        ],
      }),
    );
  }

  function fillMembers(body, pair) {
    const bounds = [-1, ...data.eps, Infinity];
    const rows = d3.pairs(bounds).map(([from, to]) => {
      const row = document.createElement("tr");
      const head = row.appendChild(document.createElement("th"));
      head.scope = "row";
      head.textContent = to === Infinity ? `over ${from}` : String(to);
      for (const levels of [pair.x_levels, pair.y_levels]) {
        const inside = levels.flatMap((level, i) => (level !== null && level > from && level <= to ? [i] : []));
        row.appendChild(document.createElement("td")).textContent = inside.join(", ") || "\u2013";
      }
      return row;
    });
    body.replaceChildren(...rows);
  }

  // Simple matches: sizes, and for a chosen match each neuron written in terms of the other side's.
  function drawSizes(figure, found) {
    place(
      figure,
      Plot.plot({
        width: Math.min(Math.max(figure.clientWidth, 280), 640),
        height: 180,
        style: { background: "transparent", fontSize: "12px" },
        x: { label: "neurons in the match", interval: 1 },
        y: { label: "neurons that it is minimum for", grid: true },
        marks: [
          Plot.rectY(found.minimum_sizes, Plot.binX({ y: "count" }, { x: (d) => d, interval: 1, fill: token("--accent"), inset: 0.5, tip: true })),
          Plot.ruleY([0]),
        ],
      }),
    );
  }

  function cell(row, kind, text) {
    row.appendChild(document.createElement(kind)).textContent = text;
  }

  function fillMaps(table, match) {
    const map = (title, of, by, own, other, values) => {
      const head = document.createElement("tr");
      cell(head, "th", title);
      by.forEach((neuron) => cell(head, "th", `${other}${neuron}`));
      const rows = of.map((neuron, i) => {
        const row = document.createElement("tr");
        cell(row, "th", `${own}${neuron} =`);
        by.forEach((_, j) => cell(row, "td", d3.format(".3~g")(values[j][i])));
        return row;
      });
      return [head, ...rows];
    };
    table.replaceChildren(
      ...map("x from y", match.x, match.y, "x", "y", match.x_from_y),
      ...map("y from x", match.y, match.x, "y", "x", match.y_from_x),
    );
  }

  function drawSimple(section, found) {
    if (!found.matches.length) return;
    drawSizes(section.querySelector("figure"), found);
    const select = section.querySelector("select");
    if (!select.options.length) {
      found.matches.forEach((match, i) => {
        const names = [...match.x.map((n) => `x${n}`), ...match.y.map((n) => `y${n}`)];
        select.add(new Option(`${names.length} neurons: ${names.slice(0, 12).join(" ")}${names.length > 12 ? " \u2026" : ""}`, i));
      });
      select.addEventListener("change", () => fillMaps(section.querySelector("table"), found.matches[select.value]));
    }
    fillMaps(section.querySelector("table"), found.matches[select.value]);
  }

  // A profile with its interval, what holds on rows not fitted, and chance.
  function drawEvidence(figure, pair) {
    const found = pair.assessment.profile;
    const rows = found.eps.map((eps, i) => ({ eps, share: found.similarity[i], low: found.low[i], high: found.high[i], chance: found.null[i] }));
    const held = found.held_out_eps.map((eps, i) => ({ eps, share: found.held_out[i] }));
    place(
      figure,
      Plot.plot({
        ...frame(figure, 260),
        marginLeft: 48,
        x: { domain: [0, 1], label: "eps", grid: true },
        y: { domain: [0, 1], label: "share of neurons matched", grid: true },
        marks: [
          Plot.areaY(rows, { x: "eps", y1: "low", y2: "high", fill: token("--accent"), fillOpacity: 0.2 }),
          Plot.lineY(rows, { x: "eps", y: "share", stroke: token("--accent"), strokeWidth: 2 }),
          Plot.dot(held, { x: "eps", y: "share", fill: token("--y"), r: 4 }),
          Plot.lineY(rows.filter((row) => row.chance !== null), { x: "eps", y: "chance", stroke: "currentColor", strokeDasharray: "1,4", strokeWidth: 2 }),
          Plot.tip(rows, Plot.pointerX({ x: "eps", y: "share", title: (d) => `eps ${d.eps}: ${d.share.toFixed(3)}\n${d.low.toFixed(3)} to ${d.high.toFixed(3)}${d.chance === null ? "" : `\nby chance ${d.chance.toFixed(3)}`}` })),
        ],
      }),
    );
  }

  // One-to-one alignment: both matchings from strongest to weakest, over the same within each network.
  function drawPartners(figure, pair) {
    const found = pair.convergence;
    const curves = [
      ["bipartite", found.bipartite.strength],
      ["semi", found.semi.strength],
      [`within ${short(pair.x_layer)}`, found.bipartite.x_baseline],
      [`within ${short(pair.y_layer)}`, found.bipartite.y_baseline],
    ].filter(([, values]) => values.length);
    const rows = curves.flatMap(([curve, values]) => values.map((strength, rank) => ({ curve, rank: rank + 1, strength })));
    const { x, y } = found.bipartite;
    const partners = found.bipartite.strength.map((strength, i) => ({
      rank: i + 1,
      strength,
      title: `${x[i]} and ${y[i]}: ${strength.toFixed(3)}\nmargin ${found.bipartite.margin[i].toFixed(3)}`,
    }));
    const palette = [token("--accent"), token("--y"), token("--soft"), token("--line")];
    place(
      figure,
      Plot.plot({
        ...frame(figure, 260),
        x: { label: "neurons, strongest partner first", nice: true },
        y: { label: "correlation", grid: true, domain: [Math.min(0, d3.min(rows, (d) => d.strength) ?? 0), 1] },
        color: { legend: true, domain: curves.map(([curve]) => curve), range: palette },
        marks: [
          Plot.ruleY([0]),
          Plot.ruleY([found.chance_correlation], { stroke: "currentColor", strokeOpacity: 0.4, strokeDasharray: "2,4" }),
          Plot.lineY(rows, { x: "rank", y: "strength", stroke: "curve", strokeWidth: 2 }),
          Plot.tip(partners, Plot.pointerX({ x: "rank", y: "strength", title: "title" })),
        ],
      }),
    );
  }

  function drawSparse(figure, pair) {
    const maps = pair.convergence.sparse;
    const rows = maps.flatMap((map) => map.table.filter((row) => row.predictors >= 1).map((row) => ({ to: map.to, ...row })));
    const path = rows.filter((row) => row.penalty !== null);
    const held = path.filter((row) => row.held_out_error !== null);
    const single = rows.filter((row) => row.penalty === null);
    place(
      figure,
      Plot.plot({
        ...frame(figure, 260),
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
  function drawMatrices(figure, pair) {
    const { correlation_percent: matrix, clusters } = pair.convergence;
    const [p, q] = [matrix.length, matrix[0].length];
    const ends = (side) => d3.cumsum(clusters.groups, (group) => group[side].length).slice(0, -1);
    const draw = (title, [x, y], rules) => {
      const box = document.createElement("div");
      box.appendChild(document.createElement("h4")).textContent = title;
      const values = x.flatMap((i) => y.map((j) => Math.abs(matrix[i][j]) / 100));
      box.appendChild(
        Plot.plot({
          width: 320,
          height: Math.max(120, Math.min(420, (320 * p) / q)),
          margin: 24,
          style: { background: "transparent", fontSize: "11px", maxWidth: "100%" },
          x: { label: short(pair.y_layer), ticks: [], domain: [0, q] },
          y: { label: short(pair.x_layer), ticks: [], domain: [p, 0] },
          color: { type: "linear", domain: [0, 1], range: [token("--card"), token("--ink")] },
          marks: [
            Plot.raster(values, { width: q, height: p, imageRendering: "pixelated" }),
            Plot.frame({ strokeOpacity: 0.3 }),
            Plot.ruleX(rules ? ends("y") : [], { stroke: token("--y") }),
            Plot.ruleY(rules ? ends("x") : [], { stroke: token("--y") }),
          ],
        }),
      );
      return box;
    };
    figure.replaceChildren(
      draw("|correlation|, as they come", [d3.range(p), d3.range(q)], false),
      draw("by cluster", clusters.order, true),
    );
  }

  function drawMatrix(figure) {
    const { layers, values, first_component: share } = data.matrices[document.getElementById("measure").value];
    const cells = layers.flatMap((x, i) => layers.map((y, j) => ({ x, y, value: values[i][j] }))).filter((d) => d.value !== null);
    const size = Math.min(Math.max(figure.clientWidth, 280), 760);
    const margin = Math.min(150, 7 * d3.max(layers, (name) => short(name).length) + 12);
    const style = { background: "transparent", fontSize: layers.length > 30 ? "8px" : "11px" };
    const color = { scheme: "magma", domain: [0, 1], label: "similarity" };
    const heat = Plot.plot({
      width: size,
      height: size - margin / 2,
      marginLeft: margin,
      marginBottom: margin,
      style,
      x: { domain: layers, tickFormat: short, tickRotate: -90, label: null },
      y: { domain: layers, tickFormat: short, label: null },
      marginRight: 8,
      color,
      marks: [Plot.cell(cells, { x: "y", y: "x", fill: "value", tip: true, title: (d) => `${d.x}\n${d.y}\n${d.value.toFixed(3)}` })],
    });
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
    figure.replaceChildren(bars, Plot.legend({ color, marginLeft: 14 }), heat);
  }

  function drawUniversality(figure) {
    const kinds = { partners: "has a partner", matched: "is in the match" };
    const rows = data.universality.flatMap((found) =>
      Object.entries(kinds).flatMap(([kind, title]) => {
        const counts = found.distribution[kind];
        return counts.map((count, others) => ({ layer: found.layer, title, others, share: count / d3.sum(counts) }));
      }),
    );
    const most = data.networks.length - 1;
    const range = dark.matches ? ["#26384a", "#bfe3ff"] : ["#dbe9f6", "#08386b"];
    place(
      figure,
      Plot.plot({
        ...frame(figure, 340),
        marginLeft: 48,
        marginBottom: data.universality.length > 6 ? 90 : 50,
        fy: { label: null, domain: Object.values(kinds), axis: null, padding: 0.25 },
        x: { domain: data.universality.map((found) => found.layer), tickFormat: short, tickRotate: data.universality.length > 6 ? -40 : 0, label: null },
        y: { domain: [0, 1], label: "share of neurons", tickFormat: ".0%", grid: true, ticks: 3 },
        color: { type: "ordinal", legend: true, label: "other networks", domain: d3.range(most + 1), tickFormat: (n) => `in ${n} others`, range: d3.quantize(d3.interpolateRgb(...range), most + 1) },
        marks: [
          Plot.barY(rows, { x: "layer", y: "share", fy: "title", fill: "others", order: "-others", tip: true, title: (d) => `${d.layer}: ${d3.format(".0%")(d.share)} ${d.title} in ${d.others} others` }),
          Plot.text(Object.values(kinds), { fy: (d) => d, text: (d) => d, frameAnchor: "top-left", dy: -13, fontWeight: 600 }),
          Plot.ruleY([0]),
        ],
      }),
    );
  }

  function drawLayer(details) {
    if (!details.open) return;
    const pair = pairs[details.dataset.pair];
    drawLevels(details.querySelector(".levels"), pair);
    drawPartners(details.querySelector(".partners"), pair);
    const drawings = { ".proof": drawEvidence, ".sparse": drawSparse, ".matrices": drawMatrices };
    for (const [where, draw] of Object.entries(drawings)) {
      details.querySelectorAll(where).forEach((figure) => draw(figure, pair));
    }
    fillMembers(details.querySelector(".members tbody"), pair);
    details.querySelectorAll(".simple").forEach((section) => drawSimple(section, pair.simple[section.dataset.simple]));
  }

  function drawAll() {
    const palette = colours();
    document.querySelectorAll("[data-pair] .swatch").forEach((swatch) => {
      swatch.style.background = palette[swatch.closest("[data-pair]").dataset.pair];
    });
    drawDepth(document.getElementById("depth"));
    drawCurves(document.getElementById("curves"));
    document.querySelectorAll("#universality").forEach(drawUniversality);
    document.querySelectorAll("#matrix").forEach(drawMatrix);
    document.querySelectorAll("details.layer").forEach(drawLayer);
  }

  document.querySelectorAll("#measure").forEach((select) => {
    select.addEventListener("change", () => drawMatrix(document.getElementById("matrix")));
  });
  document.querySelectorAll("details.layer").forEach((details) => {
    details.addEventListener("toggle", () => drawLayer(details));
  });
  dark.addEventListener("change", drawAll);
  let width = 0;
  new ResizeObserver(() => {
    if (document.body.clientWidth === width) return;
    width = document.body.clientWidth;
    drawAll();
  }).observe(document.body);
})();
