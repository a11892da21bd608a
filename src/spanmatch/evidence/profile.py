"""A match profile with its evidence: chance, interval band and held-out rows, over eps.

Source: docs/evidence.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from .._plotting import axes_for
from .._threads import few_threads
from ..errors import SpanmatchError
from ..match import MatchProfile, match_profile
from ..match.maximum import checked_eps
from ..moments.pairs import Pair, checked_pair
from ..moments.provenance import Result
from ..moments.spans import Array
from .held_out_distances import held_out
from .intervals import check_level, pseudo_value_statistics, reach_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

GRID = tuple(np.round(np.arange(0.02, 1.0, 0.02), 2).tolist())
HELD_OUT_AT = 8


@dataclass(frozen=True, eq=False, kw_only=True)
class ProfileEvidence(Result):
    """s(eps) at some eps, beside what it would be by chance, on other examples, and on rows not fitted."""

    eps: Array
    """(m,)"""
    similarity: Array
    """(m,)"""
    low: Array
    """(m,) of the interval from the folds."""
    high: Array
    level: float
    null: Array
    """(m,) under the null; nan if no null pairing was kept, or it is refused."""
    held_out_eps: Array
    """(k,) some of them."""
    held_out: Array
    """(k,) the share of all neurons that are in the match at eps and within eps of it on held-out rows."""

    def __repr__(self) -> str:
        i = int(np.argmax(self.similarity >= self.similarity[-1] / 2))
        return (
            f"<ProfileEvidence of {self.x_layer} and {self.y_layer} at {len(self.eps)} eps: s({self.eps[i]:.3g}) = "
            f"{self.similarity[i]:.3f} ({self.low[i]:.3f} to {self.high[i]:.3f}), by chance {self.null[i]:.3f}>"
        )

    def held_out_at(self, eps: float) -> float:
        """Return the held-out share at one of `held_out_eps`.  Raises SpanmatchError for another: it jumps between."""
        (found,) = np.nonzero(self.held_out_eps == eps)
        if not len(found):
            raise SpanmatchError(f"eps {eps:g}: held out were {', '.join(f'{e:g}' for e in self.held_out_eps)}")
        return float(self.held_out[found[0]])

    def plot(self, ax: Axes | None = None, **line: Any) -> Axes:
        """Draw the profile with its band, the null (dotted) and the held-out share (dots)."""
        ax = axes_for("evidence.plot", ax)
        (drawn,) = ax.plot(self.eps, self.similarity, **{"label": f"{self.x_layer} and {self.y_layer}"} | line)
        ax.fill_between(self.eps, self.low, self.high, alpha=0.2, color=drawn.get_color(), linewidth=0)
        ax.plot(self.held_out_eps, self.held_out, "o", color=drawn.get_color(), label="held out")
        ax.plot(self.eps, self.null, ":", color="0.5", label="by chance")
        ax.set(xlim=(0, 1), ylim=(0, 1), xlabel="eps", ylabel="maximum matching similarity")
        ax.legend()
        return ax


@few_threads
def profile_evidence(
    pair: Pair,
    profile: MatchProfile | None = None,
    *,
    eps: ArrayLike = GRID,
    held: ArrayLike = (),
    level: float = 0.95,
    centred: bool = False,
) -> ProfileEvidence:
    """Return s(eps) with an interval from the folds, its null, and its held-out share.

    s(eps) jumps, so that its intervals are less sure than those of smooth measures. Args: profile, of the pair if
    there is one; eps, where to look; held, where to look for the held-out share, beside eight of eps; level, of the
    interval. Raises SpanmatchError for an eps or a level that is none, or if no folds were kept. Cost: of one profile
    for each fold and one for the null, and of some held-out matches.
    """
    checked_pair(pair)
    check_level(level)
    at = np.atleast_1d(checked_eps(eps))
    profile = match_profile(pair, centred=centred) if profile is None else profile
    centred = profile.provenance.centred
    similarity = profile.similarity(at)
    rests, sizes = [], []
    for rest, fold in pair.splits():
        rests.append(match_profile(rest, centred=centred).similarity(at))
        sizes.append(fold.rows)
    error = pseudo_value_statistics(similarity, np.array(rests), np.array(sizes), pair)[1]
    reach = reach_of(level, len(rests)) * error
    some = np.union1d(at[np.linspace(0, len(at) - 1, HELD_OUT_AT).round().astype(int)], checked_eps(held))
    return ProfileEvidence(
        provenance=profile.provenance,
        eps=at,
        similarity=similarity,
        low=np.clip(similarity - reach, 0, 1),
        high=np.clip(similarity + reach, 0, 1),
        level=level,
        null=_null(pair, at, centred),
        held_out_eps=some,
        held_out=np.array([_held_out(pair, profile, value) for value in some.tolist()]),
    )


def _null(pair: Pair, eps: Array, centred: bool) -> Array:
    world, _ = pair.null_or_reason()
    return np.full(len(eps), np.nan) if world is None else match_profile(world, centred=centred).similarity(eps)


def _held_out(pair: Pair, profile: MatchProfile, eps: float) -> float:
    if np.isnan(profile.similarity(eps)):  # below the resolution
        return float("nan")
    match = profile.at(eps)
    if not (len(match.x) and len(match.y)):
        return 0.0
    return held_out(pair, match).share * match.similarity
