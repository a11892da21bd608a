// The page: what is chosen, and the views that follow from it.
/** @import { Address, Level } from "./data/address.js" */
/** @import { Estimate, Pair, Side } from "./data/pair.js" */
/** @import { Section } from "./display/elements.js" */
/** @import { TableFile } from "./display/files.js" */
/** @import { PageComparison, PageData } from "./page_data.d.ts" */
import { addressIn, hashOf, setHash } from "./data/address.js";
import { citationOf } from "./data/citation.js";
import {
  comparisonView,
  factsOf,
  mostTellingEps,
  notEstimatedInWords,
  severalInWords,
  silentInWords,
  similarityInWords,
  warningsOf,
} from "./data/comparison.js";
import { blockChoices } from "./data/matrix.js";
import { neuronTable } from "./data/neurons.js";
import { nextSteps } from "./data/next_steps.js";
import { layerOf } from "./data/pair.js";
import { unpack } from "./data/unpack.js";
import { DARK } from "./display/charts.js";
import { copyText } from "./display/copy.js";
import { byId, h, inputById, selectById } from "./display/elements.js";
import { downloadCsv, downloadLatex } from "./display/files.js";
import { number, percent } from "./display/text.js";
import { fillBreadcrumb } from "./views/breadcrumb.js";
import { drawAllLayers, drawComponents, matrixCsv } from "./views/comparison/all_layers.js";
import { changesView, correspondenceView } from "./views/comparison/correspondence.js";
import { fillLayersTable, layersCsv, profilesCsv } from "./views/comparison/layers_table.js";
import { fillNextSteps } from "./views/comparison/next_steps.js";
import { drawSideBySide } from "./views/comparison/side_by_side.js";
import { drawSimilarityByEps } from "./views/comparison/similarity_by_eps.js";
import { drawSimilarityByLayer } from "./views/comparison/similarity_by_layer.js";
import { transplantsView } from "./views/comparison/transplants.js";
import { universalityView } from "./views/comparison/universality.js";
import { clusterViews } from "./views/pair/clusters.js";
import { evidenceViews } from "./views/pair/evidence.js";
import { minimumMatchViews } from "./views/pair/minimum_matches.js";
import { neuronCard } from "./views/pair/neuron_card.js";
import { oneToOneViews } from "./views/pair/one_to_one.js";
import { sparsePredictionViews } from "./views/pair/sparse_prediction.js";
import { drawSwarm } from "./views/pair/swarm.js";
import { alternativesView } from "./views/study/alternatives.js";
import { blocksView } from "./views/study/blocks.js";
import { duringTrainingView } from "./views/study/during_training.js";
import { layersOverSeedsView } from "./views/study/layers_over_seeds.js";
import { stepName } from "./views/study/steps.js";
import { trainingView } from "./views/study/training.js";
import { transplantsOverSeedsView } from "./views/study/transplants_over_seeds.js";
import { weightAlignmentView } from "./views/study/weight_alignment.js";

// Sections in the order of the page. A view returns null, or no sections, if there is nothing for it to show.
const STUDY_VIEWS = [
  layersOverSeedsView,
  alternativesView,
  transplantsOverSeedsView,
  duringTrainingView,
  blocksView,
  weightAlignmentView,
];
const COMPARISON_VIEWS = [changesView, correspondenceView, universalityView, transplantsView];
const PAIR_VIEWS = [evidenceViews, oneToOneViews, sparsePredictionViews, clusterViews, minimumMatchViews];

// The most pairs of layers that a warning names.
const NAMED_PAIRS = 3;
// The measure that is drawn beside s(eps) at first.
const FIRST_MEASURE = "debiased cka";
// Milliseconds until the address follows: browsers refuse changes that are too frequent.
const ADDRESS_DELAY = 250;
// The height in the window at which one reads.
const READING_LINE = 0.25;
// The element at which each level begins.
const PLACES = /** @type {const} */ ({ overview: "overview", layer: "one-layer", neuron: "neuron" });

