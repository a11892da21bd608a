"""Does a match matter to the network? Its neurons are replaced by what the other network's neurons say they should be.

In network A, the matched neurons of a layer are overwritten by their linear prediction from B's matched neurons, and
A's forward pass goes on. If the match holds for the network and not only for the numbers, A does as well as before;
ablation of the same neurons to their means, and predictions with coefficients from a world where nothing corresponds,
say what "as before" is to be held against.
Sources: docs/evidence.md; stitching of whole layers: Lenc and Vedaldi, CVPR 2015; Bansal, Nakkiran, Barak, NeurIPS
2021.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..capture.modules import arguments, channels_first, evaluating, first_tensor
from ..errors import SpanmatchError, among, missing_extra
from ..factor import Array, Index
from ..joint import Pair
from ..match import Match
from ..match.direct import coefficients
from ..match.maximum import check_match
from ..plain import data_frame
from ..progress import tracked

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor, nn

Loss = Callable[[Any, Any], Any]


@dataclass(frozen=True)
class Outcome:
    """How network A does when some of a layer's neurons are replaced."""

    condition: str
    neurons: int
    """How many are replaced."""
    loss: float
    accuracy: float


@dataclass(frozen=True)
class Transplant:
    """Outcomes under all conditions: first untouched, then the matched neurons, then the whole layer."""

    x_layer: str
    y_layer: str
    eps: float
    examples: int
    outcomes: tuple[Outcome, ...]

    def __getitem__(self, condition: str) -> Outcome:
        """Return one outcome.  Raises SpanmatchError if there is no such condition."""
        found = {outcome.condition: outcome for outcome in self.outcomes}
        if condition not in found:
            raise SpanmatchError(f"no condition {condition!r}{among(condition, found)}")
        return found[condition]

    def recovered(self, condition: str = "transplant", against: str = "ablation") -> float:
        """Return what share of the loss that the other condition costs this one saves: 1 is all, below 0 is worse.

        nan if the other costs nothing, so that there is nothing to save.
        """
        best, worst, now = (self[name].loss for name in ("untouched", against, condition))
        return (worst - now) / (worst - best) if worst > best else float("nan")

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain Python values."""
        outcomes = [vars(outcome) for outcome in self.outcomes]
        return {name: getattr(self, name) for name in ("x_layer", "y_layer", "eps", "examples")} | {
            "outcomes": outcomes
        }

    def to_frame(self) -> pd.DataFrame:
        """Return a table with one row for each condition."""
        return data_frame("transplant.to_frame", [vars(outcome) for outcome in self.outcomes])


@dataclass(frozen=True, eq=False)
class _Place:
    """A module of a network, and which of its calls in a forward pass gives the layer."""

    network: nn.Module
    module: nn.Module
    call: int
    layer: str


@dataclass(frozen=True, eq=False)
class _Graft:
    """Neurons x of one layer as y's neurons times W, plus a constant."""

    x: Index
    y: Index
    W: Array
    constant: Array


def transplant(
    networks: Mapping[str, nn.Module],
    batches: Iterable[Any],
    pair: Pair,
    match: Match,
    *,
    loss: Loss | None = None,
) -> Transplant:
    """Return how well network A does with the matched neurons of a layer predicted from B's, and with controls.

    Conditions: "untouched"; "transplant", the matched neurons from B's matched ones by least squares; "ablation", the
    same neurons at their means; "null", the same with coefficients of the null pairing; "stitch", all neurons of the
    layer from all of B's, with a constant; "stitch ablation" and "stitch null", its controls.

    Args:
        networks: {name: module}, those of the pair's layers "name:module": A has layer x, B has layer y.
        batches: (inputs, labels), or dicts of keyword arguments with "labels"; better of examples that the pair has
        not seen. pair: where coefficients come from, of the same layout; match: of that pair.
        loss: of outputs and labels, the mean over examples; by default the cross-entropy, with classes on the last
            axis. Accuracy is by the largest output.
    Both networks run in evaluation mode without gradients and are left as they were.
    Raises SpanmatchError if a layer is not there, outputs do not correspond, labels are missing, or there is no null.
    Cost: one forward pass of B and seven of A for each batch.
    """
    try:
        import torch
    except ImportError as error:
        raise missing_extra("PyTorch", "torch", "sm.transplant") from error
    a, b = _place(networks, pair.x_layer), _place(networks, pair.y_layer)
    grafts = _grafts(pair, match)
    totals, examples = {name: np.zeros(2) for name in grafts}, 0
    with evaluating(a.network), evaluating(b.network), torch.inference_mode():
        for batch in tracked(batches, "transplanting"):
            labels = _labels(batch)
            seen = _output(b, batch)
            for name, graft in grafts.items():
                with _grafted(a, b, graft, seen, pair):
                    outputs = _run(a, batch)
                totals[name] += len(labels) * _score(outputs, labels, loss)
            examples += len(labels)
    if not examples:
        raise SpanmatchError("no batches: give at least one")
    counts = {name: 0 if graft is None else len(graft.x) for name, graft in grafts.items()}
    outcomes = tuple(Outcome(name, counts[name], *(totals[name] / examples).tolist()) for name in grafts)
    return Transplant(pair.x_layer, pair.y_layer, match.eps, examples, outcomes)


