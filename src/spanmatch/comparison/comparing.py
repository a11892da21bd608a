"""Compare two or more networks, layer by layer, with one call."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, groupby
from math import isnan
from os import PathLike
from typing import TYPE_CHECKING, Any

from .._defaults import EPS, EVIDENCE_UP_TO
from .._progress import tracked
from ..activations import capture, capture_stored, runs
from ..activations.patterns import chosen, patterns_of
from ..activations.stored import is_in_memory
from ..alignment import align, universality
from ..errors import BadArgument, SpanmatchError, SpanmatchWarning
from ..evidence import Evidence, MeasureEvidence, assess, measure_values, permutation_test
from ..evidence.measure_evidence import NO_FOLDS, NOT_REQUESTED, TOO_WIDE, named_measures
from ..evidence.measure_tests import check_permutations
from ..match import MatchProfile, SimpleMatches, match_profile, simple_matches
from ..match.maximum import checked_eps
from ..moments.moments import Moments
from ..moments.options import Pairs
from ..moments.pairs import Pair
from ..moments.provenance import network_and_layer
from ..moments.remembered import remember
from ..similarity import matrices_of
from ..similarity import measures as all_measures
from ..similarity.matrix_cache import forget
from .changes import layer_change
from .listed_eps import eps_from_levels
from .pair_result import PairResult, SampledExamples
from .pairing import (
    Match,
    checked_match,
    checked_similarity,
    layers_of_pairs,
    left_out,
    networks_of,
    pairs_in_detail,
    pairs_of_moments,
)
from .result import Comparison

if TYPE_CHECKING:
    from ..activations.outputs import Batch, Network
    from ..activations.stored import ActivationSource
    from .thumbnails import Inputs


CHANCE_LEVEL = 0.05
"""The level of the test whether any layer is more similar than unrelated layers are."""
MATRICES = ("debiased cka", "cka")
"""Measures of which matrices of all layers are saved, besides that of the counterparts."""


def compare(
    networks: Mapping[str, Network | ActivationSource] | ActivationSource,
    batches: Iterable[Batch] | ActivationSource | None = None,
    *others: object,
    match: Match = "name",
    measure: str = "debiased cka",
    pairs: Pairs | None = None,
    eps: Sequence[float] | None = None,
    centred: bool = False,
    simple_eps: Sequence[float] = (),
    simple_layers: str | Sequence[str] | None = None,
    clusters: bool = True,
    sparse: str | Sequence[str] = (),
    min_correlation: float = 0.5,
    evidence: bool | None = None,
    permutations: int | None = None,
    measures: Sequence[str] | None = None,
    inputs: Inputs | None = None,
    notes: Mapping[str, str] | None = None,
    **options: Any,
) -> Comparison:
    """Compare networks layer by layer, from a single pass over the data.

    Parameters
    ----------
    networks : mapping of str to network, path, array, or mapping of str to array
        By name. Either everything that `capture` takes, with `batches`; or stored activations
        without `batches`: a file, a folder, an array, or {layer: array}. Arrays may be frames of
        pandas, tables of Arrow and sparse matrices of SciPy. Of two arrays or paths, `compare(A,
        B)` is short for `compare({"a": A, "b": B})`.
    batches : iterable, optional
        The inputs on which the networks are run; or B.
    *others
        Nothing: networks are given by name, as `compare({"a": A, "b": B}, batches)`.
    match : {"name", "depth", "best"}
        Which layers of two networks are compared in detail: those of the same name; those of the
        nearest relative depth i / (L - 1), for each layer of the network with fewer layers; or each
        layer of the first network with its most similar layer of the second, by `measure`. What is
        left out is listed in `Comparison.not_compared`.
    measure : str
        The measure of counterparts, for match="best" and for tables; see `sm.measures()`.
    pairs : {"all"} or list of pairs of names, optional
        "all" also measures all layers against all. A list, as [("a:conv1", "b:conv2")], replaces
        `match`; of two networks, the names may stand without "a:" and "b:". Without `layers`, no
        other layers are then read. By default there are the pairs that `match` needs.
    eps : sequence of float, optional
        Values of eps that tables show, in [0, 1). The profiles hold every eps. By default 0.15, 0.2,
        0.25, 0.3 and 0.5; if s(eps) is 0 or 1 at all of them for all layers, chosen from the
        levels.
    centred : bool
        Whether to subtract each neuron's mean first.
    simple_eps : sequence of float
        Values of eps at which to find a small v-minimum match for every neuron, and from them
        simple matches. This takes about ten milliseconds for each neuron.
    simple_layers : str or sequence of str, optional
        Names or shell patterns of the layers for `simple_eps`; by default all.
    clusters : bool
        Whether to cluster the neurons of every pair of layers. This takes (p + q)^3 operations.
    sparse : str or sequence of str
        Names or shell patterns of the layers whose neurons are predicted from few neurons of the
        other network, "*" for all. This takes tens of milliseconds for each neuron.
    min_correlation : float
        For more than two networks: the smallest correlation of a partner.
    evidence : bool, optional
        Whether to compute intervals, biases, null values and p-values of the measures, and levels
        corrected for the population with an interval and a held-out share of the profile. By default
        this is done for layers of up to 1024 neurons together. Values of the measures, and s(eps)
        under the null, are always computed, except CCA and its relatives of wider layers. What is not
        defined for a pair, for example with a constant layer, is missing with its reason in
        `PairResult.refusals`.
    permutations : int, optional
        With evidence, the number of permutations of the sampled examples for the p-value and the
        calibrated value of every measure; 0 for none. By default as many as each is worth, up to 999;
        see `assess`.
    measures : sequence of str, optional
        The names of the measures to compute and test; by default all of `sm.measures()`. Others are
        missing, with the reason. Evidence of all takes about as long as everything else of a pair.
    inputs : ndarray or sequence, optional
        What the examples look like, in their order: images (n, height, width[, 3]) of uint8; or
        texts, each a string or a list of tokens. With top=9, the report shows for each neuron the
        inputs with the largest activations.
    notes : mapping of str to str, optional
        Notes that the report shows, by title.
    **options
        Options of `capture`: layers, units, positions, seed, channels, input, constants, example_ids,
        checkpoint, checkpoint_seconds, folds, null, bins, method, top, sample, sample_rows,
        max_memory_gb; for stored
        activations also rows_by and scheduler, see `capture_stored`. With bins, partners are also
        computed by mutual information.

    Returns
    -------
    Comparison
        One `PairResult` for each pair of layers. With pairs="all" and match="best" also matrices of
        all layers against all. With pairs="all" and match="name", all pairs are compared in detail if
        no two layers have the same name.

    Raises
    ------
    SpanmatchError
        If an eps is not in [0, 1), there is no such measure, `permutations` is no count, no two layers
        were paired, or as `capture` does. Layers of different spatial size need pool="mean".

    Warns
    -----
    SpanmatchWarning
        If stored activations are no more similar than unrelated ones in any layer, as they are when
        their rows are not in the same order.

    Notes
    -----
    Cost: one forward pass of each network for each batch, then for each pair of layers two match
    profiles (one under the null), the measures, two assignments and what is requested in addition.

    Examples
    --------
    >>> import numpy as np
    >>> import spanmatch as sm
    >>> X, noise = np.random.default_rng(0).standard_normal((2, 500, 4))
    >>> networks = {"a": {"fc1": X, "fc2": X**2}, "b": {"fc1": X + noise, "fc2": X**2}}
    >>> comparison = sm.compare(networks, evidence=False)
    >>> comparison["fc2"].profile.similarity(0.1)
    1.0
    >>> round(comparison["fc1"].measure("cka").value, 3)
    0.497
    """
    if others:
        raise BadArgument(_by_name(networks, batches))
    check_permutations(permutations)
    given_eps = () if eps is None else tuple(checked_eps(list(eps)).tolist())
    if eps is not None and not given_eps:
        raise SpanmatchError("eps: give at least one")
    computed = tuple(one.name for one in named_measures(measures))
    match, measure = checked_match(match, pairs), checked_similarity(measure)
    named, batches = _named(networks, batches)
    requested_pairs = pairs_of_moments(match, pairs, list(named))
    listed = isinstance(requested_pairs, list)
    if isinstance(requested_pairs, list) and options.get("layers") is None:
        options["layers"] = layers_of_pairs(requested_pairs, named)
    if requested_pairs != "matching":  # what `capture` does without being asked
        options["pairs"] = requested_pairs
    moments = _moments(named, batches, options)
    if not moments.pairs:
        raise SpanmatchError("nothing to compare: no two layers were paired; give two networks, or pairs='all'")
    layer_pairs = sorted(pairs_in_detail(moments, match, measure, listed), key=_by_layer(moments))
    profiles = [match_profile(moments.pair(x, y), centred=centred) for x, y in tracked(layer_pairs, "matching")]
    eps_of_levels = () if given_eps else eps_from_levels(profiles)
    shown = given_eps or eps_of_levels or EPS
    request = _Request(
        eps=shown,
        centred=centred,
        clusters=clusters,
        predicted=_chosen(layer_pairs, sparse),
        simple=_chosen(layer_pairs, "*" if simple_layers is None else simple_layers) if len(simple_eps) else set(),
        simple_eps=checked_eps(list(simple_eps)).tolist(),
        evidence=evidence,
        permutations=permutations,
        measures=computed,
    )
    network_names = networks_of(moments)
    pair_results, universalities = [], []
    p_values: list[float | None] = []
    is_complete = len(layer_pairs) == len(moments.pairs) and match != "best"
    pairs_to_come = Counter(layer for layers in layer_pairs for layer in layers)
    rows_may_differ = not any(runs(network) for network in named.values())
    compared = zip(tracked(layer_pairs, "aligning"), profiles, strict=True)
    for layer, group in groupby(compared, key=lambda compared_pair: network_and_layer(compared_pair[0][0])[1]):
        for layers, profile in group:
            pair = moments.pair(*layers)
            remember(pair, match_profile, profile, centred=centred)
            pair_results.append(_pair_result(pair, profile, request, network_names))
            if rows_may_differ:
                p_values.append(_p_value(pair))
            pairs_to_come.subtract(layers)
            if is_complete:
                _forget_samples(pair, pairs_to_come)
        if _is_shared(moments, layer):
            universalities.append(
                universality(moments, layer, min_correlation=min_correlation, eps=request.middle, centred=centred)
            )
    if rows_may_differ:
        _ask_about_order(p_values)
    comparison = Comparison(
        pairs=tuple(pair_results),
        eps=shown,
        eps_from_levels=bool(eps_of_levels),
        match="given" if listed else match,
        measure=measure,
        not_compared=() if listed else left_out(moments, layer_pairs),
        moments=moments,
        universality=tuple(universalities),
        inputs=inputs,
        notes=dict(notes or {}),
    )
    if is_complete:
        return comparison
    names = dict.fromkeys((*MATRICES, measure))
    return replace(comparison, matrices=matrices_of(moments, [one for one in all_measures() if one.name in names]))


@dataclass(frozen=True, kw_only=True)
class _Request:
    """The results requested for every pair of layers."""

    eps: tuple[float, ...]
    centred: bool
    clusters: bool
    predicted: set[tuple[str, str]]
    """Pairs for which sparse maps are requested."""
    simple: set[tuple[str, str]]
    """Pairs for which simple matches are requested."""
    simple_eps: list[float]
    evidence: bool | None
    permutations: int | None
    measures: tuple[str, ...]
    """The names of the measures to compute."""

    @property
    def middle(self) -> float:
        """The middle eps, at which there should be enough rows."""
        return self.eps[len(self.eps) // 2]


def _pair_result(pair: Pair, profile: MatchProfile, request: _Request, networks: Sequence[str]) -> PairResult:
    """Return the requested results of a pair of layers."""
    layers = (pair.x_layer, pair.y_layer)
    evidence, measures_of_pair, refusals = _evidence(pair, profile, request)
    null_profile, no_null = _null_profile(pair, request.centred)
    sample, no_sample = _sampled_examples(pair)
    return PairResult(
        provenance=profile.provenance,
        name=_name(pair, networks),
        profile=profile,
        null_profile=null_profile,
        measures=measures_of_pair,
        sample=sample,
        alignment=align(pair, sparse=layers in request.predicted, grouped=request.clusters, centred=request.centred),
        simple=_simple(pair, request) if layers in request.simple else (),
        evidence=evidence,
        refusals={**refusals, **no_null, **no_sample},
        change=layer_change(pair, profile),
    )


def _forget_samples(pair: Pair, pairs_to_come: Mapping[str, int]) -> None:
    """Release what was computed from the samples of layers that are in no pair to come."""
    if pair.keeps_sample:
        for layer in (pair.sample.x, pair.sample.y):
            if not pairs_to_come[layer.layer]:
                forget(layer)


def _null_profile(pair: Pair, centred: bool) -> tuple[MatchProfile | None, Mapping[str, str]]:
    """Return the profile of the null pairing, or None and why there is none."""
    try:
        return match_profile(pair.null, centred=centred), {}
    except SpanmatchError as error:
        return None, {"null": str(error)}


def _sampled_examples(pair: Pair) -> tuple[SampledExamples | None, Mapping[str, str]]:
    """Return what the sample is of, or None and why there is none."""
    try:
        return SampledExamples.of(pair.sample), {}
    except SpanmatchError as error:
        return None, {"sample": str(error)}


def _evidence(
    pair: Pair, profile: MatchProfile, request: _Request
) -> tuple[Evidence | None, tuple[MeasureEvidence, ...], dict[str, str]]:
    """Return the evidence of a pair if it is requested, or by default if it is cheap; all measures, of
    which values alone without it; and what was refused.
    """
    by_default = sum(pair.neurons) <= EVIDENCE_UP_TO and pair.n_folds > 0
    refusals = {}
    if by_default if request.evidence is None else request.evidence:
        try:
            evidence = assess(
                pair,
                profile,
                eps=request.middle,
                held=request.eps,
                permutations=request.permutations,
                measures=request.measures,
            )
        except SpanmatchError as error:
            refusals["evidence"] = str(error)
        else:
            return evidence, evidence.measures, dict(evidence.refusals)
    values, expected = measure_values(pair, request.measures), (TOO_WIDE, NO_FOLDS, NOT_REQUESTED)
    undefined = {one.name: one.reason for one in values if isnan(one.value) and one.reason not in expected}
    return None, values, refusals | undefined


def _name(pair: Pair, networks: Sequence[str]) -> str:
    """Return the short name of a pair of layers."""
    (a, x), (b, y) = network_and_layer(pair.x_layer), network_and_layer(pair.y_layer)
    if x != y:
        return f"{x} ~ {y}" if [a, b] == networks else f"{pair.x_layer} ~ {pair.y_layer}"
    return x if len(networks) == 2 else f"{x}, {a} ~ {b}"


def _chosen(pairs: Sequence[tuple[str, str]], layers: str | Sequence[str]) -> set[tuple[str, str]]:
    """Return the pairs whose first layer fits a pattern.  Raises SpanmatchError if a pattern fits
    none.
    """
    patterns = patterns_of(layers, "")
    names = dict.fromkeys(network_and_layer(x)[1] for x, _ in pairs)
    requested_layers = chosen(patterns, names, "the layers compared") if patterns else []
    return {(x, y) for x, y in pairs if network_and_layer(x)[1] in requested_layers}


def _by_layer(moments: Moments) -> Callable[[tuple[str, str]], int]:
    """Return a sort key for pairs: the position of the first layer's name."""
    names = list(dict.fromkeys(network_and_layer(layer)[1] for layer in moments.layers))
    return lambda pair: names.index(network_and_layer(pair[0])[1])


