"""Pair: the joint second moments of two layers, the argument of every question."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
from scipy.linalg import qr

from ..errors import SpanmatchError
from .provenance import Method, Provenance
from .spans import (
    SINGLE,
    UNIT,
    Array,
    Index,
    Rounding,
    Span,
    cholesky,
    outside_from_columns,
    outside_from_gram,
    span_from_columns,
    span_from_gram,
)

PRODUCTS: dict[Method, float] = {"gram": UNIT, "qr": 0.0, "single": SINGLE}
"""The relative rounding of the inner products that a method keeps; a triangular factor is used as it is."""
REMEMBERED = 2048
"""Neurons of two layers together, up to which a pair remembers the pairs of its folds; more would take gigabytes."""
RESOLVED = 1e-3
"""Distances have to be resolved to this for what is nearer to count as 0."""
FAR_OFF = 1e-2
"""Neurons whose spread is below this share of their norm are factored about their means."""


@dataclass(frozen=True, eq=False)
class Joint:
    """Sums over lifted rows of two layers, (x - c, ||x - c||^2) with a fixed shift c: what a pair is made from.

    Without `factor`: own (lower triangles of sum x x^T) and cross, (P, P), (Q, Q) and (P, Q) with P = p + 1, Q = q +
    1. With it: the triangular factor of [1 x y ||x||^2 ||y||^2], (1 + P + Q) square, in their place.
    """

    rows: int
    n_examples: int
    shift: tuple[Array, Array]
    sums: tuple[Array, Array]
    own: tuple[Array, Array] | None
    cross: Array | None
    factor: Array | None

    def swapped(self) -> Joint:
        """Return the same sums with the layers exchanged."""
        own = None if self.own is None else self.own[::-1]
        cross = None if self.cross is None else self.cross.T
        p, q = (len(shift) for shift in self.shift)
        order = [0, *range(1 + p, 1 + p + q), *range(1, 1 + p), 2 + p + q, 1 + p + q]
        factor = None if self.factor is None else stacked_factor(self.factor[:, order])
        return Joint(self.rows, self.n_examples, self.shift[::-1], self.sums[::-1], own, cross, factor)

    def products(self) -> tuple[Array, Array, Array]:
        """Return the sums of x x^T (of which only the lower triangle counts), x y^T and y y^T of lifted rows."""
        if self.factor is None:
            assert self.own is not None and self.cross is not None
            return self.own[0], self.cross, self.own[1]
        p, q = (len(shift) for shift in self.shift)
        X = self.factor[:, [*range(1, 1 + p), 1 + p + q]]
        Y = self.factor[:, [*range(1 + p, 1 + p + q), 2 + p + q]]
        return X.T @ X, X.T @ Y, Y.T @ Y


@dataclass(frozen=True, eq=False)
class Fourth:
    """Sums of squared norms a = ||x - c||^2 and b = ||y - d||^2, times each other and times the rows."""

    shift: tuple[Array, Array]
    x: Array = field(repr=False)
    """(p + 1,) sum a (x - c), and sum a^2 last."""
    y: Array = field(repr=False)
    """(q + 1,) sum b (y - d), and sum b^2."""
    x_by_y: Array = field(repr=False)
    """(p + 1,) sum b (x - c), and sum a b."""
    y_by_x: Array = field(repr=False)
    """(q + 1,) sum a (y - d), and sum a b."""

    def swapped(self) -> Fourth:
        """Return the same with the layers exchanged."""
        return Fourth(self.shift[::-1], self.y, self.x, self.y_by_x, self.x_by_y)


@dataclass(frozen=True, eq=False)
class Counts:
    """In how many rows a neuron of x is in one bin and a neuron of y in another."""

    table: Array = field(repr=False)
    """(p, x's bins, q, y's bins)"""
    edges: tuple[Array, Array] = field(repr=False)
    """(p, x's bins - 1), (q, y's bins - 1): a value is in the bin numbered by how many edges it is above."""


@dataclass(frozen=True, eq=False)
class Unit:
    """Neurons of both layers as columns of unit norm, x then y: their inner products and, if any, coordinates."""

    gram: Array
    columns: Array | None
    rounding: tuple[Rounding, Rounding]
    """Of x and of y."""
    split: int
    """How many neurons are x's."""

    def outside(self, regressors: Index, targets: Index) -> tuple[Array, float]:
        """Return the squared distances of some columns to the span of others, and what distances can be wrong by.

        Args: regressors, neurons of one layer. Raises SpanmatchError if it is not clear which directions they span.
        """
        rounding = self._rounding_of(regressors)
        if self.columns is not None:
            return outside_from_columns(self.columns[:, regressors], self.columns[:, targets], rounding)
        return outside_from_gram(*self._between(regressors, targets), rounding)

    def coefficients(self, regressors: Index, targets: Index) -> Array:
        """Return the least-squares coefficients (|regressors|, |targets|) of some columns on others."""
        span = span_from_gram(*self._between(regressors, targets), self._rounding_of(regressors))
        return np.asarray(span.dual.T @ span.inside)

    def _between(self, regressors: Index, targets: Index) -> tuple[Array, Array]:
        rows = regressors[:, None]  # (np.ix_ would take longer than the products of small groups)
        return self.gram[rows, regressors], self.gram[rows, targets]

    def _rounding_of(self, regressors: Index) -> Rounding:
        return self.rounding[int(len(regressors) > 0 and regressors[0] >= self.split)]


