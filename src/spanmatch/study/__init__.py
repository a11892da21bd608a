"""Studies: networks that are trained from seeds, or given, and compared.  PyTorch is loaded when one is run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .._files import Path_
from .result import Study, needs_torch
from .seed_intervals import Spread, over_seeds, shares_over_seeds
from .weight_alignment import misalignment

if TYPE_CHECKING:
    from .settings import Settings

__all__ = ["DEMO", "Spread", "Study", "dry_run", "misalignment", "over_seeds", "run_study", "shares_over_seeds"]

DEMO = Path(__file__).with_name("demo.toml")
"""The study that `spanmatch demo` runs, with comments; `spanmatch study --init` writes it under another name."""


def run_study(settings: Settings | Path_, out: Path_ | None = None, workers: int | None = None) -> Study:
    """Run a study to its end, from where it was stopped, and return its results.

    Parameters
    ----------
    settings : path or Settings
        A TOML file (see docs/studies.md), or settings read from one.
    out : path, optional
        The folder of the results, by default the one that the settings name.
    workers : int, optional
        How many networks to train at once, by default as many as there are cores, or one on a GPU. The results do not
        depend on it.

    Returns
    -------
    Study
        The results, which are also in the folder.

    Raises
    ------
    BadArgument
        If the settings are wrong.
    SpanmatchError
        If data are missing, or a run fails. Finished work is kept, and is not repeated when the study is run again.

    Notes
    -----
    Networks are trained in processes that import the calling script: in a script, call this function under
    `if __name__ == "__main__":`.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import spanmatch as sm
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "small.toml").write_text('''
    ... name = "small"
    ... seeds = [0, 1]
    ... data.max_examples = 60
    ... network = { name = "mlp", options = { widths = [4] } }
    ... training.epochs = 1
    ... compare.evidence = false
    ... ''')
    >>> study = sm.run_study(folder / "small.toml", folder / "small", workers=1)
    >>> [row["layer"] for row in study.to_frame().to_dict("records")][:1]
    ['fc1']
    """
    needs_torch()
    from .pipeline import run_pipeline

    return run_pipeline(settings, out, workers)


def dry_run(settings: Settings | Path_) -> list[str]:
    """Check a study without training it, and return in words what it will do.

    Every network is made and trained for one step, or loaded if it is trained already, and every layer is captured.

    Parameters
    ----------
    settings : path or Settings
        A TOML file, or settings read from one.

    Returns
    -------
    list of str
        Lines of text: networks, data, layers, and the memory that the comparison needs.

    Raises
    ------
    BadArgument, SpanmatchError
        For anything that would stop the study, except a missing GPU and missing data of networks to train.
    """
    needs_torch()
    from .dry_runs import dry_run as run

    return run(settings)
