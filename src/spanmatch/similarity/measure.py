"""The value of a measure, and the declaration of a measure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Literal, SupportsFloat, TypedDict

import numpy as np

from .._display import Displayed
from ..errors import BadArgument, SpanmatchError
from ..moments.effective_sample_size import ROWS_PER_DIMENSION
from ..moments.pairs import Pair, checked_pair
from ..moments.provenance import Provenance, Result
from ..moments.remembered import remembered
from ..moments.spans import Array, Span

WRONG_BY = 1e-3
"""The largest error of a share of variance that is accepted."""
Estimator = Literal["unbiased", "corrected", "held out", "in sample"]
Kind = Literal["similarity", "distance"]
Needs = Literal["moments", "sample"]
Invariance = Literal[
    "orthogonal", "invertible linear", "isotropic scaling", "neuron scaling", "translation", "permutation"
]


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Measured(Result):
    """The value of a measure for a pair of layers.

    Examples
    --------
    >>> import numpy as np
    >>> import spanmatch as sm
    >>> X, noise = np.random.default_rng(0).standard_normal((2, 500, 4))
    >>> pair = sm.pair(X, X + noise)
    >>> measured = sm.cka(pair)
    >>> round(measured.value, 3), measured.name, measured.provenance.rows
    (0.497, 'cka', 500)
    """

    name: str
    """The measure's name."""
    value: float
    """The value."""
    warnings: tuple[str, ...] = ()
    """Reasons not to rely on the value, such as too few rows."""

    def __float__(self) -> float:
        """Return the value."""
        return self.value


@dataclass(frozen=True, repr=False)
class Measure(Displayed):
    """A measure with its declared properties.

    An invariance holds if both layers are transformed, each by a transformation of its own:
    orthogonal or invertible linear maps of the neurons, one positive factor for a layer or one for
    each neuron, a constant added to each neuron, or a permutation of the neurons.

    Parameters
    ----------
    name : str
        The measure's name.
    function : callable
        A function of a `Pair` that returns a `Measured`.
    invariances : frozenset of str
        Transformations that leave the value unchanged.
    range : tuple of float
        Lower and upper bound of the value.
    itself : float
        The value of a layer with itself.
    kind : {"similarity", "distance"}
        Whether larger values mean more similar, or less similar, layers.
    symmetric : bool
        Whether exchanging the layers leaves the value unchanged.
    estimator : {"unbiased", "corrected", "held out", "in sample"}
        How the value estimates that of the population which the examples were sampled from:
        without bias (a ratio of unbiased estimates), corrected for its bias to first order, by
        predictions of rows that were not fitted to, or by the formula applied to the sample, which
        for few rows shows too much similarity.
    corrected_by : str
        The name of the measure that estimates the same quantity with less bias; empty if there is
        none.
    is_metric : bool
        Whether the distance that belongs to the measure satisfies the triangle inequality for any
        three layers: the value of a distance; of a similarity, `.distance` if the result has one,
        otherwise the angle arccos(value).
    needs : {"moments", "sample"}
        Whether the value is of the second moments of all rows, or of the rows of a sample of the
        examples.

    Examples
    --------
    >>> import numpy as np
    >>> import spanmatch as sm
    >>> X, noise = np.random.default_rng(0).standard_normal((2, 500, 4))
    >>> pair = sm.pair(X, X + noise)
    >>> def first_neurons(pair):
    ...     x, y = pair.sample.X[:, 0], pair.sample.Y[:, 0]
    ...     return sm.Measured(name="first neurons", value=float(np.corrcoef(x, y)[0, 1]), provenance=pair.provenance)
    >>> measure = sm.Measure("first neurons", first_neurons, frozenset({"translation"}), range=(-1, 1), needs="sample")
    >>> round(measure(pair).value, 2)
    0.72
    """

    name: str
    function: Callable[[Pair], Measured] = field(repr=False)
    invariances: frozenset[Invariance]
    range: tuple[float, float] = (0.0, 1.0)
    itself: float = 1.0
    kind: Kind = "similarity"
    symmetric: bool = True
    estimator: Estimator = "in sample"
    corrected_by: str = ""
    is_metric: bool = False
    needs: Needs = "moments"

    def __call__(self, pair: Pair) -> Measured:
        """Return the measure of a pair of layers.

        Parameters
        ----------
        pair : Pair
            The layers.

        Returns
        -------
        Measured

        Raises
        ------
        SpanmatchError
            If the measure is not defined for these layers.
        """
        return self.function(pair)


def energies(pair: Pair) -> tuple[Array, Array]:
    """Return the centred squared norms of the neurons of x and of y; 0 for constant neurons."""
    return pair.energy("x", centred=True), pair.energy("y", centred=True)


