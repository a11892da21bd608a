"""What a study compares: each step takes trained networks and gives plain values for the study's results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .._progress import announce, tracked
from ..activations import capture
from ..activations.torch import layers_of
from ..comparison import Comparison, compare
from ..errors import SpanmatchError
from ..interventions import Transplant, transplant
from ..match import MatchProfile, match_profile, maximum_match
from ..moments.moments import Moments
from ..moments.pairs import Pair
from ..moments.provenance import network_and_layer
from ..moments.spans import Array
from ..similarity import LayerMatrix, measures
from ..similarity.measure import value_or_nan
from .datasets import Data
from .networks import make_network, maker
from .seed_intervals import Spread, over_seeds
from .settings import CompareSettings, Settings
from .train import Run
from .weight_alignment import misalignment

Values = dict[str, float]
RANDOM_DRAWS = 20
BLOCKS_BY = "debiased cka"


def seeds_compared(settings: Settings, runs: Sequence[Run], data: Data) -> Comparison:
    """Return all pairs of seeds of a variant, at all layers, by everything that was asked for."""
    wanted = settings.compare
    networks = {f"seed{run.seed}": run.network(data) for run in runs}
    found = compare(
        networks,
        batches_of(data, wanted),
        clusters=wanted.clusters,
        evidence=wanted.evidence,
        bins=wanted.bins,
        sparse=wanted.sparse,
        simple_eps=wanted.simple_eps,
        simple_layers=wanted.simple_layers,
        top=wanted.top,
        inputs=pictured(data, wanted),
        notes={
            "Data": data.words,
            "Network": Path(runs[0].variant.network.name).name,
            "Test accuracy": ", ".join(f"seed{run.seed} {run.history()[-1]['test_accuracy']:.1%}" for run in runs),
        },
        eps=wanted.eps,
        centred=wanted.centred,
        **_pass(wanted, _patterns(wanted, runs[0])),
    )
    if wanted.matrix:
        found = replace(found, matrices=_matrices(networks, data, wanted, runs[0]))
    if wanted.transplants is not None:
        found = replace(found, transplants=_transplants(networks, data, wanted, runs[:2]))
    return found


def across(settings: Settings, a: Sequence[Run], b: Sequence[Run], data: Data) -> Comparison:
    """Return each network of a variant against the next seed's of another, so that no two had the same start."""
    wanted = settings.compare
    named = {_name(run): run for run in [*a, *b]}
    networks = {name: run.network(data) for name, run in named.items()}
    patterns = {name: _patterns(wanted, run) for name, run in named.items()}
    pairs = []
    for x, y in zip(a, [*b[1:], b[0]], strict=True):
        own, other = (layers_of(_name(run), networks[_name(run)], patterns[_name(run)]) for run in (x, y))
        pairs += [(f"{_name(x)}:{layer}", f"{_name(y)}:{layer}") for layer in own if layer in other]
    if not pairs:
        raise SpanmatchError(f"compare.across: {a[0].variant.name} and {b[0].variant.name} have no layers of one name")
    return compare(
        networks,
        batches_of(data, wanted),
        eps=wanted.eps,
        centred=wanted.centred,
        clusters=False,
        evidence=False,
        pairs=pairs,
        **_pass(wanted, patterns),
    )


def tabulated(comparison: Comparison, settings: CompareSettings) -> list[dict[str, Any]]:
    """Return s(eps) and the measures of every layer: the mean over pairs of networks, with its interval over seeds."""
    found: dict[str, dict[tuple[str, str], Values]] = {}
    widths: dict[str, int] = {}
    for result in tracked(comparison.pairs, "measuring"):
        (a, layer), (b, _) = network_and_layer(result.x_layer), network_and_layer(result.y_layer)
        pair = comparison.moments.pair(result.x_layer, result.y_layer)
        found.setdefault(layer, {})[a, b] = _quantities(pair, result.profile, settings)
        widths[layer] = result.provenance.x_neurons
    return [
        {"layer": layer, "neurons": widths[layer], "quantity": quantity, **spread.to_dict()}
        for layer, pairs in found.items()
        for quantity, spread in _spreads(pairs).items()
    ]


