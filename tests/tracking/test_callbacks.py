"""Callbacks call a tracker as the training loops of Lightning and transformers call them."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace

import pytest
import torch
from torch import nn

import spanmatch as sm


class Callback:
    """What stands in for Lightning's class: its hooks, with their signatures."""

    def setup(self, trainer, pl_module, stage): ...
    def on_fit_start(self, trainer, pl_module): ...
    def on_sanity_check_start(self, trainer, pl_module): ...
    def on_train_start(self, trainer, pl_module): ...
    def on_train_epoch_start(self, trainer, pl_module): ...
    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx): ...
    def on_train_epoch_end(self, trainer, pl_module): ...
    def on_train_end(self, trainer, pl_module): ...


def lightning_named(monkeypatch, name):
    """Put a module with the class in place of Lightning."""
    parts = name.split(".")
    for end in range(1, len(parts) + 1):
        module = ModuleType(".".join(parts[:end]))
        module.__path__ = []
        module.Callback = Callback
        monkeypatch.setitem(sys.modules, module.__name__, module)


def fit(network, callbacks, epochs, first=0, is_global_zero=True):
    """Call hooks in the order of Lightning's loops."""
    trainer = SimpleNamespace(current_epoch=first, is_global_zero=is_global_zero)
    for callback in callbacks:
        callback.setup(trainer, network, stage="fit")
        callback.on_sanity_check_start(trainer, network)
        callback.on_train_start(trainer, network)
    for epoch in range(first, epochs):
        trainer.current_epoch = epoch
        for callback in callbacks:
            callback.on_train_epoch_start(trainer, network)
            callback.on_train_batch_end(trainer, network, None, None, 0)
            callback.on_train_epoch_end(trainer, network)
    for callback in callbacks:
        callback.on_train_end(trainer, network)


@pytest.fixture
def tracker():
    return sm.Tracker(nn.Sequential(nn.Linear(4, 8), nn.ReLU()), torch.randn(60, 4), measures=["cka"], eps=())


@pytest.mark.parametrize("name", ["lightning.pytorch", "pytorch_lightning"])
def test_lightning(monkeypatch, tracker, name):
    lightning_named(monkeypatch, name)
    callback = tracker.lightning_callback()
    assert isinstance(callback, Callback)
    fit(tracker, [callback], epochs=2)
    assert [step.step for step in tracker.steps] == [0, 1, 2]
    fit(tracker, [callback], epochs=4, first=3)  # resumed
    assert [step.step for step in tracker.steps] == [0, 1, 2, 3, 4]
    fit(tracker, [callback], epochs=2, is_global_zero=False)
    assert len(tracker.steps) == 5


def test_extras_are_named(monkeypatch, tracker):
    for package, call, extra in (
        ("lightning", tracker.lightning_callback, "lightning"),
        ("transformers", tracker.transformers_callback, "transformers"),
    ):
        monkeypatch.setitem(sys.modules, package, None)
        with pytest.raises(sm.SpanmatchError, match=rf"spanmatch\[{extra}\]"):
            call()


def test_transformers_calls_its_hooks(tracker):
    transformers = pytest.importorskip("transformers")
    from transformers.trainer_callback import CallbackHandler, TrainerControl, TrainerState

    callback = tracker.transformers_callback()
    assert isinstance(callback, transformers.TrainerCallback)
    network = nn.Linear(4, 2)
    handler = CallbackHandler([callback], network, None, None, None)
    state, control = TrainerState(epoch=0), TrainerControl()
    handler.on_train_begin(None, state, control)
    for epoch in range(2):  # as Trainer.train does
        handler.on_epoch_begin(None, state, control)
        state.epoch = epoch + 0.9999999999
        handler.on_step_end(None, state, control)
        handler.on_epoch_end(None, state, control)
    handler.on_train_end(None, state, control)
    assert [step.step for step in tracker.steps] == [0, 1, 2]
    state.is_world_process_zero = False
    handler.on_epoch_end(None, state, control)
    assert len(tracker.steps) == 3


def test_a_real_trainer_of_two_epochs():
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("accelerate")
    from activations.small_transformers import make

    model = make("gpt2")
    examples = [{"input_ids": ids, "labels": ids} for ids in torch.randint(20, (12, 6))]
    tracker = sm.Tracker(model, [{"input_ids": torch.stack([e["input_ids"] for e in examples])}], layers="mlp.*")
    arguments = transformers.TrainingArguments("unused", num_train_epochs=2, save_strategy="no", report_to=[])
    callbacks = [tracker.transformers_callback()]
    transformers.Trainer(model, arguments, train_dataset=examples, callbacks=callbacks).train()
    assert [step.step for step in tracker.steps] == [0, 1, 2]