class Page {
  /** @param {PageData} data */
  constructor({ study, comparisons }) {
    this.study = study;
    this.views = comparisons.map(comparisonView);
    this.view = this.views[0];
    this.firstEps = mostTellingEps(this.view, this.view.isEstimated ? "population" : "sample");
    this.eps = this.firstEps;
    this.layer = this.view.layers[0];
    this.networks = this.view.networks[0];
    /** @type {Level} */
    this.level = "overview";
    /** @type {{ side: Side, index: number } | null} the neuron that was chosen, if any was */
    this.neuron = null;
    this.trainingSections = present([study && trainingView(study)]);
    this.studySections = present(study ? STUDY_VIEWS.map((view) => view(study)) : []);
    /** @type {Section[]} */
    this.comparisonSections = [];
    /** @type {Section[]} */
    this.pairSections = [];
    /** @type {ReturnType<typeof drawSimilarityByLayer> | null} */
    this.byLayer = null;
    /** @type {ReturnType<typeof drawSimilarityByEps> | null} */
    this.byEps = null;
    /** @type {ReturnType<typeof drawSideBySide>} */
    this.sideBySide = null;
    /** @type {ReturnType<typeof fillLayersTable> | null} */
    this.table = null;
    /** @type {ReturnType<typeof drawSwarm> | null} */
    this.swarm = null;
    this.requestedMove = 0;
    this.requestedAddress = 0;
  }

  get pair() {
    return this.view.pair(this.layer, this.networks);
  }

  /** @returns {Estimate} */
  get estimate() {
    return this.view.isEstimated && selectById("estimate").value === "population" ? "population" : "sample";
  }

  get matrix() {
    const { matrices } = this.view.comparison;
    return matrices.find((matrix) => matrix.name === selectById("measure").value) ?? matrices[0];
  }

  // The neuron that is shown: of those of the first layer the one that matches best, until one is chosen.
  get shownNeuron() {
    return this.neuron ?? { side: /** @type {const} */ ("x"), index: this.swarm?.first ?? 0 };
  }

  // Whether these are results of several folders.
  get areSeveral() {
    return !this.study && this.views.length > 1;
  }

  get named() {
    return this.views.map((view) => ({ view, title: this.comparisonTitle(view.comparison.name) }));
  }

  show() {
    if (this.areSeveral) byId("by-depth").before(byId("side-by-side"));
    replaceSections("study", this.trainingSections);
    replaceSections("over-all", this.studySections);
    const names = this.views.map(({ comparison }) => comparison.name);
    const options = names.map((name) => h("option", { value: name }, this.comparisonTitle(name)));
    byId("comparison").replaceChildren(...options);
    byId("comparison-label").hidden = names.length < 2;
    this.listen();
    this.drawStudy();
    this.restore(addressIn(location.hash));
  }

  /** @param {string} name */
  comparisonTitle(name) {
    const step = this.study?.steps.find((candidate) => candidate.name === name);
    return this.study && step ? stepName(step, this.study.intervals_over) : name;
  }

  // What is chosen ----------------------------------------------------------------------------------------------------

  /**
   * Show what an address holds; what these results do not have is as at first.
   * @param {Address} address
   */
  restore({ at, comparison, networks, layer, neuron, eps, estimate }) {
    const view = this.views.find((candidate) => candidate.comparison.name === comparison) ?? this.views[0];
    this.layer = view.layers.find((name) => name === layer) ?? view.layers[0];
    this.networks = view.networks.find((name) => name === networks) ?? view.networks[0];
    this.eps = eps ?? this.firstEps;
    selectById("estimate").value = estimate ?? "population";
    this.chooseComparison(view.comparison.name, neuron);
    if (at !== "overview") this.go(at);
  }

  /**
   * @param {string} name
   * @param {{ side: Side, index: number } | null} [neuron]
   */
  chooseComparison(name, neuron = null) {
    this.view = this.views.find(({ comparison }) => comparison.name === name) ?? this.views[0];
    const { comparison, layers, networks, pairs } = this.view;
    if (!layers.includes(this.layer)) this.layer = layers[0];
    if (!networks.includes(this.networks)) this.networks = networks[0];
    const isThere = neuron && neuron.index < layerOf(this.pair, neuron.side).levels.length;
    this.neuron = isThere ? neuron : null;
    selectById("comparison").value = comparison.name;
    setOptions("networks", networks, this.networks);
    setOptions("layer", layers, this.layer);
    byId("networks-label").hidden = networks.length < 2;
    byId("estimate-label").hidden = !this.view.isEstimated;
    this.offerMeasures();
    showFacts(comparison);
    showWarnings(pairs);
    this.comparisonSections = present(COMPARISON_VIEWS.map((view) => view(comparison)));
    replaceSections("rest", this.comparisonSections);
    this.showPairSections();
    this.drawAll();
  }