def over_epochs(settings: Settings, runs: Sequence[Run], data: Data) -> list[dict[str, Any]]:
    """Return how like itself at the end each network is after some epochs, and how like the other seeds' then.

    One row for each epoch, layer and quantity: "own", a mean over seeds, and "between", over pairs of seeds.
    """
    wanted = settings.compare
    epochs = sorted({*wanted.epochs, runs[0].variant.training.epochs})
    own: dict[int, dict[str, dict[Any, Values]]] = {epoch: {} for epoch in epochs}
    between: dict[int, dict[str, dict[Any, Values]]] = {epoch: {} for epoch in epochs}
    for run in runs:
        announce(f"  {run.name} over its epochs")
        last = run.network(data)
        for epoch in epochs:
            found = _alike({"then": run.network(data, epoch), "last": last}, data, wanted, run)
            for (_, layer), values in found.items():
                own[epoch].setdefault(layer, {})[run.seed] = values
    for epoch in epochs:
        announce(f"  seeds after epoch {epoch}")
        networks = {f"seed{run.seed}": run.network(data, epoch) for run in runs}
        for (pair, layer), values in _alike(networks, data, wanted, runs[0]).items():
            between[epoch].setdefault(layer, {})[pair] = values
    return [
        {
            "epoch": epoch,
            "layer": layer,
            "quantity": quantity,
            "own": spread.to_dict(),
            "between": _spreads(between[epoch][layer])[quantity].to_dict(),
        }
        for epoch in epochs
        for layer, values in own[epoch].items()
        for quantity, spread in _spreads(values).items()
    ]


def blocks(matrix: LayerMatrix) -> dict[str, Any]:
    """Return whether a network's layers are alike, whether other seeds' are, and how one-dimensional each layer is.

    "within", the mean similarity of two different layers of one network, over networks; "between", of the same two
    layers in two networks; "first_component", for each layer, its share of variance in the first principal component. A
    block that is each network's own shows as a within far above the between. Source: Nguyen et al., ICLR 2021.
    """
    places: dict[str, dict[str, int]] = {}
    for i, name in enumerate(matrix.layers):
        network, layer = network_and_layer(name)
        places.setdefault(network, {})[layer] = i
    names = list(places)
    layers = list(places[names[0]])

    def mean(a: str, b: str) -> float:
        found = [matrix.values[places[a][x], places[b][y]] for x, y in combinations(layers, 2)]
        return float(np.nanmean(found)) if found else float("nan")

    shares = {layer: [float(matrix.first_component[places[name][layer]]) for name in names] for layer in layers}
    return {
        "measure": matrix.name,
        "within": over_seeds({name: mean(name, name) for name in names}).to_dict(),
        "between": over_seeds({(a, b): mean(a, b) for a, b in combinations(names, 2)}).to_dict(),
        "first_component": {layer: over_seeds(values).to_dict() for layer, values in shares.items()},
    }


def alignment(settings: Settings, runs: Sequence[Run], data: Data) -> dict[str, Any]:
    """Return the misalignment of the first layer's weights and its inputs, by epoch, and that of random weights.

    "change" is since the first of the epochs, of each network for itself, which takes out how their starts differ.

    Raises SpanmatchError if the first layer is not linear or a convolution, or has fewer neurons than inputs.
    """
    if data.is_text:
        raise SpanmatchError("compare.alignment: is of images; text has no covariance of inputs")
    epochs = sorted({*settings.compare.epochs, runs[0].variant.training.epochs})
    covariance = _covariance_of_inputs(_first_layer(runs[0].network(data)), data)
    shape = (0, 0)
    found: dict[int, list[float]] = {epoch: [] for epoch in epochs}
    for run in runs:
        for epoch in epochs:
            first = _first_layer(run.network(data, epoch))
            W = first.weight.detach().flatten(1).double().numpy()
            shape = W.shape
            found[epoch].append(misalignment(covariance, np.cov(W.T)))
    random = np.random.default_rng(0)
    draws = [misalignment(covariance, np.cov(random.standard_normal(shape).T)) for _ in range(RANDOM_DRAWS)]
    return {
        "neurons": shape[0],
        "inputs": shape[1],
        "epochs": [
            {"epoch": epoch, **over_seeds(values).to_dict(), "change": _change(values, found[epochs[0]]).to_dict()}
            for epoch, values in found.items()
        ],
        "random": {"draws": RANDOM_DRAWS, "value": float(np.mean(draws)), "low": min(draws), "high": max(draws)},
    }


def batches_of(data: Data, wanted: CompareSettings) -> list[Tensor]:
    """Return the examples that networks are compared over, shuffled once and for all, in batches."""
    return [data.prepared(examples) for examples in torch.split(_compared_over(data, wanted), wanted.batch)]


def pictured(data: Data, wanted: CompareSettings) -> Any:
    """Return what those examples look like, for the page: images of bytes, or texts."""
    examples = _compared_over(data, wanted)
    if data.is_text:
        return ["".join(data.classes[code] for code in text) for text in examples.tolist()]
    images = examples.permute(0, 2, 3, 1).numpy()
    return images[..., 0] if images.shape[-1] == 1 else images


def _compared_over(data: Data, wanted: CompareSettings) -> Tensor:
    parts = {"train": [data.train], "test": [data.test], "all": [data.train, data.test]}[wanted.split]
    examples = torch.cat(parts)
    order = torch.randperm(len(examples), generator=torch.Generator().manual_seed(0))[: wanted.max_examples]
    return examples[order]


