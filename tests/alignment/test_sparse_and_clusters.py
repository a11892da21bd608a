"""Sparse maps and clusters: few-to-one and many-to-many."""

from __future__ import annotations

import json

import layers
import numpy as np
import oracles
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform
from sklearn.cluster import spectral_clustering
from sklearn.linear_model import Lasso
from sklearn.manifold import spectral_embedding
from sklearn.metrics import adjusted_rand_score

import spanmatch as sm
from spanmatch.alignment.chance import inverse
from spanmatch.alignment.clustering import _lowest_eigenvectors


def standardised(Z: np.ndarray) -> np.ndarray:
    spread = Z.std(axis=0)
    return (Z - Z.mean(axis=0)) / np.where(spread > 0, spread, 1)


def lasso(X: np.ndarray, y: np.ndarray, penalty: float) -> np.ndarray:
    return Lasso(alpha=penalty, fit_intercept=False, tol=1e-12, max_iter=100_000).fit(X, y).coef_


# ---- sparse maps


@pytest.mark.parametrize("method", ["gram", "qr"])
@pytest.mark.parametrize("kind", ["correlated", "random", "badly scaled", "one against many", "bottleneck"])
def test_a_sparse_map_is_scikit_learns_on_the_rows(kind, method):
    X, Y = layers.KINDS[kind]()
    penalties = [0.5, 0.1, 0.02]
    s = sm.sparse_map(sm.pair(X, Y, method=method, folds=1), penalties)
    A, B = standardised(X), standardised(Y)
    for k, penalty in enumerate(penalties):
        for j in range(0, Y.shape[1], 7):
            w = lasso(A, B[:, j], penalty)
            # Where neurons repeat, coefficients are not unique, but what they give is.
            assert_allclose(A @ s.standardised_coefficients(k)[:, j], A @ w, atol=2e-3)
            assert s.error[k, j] == pytest.approx(((B[:, j] - A @ w) ** 2).mean(), abs=2e-4)
        raw = X @ s.coefficients(k) + s.intercept(k)
        fit = 1 - ((Y - raw) ** 2).sum(axis=0) / ((Y - Y.mean(axis=0)) ** 2).sum(axis=0)
        assert_allclose(1 - s.error[k], fit, atol=1e-9)
        assert_array_equal(s.predictors[k], np.count_nonzero(s.coefficients(k), axis=0))
    assert s.gap < 1e-6


def test_the_ends_of_the_path_are_one_neuron_and_all_of_them():
    X, Y = layers.correlated()
    s = sm.sparse_map(sm.pair(X, Y))
    c = np.corrcoef(np.hstack([X, Y]), rowvar=False)[:40, 40:]
    assert_allclose(s.one_predictor_error, 1 - (c**2).max(axis=0), rtol=1e-10)
    left = Y - Y.mean(axis=0)
    A = X - X.mean(axis=0)
    residual = left - A @ np.linalg.lstsq(A, left, rcond=None)[0]
    assert_allclose(s.regression_error, (residual**2).sum(axis=0) / (left**2).sum(axis=0), rtol=1e-8)
    assert (np.diff(s.error, axis=0) <= 1e-6).all() and (s.error >= s.regression_error - 1e-9).all()
    assert s.penalties[0] == 1 and s.penalties[-1] == pytest.approx(0.001) and len(s.penalties) == 50
    assert not s.predictors[0].any() and s.error[0] == pytest.approx(1)
    free = sm.sparse_map(sm.pair(X, Y, folds=1), [0.0])
    assert_allclose(free.error[0], s.regression_error, atol=1e-5)


