"""Capture of modules: the right values, the right rows, and the network as it was."""

from __future__ import annotations

import importlib

import layers
import numpy as np
import oracles
import pytest
import torch
from torch import nn

import spanmatch as sm


def conv_net(seed: int = 0, inplace: bool = False) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(1, 5, 3), nn.ReLU(inplace=inplace), nn.Dropout(0.5), nn.Flatten(), nn.Linear(5 * 16, 7)
    )


def images(n: int = 20, seed: int = 1) -> torch.Tensor:
    return torch.randn(n, 1, 6, 6, generator=torch.Generator().manual_seed(seed))


def as_rows(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().movedim(1, -1).flatten(0, -2).double().numpy()


def test_channels_are_neurons_positions_are_rows_and_both_networks_see_the_same():
    a, b, x = conv_net(0), conv_net(1), images()
    moments = sm.capture({"a": a, "b": b}, [x[:7], x[7:]])
    assert moments.layers == {"a:0": 5, "a:1": 5, "a:4": 7, "b:0": 5, "b:1": 5, "b:4": 7}
    pair = moments.pair("a:0", "b:0")
    assert pair.rows == 20 * 16
    np.testing.assert_allclose(pair.xy, oracles.co_moments(as_rows(a[0](x)), as_rows(b[0](x))), atol=1e-8)
    assert pair.layout == "rows are examples x 16 positions, channels are neurons"
    last = moments.pair("a:4", "b:4")
    assert last.rows == 20
    a.eval(), b.eval()
    np.testing.assert_allclose(last.xx, oracles.co_moments(*[a(x).detach().double().numpy()] * 2), atol=1e-8)


def test_folds_and_null_keep_positions_of_one_example_together():
    a, x = conv_net(0), images(16)
    moments = sm.capture({"a": a, "b": a}, [x], layers="0", folds=4)
    rows = as_rows(a[0](x)).reshape(16, 16, 5)
    pair = moments.pair("a:0", "b:0")
    for fold, part in enumerate(pair.folds):
        chosen = rows[fold::4].reshape(-1, 5)
        np.testing.assert_allclose(part.xx, oracles.co_moments(chosen, chosen), atol=1e-8)
    others = rows[oracles.partners(np.arange(16))].reshape(-1, 5)  # the same position of another example
    np.testing.assert_allclose(pair.null.xy, oracles.co_moments(rows.reshape(-1, 5), others), atol=1e-8)


def test_values_are_taken_before_an_in_place_relu():
    kept, overwritten = conv_net(0), conv_net(0, inplace=True)
    x = images()
    left = sm.capture({"a": kept, "b": kept}, [x]).pair("a:0", "b:0")
    right = sm.capture({"a": overwritten, "b": overwritten}, [x]).pair("a:0", "b:0")
    np.testing.assert_allclose(right.xx, left.xx, rtol=1e-12)
    linear = nn.Sequential(nn.Linear(4, 3), nn.ReLU(inplace=True))
    inputs = torch.randn(9, 4)
    pair = sm.capture({"a": linear, "b": linear}, [inputs]).pair("a:0", "b:0")
    exact = linear[0](inputs).detach().double().numpy()
    np.testing.assert_allclose(pair.xx, oracles.co_moments(exact, exact), atol=1e-10)


def test_the_network_is_left_as_it_was():
    network = conv_net()
    network.train()
    network[2].eval()
    flags = [module.training for module in network.modules()]
    sm.capture({"a": network, "b": network}, [images()])
    assert [module.training for module in network.modules()] == flags
    assert not any(module._forward_hooks for module in network.modules())
    assert all(parameter.grad is None for parameter in network.parameters())


class Failing(nn.Module):
    def __init__(self, error):
        super().__init__()
        self.layer, self.error, self.calls = nn.Linear(4, 4), error, 0

    def forward(self, x):
        self.calls += 1
        if self.calls > 2:
            raise self.error
        return self.layer(x)


@pytest.mark.parametrize("error", [RuntimeError("broken"), KeyboardInterrupt()])
def test_hooks_go_and_flags_come_back_when_something_fails(error):
    good, bad = nn.Sequential(nn.Linear(4, 4)), Failing(error)
    with pytest.raises(type(error)):
        sm.capture({"a": good, "b": bad}, [torch.zeros(3, 4)] * 4, pairs="all")
    for network in (good, bad):
        assert network.training
        assert not any(module._forward_hooks for module in network.modules())


def test_evaluation_mode_and_no_gradients_while_it_runs():
    seen = []

    class Spy(nn.Module):
        def forward(self, x):
            seen.append((self.training, torch.is_inference_mode_enabled()))
            return x

    network = nn.Sequential(Spy(), nn.Linear(4, 2))
    sm.capture({"a": network, "b": network}, [torch.randn(6, 4)])
    assert set(seen) == {(False, True)}


def test_sampled_positions_are_the_same_in_both_networks_and_said():
    a, x = conv_net(0), images(30)
    moments = sm.capture({"a": a, "b": a}, [x[:10], x[10:]], layers=["0", "1"], positions=3, seed=5)
    pair = moments.pair("a:0", "b:0")
    assert pair.rows == 90
    np.testing.assert_allclose(pair.xy, pair.xx)  # the same rows in the same order
    assert pair.layout == "rows are examples x 3 of 16 positions, sampled with seed 5; channels are neurons"
    assert sm.match_profile(pair).layout == pair.layout
    again = sm.capture({"a": a, "b": a}, [x[:10], x[10:]], layers=["0", "1"], positions=3, seed=5)
    np.testing.assert_array_equal(again.pair("a:0", "b:0").xx, pair.xx)
    other = sm.capture({"a": a, "b": a}, [x[:10], x[10:]], layers=["0", "1"], positions=3, seed=6)
    assert np.abs(other.pair("a:0", "b:0").xx - pair.xx).max() > 1e-3
    everything = sm.capture({"a": a, "b": a}, [x], positions=99)
    assert everything.pair("a:0", "b:0").rows == 480


def rows_seen(monkeypatch, network, batches, **options):
    """Return the rows of layer "0" that a capture adds, by example, in the order of the example's positions."""
    running = importlib.import_module("spanmatch.activations.from_networks")
    seen = {}
    update = running.Moments.update

    def recorded(self, rows, examples):
        for example, row in zip(examples["a:0"], rows["a:0"], strict=True):
            seen.setdefault(int(example), []).append(np.asarray(row).tobytes())
        update(self, rows, examples)

    with monkeypatch.context() as patch:
        patch.setattr(running.Moments, "update", recorded)
        sm.capture({"a": network, "b": network}, batches, layers="0", positions=3, **options)
    return seen


def test_sampled_positions_are_a_function_of_seed_and_example_alone(monkeypatch, tmp_path):
    """The very rows, to the last bit: of other batch sizes, other orders, parts of the data, and a resumed pass."""

    class Shift(nn.Module):  # outputs that do not depend, in their last bits, on how many examples there are
        def forward(self, x):
            return torch.cat([x, 2 * x], dim=1)

    network, x, ids = nn.Sequential(Shift()), images(40), np.arange(40) * 5 + 2
    one = rows_seen(monkeypatch, network, [x], example_ids=ids, seed=3)
    assert sorted(one) == ids.tolist() and {len(rows) for rows in one.values()} == {3}
    for size in (1, 7, 16):
        assert rows_seen(monkeypatch, network, x.split(size), example_ids=ids, seed=3) == one
    order = np.random.default_rng(0).permutation(40)
    assert rows_seen(monkeypatch, network, x[order].split(8), example_ids=ids[order], seed=3) == one
    parts = [rows_seen(monkeypatch, network, x[r::2].split(5), example_ids=ids[r::2], seed=3) for r in (0, 1)]
    assert parts[0] | parts[1] == one
    again = {"example_ids": ids, "seed": 3, "checkpoint": tmp_path / "m.safetensors", "checkpoint_seconds": 0}
    first = rows_seen(monkeypatch, network, x[:24].split(8), **again)
    assert first | rows_seen(monkeypatch, network, x.split(8), **again) == one and len(first) == 24
    assert rows_seen(monkeypatch, network, [x], example_ids=ids, seed=4) != one
    assert rows_seen(monkeypatch, network, [x], example_ids=ids + 1, seed=3) != one


def test_measures_of_sampled_positions_do_not_depend_on_batches():
    a, b, x = conv_net(0), conv_net(1), images(60)
    found = [
        float(sm.cka(sm.capture({"a": a, "b": b}, x.split(size), layers="0", positions=3).pair("a:0", "b:0")))
        for size in (60, 20, 7)
    ]
    np.testing.assert_allclose(found, found[0], rtol=1e-5)


def test_layers_of_equally_many_positions_share_the_sample_and_others_do_not():
    """Two networks of other depth and width: where their sizes are equal, rows correspond."""
    x, ids = images(12).numpy(), np.arange(12) + 100
    layout = importlib.import_module("spanmatch.activations.layouts").Layout(positions=4, seed=1)
    where = np.broadcast_to(np.arange(36.0).reshape(6, 6), (12, 1, 6, 6))
    rows, each, _ = layout.rows("a:l", np.concatenate([x, where], axis=1), ids, channels_first=True)
    other, same, _ = layout.rows(
        "b:m", np.concatenate([where, x, x], axis=1).reshape(12, 3, 36), ids, channels_first=True
    )
    np.testing.assert_array_equal(rows[:, 1], other[:, 0])
    np.testing.assert_array_equal(each, same)
    assert [len(set(rows[each == e, 1])) for e in ids] == [4] * 12
    assert len({tuple(rows[each == e, 1]) for e in ids}) == 12  # another sample for each example
    tensors, _, _ = layout.rows("a:l", torch.tensor(where.copy()), ids, channels_first=True)
    np.testing.assert_array_equal(tensors[:, 0], rows[:, 1])


def test_each_location_can_be_a_neuron():
    a, x = conv_net(0), images()
    moments = sm.capture({"a": a, "b": a}, [x], layers="0", units="location")
    exact = a[0](x).detach().flatten(1).double().numpy()
    assert moments.layers["a:0"] == 80
    np.testing.assert_allclose(moments.pair("a:0", "b:0").xx, oracles.co_moments(exact, exact), atol=1e-8)


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.relu, self.second = nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)

    def forward(self, x):
        return self.relu(self.second(self.relu(self.first(x))))


