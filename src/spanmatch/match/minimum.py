"""v-minimum matches: minimal matches that contain a given neuron v.

A v-minimum match is a match that contains v and has no proper subset that is a match containing v.
"v is in the maximum match within S" is monotone in S, so v-minimum matches are minimal sets over a
monotone predicate (Marques-Silva, Janota, Belov 2013). Source: Wang et al., NeurIPS 2018;
docs/theory.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from .._threads import few_threads
from .._values import Json
from ..errors import SpanmatchError
from ..moments.pairs import Pair, checked_pair
from ..moments.spans import Index
from .hitting_sets import smallest_holding
from .least_squares import survivors
from .maximum import Match, checked_eps, threshold_of
from .within import Basis, Within

Neuron = tuple[Literal["x", "y"], int]
Order = Literal["small", "index", "random", "smallest"]
WEIGHTS = (0.1, 0.3, 1.0, 3.0)
"""Weights of a candidate's own excess, see `grown`. No single weight is best everywhere."""
TRIMMED = 2
"""How many of the grown groups are trimmed, the smallest first. Trimming all of them takes twice as
long and hardly makes the result smaller."""


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class MinimumMatch(Match):
    """A v-minimum match: it contains neuron v, and no proper subset is a match that contains v.

    Examples
    --------
    >>> import numpy as np
    >>> import spanmatch as sm
    >>> a, b, c, d = np.random.default_rng(0).standard_normal((4, 500))
    >>> pair = sm.pair(np.column_stack([a, b, c]), np.column_stack([a + b, a - b, d]))
    >>> match = sm.minimum_match(pair, ("x", 0), eps=0.1)
    >>> match.x.tolist(), match.y.tolist()
    ([0, 1], [0, 1])
    >>> sm.minimum_match(pair, ("x", 2), eps=0.1) is None  # no match contains this neuron
    True
    """

    neuron: Neuron
    """The neuron v: ("x", index) or ("y", index)."""
    order: Order
    """The search method: "small", "index", "random" or "smallest"."""
    seed: int | None
    """The seed of order="random"; None for other orders."""
    smallest: bool
    """Whether it is proven that no match with the neuron has fewer neurons. Only order="smallest"
    proves it, and not if distances of this match lie between eps and the resolution."""

    @property
    def _kind(self) -> str:
        side, index = self.neuron
        return f"v-minimum match of neuron {index} of {self.x_layer if side == 'x' else self.y_layer}"

    def verify(self, pair: Pair) -> bool:
        """Verify by an independent computation that this is a match and minimal.

        Parameters
        ----------
        pair : Pair
            The pair that the match was computed from.

        Returns
        -------
        bool
            True if all distances are within eps, v is in the match, and v drops out whichever other
            neuron is removed.

        Notes
        -----
        The least squares of this method share no code with the search. Removing single neurons is
        sufficient: v cannot be in the maximum match within a set if it is not in that of a
        superset. Cost: of order (|x| + |y|)^4 operations.
        """
        if not super().verify(pair):
            return False
        eps = threshold_of(self) * (1 + 1e-9)
        side, index = self.neuron
        for removed_side, removed in [("x", int(i)) for i in self.x] + [("y", int(j)) for j in self.y]:
            if (removed_side, removed) == self.neuron:
                continue
            groups = {"x": self.x, "y": self.y}
            groups[removed_side] = groups[removed_side][groups[removed_side] != removed]
            x, y = survivors(pair, groups["x"], groups["y"], eps, centred=self.provenance.centred)
            if index in (x if side == "x" else y):
                return False
        return index in (self.x if side == "x" else self.y)

    def to_dict(self) -> dict[str, Json]:
        """Return everything as plain Python values.

        Returns
        -------
        dict of str to object
            The fields of the match, those of its provenance, and the search's options.
        """
        search: dict[str, Json] = {
            "neuron": list(self.neuron),
            "order": self.order,
            "seed": self.seed,
            "smallest": self.smallest,
        }
        return search | super().to_dict()


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
    """Return a v-minimum match at eps: a minimal match that contains a given neuron v.

    Parameters
    ----------
    pair : Pair
        The joint moments of two layers.
    neuron : tuple of str and int
        The neuron v: ("x", index) or ("y", index).
    eps : float
        The largest distance that the match allows, in [0, 1).
    order : {"small", "index", "random", "smallest"}
        The search method:

        - "small" grows several matches around v by the gain of each next neuron, trims them and
          returns the smallest.
        - "index" removes neurons from the maximum match in the order of their indices.
        - "random" removes neurons from the maximum match in a random order.
        - "smallest" finds a smallest match and proves it, by implicit hitting sets. It is feasible
          for up to some 40 neurons.
    seed : int, optional
        The seed of order="random", 0 by default.
    time_limit : float, optional
        Seconds after which order="smallest" returns the smallest match found so far, unproven. No
        limit by default.
    centred : bool
        Whether to subtract each neuron's mean first.

    Returns
    -------
    MinimumMatch or None
        The match; None if the neuron is in no match at eps.

    Raises
    ------
    SpanmatchError
        If the neuron or the order does not exist, if eps is outside [0, 1), or if eps is below the
        resolution while a neuron is nearer than the resolution to the other layer.

    Notes
    -----
    Cost: order="small" takes about s^2 |M| operations to grow a group of s neurons, where M is the
    maximum match, and then trims it; it looks at few neurons. "index" and "random" compute the
    maximum match within about |M| sets.

    References
    ----------
    .. [1] Wang et al., "Towards understanding learning representations: to what extent do different
       neural networks learn the same representation", NeurIPS 2018.
    .. [2] Marques-Silva, Janota, Belov, "Minimal sets over monotone predicates in Boolean
       formulae", CAV 2013.

    Examples
    --------
    >>> import numpy as np
    >>> import spanmatch as sm
    >>> a, b, c, d = np.random.default_rng(0).standard_normal((4, 500))
    >>> pair = sm.pair(np.column_stack([a, b, c]), np.column_stack([a + b, a - b, d]))
    >>> match = sm.minimum_match(pair, ("x", 0), eps=0.1)
    >>> match.x.tolist(), match.y.tolist()
    ([0, 1], [0, 1])
    >>> sm.minimum_match(pair, ("x", 2), eps=0.1) is None  # no match contains this neuron
    True
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
        group, proven = smallest_holding(within, v, small(within, v), time_limit)
        proven = proven and within.is_certain(group)
    elif order == "small":
        group = small(within, v)
    else:
        positions = np.arange(within.everyone.max() + 1) if seed is None else _shuffled(within, seed)
        group = trimmed(within, within.everyone, v, lambda neurons: neurons[np.argsort(positions[neurons])])
    x, y = within.indices(group)
    return MinimumMatch(
        eps=within.match.eps,
        x=x,
        y=y,
        neuron=neuron,
        order=order,
        seed=seed,
        smallest=proven,
        **within.match.shared(),
    )


def checked_neuron(pair: Pair, neuron: Neuron) -> Neuron:
    """Check that a neuron exists.

    Parameters
    ----------
    pair : Pair
        The joint moments of two layers.
    neuron : tuple of str and int
        ("x", index) or ("y", index).

    Returns
    -------
    tuple of str and int
        The neuron, its index as a Python integer.

    Raises
    ------
    SpanmatchError
        If the pair has no such neuron.
    """
    try:
        side, index = neuron
        width = {"x": pair.neurons[0], "y": pair.neurons[1]}[side]
        if not 0 <= int(index) < width or int(index) != index:
            raise SpanmatchError(f"neuron {neuron!r}: {side} has neurons 0 to {width - 1}")
        return side, int(index)
    except (TypeError, ValueError, KeyError) as error:
        if isinstance(error, SpanmatchError):
            raise
        raise SpanmatchError(f"neuron {neuron!r}: give ('x', index) or ('y', index)") from error


def small(within: Within, v: int) -> Index:
    """Return a v-minimum match that tends to be small.

    Parameters
    ----------
    within : Within
        The maximum match.
    v : int
        The number of a neuron in it.

    Returns
    -------
    array of int
        The numbers of the neurons of the match.

    Notes
    -----
    One group is grown around v for each of `WEIGHTS`. The `TRIMMED` smallest groups are trimmed,
    the neurons with the least flow from v first, and the smallest result is returned.
    """
    groups = {tuple(group): group for group in (grown(within, v, weight) for weight in WEIGHTS)}
    matches = [
        trimmed(within, group, v, lambda neurons: neurons[np.argsort(within.flow(neurons, v), kind="stable")])
        for group in sorted(groups.values(), key=len)[:TRIMMED]
    ]
    return min(matches, key=len)


def grown(within: Within, v: int, weight: float) -> Index:
    """Return a match that contains v, grown from v by adding one neuron after the other.

    Parameters
    ----------
    within : Within
        The maximum match.
    v : int
        The number of a neuron in it.
    weight : float
        How much a candidate's own excess counts against its gain.

    Returns
    -------
    array of int, (s,)
        The numbers of the neurons of the match; it need not be minimal.

    Notes
    -----
    As long as a neuron of the group is farther than eps from the group's other side, that side gets
    the candidate with the largest

        (reduction of the squared distances that are too large) - weight x (own excess over eps^2).

    The candidate's own excess is what it would require next. The side of the farthest neuron is
    served first. Cost: s^2 |M| operations.
    """
    everyone, gram = within.everyone, within.unit.gram
    bases = Basis(gram), Basis(gram)
    free = np.zeros((2, len(gram)), dtype=bool)  # candidates of x and of y
    free[0, everyone[everyone < within.split]] = True
    free[1, everyone[everyone >= within.split]] = True
    groups: tuple[list[int], list[int]] = ([], [])
    side, chosen = int(v >= within.split), v
    for _ in everyone:
        groups[side].append(chosen)
        free[side, chosen] = False
        bases[side].add(chosen)
        squared_distances = [bases[1 - k].squared_distances[groups[k]] for k in (0, 1)]
        farthest = int(squared_distances[1].max(initial=0.0) > squared_distances[0].max(initial=0.0))
        too_far = np.array(groups[farthest])[squared_distances[farthest] > within.threshold]
        side = 1 - farthest
        candidates = np.flatnonzero(free[side])
        if not len(too_far) or not len(candidates):
            break
        excess = np.maximum(bases[farthest].squared_distances[candidates] - within.threshold, 0)
        score = bases[side].gains(candidates, too_far) - weight * excess
        chosen = int(candidates[np.argmax(score)])
    match = within.surviving(np.sort(np.array(groups[0] + groups[1])), containing=v)
    return match if len(match) else everyone


def trimmed(within: Within, neurons: Index, v: int, order: Callable[[Index], Index]) -> Index:
    """Return a v-minimum match within some neurons, by trying to remove each of them.

    Parameters
    ----------
    within : Within
        The maximum match.
    neurons : array of int
        The numbers of neurons that form a match with v.
    v : int
        The number of the neuron that has to stay.
    order : callable
        Returns the given neurons in the order in which to try to remove them.

    Returns
    -------
    array of int
        The numbers of the neurons of the match.

    Notes
    -----
    A neuron that v needs once is needed in all later, smaller sets, so each neuron is tried at most
    once. After every removal, the search continues within the maximum match of the remaining
    neurons, in an order computed for them.
    """
    needed = {v}
    while True:
        for u in order(neurons).tolist():
            if u in needed:
                continue
            remaining = within.surviving(neurons[neurons != u], containing=v)
            if len(remaining):
                neurons = remaining
                break
            needed.add(u)
        else:
            return neurons


def _shuffled(within: Within, seed: int) -> Index:
    """Return a random position for every neuron number."""
    return np.random.default_rng(seed).permutation(int(within.everyone.max(initial=0)) + 1)
