// Figures as files: what a figure shows, drawings and legends alike, as one SVG that needs no page, or as a PNG.

const SVG = "http://www.w3.org/2000/svg";
// Pixels of a PNG for each pixel of the page.
const SCALE = 3;
const MARGIN = 8;
// Properties that a drawing may have from the page's style, and their values where nothing sets them.
const PROPERTIES = new Map([
  ["fill", "rgb(0, 0, 0)"],
  ["fill-opacity", "1"],
  ["stroke", "none"],
  ["stroke-width", "1px"],
  ["stroke-opacity", "1"],
  ["stroke-dasharray", "none"],
  ["opacity", "1"],
  ["font-size", "16px"],
  ["font-weight", "400"],
  ["font-family", ""],
  ["text-anchor", "start"],
  ["paint-order", "normal"],
  ["display", "inline"],
  ["image-rendering", "auto"],
]);
const INHERITED = ["fill", "fill-opacity", "stroke", "stroke-width", "stroke-opacity", "stroke-dasharray"].concat([
  "font-size",
  "font-weight",
  "font-family",
  "text-anchor",
  "paint-order",
  "image-rendering",
]);

/**
 * What a figure shows as an SVG.
 * @param {HTMLElement} figure
 */
export function svgText(figure) {
  const frame = figure.getBoundingClientRect();
  const [width, height] = [figure.scrollWidth + 2 * MARGIN, figure.scrollHeight + 2 * MARGIN];
  const drawing = svgElement("svg", { xmlns: SVG, width, height, viewBox: `0 0 ${width} ${height}` });
  const background = getComputedStyle(figure.closest(".card") ?? document.body).backgroundColor;
  drawing.append(svgElement("rect", { width, height, fill: background }));
  const offset = { x: MARGIN - frame.left + figure.scrollLeft, y: MARGIN - frame.top };
  for (const svg of figure.querySelectorAll("svg"))
    if (!svg.parentElement?.closest("svg")) drawing.append(placed(svg, offset));
  for (const element of figure.querySelectorAll(".key, .swatch")) drawing.append(keyAsShape(element, offset));
  for (const text of textsOf(figure)) drawing.append(textAt(text, offset));
  return new XMLSerializer().serializeToString(drawing);
}

/**
 * What a figure shows as a PNG.
 * @param {HTMLElement} figure
 * @returns {Promise<Blob | null>}
 */
export async function pngOf(figure) {
  const image = new Image();
  const url = URL.createObjectURL(new Blob([svgText(figure)], { type: "image/svg+xml" }));
  image.src = url;
  await image.decode();
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width: SCALE * image.width, height: SCALE * image.height });
  canvas.getContext("2d")?.drawImage(image, 0, 0, canvas.width, canvas.height);
  URL.revokeObjectURL(url);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}

/**
 * @param {string} name
 * @param {Record<string, string | number>} attributes
 */
function svgElement(name, attributes) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value));
  return element;
}

/** @typedef {{ x: number, y: number }} Offset from places in the window to those in the drawing */

/**
 * A copy of a drawing, where it stands in its figure, with the page's style in its own attributes.
 * @param {SVGSVGElement} svg
 * @param {Offset} offset
 */
function placed(svg, offset) {
  const { left, top, width, height } = svg.getBoundingClientRect();
  const copy = /** @type {SVGSVGElement} */ (svg.cloneNode(true));
  styleCopy(svg, copy, null);
  for (const style of copy.querySelectorAll("style")) style.remove();
  const place = { x: left + offset.x, y: top + offset.y, width, height };
  for (const [name, value] of Object.entries(place)) copy.setAttribute(name, String(value));
  copy.setAttribute("overflow", "visible");
  return copy;
}

/**
 * Set the attributes of a copy, and of all in it, to what the page shows.
 * @param {Element} original
 * @param {Element} copy
 * @param {CSSStyleDeclaration | null} parent style of the element that holds the original, if that is a drawing
 */
function styleCopy(original, copy, parent) {
  if (original instanceof SVGStyleElement) return;
  const style = getComputedStyle(original);
  for (const [name, initial] of PROPERTIES) {
    const value = style.getPropertyValue(name);
    const before = parent && INHERITED.includes(name) ? parent.getPropertyValue(name) : initial;
    if (value === before) copy.removeAttribute(name);
    else copy.setAttribute(name, value);
  }
  for (const name of ["class", "style", "role", "tabindex", "aria-label"]) copy.removeAttribute(name);
  [...original.children].forEach((child, i) => styleCopy(child, copy.children[i], style));
}

/**
 * The texts of a figure that are not in its drawings.
 * @param {HTMLElement} figure
 */
function textsOf(figure) {
  const walker = document.createTreeWalker(figure, NodeFilter.SHOW_TEXT);
  /** @type {Text[]} */
  const texts = [];
  while (walker.nextNode()) {
    const text = /** @type {Text} */ (walker.currentNode);
    if (text.data.trim() && !text.parentElement?.closest("svg, style, .tip, [hidden]")) texts.push(text);
  }
  return texts;
}

/**
 * @param {Text} text
 * @param {Offset} offset
 */
function textAt(text, offset) {
  const range = document.createRange();
  range.selectNodeContents(text);
  const { left, top, height } = range.getBoundingClientRect();
  const { color, fontSize, fontFamily, fontWeight } = getComputedStyle(/** @type {Element} */ (text.parentElement));
  const font = { "font-size": fontSize, "font-family": fontFamily, "font-weight": fontWeight };
  const place = { x: left + offset.x, y: top + offset.y + height / 2, "dominant-baseline": "central" };
  const element = svgElement("text", { ...place, ...font, fill: color });
  element.textContent = text.data.trim();
  return element;
}

/**
 * A mark of a legend, which is a box or the upper edge of one.
 * @param {Element} element
 * @param {Offset} offset
 */
function keyAsShape(element, offset) {
  const { left, top, width, height } = element.getBoundingClientRect();
  const { borderTopWidth, borderTopStyle, borderTopColor, backgroundColor, borderRadius, opacity } =
    getComputedStyle(element);
  const [x, y] = [left + offset.x, top + offset.y];
  const line = Number.parseFloat(borderTopWidth);
  if (!line)
    return svgElement("rect", {
      x,
      y,
      width,
      height,
      rx: Number.parseFloat(borderRadius) && height / 2,
      fill: backgroundColor,
      opacity,
    });
  const dashes = { dashed: "6 4", dotted: `${line} ${line}` };
  const dash = dashes[/** @type {keyof typeof dashes} */ (borderTopStyle)] ?? "none";
  const middle = y + line / 2;
  return svgElement("line", {
    x1: x,
    x2: x + width,
    y1: middle,
    y2: middle,
    stroke: borderTopColor,
    "stroke-width": line,
    "stroke-dasharray": dash,
  });
}