  // The measures that can be drawn beside s(eps), and those of all layers against all.
  offerMeasures() {
    const { comparison, measures } = this.view;
    const before = selectById("beside").value;
    const beside = before && measures.includes(before) ? before : measures.find((name) => name === FIRST_MEASURE);
    setOptions("beside", ["", ...measures], beside ?? "", "nothing");
    byId("beside-label").hidden = !measures.length;
    const names = comparison.matrices.map((matrix) => matrix.name);
    setOptions("measure", names, names[0]);
    setOptions("second-measure", ["", ...names], "", "nothing");
    byId("second-label").hidden = names.length < 2;
    const blocks = blockChoices(comparison).map(([name], i) => h("option", { value: i }, name));
    byId("blocks").replaceChildren(...blocks);
    byId("blocks-label").hidden = comparison.networks.length < 2;
    byId("all-layers").hidden = !names.length;
  }

  /**
   * @param {string} layer
   * @param {string} [networks]
   */
  chooseLayer(layer, networks = this.networks) {
    Object.assign(this, { layer, networks, neuron: null });
    selectById("layer").value = layer;
    selectById("networks").value = networks;
    this.showPairSections();
    this.drawComparison();
    this.drawPair();
    this.move();
  }

  /** @param {string} layer */
  openLayer(layer) {
    this.chooseLayer(layer);
    this.go("layer");
  }

  /**
   * @param {Side} side
   * @param {number} index
   */
  chooseNeuron(side, index) {
    const wasInCard = byId("neuron").contains(document.activeElement);
    this.neuron = { side, index };
    this.level = "neuron";
    this.showNeuron();
    this.showAddress();
    if (wasInCard) byId("neuron").focus({ preventScroll: true });
  }

  /**
   * Go to the place of a level.
   * @param {Level} level
   */
  go(level) {
    this.level = level;
    if (level === "overview") scrollTo({ top: 0 });
    else byId(PLACES[level]).scrollIntoView({ block: "start" });
    byId(level === "layer" ? "layer-title" : PLACES[level]).focus({ preventScroll: true });
    this.showAddress();
  }

  /**
   * Choose the pair of layers of a cell of the heat map, or else the first layer's own name.
   * @param {string} x
   * @param {string} y
   */
  chooseCell(x, y) {
    const isOf = (/** @type {Pair} */ pair) =>
      (pair.x_layer === x && pair.y_layer === y) || (pair.x_layer === y && pair.y_layer === x);
    const pair = this.view.pairs.find(isOf);
    const layer = x.slice(x.indexOf(":") + 1);
    if (pair) this.chooseLayer(pair.layer, pair.networks);
    else if (this.view.layers.includes(layer)) this.chooseLayer(layer);
    this.go("layer");
  }

  /** @param {number} eps */
  chooseEps(eps) {
    this.eps = eps;
    cancelAnimationFrame(this.requestedMove);
    this.requestedMove = requestAnimationFrame(() => this.move());
  }

  // What is drawn -----------------------------------------------------------------------------------------------------

  drawStudy() {
    for (const section of [...this.trainingSections, ...this.studySections]) section.redraw();
  }

  drawAll() {
    this.drawComparison();
    this.drawPair();
    this.drawMatrix();
    for (const section of [...this.comparisonSections, ...this.pairSections]) section.redraw();
    this.move();
  }

  drawComparison() {
    const { view, estimate, layer, networks } = this;
    this.sayEstimate();
    const beside = selectById("beside").value;
    this.byLayer = drawSimilarityByLayer(byId("depth"), view, estimate, layer, networks, beside);
    this.byEps = drawSimilarityByEps(byId("curves"), view, estimate, layer, networks);
    this.drawSideBySide();
    const choose = (/** @type {string} */ chosen) => this.openLayer(chosen);
    this.table = fillLayersTable(byId("layers"), view, estimate, layer, networks, choose);
  }

  // The answer; of results that stand side by side, first that of all of them.
  sayAnswer() {
    const { view, estimate, eps, named } = this;
    const answer = similarityInWords(view, estimate, eps);
    byId("in-words").textContent = this.areSeveral ? severalInWords(named, estimate, eps) : answer;
    const silent = silentInWords(view);
    byId("silent-in-words").hidden = !silent;
    byId("silent-in-words").textContent = silent;
    byId("chosen-in-words").hidden = !this.areSeveral;
    byId("chosen-in-words").textContent = `${this.comparisonTitle(view.comparison.name)}: ${answer}`;
  }

