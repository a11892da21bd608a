// The neurons of a pair of layers: all of them in the order of their levels, and one of them looked at closely.
"use strict";
(() => {
  const { h, number } = spanmatch;
  const CONTEXT = 24;

  // One network's neurons as a list to choose from. Those in the match come first, as the order is that of levels.
  function grid(box, levels, name, choose) {
    const order = d3.range(levels.length).sort((i, j) => d3.ascending(levels[i] ?? 2, levels[j] ?? 2) || i - j);
    const sorted = order.map((i) => levels[i] ?? Infinity);
    const options = order.map((i) =>
      h("span", { role: "option", id: `${box.id}-${i}`, class: "cell", "data-neuron": i, "aria-label": `neuron ${i} of ${name}, ${levels[i] === null ? "silent" : `level ${number(levels[i])}`}`, title: `${i}: ${levels[i] === null ? "silent" : number(levels[i])}` }),
    );
    box.replaceChildren(...options);
    box.removeAttribute("aria-activedescendant");
    let inside = 0;
    let chosen = null;
    const select = (neuron) => {
      if (chosen !== null) options[chosen].removeAttribute("aria-selected");
      chosen = neuron === null ? null : order.indexOf(neuron);
      if (chosen === null) return box.removeAttribute("aria-activedescendant");
      options[chosen].setAttribute("aria-selected", "true");
      box.setAttribute("aria-activedescendant", options[chosen].id);
    };
    box.onclick = (event) => event.target.dataset.neuron !== undefined && choose(Number(event.target.dataset.neuron));
    box.onkeydown = (event) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      const end = { Home: 0, End: order.length - 1 }[event.key];
      if (step === undefined && end === undefined) return;
      event.preventDefault();
      const to = end ?? Math.min(order.length - 1, Math.max(0, (chosen ?? -1) + step));
      choose(order[to]);
      options[to].scrollIntoView({ block: "nearest" });
    };
    return {
      first: order[0],
      select,
      // Only what changes is touched.
      move(eps) {
        const now = d3.bisectRight(sorted, eps);
        for (let i = Math.min(inside, now); i < Math.max(inside, now); i++) options[i].classList.toggle("in", i < now);
        inside = now;
        return now;
      },
    };
  }

  // What a neuron's card says: a list of titles and contents.
  function card(comparison, pair, side, neuron, goTo) {
    const other = side === "x" ? "y" : "x";
    const [own, theirs] = [pair[`${side}_layer`], pair[`${other}_layer`]];
    const level = pair[`${side}_levels`][neuron];
    const partner = partnerOf(pair, side, neuron);
    const link = (of, index) => h("button", { type: "button", class: "link", onclick: () => goTo(of, index) }, `${index}`);
    const facts = [["Level", level === null ? "silent: never active, in no match" : `${number(level)}: in the match from this eps on`]];
    facts.push(["Partner", partner ? [link(other, partner.neuron), ` of ${theirs}, correlation ${number(partner.strength)}`] : "none, as it never varies, or all of the other network's are taken"]);
    if (partner && partner.next >= 0) {
      const said = partner.margin < 0 ? [`${number(-partner.margin)} below its best, `, link(other, partner.next), ", which went to another"] : [`${number(partner.margin)} over its next best, `, link(other, partner.next)];
      facts.push(["Margin", said]);
    }
    const small = smallestMatch(pair, side, neuron);
    const larger = pair.simple.find((found) => level !== null && level <= found.eps && found.matches.length < found.count);
    if (small) facts.push([`Smallest match found at eps ${small.eps}`, sides(small.match, pair, link)]);
    else if (larger) facts.push([`Smallest match found at eps ${larger.eps}`, "larger than those that are shown here: it is in simple.csv"]);
    const few = fewOf(pair, side, neuron);
    if (few) {
      const terms = few.predictors.flatMap((k, i) => [i ? ", " : "", link(other, k), ` (${d3.format("+.2f")(few.coefficients[i])})`]);
      const more = few.count - few.predictors.length;
      facts.push(["Few predictors", [...terms, `${more ? ` and ${more} more` : ""}: error ${number(few.error)}${few.held_out_error === null ? "" : `, ${number(few.held_out_error)} held out`}`]]);
    }
    const list = h("dl", {}, facts.flatMap(([title, content]) => [h("dt", {}, title), h("dd", {}, content)]));
    const shown = [list];
    if (comparison.inputs) {
      const excited = h("div", { class: "excited" }, inputs(comparison.inputs, own, neuron, `What excites it most`));
      if (partner) excited.append(inputs(comparison.inputs, theirs, partner.neuron, `What excites its partner most`));
      shown.push(excited);
    }
    return [h("h3", {}, `Neuron ${neuron} of ${own}`), ...shown];
  }

  function partnerOf(pair, side, neuron) {
    const found = pair.alignment.bipartite;
    const i = found[side].indexOf(neuron);
    if (i < 0) return null;
    return side === "x"
      ? { neuron: found.y[i], strength: found.strength[i], margin: found.margin[i], next: found.next_y[i] }
      : { neuron: found.x[i], strength: found.strength[i], margin: found.back_margin[i], next: found.next_x[i] };
  }

  // Matches come smallest first.
  function smallestMatch(pair, side, neuron) {
    for (const found of pair.simple) {
      const match = found.matches.find((m) => m.minimum_for.some(([of, index]) => of === side && index === neuron));
      if (match) return { eps: found.eps, match };
    }
    return null;
  }

  function sides(match, pair, link) {
    const listed = (of) => match[of].flatMap((neuron, i) => [i ? ", " : "", link(of, neuron)]);
    return [...listed("x"), ` of ${pair.x_layer} with `, ...listed("y"), ` of ${pair.y_layer}`];
  }

  function fewOf(pair, side, neuron) {
    const few = pair.alignment.few[side];
    const i = few ? d3.bisectLeft(few.neuron, neuron) : -1;
    if (!few || few.neuron[i] !== neuron) return null;
    return Object.fromEntries(Object.entries(few).map(([name, values]) => [name, values[i]]));
  }

  // The examples that excite a neuron most, as pictures, texts in context, or numbers.
  function inputs({ layers, shown }, layer, neuron, title) {
    const { examples, values, places } = layers[layer];
    const found = examples[neuron].map((example, i) => ({ example, value: values[neuron][i], place: places?.[neuron][i] })).filter((d) => d.example >= 0);
    const items = found.map((d) => h("li", {}, exhibit(shown, d)));
    return h("div", { class: "inputs" }, h("h4", {}, title), items.length ? h("ol", { class: shown?.kind ?? "numbers" }, items) : h("p", { class: "note" }, "Nothing was kept."));
  }

  function exhibit(shown, { example, value, place }) {
    const said = `example ${example}, activation ${d3.format(".3~g")(value)}`;
    const i = shown ? d3.bisectLeft(shown.examples, example) : -1;
    if (!shown || shown.examples[i] !== example) return said;
    if (shown.kind === "texts") return [h("span", { class: "value" }, d3.format(".3~g")(value)), " ", inContext(shown.tokens[i], place)];
    const { width, height, columns, sheet } = shown;
    const scale = 44 / Math.max(width, height);
    const size = `${columns * width * scale}px auto`;
    const at = `${-(i % columns) * width * scale}px ${-Math.floor(i / columns) * height * scale}px`;
    return h("span", { class: "picture", role: "img", "aria-label": said, title: said, style: `width:${width * scale}px;height:${height * scale}px;background:url(${sheet}) ${at} / ${size}` });
  }

  function inContext(tokens, place) {
    const visible = (token) => token.replaceAll("\n", "\u21b5").replaceAll("\t", "\u2192");
    const part = (from, to) => visible(tokens.slice(Math.max(0, from), to).join(""));
    return h("code", {}, part(place - CONTEXT, place), h("mark", {}, visible(tokens[place] ?? "")), part(place + 1, place + 1 + CONTEXT));
  }

  // Everything that the card says, a row for each neuron of both layers.
  function rows(pair, eps) {
    const heads = ["layer", "neuron", "level", `in the match at ${eps}`, "partner", "correlation", "margin", "smallest match found", "few predictors"];
    const of = (side) =>
      pair[`${side}_levels`].map((level, neuron) => {
        const partner = partnerOf(pair, side, neuron);
        const small = smallestMatch(pair, side, neuron);
        const names = small && [...small.match.x.map((n) => `x${n}`), ...small.match.y.map((n) => `y${n}`)].join(" ");
        return [pair[`${side}_layer`], neuron, level, level !== null && level <= eps, partner?.neuron, partner?.strength, partner?.margin, names, fewOf(pair, side, neuron)?.predictors.join(" ")];
      });
    return [heads, [...of("x"), ...of("y")]];
  }

  Object.assign(spanmatch, { card, grid, neuronRows: rows });
})();
