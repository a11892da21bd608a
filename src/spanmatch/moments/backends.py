"""Where the products run: on the CPU by BLAS, or on the device that the arrays are on.

An engine turns a part of a batch into float64 rows about a shift and adds its products to sums that
stay on its device. No library of arrays is imported here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import DTypeLike, NDArray
from scipy.linalg import blas, lapack

from . import sparse_rows
from .packed import Packed

if TYPE_CHECKING:
    import torch
    from scipy.sparse import csr_array

DeviceArray: TypeAlias = Any
"""An array of the library that an engine computes with: NumPy, PyTorch, or one of the array API
standard. These have no type in common; an engine takes arrays of its own library alone.
"""
Array = NDArray[np.float64]
Floats = NDArray[np.floating]
"""Rows, in the precision of the products."""
HostRows: TypeAlias = "NDArray[Any] | csr_array"
LiftedRows: TypeAlias = "Floats | csr_array"
Maxima = tuple[Array, NDArray[np.int64]]
Room = dict[str, NDArray[Any]]
"""Memory that an engine may keep from one part of a batch to the next."""


class Engine(Protocol):
    """The products that the moments are made of, on one device and in one precision.

    Engines of the same device and precision are equal: sums are kept per engine.
    """

    @property
    def single(self) -> bool:
        """Whether products are of rows rounded to float32; sums are float64 all the same."""

    def zeros(self, *shape: int) -> DeviceArray:
        """Return a float64 accumulator."""

    def rows(self, array: DeviceArray, index: NDArray[np.intp], shift: DeviceArray) -> DeviceArray:
        """Return array[index] - shift as float64."""

    def lifted(self, array: DeviceArray, index: NDArray[np.intp], shift: DeviceArray, room: Room) -> DeviceArray:
        """Return the same and, as one more column, squared norms; valid until `room` is reused."""

    def means(self, A: DeviceArray, lengths: NDArray[np.intp]) -> DeviceArray:
        """Return the lifted means of consecutive groups of lifted rows, of these lengths."""

    def add_sum(self, total: DeviceArray, A: DeviceArray) -> None:
        """Add the column sums of A."""

    def add_gram(self, total: DeviceArray, A: DeviceArray) -> None:
        """Add A^T A to a packed matrix."""

    def add_product(self, total: DeviceArray, A: DeviceArray, B: DeviceArray) -> None:
        """Add A^T B."""

    def add_factor(self, total: DeviceArray, A: DeviceArray, B: DeviceArray) -> None:
        """Replace the triangular factor R by that of [R; 1 X Y a b], for lifted rows A = [X a] and
        B = [Y b].
        """

    def above(self, rows: DeviceArray, edges: DeviceArray) -> DeviceArray:
        """Return (rows, neurons x edges), ones where a neuron is above an edge and zeros elsewhere."""

    def add_counts(self, total: DeviceArray, A: DeviceArray, B: DeviceArray) -> None:
        """Add A^T B, for matrices of ones and zeros."""

    def sum_of(self, arrays: Sequence[DeviceArray]) -> float:
        """Return the sum of all values, not finite if one is not; wait for a device once."""

    def maxima(self, array: DeviceArray, order: NDArray[np.intp], starts: NDArray[np.int64]) -> Maxima:
        """Return the largest row of each group, by column, and which of the group's rows it is;
        rows are in groups when taken in that order.
        """

    def narrow(self, array: DeviceArray, index: NDArray[np.intp], groups: int) -> DeviceArray:
        """Return array[index] as float32, as many rows as groups, those of a group side by side."""

    def group_sums(self, array: DeviceArray, index: NDArray[np.intp], lengths: NDArray[np.int64]) -> DeviceArray:
        """Return float64 sums of consecutive groups of rows of array[index], of these lengths."""

    def room(self, shape: tuple[int, int], *, single: bool) -> DeviceArray:
        """Return an array to write to, of float32 or float64."""

    def put(self, target: DeviceArray, index: NDArray[np.intp], rows: DeviceArray) -> None:
        """Set target[index] to rows."""

    def taken(self, array: DeviceArray, index: NDArray[np.intp]) -> DeviceArray:
        """Return array[index]."""

    def copied(self, array: DeviceArray) -> DeviceArray:
        """Return a copy on the device."""

    def constant(self, host: Array) -> DeviceArray:
        """Return a host array on the device."""

    def host(self, array: DeviceArray) -> Array:
        """Return a device array on the host."""


@dataclass(frozen=True)
class NumpyEngine:
    """Products by BLAS, accumulated in place; of sparse rows about no shift, by SciPy."""

    single: bool = False

    def zeros(self, *shape: int) -> Array:
        """Return zeros."""
        return np.zeros(shape)

    def rows(self, array: HostRows, index: NDArray[np.intp], shift: Array | float) -> Array:
        """Gather and shift in one pass."""
        with np.errstate(invalid="ignore"):  # signalling nans of damaged files, which are refused afterwards
            return np.asarray(np.subtract(sparse_rows.taken(array, index), shift, dtype=np.float64))

    def lifted(self, array: HostRows, index: NDArray[np.intp], shift: Array | float, room: Room) -> LiftedRows:
        """Gather, shift and square in place, in memory that is kept: fresh pages are slow."""
        n, p = len(index), array.shape[1]
        if sparse_rows.is_sparse(array):
            sparse = None if np.any(shift) else sparse_rows.lifted(array, index, single=self.single)
            if sparse is not None:
                return sparse
            array, index = sparse_rows.taken(array, index), np.arange(n)
        gathered = _from(room, "gathered", (n, p), array.dtype)
        rows = _from(room, "rows", (n, p + 1), np.dtype(np.float32 if self.single else np.float64))
        np.take(array, index, axis=0, out=gathered, mode="clip")
        np.subtract(gathered, shift, out=rows[:, :-1], dtype=np.float64, casting="same_kind")
        np.einsum("np,np->n", rows[:, :-1], rows[:, :-1], out=rows[:, -1])
        return rows

    def means(self, A: LiftedRows, lengths: NDArray[np.intp]) -> LiftedRows:
        """A small product for each group, or one sparse product where lengths differ."""
        if len(lengths) == A.shape[0]:
            return A
        if sparse_rows.is_sparse(A):
            return sparse_rows.with_norms(_averaging(lengths) @ A[:, :-1], single=self.single)
        means: Array
        if (lengths == lengths[0]).all():
            average = np.full((1, lengths[0]), 1 / lengths[0])
            means = np.matmul(average, A.reshape(len(lengths), lengths[0], -1))[:, 0]
        else:
            means = _averaging(lengths) @ A
        np.einsum("np,np->n", means[:, :-1], means[:, :-1], out=means[:, -1])
        return means

    def add_sum(self, total: Array, A: LiftedRows) -> None:
        """Add the column sums: the rows one after another, as `sum` does, in half the time."""
        total += sparse_rows.column_sums(A) if sparse_rows.is_sparse(A) else np.einsum("np->p", A, dtype=np.float64)

    def add_gram(self, total: Array, A: LiftedRows) -> None:
        """Tile by tile, about half the work of a product."""
        if sparse_rows.is_sparse(A):
            sparse_rows.add_gram(total, A)
            return
        panels = Packed(A.shape[1]).panels
        # Of columns of A, BLAS would make a copy for each product.
        blocks = [np.ascontiguousarray(A[:, panel.start : panel.stop]) for panel in panels]
        for i, panel in enumerate(panels):
            columns = panel.of(total)
            for other, block in zip(panels[:i], blocks[:i], strict=True):
                self.add_product(columns[other.start : other.stop], block, blocks[i])
            self._add_square(columns[panel.start :], blocks[i])

    def _add_square(self, total: Array, A: Floats) -> None:
        """Add A^T A to the lower triangle; `total.T` is Fortran-ordered, so that BLAS adds in place."""
        if self.single:
            total += blas.ssyrk(1.0, A.T).T
        else:
            blas.dsyrk(1.0, A.T, beta=1.0, c=total.T, overwrite_c=1)

    def add_product(self, total: Array, A: LiftedRows, B: LiftedRows) -> None:
        """The transposed product, for the same reason."""
        if sparse_rows.is_sparse(A) or sparse_rows.is_sparse(B):
            sparse_rows.add_product(total, A, B)
            return
        if self.single:
            total += blas.sgemm(1.0, B.T, A.T, trans_b=1).T
            return
        blas.dgemm(1.0, B.T, A.T, trans_b=1, beta=1.0, c=total.T, overwrite_c=1)

    def add_factor(self, total: Array, A: LiftedRows, B: LiftedRows) -> None:
        """QR of a triangle on top of a block, which leaves the triangle's zeros alone."""
        A, B = (rows.toarray() if sparse_rows.is_sparse(rows) else rows for rows in (A, B))
        block = np.asfortranarray(np.hstack([np.ones((len(A), 1)), A[:, :-1], B[:, :-1], A[:, -1:], B[:, -1:]]))
        size = len(total)
        R, *_ = lapack.dtpqrt(0, min(32, size), np.asfortranarray(total), block, overwrite_b=1)
        total[:] = np.triu(R)

    def above(self, rows: Floats, edges: Array) -> NDArray[np.float32]:
        """In single precision, for the product's speed."""
        ones = np.empty((*rows.shape, edges.shape[1]), dtype=np.float32)
        return np.asarray(np.greater(rows[:, :, None], edges, out=ones).reshape(len(rows), -1))

    def add_counts(self, total: Array, A: Floats, B: Floats) -> None:
        """A product in single precision, exact for up to 2^24 rows at once."""
        total += blas.sgemm(1.0, B.T, A.T, trans_b=1).T

    def sum_of(self, arrays: Sequence[HostRows]) -> float:
        """Sum in the arrays' own precision; it may overflow, and values are then checked singly."""
        with np.errstate(over="ignore", invalid="ignore"):
            return float(sum(float(_values(array).sum()) for array in arrays))

    def maxima(self, array: HostRows, order: NDArray[np.intp], starts: NDArray[np.int64]) -> Maxima:
        """Reduce by groups; the first of equal rows counts."""
        rows = sparse_rows.taken(array, order)
        largest = np.maximum.reduceat(rows, starts, axis=0)
        lengths = np.diff(starts, append=len(order))
        within = (np.arange(len(order)) - np.repeat(starts, lengths))[:, None]
        places = np.where(rows == np.repeat(largest, lengths, axis=0), within, len(order))
        return largest.astype(np.float64), np.minimum.reduceat(places, starts, axis=0)

    def narrow(self, array: HostRows, index: NDArray[np.intp], groups: int) -> NDArray[np.float32]:
        """Gather, then round; what overflows is refused when the sample is read."""
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            return sparse_rows.taken(array, index).astype(np.float32).reshape(groups, -1)

    def group_sums(self, array: HostRows, index: NDArray[np.intp], lengths: NDArray[np.int64]) -> Array:
        """Add the rows of each group one after another, whatever the other groups."""
        rows = sparse_rows.taken(array, index).astype(np.float64)
        return np.asarray(np.add.reduceat(rows, np.cumsum(lengths) - lengths, axis=0))

    def room(self, shape: tuple[int, int], *, single: bool) -> Floats:
        """Memory as it is."""
        return np.empty(shape, np.float32 if single else np.float64)

    def put(self, target: Floats, index: NDArray[np.intp], rows: Floats) -> None:
        """Assign."""
        target[index] = rows

    def taken(self, array: Floats, index: NDArray[np.intp]) -> Floats:
        """Gather."""
        return np.asarray(array[index])

    def copied(self, array: Floats) -> Floats:
        """Copy."""
        return array.copy()

    def constant(self, host: Array) -> Array:
        """The array itself."""
        return host

    def host(self, array: NDArray[np.generic]) -> Array:
        """The array itself."""
        return np.asarray(array)


