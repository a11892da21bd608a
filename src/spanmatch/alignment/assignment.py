"""One-to-one alignment: for each neuron of one network its partner in the other.

Semi-matching gives each neuron of x its best of y, so that some are taken twice; bipartite matching is the assignment
of the largest total strength, in which each is taken once. Where the two part, neurons have no partner of their own.
Source: Li, Yosinski, Clune, Lipson, Hopcroft, ICLR 2016, section 3; docs/convergent.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from .._plotting import axes_for, draw_matrix, row_of_axes
from .._threads import few_threads
from ..errors import SpanmatchError
from ..moments.pairs import Pair, checked_pair
from ..moments.remembered import remembered
from ..moments.spans import Array, Index
from .chance import SIGNIFICANT, AlignmentResult, alignment_fields, effective_sample_sizes
from .correlations import correlation
from .information import mutual_information

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Method = Literal["bipartite", "semi"]
By = Literal["correlation", "absolute", "information"]
Chance = Callable[[Index, Index], Array]


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Alignment(AlignmentResult):
    """Partners, strongest first: neuron x[i] of one layer with y[i] of the other."""

    method: Method
    by: By
    x: Index
    """(m,) neurons of x, by falling strength."""
    y: Index
    """(m,) their partners; with method="semi" they can repeat."""
    strength: Array
    """(m,) the correlation, its absolute value, or the mutual information in nats, as `by` says."""
    p_value: Array
    """(m,) how likely unrelated neurons of these layers have one such partnership among all that there could be."""
    margin: Array
    """(m,) strength less that of the next best candidate for x[i]; negative where the assignment left the best to
    another."""
    next_y: Index
    """(m,) that candidate; -1 if there is no other, when the margin is to 0."""
    back_margin: Array
    """(m,) strength less that of the next best candidate for y[i]."""
    next_x: Index
    """(m,) that candidate, or -1."""
    x_unmatched: Index
    """Neurons of x without a partner: constant, or left over."""
    y_unmatched: Index
    x_baseline: Array
    """By falling strength: the same matching of the neurons of x with each other. Empty if `by` is "information"."""
    y_baseline: Array
    scores: Array = field(repr=False)
    """(p, q) the strength of every possible partnership."""

    @property
    def significant(self) -> NDArray[np.bool_]:
        """(m,) whether the p-value is at most 0.05."""
        return self.p_value <= SIGNIFICANT

    def permutation(self) -> Index:
        """Return the order of y's neurons that lines them up with x's: Y[:, permutation] is like X.

        Unmatched neurons of y take the places that are left, in order; where x is wider, places without a partner
        close up.
        Raises SpanmatchError for method="semi", in which neurons repeat.
        """
        if self.method != "bipartite":
            raise SpanmatchError("a semi-matching is no permutation; align with method='bipartite'")
        if self.provenance.x_neurons > self.provenance.y_neurons:
            return np.concatenate([self.y[np.argsort(self.x)], self.y_unmatched])
        order = np.full(self.provenance.y_neurons, -1)
        order[self.x] = self.y
        order[order < 0] = self.y_unmatched
        return order

    def apart_from(self, other: Alignment) -> Index:
        """Return the partnerships (k, 2) of this alignment that another of the same layers does not have."""
        theirs = set(zip(other.x.tolist(), other.y.tolist(), strict=True))
        mine = zip(self.x.tolist(), self.y.tolist(), strict=True)
        return np.array([partners for partners in mine if partners not in theirs], dtype=np.intp).reshape(-1, 2)

    def plot(self, ax: Axes | None = None, **line: Any) -> Axes:
        """Draw strengths from strongest to weakest over the within-network baselines; `line` goes to matplotlib's
        `plot`."""
        ax = axes_for("alignment.plot", ax)
        ax.plot(self.strength, **{"label": f"{self.method}: {self.x_layer} and {self.y_layer}"} | line)
        for layer, baseline in ((self.x_layer, self.x_baseline), (self.y_layer, self.y_baseline)):
            if len(baseline):
                ax.plot(baseline, label=f"{self.method} within {layer}", color="0.6", linewidth=1, linestyle="--")
        ax.set(xlabel="neurons, strongest partner first", ylabel=_WORDS[self.by])
        ax.legend()
        return ax

    def plot_matrix(self) -> list[Axes]:
        """Draw all strengths as they are, and with the neurons in the order of the matching."""
        left, right = axes = row_of_axes("alignment.plot_matrix", 2)
        x, y = np.append(self.x, self.x_unmatched), list(dict.fromkeys([*self.y.tolist(), *self.y_unmatched.tolist()]))
        draw_matrix(left, self.scores, x=self.x_layer, y=self.y_layer, title=f"{_WORDS[self.by]}, as they come")
        draw_matrix(right, self.scores[np.ix_(x, y)], x=self.x_layer, y=self.y_layer, title="partners in line")
        return axes

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the scores as plain Python values."""
        names = ("x", "y", "strength", "p_value", "margin", "next_y", "back_margin", "next_x")
        others = ("x_unmatched", "y_unmatched", "x_baseline", "y_baseline")
        arrays = {name: getattr(self, name).tolist() for name in (*names, *others)}
        return {"method": self.method, "by": self.by} | arrays | self._plain()

    def __repr__(self) -> str:
        p, q = self.provenance.neurons
        middle = f", median {_WORDS[self.by]} {np.median(self.strength):.2f}" if len(self.x) else ""
        return (
            f"<Alignment ({self.method}) of {self.x_layer} ({p}) and {self.y_layer} ({q}): "
            f"{len(self.x)} partners{middle}>"
        )


_WORDS = {"correlation": "correlation", "absolute": "|correlation|", "information": "mutual information (nats)"}


