"""Studies: networks trained from several seeds and compared, from one file.  PyTorch is loaded when one is run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .._files import Path_
from .result import Study, needs_torch
from .seed_intervals import Spread, over_seeds
from .weight_alignment import misalignment

if TYPE_CHECKING:
    from .settings import Settings

__all__ = ["DEMO", "Spread", "Study", "dry_run", "misalignment", "over_seeds", "run_study"]

DEMO = Path(__file__).with_name("demo.toml")
"""The study that `spanmatch demo` runs, with comments; `spanmatch study --init` writes it under another name."""


def run_study(settings: Settings | Path_, out: Path_ | None = None, workers: int | None = None) -> Study:
    """Run a study to its end, from where it was stopped, and return its results.

    Args:
        settings: a TOML file (see docs/studies.md), or settings read from one.
        out: folder of the results, by default what the file says.
        workers: how many networks to train at once, by default as many as there are cores, one on a GPU. The numbers
            do not depend on it.
    Raises BadArgument for settings that make no sense, SpanmatchError if data are missing or a run fails; what was done
    is kept, and goes on when the study is run again. Networks are trained in processes that import the calling script
    anew: call this under `if __name__ == "__main__":` there.
    """
    needs_torch()
    from .pipeline import conduct

    return conduct(settings, out, workers)


def dry_run(settings: Settings | Path_) -> list[str]:
    """Return in words what a study will do, having checked everything that can be without data and training.

    Raises BadArgument or SpanmatchError for anything that would stop the study, but for data or a GPU that are missing.
    """
    needs_torch()
    from .dry_runs import dry_run as run

    return run(settings)