def test_held_out_errors_are_of_rows_not_seen():
    X, Y = layers.correlated(n=120)
    X = X * 5 + 3
    s = sm.sparse_map(sm.pair(X, Y), [0.05])
    left, whole, one, full = (np.zeros(Y.shape[1]) for _ in range(4))
    for part in range(4):
        test = oracles.fold_of(np.arange(120)) % 4 == part
        mean, spread = X[~test].mean(axis=0), X[~test].std(axis=0)
        A, T = (X[~test] - mean) / spread, (X[test] - mean) / spread
        m, d = Y[~test].mean(axis=0), Y[~test].std(axis=0)
        B = (Y[~test] - m) / d
        w = np.stack([lasso(A, B[:, j], 0.05) for j in range(Y.shape[1])], axis=1)
        left += ((Y[test] - m - T @ w * d) ** 2).sum(axis=0)
        whole += ((Y[test] - m) ** 2).sum(axis=0)
        c = A.T @ B / len(A)
        best = abs(c).argmax(axis=0)
        one += ((Y[test] - m - T[:, best] * c[best, range(Y.shape[1])] * d) ** 2).sum(axis=0)
        full += ((Y[test] - m - T @ np.linalg.lstsq(A, B, rcond=None)[0] * d) ** 2).sum(axis=0)
    assert_allclose(s.held_out_error[0], left / whole, rtol=2e-3)
    assert_allclose(s.one_predictor_held_out_error, one / whole, rtol=1e-9)
    assert_allclose(s.regression_held_out_error, full / whole, rtol=1e-7)
    assert (s.regression_held_out_error > s.regression_error).all()


def test_planted_combinations_give_back_their_support():
    r = np.random.default_rng(0)
    X = r.standard_normal((2000, 30))
    support = [r.choice(30, 3, replace=False) for _ in range(8)]
    Y = np.stack([X[:, who] @ [1.0, -2.0, 1.5] for who in support], axis=1) + 0.1 * r.standard_normal((2000, 8))
    s = sm.sparse_map(sm.pair(X, Y), 30)
    k = int(np.flatnonzero((s.predictors == 3).all(axis=1))[-1])
    for j, who in enumerate(support):
        assert_array_equal(np.flatnonzero(s.coefficients(k)[:, j]), np.sort(who))
    assert s.error[k].max() < 0.5 < s.one_predictor_error.min() + 0.1
    back = sm.sparse_map(sm.pair(X, Y).swapped, 30)
    assert back.error.shape == (30, 30) and (back.x_layer, back.y_layer) == ("y", "x")
    assert back.regression_error.mean() > 0.15  # 8 neurons do not give 30


def test_chance_is_seen_in_the_held_out_error():
    s = sm.sparse_map(sm.pair(*layers.random(n=60, p=40, q=6)), [0.01])
    assert s.error.max() < 0.6 and s.held_out_error.min() > 1


def test_constant_neurons_are_neither_predictors_nor_predicted():
    X, Y = layers.correlated(p=9, q=8)
    X[:, 2], Y[:, 3] = 4.5, 0
    s = sm.sparse_map(sm.pair(X, Y), 10)
    assert np.isnan(s.error[:, 3]).all() and np.isnan(s.held_out_error[:, 3]).all()
    assert np.isfinite(np.delete(s.error, 3, axis=1)).all() and not s.predictors[:, 3].any()
    assert not s.coefficients(9)[2].any() and np.isfinite(s.coefficients(9)).all()
    for row in s.table():
        assert np.isfinite(row["error"]) and np.isfinite(row["held_out_error"])
    assert s.table()[-1]["predictors"] == 8
    silent = sm.sparse_map(sm.pair(np.zeros((20, 3)), Y[:20]), 3)
    assert silent.table()[-1]["error"] == pytest.approx(1)
    nothing = sm.sparse_map(sm.pair(X, np.zeros((500, 3))), 3)
    assert nothing.table() == []
    with pytest.raises(sm.SpanmatchError, match="never varies"):
        nothing.plot()


