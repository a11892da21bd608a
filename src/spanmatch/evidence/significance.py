"""One measure of all pairs of layers, with p-values that account for how many pairs there are.

The most similar of many pairs of layers is similar by luck. With the same permutations for all
pairs, the largest null value of each permutation tells how similar the most similar pair of
unrelated layers is.
Source: Westfall & Young, "Resampling-based multiple testing", 1993; docs/evidence.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .._display import Displayed
from .._plotting import FAINT, NULL, X, axes_for, label, legend, name_ticks
from .._progress import tracked
from .._threads import as_many_as_help
from .._values import data_frame
from ..errors import SpanmatchError
from ..moments.moments import Moments
from ..moments.options import Layers, check_seed
from ..moments.pairs import Pair
from ..moments.provenance import name_of_pair, network_and_layer
from ..moments.spans import Array
from ..similarity import debiased_cka, declared_measure
from .intervals import check_level
from .null_pairing import Statistic, name_of
from .permutation import PERMUTATIONS, calibrated, check_exchangeable, measure_of_result, p_value_of, threshold_of
from .permutations import Groups, Permutations, check_count, check_groups, joint_permutations
from .permuted_values import Permuted, null_values

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Significance(Displayed):
    """One measure of many pairs of layers, with p-values for each pair and for the largest of all.

    Examples
    --------
    >>> import numpy as np
    >>> import spanmatch as sm
    >>> X, noise = np.random.default_rng(0).standard_normal((2, 500, 4))
    >>> moments = sm.Moments(pairs="all")
    >>> moments.update({"a:fc": X, "b:fc": X + noise})
    >>> significance = sm.significance(moments, permutations=99)
    >>> significance.pairs, significance.adjusted_p_values.tolist()
    ((('a:fc', 'b:fc'),), [0.01])
    """

    name: str
    """The measure's name."""
    pairs: tuple[Layers, ...]
    """The names of the layers of each pair."""
    values: Array
    """(pairs,) the values; of a measure of moments, over all rows."""
    sample_values: Array
    """(pairs,) the values of the sample, which the null values are of."""
    p_values: Array
    """(pairs,) of each pair alone; nan if it is refused."""
    adjusted_p_values: Array
    """(pairs,) adjusted for the maximum over all pairs: the probability that any of so many pairs of
    unrelated layers is as similar."""
    calibrated: Array
    """(pairs,) the similarity beyond that of the most similar pair of unrelated layers, in [0, 1]."""
    threshold: float
    """The value that the most similar pair of unrelated layers exceeds with a probability of at most
    `alpha`."""
    alpha: float
    """The significance level of the threshold."""
    null: Array = field(repr=False)
    """(K, pairs) the values of the permuted samples; nan for pairs that are refused."""
    refusals: Mapping[Layers, str] = field(default_factory=dict, repr=False)
    """Why pairs have no p-value."""

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the value of each pair of layers, filled where it is more than chance; dotted the threshold.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; by default new axes.

        Returns
        -------
        matplotlib.axes.Axes

        Raises
        ------
        SpanmatchError
            If matplotlib is not installed.
        """
        ax = axes_for("significance.plot", ax)
        places, chosen = np.arange(len(self.pairs)), self.adjusted_p_values <= self.alpha
        ax.vlines(places, 0, self.sample_values, color=FAINT, linewidth=2, zorder=0)
        ax.plot(places[chosen], self.sample_values[chosen], "o", color=X, label=f"adjusted p of at most {self.alpha:g}")
        ax.plot(places[~chosen], self.sample_values[~chosen], "o", color=X, markerfacecolor="white", label="others")
        ax.axhline(self.threshold, color=NULL, linestyle=":", label="threshold for the largest of all")
        name_ticks(ax, [name_of_pair(x, y) for x, y in self.pairs])
        label(ax, "pairs of layers", self.name)
        legend(ax)
        return ax

    def to_frame(self) -> pd.DataFrame:
        """Return one row for each pair.

        Returns
        -------
        pandas.DataFrame

        Raises
        ------
        SpanmatchError
            If pandas is not installed.
        """
        return data_frame("significance.to_frame", self._records())

    def _records(self) -> list[dict[str, object]]:
        columns = {
            "value": self.values,
            "sample_value": self.sample_values,
            "p_value": self.p_values,
            "adjusted_p_value": self.adjusted_p_values,
            "calibrated": self.calibrated,
        }
        return [
            {"x_layer": x, "y_layer": y, **{name: float(column[i]) for name, column in columns.items()}}
            for i, (x, y) in enumerate(self.pairs)
        ]

    def _summary(self) -> str:
        significant = int(np.count_nonzero(self.adjusted_p_values <= self.alpha))
        return (
            f"of {self.name}: {significant} of {len(self.pairs)} pairs of layers with an adjusted p of at most "
            f"{self.alpha:g}, over {len(self.null)} permutations"
        )


def significance(
    moments: Moments,
    measure: Statistic = debiased_cka,
    permutations: int = PERMUTATIONS,
    groups: Groups = None,
    seed: int = 0,
    *,
    alpha: float = 0.05,
) -> Significance:
    """Return a measure of all pairs of layers, with p-values adjusted for their number.

    Parameters
    ----------
    moments : Moments
        Of the layers, with a sample of rows. Pairs of layers of one network are left out, unless
        there are no others.
    measure, permutations, groups, seed, alpha
        As of `permutation_test`; the permutations are the same for all pairs.

    Returns
    -------
    Significance
        Pairs for which the test is refused, for example with a constant layer, are nan, with their
        reason in `.refusals`.

    Raises
    ------
    SpanmatchError
        If no sample was kept, or the test is refused for all pairs.

    Notes
    -----
    With the null values v_kl of permutation k and pair l of K permutations:

        adjusted p_l = (1 + #{k: max over l' of v_kl' >= v_l}) / (K + 1)

    It holds for all pairs together, whatever their dependence: the examples of each network are
    permuted in all of its layers alike. The threshold is the ceil((1 - alpha)(K + 1))-th smallest of
    these maxima and the largest value of the sample; calibrated values are relative to it.

    Cost: of `permutation_test` for each pair; what kernels need for all permutations is computed
    once for each layer.

    References
    ----------
    Westfall, Young, "Resampling-based multiple testing", Wiley, 1993.

    Examples
    --------
    >>> import numpy as np
    >>> import spanmatch as sm
    >>> X, noise = np.random.default_rng(0).standard_normal((2, 500, 4))
    >>> moments = sm.Moments(pairs="all")
    >>> moments.update({"a:fc": X, "b:fc": X + noise})
    >>> significance = sm.significance(moments, permutations=99)
    >>> significance.pairs, significance.adjusted_p_values.tolist()
    ((('a:fc', 'b:fc'),), [0.01])
    """
    check_level(alpha)
    if not isinstance(moments, Moments) or not moments.pairs:
        raise SpanmatchError("significance: give moments of two or more layers, such as sm.capture returns")
    if not moments.keeps_sample:
        _ = moments.pair(*moments.pairs[0]).sample  # raises an error that says why
    check_count(permutations)
    check_seed(seed)
    declared, layer_pairs = declared_measure(measure), _between_networks(moments.pairs)
    like = declared
    values, refusals = np.full(len(layer_pairs), np.nan), {}
    permuted: dict[int, Permuted] = {}
    shared = _SharedPermutations(permutations, groups, seed, layer_pairs)
    for i, layers in enumerate(tracked(layer_pairs, f"permuting {name_of(measure)}")):
        pair = moments.pair(*layers)
        try:
            check_exchangeable(pair)
            result = measure(pair)
            values[i], like = float(result), declared or measure_of_result(result)
            permuted[i] = _permuted(pair, declared or measure, shared.of(pair))
        except SpanmatchError as error:
            refusals[layers] = str(error)
    if not permuted:
        raise SpanmatchError(
            f"significance of {name_of(measure)}: refused for all pairs: {next(iter(refusals.values()))}"
        )
    sign = -1.0 if like is not None and like.kind == "distance" else 1.0
    best = 1.0 if like is None else like.itself
    count = len(next(iter(permuted.values())).null)
    null, observed = np.full((count, len(layer_pairs)), np.nan), np.full(len(layer_pairs), np.nan)
    for i, of_pair in permuted.items():
        null[:, i], observed[i] = sign * of_pair.null, sign * of_pair.value
    largest = np.nanmax(null, axis=1)
    threshold = threshold_of(float(np.nanmax(observed)), largest, alpha)
    known = [i in permuted for i in range(len(layer_pairs))]

    def of_known(function: Callable[[int], float]) -> Array:
        return np.array([function(i) if is_known else np.nan for i, is_known in enumerate(known)])

    return Significance(
        name=name_of(measure),
        pairs=tuple(layer_pairs),
        values=values,
        sample_values=sign * observed,
        p_values=of_known(lambda i: p_value_of(float(observed[i]), null[:, i])),
        adjusted_p_values=of_known(lambda i: p_value_of(float(observed[i]), largest)),
        calibrated=of_known(lambda i: calibrated(float(observed[i]), threshold, sign * best)),
        threshold=sign * threshold,
        alpha=alpha,
        null=sign * null,
        refusals=refusals,
    )


def _between_networks(pairs: Sequence[Layers]) -> list[Layers]:
    """Return the pairs of layers of different networks; all of them if there are none."""
    between = [(x, y) for x, y in pairs if network_and_layer(x)[0] != network_and_layer(y)[0]]
    return between or list(pairs)


def _permuted(pair: Pair, measure: Statistic, permutations: Permutations) -> Permuted:
    """Return the values of a permuted sample.  Raises SpanmatchError if they are refused."""
    with as_many_as_help(sum(pair.neurons)):
        (permuted,) = null_values(pair, [measure], permutations)
    if isinstance(permuted, SpanmatchError):
        raise permuted
    return permuted


class _SharedPermutations:
    """The same permutations for all pairs of layers, which have the same sample of examples."""

    def __init__(self, count: int, groups: Groups, seed: int, pairs: Sequence[Layers]) -> None:
        self.count, self.groups, self.seed = count, groups, seed
        self.networks = list(dict.fromkeys(network_and_layer(layer)[0] for layers in pairs for layer in layers))
        self.relative: Callable[[int, int], Permutations] | None = None
        self.of_networks: dict[tuple[int, int], Permutations] = {}
        self.example_ids: NDArray[np.int64] | None = None

    def of(self, pair: Pair) -> Permutations:
        """Return the permutations of y's examples.  Raises SpanmatchError if a pair has another sample."""
        ids = pair.sample.example_ids
        check_groups(self.groups, pair.rows, pair.sample.n_examples)
        if self.relative is None or self.example_ids is None:
            self.relative = joint_permutations(ids, self.count, self.groups, self.seed, len(self.networks))
            self.example_ids = ids
        if not np.array_equal(ids, self.example_ids):
            raise SpanmatchError(
                f"layers {pair.x_layer!r} and {pair.y_layer!r}: their sample has other examples than that of the "
                "first pair"
            )
        i, j = (self.networks.index(network_and_layer(layer)[0]) for layer in (pair.x_layer, pair.y_layer))
        if (i, j) not in self.of_networks:
            self.of_networks[i, j] = self.relative(i, j)
        return self.of_networks[i, j]
