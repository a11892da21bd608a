"""Simple matches: matches that are not unions of smaller ones.

The simple matches are exactly the v-minimum matches of all neurons v.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .._plotting import MISSING, X, Y, axes_for, label, whole_ticks
from .._progress import tracked
from .._threads import few_threads
from .._values import Json
from ..errors import SpanmatchError
from ..moments.pairs import Pair
from ..moments.spans import Index
from .hitting_sets import all_holding
from .maximum import Match, MatchResult, checked_eps
from .minimum import Neuron, small, trimmed
from .within import Within

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class SimpleMatch(Match):
    """A simple match, and the neurons for which it is v-minimum.

    Examples
    --------
    >>> import numpy as np
    >>> import spanmatch as sm
    >>> a, b, c, d = np.random.default_rng(0).standard_normal((4, 500))
    >>> pair = sm.pair(np.column_stack([a, b, c]), np.column_stack([a + b, a - b, d]))
    >>> (match,) = sm.simple_matches(pair, eps=0.1).matches
    >>> match.x.tolist(), match.y.tolist(), match.size
    ([0, 1], [0, 1], 4)
    """

    neurons: tuple[Neuron, ...]
    """The neurons v for which the match is v-minimum: no smaller match within it contains v."""

    @property
    def size(self) -> int:
        """The number of neurons, |x| + |y|."""
        return len(self.x) + len(self.y)

    @property
    def _kind(self) -> str:
        return f"simple match of {self.size} neurons"

    def to_dict(self) -> dict[str, Json]:
        """Return everything as plain Python values.

        Returns
        -------
        dict of str to object
            The fields of the match and those of its provenance.
        """
        neurons: list[Json] = [list(neuron) for neuron in self.neurons]
        return {"neurons": neurons} | super().to_dict()


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class SimpleMatches(MatchResult):
    """The simple matches found at one eps, smallest first, without repetition.

    Examples
    --------
    >>> import numpy as np
    >>> import spanmatch as sm
    >>> a, b, c, d = np.random.default_rng(0).standard_normal((4, 500))
    >>> pair = sm.pair(np.column_stack([a, b, c]), np.column_stack([a + b, a - b, d]))
    >>> simple = sm.simple_matches(pair, eps=0.1)
    >>> [match.size for match in simple.matches], simple.complete
    ([4], True)
    """

    eps: float
    """The largest distance that the matches allow."""
    matches: tuple[SimpleMatch, ...]
    """The matches, in ascending order of size."""
    complete: bool
    """Whether these are all simple matches."""
    ended: str
    """Why the search ended: "complete", "limit", "time limit" or "interrupted"."""
    seed: int
    """The seed of the order in which neurons were searched."""

    @property
    def sizes(self) -> dict[Neuron, int]:
        """The size of the smallest v-minimum match found, for each v of the maximum match."""
        sizes: dict[Neuron, int] = {}
        for match in self.matches:  # in ascending order of size
            for neuron in match.neurons:
                sizes.setdefault(neuron, match.size)
        return sizes

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw how large the smallest v-minimum matches are: a histogram over the matched neurons v.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; by default new axes.

        Returns
        -------
        matplotlib.axes.Axes

        Raises
        ------
        SpanmatchError
            If matplotlib is not installed.
        """
        ax = axes_for("simple_matches.plot", ax)
        sizes = np.bincount(list(self.sizes.values()), minlength=3)
        ax.bar(np.arange(len(sizes)), sizes, 0.85, color=X)
        ax.set(xlim=(1.4, len(sizes) - 0.4))
        whole_ticks(ax, "x")
        whole_ticks(ax, "y")
        label(ax, "neurons in the smallest match found", "matched neurons", self._title)
        return ax

    def plot_members(self, ax: Axes | None = None) -> Axes:
        """Draw which neurons each match holds: a row for each match, neurons of x before those of y.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; by default new axes.

        Returns
        -------
        matplotlib.axes.Axes

        Raises
        ------
        SpanmatchError
            If matplotlib is not installed.
        """
        ax = axes_for("simple_matches.plot_members", ax)
        from matplotlib.colors import ListedColormap

        p, q = self.provenance.neurons
        colours = ListedColormap([MISSING, X, Y])
        ax.imshow(self._members(), cmap=colours, vmin=0, vmax=2, aspect="auto", interpolation="nearest")
        ax.axvline(p - 0.5, color="white", linewidth=3)
        ax.set(xticks=[(p - 1) / 2, p + (q - 1) / 2])
        ax.set_xticklabels([f"neurons of {self.x_layer}", f"neurons of {self.y_layer}"])
        whole_ticks(ax, "y")
        ax.tick_params(axis="x", length=0)
        label(ax, y="matches, the smallest first", title=self._title)
        return ax

    @property
    def _title(self) -> str:
        return f"{'all ' if self.complete else ''}{len(self)} simple matches at eps {self.eps:g}"

    def _members(self) -> NDArray[np.int8]:
        """Return (matches, p + q) which neurons are in each match: 1 for those of x, 2 for those of y, else 0."""
        p, q = self.provenance.neurons
        members = np.zeros((max(len(self), 1), p + q), dtype=np.int8)
        for row, match in zip(members, self.matches, strict=False):
            row[match.x] = 1
            row[p + match.y] = 2
        return members

    def __len__(self) -> int:
        return len(self.matches)

    def __iter__(self) -> Iterator[SimpleMatch]:
        return iter(self.matches)

    def to_dict(self) -> dict[str, Json]:
        """Return everything as plain Python values.

        Returns
        -------
        dict of str to object
            The fields of the result, those of its provenance, and each match as indices x and y
            and its `neurons`.
        """
        matches = [
            {"x": m.x.tolist(), "y": m.y.tolist(), "neurons": [list(neuron) for neuron in m.neurons]}
            for m in self.matches
        ]
        search: dict[str, Json] = {
            "eps": self.eps,
            "matches": matches,
            "complete": self.complete,
            "ended": self.ended,
            "seed": self.seed,
        }
        return search | self._plain()

    def _summary(self) -> str:
        sizes = [match.size for match in self.matches]
        spread = f", of {min(sizes)} to {max(sizes)} neurons" if sizes else ""
        all_of = "all" if self.complete else f"not all ({self.ended})"
        return f"of {self.x_layer} and {self.y_layer} at eps={self.eps:g}: {len(sizes)}{spread}, {all_of}"


