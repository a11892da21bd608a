"""Packed moments: whatever the panels, the sums are those of complete squares."""

from __future__ import annotations

import array_api_strict
import layers
import numpy as np
import oracles
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from streams import NAMES, moments_of

import spanmatch as sm
from spanmatch.moments import backends, batches, packed
from spanmatch.moments.packed import Packed

N, P, Q = 240, 23, 17
WIDTHS = st.integers(1, 40)
BLOCKS = st.sampled_from([1, 2, 3, 5, 8, 40])


def of_panels(columns: int, task):
    """Return what a task returns if panels have at least so many columns."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packed, "BLOCK", columns)
        return task()


def in_panels_and_not(task):
    """Return what a task returns for panels of five columns, and for one panel a layer."""
    assert len(of_panels(5, lambda: Packed(P + 1).panels)) == 4
    assert len(Packed(P + 1).panels) == 1
    return of_panels(5, task), task()


def assert_close(value, expected, rtol=1e-12, scale=None):
    """Compare arrays relative to the largest element."""
    scale = np.abs(expected).max() if scale is None else scale
    np.testing.assert_allclose(value, expected, rtol=0, atol=rtol * scale)


def assert_same_pairs(mine: sm.Pair, theirs: sm.Pair, *, same_shift: bool = True) -> None:
    """Compare what a pair computes with, also of its folds, relative to the spread of the layers."""
    x, y = np.sqrt(np.diag(theirs.xx).max()), np.sqrt(np.diag(theirs.yy).max())
    for own, other in zip((mine, *mine.folds), (theirs, *theirs.folds), strict=True):
        assert own.rows == other.rows
        for name, scale in (("x_mean", x), ("y_mean", y), ("xx", x * x), ("xy", x * y), ("yy", y * y)):
            assert_close(getattr(own, name), getattr(other, name), scale=scale)
        for name in ("x", "y", "x_by_y", "y_by_x") if same_shift else ():
            value, expected = getattr(own.fourth, name), getattr(other.fourth, name)
            assert_close(value[:-1], expected[:-1])
            assert value[-1] == pytest.approx(expected[-1], rel=1e-12)


def pair_of(moments: sm.Moments, layers_of_pair: tuple[str, str] = NAMES) -> sm.Pair:
    """Return a pair with its folds, which is read while the panels are as they were stored."""
    pair = moments.pair(*layers_of_pair)
    assert pair.n_folds == len(pair.folds)
    return pair


def rows_of(seed=0):
    """Two layers with large means, in an order that makes folds differ."""
    X, Y = layers.correlated(n=N, p=P, q=Q, seed=seed)
    return X + 10, Y - np.linspace(0, 3, N)[:, None]


# ---- the layout -----------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(WIDTHS, BLOCKS, st.integers(0, 99))
def test_what_is_stored_is_the_matrix(width, columns, seed):
    def check():
        layout, half = Packed(width), np.random.default_rng(seed).standard_normal((2, width, width))
        one, two = half + half.transpose(0, 2, 1)
        flat = layout.stored(np.tril(one))
        assert flat.shape == (layout.length,)
        np.testing.assert_array_equal(layout.dense(flat), one)
        np.testing.assert_array_equal(layout.last_row(flat), one[-1])
        size = 1 + seed % width
        np.testing.assert_array_equal(layout.dense(flat, size=size), one[:size, :size])
        both = flat, layout.stored(two)
        np.testing.assert_array_equal(layout.dense(*both, flat), one + two + one)
        np.testing.assert_array_equal(layout.last_row(*both), (one + two)[-1])
        np.testing.assert_array_equal(flat, layout.stored(one))

    of_panels(columns, check)


@settings(deadline=None)
@given(WIDTHS, BLOCKS)
def test_every_element_of_the_triangle_has_one_place(width, columns):
    def check():
        layout = Packed(width)
        rows, across = np.tril_indices(width)
        places = layout.places(rows, across)
        assert len(np.unique(places)) == len(places)
        flat = np.full(layout.length, np.nan)
        flat[places] = rows * width + across
        expected = np.tril(np.arange(width**2).reshape(width, width))
        np.testing.assert_array_equal(np.tril(layout.dense(flat)), expected)
        noise = np.where(np.isnan(flat), 7.0, flat)
        layout.clear(noise)
        np.testing.assert_array_equal(noise, np.nan_to_num(flat, nan=0.0))

    of_panels(columns, check)


@settings(deadline=None)
@given(st.integers(1, 20_000))
def test_panels_are_as_wide_as_they_should_be_and_store_about_half(width):
    layout = Packed(width)
    widths = [panel.stop - panel.start for panel in layout.panels]
    assert sum(widths) == width
    assert max(widths) - min(widths) <= 1
    if width < 2 * packed.BLOCK:
        assert layout.length == width**2
    else:
        assert packed.BLOCK <= min(widths) <= max(widths) < 2 * packed.BLOCK
        assert layout.length <= width * (width + max(widths)) / 2 + width


# ---- products of batches --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["gram", "single"])
def test_batches_add_up_to_plain_products(method):
    X, Y = rows_of()
    options = {"cuts": [1, 70, 150], "folds": 3, "method": method}
    mine, plain = in_panels_and_not(lambda: pair_of(moments_of(X, Y, **options)))
    if method == "gram":
        assert_same_pairs(mine, plain)
        assert_close(mine.xx, oracles.co_moments(X, X))
        assert_close(mine.yy, oracles.co_moments(Y, Y))
    else:
        for name in ("xx", "xy", "yy"):
            assert_close(getattr(mine, name), getattr(plain, name), rtol=1e-6)


@pytest.mark.parametrize("kind", ["torch", "standard"])
def test_engines_of_devices_fill_the_panels(kind, monkeypatch):
    X, Y = rows_of()
    plain = pair_of(moments_of(X, Y, cuts=[100], folds=3))
    checked = batches.checked

    def on_torch(layer, array, *, single=False):
        if isinstance(array, torch.Tensor):
            return backends.TorchEngine(torch.device("cpu"), single), array
        return checked(layer, array, single=single)

    monkeypatch.setattr(batches, "checked", on_torch)
    on_device = torch.from_numpy if kind == "torch" else array_api_strict.asarray

    def streamed():
        moments = sm.Moments(folds=3)
        moments.update({"a:l": on_device(X[:100]), "b:l": on_device(Y[:100])})
        moments.update({"a:l": on_device(X[100:]), "b:l": on_device(Y[100:])})
        return moments

    moments = of_panels(5, streamed)
    pair = of_panels(5, lambda: pair_of(moments))
    assert_same_pairs(pair, plain)
    grams = [array for key, array in moments._sums.total().arrays.items() if key[0] == "gram"]
    rows = of_panels(5, lambda: [np.triu(panel.of(grams[0][1])[panel.start :], 1) for panel in Packed(P + 1).panels])
    assert not any(above.any() for above in rows)


@pytest.mark.parametrize("dense_batches", [False, True])
def test_sparse_rows_fill_the_panels(dense_batches):
    r = np.random.default_rng(0)
    X, Y = (np.where(r.random((N, width)) < 0.012, r.gamma(2, size=(N, width)), 0.0) for width in (P, Q))
    X[:2, 0] = Y[:2, 1] = 1.0
    forms = [sp.csr_array, np.asarray if dense_batches else sp.csc_array]

    def streamed():
        moments = sm.Moments(folds=2)
        for rows, form in zip(np.split(np.arange(N), [90]), forms, strict=True):
            moments.update({"a:l": form(X[rows]), "b:l": form(Y[rows])})
        return pair_of(moments)

    mine, plain = in_panels_and_not(streamed)
    assert_same_pairs(mine, plain)
    assert_close(mine.xx, oracles.co_moments(X, X))


# ---- sums of sums ---------------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(0, N), max_size=4), st.integers(0, 99), BLOCKS)
def test_moments_about_different_shifts_are_added(cuts, seed, columns):
    X, Y = rows_of(seed)
    X += np.where(np.arange(N) < N // 2, 0, 50)[:, None]
    ids = np.arange(N)

    def added():
        order = [rows for rows in np.split(ids, sorted(cuts)) if len(rows)]
        total = sm.Moments(folds=3, null=False)
        for k in np.random.default_rng(seed).permutation(len(order)):
            total += moments_of(X[order[k]], Y[order[k]], example_ids=order[k], folds=3, null=False)
        return pair_of(total)

    mine = of_panels(columns, added)
    assert_same_pairs(mine, added())
    plain = pair_of(moments_of(X, Y, example_ids=ids, folds=3, null=False))
    assert_same_pairs(mine, plain, same_shift=False)


def test_a_file_in_panels_is_read_and_continued(tmp_path):
    X, Y = rows_of()
    path = tmp_path / "m.safetensors"

    def interrupted():
        moments_of(X[:100], Y[:100], folds=3).save(path)
        again = sm.Moments.load(path)
        again.update({"a:l": X[100:], "b:l": Y[100:]})
        return pair_of(again)

    straight = of_panels(5, lambda: pair_of(moments_of(X, Y, cuts=[100], folds=3)))
    mine = of_panels(5, interrupted)
    for name in ("xx", "xy", "yy"):
        np.testing.assert_array_equal(getattr(mine, name), getattr(straight, name))
    assert_same_pairs(mine, pair_of(moments_of(X, Y, cuts=[100], folds=3)))
    with pytest.raises(sm.SpanmatchError, match=r"m\.safetensors: its contents do not fit together \(gram a:l is"):
        sm.Moments.load(path)


def test_a_pass_in_panels_continues_from_its_checkpoint(tmp_path):
    torch.manual_seed(0)
    networks = {name: torch.nn.Sequential(torch.nn.Linear(6, P), torch.nn.ReLU()) for name in "ab"}
    inputs = list(torch.randn(N, 6).split(40))
    path = tmp_path / "pass.safetensors"

    def in_two_passes():
        path.unlink(missing_ok=True)
        for batches_of_inputs in (inputs[:3], inputs):
            moments = sm.capture(networks, batches_of_inputs, layers="1", folds=3, checkpoint=path)
        return pair_of(moments, ("a:1", "b:1"))

    mine, plain = in_panels_and_not(in_two_passes)
    assert_same_pairs(mine, plain)
    assert mine.rows == N


def test_dask_workers_and_ranks_add_panels():
    from spanmatch.moments.moments import _added
    from spanmatch.moments.moments_files import contents_of, state_of

    X, Y = rows_of()

    def of_two_ranks():
        ids = np.arange(N)
        parts = [moments_of(X[k::2], Y[k::2], example_ids=ids[k::2], folds=3, null=False) for k in range(2)]
        state = _added(*(state_of(part._contents()) for part in parts))
        return pair_of(sm.Moments._of(contents_of(state)))

    mine, plain = in_panels_and_not(of_two_ranks)
    assert_same_pairs(mine, plain)
    assert_same_pairs(mine, pair_of(moments_of(X, Y, folds=3, null=False)), same_shift=False)


# ---- what is asked of a pair ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pairs():
    """The same pair in panels and not, with folds that are not cached."""
    X, Y = layers.correlated(n=2000, p=P, q=Q)
    return in_panels_and_not(lambda: pair_of(moments_of(X + 1, Y, cuts=[700], folds=5)))


@pytest.mark.parametrize("measure", [m for m in sm.measures() if m.needs == "moments"], ids=lambda m: m.name)
def test_measures_are_the_same(pairs, measure):
    mine, plain = (
        of_panels(columns, lambda p=pair: measure(p)) for columns, pair in zip((5, 1000), pairs, strict=True)
    )
    assert mine.value == pytest.approx(plain.value, rel=1e-12)


def evidence(pair: sm.Pair) -> list[float]:
    """Values that take folds, null and fourth moments."""
    match = sm.maximum_match(pair, 0.6)
    held_out = sm.held_out(pair, match)
    profile = sm.match_profile(pair)
    jackknife = sm.jackknife(pair, sm.cka)
    return [
        *profile.x_levels,
        *profile.y_levels,
        *held_out.x_distances,
        *held_out.y_distances,
        jackknife.low,
        jackknife.high,
        sm.null(pair, sm.cca).null_value,
        sm.cka(pair, debiased=True).value,
        sm.permutation_test(pair, sm.cka).p_value,
        sm.rows_needed(pair).effective_sample_size,
    ]


def test_evidence_is_the_same(pairs):
    mine, plain = pairs
    np.testing.assert_allclose(of_panels(5, lambda: evidence(mine)), evidence(plain), rtol=1e-9)


def test_folds_of_wide_layers_are_not_kept(pairs, monkeypatch):
    _, plain = pairs
    X, Y = layers.correlated(n=2000, p=P, q=Q)
    monkeypatch.setattr("spanmatch.moments.pairs.KEPT_FOLDS", 1)
    wide = pair_of(moments_of(X + 1, Y, cuts=[700], folds=5))
    folds = wide.folds
    assert len(folds) == 5
    assert folds[0] is not folds[0]
    assert [fold.rows for fold in folds[1:3]] == [fold.rows for fold in plain.folds[1:3]]
    for mine, expected in zip(folds, plain.folds, strict=True):
        np.testing.assert_array_equal(mine.xx, expected.xx)
    np.testing.assert_allclose(evidence(wide), evidence(plain), rtol=1e-12)


def test_less_memory_is_counted_and_asked_for():
    X, Y = rows_of()
    in_panels, plain = in_panels_and_not(lambda: moments_of(X, Y, folds=4))
    squares, products = ((P + 1) ** 2 + (Q + 1) ** 2), (P + 1) * (Q + 1)
    small = 8 * (4 * (P + 1 + Q + 1) + P + 4 + Q + 4)
    assert plain._sums.nbytes == 8 * (4 * (squares + products) + products) + small
    stored = of_panels(5, lambda: Packed(P + 1).length + Packed(Q + 1).length)
    assert in_panels._sums.nbytes == 8 * (4 * (stored + products) + products) + small
    assert stored < 0.66 * squares
