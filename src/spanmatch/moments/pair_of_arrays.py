"""`pair`: the pair of two arrays of activations, in one call."""

from __future__ import annotations

from numpy.typing import ArrayLike

from .backends import DeviceArray
from .folds import ExampleIds
from .moments import Moments
from .pairs import RESOLVED, Pair
from .provenance import Method


def pair(
    X: DeviceArray,
    Y: DeviceArray,
    *,
    example_ids: ExampleIds = None,
    folds: int = 8,
    null: bool = True,
    bins: int | tuple[ArrayLike, ArrayLike] | None = None,
    method: Method | None = None,
) -> Pair:
    """Return the joint moments of two arrays of activations.

    Parameters
    ----------
    X, Y : array of shape (n, p), array of shape (n, q)
        Activations, rows x neurons; row i of both is of the same input.
    example_ids, folds, null
        As in `Moments`.
    bins : int or tuple of two arrays, optional
        For mutual information: the number of bins of each neuron, or the edges of x's and y's bins,
        of shapes (p, bins - 1) and (q, bins - 1).
    method : {"gram", "qr", "single"}, optional
        As in `Moments`. By default "gram", and "qr" where "gram" would not resolve distances of
        1e-3.

    Returns
    -------
    Pair
        The argument of every function that compares two layers.

    Raises
    ------
    SpanmatchError
        If X and Y are not finite real matrices with equally many rows.

    Notes
    -----
    Cost: n (p^2 + q^2 + 2 p q) operations, and 2 n p q more for the null.
    """
    layer_bins = dict(zip("xy", bins, strict=True)) if isinstance(bins, tuple) else bins

    def pair_by(method: Method) -> Pair:
        moments = Moments(pairs=[("x", "y")], folds=folds, null=null, bins=layer_bins, method=method)
        moments._add_batch({"x": X, "y": Y}, example_ids)
        return moments.pair("x", "y")

    if method is not None:
        return pair_by(method)
    by_gram = pair_by("gram")
    resolved = max(by_gram.resolution(), by_gram.resolution(centred=True)) <= RESOLVED
    return by_gram if resolved else pair_by("qr")