@remembered
@few_threads
def one_to_one(pair: Pair, method: Method = "bipartite", by: By = "correlation") -> Alignment:
    """Return each neuron's partner in the other layer, with its strength and the margin to the next best.

    Parameters
    ----------
    pair : the layers
    method : "bipartite", the assignment of the largest total strength; or "semi", each neuron of x with its best of y
    by : what strength is: "correlation", its "absolute" value, or the mutual "information" of a pair made with bins

    Raises
    ------
    SpanmatchError : for other words, or if the pair has no histograms.

    Notes
    -----
    bipartite: max over assignments of sum_i s_(i, partner of i); semi: partner of i = argmax_j s_ij.

    The p-value of a partnership is that of its strength alone, times the number of pairs of neurons that vary, of which
    it was chosen (Bonferroni): with unrelated layers, any partner is significant in at most 5% of cases. For
    correlations it is that of normal activations, c^2 ~ Beta(1/2, (n - 2) / 2) with the effective number of rows n, of
    positive ones only if the sign counts; for information see `mutual_information`.

    Cost: of sorting for "semi"; up to p q min(p, q) for "bipartite". No pass over the rows.
    """
    checked_pair(pair)
    if method not in ("bipartite", "semi"):
        raise SpanmatchError(f"method={method!r}: give 'bipartite' or 'semi'")
    scores, within, chance = _scores(pair, by)
    x, y = pair.active(centred=True)
    s = scores[np.ix_(x, y)]
    i, j = _strongest_first(s, method)
    next_y, margin = _rivals(s, i, j)
    next_x, back_margin = _rivals(s.T, j, i)
    p, q = pair.neurons
    return Alignment(
        method=method,
        by=by,
        x=x[i],
        y=y[j],
        strength=s[i, j],
        p_value=np.minimum(chance(x[i], y[j]) * s.size, 1),
        margin=margin,
        next_y=_named(y, next_y),
        back_margin=back_margin,
        next_x=_named(x, next_x),
        x_unmatched=np.setdiff1d(np.arange(p), x[i]),
        y_unmatched=np.setdiff1d(np.arange(q), y[j]),
        x_baseline=_baseline(within[0], x, method),
        y_baseline=_baseline(within[1], y, method),
        scores=scores,
        **alignment_fields(pair),
    )


@remembered
def partner_correlations(pair: Pair) -> Array:
    """Return the correlations of one-to-one partners (bipartite), strongest first: a part of `one_to_one`."""
    s = correlation(pair).between[np.ix_(*pair.active(centred=True))]
    return np.asarray(s[_strongest_first(s, "bipartite")])


def _strongest_first(scores: Array, method: Method) -> tuple[Index, Index]:
    i, j = matched(scores, method)
    order = np.argsort(-scores[i, j], kind="stable")
    return i[order], j[order]


def _scores(pair: Pair, by: By) -> tuple[Array, tuple[Array, Array], Chance]:
    """Return the strength of every partnership between the layers, and within each if that is known; and what gives
    the p-values of some partnerships."""
    if by == "information":
        m = mutual_information(pair)
        return m.between, (np.empty((0, 0)), np.empty((0, 0))), lambda i, j: m.p_value[i, j]
    if by not in ("correlation", "absolute"):
        raise SpanmatchError(f"by={by!r}: give 'correlation', 'absolute' or 'information'")
    c = correlation(pair)

    def chance(i: Index, j: Index) -> Array:
        either = _either_sign(c.between[i, j], effective_sample_sizes(pair)[i, j])
        return either if by == "absolute" else np.where(c.between[i, j] > 0, either / 2, 1 - either / 2)

    if by == "correlation":
        return c.between, (c.within_x, c.within_y), chance
    return abs(c.between), (abs(c.within_x), abs(c.within_y)), chance


def _either_sign(correlations: Array, rows: Array) -> Array:
    """Return how likely so many independent rows of normal values correlate as much, with either sign."""
    from scipy.special import betaincc

    likely = betaincc(0.5, np.maximum(rows - 2, 1e-9) / 2, correlations**2)
    return np.asarray(np.where(rows > 2, likely, 1.0))


def matched(s: Array, method: Method) -> tuple[Index, Index]:
    """Return rows and their columns, by the largest total or each row's largest strength."""
    if not s.size:
        return np.empty(0, dtype=np.intp), np.empty(0, dtype=np.intp)
    if method == "semi":
        return np.arange(len(s)), np.asarray(s.argmax(axis=1))
    from scipy.optimize import linear_sum_assignment  # takes a quarter of a second to load

    i, j = linear_sum_assignment(s, maximize=True)
    return i, j


def _rivals(s: Array, i: Index, j: Index) -> tuple[Index, Array]:
    """Return the best column of each row i but for j, -1 if there is none, and by how much it falls short."""
    if not s.size or s.shape[1] == 1:
        return np.full(len(i), -1), s[i, j]
    others = s[i].copy()
    others[np.arange(len(i)), j] = -np.inf
    best = others.argmax(axis=1)
    return best, s[i, j] - others[np.arange(len(i)), best]


def _named(neurons: Index, places: Index) -> Index:
    return np.where(places < 0, -1, neurons[places]) if len(neurons) else places


def _baseline(own: Array, neurons: Index, method: Method) -> Array:
    """Return the strengths of the same matching of a layer with itself, no neuron with itself."""
    if len(neurons) < 2 or not own.size:
        return np.empty(0)
    s = own[np.ix_(neurons, neurons)].copy()
    np.fill_diagonal(s, -len(s) * 4.0)  # worse than anything that an assignment could gain by it
    i, j = matched(s, method)
    return -np.sort(-s[i, j])
