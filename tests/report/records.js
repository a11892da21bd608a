// Records as the page gets them, small and with the fields that a test names.

const PARTNERS = { x: [], y: [], strength: [], margin: [], next_y: [], back_margin: [], next_x: [] };
const ALIGNMENT = {
  constant: [[], []],
  chance_correlation: 0.1,
  bipartite: { ...PARTNERS, x_baseline: [], y_baseline: [] },
  semi: { strength: [] },
  information: null,
  by_information_only: 0,
  sparse: [],
  few: {},
  clusters: null,
};

export function pairRecord(xLevels, yLevels, fields = {}) {
  return {
    name: "l",
    layer: "l",
    similarity: [],
    x_levels: xLevels,
    y_levels: yLevels,
    x_layer: "a:l",
    y_layer: "b:l",
    x_silent: [],
    y_silent: [],
    x_neurons: xLevels.length,
    y_neurons: yLevels.length,
    resolution: 0,
    warnings: [],
    measures: [],
    simple: [],
    alignment: ALIGNMENT,
    evidence: null,
    refusals: {},
    ...fields,
  };
}

export function comparisonRecord(pairs, fields = {}) {
  return { name: "", eps: [0.1, 0.5], rows: [10, 10], centred: true, notes: {}, pairs, ...fields };
}
