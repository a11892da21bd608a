"""Few-to-one: each neuron of one network as a sparse combination of the other's.

For every penalty a, standardised columns and each target y_j: min over w of ||y_j - X w||^2 / (2 n) + a ||w||_1
(LASSO). Everything needed is in the correlations C = X^T X / n and c = X^T y_j / n.
Source: Li, Yosinski, Clune, Lipson, Hopcroft, ICLR 2016, section 4; docs/convergent.md.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._plotting import axes_for
from .._progress import progress_bar
from .._threads import few_threads
from .._values import data_frame, plain, short
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

PENALTIES, LOWEST = 50, 1e-3
TOLERANCE, MOST_SWEEPS = 1e-7, 2000
SPLITS, FEW = 4, 5
"""Folds are put together to so many for held-out errors, each of which needs all paths anew."""


TableRow = dict[str, float | None]
"""Means over neurons at one penalty: penalty, predictors, error, held_out_error."""


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class SparseMap(AlignmentResult):
    """Every neuron of y from few of x, at every penalty. Errors are 1 - R^2; those of constant neurons are nan."""

    penalties: Array
    """(k,) falling, for standardised neurons: at 1 or above nothing is predicted."""
    predictors: NDArray[np.intp]
    """(k, q) how many neurons of x have a coefficient that is not 0."""
    error: Array
    """(k, q) on the rows fitted."""
    held_out_error: Array
    """(k, q) on folds of which neither coefficients nor means nor scales know; can be above 1. All nan without
    folds."""
    one_predictor_error: Array
    """(q,) from the single most correlated neuron of x, 1 - max c^2: the one-to-one end."""
    one_predictor_held_out_error: Array
    """(q,)"""
    regression_error: Array
    """(q,) of least squares from all of x: the other end."""
    regression_held_out_error: Array
    """(q,)"""
    gap: float
    """The largest duality gap left, as a share of a target's variance: so near to the least are the objectives."""
    _weights: Sequence[csc_array] = field(repr=False)
    _means: tuple[Array, Array] = field(repr=False)
    _deviations: tuple[Array, Array] = field(repr=False)

    def coefficients(self, i: int) -> Array:
        """Return W (p, q) at the i-th penalty, in units of activations: Y ~ X W + intercept(i)."""
        x, y = self._deviations
        return np.asarray(self.standardised_coefficients(i) * inverse(x)[:, None] * y)

    def standardised_coefficients(self, i: int) -> Array:
        """Return W (p, q) at the i-th penalty, for neurons of mean 0 and variance 1."""
        return np.asarray(self._weights[i].toarray())

    def intercept(self, i: int) -> Array:
        """Return what X W lacks, (q,)."""
        return np.asarray(self._means[1] - self._means[0] @ self.coefficients(i))

    def table(self) -> list[TableRow]:
        """Return a row for each penalty with means over neurons: penalty, predictors, error, held_out_error.

        The first row is of one predictor each (penalty None), the last of all of them, without penalty.
        """
        alive = ~np.isnan(self.regression_error)
        if not alive.any():
            return []
        p = self.provenance.x_neurons - len(self.x_constant)
        errors = np.vstack([self.one_predictor_error, self.error, self.regression_error])
        held = np.vstack([self.one_predictor_held_out_error, self.held_out_error, self.regression_held_out_error])
        columns = {
            "penalty": [None, *self.penalties.tolist(), 0.0],
            "predictors": [min(p, 1), *self.predictors[:, alive].mean(axis=1).tolist(), p],
            "error": plain(errors[:, alive].mean(axis=1)),
            "held_out_error": plain(held[:, alive].mean(axis=1)),
        }
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]

    def few(self, most: int = FEW) -> list[dict[str, Any]]:
        """Return each neuron's few predictors: at the penalty of the least error that leaves `most` of them or fewer.

        A row for each neuron that varies: neuron, predictors (of x, the largest coefficient first), coefficients
        (standardised), error and held_out_error; of held-out errors the least, where there are any.
        """
        rows = []
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
        """Return the table as a data frame."""
        return data_frame("sparse.to_frame", self.table())

    def plot(self, ax: Axes | None = None, **line: Any) -> Axes:
        """Draw the mean error, and dashed the held-out error, against the mean number of predictors.

        `line` goes to matplotlib's `plot`. Raises SpanmatchError if no neuron of x varies, or none of y.
        """
        if self.provenance.x_neurons == len(self.x_constant) or not self.table():
            raise SpanmatchError(f"{self.y_layer!r} from {self.x_layer!r}: one of them never varies; nothing to draw")
        ax = axes_for("sparse.plot", ax)
        one, *rows = [row for row in self.table() if (row["predictors"] or 0) >= 1]
        counts, errors, held = (
            np.array([row[name] for row in rows], dtype=np.float64)
            for name in ("predictors", "error", "held_out_error")
        )
        label = f"{self.y_layer} from {self.x_layer}"
        (drawn,) = ax.plot(counts, errors, **{"label": label} | line)
        ax.plot(counts, held, linestyle="--", color=drawn.get_color(), label=f"{label}, held out")
        ax.plot([1], [one["error"] or 0.0], "o", color=drawn.get_color(), label=f"{label}, one neuron by least squares")
        ax.set(xscale="log", ylim=(0, None), xlabel="predictors", ylabel="error, 1 - R^2")
        ax.legend()
        return ax

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the coefficients as plain Python values; nan as None."""
        ends = [f"{end}{kind}" for end in ("one_predictor", "regression") for kind in ("_error", "_held_out_error")]
        names = ["penalties", "predictors", "error", "held_out_error", *ends]
        arrays = {name: plain(getattr(self, name)) for name in names}
        return {**arrays, "gap": self.gap, "table": self.table(), **self._plain()}

    def __repr__(self) -> str:
        p, q = self.provenance.neurons
        rows = self.table()
        spread = (
            f": error {rows[0]['error']:.3f} from one neuron each to {rows[-1]['error']:.3f} from all" if rows else ""
        )
        return f"<SparseMap of {self.y_layer} ({q}) from {self.x_layer} ({p}), {len(self.penalties)} penalties{spread}>"


@few_threads
def sparse_map(pair: Pair, penalties: int | ArrayLike = PENALTIES) -> SparseMap:
    """Return sparse predictions of every neuron of y from those of x, over a path of penalties.

    min over w of ||y_j - X w||^2 / (2 n) + penalty ||w||_1, every neuron standardised to mean 0 and variance 1, by
    coordinate descent on the correlations (scikit-learn). `sm.sparse_map(pair.swapped)` predicts x from y. Held-out
    errors are of four splits of the folds, each part predicted by what the others give: squared residuals over squared
    deviations from the others' mean.
    Args: penalties, how many, from 1 down to 0.001 in equal ratios; or numbers that are not negative.
    Raises SpanmatchError for others.
    Cost: 5 q paths of some ten milliseconds each for 512 predictors, on all cores, with progress; memory for
    penalties x p x q coefficients.
    """
    from scipy.sparse import csc_array

    checked_pair(pair)
    grid = _grid(penalties)
    splits = min(SPLITS, pair.n_folds)
    q, alive = pair.neurons[1], pair.energy("y", centred=True) > 0
    with progress_bar() as bar:
        task = bar.add_task("sparse maps", total=(splits + 1) * q)

        def solved(own: Pair) -> tuple[Array, float]:
            return _solutions(own, grid, lambda: bar.advance(task))

        weights, gap = solved(pair)
        left, whole = np.zeros((len(weights), q)), np.zeros(q)
        for rest, fold in pair.splits(SPLITS):
            squares = _held_out(rest, fold, solved(rest)[0])
            left += squares[0]
            whole += squares[1]
    held = np.divide(left, whole, out=np.full_like(left, np.nan), where=alive & (whole > 0))
    error = np.where(alive, _errors(pair, weights), np.nan)
    return SparseMap(
        penalties=grid,
        predictors=np.count_nonzero(weights[1:-1], axis=1),
        error=error[1:-1],
        held_out_error=held[1:-1],
        one_predictor_error=error[0],
        one_predictor_held_out_error=held[0],
        regression_error=error[-1],
        regression_held_out_error=held[-1],
        gap=gap,
        _weights=[csc_array(w) for w in weights[1:-1]],
        _means=(pair.x_mean, pair.y_mean),
        _deviations=_deviations(pair),
        **alignment_fields(pair),
    )


def _grid(penalties: int | ArrayLike) -> Array:
    values = np.asarray(penalties)
    if values.ndim == 0 and values.dtype.kind in "iu" and values >= 1:
        return np.geomspace(1.0, LOWEST, int(values))
    if (
        values.ndim != 1
        or values.dtype.kind not in "iuf"
        or not len(values)
        or not (np.isfinite(values) & (values >= 0)).all()
    ):
        raise SpanmatchError(f"penalties={penalties!r}: give how many, or a list of numbers that are not negative")
    return np.sort(values.astype(np.float64))[::-1]


def _solutions(pair: Pair, grid: Array, step: Callable[[], object]) -> tuple[Array, float]:
    """Return standardised coefficients (k + 2, p, q): of one predictor, at every penalty, of least squares; and the
    gap."""
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
    with ignoring(ConvergenceWarning):  # the result carries the gap
        for j, path, left in _paths(within, between, grid, pair.rounding[0]):
            weights[1:-1, x, y[j]] = path.T
            gap = max(gap, left)
            step()
    return weights, gap


def _paths(within: Array, between: Array, grid: Array, rounding: Rounding) -> Any:
    """Yield each target's number, its coefficients (p, k), and the largest duality gap."""
    from sklearn.linear_model import lasso_path

    # The solver wants rows beside the products: any that have these products will do.
    size, directions = np.linalg.eigh(within)
    kept = size > max(rounding.cutoff(0, len(size)) ** 2, 4 * len(size) * UNIT) * size[-1]
    root = np.sqrt(size[kept])[:, None]
    X = np.asfortranarray(root * directions[:, kept].T)
    Y = np.asfortranarray(directions[:, kept].T @ between / root)
    options = {
        "precompute": np.ascontiguousarray(within),
        "tol": TOLERANCE,
        "max_iter": MOST_SWEEPS,
        "random_state": 0,  # coordinates come in turn; without this a number is drawn from NumPy's global state
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
    """Return squared residuals (k + 2, q) and squared deviations (q,) of a fold, by what the rest gives."""
    (x, y), (p, q) = _deviations(rest), rest.neurons
    found = []
    for w in weights:
        W = w * inverse(x)[:, None] * y
        found.append(fold.squares(np.arange(p), np.arange(q), W, rest.y_mean - rest.x_mean @ W, rest.y_mean))
    return np.array([left for left, _ in found]), found[0][1]


def _deviations(pair: Pair) -> tuple[Array, Array]:
    return np.sqrt(pair.energy("x", centred=True) / pair.rows), np.sqrt(pair.energy("y", centred=True) / pair.rows)
