"""v-minimum matches: a smallest group of neurons around a neuron v that is a match.

A v-minimum match is a match that holds v and of which no proper subset is a match that holds v. "v is in the
maximum match within S" is monotone in S, so they are the minimal sets over a monotone predicate (Marques-Silva, Janota,
Belov 2013). Source: Wang et al., NeurIPS 2018; docs/theory.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from .._threads import few_threads
from ..errors import SpanmatchError
from ..moments.pairs import Pair, checked_pair
from ..moments.spans import Index
from .hitting_sets import smallest_holding
from .least_squares import survivors
from .maximum import Match, checked_eps, threshold_of
from .within import Basis, Within

Neuron = tuple[str, int]
Order = Literal["small", "index", "random", "smallest"]
# How much a candidate's own distance, over eps, counts against what it gives. No one weight is best everywhere.
WEIGHTS = (0.1, 0.3, 1.0, 3.0)
# So many of the groups grown are trimmed, the smallest ones: twice as fast as all, and hardly larger in the end.
TRIMMED = 2


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class MinimumMatch(Match):
    """A v-minimum match: it holds the neuron v, and no proper subset of it is a match that does."""

    neuron: Neuron
    order: Order
    seed: int | None
    smallest: bool
    """Whether no match that holds the neuron has fewer neurons; proven only by order="smallest", and not if distances
    of this match lie between eps and the resolution."""

    def verify(self, pair: Pair) -> bool:
        """Tell, by least squares that share no code with the search, whether it is a match and minimal.

        Every single neuron is taken away in turn, and v must then fall; that is enough, since what holds for a
        subset holds for all that contain it. Cost: of order (|x| + |y|)^4.
        """
        if not super().verify(pair):
            return False
        eps = threshold_of(self) * (1 + 1e-9)
        side, index = self.neuron
        own = "xy".index(side)
        for gone in [("x", int(i)) for i in self.x] + [("y", int(j)) for j in self.y]:
            if gone == self.neuron:
                continue
            groups = [self.x, self.y]
            k = "xy".index(gone[0])
            groups[k] = groups[k][groups[k] != gone[1]]
            left = survivors(pair, groups[0], groups[1], eps, centred=self.provenance.centred)
            if index in left[own]:
                return False
        return index in (self.x, self.y)[own]

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain Python values."""
        found = {"neuron": list(self.neuron), "order": self.order, "seed": self.seed, "smallest": self.smallest}
        return found | super().to_dict()


@few_threads
def minimum_match(
    pair: Pair,
    neuron: Neuron,
    eps: float,
    *,
    order: Order = "small",
    seed: int | None = None,
    time_limit: float | None = None,
    centred: bool = False,
) -> MinimumMatch | None:
    """Return a v-minimum match at eps, None if the neuron is in no match.

    Args:
        neuron: ("x", i) or ("y", j).
        order: "small" grows matches around the neuron, by what each next neuron would give, trims them and keeps the
            smallest; "index" deletes from the maximum match in the order of indices, "random" in that of a seed;
            "smallest" finds a smallest one and proves it, by implicit hitting sets, for up to some 40 neurons.
        seed: of "random"; 0 if not given.
        time_limit: seconds for "smallest", after which the smallest found comes back, not proven.
    Raises SpanmatchError for a neuron, an eps or an order that does not exist.
    Cost: "small" grows with the size of the result, s^3 times the neurons looked at; "index" and "random" ask for the
    maximum match within about as many sets as the maximum match has neurons.
    """
    checked_pair(pair)
    neuron = checked_neuron(pair, neuron)
    if order not in ("small", "index", "random", "smallest"):
        raise SpanmatchError(f"order={order!r}: give 'small', 'index', 'random' or 'smallest'")
    within = Within(pair, float(checked_eps(eps)), centred=centred)
    v = within.number(*neuron)
    if v is None:
        return None
    seed = (seed or 0) if order == "random" else None
    proven = False
    if order == "smallest":
        found, proven = smallest_holding(within, v, small(within, v), time_limit)
        proven = proven and within.is_certain(found)
    elif order == "small":
        found = small(within, v)
    else:
        ranks = np.arange(len(within.everyone)) if seed is None else _shuffled(within, seed)
        found = trimmed(within, within.everyone, v, lambda left: left[np.argsort(ranks[left])])
    x, y = within.indices(found)
    about = within.match.shared()
    return MinimumMatch(eps=within.match.eps, x=x, y=y, neuron=neuron, order=order, seed=seed, smallest=proven, **about)


