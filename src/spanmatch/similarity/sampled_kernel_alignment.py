"""Centred kernel alignment (CKA) of the sampled examples: of flattened outputs, with linear or RBF kernels.

Sources: Kornblith et al., ICML 2019; Song et al., JMLR 2012; docs/measures.md.
"""

from __future__ import annotations

from typing import get_args

from ..errors import SpanmatchError
from ..moments.pairs import Pair
from .measure import Measured, measured_fields_of_sample
from .permutable import Quadratic, at_most_one
from .sampled_kernels import Kernel, check_rows, threads_of_sample, unit_kernel

LARGEST_BANDWIDTH = 1e6
"""The largest bandwidth, with which CKA is that of squared distances; 1 over it is the smallest."""


@threads_of_sample
def kernel_cka(pair: Pair, kernel: Kernel = "linear", debiased: bool = False, bandwidth: float = 0.4) -> Measured:
    """Return CKA of the sampled examples, in [0, 1], or its debiased version, in [-1, 1].

    Parameters
    ----------
    pair : Pair
        The layers, with a sample of m examples.
    kernel : {"linear", "rbf"}
        Inner products of rows, or exp(-d^2 / (2 s^2)) of their Euclidean distances d.
    debiased : bool
        Whether to use unbiased estimates of HSIC. Debiased CKA is 0 on average for independent
        layers, so that negative values occur.
    bandwidth : float
        The width s of the RBF kernel, as a share of the layer's median distance of two examples.

    Returns
    -------
    Measured

    Raises
    ------
    SpanmatchError
        If there is no sample, it has fewer than 3 examples, or 4 for debiased CKA, a layer is
        constant, or the median distance is 0.

    Notes
    -----
    With kernel matrices K and L of the examples and H = I - 11'/m:

        CKA = HSIC(K, L) / sqrt(HSIC(K, K) HSIC(L, L)),  HSIC(K, L) = tr(K H L H)

    or the unbiased estimate of `cka`. Unlike `cka`, which is of all rows from second moments, this is
    of whole outputs of examples: a feature map counts as one vector. Cost: m^2 p operations once for
    each layer, then m^2.

    References
    ----------
    Kornblith et al., ICML 2019; Song et al., JMLR 13, 2012; Szekely and Rizzo, Annals of Statistics
    42, 2014 (U-centring).

    Examples
    --------
    >>> import numpy as np
    >>> import spanmatch as sm
    >>> X = np.random.default_rng(0).standard_normal((100, 5))
    >>> round(float(sm.kernel_cka(sm.pair(X, 3 * X + 1), kernel="rbf")), 6)
    1.0
    """
    if kernel not in get_args(Kernel):
        raise SpanmatchError(f"kernel={kernel!r}: give 'linear' or 'rbf'")
    if not 1 / LARGEST_BANDWIDTH <= bandwidth <= LARGEST_BANDWIDTH:
        raise SpanmatchError(
            f"bandwidth={bandwidth!r}: give a positive share of the median distance, from {1 / LARGEST_BANDWIDTH:g} to "
            f"{LARGEST_BANDWIDTH:g}"
        )
    name = f"{'debiased ' if debiased else ''}{'rbf' if kernel == 'rbf' else 'kernel'} cka"
    fields = measured_fields_of_sample(pair, name, 4 if debiased else 3, centred=True)
    check_rows(pair, name)
    return Measured(value=kernels_aligned(pair, kernel, debiased, bandwidth).value(), **fields)


def rbf_cka(pair: Pair) -> Measured:
    """Return CKA with RBF kernels."""
    return kernel_cka(pair, kernel="rbf")


def debiased_kernel_cka(pair: Pair) -> Measured:
    """Return debiased CKA with linear kernels."""
    return kernel_cka(pair, debiased=True)


def debiased_rbf_cka(pair: Pair) -> Measured:
    """Return debiased CKA with RBF kernels."""
    return kernel_cka(pair, kernel="rbf", debiased=True)


def kernels_aligned(pair: Pair, kernel: Kernel = "linear", debiased: bool = False, bandwidth: float = 0.4) -> Quadratic:
    """Return CKA for permuted examples."""
    A, B = (unit_kernel(layer, kernel, bandwidth, debiased=debiased) for layer in (pair.sample.x, pair.sample.y))
    return Quadratic(A, B, at_most_one)
