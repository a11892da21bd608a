"""All results of a pair of layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from .._display import Displayed
from .._plotting import NULL, X, label, legend
from .._values import plain, short
from ..alignment import LayerAlignment
from ..evidence import Evidence, MeasureEvidence
from ..evidence.measure_evidence import measure_of_name
from ..match import MatchProfile, SimpleMatches
from ..moments.pairs import Pair
from ..moments.provenance import Result, name_of_pair
from ..moments.sample import Reduction, Sample
from ..moments.spans import Array
from .changes import LayerChange

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ..schema import PairRecord, SampleRecord, SimpleMatchRecord, SimpleRecord


@dataclass(frozen=True, kw_only=True, repr=False)
class SampledExamples(Displayed):
    """The sampled examples of a pair of layers."""

    size: int
    """The number of sampled examples."""
    n_examples: int
    """The number of examples that they were sampled from."""
    seed: int
    """The seed of the sample."""
    x_features: int
    """How many numbers were kept of each example at the first layer."""
    y_features: int
    """How many numbers were kept of each example at the second layer."""
    x_rows: Reduction
    """What was made of an example's rows at the first layer: "flat", "mean" or "last"."""
    y_rows: Reduction
    """What was made of an example's rows at the second layer."""

    @classmethod
    def of(cls, sample: Sample) -> SampledExamples:
        """Return what a sample is of, without its rows."""
        return cls(
            size=len(sample),
            n_examples=sample.n_examples,
            seed=sample.seed,
            x_features=sample.X.shape[1],
            y_features=sample.Y.shape[1],
            x_rows=sample.x.reduction,
            y_rows=sample.y.reduction,
        )

    def _summary(self) -> str:
        features = f"{self.x_features:,} ({self.x_rows}) and {self.y_features:,} ({self.y_rows}) features"
        return f"of {self.size:,} of {self.n_examples:,} examples, {features}"

    def to_dict(self) -> SampleRecord:
        """Return everything as plain Python values."""
        return {
            "size": self.size,
            "n_examples": self.n_examples,
            "seed": self.seed,
            "x_features": self.x_features,
            "y_features": self.y_features,
            "x_rows": self.x_rows,
            "y_rows": self.y_rows,
        }


CHANCE_SHARE = 0.9
"""The share of s(eps) from which on it is no longer clearly above what chance gives."""


