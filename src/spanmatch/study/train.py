"""Training of one network: deterministic given its seed, and resumed from its last finished epoch."""

from __future__ import annotations

import contextlib
import json
import math
import os
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from .._files import read_tensors, write_tensors
from ..activations.patterns import chosen
from ..errors import SpanmatchError
from .datasets import Data
from .networks import make_network
from .settings import Precision, TrainingSettings, Variant

if TYPE_CHECKING:
    from ..schema import RunEpochRecord

SUFFIX = ".safetensors"
STATE = f"state{SUFFIX}"
FORMAT, VERSION = "spanmatch.run", 2
CUDA_SETTING = "CUBLAS_WORKSPACE_CONFIG"
"""The environment variable that CUDA's products need to be deterministic."""
PADDING = 4
"""Pixels by which a crop may move an image."""
EVALUATION_BATCH = 512
"""Examples in a batch of an evaluation."""


class TrainingScores(TypedDict):
    """Means over the training examples, each taken when its batch was trained on."""

    train_loss: float
    train_accuracy: float


class EvaluationScores(TypedDict):
    """Means over the test examples after an epoch."""

    test_loss: float
    test_accuracy: float


@dataclass(frozen=True)
class Run:
    """One network of a study: a variant from one seed, and the folder of its weights."""

    variant: Variant
    seed: int
    folder: Path
    kept_epochs: tuple[int, ...]
    """The epochs whose weights are kept; 0 is before training."""
    made_from: str
    """Everything that its weights depend on, as JSON."""
    start: Path | None = None
    """The file of the weights to start from, if not from random ones."""

    @property
    def name(self) -> str:
        """The run in a few words."""
        return f"{self.variant.name} seed {self.seed}"

    @property
    def reason(self) -> None:
        """Why it has no accuracy: it has one."""

    @property
    def short_name(self) -> str:
        """Its name among the networks of its variant."""
        return f"seed{self.seed}"

    def weights(self, epoch: int | None = None) -> Path:
        """Return the file of the weights after an epoch, by default the last."""
        return self.folder / f"epoch{self.variant.training.epochs if epoch is None else epoch}{SUFFIX}"

    def network(self, data: Data, epoch: int | None = None) -> nn.Module:
        """Return the network in evaluation mode, with its weights after an epoch, by default the last.

        Raises SpanmatchError if the file of the weights is not there.
        """
        network = self.untrained(data)
        load_weights(network, self.weights(epoch))
        return network.eval()

    def untrained(self, data: Data) -> nn.Module:
        """Return the network with the random weights of its seed."""
        return make_network(self.variant.network, data, self.seed)

    def history(self) -> list[RunEpochRecord]:
        """Return the loss and accuracy after each epoch so far, from epoch 0, before training, on.

        Raises SpanmatchError if the run was made from other settings.
        """
        if not (self.folder / STATE).is_file():
            return []
        _, metadata = read_tensors(self.folder / STATE)
        self._check(metadata)
        history: list[RunEpochRecord] = json.loads(metadata["history"])
        return history

    def _check(self, metadata: Mapping[str, str]) -> None:
        """Raise SpanmatchError if a state is not that of a run of these settings."""
        if metadata.get("format") != FORMAT or metadata.get("version") != str(VERSION):
            raise SpanmatchError(f"{self.folder / STATE}: not the state of a run of this spanmatch; remove its folder")
        before, now = (_flat(json.loads(text)) for text in (metadata["made_from"], self.made_from))
        for key in [*before, *now]:
            if before.get(key) != now.get(key):
                raise SpanmatchError(
                    f"{self.folder}: holds a run of other settings: {key} was {before.get(key)!r} and is "
                    f"{now.get(key)!r}; choose another output folder, or remove that one"
                )
        missing = sorted(set(self.kept_epochs) - set(json.loads(metadata["kept_epochs"])))
        if missing:
            raise SpanmatchError(
                f"{self.folder}: holds a run that does not keep its weights after epoch {missing[0]}; take it out of "
                "compare.epochs, choose another output folder, or remove that one"
            )