def test_a_module_called_twice_gives_two_layers():
    network, x = Twice(), torch.randn(12, 4)
    moments = sm.capture({"a": network, "b": network}, [x], layers="relu")
    assert moments.layers == {"a:relu": 3, "a:relu#2": 2, "b:relu": 3, "b:relu#2": 2}
    exact = network(x).detach().double().numpy()
    np.testing.assert_allclose(moments.pair("a:relu#2", "b:relu#2").xx, oracles.co_moments(exact, exact), atol=1e-9)


class Sequence(nn.Module):
    """Tokens to features, with a mask that it takes or not."""

    def __init__(self):
        super().__init__()
        self.embed, self.act = nn.Embedding(11, 6), nn.GELU()

    def forward(self, input_ids, attention_mask=None):
        return self.act(self.embed(input_ids))


def test_tokens_are_rows_and_a_mask_drops_padding():
    network = Sequence()
    ids = torch.randint(0, 11, (8, 5))
    mask = (torch.arange(5) < torch.randint(1, 6, (8, 1))).long()
    batch = {"input_ids": ids, "attention_mask": mask, "labels": torch.zeros(8)}
    moments = sm.capture({"a": network, "b": network}, [batch, batch])
    exact = network.embed(ids)[mask.bool()].detach().double().numpy()
    pair = moments.pair("a:embed", "b:embed")
    assert pair.rows == 2 * int(mask.sum())
    np.testing.assert_allclose(pair.xx, 2 * oracles.co_moments(exact, exact), atol=1e-9)
    assert pair.layout == "rows are tokens that the mask keeps"
    unmasked = sm.capture({"a": network, "b": network}, [{"input_ids": ids}])
    assert unmasked.pair("a:act", "b:act").rows == 40
    with pytest.raises(sm.SpanmatchError, match="mask of shape"):
        sm.capture({"a": network, "b": network}, [{"input_ids": ids, "attention_mask": mask[:, 1:]}])