def test_the_table_goes_from_one_predictor_to_all():
    X, Y = layers.correlated(p=9, q=8)
    s = sm.sparse_map(sm.pair(X, Y), 10)
    rows = s.table()
    assert [row["penalty"] for row in rows] == [None, *s.penalties, 0.0]
    assert rows[0]["predictors"] == 1 and rows[-1]["predictors"] == 9
    assert rows[5]["error"] == pytest.approx(s.error[4].mean())
    assert rows[5]["predictors"] == pytest.approx(s.predictors[4].mean())
    assert json.loads(json.dumps(s.to_dict(), allow_nan=False))["table"] == rows
    assert sm.sparse_map(sm.pair(X, Y, folds=1), 3).table()[1]["held_out_error"] is None
    frame = pytest.importorskip("pandas") and s.to_frame()
    assert list(frame.columns) == ["penalty", "predictors", "error", "held_out_error"]
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    assert len(s.plot().lines) == 3


def test_coefficients_come_in_units_of_activations():
    X, Y = layers.correlated(p=9, q=8)
    s, scaled = sm.sparse_map(sm.pair(X, Y), [0.1]), sm.sparse_map(sm.pair(X * 100 + 7, Y * 0.1), [0.1])
    assert_allclose(scaled.coefficients(0), s.coefficients(0) * 1e-3, atol=1e-9)
    assert_allclose(scaled.standardised_coefficients(0), s.standardised_coefficients(0), atol=1e-6)


@pytest.mark.parametrize("penalties", [0, -1, [], [0.1, -0.1], [float("nan")], "many", [[0.1]], 2.5])
def test_wrong_penalties_are_refused(penalties):
    with pytest.raises(sm.SpanmatchError, match="give the number of penalties, or a list"):
        sm.sparse_map(sm.pair(*layers.random()), penalties)


def test_few_predictors_are_those_of_the_least_held_out_error():
    X, Y = layers.with_silent()
    for folds, most in ((8, 5), (8, 2), (1, 3)):
        s = sm.sparse_map(sm.pair(X, Y, folds=folds), 20)
        found = {row["neuron"]: row for row in s.few(most)}
        assert found and max(len(row["predictors"]) for row in found.values()) == most
        for j in range(Y.shape[1]):
            allowed = [i for i in range(20) if 0 < s.predictors[i, j] <= most]
            if np.isnan(s.regression_error[j]) or not allowed:
                assert j not in found
                continue
            errors = s.error if folds == 1 else s.held_out_error
            best = min(allowed, key=lambda i: errors[i, j])
            weights = s.standardised_coefficients(best)[:, j]
            order = sorted(np.flatnonzero(weights), key=lambda i: -abs(weights[i]))
            assert found[j]["predictors"] == order
            assert_allclose(found[j]["coefficients"], weights[order], rtol=1e-3)
            assert_allclose(found[j]["error"], s.error[best, j], rtol=1e-3)


# ---- clusters


@pytest.mark.parametrize("method", ["spectral", "hierarchical"])
@pytest.mark.parametrize("within", [False, True])
@pytest.mark.parametrize("sizes", [(6, 5, 4), (8, 8), (3, 9, 5, 4)])
def test_planted_blocks_are_found(sizes, within, method):
    X, Y, label = layers.blocks(sizes=sizes)
    c = sm.clusters(sm.pair(X, Y), within=within, method=method)
    assert len(c) == len(sizes)
    assert adjusted_rand_score([*label, *label], [*c.x_labels, *c.y_labels]) == 1
    assert [len(g.x) for g in c.clusters] == sorted(sizes, reverse=True)
    for g in c.clusters:
        assert g.between > 0.6 and g.outside < 0.1


def test_the_spectrum_is_of_the_normalised_laplacian():
    X, Y, _ = layers.blocks()
    strength = abs(np.corrcoef(np.hstack([X, Y]), rowvar=False))
    np.fill_diagonal(strength, 0)
    for within in (False, True):
        A = strength.copy()
        if not within:
            A[:15, :15] = A[15:, 15:] = 0
        d = A.sum(axis=0)
        expected = np.linalg.eigvalsh(np.eye(30) - A / np.sqrt(np.outer(d, d)))
        assert_allclose(sm.clusters(sm.pair(X, Y), within=within).eigenvalues, expected, atol=1e-9)


