"""Simple matches: those that are not the union of smaller ones. They are exactly the v-minimum matches, over all v."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._progress import tracked
from .._threads import few_threads
from ..errors import SpanmatchError
from ..moments.pairs import Pair
from ..moments.spans import Index
from .hitting_sets import all_holding
from .maximum import Match, MatchResult, checked_eps
from .minimum import Neuron, small, trimmed
from .within import Within


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class SimpleMatch(Match):
    """One simple match, and the neurons for which it is v-minimum."""

    neurons: tuple[Neuron, ...]
    """Its neurons v for which no smaller match within it holds v."""

    @property
    def size(self) -> int:
        """|x| + |y|."""
        return len(self.x) + len(self.y)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain Python values."""
        return {"neurons": [list(neuron) for neuron in self.neurons]} | super().to_dict()


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class SimpleMatches(MatchResult):
    """The simple matches found at one eps, smallest first, each once."""

    eps: float
    matches: tuple[SimpleMatch, ...]
    complete: bool
    """Whether these are all that there are."""
    ended: str
    """Why the search ended: "complete", "limit", "time limit" or "interrupted"."""
    seed: int

    @property
    def sizes(self) -> dict[Neuron, int]:
        """The size of the smallest match found that is v-minimum, for every neuron v of the maximum match."""
        found: dict[Neuron, int] = {}
        for match in self.matches:  # smallest first
            for neuron in match.neurons:
                found.setdefault(neuron, match.size)
        return found

    def __len__(self) -> int:
        return len(self.matches)

    def __iter__(self) -> Iterator[SimpleMatch]:
        return iter(self.matches)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain Python values."""
        matches = [
            {"x": m.x.tolist(), "y": m.y.tolist(), "neurons": [list(neuron) for neuron in m.neurons]}
            for m in self.matches
        ]
        found = {"eps": self.eps, "matches": matches, "complete": self.complete, "ended": self.ended, "seed": self.seed}
        return found | self._plain()

    def __repr__(self) -> str:
        sizes = [match.size for match in self.matches]
        spread = f", of {min(sizes)} to {max(sizes)} neurons" if sizes else ""
        all_of = "all" if self.complete else f"not all ({self.ended})"
        return (
            f"<SimpleMatches of {self.x_layer} and {self.y_layer} at eps={self.eps:g}: {len(sizes)}{spread}, {all_of}>"
        )


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
    """Return the simple matches at eps: all of them if they can be enumerated, else those found within the limits.

    First a small v-minimum match is found for every neuron v of the maximum match, so that each is covered; that
    much is always done. Then, for each v in turn, all others are enumerated (MARCO) until there are `limit` of them or
    `time_limit` seconds have passed; None for no limit. `seed` is of the order in which neurons take their turns.
    Ctrl-C returns what was found. At eps > 0 there can be exponentially many.

    Raises SpanmatchError for an eps outside [0, 1), or limits that are not positive.
    Cost: of one `minimum_match` for each neuron, then as the limits allow.
    """
    for name, value in (("limit", limit), ("time_limit", time_limit)):
        if value is not None and not value >= 0:
            raise SpanmatchError(f"{name}={value!r}: give a number that is not negative, or None")
    within = Within(pair, float(checked_eps(eps)), centred=centred)
    found: dict[bytes, SimpleMatch] = {}
    ended = "complete"
    try:
        first = {}
        for v in tracked(within.everyone.tolist(), "minimum matches"):
            first[v] = small(within, v)
            _add(found, within, first[v])
        ends = np.inf if time_limit is None else time.monotonic() + time_limit
        turns = np.random.default_rng(seed).permutation(within.everyone)
        for v in tracked(turns.tolist(), "all simple matches"):
            ended = _enumerate(found, within, v, first[v], limit, ends)
            if ended != "complete":
                break
    except KeyboardInterrupt:
        ended = "interrupted"
    about = within.match.shared()
    matches = tuple(sorted(found.values(), key=lambda match: (match.size, match.x.tolist(), match.y.tolist())))
    return SimpleMatches(
        eps=within.match.eps, matches=matches, complete=ended == "complete", ended=ended, seed=seed, **about
    )


def _enumerate(
    found: dict[bytes, SimpleMatch], within: Within, v: int, first: Index, limit: int | None, ends: float
) -> str:
    """Add v's other minimum matches; return why that ended."""
    if time.monotonic() >= ends:
        return "time limit"
    for group in all_holding(within, v, lambda held: trimmed(within, held, v, np.sort), first, ends):
        if group is None or time.monotonic() >= ends:
            return "time limit"
        if limit is not None and len(found) >= limit:
            return "limit"
        _add(found, within, group)
    return "complete"


def _add(found: dict[bytes, SimpleMatch], within: Within, group: Index) -> None:
    group = np.sort(group)
    if group.tobytes() in found:
        return
    # v needs all of the group if it falls whichever other neuron is taken away.
    falls = np.ones(len(group), dtype=int)
    for u in group:
        falls += ~np.isin(group, within.surviving(group[group != u]))
    needs_all = group[falls == len(group) + 1]
    x, y = within.indices(group)
    about = within.match.shared()
    neurons = tuple(within.name(int(v)) for v in needs_all)
    found[group.tobytes()] = SimpleMatch(eps=within.match.eps, x=x, y=y, neurons=neurons, **about)
