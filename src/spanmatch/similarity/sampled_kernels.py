"""Products, distances and kernels of the sampled examples of one layer, all from one matrix of products.

Z are the rows minus their mean, G = Z Z^T, and mu is the mean. From G follow squared distances,

    |x_i - x_j|^2 = G_ii + G_jj - 2 G_ij,

inner products, x_i.x_j = G_ij + v_i + v_j + |mu|^2 with v = Z mu, and cosine distances,

    1 - cos(x_i, x_j) = (|x_i - x_j|^2 - (|x_i| - |x_j|)^2) / (2 |x_i| |x_j|),

which lose no digits where the mean is large. Pearson correlations of rows are the cosines of rows minus
their means over features. Identical examples have identical entries, to the last bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import wraps
from typing import Literal, ParamSpec, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.blas import dsyrk

from .._threads import as_many_as_help
from ..errors import SpanmatchError
from ..moments.pairs import Pair
from ..moments.sample import LayerSample
from ..moments.spans import Array, Index
from .matrix_cache import CACHE, UNIT_KERNELS

Kernel = Literal["linear", "rbf"]
Dissimilarity = Literal["correlation", "euclidean", "sqeuclidean", "cosine"]
BLOCK_SIZE = 2**20
"""The number of entries of a block of rows in float64."""
SAME = 1e-12
"""Values that differ by no more than this share of what they were computed from are equal."""
ZERO = 1e-13
"""A difference of this share of what it was computed from is 0."""
SHORT = 1e-3
"""Rows shorter than this share of the longest are compared directly, not by G: it would cost them
digits."""
LARGEST_MEAN = 1e4
"""The largest ratio of a layer's norm to its centred norm for which float32 rows keep the digits of
float64 activations."""
LARGEST_SHARE_LOST = 0.01
"""The largest share of rows whose correlations may have lost digits."""
P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, eq=False)
class RowSums:
    """What is known of each of a layer's m rows beside their products, all (m,); scaled as they are."""

    norms: Array
    """|x_i|; 0 for rows of zeros."""
    along_mean: Array
    """v_i = z_i.mu."""
    deviations: Array
    """The norms of rows minus their means over features; 0 for rows whose features are all equal."""
    deviations_along_mean: Array
    """The same as v, of rows minus their means over features."""
    feature_means: Array
    """The means of z_i over features."""
    twins: Index
    """The first example whose row is identical."""
    mean_square: float
    """|mu|^2."""
    features: int


@dataclass(frozen=True, eq=False)
class Directions:
    """What the angles between rows are computed from: products of centred rows, minus those of the
    parts that are the same at all features.
    """

    products: Array
    """G."""
    removed: Array
    """(m,) r, where the products are G - r r^T."""
    lengths: Array
    """(m,) the rows' lengths; 0 for those that have no direction."""
    squares: Array
    """(m,) G_ii - r_i^2."""
    along_mean: Array
    """(m,) inner products of the centred rows with the mean."""

    def between(self, rows: slice) -> Array:
        """Return 1 - cos of some rows with themselves and all later ones, (rows, those and later ones)."""
        later, safe = slice(rows.start, None), np.where(self.lengths > 0, self.lengths, 1.0)
        sums = self.squares[rows, None] + self.squares[later]
        result = self.removed[rows, None] * self.removed[later]
        np.subtract(self.products[rows, later], result, out=result)
        result *= 2
        np.subtract(sums, result, out=result)
        np.maximum(result, 0.0, out=result)
        # Lengths from differences of squares, so that a large mean costs no digits.
        offsets = self.squares + 2 * self.along_mean
        lengths = offsets[rows, None] - offsets[later]
        lengths /= safe[rows, None] + safe[later]
        lengths *= lengths
        result -= lengths
        sums *= ZERO
        result[result <= sums] = 0.0  # parallel rows
        result /= 2 * safe[rows, None] * safe[later]
        np.clip(result, 0.0, 2.0, out=result)
        result[:, self.lengths[later] == 0] = 1.0
        result[self.lengths[rows] == 0] = 1.0
        return result


