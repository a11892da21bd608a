"""The values of eps that tables list: those of Wang et al., or ones at which s(eps) is not only 0 and 1."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from .._defaults import EPS
from ..match import MatchProfile

QUANTILES = (0.1, 0.3, 0.5, 0.7, 0.9)
"""Quantiles of the levels from which others are chosen."""


def shows_nothing(profiles: Sequence[MatchProfile], eps: Sequence[float]) -> bool:
    """Tell whether at each eps, none or all of the neurons of a profile that are not silent are in the match.

    Parameters
    ----------
    profiles : sequence of MatchProfile
        All that are tabulated, in sample.
    eps : sequence of float
        Values in [0, 1).

    Returns
    -------
    bool
        False if s(eps) is nan somewhere.
    """
    return all(np.isin(profile.similarity(list(eps)), (0.0, all_active(profile))).all() for profile in profiles)


def all_active(profile: MatchProfile) -> float:
    """Return the share of neurons that are not silent, the largest possible s(eps).

    Parameters
    ----------
    profile : MatchProfile
        The profile of a pair.

    Returns
    -------
    float
    """
    levels = np.concatenate([profile.x_levels, profile.y_levels])
    return int(np.isfinite(levels).sum()) / len(levels)


def eps_from_levels(profiles: Sequence[MatchProfile]) -> tuple[float, ...]:
    """Return values of eps that resolve some profiles, if the default ones do not.

    Parameters
    ----------
    profiles : sequence of MatchProfile
        All that are tabulated, in sample.

    Returns
    -------
    tuple of float
        The levels between 0 and 1 that can be resolved, rounded up to one significant digit, or to
        two if one would make them all the same; if that gives more than five, quantiles of them.
        Empty if the default values show something, see `shows_nothing`, or there are no such levels.
    """
    if not shows_nothing(profiles, EPS):
        return ()
    levels = np.concatenate([_resolved_levels(profile) for profile in profiles])
    if not len(levels):
        return ()
    least = max(profile.resolution for profile in profiles)
    for digits in (1, 2):
        rounded = sorted({_rounded_up(level, digits) for level in levels.tolist()})
        if len(rounded) > 1:
            break
    if len(rounded) > len(QUANTILES):
        rounded = sorted({_rounded_up(value, digits) for value in np.quantile(levels, QUANTILES).tolist()})
    return tuple(value for value in rounded if least <= value < 1)


def _rounded_up(value: float, digits: int) -> float:
    """Return a number rounded up to so many significant digits, so that neurons with that level are in the match."""
    rounded = float(f"{value:.{digits}g}")
    if rounded >= value:
        return rounded
    return float(f"{rounded + 10.0 ** (math.floor(math.log10(value)) + 1 - digits):.{digits}g}")


def _resolved_levels(profile: MatchProfile) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return the levels of both layers that are above the resolution and below 1."""
    levels = np.concatenate([profile.x_levels, profile.y_levels])
    return levels[(levels > profile.resolution) & (levels < 1)]
