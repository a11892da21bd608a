"""How much of a layer can be decoded from data that a measure calls similar to it: docs/bench/decodability.md."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, TypedDict

import numpy as np

from ...errors import SpanmatchError
from ...moments.moments import Moments
from ...moments.pairs import Pair
from ..candidates import Candidate
from ..components import components
from ..representation import Array, Representation

if TYPE_CHECKING:
    from ...schema import BenchDetails

HIGH = 0.9
"""The normalised score that counts as high: decodability is read off where it is first reached."""
STEPS = 18
"""The most steps of an ascent, with those that do not raise the score."""
STEP = 0.5
"""The length of a step in growth, and of finite differences; halved whenever a step does not raise the score."""
LONGEST = 2.0
"""The longest one, for measures that do not tell a little growth from noise."""
LIMIT = 3.0
"""The largest growth of a component: R^2 = 0.99."""
FOLDS = 4
"""The number of folds of the moments, of which held-out measures need three."""


class Ascent(TypedDict):
    """How decodable the components are while the score of a measure is raised, one entry for each step."""

    scores: list[float]  # normalised: 0 for noise, 1 for the layer itself
    decodability: list[list[float]]  # R^2 of each component, that of the largest variance first


@dataclass(frozen=True)
class Decodability:
    """If a measure calls data similar to a layer, can the components of the layer be decoded from them?

    The score is the mean, over components and networks, of min(R^2 / 0.9, 1) where the normalised
    score of the measure first reaches 0.9.

    Parameters
    ----------
    n_components : int
        The number of principal components of the layer.
    n_rows : int
        The most rows that are used.
    seed : int
        Of the choice of rows, the noise and the axes.

    References
    ----------
    Cloos, N., et al. (2025). Differentiable optimization of similarity scores between models and
    brains. ICLR.
    """

    n_components: int = 6
    n_rows: int = 128
    seed: int = 0
    name: str = "decodability"
    question: str = "If noise is changed until a measure calls it similar to a layer, is the layer decodable from it?"
    unit: str = "decodable share of components"
    lowest: float = 0.0
    chance: float = 0.0
    perfect: float = 1.0

    def run(self, candidate: Candidate, network: Representation) -> Ascent:
        """Return how decodable the components of the middle layer are while the score of a measure is raised.

        Raises SpanmatchError if the layer is constant, or the measure is not defined for it with itself or
        with noise.
        """
        layer = list(network.layers)[len(network.layers) // 2]
        rng = np.random.default_rng([self.seed, *network.network.encode()])
        target = _target(network.layers[layer], self.n_components, self.n_rows, rng, f"{network.network}:{layer}")
        return _ascent(candidate, target)

    def score(self, results: Sequence[Ascent]) -> float:
        """Return the mean share of what a high score promises, over the components and networks."""
        return float(np.mean([np.minimum(_decodability_where_high(result) / HIGH, 1) for result in results]))

    def details(self, results: Sequence[Ascent]) -> BenchDetails:
        """Return the decodability of each component over the normalised score, for the first network."""
        ascent = results[0]
        components = np.transpose(ascent["decodability"]).tolist()
        return {
            "kind": "curves",
            "x_axis": "normalised score",
            "y_axis": "R^2 of the component",
            "labels": [f"component {k + 1}" for k in range(len(components))],
            "x": [ascent["scores"]] * len(components),
            "y": components,
        }


@dataclass(frozen=True, eq=False)
class Target:
    """A layer reduced to its first principal components, and the noise that grows similar to it."""

    directions: Array
    """(n, K) u_k, the components over the rows, of unit variance."""
    noise: Array
    """(n, K) e_k, of unit variance, uncorrelated with all u_k and with each other."""
    axes: Array
    """(K, K) q_k in rows, the neurons' loadings of each component; orthogonal."""
    layer: Array
    """(n, K) the layer: the sum over k of s_k u_k q_k, with a mean of s_k^2 of 1."""

    def data(self, growth: Array) -> Array:
        """Return data (n, K) whose components have grown, from which component k is decodable with tanh(growth_k)^2."""
        return (np.sinh(growth) * self.directions + self.noise) @ self.axes


def decodability(growth: Array) -> Array:
    """Return R^2 of each component, regressed on data in which it has grown."""
    return np.tanh(growth) ** 2


