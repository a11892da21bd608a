"""One-to-one alignment: the partner of each neuron of one network in the other.

Semi-matching assigns each neuron of x its best neuron of y, which can be assigned several times.
Bipartite matching is the assignment of the largest total strength, in which each neuron is taken
once. Where the two differ, neurons have no partner of their own.
Source: Li, Yosinski, Clune, Lipson, Hopcroft, ICLR 2016, section 3; docs/convergent.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from .._plotting import NULL, axes_for, draw_matrix, label, legend, whole_ticks
from .._threads import few_threads
from .._values import Json
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
PValues = Callable[[Index, Index], Array]


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Alignment(AlignmentResult):
    """One-to-one partners, strongest first: neuron x[i] of one layer with y[i] of the other.

    Examples
    --------
    >>> import numpy as np
    >>> import spanmatch as sm
    >>> X, noise = np.random.default_rng(0).standard_normal((2, 500, 3))
    >>> pair = sm.pair(X, X[:, [2, 0, 1]] + 0.1 * noise)  # the same neurons in another order
    >>> alignment = sm.one_to_one(pair)
    >>> alignment.permutation().tolist()  # the order of neurons of y that aligns them with x
    [1, 2, 0]
    """

    method: Method
    """"bipartite" or "semi"."""
    by: By
    """What strength is: "correlation", "absolute" or "information"."""
    x: Index
    """(m,) neurons of x, in order of decreasing strength."""
    y: Index
    """(m,) their partners. With method="semi" they can repeat."""
    strength: Array
    """(m,) the correlation, its absolute value, or the mutual information in nats, according to
    `by`.
    """
    p_value: Array
    """(m,) probability that unrelated neurons of these layers have any partnership of at least this
    strength.
    """
    margin: Array
    """(m,) strength minus that of the next best candidate for x[i]. It is negative where the
    assignment gives the best candidate to another neuron.
    """
    next_y: Index
    """(m,) the next best candidate for x[i]. Without one it is -1, and the margin is the strength
    itself.
    """
    back_margin: Array
    """(m,) strength minus that of the next best candidate for y[i]."""
    next_x: Index
    """(m,) the next best candidate for y[i], or -1."""
    x_unmatched: Index
    """Neurons of x without a partner: constant ones, and those left over where x is wider."""
    y_unmatched: Index
    """Neurons of y without a partner."""
    x_baseline: Array
    """Strengths of the same matching within x, in decreasing order. Empty if `by` is "information".
    """
    y_baseline: Array
    """Strengths of the same matching within y."""
    scores: Array = field(repr=False)
    """(p, q) the strength of every possible partnership."""

    @property
    def significant(self) -> NDArray[np.bool_]:
        """(m,) whether the p-value is at most 0.05."""
        return self.p_value <= SIGNIFICANT

    def permutation(self) -> Index:
        """Return the order of y's neurons that aligns them with x's: Y[:, permutation] is like X.

        Returns
        -------
        ndarray of shape (q,)
            Unmatched neurons of y take the remaining places, in order. Where x is wider than y, the
            neurons of x without a partner are skipped.

        Raises
        ------
        SpanmatchError
            If the method is "semi", in which neurons repeat.
        """
        if self.method != "bipartite":
            raise SpanmatchError("a semi-matching is not a permutation; use method='bipartite'")
        if self.provenance.x_neurons > self.provenance.y_neurons:
            return np.concatenate([self.y[np.argsort(self.x)], self.y_unmatched])
        order = np.full(self.provenance.y_neurons, -1)
        order[self.x] = self.y
        order[order < 0] = self.y_unmatched
        return order

    def apart_from(self, other: Alignment) -> Index:
        """Return the partnerships of this alignment that another one of the same layers does not
        have.

        Parameters
        ----------
        other : Alignment
            Of the same layers.

        Returns
        -------
        ndarray of shape (k, 2)
            Neurons of x and of y.
        """
        other_partners = set(zip(other.x.tolist(), other.y.tolist(), strict=True))
        partnerships = zip(self.x.tolist(), self.y.tolist(), strict=True)
        return np.array(
            [partners for partners in partnerships if partners not in other_partners], dtype=np.intp
        ).reshape(-1, 2)

    def plot(self, ax: Axes | None = None, **line: Any) -> Axes:
        """Draw the strengths in decreasing order, over the within-network baselines.

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
        ax = axes_for("alignment.plot", ax)
        ranks = np.arange(1, len(self.strength) + 1)
        ax.plot(ranks, self.strength, **{"label": f"{self.method}: {self.x_layer} and {self.y_layer}"} | line)
        for layer, baseline, dashes in ((self.x_layer, self.x_baseline, "--"), (self.y_layer, self.y_baseline, ":")):
            if len(baseline):
                ranks = np.arange(1, len(baseline) + 1)
                name = f"{self.method} within {layer}"
                ax.plot(ranks, baseline, label=name, color=NULL, linewidth=1, linestyle=dashes)
        whole_ticks(ax, "x")
        label(ax, "neurons, strongest partner first", _WORDS[self.by])
        legend(ax)
        return ax

    def plot_matrix(self, ax: Axes | None = None, *, partners_first: bool = True) -> Axes:
        """Draw the strength of every possible partnership as a heat map.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; by default new axes.
        partners_first : bool
            Whether to order the neurons so that partners are on the diagonal, the strongest first; else
            they are in their original order.

        Returns
        -------
        matplotlib.axes.Axes

        Raises
        ------
        SpanmatchError
            If matplotlib is not installed.
        """
        ax = axes_for("alignment.plot_matrix", ax)
        scores, title = self.scores, "in original order"
        if partners_first:
            x = np.append(self.x, self.x_unmatched)
            y = list(dict.fromkeys([*self.y.tolist(), *self.y_unmatched.tolist()]))
            scores, title = scores[np.ix_(x, y)], "partners on the diagonal"
        draw_matrix(ax, scores, x=self.x_layer, y=self.y_layer, title=title, meaning=_WORDS[self.by])
        return ax

    def to_dict(self) -> dict[str, Json]:
        """Return everything but the scores as plain Python values."""
        names = ("x", "y", "strength", "p_value", "margin", "next_y", "back_margin", "next_x")
        others = ("x_unmatched", "y_unmatched", "x_baseline", "y_baseline")
        arrays = {name: getattr(self, name).tolist() for name in (*names, *others)}
        return {"method": self.method, "by": self.by} | arrays | self._plain()

    def _summary(self) -> str:
        p, q = self.provenance.neurons
        middle = f", median {_WORDS[self.by]} {np.median(self.strength):.2f}" if len(self.x) else ""
        return f"({self.method}) of {self.x_layer} ({p}) and {self.y_layer} ({q}): {len(self.x)} partners{middle}"