@dataclass(frozen=True, eq=False)
class Pair:
    """The joint moments of two layers over the same rows.

    With m the means over n rows: xx = sum (x - m)(x - m)^T, and so xy, yy. Everything that can be asked of two
    layers' spans is a function of these. Made by `sm.pair` and `Moments.pair`; not changed afterwards.
    """

    x_layer: str
    y_layer: str
    method: Method
    rows: int
    x_mean: Array
    """(p,) mean activation of each neuron."""
    y_mean: Array
    """(q,)"""
    xx: Array
    """(p, p) centred second moments, summed over rows (not divided by them)."""
    xy: Array
    """(p, q)"""
    yy: Array
    """(q, q)"""
    factor: Array | None
    """(p + q, p + q), with method="qr": upper triangular, factor^T factor = [xx xy; yx yy]."""
    counts: Counts | None = None
    """The joint histograms, if bins were asked for."""
    fourth: Fourth | None = None
    """What unbiased measures need beside the second moments."""
    layout: str = ""
    """How the rows were made, in words."""
    n_examples: int = 0
    """How many examples the rows are of; one that comes in several batches counts in each."""
    dtypes: tuple[str, str] = ("float64", "float64")
    """The coarsest number types in which x and y came: what is below their rounding is no direction of a layer."""
    partner_similarity: float = float("nan")
    """The share of their variance that examples of one batch have in common, at the layer where they share more: near
    0 if the examples are shuffled, and the null then pairs rows of unrelated examples. nan if no null was kept."""
    _parts: Sequence[Joint] = ()
    _null_product: Callable[[], Array] | None = None
    results: dict[Hashable, Any] = field(default_factory=dict, repr=False)
    """What functions of this pair returned: see `remembered`."""

    @classmethod
    def of(
        cls,
        layers: tuple[str, str],
        parts: Sequence[Joint],
        null_product: Callable[[], Array] | None = None,
        counts: Counts | None = None,
        layout: str = "",
        partner_similarity: float = float("nan"),
        single: bool = False,
        dtypes: tuple[str, str] = ("float64", "float64"),
    ) -> Pair:
        """Return the pair that the sums of some folds make.  Raises SpanmatchError if squares overflow.

        Args: single, whether the products were taken in single precision.
        """
        joint = total(parts)
        n, (c, d), (s, t) = joint.rows, joint.shift, (side[:-1] for side in joint.sums)
        lifted = joint.products()
        xx, xy, yy, factor = _centred(joint, lifted)
        last = lifted[0][-1], lifted[2][-1], lifted[1][:, -1], lifted[1][-1]
        fourth = Fourth(joint.shift, *(sums.copy() for sums in last))
        for layer, moments in zip(layers, (xx, yy), strict=True):
            finite = np.isfinite(moments).all(axis=1)
            if not finite.all():
                neuron = int(np.argmin(finite))
                raise SpanmatchError(f"layer {layer!r}: the squares of neuron {neuron} overflow; scale it down")
        method: Method = "single" if single else "gram" if factor is None else "qr"
        means = c + s / n, d + t / n
        return cls(
            *layers,
            method,
            n,
            *means,
            xx,
            xy,
            yy,
            factor,
            counts,
            fourth,
            layout,
            joint.n_examples,
            dtypes,
            partner_similarity,
            parts,
            null_product,
        )

    def __repr__(self) -> str:
        p, q = self.neurons
        folds = f"{self.n_folds} folds" if self.n_folds else ""
        kept = " and ".join(filter(None, (folds, "a null" if self.keeps_null else "")))
        with_ = f", with {kept}" if kept else ""
        return f"<Pair of {self.x_layer} ({p}) and {self.y_layer} ({q}): {self.rows:,} rows by {self.method}{with_}>"

    @property
    def neurons(self) -> tuple[int, int]:
        """The widths (p, q)."""
        return len(self.x_mean), len(self.y_mean)

    @cached_property
    def provenance(self) -> Provenance:
        """Where results that are computed from this pair come from."""
        p, q = self.neurons
        return Provenance(
            x_layer=self.x_layer,
            y_layer=self.y_layer,
            x_neurons=p,
            y_neurons=q,
            rows=self.rows,
            n_examples=self.n_examples,
            layout=self.layout,
            method=self.method,
        )

    @property
    def n_folds(self) -> int:
        """How many folds of the examples were kept apart; 0 if none were."""
        return len(self._parts) if len(self._parts) > 1 else 0

    @cached_property
    def folds(self) -> tuple[Pair, ...]:
        """The pair on each fold of the examples; empty if no folds were kept apart."""
        return tuple(self._on([part]) for part in self._parts) if self.n_folds else ()

    def splits(self, n_splits: int | None = None) -> Iterable[tuple[Pair, Pair]]:
        """Return, for each fold, the pair on all others and the pair on that one; none if no folds were kept apart.

        Args: n_splits, at most so many splits, by putting folds together. Pairs of few neurons remember them.
        """
        groups = self.n_folds if n_splits is None else min(n_splits, self.n_folds)
        if sum(self.neurons) > REMEMBERED:
            return self._splits(groups)
        key = ("splits", groups)
        if key not in self.results:
            self.results[key] = tuple(self._splits(groups))
        splits: tuple[tuple[Pair, Pair], ...] = self.results[key]
        return splits

    def _splits(self, groups: int) -> Iterator[tuple[Pair, Pair]]:
        for group in range(groups):
            inside = [i % groups == group for i in range(len(self._parts))]
            yield (
                self._on([part for part, held in zip(self._parts, inside, strict=True) if not held]),
                self._on([part for part, held in zip(self._parts, inside, strict=True) if held]),
            )

    def _on(self, parts: Sequence[Joint]) -> Pair:
        layers, single = (self.x_layer, self.y_layer), self.method == "single"
        return Pair.of(layers, parts, layout=self.layout, single=single, dtypes=self.dtypes)

    @property
    def keeps_null(self) -> bool:
        """Whether a null pairing was kept; it may be refused all the same."""
        return self._null_product is not None

    @property
    def rounding(self) -> tuple[Rounding, Rounding]:
        """How much of x's and of y's numbers is rounding."""
        x, y = (UNIT / 2 if dtype == "float64" else SINGLE / 2 for dtype in self.dtypes)
        return Rounding(x, PRODUCTS[self.method]), Rounding(y, PRODUCTS[self.method])

    @cached_property
    def null(self) -> Pair:
        """The pair in a world where nothing corresponds: rows of x against rows of other examples of y.

        Raises SpanmatchError if no null pairing was kept, or not of all rows, or if the examples that it pairs are
        alike.
        """
        if self._null_product is None:
            raise SpanmatchError(
                f"layers {self.x_layer!r} and {self.y_layer!r}: no null pairing was kept; "
                "make the moments with null=True"
            )
        assert self.fourth is not None
        (s, t), lifted = total(self._parts).sums, self._null_product()
        xy = lifted[:-1, :-1] - np.outer(s[:-1] / self.rows, t[:-1])
        fourth = replace(self.fourth, x_by_y=lifted[:, -1], y_by_x=lifted[-1])
        options: dict[str, Any] = {"factor": None, "counts": None, "_parts": (), "_null_product": None, "results": {}}
        method: Method = "single" if self.method == "single" else "gram"
        return replace(self, method=method, xy=xy, fourth=fourth, **options)

    def null_or_reason(self) -> tuple[Pair | None, str]:
        """Return the null pair; or None, and why it is refused, which is empty if no null pairing was kept."""
        if not self.keeps_null:
            return None, ""
        try:
            return self.null, ""
        except SpanmatchError as error:
            return None, str(error)

    @cached_property
    def swapped(self) -> Pair:
        """The pair with the two layers exchanged: what was asked of x is asked of y."""
        p = len(self.x_mean)
        product, counts = self._null_product, self.counts
        return Pair(
            self.y_layer,
            self.x_layer,
            self.method,
            self.rows,
            self.y_mean,
            self.x_mean,
            self.yy,
            self.xy.T,
            self.xx,
            None if self.factor is None else stacked_factor(np.roll(self.factor, -p, axis=1)),
            None if counts is None else Counts(counts.table.transpose(2, 3, 0, 1), counts.edges[::-1]),
            None if self.fourth is None else self.fourth.swapped(),
            self.layout,
            self.n_examples,
            self.dtypes[::-1],
            self.partner_similarity,
            [part.swapped() for part in self._parts],
            None if product is None else lambda: product().T,
        )

    def energy(self, side: Literal["x", "y"], *, centred: bool = False) -> Array:
        """Return each neuron's squared norm over the rows: sum z^2, or sum (z - mean)^2.  Exactly 0 if silent."""
        own, mean, which = (self.xx, self.x_mean, 0) if side == "x" else (self.yy, self.y_mean, 1)
        shift = mean if self.fourth is None else self.fourth.shift[which]
        spread = np.clip(np.diagonal(own), 0.0, None)
        # Of some folds only: a neuron that is constant in them, elsewhere than the shift, leaves rounding.
        spread = np.where(spread <= 8 * UNIT * self.rows * (mean - shift) ** 2, 0.0, spread)
        if not centred:
            return np.asarray(spread + self.rows * np.where(abs(mean) <= 8 * UNIT * abs(shift), 0.0, mean) ** 2)
        constant = spread <= self.rows * (16 * UNIT * mean) ** 2
        return np.asarray(np.where(constant, 0.0, spread))

    def active(self, *, centred: bool = False) -> tuple[Index, Index]:
        """Return the neurons of x and of y that are not silent or, centred, not constant."""
        x, y = self.energy("x", centred=centred), self.energy("y", centred=centred)
        return np.flatnonzero(x), np.flatnonzero(y)

    def squares(self, x: Index, y: Index, W: Array, intercept: Array, reference: Array) -> tuple[Array, Array]:
        """Return squared residuals of y - (x W + intercept), and squares of y - reference, summed over these rows.

        Args: indices x and y of neurons, W (|x|, |y|), intercept and reference (|y|,): coefficients from other rows,
        say.
        """
        own = np.diagonal(self.yy)[y]
        left = own + np.einsum("pj,pj->j", W, self.xx[np.ix_(x, x)] @ W - 2 * self.xy[np.ix_(x, y)])
        off = self.y_mean[y] - intercept - self.x_mean[x] @ W
        return np.maximum(left, 0) + self.rows * off**2, own + self.rows * (self.y_mean[y] - reference) ** 2

    def all_spans(self, *, centred: bool = False) -> tuple[Span, Span]:
        """Return the spans of all neurons that are not silent (centred: not constant), computed once.

        They are shared: whoever takes neurons away needs `spans`, or a copy.
        """
        key = ("spans", centred)
        if key not in self.results:
            self.results[key] = self.spans(*self.active(centred=centred), centred=centred)
        spans: tuple[Span, Span] = self.results[key]
        return spans

    def spans(self, x: Index, y: Index, *, centred: bool = False) -> tuple[Span, Span]:
        """Return what the span of neurons x holds of neurons y, and the reverse, on columns of unit norm.

        Args: x and y, indices of neurons that are not silent. Cost: of two triangular factors, about
        5 (p^3 + q^3) / 3 operations from products, three times that from a triangular factor.
        """
        columns, (of_x, of_y) = self._columns(x, y, centred)
        if columns is not None:
            A, B = columns[:, : len(x)], columns[:, len(x) :]
            return span_from_columns(A, B, of_x), span_from_columns(B, A, of_y)
        xx, xy, yy = self._products(x, y, centred)
        return span_from_gram(xx, xy, of_x), span_from_gram(yy, xy.T, of_y)

    def resolution(self, *, centred: bool = False) -> float:
        """Return the distance that cannot be told from 0 in these two layers.  Cost: of two triangular factors."""
        x, y = self.active(centred=centred)
        return max(
            self.spans(x, y[:0], centred=centred)[0].resolution, self.spans(x[:0], y, centred=centred)[1].resolution
        )

    def unit(self, x: Index, y: Index, *, centred: bool = False) -> Unit:
        """Return neurons x and y, which are not silent, scaled to unit norm and side by side."""
        columns, rounding = self._columns(x, y, centred)
        if columns is not None:
            return Unit(columns.T @ columns, columns, rounding, len(x))
        xx, xy, yy = self._products(x, y, centred)
        return Unit(np.block([[xx, xy], [xy.T, yy]]), None, rounding, len(x))

    def _columns(self, x: Index, y: Index, centred: bool) -> tuple[Array | None, tuple[Rounding, Rounding]]:
        """Return unit columns in orthonormal coordinates of the rows, if they are better than products; their rounding.

        They are if there is a triangular factor, or if means are far larger than the spread: then inner products of
        activations hold little but the means, while those of centred activations are known as well as ever.
        """
        energy = np.concatenate([self.energy("x", centred=centred)[x], self.energy("y", centred=centred)[y]])
        if self.factor is not None:
            chosen = self.factor[:, np.concatenate([x, len(self.x_mean) + y])]
            return self._with_means(chosen, x, y, centred) / np.sqrt(energy), self.rounding
        spread = np.sqrt(np.concatenate([self.energy("x", centred=True)[x], self.energy("y", centred=True)[y]]))
        largest = float((spread / np.sqrt(energy)).max(initial=0.0))
        if centred or largest > FAR_OFF:
            return None, self.rounding
        xx, xy, yy = self._scaled(x, y, np.where(spread > 0, spread, np.inf), 0)
        root = cholesky(np.block([[xx, xy], [xy.T, yy]])) * spread
        of_x, of_y = (replace(own, products=own.products * largest**2) for own in self.rounding)
        return self._with_means(root, x, y, False) / np.sqrt(energy), (of_x, of_y)

    def _with_means(self, centred_columns: Array, x: Index, y: Index, centred: bool) -> Array:
        """Return columns of activations as they are: those of the centred ones, and one more coordinate, the mean."""
        if centred:
            return centred_columns
        means = np.sqrt(self.rows) * np.concatenate([self.x_mean[x], self.y_mean[y]])
        return stacked_factor(means[None], centred_columns)

    def _products(self, x: Index, y: Index, centred: bool) -> tuple[Array, Array, Array]:
        """Return the inner products of unit columns, from products."""
        energy = np.concatenate([self.energy("x", centred=centred)[x], self.energy("y", centred=centred)[y]])
        return self._scaled(x, y, np.sqrt(energy), 0 if centred else self.rows)

    def _scaled(self, x: Index, y: Index, norms: Array, rows: int) -> tuple[Array, Array, Array]:
        """Return the inner products of neurons over their norms: of the activations, or (rows = 0) of centred ones."""
        u, v, a, b = self.x_mean, self.y_mean, 1 / norms[: len(x)], 1 / norms[len(x) :]
        xx = _unit(self.xx, x, x, (a, a), (u, u), rows)
        xy = _unit(self.xy, x, y, (a, b), (u, v), rows)
        yy = _unit(self.yy, y, y, (b, b), (v, v), rows)
        return xx, xy, yy


