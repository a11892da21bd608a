"""Pair: the joint second moments of two layers, the argument of all functions that compare them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal, overload
from weakref import ref

import numpy as np
from scipy.linalg import blas

from .._display import Displayed
from ..errors import SpanmatchError
from .gram_spans import GramSpan, gram_spans
from .joint_sums import Joint, Products, stacked_factor, total
from .provenance import Method, Provenance
from .remembered import of_each_layer, remembered, results_of_each_layer
from .sample import Sample
from .spans import (
    SINGLE,
    UNIT,
    Array,
    Factor,
    Index,
    Rounding,
    Span,
    cholesky,
    factor_from_gram,
    outside_from_columns,
    outside_from_gram,
    span_from_columns,
    span_from_gram,
)

PRODUCTS: dict[Method, float] = {"gram": UNIT, "qr": 0.0, "single": SINGLE}
"""The relative rounding of the inner products, by the method of the moments. With "qr", the
triangular factor is used instead of inner products."""
REMEMBERED = 2048
"""The number of neurons of both layers up to which a pair keeps its splits, two pairs a fold. For wider layers they
would take gigabytes."""
KEPT_FOLDS = 4096
"""The number of neurons of both layers up to which a pair keeps the pairs of its folds."""
LEAST_RANK = 0.5
"""The rank per neuron below which a dual basis, of as many rows, is faster than inner products."""
RESOLVED = 1e-3
"""The largest resolution with which distances at or below it count as 0."""
FAR_OFF = 1e-2
"""The spread, relative to the norm, below which layers are factored about their means."""


@dataclass(frozen=True, eq=False)
class Fourth:
    """Third and fourth moments: squared norms of rows, multiplied by rows and by each other.

    Notes
    -----
    a = ||x - c||^2 and b = ||y - d||^2 with fixed shifts c and d. All sums are over the rows.
    """

    shift: tuple[Array, Array]
    """c (p,) and d (q,)."""
    x: Array = field(repr=False)
    """(p + 1,) sum a (x - c), and sum a^2 as the last entry."""
    y: Array = field(repr=False)
    """(q + 1,) sum b (y - d), and sum b^2 as the last entry."""
    x_by_y: Array = field(repr=False)
    """(p + 1,) sum b (x - c), and sum a b as the last entry."""
    y_by_x: Array = field(repr=False)
    """(q + 1,) sum a (y - d), and sum a b as the last entry."""

    def swapped(self) -> Fourth:
        """Return the same sums with the layers exchanged.

        Returns
        -------
        Fourth
            The sums of y and x.
        """
        return Fourth(self.shift[::-1], self.y, self.x, self.y_by_x, self.x_by_y)


@dataclass(frozen=True, eq=False)
class Counts:
    """The joint histograms of every neuron of x with every neuron of y."""

    table: Array = field(repr=False)
    """(p, bins of x, q, bins of y) the numbers of rows."""
    edges: tuple[Array, Array] = field(repr=False)
    """(p, bins of x - 1) and (q, bins of y - 1) the edges between bins. The bin of a value is the
    number of edges that are below it."""


@dataclass(frozen=True, eq=False)
class Unit:
    """Neurons of both layers as columns of unit norm, those of x first."""

    gram: Array
    """(m, m) the inner products of the columns."""
    columns: Array | None
    """(n, m) the columns in orthonormal coordinates; None if only inner products are known."""
    rounding: tuple[Rounding, Rounding]
    """The rounding of the columns of x and of y."""
    split: int
    """The number of columns of x."""

    def outside(self, regressors: Index, targets: Index) -> tuple[Array, float]:
        """Return the distances of some columns to the span of others.

        Parameters
        ----------
        regressors : array of int, (r,)
            Columns of one layer.
        targets : array of int, (t,)
            Columns.

        Returns
        -------
        squared_distances : array of float, (t,)
            The squared distances of the targets to the span of the regressors.
        noise : float
            A bound on the error of the distances, not squared.

        Raises
        ------
        SpanmatchError
            If the rank of the regressors is not clear.
        """
        rounding = self._rounding_of(regressors)
        if self.columns is not None:
            return outside_from_columns(self.columns[:, regressors], self.columns[:, targets], rounding)
        return outside_from_gram(*self._inner_products(regressors, targets), rounding)

    def coefficients(self, regressors: Index, targets: Index) -> Array:
        """Return the least-squares coefficients of some columns on others.

        Parameters
        ----------
        regressors : array of int, (r,)
            Columns of one layer.
        targets : array of int, (t,)
            Columns.

        Returns
        -------
        array of float, (r, t)
            The coefficients.
        """
        span = span_from_gram(*self._inner_products(regressors, targets), self._rounding_of(regressors))
        return np.asarray(span.dual.T @ span.inside)

    def _inner_products(self, regressors: Index, targets: Index) -> tuple[Array, Array]:
        """Return the inner products of regressors among each other and with targets."""
        rows = regressors[:, None]  # For small groups, np.ix_ would take longer than the products.
        return self.gram[rows, regressors], self.gram[rows, targets]

    def _rounding_of(self, regressors: Index) -> Rounding:
        """Return the rounding of columns of one layer."""
        of_x, of_y = self.rounding
        return of_y if len(regressors) and regressors[0] >= self.split else of_x


@dataclass(frozen=True, eq=False, repr=False)
class Pair(Displayed):
    """The joint moments of two layers over the same rows, made by `sm.pair` or `Moments.pair`.

    Notes
    -----
    For rows x and y with means m and k, summed over the rows:

        xx = sum (x - m)(x - m)^T,  xy = sum (x - m)(y - k)^T,  yy = sum (y - k)(y - k)^T.

    The spans of two layers are compared by functions of these sums and the means alone. A pair is
    immutable.

    Examples
    --------
    >>> import numpy as np
    >>> import spanmatch as sm
    >>> X, noise = np.random.default_rng(0).standard_normal((2, 500, 4))
    >>> moments = sm.Moments(pairs="all")
    >>> moments.update({"a:fc": X, "b:fc": X + noise})
    >>> pair = moments.pair("a:fc", "b:fc")
    >>> pair.rows, pair.neurons, len(pair.folds)
    (500, (4, 4), 8)
    """

    x_layer: str
    """The name of the first layer, "network:layer"."""
    y_layer: str
    """The name of the second layer, "network:layer"."""
    method: Method
    """How the moments were accumulated: "gram", "qr" or "single"."""
    rows: int
    """The number of rows."""
    x_mean: Array
    """(p,) the mean activation of each neuron of x."""
    y_mean: Array
    """(q,) the mean activation of each neuron of y."""
    xx: Array
    """(p, p) the centred second moments of x: sums over the rows, not divided by their number."""
    xy: Array
    """(p, q) the centred second moments of x with y."""
    yy: Array
    """(q, q) the centred second moments of y."""
    factor: Array | None
    """(p + q, p + q) with method="qr": upper triangular, factor^T factor = [xx xy; yx yy]."""
    counts: Counts | None = None
    """The joint histograms; None if no bins were requested."""
    fourth: Fourth | None = None
    """Further sums that unbiased measures need."""
    layout: str = ""
    """How outputs became rows, in words."""
    n_examples: int = 0
    """The number of examples of the rows. An example in several batches counts in each."""
    dtypes: tuple[str, str] = ("float64", "float64")
    """The coarsest number types of x and of y. Directions below their rounding do not count."""
    partner_similarity: float = float("nan")
    """How similar the examples are that the null pairs: the share of their variance that examples
    of one batch have in common, in the layer where it is larger. It is near 0 if the examples are
    shuffled, and nan if no null pairing was kept."""
    _parts: Sequence[Joint] = ()
    """The sums of each fold."""
    _null_product: Callable[[], Array] | None = None
    """Returns the sum of products of lifted rows under the null pairing, (p + 1, q + 1)."""
    _sample: Callable[[], Sample] | None = None
    """Returns the rows of the sampled examples; None if none were kept."""
    _no_sample: str = ""
    """Why none were kept."""
    _all_folds: ref[Pair] | None = None
    """The pair of which this one is a split. The reference is weak, as that pair caches its splits."""
    results: dict[Hashable, object] = field(default_factory=dict, repr=False)
    """Cached results of functions of this pair, see `remembered`."""

    def __getstate__(self) -> dict[str, object]:
        """Return the fields without cached results, which another process computes itself."""
        return self.__dict__ | {"results": {}}

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
        sample: Callable[[], Sample] | None = None,
        no_sample: str = "",
    ) -> Pair:
        """Return the pair of two layers from the sums of all folds.

        Parameters
        ----------
        layers : tuple of two strs
            The names of the layers.
        parts : sequence of Joint
            The sums of each fold.
        null_product : callable, optional
            Returns the sum of products of lifted rows under the null pairing.
        counts : Counts, optional
            The joint histograms.
        layout : str
            How outputs became rows, in words.
        partner_similarity : float
            How similar the examples are that the null pairs.
        single : bool
            Whether the products were computed in single precision.
        dtypes : tuple of two strs
            The coarsest number types of the layers.
        sample : callable, optional
            Returns the rows of the sampled examples.
        no_sample : str
            Why there are none.

        Returns
        -------
        Pair
            The joint moments over the rows of all folds.

        Raises
        ------
        SpanmatchError
            If the squares of a neuron overflow.
        """
        joint = total(parts)
        n, (c, d), (s, t) = joint.rows, joint.shift, (side[:-1] for side in joint.sums)
        products = joint.products()
        xx, xy, yy, factor = _centred(joint, products)
        norms = products.x_norms, products.y_norms, products.x_norms_of_y, products.y_norms_of_x
        fourth = Fourth(joint.shift, *norms)
        for layer, moments in zip(layers, (xx, yy), strict=True):
            finite = np.isfinite(moments).all(axis=1)
            if not finite.all():
                neuron = int(np.argmin(finite))
                raise SpanmatchError(f"layer {layer!r}: the squares of neuron {neuron} overflow; scale the layer down")
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
            sample,
            no_sample,
        )

    def _summary(self) -> str:
        p, q = self.neurons
        folds = f"{self.n_folds} folds" if self.n_folds else ""
        extras = " and ".join(filter(None, (folds, "a null" if self.keeps_null else "")))
        ending = f", with {extras}" if extras else ""
        return f"of {self.x_layer} ({p}) and {self.y_layer} ({q}): {self.rows:,} rows by {self.method}{ending}"

    @property
    def neurons(self) -> tuple[int, int]:
        """The numbers of neurons (p, q)."""
        return len(self.x_mean), len(self.y_mean)

    @cached_property
    def provenance(self) -> Provenance:
        """The provenance of results that are computed from this pair."""
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
    def rows_are_examples(self) -> bool:
        """Whether each row is an example of its own, so that rows count as independent."""
        return self.n_examples >= self.rows

    @property
    def parts(self) -> Sequence[Joint]:
        """The sums of each fold."""
        return self._parts

    @property
    def n_folds(self) -> int:
        """The number of folds; 0 if the moments were not kept separately."""
        return len(self._parts) if len(self._parts) > 1 else 0

    @property
    def folds(self) -> Sequence[Pair]:
        """The pair of each fold; empty if the moments were not kept separately.

        Those of narrow layers are cached; those of wide ones are computed at each access.
        """
        if sum(self.neurons) > KEPT_FOLDS:
            return _PairsOfFolds(self._fold, self.n_folds)
        return self._all_folds_as_pairs

    @cached_property
    def _all_folds_as_pairs(self) -> tuple[Pair, ...]:
        return tuple(map(self._fold, range(self.n_folds)))

    def _fold(self, fold: int) -> Pair:
        return self._from_parts([self._parts[fold]])

    def splits(self, n_splits: int | None = None) -> Iterable[tuple[Pair, Pair]]:
        """Return, for each fold, the pair of all other folds and the pair of that fold.

        Parameters
        ----------
        n_splits : int, optional
            The largest number of splits; folds are joined if there are more. One split per fold by
            default.

        Returns
        -------
        iterable of tuple of two Pairs
            (the others, the fold); empty if the moments were not kept separately. The splits of
            narrow layers are cached.
        """
        groups = self.n_folds if n_splits is None else min(n_splits, self.n_folds)
        if sum(self.neurons) > REMEMBERED:
            return self._splits(groups)
        return self._all_splits(groups)

    @remembered
    def _all_splits(self, groups: int) -> tuple[tuple[Pair, Pair], ...]:
        """Return the splits of the folds into so many groups."""
        return tuple(self._splits(groups))

    def _splits(self, groups: int) -> Iterator[tuple[Pair, Pair]]:
        """Yield the splits of the folds into so many groups."""
        for group in range(groups):
            others = [part for i, part in enumerate(self._parts) if i % groups != group]
            members = [part for i, part in enumerate(self._parts) if i % groups == group]
            yield replace(self._from_parts(others), _all_folds=ref(self)), self._from_parts(members)

    def _from_parts(self, parts: Sequence[Joint]) -> Pair:
        """Return the pair of some folds."""
        layers, single = (self.x_layer, self.y_layer), self.method == "single"
        return Pair.of(layers, parts, layout=self.layout, single=single, dtypes=self.dtypes)

    @property
    def all_folds(self) -> Pair | None:
        """The pair of all folds, if this is a split of it that still exists; otherwise None."""
        return None if self._all_folds is None else self._all_folds()

    @property
    def keeps_null(self) -> bool:
        """Whether a null pairing was kept. `null` may still be refused."""
        return self._null_product is not None

    @property
    def keeps_sample(self) -> bool:
        """Whether the rows of a sample of the examples can be asked for. `sample` may still be refused."""
        return self._sample is not None

    @property
    def rounding(self) -> tuple[Rounding, Rounding]:
        """The rounding of the numbers of x and of y."""
        x, y = (UNIT / 2 if dtype == "float64" else SINGLE / 2 for dtype in self.dtypes)
        return Rounding(x, PRODUCTS[self.method]), Rounding(y, PRODUCTS[self.method])

    @cached_property
    def null(self) -> Pair:
        """The pair under the null: rows of x paired with rows of other examples of y.

        Raises
        ------
        SpanmatchError
            If no null pairing was kept, if it does not include all rows, or if the examples that it
            pairs are too similar.
        """
        if self._null_product is None:
            raise SpanmatchError(
                f"layers {self.x_layer!r} and {self.y_layer!r}: no null pairing was kept; "
                "accumulate the moments with null=True"
            )
        return self.with_cross_product(self._null_product())

    def with_cross_product(self, lifted: Array) -> Pair:
        """Return the pair of the same two layers whose rows correspond in another way.

        Parameters
        ----------
        lifted : array of float, (p + 1, q + 1)
            The sum of products of lifted rows (see `Joint`), about the shifts of this pair.

        Returns
        -------
        Pair
            Without folds, null pairing and sample.
        """
        assert self.fourth is not None
        s, t = total(self._parts).sums
        xy = lifted[:-1, :-1] - np.outer(s[:-1] / self.rows, t[:-1])
        fourth = replace(self.fourth, x_by_y=lifted[:, -1], y_by_x=lifted[-1])
        return replace(
            self,
            method="single" if self.method == "single" else "gram",
            xy=xy,
            factor=None,
            counts=None,
            fourth=fourth,
            _parts=(),
            _null_product=None,
            _sample=None,
            _no_sample="",
            results=results_of_each_layer(self.results) if self.factor is None else {},
        )

    @cached_property
    def sample(self) -> Sample:
        """The rows of a sample of the examples, float32, one row for each example and layer.

        Raises
        ------
        SpanmatchError
            If no sample was kept, it is of other rows than one for each example, or this is the pair of
            a fold or of the null pairing.
        """
        if self._sample is None:
            reason = self._no_sample or "a fold and a null pairing have no sample of rows; see sm.permutation_test"
            raise SpanmatchError(f"layers {self.x_layer!r} and {self.y_layer!r}: {reason}")
        return self._sample()

    def null_or_reason(self) -> tuple[Pair | None, str]:
        """Return the pair under the null, or the reason why there is none.

        Returns
        -------
        pair : Pair or None
            The pair under the null; None if there is none.
        reason : str
            Why the null is refused; empty if there is a pair, and if no null pairing was kept.
        """
        if not self.keeps_null:
            return None, ""
        try:
            return self.null, ""
        except SpanmatchError as error:
            return None, str(error)

    @cached_property
    def swapped(self) -> Pair:
        """The pair with the two layers exchanged."""
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
            None if self._sample is None else lambda: self.sample.swapped,
            self._no_sample,
            None if self.all_folds is None else ref(self.all_folds.swapped),
        )

    @remembered
    @of_each_layer
    def energy(self, side: Literal["x", "y"], *, centred: bool = False) -> Array:
        """Return the squared norm of each neuron over the rows.

        Parameters
        ----------
        side : {"x", "y"}
            The layer.
        centred : bool
            Whether to subtract each neuron's mean first.

        Returns
        -------
        array of float, (p,) or (q,)
            sum z^2, or sum (z - mean)^2 if centred. It is exactly 0 for silent (centred: constant)
            neurons.
        """
        moments, mean = (self.xx, self.x_mean) if side == "x" else (self.yy, self.y_mean)
        shift = mean
        if self.fourth is not None:
            x_shift, y_shift = self.fourth.shift
            shift = x_shift if side == "x" else y_shift
        spread = np.clip(np.diagonal(moments), 0.0, None)
        # A neuron that is constant within some folds, at a value other than the shift, leaves
        # rounding only.
        spread = np.where(spread <= 8 * UNIT * self.rows * (mean - shift) ** 2, 0.0, spread)
        if not centred:
            return np.asarray(spread + self.rows * np.where(abs(mean) <= 8 * UNIT * abs(shift), 0.0, mean) ** 2)
        constant = spread <= self.rows * (16 * UNIT * mean) ** 2
        return np.asarray(np.where(constant, 0.0, spread))

    def active(self, *, centred: bool = False) -> tuple[Index, Index]:
        """Return the neurons that are not silent (centred: not constant).

        Parameters
        ----------
        centred : bool
            Whether to subtract each neuron's mean first.

        Returns
        -------
        x : array of int
            The sorted indices of the neurons of x.
        y : array of int
            The sorted indices of the neurons of y.
        """
        x, y = self.energy("x", centred=centred), self.energy("y", centred=centred)
        return np.flatnonzero(x), np.flatnonzero(y)

    def squares(self, x: Index, y: Index, W: Array, intercept: Array, reference: Array) -> tuple[Array, Array]:
        """Return the squared errors of a linear and of a constant prediction of y.

        Parameters
        ----------
        x : array of int, (|x|,)
            Indices of neurons of x.
        y : array of int, (|y|,)
            Indices of neurons of y.
        W : array of float, (|x|, |y|)
            Coefficients, usually fitted on other rows.
        intercept : array of float, (|y|,)
            Intercepts of the prediction.
        reference : array of float, (|y|,)
            Constant predictions, such as the means over other rows.

        Returns
        -------
        residuals : array of float, (|y|,)
            The squares of y - (x W + intercept), summed over the rows.
        deviations : array of float, (|y|,)
            The squares of y - reference, summed over the rows.
        """
        spread = np.diagonal(self.yy)[y]
        if self.factor is None:
            residuals = spread + np.einsum("pj,pj->j", W, self.xx[np.ix_(x, x)] @ W - 2 * self.xy[np.ix_(x, y)])
        else:  # Without differences of products, which cancel if coefficients are large.
            errors = self.factor[:, len(self.x_mean) + y] - self.factor[:, x] @ W
            residuals = np.einsum("nj,nj->j", errors, errors)
        bias = self.y_mean[y] - intercept - self.x_mean[x] @ W
        deviations = spread + self.rows * (self.y_mean[y] - reference) ** 2
        # A neuron that is silent on these rows, and predicted to be, leaves rounding only.
        silent = (self.energy("y")[y] == 0) & (reference == 0)
        return np.maximum(residuals, 0) + self.rows * bias**2, np.where(silent, 0.0, deviations)

    @remembered
    def all_spans(self, *, centred: bool = False) -> tuple[Span, Span]:
        """Return the spans of all neurons that are not silent (centred: not constant).

        Parameters
        ----------
        centred : bool
            Whether to subtract each neuron's mean first.

        Returns
        -------
        of_x : Span
            The span of x, with y as targets.
        of_y : Span
            The span of y, with x as targets.

        Notes
        -----
        The spans are cached and shared by all callers. Copy them before removing neurons.
        """
        x, y = self.active(centred=centred)
        factors = self.factors(centred=centred)
        if factors is None:
            return self.spans(x, y, centred=centred)
        cross = self._cross(x, y, centred)
        return factors[0].span(cross), factors[1].span(cross.T)

    def spans(self, x: Index, y: Index, *, centred: bool = False) -> tuple[Span, Span]:
        """Return the spans of some neurons, scaled to unit norm.

        Parameters
        ----------
        x : array of int, (p,)
            Indices of neurons of x, none of them silent.
        y : array of int, (q,)
            Indices of neurons of y, none of them silent.
        centred : bool
            Whether to subtract each neuron's mean first.

        Returns
        -------
        of_x : Span
            The span of the neurons of x, with those of y as targets.
        of_y : Span
            The span of the neurons of y, with those of x as targets.

        Notes
        -----
        Cost: two triangular factors, about 5 (p^3 + q^3) / 3 operations from inner products, and
        three times as many from a triangular factor.
        """
        columns, (of_x, of_y) = self._columns(x, y, centred)
        if columns is not None:
            A, B = columns[:, : len(x)], columns[:, len(x) :]
            return span_from_columns(A, B, of_x), span_from_columns(B, A, of_y)
        xx, xy, yy = self._products(x, y, centred)
        return span_from_gram(xx, xy, of_x), span_from_gram(yy, xy.T, of_y)

    def removable_spans(self, x: Index, y: Index, *, centred: bool) -> tuple[Span, Span] | tuple[GramSpan, GramSpan]:
        """Return the spans of some neurons in the form that neurons are removed from fastest.

        Parameters
        ----------
        x : array of int, (p,)
            Indices of neurons of x, none of them silent.
        y : array of int, (q,)
            Indices of neurons of y, none of them silent.
        centred : bool
            Whether to subtract each neuron's mean first.

        Returns
        -------
        of_x : Span or GramSpan
            The span of the neurons of x, with those of y as targets.
        of_y : Span or GramSpan
            The span of the neurons of y, with those of x as targets.

        Notes
        -----
        Where inner products are as accurate as columns, they are inner products too, unless the
        rank of a layer is small. The spans may be overwritten.
        """
        every_x, every_y = self.active(centred=centred)
        if len(x) == len(every_x) and len(y) == len(every_y):
            factors = self.factors(centred=centred)
            if factors is None:
                of_x, of_y = self.all_spans(centred=centred)
                return of_x.copy(), of_y.copy()
        else:
            columns, rounding = self._columns(x, y, centred)
            if columns is not None:
                return self.spans(x, y, centred=centred)
            factors = self._factors(x, y, rounding, centred)
        cross = self._cross(x, y, centred)
        if min(factor.rank / max(1, len(factor.order)) for factor in factors) < LEAST_RANK:
            return factors[0].span(cross), factors[1].span(cross.T)
        return gram_spans(factors, cross)

    @remembered
    @of_each_layer
    def factors(self, *, centred: bool = False) -> tuple[Factor, Factor] | None:
        """Return the factors of all neurons that are not silent, if inner products are used.

        Parameters
        ----------
        centred : bool
            Whether to subtract each neuron's mean first.

        Returns
        -------
        tuple of two Factors, or None
            Those of x and of y; None if columns are more accurate than inner products.
        """
        x, y = self.active(centred=centred)
        columns, rounding = self._columns(x, y, centred)
        return None if columns is not None else self._factors(x, y, rounding, centred)

    def ranks(self, *, centred: bool = False) -> tuple[int, int]:
        """Return the numbers of dimensions of both layers' spans.

        Parameters
        ----------
        centred : bool
            Whether to subtract each neuron's mean first.

        Returns
        -------
        tuple of two int
            Those of x and of y.
        """
        x, y = self.factors(centred=centred) or self.all_spans(centred=centred)
        return x.rank, y.rank

    def _factors(self, x: Index, y: Index, rounding: tuple[Rounding, Rounding], centred: bool) -> tuple[Factor, Factor]:
        """Return the factors of some neurons from inner products."""
        xx, yy = self._within("x", x, centred), self._within("y", y, centred)
        return factor_from_gram(xx, rounding[0]), factor_from_gram(yy, rounding[1])

    def resolution(self, *, centred: bool = False) -> float:
        """Return the smallest distance between these layers that can be distinguished from 0.

        Parameters
        ----------
        centred : bool
            Whether to subtract each neuron's mean first.

        Returns
        -------
        float
            The resolution, in [0, 1].

        Notes
        -----
        Cost: two triangular factors, which are cached; those of centred layers only where the
        constant vector is nearly in the span of a layer.
        """
        quick = self._centred_resolution() if centred else None
        if quick is not None:
            return quick
        factors = self.factors(centred=centred)
        if factors is not None:
            return max(factor.resolution for factor in factors)
        x, y = self.active(centred=centred)
        return max(
            self.spans(x, y[:0], centred=centred)[0].resolution, self.spans(x[:0], y, centred=centred)[1].resolution
        )

    def _centred_resolution(self) -> float | None:
        """Return the resolution between centred layers from the factors of the layers, or None."""
        factors, (x, y) = self.factors(), self.active()
        if factors is None:
            return None
        of_x = factors[0].centred_resolution(*self._mean_and_spread("x", x))
        of_y = None if of_x is None else factors[1].centred_resolution(*self._mean_and_spread("y", y))
        return None if of_x is None or of_y is None else max(of_x, of_y)

    def _mean_and_spread(self, side: Literal["x", "y"], neurons: Index) -> tuple[Array, Array]:
        """Return the component of unit columns along the constant vector, and the norm of the rest."""
        norms = np.sqrt(self.energy(side)[neurons])
        means = np.sqrt(self.rows) * (self.x_mean if side == "x" else self.y_mean)[neurons]
        return means / norms, np.sqrt(self.energy(side, centred=True)[neurons]) / norms

    def unit(self, x: Index, y: Index, *, centred: bool = False) -> Unit:
        """Return some neurons of both layers as columns of unit norm.

        Parameters
        ----------
        x : array of int
            Indices of neurons of x, none of them silent.
        y : array of int
            Indices of neurons of y, none of them silent.
        centred : bool
            Whether to subtract each neuron's mean first.

        Returns
        -------
        Unit
            The columns, those of x first.
        """
        columns, rounding = self._columns(x, y, centred)
        if columns is not None:
            return Unit(columns.T @ columns, columns, rounding, len(x))
        xx, xy, yy = self._products(x, y, centred)
        return Unit(np.block([[xx, xy], [xy.T, yy]]), None, rounding, len(x))

    def _columns(self, x: Index, y: Index, centred: bool) -> tuple[Array | None, tuple[Rounding, Rounding]]:
        """Return unit columns, or None if inner products are as accurate, and the rounding.

        Columns are more accurate if there is a triangular factor, or if all means are far larger
        than the spread. Inner products of activations are then dominated by the means, whereas
        those of centred activations are accurate.
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
        of_x, of_y = (replace(rounding, products=rounding.products * largest**2) for rounding in self.rounding)
        return self._with_means(root, x, y, False) / np.sqrt(energy), (of_x, of_y)

    def _with_means(self, centred_columns: Array, x: Index, y: Index, centred: bool) -> Array:
        """Return columns of activations: centred columns, and the means as one more coordinate."""
        if centred:
            return centred_columns
        means = np.sqrt(self.rows) * np.concatenate([self.x_mean[x], self.y_mean[y]])
        return stacked_factor(means[None], centred_columns)

    def _products(self, x: Index, y: Index, centred: bool) -> tuple[Array, Array, Array]:
        """Return the inner products of unit columns: x with x, x with y, y with y."""
        return self._within("x", x, centred), self._cross(x, y, centred), self._within("y", y, centred)

    def _within(self, side: Literal["x", "y"], neurons: Index, centred: bool) -> Array:
        """Return the inner products of unit columns of one layer."""
        moments, mean = (self.xx, self.x_mean) if side == "x" else (self.yy, self.y_mean)
        scale = 1 / np.sqrt(self.energy(side, centred=centred)[neurons])
        return _unit(moments, neurons, neurons, (scale, scale), (mean, mean), 0 if centred else self.rows)

    def _cross(self, x: Index, y: Index, centred: bool) -> Array:
        """Return the inner products of unit columns of x with those of y."""
        a = 1 / np.sqrt(self.energy("x", centred=centred)[x])
        b = 1 / np.sqrt(self.energy("y", centred=centred)[y])
        return _unit(self.xy, x, y, (a, b), (self.x_mean, self.y_mean), 0 if centred else self.rows)

    def _scaled(self, x: Index, y: Index, norms: Array, rows: int) -> tuple[Array, Array, Array]:
        """Return inner products of neurons divided by their norms; centred if rows = 0."""
        u, v, a, b = self.x_mean, self.y_mean, 1 / norms[: len(x)], 1 / norms[len(x) :]
        xx = _unit(self.xx, x, x, (a, a), (u, u), rows)
        xy = _unit(self.xy, x, y, (a, b), (u, v), rows)
        yy = _unit(self.yy, y, y, (b, b), (v, v), rows)
        return xx, xy, yy


