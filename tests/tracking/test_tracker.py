"""What a tracker says is what a comparison of copies of the networks says."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch
from torch import nn
from tracking.tracked_networks import PROBE, conv_net, train_epoch

import spanmatch as sm

NAMES = ("cka", "debiased cka", "procrustes", "s(0.5)")


def snapshots_while_tracked(tracker, network, epochs=3):
    """Train a network for some epochs, and return copies of it at every step of the tracker."""
    copies = []
    for epoch in range(epochs):
        tracker.step(epoch)
        copies.append(copy.deepcopy(network))
        train_epoch(network, epoch)
    return copies


def after_the_fact(reference, current, batches=PROBE, **options):
    """Return {layer: {measure: value}} of two networks that are not being trained."""
    moments = sm.capture({"reference": reference, "current": current}, batches, **options)
    return {
        x.partition(":")[2]: {
            "cka": sm.cka(pair).value,
            "debiased cka": sm.debiased_cka(pair).value,
            "procrustes": sm.procrustes(pair).value,
            "s(0.5)": sm.match_profile(pair).similarity(0.5),
        }
        for x, y in moments.pairs
        for pair in [moments.pair(x, y)]
    }


def values_of(step):
    return {layer: dict(similarity.values) for layer, similarity in step.layers.items()}


@pytest.mark.parametrize("options", [{}, {"positions": 5, "seed": 3}, {"pool": "mean"}, {"method": "qr"}], ids=str)
def test_first_equals_a_comparison_with_a_copy_of_the_first(options):
    network = conv_net()
    tracker = sm.Tracker(network, PROBE, **options)
    copies = snapshots_while_tracked(tracker, network)
    for step, current in zip(tracker.steps, copies, strict=True):
        assert values_of(step) == after_the_fact(copies[0], current, **options)  # to the last bit
        assert step.reference == "step 0"
    assert set(values_of(tracker.steps[0])) == {"2", "3", "6"}
    assert all(abs(value - 1) < 1e-6 for value in tracker.steps[0].layers["2"].values.values())
    assert values_of(tracker.steps[2])["6"]["cka"] < 0.99


def test_first_over_several_batches_and_layers():
    network = conv_net()
    loader = [(batch, torch.zeros(len(batch))) for batch in PROBE.split(40)]
    tracker = sm.Tracker(network, iter(loader), layers=["2", "6"])
    copies = snapshots_while_tracked(tracker, network)
    expected = after_the_fact(copies[0], copies[2], loader, layers=["2", "6"])
    assert values_of(tracker.steps[2]) == expected


def test_a_step_equals_what_compare_shows():
    network = conv_net()
    tracker = sm.Tracker(network, PROBE, layers="6")
    copies = snapshots_while_tracked(tracker, network, epochs=2)
    comparison = sm.compare({"a": copies[0], "b": copies[1]}, PROBE, layers="6", eps=(0.5,))
    row = comparison["6"].row((0.5,))
    assert values_of(tracker.steps[1])["6"] == {name: row[name] for name in NAMES}


def test_measures_that_need_no_folds():
    in_sample = [measure for measure in sm.measures() if measure.estimator == "in sample"]
    measures = [measure for measure in in_sample if measure.kind == "similarity"]
    network, reference = conv_net(), conv_net(1)
    tracker = sm.Tracker(network, PROBE, layers=["2", "6"], against=reference, measures=[m.name for m in measures])
    moments = sm.capture({"reference": reference, "current": network}, PROBE, layers=["2", "6"])
    for layer, similarity in tracker.step(0).layers.items():
        pair = moments.pair(f"reference:{layer}", f"current:{layer}")
        expected = [*(measure(pair).value for measure in measures), sm.match_profile(pair).similarity(0.5)]
        np.testing.assert_allclose(list(similarity.values.values()), expected, rtol=0, atol=1e-12)


def test_previous_is_the_step_before():
    network = conv_net()
    tracker = sm.Tracker(network, PROBE, against="previous")
    copies = snapshots_while_tracked(tracker, network, epochs=4)
    assert not tracker.steps[0].layers and tracker.steps[0].reference == ""
    for k in (1, 2, 3):
        assert values_of(tracker.steps[k]) == after_the_fact(copies[k - 1], copies[k])
        assert tracker.steps[k].reference == f"step {k - 1}"


def test_another_network_is_run_once():
    network, reference = conv_net(), conv_net(1)
    calls = []
    reference.register_forward_hook(lambda *_: calls.append(1))
    tracker = sm.Tracker(network, PROBE, against=reference)
    copies = snapshots_while_tracked(tracker, network)
    assert len(calls) == 1
    for step, current in zip(tracker.steps, copies, strict=True):
        assert values_of(step) == after_the_fact(reference, current)
    assert step.reference == "the reference network"


def test_a_network_of_another_kind_and_layers_that_only_one_has():
    network = conv_net()
    reference = nn.Sequential(nn.Conv2d(1, 9, 3), nn.Identity(), nn.Tanh())
    layers = {"reference": ["0", "2"], "current": ["0", "2", "3", "6"]}
    tracker = sm.Tracker(network, PROBE, against=reference, layers=layers)
    with pytest.warns(
        sm.SpanmatchWarning, match="2 layers are not compared, because only one side has them: current:3"
    ):
        step = tracker.step(0)
    assert values_of(step) == after_the_fact(
        reference, network, layers={"reference": ["0", "2"], "current": ["0", "2"]}
    )
    with pytest.raises(
        sm.SpanmatchError, match=r"no layer has the same name in the network \(6\) and in the reference"
    ):
        sm.Tracker(network, PROBE, against=reference, layers={"current": "6", "reference": "0"}).step(0)


def test_stored_activations_of_a_reference(tmp_path):
    network, reference = conv_net(), conv_net(1).eval()
    with torch.inference_mode():
        maps = reference[:3](PROBE).numpy()
        outputs = reference(PROBE).numpy()
    np.savez(tmp_path / "reference.npz", **{"2": maps, "6": outputs})
    expected = after_the_fact(reference, network, layers=["2", "6"])
    for stored in ({"2": maps, "6": outputs}, tmp_path / "reference.npz", str(tmp_path / "reference.npz")):
        tracker = sm.Tracker(network, list(PROBE.split(40)), layers=["2", "6"], against=stored)
        assert tracker.nbytes > maps.nbytes
        found = values_of(tracker.step(0))
        assert found.keys() == expected.keys()
        for layer, values in found.items():
            np.testing.assert_allclose(list(values.values()), [expected[layer][name] for name in values], atol=1e-12)


def test_what_cannot_be_a_reference():
    network = conv_net()
    moments = sm.capture({"a": conv_net(1)}, PROBE)
    with pytest.raises(sm.SpanmatchError, match=r"moments hold sums over rows.*need the rows themselves; give"):
        sm.Tracker(network, PROBE, against=moments)
    with pytest.raises(sm.SpanmatchError, match=r"array '2' has shape \(80, 3\); the probe has 90 examples"):
        sm.Tracker(network, PROBE, against={"2": np.zeros((80, 3))})
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(np.random.default_rng(0).random((90, 3)), index=np.arange(90)[::-1])
    with pytest.raises(sm.SpanmatchError, match="have ids"):
        sm.Tracker(network, PROBE, against={"2": frame})


def test_arguments_are_checked_before_anything_runs():
    network = conv_net()
    for options, message in (
        ({"measures": ["ckaa"]}, "measure 'ckaa': no such measure; there is 'cka'"),
        ({"measures": [], "eps": []}, "measures and eps: give at least one"),
        ({"eps": [1.0]}, "eps=1: give a number"),
        ({"layers": "reluu*"}, "reluu"),
        ({"max_memory_gb": 1e-6}, "the reference's activations, 3 layers on 90 examples, would take .* GB, over"),
    ):
        with pytest.raises(sm.SpanmatchError, match=message):
            sm.Tracker(network, PROBE, **options).step(0)
    with pytest.raises(sm.SpanmatchError, match=r"network: str; give the torch.nn.Module that is trained"):
        sm.Tracker("a.onnx", PROBE)
    with pytest.raises(sm.SpanmatchError, match="probe_batches: no batches"):
        sm.Tracker(network, [])


def test_memory_is_what_it_says_and_is_refused_after_one_batch():
    network = conv_net()
    tracker = sm.Tracker(network, PROBE, layers="2", measures="cka", eps=())
    assert tracker.nbytes == 0
    tracker.step(0)
    rows = 90 * 16
    assert tracker.nbytes == 4 * 6 * rows + 8 * rows  # float32 activations, and the example of each row
    assert f"{tracker.nbytes / 1e6:.3g} MB" in repr(tracker) and "1 steps, 90 examples, compared with step 0" in repr(
        tracker
    )
    calls = []
    network.register_forward_hook(lambda *_: calls.append(1))
    small = sm.Tracker(network, list(PROBE.split(10)), layers="2", max_memory_gb=tracker.nbytes / 2e9)
    with pytest.raises(sm.SpanmatchError, match="over the limit"):
        small.step(0)
    assert len(calls) == 1


def test_a_step_that_fails_changes_no_result():
    network = conv_net()
    tracker = sm.Tracker(network, PROBE, against="previous")
    tracker.step(0)
    with torch.no_grad():
        before = network[6].bias.clone()
        network[6].bias.fill_(float("nan"))
    with pytest.raises(sm.SpanmatchError):
        tracker.step(1)
    with torch.no_grad():
        network[6].bias.copy_(before)
    assert len(tracker.steps) == 1
    step = tracker.step(2)
    assert step.reference == "step 0" and step.layers["6"].values["cka"] == pytest.approx(1)


def test_undefined_values_are_nan_with_their_reason_and_are_not_logged():
    logged = []
    network = nn.Sequential(nn.Linear(4, 3), nn.ReLU())
    tracker = sm.Tracker(
        network, torch.randn(50, 4), layers=["0", "1"], log=lambda values, step: logged.append((step, values))
    )
    tracker.step(0)
    with torch.no_grad():
        network[0].bias.fill_(-100)
    similarity = tracker.step(1).layers["1"]
    assert math.isnan(similarity.values["cka"]) and any("never varies" in text for text in similarity.warnings)
    assert [step for step, _ in logged] == [0, 1]
    assert set(logged[0][1]) == {f"similarity/{name}/{layer}" for name in NAMES for layer in "01"}
    assert "similarity/cka/1" not in logged[1][1] and "similarity/cka/0" in logged[1][1]
    assert all(type(value) is float for _, values in logged for value in values.values())


def test_log_is_called_as_wandb_log_is():
    seen = []

    def wandb_log(data, step=None, commit=None, sync=None):  # the signature of wandb.log
        seen.append((data, step))

    network = conv_net()
    tracker = sm.Tracker(network, PROBE, layers="2", against="previous", log=wandb_log)
    tracker.step(3)
    assert seen == []  # there is nothing to log yet
    tracker.step(4)
    assert seen == [(tracker.steps[1].to_log(), 4)]


def test_the_frame_has_a_row_for_each_step_and_layer():
    pytest.importorskip("pandas")
    network = conv_net()
    tracker = sm.Tracker(network, PROBE, measures=["cka", "linear regression"], eps=(0.3, 0.5))
    assert list(tracker.to_frame().columns) == [
        "step", "reference", "layer", "rows", "cka", "linear regression", "s(0.3)", "s(0.5)", "warnings",
    ]  # fmt: skip
    snapshots_while_tracked(tracker, network, epochs=2)
    frame = tracker.to_frame()
    assert len(frame) == 2 * 3 and list(frame.step) == [0] * 3 + [1] * 3
    row = frame[(frame.step == 1) & (frame.layer == "2")].iloc[0]
    assert row["cka"] == tracker.steps[1].layers["2"].values["cka"] and row["rows"] == 90 * 16


def test_the_plot_has_a_line_for_each_layer():
    pytest.importorskip("matplotlib").use("agg")
    import matplotlib.pyplot as plt

    network = conv_net()
    tracker = sm.Tracker(network, PROBE, layers=["2", "6"])
    with pytest.raises(sm.SpanmatchError, match="nothing to plot"):
        tracker.plot()
    snapshots_while_tracked(tracker, network)
    ax = tracker.plot("debiased cka")
    assert [line.get_label() for line in ax.lines] == ["2", "6"]
    expected = [step.layers["6"].values["debiased cka"] for step in tracker.steps]
    assert list(ax.lines[1].get_ydata()) == expected and list(ax.lines[1].get_xdata()) == [0, 1, 2]
    assert ax.get_ylabel() == "debiased cka" and ax.get_title() == "similarity to step 0"
    with pytest.raises(sm.SpanmatchError, match=r"measure 's\(0.2\)' is not tracked; there is 's\(0.5\)'"):
        tracker.plot("s(0.2)")
    plt.close(ax.figure)


def test_a_loader_that_shuffles_is_read_once():
    network = conv_net()
    data = torch.utils.data.TensorDataset(PROBE)
    tracker = sm.Tracker(network, torch.utils.data.DataLoader(data, 30, shuffle=True))
    tracker.step(0)
    assert tracker.step(1).layers["2"].values["cka"] == pytest.approx(1)


def test_texts_for_a_model_with_its_tokenizer():
    pytest.importorskip("transformers")
    from activations.small_transformers import pieces, reader, words

    texts = ["the cat sat on the mat", "a dog ran to the cat", "the dog sat"] * 4
    network, other = ((reader(tokenizer), tokenizer) for tokenizer in (words(), pieces()))
    tracker = sm.Tracker(network, texts, layers="mlp.*", against=other)
    expected = after_the_fact(other, network, texts, layers="mlp.*")
    assert values_of(tracker.step(0)) == expected and expected