def train(run: Run, data: Data, after_epoch: Callable[[RunEpochRecord, float], object]) -> None:
    """Train a network to its last epoch, from where it was stopped.

    Parameters
    ----------
    run : Run
        The network, its settings and its folder.
    data : Data
        The training and test examples.
    after_epoch : callable
        Called with the loss and accuracy of each epoch, and the seconds that it took, when its state has been saved.

    Raises
    ------
    SpanmatchError
        If the loss is no longer finite, or if the folder holds a run of other settings.

    Notes
    -----
    After every epoch weights, optimiser and history are written to one file in one step, so that a run which is stopped
    at any moment loses at most one epoch, and ends with the same numbers. Batches, augmentation and dropout are drawn
    from the seed and the epoch.
    """
    training = run.variant.training
    device = torch.device(training.device)
    run.folder.mkdir(parents=True, exist_ok=True)
    with _repeatable(training.threads):
        network = make_network(run.variant.network, data, run.seed)
        if run.start is not None:
            load_weights(network, run.start, layers_to_start(network, training))
        network.to(device)
        if not data.is_text:  # faster convolutions
            network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        optimiser = _optimiser(network, training)
        data = data.to(device)
        history = _resumed(run, network, optimiser)
        if not history:
            before = evaluate(network, data, training.precision)
            history = [{"epoch": 0, "test_loss": before["test_loss"], "test_accuracy": before["test_accuracy"]}]
            _save(run, network, optimiser, history)
        for epoch in range(history[-1]["epoch"], training.epochs):
            started = time.perf_counter()
            scores = _epoch(run, network, optimiser, data, epoch)
            history.append({"epoch": epoch + 1, **scores, **evaluate(network, data, training.precision)})
            _save(run, network, optimiser, history)
            after_epoch(history[-1], time.perf_counter() - started)


def _epoch(run: Run, network: nn.Module, optimiser: torch.optim.Optimizer, data: Data, epoch: int) -> TrainingScores:
    """Train on every example once, and return the loss and accuracy meanwhile."""
    training, labels = run.variant.training, data.train_labels
    (seed,) = np.random.SeedSequence([run.seed, epoch]).generate_state(1)
    losses, correct = [], torch.zeros((), dtype=torch.long, device=labels.device)
    network.train()
    torch.manual_seed(int(seed))
    batches = torch.split(torch.randperm(len(labels)), training.batch)
    for i, indices in enumerate(batches):
        for group in optimiser.param_groups:
            group["lr"] = training.lr * rate(training, epoch + i / len(batches))
        indices = indices.to(labels.device)
        inputs, targets = augmented(data.prepared(data.train[indices]), training), labels[indices]
        with _precision(labels.device, training.precision):
            logits = network(inputs)
        loss = _loss(logits, targets)
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        if training.clip is not None:
            nn.utils.clip_grad_norm_(network.parameters(), training.clip)
        optimiser.step()
        losses.append(loss.detach())
        correct += (logits.argmax(-1) == targets).sum()
    total_loss = _total(run, losses, [len(indices) for indices in batches], epoch)
    return {"train_loss": total_loss / len(labels), "train_accuracy": int(correct) / labels.numel()}


def _total(run: Run, losses: list[Tensor], sizes: list[int], epoch: int) -> float:
    """Return the sum of losses over examples, from the mean of each batch.  Raises SpanmatchError if one is not finite.

    A GPU is waited for here only, once an epoch.
    """
    totals = (torch.stack(losses).cpu().double() * torch.tensor(sizes)).cumsum(0)
    finite = int(totals.isfinite().sum())
    if finite < len(totals):
        raise SpanmatchError(
            f"{run.name}: the loss is no longer finite in epoch {epoch + 1}, batch {finite + 1}; try a lower "
            "training.lr, or training.warmup, or training.clip"
        )
    return float(totals[-1])