def test_kinds_of_batches():
    network, x = nn.Sequential(nn.Linear(4, 3)), torch.randn(600, 4)
    networks = {"a": network, "b": network}
    expected = sm.capture(networks, [x]).pair("a:0", "b:0")
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, torch.zeros(600)), batch_size=50)
    for batches in (x, x.numpy(), [(x, None)], [[x[:100]], [x[100:]]], ({"input": x},), iter(x.split(1)), loader):
        pair = sm.capture(networks, batches).pair("a:0", "b:0")
        np.testing.assert_allclose(pair.xx, expected.xx, rtol=1e-10)
        assert pair.null.rows == 600


@pytest.mark.parametrize("count", [20, 21, 22])
def test_small_batches_are_put_together_and_none_is_left_alone_or_out(count, monkeypatch):
    running = importlib.import_module("spanmatch.activations.from_networks")
    monkeypatch.setattr(running, "ROWS_TOGETHER", 10)
    updates = []
    monkeypatch.setattr(running.Moments, "describe", lambda self, how, **_: updates.append(self.rows.get("a:0", 0)))
    network, x = nn.Sequential(nn.Linear(4, 3)), torch.randn(count, 4)
    pair = sm.capture({"a": network, "b": network}, x.split(1)).pair("a:0", "b:0")
    exact = network(x).detach().double().numpy()
    np.testing.assert_allclose(pair.xx, oracles.co_moments(exact, exact), atol=1e-9)
    assert pair.rows == pair.null.rows == count
    assert len(updates) > 1
    assert min(np.diff([0, *updates])) > 1


