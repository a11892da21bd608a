"""Moments: the joint second moments of named layers, exact, additive, from one pass over the data.

For two layers X (n, p) and Y (n, q) whose rows correspond, every question of spanmatch needs only

    sum x,  sum y,  sum x x^T,  sum x y^T,  sum y y^T

over the rows. They are summed about a shift c, the mean of the first rows: sum (x - c)(x - c)^T. Means far larger
than the spread then cost no digits: the centred moments keep a relative error of at most about
(1 + rows / first rows) roundings, whatever the order. The sums are kept per fold of the examples (for held-out
values and intervals), and beside them the product of a null pairing, rows of X against rows of another example
of Y (for what chance gives). See docs/theory.md.
"""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Iterable, Mapping
from functools import partial
from itertools import combinations
from typing import TYPE_CHECKING, Any, Literal, TypedDict, Unpack

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._files import Path_, read_tensors, write_tensors
from .._progress import announce
from ..errors import SpanmatchError, SpanmatchWarning, among
from .backends import NUMBER_TYPES, Engine, NumpyEngine, check_finite, checked, coarsest, number_type
from .dask import chunks_of, delayed_tasks, summed
from .example_ranges import NONE, Ranges, checked_ids, checked_ranges, ranges_of, union
from .folds import ROWS_AT_ONCE, ExampleIds, Plan, plans
from .histograms import Bins, bin_edges, checked_bins, checked_edges
from .pairs import PRODUCTS, RESOLVED, Counts, Joint, Pair
from .provenance import Method
from .sums import Key, Sums
from .top_inputs import TopInputs, top_of
from .torch_ranks import State, summed_over_ranks

if TYPE_CHECKING:
    import dask.array as da
    from distributed import Client

Array = NDArray[np.float64]
Layers = tuple[str, str]
Pairs = Literal["matching", "all"] | Iterable[Layers]
ANNOUNCED = 1e8
"""Bytes from which on it is said, on a terminal, how much memory the moments will take."""
FORMAT, VERSION = "spanmatch.moments", 5
FINEST = NUMBER_TYPES[0]


class MomentsOptions(TypedDict, total=False):
    """The options of `Moments`, for what makes them."""

    pairs: Pairs
    folds: int
    null: bool
    bins: Bins
    method: Method
    top: int
    max_memory_gb: float | None