@few_threads
def simple_matches(
    pair: Pair,
    eps: float,
    *,
    limit: int | None = 1000,
    time_limit: float | None = 30.0,
    seed: int = 0,
    centred: bool = False,
) -> SimpleMatches:
    """Return the simple matches at eps: all of them, or as many as the limits allow.

    Parameters
    ----------
    pair : Pair
        The joint moments of two layers.
    eps : float
        The largest distance that a match allows, in [0, 1).
    limit : int or None
        The number of matches at which the enumeration ends; None for no limit.
    time_limit : float or None
        Seconds after which the enumeration ends; None for no limit.
    seed : int
        The seed of the order in which the neurons are searched.
    centred : bool
        Whether to subtract each neuron's mean first.

    Returns
    -------
    SimpleMatches
        The matches found, and whether they are all. Ctrl-C ends the search and returns the matches
        found so far.

    Raises
    ------
    SpanmatchError
        If eps is outside [0, 1), if a limit is negative, or if eps is below the resolution while a
        neuron is nearer than the resolution to the other layer.

    Notes
    -----
    First, a small v-minimum match is searched for every neuron v of the maximum match. The limits
    do not apply to this step, so every neuron is covered. Then all other v-minimum matches of each
    v are enumerated [1]_. At eps > 0 there can be exponentially many. Cost: one `minimum_match` per
    neuron, then as much as the limits allow.

    References
    ----------
    .. [1] Liffiton, Previti, Malik, Marques-Silva, "Fast, flexible MUS enumeration", Constraints
       2016.

    Examples
    --------
    >>> import numpy as np
    >>> import spanmatch as sm
    >>> a, b, c, d = np.random.default_rng(0).standard_normal((4, 500))
    >>> pair = sm.pair(np.column_stack([a, b, c]), np.column_stack([a + b, a - b, d]))
    >>> simple = sm.simple_matches(pair, eps=0.1)
    >>> [match.size for match in simple.matches], simple.complete
    ([4], True)
    """
    for name, value in (("limit", limit), ("time_limit", time_limit)):
        if value is not None and not value >= 0:
            raise SpanmatchError(f"{name}={value!r}: give a number that is not negative, or None")
    within = Within(pair, float(checked_eps(eps)), centred=centred)
    matches: dict[bytes, SimpleMatch] = {}
    ended = "complete"
    try:
        first = {}
        for v in tracked(within.everyone.tolist(), "minimum matches"):
            first[v] = small(within, v)
            _add(matches, within, first[v])
        ends = np.inf if time_limit is None else time.monotonic() + time_limit
        turns = np.random.default_rng(seed).permutation(within.everyone)
        for v in tracked(turns.tolist(), "all simple matches"):
            ended = _enumerate(matches, within, v, first[v], limit, ends)
            if ended != "complete":
                break
    except KeyboardInterrupt:
        ended = "interrupted"
    return SimpleMatches(
        eps=within.match.eps,
        matches=tuple(sorted(matches.values(), key=lambda match: (match.size, match.x.tolist(), match.y.tolist()))),
        complete=ended == "complete",
        ended=ended,
        seed=seed,
        **within.match.shared(),
    )


def _enumerate(
    matches: dict[bytes, SimpleMatch], within: Within, v: int, first: Index, limit: int | None, ends: float
) -> str:
    """Add all v-minimum matches except the first, and return why the enumeration ended."""
    if time.monotonic() >= ends:
        return "time limit"
    for group in all_holding(within, v, lambda match: trimmed(within, match, v, np.sort), first, ends):
        if group is None or time.monotonic() >= ends:
            return "time limit"
        if limit is not None and len(matches) >= limit:
            return "limit"
        _add(matches, within, group)
    return "complete"


def _add(matches: dict[bytes, SimpleMatch], within: Within, group: Index) -> None:
    """Add a simple match and the neurons for which it is v-minimum, unless it is known."""
    group = np.sort(group)
    if group.tobytes() in matches:
        return
    # The match is v-minimum for v if v drops out whichever other neuron is removed.
    drops = np.ones(len(group), dtype=int)
    for u in group:
        drops += ~np.isin(group, within.surviving(group[group != u]))
    needs_all = group[drops == len(group) + 1]
    x, y = within.indices(group)
    neurons = tuple(within.name(int(v)) for v in needs_all)
    matches[group.tobytes()] = SimpleMatch(eps=within.match.eps, x=x, y=y, neurons=neurons, **within.match.shared())
