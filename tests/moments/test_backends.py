"""The PyTorch engine gives the sums that the NumPy engine gives; on a GPU too, where there is one."""

from __future__ import annotations

import subprocess
import sys

import array_api_strict
import layers
import numpy as np
import pytest
import torch

import spanmatch as sm
from spanmatch.moments import backends, batches

DEVICES = [
    "cpu",
    pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")),
    "standard",
]


@pytest.fixture(params=DEVICES)
def on_device(request, monkeypatch):
    """Make arrays run through the PyTorch engine, on the CPU as well, or through that of the array API standard."""
    if request.param == "standard":
        return array_api_strict.asarray
    device = torch.device(request.param)
    plain = batches.checked

    def checked(layer, array, *, single=False):
        chosen, values = plain(layer, array, single=single)
        if isinstance(array, torch.Tensor):
            return backends.TorchEngine(device, single), array
        return chosen, values

    monkeypatch.setattr("spanmatch.moments.batches.checked", checked)
    return lambda array: torch.from_numpy(array).to(device)


@pytest.mark.parametrize("method", ["gram", "qr"])
def test_sums_on_a_device_are_those_of_numpy(on_device, method):
    X, Y = layers.correlated(n=300)
    X, Y = X.astype(np.float32) + 5, Y.astype(np.float32)
    ours, theirs = sm.Moments(method=method, bins=6), sm.Moments(method=method, bins=6)
    for rows in np.split(np.arange(300), [120, 121, 260]):
        ours.update({"a:l": X[rows], "b:l": Y[rows]})
        theirs.update({"a:l": on_device(X[rows]), "b:l": on_device(Y[rows])})
    mine, other = ours.pair("a:l", "b:l"), theirs.pair("a:l", "b:l")
    for name in ("x_mean", "y_mean", "xx", "xy", "yy"):
        np.testing.assert_allclose(getattr(other, name), getattr(mine, name), rtol=1e-11, atol=1e-10)
    np.testing.assert_array_equal(other.counts.table, mine.counts.table)
    with pytest.raises(sm.SpanmatchError, match="of 300 rows have no partner"):  # the batch of one row
        _ = other.null
    np.testing.assert_allclose(sm.match_profile(other).x_levels, sm.match_profile(mine).x_levels, atol=1e-9)


