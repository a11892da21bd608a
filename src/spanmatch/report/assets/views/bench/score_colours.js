// Colours of scores: from chance, the colour of the page, to perfect in blue, and below chance to orange.
import { DARK } from "../../display/charts.js";

// As far below chance as colours tell apart, where 1 is the distance from chance to perfect.
const LOWEST = -0.5;
const ENDS = {
  light: { below: "#d9730d", chance: "#f4f6f8", perfect: "#08519c", inks: ["#111418", "#ffffff"] },
  dark: { below: "#d9730d", chance: "#1a2129", perfect: "#8cc6ff", inks: ["#ffffff", "#0b0e12"] },
};

function ends() {
  return matchMedia(DARK).matches && !matchMedia("print").matches ? ENDS.dark : ENDS.light;
}

/**
 * The colours of a cell whose score lies somewhere between chance (0) and perfect (1).
 * @param {number} position
 */
export function coloursAt(position) {
  const { below, chance, perfect, inks } = ends();
  const share = Math.min(1, position < 0 ? position / LOWEST : position);
  const background = d3.interpolateLab(chance, position < 0 ? below : perfect)(share);
  const [first, second] = inks;
  return { background, ink: contrast(background, first) >= contrast(background, second) ? first : second };
}

/** All colours, from the lowest to the highest, as a gradient of CSS. */
export function ramp() {
  const stops = d3.range(LOWEST, 1.001, 0.125).map((position) => coloursAt(position).background);
  return `linear-gradient(to right, ${stops.join(", ")})`;
}

/**
 * The contrast of two colours, as the WCAG define it.
 * @param {string} one
 * @param {string} other
 */
export function contrast(one, other) {
  const [low = 0, high = 0] = d3.extent([luminance(one), luminance(other)]);
  return (high + 0.05) / (low + 0.05);
}

/** @param {string} colour */
function luminance(colour) {
  const { r, g, b } = d3.rgb(colour);
  const [red, green, blue] = [r, g, b].map((part) => {
    const share = part / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
