"""One call for everything: two or more networks in, every layer compared, files and a page out."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from .. import __about__
from .._files import Path_, write_text, writing
from .._plotting import axes_for
from .._progress import tracked
from .._values import data_frame, plain, short
from ..activations import capture, capture_stored, runs
from ..activations.patterns import chosen, patterns_of
from ..alignment import LayerAlignment, Universality, align, universality
from ..errors import SpanmatchError, among
from ..evidence import Evidence, assess
from ..interventions import Transplant
from ..match import MatchProfile, SimpleMatches, match_profile, simple_matches
from ..match.maximum import checked_eps
from ..moments.moments import Moments
from ..moments.pairs import Pair
from ..report import render
from ..saved_results import COMPARISON
from ..similarity import LayerMatrix, layer_matrix, measures
from . import csv_tables
from .csv_tables import network_and_layer
from .thumbnails import inputs_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from torch import nn

    from ..schema import ComparisonRecord

EPS = (0.15, 0.2, 0.25, 0.3, 0.5)
"""Those of Wang et al."""
CHEAP = 256
"""Neurons of two layers together, up to which evidence is given by default."""
MATRICES = ("cka", "debiased cka")
FORMAT, VERSION = COMPARISON


@dataclass(frozen=True, eq=False)
class Comparison:
    """The match profiles of pairs of layers, and the moments that they were computed from."""

    profiles: tuple[MatchProfile, ...]
    eps: tuple[float, ...]
    moments: Moments = field(repr=False)
    simple: tuple[SimpleMatches, ...] = ()
    """Simple matches, where they were asked for: of every pair of those layers, at every one of those eps."""
    convergence: tuple[LayerAlignment, ...] = ()
    """One-to-one alignment of every pair of layers, with clusters and sparse maps if asked for."""
    universality: tuple[Universality, ...] = ()
    """Of every layer that more than two networks have."""
    assessments: tuple[Evidence | None, ...] = ()
    """Measures with intervals and chance, and the evidence of each profile; None for pairs that were not assessed."""
    matrices: tuple[LayerMatrix, ...] = ()
    """Of all layers against all, where they were paired."""
    transplants: tuple[Transplant, ...] = ()
    """Those that were made, to be shown with the rest: add them with `dataclasses.replace`."""
    inputs: Any = field(default=None, repr=False)
    """What the examples look like, for the page."""
    notes: Mapping[str, str] = field(default_factory=dict)
    """Anything worth saying beside the results, by title."""

    @property
    def networks(self) -> list[str]:
        """The names of the networks, in the order they came."""
        return list(dict.fromkeys(network_and_layer(layer)[0] for layer in self.moments.layers))

    def matrix(self, name: str) -> LayerMatrix:
        """Return a measure, by its name, of every two layers that were paired; see `sm.measures()`.

        Raises SpanmatchError for another name. Cost: of the measure, for every pair.
        """
        known = {measure.name: measure for measure in measures()}
        if name not in known:
            raise SpanmatchError(f"no measure {name!r}{among(name, known)}")
        measure = known[name]
        return layer_matrix(self.moments, measure, name=name, itself=measure.itself, symmetric=measure.symmetric)

    def names(self) -> list[str]:
        """Return a short name for each pair of layers."""
        return [self._name(profile) for profile in self.profiles]

    def to_frame(self) -> pd.DataFrame:
        """Return a table with one row for each pair of layers."""
        rows = zip(self.profiles, self.convergence, self.assessments, strict=True)
        return data_frame("comparison.to_frame", [self._row(*results) for results in rows])

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain Python values, as comparison.json has it."""
        rows = [profile.rows for profile in self.profiles]
        return {
            "format": FORMAT,
            "version": VERSION,
            "spanmatch": __about__.VERSION,
            "networks": self.networks,
            "eps": list(self.eps),
            "rows": [min(rows), max(rows)],
            "centred": self.profiles[0].centred,
            "method": self.profiles[0].method,
            "notes": dict(self.notes),
            "universality": [found.to_dict() for found in self.universality],
            "matrices": [found.to_dict() for found in self.matrices],
            "transplants": [found.to_dict() for found in self.transplants],
            "inputs": inputs_of(self.moments, self.inputs) if self.moments.keeps_top else None,
            "pairs": [
                {
                    "name": name,
                    "layer": self._layer(profile),
                    "similarity": plain(profile.similarity(self.eps)),
                    **profile.to_dict(),
                    "simple": [self._fine(found) for found in self._simple_of(profile)],
                    "alignment": aligned.to_dict(),
                    "evidence": None if assessed is None else assessed.to_dict(),
                }
                for name, profile, aligned, assessed in zip(
                    self.names(), self.profiles, self.convergence, self.assessments, strict=True
                )
            ],
        }

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw s(eps) of every pair of layers, from light to dark by depth, and return the axes."""
        ax = axes_for("comparison.plot", ax)
        from matplotlib import colormaps

        colours = colormaps["viridis_r"](np.linspace(0.15, 1, len(self.profiles)))
        for name, profile, colour in zip(self.names(), self.profiles, colours, strict=True):
            profile.plot(ax, label=name, color=colour)
        ax.legend()
        return ax

    def report(self, path: Path_) -> Path:
        """Write the page, one HTML file that needs nothing else, and return its path."""
        write_text(path, render(cast("ComparisonRecord", self.to_dict())))
        return Path(path)

    def save(self, folder: Path_) -> Path:
        """Write comparison.json, the tables as CSV, moments.safetensors and report.html; return the folder.

        Raises SpanmatchError if they cannot be written, or another process is writing there; earlier results then stay.
        """
        with writing(folder) as written:
            self._write(written)
            self.moments.save(written / "moments.safetensors")
        return Path(folder)

    def write_results(self, folder: Path_) -> Path:
        """Write what `save` does but the moments, which may be large; return the folder.

        Tables are levels.csv and alignment.csv, and where there is something to put in them clusters.csv, matrix.csv,
        measures.csv, simple.csv, sparse.csv, transplants.csv and universality.csv.
        """
        with writing(folder) as written:
            self._write(written)
        return Path(folder)

    def _write(self, folder: Path) -> None:
        data = self.to_dict()
        write_text(folder / "comparison.json", json.dumps(data, allow_nan=False, indent=1) + "\n")
        for name, text in self._tables().items():
            write_text(folder / name, text)
        write_text(folder / "report.html", render(cast("ComparisonRecord", data)))

    def _tables(self) -> dict[str, str]:
        found = {
            "levels.csv": csv_tables.levels(self.profiles),
            "alignment.csv": csv_tables.alignment(self.convergence),
        }
        if any(layers.clusters for layers in self.convergence):
            found["clusters.csv"] = csv_tables.clusters(self.convergence)
        if any(layers.maps for layers in self.convergence):
            found["sparse.csv"] = csv_tables.sparse(self.convergence)
        if self.simple:
            found["simple.csv"] = csv_tables.simple(self.simple)
        if any(self.assessments):
            found["measures.csv"] = csv_tables.measured(filter(None, self.assessments))
        if self.matrices:
            found["matrix.csv"] = csv_tables.matrices(self.matrices)
        if self.transplants:
            found["transplants.csv"] = csv_tables.transplants(self.transplants)
        if self.universality:
            found["universality.csv"] = csv_tables.universality(self.universality)
        return found

    def _simple_of(self, profile: MatchProfile) -> list[SimpleMatches]:
        layers = (profile.x_layer, profile.y_layer)
        return [found for found in self.simple if (found.x_layer, found.y_layer) == layers]

    def _fine(self, found: SimpleMatches) -> dict[str, Any]:
        """Return simple matches for the JSON: sizes by neuron, and each match with its maps, to four digits."""
        pair = self.moments.pair(found.x_layer, found.y_layer)
        matches = []
        for match in found:
            maps = match.coefficients(pair)
            matches.append(
                {
                    "x": match.x.tolist(),
                    "y": match.y.tolist(),
                    "minimum_for": [list(neuron) for neuron in match.neurons],
                    "x_from_y": short(maps.x_from_y),
                    "y_from_x": short(maps.y_from_x),
                }
            )
        sizes = sorted(found.sizes.values())
        return {
            "eps": found.eps,
            "complete": found.complete,
            "ended": found.ended,
            "minimum_sizes": sizes,
            "matches": matches,
        }

    def _layer(self, profile: MatchProfile) -> str:
        """Return the name that both layers have, or those of both."""
        names = dict.fromkeys(network_and_layer(layer)[1] for layer in (profile.x_layer, profile.y_layer))
        return " ~ ".join(names)

    def _name(self, profile: MatchProfile) -> str:
        (a, x), (b, y) = network_and_layer(profile.x_layer), network_and_layer(profile.y_layer)
        if x != y:
            return f"{profile.x_layer} ~ {profile.y_layer}"
        return x if len(self.networks) == 2 else f"{x}, {a} ~ {b}"

    def _row(self, profile: MatchProfile, aligned: LayerAlignment, assessed: Evidence | None) -> dict[str, Any]:
        strength = aligned.bipartite.strength
        found = () if assessed is None else assessed.measures
        shares = profile.similarity(self.eps)
        return {
            "x_layer": profile.x_layer,
            "y_layer": profile.y_layer,
            "x_neurons": profile.x_neurons,
            "y_neurons": profile.y_neurons,
            "x_silent": len(profile.x_silent),
            "y_silent": len(profile.y_silent),
            "rows": profile.rows,
            **{f"s({eps:g})": share for eps, share in zip(self.eps, shares, strict=True)},
            "median_partner": float(np.median(strength)) if len(strength) else float("nan"),
            **{measure.name: measure.value for measure in found},
            "chance_distance": profile.chance_distance,
            "resolution": profile.resolution,
            "warnings": "; ".join(profile.warnings),
        }


def compare(
    networks: Mapping[str, nn.Module | Path_ | Mapping[str, Any]],
    batches: Iterable[Any] | None = None,
    *,
    eps: Sequence[float] = EPS,
    centred: bool = False,
    simple_eps: Sequence[float] = (),
    simple_layers: str | Sequence[str] | None = None,
    clusters: bool = True,
    sparse: str | Sequence[str] = (),
    min_correlation: float = 0.5,
    evidence: bool | None = None,
    inputs: NDArray[np.uint8] | Sequence[Any] | None = None,
    notes: Mapping[str, str] | None = None,
    **options: Any,
) -> Comparison:
    """Compare networks layer by layer, from one pass: match profiles and alignments of every pair of layers.

    Args:
        networks: {name: network}, all that `capture` takes, with `batches` to run them on; or {name: file or folder of
            activations}, or {name: {layer: array}}, without.
        eps: those that tables show; the profiles hold every eps.
        centred: whether to take each neuron's mean out first.
        simple_eps: at which to find a small v-minimum match for every neuron, and with them simple matches; this
            takes some ten milliseconds for each neuron.
        simple_layers: names or shell patterns of the layers to do that for, by default all.
        clusters: whether to cluster the neurons of every pair of layers; it takes (p + q)^3 operations.
        sparse: names or shell patterns of the layers whose neurons are to be predicted from few of the other network's,
            "*" for all; this takes some tens of milliseconds for each neuron.
        min_correlation: of more than two networks, the least correlation of a partner that counts.
        evidence: whether to give every measure an interval and its value by chance, and the profile a band, its null
            and a held-out curve; by default for layers of together up to 256 neurons, where it takes about half a
            second. What a pair of layers does not allow, as one that never varies, is missing with its reason.
        inputs: what they look like, in their order: images (n, height, width[, 3]) of bytes, or texts, each a
            string or a list of tokens. With top=9, the page shows of each neuron those that excite it most.
        notes: shown in the page, by title.
        options: of `capture`: layers, units, positions, seed, channels, example_ids, checkpoint, checkpoint_seconds,
            pairs, folds, null, bins, method, top, max_memory_gb; of stored activations also scheduler: see
            `capture_stored`. With bins, partners are also looked for by mutual information.
    With pairs="all", layers are also put against all others (`comparison.matrices`); profiles and alignments are then
    of the layers of the same name, if there are any. Layers of different spatial size need pool="mean".
    Raises SpanmatchError if an eps is not in [0, 1), or as `capture` does.
    """
    shown = tuple(checked_eps(list(eps)).tolist())
    if not shown:
        raise SpanmatchError("eps: give at least one")
    moments = _moments(networks, batches, options)
    if not moments.pairs:
        raise SpanmatchError("nothing to compare: no two layers were paired; give two networks, or pairs='all'")
    pairs = sorted(_in_detail(moments), key=_by_layer(moments))
    predicted = _chosen(pairs, sparse)
    profiles, aligned, assessed = [], [], []
    middle = shown[len(shown) // 2]
    for x, y in tracked(pairs, "matching"):
        pair = moments.pair(x, y)
        wanted = _cheap(pair) if evidence is None else evidence
        profiles.append(match_profile(pair, centred=centred))
        aligned.append(align(pair, sparse=(x, y) in predicted, grouped=clusters, centred=centred))
        assessed.append(assess(pair, profiles[-1], eps=middle, held=shown) if wanted else None)
    fine = (
        _simple(moments, pairs, checked_eps(list(simple_eps)).tolist(), simple_layers, centred)
        if len(simple_eps)
        else ()
    )
    comparison = Comparison(
        profiles=tuple(profiles),
        eps=shown,
        moments=moments,
        simple=fine,
        convergence=tuple(aligned),
        universality=_shared(moments, min_correlation, middle, centred),
        assessments=tuple(assessed),
        inputs=inputs,
        notes=dict(notes or {}),
    )
    if len(pairs) == len(moments.pairs):
        return comparison
    return replace(comparison, matrices=tuple(comparison.matrix(name) for name in MATRICES))


def _in_detail(moments: Moments) -> list[tuple[str, str]]:
    """Return the pairs of layers of the same name, all pairs if there are none."""
    same = [(x, y) for x, y in moments.pairs if network_and_layer(x)[1] == network_and_layer(y)[1]]
    return same or moments.pairs


def _cheap(pair: Pair) -> bool:
    """Tell whether evidence takes little time, and folds were kept."""
    return sum(pair.neurons) <= CHEAP and len(pair.folds) > 1


def _chosen(pairs: Sequence[tuple[str, str]], layers: str | Sequence[str]) -> set[tuple[str, str]]:
    """Return the pairs of which the first layer fits a pattern.  Raises SpanmatchError if a pattern fits none."""
    patterns = patterns_of(layers, "")
    names = dict.fromkeys(network_and_layer(x)[1] for x, _ in pairs)
    wanted = chosen(patterns, names, "the layers compared") if patterns else []
    return {(x, y) for x, y in pairs if network_and_layer(x)[1] in wanted}


def _by_layer(moments: Moments) -> Callable[[tuple[str, str]], int]:
    """Return the order of pairs in which those of one layer stand together, layers as they came."""
    names = list(dict.fromkeys(network_and_layer(layer)[1] for layer in moments.layers))
    return lambda pair: names.index(network_and_layer(pair[0])[1])


def _shared(moments: Moments, min_correlation: float, eps: float, centred: bool) -> tuple[Universality, ...]:
    """Return what the networks have in common at each layer that more than two of them have, all paired."""
    found = []
    named: dict[str, list[str]] = {}
    for name in moments.layers:
        named.setdefault(network_and_layer(name)[1], []).append(name)
    for layer, names in named.items():
        paired = all((x, y) in moments.pairs for x, y in combinations(names, 2))
        if len(names) > 2 and paired:
            found.append(universality(moments, layer, min_correlation=min_correlation, eps=eps, centred=centred))
    return tuple(found)


def _simple(
    moments: Moments,
    pairs: Sequence[tuple[str, str]],
    eps: Sequence[float],
    layers: str | Sequence[str] | None,
    centred: bool,
) -> tuple[SimpleMatches, ...]:
    wanted = _chosen(pairs, "*" if layers is None else layers)
    found = []
    for x, y in (layers for layers in pairs if layers in wanted):
        pair = moments.pair(x, y)
        for value in eps:
            found.append(simple_matches(pair, value, time_limit=0, centred=centred))
            if found[-1].ended == "interrupted":
                raise KeyboardInterrupt
    return tuple(found)


def _moments(networks: Mapping[str, Any], batches: Iterable[Any] | None, options: Mapping[str, Any]) -> Moments:
    if not isinstance(networks, Mapping) or not networks:
        raise SpanmatchError("networks: give {name: network}, at least one")
    stored = [not runs(network) for network in networks.values()]
    if all(stored):
        if batches is not None:
            raise SpanmatchError("stored activations are compared as they are; leave batches out")
        return capture_stored(networks, **options)
    if "scheduler" in options:
        raise SpanmatchError(
            "scheduler: it is for stored activations; networks are captured on ranks of torch.distributed"
        )
    if any(stored):
        raise SpanmatchError("networks and stored activations cannot be mixed in one comparison")
    if batches is None:
        raise SpanmatchError("batches: give what the networks are to be run on")
    return capture(networks, batches, **options)
