"""The results of a comparison, for each pair of layers and for all of them, and its files."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .. import __about__
from .._files import Path_, write_text, writing
from .._plotting import axes_for
from .._values import data_frame
from ..alignment import Universality
from ..errors import SpanmatchError, among
from ..interventions import Transplant
from ..moments.moments import Moments
from ..moments.pairs import Pair
from ..moments.provenance import network_and_layer
from ..similarity import LayerMatrix, matrices_of, measures
from .pair_result import PairResult

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from ..schema import ComparisonRecord
    from .thumbnails import Inputs


@dataclass(frozen=True, eq=False)
class Comparison:
    """A comparison of networks: a sequence of `PairResult`s, with the moments that they were
    computed from.
    """

    pairs: tuple[PairResult, ...]
    """One result for each pair of layers."""
    eps: tuple[float, ...]
    """Values of eps that tables show. The profiles hold every eps."""
    moments: Moments = field(repr=False)
    """The moments of all layers."""
    universality: tuple[Universality, ...] = field(default=(), repr=False)
    """One result for every layer of more than two networks."""
    matrices: tuple[LayerMatrix, ...] = field(default=(), repr=False)
    """Measures of all layers against all, if they were paired."""
    transplants: tuple[Transplant, ...] = field(default=(), repr=False)
    """Transplants to show with the rest; add them with `dataclasses.replace`."""
    inputs: Inputs | None = field(default=None, repr=False)
    """What the examples look like, for the report."""
    notes: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Notes for the report, by title."""

    def __len__(self) -> int:
        return len(self.pairs)

    def __iter__(self) -> Iterator[PairResult]:
        return iter(self.pairs)

    def __getitem__(self, key: int | str | tuple[str, str]) -> PairResult:
        """Return the result of a pair of layers.

        Parameters
        ----------
        key : int, str or tuple of str
            Its position, its name, its layer's name, or the names of both layers.

        Returns
        -------
        PairResult

        Raises
        ------
        SpanmatchError
            If there is no such pair, or several.
        """
        if isinstance(key, int):
            return self.pairs[key]
        by_layers = {(pair.x_layer, pair.y_layer): pair for pair in self.pairs}
        if isinstance(key, tuple):
            if key not in by_layers:
                raise SpanmatchError(f"no pair {key!r}; there are {', '.join(map(str, list(by_layers)[:5]))}")
            return by_layers[key]
        matching = [pair for pair in self.pairs if key == pair.name] or [p for p in self.pairs if key == p.layer]
        if len(matching) != 1:
            names = [pair.name for pair in matching or self.pairs]
            several = f"{len(matching)} pairs have the layer {key!r}; give one of their names"
            raise SpanmatchError(f"{several if matching else f'no pair {key!r}'}{among(key, names)}")
        return matching[0]

    @property
    def networks(self) -> list[str]:
        """The names of the networks, in their original order."""
        return list(dict.fromkeys(network_and_layer(layer)[0] for layer in self.moments.layers))

    def matrix(self, name: str) -> LayerMatrix:
        """Return one measure of every two layers that were paired.

        Parameters
        ----------
        name : str
            The measure's name; see `sm.measures()`.

        Returns
        -------
        LayerMatrix

        Raises
        ------
        SpanmatchError
            If there is no such measure, or it is not defined for any pair.

        Notes
        -----
        Cost: one evaluation of the measure for each pair, or two if it is not symmetric.
        """
        known = {measure.name: measure for measure in measures()}
        if name not in known:
            raise SpanmatchError(f"no measure {name!r}{among(name, known)}")
        return matrices_of(self.moments, [known[name]])[0]

    def to_frame(self) -> pd.DataFrame:
        """Return a data frame with one row for each pair of layers.

        Returns
        -------
        pandas.DataFrame

        Raises
        ------
        SpanmatchError
            If pandas is not installed.
        """
        return data_frame("comparison.to_frame", [pair.row(self.eps) for pair in self.pairs])

    def to_dict(self) -> ComparisonRecord:
        """Return everything as plain Python values, as comparison.json has it."""
        from .thumbnails import inputs_of  # what files need is loaded when they are written

        rows = [pair.provenance.rows for pair in self.pairs]
        first = self.pairs[0].profile.provenance
        return {
            "format": "spanmatch.comparison",
            "version": 7,
            "spanmatch": __about__.VERSION,
            "networks": self.networks,
            "eps": list(self.eps),
            "rows": [min(rows), max(rows)],
            "centred": first.centred,
            "method": first.method,
            "notes": dict(self.notes),
            "universality": [layer.to_dict() for layer in self.universality],
            "matrices": [matrix.to_dict() for matrix in self.matrices],
            "transplants": [transplant.to_dict() for transplant in self.transplants],
            "inputs": inputs_of(self.moments, self.inputs) if self.moments.keeps_top else None,
            "pairs": [pair.to_dict(self.eps, self._pair_of(pair)) for pair in self.pairs],
        }

    def _pair_of(self, result: PairResult) -> Pair | None:
        """Return the moments of a pair that has simple matches, else None."""
        return self.moments.pair(result.x_layer, result.y_layer) if result.simple else None

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw s(eps) of every pair of layers, from light to dark by depth.

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
        ax = axes_for("comparison.plot", ax)
        from matplotlib import colormaps

        colours = colormaps["viridis_r"](np.linspace(0.15, 1, len(self.pairs)))
        for pair, colour in zip(self.pairs, colours, strict=True):
            pair.profile.plot(ax, label=pair.name, color=colour)
        ax.legend()
        return ax

    def report(self, path: Path_) -> Path:
        """Write the report, a single self-contained HTML file.

        Parameters
        ----------
        path : str or Path
            The file.

        Returns
        -------
        Path

        Raises
        ------
        SpanmatchError
            If the file cannot be written.
        """
        from ..report import render

        write_text(path, render(self.to_dict()))
        return Path(path)

    def save(self, folder: Path_) -> Path:
        """Write comparison.json, the tables as CSV, moments.safetensors and report.html.

        Parameters
        ----------
        folder : str or Path
            Where to write.

        Returns
        -------
        Path
            The folder.

        Raises
        ------
        SpanmatchError
            If the files cannot be written, or another process is writing there. Earlier results are
            then kept.
        """
        with writing(folder) as written:
            self._write(written)
            self.moments.save(written / "moments.safetensors")
        return Path(folder)

    def write_results(self, folder: Path_) -> Path:
        """Write the files of `save` without the moments, which can be large.

        The tables are levels.csv and alignment.csv; with content also clusters.csv, matrix.csv,
        measures.csv, simple.csv, sparse.csv, transplants.csv and universality.csv.

        Parameters
        ----------
        folder : str or Path
            Where to write.

        Returns
        -------
        Path
            The folder.

        Raises
        ------
        SpanmatchError
            As `save` does.
        """
        with writing(folder) as written:
            self._write(written)
        return Path(folder)

    def _write(self, folder: Path) -> None:
        """Write all files but the moments."""
        from ..report import render

        data = self.to_dict()
        write_text(folder / "comparison.json", json.dumps(data, allow_nan=False, indent=1) + "\n")
        for name, text in self._tables().items():
            write_text(folder / name, text)
        write_text(folder / "report.html", render(data))

    def _tables(self) -> dict[str, str]:
        """Return the tables as CSV, by file name."""
        from . import csv_tables

        return csv_tables.tables_of(self.pairs, self.matrices, self.transplants, self.universality)
