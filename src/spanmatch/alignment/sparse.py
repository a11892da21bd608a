"""Few-to-one alignment: each neuron of one network as a sparse combination of the other's neurons.

For standardised neurons, every penalty a and each target y_j, the LASSO solves min over w of ||y_j
- X w||^2 / (2 n) + a ||w||_1. It needs only the correlations C = X^T X / n and c = X^T y_j / n.
Source: Li, Yosinski, Clune, Lipson, Hopcroft, ICLR 2016, section 4; docs/convergent.md.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._plotting import axes_for, count_scale, label, legend
from .._progress import progress_bar
from .._threads import few_threads
from .._values import Json, data_frame, plain, short
from .._warnings import ignoring
from ..errors import SpanmatchError
from ..moments.pairs import Pair, checked_pair
from ..moments.spans import UNIT, Array, Rounding
from .chance import AlignmentResult, alignment_fields, inverse
from .correlations import correlation

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from scipy.sparse import csc_array

    from ..schema import FewRecord, SparseRow

PENALTIES, LOWEST = 50, 1e-3
"""Default number of penalties, and the smallest of them."""
TOLERANCE, MOST_SWEEPS = 1e-7, 2000
"""Relative duality gap at which coordinate descent stops, and the largest number of its sweeps."""
SPLITS = 4
"""Largest number of groups of folds for held-out errors. Each needs all paths again."""
FEW = 5
"""Default of `SparseMap.few`."""


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class SparseMap(AlignmentResult):
    """Predictions of every neuron of y from few neurons of x, at every penalty.

    Errors are 1 - R^2. Those of constant neurons are nan.

    Examples
    --------
    >>> import numpy as np
    >>> import spanmatch as sm
    >>> X, noise = np.random.default_rng(0).standard_normal((2, 500, 3))
    >>> pair = sm.pair(X, X[:, [2, 0, 1]] + 0.1 * noise)  # the same neurons in another order
    >>> sparse = sm.sparse_map(pair)
    >>> sparse.coefficients(3).round(1).tolist()  # at the fourth penalty
    [[0.0, 0.3, 0.0], [0.0, 0.0, 0.3], [0.3, 0.0, 0.0]]
    """

    penalties: Array
    """(k,) in decreasing order, for standardised neurons. At 1 or above, nothing is predicted."""
    predictors: NDArray[np.intp]
    """(k, q) number of neurons of x with a non-zero coefficient."""
    error: Array
    """(k, q) error on the rows fitted."""
    held_out_error: Array
    """(k, q) error on folds that neither coefficients nor means nor scales were fitted on.

    It can exceed 1. Without folds, all entries are nan.
    """
    one_predictor_error: Array
    """(q,) error of the most correlated neuron of x alone, 1 - max c^2."""
    one_predictor_held_out_error: Array
    """(q,) the same on held-out folds."""
    regression_error: Array
    """(q,) error of least squares from all neurons of x."""
    regression_held_out_error: Array
    """(q,) the same on held-out folds."""
    gap: float
    """Largest remaining duality gap, relative to a target's variance: the largest error of an
    objective.
    """
    _weights: Sequence[csc_array] = field(repr=False)
    _means: tuple[Array, Array] = field(repr=False)
    _deviations: tuple[Array, Array] = field(repr=False)

    def coefficients(self, i: int) -> Array:
        """Return the coefficients at one penalty, in units of activations.

        Parameters
        ----------
        i : int
            Index of the penalty.

        Returns
        -------
        ndarray of shape (p, q)
            W, with Y ~ X W + intercept(i).
        """
        x, y = self._deviations
        return np.asarray(self.standardised_coefficients(i) * inverse(x)[:, None] * y)

    def standardised_coefficients(self, i: int) -> Array:
        """Return the coefficients at one penalty, for neurons of mean 0 and variance 1.

        Parameters
        ----------
        i : int
            Index of the penalty.

        Returns
        -------
        ndarray of shape (p, q)
        """
        return np.asarray(self._weights[i].toarray())

    def intercept(self, i: int) -> Array:
        """Return the intercepts at one penalty, in units of activations.

        Parameters
        ----------
        i : int
            Index of the penalty.

        Returns
        -------
        ndarray of shape (q,)
        """
        return np.asarray(self._means[1] - self._means[0] @ self.coefficients(i))

    def table(self) -> list[SparseRow]:
        """Return one row for each penalty, with means over the non-constant neurons of y.

        Returns
        -------
        list of dict
            Keys "penalty", "predictors", "error" and "held_out_error". The first row has one
            predictor for each neuron (penalty None); the last one has all predictors, without a
            penalty. Empty if all neurons of y are constant.
        """
        alive = ~np.isnan(self.regression_error)
        if not alive.any():
            return []
        p = self.provenance.x_neurons - len(self.x_constant)
        errors = np.vstack([self.one_predictor_error, self.error, self.regression_error])
        held_out_errors = np.vstack(
            [self.one_predictor_held_out_error, self.held_out_error, self.regression_held_out_error]
        )
        columns = (
            [None, *self.penalties.tolist(), 0.0],
            [min(p, 1), *self.predictors[:, alive].mean(axis=1).tolist(), p],
            plain(errors[:, alive].mean(axis=1)),
            plain(held_out_errors[:, alive].mean(axis=1)),
        )
        return [
            {"penalty": penalty, "predictors": predictors, "error": error, "held_out_error": held_out_error}
            for penalty, predictors, error, held_out_error in zip(*columns, strict=True)
        ]

    def few(self, most: int = FEW) -> list[FewRecord]:
        """Return the few predictors of each neuron.

        They are those at the penalty with the smallest held-out error (in-sample error without
        folds) among the penalties with 1 to `most` predictors.

        Parameters
        ----------
        most : int
            The largest number of predictors.

        Returns
        -------
        list of dict
            One for each non-constant neuron of y that has such a penalty: "neuron", "predictors"
            (neurons of x, in order of decreasing coefficient), "coefficients" (standardised),
            "error" and "held_out_error".
        """
        rows: list[FewRecord] = []
        for j in np.flatnonzero(~np.isnan(self.regression_error)):
            errors = self.error[:, j] if np.isnan(self.held_out_error[:, j]).all() else self.held_out_error[:, j]
            allowed = (self.predictors[:, j] > 0) & (self.predictors[:, j] <= most)
            if not allowed.any():
                continue
            i = int(np.where(allowed, errors, np.inf).argmin())
            weights = self._weights[i][:, [j]].toarray().ravel()
            chosen = np.flatnonzero(weights)
            chosen = chosen[np.argsort(-abs(weights[chosen]), kind="stable")]
            rows.append(
                {
                    "neuron": int(j),
                    "predictors": chosen.tolist(),
                    "coefficients": short(weights[chosen]),
                    "error": short(self.error[i, j]),
                    "held_out_error": short(self.held_out_error[i, j]),
                }
            )
        return rows

    def to_frame(self) -> pd.DataFrame:
        """Return the table as a data frame.

        Returns
        -------
        pandas.DataFrame

        Raises
        ------
        SpanmatchError
            If pandas is not installed.
        """
        return data_frame("sparse.to_frame", self.table())

    def plot(self, ax: Axes | None = None, **line: Any) -> Axes:
        """Draw the mean error against the mean number of predictors; dashed, the held-out error.

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
            If all neurons of x or all neurons of y are constant, or matplotlib is not installed.
        """
        if self.provenance.x_neurons == len(self.x_constant) or not self.table():
            raise SpanmatchError(f"{self.y_layer!r} from {self.x_layer!r}: a layer never varies; nothing to draw")
        ax = axes_for("sparse.plot", ax)
        one, *rows = [row for row in self.table() if row["predictors"] >= 1]
        values = [(row["predictors"], row["error"], row["held_out_error"]) for row in rows]
        counts, errors, held_out = np.array(values, dtype=np.float64).T
        name = f"{self.y_layer} from {self.x_layer}"
        (drawn,) = ax.plot(counts, errors, **{"label": name} | line)
        ax.plot(counts, held_out, linestyle="--", color=drawn.get_color(), label=f"{name}, held out")
        ax.plot([1], [one["error"] or 0.0], "o", color=drawn.get_color(), label=f"{name}, one neuron (least squares)")
        ax.set(ylim=(0, None))
        count_scale(ax)
        label(ax, "predictors of each neuron", "error, 1 - R$^2$")
        legend(ax)
        return ax

    def to_dict(self) -> dict[str, Json | list[SparseRow]]:
        """Return everything but the coefficients as plain Python values; nan as None."""
        ends = [f"{end}{kind}" for end in ("one_predictor", "regression") for kind in ("_error", "_held_out_error")]
        names = ["penalties", "predictors", "error", "held_out_error", *ends]
        arrays = {name: plain(getattr(self, name)) for name in names}
        return {**arrays, "gap": self.gap, "table": self.table(), **self._plain()}

    def _summary(self) -> str:
        p, q = self.provenance.neurons
        rows = self.table()
        spread = (
            f": error {rows[0]['error']:.3f} from one neuron each to {rows[-1]['error']:.3f} from all" if rows else ""
        )
        return f"of {self.y_layer} ({q}) from {self.x_layer} ({p}), {len(self.penalties)} penalties{spread}"


@few_threads
def sparse_map(pair: Pair, penalties: int | ArrayLike = PENALTIES) -> SparseMap:
    """Return sparse predictions of every neuron of y from the neurons of x, over a path of
    penalties.

    `sm.sparse_map(pair.swapped)` predicts x from y.

    Parameters
    ----------
    pair : Pair
        The layers, (n, p) and (n, q).
    penalties : int or array_like
        The number of penalties, from 1 down to 0.001 in equal ratios; or non-negative penalties.

    Returns
    -------
    SparseMap
        Coefficients, numbers of predictors, and errors, in sample and held out.

    Raises
    ------
    SpanmatchError
        If the penalties are negative, not finite, or not numbers.

    Notes
    -----
    With every neuron standardised to mean 0 and variance 1, coordinate descent on the correlations
    (scikit-learn) solves

        min over w of ||y_j - X w||^2 / (2 n) + penalty ||w||_1.

    For held-out errors the folds are divided into at most four groups. Each is predicted by
    coefficients, means and scales of the others. The error is the sum of squared residuals over the
    sum of squared deviations from the others' mean.

    Cost: 5 q paths of about ten milliseconds each for 512 predictors, on all cores, with a progress
    bar. Memory: penalties x p x q coefficients.

    References
    ----------
    Li, Yosinski, Clune, Lipson, Hopcroft, ICLR 2016, section 4.

    Examples
    --------
    >>> import numpy as np
    >>> import spanmatch as sm
    >>> X, noise = np.random.default_rng(0).standard_normal((2, 500, 3))
    >>> pair = sm.pair(X, X[:, [2, 0, 1]] + 0.1 * noise)  # the same neurons in another order
    >>> sparse = sm.sparse_map(pair)
    >>> sparse.predictors[-1].tolist()  # at the smallest penalty, by neuron
    [3, 3, 3]
    """
    from scipy.sparse import csc_array

    checked_pair(pair)
    grid = _grid(penalties)
    splits = min(SPLITS, pair.n_folds)
    q, alive = pair.neurons[1], pair.energy("y", centred=True) > 0
    with progress_bar() as bar:
        task = bar.add_task("sparse maps", total=(splits + 1) * q)

        def solved(part: Pair) -> tuple[Array, float]:
            return _solutions(part, grid, lambda: bar.advance(task))

        weights, gap = solved(pair)
        residuals, deviations = np.zeros((len(weights), q)), np.zeros(q)
        for rest, fold in pair.splits(SPLITS):
            squares = _held_out(rest, fold, solved(rest)[0])
            residuals += squares[0]
            deviations += squares[1]
    held_out = np.divide(residuals, deviations, out=np.full_like(residuals, np.nan), where=alive & (deviations > 0))
    error = np.where(alive, _errors(pair, weights), np.nan)
    return SparseMap(
        penalties=grid,
        predictors=np.count_nonzero(weights[1:-1], axis=1),
        error=error[1:-1],
        held_out_error=held_out[1:-1],
        one_predictor_error=error[0],
        one_predictor_held_out_error=held_out[0],
        regression_error=error[-1],
        regression_held_out_error=held_out[-1],
        gap=gap,
        _weights=[csc_array(w) for w in weights[1:-1]],
        _means=(pair.x_mean, pair.y_mean),
        _deviations=_deviations(pair),
        **alignment_fields(pair),
    )


def _grid(penalties: int | ArrayLike) -> Array:
    """Return the penalties in decreasing order.  Raises SpanmatchError if they are not valid."""
    values = np.asarray(penalties)
    if values.ndim == 0 and values.dtype.kind in "iu" and values >= 1:
        return np.geomspace(1.0, LOWEST, int(values))
    if (
        values.ndim != 1
        or values.dtype.kind not in "iuf"
        or not len(values)
        or not (np.isfinite(values) & (values >= 0)).all()
    ):
        raise SpanmatchError(
            f"penalties={penalties!r}: give the number of penalties, or a list of non-negative numbers"
        )
    return np.sort(values.astype(np.float64))[::-1]


def _solutions(pair: Pair, grid: Array, step: Callable[[], object]) -> tuple[Array, float]:
    """Return standardised coefficients (k + 2, p, q) and the largest duality gap.

    The first are those of one predictor, the last those of least squares, with every penalty in
    between.
    """
    from sklearn.exceptions import ConvergenceWarning

    x, y = pair.active(centred=True)
    weights = np.zeros((len(grid) + 2, *pair.neurons))
    if not (len(x) and len(y)):
        return weights, 0.0
    c = correlation(pair)
    between, within = c.between[np.ix_(x, y)], c.within_x[np.ix_(x, x)]
    best = abs(between).argmax(axis=0)
    weights[0, x[best], y] = between[best, np.arange(len(y))]
    span = pair.spans(x, y, centred=True)[0]
    weights[-1][np.ix_(x, y)] = span.dual.T @ span.inside
    gap = 0.0
    without_penalty = "Coordinate descent without L1"  # a warning of older versions of scikit-learn
    with ignoring(ConvergenceWarning), ignoring(message=without_penalty):  # the result carries the gap
        for j, path, target_gap in _paths(within, between, grid, pair.rounding[0]):
            weights[1:-1, x, y[j]] = path.T
            gap = max(gap, target_gap)
            step()
    return weights, gap


def _paths(within: Array, between: Array, grid: Array, rounding: Rounding) -> Iterator[tuple[int, Array, float]]:
    """Yield each target's index, its coefficients (p, k), and its largest duality gap."""
    from sklearn.linear_model import lasso_path

    # The solver requires rows beside the products: any rows with these products are equivalent.
    variances, directions = np.linalg.eigh(within)
    resolved = variances > max(rounding.cutoff(0, len(variances)) ** 2, 4 * len(variances) * UNIT) * variances[-1]
    root = np.sqrt(variances[resolved])[:, None]
    X = np.asfortranarray(root * directions[:, resolved].T)
    Y = np.asfortranarray(directions[:, resolved].T @ between / root)
    options = {
        "precompute": np.ascontiguousarray(within),
        "tol": TOLERANCE,
        "max_iter": MOST_SWEEPS,
        "random_state": 0,  # unused by cyclic descent; without it NumPy's global state is advanced
    }

    def solve(j: int) -> tuple[int, Array, float]:
        alphas, products = grid / len(X), np.ascontiguousarray(between[:, j])
        _, path, gaps = lasso_path(X, Y[:, j], alphas=alphas, Xy=products, check_input=False, **options)
        return j, path, float(gaps.max() * len(X))

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield from pool.map(solve, range(between.shape[1]))


def _errors(pair: Pair, weights: Array) -> Array:
    """Return 1 - R^2 = 1 - 2 w.c + w.C w for every column, on the pair's own rows."""
    c = correlation(pair)
    return np.array([np.maximum(1 + np.einsum("pj,pj->j", w, c.within_x @ w - 2 * c.between), 0) for w in weights])


def _held_out(rest: Pair, fold: Pair, weights: Array) -> tuple[Array, Array]:
    """Return the squared residuals (k + 2, q) and squared deviations (q,) of a fold, by
    coefficients of the rest.
    """
    (x, y), (p, q) = _deviations(rest), rest.neurons
    fold_squares = []
    for w in weights:
        W = w * inverse(x)[:, None] * y
        fold_squares.append(fold.squares(np.arange(p), np.arange(q), W, rest.y_mean - rest.x_mean @ W, rest.y_mean))
    return np.array([residuals for residuals, _ in fold_squares]), fold_squares[0][1]


def _deviations(pair: Pair) -> tuple[Array, Array]:
    """Return the standard deviations of the neurons of x and of y."""
    return np.sqrt(pair.energy("x", centred=True) / pair.rows), np.sqrt(pair.energy("y", centred=True) / pair.rows)