class Moments:
    """The joint second moments of named layers: update with batches, add to others, ask for pairs.

    Layers are named "network:layer". Kept are each layer's own moments and, for the pairs asked for, those
    between them.

    Args:
        pairs: "matching" for layers of the same name in different networks, "all" for every two layers, or a
            list of pairs of names.
        folds: how many folds; example e belongs to fold e mod folds. 1 keeps none apart.
        null: whether to keep the null pairing: within a batch, each row of x meets a row of y of another example, that
            which comes next in the order of the hashes of their ids.
        bins: whether to count also the rows in each pair of bins, for mutual information: how many bins a neuron has,
            its edges then being taken from the first batch; or the edges, {layer: (neurons, bins - 1)}.
        method: "gram" sums products, in float64; "qr" keeps a triangular factor of [1 X Y] for each pair, which
            resolves distances to about 1e-14 x condition instead of 1e-7 x condition, at several times the cost;
            "single" takes products in float32, 1.4 times as fast on a CPU, and resolves 3e-3 x condition.
        top: how many inputs to keep for each neuron, those that excite it most; see `Moments.top`.
        max_memory_gb: the most memory that the moments may take, in GB; by default half of the machine's.

    Memory depends on neurons alone: 8 bytes x folds x (p^2 + q^2 + p q) a pair, and 8 p q for its null; with
    "qr", 8 bytes x folds x (1 + p + q)^2; with bins, 8 bytes x p q bins^2 more.
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
        max_memory_gb: float | None = None,
    ) -> None:
        if isinstance(folds, bool) or not isinstance(folds, int | np.integer) or folds < 1:
            raise SpanmatchError(f"folds={folds!r}: give a whole number, 1 or more")
        if method not in PRODUCTS:
            raise SpanmatchError(f"method={method!r}: give 'gram', 'qr' or 'single'")
        if isinstance(top, bool) or not isinstance(top, int | np.integer) or top < 0:
            raise SpanmatchError(f"top={top!r}: give a whole number, 0 for none")
        self._asked = _asked(pairs)
        self._folds, self._null, self._method = int(folds), bool(null), method
        self._top, self._bins = int(top), checked_bins(bins)
        self._limit = _half_of_memory() if max_memory_gb is None else 1e9 * float(max_memory_gb)
        self._pairs: list[Layers] = []
        self._edges: dict[str, Array] = {}
        self._shift: dict[str, Array] = {}
        self._rows: dict[str, NDArray[np.int64]] = {}
        self._null_rows: dict[str, int] = {}
        self._examples: dict[str, NDArray[np.int64]] = {}
        self._layout: dict[str, str] = {}
        self._dtypes: dict[str, str] = {}
        self._source = ""
        self._seen: Ranges = NONE
        self._excited: dict[str, TopInputs] = {}
        self._sums: dict[Engine, Sums] = {}
        self._constants: dict[tuple[Engine, str], tuple[Any, Any]] = {}
        self._lent = False

    @property
    def layers(self) -> dict[str, int]:
        """Names of the layers, with their numbers of neurons."""
        return {layer: len(shift) for layer, shift in self._shift.items()}

    @property
    def rows(self) -> dict[str, int]:
        """Names of the layers, with the rows seen of each."""
        return {layer: int(rows.sum()) for layer, rows in self._rows.items()}

    @property
    def pairs(self) -> list[Layers]:
        """The pairs of layers that can be asked for."""
        return list(self._pairs)

    @property
    def nbytes(self) -> int:
        """The bytes that the moments take."""
        return self._bytes(self.layers, self._pairs)

    @property
    def keeps_top(self) -> bool:
        """Whether the inputs that excite each neuron most are kept."""
        return self._top > 0

    @property
    def edges(self) -> dict[str, Array]:
        """The edges of each layer's bins, (neurons, bins - 1); to be given as `bins` to moments that are to be
        added."""
        return dict(self._edges)

    @property
    def layout(self) -> dict[str, str]:
        """How the rows of each layer were made, in words, as far as `describe` said."""
        return dict(self._layout)

    @property
    def dtypes(self) -> dict[str, str]:
        """Names of the layers, with the coarsest number type in which activations of each came."""
        return dict(self._dtypes)

    @property
    def example_ids(self) -> Ranges:
        """The numbers of the examples seen, (k, 2): ranges [start, stop)."""
        return self._seen.copy()

    @property
    def source(self) -> str:
        """What the rows are of, in words, as far as `describe` said; empty after adding those of another source."""
        return self._source

    def describe(
        self,
        layout: Mapping[str, str] | None = None,
        *,
        source: str | None = None,
        example_ids: ArrayLike | None = None,
    ) -> None:
        """Say in words how the rows of some layers were made, and what of; results carry it, and files.

        Args: example_ids, of such that were seen though no row is of them, as a text of padding alone.
        """
        self._layout |= layout or {}
        self._source = self._source if source is None else source
        if example_ids is not None:
            self._seen = union(self._seen, ranges_of(checked_ids("describe", example_ids)))

    def update(self, batch: Mapping[str, Any], example_ids: ExampleIds = None) -> None:
        """Add a batch: the rows of all layers, which correspond.

        Args:
            batch: {layer: (rows, neurons)}, floats or integers: NumPy arrays, PyTorch tensors, or arrays of a library
                of the array API standard, as CuPy and JAX; the products run on their device, in float64 (JAX's on
                the CPU). Batches of some thousand rows are the most efficient.
            example_ids: (rows,) whole numbers, 0 or more, the example that each row is of; a mapping by layer where
                layers have different numbers of rows. By default each row is its own example, numbered as they come.

        Raises SpanmatchError, with nothing added, if an array is not a finite real matrix, if the rows of paired
        layers do not correspond, or if layers or widths are not those of the first batch.
        Cost: rows x (p^2 + q^2 + 2 p q) operations a pair, and 2 p q more for the null.
        """
        first = not self._shift
        self._update(batch, example_ids)
        if first and self._method == "gram":
            self._warn_unless_resolved()

    def _update(self, batch: Mapping[str, Any], example_ids: ExampleIds = None) -> None:
        engines, arrays, made = self._begin(batch, example_ids)
        for layer, array in batch.items():
            self._dtypes[layer] = coarsest(self._dtypes[layer], number_type(array))
        self._take_back()
        paired = {layer for pair in self._pairs for layer in pair}
        fresh = set(arrays)
        for key in [*self._pairs, *((layer,) for layer in arrays if layer not in paired)]:
            self._add(engines[key[0]], key, arrays, made[key[0]], fresh)
            fresh.difference_update(key)
        for layer, plan in made.items():
            if self._top:
                order, starts, numbers = plan.groups
                maxima = engines[layer].maxima(arrays[layer], order, starts)
                self._excited[layer] += top_of(*maxima, numbers, self._top)
            self._rows[layer] = self._rows[layer] + plan.rows_per_fold
            self._examples[layer] = self._examples[layer] + plan.examples_per_fold
            self._null_rows[layer] += len(plan.examples) if self._null and plan.partner is not None else 0
        for plan in {id(plan): plan for plan in made.values()}.values():
            self._seen = union(self._seen, plan.numbers)

    def _warn_unless_resolved(self) -> None:
        """Warn, after a first batch of enough rows, of layers in which products will not resolve small distances."""
        for layer, neurons in self.layers.items():
            if self.rows[layer] < 2 * neurons:
                continue
            resolution = self._alone(layer).resolution()
            if resolution > RESOLVED:
                warnings.warn(
                    f"layer {layer!r}: neurons are so nearly combinations of others that method='gram' resolves "
                    f"distances to {resolution:.2g} only, going by the first {self.rows[layer]:,} rows; "
                    "make the moments with method='qr'",
                    SpanmatchWarning,
                    stacklevel=3,
                )

    def _alone(self, layer: str) -> Pair:
        """Return the pair of a layer with a silent neuron."""
        (sums,) = self._sums.values()
        own, s = (sums.engine.host(sums.arrays[kind, layer]).sum(axis=0) for kind in ("gram", "sum"))
        shift, nothing = (self._shift[layer], np.zeros(1)), np.zeros((2, 2))
        count = self.rows[layer], int(self._examples[layer].sum())
        joint = Joint(*count, shift, (s, np.zeros(2)), (own, nothing), np.zeros((len(s), 2)), None)
        return Pair.of((layer, ""), [joint], dtypes=(self._dtypes[layer], FINEST))

    def _begin(
        self, batch: Mapping[str, Any], example_ids: ExampleIds = None
    ) -> tuple[dict[str, Engine], dict[str, Any], dict[str, Plan]]:
        """Check a batch and take from the first one what all others go by, but add nothing."""
        engines, arrays = {}, {}
        for layer, array in batch.items():
            engines[layer], arrays[layer] = checked(layer, array, single=self._method == "single")
        check_finite(engines, arrays)
        self._check_layers({layer: array.shape[1] for layer, array in arrays.items()})
        pairs = self._pairs or _kept(self._asked, list(arrays))
        _check_rows(pairs, {layer: array.shape[0] for layer, array in arrays.items()}, engines)
        made = plans(arrays, example_ids, self.rows, self._folds)
        _check_examples(pairs, made)
        if not self._shift:
            self._start(engines, arrays, pairs)
        return engines, arrays, made

    def pair(self, x: str, y: str) -> Pair:
        """Return the joint moments of two layers, in either order.

        Raises SpanmatchError if a layer is not there or their moments were not kept. Cost: memory traffic only.
        """
        for layer in (x, y):
            if layer not in self._shift:
                raise SpanmatchError(f"no layer {layer!r}{among(layer, self._shift)}")
        if (x, y) not in self._pairs and (y, x) not in self._pairs:
            kept = ", ".join(map(str, self._pairs[:5])) or "none"
            raise SpanmatchError(
                f"no moments were kept between {x!r} and {y!r} (kept: {kept}{', ...' * (len(self._pairs) > 5)}); "
                f"make them with pairs='all' or pairs=[({x!r}, {y!r})]"
            )
        sums, self._lent = self._total(), True
        shift = (self._shift[x], self._shift[y])
        counted = np.stack([self._rows[x], self._examples[x]], axis=1).tolist()
        parts = [sums.joint(x, y, fold, (n, m), shift) for fold, (n, m) in enumerate(counted) if n]
        null, similarity = None, float("nan")
        if self._null:
            null = partial(_null_product, sums, x, y, self._null_rows[x], self.rows[x])
            similarity = float(np.fmax(sums.partners(x).similarity, sums.partners(y).similarity))
        counts = None
        if x in self._edges and y in self._edges:
            edges = self._edges[x], self._edges[y]
            table = sums.counts(x, y, (edges[0].shape[1] + 1, edges[1].shape[1] + 1))
            counts = None if table is None else Counts(table, edges)
        return Pair.of(
            (x, y),
            parts,
            null,
            counts,
            self._layout.get(x, ""),
            similarity,
            self._method == "single",
            (self._dtypes[x], self._dtypes[y]),
        )

    def top(self, layer: str) -> TopInputs:
        """Return for each neuron of a layer the examples that excite it most, with their activations.

        Raises SpanmatchError if the layer is not there or none were kept.
        """
        if layer not in self._shift:
            raise SpanmatchError(f"no layer {layer!r}{among(layer, self._shift)}")
        if not self._top:
            raise SpanmatchError("top inputs were not kept; make the moments with top=9, or as many as are wanted")
        return self._excited[layer]

    def __add__(self, other: Moments) -> Moments:
        """Return the moments of both sets of rows.  Raises SpanmatchError if their layers or options differ."""
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
        if not other._shift:
            return self
        if not self._shift:
            self._check_options(other)
            self._pairs, self._shift = list(other._pairs), dict(other._shift)
            self._rows, self._null_rows = dict(other._rows), dict(other._null_rows)
            self._examples, self._dtypes = dict(other._examples), dict(other._dtypes)
            self._layout, self._edges = dict(other._layout), dict(other._edges)
            self._source, self._seen = other._source, union(self._seen, other._seen)
            self._excited = dict(other._excited)
            self._sums = {NumpyEngine(): other._total().host()}
            return self
        self._check_options(other)
        self._check_layers(other.layers)
        self._source = self._source if self._source == other._source else ""
        self._seen = union(self._seen, other._seen)
        theirs = other._total()
        by = {layer: other._shift[layer] - shift for layer, shift in self._shift.items()}
        if any(shift.any() for shift in by.values()):
            theirs = theirs.host()
            theirs.move(by, other._rows)
        self._take_back()
        self._total().merge(theirs)
        for layer in self._rows:
            self._rows[layer] = self._rows[layer] + other._rows[layer]
            self._null_rows[layer] += other._null_rows[layer]
            self._examples[layer] = self._examples[layer] + other._examples[layer]
            self._dtypes[layer] = coarsest(self._dtypes[layer], other._dtypes[layer])
            if self._top:
                self._excited[layer] += other._excited[layer]
        return self

    def all_reduce(self, timeout: float = 300.0) -> Moments:
        """Make these the moments of all ranks of torch.distributed together, on every rank; return them.

        Each rank calls it once, with what it captured; a rank that had no rows takes part all the same. Messages go
        through a group of their own, from the host's memory, so that any default backend will do.
        Args: timeout, seconds to wait for another rank.
        Raises SpanmatchError, with nothing changed, on every rank if moments cannot be added, on those that are left if
        one is lost.
        Cost: log2(ranks) messages up and down; memory for two moments.
        """

        def add(a: State, b: State) -> State:
            return (Moments._from_state(*a) + Moments._from_state(*b))._state()

        total = Moments._from_state(*summed_over_ranks(self._state(), add, timeout))
        vars(self).update({name: value for name, value in vars(total).items() if name != "_limit"})
        return self

    @classmethod
    def from_dask(
        cls,
        arrays: Mapping[str, da.Array],
        example_ids: ArrayLike | None = None,
        *,
        scheduler: str | int | Client | None = None,
        **options: Unpack[MomentsOptions],
    ) -> Moments:
        """Return the moments of Dask arrays: one task a chunk of rows, added up as a tree.

        Args:
            arrays: {layer: (rows, neurons)}, all of as many rows; those of the first array's chunks are tasks.
            example_ids: (rows,) as in `update`.
            scheduler: the address of a Dask scheduler, a `distributed.Client`, or how many processes to start here; by
                default this process's client, if it has one, else threads.
            options: of `Moments`. Shifts, and the edges of bins, are those of the first chunk.
        Raises SpanmatchError as `update` does, for chunks of unknown size, and if no scheduler answers.
        Memory: of a worker, the chunk it works on and some moments.
        """
        parts = chunks_of(arrays)
        starts = np.cumsum([0, *(rows for _, rows in parts)])
        ids = np.arange(starts[-1]) if example_ids is None else np.asarray(example_ids)
        if len(ids) != starts[-1]:
            raise SpanmatchError(f"example_ids: {len(ids)} for {starts[-1]} rows; give one for each row")
        own = [(batch, ids[a:b]) for (batch, _), a, b in zip(parts, starts[:-1], starts[1:], strict=True)]
        (first,) = delayed_tasks(_first_of, [(own[0][0], options)])
        total: Moments = summed(delayed_tasks(_of_batch, [(*part, first) for part in own]), scheduler)
        return total

    def save(self, path: Path_) -> None:
        """Write the moments to a safetensors file, in one step: a file of that name is whole at any time."""
        about, arrays = self._state()
        write_tensors(path, arrays, {"format": FORMAT, "version": str(VERSION), "about": json.dumps(about)})

    @classmethod
    def load(cls, path: Path_) -> Moments:
        """Read moments from a file.

        Raises SpanmatchError if the file is missing, cut short, not of moments, of another version, or inconsistent.
        """
        arrays, metadata = read_tensors(path)
        if metadata.get("format") != FORMAT:
            raise SpanmatchError(f"{path}: a safetensors file, but not of spanmatch moments")
        if metadata.get("version") != str(VERSION):
            raise SpanmatchError(
                f"{path}: moments of version {metadata.get('version')}; this spanmatch reads version {VERSION}"
            )
        try:
            return cls._from_state(json.loads(metadata["about"]), arrays)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise SpanmatchError(f"{path}: its contents do not fit together ({error})") from error

    def __repr__(self) -> str:
        rows = sorted(set(self.rows.values()))
        seen = "no" if not rows else f"{rows[0]:,}" if len(rows) == 1 else f"{rows[0]:,} to {rows[-1]:,}"
        return (
            f"<Moments: {len(self._shift)} layers, {len(self._pairs)} pairs, {seen} rows, "
            f"method={self._method!r}, folds={self._folds}, null={self._null}>"
        )

    def _empty(self) -> Moments:
        return Moments(
            pairs=self._asked,
            folds=self._folds,
            null=self._null,
            bins=self._edges or self._bins,
            method=self._method,
            top=self._top,
            max_memory_gb=self._limit / 1e9,
        )

    def _alike(self) -> Moments:
        """Return moments of no rows that add up with these: about the same shift, with the same edges of bins."""
        alike = self._empty()
        alike._pairs, alike._shift, alike._edges = list(self._pairs), dict(self._shift), dict(self._edges)
        for layer, shift in self._shift.items():
            alike._count_from_zero(layer, len(shift))
        return alike

    def _count_from_zero(self, layer: str, neurons: int) -> None:
        self._rows[layer] = np.zeros(self._folds, dtype=np.int64)
        self._examples[layer] = np.zeros(self._folds, dtype=np.int64)
        self._null_rows[layer] = 0
        self._dtypes[layer] = FINEST
        if self._top:
            self._excited[layer] = TopInputs.none(neurons, self._top)

    def _start(self, engines: Mapping[str, Engine], arrays: Mapping[str, Any], pairs: list[Layers]) -> None:
        if self._bins is not None:
            paired = dict.fromkeys(layer for pair in pairs for layer in pair)
            self._edges = {layer: self._edges_for(layer, engines[layer], arrays[layer]) for layer in paired}
        self._check_memory({layer: array.shape[1] for layer, array in arrays.items()}, pairs)
        self._pairs = pairs
        for layer, array in arrays.items():
            first = np.arange(min(ROWS_AT_ONCE, array.shape[0]))
            rows = engines[layer].rows(array, first, 0.0)
            self._shift[layer] = engines[layer].host(rows).mean(axis=0)
            self._count_from_zero(layer, array.shape[1])

    def _edges_for(self, layer: str, engine: Engine, array: Any) -> Array:
        if isinstance(self._bins, int):
            return bin_edges(engine.host(engine.rows(array, np.arange(array.shape[0]), 0.0)), self._bins)
        assert self._bins is not None
        edges = self._bins.get(layer)
        if edges is None or len(edges) != array.shape[1]:
            given = "none" if edges is None else f"those of {len(edges)} neurons"
            raise SpanmatchError(f"layer {layer!r}: bin edges for {array.shape[1]} neurons are needed; given: {given}")
        return edges

    def _add(self, engine: Engine, key: Key, arrays: Mapping[str, Any], plan: Plan, fresh: set[str]) -> None:
        if engine not in self._sums:
            self._sums[engine] = Sums.zeros(engine, self._shapes(self.layers, self._pairs))
        for layer in key:
            if (engine, layer) not in self._constants:
                edges = engine.constant(_lower_ends(self._edges[layer])) if layer in self._edges else None
                self._constants[engine, layer] = engine.constant(self._shift[layer]), edges
        shift, edges = ({layer: self._constants[engine, layer][i] for layer in key} for i in (0, 1))
        self._sums[engine].add(engine, key, arrays, shift, edges, plan, fresh)

    def _check_memory(self, widths: Mapping[str, int], pairs: list[Layers]) -> None:
        needed = self._bytes(widths, pairs)
        if needed > ANNOUNCED:
            announce(
                f"moments of {len(widths)} layers and {len(pairs)} pairs: {needed / 1e9:.2g} GB, however many rows"
            )
        if needed > self._limit:
            self._edges = {}
            raise SpanmatchError(
                f"moments of {len(widths)} layers and {len(pairs)} pairs would take {needed / 1e9:.3g} GB, over "
                f"the limit of {self._limit / 1e9:.3g}; choose fewer layers, fewer folds, null=False, "
                "or a higher max_memory_gb="
            )

    def _bytes(self, widths: Mapping[str, int], pairs: list[Layers]) -> int:
        return 8 * sum(int(np.prod(shape)) for shape in self._shapes(widths, pairs).values())

    def _shapes(self, widths: Mapping[str, int], pairs: list[Layers]) -> dict[Key, tuple[int, ...]]:
        k = self._folds
        lifted = {layer: p + 1 for layer, p in widths.items()}
        shapes: dict[Key, tuple[int, ...]] = {}
        for layer, p in lifted.items():
            shapes["sum", layer] = (k, p)
            if self._method != "qr":
                shapes["gram", layer] = (k, p, p)
            if self._null:
                shapes["partners", layer] = (p + 3,)
        for x, y in pairs:
            p, q = lifted[x], lifted[y]
            if self._method != "qr":
                shapes["cross", x, y] = (k, p, q)
            else:
                shapes["factor", x, y] = (k, 1 + p + q, 1 + p + q)
            if self._null:
                shapes["null", x, y] = (p, q)
            if self._edges:
                bins = [self._edges[layer].size + len(self._edges[layer]) for layer in (x, y)]
                shapes["above", x, y] = (bins[0], bins[1])
        return shapes

    def _total(self) -> Sums:
        """Return all sums on the host, in one place."""
        if len(self._sums) == 1 and NumpyEngine() not in self._sums:
            self._sums = {NumpyEngine(): next(iter(self._sums.values())).host()}
        if NumpyEngine() not in self._sums:
            self._sums[NumpyEngine()] = Sums.zeros(NumpyEngine(), self._shapes(self.layers, self._pairs))
        host = self._sums[NumpyEngine()]
        for engine in [engine for engine in self._sums if engine != NumpyEngine()]:
            host.merge(self._sums.pop(engine).host())
        return host

    def _take_back(self) -> None:
        """Leave the arrays that pairs were given to them: what is added from here on goes to copies."""
        if self._lent:
            self._sums[NumpyEngine()] = self._total().host()
            self._lent = False

    def _check_layers(self, widths: Mapping[str, int]) -> None:
        if not widths:
            raise SpanmatchError("no layers: give {layer: array of rows x neurons}")
        if not self._shift:
            return
        mine = self.layers
        for layer in [*widths, *mine]:
            if layer not in mine:
                raise SpanmatchError(f"layer {layer!r} was not there before{among(layer, mine)}")
            if layer not in widths:
                raise SpanmatchError(f"layer {layer!r} is missing; every batch must hold all layers")
            if mine[layer] != widths[layer]:
                raise SpanmatchError(f"layer {layer!r}: {widths[layer]} neurons, but {mine[layer]} before")

    def _check_options(self, other: Moments) -> None:
        for name in ("folds", "null", "method", "top"):
            mine, theirs = getattr(self, f"_{name}"), getattr(other, f"_{name}")
            if mine != theirs:
                raise SpanmatchError(f"moments with {name}={mine!r} and {name}={theirs!r} cannot be added")
        if self._shift and set(self._pairs) != set(other._pairs):
            raise SpanmatchError("moments of different pairs of layers cannot be added")
        same = self._edges.keys() == other._edges.keys() and all(
            np.array_equal(edges, other._edges[layer]) for layer, edges in self._edges.items()
        )
        if self._shift and not same:
            raise SpanmatchError("moments with different bins cannot be added; make the others with bins=moments.edges")

    def _state(self) -> State:
        """Return everything that the moments are, as what JSON can hold and arrays."""
        layers = list(self._shift)
        about = {
            "layers": layers,
            "pairs": self._pairs,
            "asked": self._asked,
            "folds": self._folds,
            "null": self._null,
            "method": self._method,
            "top": self._top,
            "bins": self._bins if isinstance(self._bins, int) else None,
            "null_rows": self._null_rows,
            "dtypes": self._dtypes,
            "layout": self._layout,
            "source": self._source,
        }
        arrays: dict[str, NDArray[Any]] = {"seen": self._seen}
        for layer, shift in self._shift.items():
            arrays[_name(layers, ("shift", layer))] = shift
            arrays[_name(layers, ("rows", layer))] = self._rows[layer]
            arrays[_name(layers, ("examples", layer))] = self._examples[layer]
        for layer, edges in self._edges.items():
            arrays[_name(layers, ("edges", layer))] = edges
        for layer, found in self._excited.items():
            for name, array in vars(found).items():
                arrays[_name(layers, (f"top {name}", layer))] = array
        if layers:
            arrays |= {_name(layers, key): array for key, array in self._total().arrays.items()}
        return about, arrays

    @classmethod
    def _from_state(cls, about: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Moments:
        layers = about["layers"]
        edges = {layer: arrays[name] for layer in layers if (name := _name(layers, ("edges", layer))) in arrays}
        options = {name: about[name] for name in ("folds", "null", "method", "top")}
        moments = cls(pairs=about["asked"], bins=about["bins"] or edges or None, **options)
        for layer in layers:
            if edges:
                moments._edges[layer] = checked_edges(layer, edges[layer])
            moments._shift[layer] = arrays[_name(layers, ("shift", layer))]
            for name, counted in (("rows", moments._rows), ("examples", moments._examples)):
                counted[layer] = _counts_from_file(name, layer, arrays[_name(layers, (name, layer))], moments._folds)
            moments._null_rows[layer] = int(about["null_rows"][layer])
            moments._dtypes[layer] = about["dtypes"][layer]
            if moments._dtypes[layer] not in NUMBER_TYPES:
                raise ValueError(f"the number type of {layer} is {moments._dtypes[layer]!r}")
            if moments._top:
                moments._excited[layer] = _top_from_file(layers, layer, arrays, moments._top)
        moments._layout = {layer: str(words) for layer, words in about["layout"].items()}
        moments._source, moments._seen = str(about["source"]), checked_ranges(arrays["seen"])
        moments._pairs = [(x, y) for x, y in about["pairs"]]
        shapes = moments._shapes(moments.layers, moments._pairs)
        sums = {key: arrays[_name(layers, key)] for key in shapes}
        for key, shape in shapes.items():
            if sums[key].shape != shape or sums[key].dtype != np.float64:
                raise ValueError(f"{' '.join(key)} is {sums[key].dtype} {sums[key].shape}, not float64 {shape}")
            if not np.isfinite(sums[key]).all():
                raise ValueError(f"{' '.join(key)} is not finite")
        for layer, shift in moments._shift.items():
            if shift.ndim != 1 or shift.dtype != np.float64 or not np.isfinite(shift).all():
                raise ValueError(f"the shift of {layer} is {shift.dtype} {shift.shape}")
        if layers:
            moments._sums[NumpyEngine()] = Sums(NumpyEngine(), dict(sums))
        return moments


def _first_of(batch: Mapping[str, Any], options: MomentsOptions) -> Moments:
    """Return moments of no rows, which go by a chunk."""
    moments = Moments(**options)
    moments._begin(batch)
    return moments


def _of_batch(batch: Mapping[str, Any], ids: Any, first: Moments) -> Moments:
    """Return the moments of one chunk: what a worker does."""
    moments = first._alike()
    moments.update(batch, ids)
    return moments


def pair(
    X: Any,
    Y: Any,
    *,
    example_ids: Any = None,
    folds: int = 8,
    null: bool = True,
    bins: int | tuple[ArrayLike, ArrayLike] | None = None,
    method: Method | None = None,
) -> Pair:
    """Return the joint moments of two arrays of activations.

    Parameters
    ----------
    X, Y : array of shape (n, p), array of shape (n, q)
        Rows x neurons; rows correspond.
    example_ids, folds, null
        As in `Moments`.
    bins : int or tuple of arrays, optional
        For mutual information: how many, or the edges of x's and y's, (p, bins - 1) and (q, bins - 1).
    method : {"gram", "qr", "single"}, optional
        As in `Moments`. By default "gram", and "qr" where that would not resolve distances of 1e-3.

    Returns
    -------
    Pair

    Raises
    ------
    SpanmatchError
        If they are not finite real matrices with equally many rows.
    """
    given = dict(zip("xy", bins, strict=True)) if isinstance(bins, tuple) else bins

    def joint(method: Method) -> Pair:
        moments = Moments(pairs=[("x", "y")], folds=folds, null=null, bins=given, method=method)
        moments._update({"x": X, "y": Y}, example_ids)
        return moments.pair("x", "y")

    if method is not None:
        return joint(method)
    made = joint("gram")
    resolved = max(made.resolution(), made.resolution(centred=True)) <= RESOLVED
    return made if resolved else joint("qr")


def _asked(pairs: Pairs) -> Literal["matching", "all"] | list[Layers]:
    if isinstance(pairs, str):
        if pairs not in ("matching", "all"):
            raise SpanmatchError(f"pairs={pairs!r}: give 'matching', 'all' or a list of pairs of layers")
        return pairs
    try:
        listed = [(str(x), str(y)) for x, y in pairs]
    except (TypeError, ValueError) as error:
        raise SpanmatchError(f"pairs={pairs!r}: give 'matching', 'all' or a list of pairs of layers") from error
    for x, y in listed:
        if x == y or (y, x) in listed or listed.count((x, y)) > 1:
            raise SpanmatchError(f"pair ({x!r}, {y!r}): give two different layers, and each pair once")
    return listed


def _kept(asked: Literal["matching", "all"] | list[Layers], layers: list[str]) -> list[Layers]:
    if asked == "all":
        return list(combinations(layers, 2))
    if asked == "matching":
        return [(x, y) for x, y in combinations(layers, 2) if _matching(x, y)]
    for layer in (layer for pair in asked for layer in pair):
        if layer not in layers:
            raise SpanmatchError(f"pairs ask for layer {layer!r}, which the batch does not hold{among(layer, layers)}")
    return list(asked)


def _matching(x: str, y: str) -> bool:
    (a, colon, layer), (b, _, other) = x.partition(":"), y.partition(":")
    return bool(colon) and layer == other and a != b


def _check_rows(pairs: list[Layers], rows: Mapping[str, int], engines: Mapping[str, Engine]) -> None:
    for x, y in pairs:
        if rows[x] != rows[y]:
            raise SpanmatchError(
                f"layers {x!r} and {y!r}: {rows[x]} and {rows[y]} rows; rows of paired layers must correspond "
                "(layers of different spatial size do with pool='mean')"
            )
        if engines[x] != engines[y]:
            raise SpanmatchError(f"layers {x!r} and {y!r} are on different devices; move them to one")


def _check_examples(pairs: list[Layers], made: Mapping[str, Plan]) -> None:
    for x, y in pairs:
        if made[x] is not made[y] and not np.array_equal(made[x].examples, made[y].examples):
            raise SpanmatchError(f"layers {x!r} and {y!r}: their rows are not of the same examples")


def _half_of_memory() -> float:
    try:
        return 0.5 * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not told on this system
        return float("inf")


def _lower_ends(edges: Array) -> Array:
    return np.hstack([np.full((len(edges), 1), -np.inf), edges])


def _name(layers: list[str], key: Key) -> str:
    """Return the name of an array in a file; layers by number, as their names may hold anything."""
    return " ".join([key[0], *(str(layers.index(layer)) for layer in key[1:])])


def _counts_from_file(name: str, layer: str, counts: NDArray[Any], folds: int) -> NDArray[np.int64]:
    if counts.shape != (folds,) or counts.dtype != np.int64 or counts.min() < 0:
        raise ValueError(f"{name} of {layer} are {counts.tolist()}")
    return counts


def _top_from_file(layers: list[str], layer: str, arrays: Mapping[str, NDArray[Any]], k: int) -> TopInputs:
    found = TopInputs(*(arrays[_name(layers, (f"top {name}", layer))] for name in ("values", "examples", "places")))
    shape = len(arrays[_name(layers, ("shift", layer))]), k
    kinds = [(array.shape, array.dtype.kind) for array in (found.values, found.examples, found.places)]
    if kinds != [(shape, "f"), (shape, "i"), (shape, "i")] or np.isnan(found.values).any():
        raise ValueError(f"the top inputs of {layer} are {kinds}, not of {shape}")
    return found


def _null_product(sums: Sums, x: str, y: str, partners: int, rows: int) -> Array:
    if partners < rows:
        raise SpanmatchError(
            f"layers {x!r} and {y!r}: {rows - partners} of {rows} rows have no partner for the null, as their batches "
            "were of one example, or mostly of one; give batches of several examples"
        )
    found = {layer: sums.partners(layer) for layer in (x, y)}
    layer = max(found, key=lambda layer: found[layer].similarity if found[layer].alike else -np.inf)
    if found[layer].alike:
        raise SpanmatchError(
            f"layers {x!r} and {y!r}: the null pairs examples of one batch, and at layer {layer!r} those are alike "
            f"(similarity {found[layer].similarity:.2g}; shuffled, at most {found[layer].limit:.2g}): shuffle the "
            "examples, or give all of them in one batch; where several rows are of one example, give example_ids="
        )
    return sums.null(x, y)
