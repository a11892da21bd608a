"""What the saved results hold: comparison.json, study.json and bench.json, field by field.

A record is a JSON object; a list is a JSON array; None is JSON's null, for a number that does not exist. Numbers are
finite. A file holds every field of its records, unless it is marked as not required, and no other: whoever adds a field
to a result adds it here. What types cannot say, such as lists that must be as long as others, `saved` checks.

This module loads pydantic: import it where files are read, or for type checking alone.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, NotRequired

from pydantic import AfterValidator, Discriminator, Field
from typing_extensions import TypedDict

MOST = 2**53 - 1
"""The largest whole number that JavaScript holds exactly."""


def _text(value: str) -> str:
    if re.search("[\ud800-\udfff]", value):
        raise ValueError("should be text; half of a surrogate pair is none")
    return value


def _folder_name(value: str) -> str:
    if not re.fullmatch(r"[\w.+-]+", value) or not value.strip("."):
        raise ValueError("should be the name of a folder: letters, digits and . + - _ alone")
    return value


def _picture(value: str) -> str:
    if not re.fullmatch(r"data:image/webp;base64,[A-Za-z0-9+/]+=*", value):
        raise ValueError("should be a picture in a data:image/webp;base64 address")
    return value


Text = Annotated[str, AfterValidator(_text)]
FolderName = Annotated[str, AfterValidator(_folder_name)]
Picture = Annotated[str, AfterValidator(_picture)]
Count = Annotated[int, Field(ge=0, le=MOST)]
Positive = Annotated[int, Field(ge=1, le=MOST)]
Pixels = Annotated[int, Field(ge=1, le=1000)]
Neuron = Annotated[int, Field(ge=0, le=MOST)]
"""The index of a neuron in its layer, from 0."""
NeuronOrNone = Annotated[int, Field(ge=-1, le=MOST)]
"""The index of a neuron, -1 for none."""
ExampleOrNone = Annotated[int, Field(ge=-1, le=MOST)]
"""The number of an example, -1 for none."""
Share = Annotated[float, Field(ge=0, le=1)]
Eps = Annotated[float, Field(ge=0, le=1)]
Level = Annotated[float, Field(ge=0, le=1)]

"""An estimate of a level, which may exceed 1."""
Percent = Annotated[int, Field(ge=0, le=100)]
Matrix = list[list[float]]
NeuronOfSide = Annotated[list[Literal["x", "y"] | Neuron], Field(min_length=2, max_length=2)]
"""["x" or "y", the neuron's index]"""


# comparison.json -----------------------------------------------------------------------------------------------------


class ComparisonRecord(TypedDict):
    """comparison.json: every pair of layers that was compared."""

    format: Literal["spanmatch.comparison"]
    version: Literal[9]
    spanmatch: Text  # the version of spanmatch that wrote the file
    networks: Annotated[list[Text], Field(min_length=1)]  # names, in the order given
    eps: Annotated[list[Eps], Field(min_length=1)]  # those that tables show
    eps_from_levels: bool  # whether eps were chosen from the levels, as s(eps) is 0 or 1 at all default ones
    match: Literal["name", "depth", "best", "given"]  # how layers were paired
    not_compared: list[Text]  # layers in no pair, "network:layer"; none if pairs were listed
    correspondence: CorrespondenceRecord | None  # counterparts, where they say more than names
    scores: list[ScoreRecord]  # of every two networks, where all layers were compared with all
    changes: list[ChangesRecord]  # of networks that are nearly the same
    rows: Annotated[list[Count], Field(min_length=2, max_length=2)]  # the fewest and the most rows of a pair
    centred: bool  # whether each neuron's mean was taken out first
    method: Literal["gram", "qr", "single"]  # how moments were kept
    notes: dict[Text, Text]  # shown in the page, by title
    universality: list[UniversalityRecord]  # one for each layer that more than two networks have
    matrices: list[MatrixRecord]  # of all layers against all, where they were paired
    transplants: list[TransplantRecord]  # those that were made
    inputs: InputsRecord | None  # the inputs that excite each neuron most, if they were kept
    pairs: Annotated[list[PairRecord], Field(min_length=1)]  # one for each pair of layers, those of a layer together


class CorrespondenceRecord(TypedDict):
    """Layers with their counterparts."""

    measure: Text
    counterparts: list[CounterpartRecord]


class CounterpartRecord(TypedDict):
    """A layer and its counterpart in another network."""

    x_layer: Text
    y_layer: Text
    similarity: float | None
    margin: float | None  # to the most similar other layer; null where not all pairs are known
    next_best: Text  # that layer; empty if there is no margin


class ScoreRecord(TypedDict):
    """Scores of two networks from the similarity of all their layers."""

    measure: Text
    x_network: Text
    y_network: Text
    x_layers: Annotated[list[Text], Field(min_length=1)]
    y_layers: Annotated[list[Text], Field(min_length=1)]
    x_best: float  # mean over layers of the similarity to the best counterpart
    y_best: float
    best: float  # the same over the layers of both networks
    path: list[Annotated[list[Text], Field(min_length=2, max_length=2)]]  # the best monotone path
    path_score: float
    coupling: Matrix  # (x_layers, y_layers) the soft coupling
    coupling_score: float


class ChangesRecord(TypedDict):
    """What changed between two networks that are nearly the same."""

    x_network: Text
    y_network: Text
    sentence: Text
    layers: Annotated[list[LayerChangeRecord], Field(min_length=1)]


class LayerChangeRecord(TypedDict):
    """How much two layers differ; 0 is below the resolution."""

    x_layer: Text
    y_layer: Text
    identical: bool  # neuron by neuron, to within the resolution
    difference: float | None  # relative, of neurons at the same place; null if widths differ
    difference_resolution: float | None
    one_minus_cka: float | None  # null if a layer is constant
    cka_resolution: float | None
    median_level: Level | None  # of neurons that are not silent
    largest_level: Level | None
    share_above: Share | None  # of levels above 0.05
    level_resolution: float


class PairRecord(TypedDict):
    """Two layers: the match at every eps, and everything that was asked of them."""

    name: Text  # of the pair, as the page shows it
    layer: Text  # the name that both layers have, or those of both
    similarity: list[Share | None]  # s(eps) at the comparison's eps; null below the resolution
    null_similarity: list[Share | None]  # the same of the null pairing: by chance; null without one
    x_levels: Annotated[
        list[Level | None], Field(min_length=1)
    ]  # the smallest eps at which a neuron is in; null if it is silent
    y_levels: Annotated[list[Level | None], Field(min_length=1)]
    x_layer: Text  # "network:layer"
    y_layer: Text
    x_neurons: Positive
    y_neurons: Positive
    x_silent: list[Neuron]  # neurons that never differ from 0
    y_silent: list[Neuron]
    rows: Count
    n_examples: Count  # how many examples the rows are of
    layout: Text  # how the rows were made, in words
    centred: bool
    method: Literal["gram", "qr", "single"]
    resolution: float  # distances below this cannot be told from 0
    chance_distance: float  # where independent Gaussian layers of these widths would be
    warnings: list[Text]
    simple: list[SimpleRecord]  # one for each eps at which simple matches were looked for
    alignment: AlignmentRecord
    sample: SampleRecord | None  # null if no sample was kept, or it is refused
    measures: list[MeasureRecord]  # all of them; without evidence their values alone
    evidence: EvidenceRecord | None  # if it was asked for
    refusals: dict[Text, Text]  # why something is missing, whole or in part, by its name


class SampleRecord(TypedDict):
    """The sampled examples, of which some measures and all p-values by permutation are."""

    size: Count  # how many examples were sampled
    n_examples: Count  # of how many
    seed: Count
    x_features: Positive  # numbers that were kept of each example
    y_features: Positive
    x_rows: Literal["flat", "mean", "last"]  # what was made of an example's rows
    y_rows: Literal["flat", "mean", "last"]


class SimpleRecord(TypedDict):
    """Minimum and simple matches of two layers at one eps."""

    eps: Eps
    complete: bool  # whether these are all simple matches that there are
    ended: Text  # why the search ended
    minimum_sizes: list[Positive]  # the size of the minimum match of each neuron matched, ascending
    matches: list[SimpleMatchRecord]  # smallest first


class SimpleMatchRecord(TypedDict):
    """A simple match, with each side's neurons in terms of the other's."""

    x: list[Neuron]
    y: list[Neuron]
    minimum_for: list[NeuronOfSide]  # the neurons that it is a minimum match of
    x_from_y: Matrix  # (|y|, |x|) coefficients
    y_from_x: Matrix  # (|x|, |y|)


class AlignmentRecord(TypedDict):
    """One-to-one, few-to-one and many-to-many alignment of two layers."""

    constant: Annotated[
        list[list[Neuron]], Field(min_length=2, max_length=2)
    ]  # neurons of x and of y that never vary, and are left out
    chance_correlation: float  # about the best |correlation| of a neuron with unrelated others
    effective_sample_size: float | None  # the effective sample size that chance correlations and p-values are for
    mean_activation: Annotated[list[list[float]], Field(min_length=2, max_length=2)]  # of every neuron of x and of y
    bipartite: PartnersRecord  # each neuron taken once
    semi: PartnersRecord  # each neuron's best, whoever else takes it
    information: PartnersRecord | None  # the bipartite one by mutual information, if bins were counted
    by_information_only: list[
        Annotated[list[Neuron], Field(min_length=2, max_length=2)]
    ]  # partners that |correlation| pairs otherwise
    sparse: Annotated[list[SparseRecord], Field(min_length=0, max_length=2)]  # y from x and x from y, or none
    clusters: ClustersRecord | None  # if they were asked for


class PartnersRecord(TypedDict):
    """Partners, strongest first: neuron x[k] with neuron y[k]."""

    x: list[Neuron]
    y: list[Neuron]
    strength: list[float]  # correlation, or mutual information
    p_value: list[float | None]  # corrected for the number of partnerships that there could be
    margin: list[float | None]  # how much stronger than x's next best partner
    next_y: list[NeuronOrNone]  # that next best
    back_margin: list[float | None]  # the same seen from y
    next_x: list[NeuronOrNone]
    x_baseline: list[float | None]  # strengths of the same matching within network x, strongest first
    y_baseline: list[float | None]


# "from" is a word of Python, so that this record is written in the other form.
SparseRecord = TypedDict(
    "SparseRecord",
    {
        "from": Text,  # the layer whose neurons predict
        "to": Text,  # the layer whose neurons are predicted
        "table": "list[SparseRow]",  # from one predictor each to all of them
        "few": "list[FewRecord]",  # ascending by neuron
    },
)


class SparseRow(TypedDict):
    """How well neurons are predicted at one penalty, means over neurons."""

    penalty: float | None  # null for the single best predictor, 0 for all of them
    predictors: float
    error: float | None  # 1 - R^2
    held_out_error: float | None  # on folds that were not fitted


class FewRecord(TypedDict):
    """A neuron's few predictors."""

    neuron: Neuron
    predictors: list[Neuron]  # of the other layer, the largest coefficient first
    coefficients: list[float]  # of standardised neurons
    error: float
    held_out_error: float | None


class ClustersRecord(TypedDict):
    """Groups of neurons over both layers."""

    method: Literal["spectral", "hierarchical"]
    seed: Count
    eigenvalues: list[float]  # of the normalised Laplacian, ascending
    null_eigenvalue: float | None  # how small the second one would be under the null
    clear: bool  # whether the gap that tells the number of clusters is clear
    order: Annotated[
        list[list[Neuron]], Field(min_length=2, max_length=2)
    ]  # all neurons of x and of y, cluster by cluster, constant ones last
    groups: list[ClusterRecord]  # largest first
    drawn: DrawnRecord


class ClusterRecord(TypedDict):
    """A group of neurons of both layers."""

    x: list[Neuron]
    y: list[Neuron]
    between: float  # mean |correlation| of its two halves
    within_x: float
    within_y: float
    outside: float  # mean |correlation| with the other network's neurons outside it
    eps: float  # the smallest eps at which it is a match


class DrawnRecord(TypedDict):
    """|correlation| in percent, in blocks of neurons where there are many: the largest of each."""

    as_they_come: Annotated[list[list[Percent]], Field(min_length=1)]
    by_cluster: Annotated[list[list[Percent]], Field(min_length=1)]


class EvidenceRecord(TypedDict):
    """Whether there are enough rows, and the evidence of the match profile; that of measures is beside them."""

    level: Share  # of all intervals, such as 0.95
    rows: RowsRecord | None  # null if refused
    corrected: CorrectedRecord | None  # null if refused
    profile: ProfileRecord | None


class RowsRecord(TypedDict):
    """Whether there are enough rows for a match at eps to be far from chance."""

    rows: Count
    n_examples: Count
    needed: Count
    enough: bool
    advice: Text  # in words; empty if there are enough
    eps: Eps
    effective_sample_size: float | None  # null if it is unknown
    chance_distance: float | None


class MeasureRecord(TypedDict):
    """A measure with its interval, its bias, its value under the null, and its p-value."""

    name: Text
    kind: Literal["similarity", "distance"]
    estimator: Literal["unbiased", "corrected", "held out", "in sample"]
    needs: Literal["moments", "sample"]  # of all rows, or of the sampled examples
    value: float | None
    low: float | None  # null also if the value is too biased for an interval
    high: float | None
    bias: float | None  # about how much a value of few rows is above the population's
    null_value: float | None
    p_value: Share | None  # by permutations of the sampled examples
    permutations: Count  # 0 also for the p-value of CKA over all permutations
    calibrated: Share | None  # the similarity beyond what unrelated layers exceed with a probability of 5%
    reason: Text  # why a number is null; empty if none is


class CorrectedRecord(TypedDict):
    """Levels that are corrected for the degrees of freedom of the fit, as estimates for the population."""

    sample_size: float  # the effective number of independent rows
    x_levels: list[Level | None]  # one for each neuron; null if silent
    y_levels: list[Level | None]


class ProfileRecord(TypedDict):
    """s(eps) in sample and of the population, under the null, and on rows that were not fitted."""

    eps: Annotated[list[Eps], Field(min_length=1)]
    similarity: list[Share | None]  # in sample; as many as eps, like the next four; null below the resolution
    corrected: list[Share | None]  # estimates for the population; null if there are too few rows
    low: list[float | None]  # of the corrected s(eps)
    high: list[float | None]
    null: list[float | None]
    held_out_eps: list[Eps]
    held_out: list[float | None]  # as many as held_out_eps
    reason: Text  # why there is no corrected s(eps); empty if there is


class UniversalityRecord(TypedDict):
    """In how many other networks each neuron of a layer is found."""

    layer: Text
    networks: Annotated[list[Text], Field(min_length=2)]
    rows: Count
    min_correlation: float  # the least that a partner must have
    eps: Eps
    by: Literal["correlation", "absolute", "information"]
    partners: dict[Text, list[Count]]  # by network, for each neuron: in how many others it has a partner
    matched: dict[Text, list[Count]]  # by network, for each neuron: in how many others it is in the maximum match
    distribution: DistributionRecord
    everywhere: list[list[Neuron]]  # partners of each other in all networks, one neuron of each
    cycle_consistency: Share | None  # the share of cycle-consistent chains of partners; null without chains
    null_cycle_consistency: float | None  # the same under the null
    seed: Count  # of the null
    triangles: list[TriangleRecord]


class DistributionRecord(TypedDict):
    """How many neurons, over all networks, are found in 0, 1, ... others."""

    partners: list[Count]
    matched: list[Count]


class TriangleRecord(TypedDict):
    """Partnerships from network a by way of b to c."""

    a: Text
    b: Text
    c: Text
    chains: Count  # neurons of a with a partner in b that has a partner in c
    closed: Count  # those of them whose own partner in c is the same
    chance: float | None  # share of cycle-consistent chains under the null; null without chains


class MatrixRecord(TypedDict):
    """A measure of every two layers."""

    name: Text  # of the measure
    layers: Annotated[list[Text], Field(min_length=1)]
    values: list[list[float | None]]  # null for layers that were not paired, or never vary
    first_component: list[float | None]  # each layer's share of variance in its first principal component
    layout: Text


class TransplantRecord(TypedDict):
    """How network A does when neurons of a layer are replaced by what network B's predict them to be."""

    x_layer: Text  # of A
    y_layer: Text  # of B
    eps: Eps  # of the match
    n_examples: Positive
    seed: Count  # of the untrained network, and of which other examples predict
    level: Share  # of the intervals
    outcomes: Annotated[
        list[OutcomeRecord], Field(min_length=2)
    ]  # untouched, the matched neurons and controls, the whole layer
    differences: list[DifferenceRecord]
    refused: dict[Text, Text]  # why a condition, or "accuracy", is missing


class OutcomeRecord(TypedDict):
    """How network A does under one condition."""

    condition: Text
    neurons: Count  # how many are replaced
    predictors: Count  # how many neurons predict them
    loss: float | None
    accuracy: float | None


class DifferenceRecord(TypedDict):
    """A condition less its control, on the same examples."""

    condition: Text
    control: Text
    accuracy: IntervalRecord
    loss: IntervalRecord


class IntervalRecord(TypedDict):
    """A mean over examples with its interval; null where it cannot be had."""

    value: float | None
    low: float | None
    high: float | None


class InputsRecord(TypedDict):
    """The inputs that excite each neuron most."""

    layers: dict[Text, TopRecord]  # by "network:layer"
    shown: Shown | None  # what those examples look like, if it was given


class TopRecord(TypedDict):
    """Of each neuron of a layer, the examples of its largest activations, largest first."""

    examples: list[list[ExampleOrNone]]  # (neurons, k)
    places: list[list[ExampleOrNone]]  # which row of its example it is, from 0
    values: list[list[float | None]]  # the activations


class PicturesRecord(TypedDict):
    """Small pictures of examples, in rows on one sheet."""

    kind: Literal["images"]
    examples: list[Count]  # their numbers, ascending
    width: Pixels  # of one picture, in pixels
    height: Pixels
    columns: Pixels  # pictures in a row
    sheet: Picture  # the address that holds the sheet


class TextsRecord(TypedDict):
    """The tokens of examples."""

    kind: Literal["texts"]
    examples: list[Count]  # their numbers, ascending
    tokens: list[list[Text]]


Shown = Annotated[PicturesRecord | TextsRecord, Discriminator("kind")]
"""Which of them, the field "kind" says."""


# study.json ----------------------------------------------------------------------------------------------------------


class StudyRecord(TypedDict):
    """study.json: what was trained, or given trained, and what was found over its seeds, or its networks."""

    format: Literal["spanmatch.study"]
    version: Literal[3]
    spanmatch: Text  # the version of spanmatch that wrote the file
    torch: Text  # the version of PyTorch that trained the networks
    name: Text
    about: Text
    intervals_over: Literal["seeds", "networks"]  # networks: those that were trained before the study
    settings: dict[Text, Any]  # the study's file, with its defaults: see study/settings.py, which checks it
    variants: Annotated[list[VariantRecord], Field(min_length=1)]
    runs: list[RunRecord]  # one for each network
    steps: list[StepRecord]  # what was compared


class SpreadRecord(TypedDict):
    """A mean over seeds or pairs of seeds, with its interval and range; null where there are too few."""

    value: float | None
    low: float | None
    high: float | None
    minimum: float | None
    maximum: float | None


class VariantRecord(TypedDict):
    """One kind of network."""

    name: Text
    data: Text  # in words
    network: Text
    epochs: Annotated[list[VariantEpochRecord], Field(min_length=1)]


class VariantEpochRecord(TypedDict):
    """How the networks of a variant did after an epoch."""

    epoch: Count
    test_accuracy: SpreadRecord
    test_loss: SpreadRecord
    train_accuracy: NotRequired[SpreadRecord]  # not before training
    train_loss: NotRequired[SpreadRecord]


class RunRecord(TypedDict):
    """One network, and its training."""

    variant: Text
    name: Text  # among the networks of its variant
    seed: Count | None  # null if it was trained before the study; its history is then one epoch, 0
    reason: Text | None  # why it has no accuracy: its outputs are no scores of the classes
    history: list[RunEpochRecord]


class RunEpochRecord(TypedDict):
    """How a network did after an epoch."""

    epoch: Count
    test_accuracy: float | None  # null where outputs are no scores of the classes
    test_loss: float | None
    train_accuracy: NotRequired[float]  # not before training
    train_loss: NotRequired[float]


class EvaluationRecord(TypedDict):
    """How a network that was trained before the study does; evaluation.json adds what it was made from."""

    test_accuracy: float | None
    test_loss: float | None
    reason: Text | None  # why they are null


Estimate = Literal["corrected", "in sample", "held out", "null"]
"""How a share s(eps) was computed: as an estimate for the population, on the rows at hand, on held-out rows, or with
the null pairing."""


class LayerRecord(SpreadRecord):
    """s(eps) or a measure of a layer, over pairs of networks."""

    layer: Text
    neurons: Positive
    quantity: Text  # as tables name it: "s(0.3)" (in sample), "s(0.3) corrected", or the name of a measure
    eps: Eps | None  # of s(eps); null for a measure
    estimate: Estimate | None  # of s(eps); null for a measure


class ComparedStep(TypedDict):
    """A comparison of whole networks, which has a folder of its own under "comparisons"."""

    name: FolderName  # of that folder
    kind: Literal["seeds", "across"]  # the seeds of one variant, or of two variants
    variants: Annotated[list[Text], Field(min_length=1, max_length=2)]
    rows: Annotated[list[LayerRecord], Field(min_length=1)]
    blocks: BlocksRecord | None  # if all layers were put against all
    transplants: list[TransplantedRecord]  # if any were made


class TransplantedRecord(TypedDict):
    """The accuracy of a variant's networks with the match of a layer transplanted."""

    layer: Text
    neurons: Positive
    eps: Eps
    matched: SpreadRecord  # the share of the layer's neurons that are matched
    accuracy: dict[Text, SpreadRecord]  # by condition: "untouched", "transplant", "stitch", and their controls
    differences: dict[
        Text, SpreadRecord
    ]  # by control: accuracy with the match transplanted minus that under the control


class BlocksRecord(TypedDict):
    """Whether the layers of a network are alike, and whether those of another seed's are."""

    measure: Text
    within: SpreadRecord  # of two layers of one network
    between: SpreadRecord  # of the same two layers in two networks
    first_component: Annotated[dict[Text, SpreadRecord], Field(min_length=1)]  # by layer


class EpochsStep(TypedDict):
    """Training followed: each network against itself at the end, and seeds against seeds."""

    name: FolderName
    kind: Literal["epochs"]
    variants: Annotated[list[Text], Field(min_length=1, max_length=1)]
    rows: Annotated[list[FollowedRecord], Field(min_length=1)]


class FollowedRecord(TypedDict):
    """s(eps) or a measure of a layer after an epoch."""

    epoch: Count
    layer: Text
    quantity: Text
    eps: Eps | None  # of s(eps); null for a measure
    own: SpreadRecord  # against the same network at the end
    between: SpreadRecord  # between seeds


class AlignmentStep(TypedDict):
    """How far the first layer's weights share principal directions with the data."""

    name: FolderName
    kind: Literal["alignment"]
    variants: Annotated[list[Text], Field(min_length=1, max_length=1)]
    neurons: Positive
    inputs: Positive
    epochs: Annotated[list[MisalignmentRecord], Field(min_length=1)]
    random: RandomRecord


class MisalignmentRecord(SpreadRecord):
    """The misalignment after an epoch."""

    epoch: Count
    change: SpreadRecord  # since the first of the epochs


class RandomRecord(TypedDict):
    """The misalignment of random weights."""

    draws: Positive
    value: float
    low: float
    high: float


class AlternativesStep(TypedDict):
    """Seeds against seeds with rows made in other ways: what of the result depends on that choice."""

    name: FolderName
    kind: Literal["alternatives"]
    variants: Annotated[list[Text], Field(min_length=1, max_length=1)]
    rows: Annotated[list[AlternativeRecord], Field(min_length=1)]


class AlternativeRecord(LayerRecord):
    """s(eps) or a measure of a layer, with rows made in one way."""

    alternative: Text
    n_rows: Positive
    n_examples: Positive


StepRecord = Annotated[ComparedStep | EpochsStep | AlignmentStep | AlternativesStep, Discriminator("kind")]
"""Which of them, the field "kind" says."""


# bench.json


class BenchRecord(TypedDict):
    """bench.json: how well every measure does in tests with known answers."""

    format: Literal["spanmatch.bench"]
    version: Literal[1]
    spanmatch: Text  # the version of spanmatch that wrote the file
    torch: Text  # the version of PyTorch that trained the networks
    quick: bool  # whether fewer networks and examples were taken
    level: Share  # the confidence level of intervals
    tests: Annotated[list[BenchTestRecord], Field(min_length=1)]
    networks: Annotated[list[BenchNetworksRecord], Field(min_length=1)]
    measures: Annotated[list[BenchMeasureRecord], Field(min_length=1)]  # best mean rank first
    scores: list[BenchScoreRecord]  # of each measure in each test of each set of networks, where it applies


class BenchTestRecord(TypedDict):
    """A test: what it asks of a measure, and what its score means."""

    name: Text
    question: Text  # that a measure answers well or badly, in one sentence
    score: Text  # what the number is, in a few words
    perfect: float  # the score of a measure that returns the truth


class BenchNetworksRecord(TypedDict):
    """A set of networks that measures were tested on."""

    name: Text
    words: Text  # what they are, and what they were trained on
    rows: Text  # in words, what the rows of a layer are
    networks: Annotated[list[Text], Field(min_length=2)]
    layers: Annotated[list[Text], Field(min_length=1)]
    n_rows: Positive
    sample_size: Positive
    accuracy: SpreadRecord
    ranked: bool  # whether mean ranks, and means of scores over sets, count it
    tests: list[Text]


class BenchMeasureRecord(TypedDict):
    """A measure, its place among all, and what it costs."""

    name: Text
    kind: Literal["similarity", "distance"]
    needs: Literal["moments", "sample"]
    maximum_match: bool  # whether it is of the maximum match: match area or s(eps)
    yours: bool  # whether it was given by the caller, not one of sm.measures() or s(eps)
    rank: SpreadRecord  # mean rank over the tests, 1 the best; interval over tests
    won: Count  # comparisons with another measure, over tests and sets, in which it is significantly better
    lost: Count
    seconds: Annotated[float, Field(gt=0)] | None  # for one pair of layers, mean over all computed; null if none were


class BenchScoreRecord(TypedDict):
    """The score of a measure in a test on a set of networks."""

    measure: Text
    test: Text
    networks: Text
    value: float | None  # null where the measure is not defined
    low: float | None  # the ends of the interval over networks
    high: float | None
    chance: float  # the expected score of a measure that knows nothing
    rank: float | None  # among the measures in this test on these networks, 1 the best; ties share their mean rank
    among_best: bool  # the highest score, or not significantly below it
    defined: Share  # the share of the pairs of layers for which the measure is defined
    reason: Text  # why there is no value; empty if there is one
    details: BenchDetails | None


class BarsRecord(TypedDict):
    """Values by a name, such as a layer."""

    kind: Literal["bars"]
    labels: list[Text]
    values: list[float | None]


class StripsRecord(TypedDict):
    """Values in groups, such as similarities of networks of one group and of two; at most some hundred of each."""

    kind: Literal["strips"]
    axis: Text
    labels: list[Text]
    values: list[list[float]]


class ScatterRecord(TypedDict):
    """Two quantities of the same cases; at most some hundred."""

    kind: Literal["scatter"]
    x_axis: Text
    y_axis: Text
    x: list[float]
    y: list[float]


class CurvesRecord(TypedDict):
    """Lines over one quantity."""

    kind: Literal["curves"]
    x_axis: Text
    y_axis: Text
    labels: list[Text]
    x: list[list[float]]
    y: list[list[float]]


BenchDetails = Annotated[BarsRecord | StripsRecord | ScatterRecord | CurvesRecord, Discriminator("kind")]
"""What is behind a score."""
