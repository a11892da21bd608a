// Draws the charts of the page from its data. Numbers and texts that must be right without it are in the HTML.
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const pairs = data.pairs;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const token = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const short = (name) => (name.length > 18 ? name.slice(0, 8) + "\u2026" + name.slice(-8) : name);

  // Depth as colour, within the part of the scale that shows on the background.
  function colours() {
    const [from, to] = dark.matches ? [0.98, 0.35] : [0.82, 0.0];
    const step = (i) => (pairs.length > 1 ? i / (pairs.length - 1) : 1);
    return pairs.map((_, i) => d3.interpolateViridis(from + (to - from) * step(i)));
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

  function place(figure, plot) {
    figure.replaceChildren(plot);
  }

  function drawDepth(figure) {
    const rows = pairs.flatMap((pair, i) =>
      data.eps.map((eps, k) => ({ index: i, eps, share: pair.similarity[k], name: pair.name })),
    );
    const range = dark.matches ? ["#2d6f9e", "#bfe3ff"] : ["#9ccaec", "#08386b"];
    place(
      figure,
      Plot.plot({
        width: Math.max(figure.clientWidth, 280),
        height: 350,
        marginTop: 34,
        marginLeft: 48,
        marginBottom: pairs.length > 6 ? 90 : 50,
        marginRight: 24,
        style: { background: "transparent", fontSize: "12px" },
        x: {
          domain: pairs.map((_, i) => i),
          tickFormat: (i) => short(pairs[i].name),
          tickRotate: pairs.length > 6 ? -40 : 0,
          label: null,
          type: "point",
        },
        y: { domain: [0, 1], grid: true, label: "share of neurons matched", tickFormat: ".0%" },
        color: { type: "ordinal", legend: true, label: "eps", tickFormat: (eps) => `eps ${eps}`, domain: data.eps, range: d3.quantize(d3.interpolateRgb(...range), Math.max(2, data.eps.length)) },
        marks: [
          Plot.ruleY([0]),
          Plot.lineY(rows, { x: "index", y: "share", z: "eps", stroke: "eps", strokeWidth: 2 }),
          Plot.dot(rows, {
            x: "index",
            y: "share",
            fill: "eps",
            r: 3.5,
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
        width: Math.max(figure.clientWidth, 280),
        height: 390,
        marginTop: 34,
        marginLeft: 48,
        style: { background: "transparent", fontSize: "12px" },
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
        width: Math.max(figure.clientWidth, 280),
        height: 280,
        marginTop: 28,
        style: { background: "transparent", fontSize: "12px" },
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

  function drawLayer(details) {
    if (!details.open) return;
    const pair = pairs[details.dataset.pair];
    drawLevels(details.querySelector("figure"), pair);
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
    document.querySelectorAll("details.layer").forEach(drawLayer);
  }

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
