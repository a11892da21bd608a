"""The sums of moments on every engine that batches came for, and their total on the host."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from .._threads import run_side_by_side
from .backends import Engine, NumpyEngine
from .batches import LayerBatch
from .layer_records import LayerRecord
from .merging import add_sums
from .options import Layers, connected_layers
from .sums import Shapes, Sums, bytes_of

SMALL_PRODUCTS = 256
"""Neurons of the two widest layers, up to which products gain nothing from several threads."""


class Accumulators:
    """The sums of moments on every engine that batches came for.

    Reading the total changes nothing: it is the host's sums themselves where there are no others,
    which are copied on write, else a copy on the host that is kept until more is added.
    """

    def __init__(self, host: NumpyEngine, shapes: Shapes, sums: Sums | None = None) -> None:
        """Begin with sums on the host, if any, which are taken over as they are."""
        self.host, self.shapes = host, shapes
        self._sums: dict[Engine, Sums] = {} if sums is None else {host: sums}
        self._host_copy: Sums | None = None

    @property
    def nbytes(self) -> int:
        """The bytes that the sums take on one engine."""
        return bytes_of(self.shapes)

    def on(self, engine: Engine) -> Sums:
        """Return an engine's sums, to add to."""
        self._host_copy = None
        if engine not in self._sums:
            self._sums[engine] = Sums.zeros(engine, self.shapes)
        return self._sums[engine]

    def add_batch(
        self, batch: Mapping[str, LayerBatch], pairs: Sequence[Layers], layers: Mapping[str, LayerRecord]
    ) -> None:
        """Add the rows of all layers, by groups that pairs connect, narrow ones side by side."""
        narrow = []
        for group in connected_layers(batch, pairs):
            first = batch[group[0]]  # all of the group have its engine and its plan
            arrays = {layer: batch[layer].array for layer in group}
            group_pairs = [pair for pair in pairs if pair[0] in arrays]
            add = partial(self.on(first.engine).add, arrays, group_pairs, first.plan, layers)
            widest = sum(sorted(layers[layer].neurons for layer in group)[-2:])
            if isinstance(first.engine, NumpyEngine) and widest <= SMALL_PRODUCTS:
                narrow.append(add)
            else:
                add()
        run_side_by_side(narrow)

    def add(self, other: Sums) -> None:
        """Add sums on the host about the same shifts."""
        self._host_copy = None
        if self.host in self._sums:
            add_sums(self._sums[self.host], other)
        else:
            self._sums[self.host] = other.on_host()

    def total(self) -> Sums:
        """Return all sums on the host, to read."""
        if self._sums.keys() == {self.host}:
            return self._sums[self.host]
        if self._host_copy is None:
            self._host_copy = self._copied_to_host()
        return self._host_copy

    def _copied_to_host(self) -> Sums:
        if not self._sums:
            return Sums.zeros(self.host, self.shapes)
        first, *others = sorted(self._sums.values(), key=lambda sums: sums.engine != self.host)
        total = first.on_host()
        for sums in others:
            add_sums(total, sums.on_host())
        return total