def test_one_dimensional_convolutions_and_channels_last():
    network = nn.Sequential(nn.Conv1d(2, 5, 3), nn.ReLU(), nn.LayerNorm(6))
    x = torch.randn(9, 2, 8)
    networks = {"a": network, "b": network}
    moments = sm.capture(networks, [x])
    assert moments.layers["a:0"] == 5  # a convolution: channels come first
    assert moments.layers["a:1"] == 6  # cannot be told from a sequence
    assert sm.capture(networks, [x], channels="first", layers="1").layers["a:1"] == 5
    assert sm.capture(networks, [x], layers="2").layers["a:2"] == 6


def test_three_networks_and_layers_by_network():
    nets = {name: conv_net(seed) for seed, name in enumerate("abc")}
    moments = sm.capture(nets, [images()], layers="0")
    assert moments.pairs == [("a:0", "b:0"), ("a:0", "c:0"), ("b:0", "c:0")]
    two = {"a": nets["a"], "b": nets["b"]}
    chosen = sm.capture(two, [images()], layers={"a": "0", "b": "1"}, pairs=[("a:0", "b:1")])
    assert chosen.pairs == [("a:0", "b:1")]


def test_progress_is_silent_without_a_terminal(capsys):
    sm.capture({"a": conv_net(), "b": conv_net()}, [images()])
    assert capsys.readouterr() == ("", "")


def test_layers_that_match_nothing_list_what_there_is():
    network = digits_net()
    with pytest.raises(sm.SpanmatchError, match=r"'rleu1' matches nothing in network 'a'; there is relu1, relu"):
        sm.capture({"a": network}, [images()], layers=["conv1", "rleu1"])


def digits_net():
    from spanmatch.study.networks import cnn

    return cnn(1, 8, 10)


def test_bad_networks_and_batches():
    good = nn.Sequential(nn.Linear(4, 3))
    other = nn.Sequential()
    other.add_module("different", nn.Linear(4, 3))
    for networks, batches, message in (
        ({}, [images()], "at least one"),
        ({"a": 3}, [images()], "network 'a' is of type int"),
        ({"a:b": good}, [images()], "without a colon"),
        ({"a": good, "b": other}, [torch.zeros(2, 4)], "no layer has the same name in two networks"),
        ({"a": good, "b": good}, [], "no batches"),
        ({"a": good, "b": good}, [{"wrong": torch.zeros(2, 4)}], "takes input; the batch has wrong"),
        ({"a": good, "b": good}, ["text"], "network 'a' takes no texts"),
    ):
        with pytest.raises(sm.SpanmatchError, match=message):
            sm.capture(networks, batches)
    for options, message in (
        ({"units": "pixel"}, "units='pixel'"),
        ({"positions": 0}, "positions=0"),
        ({"seed": -1}, "seed=-1"),
        ({"seed": 2**64}, "seed=18446744073709551616: give"),
    ):
        with pytest.raises(sm.SpanmatchError, match=message):
            sm.capture({"a": good, "b": good}, [torch.zeros(2, 4)], **options)


def test_outputs_that_are_not_activations():
    class Text(nn.Module):
        def forward(self, x):
            return "text"

    class Scalar(nn.Module):
        def forward(self, x):
            return x.sum(dim=1)

    for module, message in ((Text(), "'a:0' gives a str"), (Scalar(), r"'a:0': output of shape \(2,\)")):
        network = nn.Sequential(module)
        with pytest.raises(sm.SpanmatchError, match=message):
            sm.capture({"a": network, "b": network}, [torch.zeros(2, 4)])