def _is_shared(moments: Moments, layer: str) -> bool:
    """Return whether more than two networks have a layer, and all of them were paired."""
    names = [name for name in moments.layers if network_and_layer(name)[1] == layer]
    return len(names) > 2 and all(layers in moments.pairs for layers in combinations(names, 2))


def _simple(pair: Pair, request: _Request) -> tuple[SimpleMatches, ...]:
    """Return the simple matches of a pair at every requested eps."""
    results = []
    for eps in request.simple_eps:
        results.append(simple_matches(pair, eps, time_limit=0, centred=request.centred))
        if results[-1].ended == "interrupted":
            raise KeyboardInterrupt
    return tuple(results)


def _named(networks: Any, batches: Any) -> tuple[Mapping[str, Any], Iterable[Batch] | None]:
    """Return networks by name and the batches, of which there are none if two sources were given instead."""
    if isinstance(networks, Mapping):
        _refuse_weights(networks)
        if not runs(batches) and batches is not None and all(is_in_memory(value) for value in networks.values()):
            raise SpanmatchError(
                "batches: stored activations need none; give sm.compare(A, B) of two arrays, or "
                'sm.compare({"a": {layer: array}, "b": {layer: array}})'
            )
        return networks, batches
    if not isinstance(networks, str | PathLike) and not is_in_memory(networks):
        raise SpanmatchError(
            f"networks: {type(networks).__name__}; give {{name: network}} with the batches to run them on, or two "
            "arrays or files of stored activations"
        )
    if not isinstance(batches, str | PathLike | Mapping) and not is_in_memory(batches):
        raise SpanmatchError(
            f"sm.compare(A, B): B is {type(batches).__name__}; give two arrays or files of stored activations"
        )
    return {"a": networks, "b": batches}, None


