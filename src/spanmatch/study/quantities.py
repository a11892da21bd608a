"""What a study tabulates: s(eps) and measures of each layer, as means over networks with intervals over seeds."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, get_args

import numpy as np

from .._progress import tracked
from ..comparison import Comparison
from ..errors import SpanmatchError
from ..evidence import Evidence
from ..interventions.outcomes import CONTROLS, MATCHED, UNTOUCHED
from ..match import MatchProfile, match_profile
from ..moments.pairs import Pair
from ..moments.provenance import network_and_layer
from ..schema import Estimate
from ..similarity import LayerMatrix, measures
from ..similarity.measure import value_or_nan
from .seed_intervals import SHARE, Key, Spread, over_seeds
from .settings import CompareSettings

if TYPE_CHECKING:
    from ..interventions import Transplant
    from ..schema import BlocksRecord, LayerRecord, TransplantedRecord

Values = dict[str, float]
"""Values of a pair of layers, by quantity: "s(0.3)", ..., and the names of measures."""
BLOCKS_MEASURE = "debiased cka"
DIFFERENCE = (-1.0, 1.0)
"""The bounds of a difference of two shares."""


def quantities_of(pair: Pair, profile: MatchProfile, settings: CompareSettings) -> Values:
    """Return s(eps) at the eps of the settings, in sample, and their measures."""
    shares = {share_name(eps, "in sample"): float(profile.similarity(eps)) for eps in settings.eps}
    by_name = {measure.name: measure for measure in measures()}
    return shares | {name: value_or_nan(by_name[name], pair) for name in settings.measures}


def share_name(eps: float, estimate: Estimate) -> str:
    """Return how tables name a share s(eps)."""
    return f"s({eps:g})" if estimate == "in sample" else f"s({eps:g}) {estimate}"


def shares_by_name(settings: CompareSettings) -> dict[str, tuple[float, Estimate]]:
    """Return eps and the estimate of every quantity that is a share s(eps); the others are measures."""
    return {share_name(eps, estimate): (eps, estimate) for estimate in get_args(Estimate) for eps in settings.eps}


def eps_by_quantity(settings: CompareSettings) -> dict[str, float]:
    """Return the eps of every quantity that is a share s(eps); the others are measures."""
    return {name: eps for name, (eps, _) in shares_by_name(settings).items()}


def spreads_of(values: Mapping[Key, Values]) -> dict[str, Spread]:
    """Return the spread over seeds, or over pairs of seeds, of each quantity."""
    bounds = {measure.name: measure.range for measure in measures()}
    return {
        quantity: over_seeds(
            {key: of_key[quantity] for key, of_key in values.items()}, bounds=bounds.get(quantity, SHARE)
        )
        for quantity in next(iter(values.values()))
    }


def _estimates_of(pair: Pair, evidence: Evidence | None, settings: CompareSettings) -> Values:
    """Return s(eps) corrected, held out and under the null; nan where it cannot be had."""
    values = dict.fromkeys(shares_by_name(settings), float("nan"))
    null_pair, _ = pair.null_or_reason()
    with contextlib.suppress(SpanmatchError):  # too few rows
        corrected = match_profile(pair, centred=settings.centred, corrected=True)
        values |= {share_name(eps, "corrected"): float(corrected.similarity(eps)) for eps in settings.eps}
    if evidence is not None and evidence.profile is not None:
        values |= {share_name(eps, "held out"): evidence.profile.held_out_at(eps) for eps in settings.eps}
    if null_pair is not None:
        null = match_profile(null_pair, centred=settings.centred)
        values |= {share_name(eps, "null"): float(null.similarity(eps)) for eps in settings.eps}
    return values


def layer_records(comparison: Comparison, numbers: Mapping[str, int], settings: CompareSettings) -> list[LayerRecord]:
    """Return a record of each layer and quantity: the mean over pairs of networks, with its interval.

    Intervals are over the numbers of networks; networks of two variants that have the same number count as one.
    """
    values: dict[str, dict[tuple[int, int], Values]] = {}
    widths: dict[str, int] = {}
    for result in tracked(comparison.pairs, "measuring"):
        (a, layer), (b, _) = network_and_layer(result.x_layer), network_and_layer(result.y_layer)
        pair = comparison.moments.pair(result.x_layer, result.y_layer)
        values.setdefault(layer, {})[numbers[a], numbers[b]] = {
            **_estimates_of(pair, result.evidence, settings),
            **quantities_of(pair, result.profile, settings),
        }
        widths[layer] = result.provenance.x_neurons
    return [
        record
        for layer, by_numbers in values.items()
        for record in records_of(layer, widths[layer], spreads_of(by_numbers), settings)
    ]


def records_of(
    layer: str, neurons: int, spreads: Mapping[str, Spread], settings: CompareSettings
) -> Iterator[LayerRecord]:
    """Yield a record of each quantity of a layer."""
    shares = shares_by_name(settings)
    for quantity, spread in spreads.items():
        eps, estimate = shares.get(quantity, (None, None))
        yield {
            "layer": layer,
            "neurons": neurons,
            "quantity": quantity,
            "eps": eps,
            "estimate": estimate,
            **spread.to_dict(),
        }


def blocks_of(matrix: LayerMatrix) -> BlocksRecord:
    """Return whether a network's layers are similar, whether other seeds' are, and how one-dimensional each layer is.

    "within" is the mean similarity of two different layers of one network, over networks; "between" that of the same
    two layers in two networks; "first_component", of each layer, its share of variance in the first principal
    component. A block of layers that is specific to each network shows as a "within" far above the "between".
    Source: Nguyen et al., ICLR 2021.
    """
    positions: dict[str, dict[str, int]] = {}
    for i, name in enumerate(matrix.layers):
        network, layer = network_and_layer(name)
        positions.setdefault(network, {})[layer] = i
    networks = list(positions)
    layers = list(positions[networks[0]])
    (bounds,) = (measure.range for measure in measures() if measure.name == BLOCKS_MEASURE)

    def mean(a: str, b: str) -> float:
        similarities = [matrix.values[positions[a][x], positions[b][y]] for x, y in combinations(layers, 2)]
        return float(np.nanmean(similarities)) if similarities else float("nan")

    shares = {layer: [float(matrix.first_component[positions[name][layer]]) for name in networks] for layer in layers}
    return {
        "measure": matrix.name,
        "within": over_seeds({name: mean(name, name) for name in networks}, bounds=bounds).to_dict(),
        "between": over_seeds({(a, b): mean(a, b) for a, b in combinations(networks, 2)}, bounds=bounds).to_dict(),
        "first_component": {layer: over_seeds(values, bounds=SHARE).to_dict() for layer, values in shares.items()},
    }


def transplanted(transplants: Sequence[Transplant], numbers: Mapping[str, int]) -> list[TransplantedRecord]:
    """Return a record of each layer and eps: the mean accuracy under each condition, over pairs of networks."""
    groups: dict[tuple[str, float], dict[tuple[int, int], Transplant]] = {}
    for transplant in transplants:
        (a, layer), (b, _) = network_and_layer(transplant.x_layer), network_and_layer(transplant.y_layer)
        groups.setdefault((layer, transplant.eps), {})[numbers[a], numbers[b]] = transplant
    return [_transplanted(layer, eps, by_numbers) for (layer, eps), by_numbers in groups.items()]


def _transplanted(layer: str, eps: float, by_numbers: Mapping[tuple[int, int], Transplant]) -> TransplantedRecord:
    """Return the record of one layer and eps, from the transplants by pair of networks."""
    neurons = next(iter(by_numbers.values())).provenance.x_neurons
    accuracies: dict[str, dict[tuple[int, int], float]] = {}
    for numbers, transplant in by_numbers.items():
        for outcome in transplant.outcomes:
            accuracies.setdefault(outcome.condition, {})[numbers] = outcome.accuracy
    predicted = accuracies[MATCHED]
    matched = {numbers: transplant[MATCHED].neurons / neurons for numbers, transplant in by_numbers.items()}
    return {
        "layer": layer,
        "neurons": neurons,
        "eps": eps,
        "matched": over_seeds(matched, bounds=SHARE).to_dict(),
        "accuracy": {
            # Untouched, a network's accuracy is its own, and no other network has a part in it.
            name: over_seeds(list(values.values()) if name == UNTOUCHED else values, bounds=SHARE).to_dict()
            for name, values in accuracies.items()
        },
        "differences": {
            name: over_seeds(
                {numbers: predicted[numbers] - value for numbers, value in accuracies[name].items()}, bounds=DIFFERENCE
            ).to_dict()
            for name in (UNTOUCHED, *CONTROLS)
            if name in accuracies
        },
    }