def test_nan_activations_name_the_layer():
    network = nn.Sequential(nn.Linear(4, 3))
    with torch.no_grad():
        network[0].weight[1] = float("nan")
    with pytest.raises(sm.SpanmatchError, match="layer 'a:0': nan in neuron 1, row 0"):
        sm.capture({"a": network, "b": network}, [torch.zeros(2, 4)])


def test_lstm_outputs_and_dict_outputs():
    class Dict(nn.Module):
        def forward(self, x):
            return {"first": x[0], "second": None}

    network = nn.Sequential(nn.LSTM(4, 6, batch_first=True), Dict())
    moments = sm.capture({"a": network, "b": network}, [torch.randn(5, 3, 4)])
    assert moments.layers["a:0"] == moments.layers["a:1"] == 6
    assert moments.rows["a:0"] == 15


# Stored activations


def store(path, arrays):
    from safetensors.numpy import save_file

    if path.suffix == ".npz":
        np.savez_compressed(path, **arrays)
    elif path.suffix == ".safetensors":
        save_file(arrays, path)
    else:
        np.save(path, arrays["activations"])
    return path


@pytest.mark.parametrize("kind", [".npy", ".npz", ".safetensors"])
def test_files_give_what_arrays_give(tmp_path, kind, monkeypatch):
    from spanmatch.activations import from_files

    monkeypatch.setattr(from_files, "VALUES_AT_ONCE", 1000)
    X, Y = layers.correlated()
    files = {
        "a": store(tmp_path / f"a{kind}", {"activations": X}),
        "b": store(tmp_path / f"b{kind}", {"activations": Y}),
    }
    from_files = sm.compare(files)
    from_arrays = sm.compare({"a": {"activations": X}, "b": {"activations": Y}})
    direct = sm.match_profile(sm.pair(X, Y))
    for comparison in (from_files, from_arrays):
        np.testing.assert_allclose(comparison.profiles[0].x_levels, direct.x_levels, atol=1e-12)
        assert comparison.moments.pair("a:activations", "b:activations").null.rows == 500


def test_stored_convolutions_sequences_and_types(tmp_path):
    r = np.random.default_rng(0)
    conv = r.standard_normal((30, 4, 3, 3)).astype(np.float32)
    arrays = {"conv": conv, "tokens": r.standard_normal((10, 7, 5)), "fc": np.asfortranarray(r.integers(0, 9, (50, 3)))}
    path = tmp_path / "a.npz"
    np.savez(path, **arrays)
    comparison = sm.compare({"a": path, "b": path}, layers=["conv", "fc", "tok*"])
    assert comparison.moments.layers == {
        "a:conv": 4,
        "a:tokens": 5,
        "a:fc": 3,
        "b:conv": 4,
        "b:tokens": 5,
        "b:fc": 3,
    }
    assert comparison.moments.rows["a:conv"] == 270
    exact = np.moveaxis(conv, 1, -1).reshape(-1, 4)
    np.testing.assert_allclose(
        comparison.moments.pair("a:conv", "b:conv").xx, oracles.co_moments(exact, exact), atol=1e-9
    )
    np.testing.assert_allclose(
        comparison.moments.pair("a:fc", "b:fc").xx, oracles.co_moments(arrays["fc"], arrays["fc"]), atol=1e-9
    )


def test_bfloat16_files(tmp_path):
    from safetensors.torch import save_file

    values = torch.randn(40, 3).to(torch.bfloat16)
    save_file({"l": values}, tmp_path / "a.safetensors")
    moments = sm.compare({"a": tmp_path / "a.safetensors", "b": {"l": values}}).moments
    pair = moments.pair("a:l", "b:l")
    np.testing.assert_allclose(pair.xy, pair.xx, rtol=1e-12)


