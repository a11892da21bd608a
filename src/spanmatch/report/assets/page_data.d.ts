// Generated from report/page_schema.py and schema.py by tools/page_types.py: run `make types` after a change.

/**
 * Everything that the page shows.
 */
export interface PageData {
  study: StudyRecord | null;
  /**
   * @minItems 1
   */
  comparisons: [PageComparison, ...PageComparison[]];
}
/**
 * study.json: what was trained, or given trained, and what was found over its seeds, or its networks.
 */
export interface StudyRecord {
  format: "spanmatch.study";
  version: 3;
  spanmatch: string;
  torch: string;
  name: string;
  about: string;
  intervals_over: "seeds" | "networks";
  settings: {
    [k: string]: unknown;
  };
  /**
   * @minItems 1
   */
  variants: [VariantRecord, ...VariantRecord[]];
  runs: RunRecord[];
  steps: (ComparedStep | EpochsStep | AlignmentStep | AlternativesStep)[];
}
/**
 * One kind of network.
 */
export interface VariantRecord {
  name: string;
  data: string;
  network: string;
  /**
   * @minItems 1
   */
  epochs: [VariantEpochRecord, ...VariantEpochRecord[]];
}
/**
 * How the networks of a variant did after an epoch.
 */
export interface VariantEpochRecord {
  epoch: number;
  test_accuracy: SpreadRecord;
  test_loss: SpreadRecord;
  train_accuracy?: SpreadRecord;
  train_loss?: SpreadRecord;
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
 * One network, and its training.
 */
export interface RunRecord {
  variant: string;
  name: string;
  seed: number | null;
  reason: string | null;
  history: RunEpochRecord[];
}
/**
 * How a network did after an epoch.
 */
export interface RunEpochRecord {
  epoch: number;
  test_accuracy: number | null;
  test_loss: number | null;
  train_accuracy?: number;
  train_loss?: number;
}
/**
 * A comparison of whole networks, which has a folder of its own under "comparisons".
 */
export interface ComparedStep {
  name: string;
  kind: "seeds" | "across";
  /**
   * @minItems 1
   * @maxItems 2
   */
  variants: [string] | [string, string];
  /**
   * @minItems 1
   */
  rows: [LayerRecord, ...LayerRecord[]];
  blocks: BlocksRecord | null;
  transplants: TransplantedRecord[];
}
/**
 * s(eps) or a measure of a layer, over pairs of networks.
 */
export interface LayerRecord {
  value: number | null;
  low: number | null;
  high: number | null;
  minimum: number | null;
  maximum: number | null;
  layer: string;
  neurons: number;
  quantity: string;
  eps: number | null;
  estimate: ("corrected" | "in sample" | "held out" | "null") | null;
}
/**
 * Whether the layers of a network are alike, and whether those of another seed's are.
 */
export interface BlocksRecord {
  measure: string;
  within: SpreadRecord;
  between: SpreadRecord;
  first_component: {
    [k: string]: SpreadRecord;
  };
}
/**
 * The accuracy of a variant's networks with the match of a layer transplanted.
 */
export interface TransplantedRecord {
  layer: string;
  neurons: number;
  eps: number;
  matched: SpreadRecord;
  accuracy: {
    [k: string]: SpreadRecord;
  };
  differences: {
    [k: string]: SpreadRecord;
  };
}
/**
 * Training followed: each network against itself at the end, and seeds against seeds.
 */
export interface EpochsStep {
  name: string;
  kind: "epochs";
  /**
   * @minItems 1
   * @maxItems 1
   */
  variants: [string];
  /**
   * @minItems 1
   */
  rows: [FollowedRecord, ...FollowedRecord[]];
}
/**
 * s(eps) or a measure of a layer after an epoch.
 */
export interface FollowedRecord {
  epoch: number;
  layer: string;
  quantity: string;
  eps: number | null;
  own: SpreadRecord;
  between: SpreadRecord;
}
/**
 * How far the first layer's weights share principal directions with the data.
 */
export interface AlignmentStep {
  name: string;
  kind: "alignment";
  /**
   * @minItems 1
   * @maxItems 1
   */
  variants: [string];
  neurons: number;
  inputs: number;
  /**
   * @minItems 1
   */
  epochs: [MisalignmentRecord, ...MisalignmentRecord[]];
  random: RandomRecord;
}
/**
 * The misalignment after an epoch.
 */
export interface MisalignmentRecord {
  value: number | null;
  low: number | null;
  high: number | null;
  minimum: number | null;
  maximum: number | null;
  epoch: number;
  change: SpreadRecord;
}
/**
 * The misalignment of random weights.
 */
export interface RandomRecord {
  draws: number;
  value: number;
  low: number;
  high: number;
}
/**
 * Seeds against seeds with rows made in other ways: what of the result depends on that choice.
 */
export interface AlternativesStep {
  name: string;
  kind: "alternatives";
  /**
   * @minItems 1
   * @maxItems 1
   */
  variants: [string];
  /**
   * @minItems 1
   */
  rows: [AlternativeRecord, ...AlternativeRecord[]];
}
/**
 * s(eps) or a measure of a layer, with rows made in one way.
 */
export interface AlternativeRecord {
  value: number | null;
  low: number | null;
  high: number | null;
  minimum: number | null;
  maximum: number | null;
  layer: string;
  neurons: number;
  quantity: string;
  eps: number | null;
  estimate: ("corrected" | "in sample" | "held out" | "null") | null;
  alternative: string;
  n_rows: number;
  n_examples: number;
}
/**
 * A ComparisonRecord with fewer digits and without what is too large for a page.
 */
export interface PageComparison {
  name: string;
  format: "spanmatch.comparison";
  version: 9;
  spanmatch: string;
  /**
   * @minItems 1
   */
  networks: [string, ...string[]];
  /**
   * @minItems 1
   */
  eps: [number, ...number[]];
  eps_from_levels: boolean;
  match: "name" | "depth" | "best" | "given";
  not_compared: string[];
  correspondence: CorrespondenceRecord | null;
  scores: ScoreRecord[];
  changes: ChangesRecord[];
  /**
   * @minItems 2
   * @maxItems 2
   */
  rows: [number, number];
  centred: boolean;
  method: "gram" | "qr" | "single";
  notes: {
    [k: string]: string;
  };
  universality: UniversalityRecord[];
  matrices: MatrixRecord[];
  transplants: TransplantRecord[];
  inputs: PageInputs | null;
  /**
   * @minItems 1
   */
  pairs: [PagePair, ...PagePair[]];
}
/**
 * Layers with their counterparts.
 */
export interface CorrespondenceRecord {
  measure: string;
  counterparts: CounterpartRecord[];
}
/**
 * A layer and its counterpart in another network.
 */
export interface CounterpartRecord {
  x_layer: string;
  y_layer: string;
  similarity: number | null;
  margin: number | null;
  next_best: string;
}
/**
 * Scores of two networks from the similarity of all their layers.
 */
export interface ScoreRecord {
  measure: string;
  x_network: string;
  y_network: string;
  /**
   * @minItems 1
   */
  x_layers: [string, ...string[]];
  /**
   * @minItems 1
   */
  y_layers: [string, ...string[]];
  x_best: number;
  y_best: number;
  best: number;
  path: [string, string][];
  path_score: number;
  coupling: number[][];
  coupling_score: number;
}
/**
 * What changed between two networks that are nearly the same.
 */
export interface ChangesRecord {
  x_network: string;
  y_network: string;
  sentence: string;
  /**
   * @minItems 1
   */
  layers: [LayerChangeRecord, ...LayerChangeRecord[]];
}
/**
 * How much two layers differ; 0 is below the resolution.
 */
export interface LayerChangeRecord {
  x_layer: string;
  y_layer: string;
  identical: boolean;
  difference: number | null;
  difference_resolution: number | null;
  one_minus_cka: number | null;
  cka_resolution: number | null;
  median_level: number | null;
  largest_level: number | null;
  share_above: number | null;
  level_resolution: number;
}
/**
 * In how many other networks each neuron of a layer is found.
 */
export interface UniversalityRecord {
  layer: string;
  /**
   * @minItems 2
   */
  networks: [string, string, ...string[]];
  rows: number;
  min_correlation: number;
  eps: number;
  by: "correlation" | "absolute" | "information";
  partners: {
    [k: string]: number[];
  };
  matched: {
    [k: string]: number[];
  };
  distribution: DistributionRecord;
  everywhere: number[][];
  cycle_consistency: number | null;
  null_cycle_consistency: number | null;
  seed: number;
  triangles: TriangleRecord[];
}
/**
 * How many neurons, over all networks, are found in 0, 1, ... others.
 */
export interface DistributionRecord {
  partners: number[];
  matched: number[];
}
/**
 * Partnerships from network a by way of b to c.
 */
export interface TriangleRecord {
  a: string;
  b: string;
  c: string;
  chains: number;
  closed: number;
  chance: number | null;
}
/**
 * A measure of every two layers.
 */
export interface MatrixRecord {
  name: string;
  /**
   * @minItems 1
   */
  layers: [string, ...string[]];
  values: (number | null)[][];
  first_component: (number | null)[];
  layout: string;
}
/**
 * How network A does when neurons of a layer are replaced by what network B's predict them to be.
 */
export interface TransplantRecord {
  x_layer: string;
  y_layer: string;
  eps: number;
  n_examples: number;
  seed: number;
  level: number;
  /**
   * @minItems 2
   */
  outcomes: [OutcomeRecord, OutcomeRecord, ...OutcomeRecord[]];
  differences: DifferenceRecord[];
  refused: {
    [k: string]: string;
  };
}
/**
 * How network A does under one condition.
 */
export interface OutcomeRecord {
  condition: string;
  neurons: number;
  predictors: number;
  loss: number | null;
  accuracy: number | null;
}
/**
 * A condition less its control, on the same examples.
 */
export interface DifferenceRecord {
  condition: string;
  control: string;
  accuracy: IntervalRecord;
  loss: IntervalRecord;
}
/**
 * A mean over examples with its interval; null where it cannot be had.
 */
export interface IntervalRecord {
  value: number | null;
  low: number | null;
  high: number | null;
}
/**
 * An InputsRecord with as many inputs of each neuron as fit.
 */
export interface PageInputs {
  layers: {
    [k: string]: PageTop;
  };
  shown: (PicturesRecord | TextsRecord) | null;
}
/**
 * A TopRecord with activations rounded.
 */
export interface PageTop {
  examples: number[][];
  values: (number | null)[][];
  places: number[][] | null;
}
/**
 * Small pictures of examples, in rows on one sheet.
 */
export interface PicturesRecord {
  kind: "images";
  examples: number[];
  width: number;
  height: number;
  columns: number;
  sheet: string;
}
/**
 * The tokens of examples.
 */
export interface TextsRecord {
  kind: "texts";
  examples: number[];
  tokens: string[][];
}
/**
 * A PairRecord with its alignment and simple matches reduced.
 */
export interface PagePair {
  name: string;
  layer: string;
  similarity: (number | null)[];
  null_similarity: (number | null)[];
  /**
   * @minItems 1
   */
  x_levels: [number | null, ...(number | null)[]];
  /**
   * @minItems 1
   */
  y_levels: [number | null, ...(number | null)[]];
  x_layer: string;
  y_layer: string;
  x_neurons: number;
  y_neurons: number;
  x_silent: number[];
  y_silent: number[];
  rows: number;
  n_examples: number;
  layout: string;
  centred: boolean;
  method: "gram" | "qr" | "single";
  resolution: number;
  chance_distance: number;
  warnings: string[];
  simple: PageSimple[];
  alignment: PageAlignment;
  sample: SampleRecord | null;
  measures: MeasureRecord[];
  evidence: EvidenceRecord | null;
  refusals: {
    [k: string]: string;
  };
}
/**
 * A SimpleRecord with the smaller of its matches, coefficients rounded.
 */
export interface PageSimple {
  eps: number;
  complete: boolean;
  ended: string;
  minimum_sizes: number[];
  matches: SimpleMatchRecord[];
  count: number;
}
/**
 * A simple match, with each side's neurons in terms of the other's.
 */
export interface SimpleMatchRecord {
  x: number[];
  y: number[];
  minimum_for: [("x" | "y") | number, ("x" | "y") | number][];
  x_from_y: number[][];
  y_from_x: number[][];
}
/**
 * An AlignmentRecord reduced to what is drawn.
 */
export interface PageAlignment {
  /**
   * @minItems 2
   * @maxItems 2
   */
  constant: [number[], number[]];
  chance_correlation: number;
  bipartite: PagePartners;
  semi: PageStrengths;
  information: number | null;
  by_information_only: number;
  /**
   * @minItems 0
   * @maxItems 2
   */
  sparse: [] | [PageSparse] | [PageSparse, PageSparse];
  few: PageFewBySide;
  clusters: PageClusters | null;
}
/**
 * Partners, strongest first: neuron x[k] with neuron y[k].
 */
export interface PagePartners {
  x: number[];
  y: number[];
  strength: number[];
  margin: (number | null)[];
  next_y: number[];
  back_margin: (number | null)[];
  next_x: number[];
  x_baseline: (number | null)[];
  y_baseline: (number | null)[];
}
/**
 * Strengths of partners alone, strongest first.
 */
export interface PageStrengths {
  strength: number[];
}
export interface PageSparse {
  from: string;
  to: string;
  table: SparseRow[];
}
/**
 * How well neurons are predicted at one penalty, means over neurons.
 */
export interface SparseRow {
  penalty: number | null;
  predictors: number;
  error: number | null;
  held_out_error: number | null;
}
/**
 * The few predictors of the neurons of each layer, by the layer that is predicted.
 */
export interface PageFewBySide {
  x?: PageFew;
  y?: PageFew;
}
/**
 * FewRecords by column, one entry for each neuron that has predictors.
 */
export interface PageFew {
  neuron: number[];
  count: number[];
  predictors: number[][];
  coefficients: number[][];
  error: number[];
  held_out_error: (number | null)[];
}
/**
 * A ClustersRecord with its clusters by column, one entry for each cluster.
 */
export interface PageClusters {
  method: "spectral" | "hierarchical";
  clear: boolean;
  order: NeuronsBySide;
  sizes: CountsBySide;
  between: number[];
  outside: number[];
  eps: number[];
  drawn: DrawnRecord;
}
/**
 * Neurons of both layers.
 */
export interface NeuronsBySide {
  x: number[];
  y: number[];
}
/**
 * Counts for both layers.
 */
export interface CountsBySide {
  x: number[];
  y: number[];
}
/**
 * |correlation| in percent, in blocks of neurons where there are many: the largest of each.
 */
export interface DrawnRecord {
  /**
   * @minItems 1
   */
  as_they_come: [number[], ...number[][]];
  /**
   * @minItems 1
   */
  by_cluster: [number[], ...number[][]];
}
/**
 * The sampled examples, of which some measures and all p-values by permutation are.
 */
export interface SampleRecord {
  size: number;
  n_examples: number;
  seed: number;
  x_features: number;
  y_features: number;
  x_rows: "flat" | "mean" | "last";
  y_rows: "flat" | "mean" | "last";
}
/**
 * A measure with its interval, its bias, its value under the null, and its p-value.
 */
export interface MeasureRecord {
  name: string;
  kind: "similarity" | "distance";
  estimator: "unbiased" | "corrected" | "held out" | "in sample";
  needs: "moments" | "sample";
  value: number | null;
  low: number | null;
  high: number | null;
  bias: number | null;
  null_value: number | null;
  p_value: number | null;
  permutations: number;
  calibrated: number | null;
  reason: string;
}
/**
 * Whether there are enough rows, and the evidence of the match profile; that of measures is beside them.
 */
export interface EvidenceRecord {
  level: number;
  rows: RowsRecord | null;
  corrected: CorrectedRecord | null;
  profile: ProfileRecord | null;
}
/**
 * Whether there are enough rows for a match at eps to be far from chance.
 */
export interface RowsRecord {
  rows: number;
  n_examples: number;
  needed: number;
  enough: boolean;
  advice: string;
  eps: number;
  effective_sample_size: number | null;
  chance_distance: number | null;
}
/**
 * Levels that are corrected for the degrees of freedom of the fit, as estimates for the population.
 */
export interface CorrectedRecord {
  sample_size: number;
  x_levels: (number | null)[];
  y_levels: (number | null)[];
}
/**
 * s(eps) in sample and of the population, under the null, and on rows that were not fitted.
 */
export interface ProfileRecord {
  /**
   * @minItems 1
   */
  eps: [number, ...number[]];
  similarity: (number | null)[];
  corrected: (number | null)[];
  low: (number | null)[];
  high: (number | null)[];
  null: (number | null)[];
  held_out_eps: number[];
  held_out: (number | null)[];
  reason: string;
}