  drawSideBySide() {
    const comparisons = this.named;
    const beside = selectById("beside").value;
    const choose = (/** @type {string} */ name) => {
      this.chooseComparison(name);
      /** @type {HTMLElement | null} */ (byId("side-by-side").querySelector("[aria-pressed=true]"))?.focus();
    };
    this.sideBySide = drawSideBySide(byId("side-by-side"), comparisons, this.view, this.estimate, beside, choose);
  }

  drawMatrix() {
    const { matrix, view } = this;
    if (!matrix) return;
    const second = view.comparison.matrices.find(({ name }) => name === selectById("second-measure").value);
    const matrices = second ? [matrix, second] : [matrix];
    const [, networks] = blockChoices(view.comparison)[Number(selectById("blocks").value)];
    const choose = (/** @type {string} */ x, /** @type {string} */ y) => this.chooseCell(x, y);
    const layout = drawAllLayers(byId("matrix"), byId("cell"), matrices, networks, choose);
    drawComponents(byId("components"), matrix, networks, layout);
  }

  showPairSections() {
    this.pairSections = PAIR_VIEWS.flatMap((views) => views(this.pair));
    replaceSections("parts", this.pairSections);
  }

  drawPair() {
    const { pair } = this;
    byId("layer-title").textContent = pair.name;
    byId("x-name").textContent = pair.x_layer;
    byId("y-name").textContent = pair.y_layer;
    this.swarm = drawSwarm(byId("levels"), pair, (side, index) => this.chooseNeuron(side, index));
    this.showNeuron();
  }

  showNeuron() {
    const { side, index } = this.shownNeuron;
    this.swarm?.select(side, index);
    const choose = this.chooseNeuron.bind(this);
    byId("neuron").replaceChildren(...neuronCard(this.view.comparison, this.pair, side, index, choose));
  }

  // Where one is: in the line of levels, and in the page's address once changes have ended.
  showAddress() {
    const { pair, shownNeuron, level } = this;
    const neuron = `neuron ${shownNeuron.index} of ${layerOf(pair, shownNeuron.side).name}`;
    const crumbs = [
      { level: /** @type {const} */ ("overview"), text: "Overview", hash: this.hash("overview") },
      { level: /** @type {const} */ ("layer"), text: pair.name, hash: this.hash("layer") },
      { level: /** @type {const} */ ("neuron"), text: neuron, hash: this.hash("neuron") },
    ];
    fillBreadcrumb(byId("crumbs"), crumbs, level, (chosen) => this.go(chosen));
    clearTimeout(this.requestedAddress);
    this.requestedAddress = setTimeout(() => setHash(this.hash(this.level)), ADDRESS_DELAY);
  }

  /**
   * The hash of what is shown, at one of its levels.
   * @param {Level} at
   */
  hash(at) {
    const { view, layer, networks, eps, estimate } = this;
    const isFirst = view === this.views[0];
    const neuron = at === "neuron" ? this.shownNeuron : this.neuron;
    return hashOf({
      at,
      comparison: isFirst ? null : view.comparison.name,
      networks: networks === view.networks[0] ? null : networks,
      layer: layer === view.layers[0] ? null : layer,
      neuron: at === "overview" ? null : neuron,
      eps: eps === this.firstEps ? null : eps,
      estimate: estimate === "sample" && view.isEstimated ? estimate : null,
    });
  }

  // What is said of the estimate that the charts show.
  sayEstimate() {
    const isSample = this.estimate === "sample";
    byId("estimate-in-words").textContent = isSample
      ? "In sample: the share of neurons in the maximum match of these rows, which is larger than that of the population if rows are few."
      : "Of the population: the share of neurons in the match, corrected for the fit to few rows.";
    const reasons = isSample ? [] : notEstimatedInWords(this.view);
    byId("not-estimated").hidden = !reasons.length;
    byId("not-estimated").textContent = `${reasons.join(" ")} Choose \u201cin sample\u201d to see them.`;
  }