def checked_neuron(pair: Pair, neuron: Neuron) -> Neuron:
    """Return the neuron with a plain index.  Raises SpanmatchError unless it exists."""
    try:
        side, index = neuron
        width = dict(zip(("x", "y"), pair.neurons, strict=True))[side]
        if not 0 <= int(index) < width or int(index) != index:
            raise SpanmatchError(f"neuron {neuron!r}: {side} has neurons 0 to {width - 1}")
        return side, int(index)
    except (TypeError, ValueError, KeyError) as error:
        if isinstance(error, SpanmatchError):
            raise
        raise SpanmatchError(f"neuron {neuron!r}: give ('x', index) or ('y', index)") from error


def small(within: Within, v: int) -> Index:
    """Return a v-minimum match: the smallest of groups grown around v with several weights, trimmed."""
    groups = {tuple(group): group for weight in WEIGHTS for group in [grown(within, v, weight)]}
    found = [
        trimmed(within, group, v, lambda left: left[np.argsort(within.flow(left, v), kind="stable")])
        for group in sorted(groups.values(), key=len)[:TRIMMED]
    ]
    return min(found, key=len)


def grown(within: Within, v: int, weight: float) -> Index:
    """Return a match that holds v, grown from it.

    As long as a neuron of the group is farther than eps from the group's other side, the other side gets the candidate
    with the largest

        (what it takes off the squared distances that are too large) - weight (its own excess over eps^2):

    the excess is what it will itself ask for next. Sides take turns by who is farthest. Cost: s^2 |M| for s neurons.
    """
    everyone, gram = within.everyone, within.unit.gram
    bases = Basis(gram), Basis(gram)
    free = np.zeros((2, len(gram)), dtype=bool)  # candidates, x and y
    free[0, everyone[everyone < within.split]] = True
    free[1, everyone[everyone >= within.split]] = True
    groups: tuple[list[int], list[int]] = ([], [])
    side, chosen = int(v >= within.split), v
    for _ in everyone:
        groups[side].append(chosen)
        free[side, chosen] = False
        bases[side].add(chosen)
        squared = [bases[1 - k].left[groups[k]] for k in (0, 1)]
        k = int(squared[1].max(initial=0.0) > squared[0].max(initial=0.0))
        needy = np.array(groups[k])[squared[k] > within.threshold]
        side = 1 - k
        candidates = np.flatnonzero(free[side])
        if not len(needy) or not len(candidates):
            break
        excess = np.maximum(bases[k].left[candidates] - within.threshold, 0)
        score = bases[side].gains(candidates, needy) - weight * excess
        chosen = int(candidates[np.argmax(score)])
    held = within.surviving(np.sort(np.array(groups[0] + groups[1])), holding=v)
    return held if len(held) else everyone


def trimmed(within: Within, neurons: Index, v: int, order: Callable[[Index], Index]) -> Index:
    """Return a v-minimum match within some neurons that hold one, by trying to do without each in turn.

    What v once could not do without, it never can: each neuron is tried once. After every success the order is
    asked for anew, and the search goes on within the maximum match of what is left.
    """
    needed = {v}
    while True:
        for u in order(neurons).tolist():
            if u in needed:
                continue
            left = within.surviving(neurons[neurons != u], holding=v)
            if len(left):
                neurons = left
                break
            needed.add(u)
        else:
            return neurons


def _shuffled(within: Within, seed: int) -> Index:
    return np.random.default_rng(seed).permutation(int(within.everyone.max(initial=0)) + 1)
