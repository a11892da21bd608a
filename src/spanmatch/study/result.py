"""The results of a study, as they stand in its folder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .._display import Displayed
from .._files import Path_, write_text, writing
from .._plotting import axes_for, beside, label, legend, name_ticks, reach_of_ends, series_style, whole_ticks
from .._values import data_frame
from ..errors import BadArgument, among, missing_extra

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from torch import nn

    from ..schema import ComparedStep, ComparisonRecord, LayerRecord, SpreadRecord, StudyRecord, TransplantedRecord

    class ComparedLayer(LayerRecord):
        """A layer of a comparison of the study."""

        comparison: str


RESULTS, STEP = "study.json", "step.json"


def needs_torch() -> None:
    """Raise SpanmatchError if PyTorch is not installed, which reading results does not need."""
    try:
        import torch  # noqa: F401
    except ImportError as error:
        raise missing_extra("PyTorch", "study", "a study") from error


@dataclass(frozen=True, eq=False, repr=False)
class Study(Displayed):
    """The results of a study: everything is in its folder, and `results` is what study.json holds.

    Examples
    --------
    >>> import spanmatch as sm
    >>> study = sm.Study.load("digits-vgg")  # doctest: +SKIP
    >>> study.to_frame()  # doctest: +SKIP
    """

    folder: Path
    """The folder of the results."""
    results: StudyRecord = field(repr=False)
    """The contents of study.json: see schema.py."""

    @classmethod
    def load(cls, folder: Path_) -> Study:
        """Read the results of a study.

        Parameters
        ----------
        folder : path
            The folder of a study that has ended.

        Returns
        -------
        Study
            The results.

        Raises
        ------
        SpanmatchError
            If the folder holds no study.json, or a field of it is wrong.
        """
        from ..saved_results import read_study

        return cls(Path(folder), read_study(folder))

    @property
    def accuracy(self) -> dict[str, SpreadRecord]:
        """The final test accuracy of each variant: value, low, high (its interval), minimum, maximum."""
        return {variant["name"]: variant["epochs"][-1]["test_accuracy"] for variant in self.results["variants"]}

    @property
    def comparisons(self) -> dict[str, ComparisonRecord]:
        """The comparisons of whole networks, by name, as their comparison.json has them."""
        from ..saved_results import read_comparison

        names = [step["name"] for step in self._compared()]
        return {name: read_comparison(self.folder / "comparisons" / name) for name in names}

    def networks(self, variant: str | None = None, epoch: int | None = None, data: Path_ = ".") -> dict[str, nn.Module]:
        """Return the trained networks of a variant.

        Parameters
        ----------
        variant : str, optional
            The name of the variant, by default the first.
        epoch : int, optional
            An epoch whose weights were kept, by default the last.
        data : path, default "."
            The folder that paths of data are taken from, and those of networks that were trained before the study.

        Returns
        -------
        dict of str to torch.nn.Module
            The networks by name ("seed0", ...; or as the study's file names them), in evaluation mode.

        Raises
        ------
        SpanmatchError
            If the variant, its data or its weights are not there.
        """
        needs_torch()
        from .runs import networks_of

        return networks_of(self.folder, self.results["settings"], variant, epoch, Path(data))

    def rows(self) -> list[ComparedLayer]:
        """Return s(eps) and the measures of every layer: means over pairs of networks, with intervals."""
        return [{"comparison": step["name"], **row} for step in self._compared() for row in step["rows"]]

    def to_frame(self) -> pd.DataFrame:
        """Return `rows` as a data frame."""
        return data_frame("study.to_frame", self.rows())

    def plot(self, ax: Axes | None = None, *, quantity: str | None = None) -> Axes:
        """Draw one quantity by layer with its interval, a line for each comparison.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; by default new axes.
        quantity : str, optional
            As `rows` names it: "s(0.3)", "s(0.3) corrected", or the name of a measure; by default the
            middle one of the s(eps), corrected if there is one.

        Returns
        -------
        matplotlib.axes.Axes

        Raises
        ------
        SpanmatchError
            If there is no such quantity, or matplotlib is not installed.
        """
        rows = self.rows()
        known = list(dict.fromkeys(row["quantity"] for row in rows))
        corrected = [name for name in known if name.endswith(" corrected")]
        shares = corrected or [name for name in known if name.startswith("s(")] or known
        chosen = shares[len(shares) // 2] if quantity is None and shares else quantity
        if chosen not in known:
            raise BadArgument(f"no quantity {chosen!r}{among(str(chosen), known)}")
        ax = axes_for("study.plot", ax)
        layers = list(dict.fromkeys(row["layer"] for row in rows))
        names = list(dict.fromkeys(row["comparison"] for row in rows))
        for k, name in enumerate(names):
            of_step = [row for row in rows if row["comparison"] == name and row["quantity"] == chosen]
            value, low, high = (_numbers([row[key] for row in of_step]) for key in ("value", "low", "high"))
            places = beside([layers.index(row["layer"]) for row in of_step], k, len(names))
            ax.errorbar(places, value, reach_of_ends(value, low, high), capsize=2, label=name, **series_style(k))
        name_ticks(ax, layers)
        ax.set(xlim=(-0.5, len(layers) - 0.5))
        title = f"{self.results['name']}: means with intervals over {self.results['intervals_over']}"
        label(ax, "layer", chosen, title)
        legend(ax)
        return ax

    def plot_training(self, ax: Axes | None = None) -> Axes:
        """Draw the test accuracy over epochs, the mean over seeds with its interval, a line for each variant.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; by default new axes.

        Returns
        -------
        matplotlib.axes.Axes

        Raises
        ------
        SpanmatchError
            If matplotlib is not installed.
        """
        ax = axes_for("study.plot_training", ax)
        for k, variant in enumerate(self.results["variants"]):
            epochs = [epoch["epoch"] for epoch in variant["epochs"]]
            accuracy = [epoch["test_accuracy"] for epoch in variant["epochs"]]
            value, low, high = (_numbers([one[key] for one in accuracy]) for key in ("value", "low", "high"))
            (line,) = ax.plot(epochs, value, label=variant["name"], **series_style(k))
            ax.fill_between(epochs, low, high, color=line.get_color(), alpha=0.2, linewidth=0)
        whole_ticks(ax, "x")
        ax.set(ylim=(0, 1.02))
        label(ax, "epoch", "test accuracy", self.results["name"])
        legend(ax)
        return ax

    def _summary(self) -> str:
        return f"{self.results['name']}: {len(self.results['runs'])} networks, {len(self.results['steps'])} steps"

    def _records(self) -> list[dict[str, object]]:
        return [dict(row) for row in self.rows()]

    def report(self, path: Path_) -> Path:
        """Write the report, one HTML file that needs no other, and return its path."""
        from ..report import render_study

        write_text(path, render_study(self.results, self.comparisons))
        return Path(path)

    def show(self, path: Path_ | None = None, *, height: int = 800) -> None:
        """Show the report: in a notebook below the cell, from a script in the browser.

        Parameters
        ----------
        path : path, optional
            Where to save it. By default it is not saved in a notebook, and from a script in the folder of
            temporary files.
        height : int
            Height in a notebook, in pixels.

        Raises
        ------
        SpanmatchError
            If the file cannot be written.

        Warns
        -----
        SpanmatchWarning
            If no browser can be opened; it says where the file is.
        """
        from ..report import render_study, show

        show(render_study(self.results, self.comparisons), path, height)

    def save(self) -> Path:
        """Write study.json, runs.csv, layers.csv, report.html, and epochs.csv, alternatives.csv and transplants.csv as
        far as the study has them.

        Returns
        -------
        Path
            The folder of the results.

        Raises
        ------
        SpanmatchError
            If they cannot be written, or another process is writing there; earlier results then stay.
        """
        with writing(self.folder) as results_folder:
            self.write(results_folder)
        return self.folder

    def write(self, folder: Path) -> None:
        """Write what `save` does to another folder."""
        from ..comparison.csv_tables import csv_text

        write_text(folder / RESULTS, json.dumps(self.results, allow_nan=False, indent=1) + "\n")
        write_text(folder / "runs.csv", csv_text(self._history()))
        write_text(folder / "layers.csv", csv_text(self.rows()))
        for name, rows in (
            ("epochs.csv", self._followed()),
            ("alternatives.csv", self._alternatives()),
            ("transplants.csv", self._transplants()),
        ):
            if rows:
                write_text(folder / name, csv_text(rows))
        self.report(folder / "report.html")

    def _compared(self) -> list[ComparedStep]:
        """Return the steps that are comparisons of whole networks."""
        return [step for step in self.results["steps"] if step["kind"] == "seeds" or step["kind"] == "across"]

    def _history(self) -> list[dict[str, object]]:
        """Return the loss and accuracy of every network after every epoch."""
        columns = ("epoch", "train_loss", "train_accuracy", "test_loss", "test_accuracy")
        return [
            {"variant": run["variant"], "name": run["name"], "seed": run["seed"]}
            | {name: epoch.get(name) for name in columns}
            for run in self.results["runs"]
            for epoch in run["history"]
        ]

    def _followed(self) -> list[dict[str, object]]:
        """Return the quantities of every layer after every epoch at which training was followed."""
        return [
            {"variant": step["variants"][0], "epoch": row["epoch"], "layer": row["layer"], "quantity": row["quantity"]}
            | {f"own_{name}": value for name, value in row["own"].items()}
            | {f"between_{name}": value for name, value in row["between"].items()}
            for step in self.results["steps"]
            if step["kind"] == "epochs"
            for row in step["rows"]
        ]

    def _alternatives(self) -> list[dict[str, object]]:
        """Return the quantities of every layer with rows made in other ways."""
        return [
            {"variant": step["variants"][0], **row}
            for step in self.results["steps"]
            if step["kind"] == "alternatives"
            for row in step["rows"]
        ]

    def _transplants(self) -> list[dict[str, object]]:
        """Return the accuracy under each condition of every transplant, over pairs of networks."""
        return [
            {
                "comparison": step["name"],
                "layer": record["layer"],
                "neurons": record["neurons"],
                "eps": record["eps"],
                "matched": record["matched"]["value"],
                "condition": condition,
                **{f"accuracy_{name}": value for name, value in accuracy.items()},
                **_difference(record, condition),
            }
            for step in self._compared()
            for record in step["transplants"]
            for condition, accuracy in record["accuracy"].items()
        ]


def _numbers(values: Sequence[float | None]) -> NDArray[np.float64]:
    """Return an array; None as nan."""
    return np.array(values, dtype=np.float64)


def _difference(record: TransplantedRecord, condition: str) -> dict[str, float | None]:
    """Return by how much a transplant exceeds a condition, with its interval; None for what is no control of it."""
    spread = record["differences"].get(condition)
    return {
        "difference_value": None if spread is None else spread["value"],
        "difference_low": None if spread is None else spread["low"],
        "difference_high": None if spread is None else spread["high"],
    }
