"""Levels of sparse features by components are those of the dense layers."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from sparse_layers import features_of

import spanmatch as sm
from spanmatch.dictionaries import component_levels
from spanmatch.dictionaries.component_levels import components_of


def blocks(sizes, seed=0, rows=40):
    """Layers of independent blocks of features, each with features of x and of y; features in a random order."""
    r = np.random.default_rng(seed)
    parts = []
    for p, q in sizes:
        causes = r.random((rows, max(1, min(p, q)))) * (r.random((rows, max(1, min(p, q)))) < 0.5)
        noise = [0.3 * r.random((rows, width)) * (r.random((rows, width)) < 0.5) for width in (p, q)]
        parts.append([causes @ r.random((causes.shape[1], one.shape[1])) + one for one in noise])
    X, Y = (sp.block_diag([part[side] for part in parts]).toarray().astype(np.float32) for side in (0, 1))
    order = r.permutation(len(X))
    return X[order][:, r.permutation(X.shape[1])], Y[order][:, r.permutation(Y.shape[1])]


@settings(deadline=None, max_examples=25)
@given(
    sizes=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=4),
    seed=st.integers(0, 10**6),
    at_once=st.integers(1, 200),
)
def test_levels_are_those_of_the_dense_layers(sizes, seed, at_once):
    sizes = [(1, 1), *sizes]
    X, Y = blocks(sizes, seed)
    before, component_levels.ROWS_AT_ONCE = component_levels.ROWS_AT_ONCE, at_once
    try:
        profile = sm.feature_profile(features_of(X, Y), "a:sae", "b:sae")
    finally:
        component_levels.ROWS_AT_ONCE = before
    dense = sm.match_profile(sm.pair(X.astype(np.float64), Y.astype(np.float64)))
    np.testing.assert_allclose(profile.x_levels, dense.x_levels, atol=1e-6)
    np.testing.assert_allclose(profile.y_levels, dense.y_levels, atol=1e-6)


def test_components_are_those_of_the_joint_gram_matrix():
    r = np.random.default_rng(0)
    X, Y = (np.where(r.random((40, width)) < 0.02, 1.0, 0.0).astype(np.float32) for width in (50, 40))
    joint = np.hstack([X, Y])
    count, labels = sp.csgraph.connected_components(sp.csr_array(joint.T @ joint > 0), directed=False)
    active = joint.any(axis=0)
    expected = {frozenset(np.flatnonzero((labels == k) & active).tolist()) for k in range(count)} - {frozenset()}
    found = components_of(sp.csr_array(X), sp.csr_array(Y))
    assert {frozenset([*part.x.tolist(), *(50 + part.y).tolist()]) for part in found} == expected
    assert len(expected) > 3


def test_one_sided_components_have_level_one_and_dead_features_none():
    X, Y = blocks([(2, 2), (3, 0), (0, 2)])
    X = np.hstack([X, np.zeros((len(X), 1), np.float32)])
    profile = sm.feature_profile(features_of(X, Y), "a:sae", "b:sae")
    assert np.isnan(profile.x_levels[-1]) and profile.x_silent == (5,) and profile.y_silent == ()
    assert (profile.x_levels == 1).sum() >= 3 and (profile.y_levels == 1).sum() >= 2
    assert 0 < profile.similarity(0.99) < 1
    assert profile.provenance.rows == len(X) and not profile.provenance.centred
    match = profile.at(0.99)
    assert len(match.x) == 2 and len(match.y) == 2


def test_a_component_that_is_too_wide_is_refused_with_its_size():
    X, Y = blocks([(6, 5), (1, 1)])
    with pytest.raises(sm.SpanmatchError, match=r"largest of 2 components has 6 and 5 features, .* over the limit"):
        sm.feature_profile(features_of(X, Y), "a:sae", "b:sae", max_memory_gb=1e-6)
    with pytest.raises(sm.SpanmatchError, match="no layer 'z'"):
        sm.feature_profile(features_of(X, Y), "a:sae", "z")
