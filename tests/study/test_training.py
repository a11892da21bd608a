"""Training of one network: a function of the seed, also when it was interrupted."""

from __future__ import annotations

import pytest
import torch

import spanmatch as sm
from spanmatch._files import TEMPORARY
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
        train(run, data, lambda _: None)
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
        train(run_in(tmp_path / f"{len(orders)}", seed), data, lambda _: None)
    assert torch.equal(orders[0], orders[2]) and torch.equal(orders[1], orders[3])
    assert len({tuple(order.tolist()) for order in orders}) == 4


def test_accuracy_and_loss_are_those_of_all_examples(tmp_path):
    data = read_data(DataSettings(max_examples=150))
    run = run_in(tmp_path / "a", epochs=1, lr=1e-12, kept_epochs=(1,))
    train(run, data, lambda _: None)
    network, last = run.network(data), run.history()[-1]
    for kind, inputs, labels in (("train", data.train, data.train_labels), ("test", data.test, data.test_labels)):
        with torch.no_grad():
            logits = network(data.prepared(inputs))
        assert last[f"{kind}_accuracy"] == pytest.approx(float((logits.argmax(1) == labels).float().mean()), rel=1e-6)
        loss = torch.nn.functional.cross_entropy(logits, labels)
        assert last[f"{kind}_loss"] == pytest.approx(float(loss), rel=1e-4)


@pytest.mark.parametrize("optimiser", ["sgd", "adamw"])
def test_an_interrupted_run_ends_with_the_same_numbers(tmp_path, optimiser):
    data = read_data(DataSettings(max_examples=200))
    uninterrupted, stopped = (
        run_in(tmp_path / name, 0, (3,), epochs=3, optimiser=optimiser, lr=0.003) for name in "ab"
    )
    train(uninterrupted, data, lambda _: None)

    def stop(epoch: dict) -> None:
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
    assert all(torch.equal(a, b) for a, b in zip(weights(uninterrupted, data), weights(stopped, data), strict=True))


def test_a_folder_of_other_settings_is_refused(tmp_path):
    data = read_data(DataSettings(max_examples=100))
    train(run_in(tmp_path / "a", made_from='{"training": {"lr": 0.1}}', epochs=1), data, lambda _: None)
    with pytest.raises(sm.SpanmatchError, match=r"training.lr was 0.1 and is 0.2; choose another output folder"):
        run_in(tmp_path / "a", made_from='{"training": {"lr": 0.2}}').history()


def test_a_loss_that_is_not_finite_ends_the_run(tmp_path):
    data = read_data(DataSettings(max_examples=200))
    with pytest.raises(sm.SpanmatchError, match=r"main seed 0: the loss is no longer finite in epoch \d+.*training.lr"):
        train(run_in(tmp_path / "a", lr=1e9, epochs=9), data, lambda _: None)


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
