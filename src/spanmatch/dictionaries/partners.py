"""Partners of sparse features: which feature of one dictionary is which of another.

The matching of the largest total correlation, as `one_to_one` of wide layers, from sparse rows.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._plotting import NULL, axes_for, label, legend, whole_ticks
from .._values import Json, data_frame, plain
from ..moments.folds import Plan, folds_of
from ..moments.provenance import Result
from .coactivation import Candidates
from .decoders import Cosines, cosines, directions_of
from .feature_layers import FeatureLayers, check_options, provenance_of
from .feature_rows import Array, Index, SparseFeatures

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

FALSE_SHARE = 0.05
"""Share of partners at or above the threshold that there would be under the null, at most."""


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class FeaturePartners(Result):
    """One-to-one partners of the features of two dictionaries, strongest first: x[i] with y[i].

    Examples
    --------
    >>> import numpy as np
    >>> import scipy.sparse
    >>> import spanmatch as sm
    >>> r = np.random.default_rng(0)
    >>> X = scipy.sparse.random_array((2000, 40), density=0.03, rng=r, format="csr")
    >>> features = sm.SparseFeatures()
    >>> features.update({"a:sae": X, "b:sae": X[:, ::-1]})  # the same features in another order
    >>> partners = sm.feature_partners(features, "a:sae", "b:sae")
    >>> bool((partners.x + partners.y == 39).all()), round(partners.share_matched, 2)
    (True, 1.0)
    """

    x: Index
    """(m,) features of x, in order of decreasing strength."""
    y: Index
    """(m,) their partners."""
    strength: Array
    """(m,) the correlation of their activations over all rows, above 0 (more than rounding)."""
    co_active: NDArray[np.int64]
    """(m,) rows in which both are active."""
    p_value: Array
    """(m,) probability that unrelated features of these firing rates are active together in as many
    independent rows, times the number of pairs of features (Bonferroni).
    """
    margin: Array
    """(m,) strength minus that of the next best candidate for x[i]; negative where the matching
    gives the best one to another feature.
    """
    next_y: Index
    """(m,) the next best candidate for x[i]; -1 without one, and the margin is the strength."""
    back_margin: Array
    """(m,) strength minus that of the next best candidate for y[i]."""
    next_x: Index
    """(m,) the next best candidate for y[i], or -1."""
    held_out: Array
    """(m,) the correlation of x[i] with the partner that one half of the examples gives it, over the
    other half; the mean of both ways; nan where a half gives it none, or one does not vary in the
    other half. Empty if it was not asked for.
    """
    recovered: NDArray[np.int64]
    """(m,) in how many halves of the examples, 0 to 2, the partner of x[i] is y[i]. Empty likewise.
    """
    null_strength: Array
    """Strengths of the partners under the null, in decreasing order: rows of y are of other
    examples. Empty if it was not asked for, or half of the rows are of one example.
    """
    threshold: float
    """The smallest strength at or above which there are at most 5% as many partners under the null
    as there are; inf if there is none, nan without a null.
    """
    x_unmatched: Index
    """Features of x without a partner that could have one."""
    y_unmatched: Index
    x_dead: Index
    """Features of x that are active in no row."""
    y_dead: Index
    x_rare: Index
    """Features of x that are active, but in fewer than `min_active_rows` rows, or whose standard
    deviation is below 3e-5 of their root mean square: they are not given partners.
    """
    y_rare: Index
    x_firing_rate: Array = field(repr=False)
    """(p,) the share of rows in which each feature is active."""
    y_firing_rate: Array = field(repr=False)
    """(q,)"""
    cosine: Array
    """(m,) cosine of the decoder directions of partners. Empty if no decoders were given, as all
    below.
    """
    x_cosine: Array = field(repr=False)
    """(p,) the largest cosine of the direction of each feature of x with those of y; nan for a
    direction of length 0.
    """
    x_cosine_best: Index = field(repr=False)
    """(p,) the feature of y that has it, or -1."""
    y_cosine: Array = field(repr=False)
    """(q,) the largest cosine of each feature of y."""
    y_cosine_best: Index = field(repr=False)
    """(q,) the feature of x that has it, or -1."""
    bound: float
    """No one-to-one partnership of all features has a larger sum of positive correlations."""
    candidates: int
    """How many pairs of features the matching was chosen from."""
    min_active_rows: int
    """Rows in which a feature must be active to be given a partner."""

    @property
    def total(self) -> float:
        """The sum of the strengths, which the matching maximises."""
        return float(self.strength.sum())

    @property
    def gap(self) -> float:
        """How far the total is from the bound, relative to the bound: 0 is a proof that no other
        partnership has a larger total.
        """
        return max(0.0, self.bound - self.total) / self.bound if self.bound > 0 else 0.0

    @property
    def significant(self) -> NDArray[np.bool_]:
        """(m,) whether the strength is at least the threshold."""
        return self.strength >= self.threshold

    @property
    def share_matched(self) -> float:
        """The share of the features that could have partners, of the smaller number of both layers,
        whose partner is significant; nan without a null.
        """
        possible = min(len(self.x) + len(self.x_unmatched), len(self.x) + len(self.y_unmatched))
        if np.isnan(self.threshold) or not possible:
            return float("nan")
        return float(self.significant.sum()) / possible

    @property
    def cosine_agrees(self) -> NDArray[np.bool_]:
        """(m,) whether y[i] is also the feature with the most similar decoder direction. Empty
        without decoders.
        """
        return self.x_cosine_best[self.x] == self.y if len(self.x_cosine) else np.empty(0, dtype=bool)

    def to_dict(self) -> dict[str, Json]:
        """Return everything as plain Python values, nan and a threshold of inf as None.

        Returns
        -------
        dict of str to object
        """
        names = (
            *("x", "y", "strength", "co_active", "p_value", "margin", "next_y", "back_margin", "next_x"),
            *("held_out", "recovered", "null_strength", "x_unmatched", "y_unmatched", "x_dead", "y_dead"),
            *("x_rare", "y_rare", "x_firing_rate", "y_firing_rate", "cosine", "x_cosine", "x_cosine_best"),
            *("y_cosine", "y_cosine_best"),
        )
        arrays: dict[str, Json] = {name: _plain(getattr(self, name)) for name in names}
        threshold = self.threshold if np.isfinite(self.threshold) else None
        numbers: dict[str, Json] = {"threshold": threshold, "total": self.total, "bound": self.bound, "gap": self.gap}
        options: dict[str, Json] = {"candidates": self.candidates, "min_active_rows": self.min_active_rows}
        return arrays | numbers | options | self.provenance.to_dict()

    def to_frame(self) -> pd.DataFrame:
        """Return a row for each pair of partners, strongest first.

        Returns
        -------
        pandas.DataFrame

        Raises
        ------
        SpanmatchError
            If pandas is not installed.
        """
        return data_frame("FeaturePartners.to_frame", self._columns())

    def plot(self, ax: Axes | None = None, **line: Any) -> Axes:
        """Draw the strengths in decreasing order, over those under the null and held out.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; by default new axes.
        **line
            Keyword arguments of matplotlib's `plot`.

        Returns
        -------
        matplotlib.axes.Axes

        Raises
        ------
        SpanmatchError
            If matplotlib is not installed.
        """
        ax = axes_for("partners.plot", ax)
        ranks = np.arange(1, len(self.x) + 1)
        ax.plot(ranks, self.strength, **{"label": f"partners: {self.x_layer} and {self.y_layer}"} | line)
        if len(self.held_out):
            held_out = -np.sort(-self.held_out)
            ax.plot(ranks, held_out, label="held out (sorted)", linewidth=1, linestyle="--")
        if len(self.null_strength):
            under_null = np.arange(1, len(self.null_strength) + 1)
            ax.plot(under_null, self.null_strength, label="null pairing", color=NULL, linewidth=1)
        if np.isfinite(self.threshold):
            ax.axhline(self.threshold, label="threshold", color=NULL, linewidth=0.8, linestyle=":")
        whole_ticks(ax, "x")
        label(ax, "features, strongest partner first", "correlation")
        legend(ax)
        return ax

    def _columns(self) -> dict[str, Any]:
        columns: dict[str, Any] = {"x": self.x, "y": self.y, "strength": self.strength}
        if not np.isnan(self.threshold):
            columns["significant"] = self.significant
        columns |= {"held_out": self.held_out, "recovered": self.recovered} if len(self.held_out) else {}
        columns |= {"margin": self.margin, "co_active": self.co_active, "p_value": self.p_value}
        columns |= {"x_firing_rate": self.x_firing_rate[self.x], "y_firing_rate": self.y_firing_rate[self.y]}
        return columns | ({"cosine": self.cosine, "cosine_agrees": self.cosine_agrees} if len(self.cosine) else {})

    def _records(self) -> list[dict[str, object]]:
        columns = self._columns()
        return [{name: values[k] for name, values in columns.items()} for k in range(len(self.x))]

    def _summary(self) -> str:
        p, q = self.provenance.neurons
        told = f"of {self.x_layer} ({p}) and {self.y_layer} ({q}): {len(self.x)} partners"
        if not np.isnan(self.threshold):
            told += f", {int(self.significant.sum())} significant"
        return f"{told}, median correlation {np.median(self.strength):.2f}" if len(self.x) else told


def feature_partners(
    features: SparseFeatures,
    x: str,
    y: str,
    *,
    candidates: int = 32,
    decoders: tuple[ArrayLike, ArrayLike] | None = None,
    null: bool = True,
    held_out: bool = True,
    min_active_rows: int = 10,
    tolerance: float = 1e-6,
    max_memory_gb: float | None = None,
) -> FeaturePartners:
    """Return each feature's partner in the other dictionary, with its strength and evidence.

    Parameters
    ----------
    features : SparseFeatures
        The rows of both dictionaries.
    x, y : str
        Names of layers.
    candidates : int
        How many features of the other dictionary each feature can choose from at first: those of
        the largest correlations. Features get more where that could matter.
    decoders : tuple of two arrays of shape (p, d), (q, d), optional
        The direction of each feature in rows, of dictionaries of the same layer: arrays, or tensors
        and parameters of PyTorch.
    null : bool
        Whether to match again with rows of y that are of other examples, for a threshold.
    held_out : bool
        Whether to match each half of the examples, for correlations on the other half.
    min_active_rows : int
        Rows in which a feature must be active to be given a partner. Correlations over a few active
        rows are large by chance.
    tolerance : float
        The gap between the total and its bound, relative to the total, that is sought.
    max_memory_gb : float, optional
        The most memory to take, in GB, beyond the rows of `features` and decoders; by default half
        of the machine's. Where rows arranged by feature do not fit, they are taken in blocks of features,
        each of which reads the rows again; results are the same, but the gap may be larger if more
        candidates do not fit.

    Returns
    -------
    FeaturePartners
        Partners in order of decreasing strength.

    Raises
    ------
    SpanmatchError
        If a layer is not there, an option makes no sense, decoders have other shapes, or the memory
        does not suffice for candidates and rows.

    Notes
    -----
    The partners maximise sum_i max(r_(i, partner of i), 0) over one-to-one partnerships, r being the
    correlations of activations over all rows. Features that are never active together have r <= 0
    and are no partners.

    Cost: n k l operations for k and l active features in a row, and p q more for comparisons; four
    times that with null and held-out values. Memory: 8 bytes for each active feature of a row of x
    and of y, in blocks of features if that is over the limit, and about 100 bytes for each candidate
    pair and each row. No matrix of p x q is made.

    Matchings under the null and of halves have up to 8 candidates for each feature. The null is one
    pairing: of dictionaries that have nothing in common, a few of the strongest partners may still be
    above the threshold.

    The p-value is that of a binomial tail, which is at least that of Fisher's exact test. It assumes
    independent rows; the null's threshold does not.

    References
    ----------
    Li, Yosinski, Clune, Lipson, Hopcroft, ICLR 2016, section 3: one-to-one partners.

    Examples
    --------
    >>> import numpy as np
    >>> import scipy.sparse
    >>> import spanmatch as sm
    >>> r = np.random.default_rng(0)
    >>> X = scipy.sparse.random_array((2000, 40), density=0.03, rng=r, format="csr")
    >>> features = sm.SparseFeatures()
    >>> features.update({"a:sae": X, "b:sae": X[:, ::-1]})  # the same features in another order
    >>> partners = sm.feature_partners(features, "a:sae", "b:sae")
    >>> len(partners.x), partners.gap < 1e-6, partners.strength.round(3).min()
    (40, True, np.float64(1.0))
    """
    check_options(features, candidates, min_active_rows, tolerance)
    layers = FeatureLayers.of(features, x, y, min_active_rows, candidates, max_memory_gb)
    widths = features.layers[x], features.layers[y]
    directions = None if decoders is None else directions_of(decoders, widths)  # refused before the long work
    matching = layers.matching(layers.all_rows, candidates, tolerance, "partners")
    order = np.argsort(-matching.weight, kind="stable")
    i, j, strength = matching.x[order], matching.y[order], matching.weight[order]
    null_strength, threshold = np.empty(0), float("nan")
    if null and (partner := Plan(features.example_ids, 1).partner) is not None:
        under_null = layers.matching_of_few(layers.other_examples(partner), candidates, "null pairing")
        null_strength = -np.sort(-under_null.weight)
        threshold = threshold_of(strength, null_strength)
    halves = folds_of(features.example_ids, 2).astype(np.intp)
    _, co_active = layers.products_of_pairs(i, j, np.zeros_like(halves))
    on_halves, recovered = np.empty(0), np.empty(0, dtype=np.int64)
    if held_out:
        on_halves, recovered = _held_out(layers, halves, candidates, i, j)
    next_y, margin = _next_best(matching.candidates, i, j, strength)
    next_x, back_margin = _next_best(_swapped(matching.candidates), j, i, strength)
    cosine = None if directions is None else cosines(directions, i, j)
    return FeaturePartners(
        x=i,
        y=j,
        strength=strength,
        co_active=co_active.sum(axis=1).astype(np.int64),
        p_value=_p_values(layers, i, j, co_active.sum(axis=1)),
        margin=margin,
        next_y=next_y,
        back_margin=back_margin,
        next_x=next_x,
        held_out=on_halves,
        recovered=recovered,
        null_strength=null_strength,
        threshold=threshold,
        x_unmatched=np.setdiff1d(np.flatnonzero(layers.x_eligible), i),
        y_unmatched=np.setdiff1d(np.flatnonzero(layers.y_eligible), j),
        x_dead=np.flatnonzero(layers.x.active_rows == 0),
        y_dead=np.flatnonzero(layers.y.active_rows == 0),
        x_rare=np.flatnonzero(~layers.x_eligible & (layers.x.active_rows > 0)),
        y_rare=np.flatnonzero(~layers.y_eligible & (layers.y.active_rows > 0)),
        x_firing_rate=features.firing_rate(x),
        y_firing_rate=features.firing_rate(y),
        **_cosine_fields(cosine),
        bound=matching.bound,
        candidates=len(matching.candidates.r),
        min_active_rows=min_active_rows,
        provenance=provenance_of(features, x, y),
    )


def threshold_of(strength: Array, null_strength: Array) -> float:
    """Return the smallest strength at or above which at most 5% as many are of the null; inf if
    there is none. Both are in decreasing order.
    """
    counts = np.arange(1, len(strength) + 1)
    last = np.append(np.diff(strength) != 0, True)  # of equal strengths, all or none
    of_null = np.searchsorted(-null_strength, -strength, side="right")
    enough = np.flatnonzero(last[: len(strength)] & (of_null <= FALSE_SHARE * counts))
    return float(strength[enough[-1]]) if len(enough) else float("inf")


def _held_out(
    layers: FeatureLayers,
    halves: Index,
    candidates: int,
    i: Index,
    j: Index,
) -> tuple[Array, NDArray[np.int64]]:
    """Return the correlations of partners that halves choose, over the other halves, and how often
    halves choose the same.
    """
    p, total, recovered = len(layers.x.mean), np.zeros(len(layers.x.mean)), np.zeros(len(i), dtype=np.int64)
    activity = [layers.some_rows(halves == half) for half in range(2)]
    for half, other in ((0, 1), (1, 0)):
        chosen = layers.matching_of_few(activity[half], candidates, f"half {half + 1} of the examples")
        partner = np.full(p, -1)
        partner[chosen.x] = chosen.y
        recovered += partner[i] == j
        sums, _ = layers.products_of_pairs(chosen.x, chosen.y, halves)
        a, b = activity[other].x, activity[other].y
        on_other = np.full(p, np.nan)
        deviations = a.deviation[chosen.x] * b.deviation[chosen.y]
        varies = deviations > 0  # a feature may not, in the other half
        mean_product = sums[:, other : other + 1].sum(axis=1) / max(a.rows, 1)
        covariance = mean_product - a.mean[chosen.x] * b.mean[chosen.y]
        on_other[chosen.x[varies]] = np.clip(covariance[varies] / deviations[varies], -1, 1)
        total += on_other / 2
    return total[i], recovered


def _p_values(layers: FeatureLayers, i: Index, j: Index, co_active: Array) -> Array:
    """Return binomial tails, times the number of pairs of features."""
    from scipy.special import betainc

    counts = layers.x.active_rows[i], layers.y.active_rows[j]
    few, many = np.minimum(*counts), np.maximum(*counts)
    tail = betainc(np.maximum(co_active, 1), few - co_active + 1, many / max(layers.x.rows, 1))
    pairs = float(layers.x_eligible.sum()) * float(layers.y_eligible.sum())
    return np.asarray(np.minimum(np.where(co_active > 0, tail, 1.0) * pairs, 1.0))


def _next_best(candidates: Candidates, i: Index, j: Index, strength: Array) -> tuple[Index, Array]:
    """Return the best other candidate of each feature (-1 without one), and the margin over it."""
    others = np.full(len(candidates.x_bound), -1)
    others[i] = j
    rivals = others[candidates.i] != candidates.j
    a, b, r = candidates.i[rivals], candidates.j[rivals], candidates.r[rivals]
    best, best_r = np.full(len(others), len(candidates.y_bound)), np.zeros(len(others))
    np.maximum.at(best_r, a, r)
    largest = r == best_r[a]
    np.minimum.at(best, a[largest], b[largest])
    best[best == len(candidates.y_bound)] = -1
    return best[i], strength - best_r[i]


def _swapped(candidates: Candidates) -> Candidates:
    return Candidates(candidates.j, candidates.i, candidates.r, candidates.y_bound, candidates.x_bound)


def _cosine_fields(cosine: Cosines | None) -> dict[str, Any]:
    """Return the fields of decoders."""
    if cosine is None:
        none, nothing = np.empty(0), np.empty(0, dtype=np.intp)
        cosine = Cosines(none, nothing, none, nothing, none)
    return {
        "cosine": cosine.of_partners,
        "x_cosine": cosine.x,
        "x_cosine_best": cosine.x_best,
        "y_cosine": cosine.y,
        "y_cosine_best": cosine.y_best,
    }


def _plain(values: NDArray[Any]) -> Json:
    return plain(values) if values.dtype.kind == "f" else values.tolist()
