"""What a study tabulates: s(eps) and measures of each layer, as means over networks with intervals over seeds."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from .._progress import tracked
from ..comparison import Comparison
from ..match import MatchProfile
from ..moments.pairs import Pair
from ..moments.provenance import network_and_layer
from ..similarity import LayerMatrix, measures
from ..similarity.measure import value_or_nan
from .seed_intervals import SHARE, Key, Spread, over_seeds
from .settings import CompareSettings

if TYPE_CHECKING:
    from ..schema import BlocksRecord, LayerRecord

Values = dict[str, float]
"""Values of a pair of layers, by quantity: "s(0.3)", ..., and the names of measures."""
BLOCKS_MEASURE = "debiased cka"


def quantities_of(pair: Pair, profile: MatchProfile, settings: CompareSettings) -> Values:
    """Return s(eps) at the eps of the settings, and their measures."""
    shares = {name: float(profile.similarity(eps)) for name, eps in eps_by_quantity(settings).items()}
    by_name = {measure.name: measure for measure in measures()}
    return shares | {name: value_or_nan(by_name[name], pair) for name in settings.measures}


def eps_by_quantity(settings: CompareSettings) -> dict[str, float]:
    """Return the eps of every quantity that is a similarity s(eps); the others are measures."""
    return {f"s({eps:g})": eps for eps in settings.eps}


def spreads_of(values: Mapping[Key, Values]) -> dict[str, Spread]:
    """Return the spread over seeds, or over pairs of seeds, of each quantity."""
    bounds = {measure.name: measure.range for measure in measures()}
    return {
        quantity: over_seeds(
            {key: of_key[quantity] for key, of_key in values.items()}, bounds=bounds.get(quantity, SHARE)
        )
        for quantity in next(iter(values.values()))
    }


def layer_records(comparison: Comparison, numbers: Mapping[str, int], settings: CompareSettings) -> list[LayerRecord]:
    """Return a record of each layer and quantity: the mean over pairs of networks, with its interval.

    Intervals are over the numbers of networks; networks of two variants that have the same number count as one.
    """
    values: dict[str, dict[tuple[int, int], Values]] = {}
    widths: dict[str, int] = {}
    for result in tracked(comparison.pairs, "measuring"):
        (a, layer), (b, _) = network_and_layer(result.x_layer), network_and_layer(result.y_layer)
        pair = comparison.moments.pair(result.x_layer, result.y_layer)
        values.setdefault(layer, {})[numbers[a], numbers[b]] = quantities_of(pair, result.profile, settings)
        widths[layer] = result.provenance.x_neurons
    eps = eps_by_quantity(settings)
    return [
        {
            "layer": layer,
            "neurons": widths[layer],
            "quantity": quantity,
            "eps": eps.get(quantity),
            **spread.to_dict(),
        }
        for layer, by_numbers in values.items()
        for quantity, spread in spreads_of(by_numbers).items()
    ]


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
