"""Summaries of one-to-one alignments and of match profiles as one number.

Sources: Li et al., ICLR 2016 (correlation match); Wang et al., NeurIPS 2018 (match profile; its
area is spanmatch's own); docs/measures.md.
"""

from __future__ import annotations

import numpy as np

from .._threads import few_threads
from ..alignment.assignment import partner_correlations
from ..errors import SpanmatchError
from ..match import match_profile
from ..moments.pairs import Pair
from .measure import Measured, measured_fields


@few_threads
def correlation_match(pair: Pair) -> Measured:
    """Return the mean correlation of one-to-one partners (bipartite), in [-1, 1].

    Parameters
    ----------
    pair : Pair
        The layers, (n, p) and (n, q).

    Returns
    -------
    Measured

    Raises
    ------
    SpanmatchError
        If a layer is constant.

    Notes
    -----
    The value is the mean over partners of c_(i, partner of i), for the assignment of the largest
    total correlation.

    Cost: one assignment, up to p q min(p, q) operations.

    References
    ----------
    Li et al., ICLR 2016, section 3.

    Examples
    --------
    >>> import numpy as np
    >>> import spanmatch as sm
    >>> X = np.random.default_rng(0).standard_normal((100, 5))
    >>> round(sm.correlation_match(sm.pair(X, X[:, ::-1])).value, 6)
    1.0
    """
    fields = measured_fields(pair, "correlation match")
    return Measured(value=float(partner_correlations(pair).mean()), **fields)


@few_threads
def match_area(pair: Pair) -> Measured:
    """Return the area under the match profile: the mean of s(eps) over eps from 0 to 1.

    Parameters
    ----------
    pair : Pair
        The layers, (n, p) and (n, q). Activations are not centred.

    Returns
    -------
    Measured

    Raises
    ------
    SpanmatchError
        If a layer is constant, or levels are unresolved.

    Notes
    -----
    The area is the mean over all neurons of 1 - level, where silent neurons contribute 0.

    Cost: of `sm.match_profile`.

    References
    ----------
    Wang et al., NeurIPS 2018, for the match profile.

    Examples
    --------
    >>> import numpy as np
    >>> import spanmatch as sm
    >>> X = np.random.default_rng(0).standard_normal((100, 5))
    >>> round(sm.match_area(sm.pair(X, X @ X[:5])).value, 6)
    1.0
    """
    measured_fields(pair, "match area")
    profile = match_profile(pair)
    if any(map(len, profile.unresolved)):
        raise SpanmatchError(
            f"match area: levels of {pair.x_layer!r} and {pair.y_layer!r} below {profile.resolution:.2g} are "
            "unresolved, as neurons of a layer are nearly combinations of others; use method='qr'"
        )
    levels = np.concatenate([profile.x_levels, profile.y_levels])
    value = float(np.sum(1 - levels[~np.isnan(levels)]) / len(levels))
    return Measured(name="match area", value=value, warnings=profile.warnings, provenance=profile.provenance)
