"""Levels of sparse features, component by component: features that are never active together, not even through others.

Spans of such features are orthogonal, so distances, levels and maximum matches are those of each
component alone: see docs/theory.md.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from .._files import Path_
from .._progress import tracked
from .._threads import as_many_as_help
from ..errors import SpanmatchError
from ..match.maximum import MatchProfile, levels_by_peeling, match_profile, reliability
from ..moments.memory_limit import limit_in_bytes
from ..moments.moments import Moments
from .by_feature import ByFeature
from .feature_layers import check_features, provenance_of
from .feature_rows import Array, Index, SparseFeatures
from .wide_component import LARGEST_WAVE, WideComponent

ROWS_AT_ONCE = 1 << 16
MOST_WARNINGS = 3
COPIES = 14
"""Matrices as large as the wider layer's Gram matrix that levels take."""


@dataclass(frozen=True, eq=False)
class Component:
    """Features of both layers that are connected by rows in which they are active together."""

    x: Index
    y: Index

    @property
    def nbytes(self) -> int:
        """The bytes that its moments and their levels take in memory."""
        p, q = len(self.x), len(self.y)
        return 8 * (p * p + q * q + p * q + COPIES * max(p, q) ** 2)


@dataclass(frozen=True, eq=False)
class ComponentLevels:
    """The levels of the features of a component, and how far they can be relied on."""

    x: Array
    y: Array
    resolution: float
    chance_distance: float
    warnings: tuple[str, ...]


def feature_profile(
    features: SparseFeatures,
    x: str,
    y: str,
    *,
    max_memory_gb: float | None = None,
    scratch: Path_ | None = None,
) -> MatchProfile:
    """Return the level of every sparse feature, which gives the maximum match at every eps.

    As `match_profile` of dense layers, for dictionaries that split into components: features of
    different components are never active in the same row, not even through others.

    Parameters
    ----------
    features : SparseFeatures
        The rows of both dictionaries.
    x, y : str
        Names of layers.
    max_memory_gb : float, optional
        The most memory that a component may take, in GB; by default half of the machine's. One that
        takes more is solved in files, in blocks of columns of this memory.
    scratch : str or path, optional
        An existing folder for these files, which are removed afterwards; by default the system's
        folder for temporary files. They take 8 (p + q)^2 bytes for p and q features.

    Returns
    -------
    MatchProfile
        The level of every feature; nan for dead ones. Not centred.

    Raises
    ------
    SpanmatchError
        If a layer is not there, or a component takes too much memory or disk even in files; the
        message says how many features it has.

    Notes
    -----
    Spans of features of different components are orthogonal, so that dist(v, S) depends on the
    features of S in the component of v alone, and the maximum match is the union of those of the
    components. Nothing is approximated. About the mean no dictionary splits.

    Cost: that of `match_profile` for each component. In files, levels are the same up to rounding,
    and the files are read and written about (p + q) / 100 times.

    References
    ----------
    .. [1] Wang et al., "Towards understanding learning representations: to what extent do different
       neural networks learn the same representation", NeurIPS 2018.

    Examples
    --------
    >>> import numpy as np
    >>> import scipy.sparse
    >>> import spanmatch as sm
    >>> X = scipy.sparse.block_diag([np.random.default_rng(0).random((100, 3))] * 2)
    >>> features = sm.SparseFeatures()
    >>> features.update({"a:sae": X, "b:sae": X.tocsr()[:, [5, 0, 1]]})
    >>> profile = sm.feature_profile(features, "a:sae", "b:sae")
    >>> profile.similarity(0.01)  # feature 5 of x is feature 0 of y; the others are not all there
    0.6666666666666666
    """
    check_features(features)
    x_rows, y_rows = features.matrix(x), features.matrix(y)
    components = components_of(x_rows, y_rows)
    limit = limit_in_bytes(max_memory_gb)
    x_by_feature, y_by_feature = ByFeature(x_rows, limit / 4), ByFeature(y_rows, limit / 4)
    levels = np.full(x_rows.shape[1], np.nan), np.full(y_rows.shape[1], np.nan)
    resolution, chance_distance, warnings = 0.0, 1.0, dict[str, None]()
    for component in tracked(components, "components"):
        if not len(component.x) or not len(component.y):  # the other side spans nothing
            levels[0][component.x] = levels[1][component.y] = 1.0
            continue
        rows = _rows_of(component, x_by_feature, y_by_feature)
        solved = _in_memory(*rows) if component.nbytes <= limit else _in_files(*rows, limit, scratch)
        levels[0][component.x], levels[1][component.y] = solved.x, solved.y
        resolution = max(resolution, solved.resolution)
        chance_distance = min(chance_distance, solved.chance_distance)
        warnings |= dict.fromkeys(solved.warnings)
    return MatchProfile(
        x_levels=levels[0],
        y_levels=levels[1],
        provenance=replace(provenance_of(features, x, y), centred=False, resolution=resolution),
        x_silent=tuple(features.dead(x).tolist()),
        y_silent=tuple(features.dead(y).tolist()),
        chance_distance=chance_distance,
        warnings=_first_of(list(warnings)),
    )


