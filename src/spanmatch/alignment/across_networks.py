"""More than two networks: which neurons come back in every one of them.

A neuron has a partner in another network if its one-to-one partner there is at least so strong, and is matched there
if it is in the maximum match at eps. Where partnerships are real they close triangles: a's partner in c is that of its
partner in b. By chance some close too, many where neurons are mixtures of a few factors that the networks share. The
null therefore mixes the principal components of each layer at random.
Source: Li et al., ICLR 2016, section 3, for more than two; docs/convergent.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations, permutations
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .._plotting import row_of_axes
from ..errors import SpanmatchError, among
from ..match import maximum_match
from ..moments.moments import Moments
from ..moments.pairs import Pair
from ..moments.spans import Array, Index
from .assignment import By, matched, one_to_one
from .correlations import correlation

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Counts = NDArray[np.intp]
Partners = dict[tuple[str, str], Index]
NEGLIGIBLE = 1e-8
"""Components of less of the largest variance are left as they are: their rounding would be rotated."""


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
    """What share of chains closes under the null; nan if there are none, or strength is mutual information."""


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Universality:
    """For every neuron of a layer of several networks, in how many of the others it is found."""

    layer: str
    networks: tuple[str, ...]
    rows: int
    min_correlation: float
    eps: float
    by: By
    partners: Mapping[str, Counts]
    """By network, (neurons,): in how many other networks each neuron has a partner of that strength."""
    matched: Mapping[str, Counts]
    """By network, (neurons,): in how many other networks each neuron is in the maximum match at eps."""
    everywhere: Index
    """(groups, networks) neurons of all networks that are partners of each other, each of each."""
    triangles: tuple[Triangle, ...]
    seed: int
    """Of the null."""

    @property
    def consistency(self) -> float:
        """The share of chains a -> b -> c that agree with a -> c; nan if there are none."""
        chains = sum(triangle.chains for triangle in self.triangles)
        return sum(triangle.closed for triangle in self.triangles) / chains if chains else float("nan")

    @property
    def chance(self) -> float:
        """The share of chains that would close under the null; nan if that is known of none."""
        known = [triangle for triangle in self.triangles if triangle.chains and not np.isnan(triangle.chance)]
        chains = sum(triangle.chains for triangle in known)
        return sum(triangle.chains * triangle.chance for triangle in known) / chains if chains else float("nan")

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
        titles = f"partner of strength {self.min_correlation:g} or more", f"in the maximum match at eps {self.eps:g}"
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
            "min_correlation": self.min_correlation,
            "eps": self.eps,
            "by": self.by,
            "partners": {network: counts.tolist() for network, counts in self.partners.items()},
            "matched": {network: counts.tolist() for network, counts in self.matched.items()},
            "distribution": {name: counts.tolist() for name, counts in self.distribution().items()},
            "everywhere": self.everywhere.tolist(),
            "consistency": _or_none(self.consistency),
            "chance": _or_none(self.chance),
            "triangles": [{**vars(triangle), "chance": _or_none(triangle.chance)} for triangle in self.triangles],
            "seed": self.seed,
        }

    def __repr__(self) -> str:
        chains = sum(triangle.chains for triangle in self.triangles)
        return (
            f"<Universality of {self.layer} over {len(self.networks)} networks: {len(self.everywhere)} partners "
            f"in all, {self.consistency:.0%} of {chains} chains close, {self.chance:.0%} by chance>"
        )


def universality(
    moments: Moments,
    layer: str,
    *,
    min_correlation: float = 0.5,
    eps: float = 0.3,
    by: By = "correlation",
    centred: bool = False,
    seed: int = 0,
) -> Universality:
    """Return in how many other networks each neuron of a layer is found, and whether partnerships agree.

    Parameters
    ----------
    moments : of at least two networks, as `sm.capture` makes them
    layer : its name without the network
    min_correlation : the least that a one-to-one partner must have, in what `by` says
    eps, centred : of the maximum match
    by : as in `one_to_one`
    seed : of the null

    Raises
    ------
    SpanmatchError : if fewer than two networks have the layer, or two of them were not paired.

    Notes
    -----
    The null keeps the covariance of every layer, and which of its principal components are strong: of every layer,
    components whose variances are of the same factor of two are rotated among each other at random, while the neurons
    stay the same combinations of components. As many of the strongest one-to-one partners are taken as were found.

    Cost: of one `one_to_one` and one `maximum_match` for every two networks, and of at least two assignments more for
    the null.
    """
    named = {name.partition(":")[0]: name for name in moments.layers if name.partition(":")[2] == layer}
    if len(named) < 2:
        known = dict.fromkeys(name.partition(":")[2] for name in moments.layers)
        raise SpanmatchError(f"layer {layer!r} is in {len(named)} networks, two are needed{among(layer, known)}")
    partner: Partners = {}
    null: list[Partners] = [{} for _ in range(_draws(moments.layers[name] for name in named.values()))]
    components: dict[str, Components] = {}
    partners = {network: np.zeros(moments.layers[name], dtype=np.intp) for network, name in named.items()}
    matched = {network: counts.copy() for network, counts in partners.items()}
    for a, b in combinations(named, 2):
        pair = moments.pair(named[a], named[b])
        partner[a, b], partner[b, a] = _partners(pair, min_correlation, by)
        if len(named) > 2 and by != "information":
            _add_null(null, pair, (a, b), components, by, int(np.count_nonzero(partner[a, b] >= 0)), seed)
        match = maximum_match(pair, eps, centred=centred)
        matched[a][match.x] += 1
        matched[b][match.y] += 1
        partners[a] += partner[a, b] >= 0
        partners[b] += partner[b, a] >= 0
    order = list(named).index
    chains = [(a, b, c) for a, b, c in permutations(named, 3) if order(a) < order(c)]
    triangles = [Triangle(*chain, *_closed(partner, *chain), _share(null, chain)) for chain in chains]
    return Universality(
        layer=layer,
        networks=tuple(named),
        rows=moments.rows[next(iter(named.values()))],
        min_correlation=min_correlation,
        eps=eps,
        by=by,
        partners=partners,
        matched=matched,
        everywhere=_everywhere(partner, list(named)),
        triangles=tuple(triangles),
        seed=seed,
    )


def _partners(pair: Pair, min_correlation: float, by: By) -> tuple[Index, Index]:
    """Return each neuron's partner in the other layer, -1 where none is strong enough."""
    aligned = one_to_one(pair, by=by)
    strong = aligned.strength >= min_correlation
    return _both_ways(aligned.x[strong], aligned.y[strong], pair.neurons)


