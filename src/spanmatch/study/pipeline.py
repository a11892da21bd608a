"""A complete study: train what is not trained, compare what is not compared, write the results.

Each piece of work ends with a file that records what it was made from. So a study that was stopped at any moment is
continued from there, and one whose settings changed does not mix old results with new ones. What is compared is a list
of steps: steps.py says how to add a kind.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from .. import __about__
from .._files import Path_, write_text, writing
from .._progress import announce
from ..errors import BadArgument, among
from ..report import save_course, save_figures
from ..saved_results import read_made_from, read_step
from ..similarity import check_similarity, measures
from .compared_layers import checked_widths
from .datasets import Data
from .given_networks import FEW, GivenNetwork, evaluate_all
from .networks import located, located_network, maker
from .result import STEP, Study
from .runs import TrainedVariant, variants_of
from .seed_intervals import over_seeds, shares_over_seeds
from .settings import Settings, read_settings
from .steps import Step, planned_steps
from .train import Run, layers_to_start
from .workers import train_all

if TYPE_CHECKING:
    from ..schema import RunEpochRecord, StepRecord, StudyRecord, VariantEpochRecord, VariantRecord


COMPARISONS, FIGURES = "comparisons", "figures"
"""In the folder of a study's results: a folder for each comparison, and the figures."""


def run_pipeline(settings: Settings | Path_, out: Path_ | None = None, workers: int | None = None) -> Study:
    """Run a study to its end, from where it was stopped, and return its results; see `sm.run_study`."""
    folder = Path()
    if not isinstance(settings, Settings):
        folder = Path(settings).resolve().parent
        settings = read_settings(settings)
    check(settings, folder)
    place = Path(out or settings.output or settings.name)
    with writing(place) as results_folder:
        variants = variants_of(settings, place, folder)
        for variant in variants.values():
            _check_networks(variant, settings)
        runs = [run for variant in variants.values() for run in variant.runs if isinstance(run, Run)]
        train_all(runs, folder, place, workers or _workers(settings))
        steps = planned_steps(settings, variants)
        records = [
            _step_record(step, place / COMPARISONS / step.name, f"{i} of {len(steps)}")
            for i, step in enumerate(steps, 1)
        ]
        study = Study(place, _study_record(settings, variants, records))
        study.write(results_folder)
        _save_figures(study, results_folder / FIGURES)
        written = {path.relative_to(results_folder) for path in results_folder.rglob("*")}
    _remove_others(place, written, {step.name for step in steps})
    return study


def _remove_others(place: Path, written: set[Path], steps: set[str]) -> None:
    """Remove tables, figures and comparisons of an earlier run that the study no longer has."""
    for path in (*place.glob("*.csv"), *(place / FIGURES).rglob("*")):
        if path.is_file() and path.relative_to(place) not in written:
            path.unlink()
    for folder in (place / COMPARISONS).glob("*"):
        if folder.is_dir() and folder.name not in steps:
            shutil.rmtree(folder)


def _check_networks(variant: TrainedVariant, settings: Settings) -> None:
    """Check that networks can be trained, or evaluate those that are; raises what would stop a run."""
    given = [network for network in variant.runs if isinstance(network, GivenNetwork)]
    if given:
        evaluate_all(given, variant.data, settings.compare)
    else:
        run, few = variant.runs[0], variant.data.test[:FEW]
        network = run.untrained(variant.data)
        assert isinstance(run, Run)
        assert network is not None  # of a run that is to be trained
        layers_to_start(network, run.variant.training)
        checked_widths(variant.name, network, variant.data.prepared(few), settings.compare, variant.default_layers)


