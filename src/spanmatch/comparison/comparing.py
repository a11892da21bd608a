"""One call for everything: two or more networks in, every layer compared, files and a page out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, groupby
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .._files import Path_
from .._progress import tracked
from ..activations import capture, capture_stored, runs
from ..activations.patterns import chosen, patterns_of
from ..alignment import align, universality
from ..errors import SpanmatchError
from ..evidence import Evidence, assess
from ..match import MatchProfile, SimpleMatches, match_profile, simple_matches
from ..match.maximum import checked_eps
from ..moments.moments import Moments
from ..moments.pairs import Pair
from ..moments.provenance import network_and_layer
from ..similarity import matrices_of, measures
from .pair_result import PairResult
from .result import Comparison

if TYPE_CHECKING:
    from torch import nn

EPS = (0.15, 0.2, 0.25, 0.3, 0.5)
"""Those of Wang et al."""
EVIDENCE_UP_TO = 1024
"""Neurons of two layers together, up to which evidence is given by default."""
MATRICES = ("cka", "debiased cka")


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
            and a held-out curve; by default for layers of together up to 1024 neurons. What a pair of layers does
            not allow, as one that never varies, is missing with its reason: `PairResult.refusals`.
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
    asked = _Asked(
        eps=shown,
        centred=centred,
        clusters=clusters,
        predicted=_chosen(pairs, sparse),
        simple=_chosen(pairs, "*" if simple_layers is None else simple_layers) if len(simple_eps) else set(),
        simple_eps=checked_eps(list(simple_eps)).tolist(),
        evidence=evidence,
    )
    networks_in_all = len(dict.fromkeys(network_and_layer(layer)[0] for layer in moments.layers))
    results, shared = [], []
    for layer, group in groupby(tracked(pairs, "matching"), key=lambda pair: network_and_layer(pair[0])[1]):
        of_layer = [moments.pair(x, y) for x, y in group]  # kept until all that is asked of the layer is computed
        results += [_pair_result(pair, asked, networks_in_all) for pair in of_layer]
        if _is_shared(moments, layer):
            shared.append(
                universality(moments, layer, min_correlation=min_correlation, eps=asked.middle, centred=centred)
            )
    comparison = Comparison(
        pairs=tuple(results),
        eps=shown,
        moments=moments,
        universality=tuple(shared),
        inputs=inputs,
        notes=dict(notes or {}),
    )
    if len(pairs) == len(moments.pairs):
        return comparison
    chosen_measures = [measure for measure in measures() if measure.name in MATRICES]
    return replace(comparison, matrices=matrices_of(moments, chosen_measures))


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """What is asked of every pair of layers."""

    eps: tuple[float, ...]
    centred: bool
    clusters: bool
    predicted: set[tuple[str, str]]
    """Pairs whose neurons are to be predicted from few of the other layer's."""
    simple: set[tuple[str, str]]
    """Pairs of which simple matches are to be found."""
    simple_eps: list[float]
    evidence: bool | None

    @property
    def middle(self) -> float:
        """The eps at which there are to be enough rows."""
        return self.eps[len(self.eps) // 2]


def _pair_result(pair: Pair, asked: _Asked, networks: int) -> PairResult:
    """Return everything that is asked of a pair of layers."""
    layers = (pair.x_layer, pair.y_layer)
    profile = match_profile(pair, centred=asked.centred)
    evidence, refusals = _evidence(pair, profile, asked)
    return PairResult(
        provenance=profile.provenance,
        name=_name(pair, networks),
        profile=profile,
        alignment=align(pair, sparse=layers in asked.predicted, grouped=asked.clusters, centred=asked.centred),
        simple=_simple(pair, asked) if layers in asked.simple else (),
        evidence=evidence,
        refusals=refusals,
    )


def _evidence(pair: Pair, profile: MatchProfile, asked: _Asked) -> tuple[Evidence | None, Mapping[str, str]]:
    """Return the evidence of a pair, if it is asked for, or by default if it takes little time; and what is refused."""
    by_default = sum(pair.neurons) <= EVIDENCE_UP_TO and pair.n_folds > 0
    if not (by_default if asked.evidence is None else asked.evidence):
        return None, {}
    try:
        evidence = assess(pair, profile, eps=asked.middle, held=asked.eps)
    except SpanmatchError as error:
        return None, {"evidence": str(error)}
    return evidence, evidence.refusals


def _name(pair: Pair, networks: int) -> str:
    (a, x), (b, y) = network_and_layer(pair.x_layer), network_and_layer(pair.y_layer)
    if x != y:
        return f"{pair.x_layer} ~ {pair.y_layer}"
    return x if networks == 2 else f"{x}, {a} ~ {b}"


def _in_detail(moments: Moments) -> list[tuple[str, str]]:
    """Return the pairs of layers of the same name, all pairs if there are none."""
    same = [(x, y) for x, y in moments.pairs if network_and_layer(x)[1] == network_and_layer(y)[1]]
    return same or moments.pairs


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


def _is_shared(moments: Moments, layer: str) -> bool:
    """Tell whether more than two networks have a layer, and all of them were paired."""
    names = [name for name in moments.layers if network_and_layer(name)[1] == layer]
    return len(names) > 2 and all(both in moments.pairs for both in combinations(names, 2))


def _simple(pair: Pair, asked: _Asked) -> tuple[SimpleMatches, ...]:
    results = []
    for eps in asked.simple_eps:
        results.append(simple_matches(pair, eps, time_limit=0, centred=asked.centred))
        if results[-1].ended == "interrupted":
            raise KeyboardInterrupt
    return tuple(results)


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