def _target(rows: Array, n_components: int, n_rows: int, rng: np.random.Generator, name: str) -> Target:
    """Return a layer's first components over some rows, in the axes of as many neurons, and noise."""
    chosen = rows[np.sort(rng.permutation(len(rows))[:n_rows])]
    of_layer, n = components(chosen), len(chosen)
    K = min(n_components, of_layer.rank, (n - 1) // 2)
    if K == 0:
        raise SpanmatchError(f"decodability: layer {name!r} never varies over {n} rows; at least 3 are needed")
    directions, noise = np.sqrt(n) * of_layer.scores[:, :K], rng.standard_normal((n, K))
    noise = np.sqrt(n) * np.linalg.qr(np.column_stack([np.ones(n), directions, noise]))[0][:, K + 1 :]
    axes = np.linalg.qr(rng.standard_normal((K, K)))[0]
    spreads = of_layer.spreads[:K] / np.sqrt(np.mean(of_layer.spreads[:K] ** 2))
    return Target(directions, noise, axes, (spreads * directions) @ axes)


def _ascent(candidate: Candidate, target: Target) -> Ascent:
    """Return the decodability of components at each step of steepest ascent from noise.

    On a plateau, where growth of no single component raises the score, all grow alike.
    """
    growth, length = np.zeros(len(target.axes)), STEP
    itself, noise = _ends(candidate, target, growth)
    scores, steps = [0.0], [growth]
    for _ in range(STEPS if itself > noise else 0):
        gains = _gains(candidate, target, growth, noise + scores[-1] * (itself - noise), length)
        is_plateau = not gains.any()
        if is_plateau and len(steps) == 1 and length < LONGEST:
            length *= 2
            continue
        direction = np.ones(len(growth)) if is_plateau else gains
        proposal = np.clip(growth + length * direction / np.linalg.norm(direction), 0.0, LIMIT)
        if np.array_equal(proposal, growth):
            break
        (value,) = _similarities(candidate, target, [proposal])
        score = float(value - noise) / (itself - noise)
        if not (score >= scores[-1] if is_plateau else score > scores[-1]):
            length /= 2
            continue
        growth, length = proposal, min(length, STEP)
        scores.append(score)
        steps.append(growth)
        if score >= HIGH:
            break
    return {"scores": scores, "decodability": [decodability(step).tolist() for step in steps]}


def _ends(candidate: Candidate, target: Target, growth: Array) -> tuple[float, float]:
    """Return the similarity of the layer to itself and to noise.  Raises SpanmatchError if one is not defined."""
    itself, noise = (candidate.similarity(pair) for pair in _pairs(target, [target.layer, target.data(growth)]))
    if not np.isfinite([itself, noise]).all():
        raise SpanmatchError(f"{candidate.name}: a layer has {itself} with itself and {noise} with noise")
    return itself, noise


def _gains(candidate: Candidate, target: Target, growth: Array, value: float, length: float) -> Array:
    """Return what further growth of each component adds to the similarity.

    It is 0 where that is not defined, and for components that can neither shrink nor grow further.
    """
    gains = _similarities(candidate, target, growth + length * np.eye(len(growth))) - value
    blocked = np.isnan(gains) | ((growth == 0) & (gains < 0)) | ((growth == LIMIT) & (gains > 0))
    return np.where(blocked, 0.0, gains)


def _similarities(candidate: Candidate, target: Target, growths: Iterable[Array]) -> Array:
    """Return the similarity of the layer to data of each growth, nan where it is not defined."""
    return np.array([_similarity(candidate, pair) for pair in _pairs(target, [target.data(one) for one in growths])])


def _similarity(candidate: Candidate, pair: Pair) -> float:
    """Return the similarity, nan if it is not defined or not finite."""
    try:
        value = candidate.similarity(pair)
    except SpanmatchError:
        return float("nan")
    return value if np.isfinite(value) else float("nan")


def _pairs(target: Target, data: Sequence[Array]) -> Iterator[Pair]:
    """Return pairs of each of some data with the layer, from moments that take in the layer once."""
    names = [f"data {i}" for i in range(len(data))]
    moments = Moments(pairs=[(name, "layer") for name in names], folds=FOLDS, null=False, sample=len(target.layer))
    moments.update({"layer": target.layer, **dict(zip(names, data, strict=True))})
    return (moments.pair(name, "layer") for name in names)


def _decodability_where_high(ascent: Ascent) -> Array:
    """Return the decodability where the score first reaches 0.9, between two steps; at the end if it never does."""
    steps = np.array(ascent["decodability"])
    for i, (before, after) in enumerate(pairwise(ascent["scores"])):
        if after >= HIGH:
            share = (HIGH - before) / (after - before)
            return np.asarray(steps[i] + share * (steps[i + 1] - steps[i]))
    return np.asarray(steps[-1])
