"""The results of a comparison, for each pair of layers and for all of them, and its files."""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from .. import __about__
from .._defaults import EPS
from .._display import Displayed
from .._files import Path_, write_text, writing
from .._plotting import (
    axes_for,
    beside,
    depth_colours,
    depth_legend,
    label,
    legend,
    name_ticks,
    reach_of_ends,
    series_style,
)
from .._values import data_frame
from ..alignment import Universality
from ..errors import BadArgument, SpanmatchError, among
from ..evidence import Significance, significance
from ..evidence.null_pairing import Statistic
from ..evidence.permutation import PERMUTATIONS
from ..evidence.permutations import Groups
from ..interventions import Transplant
from ..moments.moments import Moments
from ..moments.pairs import Pair
from ..moments.provenance import network_and_layer
from ..similarity import Correspondence, LayerMatrix, NetworkScore, correspondence_of, network_score
from . import csv_tables
from .changes import Changes, are_near
from .pair_result import PairResult
from .pairing import Match, checked_similarity, matrix_of, named_measure, networks_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from ..schema import ComparisonRecord, CorrespondenceRecord
    from .thumbnails import Inputs


MOMENTS = "moments.safetensors"
"""The file of the moments in the folder of a comparison."""
SOME_FILES = (MOMENTS, *csv_tables.OTHERS)
"""Files that some comparisons have, and others have not."""


Row = tuple[float, float, float, float]
"""A value, the ends of its interval, and its value under the null."""


def shares_by_layer(pairs: Sequence[PairResult], eps: float) -> tuple[list[Row], str]:
    """Return s(eps) of each pair, and what it is in words."""
    corrected = [float(pair.corrected_similarity([eps])[0]) for pair in pairs]
    in_sample = [float(pair.similarity([eps])[0]) for pair in pairs]
    is_estimated = bool(np.isfinite(corrected).all())
    nulls = [float(pair.null_similarity([eps])[0]) for pair in pairs]
    values = corrected if is_estimated else in_sample
    words = f"s({eps:g}), {'estimated for the population' if is_estimated else 'in sample'}"
    return [(value, np.nan, np.nan, null) for value, null in zip(values, nulls, strict=True)], words


def measured_by_layer(pairs: Sequence[PairResult], name: str) -> tuple[list[Row], str]:
    """Return a measure of each pair, and its name.  Raises SpanmatchError if there is no such measure."""
    found = [pair.measure(named_measure(name).name) for pair in pairs]
    return [(one.value, one.low, one.high, one.null_value) for one in found], name


