"""The results of a study, as they stand in its folder."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from .._files import Path_, write_text, writing
from .._values import data_frame
from ..comparison.csv_tables import csv_text
from ..errors import missing_extra
from ..report import render_study
from ..saved_results import STUDY, read_comparison, read_study

if TYPE_CHECKING:
    import pandas as pd
    from torch import nn

    from ..schema import ComparisonRecord, StudyRecord

RESULTS, STEP = "study.json", "step.json"
FORMAT, VERSION = STUDY
WHOLE = ("seeds", "across")
"""Kinds of steps that are comparisons of whole networks."""


def needs_torch() -> None:
    """Raise SpanmatchError if PyTorch is not installed, which reading results does not need."""
    try:
        import torch  # noqa: F401
    except ImportError as error:
        raise missing_extra("PyTorch", "study", "a study") from error


@dataclass(frozen=True, eq=False)
class Study:
    """What a study found: everything is in its folder, and in `results` as study.json has it."""

    folder: Path
    results: dict[str, Any] = field(repr=False)

    @classmethod
    def load(cls, folder: Path_) -> Study:
        """Read a study's results.  Raises SpanmatchError if the folder holds none, or a field of theirs is wrong."""
        return cls(Path(folder), cast("dict[str, Any]", read_study(folder)))

    @property
    def accuracy(self) -> dict[str, dict[str, float]]:
        """The test accuracy of each variant at the end: value, low, high (an interval over seeds), least, most."""
        return {variant["name"]: variant["epochs"][-1]["test_accuracy"] for variant in self.results["variants"]}

    @property
    def comparisons(self) -> dict[str, ComparisonRecord]:
        """The comparisons of whole networks, by name, as their comparison.json has them."""
        compared = [step["name"] for step in self.results["steps"] if step["kind"] in WHOLE]
        return {name: read_comparison(self.folder / "comparisons" / name) for name in compared}

    def networks(self, variant: str | None = None, epoch: int | None = None, data: Path_ = ".") -> dict[str, nn.Module]:
        """Return the trained networks of a variant, by default the first, after an epoch that was kept, the last.

        Args: data, the folder that paths of data are taken from.
        Raises SpanmatchError if the variant, its data or its weights are not there.
        """
        needs_torch()
        from .runs import networks_of

        return networks_of(self.folder, self.results["settings"], variant, epoch, Path(data))

    def rows(self) -> list[dict[str, Any]]:
        """Return s(eps) and the measures of every layer: means over pairs of networks, with intervals over seeds."""
        compared = [step for step in self.results["steps"] if step["kind"] in WHOLE]
        return [{"comparison": step["name"], **row} for step in compared for row in step["rows"]]

    def to_frame(self) -> pd.DataFrame:
        """Return `rows` as a table."""
        return data_frame("study.to_frame", self.rows())

    def report(self, path: Path_) -> Path:
        """Write the page, one HTML file that needs nothing else, and return its path."""
        write_text(path, render_study(cast("StudyRecord", self.results), self.comparisons))
        return Path(path)

    def save(self) -> Path:
        """Write study.json, runs.csv, layers.csv, epochs.csv (where training was followed) and report.html.

        Raises SpanmatchError if they cannot be written, or another process is writing there; earlier results then stay.
        """
        with writing(self.folder) as written:
            self.write(written)
        return self.folder

    def write(self, folder: Path) -> None:
        """Write what `save` does to another folder."""
        write_text(folder / RESULTS, json.dumps(self.results, allow_nan=False, indent=1) + "\n")
        write_text(folder / "runs.csv", csv_text(self._history()))
        write_text(folder / "layers.csv", csv_text(self.rows()))
        if followed := self._followed():
            write_text(folder / "epochs.csv", csv_text(followed))
        self.report(folder / "report.html")

    def _history(self) -> list[dict[str, Any]]:
        columns = ("epoch", "train_loss", "train_accuracy", "test_loss", "test_accuracy")
        return [
            {"variant": run["variant"], "seed": run["seed"], **{name: epoch.get(name) for name in columns}}
            for run in self.results["runs"]
            for epoch in run["history"]
        ]

    def _followed(self) -> list[dict[str, Any]]:
        return [
            {"variant": step["variants"][0], "epoch": row["epoch"], "layer": row["layer"], "quantity": row["quantity"]}
            | {f"{of}_{name}": value for of in ("own", "between") for name, value in row[of].items()}
            for step in self.results["steps"]
            if step["kind"] == "epochs"
            for row in step["rows"]
        ]
