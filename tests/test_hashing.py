"""Hashes: SplitMix64 as published, and samples that are uniform and independent."""

from __future__ import annotations

import numpy as np
import oracles
import pytest

from spanmatch._hashing import hashes, streams
from spanmatch.activations.layouts import Layout
from spanmatch.moments.example_ranges import LARGEST


def test_hashes_are_those_of_splitmix64():
    ids = np.array([0, 1, 2, 12345, LARGEST])
    assert hashes(ids).tolist() == [oracles.splitmix64(int(i)) for i in ids]
    # The published test vector of the generator from state 1234567.
    assert streams(np.array([1234567], dtype=np.uint64), 3).tolist() == [
        [6457827717110365317, 3203168211198807973, 9817491932198370423]
    ]


def test_keys_give_other_hashes_and_their_order_counts():
    ids = np.arange(2000)
    drawn = [hashes(ids, keys) for keys in ((), (0,), (1,), (0, 1), (1, 0), (2**64 - 1,))]
    assert len(np.unique(np.concatenate(drawn))) == len(drawn) * len(ids)
    ranks = np.array([np.argsort(np.argsort(own)) for own in drawn])
    assert abs(np.corrcoef([np.arange(2000), *ranks]) - np.eye(7)).max() < 0.1


@pytest.mark.parametrize("seed", [0, 1])
def test_sampled_positions_are_uniform_and_independent_of_neighbours(seed):
    """Chi-square over positions, and over pairs of neighbouring positions and of neighbouring examples."""
    n, count, k = 20_000, 16, 4
    chosen = Layout(positions=k, seed=seed)._sample(np.arange(n), count)
    inside = np.zeros((n, count))
    inside[np.arange(n)[:, None], chosen] = 1
    assert (inside.sum(axis=1) == k).all()
    variance = n * k / count * (1 - k / count)
    assert ((inside.sum(axis=0) - n * k / count) ** 2).sum() / variance < 35  # 15 degrees of freedom: p = 0.002
    together = inside.T @ inside / n
    expected = k * (k - 1) / (count * (count - 1))
    off = together[~np.eye(count, dtype=bool)]
    assert abs(off - expected).max() < 5 * np.sqrt(expected / n)
    following = inside[:-1].T @ inside[1:] / n
    assert abs(following - (k / count) ** 2).max() < 5 * np.sqrt((k / count) ** 2 / n)