  // Everything that follows eps.
  move() {
    const { eps, pair, view } = this;
    inputById("eps").value = String(eps);
    byId("eps-value").textContent = eps.toFixed(3);
    for (const chart of [this.byLayer, this.byEps, this.table, this.sideBySide]) chart?.move(eps);
    const [x, y] = this.swarm?.move(eps) ?? [0, 0];
    this.sayAnswer();
    byId("layer-summary").textContent = pairInWords(pair, eps, x, y);
    fillNextSteps(byId("next"), nextSteps(view, eps, this.study !== null), (layer) => this.openLayer(layer));
    byId("citation").textContent = citationOf(this.study, view, this.estimate, eps);
    const matched = `${percent(pair.similarityAt(this.estimate, eps))} of ${pair.layer} matched`;
    byId("eps").setAttribute("aria-valuetext", `${eps.toFixed(3)}: ${matched}`);
    this.showAddress();
  }

  // What is listened to -----------------------------------------------------------------------------------------------

  listen() {
    this.listenToControls();
    this.listenToCharts();
    this.listenToWindow();
  }

  listenToControls() {
    const [comparison, networks, layer] = ["comparison", "networks", "layer"].map(selectById);
    comparison.addEventListener("change", () => this.chooseComparison(comparison.value));
    networks.addEventListener("change", () => this.chooseLayer(this.layer, networks.value));
    layer.addEventListener("change", () => this.chooseLayer(layer.value));
    byId("estimate").addEventListener("change", () => {
      this.drawComparison();
      this.move();
    });
    byId("beside").addEventListener("change", () => {
      this.drawComparison();
      this.move();
    });
    for (const id of ["measure", "second-measure", "blocks"])
      byId(id).addEventListener("change", () => this.drawMatrix());
    const copy = byId("copy-citation");
    copy.addEventListener("click", () => copyText(copy, byId("citation")));
    const slider = inputById("eps");
    slider.addEventListener("input", () => this.chooseEps(Number(slider.value)));
    slider.addEventListener("change", () => (byId("said").textContent = byId("layer-summary").textContent));
    this.listenToDownloads();
  }

  listenToDownloads() {
    /** @type {Record<string, () => TableFile>} */
    const tables = {
      layers: () => layersCsv(this.view, this.eps),
      profiles: () => profilesCsv(this.view),
      matrix: () => matrixCsv(this.matrix),
      neurons: () => ["neurons", ...neuronTable(this.pair, this.eps)],
    };
    for (const [name, table] of Object.entries(tables)) {
      document.querySelector(`[data-csv=${name}]`)?.addEventListener("click", () => downloadCsv(table()));
      document.querySelector(`[data-latex=${name}]`)?.addEventListener("click", () => downloadLatex(table()));
    }
  }

  listenToCharts() {
    byId("depth").addEventListener("click", (event) => {
      if (this.byLayer) this.chooseLayer(this.byLayer.nearest(d3.pointer(event, this.byLayer.chart)[0]));
    });
    const curves = byId("curves");
    let dragged = false;
    curves.addEventListener("pointerdown", () => (dragged = false));
    curves.addEventListener("pointermove", (event) => {
      if (!event.buttons) return;
      dragged = true;
      this.chooseEpsAt(event);
    });
    curves.addEventListener("click", (event) => {
      if (dragged || !this.byEps) return;
      const [x, y] = d3.pointer(event, this.byEps.chart);
      const layer = this.byEps.nearest(x, y);
      this.chooseEpsAt(event);
      if (layer) this.chooseLayer(layer);
    });
  }

  /** @param {MouseEvent} event */
  chooseEpsAt(event) {
    if (this.byEps) this.chooseEps(this.byEps.epsAt(d3.pointer(event, this.byEps.chart)[0]));
  }

  listenToWindow() {
    const redraw = () => {
      this.drawStudy();
      this.drawAll();
    };
    matchMedia(DARK).addEventListener("change", redraw);
    addEventListener("hashchange", () => {
      if (location.hash.includes("=") || !location.hash) this.restore(addressIn(location.hash));
      // A link to a place of the page goes there and changes nothing that is shown.
      else this.showAddress();
    });
    this.followScrolling();
    let width = document.body.clientWidth;
    new ResizeObserver(() => {
      if (document.body.clientWidth === width) return;
      width = document.body.clientWidth;
      redraw();
    }).observe(document.body);
    this.listenToPrinting();
  }

