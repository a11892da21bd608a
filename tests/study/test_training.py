"""Training of one network: a function of the seed, also when it was interrupted."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import spanmatch as sm
from spanmatch._files import TEMPORARY
from spanmatch.study import train as training_module
from spanmatch.study.datasets import read_data
from spanmatch.study.networks import make_network
from spanmatch.study.settings import (
    DataSettings,
    TrainingSettings,
)
from spanmatch.study.train import augmented, rate, train
from studies import run_in, weights


def test_training_is_a_function_of_the_seed(tmp_path):
    data = read_data(DataSettings(max_examples=200))
    found = []
    for i, seed in enumerate((0, 0, 1)):
        torch.manual_seed(i)  # what others draw does not matter
        run = run_in(tmp_path / str(i), seed, (0, 2), augment=("flip", "crop"))
        before = torch.random.get_rng_state()
        train(run, data, lambda *_: None)
        assert torch.equal(before, torch.random.get_rng_state())
        found.append(weights(run, data))
    assert all(torch.equal(a, b) for a, b in zip(found[0], found[1], strict=True))
    assert not torch.equal(found[0][0], found[2][0])
    history = run_in(tmp_path / "0").history()
    assert [epoch["epoch"] for epoch in history] == [0, 1, 2] and "train_loss" not in history[0]
    assert history[2]["train_loss"] < history[1]["train_loss"]
    assert torch.equal(
        weights(run, data, 0)[0], make_network(run.variant.network, data, 1).state_dict()["conv1.weight"]
    )


def test_every_epoch_has_an_order_of_its_own(tmp_path, monkeypatch):
    data = read_data(DataSettings(max_examples=100))
    orders, draw = [], torch.randperm
    monkeypatch.setattr(torch, "randperm", lambda n: orders.append(draw(n)) or orders[-1])
    for seed in (0, 0, 1):
        train(run_in(tmp_path / f"{len(orders)}", seed), data, lambda *_: None)
    assert torch.equal(orders[0], orders[2]) and torch.equal(orders[1], orders[3])
    assert len({tuple(order.tolist()) for order in orders}) == 4


def test_accuracy_and_loss_are_those_of_all_examples(tmp_path):
    data = read_data(DataSettings(max_examples=150))
    run = run_in(tmp_path / "a", epochs=1, lr=1e-12, kept_epochs=(1,))
    train(run, data, lambda *_: None)
    network, last = run.network(data), run.history()[-1]
    for kind, inputs, labels in (("train", data.train, data.train_labels), ("test", data.test, data.test_labels)):
        with torch.no_grad():
            logits = network(data.prepared(inputs))
        assert last[f"{kind}_accuracy"] == pytest.approx(float((logits.argmax(1) == labels).float().mean()), rel=1e-6)
        loss = torch.nn.functional.cross_entropy(logits, labels)
        assert last[f"{kind}_loss"] == pytest.approx(float(loss), rel=1e-4)


@pytest.mark.parametrize(("optimiser", "noise"), [("sgd", 0.0), ("sgd", 0.5), ("adamw", 0.0)])
def test_an_interrupted_run_ends_with_the_same_numbers(tmp_path, optimiser, noise):
    data = read_data(DataSettings(max_examples=200))
    uninterrupted, stopped = (
        run_in(tmp_path / name, 0, (3,), epochs=3, optimiser=optimiser, lr=0.003, noise=noise) for name in "ab"
    )
    train(uninterrupted, data, lambda *_: None)

    def stop(epoch: dict, seconds: float) -> None:
        raise KeyboardInterrupt

    stopped.folder.mkdir(parents=True, exist_ok=True)
    leftover = stopped.folder / f".state.safetensors.killed{TEMPORARY}"
    leftover.write_text("half")
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            train(stopped, data, stop)
    train(stopped, data, stop)  # nothing is left to do
    assert not leftover.exists()
    assert uninterrupted.history() == stopped.history()
    assert uninterrupted.weights().read_bytes() == stopped.weights().read_bytes()


def test_a_folder_of_other_settings_is_refused(tmp_path):
    data = read_data(DataSettings(max_examples=100))
    train(run_in(tmp_path / "a", made_from='{"training": {"lr": 0.1}}', epochs=1), data, lambda *_: None)
    with pytest.raises(sm.SpanmatchError, match=r"training.lr was 0.1 and is 0.2; choose another output folder"):
        run_in(tmp_path / "a", made_from='{"training": {"lr": 0.2}}').history()


@pytest.mark.parametrize("batch", [0, 3, 6])
def test_a_loss_that_is_not_finite_ends_the_run_and_its_batch_is_named(tmp_path, monkeypatch, batch):
    data, losses, loss_of = read_data(DataSettings(max_examples=200)), [], training_module._loss

    def loss_until(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        loss = loss_of(logits, labels)
        if logits.requires_grad:
            losses.append(loss)
        return loss / 0 if len(losses) == 7 + batch + 1 else loss  # seven batches an epoch

    monkeypatch.setattr(training_module, "_loss", loss_until)
    run = run_in(tmp_path / "a", epochs=3)
    said = rf"main seed 0: the loss is no longer finite in epoch 2, batch {batch + 1}; try a lower training\.lr"
    with pytest.raises(sm.SpanmatchError, match=said):
        train(run, data, lambda *_: None)
    assert [epoch["epoch"] for epoch in run.history()] == [0, 1]


@pytest.mark.parametrize("optimiser", ["sgd", "adamw"])
def test_training_is_the_loop_of_its_definition(tmp_path, optimiser):
    """Batches, flips, crops and noise are drawn in this order, on all examples at once, from the seed and the epoch."""
    data = read_data(DataSettings(max_examples=150))
    options = {"epochs": 2, "batch": 32, "lr": 0.01, "weight_decay": 1e-3, "clip": 1.0, "warmup": 0.5}
    run = run_in(tmp_path, 3, (2,), optimiser=optimiser, augment=("flip", "crop"), noise=0.3, **options)
    train(run, data, lambda *_: None)

    pixels = data.train.float() / 255
    mean, deviation = pixels.mean((0, 2, 3), keepdim=True), pixels.std((0, 2, 3), keepdim=True)
    inputs, tests = (pixels - mean) / deviation, (data.test.float() / 255 - mean) / deviation
    network = make_network(run.variant.network, data, 3).to(memory_format=torch.channels_last)
    if optimiser == "sgd":
        steps = torch.optim.SGD(network.parameters(), momentum=0.9, weight_decay=1e-3)
    else:
        steps = torch.optim.AdamW(network.parameters(), weight_decay=1e-3)
    for epoch in range(2):
        torch.manual_seed(int(np.random.SeedSequence([3, epoch]).generate_state(1)[0]))
        network.train()
        total, correct, order = 0.0, 0, torch.randperm(150)
        for i in range(5):
            at = epoch + i / 5
            steps.param_groups[0]["lr"] = 0.01 * (
                at / 0.5 if at < 0.5 else 0.5 * (1 + math.cos(math.pi * (at - 0.5) / 1.5))
            )
            indices = order[32 * i : 32 * (i + 1)]
            flips, corners = torch.rand(len(indices)) < 0.5, torch.randint(9, (2, len(indices)))
            images = [image.flip(-1) if flip else image for image, flip in zip(inputs[indices], flips, strict=True)]
            padded = torch.nn.functional.pad(torch.stack(images), (4, 4, 4, 4))
            images = [image[:, i : i + 8, j : j + 8] for image, i, j in zip(padded, *corners, strict=True)]
            noisy = torch.stack(images) + 0.3 * torch.randn(len(indices), 1, 8, 8)
            logits = network(noisy.to(memory_format=torch.channels_last))
            loss = torch.nn.functional.cross_entropy(logits, data.train_labels[indices])
            steps.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            steps.step()
            total += loss.item() * len(indices)
            correct += int((logits.argmax(1) == data.train_labels[indices]).sum())
        found = run.history()[epoch + 1]
        assert found["train_loss"] == pytest.approx(total / 150, rel=1e-6) and found["train_accuracy"] == correct / 150
    for ours, theirs in zip(weights(run, data), network.state_dict().values(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)
    with torch.no_grad():
        loss = torch.nn.functional.cross_entropy(network.eval()(tests), data.test_labels)
    assert found["test_loss"] == pytest.approx(float(loss), rel=1e-5)


def test_bfloat16_learns_as_float32_does_and_is_something_else(tmp_path):
    data, history, stored = read_data(DataSettings(max_examples=1000)), {}, {}
    seen: dict[str, set[torch.dtype]] = {}
    for precision in ("float32", "bf16"):
        run = run_in(tmp_path / precision, 0, (6,), epochs=6, lr=0.1, precision=precision)
        dtypes = seen.setdefault(precision, set())
        with torch.nn.modules.module.register_module_forward_hook(lambda *parts, d=dtypes: d.add(parts[2].dtype)):
            train(run, data, lambda *_: None)
        history[precision], stored[precision] = run.history(), weights(run, data)
    assert torch.bfloat16 not in seen["float32"] and torch.bfloat16 in seen["bf16"]
    assert {tensor.dtype for tensor in stored["bf16"]} == {torch.float32}
    losses = [epoch["train_loss"] for epoch in history["bf16"][1:]]
    assert losses[-1] < 0.5 * losses[0]
    last = [history[precision][-1]["test_accuracy"] for precision in ("float32", "bf16")]
    assert min(last) > 0.85 and abs(last[0] - last[1]) < 0.07
    assert history["float32"][0] != history["bf16"][0]  # also before training, in evaluation
    assert not torch.equal(stored["float32"][0], stored["bf16"][0])
    torch.testing.assert_close(*(history[p][1]["train_loss"] for p in ("float32", "bf16")), rtol=0.05, atol=0)


def test_training_restores_what_it_sets_for_the_process(tmp_path):
    import torch.utils.deterministic as memory

    before = torch.are_deterministic_algorithms_enabled(), memory.fill_uninitialized_memory
    during = []
    data = read_data(DataSettings(max_examples=60))
    train(
        run_in(tmp_path, epochs=1),
        data,
        lambda *_: during.append((torch.are_deterministic_algorithms_enabled(), memory.fill_uninitialized_memory)),
    )
    assert during == [(True, False)]
    assert (torch.are_deterministic_algorithms_enabled(), memory.fill_uninitialized_memory) == before


def test_rates_are_those_of_pytorch():
    steps = 40
    for settings, schedule in (
        ({"schedule": "cosine"}, lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, steps)),
        ({"schedule": "step"}, lambda o: torch.optim.lr_scheduler.MultiStepLR(o, [20, 30], 0.1)),
        ({"schedule": "constant"}, lambda o: torch.optim.lr_scheduler.ConstantLR(o, 1.0)),
    ):
        optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
        theirs = schedule(optimiser)
        for step in range(steps):
            assert rate(TrainingSettings(epochs=steps, **settings), step) == pytest.approx(
                optimiser.param_groups[0]["lr"]
            )
            optimiser.step()
            theirs.step()
    warm = TrainingSettings(epochs=10, warmup=2)
    assert [rate(warm, e) for e in (0, 1, 2)] == [0, 0.5, 1.0] and rate(warm, 10) == pytest.approx(0)


def test_crops_move_images_and_flips_mirror_them():
    images = torch.arange(2 * 3 * 8 * 8, dtype=torch.float32).view(2, 3, 8, 8) + 1
    torch.manual_seed(0)
    padded = torch.nn.functional.pad(images, (4,) * 4)
    for _ in range(20):
        for own, whole in zip(augmented(images, TrainingSettings(augment=("crop",))), padded, strict=True):
            places = [(i, j) for i in range(9) for j in range(9) if torch.equal(whole[:, i : i + 8, j : j + 8], own)]
            assert len(places) >= 1
        flipped = augmented(images, TrainingSettings(augment=("flip",)))
        assert all(torch.equal(a, b) or torch.equal(a, b.flip(-1)) for a, b in zip(flipped, images, strict=True))
    assert torch.equal(augmented(images, TrainingSettings()), images)


def test_noise_has_its_deviation_and_is_drawn_for_every_batch():
    images = torch.randn(500, 3, 8, 8)
    for noise in (0.5, 4.0):
        first, second = (augmented(images, TrainingSettings(noise=noise)) - images for _ in range(2))
        assert float(first.std()) == pytest.approx(noise, rel=0.02) and abs(float(first.mean())) < 0.02 * noise
        assert abs(float(torch.corrcoef(torch.stack([first.flatten(), second.flatten()]))[0, 1])) < 0.02


def test_no_noise_is_added_in_evaluation(tmp_path):
    data = read_data(DataSettings(max_examples=150))
    run = run_in(tmp_path, epochs=1, lr=1e-12, kept_epochs=(1,), noise=10.0)
    train(run, data, lambda *_: None)
    network, last = run.network(data), run.history()[-1]
    with torch.no_grad():
        train_loss, test_loss = (
            float(torch.nn.functional.cross_entropy(network(data.prepared(inputs)), labels))
            for inputs, labels in ((data.train, data.train_labels), (data.test, data.test_labels))
        )
    assert last["test_loss"] == pytest.approx(test_loss, rel=1e-5)
    assert last["train_loss"] != pytest.approx(train_loss, rel=1e-3)
