// Elements of the page: anything with attributes and children, tables, and sections that can be drawn again.
/** @import { Cell } from "../data/csv.js" */
import { tableButtons } from "./files.js";

/** @typedef {string | number | boolean | null | undefined | ((event: Event) => void)} Attribute */
/** @typedef {Node | string | number | null | undefined} Leaf */
/** @typedef {Leaf | Leaf[]} Child */
/** @typedef {{ element: HTMLElement, redraw: () => void }} Section */

// The most rows of a table that is not part of the main results.
const ROWS = 200;

/**
 * An element. Texts are set as texts, never as markup; an attribute that starts with "on" is a listener.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, Attribute>} [attributes]
 * @param {...Child} children
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, String(value));
  }
  for (const child of children.flat()) {
    if (child !== null && child !== undefined) element.append(child instanceof Node ? child : String(child));
  }
  return element;
}

/**
 * The element of the page with an id.
 * @param {string} id
 */
export function byId(id) {
  const element = document.getElementById(id);
  if (!element) throw new Error(`the page has no element ${id}`);
  return element;
}

/** @param {string} id */
export function selectById(id) {
  return /** @type {HTMLSelectElement} */ (byId(id));
}

/** @param {string} id */
export function inputById(id) {
  return /** @type {HTMLInputElement} */ (byId(id));
}

/**
 * A select of texts, of which the values are the indices.
 * @param {string[]} texts
 * @param {(index: number) => void} choose
 * @param {number} [chosen]
 */
export function selectOf(texts, choose, chosen = 0) {
  const options = texts.map((text, i) => h("option", { value: i, selected: i === chosen }, text));
  const select = h("select", { onchange: () => choose(Number(select.value)) }, options);
  return select;
}

/**
 * Fill a table: heads are texts, and the first cell of each row is the row's head.
 * @param {HTMLElement} element
 * @param {string[]} heads
 * @param {Child[][]} rows
 */
export function fillTable(element, heads, rows) {
  const columns = heads.map((text) => h("th", { scope: "col" }, text));
  const body = rows.map(([first, ...cells]) =>
    h(
      "tr",
      {},
      h("th", { scope: "row" }, first),
      cells.map((cell) => h("td", {}, cell)),
    ),
  );
  element.replaceChildren(h("thead", {}, h("tr", {}, columns)), h("tbody", {}, body));
}

/**
 * A table that scrolls in its frame, with buttons that download it.
 * @param {string} label
 * @param {string[]} heads
 * @param {Child[][]} rows
 * @param {{ kind?: string, most?: number }} [options] kind: a class; most: rows that are shown, all of which are in the files
 */
export function table(label, heads, rows, { kind = "", most = Infinity } = {}) {
  const element = h("table");
  fillTable(element, heads, rows.slice(0, most));
  const frame = h("div", { class: `scroll ${kind}`, tabindex: 0, role: "region", "aria-label": label }, element);
  return h(
    "div",
    {},
    frame,
    tableButtons(label, () => [heads, rows.map((row) => row.map(cellOf))]),
  );
}

/**
 * What a table's cell says.
 * @param {Child} child
 * @returns {Cell}
 */
function cellOf(child) {
  if (Array.isArray(child)) return child.map(cellOf).join("");
  return child instanceof Node ? child.textContent : child;
}

/**
 * Append a table of which the first rows are shown.
 * @param {HTMLElement} body
 * @param {string} label
 * @param {string[]} heads
 * @param {Child[][]} rows
 */
export function appendLongTable(body, label, heads, rows) {
  body.append(table(label, heads, rows, { kind: "tall", most: ROWS }));
  if (rows.length > ROWS) appendNote(body, `The first ${ROWS} of ${rows.length}; all are in the CSV files.`);
}

/**
 * @param {HTMLElement} body
 * @param {...Child} texts
 */
export function appendNote(body, ...texts) {
  body.append(h("p", { class: "note" }, ...texts));
}

/**
 * Append a figure for a chart.
 * @param {HTMLElement} body
 * @param {string} label
 * @param {string} [kind]
 */
export function appendFigure(body, label, kind = "") {
  return body.appendChild(h("figure", { role: "img", "aria-label": label, class: kind }));
}

/**
 * A section of the page, drawn by `redraw` once it stands in the page.
 * @param {string} id
 * @param {string} title
 * @param {(body: HTMLElement) => void} draw
 * @returns {Section}
 */
export function section(id, title, draw) {
  const body = h("div");
  const redraw = () => {
    body.replaceChildren();
    draw(body);
  };
  return { element: h("section", { id }, h("h2", {}, title), body), redraw };
}

/**
 * A folded section about one pair of layers, drawn when it is opened.
 * @param {string} title
 * @param {(body: HTMLElement) => void} draw
 * @param {boolean} [open]
 * @returns {Section}
 */
export function foldedSection(title, draw, open = false) {
  const body = h("div", { class: "body" });
  const show = () => {
    if (element.open && !body.childElementCount) draw(body);
  };
  const element = h("details", { class: "part", open, ontoggle: show }, h("summary", {}, title), body);
  const redraw = () => {
    body.replaceChildren();
    show();
  };
  return { element, redraw };
}