def cross_of_unit_layers(pair: Pair) -> Array:
    """Return Sxy (p, q) with both centred layers scaled to unit Frobenius norm."""
    return np.asarray(pair.xy / np.sqrt(np.trace(pair.xx)) / np.sqrt(np.trace(pair.yy)))


@remembered
def nuclear_norm_of_unit_layers(pair: Pair) -> float:
    """Return the sum of the singular values of Sxy, with both centred layers scaled to unit Frobenius norm."""
    return float(np.linalg.svd(cross_of_unit_layers(pair), compute_uv=False).sum())


def check_similarity(measure: Measure) -> None:
    """Raise BadArgument if a measure is a distance, where larger values must mean more similar layers."""
    if measure.kind == "distance":
        raise BadArgument(
            f"measure {measure.name!r} is a distance: larger values mean less similar layers; give a similarity"
        )


class MeasuredFields(TypedDict):
    """The fields of `Measured` that come from a pair, as keyword arguments."""

    name: str
    provenance: Provenance


def measured_fields(pair: Pair, name: str, at_least: int = 2) -> MeasuredFields:
    """Return the fields of `Measured` that come from the pair.

    Raises SpanmatchError if a layer is constant, or there are fewer rows than the measure needs.
    """
    checked_pair(pair)
    for energy, layer in zip(energies(pair), (pair.x_layer, pair.y_layer), strict=True):
        if not energy.any():
            raise SpanmatchError(f"{name}: layer {layer!r} never varies, so that there is nothing to compare")
    if pair.rows < at_least:
        raise SpanmatchError(f"{name}: {pair.rows} rows of {pair.x_layer!r} and {pair.y_layer!r}; it needs {at_least}")
    return {"name": name, "provenance": replace(pair.provenance, centred=True)}


def measured_fields_of_sample(pair: Pair, name: str, at_least: int, *, centred: bool) -> MeasuredFields:
    """Return the fields of `Measured` that come from the pair and its sample.

    Raises SpanmatchError if a layer is constant, there is no sample, or it has fewer examples than
    the measure needs.
    """
    fields, sample = measured_fields(pair, name), pair.sample
    if len(sample) < at_least:
        raise SpanmatchError(
            f"{name}: the sample of {pair.x_layer!r} and {pair.y_layer!r} has {len(sample)} examples; "
            f"it needs {at_least}"
        )
    reductions = dict.fromkeys((sample.x.reduction, sample.y.reduction))
    provenance = replace(
        fields["provenance"],
        centred=centred,
        sample_size=len(sample),
        sample_rows=" and ".join(reductions),
        sample_seed=sample.seed,
    )
    return {"name": name, "provenance": provenance}


def resolved_spans(pair: Pair, name: str, *, centred: bool = True) -> tuple[Span, Span]:
    """Return the spans of the neurons that are not silent (centred: not constant).

    Raises SpanmatchError if a share of variance, a squared distance, could be wrong by more than
    1e-3.
    """
    spans = pair.all_spans(centred=centred)
    for span, layer in zip(spans, (pair.x_layer, pair.y_layer), strict=True):
        if span.resolution**2 > WRONG_BY:
            raise SpanmatchError(
                f"{name}: neurons of layer {layer!r} are nearly combinations of others, so that rounding decides the "
                f"value; use method='qr', or leave out near-duplicate neurons"
            )
    return spans


def check_sample_size(pair: Pair, name: str, size: float, dimensions: int) -> None:
    """Raise SpanmatchError if there are too few independent rows for a corrected measure."""
    needed = ROWS_PER_DIMENSION * dimensions
    if not size > needed:
        raise SpanmatchError(
            f"{name}: the effective sample size of {pair.x_layer!r} and {pair.y_layer!r} is {size:,.0f}, for a fit of "
            f"{dimensions:,} dimensions; more than {needed:,.0f} is needed: use more examples"
        )


def few_rows(pair: Pair, dimensions: Iterable[int], chance: float) -> tuple[str, ...]:
    """Return a warning if independent layers are expected to have a value over 0.2, given in
    `chance`.
    """
    if chance <= 0.2:
        return ()
    p, q = dimensions
    return (f"{pair.rows:,} rows for {p} and {q} dimensions: independent layers would have about {min(chance, 1):.2f}",)


def value_or_nan(measure: Callable[[Pair], SupportsFloat], pair: Pair) -> float:
    """Return the value of a measure; nan if it is not defined for the layers, for example constant
    ones.
    """
    try:
        return float(measure(pair))
    except SpanmatchError:
        return float("nan")
