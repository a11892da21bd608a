"""Spans in inner products against spans in dual bases, and the factors that both are made of."""

from __future__ import annotations

import numpy as np
import oracles
import pytest

import spanmatch as sm
from spanmatch.moments.gram_spans import gram_spans
from spanmatch.moments.products import LEAF, inverse_factor
from spanmatch.moments.spans import Rounding, factor_from_gram

ROUNDING = Rounding(products=2.0**-52)


def unit(columns: np.ndarray) -> np.ndarray:
    return columns / np.linalg.norm(columns, axis=0)


def two_layers(rank: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Unit columns of 40 and 30 neurons, the first of a given rank."""
    r = np.random.default_rng(0)
    A = r.standard_normal((90, 40)) if rank is None else r.standard_normal((90, rank)) @ r.standard_normal((rank, 40))
    return unit(A), unit(A[:, :30] + r.standard_normal((90, 30)))


@pytest.mark.parametrize("rank", [None, 25])
@pytest.mark.parametrize("sizes", [(1, 5), (6, 9), (13,)])
def test_removing_neurons_changes_both_forms_alike(rank, sizes):
    A, T = two_layers(rank)
    factors = factor_from_gram(A.T @ A, ROUNDING), factor_from_gram(T.T @ T, ROUNDING)
    plain, products = factors[0].span(A.T @ T), gram_spans(factors, A.T @ T)[0]
    r = np.random.default_rng(1)
    for size in sizes * 2:  # so many that rows and columns are left out on the way
        regressors = r.permutation(plain.dual.shape[1])[:size]
        targets = r.permutation(len(plain.outside))[:2]
        for span in (plain, products):
            removal = span.panel(regressors, targets).removal_of_all()
            span.apply(removal, span.lost_components(removal))
            span.drop(regressors, targets)
        np.testing.assert_allclose(products.outside, plain.outside, atol=1e-12)
        assert products.condition == pytest.approx(plain.condition, rel=1e-9)
    assert products.rank == len(plain.dual) == (rank or 40)
    assert sum(sizes) < 8 or len(products.products) < 40


def test_distances_after_removals_are_those_of_the_remaining_columns():
    A, T = two_layers(25)
    factors = factor_from_gram(A.T @ A, ROUNDING), factor_from_gram(T.T @ T, ROUNDING)
    span = gram_spans(factors, A.T @ T)[0]
    gone = np.array([3, 39, 17, 5, 8, 21, 30, 31, 32, 33, 34, 35, 36, 37, 38, 0, 1, 2])
    removal = span.panel(gone, np.arange(0)).removal_of_all()
    span.apply(removal, span.lost_components(removal))
    direct = oracles.distances(T, np.delete(A, gone, axis=1))
    np.testing.assert_allclose(np.sqrt(span.outside), direct, atol=1e-7)


def test_a_dual_vector_that_rounding_shortened_is_noticed():
    A, T = two_layers()
    factors = factor_from_gram(A.T @ A, ROUNDING), factor_from_gram(T.T @ T, ROUNDING)
    span = gram_spans(factors, A.T @ T)[0]
    one, none = np.array([4]), np.arange(0)
    assert span.panel(one, none).reach(0) == span.panel(one, none).removal_of_all().reach == 0
    span.products[:, 4] *= 0.1  # w . a = 1 for unit a: its square cannot be less than 1
    assert span.panel(one, none).reach(0) == span.panel(one, none).removal_of_all().reach == np.inf


@pytest.mark.parametrize("size", [1, LEAF, LEAF + 1, 3 * LEAF + 7])
def test_the_inverse_factor_by_halves_is_that_of_cholesky(size):
    r = np.random.default_rng(0)
    A = unit(r.standard_normal((2 * size + 5, size)))
    inverse = inverse_factor(A.T @ A)
    assert inverse is not None
    np.testing.assert_array_equal(inverse, np.tril(inverse))
    np.testing.assert_allclose(inverse @ np.linalg.cholesky(A.T @ A), np.eye(size), atol=1e-12)


@pytest.mark.parametrize("size", [3, LEAF + 20])
def test_a_matrix_that_is_not_positive_definite_has_no_factor(size):
    gram = np.eye(size)
    gram[-1, -1] = -1
    assert inverse_factor(gram) is None
    gram[-1, -1], gram[0, 0] = 1, -1
    assert inverse_factor(gram) is None


@pytest.mark.parametrize("offset", [0.0, 0.3, 5.0])
def test_the_centred_resolution_follows_from_the_uncentred_factor(offset):
    r = np.random.default_rng(0)
    X, Y = r.standard_normal((200, 20)) + offset, r.standard_normal((200, 12))
    X[:, 3] = X[:, 4] + 1e-3 * X[:, 5]
    pair = sm.pair(X, Y, method="gram")
    resolution = pair.resolution(centred=True)
    centred = sm.pair(X - X.mean(axis=0), Y - Y.mean(axis=0), method="gram")
    assert resolution == pytest.approx(centred.resolution(), rel=1e-5)
    assert resolution == pytest.approx(max(f.resolution for f in pair.factors(centred=True)), rel=1e-5)


def test_where_the_constant_is_in_the_span_the_centred_layer_is_factored():
    r = np.random.default_rng(0)
    X = r.standard_normal((200, 20))
    X[:, 0] = 1 - X[:, 1:].sum(axis=1)
    pair = sm.pair(X, X[:, :5], method="gram")
    assert pair.factors()[0].rank == 20
    assert pair.factors(centred=True)[0].rank == 19
    assert pair.resolution(centred=True) == max(factor.resolution for factor in pair.factors(centred=True))
