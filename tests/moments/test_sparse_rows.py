"""Sparse rows: the same moments as those of dense rows, in all formats, mixed with dense ones or not."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

import spanmatch as sm
from spanmatch.moments import sparse_rows

pytestmark = pytest.mark.filterwarnings("ignore:Sparse CSR tensor support:UserWarning")
N, P, Q = 300, 40, 30


def features(seed=0, density=0.01, n=N, widths=(P, Q)):
    """Two layers of rare, non-negative features; a quarter of them of y are those of x."""
    r = np.random.default_rng(seed)
    X, Y = (np.where(r.random((n, width)) < density, r.gamma(2, size=(n, width)), 0) for width in widths)
    shared = min(widths) // 4
    Y[:, :shared] = X[:, :shared] * r.uniform(0.5, 2, shared)
    return X, Y


def moments_of(*batches, ids=None, **options):
    moments = sm.Moments(pairs=[("a:f", "b:f")], **options)
    for k, (X, Y) in enumerate(batches):
        moments.update({"a:f": X, "b:f": Y}, None if ids is None else ids[k])
    return moments


def assert_same(one, other, rtol=1e-12):
    """The centred moments, the null and the sample of two pairs are the same."""
    a, b = one.pair("a:f", "b:f"), other.pair("a:f", "b:f")
    for name, value, expected in zip(("between", "within_x", "within_y"), *map(parts, (a, b)), strict=True):
        np.testing.assert_allclose(value, expected, rtol=rtol, atol=rtol, err_msg=name)
    tolerance = max(1e-9, 10 * rtol)
    for measure in (sm.cka, lambda pair: sm.cka(pair, debiased=True), sm.procrustes):
        assert measure(a).value == pytest.approx(measure(b).value, rel=tolerance, abs=tolerance)
    assert sm.null(a, sm.cka).null_value == pytest.approx(sm.null(b, sm.cka).null_value, rel=tolerance)
    assert sm.jackknife(a, sm.cka).low == pytest.approx(sm.jackknife(b, sm.cka).low, rel=tolerance)


def parts(pair):
    c = sm.correlation(pair)
    return c.between, c.within_x, c.within_y


@pytest.mark.parametrize("form", ["csr", "csc", "coo", "lil", "dok", "bsr", "dia"])
@pytest.mark.parametrize("kind", [sp.coo_array, sp.coo_matrix])
def test_every_format_of_scipy_has_the_moments_of_dense_rows(form, kind):
    X, Y = features()
    assert_same(moments_of((kind(X).asformat(form), kind(Y).asformat(form))), moments_of((X, Y)))


@pytest.mark.parametrize("layout", ["csr", "coo", "csc"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16", "float16"])
def test_sparse_tensors_have_the_moments_of_dense_ones(layout, dtype):
    torch = pytest.importorskip("torch")
    dense = [torch.from_numpy(layer).to(getattr(torch, dtype)) for layer in features()]
    sparse = [getattr(layer, "to_sparse" if layout == "coo" else f"to_sparse_{layout}")() for layer in dense]
    moments = moments_of(sparse)
    assert_same(moments, moments_of(dense))
    assert moments.dtypes == {"a:f": dtype, "b:f": dtype}


@settings(deadline=None, max_examples=40)
@given(
    density=st.sampled_from([0.0, 0.001, 0.015, 0.05, 0.6]),
    cuts=st.lists(st.integers(1, N - 1), max_size=3, unique=True),
    sparse=st.lists(st.tuples(st.booleans(), st.booleans()), min_size=4, max_size=4),
    seed=st.integers(0, 9),
)
def test_any_mixture_of_dense_and_sparse_batches_is_one_stream(density, cuts, sparse, seed):
    X, Y = features(seed, density)
    X[0, 0] = Y[0, 0] = Y[1, 1] = 1.5
    batches = list(zip(*(np.split(layer, sorted(cuts)) for layer in (X, Y)), strict=True))
    mixed = [
        tuple(sp.csr_array(layer) if as_sparse else layer for layer, as_sparse in zip(batch, forms, strict=True))
        for batch, forms in zip(batches, sparse, strict=False)
    ]
    one, other = moments_of(*mixed, folds=2, null=False), moments_of((X, Y), folds=2, null=False)
    pair, expected = one.pair("a:f", "b:f"), other.pair("a:f", "b:f")
    for value, dense in zip(parts(pair), parts(expected), strict=True):
        np.testing.assert_allclose(value, dense, rtol=1e-11, atol=1e-11)
    halves = moments_of(*mixed[:1], folds=2, null=False)
    if mixed[1:]:
        merged = (halves + moments_of(*mixed[1:], folds=2, null=False)).pair("a:f", "b:f")
        np.testing.assert_allclose(parts(merged)[0], parts(expected)[0], rtol=1e-11, atol=1e-11)


def test_products_of_thin_rows_are_sparse_and_those_of_dense_rows_are_not():
    X, _ = features(density=0.001)
    rows = np.arange(N)
    assert sp.issparse(sparse_rows.lifted(sp.csr_array(X), rows, single=False))
    assert sparse_rows.lifted(sp.csr_array(X + 1), rows, single=False) is None


@pytest.mark.parametrize(
    "options", [{"method": "qr"}, {"method": "single"}, {"bins": 3}, {"top": 2}, {"sample": 20}, {"folds": 5}], ids=str
)
def test_every_option_gives_the_same_with_sparse_rows(options):
    X, Y = features(density=0.015)
    ids = [np.repeat(np.arange(N // 3), 3)]  # several rows of an example
    sparse, dense = (moments_of(layers, ids=ids, **options) for layers in ((sp.csr_array(X), sp.csc_array(Y)), (X, Y)))
    assert_same(sparse, dense, rtol=1e-6 if options.get("method") == "single" else 1e-11)
    np.testing.assert_array_equal(*(moments.pair("a:f", "b:f").sample.x.rows for moments in (sparse, dense)))
    if "top" in options:
        assert np.array_equal(sparse.top("a:f").examples, dense.top("a:f").examples)
    if "bins" in options:
        x, y = (moments.pair("a:f", "b:f") for moments in (sparse, dense))
        np.testing.assert_allclose(sm.mutual_information(x).between, sm.mutual_information(y).between, atol=1e-12)


@pytest.mark.parametrize("lengths", [[1] * N, [3] * (N // 3), [1, 2, 7, 40] * 6])
def test_examples_of_unlike_lengths_have_the_same_null(lengths):
    X, Y = (layer[: sum(lengths)] for layer in features(density=0.01))
    ids = [np.repeat(np.arange(len(lengths)), lengths)]
    assert_same(moments_of((sp.csr_array(X), sp.csr_array(Y)), ids=ids), moments_of((X, Y), ids=ids))


def test_a_pair_of_sparse_matrices_is_that_of_dense_ones():
    X, Y = features(density=0.03)
    expected = sm.match_profile(sm.pair(X, Y))
    for pair in (sm.pair(sp.csc_matrix(X), sp.coo_array(Y)), sm.pair(sp.csr_array(X), Y)):
        profile = sm.match_profile(pair)
        np.testing.assert_allclose(profile.x_levels, expected.x_levels, atol=1e-9)
        np.testing.assert_allclose(profile.y_levels, expected.y_levels, atol=1e-9)


def test_the_callers_matrix_is_left_as_it_is():
    X = sp.csr_array((np.array([1.0, 2.0, 5.0]), np.array([1, 1, 0]), np.array([0, 2, 3, 3])), shape=(3, 2))
    pair = sm.pair(X, np.eye(3), folds=1, null=False)
    assert X.nnz == 3
    np.testing.assert_allclose(pair.x_mean, [5 / 3, 1])


@pytest.mark.parametrize("index", [7, -1])
def test_an_index_that_leads_out_of_the_matrix_is_refused(index):
    X = sp.csr_array(np.eye(4))
    X.indices[2] = index
    with pytest.raises(sm.SpanmatchError, match="layer 'a:f': not a valid sparse matrix"):
        moments_of((X, np.eye(4)))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_value_that_is_not_finite_is_refused_with_its_place(value):
    X = sp.lil_array((50, 3))
    X[33, 2] = value
    with pytest.raises(sm.SpanmatchError, match=rf"layer 'a:f': {value} in neuron 2, row 33"):
        moments_of((X.tocsr(), np.ones((50, 2))))


@pytest.mark.parametrize("X", [sp.coo_array(np.ones(4)), sp.csr_array(1j * np.eye(3)), sp.csr_array((0, 3))])
def test_what_is_not_a_real_matrix_is_refused(X):
    with pytest.raises(sm.SpanmatchError, match="layer 'a:f'"):
        moments_of((X, np.ones((3, 2))))


def test_tensors_that_are_not_real_matrices_are_refused():
    torch = pytest.importorskip("torch")
    for tensor in (torch.ones(2, 2, 2).to_sparse(), torch.ones(3, 3).to_sparse(1), (1j * torch.eye(3)).to_sparse()):
        with pytest.raises(sm.SpanmatchError, match="layer 'a:f'"):
            moments_of((tensor, np.ones((3, 2))))


@pytest.mark.parametrize("mean", [1e3, 1e6, 1e8])
def test_means_far_above_the_spread_cost_sparse_rows_no_digits(mean):
    r = np.random.default_rng(0)
    X = r.standard_normal((500, 4)) + mean
    Y = X @ r.standard_normal((4, 4)) + r.standard_normal((500, 4))
    sparse, dense = sm.pair(sp.csr_array(X), sp.csr_array(Y)), sm.pair(X, Y)
    np.testing.assert_allclose(sm.cka(sparse).value, sm.cka(dense).value, rtol=1e-9)


def test_a_neuron_that_is_always_active_and_hardly_varies_is_not_constant():
    r = np.random.default_rng(0)
    X = sp.random_array((500, 30), density=0.05, rng=r).toarray()
    X[:, 3] = 0.1 * (1 + 1e-7 * (r.random(500) < 0.5))
    pair = sm.pair(sp.csr_array(X), sp.csr_array(X))
    assert 3 in pair.active(centred=True)[0]
