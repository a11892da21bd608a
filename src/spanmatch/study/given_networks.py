"""Networks that are trained already: where each comes from, what it depends on, and how accurate it is."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

from .._files import write_text
from .._progress import announce
from ..activations import from_names
from ..activations.code_names import is_code, parsed
from ..activations.weight_files import load_weights
from ..errors import BadArgument, SpanmatchError
from ..saved_results import read_evaluation, read_made_from
from .compared_layers import checked_widths
from .datasets import Data
from .networks import located_network, make_network, maker
from .settings import CompareSettings, GivenNetworkSettings
from .train import evaluate

if TYPE_CHECKING:
    from ..schema import EvaluationRecord, RunEpochRecord

NOW = 0
"""The only epoch of a network that is trained already."""
EVALUATION = "evaluation.json"
FEW = 4
"""Examples on which it is tried whether a network takes the data."""


@dataclass(frozen=True)
class GivenNetwork:
    """One network of a study that is trained already."""

    settings: GivenNetworkSettings
    base: Path
    """The folder that its files are taken from."""
    folder: Path
    """The folder of its evaluation."""
    made_from: str
    """Everything that its outputs depend on, as JSON."""
    seed: None = None

    @property
    def short_name(self) -> str:
        """Its name among the networks of its variant."""
        return self.settings.name

    @property
    def architecture(self) -> str:
        """What it is, in a few words."""
        if self.settings.network is not None:
            return Path(self.settings.network.name).name
        return Path(_parts(self.settings)[0]).name

    @property
    def layers(self) -> tuple[str, ...] | None:
        """The patterns of the layers that are compared by default, None for all layers."""
        network = self.settings.network
        return None if network is None else maker(located_network(network, self.base)).layers

    def network(self, data: Data, epoch: int | None = None) -> nn.Module:
        """Return the network in evaluation mode.

        Raises SpanmatchError if its code fails, its weights do not fit, or an epoch of its training is asked for.
        """
        if epoch not in (None, NOW):
            raise SpanmatchError(f"{self.short_name} was trained already: there are no weights of epoch {epoch}")
        code, weights = _parts(self.settings)
        if self.settings.network is not None:
            network = make_network(located_network(self.settings.network, self.base), data, 0)
        else:
            with torch.random.fork_rng():  # a function that draws weights draws the same ones each time
                torch.manual_seed(0)
                made = from_names.call(str(self.base / code))
            if not isinstance(made, nn.Module):
                raise SpanmatchError(f"{code} gives a {type(made).__name__}; it must give a torch.nn.Module")
            network = made
        if weights:
            load_weights(network, self.base / weights)
        return network.cpu().eval()

    def untrained(self, data: Data) -> None:
        """Return None: how it was before training is not known."""

    @property
    def reason(self) -> str | None:
        """Why it has no accuracy, None if it has one."""
        evaluation = self.evaluation()
        return None if evaluation is None else evaluation["reason"]

    def history(self) -> list[RunEpochRecord]:
        """Return its loss and accuracy, as those of its only epoch; nothing if it has not been evaluated."""
        scores = self.evaluation()
        if scores is None:
            return []
        return [{"epoch": NOW, "test_loss": scores["test_loss"], "test_accuracy": scores["test_accuracy"]}]

    def evaluation(self) -> EvaluationRecord | None:
        """Return how it does on the test examples, None if it has not been evaluated as it is now."""
        path = self.folder / EVALUATION
        if not path.is_file():
            return None
        return read_evaluation(path) if read_made_from(path) == json.loads(self.made_from) else None


def given_networks(
    networks: Sequence[GivenNetworkSettings], data: Data, folder: Path, base: Path
) -> list[GivenNetwork]:
    """Return the networks of a variant.

    Parameters
    ----------
    networks : sequence of GivenNetworkSettings
        Their names and files.
    data : Data
        The examples that they are compared over.
    folder : Path
        The folder in which each has a folder for its evaluation.
    base : Path
        The folder that files are taken from.

    Raises
    ------
    BadArgument
        If a file of code or of weights is missing.
    """
    return [
        GivenNetwork(settings, base, folder / settings.name, _made_from(settings, data, base)) for settings in networks
    ]


def evaluate_all(networks: Sequence[GivenNetwork], data: Data, compare: CompareSettings) -> None:
    """Check that the networks of a variant can be compared, and evaluate those that have not been evaluated.

    Parameters
    ----------
    networks : sequence of GivenNetwork
        The networks.
    data : Data
        The examples that they are compared over.
    compare : CompareSettings
        What is compared.

    Raises
    ------
    SpanmatchError
        If a network fails on the data, its layers are others than those of the first, or its outputs must fit the
        labels, for transplants, and do not.
    """
    first: dict[str, int] = {}
    for given in networks:
        network = given.network(data)
        widths = layer_widths(given, network, data, compare, default_layers(networks))
        first = first or widths
        check_same_layers(networks[0], first, given, widths)
        if given.evaluation() is None:
            announce(f"evaluating {given.short_name} on {len(data.test):,} test examples")
            record = _evaluated(network, data)
            given.folder.mkdir(parents=True, exist_ok=True)
            saved = {**record, "made_from": json.loads(given.made_from)}
            write_text(given.folder / EVALUATION, json.dumps(saved, allow_nan=False, indent=1) + "\n")
        if given.reason is not None and compare.transplants:
            raise SpanmatchError(f"compare.transplants: {given.short_name} has no accuracy to compare: {given.reason}")


def default_layers(networks: Sequence[GivenNetwork]) -> tuple[str, ...] | None:
    """Return the patterns of the layers to compare by default: those of the architecture, if all have the same."""
    patterns = {given.layers for given in networks}
    return patterns.pop() if len(patterns) == 1 else None


def layer_widths(
    given: GivenNetwork, network: nn.Module, data: Data, compare: CompareSettings, patterns: tuple[str, ...] | None
) -> dict[str, int]:
    """Return the number of neurons of each layer that is compared.

    Raises SpanmatchError if the network fails on the data, or a pattern of `compare.layers` matches nothing.
    """
    batch = data.prepared(data.test[:FEW])
    return checked_widths(given.short_name, network, batch, compare, patterns)


@torch.no_grad()
def why_no_accuracy(network: nn.Module, data: Data) -> str | None:
    """Return why a network's outputs are no scores of the classes of the data, None if they are."""
    labels = data.test_labels[:FEW]
    outputs: object = network(data.prepared(data.test[:FEW]))
    if not isinstance(outputs, torch.Tensor):
        return f"it gives a {type(outputs).__name__}, not a tensor"
    expected = (*labels.shape, len(data.classes))
    if outputs.shape != expected:
        return f"its outputs are {_by_example(outputs.shape)}; for the labels they must be {_by_example(expected)}"
    return None


