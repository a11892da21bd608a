// The page: what is chosen, and the views that follow from it.
/** @import { Cell } from "./data/csv.js" */
/** @import { Estimate, Pair, Side } from "./data/pair.js" */
/** @import { Section } from "./display/elements.js" */
/** @import { PageComparison, PageData } from "./page_data.d.ts" */
import {
  comparisonView,
  factsOf,
  mostTellingEps,
  notEstimatedInWords,
  similarityInWords,
  warningsOf,
} from "./data/comparison.js";
import { neuronTable } from "./data/neurons.js";
import { layerOf } from "./data/pair.js";
import { unpack } from "./data/unpack.js";
import { DARK } from "./display/charts.js";
import { byId, download, h, inputById, selectById } from "./display/elements.js";
import { number, percent } from "./display/text.js";
import { drawAllLayers, matrixCsv } from "./views/comparison/all_layers.js";
import { changesView, correspondenceView } from "./views/comparison/correspondence.js";
import { fillLayersTable, layersCsv, profilesCsv } from "./views/comparison/layers_table.js";
import { drawSimilarityByEps } from "./views/comparison/similarity_by_eps.js";
import { drawSimilarityByLayer } from "./views/comparison/similarity_by_layer.js";
import { transplantsView } from "./views/comparison/transplants.js";
import { universalityView } from "./views/comparison/universality.js";
import { clusterViews } from "./views/pair/clusters.js";
import { evidenceViews } from "./views/pair/evidence.js";
import { drawLevels } from "./views/pair/levels.js";
import { minimumMatchViews } from "./views/pair/minimum_matches.js";
import { neuronCard } from "./views/pair/neuron_card.js";
import { fillNeuronGrid } from "./views/pair/neuron_grid.js";
import { oneToOneViews } from "./views/pair/one_to_one.js";
import { sparsePredictionViews } from "./views/pair/sparse_prediction.js";
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

