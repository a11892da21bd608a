"""A dry run: everything about a study that can be checked without its data and without training."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import torch

from .._files import Path_
from ..activations.code_names import is_code
from ..errors import SpanmatchError
from ..moments.packed import Packed
from .cifar_archives import CLASSES
from .compared_layers import checked_widths
from .datasets import ALPHABET, Data, reader
from .given_networks import check_same_layers, default_layers, given_networks, layer_widths, why_no_accuracy
from .networks import located, make_network, maker
from .pipeline import check
from .runs import DECODED
from .settings import CompareSettings, DataSettings, Settings, TrainingSettings, Variant, read_settings
from .train import Run, layers_to_start, train

STAND_IN = 4
"""Examples of noise that stand for data that are not there."""


def dry_run(settings: Settings | Path_) -> list[str]:
    """Check a study and return in words what it will do; see `spanmatch.study.dry_run`.

    Missing data of networks to train are replaced by noise of the same shape, and the lines name them.
    """
    folder = Path()
    if not isinstance(settings, Settings):
        folder = Path(settings).resolve().parent
        settings = read_settings(settings)
    check(settings, folder, needs_device=False)
    with _decoded_images(settings) as cache:
        read = reader(folder, cache)
        if settings.networks:
            return [line for variant in settings.variants for line in _lines_of_given(variant, settings, read, folder)]
        return [line for variant in settings.variants for line in _lines(located(variant, folder), settings, read)]


@contextlib.contextmanager
def _decoded_images(settings: Settings) -> Iterator[Path]:
    """Give the study's folder of decoded images if it is there, else a temporary one."""
    cache = Path(settings.output or settings.name) / DECODED
    if cache.is_dir():
        yield cache
        return
    with tempfile.TemporaryDirectory() as temporary:
        yield Path(temporary)


def _lines(variant: Variant, settings: Settings, read: Callable[[DataSettings], Data]) -> list[str]:
    """Make a network of a variant, train it for one step, capture its layers, and describe it in words."""
    try:
        data = read(variant.data)
        about_data = f"  data: {data.words}"
    except SpanmatchError as error:
        if is_code(variant.data.name):  # the shape of its images cannot be known
            raise
        data = _noise(variant.data)
        about_data = f"  data are missing: {error}"
    few = replace(
        data,
        train=data.train[:STAND_IN],
        train_labels=data.train_labels[:STAND_IN],
        test=data.test[:STAND_IN],
        test_labels=data.test_labels[:STAND_IN],
    )
    network = make_network(variant.network, data, 0)
    layers_to_start(network, variant.training)
    _one_step(variant, few)
    widths = checked_widths(
        variant.name, network, few.prepared(few.train), settings.compare, maker(variant.network).layers
    )
    parameters = sum(p.numel() for p in network.parameters())
    epochs, seeds = variant.training.epochs, len(settings.seeds)
    return [
        f"{variant.name}: {Path(variant.network.name).name}, {parameters:,} parameters, on {variant.data.name}",
        about_data,
        f"  training: {seeds} seeds x {epochs} epochs on {variant.training.device}{_from(variant.training)}",
        f"  layers: {', '.join(f'{name} ({width})' for name, width in widths.items())}",
        f"  moments of all pairs of seeds: {_gigabytes(list(widths.values()), seeds, settings.compare):.2f} GB",
    ]


def _from(training: TrainingSettings) -> str:
    """Return from which weights training starts, in words, if not from random ones."""
    layers = f"{', '.join(training.start_layers)} of " if training.start_layers else ""
    return f", from {layers}{training.start!r}" if training.start else ""


def _lines_of_given(
    variant: Variant, settings: Settings, read: Callable[[DataSettings], Data], folder: Path
) -> list[str]:
    """Load the networks of a variant that are trained already, capture their layers, and describe them in words.

    Their data must be there: noise would not have as many classes as the weights are for.
    """
    data = read(variant.data)
    networks = given_networks(settings.of_variant(variant.name), data, folder, folder)
    lines, patterns = [], default_layers(networks)
    widths: dict[str, int] = {}
    for given in networks:
        network = given.network(data)
        layers = layer_widths(given, network, data, settings.compare, patterns)
        check_same_layers(networks[0], widths or layers, given, layers)
        widths = layers
        parameters = sum(p.numel() for p in network.parameters())
        reason = why_no_accuracy(network, data)
        lines.append(f"  {given.short_name}: {given.architecture}, {parameters:,} parameters, trained already")
        lines += [] if reason is None else [f"  {given.short_name} has no accuracy: {reason}"]
    gigabytes = _gigabytes(list(widths.values()), len(networks), settings.compare)
    return [
        f"{variant.name}: {len(networks)} networks, on {variant.data.name}",
        f"  data: {data.words}",
        *([f"  inputs: {data.words_of_inputs}"] if data.words_of_inputs else []),
        *lines,
        f"  layers: {', '.join(f'{name} ({width})' for name, width in widths.items())}",
        f"  moments of all pairs of networks: {gigabytes:.2f} GB",
    ]


def _one_step(variant: Variant, few: Data) -> None:
    """Train for one epoch over a few examples, in a temporary folder."""
    training = variant.training.model_copy(update={"epochs": 1, "device": "cpu", "start": None, "start_layers": ()})
    with tempfile.TemporaryDirectory() as place:
        short_variant = variant.model_copy(update={"training": training})
        train(Run(short_variant, 0, Path(place), (), "{}"), few, lambda *_: None)


def _gigabytes(widths: list[int], seeds: int, settings: CompareSettings) -> float:
    """Return how large the moments of all pairs of seeds are, from the widths of the layers."""
    pairs = len(list(combinations(range(seeds), 2)))
    products = settings.folds * pairs + pairs  # and of the null
    return (
        sum(8 * (settings.folds * seeds * Packed(width + 1).length + products * (width + 1) ** 2) for width in widths)
        / 1e9
    )


def _noise(settings: DataSettings) -> Data:
    """Return noise of the shape that a data set has."""
    random = torch.Generator().manual_seed(0)
    if settings.name == "text":
        shape = (STAND_IN, settings.context)
        texts = [torch.randint(len(ALPHABET), shape, generator=random) for _ in range(2)]
        return Data("noise", texts[0], texts[0], texts[1], texts[1], tuple(ALPHABET))
    classes = CLASSES.get(settings.name, 2)
    size = settings.size or 32
    images = [torch.randint(256, (STAND_IN, 3, size, size), generator=random).to(torch.uint8) for _ in range(2)]
    labels = torch.arange(STAND_IN) % classes
    return Data("noise", images[0], labels, images[1], labels, tuple(map(str, range(classes))))
