"""A dry run: everything about a study that can be found out without its data and without training."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import torch

from .._files import Path_
from ..activations import capture
from ..activations.from_names import is_code
from ..errors import SpanmatchError
from .datasets import ALPHABET, Data, read_data
from .networks import located, make_network, maker
from .pipeline import check
from .settings import CompareSettings, DataSettings, Settings, Variant, read_settings
from .train import Run, train

CLASSES = {"cifar10": 10, "cifar100": 100}
STAND_IN = 4
"""Examples of noise that stand for data that are not there."""


def dry_run(settings: Settings | Path_) -> list[str]:
    """Return in words what a study will do, having made every network, taken one step and captured every layer.

    Data that are not there are replaced by noise of the same shape, and what is missing is said.
    Raises BadArgument or SpanmatchError for anything that would stop the study.
    """
    folder = Path()
    if not isinstance(settings, Settings):
        folder = Path(settings).resolve().parent
        settings = read_settings(settings)
    check(settings, folder, needs_device=False)
    return [line for variant in settings.variants for line in _dry(located(variant, folder), settings, folder)]


def _dry(variant: Variant, settings: Settings, folder: Path) -> list[str]:
    try:
        data, words = read_data(variant.data, folder), ""
    except SpanmatchError as error:
        if is_code(variant.data.name):  # what its images are like cannot be known
            raise
        data = _noise(variant.data)
        words = f"  data are missing: {error}"
    parts = ("train", "train_labels", "test", "test_labels")
    few = replace(data, **{part: getattr(data, part)[:STAND_IN] for part in parts})
    network = make_network(variant.network, data, 0)
    _one_step(variant, few)
    patterns = settings.compare.layers or maker(variant.network).layers
    batch = few.prepared(few.train)
    moments = capture({"x": network}, [batch], layers=patterns, pool=settings.compare.pool, null=False)
    widths = list(moments.layers.values())
    parameters = sum(p.numel() for p in network.parameters())
    epochs, seeds = variant.training.epochs, len(settings.seeds)
    return [
        f"{variant.name}: {Path(variant.network.name).name}, {parameters:,} parameters, on {variant.data.name}",
        words or f"  data: {data.words}",
        f"  training: {seeds} seeds x {epochs} epochs on {variant.training.device}",
        f"  layers: {', '.join(f'{name[2:]} ({width})' for name, width in moments.layers.items())}",
        f"  moments of all pairs of seeds: {_gigabytes(widths, seeds, settings.compare):.2f} GB",
    ]


def _one_step(variant: Variant, few: Data) -> None:
    """Train for one epoch over a few examples, in a folder that goes away."""
    training = variant.training.model_copy(update={"epochs": 1, "device": "cpu", "start": None})
    with tempfile.TemporaryDirectory() as place:
        own = variant.model_copy(update={"training": training})
        train(Run(own, 0, Path(place), (), "{}"), few, lambda _: None)


def _gigabytes(widths: list[int], seeds: int, wanted: CompareSettings) -> float:
    pairs = len(list(combinations(range(seeds), 2)))
    return sum(8 * (wanted.folds * (seeds + pairs) + pairs) * (width + 1) ** 2 for width in widths) / 1e9


def _noise(settings: DataSettings) -> Data:
    """Return noise of the shape that a data set has."""
    random = torch.Generator().manual_seed(0)
    if settings.name == "text":
        shape, classes = (STAND_IN, settings.context), len(ALPHABET)
        train_, test = (torch.randint(classes, shape, generator=random) for _ in range(2))
        return Data("noise", train_, train_, test, test, tuple(ALPHABET))
    classes = CLASSES.get(settings.name, 2)
    shape_ = (STAND_IN, 3, settings.size or 32, settings.size or 32)
    images = [torch.randint(256, shape_, generator=random).to(torch.uint8) for _ in range(2)]
    labels = torch.arange(STAND_IN) % classes
    return Data("noise", images[0], labels, images[1], labels, tuple(map(str, range(classes))))