@dataclass(frozen=True, eq=False, repr=False)
class Comparison(Displayed):
    """A comparison of networks: a sequence of `PairResult`s, with the moments that they were
    computed from.

    Examples
    --------
    >>> import numpy as np
    >>> import spanmatch as sm
    >>> X, noise = np.random.default_rng(0).standard_normal((2, 500, 4))
    >>> networks = {"a": {"fc1": X, "fc2": X**2}, "b": {"fc1": X + noise, "fc2": X**2}}
    >>> comparison = sm.compare(networks, evidence=False)
    >>> len(comparison), comparison.networks
    (2, ['a', 'b'])
    >>> comparison["fc1"].provenance.rows
    500
    """

    pairs: tuple[PairResult, ...]
    """One result for each pair of layers."""
    eps: tuple[float, ...]
    """Values of eps that tables show. The profiles hold every eps."""
    moments: Moments = field(repr=False)
    """The moments of all layers."""
    eps_from_levels: bool = False
    """Whether eps were chosen from the levels, because s(eps) is 0 or 1 at all default values."""
    match: Match | Literal["given"] = "name"
    """How layers were paired; "given" if pairs were listed."""
    measure: str = "debiased cka"
    """The measure of counterparts."""
    not_compared: tuple[str, ...] = field(default=(), repr=False)
    """The layers that are in no pair of this comparison; empty if pairs were listed."""
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
        return networks_of(self.moments)

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
        if self.knows_all_pairs:  # else the matrices may be of other moments
            for matrix in self.matrices:
                if matrix.name == name:
                    return matrix
        return matrix_of(self.moments, name)

    def correspondence(self, measure: str | None = None) -> Correspondence:
        """Return each layer with its counterpart, their similarity, and its margin to the next best.

        Parameters
        ----------
        measure : str, optional
            The measure's name; by default that of the comparison.

        Returns
        -------
        Correspondence
            One `Counterpart` for each pair of layers that was compared. Margins are known with
            pairs="all" and match="best", nan otherwise.

        Raises
        ------
        SpanmatchError
            If there is no such measure, it is a distance, or it is not defined for any pair.

        Notes
        -----
        Cost: one evaluation of the measure for each pair of which there are moments.
        """
        return correspondence_of(
            self.matrix(checked_similarity(measure or self.measure)), [(p.x_layer, p.y_layer) for p in self.pairs]
        )

    def score(self, measure: str | None = None, networks: tuple[str, str] | None = None) -> NetworkScore:
        """Return scores of two networks: best counterparts, the best monotone path, the soft coupling.

        Parameters
        ----------
        measure : str, optional
            The measure's name; by default that of the comparison.
        networks : tuple of two strs, optional
            Their names; needed if there are more than two.

        Returns
        -------
        NetworkScore

        Raises
        ------
        SpanmatchError
            If not all layers were compared with all: use pairs="all" or match="best". Also if the
            measure is a distance, or not defined for a pair, or it is not clear which networks.
        """
        return network_score(self.matrix(checked_similarity(measure or self.measure)), *self._two_networks(networks))

    def significance(
        self,
        measure: str | Statistic | None = None,
        permutations: int = PERMUTATIONS,
        groups: Groups = None,
        seed: int = 0,
        *,
        alpha: float = 0.05,
    ) -> Significance:
        """Return a measure of all pairs of layers, with p-values adjusted for their number.

        Parameters
        ----------
        measure : str or callable, optional
            The name of one of `sm.measures()`, or a function of a pair; by default the measure of the
            comparison.
        permutations, groups, seed, alpha
            As of `sm.permutation_test`; the permutations are the same for all pairs of layers.

        Returns
        -------
        Significance
            One p-value for each pair of layers of which there are moments, alone and adjusted for the
            maximum over all pairs.

        Raises
        ------
        SpanmatchError
            If there is no such measure, no sample was kept, or the test is refused for all pairs.
        """
        name = self.measure if measure is None else measure
        chosen = named_measure(name) if isinstance(name, str) else name
        return significance(self.moments, chosen, permutations, groups, seed, alpha=alpha)

    def changes(self, networks: tuple[str, str] | None = None) -> Changes:
        """Return what changed between two networks that are nearly the same.

        Parameters
        ----------
        networks : tuple of two strs, optional
            Their names; needed if there are more than two.

        Returns
        -------
        Changes
            One `LayerChange` for each pair of layers of these networks, with columns that resolve
            small differences.

        Raises
        ------
        SpanmatchError
            If it is not clear which networks, or no layers of them were compared.
        """
        x, y = self._two_networks(networks)
        layers = [pair.change for pair in self._pairs_of(x, y)]
        if not layers:
            raise SpanmatchError(f"changes: no layers of {x!r} and {y!r} were compared")
        return Changes(x, y, tuple(layers))

    def near_networks(self) -> list[Changes]:
        """Return what changed between every two networks for which s(eps) does not show it.

        Returns
        -------
        list of Changes
            Of two networks with an identical layer; or with, in every layer, all neurons that are not
            silent in the match at every default eps (or those given), and CKA of 0.95 or more.
        """
        eps = EPS if self.eps_from_levels else self.eps
        near = []
        for x, y in combinations(self.networks, 2):
            pairs = self._pairs_of(x, y)
            if pairs:
                changes = Changes(x, y, tuple(pair.change for pair in pairs))
                if are_near(changes, [pair.profile for pair in pairs], eps):
                    near.append(changes)
        return near

    @property
    def knows_all_pairs(self) -> bool:
        """Whether there are moments of all layers of every two networks, of which some have several."""
        by_network = Counter(network_and_layer(layer)[0] for layer in self.moments.layers)
        needed = sum(by_network[x] * by_network[y] for x, y in combinations(by_network, 2))
        known = sum(network_and_layer(x)[0] != network_and_layer(y)[0] for x, y in self.moments.pairs)
        return known == needed > len(list(combinations(by_network, 2)))

    @property
    def has_counterparts(self) -> bool:
        """Whether counterparts say more than layers' names: names differ, or all pairs are known."""
        return self.knows_all_pairs or any(
            network_and_layer(pair.x_layer)[1] != network_and_layer(pair.y_layer)[1] for pair in self.pairs
        )

    @cached_property
    def scores(self) -> tuple[NetworkScore, ...]:
        """The scores of every two networks by the measure of the comparison, where all layers were
        compared with all; none of two networks where it is not defined for a pair of layers.
        """
        scores = []
        for networks in combinations(self.networks, 2) if self.knows_all_pairs else ():
            with contextlib.suppress(SpanmatchError):
                scores.append(self.score(networks=networks))
        return tuple(scores)

    def _pairs_of(self, x: str, y: str) -> list[PairResult]:
        """Return the results of the pairs of two networks."""
        return [p for p in self.pairs if (p.provenance.x_network, p.provenance.y_network) in ((x, y), (y, x))]

    def _two_networks(self, networks: tuple[str, str] | None) -> tuple[str, str]:
        """Return the names of two networks, by default of the only two."""
        listed = ", ".join(map(repr, self.networks))
        if networks is None and len(self.networks) != 2:
            raise BadArgument(f"networks: there is {listed}; give networks=(one, another)")
        x, y = self.networks if networks is None else networks
        if x == y or x not in self.networks or y not in self.networks:
            raise BadArgument(f"networks={networks!r}: give two of {listed}")
        return x, y

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

    def _summary(self) -> str:
        eps = self.eps[len(self.eps) // 2]
        shares = [float(pair.profile.similarity(eps)) for pair in self.pairs]
        pairs = "1 pair" if len(self) == 1 else f"{len(self)} pairs"
        return (
            f"of {len(self.networks)} networks ({', '.join(self.networks)}): {pairs} of layers, "
            f"s({eps:g}) from {min(shares):.3f} to {max(shares):.3f}"
        )

    def _records(self) -> list[dict[str, object]]:
        columns = [f"{estimate}s({eps:g})" for eps in self.eps[-3:] for estimate in ("", "null ")]
        columns += ["debiased cka", "procrustes", "adjusted linear regression"]
        rows = [pair.row(self.eps) for pair in self.pairs]
        return [
            {"pair": pair.name} | {column: row[column] for column in columns}
            for pair, row in zip(self.pairs, rows, strict=True)
        ]

    def to_dict(self) -> ComparisonRecord:
        """Return everything as plain Python values, as comparison.json has it."""
        from .thumbnails import inputs_of  # what files need is loaded when they are written

        rows = [pair.provenance.rows for pair in self.pairs]
        first = self.pairs[0].profile.provenance
        return {
            "format": "spanmatch.comparison",
            "version": 9,
            "spanmatch": __about__.VERSION,
            "networks": self.networks,
            "eps": list(self.eps),
            "rows": [min(rows), max(rows)],
            "eps_from_levels": self.eps_from_levels,
            "match": self.match,
            "not_compared": list(self.not_compared),
            "correspondence": self._correspondence_record(),
            "scores": [score.to_dict() for score in self.scores],
            "changes": [changes.to_dict() for changes in self.near_networks()],
            "centred": first.centred,
            "method": first.method,
            "notes": dict(self.notes),
            "universality": [layer.to_dict() for layer in self.universality],
            "matrices": [matrix.to_dict() for matrix in self.matrices],
            "transplants": [transplant.to_dict() for transplant in self.transplants],
            "inputs": inputs_of(self.moments, self.inputs) if self.moments.keeps_top else None,
            "pairs": [pair.to_dict(self.eps, self._pair_of(pair)) for pair in self.pairs],
        }

    def _correspondence_record(self) -> CorrespondenceRecord | None:
        """Return counterparts as plain values; None if they say no more than names, or are refused."""
        counterparts = self.counterparts
        return None if counterparts is None else counterparts.to_dict()

    @cached_property
    def counterparts(self) -> Correspondence | None:
        """The correspondence; None if it says no more than layers' names, or is refused for all."""
        if not self.has_counterparts:
            return None
        try:
            return self.correspondence()
        except SpanmatchError:
            return None

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
        for pair, colour in zip(self.pairs, depth_colours(len(self.pairs)), strict=True):
            pair.profile.plot(ax, label=pair.name, color=colour)
        depth_legend(ax, [pair.name for pair in self.pairs])
        label(ax, title=" and ".join(self.networks))
        return ax

    def plot_layers(self, ax: Axes | None = None, *, of: float | str | None = None) -> Axes:
        """Draw one quantity by layer, with its interval (bars) and its value under the null (dotted).

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; by default new axes.
        of : float or str, optional
            An eps, for s(eps); or the name of a measure; by default the middle one of the comparison's
            eps. s(eps) is that of the population if it is estimated for all pairs, else in sample.

        Returns
        -------
        matplotlib.axes.Axes

        Raises
        ------
        SpanmatchError
            If there is no such measure, an eps is outside [0, 1), or matplotlib is not installed.
        """
        of = self.eps[len(self.eps) // 2] if of is None else of
        rows, words = measured_by_layer(self.pairs, of) if isinstance(of, str) else shares_by_layer(self.pairs, of)
        ax = axes_for("comparison.plot_layers", ax)
        names = list(dict.fromkeys(network_and_layer(pair.x_layer)[1] for pair in self.pairs))
        of_networks: dict[str, list[tuple[int, float, float, float, float]]] = {}
        for pair, row in zip(self.pairs, rows, strict=True):
            networks = f"{pair.provenance.x_network} and {pair.provenance.y_network}"
            of_networks.setdefault(networks, []).append((names.index(network_and_layer(pair.x_layer)[1]), *row))
        for k, (networks, found) in enumerate(of_networks.items()):
            place, value, low, high, null = np.array(found).T
            place = beside(place, k, len(of_networks))
            ax.errorbar(place, value, reach_of_ends(value, low, high), capsize=2, label=networks, **series_style(k))
            if np.isfinite(null).any():
                faint = {"markerfacecolor": "white", "linestyle": ":", "alpha": 0.6, "label": f"{networks}, null"}
                ax.plot(place, null, **series_style(k) | faint)
        name_ticks(ax, names)
        ax.set(xlim=(-0.5, len(names) - 0.5))
        label(ax, "layer", words)
        legend(ax)
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
        from ..report import render, show

        show(render(self.to_dict()), path, height)

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
        with writing(folder, replaces=SOME_FILES) as written:
            self._write(written)
            self.moments.save(written / MOMENTS)
        return Path(folder)

    def write_results(self, folder: Path_) -> Path:
        """Write the files of `save` without the moments, which can be large.

        The tables are similarity.csv, measures.csv, levels.csv and alignment.csv; with content also
        changes.csv, clusters.csv, correspondence.csv, matrix.csv, simple.csv, sparse.csv,
        transplants.csv and universality.csv.

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
        with writing(folder, replaces=SOME_FILES) as written:
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
        return csv_tables.tables_of(
            self.pairs,
            self.eps,
            self.matrices,
            self.transplants,
            self.universality,
            self.counterparts,
            self.near_networks(),
        )
