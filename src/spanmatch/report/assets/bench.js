// The page of a benchmark: what is shown, which stands in the address, and the views that follow from it.
/** @import { BenchRecord } from "./bench_data.d.ts" */
/** @import { Shown } from "./data/bench.js" */
import { AT_FIRST, benchView, hashOf, measuresCsv, scoresCsv, shownIn } from "./data/bench.js";
import { unpackBench } from "./data/unpack.js";
import { DARK } from "./display/charts.js";
import { byId, h, selectById } from "./display/elements.js";
import { downloadCsv } from "./display/files.js";
import { showTips } from "./display/tip.js";
import { fillCellPanel } from "./views/bench/cell_panel.js";
import { costChart } from "./views/bench/cost.js";
import { heatMap, mapKey, NARROW, printedMaps } from "./views/bench/heat_map.js";
import { networksTable, testsTable } from "./views/bench/tables.js";

const NEEDS = [
  ["", "all"],
  ["moments", "of the moments"],
  ["sample", "of the sample"],
];
const ORDERS = [
  ["rank", "overall rank"],
  ["seconds", "seconds"],
  ["name", "name"],
];

class BenchPage {
  /** @param {BenchRecord} bench */
  constructor(bench) {
    this.view = benchView(bench);
    this.shown = shownIn(this.view, location.hash);
    const change = (/** @type {Partial<Shown>} */ changes) => this.change(changes);
    this.map = heatMap(byId("scores"), this.view, change);
    this.drawCost = costChart(byId("cost"), bench, (measure) => this.chooseMeasure(measure));
  }

  show() {
    const { bench } = this.view;
    byId("facts").textContent = factsOf(bench);
    byId("tests").lastElementChild?.replaceChildren(testsTable(this.view));
    byId("sets").lastElementChild?.replaceChildren(networksTable(bench));
    const sets = bench.networks.map(({ name }) => [name, name]);
    setOptions("networks", [["", "all"], ...sets]);
    setOptions("needs", NEEDS);
    setOptions("order", ORDERS);
    const ofSets = d3.groups(this.view.columns, ({ networks }) => networks);
    for (const [networks, columns] of ofSets)
      byId("order").append(
        h(
          "optgroup",
          { label: networks },
          columns.map(({ key, test }) => h("option", { value: key }, test.name)),
        ),
      );
    this.listen();
    this.redraw();
  }

  // What is shown -----------------------------------------------------------------------------------------------------

  /** @param {Partial<Shown>} changes */
  change(changes) {
    const before = this.shown;
    this.shown = { ...before, ...changes };
    history.replaceState(null, "", `#${hashOf(this.shown)}`);
    const areOthers = ["networks", "needs", "order"].some((name) => name in changes);
    if (areOthers) this.fillMap();
    if ("cell" in changes || "with" in changes || areOthers) this.showCell("cell" in changes);
  }

  /** @param {string} measure */
  chooseMeasure(measure) {
    if (this.shown.needs) this.change({ needs: AT_FIRST.needs });
    this.map.focusRow(measure);
  }

  closeCell() {
    const { cell } = this.shown;
    this.change({ cell: "", with: "" });
    this.map.focusCell(cell);
  }

  // What is drawn -----------------------------------------------------------------------------------------------------

  redraw() {
    byId("map-key").replaceChildren(...mapKey(this.view.bench.level));
    this.fillMap();
    this.showCell();
    this.drawCost();
  }

  fillMap() {
    for (const name of /** @type {const} */ (["networks", "needs", "order"])) selectById(name).value = this.shown[name];
    this.map.fill(this.shown);
  }

  /** @param {boolean} [isNew] whether it was chosen just now */
  showCell(isNew = false) {
    const panel = byId("cell");
    panel.hidden = !this.shown.cell;
    const change = (/** @type {Partial<Shown>} */ changes) => this.change(changes);
    if (this.shown.cell) fillCellPanel(panel, this.view, this.shown, change, () => this.closeCell());
    this.map.mark(this.shown.cell);
    if (!isNew || !this.shown.cell) return;
    byId("said").textContent = `${byId("cell-title").textContent}: see beside the map.`;
    if (getComputedStyle(panel).position === "static") panel.scrollIntoView({ block: "start" });
  }

  // What is listened to -----------------------------------------------------------------------------------------------

  listen() {
    for (const name of ["networks", "needs", "order"])
      byId(name).addEventListener("change", () => this.change({ [name]: selectById(name).value }));
    const { bench } = this.view;
    const tables = { scores: () => scoresCsv(bench), measures: () => measuresCsv(bench) };
    for (const [name, table] of Object.entries(tables))
      document.querySelector(`[data-csv=${name}]`)?.addEventListener("click", () => downloadCsv(table()));
    byId("cell").addEventListener("keydown", ({ key }) => {
      if (key === "Escape") this.closeCell();
    });
    const tipOf = (/** @type {Element} */ element) => element.closest("[data-tip]")?.getAttribute("data-tip") ?? null;
    showTips(byId("results"), tipOf);
    this.listenToWindow();
  }

  listenToWindow() {
    addEventListener("hashchange", () => {
      this.shown = shownIn(this.view, location.hash);
      this.fillMap();
      this.showCell();
    });
    for (const query of [DARK, NARROW]) matchMedia(query).addEventListener("change", () => this.redraw());
    let width = document.body.clientWidth;
    new ResizeObserver(() => {
      if (document.body.clientWidth === width) return;
      width = document.body.clientWidth;
      this.showCell();
      this.drawCost();
    }).observe(document.body);
    addEventListener("beforeprint", () => byId("printed").replaceChildren(...printedMaps(this.view, this.shown)));
    addEventListener("afterprint", () => byId("printed").replaceChildren());
  }
}

/**
 * @param {string} id
 * @param {string[][]} options values and texts
 */
function setOptions(id, options) {
  byId(id).replaceChildren(...options.map(([value, text]) => h("option", { value }, text)));
}

/** @param {BenchRecord} bench */
function factsOf({ measures, tests, networks, torch }) {
  const count = d3.sum(networks, (set) => set.networks.length);
  const sets = networks.length === 1 ? "one set" : `${networks.length} sets`;
  return `${measures.length} measures, ${tests.length} tests, ${count} networks in ${sets}, trained with PyTorch ${torch}.`;
}

async function start() {
  const bench = await unpackBench(byId("data")).catch((error) => {
    byId("failed").hidden = false;
    throw error;
  });
  new BenchPage(bench).show();
  document.documentElement.dataset.ready = "true";
}

start();
