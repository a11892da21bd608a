"""A whole study: train what is not trained, compare what is not compared, write the results.

Every piece of work has a file that is written last and says what it was made from, so that a study which was stopped at
any moment goes on where it was, and one whose settings changed does not mix old results with new ones.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch

from .. import __about__
from .._files import Path_, write_text, writing
from .._progress import announce
from ..comparison.comparing import VERSION, Comparison
from ..errors import BadArgument, among
from ..report import save_course, save_figures
from ..saved_results import read_step
from ..similarity import measures
from . import result, steps
from .datasets import Data, read_data
from .networks import located, make_network, maker
from .result import FORMAT, STEP, Study
from .runs import runs_of
from .seed_intervals import over_seeds
from .settings import MAIN, Settings, Variant, read_settings
from .train import Run
from .workers import train_all

if TYPE_CHECKING:
    from ..schema import StudyRecord


def conduct(settings: Settings | Path_, out: Path_ | None = None, workers: int | None = None) -> Study:
    """Run a study to its end, from where it was stopped, and return its results; see `sm.run_study`."""
    folder = Path()
    if not isinstance(settings, Settings):
        folder = Path(settings).resolve().parent
        settings = read_settings(settings)
    check(settings, folder)
    place = Path(out or settings.output or settings.name)
    with writing(place) as written:
        return _conduct(settings, folder, place, written, workers)


def _conduct(settings: Settings, folder: Path, place: Path, written: Path, workers: int | None) -> Study:
    """Run a study to its end in `place`; what makes up its results is put in `written`, to be moved there together."""
    data = {variant.name: read_data(variant.data, folder) for variant in settings.variants}
    runs = runs_of(settings, data, place, folder)
    for own in runs.values():
        make_network(own[0].variant.network, data[own[0].variant.name], 0)
    everything = [run for own in runs.values() for run in own]
    train_all(everything, folder, workers or _workers(settings))
    planned = list(_steps(settings, runs, data))
    results = [
        _kept(place / "comparisons" / step.name, step, f"{i} of {len(planned)}") for i, step in enumerate(planned, 1)
    ]
    found = {
        "format": FORMAT,
        "version": result.VERSION,
        "spanmatch": __about__.VERSION,
        "torch": torch.__version__,
        "name": settings.name,
        "about": settings.about,
        "settings": settings.to_dict(),
        "variants": [_variant(variant, data[variant.name], runs[variant.name]) for variant in settings.variants],
        "runs": [{"variant": r.variant.name, "seed": r.seed, "history": r.history()} for r in everything],
        "steps": results,
    }
    study = Study(place, found)
    study.write(written)
    save_course(cast("StudyRecord", found), written / "figures")
    for name, comparison in study.comparisons.items():
        save_figures(comparison, written / "figures" / name)
    return study


def check(settings: Settings, folder: Path, *, needs_device: bool = True) -> None:
    """Find what would stop a study late.  Raises BadArgument."""
    known = [measure.name for measure in measures()]
    for name in settings.compare.measures:
        if name not in known:
            raise BadArgument(f"compare.measures: no measure {name!r}{among(name, known)}")
    for variant in settings.variants:
        maker(located(variant, folder).network)
        device = variant.training.device
        present = {"cpu": True, "mps": torch.backends.mps.is_available()}.get(device, torch.cuda.is_available())
        if needs_device and not present:
            raise BadArgument(f"training.device: there is no {device!r} here; cpu is always there")


def _workers(settings: Settings) -> int:
    """Return how many networks to train at once: as many as there are cores, one on a GPU."""
    if any(variant.training.device != "cpu" for variant in settings.variants):
        return 1
    threads = max(variant.training.threads for variant in settings.variants)
    return max(1, (os.cpu_count() or 1) // threads)


@dataclass(frozen=True)
class _Step:
    """A piece of a study's results: what kind, of which variants, what it is made from, and how."""

    kind: str
    variants: tuple[str, ...]
    made_from: dict[str, Any]
    make: Callable[[Path], Any]

    @property
    def name(self) -> str:
        """The name of its folder."""
        return "-".join([self.kind, *(name for name in self.variants if name != MAIN)])


def _steps(settings: Settings, runs: dict[str, list[Run]], data: dict[str, Data]) -> Iterator[_Step]:
    """Yield everything that is to be compared."""
    wanted = settings.compare

    def step(kind: str, names: tuple[str, ...], make: Callable[[Path], Any]) -> _Step:
        trained = [json.loads(run.made_from) for name in names for run in runs[name]]
        made_from = {"version": VERSION, "compare": wanted.model_dump(mode="json"), "runs": trained}
        return _Step(kind, names, made_from, make)

    for variant in settings.variants:
        name = variant.name
        own = settings, runs[name], data[name]
        yield step("seeds", (name,), partial(_seeds, *own))
        if wanted.epochs:
            yield step("epochs", (name,), partial(_epochs, *own))
        if wanted.alignment:
            yield step("alignment", (name,), partial(_alignment, *own))
    for a, b in wanted.across:
        yield step("across", (a, b), partial(_across, settings, runs[a], runs[b], data[a]))


def _seeds(settings: Settings, runs: list[Run], data: Data, folder: Path) -> dict[str, Any]:
    return _compared(steps.seeds_compared(settings, runs, data), settings, folder)


def _epochs(settings: Settings, runs: list[Run], data: Data, _: Path) -> dict[str, Any]:
    return {"rows": steps.over_epochs(settings, runs, data)}


def _alignment(settings: Settings, runs: list[Run], data: Data, _: Path) -> dict[str, Any]:
    return steps.alignment(settings, runs, data)


def _across(settings: Settings, a: list[Run], b: list[Run], data: Data, folder: Path) -> dict[str, Any]:
    return _compared(steps.across(settings, a, b, data), settings, folder)


def _compared(comparison: Comparison, settings: Settings, folder: Path) -> dict[str, Any]:
    comparison.write_results(folder)
    block = next((m for m in comparison.matrices if m.name == steps.BLOCKS_BY), None)
    table = steps.tabulated(comparison, settings.compare)
    return {"rows": table, "blocks": None if block is None else steps.blocks(block)}


def _kept(folder: Path, step: _Step, which: str) -> dict[str, Any]:
    """Return a step's results, made now unless they were made before from the same."""
    path = folder / STEP
    if path.is_file():
        before, made_from = read_step(path)
        if made_from == step.made_from:
            return cast("dict[str, Any]", before)
        path.unlink()
    announce(f"comparing: {step.name} ({which})")
    folder.mkdir(parents=True, exist_ok=True)
    found = {"name": step.name, "kind": step.kind, "variants": list(step.variants), **step.make(folder)}
    write_text(path, json.dumps({**found, "made_from": step.made_from}, allow_nan=False, indent=1) + "\n")
    return found


def _variant(variant: Variant, data: Data, runs: list[Run]) -> dict[str, Any]:
    """Return what a variant is, and how its accuracy went over the epochs, with intervals over seeds."""
    histories = [run.history() for run in runs]
    names = ("test_accuracy", "test_loss", "train_accuracy", "train_loss")
    return {
        "name": variant.name,
        "data": data.words,
        "network": variant.network.name,
        "epochs": [
            {"epoch": epochs[0]["epoch"]}
            | {name: over_seeds([e[name] for e in epochs]).to_dict() for name in names if name in epochs[0]}
            for epochs in zip(*histories, strict=True)
        ],
    }
