"""Levels of sparse features by components are those of the dense layers."""

import shutil
import tracemalloc
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from sparse_layers import features_of, two

import spanmatch as sm
from spanmatch.dictionaries import component_levels
from spanmatch.dictionaries.column_file import ColumnFile
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


# ---- in files


SIZES = {
    "independent": (400, 70, 60, 40),
    "more features than rows": (50, 70, 40, 20),
    "dependent features": (100, 80, 90, 60),
    "unequal": (500, 20, 110, 15),
}


@pytest.fixture
def narrow_panels(monkeypatch):
    """Panels of few columns, so that few features are many panels."""
    for name in ("file_spans.PANEL", "wide_component.PANEL"):
        monkeypatch.setattr(f"spanmatch.dictionaries.{name}", 16)
    for name in ("SMALLEST_PANEL", "LARGEST_PANEL", "SMALLEST_WAVE"):
        monkeypatch.setattr(f"spanmatch.match.peeling.{name}", 12)
    monkeypatch.setattr(component_levels, "LARGEST_WAVE", 6)


@pytest.mark.parametrize("sizes", SIZES)
def test_levels_from_files_are_those_from_memory(narrow_panels, tmp_path, sizes):
    _, p, q, _ = SIZES[sizes]
    features = features_of(*two(*SIZES[sizes], seed=3))
    memory = sm.feature_profile(features, "a:sae", "b:sae")
    limit = 0.8 * component_levels.Component(np.arange(p), np.arange(q)).nbytes
    files = sm.feature_profile(features, "a:sae", "b:sae", max_memory_gb=limit / 1e9, scratch=tmp_path)
    np.testing.assert_allclose(files.x_levels, memory.x_levels, atol=1e-8)
    np.testing.assert_allclose(files.y_levels, memory.y_levels, atol=1e-8)
    assert (files.chance_distance, files.warnings) == (memory.chance_distance, memory.warnings)
    assert files.resolution == pytest.approx(memory.resolution, rel=1e-3)
    assert not list(tmp_path.iterdir())


def test_duplicate_features_have_the_levels_of_memory_in_files(narrow_panels, tmp_path):
    X, Y = two(300, 60, 50, 30, seed=1)
    X[:, 50:] = 2 * X[:, :10]  # each twice
    features = features_of(X, Y)
    memory = sm.feature_profile(features, "a:sae", "b:sae")
    files = sm.feature_profile(features, "a:sae", "b:sae", max_memory_gb=4.5e-4, scratch=tmp_path)
    np.testing.assert_allclose(files.x_levels, memory.x_levels, atol=1e-8)
    np.testing.assert_allclose(files.y_levels, memory.y_levels, atol=1e-8)


def test_memory_stays_below_the_limit(tmp_path):
    features = features_of(*two(1200, 400, 380, 250, seed=2))
    memory = sm.feature_profile(features, "a:sae", "b:sae")
    limit = 1.3e7
    assert component_levels.Component(np.arange(400), np.arange(380)).nbytes > 1.6 * limit
    tracemalloc.start()
    try:
        files = sm.feature_profile(features, "a:sae", "b:sae", max_memory_gb=limit / 1e9, scratch=tmp_path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < limit
    np.testing.assert_allclose(files.x_levels, memory.x_levels, atol=1e-8)
    np.testing.assert_allclose(files.y_levels, memory.y_levels, atol=1e-8)


def test_what_does_not_fit_is_refused_with_its_size(monkeypatch, tmp_path):
    X, Y = blocks([(6, 5), (1, 1)])
    features = features_of(X, Y)
    with pytest.raises(sm.SpanmatchError, match=r"6 and 5 features that are connected: in files, .* over the limit"):
        sm.feature_profile(features, "a:sae", "b:sae", max_memory_gb=1e-6)
    with pytest.raises(sm.SpanmatchError, match="no layer 'z'"):
        sm.feature_profile(features, "a:sae", "z")
    X, Y = two(1200, 300, 300, 200)
    with pytest.raises(sm.SpanmatchError, match="no such folder"):
        sm.feature_profile(features_of(X, Y), "a:sae", "b:sae", max_memory_gb=9e-3, scratch=tmp_path / "none")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=1000))
    with pytest.raises(sm.SpanmatchError, match=r"GB in files, and .* free; give another folder, scratch="):
        sm.feature_profile(features_of(X, Y), "a:sae", "b:sae", max_memory_gb=9e-3)


def test_more_dependent_features_than_fit_are_refused(narrow_panels):
    X, Y = two(40, 90, 40, 20)
    with pytest.raises(sm.SpanmatchError, match="are linear combinations of others of their layer"):
        sm.feature_profile(features_of(X, Y), "a:sae", "b:sae", max_memory_gb=2.2e-4)


@settings(deadline=None, max_examples=20)
@given(rows=st.integers(1, 30), columns=st.integers(1, 30), at_once=st.integers(1, 40), seed=st.integers(0, 10**6))
def test_a_matrix_in_a_file_is_changed_in_blocks_and_compacted(tmp_path_factory, rows, columns, at_once, seed):
    r = np.random.default_rng(seed)
    A = r.standard_normal((rows, columns))
    file = ColumnFile(tmp_path_factory.mktemp("f") / "m", rows, columns, at_once)
    for part, block in file.blocks():
        assert block.flags.f_contiguous and block.shape[1] <= at_once and not block.any()
        block[...] = A[:, part]
    some = r.permutation(columns)[: columns // 2]
    np.testing.assert_array_equal(file.columns(some), A[:, some])
    kept = [np.flatnonzero(r.random(size) < 0.6) for size in (rows, columns)]
    file.keep(*kept)
    assert file.shape == (len(kept[0]), len(kept[1]))
    np.testing.assert_array_equal(file.columns(np.arange(len(kept[1]))), A[np.ix_(*kept)])
