// Generated from report/page_schema.py and schema.py by tools/page_types.py: run `make types` after a change.

/**
 * bench.json: how well every measure does in tests with known answers.
 */
export interface BenchRecord {
  format: "spanmatch.bench";
  version: 1;
  spanmatch: string;
  torch: string;
  quick: boolean;
  level: number;
  /**
   * @minItems 1
   */
  tests: [BenchTestRecord, ...BenchTestRecord[]];
  /**
   * @minItems 1
   */
  networks: [BenchNetworksRecord, ...BenchNetworksRecord[]];
  /**
   * @minItems 1
   */
  measures: [BenchMeasureRecord, ...BenchMeasureRecord[]];
  scores: BenchScoreRecord[];
}
/**
 * A test: what it asks of a measure, and what its score means.
 */
export interface BenchTestRecord {
  name: string;
  question: string;
  score: string;
  perfect: number;
}
/**
 * A set of networks that measures were tested on.
 */
export interface BenchNetworksRecord {
  name: string;
  words: string;
  rows: string;
  /**
   * @minItems 2
   */
  networks: [string, string, ...string[]];
  /**
   * @minItems 1
   */
  layers: [string, ...string[]];
  n_rows: number;
  sample_size: number;
  accuracy: SpreadRecord;
  ranked: boolean;
  tests: string[];
}
/**
 * A mean over seeds or pairs of seeds, with its interval and range; null where there are too few.
 */
export interface SpreadRecord {
  value: number | null;
  low: number | null;
  high: number | null;
  minimum: number | null;
  maximum: number | null;
}
/**
 * A measure, its place among all, and what it costs.
 */
export interface BenchMeasureRecord {
  name: string;
  kind: "similarity" | "distance";
  needs: "moments" | "sample";
  maximum_match: boolean;
  yours: boolean;
  rank: SpreadRecord;
  won: number;
  lost: number;
  seconds: number | null;
}
/**
 * The score of a measure in a test on a set of networks.
 */
export interface BenchScoreRecord {
  measure: string;
  test: string;
  networks: string;
  value: number | null;
  low: number | null;
  high: number | null;
  chance: number;
  rank: number | null;
  among_best: boolean;
  defined: number;
  reason: string;
  details: (BarsRecord | StripsRecord | ScatterRecord | CurvesRecord) | null;
}
/**
 * Values by a name, such as a layer.
 */
export interface BarsRecord {
  kind: "bars";
  labels: string[];
  values: (number | null)[];
}
/**
 * Values in groups, such as similarities of networks of one group and of two; at most some hundred of each.
 */
export interface StripsRecord {
  kind: "strips";
  axis: string;
  labels: string[];
  values: number[][];
}
/**
 * Two quantities of the same cases; at most some hundred.
 */
export interface ScatterRecord {
  kind: "scatter";
  x_axis: string;
  y_axis: string;
  x: number[];
  y: number[];
}
/**
 * Lines over one quantity.
 */
export interface CurvesRecord {
  kind: "curves";
  x_axis: string;
  y_axis: string;
  labels: string[];
  x: number[][];
  y: number[][];
}