def threads_of_sample(function: Callable[P, R]) -> Callable[P, R]:
    """Limit a function, whose first argument is a pair, to the number of threads that its sample gains
    from.
    """

    @wraps(function)
    def limited(*args: P.args, **kwargs: P.kwargs) -> R:
        pair = args[0] if args else kwargs.get("pair")
        with as_many_as_help(_features(pair)):
            return function(*args, **kwargs)

    return limited


def check_rows(pair: Pair, name: str) -> None:
    """Raise SpanmatchError if the sampled rows of a layer are all the same, or float32 lost their
    digits.
    """
    sample = pair.sample
    for layer, dtype in zip((sample.x, sample.y), pair.dtypes, strict=True):
        sums = row_sums(layer)
        if not sums.twins.any():
            raise SpanmatchError(
                f"{name}: layer {layer.layer!r}: all {len(sums.twins)} sampled examples have the same row; "
                "use a larger sample"
            )
        spread = float(np.trace(products(layer)))
        if dtype == "float64" and float(np.sum(sums.norms**2)) > LARGEST_MEAN**2 * spread:
            raise SpanmatchError(
                f"{name}: layer {layer.layer!r}: the mean is over {LARGEST_MEAN:,.0f} times as large as the spread "
                "about it, so that the sample's float32 rows lost the digits of float64 activations; subtract the mean"
            )


def check_deviations(pair: Pair, name: str) -> None:
    """Raise SpanmatchError if float32 rows lost the digits of their deviations from their means over
    features.
    """
    for layer, dtype in zip((pair.sample.x, pair.sample.y), pair.dtypes, strict=True):
        sums = row_sums(layer)
        varies = sums.deviations > 0
        lost = sums.norms[varies] > LARGEST_MEAN * sums.deviations[varies]
        if dtype == "float64" and np.count_nonzero(lost) > LARGEST_SHARE_LOST * len(sums.norms):
            raise SpanmatchError(
                f"{name}: layer {layer.layer!r}: the means of rows over features are over {LARGEST_MEAN:,.0f} times as "
                "large as the spread about them, so that the sample's float32 rows lost the digits of float64 "
                "activations; subtract the means, or use another dissimilarity"
            )


def products(sample: LayerSample) -> Array:
    """Return G (m, m), the products of the centred rows, scaled by a power of 4."""
    return CACHE.get(sample, "products", lambda: _products_and_sums(sample)[0])


def row_sums(sample: LayerSample) -> RowSums:
    """Return what is known of each row beside the products."""
    sums = sample.results.get("row sums")
    if not isinstance(sums, RowSums):
        products(sample)
        sums = sample.results["row sums"]
    assert isinstance(sums, RowSums)
    return sums


def inner_products(sample: LayerSample, rows: Index, columns: Index) -> Array:
    """Return the inner products x_i.x_j of some examples i with as many others j."""
    sums = row_sums(sample)
    v = sums.along_mean
    return np.asarray(products(sample)[rows, columns] + (v[rows] + v[columns] + sums.mean_square))


def angular_distances(sample: LayerSample, of: Literal["cosine", "correlation"]) -> Array:
    """Return 1 - cosine, or 1 - correlation over features, of every two rows (m, m).

    A row of zeros, or of equal features for correlations, has no direction: its cosine with all
    others is 0.
    """
    return CACHE.get(sample, of, lambda: _angular_distances(sample, of))


def dissimilarities(sample: LayerSample, of: Dissimilarity) -> Array:
    """Return the dissimilarities of every two examples i < j, row by row (m (m - 1) / 2,)."""
    if of in ("euclidean", "sqeuclidean"):
        blocks = (block for _, block in _squared_distances(sample))
        values = np.concatenate([row[i + 1 :] for block in blocks for i, row in enumerate(block)])
        return np.sqrt(values, out=values) if of == "euclidean" else values
    matrix = angular_distances(sample, "cosine" if of == "cosine" else "correlation")
    return np.concatenate([row[i + 1 :] for i, row in enumerate(matrix)])