def checked_pair(pair: Pair) -> Pair:
    """Return the pair.  Raises SpanmatchError for what is none, as two arrays are not."""
    if not isinstance(pair, Pair):
        raise SpanmatchError(f"a {type(pair).__name__} where a pair of layers is needed; make one with sm.pair(X, Y)")
    return pair


def total(parts: Sequence[Joint]) -> Joint:
    """Return the sums over all rows of the parts, which have the same shift."""
    if len(parts) == 1:
        return parts[0]

    def add(arrays: Sequence[Array]) -> Array:
        added = arrays[0].copy()
        for array in arrays[1:]:
            added += array
        return added

    first = parts[0]
    sums = (add([part.sums[0] for part in parts]), add([part.sums[1] for part in parts]))
    count = sum(part.rows for part in parts), sum(part.n_examples for part in parts)
    if first.factor is not None:
        factor = stacked_factor(*(part.factor for part in parts if part.factor is not None))
        return Joint(*count, first.shift, sums, None, None, factor)
    own = [part.own for part in parts if part.own is not None]
    cross = add([part.cross for part in parts if part.cross is not None])
    return Joint(*count, first.shift, sums, (add([o[0] for o in own]), add([o[1] for o in own])), cross, None)


def stacked_factor(*factors: Array) -> Array:
    """Return the triangular factor of matrices stacked."""
    width = factors[0].shape[1]
    return np.asarray(qr(np.vstack(factors), mode="r", check_finite=False)[0][:width])