  // The level is that of the part of the page that one reads.
  followScrolling() {
    let requested = 0;
    const follow = () => {
      const level = levelInView();
      if (level === this.level) return;
      this.level = level;
      this.showAddress();
    };
    addEventListener("scroll", () => {
      cancelAnimationFrame(requested);
      requested = requestAnimationFrame(follow);
    });
  }

  // A printed page has everything open but the guide.
  listenToPrinting() {
    /** @type {Element[]} */
    let folded = [];
    addEventListener("beforeprint", () => {
      folded = [...document.querySelectorAll("details:not([open], .guide)")];
      for (const element of folded) element.toggleAttribute("open", true);
      for (const { element, redraw } of this.pairSections) if (folded.includes(element)) redraw();
    });
    addEventListener("afterprint", () => {
      for (const element of folded) element.toggleAttribute("open", false);
    });
  }
}

/**
 * What there is of a list.
 * @template {object} Item
 * @param {(Item | null)[]} items
 */
function present(items) {
  return items.filter((item) => item !== null);
}

/**
 * @param {string} id
 * @param {Section[]} sections
 */
function replaceSections(id, sections) {
  byId(id).replaceChildren(...sections.map(({ element }) => element));
}

/**
 * @param {string} id
 * @param {string[]} names
 * @param {string | undefined} chosen
 * @param {string} [none] what the empty name is called
 */
function setOptions(id, names, chosen, none = "") {
  const options = names.map((name) => h("option", { value: name, selected: name === chosen }, name || none));
  byId(id).replaceChildren(...options);
}

/** @param {PageComparison} comparison */
function showFacts(comparison) {
  const facts = factsOf(comparison).map(([title, text]) => h("div", {}, h("dt", {}, title), h("dd", {}, text)));
  byId("facts").replaceChildren(...facts);
}

/**
 * The level whose part of the page one reads.
 * @returns {Level}
 */
function levelInView() {
  const line = READING_LINE * innerHeight;
  const isRead = (/** @type {string} */ id) => {
    const { top, bottom } = byId(id).getBoundingClientRect();
    return top <= line && line < bottom;
  };
  return /** @type {const} */ (["neuron", "layer"]).find((level) => isRead(PLACES[level])) ?? "overview";
}

/** @param {Pair[]} pairs */
function showWarnings(pairs) {
  const warnings = warningsOf(pairs);
  const items = warnings.map(([text, names]) => {
    const others = names.length > NAMED_PAIRS ? ` and ${names.length - NAMED_PAIRS} more` : "";
    return h("li", {}, h("strong", {}, names.slice(0, NAMED_PAIRS).join("; ") + others), `: ${text}.`);
  });
  byId("warnings").hidden = !items.length;
  const about = new Set(warnings.flatMap(([, names]) => names)).size;
  const title = `${items.length} ${items.length === 1 ? "warning" : "warnings"}, about ${about} of ${pairs.length} pairs of layers`;
  byId("warnings").replaceChildren(h("summary", {}, title), h("ul", {}, items));
}

/**
 * How many neurons of a pair of layers are in the match, in a sentence.
 * @param {Pair} pair
 * @param {number} eps
 * @param {number} x neurons in the match
 * @param {number} y
 */
function pairInWords(pair, eps, x, y) {
  const [share, population] = [pair.similarityAt("sample", eps), pair.similarityAt("population", eps)];
  if (share === null)
    return (
      `Below eps ${number(pair.resolution)} matches of ${pair.x_layer} and ${pair.y_layer} cannot be resolved: ` +
      "some neurons of a layer are nearly linear combinations of others."
    );
  const counts = `${x} of ${pair.x_neurons} neurons of ${pair.x_layer} and ${y} of ${pair.y_neurons} of ${pair.y_layer}`;
  const underNull = pair.nullAt(eps);
  const chance = underNull === null ? "" : `, under the null ${percent(underNull, 1)}`;
  const estimate = population === null ? "" : ` Estimated for the population: ${percent(population, 1)}.`;
  return `At eps ${eps.toFixed(3)}, ${counts} are in the maximum match of this sample: ${percent(share, 1)}${chance}.${estimate}`;
}

async function start() {
  const data = await unpack(byId("data")).catch((error) => {
    byId("failed").hidden = false;
    throw error;
  });
  new Page(data).show();
  document.documentElement.dataset.ready = "true";
}

start();