def _by_name(*sources: object) -> str:
    """Return how to give networks that were given one after another, followed by something else."""
    names = " and ".join(type(source).__name__ for source in sources)
    rest = "batches" if any(runs(source) for source in sources) else "options by name, as layers="
    return (
        f'sm.compare: {names} were given one after another, and then something else; give sm.compare({{"a": A, '
        f'"b": B}}, ...) with networks by name, and then {rest}'
    )


def _refuse_weights(networks: Mapping[str, Any]) -> None:
    """Raise SpanmatchError if weights are given where a network or its activations should be."""
    for name, network in networks.items():
        names = [key for key in network if str(key).endswith(".weight")] if isinstance(network, Mapping) else []
        if names:
            raise SpanmatchError(
                f"network {name!r} is a dict of weights (it has {names[0]!r}); build the network, call its "
                "load_state_dict with them, and give the network"
            )


def _ask_about_order(p_values: Sequence[float | None]) -> None:
    """Warn if no pair of layers is more similar than unrelated layers, as when rows do not correspond."""
    if all(p_value is not None and p_value > CHANCE_LEVEL / len(p_values) for p_value in p_values):
        warnings.warn(
            f"in none of the {len(p_values)} pairs of layers can the similarity be told apart from that of unrelated "
            "layers (debiased CKA); are the rows of both in the same order? If they have ids, give them with rows_by= "
            "(--rows-by), and rows are joined by them",
            SpanmatchWarning,
            stacklevel=3,
        )