def _centred(joint: Joint, lifted: tuple[Array, Array, Array]) -> tuple[Array, Array, Array, Array | None]:
    """Return xx, xy, yy and, if there is one, the factor of the centred columns."""
    n, (s, t) = joint.rows, (side[:-1] for side in joint.sums)
    if joint.factor is not None:
        # The first row of the factor carries the means: below it is the factor of the centred columns.
        end = 1 + len(s) + len(t)
        factor = joint.factor[1:end, 1:end]
        X, Y = factor[:, : len(s)], factor[:, len(s) :]
        return X.T @ X, X.T @ Y, Y.T @ Y, factor
    xx, xy, yy = _whole(lifted[0][:-1, :-1]), lifted[1][:-1, :-1].copy(), _whole(lifted[2][:-1, :-1])
    for moments, u, v in ((xx, s, s), (xy, s, t), (yy, t, t)):
        moments -= np.outer(u / n, v)
    return xx, xy, yy, None


def _whole(lower: Array) -> Array:
    """Return the symmetric matrix of a lower triangle."""
    whole = lower + lower.T
    np.fill_diagonal(whole, lower.diagonal())
    return whole


def _unit(
    moments: Array, i: Index, j: Index, scales: tuple[Array, Array], means: tuple[Array, Array], rows: int
) -> Array:
    """Return inner products of unit columns: of the activations, or (rows = 0) of the centred ones."""
    chosen = moments[np.ix_(i, j)]
    if rows:
        chosen += np.outer(rows * means[0][i], means[1][j])
    chosen *= scales[0][:, None]
    chosen *= scales[1]
    return chosen