@dataclass(frozen=True)
class TorchEngine:
    """Products by PyTorch on one device, in float64 or, if `single`, of rows rounded to float32."""

    device: torch.device
    single: bool = False

    def zeros(self, *shape: int) -> torch.Tensor:
        """Return zeros on the device."""
        import torch

        return torch.zeros(shape, dtype=torch.float64, device=self.device)

    def rows(self, array: torch.Tensor, index: NDArray[np.intp], shift: torch.Tensor | float) -> torch.Tensor:
        """Gather on the device, then widen."""
        import torch

        chosen: torch.Tensor = array[torch.from_numpy(index).to(self.device)]
        rows: torch.Tensor = chosen.to(torch.float64) - shift
        return rows

    def lifted(
        self, array: torch.Tensor, index: NDArray[np.intp], shift: torch.Tensor | float, room: Room
    ) -> torch.Tensor:
        """Gather, shift and square on the device."""
        lifted = self._with_squares(self.rows(array, index, shift))
        return lifted.float() if self.single else lifted

    def means(self, A: torch.Tensor, lengths: NDArray[np.intp]) -> torch.Tensor:
        """A dense product: sums by group would add in no certain order."""
        if len(lengths) == len(A):
            return A
        rows = A[:, :-1].double()
        if (lengths == lengths[0]).all():
            return self._with_squares(rows.reshape(len(lengths), int(lengths[0]), -1).mean(dim=1))
        return self._with_squares(self.constant(_averaging(lengths).toarray()) @ rows)

    def _with_squares(self, rows: torch.Tensor) -> torch.Tensor:
        import torch

        return torch.cat([rows, (rows * rows).sum(dim=1, keepdim=True)], dim=1)

    def add_sum(self, total: torch.Tensor, A: torch.Tensor) -> None:
        """Add the column sums."""
        import torch

        total += A.sum(dim=0, dtype=torch.float64)

    def add_gram(self, total: torch.Tensor, A: torch.Tensor) -> None:
        """One product a panel: above the diagonal of its square, nothing is read."""
        for panel in Packed(A.shape[1]).panels:
            self.add_product(panel.of(total), A[:, : panel.stop], A[:, panel.start : panel.stop])

    def add_product(self, total: torch.Tensor, A: torch.Tensor, B: torch.Tensor) -> None:
        """Accumulate in place."""
        if self.single:
            total += A.T @ B
        else:
            total.addmm_(A.T, B)

    def add_factor(self, total: torch.Tensor, A: torch.Tensor, B: torch.Tensor) -> None:
        """QR of the stack."""
        import torch

        block = torch.cat([torch.ones_like(A[:, :1]), A[:, :-1], B[:, :-1], A[:, -1:], B[:, -1:]], dim=1)
        total.copy_(torch.linalg.qr(torch.cat([total, block]), mode="r").R)

    def above(self, rows: torch.Tensor, edges: torch.Tensor) -> torch.Tensor:
        """Compare on the device."""
        ones: torch.Tensor = (rows[:, :, None] > edges).flatten(1).double()
        return ones

    def add_counts(self, total: torch.Tensor, A: torch.Tensor, B: torch.Tensor) -> None:
        """A product in double precision, whatever that of the moments."""
        total.addmm_(A.T, B)

    def maxima(self, array: torch.Tensor, order: NDArray[np.intp], starts: NDArray[np.int64]) -> Maxima:
        """Reduce by groups on the device."""
        import torch

        lengths = np.diff(starts, append=len(order))
        group = torch.from_numpy(np.repeat(np.arange(len(starts)), lengths)).to(self.device)
        within = torch.from_numpy(np.arange(len(order)) - np.repeat(starts, lengths)).to(self.device)
        rows = array[torch.from_numpy(order).to(self.device)].double()
        index = group[:, None].expand_as(rows)
        empty = rows.new_full((len(starts), rows.shape[1]), -torch.inf)
        largest = empty.scatter_reduce(0, index, rows, "amax")
        places = torch.where(rows == largest[group], within[:, None], len(order))
        first = places.new_full(empty.shape, len(order)).scatter_reduce(0, index, places, "amin")
        return self.host(largest), np.asarray(first.cpu().numpy())

    def sum_of(self, arrays: Sequence[torch.Tensor]) -> float:
        """Sum on the device, which is waited for once."""
        import torch

        return float(torch.stack([array.sum(dtype=torch.float64) for array in arrays]).sum())

    def narrow(self, array: torch.Tensor, index: NDArray[np.intp], groups: int) -> torch.Tensor:
        """Gather on the device, then round."""
        return self.taken(array, index).float().reshape(groups, -1)

    def group_sums(self, array: torch.Tensor, index: NDArray[np.intp], lengths: NDArray[np.int64]) -> torch.Tensor:
        """Reduce by segments, which add in a certain order."""
        import torch

        sizes = torch.from_numpy(lengths).to(self.device)
        sums: torch.Tensor = torch.segment_reduce(self.taken(array, index).double(), "sum", lengths=sizes, unsafe=True)
        return sums

    def room(self, shape: tuple[int, int], *, single: bool) -> torch.Tensor:
        """Memory as it is, on the device."""
        import torch

        return torch.empty(shape, dtype=torch.float32 if single else torch.float64, device=self.device)

    def put(self, target: torch.Tensor, index: NDArray[np.intp], rows: torch.Tensor) -> None:
        """Assign on the device."""
        import torch

        target[torch.from_numpy(index).to(self.device)] = rows

    def taken(self, array: torch.Tensor, index: NDArray[np.intp]) -> torch.Tensor:
        """Gather on the device."""
        import torch

        rows: torch.Tensor = array[torch.from_numpy(index).to(self.device)]
        return rows

    def copied(self, array: torch.Tensor) -> torch.Tensor:
        """Copy on the device."""
        return array.clone()

    def constant(self, host: Array) -> torch.Tensor:
        """Copy to the device."""
        import torch

        return torch.from_numpy(host).to(self.device)

    def host(self, array: torch.Tensor) -> Array:
        """Copy to the host; bfloat16, which NumPy has not, as float32."""
        import torch

        return np.asarray((array.float() if array.dtype == torch.bfloat16 else array).cpu().numpy())


