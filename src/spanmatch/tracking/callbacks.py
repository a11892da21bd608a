"""Callbacks that call a function at the start of training and after every epoch."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from ..errors import missing_extra

if TYPE_CHECKING:
    from lightning.pytorch import Callback
    from transformers import TrainerCallback

Step = Callable[[int], object]


class LightningTrainer(Protocol):
    """What a callback uses of Lightning's trainer."""

    current_epoch: int
    """The number of the epoch, from 0."""
    is_global_zero: bool
    """Whether this is the first of all processes."""


class TransformersState(Protocol):
    """What a callback uses of the state of the Trainer of transformers."""

    epoch: float | None
    """The epochs that are done."""
    is_world_process_zero: bool
    """Whether this is the first of all processes."""


def lightning_callback(step: Step) -> Callback:
    """Return a callback of Lightning, of the package that is in use.

    Parameters
    ----------
    step
        Called with the number of epochs that are done, by the first process alone.

    Raises
    ------
    SpanmatchError
        If Lightning is not installed.
    """

    def on_train_start(_: object, trainer: LightningTrainer, __: object) -> None:
        if trainer.is_global_zero:
            step(trainer.current_epoch)

    def on_train_epoch_end(_: object, trainer: LightningTrainer, __: object) -> None:
        if trainer.is_global_zero:
            step(trainer.current_epoch + 1)

    package = "pytorch_lightning" if "pytorch_lightning" in sys.modules else "lightning.pytorch"
    try:
        base: type = importlib.import_module(package).Callback
    except ImportError as error:
        raise missing_extra("Lightning", "lightning", "tracker.lightning_callback") from error
    hooks = {"on_train_start": on_train_start, "on_train_epoch_end": on_train_epoch_end}
    return type("TrackerCallback", (base,), hooks)()


def transformers_callback(step: Step) -> TrainerCallback:
    """Return a callback of the Trainer of transformers.

    Parameters
    ----------
    step
        Called with the number of epochs that are done, by the first process alone.

    Raises
    ------
    SpanmatchError
        If transformers is not installed.
    """

    def at_epoch(_: object, __: object, state: TransformersState, ___: object, **____: object) -> None:
        if state.is_world_process_zero:
            step(round(state.epoch or 0))

    try:
        base: type = importlib.import_module("transformers").TrainerCallback
    except ImportError as error:
        raise missing_extra("transformers", "transformers", "tracker.transformers_callback") from error
    return type("TrackerCallback", (base,), {"on_train_begin": at_epoch, "on_epoch_end": at_epoch})()
