"""Permutations of examples: under the null hypothesis all orders of y's examples are equally likely.

Up to m - 1 permutations of m examples are shifts along one random cycle through all of them. With
the identity, all shifts are a group, so that a test by a random subset of them holds its level
exactly, as one by independent permutations does. And sums over pairs of examples for all shifts at
once are correlations along the cycle, which the fast Fourier transform gives in the time of a few
permutations.
Source: Hemerik & Goeman, "Exact testing with random permutations", TEST 27, 2018.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import SpanmatchError
from ..moments.sample import Ids
from ..moments.spans import Array, Index

Groups = ArrayLike | Mapping[int, object] | None


@dataclass(frozen=True, eq=False)
class Permutations:
    """Orders of m examples: in order k, y's example order[i] takes the place of y's example i."""

    cycle: Index
    """(m,) the examples in the order of one cycle; empty if permutations are independent."""
    shifts: Index
    """(K,) by how many steps along the cycle each permutation moves all examples."""
    orders: NDArray[np.intp]
    """(K, m) independent permutations; (0, m) if they are shifts."""

    def __len__(self) -> int:
        """Return the number K of permutations."""
        return len(self.shifts) or len(self.orders)

    def __iter__(self) -> Iterator[Index]:
        """Yield each permutation as an order (m,)."""
        yield from self.orders
        place = np.argsort(self.cycle)
        for shift in self.shifts:
            yield self.cycle[(place + shift) % len(place)]

    def first(self, count: int) -> Permutations:
        """Return the first permutations: a random subset, as these are."""
        return Permutations(self.cycle, self.shifts[:count], self.orders[:count])

    def prepared(self, A: Array) -> NDArray[np.inexact]:
        """Return a symmetric matrix (m, m) as `sums` takes it; worth keeping for several calls."""
        return self._along_cycle(A) if len(self.shifts) else A

    def sums(self, A: NDArray[np.inexact], B: NDArray[np.inexact]) -> Array:
        """Return sum over i, j of A_ij B_order(i)order(j) for every permutation.

        Parameters
        ----------
        A, B : array
            What `prepared` made of two symmetric matrices (m, m).

        Returns
        -------
        array of float, (K,)

        Notes
        -----
        Cost: m^2 operations for all shifts, after m^2 log m to prepare a matrix; m^2 for each
        independent permutation.
        """
        if len(self.shifts):
            return self._sums_of_shifts(A, B)
        flat, permuted, sums = np.ravel(A), np.empty_like(B), []
        for order in self.orders:
            np.take(B[order], order, axis=1, out=permuted, mode="clip")
            sums.append(float(flat @ permuted.ravel()))
        return np.array(sums)

    def _along_cycle(self, A: Array) -> NDArray[np.complex128]:
        """Return the transforms along the cycle of the diagonals of a matrix (m // 2 + 1, m // 2 + 1).

        Column d is of the diagonal d above the main one; the others repeat these, by symmetry.
        """
        from scipy import fft  # slow to import

        m, half = len(self.cycle), len(self.cycle) // 2 + 1
        along = np.empty((half, half), dtype=np.complex128)
        ordered = A[np.ix_(self.cycle, self.cycle)]
        for start in range(0, half, DIAGONALS_AT_ONCE):
            offsets = np.arange(start, min(half, start + DIAGONALS_AT_ONCE))
            columns = (np.arange(m)[:, None] + offsets) % m
            along[:, offsets] = fft.rfft(np.take_along_axis(ordered, columns, axis=1), axis=0)
        return along

    def _sums_of_shifts(self, A: NDArray[np.inexact], B: NDArray[np.inexact]) -> Array:
        """Return the sums for all shifts: correlations along the cycle, added over all diagonals."""
        from scipy import fft

        m, half = len(self.cycle), len(self.cycle) // 2 + 1
        times = np.full(half, 2.0)
        times[0] = 1.0
        if m % 2 == 0:
            times[-1] = 1.0
        total = np.einsum("fd,fd,d->f", np.conj(A), B, times, optimize=False)
        return np.asarray(fft.irfft(total, n=m)[self.shifts])


DIAGONALS_AT_ONCE = 256
"""Bounds the memory that transforms take."""


def permutations_of(example_ids: Ids, count: int, groups: Groups, seed: int) -> Permutations:
    """Return random permutations of examples.

    Parameters
    ----------
    example_ids : array of int, (m,)
        The examples.
    count : int
        The number K of permutations.
    groups : array, mapping or None
        The group of each example, by its id; examples stay within their groups.
    seed : int
        Of the permutations.

    Returns
    -------
    Permutations

    Raises
    ------
    SpanmatchError
        If there are fewer than two examples, a group is not known, or no group has two examples.
    """
    m, random = len(example_ids), np.random.default_rng(seed)
    if m < 2:
        raise SpanmatchError(f"permutations: {m} examples; at least 2 are needed")
    if groups is not None:
        members = _members(example_ids, groups)
        orders = np.tile(np.arange(m), (count, 1))
        for order in orders:
            for group in members:
                order[group] = random.permutation(group)
        return Permutations(np.empty(0, dtype=np.intp), np.empty(0, dtype=np.intp), orders)
    if count < m:
        shifts = 1 + random.permutation(m - 1)[:count]
        return Permutations(random.permutation(m), shifts, np.empty((0, m), dtype=np.intp))
    orders = np.array([random.permutation(m) for _ in range(count)])
    return Permutations(np.empty(0, dtype=np.intp), np.empty(0, dtype=np.intp), orders)


def _members(example_ids: Ids, groups: Groups) -> list[Index]:
    """Return the examples of each group of at least two, by their places."""
    labels = [_label(groups, int(example)) for example in example_ids]
    numbers = {label: number for number, label in enumerate(dict.fromkeys(labels))}
    of_example = np.array([numbers[label] for label in labels])
    members = [np.flatnonzero(of_example == number) for number in range(len(numbers))]
    members = [group for group in members if len(group) > 1]
    if not members:
        raise SpanmatchError(
            f"groups: none of the {len(numbers)} groups has two of the {len(example_ids)} sampled examples, so that "
            "nothing can be permuted"
        )
    return members


def _label(groups: Groups, example: int) -> object:
    """Return the group of an example.  Raises SpanmatchError if it is not known."""
    if isinstance(groups, Mapping):
        if example not in groups:
            raise SpanmatchError(f"groups: example {example} has none; give a group for every example id")
        return groups[example]
    labels = np.asarray(groups)
    if labels.ndim != 1 or example >= len(labels):
        raise SpanmatchError(
            f"groups: of shape {labels.shape}, without an entry for example {example}; give (examples,) labels by id, "
            "or {id: label}"
        )
    return labels[example].item()