class _PairsOfFolds(Sequence[Pair]):
    """The pairs of the folds of wide layers, of which none is kept."""

    def __init__(self, fold: Callable[[int], Pair], count: int) -> None:
        self._fold, self._count = fold, count

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> Pair: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Pair]: ...

    def __getitem__(self, index: int | slice) -> Pair | Sequence[Pair]:
        folds = range(self._count)[index]
        return tuple(map(self._fold, folds)) if isinstance(folds, range) else self._fold(folds)


def checked_pair(pair: Pair) -> Pair:
    """Check that an argument is a pair of layers.

    Parameters
    ----------
    pair : Pair
        The argument.

    Returns
    -------
    Pair
        The same pair.

    Raises
    ------
    SpanmatchError
        If it is anything else, such as an array.
    """
    if not isinstance(pair, Pair):
        raise SpanmatchError(f"expected a pair of layers, got {type(pair).__name__}; create one with sm.pair(X, Y)")
    return pair


def _centred(joint: Joint, products: Products) -> tuple[Array, Array, Array, Array | None]:
    """Return xx, xy, yy and the factor of the centred columns, None without method="qr". Products become the former."""
    n, (s, t) = joint.rows, (side[:-1] for side in joint.sums)
    if joint.factor is not None:
        # The first row of the factor contains the means. The rows below it are the factor of the
        # centred columns.
        end = 1 + len(s) + len(t)
        factor = joint.factor[1:end, 1:end]
        X, Y = factor[:, : len(s)], factor[:, len(s) :]
        return X.T @ X, X.T @ Y, Y.T @ Y, factor
    xx, xy, yy = products.xx, products.xy, products.yy
    for moments, u, v in ((xx, s, s), (xy, s, t), (yy, t, t)):
        blas.dger(-1.0, v, u / n, a=moments.T, overwrite_a=1)
    return xx, xy, yy, None


def _unit(
    moments: Array, i: Index, j: Index, scales: tuple[Array, Array], means: tuple[Array, Array], rows: int
) -> Array:
    """Return inner products of scaled neurons, given centred moments; centred if rows = 0."""
    is_complete = _are_all(i, moments.shape[0]) and _are_all(j, moments.shape[1])
    unit = np.multiply(moments if is_complete else moments[np.ix_(i, j)], scales[0][:, None], order="C")
    unit *= scales[1]
    if rows and unit.size:
        unit = blas.dger(rows, means[1][j] * scales[1], means[0][i] * scales[0], a=unit.T, overwrite_a=1).T
    return np.asarray(unit)


def _are_all(neurons: Index, count: int) -> bool:
    """Return whether these are all neurons, in order."""
    return np.array_equal(neurons, np.arange(count))
