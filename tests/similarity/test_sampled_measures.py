"""Measures of the sample against plain definitions and public packages, their invariances, ties and permutations."""

from __future__ import annotations

import doctest
import gc
import importlib
from functools import partial

import hard_layers
import layers
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist, pdist
from scipy.stats import rankdata, spearmanr

import spanmatch as sm
from spanmatch.similarity import matrix_cache, sampled_kernels
from spanmatch.similarity.permutable import Relabelled
from spanmatch.similarity.sampled_statistics import STATISTICS, statistic_of

MEASURES = {measure.name: measure for measure in sm.measures() if measure.needs == "sample"}
OF_NEIGHBOURS = ("mutual knn", "knn jaccard", "rank similarity", "second order cosine", "cknna")
KINDS = ("random", "correlated", "badly scaled", "few rows", "duplicated", "wide")


def pair_of(X: np.ndarray, Y: np.ndarray, **options: object) -> sm.Pair:
    return sm.pair(X, Y, folds=1, null=False, **options)


def layers_of(kind: str) -> tuple[np.ndarray, np.ndarray]:
    if kind == "wide":
        return layers.random(n=60, p=300, q=400)
    X, Y = layers.KINDS[kind]()
    return X[:200], Y[:200]


def rows_of(Z: np.ndarray) -> np.ndarray:
    """The rows of a sample as they are kept, in float64."""
    return np.asarray(Z, dtype=np.float32).astype(np.float64)


# ---- plain definitions


def centring(m: int) -> np.ndarray:
    return np.eye(m) - np.full((m, m), 1 / m)


def hsic(K: np.ndarray, L: np.ndarray) -> float:
    return float(np.trace(K @ centring(len(K)) @ L @ centring(len(K))))


def unbiased_hsic(K: np.ndarray, L: np.ndarray) -> float:
    n = len(K)
    K, L = (M - np.diag(np.diag(M)) for M in (K, L))
    one = np.ones(n)
    through = one @ K @ L @ one
    return float(np.trace(K @ L) + K.sum() * L.sum() / (n - 1) / (n - 2) - 2 * through / (n - 2)) / (n * (n - 3))


def linear_kernel(Z: np.ndarray) -> np.ndarray:
    return (Z - Z.mean(axis=0)) @ (Z - Z.mean(axis=0)).T


def rbf_kernel(Z: np.ndarray, bandwidth: float = 0.4) -> np.ndarray:
    d = cdist(Z, Z)
    return np.exp(-(d**2) / (2 * (bandwidth * np.median(d[np.triu_indices(len(Z), 1)])) ** 2))


def ratio(estimate, K: np.ndarray, L: np.ndarray) -> float:
    return estimate(K, L) / np.sqrt(estimate(K, K) * estimate(L, L))


def dissimilarity(Z: np.ndarray, kind: str) -> np.ndarray:
    return cdist(Z, Z, kind)[np.triu_indices(len(Z), 1)]


def plain_rsa(X: np.ndarray, Y: np.ndarray, kind: str = "correlation", comparison: str = "spearman") -> float:
    d, e = dissimilarity(X, kind), dissimilarity(Y, kind)
    if comparison == "spearman":
        d, e = rankdata(d), rankdata(e)
    if comparison != "cosine":
        d, e = d - d.mean(), e - e.mean()
    return float(d @ e / np.linalg.norm(d) / np.linalg.norm(e))


def nearest(scores: np.ndarray, k: int) -> np.ndarray:
    scores = scores.copy()
    np.fill_diagonal(scores, -np.inf)
    return np.argsort(-scores, axis=1)[:, :k]


def by_cosine(Z: np.ndarray, k: int) -> np.ndarray:
    return nearest(-cdist(Z, Z, "cosine"), k)


def plain_mutual_knn(X: np.ndarray, Y: np.ndarray, k: int = 10) -> float:
    return float(np.mean([len({*a} & {*b}) / k for a, b in zip(by_cosine(X, k), by_cosine(Y, k), strict=True)]))