def _first_of(warnings: list[str]) -> tuple[str, ...]:
    """Return some warnings, and how many more components have."""
    more = [f"{len(warnings) - MOST_WARNINGS:,} more of other components"] if len(warnings) > MOST_WARNINGS else []
    return (*warnings[:MOST_WARNINGS], *more)


def components_of(x_rows: csr_array, y_rows: csr_array) -> list[Component]:
    """Return the components of the features that are active at all, in the order of their first features."""
    p, q = x_rows.shape[1], y_rows.shape[1]
    links = np.unique(np.concatenate([np.empty(0, dtype=np.int64), *_links(x_rows, y_rows)]))
    graph = csr_array((np.ones(len(links), np.int8), (links // (p + q), links % (p + q))), shape=(p + q, p + q))
    _, component = connected_components(graph, directed=False)
    active = np.zeros(p + q, dtype=bool)
    active[x_rows.indices], active[p + y_rows.indices] = True, True
    members = np.flatnonzero(active)
    members = members[np.argsort(component[members], kind="stable")]
    starts = np.flatnonzero(np.diff(component[members], prepend=-1))
    parts = np.split(members, starts[1:]) if len(members) else []
    return [Component(part[part < p], part[part >= p] - p) for part in parts]


def _links(x_rows: csr_array, y_rows: csr_array) -> Iterator[NDArray[np.int64]]:
    """Yield links, each once for some rows: the first active feature of a row with all others of it.

    Features of y are numbered after those of x. A link (f, g) is the number f (p + q) + g.
    """
    p, q = x_rows.shape[1], y_rows.shape[1]
    for start in range(0, x_rows.shape[0], ROWS_AT_ONCE):
        stop = min(start + ROWS_AT_ONCE, x_rows.shape[0])
        parts = []
        for rows, offset in ((x_rows, 0), (y_rows, p)):
            ends = rows.indptr[start : stop + 1]
            columns = rows.indices[ends[0] : ends[-1]].astype(np.int64) + offset
            parts.append((np.repeat(np.arange(stop - start), np.diff(ends)), columns))
        row, feature = (np.concatenate(both) for both in zip(*parts, strict=True))
        first = np.full(stop - start, p + q, dtype=np.int64)
        np.minimum.at(first, row, feature)
        yield np.unique(first[row] * (p + q) + feature)


def _rows_of(component: Component, x_by_feature: ByFeature, y_by_feature: ByFeature) -> tuple[csr_array, csr_array]:
    """Return the features of a component, (p, rows) and (q, rows), in the rows in which one of them is active."""
    x, y = x_by_feature.of(component.x), y_by_feature.of(component.y)
    active = np.zeros(x.shape[1], dtype=bool)
    active[x.indices], active[y.indices] = True, True
    place = np.cumsum(active, dtype=np.int32) - 1
    rows = int(active.sum())
    a, b = (csr_array((one.data, place[one.indices], one.indptr), shape=(one.shape[0], rows)) for one in (x, y))
    return a, b


def _in_memory(x: csr_array, y: csr_array) -> ComponentLevels:
    """Return the levels of features by rows, from moments."""
    moments = Moments(pairs=[("x:", "y:")], folds=1, null=False, sample=0, max_memory_gb=np.inf)
    moments._add_batch({"x:": x.T.tocsr(), "y:": y.T.tocsr()})
    profile = match_profile(moments.pair("x:", "y:"))
    return ComponentLevels(
        profile.x_levels, profile.y_levels, profile.resolution, profile.chance_distance, profile.warnings
    )


def _in_files(x: csr_array, y: csr_array, limit: float, scratch: Path_ | None) -> ComponentLevels:
    """Return the levels of features by rows, from files that are removed."""
    if scratch is not None and not Path(scratch).is_dir():
        raise SpanmatchError(f"scratch={str(scratch)!r}: no such folder")
    with tempfile.TemporaryDirectory(dir=scratch, prefix="spanmatch-") as folder:
        component = WideComponent.of(x, y, Path(folder), limit)
        with as_many_as_help(sum(component.neurons)):
            levels = levels_by_peeling(component, largest_wave=LARGEST_WAVE)
    chance_distance, warnings = reliability(x.shape[1], levels.dimensions, levels.resolution, "gram")
    return ComponentLevels(levels.x, levels.y, levels.resolution, chance_distance, warnings)
