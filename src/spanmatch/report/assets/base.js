// What the other scripts share: unpacking the data, making elements, tables and downloads.
"use strict";
const spanmatch = {};
(() => {
  // The data stand in the page as base64 of gzip of JSON.
  async function unpack(element) {
    const bytes = Uint8Array.from(atob(element.textContent), (c) => c.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).json();
  }

  // What came by column, by row: a list, or {of: columns} for an object in each row.
  function byRow(columns, rows) {
    const inner = Object.entries(columns).map(([name, values]) => [name, Array.isArray(values) ? values : byRow(values.of, rows)]);
    return d3.range(rows).map((i) => Object.fromEntries(inner.map(([name, values]) => [name, values[i]])));
  }

  // An element with attributes and children; texts are text, never markup.
  function h(tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else if (value === true) element.setAttribute(name, "");
      else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value);
    }
    element.append(...children.flat().filter((child) => child !== null && child !== undefined));
    return element;
  }

  // A table: heads are texts, rows are lists of texts or elements, of which the first is the row's head.
  function fill(table, heads, rows) {
    const head = h("thead", {}, h("tr", {}, heads.map((text) => h("th", { scope: "col" }, text))));
    const body = rows.map(([first, ...cells]) => h("tr", {}, h("th", { scope: "row" }, first), cells.map((cell) => h("td", {}, cell))));
    table.replaceChildren(head, h("tbody", {}, body));
    return table;
  }

  function table(label, heads, rows, kind = "") {
    return h("div", { class: `scroll ${kind}`, tabindex: 0, role: "region", "aria-label": label }, fill(h("table"), heads, rows));
  }

  function download(name, heads, rows) {
    const quoted = (value) => {
      const text = value === null || value === undefined ? "" : String(value);
      return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
    };
    const text = [heads, ...rows].map((row) => row.map(quoted).join(",") + "\n").join("");
    const link = h("a", { href: URL.createObjectURL(new Blob([text], { type: "text/csv" })), download: name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  const dark = matchMedia("(prefers-color-scheme: dark)");
  const token = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const short = (name) => (name.length > 18 ? name.slice(0, 8) + "\u2026" + name.slice(-8) : name);
  const network = (layer) => layer.slice(0, layer.indexOf(":"));
  const unknown = (value) => value === null || value === undefined;
  const number = (value, digits = 3) => (unknown(value) ? "\u2013" : value.toFixed(digits));
  const percent = (value, digits = 0) => (unknown(value) ? "\u2013" : `${(100 * value).toFixed(digits)}%`);
  const count = (value) => (value === null ? "\u2013" : d3.format(",.0f")(value));
  const interval = ({ low, high }, digits = 2) => (low === null ? "" : ` (${low.toFixed(digits)} to ${high.toFixed(digits)})`);

  Object.assign(spanmatch, { unpack, byRow, h, fill, table, download, dark, token, short, network, unknown, number, percent, count, interval });
})();