def test_the_tree_is_of_average_linkage_and_can_be_cut():
    X, Y, _ = layers.blocks()
    c = sm.clusters(sm.pair(X, Y), k=4, method="hierarchical", within=True)
    distance = 1 - abs(np.corrcoef(np.hstack([X, Y]), rowvar=False))
    np.fill_diagonal(distance, 0)
    tree = linkage(squareform(distance, checks=False), "average")
    assert_allclose(c.tree, tree, atol=1e-9)
    assert adjusted_rand_score(fcluster(tree, 4, "maxclust"), [*c.x_labels, *c.y_labels]) == 1
    assert adjusted_rand_score(fcluster(tree, 7, "maxclust"), np.concatenate(c.cut(7))) == 1
    with pytest.raises(sm.SpanmatchError, match="have no tree to cut"):
        sm.clusters(sm.pair(X, Y)).cut(2)


def test_a_cluster_says_how_near_it_is_to_a_match():
    X, Y, _ = layers.blocks()
    c = sm.clusters(sm.pair(X, Y), k=3)
    for g in c.clusters:
        assert_allclose(g.x_distances, oracles.distances(X[:, g.x], Y[:, g.y]), rtol=1e-8)
        assert_allclose(g.y_distances, oracles.distances(Y[:, g.y], X[:, g.x]), rtol=1e-8)
        assert g.eps == max(g.x_distances.max(), g.y_distances.max())
        own = abs(np.corrcoef(X[:, g.x], rowvar=False))
        m = len(g.x)
        assert g.within_x == pytest.approx((own.sum() - m) / (m * m - m))
        between = abs(np.corrcoef(np.hstack([X, Y]), rowvar=False)[:15, 15:])
        assert g.between == pytest.approx(between[np.ix_(g.x, g.y)].mean())
        rest = [between[i, j] for i in range(15) for j in range(15) if (i in g.x) != (j in g.y)]
        assert g.outside == pytest.approx(np.mean(rest))
    centred = sm.clusters(sm.pair(X + 5, Y - 3), k=3, centred=True)
    assert_allclose([g.eps for g in centred.clusters], [g.eps for g in c.clusters], rtol=0.02)
    assert sm.clusters(sm.pair(X + 5, Y - 3), k=3).clusters[0].eps < 0.5 * centred.clusters[0].eps


def test_mixed_blocks_are_exact_matches():
    r = np.random.default_rng(2)
    X, _, label = layers.blocks(sizes=(5, 4))
    Y = np.empty_like(X)
    for k in range(2):
        Y[:, label == k] = X[:, label == k] @ layers.mixing(np.count_nonzero(label == k), 3, r)
    c = sm.clusters(sm.pair(X, Y, method="qr"), k=2)
    assert adjusted_rand_score([*label, *label], [*c.x_labels, *c.y_labels]) == 1
    assert max(g.eps for g in c.clusters) < 1e-10
    wrong = sm.clusters(sm.pair(X, Y[::-1], method="qr"), k=2)
    assert min(g.eps for g in wrong.clusters) > 0.9


@pytest.mark.parametrize("method", ["spectral", "hierarchical"])
def test_constant_neurons_are_in_no_cluster(method):
    X, Y, _ = layers.blocks()
    X[:, 3], Y[:, 0] = 0, 2
    c = sm.clusters(sm.pair(X, Y), k=3, method=method)
    assert c.x_labels[3] == c.y_labels[0] == -1 and len(c.eigenvalues) == 28
    assert (np.delete(c.x_labels, 3) >= 0).all()
    for axis, labels in zip(c.order(), (c.x_labels, c.y_labels), strict=True):
        assert sorted(axis) == list(range(15)) and labels[axis[-1]] == -1
        assert (np.diff(labels[axis][:-1]) >= 0).all()