def _by_example(shape: Sequence[int]) -> str:
    """Return a shape of a batch of examples as "(n, 10)"."""
    return f"({', '.join(['n', *map(str, shape[1:])])})" if len(shape) > 1 else "(n,)"


def _evaluated(network: nn.Module, data: Data) -> EvaluationRecord:
    """Return the loss and accuracy over the test examples, or why there is none."""
    reason = why_no_accuracy(network, data)
    if reason is None:
        scores = evaluate(network, data, "float32")
        if math.isfinite(scores["test_loss"]):
            return {**scores, "reason": None}
        reason = "its outputs are not finite"
    return {"test_loss": None, "test_accuracy": None, "reason": reason}


def check_same_layers(x: GivenNetwork, x_widths: dict[str, int], y: GivenNetwork, y_widths: dict[str, int]) -> None:
    """Raise SpanmatchError if two networks of a variant have not the same layers."""
    for layer in [*x_widths, *y_widths]:
        if x_widths.get(layer) != y_widths.get(layer):
            a, b = (f"{n} neurons" if n else "no such layer" for n in (x_widths.get(layer), y_widths.get(layer)))
            raise SpanmatchError(
                f"{x.short_name} and {y.short_name} differ in layer {layer!r} ({a}, {b}); a variant is of networks "
                "with the same layers: choose compare.layers that all have, or give them other variants, which "
                "compare.across compares"
            )


def _made_from(settings: GivenNetworkSettings, data: Data, base: Path) -> str:
    """Return everything that a network's outputs depend on, as JSON."""
    code, weights = _parts(settings)
    about = settings.model_dump(mode="json", by_alias=True) | {"digest": data.digest}
    if code:
        about["code_digest"] = _digest(base / parsed(code).place, settings)
    if weights:
        about["weights_digest"] = _digest(base / weights, settings)
    return json.dumps(about)


def _parts(settings: GivenNetworkSettings) -> tuple[str, str]:
    """Return file.py:function and the file of weights; what is not given is empty."""
    if settings.code is not None:
        weights = parsed(settings.code).weights
        return settings.code.removesuffix(f"@{weights}"), weights
    assert settings.network is not None and settings.weights is not None
    return settings.network.name if is_code(settings.network.name) else "", settings.weights


def _digest(path: Path, settings: GivenNetworkSettings) -> str:
    """Return the SHA-256 of a file.  Raises BadArgument if it is not there."""
    if not path.is_file():
        raise BadArgument(f"networks: {settings.name}: {path}: no such file")
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
