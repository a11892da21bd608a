"""The results of a benchmark of measures, as they stand in its folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .._display import Displayed
from .._files import Path_, write_text, writing
from .._plotting import X, Y, axes_for, heat_map, interval_row, label, name_ticks, size_for_rows
from .._values import data_frame

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from ..schema import BenchRecord

RESULTS = "bench.json"


@dataclass(frozen=True, eq=False, repr=False)
class Bench(Displayed):
    """How every measure does in tests with known answers; `results` is what bench.json holds.

    Examples
    --------
    >>> import spanmatch as sm
    >>> bench = sm.Bench.load("spanmatch-bench")  # doctest: +SKIP
    >>> bench.ranking()  # doctest: +SKIP
    """

    folder: Path
    """The folder of the results."""
    results: BenchRecord = field(repr=False)
    """The contents of bench.json: see schema.py."""

    @classmethod
    def load(cls, folder: Path_) -> Bench:
        """Read the results of a benchmark.

        Parameters
        ----------
        folder : path
            The folder of a benchmark that has ended.

        Returns
        -------
        Bench

        Raises
        ------
        SpanmatchError
            If the folder holds no bench.json, or a field of it is wrong.
        """
        from ..saved_results import read_bench

        return cls(Path(folder), read_bench(folder))

    def ranking(self) -> list[dict[str, object]]:
        """Return a row for each measure, the best mean rank first.

        Returns
        -------
        list of dict
            The measure; its mean rank over tests (1 the best) with its interval over tests; how often it
            is significantly better, or worse, than another measure; its scores by test, means over sets
            of networks, None where it has no score on one of them; and seconds for one pair of layers.
        """
        return [
            {
                "measure": measure["name"],
                "rank": measure["rank"]["value"],
                "rank_low": measure["rank"]["low"],
                "rank_high": measure["rank"]["high"],
                "won": measure["won"],
                "lost": measure["lost"],
                **self._scores(measure["name"]),
                "seconds": measure["seconds"],
            }
            for measure in self.results["measures"]
        ]

    def scores(self) -> list[dict[str, object]]:
        """Return a row for each measure, test and set of networks: the score, its interval and rank."""
        return [{name: value for name, value in score.items() if name != "details"} for score in self.results["scores"]]

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the mean rank of each measure over the tests with its interval, the best at the top.

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
        ranking = self.results["measures"]
        ax = axes_for("bench.plot", ax, size_for_rows(len(ranking)))
        for measure in ranking:
            value, low, high = (np.float64(measure["rank"][key]) for key in ("value", "low", "high"))
            colour = Y if measure["maximum_match"] else X
            interval_row(ax, measure["name"], value, low, high, color=colour)
        title = f"{len(self.results['tests'])} tests; orange: of the maximum match"
        label(ax, "mean rank over the tests with its interval, 1 is the best", title=title)
        return ax

    def plot_scores(self, ax: Axes | None = None) -> Axes:
        """Draw the score of each measure in each test as a heat map, means over sets of networks.

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
        tests = [test["name"] for test in self.results["tests"]]
        names = [measure["name"] for measure in self.results["measures"]]
        ax = axes_for("bench.plot_scores", ax, size_for_rows(len(names)))
        scores = [list(self._scores(name).values()) for name in names]
        heat_map(ax, np.array(scores, dtype=np.float64), "viridis", "score", aspect="auto")
        name_ticks(ax, tests)
        name_ticks(ax, names, "y")
        label(ax, title="scores; grey: not defined")
        return ax

    def to_frame(self) -> pd.DataFrame:
        """Return `ranking` as a data frame."""
        return data_frame("bench.to_frame", self.ranking())

    def report(self, path: Path_) -> Path:
        """Write the page, one HTML file that needs no other, and return its path."""
        from ..report import render_bench

        write_text(path, render_bench(self.results))
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
        from ..report import render_bench, show

        show(render_bench(self.results), path, height)

    def save(self) -> Path:
        """Write bench.json, ranking.csv, scores.csv and report.html.

        Returns
        -------
        Path
            The folder of the results.

        Raises
        ------
        SpanmatchError
            If they cannot be written, or another process is writing there; earlier results then stay.
        """
        from ..comparison.csv_tables import csv_text

        with writing(self.folder) as folder:
            write_text(folder / RESULTS, json.dumps(self.results, allow_nan=False, indent=1) + "\n")
            write_text(folder / "ranking.csv", csv_text(self.ranking()))
            write_text(folder / "scores.csv", csv_text(self.scores()))
            self.report(folder / "report.html")
        return self.folder

    def _scores(self, measure: str) -> Mapping[str, float | None]:
        """Return the score of a measure in each test, the mean over the ranked sets of networks."""
        ranked = {one["name"] for one in self.results["networks"] if one["ranked"]}
        counted = ranked or {one["name"] for one in self.results["networks"]}
        means: dict[str, float | None] = {}
        for test in self.results["tests"]:
            values = [
                score["value"]
                for score in self.results["scores"]
                if score["measure"] == measure and score["test"] == test["name"] and score["networks"] in counted
            ]
            known = [value for value in values if value is not None]
            means[test["name"]] = sum(known) / len(known) if known and len(known) == len(values) else None
        return means

    def _summary(self) -> str:
        results = self.results
        best = results["measures"][0]["name"]
        return (
            f"measures: {len(results['measures'])}, tests: {len(results['tests'])}, sets of networks: "
            f"{len(results['networks'])}; best mean rank: {best}"
        )

    def _records(self) -> list[dict[str, object]]:
        return self.ranking()