@dataclass(frozen=True)
class ArrayEngine:
    """Products by a library of the array API standard with arrays to be added to in place."""

    xp: ModuleType
    device: object
    single: bool = False

    def zeros(self, *shape: int) -> DeviceArray:
        """Return zeros on the device."""
        return self.xp.zeros(shape, dtype=self.xp.float64, device=self.device)

    def rows(self, array: DeviceArray, index: NDArray[np.intp], shift: DeviceArray) -> DeviceArray:
        """Gather on the device, then widen."""
        return self.xp.astype(self.xp.take(array, self.constant(index), axis=0), self.xp.float64) - shift

    def lifted(self, array: DeviceArray, index: NDArray[np.intp], shift: DeviceArray, room: Room) -> DeviceArray:
        """Gather, shift and square on the device."""
        lifted = self._with_squares(self.rows(array, index, shift))
        return self.xp.astype(lifted, self.xp.float32) if self.single else lifted

    def means(self, A: DeviceArray, lengths: NDArray[np.intp]) -> DeviceArray:
        """A dense product: the standard has no sums by group."""
        if len(lengths) == A.shape[0]:
            return A
        rows = self.xp.astype(A[:, :-1], self.xp.float64)
        return self._with_squares(self.constant(_averaging(lengths).toarray()) @ rows)

    def _with_squares(self, rows: DeviceArray) -> DeviceArray:
        return self.xp.concat([rows, self.xp.sum(rows * rows, axis=1, keepdims=True)], axis=1)

    def add_sum(self, total: DeviceArray, A: DeviceArray) -> None:
        """Add the column sums."""
        total += self.xp.sum(A, axis=0, dtype=self.xp.float64)

    def add_gram(self, total: DeviceArray, A: DeviceArray) -> None:
        """One product a panel: above the diagonal of its square, nothing is read."""
        for panel in Packed(A.shape[1]).panels:
            product = A[:, : panel.stop].T @ A[:, panel.start : panel.stop]
            total[panel.first : panel.last] += self.xp.reshape(self.xp.astype(product, self.xp.float64), (-1,))

    def add_product(self, total: DeviceArray, A: DeviceArray, B: DeviceArray) -> None:
        """Add the product."""
        total += self.xp.astype(A.T @ B, self.xp.float64)

    def add_factor(self, total: DeviceArray, A: DeviceArray, B: DeviceArray) -> None:
        """QR of the stack."""
        ones = self.xp.ones_like(A[:, :1])
        block = self.xp.concat([ones, A[:, :-1], B[:, :-1], A[:, -1:], B[:, -1:]], axis=1)
        total[:, :] = self.xp.linalg.qr(self.xp.concat([total, block], axis=0))[1]

    def above(self, rows: DeviceArray, edges: DeviceArray) -> DeviceArray:
        """Compare on the device."""
        ones = self.xp.astype(rows[:, :, None] > edges[None, :, :], self.xp.float64)
        return self.xp.reshape(ones, (rows.shape[0], -1))

    def add_counts(self, total: DeviceArray, A: DeviceArray, B: DeviceArray) -> None:
        """Add the product."""
        total += A.T @ B

    def maxima(self, array: DeviceArray, order: NDArray[np.intp], starts: NDArray[np.int64]) -> Maxima:
        """On the host: the standard has no sums by group."""
        return NumpyEngine().maxima(self.host(array), order, starts)

    def sum_of(self, arrays: Sequence[DeviceArray]) -> float:
        """Sum on the device, which is waited for once."""
        total = self.zeros()
        for array in arrays:
            total = total + self.xp.sum(self.xp.astype(array, self.xp.float64))
        return float(total)

    def narrow(self, array: DeviceArray, index: NDArray[np.intp], groups: int) -> DeviceArray:
        """Gather on the device, then round."""
        return self.xp.reshape(self.xp.astype(self.taken(array, index), self.xp.float32), (groups, -1))

    def group_sums(self, array: DeviceArray, index: NDArray[np.intp], lengths: NDArray[np.int64]) -> DeviceArray:
        """On the host: the standard has no sums by group."""
        rows = self.host(self.taken(array, index))
        return self.constant(NumpyEngine().group_sums(rows, np.arange(len(rows)), lengths))

    def room(self, shape: tuple[int, int], *, single: bool) -> DeviceArray:
        """Memory as it is, on the device."""
        return self.xp.empty(shape, dtype=self.xp.float32 if single else self.xp.float64, device=self.device)

    def put(self, target: DeviceArray, index: NDArray[np.intp], rows: DeviceArray) -> None:
        """Row by row: the standard has no assignment by an array of indices."""
        for row, i in enumerate(index.tolist()):
            target[i, ...] = rows[row, ...]

    def taken(self, array: DeviceArray, index: NDArray[np.intp]) -> DeviceArray:
        """Gather on the device."""
        return self.xp.take(array, self.constant(index), axis=0)

    def copied(self, array: DeviceArray) -> DeviceArray:
        """Copy on the device."""
        return self.xp.asarray(array, copy=True)

    def constant(self, host: NDArray[np.generic]) -> DeviceArray:
        """Copy to the device."""
        return self.xp.asarray(host, device=self.device)

    def host(self, array: DeviceArray) -> Array:
        """Copy to the host; CuPy does so by `get` alone."""
        return np.asarray(array.get() if hasattr(array, "get") else array)


def _averaging(lengths: NDArray[np.intp]) -> csr_array:
    """Return the sparse matrix (groups, rows) that takes rows to the means of groups of them."""
    from scipy.sparse import csr_array  # slow to load: taken where it is used

    ends = np.cumsum(lengths)
    weights = np.repeat(1 / lengths, lengths), np.arange(ends[-1]), np.append(0, ends)
    return csr_array(weights, shape=(len(lengths), ends[-1]))


def _values(rows: HostRows) -> NDArray[Any]:
    """Return the values that are stored."""
    return rows.data if sparse_rows.is_sparse(rows) else np.asarray(rows)


def _from(room: Room, name: str, shape: tuple[int, int], dtype: DTypeLike) -> NDArray[np.floating]:
    """Return an array in kept memory, of which there may be more."""
    size = shape[0] * shape[1]
    if name not in room or room[name].dtype != dtype or len(room[name]) < size:
        room[name] = np.empty(size, dtype)
    return room[name][:size].reshape(shape)