def check(settings: Settings, folder: Path, *, needs_device: bool = True) -> None:
    """Check what would stop a study only after hours: measures, networks and the device.

    Parameters
    ----------
    settings : Settings
        The study's settings.
    folder : Path
        The folder that files of code are taken from.
    needs_device : bool, default True
        Whether the device to train on must be there.

    Raises
    ------
    BadArgument
        If there is no such measure, network or device, or a measure is a distance, or of a sample that is
        not kept.
    """
    known = {measure.name: measure for measure in measures()}
    for name in settings.compare.measures:
        if name not in known:
            raise BadArgument(f"compare.measures: no measure {name!r}{among(name, known)}")
        check_similarity(known[name])
        if known[name].needs == "sample" and settings.compare.sample == 0:
            raise BadArgument(f"compare.sample: 0, but {name!r} of compare.measures is of the sampled examples")
    for network in settings.networks:
        if network.network is not None:
            maker(located_network(network.network, folder))
    for variant in () if settings.networks else settings.variants:
        maker(located(variant, folder).network)
        device = variant.training.device
        if needs_device and not _is_there(device):
            raise BadArgument(f"training.device: there is no {device!r} here; cpu is always there")


def _is_there(device: str) -> bool:
    """Tell whether PyTorch can train on a device."""
    if device == "cpu":
        return True
    return torch.backends.mps.is_available() if device == "mps" else torch.cuda.is_available()


def _workers(settings: Settings) -> int:
    """Return how many networks to train at once: as many as there are cores, one on a GPU."""
    if any(variant.training.device != "cpu" for variant in settings.variants):
        return 1
    threads = max(variant.training.threads for variant in settings.variants)
    return max(1, (os.cpu_count() or 1) // threads)


def _step_record(step: Step, folder: Path, progress: str) -> StepRecord:
    """Return a step's record, read from its folder if it was made from the same before, made now otherwise."""
    path = folder / STEP
    if path.is_file() and read_made_from(path) == step.made_from:
        return read_step(path)
    announce(f"comparing: {step.name} ({progress})")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    record = step.make(folder)
    write_text(path, json.dumps({**record, "made_from": step.made_from}, allow_nan=False, indent=1) + "\n")
    return record


def _study_record(settings: Settings, variants: dict[str, TrainedVariant], steps: list[StepRecord]) -> StudyRecord:
    """Return everything that study.json holds."""
    return {
        "format": "spanmatch.study",
        "version": 3,
        "spanmatch": __about__.VERSION,
        "torch": torch.__version__,
        "name": settings.name,
        "about": settings.about,
        "intervals_over": "networks" if settings.networks else "seeds",
        "settings": settings.to_dict(),
        "variants": [_variant_record(variant) for variant in variants.values()],
        "runs": [
            {
                "variant": variant.name,
                "name": run.short_name,
                "seed": run.seed,
                "reason": run.reason,
                "history": run.history(),
            }
            for variant in variants.values()
            for run in variant.runs
        ],
        "steps": steps,
    }


def _variant_record(variant: TrainedVariant) -> VariantRecord:
    """Return what a variant is, and its loss and accuracy over the epochs, with intervals."""
    histories = [run.history() for run in variant.runs]
    return {
        "name": variant.name,
        "data": variant.data.words,
        "network": variant.architecture,
        "epochs": [_epoch_record(epochs, variant.data) for epochs in zip(*histories, strict=True)],
    }


def _epoch_record(epochs: tuple[RunEpochRecord, ...], data: Data) -> VariantEpochRecord:
    """Return the loss and accuracy of a variant's networks after one epoch."""
    n_test, n_train = data.test_labels.numel(), data.train_labels.numel()
    record: VariantEpochRecord = {
        "epoch": epochs[0]["epoch"],
        "test_accuracy": shares_over_seeds([_or_nan(epoch["test_accuracy"]) for epoch in epochs], n_test).to_dict(),
        "test_loss": over_seeds([_or_nan(epoch["test_loss"]) for epoch in epochs]).to_dict(),
    }
    if "train_loss" in epochs[0]:  # not before training
        shares = [epoch["train_accuracy"] for epoch in epochs]
        record["train_accuracy"] = shares_over_seeds(shares, n_train).to_dict()
        record["train_loss"] = over_seeds([epoch["train_loss"] for epoch in epochs]).to_dict()
    return record


def _or_nan(value: float | None) -> float:
    """Return a value, nan where there is none."""
    return float("nan") if value is None else value


def _save_figures(study: Study, folder: Path) -> None:
    """Save the figures of the course of training, and those of every comparison."""
    save_course(study.results, folder)
    for name, comparison in study.comparisons.items():
        save_figures(comparison, folder / name)
