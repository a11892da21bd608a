"""What the page's scripts get: the saved results as `page_data` reduces them, field by field.

The types that the scripts are checked against, assets/page_data.d.ts, are generated from this module
and from `schema`: run `make types` after a change of either. This module loads pydantic: import it
where types are generated, or for type checking alone.
"""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from ..schema import (
    ChangesRecord,
    CorrespondenceRecord,
    Count,
    DrawnRecord,
    Eps,
    EvidenceRecord,
    ExampleOrNone,
    Level,
    MatrixRecord,
    MeasureRecord,
    Neuron,
    NeuronOrNone,
    Positive,
    SampleRecord,
    ScoreRecord,
    Share,
    Shown,
    SimpleMatchRecord,
    SparseRow,
    StudyRecord,
    Text,
    TransplantRecord,
    UniversalityRecord,
)


class PageData(TypedDict):
    """Everything that the page shows."""

    study: StudyRecord | None  # null on the page of one comparison
    comparisons: Annotated[list[PageComparison], Field(min_length=1)]


class PageComparison(TypedDict):
    """A ComparisonRecord with fewer digits and without what is too large for a page."""

    name: Text  # of the study's step; empty on the page of one comparison
    format: Literal["spanmatch.comparison"]
    version: Literal[9]
    spanmatch: Text
    networks: Annotated[list[Text], Field(min_length=1)]
    eps: Annotated[list[Eps], Field(min_length=1)]
    eps_from_levels: bool
    match: Literal["name", "depth", "best", "given"]
    not_compared: list[Text]
    correspondence: CorrespondenceRecord | None
    scores: list[ScoreRecord]
    changes: list[ChangesRecord]
    rows: Annotated[list[Count], Field(min_length=2, max_length=2)]
    centred: bool
    method: Literal["gram", "qr", "single"]
    notes: dict[Text, Text]
    universality: list[UniversalityRecord]
    matrices: list[MatrixRecord]
    transplants: list[TransplantRecord]
    inputs: PageInputs | None
    pairs: Annotated[list[PagePair], Field(min_length=1)]


class PagePair(TypedDict):
    """A PairRecord with its alignment and simple matches reduced."""

    name: Text
    layer: Text
    similarity: list[Share | None]
    null_similarity: list[Share | None]
    x_levels: Annotated[list[Level | None], Field(min_length=1)]  # rounded up
    y_levels: Annotated[list[Level | None], Field(min_length=1)]
    x_layer: Text
    y_layer: Text
    x_neurons: Positive
    y_neurons: Positive
    x_silent: list[Neuron]
    y_silent: list[Neuron]
    rows: Count
    n_examples: Count
    layout: Text
    centred: bool
    method: Literal["gram", "qr", "single"]
    resolution: float
    chance_distance: float
    warnings: list[Text]
    simple: list[PageSimple]
    alignment: PageAlignment
    sample: SampleRecord | None
    measures: list[MeasureRecord]
    evidence: EvidenceRecord | None
    refusals: dict[Text, Text]


class PageSimple(TypedDict):
    """A SimpleRecord with the smaller of its matches, coefficients rounded."""

    eps: Eps
    complete: bool
    ended: Text
    minimum_sizes: list[Positive]
    matches: list[SimpleMatchRecord]
    count: Count  # of all matches, those that are left out too


class PageAlignment(TypedDict):
    """An AlignmentRecord reduced to what is drawn."""

    constant: Annotated[list[list[Neuron]], Field(min_length=2, max_length=2)]
    chance_correlation: float
    bipartite: PagePartners
    semi: PageStrengths
    information: Count | None  # how many partners mutual information gives
    by_information_only: Count  # how many of them |correlation| pairs otherwise
    sparse: Annotated[list[PageSparse], Field(min_length=0, max_length=2)]
    few: PageFewBySide
    clusters: PageClusters | None


class PagePartners(TypedDict):
    """Partners, strongest first: neuron x[k] with neuron y[k]."""

    x: list[Neuron]
    y: list[Neuron]
    strength: list[float]
    margin: list[float | None]
    next_y: list[NeuronOrNone]
    back_margin: list[float | None]
    next_x: list[NeuronOrNone]
    x_baseline: list[float | None]
    y_baseline: list[float | None]


class PageStrengths(TypedDict):
    """Strengths of partners alone, strongest first."""

    strength: list[float]


# "from" is a word of Python, so that this record is written in the other form.
PageSparse = TypedDict("PageSparse", {"from": Text, "to": Text, "table": "list[SparseRow]"})


class PageFewBySide(TypedDict):
    """The few predictors of the neurons of each layer, by the layer that is predicted."""

    x: NotRequired[PageFew]
    y: NotRequired[PageFew]


class PageFew(TypedDict):
    """FewRecords by column, one entry for each neuron that has predictors."""

    neuron: list[Neuron]  # ascending
    count: list[Count]  # of predictors, those that are left out too
    predictors: list[list[Neuron]]  # the largest coefficients first
    coefficients: list[list[float]]
    error: list[float]
    held_out_error: list[float | None]


class PageClusters(TypedDict):
    """A ClustersRecord with its clusters by column, one entry for each cluster."""

    method: Literal["spectral", "hierarchical"]
    clear: bool
    order: NeuronsBySide  # all neurons, cluster by cluster, constant ones last
    sizes: CountsBySide  # how many neurons each cluster has
    between: list[float]
    outside: list[float]
    eps: list[float]
    drawn: DrawnRecord


class NeuronsBySide(TypedDict):
    """Neurons of both layers."""

    x: list[Neuron]
    y: list[Neuron]


class CountsBySide(TypedDict):
    """Counts for both layers."""

    x: list[Count]
    y: list[Count]


class PageInputs(TypedDict):
    """An InputsRecord with as many inputs of each neuron as fit."""

    layers: dict[Text, PageTop]
    shown: Shown | None


class PageTop(TypedDict):
    """A TopRecord with activations rounded."""

    examples: list[list[ExampleOrNone]]
    values: list[list[float | None]]
    places: list[list[ExampleOrNone]] | None  # where inputs are texts
