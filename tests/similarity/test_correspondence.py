"""Counterparts, monotone paths and couplings against brute force, closed forms and another solver."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

import spanmatch as sm
from spanmatch.similarity import best_counterparts, correspondence_of, network_score
from spanmatch.similarity.correspondence import monotone_path, soft_coupling


def every_path(L: int, M: int):
    """Yield every path from (0, 0) to (L - 1, M - 1)."""
    if (L, M) == (1, 1):
        yield [(0, 0)]
        return
    for before in ((L - 1, M - 1), (L - 1, M), (L, M - 1)):
        if min(before) > 0:
            for path in every_path(*before):
                yield [*path, (L - 1, M - 1)]


def score_of(path, S) -> float:
    """Return the mean over all layers of the similarity where the path first reaches them."""
    first_of_x, first_of_y = {}, {}
    for i, j in path:
        first_of_x.setdefault(i, S[i, j])
        first_of_y.setdefault(j, S[i, j])
    reached = [*first_of_x.values(), *first_of_y.values()]
    assert len(reached) == sum(S.shape)  # every layer of both is on the path
    return float(np.mean(reached))


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (4, 1), (2, 3), (4, 4), (5, 3)])
def test_no_path_is_better_than_the_monotone_path(shape):
    for seed in range(5):
        S = np.random.default_rng(seed).uniform(-1, 1, shape)
        path, score = monotone_path(S)
        assert path in list(every_path(*shape))
        assert score == pytest.approx(score_of(path, S), abs=1e-12)
        assert score == pytest.approx(max(score_of(other, S) for other in every_path(*shape)), abs=1e-12)


def test_the_path_of_the_same_layers_is_the_diagonal():
    path, score = monotone_path(np.eye(6))
    assert path == [(i, i) for i in range(6)] and score == 1
    path, score = monotone_path(np.ones((4, 4)))
    assert path == [(i, i) for i in range(4)] and score == 1


@pytest.mark.parametrize("n", [1, 3, 8])
def test_the_coupling_of_as_many_layers_is_an_assignment(n):
    S = np.random.default_rng(n).uniform(0, 1, (n, n))
    coupling = soft_coupling(S)
    rows, columns = linear_sum_assignment(S, maximize=True)
    expected = np.zeros((n, n))
    expected[rows, columns] = 1 / n
    np.testing.assert_allclose(coupling, expected, atol=1e-9)


def test_the_coupling_of_a_multiple_of_layers_is_an_assignment_of_repeated_ones():
    S = np.random.default_rng(0).uniform(-0.2, 1, (4, 12))
    repeated = np.repeat(S, 3, axis=0)
    best = repeated[linear_sum_assignment(repeated, maximize=True)].mean()
    coupling = soft_coupling(S)
    assert np.sum(coupling * S) == pytest.approx(best, abs=1e-9)
    np.testing.assert_allclose(coupling.sum(axis=1), 1 / 4, atol=1e-9)
    np.testing.assert_allclose(coupling.sum(axis=0), 1 / 12, atol=1e-9)


def test_the_coupling_of_one_layer_is_uniform():
    S = np.random.default_rng(0).uniform(0, 1, (1, 7))
    np.testing.assert_allclose(soft_coupling(S), np.full((1, 7), 1 / 7), atol=1e-9)


def matrix_from(S: np.ndarray, backward: np.ndarray | None = None, **options) -> sm.LayerMatrix:
    """Return a matrix of the layers of a and b with the similarities S from a to b."""
    L, M = S.shape
    values = np.eye(L + M)
    values[:L, L:], values[L:, :L] = S, (S if backward is None else backward).T
    names = (*(f"a:{i}" for i in range(L)), *(f"b:{j}" for j in range(M)))
    return sm.LayerMatrix("made up", names, values, np.ones(L + M), "", **options)


def test_counterparts_have_margins_to_the_next_best():
    matrix = matrix_from(np.array([[0.9, 0.5, 0.7], [0.2, 0.4, 0.4]]))
    assert best_counterparts(matrix, "a", "b") == [("a:0", "b:0"), ("a:1", "b:1")]  # of two, the earlier one
    assert best_counterparts(matrix, "b", "a") == [("b:0", "a:0"), ("b:1", "a:0"), ("b:2", "a:0")]
    best, other, tied = correspondence_of(matrix, [("a:0", "b:0"), ("a:0", "b:1"), ("a:1", "b:1")])
    assert (best.similarity, best.margin, best.next_best) == (0.9, pytest.approx(0.2), "b:2")
    assert (other.margin, other.next_best) == (pytest.approx(-0.4), "b:0")
    assert (tied.margin, tied.next_best) == (0, "b:2")
    correspondence = correspondence_of(matrix, [("a:0", "b:0")])
    assert correspondence[0] is correspondence.counterparts[0] and len(correspondence) == 1
    assert correspondence.to_frame().margin.tolist() == [pytest.approx(0.2)]
    assert repr(correspondence) == "<Correspondence of 1 pairs of layers by made up>"


def test_margins_need_all_pairs_but_not_values_that_are_refused():
    S = np.array([[0.9, np.nan, 0.7]])
    (unknown,) = correspondence_of(matrix_from(S), [("a:0", "b:0")])
    assert unknown.similarity == 0.9 and np.isnan(unknown.margin) and unknown.next_best == ""
    refused = matrix_from(S, refusals={("a:0", "b:1"): "layer 'b:1' never varies"})
    (known,) = correspondence_of(refused, [("a:0", "b:0")])
    assert known.margin == pytest.approx(0.2) and known.next_best == "b:2"
    with pytest.raises(sm.SpanmatchError, match="'a:0' and 'b:1' were not compared; it needs all layers"):
        network_score(matrix_from(S), "a", "b")
    with pytest.raises(sm.SpanmatchError, match="'b:1' never varies; leave that layer out"):
        network_score(refused, "a", "b")
    with pytest.raises(sm.SpanmatchError, match="no layer 'b:3'"):
        refused.value("a:0", "b:3")


def test_scores_of_two_networks():
    r = np.random.default_rng(0)
    forward, backward = r.uniform(0, 1, (2, 3, 5))
    score = network_score(matrix_from(forward, backward), "a", "b")
    assert score.x_best == pytest.approx(forward.max(axis=1).mean())
    assert score.y_best == pytest.approx(backward.max(axis=0).mean())
    assert score.best == pytest.approx((3 * score.x_best + 5 * score.y_best) / 8)
    S = (forward + backward) / 2
    path, path_score = monotone_path(S)
    assert score.path == tuple((f"a:{i}", f"b:{j}") for i, j in path) and score.path_score == path_score
    assert score.coupling_score == pytest.approx(np.sum(soft_coupling(S) * S))
    assert score.to_frame().loc["a:1"].sum() == pytest.approx(1 / 3)
    symmetric = network_score(matrix_from(S), "a", "b")
    assert symmetric.best >= symmetric.path_score and symmetric.best >= symmetric.coupling_score
    swapped = network_score(matrix_from(S), "b", "a")
    assert (swapped.best, swapped.path_score) == pytest.approx((symmetric.best, symmetric.path_score))
    assert repr(symmetric).startswith("<NetworkScore of a and b by made up: best counterparts 0.")
