"""Moments: the joint second moments of named layers, exact, additive, from one pass over the data.

For two layers X (n, p) and Y (n, q) whose rows correspond, every question of spanmatch needs only

    sum x,  sum y,  sum x x^T,  sum x y^T,  sum y y^T

over the rows. They are summed about a shift c, the mean of the first rows: sum (x - c)(x - c)^T.
Means far larger than the spread then cost no digits: the centred moments keep a relative error of
at most about (1 + rows / first rows) roundings, whatever the order. The sums are kept per fold of
the examples (for held-out values and intervals), and beside them the product of a null pairing,
rows of X against rows of another example of Y (for what chance gives). See docs/theory.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Unpack

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._display import Displayed
from .._files import Path_
from ..errors import SpanmatchError, among
from .accumulators import Accumulators
from .backends import DeviceArray, NumpyEngine
from .batches import LayerBatch, checked_arrays, planned
from .dask import sum_of_chunks
from .example_ranges import NONE, Ranges, checked_ids, ranges_of, union
from .first_batch import first_records
from .folds import ExampleIds
from .histograms import Bins
from .layer_records import LayerRecord
from .memory_limit import check_memory, limit_in_bytes, sample_over_limit
from .merging import about_shifts_of, check_edges_fit, check_options_fit, check_pairs_fit, check_widths_fit, edges_of
from .moments_files import Contents, contents_of, read_moments, state_of, write_moments
from .options import Layers, Pairs, SeededOptions, checked_options, pairs_among
from .pair_of_layers import pair_of_layers
from .pairs import Pair
from .provenance import Method
from .resolution import warn_unless_resolved
from .sample import Reduction
from .samples import ROWS_AS_GIVEN, ExampleOutputs, Samples
from .sums import Sums, shapes_of_sums
from .top_inputs import TopInputs, top_of
from .torch_ranks import State, summed_over_ranks

if TYPE_CHECKING:
    import dask.array as da
    from distributed import Client

Array = NDArray[np.float64]


class Moments(Displayed):
    """The joint second moments of named layers: update with batches, add to others, ask for pairs.

    Layers are named "network:layer". Each layer's own moments are kept and, for the requested
    pairs, those between them.

    Parameters
    ----------
    pairs : {"matching", "depth", "all"} or list of pairs of names
        "matching" for layers of the same name in different networks; "depth" for layers of the
        nearest relative depth in every two networks, in the order of the first batch; "all" for
        every two layers.
    folds : int
        The number of folds. Blocks of up to eight consecutive examples take turns; 1 keeps none
        apart.
    null : bool
        Whether to keep the null pairing: within a batch, each row of x meets a row of y of another
        example, that which comes next in the order of the hashes of their ids.
    bins : int or mapping of layers to arrays of shape (neurons, bins - 1), optional
        Whether to count also the rows in each pair of bins, for mutual information: the number of
        bins of a neuron, its edges then being taken from the first batch; or the edges of each
        layer.
    method : {"gram", "qr", "single"}
        "gram" sums products, in float64; "qr" keeps a triangular factor of [1 X Y] for each pair,
        which resolves distances to about 1e-14 x condition instead of 1e-7 x condition, at several
        times the cost; "single" takes products in float32, 1.4 times as fast on a CPU, and resolves
        3e-3 x condition.
    top : int
        The number of inputs to keep for each neuron, those that excite it most; see `Moments.top`.
    sample : int
        The number m of examples whose rows are kept, for measures and tests that need rows; 0 for
        none. If there are at most m examples, all of them are kept.
    sample_rows : {"flat", "mean", "last"}, optional
        What is kept of an example with several rows: all of them, flattened; their mean; or the
        last one. "flat" and "last" need all rows of an example in one batch, and "flat" as many
        rows of every example. By default "flat"; "mean" for tokens of sequences that `capture` runs.
    seed : int
        Of the sample.
    max_memory_gb : float, optional
        The most memory that the moments may take, in GB; by default half of the machine's.

    Raises
    ------
    SpanmatchError
        If an option makes no sense.

    Notes
    -----
    Memory depends on neurons alone: 8 bytes x folds x (p^2 + q^2 + p q) a pair, and 8 p q for its
    null, where of p^2 and q^2 only 0.5 to 0.75 is stored from 4096 neurons on; with "qr", 8 bytes x
    folds x (1 + p + q)^2; with bins, 8 bytes x p q bins^2 more. The sample takes 4 bytes x m x
    features a layer, where "flat" has p features for each row of an example; with "mean", 8 bytes x
    m x p.

    The sample has the m examples whose ids have the smallest hashes. It is a simple random sample,
    also of sorted data, and the same for any order and any partition of the data.

    Examples
    --------
    >>> import numpy as np
    >>> import spanmatch as sm
    >>> X, noise = np.random.default_rng(0).standard_normal((2, 500, 4))
    >>> moments = sm.Moments()
    >>> for rows in np.split(np.arange(500), 5):  # batches
    ...     moments.update({"a:fc": X[rows], "b:fc": (X + noise)[rows]}, example_ids=rows)
    >>> round(sm.cka(moments.pair("a:fc", "b:fc")).value, 3)
    0.497
    """

    def __init__(
        self,
        *,
        pairs: Pairs = "matching",
        folds: int = 8,
        null: bool = True,
        bins: Bins = None,
        method: Method = "gram",
        top: int = 0,
        sample: int = 1000,
        sample_rows: Reduction | None = None,
        seed: int = 0,
        max_memory_gb: float | None = None,
    ) -> None:
        self._options = checked_options(pairs, folds, null, bins, method, top, sample, sample_rows, seed)
        self._limit = limit_in_bytes(max_memory_gb)
        self._pairs: list[Layers] = []
        self._layers: dict[str, LayerRecord] = {}
        self._layout: dict[str, str] = {}
        self._source = ""
        self._left_out: tuple[str, ...] = ()
        self._seen: Ranges = NONE
        self._sums = Accumulators(NumpyEngine(method == "single"), {})
        self._samples = Samples(self._options)
        self._needs_sample = True
        """Whether a sample that takes too much memory is an error; otherwise none is kept."""

    @property
    def layers(self) -> dict[str, int]:
        """Names of the layers, with their numbers of neurons."""
        return {layer: record.neurons for layer, record in self._layers.items()}

    @property
    def rows(self) -> dict[str, int]:
        """Names of the layers, with the rows seen of each."""
        return {layer: int(record.rows.sum()) for layer, record in self._layers.items()}

    @property
    def pairs(self) -> list[Layers]:
        """The pairs of layers that can be asked for."""
        return list(self._pairs)

    @property
    def nbytes(self) -> int:
        """The bytes that the moments and the sample take."""
        return self._sums.nbytes + self._samples.nbytes

    @property
    def keeps_sample(self) -> bool:
        """Whether the rows of a sample of the examples are kept."""
        return not self._samples.reason

    @property
    def keeps_top(self) -> bool:
        """Whether the inputs that excite each neuron most are kept."""
        return self._options.top > 0

    @property
    def edges(self) -> dict[str, Array]:
        """The edges of each layer's bins, (neurons, bins - 1): `bins` for moments to add to these."""
        return edges_of(self._layers)

    @property
    def layout(self) -> dict[str, str]:
        """How the rows of each layer were made, in words, as far as `describe` said."""
        return dict(self._layout)

    @property
    def dtypes(self) -> dict[str, str]:
        """Names of the layers, with the coarsest number type in which activations of each came."""
        return {layer: record.dtype for layer, record in self._layers.items()}

    @property
    def example_ids(self) -> Ranges:
        """The numbers of the examples seen, (k, 2): ranges [start, stop)."""
        return self._seen.copy()

    @property
    def source(self) -> str:
        """What the rows are of, as far as `describe` said; empty after adding another source."""
        return self._source

    @property
    def left_out(self) -> list[str]:
        """Names of layers of the same sources that were not read, as no pair is of them, as far as
        `describe` said.
        """
        return list(self._left_out)

    def describe(
        self,
        layout: Mapping[str, str] | None = None,
        *,
        source: str | None = None,
        left_out: Sequence[str] | None = None,
        example_ids: ArrayLike | None = None,
    ) -> None:
        """Describe the rows in words, which results and files carry.

        Parameters
        ----------
        layout : mapping of layers to texts, optional
            How the rows of these layers were made; layers may be described before their first
            batch.
        source : str, optional
            What the rows are of.
        left_out : sequence of str, optional
            Names of layers that were not read.
        example_ids : array of shape (k,), optional
            Examples that were seen though no row is of them, such as a text of padding alone.

        Raises
        ------
        SpanmatchError
            If ids of examples are not whole numbers, 0 or more.
        """
        self._layout |= layout or {}
        self._source = self._source if source is None else source
        self._left_out = self._left_out if left_out is None else tuple(left_out)
        if example_ids is not None:
            self._seen = union(self._seen, ranges_of(checked_ids("describe", example_ids)))

    def update(self, batch: Mapping[str, DeviceArray], example_ids: ExampleIds = None) -> None:
        """Add a batch: the rows of all layers, which correspond.

        Parameters
        ----------
        batch : mapping of layers to arrays of shape (rows, neurons)
            Floats or integers: NumPy arrays, PyTorch tensors, or arrays of a library of the array
            API standard, as CuPy and JAX; the products run on their device, in float64 (JAX's on
            the CPU). Also sparse: matrices of SciPy in any format, and tensors of PyTorch, whose
            products run on the CPU and which do not become dense below a density of 2%. Batches of
            some thousand rows are the most efficient.
        example_ids : array of shape (rows,), or mapping of layers to such, optional
            Whole numbers, 0 or more, the example that each row is of; by layer where layers have
            different numbers of rows. By default each row is its own example, numbered as they
            come.

        Raises
        ------
        SpanmatchError
            With nothing added, if an array is not a finite real matrix, if the rows of paired
            layers do not correspond, or if layers or widths are not those of the first batch.

        Notes
        -----
        Cost: rows x (p^2 + q^2 + 2 p q) operations a pair, and 2 p q more for the null; of sparse
        rows with k and l active neurons, k and l instead of p and q.
        """
        self._update(batch, example_ids, ROWS_AS_GIVEN)

    def _update(self, batch: Mapping[str, DeviceArray], example_ids: ExampleIds, outputs: ExampleOutputs) -> None:
        """Add a batch, and warn after the first one if products do not resolve a layer."""
        first = not self._layers
        layer_batches = self._add_batch(batch, example_ids, outputs)
        if first and self._options.method == "gram":
            for layer, rows in layer_batches.items():
                warn_unless_resolved(layer, self._layers[layer], self._sums.on(rows.engine), stacklevel=3)

    def _add_batch(
        self,
        batch: Mapping[str, DeviceArray],
        example_ids: ExampleIds = None,
        outputs: ExampleOutputs = ROWS_AS_GIVEN,
    ) -> dict[str, LayerBatch]:
        layer_batches = self._begin(batch, example_ids, outputs)
        self._sums.add_batch(layer_batches, self._pairs, self._layers)
        for layer, rows in layer_batches.items():
            top = self._top_of_batch(rows) if self._options.top else None
            self._layers[layer] = self._layers[layer].with_batch(rows.plan, rows.dtype, self._options.null, top)
        self._samples.add(layer_batches, outputs)
        for plan in {id(rows.plan): rows.plan for rows in layer_batches.values()}.values():
            self._seen = union(self._seen, plan.numbers)
        return layer_batches

    def _top_of_batch(self, rows: LayerBatch) -> TopInputs:
        order, starts, numbers = rows.plan.groups
        return top_of(*rows.engine.maxima(rows.array, order, starts), numbers, self._options.top)

    def _begin(
        self,
        batch: Mapping[str, DeviceArray],
        example_ids: ExampleIds = None,
        outputs: ExampleOutputs = ROWS_AS_GIVEN,
    ) -> dict[str, LayerBatch]:
        """Check a batch and take from the first one what all others go by, but add nothing."""
        arrays = checked_arrays(batch, single=self._sums.host.single)
        widths = {layer: rows.array.shape[1] for layer, rows in arrays.items()}
        if not widths:
            raise SpanmatchError("no layers: give {layer: array of rows x neurons}")
        if self._layers:
            check_widths_fit(self.layers, widths)
        pairs = self._pairs or pairs_among(list(arrays), self._options.pairs)
        layer_batches = planned(arrays, pairs, example_ids, self.rows, self._options.folds)
        if not self._layers:
            layers = first_records(layer_batches, pairs, self._options)
            sums = Accumulators(self._sums.host, shapes_of_sums(self._options, widths, pairs, edges_of(layers)))
            check_memory(sums.nbytes, self._limit, len(widths), len(pairs))
            self._begin_samples(layer_batches, outputs, self._limit - sums.nbytes)
            self._pairs, self._layers, self._sums = pairs, layers, sums
        return layer_batches

    def _candidates(self, example_ids: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which examples could enter the sample."""
        return self._samples.candidates(example_ids)

    def _begin_samples(
        self, layer_batches: Mapping[str, LayerBatch], outputs: ExampleOutputs, available_bytes: float
    ) -> None:
        """Begin the sample.  If it takes more memory than is left, raise SpanmatchError if it is needed,
        else keep none.
        """
        needed = self._samples.bytes_of(layer_batches, outputs)
        over_limit = sample_over_limit(needed, available_bytes, len(layer_batches), self._options.sample)
        if not over_limit:
            self._samples.begin(layer_batches, outputs)
        elif self._needs_sample:
            raise SpanmatchError(over_limit)
        else:
            self._samples.drop(over_limit)

    def pair(self, x: str, y: str) -> Pair:
        """Return the joint moments of two layers, in either order.

        Parameters
        ----------
        x, y : str
            Names of layers.

        Returns
        -------
        Pair
            Of the rows seen so far; later batches do not change it.

        Raises
        ------
        SpanmatchError
            If a layer is not there or their moments were not kept.

        Notes
        -----
        Cost: memory traffic only.
        """
        self._check_pair(x, y)
        records = self._layers[x], self._layers[y]
        sample = self._samples.of_pair(x, y, n_examples=int(np.diff(self._seen, axis=1).sum()))
        layout, reason = self._layout.get(x, ""), self._samples.reason
        return pair_of_layers((x, y), records, self._sums.total(), self._options, layout, sample, reason)

    def _check_pair(self, x: str, y: str) -> None:
        self._check_layer(x)
        self._check_layer(y)
        if (x, y) not in self._pairs and (y, x) not in self._pairs:
            listed = ", ".join(map(str, self._pairs[:5])) or "none"
            more = ", ..." if len(self._pairs) > 5 else ""
            raise SpanmatchError(
                f"no moments were kept between {x!r} and {y!r} (kept: {listed}{more}); "
                f"make them with pairs='all' or pairs=[({x!r}, {y!r})]"
            )

    def _check_layer(self, layer: str) -> None:
        if layer not in self._layers:
            raise SpanmatchError(f"no layer {layer!r}{among(layer, self._layers)}")

    def top(self, layer: str) -> TopInputs:
        """Return the examples that excite each neuron of a layer most, with their activations.

        Parameters
        ----------
        layer : str
            Name of a layer.

        Returns
        -------
        TopInputs

        Raises
        ------
        SpanmatchError
            If the layer is not there or no top inputs were kept.
        """
        self._check_layer(layer)
        top = self._layers[layer].top
        if top is None:
            raise SpanmatchError("top inputs were not kept; make the moments with top=9, or another number")
        return top

    def __add__(self, other: Moments) -> Moments:
        """Return the moments of both sets of rows, whose layers and options must be the same."""
        if not isinstance(other, Moments):
            return NotImplemented
        total = self._empty()
        total += self
        total += other
        return total

    def __iadd__(self, other: Moments) -> Moments:
        """Add the moments of other rows."""
        if not isinstance(other, Moments):
            return NotImplemented
        if not other._layers:
            return self
        check_options_fit(self._options, other._options)
        if not self._layers:
            sums = other._sums.total().on_host().arrays
            reason, seen = self._samples.reason or other._samples.reason, union(self._seen, other._seen)
            self._take(replace(other._contents(), sums=sums, example_ids=seen, no_sample=reason))
            return self
        check_pairs_fit(self._pairs, other._pairs)
        check_edges_fit(self._layers, other._layers)
        check_widths_fit(self.layers, other.layers)
        self._source = self._source if self._source == other._source else ""
        self._seen = union(self._seen, other._seen)
        self._samples.merge(other._samples.states(), other._samples.reason)
        self._sums.add(about_shifts_of(self._layers, other._layers, other._sums.total()))
        self._layers = {layer: record.with_rows_of(other._layers[layer]) for layer, record in self._layers.items()}
        return self

    def all_reduce(self, timeout: float = 300.0) -> Moments:
        """Make these the moments of all ranks of torch.distributed together, on every rank.

        Each rank calls it once, with what it captured; a rank that had no rows takes part all the
        same. Messages go through a group of their own, from the host's memory, so that any default
        backend will do.

        Parameters
        ----------
        timeout : float
            Seconds to wait for another rank.

        Returns
        -------
        Moments
            This object.

        Raises
        ------
        SpanmatchError
            With nothing changed, on every rank if moments cannot be added, on those that are left
            if one is lost.

        Notes
        -----
        Cost: log2(ranks) messages up and down; memory for two moments.
        """
        total = contents_of(summed_over_ranks(state_of(self._contents()), _added, timeout))
        self._options = total.options
        self._take(total)
        return self

    @classmethod
    def from_dask(
        cls,
        arrays: Mapping[str, da.Array],
        example_ids: ArrayLike | None = None,
        *,
        scheduler: str | int | Client | None = None,
        **options: Unpack[SeededOptions],
    ) -> Moments:
        """Return the moments of Dask arrays: one task a chunk of rows, added up as a tree.

        Parameters
        ----------
        arrays : mapping of layers to Dask arrays of shape (rows, neurons)
            All of as many rows; those of the first array's chunks are tasks.
        example_ids : array of shape (rows,), optional
            As in `update`.
        scheduler : str, int or distributed.Client, optional
            The address of a Dask scheduler, the number of processes to start here, or a client; by
            default this process's client, if it has one, else threads.
        **options
            Of `Moments`. Shifts, and the edges of bins, are those of the first chunk.

        Returns
        -------
        Moments

        Raises
        ------
        SpanmatchError
            As `update` does, for chunks of unknown size, and if no scheduler answers.

        Notes
        -----
        Memory: of a worker, the chunk it works on and some moments.
        """
        first_task = partial(_moments_of_no_rows, options=options)
        total: Moments = sum_of_chunks(arrays, example_ids, scheduler, first_task, _moments_of_chunk)
        return total

    def save(self, path: Path_) -> None:
        """Write the moments to a safetensors file, which replaces an earlier one in one step.

        Parameters
        ----------
        path : str or path
            Of the file.

        Raises
        ------
        SpanmatchError
            If it cannot be written; an earlier file is then left as it was.
        """
        write_moments(path, self._contents())

    @classmethod
    def load(cls, path: Path_) -> Moments:
        """Read moments from a file.

        Parameters
        ----------
        path : str or path
            Of a file that `save` wrote.

        Returns
        -------
        Moments

        Raises
        ------
        SpanmatchError
            If the file is missing, corrupt, not of moments, of another version, or inconsistent.
        """
        return cls._of(read_moments(path))

    def _records(self) -> list[dict[str, object]]:
        return [{"layer": layer, "rows": rows} for layer, rows in self.rows.items()]

    def _summary(self) -> str:
        counts = sorted(set(self.rows.values()))
        rows = "no" if not counts else f"{counts[0]:,}" if len(counts) == 1 else f"{counts[0]:,} to {counts[-1]:,}"
        options = self._options
        return (
            f": {len(self._layers)} layers, {len(self._pairs)} pairs, {rows} rows, "
            f"method={options.method!r}, folds={options.folds}, null={options.null}"
        )

    @classmethod
    def _of(cls, contents: Contents) -> Moments:
        """Return moments with these contents and the default limit of memory."""
        options = contents.options
        moments = cls(method=options.method)
        moments._options = options
        moments._take(contents)
        return moments

    def _contents(self) -> Contents:
        """Return everything that the moments are; its arrays are theirs."""
        sums = self._sums.total().arrays if self._layers else {}
        samples = {layer: state.on_host() for layer, state in self._samples.states().items()}
        return Contents(
            options=self._options,
            pairs=self._pairs,
            layers=self._layers,
            layout=self._layout,
            source=self._source,
            left_out=self._left_out,
            example_ids=self._seen,
            sums=sums,
            samples=samples,
            no_sample=self._samples.reason,
        )

    def _take(self, contents: Contents) -> None:
        """Take over other moments' contents, but not their options."""
        self._pairs, self._layers, self._layout = list(contents.pairs), dict(contents.layers), dict(contents.layout)
        self._source, self._left_out, self._seen = contents.source, contents.left_out, contents.example_ids
        host, arrays = self._sums.host, dict(contents.sums)
        shapes = {key: array.shape for key, array in arrays.items()}
        self._sums = Accumulators(host, shapes, Sums(host, arrays) if arrays else None)
        self._samples = Samples.of(contents.samples, self._options, contents.no_sample)

    def _empty(self) -> Moments:
        """Return moments of no rows with the same options and edges of bins."""
        empty = Moments(method=self._options.method)
        empty._options = replace(self._options, bins=self.edges or self._options.bins)
        empty._limit, empty._needs_sample = self._limit, self._needs_sample
        empty._samples = Samples(empty._options, self._samples.reason)
        return empty

    def _alike(self) -> Moments:
        """Return moments of no rows about the same shift and with the same edges of bins."""
        alike = self._empty()
        alike._pairs = list(self._pairs)
        folds, top = self._options.folds, self._options.top
        for layer, record in self._layers.items():
            alike._layers[layer] = LayerRecord.of_no_rows(record.shift, folds, record.edges, top)
        alike._sums, alike._samples = Accumulators(self._sums.host, self._sums.shapes), self._samples.empty()
        return alike


def _added(one: State, other: State) -> State:
    return state_of((Moments._of(contents_of(one)) + Moments._of(contents_of(other)))._contents())


def _moments_of_no_rows(batch: Mapping[str, DeviceArray], options: SeededOptions) -> Moments:
    """Return moments of no rows with the shifts and edges of bins of a first chunk."""
    moments = Moments(**options)
    moments._begin(batch)
    return moments


def _moments_of_chunk(batch: Mapping[str, DeviceArray], ids: NDArray[np.int64], first: Moments) -> Moments:
    """Return the moments of one chunk: what a worker does."""
    moments = first._alike()
    moments.update(batch, ids)
    return moments
