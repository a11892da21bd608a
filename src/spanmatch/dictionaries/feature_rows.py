"""SparseFeatures: the sparse rows of dictionaries of features, from one pass over the data."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._display import Displayed
from .._files import TEMPORARY, Path_, read_json, write_text
from .._values import data_frame
from ..errors import SpanmatchError, among
from ..moments.backends import DeviceArray
from ..moments.batches import checked
from ..moments.example_ranges import checked_ids
from ..moments.sparse_rows import is_sparse
from .row_store import Column, ColumnInFile, ColumnInMemory, RowStore

if TYPE_CHECKING:
    import pandas as pd
    from scipy.sparse import csr_array

Array = NDArray[np.float64]
Index = NDArray[np.intp]
KIND, VERSION = "spanmatch.features", 1
STATE = "features.json"
LEAST_VARIANCE = 1e-9
"""The variance, relative to the mean square, below which a feature counts as constant: variances are
mean squares minus squared means, whose rounding is of this size."""
VALUES_AT_ONCE = 1 << 21
"""Values of a layer that are looked at at once."""


@dataclass(frozen=True)
class Activity:
    """How often and how strongly the features of a layer are active, over some rows."""

    rows: int
    active_rows: NDArray[np.int64]
    """(features,) in how many rows each is active."""
    mean: Array
    """(features,)"""
    deviation: Array
    """(features,) standard deviations; 0 for a feature that does not vary."""

    @classmethod
    def of(cls, rows: csr_array, chosen: NDArray[np.bool_] | None = None) -> Activity:
        """Return it for all rows, or those chosen."""
        n, p = (rows.shape[0] if chosen is None else int(chosen.sum())), rows.shape[1]
        total, squares, active_rows = np.zeros(p), np.zeros(p), np.zeros(p, dtype=np.int64)
        for start, stop in parts_of_rows(rows):
            ends = rows.indptr[start : stop + 1]
            columns, values = rows.indices[ends[0] : ends[-1]], rows.data[ends[0] : ends[-1]].astype(np.float64)
            if chosen is not None:
                kept = np.repeat(chosen[start:stop], np.diff(ends))
                columns, values = columns[kept], values[kept]
            total += np.bincount(columns, weights=values, minlength=p)
            squares += np.bincount(columns, weights=values * values, minlength=p)
            active_rows += np.bincount(columns, minlength=p)
        mean, mean_square = total / max(n, 1), squares / max(n, 1)
        variance = mean_square - mean**2
        variance[variance <= LEAST_VARIANCE * mean_square] = 0
        return cls(n, active_rows, mean, np.sqrt(variance))


def parts_of_rows(rows: csr_array) -> Iterator[tuple[int, int]]:
    """Yield ranges of rows that have few values together, or are one row."""
    start, n = 0, rows.shape[0]
    while start < n:
        stop = int(np.searchsorted(rows.indptr, rows.indptr[start] + VALUES_AT_ONCE, side="right")) - 1
        yield start, (stop := min(n, max(start + 1, stop)))
        start = stop


class SparseFeatures(Displayed):
    """The activations of dictionaries of sparse features, kept as sparse rows.

    For dictionaries of sparse autoencoders, transcoders or other sparse codes with tens of
    thousands of features, whose co-activations are too many to be kept as `Moments` are. All layers
    have the same rows.

    Parameters
    ----------
    folder : str or path, optional
        Where to keep the rows, in files that grow with each batch and are memory-mapped. If it has
        rows already, more are added to them: `rows` says how many there are. By default, rows are
        kept in memory.

    Raises
    ------
    SpanmatchError
        If the folder holds other files than these, or damaged ones.

    Notes
    -----
    Memory, or disk: 8 bytes for each active feature of a row, values being float32, 8 bytes a row, and
    4 for each layer of it. Values below 7e-46 are 0 in float32. A process that is stopped loses at
    most the batch that it was adding; after an error, the same batch can be added again.

    Examples
    --------
    >>> import numpy as np
    >>> import scipy.sparse
    >>> import spanmatch as sm
    >>> r = np.random.default_rng(0)
    >>> X = scipy.sparse.random_array((1000, 50), density=0.02, rng=r, format="csr")
    >>> features = sm.SparseFeatures()
    >>> for rows in np.split(np.arange(1000), 4):  # batches
    ...     features.update({"a:sae": X[rows], "b:sae": X[rows][:, ::-1]}, example_ids=rows)
    >>> features
    <SparseFeatures: 1,000 rows of a:sae (50), b:sae (50)>
    >>> len(features.dead("a:sae"))
    0
    """

    def __init__(self, folder: Path_ | None = None) -> None:
        self._folder = None if folder is None else Path(folder)
        self._stores: dict[str, RowStore] = {}
        self._ids: Column = ColumnInMemory("<i8")
        self._rows = 0
        self._activity: dict[str, Activity] = {}
        if self._folder is not None:
            self._ids = ColumnInFile(self._folder / "example_ids", "<i8")
            if self._folder.exists() and not self._folder.is_dir():
                raise SpanmatchError(f"{self._folder}: not a folder; give a folder, which may be new")
            if (self._folder / STATE).exists():
                self._open(self._folder)
            elif self._folder.exists() and not all(path.name.endswith(TEMPORARY) for path in self._folder.iterdir()):
                raise SpanmatchError(f"{self._folder}: has files, but no {STATE}; give a new or an empty folder")

    def _open(self, folder: Path) -> None:
        state: Any = read_json(folder / STATE, KIND, VERSION, "a folder of sm.SparseFeatures")
        try:
            self._rows = int(state["rows"])
            self._ids = ColumnInFile(folder / "example_ids", "<i8", **state["example_ids"])
            for number, layer in enumerate(state["layers"]):
                store = RowStore.in_files(folder, number, int(layer["features"]), layer["files"])
                self._stores[str(layer["name"])] = store
        except (KeyError, TypeError, ValueError) as error:
            raise SpanmatchError(f"{folder / STATE}: incomplete ({error!r})") from error

    @property
    def layers(self) -> dict[str, int]:
        """Names of the layers, with their numbers of features."""
        return {layer: store.features for layer, store in self._stores.items()}

    @property
    def rows(self) -> int:
        """The number of rows seen."""
        return self._rows

    @property
    def example_ids(self) -> NDArray[np.int64]:
        """(rows,) the example that each row is of, not to be changed."""
        ids = np.asarray(self._ids.array(), dtype=np.int64).view()
        ids.flags.writeable = False
        return ids

    @property
    def n_examples(self) -> int:
        """The number of examples seen."""
        return len(np.unique(self.example_ids))

    def update(self, batch: Mapping[str, DeviceArray], example_ids: ArrayLike | None = None) -> None:
        """Add a batch: the rows of all layers, which correspond.

        Parameters
        ----------
        batch : mapping of layers to matrices of shape (rows, features)
            The activations of each dictionary, none negative: sparse matrices of SciPy, sparse
            tensors of PyTorch, or dense arrays of any kind that `Moments.update` takes. Layers are
            named "network:layer".
        example_ids : array of shape (rows,), optional
            Whole numbers, 0 or more, the example that each row is of, such as the document of a
            token. By default each row is its own example, numbered as they come.

        Raises
        ------
        SpanmatchError
            With nothing added, if a value is negative or not finite, if layers have different
            numbers of rows, or if layers or widths are not those of the first batch; and if the
            files of a folder cannot be written.
        """
        if not isinstance(batch, Mapping):
            raise SpanmatchError(
                f"a batch of type {type(batch).__name__}: give {{layer: sparse matrix of rows x features}}"
            )
        rows = {layer: _checked_rows(layer, array) for layer, array in batch.items()}
        widths = {layer: int(matrix.shape[1]) for layer, matrix in rows.items()}
        if not widths:
            raise SpanmatchError("no layers: give {layer: sparse matrix of rows x features}")
        if self._stores and widths != self.layers:
            raise SpanmatchError(f"layers {_told(widths)}, but those of the first batch are {_told(self.layers)}")
        counts = {layer: int(matrix.shape[0]) for layer, matrix in rows.items()}
        n = next(iter(counts.values()))
        if set(counts.values()) != {n}:
            raise SpanmatchError(f"layers of different numbers of rows, {_told(counts)}; rows must correspond")
        ids = np.arange(self._rows, self._rows + n) if example_ids is None else checked_ids("update", example_ids)
        if len(ids) != n:
            raise SpanmatchError(f"{len(ids)} example_ids for {n} rows; give one for each row")
        self._append(rows, ids)

    def _append(self, rows: Mapping[str, csr_array], ids: NDArray[np.int64]) -> None:
        if self._folder is not None:
            self._begin_folder(self._folder)
        with self._all_or_nothing():
            for number, (layer, matrix) in enumerate(rows.items()):
                if layer not in self._stores:
                    self._stores[layer] = self._new_store(number, int(matrix.shape[1]))
                self._stores[layer].append(matrix)
            self._ids.append(ids)
            self._rows += len(ids)
            if self._folder is not None:
                self._write_state(self._folder)
        self._activity = {}

    @contextlib.contextmanager
    def _all_or_nothing(self) -> Iterator[None]:
        """Take back what was appended if something is raised."""
        rows, stores = self._rows, dict(self._stores)
        columns = [self._ids, *(column for store in stores.values() for column in store.all_columns)]
        marks = [column.mark() for column in columns]
        try:
            yield
        except BaseException:
            self._rows, self._stores = rows, stores
            for column, mark in zip(columns, marks, strict=True):
                column.back_to(mark)
            raise

    def _new_store(self, number: int, features: int) -> RowStore:
        if self._folder is None:
            return RowStore.in_memory(features)
        return RowStore.in_files(self._folder, number, features, {})

    def _begin_folder(self, folder: Path) -> None:
        """Make the folder, with a state from which a process that is stopped in the first batch can go on.

        Raises SpanmatchError if another process has added rows meanwhile.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SpanmatchError(f"cannot write {folder}: {error.strerror or error}") from error
        there = 0
        if not self._rows and not (folder / STATE).exists():
            self._write_state(folder)
        elif (folder / STATE).exists():
            there = int(str(read_json(folder / STATE, KIND, VERSION, "a folder of sm.SparseFeatures").get("rows", 0)))
        if there != self._rows:
            raise SpanmatchError(f"{folder}: has {there:,} rows, not {self._rows:,}; another process adds to it")

    def _write_state(self, folder: Path) -> None:
        layers = [
            {"name": layer, "features": store.features, "files": store.state()} for layer, store in self._stores.items()
        ]
        ids = self._ids.state() if isinstance(self._ids, ColumnInFile) else {}
        state = {"format": KIND, "version": VERSION, "rows": self._rows, "layers": layers, "example_ids": ids}
        write_text(folder / STATE, json.dumps(state))

    def matrix(self, layer: str) -> csr_array:
        """Return the rows of a layer.

        Parameters
        ----------
        layer : str
            Name of a layer.

        Returns
        -------
        scipy.sparse.csr_array of shape (rows, features)
            Of float32, not to be changed; memory-mapped if there is a folder.

        Raises
        ------
        SpanmatchError
            If there is no such layer, or a file is damaged.
        """
        if layer not in self._stores:
            raise SpanmatchError(f"no layer {layer!r}{among(layer, self._stores)}")
        return self._stores[layer].rows()

    def _activity_of(self, layer: str) -> Activity:
        """Return in how many rows each feature of a layer is active, its mean and its deviation."""
        if layer not in self._activity:
            self._activity[layer] = Activity.of(self.matrix(layer))
        return self._activity[layer]

    def firing_rate(self, layer: str) -> Array:
        """Return the share of rows in which each feature is active.

        Parameters
        ----------
        layer : str
            Name of a layer.

        Returns
        -------
        ndarray of shape (features,)

        Raises
        ------
        SpanmatchError
            If there is no such layer.
        """
        return self._activity_of(layer).active_rows / max(1, self._rows)

    def dead(self, layer: str) -> Index:
        """Return the features of a layer that were active in no row.

        Parameters
        ----------
        layer : str
            Name of a layer.

        Returns
        -------
        ndarray of shape (k,)

        Raises
        ------
        SpanmatchError
            If there is no such layer.
        """
        return np.flatnonzero(self._activity_of(layer).active_rows == 0)

    def to_frame(self, layer: str | None = None) -> pd.DataFrame:
        """Return a row for each feature: in how many rows it is active, and how strongly.

        Parameters
        ----------
        layer : str, optional
            Name of a layer; by default all.

        Returns
        -------
        pandas.DataFrame
            With columns layer, feature, active_rows, firing_rate, mean_when_active, dead.

        Raises
        ------
        SpanmatchError
            If there is no such layer, or pandas is not installed.
        """
        names = [layer] if layer is not None else list(self._stores)
        return data_frame("SparseFeatures.to_frame", [row for name in names for row in self._rates(name)])

    def _rates(self, layer: str) -> list[dict[str, object]]:
        """Return a row for each feature of a layer."""
        activity = self._activity_of(layer)
        rates, active = self.firing_rate(layer).tolist(), activity.active_rows
        means = (activity.mean * self._rows / np.maximum(active, 1)).tolist()
        return [
            {
                "layer": layer,
                "feature": feature,
                "active_rows": rows,
                "firing_rate": rates[feature],
                "mean_when_active": means[feature],
                "dead": rows == 0,
            }
            for feature, rows in enumerate(active.tolist())
        ]

    def _records(self) -> list[dict[str, object]]:
        return [
            {"layer": layer, "features": width, "dead": len(self.dead(layer)), "rows": self._rows}
            for layer, width in self.layers.items()
        ]

    def _summary(self) -> str:
        return f": {self._rows:,} rows of {_told(self.layers)}" if self._stores else ": no rows"