class Page {
  /** @param {PageData} data */
  constructor({ study, comparisons }) {
    this.study = study;
    this.views = comparisons.map(comparisonView);
    this.view = this.views[0];
    this.eps = mostTellingEps(this.view, this.view.isEstimated ? "population" : "sample");
    this.layer = this.view.layers[0];
    this.networks = this.view.networks[0];
    /** @type {{ side: Side, index: number } | null} */
    this.neuron = null;
    this.overview = present([study && trainingView(study)]);
    this.studySections = present(study ? STUDY_VIEWS.map((view) => view(study)) : []);
    /** @type {Section[]} */
    this.comparisonSections = [];
    /** @type {Section[]} */
    this.pairSections = [];
    /** @type {ReturnType<typeof drawSimilarityByLayer> | null} */
    this.byLayer = null;
    /** @type {ReturnType<typeof drawSimilarityByEps> | null} */
    this.byEps = null;
    /** @type {ReturnType<typeof fillLayersTable> | null} */
    this.table = null;
    /** @type {ReturnType<typeof drawLevels> | null} */
    this.levels = null;
    /** @type {Record<Side, ReturnType<typeof fillNeuronGrid>> | null} */
    this.grids = null;
    this.requestedMove = 0;
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

  show() {
    replaceSections("study", this.overview);
    replaceSections("over-all", this.studySections);
    const names = this.views.map(({ comparison }) => comparison.name);
    const options = names.map((name) => h("option", { value: name }, this.comparisonTitle(name)));
    byId("comparison").replaceChildren(...options);
    byId("comparison-label").hidden = names.length < 2;
    this.listen();
    this.drawStudy();
    this.chooseComparison(names[0]);
  }

  /** @param {string} name */
  comparisonTitle(name) {
    const step = this.study?.steps.find((candidate) => candidate.name === name);
    return this.study && step ? stepName(step, this.study.intervals_over) : name;
  }

  // What is chosen ----------------------------------------------------------------------------------------------------

  /** @param {string} name */
  chooseComparison(name) {
    this.view = this.views.find(({ comparison }) => comparison.name === name) ?? this.views[0];
    const { comparison, layers, networks, pairs } = this.view;
    if (!layers.includes(this.layer)) this.layer = layers[0];
    if (!networks.includes(this.networks)) this.networks = networks[0];
    this.neuron = null;
    setOptions("networks", networks, this.networks);
    setOptions("layer", layers, this.layer);
    byId("networks-label").hidden = networks.length < 2;
    byId("estimate-label").hidden = !this.view.isEstimated;
    const measures = comparison.matrices.map((matrix) => matrix.name);
    setOptions("measure", measures, measures[0]);
    byId("all-layers").hidden = !measures.length;
    showFacts(comparison);
    showWarnings(pairs);
    this.comparisonSections = present(COMPARISON_VIEWS.map((view) => view(comparison)));
    replaceSections("rest", this.comparisonSections);
    this.showPairSections();
    this.drawAll();
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

  /**
   * @param {Side} side
   * @param {number} index
   */
  chooseNeuron(side, index) {
    this.neuron = { side, index };
    this.grids?.x.select(side === "x" ? index : null);
    this.grids?.y.select(side === "y" ? index : null);
    const choose = this.chooseNeuron.bind(this);
    byId("neuron").replaceChildren(...neuronCard(this.view.comparison, this.pair, side, index, choose));
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
  }

  /** @param {number} eps */
  chooseEps(eps) {
    this.eps = eps;
    cancelAnimationFrame(this.requestedMove);
    this.requestedMove = requestAnimationFrame(() => this.move());
  }

  // What is drawn -----------------------------------------------------------------------------------------------------

  drawStudy() {
    for (const section of [...this.overview, ...this.studySections]) section.redraw();
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
    this.byLayer = drawSimilarityByLayer(byId("depth"), view, estimate, layer, networks);
    this.byEps = drawSimilarityByEps(byId("curves"), view, estimate, layer, networks);
    const choose = (/** @type {string} */ chosen) => this.chooseLayer(chosen);
    this.table = fillLayersTable(byId("layers"), view, estimate, layer, networks, choose);
  }

  drawMatrix() {
    if (this.matrix) drawAllLayers(byId("matrix"), this.matrix, (x, y) => this.chooseCell(x, y));
  }

  showPairSections() {
    this.pairSections = PAIR_VIEWS.flatMap((views) => views(this.pair));
    replaceSections("parts", this.pairSections);
  }

  drawPair() {
    const { pair } = this;
    byId("layer-title").textContent = pair.name;
    this.levels = drawLevels(byId("levels"), pair);
    this.grids = { x: this.fillGrid("x"), y: this.fillGrid("y") };
    const { side, index } = this.neuron ?? { side: /** @type {const} */ ("x"), index: this.grids.x.first };
    this.chooseNeuron(side, index);
  }

  /** @param {Side} side */
  fillGrid(side) {
    const { name, levels } = layerOf(this.pair, side);
    byId(`${side}-name`).textContent = name;
    return fillNeuronGrid(byId(`${side}-neurons`), levels, name, (index) => this.chooseNeuron(side, index));
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
    const { eps, pair } = this;
    inputById("eps").value = String(eps);
    byId("eps-value").textContent = eps.toFixed(3);
    for (const chart of [this.byLayer, this.byEps, this.table, this.levels]) chart?.move(eps);
    const [x, y] = [this.grids?.x.move(eps), this.grids?.y.move(eps)];
    byId("in-words").textContent = similarityInWords(this.view, this.estimate, eps);
    byId("layer-summary").textContent = pairInWords(pair, eps, x ?? 0, y ?? 0);
    const matched = `${percent(pair.similarityAt(this.estimate, eps))} of ${pair.layer} matched`;
    byId("eps").setAttribute("aria-valuetext", `${eps.toFixed(3)}: ${matched}`);
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
    byId("measure").addEventListener("change", () => this.drawMatrix());
    const slider = inputById("eps");
    slider.addEventListener("input", () => this.chooseEps(Number(slider.value)));
    slider.addEventListener("change", () => (byId("said").textContent = byId("layer-summary").textContent));
    /** @type {Record<string, () => [string, string[], Cell[][]]>} */
    const tables = {
      layers: () => layersCsv(this.view, this.eps),
      profiles: () => profilesCsv(this.view),
      matrix: () => matrixCsv(this.matrix),
      neurons: () => ["neurons.csv", ...neuronTable(this.pair, this.eps)],
    };
    for (const [name, table] of Object.entries(tables))
      for (const button of document.querySelectorAll(`[data-csv=${name}]`))
        button.addEventListener("click", () => download(...table()));
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
    let width = document.body.clientWidth;
    new ResizeObserver(() => {
      if (document.body.clientWidth === width) return;
      width = document.body.clientWidth;
      redraw();
    }).observe(document.body);
    this.listenToPrinting();
  }

  // A printed page has every section open.
  listenToPrinting() {
    /** @type {Section[]} */
    let folded = [];
    addEventListener("beforeprint", () => {
      folded = this.pairSections.filter(({ element }) => !element.hasAttribute("open"));
      for (const section of folded) {
        section.element.toggleAttribute("open", true);
        section.redraw();
      }
    });
    addEventListener("afterprint", () => {
      for (const { element } of folded) element.toggleAttribute("open", false);
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
 */
function setOptions(id, names, chosen) {
  const options = names.map((name) => h("option", { value: name, selected: name === chosen }, name));
  byId(id).replaceChildren(...options);
}

/** @param {PageComparison} comparison */
function showFacts(comparison) {
  const facts = factsOf(comparison).map(([title, text]) => h("div", {}, h("dt", {}, title), h("dd", {}, text)));
  byId("facts").replaceChildren(...facts);
}

/** @param {Pair[]} pairs */
function showWarnings(pairs) {
  const items = warningsOf(pairs).map(([text, names]) => {
    const others = names.length > NAMED_PAIRS ? ` and ${names.length - NAMED_PAIRS} more` : "";
    return h("li", {}, h("strong", {}, names.slice(0, NAMED_PAIRS).join("; ") + others), `: ${text}.`);
  });
  byId("warnings").hidden = !items.length;
  byId("warnings").replaceChildren(h("h2", {}, "Warnings"), h("ul", {}, items));
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