def _alike(
    networks: Mapping[str, nn.Module], data: Data, wanted: CompareSettings, run: Run
) -> dict[tuple[tuple[str, str], str], Values]:
    """Return the quantities followed, by pair of networks and layer."""
    options = _pass(wanted, _patterns(wanted, run)) | {"folds": 1, "null": False}
    moments = capture(networks, batches_of(data, wanted), **options)
    found = {}
    for x, y in moments.pairs:
        (a, layer), (b, _) = network_and_layer(x), network_and_layer(y)
        pair = moments.pair(x, y)
        found[(a, b), layer] = _quantities(pair, match_profile(pair, centred=wanted.centred), wanted)
    return found


def _quantities(pair: Pair, profile: MatchProfile, wanted: CompareSettings) -> Values:
    """Return s(eps) at the eps listed, and the measures asked for."""
    shares = {f"s({eps:g})": float(profile.similarity(eps)) for eps in wanted.eps}
    known = {measure.name: measure for measure in measures()}
    return shares | {name: value_or_nan(known[name], pair) for name in wanted.measures}


def _spreads(values: Mapping[Any, Values]) -> dict[str, Spread]:
    names = next(iter(values.values()))
    return {name: over_seeds({key: found[name] for key, found in values.items()}) for name in names}


def _patterns(wanted: CompareSettings, run: Run) -> tuple[str, ...] | None:
    return wanted.layers or maker(run.variant.network).layers


def _pass(wanted: CompareSettings, layers: Any) -> dict[str, Any]:
    """Return the options of `capture` that every pass has."""
    return {
        "layers": layers,
        "positions": wanted.positions,
        "pool": wanted.pool,
        "folds": wanted.folds,
    }


def _name(run: Run) -> str:
    return f"{run.variant.name} seed{run.seed}"


def _matrices(
    networks: Mapping[str, nn.Module], data: Data, wanted: CompareSettings, run: Run
) -> tuple[LayerMatrix, ...]:
    options: dict[str, Any] = {"folds": 1, "null": False, "pairs": "all", "pool": "mean"}
    options |= {"evidence": False, "clusters": False, "layers": _patterns(wanted, run)}
    return compare(networks, batches_of(data, wanted), **options).matrices


def _transplants(
    networks: Mapping[str, nn.Module], data: Data, wanted: CompareSettings, runs: Sequence[Run]
) -> tuple[Transplant, ...]:
    """Return transplants from the second seed's network into the first's.

    Coefficients are fitted on training examples, and accuracy is of the test examples. The untrained network of the
    controls is the second one as it was before training.
    """
    if data.is_text:
        raise SpanmatchError("compare.transplants: are of images; characters have no single label")
    two = dict(list(networks.items())[:2])
    fitted = batches_of(data, wanted.model_copy(update={"split": "train"}))
    moments: Moments = capture(two, fitted, **_pass(wanted, _patterns(wanted, runs[0])))
    untrained = make_network(runs[1].variant.network, data, runs[1].seed)
    tests = list(
        zip(
            torch.split(data.prepared(data.test), wanted.batch),
            torch.split(data.test_labels, wanted.batch),
            strict=True,
        )
    )
    found = []
    for x, y in moments.pairs:
        pair = moments.pair(x, y)
        match = maximum_match(pair, float(wanted.transplants or 0))
        found.append(transplant(two, tests, pair, match, fit_batches=fitted, untrained=untrained))
    return tuple(found)


def _change(values: Sequence[float], start: Sequence[float]) -> Spread:
    return over_seeds([value - before for value, before in zip(values, start, strict=True)])


def _first_layer(network: nn.Module) -> nn.Linear | nn.Conv2d:
    first = next((m for m in network.modules() if isinstance(m, nn.Linear | nn.Conv2d | nn.Embedding)), None)
    if not isinstance(first, nn.Linear | nn.Conv2d):
        raise SpanmatchError("compare.alignment: the first layer with weights is neither linear nor a convolution")
    return first


@torch.no_grad()
def _covariance_of_inputs(first: nn.Linear | nn.Conv2d, data: Data) -> Array:
    """Return the covariance (d, d) of what the first layer multiplies: whole training images, or patches of them."""
    total, outer, count = 0.0, 0.0, 0
    for images in torch.split(data.prepared(data.train), 256):
        if isinstance(first, nn.Conv2d):
            form: dict[str, Any] = {name: getattr(first, name) for name in ("dilation", "padding", "stride")}
            patches = nn.functional.unfold(images, first.kernel_size, **form).transpose(1, 2).flatten(0, 1)
        else:
            patches = images.flatten(1)
        rows = patches.double().numpy()
        total, outer, count = total + rows.sum(0), outer + rows.T @ rows, count + len(rows)
    mean = total / count
    return np.asarray(outer / count - np.outer(mean, mean), dtype=np.float64)