@pytest.mark.parametrize("method", ["spectral", "hierarchical"])
def test_small_layers(method):
    X, Y = layers.random(p=1, q=1)
    c = sm.clusters(sm.pair(X, X), method=method)
    assert c.x_labels.tolist() == c.y_labels.tolist() == [0] and c.clusters[0].eps < 1e-6
    apart = sm.clusters(sm.pair(X, Y), k=2, method=method)
    assert apart.x_labels[0] != apart.y_labels[0] and apart.clusters[0].eps == 1
    silent = sm.clusters(sm.pair(np.zeros((20, 2)), np.zeros((20, 3))), method=method)
    assert len(silent) == 0 and silent.y_labels.tolist() == [-1] * 3
    same, _ = layers.correlated(p=6)
    twin = sm.clusters(sm.pair(same, same), method=method)
    assert_array_equal(twin.x_labels, twin.y_labels)


@pytest.mark.parametrize("isolated", [0, 3])
@pytest.mark.parametrize("k", [2, 5])
def test_lowest_eigenvectors_of_large_graphs_are_those_of_dense_ones(k, isolated):
    r, p, q = np.random.default_rng(0), 330, 250
    groups = np.arange(p) % k, np.arange(q) % k
    between = r.uniform(0, 1, (p, q)) + 3.0 * (groups[0][:, None] == groups[1])
    between[:isolated] = 0.0
    graph = np.block([[np.zeros((p, p)), between], [between.T, np.zeros((q, q))]])
    scale = inverse(np.sqrt(graph.sum(axis=0)))
    weights = scale[:, None] * graph * scale
    dense = np.linalg.eigh(np.eye(p + q) - weights)[1][:, :k]
    for of_x in (p, None):  # by products with the weights between the sides, and by the inverted Laplacian
        vectors = _lowest_eigenvectors(weights, of_x, k, r.uniform(-1, 1, p + q))
        assert_allclose(vectors @ vectors.T, dense @ dense.T, atol=1e-9)


@pytest.mark.parametrize("k", [2, 5, 12, 15])
def test_clusters_are_as_tight_as_scikit_learns(k):
    r = np.random.default_rng(k)
    causes = r.standard_normal((500, 12))
    X, Y = (causes[:, r.integers(0, 12, 40)] + 0.7 * r.standard_normal((500, 40)) for _ in range(2))
    weights = abs(np.corrcoef(X.T, Y.T))[:40, 40:]
    graph = np.block([[np.zeros((40, 40)), weights], [weights.T, np.zeros((40, 40))]])
    points = spectral_embedding(graph, n_components=k, drop_first=False, random_state=0)

    def scatter(labels):
        return sum(((points[labels == g] - points[labels == g].mean(axis=0)) ** 2).sum() for g in np.unique(labels))

    found = sm.clusters(sm.pair(X, Y), k)
    labels = np.concatenate([found.x_labels, found.y_labels])
    assert len(found) == k
    assert scatter(labels) < 1.1 * scatter(spectral_clustering(graph, n_clusters=k, random_state=0))


def test_separate_blocks_need_no_connection():
    r = np.random.default_rng(0)
    a, b = np.zeros((40, 4)), np.zeros((40, 4))
    a[:20, :2], a[20:, 2:] = r.standard_normal((20, 2)), r.standard_normal((20, 2))
    a[:20] -= a[:20].mean(axis=0)
    a[20:] -= a[20:].mean(axis=0)
    b[:, :] = a @ np.kron(np.eye(2), [[1, 0.4], [0.3, 1]])
    c = sm.clusters(sm.pair(a, b))
    assert c.x_labels.tolist() == c.y_labels.tolist() and len(set(c.x_labels[:2])) == 1
    assert_allclose(c.eigenvalues[:2], 0, atol=1e-9)


@pytest.mark.parametrize("within", [False, True])
@pytest.mark.parametrize(("n", "p", "q"), [(300, 24, 31), (100, 60, 40), (2000, 60, 60)])
def test_independent_layers_have_one_cluster(n, p, q, within):
    for seed in range(5):
        c = sm.clusters(sm.pair(*layers.random(n=n, p=p, q=q, seed=seed)), within=within)
        assert len(c) == 1 and c.clear and c.eigenvalues[1] > c.null_eigenvalue