def unit_kernel(sample: LayerSample, kernel: Kernel, bandwidth: float, *, debiased: bool) -> Array:
    """Return the centred kernel matrix with norm 1 (m, m), whose inner product with another layer's is
    CKA.

    For debiased CKA it is U-centred: with A the kernel without its diagonal, A_ij - A_i. / (m - 2) -
    A_.j / (m - 2) + A.. / ((m - 1)(m - 2)) for i != j, and 0 for i = j (Szekely and Rizzo, Annals of
    Statistics 42, 2014).
    """

    def compute() -> Array:
        centred = products(sample) if kernel == "linear" else _centred_rbf_kernel(sample, bandwidth)
        matrix = centred.copy()
        if debiased:
            _u_centre(matrix)
        size = float(np.linalg.norm(centred))
        return _normalised(matrix, size, f"layer {sample.layer!r}: all sampled examples are equally far apart")

    return UNIT_KERNELS.get(sample, (kernel, bandwidth if kernel == "rbf" else 0.0, debiased), compute)


def unit_centred_distances(sample: LayerSample) -> Array:
    """Return double-centred Euclidean distances with norm 1 (m, m)."""

    def compute() -> Array:
        matrix = _distances(sample)
        size = float(np.linalg.norm(matrix))
        _double_centre(matrix)
        return _normalised(matrix, size, f"layer {sample.layer!r}: all sampled examples are the same")

    return CACHE.get(sample, "centred distances", compute)


def ranks_of(values: Array) -> Array:
    """Return ranks from 1, in place; equal values share the mean of their ranks."""
    order = np.argsort(values)
    ascending = values[order]
    if (np.diff(ascending) > SAME * np.abs(ascending[[0, -1]]).max()).all():
        values[order] = np.arange(1.0, len(values) + 1)  # without ties
        return values
    starts = np.flatnonzero(np.diff(ascending, prepend=-np.inf) > SAME * np.abs(ascending[[0, -1]]).max())
    ends = np.append(starts[1:], len(values))
    values[order] = np.repeat((starts + 1 + ends) / 2, ends - starts)
    return values


def hollow(values: Array, size: int) -> Array:
    """Return the symmetric matrix with zeros on its diagonal and given values of i < j (size, size)."""
    matrix, at = np.zeros((size, size)), 0
    for i in range(size - 1):
        matrix[i, i + 1 :] = values[at : at + size - 1 - i]
        at += size - 1 - i
    for rows in _blocks(matrix):
        matrix[rows.start :, rows] += np.tril(matrix[rows, rows.start :].T, -1)
    return matrix


def _features(pair: object) -> int:
    """Return the total number of features of a pair's sample; 0 if there is none."""
    try:
        return pair.sample.X.shape[1] + pair.sample.Y.shape[1] if isinstance(pair, Pair) else 0
    except SpanmatchError:
        return 0  # the function itself says why


