"""The sums of moments on every engine that batches came for, and their total on the host."""

from __future__ import annotations

from .backends import Engine, NumpyEngine
from .merging import add_sums
from .sums import Shapes, Sums, bytes_of


class Accumulators:
    """The sums of moments on every engine that batches came for.

    Reading the total changes nothing: it is the host's sums themselves where there are no others, which are copied on
    write, else a copy on the host that is kept until more is added.
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
