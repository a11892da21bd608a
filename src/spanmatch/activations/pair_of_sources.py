"""`pair`: the pair of two arrays of activations, in memory or in files, in one call."""

from __future__ import annotations

from numpy.typing import ArrayLike

from .._files import Path_
from ..moments.backends import DeviceArray
from ..moments.folds import ExampleIds
from ..moments.moments import Moments
from ..moments.pairs import RESOLVED, Pair
from ..moments.provenance import Method
from ..moments.sample import Reduction
from .from_files import add_sources
from .stored import needs_reading


def pair(
    X: DeviceArray | Path_,
    Y: DeviceArray | Path_,
    *,
    rows_by: str | None = None,
    example_ids: ExampleIds = None,
    folds: int = 8,
    null: bool = True,
    bins: int | tuple[ArrayLike, ArrayLike] | None = None,
    method: Method | None = None,
    sample: int = 1000,
    sample_rows: Reduction | None = None,
    seed: int = 0,
) -> Pair:
    """Return the joint moments of two arrays of activations.

    Parameters
    ----------
    X, Y : array of shape (n, p), array of shape (n, q)
        Activations, rows x neurons; row i of both is of the same input. Also sparse
        matrices of SciPy, sparse tensors of PyTorch, frames of pandas, tables of Arrow, and files
        with one array (docs/sources.md).
    rows_by : str, optional
        The name of the column or array of row ids, by which rows are joined. By default "ids", and
        a frame's index, where there are such. Rows with the same id are rows of one example.
    example_ids, folds, null
        As in `Moments`; ids of examples go with the rows in the order of X.
    bins : int or tuple of two arrays, optional
        For mutual information: the number of bins of each neuron, or the edges of x's and y's bins,
        of shapes (p, bins - 1) and (q, bins - 1).
    method : {"gram", "qr", "single"}, optional
        As in `Moments`. By default "gram", and "qr" where "gram" would not resolve distances of
        1e-3.
    sample, sample_rows, seed
        As in `Moments`: the number of examples whose rows are kept, what is kept of an example with
        several rows, and the seed of the sample. By default all examples if there are at most
        1,000.

    Returns
    -------
    Pair
        The argument of every function that compares two layers.

    Raises
    ------
    SpanmatchError
        If X and Y are not finite real matrices with equally many rows, or their row ids differ.

    Notes
    -----
    Cost: n (p^2 + q^2 + 2 p q) operations, and 2 n p q more for the null.

    Examples
    --------
    >>> import numpy as np
    >>> import spanmatch as sm
    >>> X = np.random.default_rng(0).standard_normal((500, 4))
    >>> pair = sm.pair(X, X[:, :2])
    >>> pair.rows, pair.neurons
    (500, (4, 2))
    """
    is_read = rows_by is not None or needs_reading(X) or needs_reading(Y)
    layer_bins = dict(zip("xy", bins, strict=True)) if isinstance(bins, tuple) else bins

    def pair_by(method: Method) -> Pair:
        moments = Moments(
            pairs=[("x", "y")],
            folds=folds,
            null=null,
            bins=layer_bins,
            method=method,
            sample=sample,
            sample_rows=sample_rows,
            seed=seed,
        )
        if is_read:
            add_sources(moments, {"x": X, "y": Y}, rows_by, example_ids)
        else:
            moments._add_batch({"x": X, "y": Y}, example_ids)
        return moments.pair("x", "y")

    if method is not None:
        return pair_by(method)
    by_gram = pair_by("gram")
    resolved = max(by_gram.resolution(), by_gram.resolution(centred=True)) <= RESOLVED
    return by_gram if resolved else pair_by("qr")