def plain_jaccard(X: np.ndarray, Y: np.ndarray, k: int = 10) -> float:
    both = zip(by_cosine(X, k), by_cosine(Y, k), strict=True)
    return float(np.mean([len({*a} & {*b}) / len({*a} | {*b}) for a, b in both]))


def plain_rank_similarity(X: np.ndarray, Y: np.ndarray, k: int = 10) -> float:
    values = []
    for a, b in zip(by_cosine(X, k).tolist(), by_cosine(Y, k).tolist(), strict=True):
        common = set(a) & set(b)
        ranks = [(a.index(j) + 1, b.index(j) + 1) for j in common]
        total = sum(2 / ((1 + abs(r - s)) * (r + s)) for r, s in ranks)
        values.append(total / sum(1 / t for t in range(1, len(common) + 1)) if common else 0.0)
    return float(np.mean(values))


def plain_second_order(X: np.ndarray, Y: np.ndarray, k: int = 10) -> float:
    D, E = cdist(X, X, "cosine"), cdist(Y, Y, "cosine")
    values = []
    for i, (a, b) in enumerate(zip(by_cosine(X, k), by_cosine(Y, k), strict=True)):
        union = sorted({*a} | {*b})
        d, e = D[i, union], E[i, union]
        values.append(d @ e / np.linalg.norm(d) / np.linalg.norm(e))
    return float(np.mean(values))


def plain_cknna(X: np.ndarray, Y: np.ndarray, k: int = 10) -> float:
    K, L = X @ X.T, Y @ Y.T
    of_x, of_y = np.zeros_like(K), np.zeros_like(L)
    np.put_along_axis(of_x, nearest(K, k), 1, axis=1)
    np.put_along_axis(of_y, nearest(L, k), 1, axis=1)
    both = of_x * of_y
    own = unbiased_hsic(of_x * K, of_x * K) * unbiased_hsic(of_y * L, of_y * L)
    return unbiased_hsic(both * K, both * L) / np.sqrt(own)


def plain_distance_correlation(X: np.ndarray, Y: np.ndarray) -> float:
    A, B = (centring(len(Z)) @ cdist(Z, Z) @ centring(len(Z)) for Z in (X, Y))
    return float(np.sqrt(np.mean(A * B) / np.sqrt(np.mean(A * A) * np.mean(B * B))))


