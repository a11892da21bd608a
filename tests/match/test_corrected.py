"""Levels corrected for the degrees of freedom of the fit, which estimate those of the population."""

from __future__ import annotations

import numpy as np
import oracles
import pytest

import spanmatch as sm


def related(n: int, p: int, q: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Two layers that share twenty factors, with neurons of very different noise."""
    r = np.random.default_rng(seed)
    factors = r.standard_normal((n, 20))
    return (
        factors @ r.standard_normal((20, p)) + r.uniform(0.5, 6, p) * r.standard_normal((n, p)) + 0.5,
        factors @ r.standard_normal((20, q)) + r.uniform(0.5, 6, q) * r.standard_normal((n, q)),
    )


@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize("shape", [(300, 40, 55), (900, 110, 70)])
def test_corrected_levels_are_their_definition(shape, centred):
    X, Y = related(*shape)
    X[:, 5], Y[:, 7] = X[:, 3] - X[:, 4], 0
    profile = sm.match_profile(sm.pair(X, Y), corrected=True, centred=centred)
    A, B = (Z - Z.mean(axis=0) if centred else Z for Z in (X, Y))
    B[:, 7] = 0
    for levels, expected in zip(
        (profile.x_levels, profile.y_levels),
        oracles.levels(A, B, sample_size=shape[0] - centred),
        strict=True,
    ):
        np.testing.assert_allclose(levels, expected, rtol=1e-10)
    assert profile.sample_size == shape[0] - centred
    assert sm.match_profile(sm.pair(X, Y)).sample_size is None


def test_corrected_levels_do_not_depend_on_the_order_of_neurons():
    X, Y = related(300, 60, 50)
    order = np.random.default_rng(1).permutation(60)
    plain = sm.match_profile(sm.pair(X, Y), corrected=True)
    permuted = sm.match_profile(sm.pair(X[:, order], Y), corrected=True)
    np.testing.assert_allclose(permuted.x_levels, plain.x_levels[order], rtol=1e-10)
    np.testing.assert_allclose(permuted.y_levels, plain.y_levels, rtol=1e-10)


def test_corrected_levels_estimate_those_of_the_population():
    X, Y = related(200_000, 60, 60)
    eps = np.linspace(0.3, 0.99, 70)
    truth = sm.match_profile(sm.pair(X, Y, null=False)).similarity(eps)
    errors = []
    for i in range(20):
        rows = slice(240 * i, 240 * (i + 1))
        pair = sm.pair(X[rows], Y[rows], null=False)
        errors.append([sm.match_profile(pair, corrected=flag).similarity(eps) - truth for flag in (False, True)])
    in_sample, corrected = np.sqrt(np.mean(np.square(errors), axis=(0, 2)))
    assert in_sample > 0.1 and corrected < 0.6 * in_sample
    largest = np.abs(np.mean(errors, axis=0)).max(axis=1)
    assert largest[0] > 0.3 and largest[1] < 0.5 * largest[0]


def test_too_few_rows_are_refused_and_not_drawn():
    X, Y = related(70, 50, 50)
    with pytest.raises(sm.SpanmatchError, match=r"effective sample size is 70 for 50 dimensions.*at least 75"):
        sm.match_profile(sm.pair(X, Y), corrected=True)


def test_as_many_dimensions_as_rows_are_refused_and_levels_are_at_most_one():
    r = np.random.default_rng(0)
    with pytest.raises(sm.SpanmatchError, match="effective sample size is 60 for 60 dimensions"):
        sm.match_profile(sm.pair(r.standard_normal((60, 60)), r.standard_normal((60, 80))), corrected=True)
    profile = sm.match_profile(sm.pair(r.standard_normal((60, 30)), r.standard_normal((60, 30))), corrected=True)
    assert max(profile.x_levels.max(), profile.y_levels.max()) == 1


def test_an_unknown_sample_size_is_refused_and_dependent_rows_count_less():
    X, Y = related(40, 8, 8)
    X, Y = np.repeat(X, 10, axis=0), np.repeat(Y, 10, axis=0)
    ids = np.repeat(np.arange(40), 10)
    with pytest.raises(sm.SpanmatchError, match="effective sample size is unknown, because no folds were kept"):
        sm.match_profile(sm.pair(X, Y, example_ids=ids, folds=1), corrected=True)
    profile = sm.match_profile(sm.pair(X, Y, example_ids=ids), corrected=True)
    assert profile.sample_size == pytest.approx(40, rel=0.35)
