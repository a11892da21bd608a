"""Pairs of layers whose population is known: correlated factors, mixed into neurons."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from scipy.signal import lfilter

import spanmatch as sm

Dependence = Literal["independent", "t3", "grouped", "AR(1)"]
CORRELATION_IN_TIME = 0.9
SHARE_OF_EXAMPLE = 0.5


def autoregressive(r: np.random.Generator, rows: int, width: int, correlation: float) -> np.ndarray:
    """Return (rows, width) stationary AR(1) series of unit variance."""
    noise = r.standard_normal((rows + 200, width))
    return lfilter([np.sqrt(1 - correlation**2)], [1, -correlation], noise, axis=0)[200:]


def grouped(r: np.random.Generator, rows: int, width: int, rows_per_example: int, share: float) -> np.ndarray:
    """Return (rows, width) rows of unit variance, a share of which is common to the rows of an example."""
    examples = np.repeat(r.standard_normal((rows // rows_per_example, width)), rows_per_example, axis=0)
    return np.sqrt(share) * examples + np.sqrt(1 - share) * r.standard_normal((rows, width))


@dataclass(frozen=True)
class Model:
    """Two layers of p neurons, which are mixtures of p factors each; factors correlate in pairs.

    Where `rotated`, every neuron mixes all factors. Otherwise it is mostly one of them, so that
    levels differ by neuron. Factor i has a variance of i^(-decay).
    """

    name: str
    p: int
    decay: float = 0.0
    rotated: bool = False

    @cached_property
    def correlations(self) -> np.ndarray:
        """(p,) canonical correlations of the population."""
        i = np.arange(self.p)
        return {
            "independent": np.zeros(self.p),
            "moderate": 0.8 * np.exp(-3 * i / self.p),
            "strong": 0.6 + 0.35 * (1 - i / self.p),
            "few": np.where(i < 3, 0.9, 0.3 - 0.2 * (i - 3) / (self.p - 4)),
            "shared": np.where(i < self.p // 4, 0.99, np.where(i < self.p // 2, 0.5, 0.0)),
        }[self.name]

    @cached_property
    def mixing(self) -> tuple[np.ndarray, np.ndarray]:
        """(p, p) for each layer: neurons = factors @ mixing."""
        r = np.random.default_rng(1)
        deviations = np.arange(1, self.p + 1) ** (-self.decay / 2)
        noise = r.standard_normal((2, self.p, self.p))
        rotations = noise if self.rotated else np.eye(self.p) + 0.5 / np.sqrt(self.p) * noise
        x, y = (deviations[:, None] * np.linalg.qr(rotation)[0] for rotation in rotations)
        return x, y

    def rows(
        self, n: int, dependence: Dependence, r: np.random.Generator, rows_per_example: int = 1
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return (n, p) rows of both layers; their covariance is the same for all kinds of dependence."""

        def factors() -> np.ndarray:
            if dependence == "t3":
                return r.standard_t(3, (n, self.p)) / np.sqrt(3)
            if dependence == "grouped":
                return grouped(r, n, self.p, rows_per_example, SHARE_OF_EXAMPLE)
            if dependence == "AR(1)":
                return autoregressive(r, n, self.p, CORRELATION_IN_TIME)
            return r.standard_normal((n, self.p))

        common = np.sqrt(self.correlations) * factors()
        x, y = (common + np.sqrt(1 - self.correlations) * factors() for _ in range(2))
        return x @ self.mixing[0], y @ self.mixing[1]

    @cached_property
    def population(self) -> sm.Pair:
        """The pair of two layers whose moments in sample are exactly those of the population."""
        n = 8 * self.p
        noise = np.random.default_rng(2).standard_normal((n, 2 * self.p))
        orthonormal = np.linalg.qr(noise - noise.mean(axis=0))[0] * np.sqrt(n)
        a, b = orthonormal[:, : self.p], orthonormal[:, self.p :]
        y = self.correlations * a + np.sqrt(1 - self.correlations**2) * b
        return sm.pair(a @ self.mixing[0], y @ self.mixing[1], null=False)

    @cached_property
    def truths(self) -> dict[str, float]:
        """Every measure of the population, by name."""
        in_sample = {
            measure.name: float(measure(self.population)) for measure in sm.measures() if not is_corrected(measure)
        }
        return in_sample | {
            "debiased cka": in_sample["cka"],
            "adjusted pillai": sm.cca(self.population).pillai,
            "adjusted linear regression": in_sample["linear regression"],
            "ridge regression": in_sample["linear regression"],
        }


def is_corrected(measure: sm.Measure) -> bool:
    """Return whether a measure is an estimate of that of the population."""
    return measure.estimator != "in sample"