def _both_ways(x: Index, y: Index, neurons: tuple[int, int]) -> tuple[Index, Index]:
    forth, back = np.full(neurons[0], -1), np.full(neurons[1], -1)
    forth[x], back[y] = y, x
    return forth, back


def _through(first: Index, second: Index) -> Index:
    """Return where two steps lead, -1 where one is missing."""
    return np.where(first >= 0, second[first], -1)


def _closed(partner: Partners, a: str, b: str, c: str) -> tuple[int, int]:
    """Return how many chains there are from a by way of b to c, and how many of them close."""
    around, direct = _through(partner[a, b], partner[b, c]), partner[a, c]
    chains = around >= 0
    return int(np.count_nonzero(chains)), int(np.count_nonzero(chains & (around == direct)))


def _share(null: list[Partners], chain: tuple[str, str, str]) -> float:
    counts = [_closed(partner, *chain) for partner in null if partner]
    chains = sum(chains for chains, _ in counts)
    return sum(closed for _, closed in counts) / chains if chains else float("nan")


def _draws(widths: Iterable[int]) -> int:
    """Return how often to draw the null: fewer times for wider layers, which have more chains each time."""
    return max(2, min(20, round(1000 / min(widths))))


def _add_null(
    null: list[Partners],
    pair: Pair,
    networks: tuple[str, str],
    components: dict[str, Components],
    by: By,
    count: int,
    seed: int,
) -> None:
    """Add to every draw the partners of two networks, so many of the strongest, after rotations within both layers."""
    c, neurons = correlation(pair), pair.active(centred=True)
    for network, within, own in zip(networks, (c.within_x, c.within_y), neurons, strict=True):
        if network not in components:
            components[network] = _components(within[np.ix_(own, own)], (seed, len(components)))
    x, y = (components[network] for network in networks)
    between = x.directions.T @ c.between[np.ix_(*neurons)] @ y.directions
    for draw, partner in enumerate(null):
        s = x.directions @ y.rotated(x.rotated(between, draw).T, draw).T @ y.directions.T
        i, j = matched(abs(s) if by == "absolute" else s, "bipartite")
        strongest = np.argsort(-abs(s[i, j]) if by == "absolute" else -s[i, j], kind="stable")[:count]
        pairs = neurons[0][i[strongest]], neurons[1][j[strongest]]
        partner[networks], partner[networks[::-1]] = _both_ways(*pairs, pair.neurons)


@dataclass(frozen=True, eq=False)
class Components:
    """Principal components of the standardised neurons of a layer, in groups of similar variance."""

    directions: Array
    """(neurons, neurons) of each component, in a column."""
    deviations: Array
    """(neurons,) of each component, falling."""
    groups: tuple[Index, ...]
    """Components whose variances are of the same factor of two."""
    seed: tuple[int, int]

    def rotated(self, products: Array, draw: int) -> Array:
        """Return the products (components, ...) of a variable with the components, each group being rotated."""
        r = np.random.default_rng((*self.seed, draw))
        found = products.copy()
        for group in self.groups:
            Q, R = np.linalg.qr(r.standard_normal((len(group), len(group))))
            scale = self.deviations[group, None]
            found[group] = scale * ((Q * np.sign(np.diagonal(R))).T @ (products[group] / scale))
        return found


def _components(within: Array, seed: tuple[int, int]) -> Components:
    variances, directions = np.linalg.eigh(within)
    variances, directions = variances[::-1], directions[:, ::-1]
    kept = np.flatnonzero(variances > NEGLIGIBLE * variances.max(initial=0.0))
    octave = np.floor(np.log2(variances.max(initial=1.0) / variances[kept]))
    groups = tuple(kept[octave == value] for value in np.unique(octave))
    return Components(directions, np.sqrt(np.maximum(variances, 0)), groups, seed)


def _or_none(value: float) -> float | None:
    return None if np.isnan(value) else value


def _everywhere(partner: Partners, networks: list[str]) -> Index:
    first = networks[0]
    start = np.arange(len(partner[first, networks[1]]))
    columns = [start] + [partner[first, other] for other in networks[1:]]
    found = np.all([column >= 0 for column in columns], axis=0)
    for (a, i), (b, j) in combinations(list(zip(networks, columns, strict=True))[1:], 2):
        found &= _through(i, partner[a, b]) == j
    return np.stack(columns, axis=1)[found]
