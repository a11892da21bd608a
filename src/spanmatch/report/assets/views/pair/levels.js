// How many neurons of each network have which level.
/** @import { Pair } from "../../data/pair.js" */
import { epsMarker, frame, place, token } from "../../display/charts.js";

const BIN = 0.02;

/**
 * Draw the chart; returns what moves it with eps.
 * @param {HTMLElement} figure
 * @param {Pair} pair
 */
export function drawLevels(figure, pair) {
  const layers = [pair.x_layer, pair.y_layer];
  const rows = [pair.x_levels, pair.y_levels].flatMap((levels, side) =>
    levels.filter((level) => level !== null).map((level) => ({ layer: layers[side], level })),
  );
  const bins = { x: "level", fy: "layer", fill: "layer", thresholds: d3.range(0, 1.0001, BIN), inset: 0.5, tip: true };
  const chart = place(
    figure,
    Plot.plot({
      ...frame(figure, 250),
      x: { domain: [0, 1], label: "level (eps)" },
      y: { label: "neurons", grid: true, nice: true },
      fy: { label: null, domain: layers, axis: null, padding: 0.25 },
      color: { domain: layers, range: [token("--x"), token("--y")] },
      marks: [
        Plot.rectY(rows, Plot.binX({ y: "count" }, bins)),
        Plot.text(layers, { fy: (d) => d, text: (d) => d, frameAnchor: "top-right", dy: -12, fontWeight: 600 }),
        Plot.ruleY([0]),
      ],
    }),
  );
  return { move: epsMarker(chart, 22, 220) };
}