def _grafts(pair: Pair, match: Match) -> dict[str, _Graft | None]:
    check_match(pair, match)
    everyone = pair.active(centred=True)
    grafts: dict[str, _Graft | None] = {"untouched": None}
    for names, x, y, centred in (
        (("transplant", "ablation", "null"), match.x, match.y, match.centred),
        (("stitch", "stitch ablation", "stitch null"), everyone[0], everyone[1], True),
    ):
        for name, world in zip(names, (pair, None, pair.null), strict=True):
            if world is None:
                grafts[name] = _Graft(x, y[:0], np.zeros((0, len(x))), pair.x_mean[x])
            else:
                maps = coefficients(world, x, y, centred=centred)
                grafts[name] = _Graft(x, y, maps.x_from_y, maps.x_intercept)
    return grafts


def _place(networks: Mapping[str, nn.Module], layer: str) -> _Place:
    name, _, path = layer.partition(":")
    if name not in networks:
        raise SpanmatchError(f"layer {layer!r}: no network {name!r}{among(name, networks)}")
    path, _, call = path.partition("#")
    modules = dict(networks[name].named_modules())
    if path not in modules:
        raise SpanmatchError(f"layer {layer!r}: network {name!r} has no module {path!r}{among(path, modules)}")
    return _Place(networks[name], modules[path], int(call or 1), layer)


def _labels(batch: Any) -> Any:
    labels = (
        batch.get("labels") if isinstance(batch, Mapping) else batch[1] if isinstance(batch, tuple | list) else None
    )
    if labels is None:
        raise SpanmatchError("a batch without labels; give (inputs, labels), or a dict with 'labels'")
    return labels


def _run(place: _Place, batch: Any) -> Any:
    args, kwargs, _ = arguments(place.layer.partition(":")[0], place.network, batch)
    return place.network(*args, **kwargs)


@contextlib.contextmanager
def _at(place: _Place, change: Callable[[Any], Any]) -> Iterator[None]:
    """Pass the layer's output through a function while this lasts."""
    calls = 0

    def hook(_: nn.Module, __: Any, output: Any) -> Any:
        nonlocal calls
        calls += 1
        return change(output) if calls == place.call else None

    handle = place.module.register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()


def _output(place: _Place, batch: Any) -> Tensor:
    """Return what a layer gives for a batch."""
    outputs: list[Tensor] = []
    # The next module may work in place: the tensor must be its own.
    with _at(place, lambda output: outputs.append(first_tensor(place.layer, output).clone())):
        _run(place, batch)
    if not outputs:
        raise SpanmatchError(f"layer {place.layer!r} did not run")
    return outputs[0]


def _grafted(
    a: _Place, b: _Place, graft: _Graft | None, seen: Tensor, pair: Pair
) -> contextlib.AbstractContextManager[None]:
    """Overwrite neurons of a layer's output while this lasts."""
    if graft is None:
        return contextlib.nullcontext()
    theirs = _neurons_last(b, seen, pair.neurons[1])

    def overwrite(output: Any) -> Any:
        import torch

        tensor = first_tensor(a.layer, output)
        mine = _neurons_last(a, tensor, pair.neurons[0])
        if mine.shape[:-1] != theirs.shape[:-1]:
            raise SpanmatchError(
                f"layers {a.layer!r} and {b.layer!r} give {tuple(tensor.shape)} and {tuple(seen.shape)}: "
                "their positions do not correspond"
            )
        W, constant = (torch.from_numpy(values).to(tensor) for values in (graft.W, graft.constant))
        changed = mine.clone()
        changed[..., _index(graft.x, tensor)] = theirs[..., _index(graft.y, theirs)].to(tensor) @ W + constant
        replaced = _neurons_back(a, changed, tensor)
        return (replaced, *output[1:]) if isinstance(output, tuple) else replaced

    return _at(a, overwrite)


def _index(neurons: Index, tensor: Tensor) -> Tensor:
    import torch

    return torch.from_numpy(np.ascontiguousarray(neurons)).to(tensor.device)


def _neurons_last(place: _Place, tensor: Tensor, width: int) -> Tensor:
    """Return an output with its neurons, channels or locations, on the last axis."""
    by_channel = tensor.movedim(1, -1) if channels_first(place.module, tensor) else tensor
    for arranged in (by_channel, tensor.flatten(1)):
        if arranged.shape[-1] == width:
            return arranged
    raise SpanmatchError(f"layer {place.layer!r} gives {tuple(tensor.shape)}, in which there are no {width} neurons")


def _neurons_back(place: _Place, changed: Tensor, tensor: Tensor) -> Tensor:
    if channels_first(place.module, tensor) and changed.ndim == tensor.ndim:
        return changed.movedim(-1, 1)
    return changed.reshape(tensor.shape)


def _score(outputs: Any, labels: Any, loss: Loss | None) -> Array:
    """Return the mean loss and accuracy of a batch."""
    import torch
    from torch.nn.functional import cross_entropy

    logits = first_tensor("the network's output", getattr(outputs, "logits", outputs))
    labels = torch.as_tensor(labels).to(logits.device)
    flat, wanted = logits.reshape(-1, logits.shape[-1]), labels.reshape(-1)
    if loss is None and len(flat) != len(wanted):
        raise SpanmatchError(
            f"outputs {tuple(logits.shape)} for labels {tuple(labels.shape)}: classes are expected on the last axis; "
            "give a loss of your own"
        )
    value = cross_entropy(flat, wanted) if loss is None else loss(outputs, labels)
    counted = wanted >= 0 if len(flat) == len(wanted) else None
    right = float("nan") if counted is None else float((flat.argmax(-1) == wanted)[counted].double().mean())
    return np.array([float(value), right])