def _told(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{layer} ({count})" for layer, count in counts.items())


def _checked_rows(layer: str, array: DeviceArray) -> csr_array:
    """Return rows as float32 without stored zeros.

    Raises SpanmatchError unless all values are finite and none is negative.
    """
    from scipy.sparse import csr_array

    engine, rows = checked(layer, array)
    matrix = rows if is_sparse(rows) else _sparse(engine.host(rows))
    with np.errstate(over="ignore", under="ignore"):
        values = matrix.data.astype(np.float32)
    wrong = ~np.isfinite(values) | (matrix.data < 0)
    if wrong.any():
        place = int(np.argmax(wrong))
        row = int(np.searchsorted(matrix.indptr, place, side="right")) - 1
        raise SpanmatchError(
            f"layer {layer!r}: {matrix.data[place]} in row {row}, feature {matrix.indices[place]}; activations of "
            "sparse features are finite in float32 and never negative (sm.Moments takes sparse rows of any sign)"
        )
    result = csr_array((values, matrix.indices, matrix.indptr), shape=matrix.shape)
    if not values.all():
        result = result.copy()
        result.eliminate_zeros()
    return result


def _sparse(rows: NDArray[np.generic]) -> csr_array:
    """Return a dense matrix as a sparse one; SciPy makes none of float16."""
    from scipy.sparse import csr_array

    return csr_array(rows.astype(np.float32) if rows.dtype == np.float16 else rows)
