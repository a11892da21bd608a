"""Permutations of examples: under the null hypothesis all orders of y's examples are equally likely.

The examples are put in a random order c, and the permutations are maps of places i -> a i + b (mod
m), with a prime to m. These maps are a group, in which the shifts (a = 1) are a normal subgroup, so
that a test by the shifts of a few random a holds its level exactly, as one by independent
permutations does. And sums over pairs of examples are, for all shifts at once, correlations along
the order, which the fast Fourier transform gives in the time of a few permutations.
Source: Hemerik & Goeman, "Exact testing with random permutations", TEST 27, 2018; docs/evidence.md.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from math import gcd
from weakref import ref

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, NDArray

from ..errors import BadArgument, SpanmatchError
from ..moments.options import check_seed
from ..moments.sample import Ids
from ..moments.spans import Array, Index

Groups = ArrayLike | Mapping[int, object] | None
Prepared = NDArray[np.inexact]
"""A matrix as `Permutations.sums` takes it."""
DIAGONALS_AT_ONCE = 256
"""Bounds the memory that transforms take."""
LARGEST_CACHE = 1 << 30
"""The bytes of prepared matrices that are kept."""


@dataclass(frozen=True, eq=False)
class Permutations:
    """Orders of m examples: in each, y's example order[i] takes the place of y's example i."""

    places: Index
    """(m,) the examples in a random order."""
    factors: Index
    """(r,) the factors a of the maps; empty if permutations are independent."""
    maps: NDArray[np.intp]
    """(K, 2) for each permutation the position of its factor a, and its shift b."""
    orders: NDArray[np.intp]
    """(K, m) independent permutations; (0, m) if they are maps of places."""
    kept: dict[tuple[int, str], tuple[ref[Array], Prepared]] = field(default_factory=dict, repr=False)
    """Matrices that were prepared."""

    def __len__(self) -> int:
        """Return the number K of permutations."""
        return len(self.maps) or len(self.orders)

    def __iter__(self) -> Iterator[Index]:
        """Yield each permutation as an order (m,)."""
        yield from self.orders
        m, place = len(self.places), np.argsort(self.places)
        for factor, shift in self.maps:
            yield self.places[(self.factors[factor] * place + shift) % m]

    def first(self, count: int) -> Permutations:
        """Return the first permutations: a random subset, as these are."""
        return Permutations(self.places, self.factors, self.maps[:count], self.orders[:count], self.kept)

    @property
    def inverse(self) -> Permutations:
        """The permutations of x's examples that make the same pairs of examples."""
        orders = np.argsort(self.orders, axis=1)
        if not len(self.maps):
            return Permutations(self.places, self.factors, self.maps, orders)
        m, (of_factor, shifts) = len(self.places), self.maps.T
        factors = np.array([pow(int(factor), -1, m) for factor in self.factors], dtype=np.intp)
        return Permutations(
            self.places, factors, np.stack([of_factor, -shifts * factors[of_factor] % m], axis=1), orders
        )

    def prepared_x(self, A: Array) -> Prepared:
        """Return a symmetric matrix (m, m) of x as `sums` takes it."""
        return self._prepared(A, "x")

    def prepared_y(self, B: Array) -> Prepared:
        """Return a symmetric matrix (m, m) of y as `sums` takes it."""
        return self._prepared(B, "y")

    def sums(self, A: Prepared, B: Prepared) -> Array:
        """Return sum over i, j of A_ij B_order(i)order(j) for every permutation.

        Parameters
        ----------
        A, B : array
            What `prepared_x` and `prepared_y` made of two symmetric matrices (m, m).

        Returns
        -------
        array of float, (K,)

        Notes
        -----
        Cost: m^2 / 2 operations for each factor, that is for m permutations, after m^2 log m to
        prepare a matrix; m^2 for each independent permutation.
        """
        if len(self.maps):
            return self._sums_of_maps(A, B)
        flat, permuted, sums = np.ravel(A), np.empty_like(B), []
        for order in self.orders:
            np.take(B[order], order, axis=1, out=permuted, mode="clip")
            sums.append(float(flat @ permuted.ravel()))
        return np.array(sums)

    def _prepared(self, A: Array, side: str) -> Prepared:
        """Return a matrix as `sums` takes it, from those that are kept if it is there."""
        if not len(self.maps):
            return A
        known = self.kept.get((id(A), side))
        if known is not None and known[0]() is A:
            return known[1]
        factors = self.factors[:1] if side == "x" else self.factors
        made = np.array([self._along(A, int(factor)) for factor in factors])
        while self.kept and made.nbytes + sum(array.nbytes for _, array in self.kept.values()) > LARGEST_CACHE:
            del self.kept[next(iter(self.kept))]
        self.kept[id(A), side] = ref(A), made
        return made

    def _along(self, A: Array, factor: int) -> NDArray[np.complex128]:
        """Return the transforms along the order of the diagonals of a matrix (m // 2 + 1, m // 2 + 1).

        Row d is of the diagonal d above the main one; the others repeat these, by symmetry.
        """
        m, half = len(self.places), len(self.places) // 2 + 1
        order = self.places[factor * np.arange(m) % m]
        shifted = sliding_window_view(np.concatenate([order, order]), m)
        flat, along = np.ravel(A), np.empty((half, half), dtype=np.complex128)
        for start in range(0, half, DIAGONALS_AT_ONCE):
            offsets = slice(start, min(half, start + DIAGONALS_AT_ONCE))
            along[offsets] = np.fft.rfft(flat.take(order * m + shifted[offsets]), axis=1)
        return along

    def _sums_of_maps(self, A: Prepared, B: Prepared) -> Array:
        """Return the sums for all maps: correlations along the order, added over all diagonals."""
        m, half = len(self.places), len(self.places) // 2 + 1
        times = np.full(half, 2.0)
        times[0] = 1.0
        if m % 2 == 0:
            times[-1] = 1.0
        of_factors = [np.einsum("df,df,d->f", np.conj(A[0]), along, times, optimize=False) for along in B]
        inverses = np.array([pow(int(factor), -1, m) for factor in self.factors])
        # In the order of a factor a, the shift by b is one by b / a.
        steps = self.maps[:, 1] * inverses[self.maps[:, 0]] % m
        return np.asarray(np.array([np.fft.irfft(total, n=m) for total in of_factors])[self.maps[:, 0], steps])


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
        If there are fewer than two examples, a group is not known, no group has two examples, or the
        number or the seed is none.
    """
    m, random = _checked_size(example_ids, count, seed), np.random.default_rng(seed)
    if groups is not None:
        return _independent(_orders_within(_members(example_ids, groups), m, count, random))
    factors, needed = np.array([a for a in range(1, m) if gcd(a, m) == 1]), -(-(count + 1) // m)
    if needed > len(factors):
        return _independent(np.array([random.permutation(m) for _ in range(count)]))
    chosen = np.append(1, random.permutation(factors[1:])[: needed - 1])
    maps = np.stack(np.divmod(np.arange(1, needed * m), m), axis=1)  # the first map is the identity
    none = np.empty((0, m), dtype=np.intp)
    return Permutations(random.permutation(m), chosen, random.permutation(maps)[:count], none)


def joint_permutations(
    example_ids: Ids, count: int, groups: Groups, seed: int, networks: int
) -> Callable[[int, int], Permutations]:
    """Return the permutations of every two of several networks when the examples of each are permuted.

    Parameters
    ----------
    example_ids, count, groups, seed
        As of `permutations_of`.
    networks : int
        The number of networks.

    Returns
    -------
    callable
        Of the positions of the networks of x and of y; returns what becomes of y's examples relative
        to x's. Of two networks, only the second one's examples are permuted; of more, those of each,
        independently of each other: by shifts along one random order, or within groups.

    Raises
    ------
    SpanmatchError
        As `permutations_of` does.
    """
    if networks <= 2:
        first = permutations_of(example_ids, count, groups, seed)
        inverse = first.inverse
        return lambda i, j: first if i <= j else inverse
    m, random = _checked_size(example_ids, count, seed), np.random.default_rng((seed, networks))
    if groups is not None:
        members = _members(example_ids, groups)
        orders = [_orders_within(members, m, count, random) for _ in range(networks)]

        def relative(i: int, j: int) -> Permutations:
            return _independent(np.take_along_axis(orders[j], np.argsort(orders[i], axis=1), axis=1))

        return relative
    shifts, places = random.integers(0, m, (networks, count)), random.permutation(m)
    none = np.empty((0, m), dtype=np.intp)

    def shifted(i: int, j: int) -> Permutations:
        by = (shifts[j] - shifts[i]) % m
        return Permutations(places, np.array([1]), np.column_stack([np.zeros_like(by), by]), none)

    return shifted


def check_count(permutations: int, fewest: int = 1) -> None:
    """Raise BadArgument unless a number of permutations is a whole number, not too small."""
    is_integer = isinstance(permutations, int | np.integer) and not isinstance(permutations, bool)
    if not is_integer or permutations < fewest:
        none = "" if fewest else ", or 0 for none"
        raise BadArgument(f"permutations={permutations!r}: give a number of permutations, such as 999{none}")


def _checked_size(example_ids: Ids, count: int, seed: int) -> int:
    """Return the number of examples.  Raises SpanmatchError if there are fewer than two, or the number
    of permutations or the seed is none.
    """
    check_count(count)
    check_seed(seed)
    if len(example_ids) < 2:
        raise SpanmatchError(f"permutations: {len(example_ids)} examples; at least 2 are needed")
    return len(example_ids)


def check_groups(groups: Groups, rows: int, n_examples: int) -> None:
    """Raise SpanmatchError if groups are given for each row, of several for each example."""
    if groups is not None and not isinstance(groups, Mapping) and rows > n_examples and np.shape(groups) == (rows,):
        raise SpanmatchError(
            f"groups: {rows:,} labels, as many as rows; give one for each of the {n_examples:,} examples, by id, or "
            "{id: label}"
        )


def _independent(orders: NDArray[np.intp]) -> Permutations:
    """Return permutations that are given as orders (K, m)."""
    none = np.empty(0, dtype=np.intp)
    return Permutations(none, none, np.empty((0, 2), dtype=np.intp), orders)


def _orders_within(members: list[Index], m: int, count: int, random: np.random.Generator) -> NDArray[np.intp]:
    """Return orders that permute the members of each group."""
    orders = np.tile(np.arange(m), (count, 1))
    for order in orders:
        for group in members:
            order[group] = random.permutation(group)
    return orders


def _members(example_ids: Ids, groups: Groups) -> list[Index]:
    """Return the examples of each group of at least two, by their places."""
    given = groups if isinstance(groups, Mapping) else np.asarray(groups)
    labels = [_label(given, int(example)) for example in example_ids]
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


def _label(labels: Mapping[int, object] | NDArray[np.generic], example: int) -> object:
    """Return the group of an example.  Raises SpanmatchError if it is not known."""
    if isinstance(labels, Mapping):
        return _known(labels.get(example), example)
    if labels.ndim != 1 or example >= len(labels):
        raise SpanmatchError(
            f"groups: of shape {labels.shape}, without an entry for example {example}; give (examples,) labels by id, "
            "or {id: label}"
        )
    return _known(labels[example], example)


def _known(label: object, example: int) -> object:
    """Return a label.  Raises SpanmatchError if it is missing, or nothing that can be equal to others."""
    if label is None or label != label:  # noqa: PLR0124 - nan
        raise SpanmatchError(f"groups: example {example} has none; give a group for every example id")
    if not isinstance(label, Hashable):
        raise SpanmatchError(f"groups: {label!r} of example {example}; give numbers or texts")
    return label
