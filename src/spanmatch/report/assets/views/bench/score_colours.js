// Colours of scores: from chance, the colour of the page, to perfect in blue, and below chance to orange.
import { DARK } from "../../display/charts.js";

// As far below chance as colours tell apart, where 1 is the distance from chance to perfect.
const LOWEST = -0.5;
// Colours from the lowest over chance to perfect, and where they stand.
const STOPS = [LOWEST, 0, 0.5, 0.8, 1];
const THEMES = {
  light: ["#d9730d", "#f4f6f8", "#b5d4ea", "#6aaed6", "#2171b5"],
  dark: ["#d9730d", "#1a2129", "#1f4e70", "#35719c", "#9bd0ff"],
};
// Of black and white, one has a contrast of at least 4.58 with any colour.
const [BLACK, WHITE] = ["#000000", "#ffffff"];

/** @typedef {(position: number) => { background: string, ink: string }} ScoreColours */

/**
 * What gives a cell its colours in this theme, from where its score lies between chance (0) and perfect (1).
 * @returns {ScoreColours}
 */
export function scoreColours() {
  const isDark = matchMedia(DARK).matches && !matchMedia("print").matches;
  const scale = d3.scaleLinear(STOPS, isDark ? THEMES.dark : THEMES.light).clamp(true);
  return (position) => {
    const background = scale(position);
    return { background, ink: contrast(background, BLACK) >= contrast(background, WHITE) ? BLACK : WHITE };
  };
}

/** All colours, from the lowest to the highest, as a gradient of CSS. */
export function ramp() {
  const colours = scoreColours();
  const stops = d3.range(LOWEST, 1.001, 0.125).map((position) => colours(position).background);
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