_WORDS = {"correlation": "correlation", "absolute": "|correlation|", "information": "mutual information (nats)"}


@remembered
@few_threads
def one_to_one(pair: Pair, method: Method = "bipartite", by: By = "correlation") -> Alignment:
    """Return each neuron's partner in the other layer, with its strength and margin.

    Parameters
    ----------
    pair : Pair
        The layers, (n, p) and (n, q).
    method : {"bipartite", "semi"}
        "bipartite" is the assignment of the largest total strength. "semi" gives each neuron of x
        its best neuron of y.
    by : {"correlation", "absolute", "information"}
        What strength is: the correlation, its absolute value, or the mutual information (nats) of a
        pair with bins.

    Returns
    -------
    Alignment
        Partners in order of decreasing strength, with p-values, margins to the next best candidate,
        and the same matching within each layer as a baseline.

    Raises
    ------
    SpanmatchError
        If `method` or `by` is another word, or the pair has no histograms for `by="information"`.

    Notes
    -----
    "bipartite" maximises sum_i s_(i, partner of i) over assignments; for "semi" the partner of i is
    argmax_j s_ij.

    The p-value of a partnership is that of its strength alone, times the number of candidate pairs
    of non-constant neurons (Bonferroni). With unrelated layers, any partner is significant in at
    most 5% of cases. For correlations it assumes normal activations, c^2 ~ Beta(1/2, (n - 2) / 2)
    with the effective sample size n, and is one-sided where the sign counts. For information see
    `mutual_information`.

    Cost: a maximum per row for "semi"; up to p q min(p, q) operations for "bipartite". It makes no
    pass over the rows.

    References
    ----------
    Li, Yosinski, Clune, Lipson, Hopcroft, ICLR 2016, section 3.

    Examples
    --------
    >>> import numpy as np
    >>> import spanmatch as sm
    >>> X, noise = np.random.default_rng(0).standard_normal((2, 500, 3))
    >>> pair = sm.pair(X, X[:, [2, 0, 1]] + 0.1 * noise)  # the same neurons in another order
    >>> alignment = sm.one_to_one(pair)
    >>> dict(zip(alignment.x.tolist(), alignment.y.tolist()))
    {2: 0, 0: 1, 1: 2}
    >>> alignment.strength.round(2).tolist()
    [1.0, 1.0, 0.99]
    """
    checked_pair(pair)
    if method not in ("bipartite", "semi"):
        raise SpanmatchError(f"method={method!r}: give 'bipartite' or 'semi'")
    scores, within, p_values = _scores(pair, by)
    x, y = pair.active(centred=True)
    s = scores[np.ix_(x, y)]
    is_shared = (method, by) == ("bipartite", "correlation")
    i, j = _partners_by_correlation(pair) if is_shared else _strongest_first(s, method)
    next_y, margin = _rivals(s, i, j)
    next_x, back_margin = _rivals(s.T, j, i)
    p, q = pair.neurons
    return Alignment(
        method=method,
        by=by,
        x=x[i],
        y=y[j],
        strength=s[i, j],
        p_value=np.minimum(p_values(x[i], y[j]) * s.size, 1),
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
    """Return the correlations of one-to-one partners (bipartite), strongest first: a part of
    `one_to_one`.
    """
    s = correlation(pair).between[np.ix_(*pair.active(centred=True))]
    return np.asarray(s[_partners_by_correlation(pair)])


@remembered
def _partners_by_correlation(pair: Pair) -> tuple[Index, Index]:
    """Return the non-constant neurons that are partners (bipartite), by their places, strongest first."""
    return _strongest_first(correlation(pair).between[np.ix_(*pair.active(centred=True))], "bipartite")


def _strongest_first(scores: Array, method: Method) -> tuple[Index, Index]:
    """Return the partners of a matching in order of decreasing strength."""
    i, j = matched(scores, method)
    order = np.argsort(-scores[i, j], kind="stable")
    return i[order], j[order]


def _scores(pair: Pair, by: By) -> tuple[Array, tuple[Array, Array], PValues]:
    """Return the strengths between and within layers, and a function for p-values.

    The strengths within layers are empty for mutual information. The function takes neurons of x
    and their partners.
    """
    if by == "information":
        m = mutual_information(pair)
        return m.between, (np.empty((0, 0)), np.empty((0, 0))), lambda i, j: m.p_value[i, j]
    if by not in ("correlation", "absolute"):
        raise SpanmatchError(f"by={by!r}: give 'correlation', 'absolute' or 'information'")
    c = correlation(pair)

    def p_values(i: Index, j: Index) -> Array:
        two_sided = _two_sided_p_values(c.between[i, j], effective_sample_sizes(pair)[i, j])
        return two_sided if by == "absolute" else np.where(c.between[i, j] > 0, two_sided / 2, 1 - two_sided / 2)

    if by == "correlation":
        return c.between, (c.within_x, c.within_y), p_values
    return abs(c.between), (abs(c.within_x), abs(c.within_y)), p_values


def _two_sided_p_values(correlations: Array, rows: Array) -> Array:
    """Return the two-sided p-values of correlations of independent rows of normal values."""
    from scipy.special import betaincc

    tail = betaincc(0.5, np.maximum(rows - 2, 1e-9) / 2, correlations**2)
    return np.asarray(np.where(rows > 2, tail, 1.0))


def matched(s: Array, method: Method) -> tuple[Index, Index]:
    """Return rows and the columns matched to them, for the largest total or the largest strength of
    each row.
    """
    if not s.size:
        return np.empty(0, dtype=np.intp), np.empty(0, dtype=np.intp)
    if method == "semi":
        return np.arange(len(s)), np.asarray(s.argmax(axis=1))
    return assigned(s)


def assigned(s: Array) -> tuple[Index, Index]:
    """Return the assignment of rows to columns, each taken at most once, that has the largest total.

    Parameters
    ----------
    s : array of float, (m, k)
        The strength of each row with each column.

    Returns
    -------
    rows : array of int, (min(m, k),)
        Ascending.
    columns : array of int, (min(m, k),)
        The column of each of these rows.
    """
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(s, maximize=True)
    return rows, columns


def _rivals(s: Array, i: Index, j: Index) -> tuple[Index, Array]:
    """Return the best other column of each row i than j (-1 if there is none), and the margin of j
    over it.
    """
    if not s.size or s.shape[1] == 1:
        return np.full(len(i), -1), s[i, j]
    others = s[i].copy()
    others[np.arange(len(i)), j] = -np.inf
    best = others.argmax(axis=1)
    return best, s[i, j] - others[np.arange(len(i)), best]


def _named(neurons: Index, places: Index) -> Index:
    """Return the neurons at some places; -1 stays -1."""
    return np.where(places < 0, -1, neurons[places]) if len(neurons) else places


def _baseline(within: Array, neurons: Index, method: Method) -> Array:
    """Return the strengths of the same matching of a layer with itself, excluding each neuron with
    itself.
    """
    if len(neurons) < 2 or not within.size:
        return np.empty(0)
    s = within[np.ix_(neurons, neurons)].copy()
    np.fill_diagonal(s, -len(s) * 4.0)  # worse than anything that an assignment could gain by it
    i, j = matched(s, method)
    return -np.sort(-s[i, j])