def rate(training: TrainingSettings, epoch: float) -> float:
    """Return the factor of the learning rate at a point of training, in epochs from its start."""
    if epoch < training.warmup:
        return epoch / training.warmup
    if training.schedule == "cosine":
        rest = max(training.epochs - training.warmup, 1e-9)
        return 0.5 * (1 + math.cos(math.pi * (epoch - training.warmup) / rest))
    if training.schedule == "step":
        return float(training.factor ** sum(epoch >= milestone * training.epochs for milestone in training.milestones))
    return 1.0


def augmented(images: Tensor, training: TrainingSettings) -> Tensor:
    """Return images (n, channels, size, size), at random flipped, moved and with noise, as the settings ask.

    What is random is drawn on the CPU, so that it is the same on every device.
    """
    n = len(images)
    if "flip" in training.augment:
        flipped = (torch.rand(n) < 0.5).to(images.device)
        images = torch.where(flipped[:, None, None, None], images.flip(-1), images)
    if "crop" in training.augment:
        height, width = images.shape[-2:]
        padded = nn.functional.pad(images, (PADDING,) * 4)
        down, right = torch.randint(2 * PADDING + 1, (2, n, 1)).to(images.device)
        rows = down + torch.arange(height, device=images.device)
        columns = right + torch.arange(width, device=images.device)
        images = padded[
            torch.arange(n, device=images.device)[:, None, None], :, rows[:, :, None], columns[:, None, :]
        ].permute(0, 3, 1, 2)
    if training.noise > 0:
        images = images + training.noise * torch.randn(images.shape).to(images.device)
    return images


@torch.no_grad()
def evaluate(network: nn.Module, data: Data, precision: Precision) -> EvaluationScores:
    """Return the mean loss and the accuracy over the test examples, which are on the network's device."""
    total_loss, correct = 0.0, 0
    network.eval()
    for indices in torch.split(torch.arange(len(data.test)), EVALUATION_BATCH):
        inputs, labels = data.prepared(data.test[indices]), data.test_labels[indices]
        with _precision(labels.device, precision):
            logits = network(inputs)
        total_loss += float(_loss(logits, labels)) * len(indices)
        correct += int((logits.argmax(-1) == labels).sum())
    return {"test_loss": total_loss / len(data.test), "test_accuracy": correct / data.test_labels.numel()}


def _precision(device: torch.device, precision: Precision) -> contextlib.AbstractContextManager[object]:
    """Return the context in which a network computes in a precision; weights and sums stay in float32."""
    return torch.autocast(device.type, torch.bfloat16) if precision == "bf16" else contextlib.nullcontext()


def layers_to_start(network: nn.Module, training: TrainingSettings) -> list[str]:
    """Return the layers whose weights are those of another variant at the start: all, or those that the settings name.

    Raises SpanmatchError if a name or pattern of the settings fits no layer with weights.
    """
    layers = list(dict.fromkeys(name.rpartition(".")[0] for name in network.state_dict()))
    try:
        return chosen(training.start_layers, layers, "the network") if training.start_layers else layers
    except SpanmatchError as error:
        raise SpanmatchError(f"training.start_layers: {error}") from error


def load_weights(network: nn.Module, path: Path, layers: Collection[str] | None = None) -> None:
    """Put weights from a file into a network, or into some of its layers.  Raises SpanmatchError if they do not fit."""
    arrays, _ = read_tensors(path)
    if layers is not None:
        own = {name: tensor.numpy() for name, tensor in network.state_dict().items()}
        started = {name for name in own if name.rpartition(".")[0] in layers}
        if missing := sorted(started - arrays.keys()):
            raise SpanmatchError(f"{path}: has no {missing[0]!r}, from which training is to start")
        arrays = own | {name: arrays[name] for name in started}
    _put(network, arrays, path)


