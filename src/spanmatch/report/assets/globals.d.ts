// The libraries stand in the page before its own script, as globals.
import * as D3 from "d3";
import * as ObservablePlot from "@observablehq/plot";

declare global {
  const d3: typeof D3;
  const Plot: typeof ObservablePlot;
}