def _p_value(pair: Pair) -> float | None:
    """Return the p-value of debiased CKA over all permutations; None if it is refused."""
    try:
        return permutation_test(pair, permutations="all").p_value
    except SpanmatchError:
        return None


def _moments(networks: Mapping[str, Any], batches: Iterable[Batch] | None, options: Mapping[str, Any]) -> Moments:
    """Return the moments of networks or of stored activations.  Raises SpanmatchError for a mixture
    of both.
    """
    if not networks:
        raise SpanmatchError("networks: give {name: network} with at least one network")
    stored = [not runs(network) for network in networks.values()]
    if all(stored):
        if batches is not None:
            raise SpanmatchError("batches: stored activations need none; leave batches out")
        for option in ("input", "constants"):
            if option in options:
                raise SpanmatchError(
                    f"{option}={options[option]!r}: it is for networks; stored activations have no inputs"
                )
        return capture_stored(networks, **options)
    if "rows_by" in options:
        raise SpanmatchError("rows_by: it is for stored activations; networks see the same batches")
    if "scheduler" in options:
        raise SpanmatchError("scheduler: it is for stored activations; for networks use processes of torch.distributed")
    if any(stored):
        raise SpanmatchError("networks and stored activations cannot be mixed in one comparison")
    if batches is None:
        raise SpanmatchError("batches: give the inputs on which the networks are run")
    return capture(networks, batches, **options)