def _products_and_sums(sample: LayerSample) -> tuple[Array, RowSums]:
    """Return the products of the centred rows; store what is known of each row beside them."""
    rows, (m, p) = sample.rows, sample.rows.shape
    # A power of 2, so that nothing is rounded, and neither squares overflow nor their squares.
    extremes = np.stack([rows.min(axis=1), rows.max(axis=1)])
    scale = _scale(extremes)
    mean, row_means = _means(rows, 0) * scale, _means(rows, 1) * scale
    grand_mean = float(mean.mean())
    lower = np.zeros((m, m), order="F")
    squares, along, deviations, deviations_along, feature_sums = np.zeros((5, m))
    width = max(1, BLOCK_SIZE // m)
    for start in range(0, p, width):
        part = rows[:, start : start + width].astype(np.float64)
        part *= scale
        squares += np.einsum("ij,ij->i", part, part)
        deviation = part - row_means[:, None]
        deviations += np.einsum("ij,ij->i", deviation, deviation)
        part -= mean[start : start + width]
        rounding = part.mean(axis=0)
        part -= rounding
        of_mean = mean[start : start + width] + rounding
        feature_sums += part.sum(axis=1)
        along += part @ of_mean
        deviations_along += part @ (of_mean - grand_mean)
        lower = dsyrk(1.0, part.T, beta=1.0, c=lower, trans=1, lower=1, overwrite_c=1)
    deviations[extremes[0] == extremes[1]] = 0.0
    twins = _twins(rows, extremes)
    sums = RowSums(
        norms=np.sqrt(squares)[twins],
        along_mean=along[twins],
        deviations=np.sqrt(deviations)[twins],
        deviations_along_mean=deviations_along[twins],
        feature_means=feature_sums[twins] / p,
        twins=twins,
        mean_square=float(mean @ mean),
        features=p,
    )
    sample.results["row sums"] = sums
    matrix = _mirrored(lower)
    _make_identical(matrix, twins)
    return matrix, sums


def _scale(values: NDArray[np.float32]) -> float:
    """Return the power of 2 that brings the largest absolute value to between 1/2 and 1."""
    return float(2.0 ** -int(np.frexp(np.abs(values).max())[1]))


def _means(rows: NDArray[np.float32], axis: int) -> Array:
    """Return means in float64."""
    return np.asarray(np.mean(rows, axis=axis, dtype=np.float64))


def _twins(rows: NDArray[np.float32], extremes: NDArray[np.float32]) -> Index:
    """Return for each row the first one that is identical, given the rows' extremes (2, m)."""
    twins = np.arange(len(rows))
    _, group, counts = np.unique(extremes + np.float32(0), axis=1, return_inverse=True, return_counts=True)
    first: dict[bytes, int] = {}
    for i in np.flatnonzero(counts[group.ravel()] > 1).tolist():
        twins[i] = first.setdefault((rows[i] + np.float32(0)).tobytes(), i)  # -0.0 is 0.0
    return twins


def _mirrored(lower: Array) -> Array:
    """Return a symmetric matrix in C order, in place, from one in Fortran order of which the lower triangle
    counts.
    """
    for rows in _blocks(lower):
        triangle = lower[rows, rows]
        triangle[...] = np.tril(triangle) + np.tril(triangle, -1).T
        lower[rows, rows.stop :] = lower[rows.stop :, rows].T
    return lower.T


def _make_identical(matrix: Array, twins: Index) -> None:
    """Give identical examples the entries of the first of them, in place."""
    later = np.flatnonzero(twins != np.arange(len(twins)))
    for i in later:
        matrix[i] = matrix[twins[i]]
    for i in later:
        matrix[:, i] = matrix[:, twins[i]]


def _blocks(matrix: Array) -> Iterator[slice]:
    """Return blocks of rows of a square matrix that are small beside it."""
    m = len(matrix)
    size = max(1, min(128, m // 4))  # some MB, which stay in the processor's cache
    return (slice(start, min(m, start + size)) for start in range(0, m, size))


def _place(matrix: Array, rows: slice, block: Array) -> None:
    """Write a block of rows, from the diagonal on, into a symmetric matrix."""
    matrix[rows, rows.start :] = block
    matrix[rows.stop :, rows] = block[:, rows.stop - rows.start :].T


def _squared_distances(sample: LayerSample) -> Iterator[tuple[slice, Array]]:
    """Return the squared distances of blocks of rows with themselves and all later rows."""
    matrix = products(sample)
    squares = np.diagonal(matrix)
    for rows in _blocks(matrix):
        block = squares[rows, None] + squares[rows.start :]
        block -= 2 * matrix[rows, rows.start :]
        np.maximum(block, 0.0, out=block)
        np.fill_diagonal(block, 0.0)
        yield rows, block


def _distances(sample: LayerSample) -> Array:
    """Return the Euclidean distances of every two rows (m, m)."""
    matrix = np.empty_like(products(sample))
    for rows, block in _squared_distances(sample):
        _place(matrix, rows, np.sqrt(block, out=block))
    return matrix


def _centred_rbf_kernel(sample: LayerSample, bandwidth: float) -> Array:
    """Return exp(-d^2 / (2 s^2)), double-centred (m, m), with s the bandwidth times the median distance."""

    def compute() -> Array:
        median = _median_distance(sample)
        if not median > 0:
            raise SpanmatchError(
                f"layer {sample.layer!r}: the median distance of the sampled examples is 0, so that the rbf kernel has "
                "no width; more than half of the pairs of examples have the same row"
            )
        matrix = np.empty_like(products(sample))
        for rows, block in _squared_distances(sample):
            block *= -0.5 / (bandwidth * median) ** 2
            # Less 1, so that a wide kernel keeps its digits; centring removes the constant.
            _place(matrix, rows, np.expm1(block, out=block))
        _double_centre(matrix)
        return matrix

    return CACHE.get(sample, ("rbf", bandwidth), compute)


def _median_distance(sample: LayerSample) -> float:
    """Return the median of the Euclidean distances of every two rows."""
    squares = dissimilarities(sample, "sqeuclidean")
    middle = [(len(squares) - 1) // 2, len(squares) // 2]
    squares.partition(middle)
    return float(np.sqrt(squares[middle]).mean())


def _double_centre(matrix: Array) -> None:
    """Subtract the means of rows and columns, in place."""
    means = matrix.mean(axis=1)
    matrix -= means[:, None]
    matrix -= means
    matrix += means.mean()


def _u_centre(matrix: Array) -> None:
    """Make a symmetric matrix hollow and subtract what makes products of two such matrices biased, in place."""
    m = len(matrix)
    np.fill_diagonal(matrix, 0.0)
    sums = matrix.sum(axis=1)
    matrix -= sums[:, None] / (m - 2)
    matrix -= sums / (m - 2)
    matrix += sums.sum() / ((m - 1) * (m - 2))
    np.fill_diagonal(matrix, 0.0)


def _normalised(matrix: Array, size: float, refusal: str) -> Array:
    """Divide a matrix by its norm, in place.  Raises SpanmatchError if that is rounding beside `size`."""
    norm = float(np.sqrt(np.vdot(matrix, matrix)))
    if not norm > SAME * size:
        raise SpanmatchError(refusal)
    matrix /= norm
    return matrix


def _angular_distances(sample: LayerSample, of: Literal["cosine", "correlation"]) -> Array:
    """Return 1 - cos of every two rows (m, m)."""
    directions, m = _directions(sample, row_centred=of == "correlation"), len(sample.rows)
    matrix = np.empty((m, m))
    for rows in _blocks(matrix):
        _place(matrix, rows, directions.between(rows))
    longest = np.sqrt(np.diagonal(directions.products).max())
    short = np.flatnonzero((directions.lengths > 0) & (directions.lengths < SHORT * longest))
    if len(short):
        _compare_directly(matrix, sample, short, directions.lengths, row_centred=of == "correlation")
    np.fill_diagonal(matrix, 0.0)
    return matrix


def _directions(sample: LayerSample, *, row_centred: bool) -> Directions:
    """Return what the angles between rows, or rows minus their means over features, are computed from."""
    matrix, sums = products(sample), row_sums(sample)
    squares = np.diagonal(matrix)
    if not row_centred:
        return Directions(matrix, np.zeros(len(matrix)), sums.norms, squares, sums.along_mean)
    removed = np.sqrt(sums.features) * sums.feature_means
    return Directions(matrix, removed, sums.deviations, squares - removed**2, sums.deviations_along_mean)


def _compare_directly(matrix: Array, sample: LayerSample, short: Index, lengths: Array, *, row_centred: bool) -> None:
    """Replace 1 - cos of some rows with all by half the squared distances of unit vectors, in place."""
    rows, (m, p) = sample.rows, sample.rows.shape
    offsets = _means(rows, 1) if row_centred else np.zeros(m)
    # The lengths are those of scaled rows; unit vectors need the lengths of rows as they are.
    scale = _scale(rows)
    inverse = np.where(lengths > 0, scale / np.where(lengths > 0, lengths, 1.0), 0.0)
    dots, squares, width = np.zeros((len(short), m)), np.zeros(m), max(1, BLOCK_SIZE // m)
    for start in range(0, p, width):
        part = rows[:, start : start + width].astype(np.float64)
        part = (part - offsets[:, None]) * inverse[:, None]
        part -= part.mean(axis=0)
        squares += np.einsum("ij,ij->i", part, part)
        dots += part[short] @ part.T
    direct = np.clip((squares[short, None] + squares) / 2 - dots, 0.0, 2.0)
    twins = row_sums(sample).twins
    direct = direct[np.ix_(np.searchsorted(short, twins[short]), twins)]
    direct[twins[short][:, None] == twins] = 0.0
    direct[:, lengths == 0] = 1.0
    matrix[short] = direct
    matrix[:, short] = direct.T