PLAIN = {
    "kernel cka": lambda X, Y: ratio(hsic, linear_kernel(X), linear_kernel(Y)),
    "debiased kernel cka": lambda X, Y: ratio(unbiased_hsic, linear_kernel(X), linear_kernel(Y)),
    "rbf cka": lambda X, Y: ratio(hsic, rbf_kernel(X), rbf_kernel(Y)),
    "debiased rbf cka": lambda X, Y: ratio(unbiased_hsic, rbf_kernel(X), rbf_kernel(Y)),
    "rsa": plain_rsa,
    "mutual knn": plain_mutual_knn,
    "cknna": plain_cknna,
    "knn jaccard": plain_jaccard,
    "second order cosine": plain_second_order,
    "rank similarity": plain_rank_similarity,
    "distance correlation": plain_distance_correlation,
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", MEASURES)
def test_measures_are_their_definitions(name, kind):
    X, Y = layers_of(kind)
    expected = PLAIN[name](rows_of(X), rows_of(Y))
    assert float(MEASURES[name](pair_of(X, Y))) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("kind", ["correlation", "euclidean", "sqeuclidean", "cosine"])
@pytest.mark.parametrize("comparison", ["spearman", "pearson", "cosine"])
def test_rsa_is_its_definition(kind, comparison):
    X, Y = (rows_of(Z) for Z in layers_of("correlated"))
    value = sm.rsa(pair_of(X, Y), dissimilarity=kind, comparison=comparison).value
    assert value == pytest.approx(plain_rsa(X, Y, kind, comparison), abs=1e-9)


@pytest.mark.parametrize("k", [1, 3, 25, 58])
@pytest.mark.parametrize("name", OF_NEIGHBOURS)
def test_any_number_of_neighbours(name, k):
    X, Y = layers.random(n=60, p=3, q=4)
    function = MEASURES[name].function
    assert function(pair_of(X, Y), k=k).value == pytest.approx(PLAIN[name](rows_of(X), rows_of(Y), k), abs=1e-9)


@pytest.mark.parametrize("bandwidth", [0.1, 1.0, 5.0])
@pytest.mark.parametrize("debiased", [True, False])
def test_any_bandwidth(bandwidth, debiased):
    X, Y = layers_of("correlated")
    estimate = unbiased_hsic if debiased else hsic
    K, L = (rbf_kernel(rows_of(Z), bandwidth) for Z in (X, Y))
    value = sm.kernel_cka(pair_of(X, Y), kernel="rbf", debiased=debiased, bandwidth=bandwidth).value
    assert value == pytest.approx(ratio(estimate, K, L), abs=1e-8)


@pytest.mark.parametrize("debiased", [True, False])
def test_a_wide_kernel_is_a_linear_one(debiased):
    pair = pair_of(*layers_of("correlated"))
    wide = sm.kernel_cka(pair, kernel="rbf", debiased=debiased, bandwidth=1e4).value
    assert wide == pytest.approx(sm.kernel_cka(pair, debiased=debiased).value, abs=1e-7)


def test_linear_cka_of_all_rows_is_that_of_moments():
    pair = pair_of(*(rows_of(Z) for Z in layers_of("correlated")))
    assert sm.kernel_cka(pair).value == pytest.approx(sm.cka(pair).value, rel=1e-9)
    assert sm.kernel_cka(pair, debiased=True).value == pytest.approx(sm.cka(pair, debiased=True).value, rel=1e-9)


# ---- public packages


@pytest.mark.parametrize("k", [5, 10])
def test_neighbours_are_scikit_learns(k):
    from sklearn.neighbors import NearestNeighbors

    X, Y = (rows_of(Z) for Z in layers_of("correlated"))
    near = [NearestNeighbors(n_neighbors=k, metric="cosine").fit(Z).kneighbors(return_distance=False) for Z in (X, Y)]
    shared = np.mean([len({*a} & {*b}) / k for a, b in zip(*near, strict=True)])
    assert sm.mutual_knn(pair_of(X, Y), k=k).value == pytest.approx(shared, abs=1e-12)


@pytest.mark.parametrize("kind", ["random", "correlated", "wide"])
def test_against_dcor(kind):
    dcor = pytest.importorskip("dcor")
    X, Y = (rows_of(Z) for Z in layers_of(kind))
    theirs = dcor.distance_correlation(X, Y, compile_mode=dcor.CompileMode.NO_COMPILE)  # compiling takes a minute
    assert sm.distance_correlation(pair_of(X, Y)).value == pytest.approx(theirs, abs=1e-9)


@pytest.mark.parametrize("kind", ["correlation", "euclidean"])
@pytest.mark.parametrize("comparison", ["spearman", "pearson", "cosine"])
def test_against_rsatoolbox(kind, comparison):
    pytest.importorskip("rsatoolbox")
    from rsatoolbox.data import Dataset
    from rsatoolbox.rdm import calc_rdm, compare

    X, Y = (rows_of(Z) for Z in layers_of("correlated"))
    rdms = [calc_rdm(Dataset(Z), method=kind) for Z in (X, Y)]
    theirs = compare(*rdms, method={"pearson": "corr"}.get(comparison, comparison)).item()
    ours = {"euclidean": "sqeuclidean"}.get(kind, kind)  # their "euclidean" is squared, over the number of features
    assert sm.rsa(pair_of(X, Y), ours, comparison).value == pytest.approx(theirs, abs=1e-9)


def test_against_pytorch_cka():
    torch, cka = pytest.importorskip("torch"), pytest.importorskip("cka.cka")
    X, Y = (rows_of(Z) for Z in layers_of("correlated"))
    theirs = float(cka.cka_from_features(torch.from_numpy(X), torch.from_numpy(Y)).squeeze())
    assert sm.kernel_cka(pair_of(X, Y), debiased=True).value == pytest.approx(theirs, abs=1e-9)


# ---- declared as data, proven and disproven

TRANSFORMS = {
    "orthogonal": lambda Z, r: Z @ np.linalg.qr(r.standard_normal((Z.shape[1],) * 2))[0],
    "invertible linear": lambda Z, r: Z @ layers.mixing(Z.shape[1], 30, r),
    "isotropic scaling": lambda Z, r: Z * r.uniform(2, 5),
    "neuron scaling": lambda Z, r: Z * r.uniform(0.2, 5, Z.shape[1]),
    "translation": lambda Z, r: Z + r.uniform(2, 5, Z.shape[1]),
    "permutation": lambda Z, r: Z[:, r.permutation(Z.shape[1])],
}


@pytest.mark.parametrize("invariance", TRANSFORMS)
@pytest.mark.parametrize("name", MEASURES)
def test_invariances_are_those_declared_and_no_others(name, invariance):
    X, Y = layers.correlated(n=200, p=12, q=9)
    measure, change, r = MEASURES[name], TRANSFORMS[invariance], np.random.default_rng(7)
    before = float(measure(pair_of(X, Y)))
    after = float(measure(pair_of(change(X, r), change(Y, r))))
    if invariance in measure.invariances:
        # Rows are rounded to float32 after the change.
        assert after == pytest.approx(before, abs=1e-12 if invariance == "permutation" else 1e-5)
    else:
        assert abs(after - before) > 1e-3


@pytest.mark.parametrize("name", MEASURES)
def test_range_self_and_symmetry_are_those_declared(name):
    measure = MEASURES[name]
    X, Y = layers.correlated(n=200, p=12, q=9)
    assert float(measure(pair_of(X, X))) == pytest.approx(measure.itself, abs=1e-12)
    for kind in KINDS:
        assert measure.range[0] <= float(measure(pair_of(*layers_of(kind)))) <= measure.range[1]
    pair = pair_of(X, Y)
    forth, back, other = (float(measure(one)) for one in (pair, pair.swapped, pair_of(Y, X)))
    assert back == pytest.approx(other, abs=1e-12)
    assert (forth == pytest.approx(back, rel=1e-12)) == measure.symmetric
    assert not measure.is_metric and measure.kind == "similarity"


@pytest.mark.parametrize("name", MEASURES)
def test_results_say_which_examples_they_are_of(name):
    X, Y = layers.correlated(n=200, p=12, q=9)
    measured = MEASURES[name](pair_of(X, Y, sample=150, seed=3))
    said = measured.provenance
    assert measured.name == name and (said.sample_size, said.sample_rows, said.sample_seed) == (150, "flat", 3)
    assert said.rows == 200 and said.to_dict()["sample_size"] == 150
    assert said.centred == ("translation" in MEASURES[name].invariances)
    assert sm.cka(pair_of(X, Y)).provenance.sample_size is None


@pytest.mark.parametrize("name", MEASURES)
@given(seed=st.integers(0, 2**32 - 1), power=st.sampled_from([2.0**-20, 1.0, 2.0**20]))
@settings(max_examples=8, deadline=None)
def test_the_order_of_neurons_and_examples_and_the_scale_do_not_matter(name, seed, power):
    # Powers of two: others round the data themselves, and ranks of distances that are nearly ties may then change.
    r = np.random.default_rng(seed)
    X, Y = (np.maximum(Z, 0) for Z in layers.random(n=50, p=6, q=5, seed=seed))  # with duplicates and rows of zeros
    X[r.permutation(50)[:5]] = X[0]
    order = r.permutation(50)
    value = float(MEASURES[name](pair_of(X, Y)))
    other = pair_of(power * X[order][:, r.permutation(6)], Y[order][:, r.permutation(5)])
    assert float(MEASURES[name](other)) == pytest.approx(value, abs=1e-11)


# ---- hard layers


@pytest.mark.parametrize("kind", hard_layers.DATA)
def test_hard_layers_have_their_values_or_a_reason(kind):
    X, Y = hard_layers.DATA[kind](3)
    pair = pair_of(X, Y)
    x, y = (rows_of(np.asarray(Z.float() if hasattr(Z, "float") else Z)) for Z in (X, Y))
    for name in ("kernel cka", "debiased kernel cka", "rbf cka", "distance correlation"):
        try:
            value = float(MEASURES[name](pair))
        except sm.SpanmatchError as error:
            assert "float32" in str(error) or "sample" in str(error)
            continue
        assert value == pytest.approx(PLAIN[name](x, y), abs=1e-7)
    for name in OF_NEIGHBOURS:
        try:
            assert float(MEASURES[name](pair_of(X, X))) == 1
        except sm.SpanmatchError as error:
            assert "float32" in str(error) or "sample" in str(error) or "positive" in str(error)


@pytest.mark.parametrize("mean", [1.0, 1e2, 1e4])
def test_large_means_of_float32_layers_cost_few_digits(mean):
    X, Y = (rows_of(Z) for Z in layers.correlated(n=100, p=12, q=9))
    X, Y = ((Z + mean).astype(np.float32) for Z in (X, Y))
    pair, x, y = pair_of(X, Y), X.astype(np.longdouble), Y.astype(np.longdouble)
    shifted = [np.asarray(Z - Z.mean(axis=0), dtype=np.float64) for Z in (x, y)]
    for name in ("kernel cka", "rbf cka", "distance correlation"):
        assert float(MEASURES[name](pair)) == pytest.approx(PLAIN[name](*shifted), abs=1e-9)
    D, E = (cosine_distances(Z) for Z in (x, y))
    near = [nearest(-M, 10) for M in (D, E)]
    shared = np.mean([len({*a} & {*b}) / 10 for a, b in zip(*near, strict=True)])
    assert sm.mutual_knn(pair).value == pytest.approx(shared, abs=1e-12)


def cosine_distances(Z: np.ndarray) -> np.ndarray:
    """1 - cos in extended precision."""
    U = Z / np.sqrt((Z**2).sum(axis=1, keepdims=True))
    return ((U[:, None] - U) ** 2).sum(axis=2) / 2


@pytest.mark.parametrize("name", MEASURES)
def test_float64_layers_whose_rows_lost_their_spread_are_refused(name):
    X, Y = layers.correlated(n=200, p=12, q=9)
    with pytest.raises(sm.SpanmatchError, match=rf"{name}: layer 'y': the mean is over 10,000 times as large"):
        MEASURES[name](pair_of(X, Y + 1e6))


def test_correlations_of_rows_with_a_large_common_part_keep_their_digits():
    X, Y = (rows_of(Z) for Z in layers.correlated(n=100, p=12, q=9))
    X = rows_of(X + 1e5 * np.random.default_rng(0).standard_normal((100, 1)))  # the same at all features of a row
    assert sm.rsa(pair_of(X.astype(np.float32), Y), comparison="pearson").value == pytest.approx(
        plain_rsa(X - X.mean(axis=1, keepdims=True), Y, comparison="pearson"), abs=1e-9
    )


def test_short_rows_keep_their_digits():
    X, Y = (rows_of(Z) for Z in layers.correlated(n=100, p=12, q=9))
    X[:10] *= 2.0**-40
    X[5], X[20] = X[4], 0
    pair = pair_of(X, Y)
    matrix = sampled_kernels.angular_distances(pair.sample.x, "cosine")
    with np.errstate(invalid="ignore"):
        expected = np.nan_to_num(cdist(X, X, "cosine"), nan=1.0)
    np.fill_diagonal(expected, 0)
    np.testing.assert_allclose(matrix, expected, atol=1e-13)
    assert matrix[4, 5] == 0 and np.array_equal(matrix[4], matrix[5]) and (matrix[20, :20] == 1).all()


# ---- ties, and rows without a direction


def with_ties(seed: int = 0) -> np.ndarray:
    r = np.random.default_rng(seed)
    X = np.maximum(np.round(r.standard_normal((60, 4)) - 0.3), 0)
    X[r.permutation(60)[:6]] = X[0]
    return X


@pytest.mark.parametrize("name", OF_NEIGHBOURS)
@pytest.mark.parametrize("k", [1, 7, 10])
def test_identical_layers_have_exactly_1_whatever_the_ties(name, k):
    for seed in range(5):
        X = with_ties(seed)
        try:
            assert MEASURES[name].function(pair_of(X, X), k=k).value == 1
            permuted = MEASURES[name].function(pair_of(X, 2.5 * X[:, [2, 0, 3, 1]]), k=k).value
            assert permuted == pytest.approx(1, abs=1e-12 if name in ("cknna", "second order cosine") else 0)
        except sm.SpanmatchError as error:
            assert name == "cknna" and "is not positive" in str(error)


def test_neighbours_that_are_equally_near_share_places():
    angles = np.array([0.0, 0.1, -0.1, 0.1, 1.0, 2.0, 3.0])  # from the first: three at 0.1
    X = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    Y = np.stack([np.cos(1.5 * angles), np.sin(1.5 * angles)], axis=1)
    Y[2] = [np.cos(0.05), np.sin(0.05)]  # its nearest is the third
    near = sm.similarity.sampled_neighbours.neighbours_of(pair_of(X, Y).sample.x, 2, "cosine")
    assert near.columns[near.rows == 0].tolist() == [1, 2, 3]
    np.testing.assert_allclose(near.shares[near.rows == 0], 2 / 3)
    np.testing.assert_allclose(near.ranks[near.rows == 0], 1.5)


def test_a_row_of_zeros_has_the_cosine_0_with_all():
    X, Y = layers.correlated(n=30, p=5, q=4)
    X[3] = 0
    near = sm.similarity.sampled_neighbours.neighbours_of(pair_of(X, Y).sample.x, 4, "cosine")
    assert near.columns[near.rows == 3].tolist() == [i for i in range(30) if i != 3]
    np.testing.assert_allclose(near.shares[near.rows == 3], 4 / 29)
    X[3] = 2.0  # equal features have no correlation
    matrix = sampled_kernels.angular_distances(pair_of(X, Y).sample.x, "correlation")
    assert (np.delete(matrix[3], 3) == 1).all()


def test_distances_of_identical_examples_are_0():
    X, Y = layers.random(n=40, p=700, q=3)
    X[7], X[9] = X[2], X[2]
    X = X + 5
    distances = sampled_kernels.hollow(sampled_kernels.dissimilarities(pair_of(X, Y).sample.x, "euclidean"), 40)
    assert distances[2, 7] == distances[7, 9] == 0 and (np.diagonal(distances) == 0).all()
    assert np.array_equal(distances, distances.T) and np.array_equal(distances[2], distances[9])


def test_ranks_share_their_mean_where_values_are_equal_but_for_rounding():
    r = np.random.default_rng(0)
    values = r.integers(0, 30, 200).astype(float)
    expected = rankdata(values)
    np.testing.assert_array_equal(sampled_kernels.ranks_of(values * (1 + 1e-15 * r.standard_normal(200))), expected)


# ---- refusals


def test_what_is_not_defined_is_refused():
    X, Y = layers.random(n=12, p=4, q=5)
    few = r"the sample of 'x' and 'y' has 11 examples; it needs 12"
    for name in OF_NEIGHBOURS:
        MEASURES[name](pair_of(X, Y))
        with pytest.raises(sm.SpanmatchError, match=f"{name}: {few}"):
            MEASURES[name](pair_of(X[:11], Y[:11]))
        for k in (0, 2.5, True):
            with pytest.raises(sm.SpanmatchError, match="give the number of neighbours"):
                MEASURES[name].function(pair_of(X, Y), k=k)
    with pytest.raises(sm.SpanmatchError, match="has 3 examples; it needs 4"):
        sm.kernel_cka(pair_of(X[:3], Y[:3]), debiased=True)
    for options, said in (
        ({"kernel": "cubic"}, "give 'linear' or 'rbf'"),
        ({"kernel": "rbf", "bandwidth": 0}, "positive share"),
        ({"kernel": "rbf", "bandwidth": 1e80}, "positive share"),  # its kernel underflows
        ({"kernel": "rbf", "bandwidth": 1e200}, "positive share"),
    ):
        with pytest.raises(sm.SpanmatchError, match=said):
            sm.kernel_cka(pair_of(X, Y), **options)
    for options in ({"dissimilarity": "angle"}, {"comparison": "kendall"}):
        with pytest.raises(sm.SpanmatchError, match="give one of"):
            sm.rsa(pair_of(X, Y), **options)
    with pytest.raises(sm.SpanmatchError, match="not a measure of the sample"):
        statistic_of(sm.cka, pair_of(X, Y))


def test_correlations_of_rows_that_lost_their_digits_are_refused():
    """Row by row, the mean over features is far larger than what tells features apart."""
    r = np.random.default_rng(0)
    X = r.standard_normal((100, 20))
    means = 1e6 * r.standard_normal((100, 1))
    with pytest.raises(sm.SpanmatchError, match="rsa: layer 'y': the means of rows over features are over 10,000"):
        sm.rsa(pair_of(X, X + means))
    assert -1 <= sm.rsa(pair_of(X, X + means), "euclidean").value <= 1
    single = (X + means).astype(np.float32)  # rows as they are
    deviations = single - single.mean(axis=1, dtype=np.float64, keepdims=True)
    expected = spearmanr(pdist(X, "correlation"), pdist(deviations, "correlation"))[0]
    assert sm.rsa(pair_of(X, single)).value == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize("name", MEASURES)
def test_layers_that_never_vary_or_have_no_sample_are_refused(name):
    X, _ = layers.random()
    for constant in (np.zeros((300, 3)), np.full((300, 3), 2.5)):
        with pytest.raises(sm.SpanmatchError, match=rf"{name}: layer 'y' never varies"):
            MEASURES[name](pair_of(X, constant))
    rare = np.zeros((300, 3))
    rare[7] = 1
    seed = next(s for s in range(99) if 7 not in pair_of(X, X, sample=50, seed=s).sample.example_ids)
    with pytest.raises(sm.SpanmatchError, match=rf"{name}: layer 'y': all 50 sampled examples have the same row"):
        MEASURES[name](pair_of(X, rare, sample=50, seed=seed))
    with pytest.raises(sm.SpanmatchError, match="no sample of rows was kept"):
        MEASURES[name](pair_of(X, X, sample=0))
    with pytest.raises(sm.SpanmatchError, match="expected a pair of layers"):
        MEASURES[name](X)


def test_examples_that_are_equally_far_apart_are_refused():
    X, Y = layers.random(n=20, p=4)[0], np.eye(20)
    with pytest.raises(sm.SpanmatchError, match="layer 'y': all sampled examples are equally far apart"):
        sm.kernel_cka(pair_of(X, Y), debiased=True)
    with pytest.raises(sm.SpanmatchError, match="layer 'y': all sampled examples are equally dissimilar"):
        sm.rsa(pair_of(X, Y))
    with pytest.raises(sm.SpanmatchError, match="layer 'x': all sampled examples are equally dissimilar"):
        sm.rsa(pair_of(X[:, :1], X))  # one neuron has no correlation over features
    with pytest.raises(sm.SpanmatchError, match="the median distance of the sampled examples is 0"):
        sm.kernel_cka(pair_of(X, np.eye(20)[:, :2]), kernel="rbf")


# ---- permuted examples


def test_every_measure_has_a_form_for_permuted_examples():
    assert {measure.function for measure in MEASURES.values()} <= set(STATISTICS)


@pytest.mark.parametrize("kind", ["correlated", "ties"])
@pytest.mark.parametrize("name", MEASURES)
def test_permuted_examples_are_those_of_a_permuted_layer(name, kind):
    X, Y = layers.correlated(n=60, p=12, q=9) if kind == "correlated" else (with_ties(3), with_ties(4))
    if (name, kind) == ("cknna", "ties"):
        X, Y = X + 0.1, Y + 0.1
    measure, r = MEASURES[name], np.random.default_rng(0)
    pair = pair_of(X, Y)
    statistic = statistic_of(measure, pair)
    assert statistic.value() == statistic.value(np.arange(60)) == float(measure(pair))
    for _ in range(5):
        order = r.permutation(60)
        assert statistic.value(order) == pytest.approx(float(measure(pair_of(X, Y[order]))), abs=1e-12)


@pytest.mark.parametrize("kind", ["correlated", "ties"])
def test_measures_of_neighbours_share_what_they_look_for(kind):
    X, Y = layers.correlated(n=60, p=12, q=9) if kind == "correlated" else (with_ties(3) + 0.1, with_ties(4) + 0.1)
    pair, r = pair_of(X, Y), np.random.default_rng(0)
    statistics = [statistic_of(measure, pair) for measure in MEASURES.values()]
    statistics = [statistic for statistic in statistics if isinstance(statistic, Relabelled)]
    orders, shared = np.array([r.permutation(60) for _ in range(5)]), {}
    for statistic in statistics:
        one_by_one = [statistic.value(order) for order in orders]
        np.testing.assert_allclose(statistic.values(orders, shared), one_by_one, rtol=1e-14)
    assert len(statistics) == 5 and len(shared) == 2  # neighbours by cosine, and by inner product


def test_statistics_take_the_arguments_of_their_measures():
    pair, order = pair_of(*layers.correlated(n=60)), np.random.default_rng(0).permutation(60)
    for function in (
        partial(sm.kernel_cka, kernel="rbf", bandwidth=1.0),
        partial(sm.rsa, dissimilarity="cosine", comparison="pearson"),
        partial(sm.mutual_knn, k=3),
    ):
        assert statistic_of(function, pair).value() == function(pair).value
        X, Y = pair.sample.X, pair.sample.Y
        permuted = function(pair_of(X, Y[order])).value
        assert statistic_of(function, pair).value(order) == pytest.approx(permuted, abs=1e-12)


# ---- matrices are computed once for each layer, and released


def test_matrices_are_shared_by_the_pairs_of_a_layer(monkeypatch):
    r = np.random.default_rng(0)
    moments = sm.Moments(pairs="all", folds=1, null=False)
    moments.update({f"a:{i}": r.standard_normal((60, 5)) for i in range(3)})
    computed = []
    original = sampled_kernels._products_and_sums
    monkeypatch.setattr(sampled_kernels, "_products_and_sums", lambda s: computed.append(s.layer) or original(s))
    for x, y in moments.pairs:
        for measure in MEASURES.values():
            measure(moments.pair(x, y))
            measure(moments.pair(y, x))
    assert sorted(computed) == ["a:0", "a:1", "a:2"]


def test_matrices_are_released_with_their_layer_and_within_a_limit():
    cache = matrix_cache.MatrixCache(limit=10 * 800)
    kept = [pair_of(*layers.random(n=20, p=2, q=2, seed=seed)).sample.x for seed in range(6)]
    for i in range(24):
        cache.get(kept[i % 6], i, lambda: np.zeros((10, 10)))
    assert cache.nbytes == 10 * 800
    assert cache.get(kept[5], 23, lambda: np.ones((10, 10)))[0, 0] == 0
    assert not cache.get(kept[0], 0, lambda: np.ones((10, 10))).flags.writeable
    kept.clear()
    gc.collect()
    assert cache.nbytes == 0
    large = pair_of(*layers.random(n=20, p=2, q=2)).sample.x
    for i in range(6):
        cache.get(large, i, lambda: np.zeros((100, 100)))
    assert cache.nbytes == matrix_cache.ALWAYS_KEPT * 80_000


@pytest.mark.parametrize(
    "module",
    ["sampled_kernel_alignment", "neighbourhoods", "representational_similarity", "distance_covariance"],
)
def test_examples_in_docstrings(module):
    result = doctest.testmod(importlib.import_module(f"spanmatch.similarity.{module}"))
    assert result.attempted > 0 and result.failed == 0