def _put(network: nn.Module, arrays: Mapping[str, NDArray[np.generic]], path: Path) -> None:
    """Load weights, read from a file, into a network."""
    try:
        network.load_state_dict({name: torch.from_numpy(np.array(array)) for name, array in arrays.items()})
    except RuntimeError as error:
        raise SpanmatchError(f"{path}: these weights do not fit ({error})") from error


def _loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the mean cross-entropy over examples, or over the characters of all examples."""
    return nn.functional.cross_entropy(logits.flatten(0, -2).float(), labels.flatten())


def _optimiser(network: nn.Module, training: TrainingSettings) -> torch.optim.Optimizer:
    """Return a new optimiser for the network."""
    if training.optimiser == "adamw":
        return torch.optim.AdamW(network.parameters(), lr=training.lr, weight_decay=training.weight_decay)
    return torch.optim.SGD(
        network.parameters(), lr=training.lr, momentum=training.momentum, weight_decay=training.weight_decay
    )


def _save(run: Run, network: nn.Module, optimiser: torch.optim.Optimizer, history: list[RunEpochRecord]) -> None:
    """Write the weights, if they are to be kept, and then the state, which marks the epoch as finished."""
    weights = {name: tensor.cpu().numpy() for name, tensor in network.state_dict().items()}
    if history[-1]["epoch"] in run.kept_epochs:
        write_tensors(run.weights(history[-1]["epoch"]), weights, {})
    state = {f"network/{name}": array for name, array in weights.items()}
    for i, values in optimiser.state_dict()["state"].items():
        state |= {f"optimiser/{i}/{name}": v.cpu().numpy() for name, v in values.items() if v is not None}
    about = {
        "format": FORMAT,
        "version": str(VERSION),
        "made_from": run.made_from,
        "kept_epochs": json.dumps(run.kept_epochs),
        "history": json.dumps(history),
    }
    write_tensors(run.folder / STATE, state, about)


def _resumed(run: Run, network: nn.Module, optimiser: torch.optim.Optimizer) -> list[RunEpochRecord]:
    """Restore the state of the last epoch, if there is one, and return the history."""
    history = run.history()
    if not history:
        return []
    arrays, _ = read_tensors(run.folder / STATE)
    weights = {name.removeprefix("network/"): array for name, array in arrays.items() if name.startswith("network/")}
    _put(network, weights, run.folder / STATE)
    state: dict[int, dict[str, Tensor]] = {}
    for name, array in arrays.items():
        if name.startswith("optimiser/"):
            _, i, key = name.split("/", 2)
            state.setdefault(int(i), {})[key] = torch.from_numpy(np.array(array))
    optimiser.load_state_dict(optimiser.state_dict() | {"state": state})
    return history


@contextlib.contextmanager
def _repeatable(threads: int) -> Iterator[None]:
    """Fix the threads, algorithms and random state that numbers depend on, and restore them at the end."""
    threads_before, cuda_before = torch.get_num_threads(), os.environ.get(CUDA_SETTING)
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    fill_before = _fill_memory(fill=False)  # it would take 5% of the time, and changes no number
    try:
        os.environ.setdefault(CUDA_SETTING, ":4096:8")
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(True, warn_only=True)
        with torch.random.fork_rng():
            yield
    finally:
        torch.set_num_threads(threads_before)
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
        _fill_memory(fill=fill_before)
        if cuda_before is None:
            os.environ.pop(CUDA_SETTING, None)


def _fill_memory(*, fill: bool) -> bool:
    """Set whether deterministic algorithms fill new memory, and return whether they did."""
    before: bool = torch.utils.deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    torch.utils.deterministic.fill_uninitialized_memory = fill  # type: ignore[attr-defined]
    return before


def _flat(values: object, name: str = "") -> dict[str, object]:
    """Return nested settings by dotted names."""
    if not isinstance(values, dict):
        return {name: values}
    return {k: v for key, value in values.items() for k, v in _flat(value, f"{name}.{key}" if name else key).items()}
