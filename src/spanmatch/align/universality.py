"""More than two networks: which neurons come back in every one of them.

A neuron has a partner in another network if its one-to-one partner there is at least so strong, and is matched there
if it is in the maximum match at eps. Where partnerships are real they close triangles: a's partner in c is that of its
partner in b.
Source: Li et al., ICLR 2016, section 3, for more than two; docs/convergent.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations, permutations
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..drawing import row_of_axes
from ..errors import SpanmatchError, among
from ..factor import Index
from ..joint import Pair
from ..match import maximum_match
from ..moments import Moments
from .assignment import By, one_to_one

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Counts = NDArray[np.intp]


@dataclass(frozen=True)
class Triangle:
    """Partnerships from network a by way of b to c."""

    a: str
    b: str
    c: str
    chains: int
    """Neurons of a with a partner in b that has a partner in c."""
    closed: int
    """Of these, those whose own partner in c is the same."""
    chance: float
    """What share would close if partners were drawn at random."""


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Universality:
    """For every neuron of a layer of several networks, in how many of the others it is found."""

    layer: str
    networks: tuple[str, ...]
    rows: int
    strength: float
    eps: float
    by: By
    partners: Mapping[str, Counts]
    """By network, (neurons,): in how many other networks each neuron has a partner of that strength."""
    matched: Mapping[str, Counts]
    """By network, (neurons,): in how many other networks each neuron is in the maximum match at eps."""
    everywhere: Index
    """(groups, networks) neurons of all networks that are partners of each other, each of each."""
    triangles: tuple[Triangle, ...]

    @property
    def consistency(self) -> float:
        """The share of chains a -> b -> c that agree with a -> c; nan if there are none."""
        chains = sum(triangle.chains for triangle in self.triangles)
        return sum(triangle.closed for triangle in self.triangles) / chains if chains else float("nan")

    def distribution(self) -> dict[str, Counts]:
        """Return how many neurons, over all networks, are found in 0, 1, ... others: by "partners" and by "matched"."""
        most = len(self.networks)
        return {
            name: np.sum([np.bincount(counts, minlength=most) for counts in found.values()], axis=0)
            for name, found in (("partners", self.partners), ("matched", self.matched))
        }

    def plot(self) -> list[Axes]:
        """Draw in how many other networks the neurons of each network have a partner, and are matched."""
        axes = row_of_axes("universality.plot", 2)
        titles = f"partner of strength {self.strength:g} or more", f"in the maximum match at eps {self.eps:g}"
        others = np.arange(len(self.networks))
        for ax, title, found in zip(axes, titles, (self.partners, self.matched), strict=True):
            for k, (network, counts) in enumerate(found.items()):
                width = 0.8 / len(found)
                share = np.bincount(counts, minlength=len(others)) / len(counts)
                ax.bar(others + (k + 0.5) * width - 0.4, share, width, label=network)
            ax.set(title=title, xlabel="other networks", ylabel="share of neurons", xticks=others, ylim=(0, 1))
        axes[0].legend()
        return axes

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain Python values."""
        return {
            "layer": self.layer,
            "networks": list(self.networks),
            "rows": self.rows,
            "strength": self.strength,
            "eps": self.eps,
            "by": self.by,
            "partners": {network: counts.tolist() for network, counts in self.partners.items()},
            "matched": {network: counts.tolist() for network, counts in self.matched.items()},
            "distribution": {name: counts.tolist() for name, counts in self.distribution().items()},
            "everywhere": self.everywhere.tolist(),
            "consistency": None if np.isnan(self.consistency) else self.consistency,
            "triangles": [vars(triangle) for triangle in self.triangles],
        }

    def __repr__(self) -> str:
        chains = sum(triangle.chains for triangle in self.triangles)
        return (
            f"<Universality of {self.layer} over {len(self.networks)} networks: {len(self.everywhere)} partners "
            f"in all, {self.consistency:.0%} of {chains} chains close>"
        )


def universality(
    moments: Moments,
    layer: str,
    *,
    strength: float = 0.5,
    eps: float = 0.3,
    by: By = "correlation",
    centred: bool = False,
) -> Universality:
    """Return in how many other networks each neuron of a layer is found, and whether partnerships agree.

    Args: moments of at least two networks, as `sm.capture` makes them; layer, its name without the network; strength,
    the least that a one-to-one partner must have, in what `by` says; eps and centred, of the maximum match.
    Raises SpanmatchError if fewer than two networks have the layer, or two of them were not paired.
    Cost: of one `one_to_one` and one `maximum_match` for every two networks.
    """
    named = {name.partition(":")[0]: name for name in moments.layers if name.partition(":")[2] == layer}
    if len(named) < 2:
        known = dict.fromkeys(name.partition(":")[2] for name in moments.layers)
        raise SpanmatchError(f"layer {layer!r} is in {len(named)} networks, two are needed{among(layer, known)}")
    partner: dict[tuple[str, str], Index] = {}
    partners = {network: np.zeros(moments.layers[name], dtype=np.intp) for network, name in named.items()}
    matched = {network: counts.copy() for network, counts in partners.items()}
    for a, b in combinations(named, 2):
        pair = moments.pair(named[a], named[b])
        partner[a, b], partner[b, a] = _partners(pair, strength, by)
        match = maximum_match(pair, eps, centred=centred)
        matched[a][match.x] += 1
        matched[b][match.y] += 1
        partners[a] += partner[a, b] >= 0
        partners[b] += partner[b, a] >= 0
    order = list(named).index
    triangles = [_triangle(partner, a, b, c) for a, b, c in permutations(named, 3) if order(a) < order(c)]
    return Universality(
        layer=layer,
        networks=tuple(named),
        rows=moments.rows[next(iter(named.values()))],
        strength=strength,
        eps=eps,
        by=by,
        partners=partners,
        matched=matched,
        everywhere=_everywhere(partner, list(named)),
        triangles=tuple(triangles),
    )


def _partners(pair: Pair, strength: float, by: By) -> tuple[Index, Index]:
    """Return each neuron's partner in the other layer, -1 where none is strong enough."""
    aligned = one_to_one(pair, by=by)
    strong = aligned.strength >= strength
    forth, back = np.full(pair.neurons[0], -1), np.full(pair.neurons[1], -1)
    forth[aligned.x[strong]] = aligned.y[strong]
    back[aligned.y[strong]] = aligned.x[strong]
    return forth, back


def _through(first: Index, second: Index) -> Index:
    """Return where two steps lead, -1 where one is missing."""
    return np.where(first >= 0, second[first], -1)


def _triangle(partner: Mapping[tuple[str, str], Index], a: str, b: str, c: str) -> Triangle:
    around, direct = _through(partner[a, b], partner[b, c]), partner[a, c]
    chains, found = around >= 0, np.count_nonzero(direct >= 0)
    closed = np.count_nonzero(chains & (around == direct))
    return Triangle(a, b, c, int(np.count_nonzero(chains)), int(closed), found / len(direct) / len(partner[c, a]))


def _everywhere(partner: Mapping[tuple[str, str], Index], networks: list[str]) -> Index:
    first = networks[0]
    start = np.arange(len(partner[first, networks[1]]))
    columns = [start] + [partner[first, other] for other in networks[1:]]
    found = np.all([column >= 0 for column in columns], axis=0)
    for (a, i), (b, j) in combinations(list(zip(networks, columns, strict=True))[1:], 2):
        found &= _through(i, partner[a, b]) == j
    return np.stack(columns, axis=1)[found]