def test_files_that_cannot_be_used(tmp_path):
    X, Y = layers.random(n=100)
    good = store(tmp_path / "good.npz", {"l": X})
    store(tmp_path / "other.npz", {"m": X})
    store(tmp_path / "shorter.npz", {"l": Y[:50]})
    store(tmp_path / "flat.npz", {"l": X[0]})
    store(tmp_path / "text.npz", {"l": np.full((100, 2), "a")})
    np.savez(tmp_path / "pickled.npz", l=np.array([[{}]], dtype=object))
    np.save(tmp_path / "pickled.npy", np.array([[{}]], dtype=object))
    (tmp_path / "cut.npz").write_bytes(good.read_bytes()[:-30])
    store(tmp_path / "cut.npy", {"activations": X})
    whole = (tmp_path / "cut.npy").read_bytes()
    (tmp_path / "cut.npy").write_bytes(whole[:-30])
    (tmp_path / "cut.safetensors").write_bytes(b"12")
    (tmp_path / "a.h5").write_bytes(b"")
    for name, message in (
        ("missing.npz", r"missing\.npz: no such file"),
        ("a.h5", r"a\.h5: unknown file type '\.h5'; give a \.npy file, a \.npz file, a \.safetensors file"),
        ("cut.npz", r"cut\.npz: cut short, or not a \.npz"),
        ("cut.npy", r"cut\.npy: cut short, or not a \.npy"),
        ("cut.safetensors", r"cut\.safetensors: cut short"),
        ("pickled.npz", r"pickled\.npz: array 'l' holds pickled objects"),
        ("pickled.npy", r"pickled\.npy: array 'activations' holds pickled objects"),
        ("flat.npz", r"flat\.npz: array 'l' has shape \(24,\)"),
        ("text.npz", r"text\.npz: array 'l' holds <U1"),
        ("other.npz", "no layer has the same name"),
        ("shorter.npz", "array 'l' has 100 and 50 rows"),
    ):
        with pytest.raises(sm.SpanmatchError, match=message):
            sm.compare({"a": good, "b": tmp_path / name})


def test_a_member_cut_inside_an_archive_is_refused(tmp_path):
    import zipfile

    X, _ = layers.random(n=100)
    good = store(tmp_path / "good.npz", {"l": X})
    with zipfile.ZipFile(good) as archive:
        data = archive.read("l.npy")
    with zipfile.ZipFile(tmp_path / "cut.npz", "w") as archive:
        archive.writestr("l.npy", data[:-100])
    with pytest.raises(sm.SpanmatchError, match=r"cut\.npz: array 'l' is cut short"):
        sm.compare({"a": good, "b": tmp_path / "cut.npz"})


def test_pooling_is_a_mean_over_positions_or_tokens():
    from spanmatch.activations.layouts import Layout

    r = np.random.default_rng(0)
    conv, tokens = r.standard_normal((6, 3, 5, 4)), r.standard_normal((6, 7, 3))
    mask = np.arange(7) < np.arange(1, 7)[:, None]
    for make in (np.asarray, torch.from_numpy):
        rows, examples, how = Layout(pool="mean").rows("l", make(conv), np.arange(2, 8), channels_first=True)
        np.testing.assert_allclose(np.asarray(rows), conv.mean(axis=(2, 3)))
        assert examples.tolist() == list(range(2, 8)) and "means" in how
        rows, _, _ = Layout(pool="mean").rows("l", make(tokens), np.arange(6), channels_first=False)
        np.testing.assert_allclose(np.asarray(rows), tokens.mean(axis=1))
        rows, _, _ = Layout(pool="mean").rows("l", make(tokens), np.arange(6), channels_first=False, mask=make(mask))
        np.testing.assert_allclose(np.asarray(rows), [tokens[i, : i + 1].mean(axis=0) for i in range(6)])
        rows, examples, _ = Layout(pool=3).rows("l", make(conv), np.arange(6), channels_first=True)
        expected = torch.nn.functional.adaptive_avg_pool2d(torch.from_numpy(conv), 3).flatten(2).swapaxes(1, 2)
        np.testing.assert_allclose(np.asarray(rows), expected.reshape(-1, 3))
        assert examples.tolist() == np.repeat(range(6), 9).tolist()
        with pytest.raises(sm.SpanmatchError, match="'l': 4 positions cannot be pooled to 5"):
            Layout(pool=5).rows("l", make(conv), np.arange(6), channels_first=True)
        with pytest.raises(sm.SpanmatchError, match="tokens have no grid"):
            Layout(pool=2).rows("l", make(tokens), np.arange(6), channels_first=False)
        with pytest.raises(sm.SpanmatchError, match="keeps no token of example 0"):
            Layout(pool="mean").rows(
                "l", make(tokens), np.arange(6), channels_first=False, mask=make(mask & (mask.sum(1) > 1)[:, None])
            )
    for options in ({"pool": 0}, {"pool": "max"}, {"pool": True}, {"pool": 2, "positions": 3}):
        with pytest.raises(sm.SpanmatchError, match="pool"):
            Layout(**options)
