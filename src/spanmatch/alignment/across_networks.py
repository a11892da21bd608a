"""Alignment of more than two networks: which neurons recur in every one of them.

A neuron has a partner in another network if its one-to-one partner there has at least a given
strength. It is matched there if it is in the maximum match at eps. Partners are cycle-consistent if
a's partner in c is the partner in c of a's partner in b. Some agree under the null too, and many where neurons
are mixtures of a few factors that the networks share. The null therefore rotates the principal
components of each layer at random.
Source: Li et al., ICLR 2016, section 3, extended to more than two networks; docs/convergent.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations, permutations
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from .._display import Displayed
from .._plotting import COLOURS, axes_for, label, legend
from ..errors import SpanmatchError, among
from ..match import maximum_match
from ..moments.moments import Moments
from ..moments.pairs import Pair
from ..moments.provenance import network_and_layer
from ..moments.spans import Array, Index
from .assignment import By, matched, one_to_one
from .correlations import correlation

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ..schema import TriangleRecord, UniversalityRecord

Counts = NDArray[np.intp]
Partners = dict[tuple[str, str], Index]
NEGLIGIBLE = 1e-8
"""Components with a smaller share of the largest variance are not rotated, because they are
rounding errors.
"""


@dataclass(frozen=True)
class Triangle:
    """Cycle consistency of the partners of network a's neurons, through network b, in network c."""

    a: str
    """The first network."""
    b: str
    """The network in between."""
    c: str
    """The last network."""
    chains: int
    """Number of neurons of a with a partner in b that has a partner in c."""
    closed: int
    """Number of these that are cycle-consistent: their own partner in c is the same neuron."""
    chance: float
    """Share of cycle-consistent partners under the null; nan without chains, or for mutual
    information.
    """


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Universality(Displayed):
    """For every neuron of a layer of several networks, in how many of the others it is found.

    Examples
    --------
    >>> import numpy as np
    >>> import spanmatch as sm
    >>> X, e, f = np.random.default_rng(0).standard_normal((3, 500, 4))
    >>> moments = sm.Moments()
    >>> moments.update({"a:fc": X, "b:fc": X[:, ::-1] + 0.1 * e, "c:fc": X + 0.1 * f})
    >>> shared = sm.universality(moments, "fc")
    >>> shared.cycle_consistency, shared.everywhere.tolist()
    (1.0, [[0, 3, 0], [1, 2, 1], [2, 1, 2], [3, 0, 3]])
    """

    layer: str
    """The layer's name without the network."""
    networks: tuple[str, ...]
    """The networks that have the layer."""
    rows: int
    """Number of rows."""
    min_correlation: float
    """The smallest strength of a partner."""
    eps: float
    """Of the maximum match."""
    by: By
    """What strength is, as in `one_to_one`."""
    partners: Mapping[str, Counts]
    """By network, (neurons,): number of other networks in which each neuron has a partner."""
    matched: Mapping[str, Counts]
    """By network, (neurons,): number of other networks with which each neuron is in the maximum
    match.
    """
    everywhere: Index
    """(groups, networks) neurons of all networks that are all partners of each other."""
    triangles: tuple[Triangle, ...]
    """Cycle consistency for every three networks."""
    seed: int
    """Seed of the null."""

    @property
    def cycle_consistency(self) -> float:
        """Share of cycle-consistent partners: chains a -> b -> c that agree with a -> c; nan
        without chains.
        """
        chains = sum(triangle.chains for triangle in self.triangles)
        return sum(triangle.closed for triangle in self.triangles) / chains if chains else float("nan")

    @property
    def null_cycle_consistency(self) -> float:
        """Expected share of cycle-consistent partners under the null; nan if it is unknown."""
        known = [triangle for triangle in self.triangles if triangle.chains and not np.isnan(triangle.chance)]
        chains = sum(triangle.chains for triangle in known)
        return sum(triangle.chains * triangle.chance for triangle in known) / chains if chains else float("nan")

    def distribution(self) -> dict[str, Counts]:
        """Return how many neurons, over all networks, are found in 0, 1, ... other networks.

        Returns
        -------
        dict of str to ndarray of shape (networks,)
            "partners" and "matched".
        """
        length = len(self.networks)
        return {
            name: np.sum([np.bincount(counts, minlength=length) for counts in counts_of.values()], axis=0)
            for name, counts_of in (("partners", self.partners), ("matched", self.matched))
        }

    def plot(self, ax: Axes | None = None, *, of: Literal["partners", "matched"] = "partners") -> Axes:
        """Draw the share of each network's neurons that are found in 0, 1, ... other networks.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; by default new axes.
        of : {"partners", "matched"}
            Whether a neuron is found where it has a partner, or where it is in the maximum match.

        Returns
        -------
        matplotlib.axes.Axes

        Raises
        ------
        SpanmatchError
            If matplotlib is not installed.
        """
        ax = axes_for("universality.plot", ax)
        counts_of, found = {
            "partners": (self.partners, f"a partner of {self.min_correlation:g} or more"),
            "matched": (self.matched, f"a maximum match at eps {self.eps:g} with the neuron"),
        }[of]
        others, width = np.arange(len(self.networks)), 0.8 / len(counts_of)
        for k, (network, counts) in enumerate(counts_of.items()):
            share = np.bincount(counts, minlength=len(others)) / len(counts)
            colour = COLOURS[k % len(COLOURS)]
            ax.bar(others + (k + 0.5) * width - 0.4, share, 0.92 * width, label=network, color=colour)
        ax.set(xticks=others, ylim=(0, 1))
        label(ax, f"other networks with {found}", "share of neurons", self.layer)
        legend(ax)
        return ax

    def to_dict(self) -> UniversalityRecord:
        """Return everything as plain Python values."""
        distribution = self.distribution()
        return {
            "layer": self.layer,
            "networks": list(self.networks),
            "rows": self.rows,
            "min_correlation": self.min_correlation,
            "eps": self.eps,
            "by": self.by,
            "partners": {network: counts.tolist() for network, counts in self.partners.items()},
            "matched": {network: counts.tolist() for network, counts in self.matched.items()},
            "distribution": {
                "partners": distribution["partners"].tolist(),
                "matched": distribution["matched"].tolist(),
            },
            "everywhere": self.everywhere.tolist(),
            "cycle_consistency": _or_none(self.cycle_consistency),
            "null_cycle_consistency": _or_none(self.null_cycle_consistency),
            "triangles": [triangle_record(triangle) for triangle in self.triangles],
            "seed": self.seed,
        }

    def _summary(self) -> str:
        chains = sum(triangle.chains for triangle in self.triangles)
        return (
            f"of {self.layer} over {len(self.networks)} networks: {len(self.everywhere)} "
            f"in all, {self.cycle_consistency:.0%} of {chains} cycle-consistent, "
            f"{self.null_cycle_consistency:.0%} under the null"
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
    """Return in how many other networks each neuron of a layer is found, with cycle consistency.

    Parameters
    ----------
    moments : Moments
        Of at least two networks, paired with each other, as from `sm.capture`.
    layer : str
        The layer's name without the network.
    min_correlation : float
        The smallest strength of a one-to-one partner, in units of `by`.
    eps : float
        Of the maximum match, in [0, 1).
    by : {"correlation", "absolute", "information"}
        What strength is, as in `one_to_one`.
    centred : bool
        Whether the maximum match is of centred activations.
    seed : int
        Seed of the null.

    Returns
    -------
    Universality
        Counts for each neuron, groups of partners over all networks, and cycle consistency with its
        null.

    Raises
    ------
    SpanmatchError
        If fewer than two networks have the layer, or two of them were not paired.

    Notes
    -----
    The cycle consistency is the share of chains a -> b -> c of partners that agree with a -> c.

    The null keeps the covariance of every layer. In each layer, principal components whose
    variances are within the same factor of two are rotated among each other at random; neurons stay
    the same combinations of components. Of the partners after rotation, the strongest are kept, as
    many as were observed.

    Cost: `one_to_one` and `maximum_match` for every two networks, and at least two more assignments
    for the null.

    References
    ----------
    Li et al., ICLR 2016, section 3.

    Examples
    --------
    >>> import numpy as np
    >>> import spanmatch as sm
    >>> X, e, f = np.random.default_rng(0).standard_normal((3, 500, 4))
    >>> moments = sm.Moments()
    >>> moments.update({"a:fc": X, "b:fc": X[:, ::-1] + 0.1 * e, "c:fc": X + 0.1 * f})
    >>> shared = sm.universality(moments, "fc")
    >>> shared.cycle_consistency, shared.everywhere.tolist()
    (1.0, [[0, 3, 0], [1, 2, 1], [2, 1, 2], [3, 0, 3]])
    """
    full_names = layers_of_networks(moments.layers, layer)
    partner: Partners = {}
    null: list[Partners] = [{} for _ in range(_draws(moments.layers[name] for name in full_names.values()))]
    components: dict[str, Components] = {}
    partners = {network: np.zeros(moments.layers[name], dtype=np.intp) for network, name in full_names.items()}
    matched = {network: counts.copy() for network, counts in partners.items()}
    for a, b in combinations(full_names, 2):
        pair = moments.pair(full_names[a], full_names[b])
        partner[a, b], partner[b, a] = _partners(pair, min_correlation, by)
        if len(full_names) > 2 and by != "information":
            _add_null(null, pair, (a, b), components, by, int(np.count_nonzero(partner[a, b] >= 0)), seed)
        match = maximum_match(pair, eps, centred=centred)
        matched[a][match.x] += 1
        matched[b][match.y] += 1
        partners[a] += partner[a, b] >= 0
        partners[b] += partner[b, a] >= 0
    order = list(full_names).index
    chains = [(a, b, c) for a, b, c in permutations(full_names, 3) if order(a) < order(c)]
    triangles = [Triangle(*chain, *closed_chains(partner, *chain), share_closed(null, chain)) for chain in chains]
    return Universality(
        layer=layer,
        networks=tuple(full_names),
        rows=moments.rows[next(iter(full_names.values()))],
        min_correlation=min_correlation,
        eps=eps,
        by=by,
        partners=partners,
        matched=matched,
        everywhere=in_all_networks(partner, list(full_names)),
        triangles=tuple(triangles),
        seed=seed,
    )


def layers_of_networks(layers: Iterable[str], layer: str) -> dict[str, str]:
    """Return the full names of a layer by network.  Raises SpanmatchError unless two networks have it."""
    parts = {name: network_and_layer(name) for name in layers}
    full_names = {network: name for name, (network, layer_name) in parts.items() if layer_name == layer}
    if len(full_names) < 2:
        known = dict.fromkeys(layer_name for _, layer_name in parts.values())
        raise SpanmatchError(f"layer {layer!r} is in {len(full_names)} networks, two are needed{among(layer, known)}")
    return full_names


def _partners(pair: Pair, min_correlation: float, by: By) -> tuple[Index, Index]:
    """Return each neuron's partner in the other layer, -1 where none is strong enough."""
    aligned = one_to_one(pair, by=by)
    strong = aligned.strength >= min_correlation
    return both_ways(aligned.x[strong], aligned.y[strong], pair.neurons)


def both_ways(x: Index, y: Index, neurons: tuple[int, int]) -> tuple[Index, Index]:
    """Return the partner of each neuron of x and of y, -1 where there is none."""
    forth, back = np.full(neurons[0], -1), np.full(neurons[1], -1)
    forth[x], back[y] = y, x
    return forth, back


def _through(first: Index, second: Index) -> Index:
    """Return the partners of partners, -1 where one is missing."""
    return np.where(first >= 0, second[first], -1)


def closed_chains(partner: Partners, a: str, b: str, c: str) -> tuple[int, int]:
    """Return the number of chains from a through b to c, and how many are cycle-consistent."""
    around, direct = _through(partner[a, b], partner[b, c]), partner[a, c]
    chains = around >= 0
    return int(np.count_nonzero(chains)), int(np.count_nonzero(chains & (around == direct)))


def share_closed(null: list[Partners], chain: tuple[str, str, str]) -> float:
    """Return the share of cycle-consistent chains over all draws; nan without chains."""
    counts = [closed_chains(partner, *chain) for partner in null if partner]
    chains = sum(chains for chains, _ in counts)
    return sum(closed for _, closed in counts) / chains if chains else float("nan")


def _draws(widths: Iterable[int]) -> int:
    """Return the number of draws of the null: fewer for wider layers, which have more chains in
    each draw.
    """
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
    """Add to every draw the partners of two networks after rotations within both layers.

    As many of the strongest partners are kept as `count` says.
    """
    c, neurons = correlation(pair), pair.active(centred=True)
    for network, within, active in zip(networks, (c.within_x, c.within_y), neurons, strict=True):
        if network not in components:
            components[network] = _components(within[np.ix_(active, active)], (seed, len(components)))
    x, y = (components[network] for network in networks)
    between = x.directions.T @ c.between[np.ix_(*neurons)] @ y.directions
    for draw, partner in enumerate(null):
        s = x.directions @ y.rotated(x.rotated(between, draw).T, draw).T @ y.directions.T
        i, j = matched(abs(s) if by == "absolute" else s, "bipartite")
        strongest = np.argsort(-abs(s[i, j]) if by == "absolute" else -s[i, j], kind="stable")[:count]
        pairs = neurons[0][i[strongest]], neurons[1][j[strongest]]
        partner[networks], partner[networks[::-1]] = both_ways(*pairs, pair.neurons)


@dataclass(frozen=True, eq=False)
class Components:
    """Principal components of the standardised neurons of a layer, by similar variance."""

    directions: Array
    """(neurons, neurons) components in columns."""
    deviations: Array
    """(neurons,) standard deviations of the components, in decreasing order."""
    groups: tuple[Index, ...]
    """Components whose variances are within the same factor of two."""
    seed: tuple[int, int]
    """Seed of the layer's rotations."""

    def rotated(self, products: Array, draw: int) -> Array:
        """Return products (components, ...) with the components after a random rotation of each
        group.
        """
        r = np.random.default_rng((*self.seed, draw))
        rotated = products.copy()
        for group in self.groups:
            Q, R = np.linalg.qr(r.standard_normal((len(group), len(group))))
            scale = self.deviations[group, None]
            rotated[group] = scale * ((Q * np.sign(np.diagonal(R))).T @ (products[group] / scale))
        return rotated


def _components(within: Array, seed: tuple[int, int]) -> Components:
    """Return the principal components of correlations within a layer."""
    variances, directions = np.linalg.eigh(within)
    variances, directions = variances[::-1], directions[:, ::-1]
    resolved = np.flatnonzero(variances > NEGLIGIBLE * variances.max(initial=0.0))
    octave = np.floor(np.log2(variances.max(initial=1.0) / variances[resolved]))
    groups = tuple(resolved[octave == value] for value in np.unique(octave))
    return Components(directions, np.sqrt(np.maximum(variances, 0)), groups, seed)


def triangle_record(triangle: Triangle) -> TriangleRecord:
    """Return a triangle for the JSON."""
    return {
        "a": triangle.a,
        "b": triangle.b,
        "c": triangle.c,
        "chains": triangle.chains,
        "closed": triangle.closed,
        "chance": _or_none(triangle.chance),
    }


def _or_none(value: float) -> float | None:
    """Return a number, None for nan."""
    return None if np.isnan(value) else value


def in_all_networks(partner: Partners, networks: list[str]) -> Index:
    """Return the groups of one neuron of each network that are all partners of each other."""
    first = networks[0]
    start = np.arange(len(partner[first, networks[1]]))
    columns = [start] + [partner[first, other] for other in networks[1:]]
    mutual = np.all([column >= 0 for column in columns], axis=0)
    for (a, i), (b, j) in combinations(list(zip(networks, columns, strict=True))[1:], 2):
        mutual &= _through(i, partner[a, b]) == j
    return np.stack(columns, axis=1)[mutual]