def is_above_chance(share: float, by_chance: float) -> bool | None:
    """Return whether chance gives less than nine tenths of s(eps); None if either is nan, or nothing matches."""
    if np.isnan(share) or np.isnan(by_chance) or share == 0:
        return None
    return by_chance < CHANCE_SHARE * share


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class PairResult(Result):
    """All results of a pair of layers.

    Examples
    --------
    >>> import numpy as np
    >>> import spanmatch as sm
    >>> X, noise = np.random.default_rng(0).standard_normal((2, 500, 4))
    >>> networks = {"a": {"fc1": X, "fc2": X**2}, "b": {"fc1": X + noise, "fc2": X**2}}
    >>> comparison = sm.compare(networks, evidence=False)
    >>> result = comparison["fc1"]
    >>> result.similarity([0.5, 0.8]).round(2).tolist(), round(result.measure("cka").value, 2)
    ([0.0, 1.0], 0.5)
    """

    name: str
    """A short name: the layer's, if both have the same one, with the networks if there are more
    than two; of other layers both names, as in "conv1 ~ conv2".
    """
    profile: MatchProfile
    """The match profile."""
    null_profile: MatchProfile | None = field(repr=False)
    """The match profile of the null pairing, what unrelated layers have by chance. If None,
    `refusals["null"]` says why."""
    measures: tuple[MeasureEvidence, ...] = field(repr=False)
    """All of `sm.measures()`: with evidence those of `evidence`; without, values alone."""
    sample: SampledExamples | None = field(repr=False)
    """What the measures of the sample, and the p-values, were computed from. If None,
    `refusals["sample"]` says why."""
    alignment: LayerAlignment = field(repr=False)
    """One-to-one, few-to-one and many-to-many alignment."""
    simple: tuple[SimpleMatches, ...] = field(default=(), repr=False)
    """Simple matches at every requested eps."""
    evidence: Evidence | None = field(default=None, repr=False)
    """Intervals and null values of the measures, and the evidence of the profile; None if not
    requested.
    """
    refusals: Mapping[str, str] = field(default_factory=dict)
    """Why a result is missing or incomplete, by its name, such as "cka" or "profile evidence"."""
    change: LayerChange = field(repr=False)
    """How much the layers differ, in columns that resolve small differences."""

    @property
    def layer(self) -> str:
        """The layers' name without the networks; if they differ both, as in "conv1 ~ conv2"."""
        return name_of_pair(self.x_layer, self.y_layer)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw s(eps) over every eps, and under the null; with evidence also corrected, and held out.

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
        if self.evidence is not None and self.evidence.profile is not None:
            ax = self.evidence.profile.plot(ax, color=X, label="of the population, estimated")
        else:
            ax = self.profile.plot(ax, color=X, label="in sample")
            if self.null_profile is not None:
                self.null_profile.plot(ax, color=NULL, linestyle=":", label="under the null")
            legend(ax)
        label(ax, title=f"{self.x_layer} and {self.y_layer}")
        return ax

    @property
    def missing(self) -> tuple[str, ...]:
        """Why results are missing, without duplicates."""
        return tuple(dict.fromkeys(self.refusals.values()))

    def similarity(self, eps: Sequence[float]) -> Array:
        """Return s(eps) in sample, the share of all neurons that are in the maximum match at eps.

        Parameters
        ----------
        eps : sequence of float
            Values of eps.

        Returns
        -------
        ndarray
            One share for each eps; nan below the resolution.
        """
        return self.profile.similarity(np.asarray(eps))

    def null_similarity(self, eps: Sequence[float]) -> Array:
        """Return s(eps) in sample under the null, what unrelated layers have by chance.

        Parameters
        ----------
        eps : sequence of float
            Values of eps.

        Returns
        -------
        ndarray
            One share for each eps; nan without a null pairing.
        """
        missing = np.full(len(eps), np.nan)
        return missing if self.null_profile is None else self.null_profile.similarity(np.asarray(eps))

    def corrected_similarity(self, eps: Sequence[float]) -> Array:
        """Return s(eps) of corrected levels, an estimate for the population.

        Parameters
        ----------
        eps : sequence of float
            Values of eps.

        Returns
        -------
        ndarray
            One share for each eps; nan without evidence, or if it is refused.
        """
        corrected = None if self.evidence is None else self.evidence.corrected
        return np.full(len(eps), np.nan) if corrected is None else corrected.similarity(np.asarray(eps))

    def measure(self, name: str) -> MeasureEvidence:
        """Return one measure.

        Parameters
        ----------
        name : str
            The measure's name.

        Returns
        -------
        MeasureEvidence

        Raises
        ------
        KeyError
            If there is no such measure.
        """
        return measure_of_name(self.measures, name)

    def _summary(self) -> str:
        share, null = self.similarity([0.3])[0], self.null_similarity([0.3])[0]
        cka = self.measure("debiased cka").value
        return f"{self.name}: s(0.3) {share:.3f}, by chance {null:.3f}, debiased cka {cka:.3f}"

    def _records(self) -> list[dict[str, object]]:
        return [dict(self.row((0.15, 0.3, 0.5)))]

    def row(self, eps: tuple[float, ...]) -> dict[str, str | int | float]:
        """Return a row for a table: s(eps) in sample, under the null and corrected (nan without
        evidence), measures, and warnings.

        Parameters
        ----------
        eps : tuple of float
            Values of eps.

        Returns
        -------
        dict of str to str, int or float
        """
        strength = self.alignment.bipartite.strength
        shares = {
            "": self.similarity(eps),
            "null ": self.null_similarity(eps),
            "corrected ": self.corrected_similarity(eps),
        }
        p, q = self.provenance.neurons
        return {
            "x_layer": self.x_layer,
            "y_layer": self.y_layer,
            "x_neurons": p,
            "y_neurons": q,
            "x_silent": len(self.profile.x_silent),
            "y_silent": len(self.profile.y_silent),
            "rows": self.provenance.rows,
            **{
                f"{estimate}s({value:g})": share
                for estimate, of_eps in shares.items()
                for value, share in zip(eps, of_eps.tolist(), strict=True)
            },
            "median_partner": float(np.median(strength)) if len(strength) else float("nan"),
            **{measure.name: measure.value for measure in self.measures},
            "chance_distance": self.profile.chance_distance,
            "resolution": self.profile.resolution,
            "warnings": "; ".join(self.profile.warnings),
        }

    def to_dict(self, eps: tuple[float, ...], pair: Pair | None) -> PairRecord:
        """Return everything as plain Python values, as in comparison.json.

        Parameters
        ----------
        eps : tuple of float
            Values of eps at which to give the similarity.
        pair : Pair or None
            The pair of the simple matches, if there are any.

        Returns
        -------
        dict
        """
        profile, provenance = self.profile, self.profile.provenance
        return {
            "name": self.name,
            "layer": self.layer,
            "similarity": plain(self.similarity(eps)),
            "null_similarity": plain(self.null_similarity(eps)),
            "x_levels": plain(profile.x_levels),
            "y_levels": plain(profile.y_levels),
            "x_layer": provenance.x_layer,
            "y_layer": provenance.y_layer,
            "x_neurons": provenance.x_neurons,
            "y_neurons": provenance.y_neurons,
            "rows": provenance.rows,
            "n_examples": provenance.n_examples,
            "layout": provenance.layout,
            "method": provenance.method,
            "centred": provenance.centred,
            "resolution": profile.resolution,
            "x_silent": list(profile.x_silent),
            "y_silent": list(profile.y_silent),
            "chance_distance": profile.chance_distance,
            "warnings": list(profile.warnings),
            "simple": [] if pair is None else [_simple_record(matches, pair) for matches in self.simple],
            "alignment": self.alignment.to_dict(),
            "sample": None if self.sample is None else self.sample.to_dict(),
            "measures": [measure.to_dict() for measure in self.measures],
            "evidence": None if self.evidence is None else self.evidence.to_dict(),
            "refusals": dict(self.refusals),
        }


def _simple_record(matches: SimpleMatches, pair: Pair) -> SimpleRecord:
    """Return simple matches for the JSON: sizes by neuron, and each match with its maps, to four
    digits.
    """
    records: list[SimpleMatchRecord] = []
    for match in matches:
        maps = match.coefficients(pair)
        records.append(
            {
                "x": match.x.tolist(),
                "y": match.y.tolist(),
                "minimum_for": [list(neuron) for neuron in match.neurons],
                "x_from_y": short(maps.x_from_y),
                "y_from_x": short(maps.y_from_x),
            }
        )
    return {
        "eps": matches.eps,
        "complete": matches.complete,
        "ended": matches.ended,
        "minimum_sizes": sorted(matches.sizes.values()),
        "matches": records,
    }