@pytest.mark.parametrize("factors", [2, 5, 20])
def test_unrelated_layers_of_few_factors_have_one_cluster(factors):
    for seed in range(5):
        r = np.random.default_rng(seed)
        X, Y = (
            r.standard_normal((1000, factors)) @ r.standard_normal((factors, 50)) + r.standard_normal((1000, 50))
            for _ in range(2)
        )
        c = sm.clusters(sm.pair(X, Y))
        assert len(c) == 1 and c.clear


def test_unrelated_layers_have_one_cluster_whatever_their_rows_are_worth():
    r = np.random.default_rng(0)
    X, Y = (np.repeat(r.standard_normal((40, 30)), 25, axis=0) + 0.1 * r.standard_normal((1000, 30)) for _ in range(2))
    assert len(sm.clusters(sm.pair(X, Y, example_ids=np.repeat(np.arange(40), 25)))) == 1
    assert len(sm.clusters(sm.pair(X, Y))) > 1  # as if all 1000 rows were independent


@pytest.mark.parametrize("noise", [0.6, 2])
@pytest.mark.parametrize("within", [False, True])
def test_many_planted_clusters_are_found(noise, within):
    r = np.random.default_rng(1)
    label = r.permutation(np.repeat(np.arange(35), r.integers(3, 6, 35)))
    causes = r.standard_normal((3000, 35))
    X, Y = (causes[:, label] + noise * r.standard_normal((3000, len(label))) for _ in range(2))
    c = sm.clusters(sm.pair(X, Y), within=within)
    assert len(c) == 35 and c.clear and "no clear gap" not in repr(c)
    assert adjusted_rand_score([*label, *label], [*c.x_labels, *c.y_labels]) > (0.99 if noise < 1 else 0.9)


def test_a_spectrum_without_a_gap_is_said_to_have_none():
    r = np.random.default_rng(0)
    factors = r.standard_normal((2000, 10))
    X, Y = (factors @ r.standard_normal((10, 60)) + 1.5 * r.standard_normal((2000, 60)) for _ in range(2))
    c = sm.clusters(sm.pair(X, Y))
    assert len(c) > 1 and not c.clear and "no clear gap" in repr(c)
    assert c.gap == c.eigenvalues[len(c)] - c.eigenvalues[len(c) - 1]
    assert not c.to_dict()["clear"]
    planted = sm.pair(*layers.blocks()[:2])
    assert sm.clusters(planted).clear and sm.clusters(planted, k=3).clear
    assert not sm.clusters(planted, k=2).clear and not sm.clusters(planted, k=4).clear


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k": 0}, "k=0: give 1 to 55, the number of non-constant neurons of x and y"),
        ({"k": 56}, "k=56"),
        ({"k": 2.0}, r"k=2\.0"),
        ({"method": "ward"}, "'ward': give 'spectral' or 'hierarchical'"),
    ],
)
def test_wrong_cluster_options_are_refused(options, message):
    with pytest.raises(sm.SpanmatchError, match=message):
        sm.clusters(sm.pair(*layers.random()), **options)


def test_clusters_are_plain_and_drawn():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    X, Y, _ = layers.blocks()
    c = sm.clusters(sm.pair(X, Y), method="hierarchical")
    assert json.loads(json.dumps(c.to_dict(), allow_nan=False))["clusters"][0]["x"] == c.clusters[0].x.tolist()
    after = c.plot().images[0].get_array()
    first = len(c.clusters[0].x)
    assert after[:first, :first].mean() == pytest.approx(c.clusters[0].between)
    assert c.plot_tree().get_ylabel() == "1 - |correlation|"
    with pytest.raises(sm.SpanmatchError, match="have no tree to draw"):
        sm.clusters(sm.pair(X, Y)).plot_tree()
    plt.close("all")