@pytest.mark.parametrize("lengths", [[1], [5], [2, 7, 1], [1100, 3]])
@pytest.mark.parametrize("method", ["gram", "single"])
def test_partner_similarity_on_a_device_is_that_of_numpy(on_device, lengths, method):
    X, Y = layers.correlated(n=4000)
    examples = np.repeat(np.arange(4000), np.resize(lengths, 4000))[:4000]
    X = X.astype(np.float32) + 0.3 * (examples // 40 % 7)[:, None] + 5
    ours, theirs = sm.Moments(method=method), sm.Moments(method=method)
    for rows in np.split(np.arange(4000), [2300]):
        rows = np.random.default_rng(0).permutation(rows)
        ours.update({"a:l": X[rows], "b:l": Y[rows]}, examples[rows])
        theirs.update({"a:l": on_device(X[rows]), "b:l": on_device(Y[rows])}, examples[rows])
    mine, other = ours.pair("a:l", "b:l"), theirs.pair("a:l", "b:l")
    assert other.partner_similarity == pytest.approx(mine.partner_similarity, rel=1e-9 if method == "gram" else 1e-4)
    assert abs(mine.partner_similarity) > 1e-6
    assert [part.n_examples for part in other.folds] == [part.n_examples for part in mine.folds]


def test_single_precision_is_near_and_says_how_near(on_device):
    X, Y = layers.correlated(n=3000)
    exact, ours, theirs = sm.Moments(), sm.Moments(method="single"), sm.Moments(method="single")
    for rows in np.split(np.arange(3000), [1000, 1700]):
        exact.update({"a:l": X[rows], "b:l": Y[rows]})
        ours.update({"a:l": X[rows], "b:l": Y[rows]})
        theirs.update({"a:l": on_device(X[rows]), "b:l": on_device(Y[rows])})
    reference = exact.pair("a:l", "b:l")
    profile = sm.match_profile(reference)
    for moments in (ours, theirs):
        pair = moments.pair("a:l", "b:l")
        assert pair.method == pair.null.method == pair.folds[0].method == "single"
        norms = np.sqrt(np.outer(np.diag(reference.xx), np.diag(reference.yy)))
        error = abs(pair.xy - reference.xy).max() / norms.max()
        assert 0 < error < 4e-7
        found = sm.match_profile(pair)
        assert found.resolution > 1000 * profile.resolution
        np.testing.assert_allclose(found.x_levels, profile.x_levels, atol=found.resolution)
        np.testing.assert_allclose(float(sm.cka(pair)), float(sm.cka(reference)), rtol=1e-5)


def test_single_precision_takes_no_rounding_for_a_direction():
    """Neurons that repeat others leave rounding, so large in float32 that it may hide directions: all is unresolved."""
    X, Y = layers.correlated(n=3000)
    X = np.hstack([X, X[:, :5] @ np.random.default_rng(0).standard_normal((5, 5))])
    pair = sm.pair(X, Y, method="single")
    reference = sm.pair(X, Y)
    assert sm.match_profile(pair).resolution == 1.0
    assert len(sm.match_profile(pair).unresolved[1]) == Y.shape[1]
    with pytest.raises(sm.SpanmatchError, match="rounding decides the value"):
        sm.cca(pair)
    assert sm.cca(reference).dimensions == (40, 33)
    distinct = sm.pair(X[:, :40], Y, method="single")
    np.testing.assert_allclose(sm.match_profile(distinct).y_levels, sm.match_profile(reference).y_levels, atol=2e-3)
    assert sm.match_profile(distinct).resolution < 0.05
    with pytest.raises(sm.SpanmatchError, match="give 'gram', 'qr' or 'single'"):
        sm.Moments(method="double")


def test_sums_of_two_engines_come_together(on_device):
    X, Y = layers.correlated(n=200)
    mixed, plain = sm.Moments(), sm.Moments()
    for rows in (slice(0, 90), slice(90, 200)):
        plain.update({"a:l": X[rows], "b:l": Y[rows]})
    mixed.update({"a:l": X[:90], "b:l": Y[:90]})
    mixed.update({"a:l": on_device(X[90:]), "b:l": on_device(Y[90:])})
    np.testing.assert_allclose(mixed.pair("a:l", "b:l").xy, plain.pair("a:l", "b:l").xy, rtol=1e-11, atol=1e-11)
    np.testing.assert_allclose(mixed.pair("a:l", "b:l").null.xy, plain.pair("a:l", "b:l").null.xy, atol=1e-10)
    mixed.update({"a:l": on_device(X), "b:l": on_device(Y)})
    assert (mixed + plain).pair("a:l", "b:l").rows == 600


def test_paired_layers_on_different_devices_are_refused(on_device):
    X, Y = layers.random()
    with pytest.raises(sm.SpanmatchError, match="'a:l' and 'b:l' are on different devices"):
        sm.Moments().update({"a:l": on_device(X), "b:l": Y})


def test_values_that_are_not_finite_are_found_on_a_device(on_device):
    X, Y = layers.random()
    Y[7, 3] = np.nan
    moments = sm.Moments()
    with pytest.raises(sm.SpanmatchError, match="'b:l': nan in neuron 3, row 7"):
        moments.update({"a:l": on_device(X), "b:l": on_device(Y)})
    assert not moments.layers


def test_a_device_is_waited_for_once_a_batch(on_device, monkeypatch):
    counts = []
    for kind in (backends.TorchEngine, backends.ArrayEngine):
        plain = kind.sum_of
        monkeypatch.setattr(kind, "sum_of", lambda self, arrays, plain=plain: counts.append(1) or plain(self, arrays))
        monkeypatch.setattr(kind, "host", lambda self, array: pytest.fail("waited for the device"), raising=True)
    X, Y = layers.random(n=300)
    moments = sm.Moments()
    with pytest.MonkeyPatch.context() as first:  # the first batch gives the shift
        first.setattr(backends.TorchEngine, "host", lambda self, array: array.cpu().numpy())
        first.setattr(backends.ArrayEngine, "host", lambda self, array: np.asarray(array))
        moments.update({"a:l": on_device(X), "b:l": on_device(Y)})
    for _ in range(3):
        moments.update({"a:l": on_device(X), "b:l": on_device(Y)})
    assert len(counts) == 4


@pytest.mark.parametrize(
    "engine",
    [
        backends.NumpyEngine,
        lambda single: backends.TorchEngine(torch.device("cpu"), single),
        lambda single: backends.ArrayEngine(array_api_strict, array_api_strict.asarray([1.0]).device, single),
    ],
)
def test_engines_are_equal_if_device_and_precision_are(engine):
    assert engine(False) == engine(False) and hash(engine(False)) == hash(engine(False))
    assert engine(False) != engine(True) and hash(engine(False)) != hash(engine(True))
    assert len({engine(False), engine(True), engine(True)}) == 2


def test_jax_arrays_are_taken():
    """In a process of its own: JAX's threads do not go together with forks, which other tests make."""
    code = """
import jax.numpy as jnp, numpy as np, spanmatch as sm
X, Y = (np.random.default_rng(seed).standard_normal((200, 6)).astype(np.float32) for seed in (0, 1))
theirs = sm.pair(jnp.asarray(X), jnp.asarray(Y))
np.testing.assert_array_equal(theirs.xy, sm.pair(X, Y).xy)
assert sm.pair(jnp.asarray(X), Y).rows == 200
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_top_inputs_and_types_of_the_standard():
    X, Y = (np.round(10 * array).astype(np.int32) for array in layers.random(n=200))
    ours, theirs = sm.Moments(top=3), sm.Moments(top=3)
    ours.update({"a:l": X, "b:l": Y})
    theirs.update({"a:l": array_api_strict.asarray(X), "b:l": array_api_strict.asarray(Y)})
    np.testing.assert_array_equal(theirs.top("a:l").examples, ours.top("a:l").examples)
    with pytest.raises(sm.SpanmatchError, match=r"'a:l': activations of type .*complex"):
        sm.Moments().update({"a:l": array_api_strict.asarray(X + 1j)})
    with pytest.raises(sm.SpanmatchError, match="has 1 dimensions"):
        sm.Moments().update({"a:l": array_api_strict.asarray(X[0])})
