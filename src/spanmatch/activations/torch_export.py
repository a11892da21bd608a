"""Programs of torch.export: what each module of the original network gives.

A .pt2 file itself is not read: see `WHY_FILES_ARE_REFUSED`, and docs/sources.md.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeGuard

from ..errors import SpanmatchError
from .inputs import arguments, failures_named
from .outputs import Batch, BatchActivations
from .patterns import chosen
from .torch import CHANNELS_FIRST, PASSING_ON, digest_of_weights, first_tensor

if TYPE_CHECKING:
    import torch

    from .layouts import Array

WHY_FILES_ARE_REFUSED = (
    "reading a .pt2 file can run code that is in it (pickled constants, expressions and guards that are evaluated), "
    "so spanmatch does not; export to ONNX, or load it yourself with torch.export.load and give the program"
)


class ExportRunner:
    """A program that is run node by node; a module's output is that of its last node."""

    def __init__(
        self,
        name: str,
        program: torch.export.ExportedProgram,
        patterns: Sequence[str] | None,
        input_name: str | None = None,
    ) -> None:
        self.name, self.input_name = name, input_name
        self.module: torch.fx.GraphModule = program.module(check_guards=False)
        last_nodes, self.classes = _modules_of(self.module.graph)
        if patterns is None:
            self.layers = [
                path
                for path in last_nodes
                if not any(other.startswith(f"{path}.") for other in last_nodes)
                and self.classes[path] not in PASSING_ON
            ]
        else:
            nodes = [node.name for node in self.module.graph.nodes if node.op == "call_function"]
            self.layers = chosen(patterns, [*last_nodes, *nodes], f"network {name!r}")
        if not self.layers:
            raise SpanmatchError(
                f"network {name!r}: the program does not say which modules its operations are of; name nodes with "
                "layers="
            )
        self.layers_of_node: dict[str, list[str]] = {}
        for layer in self.layers:
            self.layers_of_node.setdefault(last_nodes.get(layer, layer), []).append(layer)

    def run(self, batch: Batch, activations: BatchActivations) -> None:
        """Run the program on a batch and record what nodes gave."""
        import torch

        args, kwargs, mask = arguments(self.name, self.module, batch, self.input_name)
        layers_of_node, record = self.layers_of_node, self._record

        class RecordingInterpreter(torch.fx.Interpreter):
            def run_node(self, node: torch.fx.Node) -> object:
                result = super().run_node(node)
                for layer in layers_of_node.get(node.name, ()):
                    record(layer, result, activations, mask)
                return result

        with failures_named(self.name, batch), torch.inference_mode():
            inputs = self._placeholder_values(args, kwargs)
            RecordingInterpreter(self.module).run(*inputs, enable_io_processing=False)

    def fingerprint(self) -> str:
        """Return a digest of the weights."""
        return digest_of_weights(self.module)

    def _placeholder_values(self, args: Sequence[object], kwargs: dict[str, object]) -> list[object]:
        """Return all inputs, in the order of the program's placeholders."""
        names = [node.target for node in self.module.graph.nodes if node.op == "placeholder"]
        values = [*args, *(kwargs[name] for name in names if name in kwargs)]
        if len(values) != len(names):
            raise SpanmatchError(f"network {self.name!r} takes {', '.join(names)}; the batch has {len(values)} of them")
        return values

    def _record(self, layer: str, result: object, activations: BatchActivations, mask: Array | None) -> None:
        """Record what a node gave as a layer."""
        tensor = first_tensor(f"{self.name}:{layer}", result)
        first = tensor.ndim >= 4 or self.classes.get(layer, "").startswith(CHANNELS_FIRST)
        activations.record(f"{self.name}:{layer}", tensor, channels_first=first, mask=None if first else mask)


def is_program(network: object) -> TypeGuard[torch.export.ExportedProgram]:
    """Tell a program of torch.export, without importing PyTorch."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(network, torch.export.ExportedProgram)


def _modules_of(graph: torch.fx.Graph) -> tuple[dict[str, str], dict[str, str]]:
    """Return each original module's last node, and its class, by its path."""
    last_nodes: dict[str, str] = {}
    classes: dict[str, str] = {}
    for node in graph.nodes:
        if node.op != "call_function":
            continue
        for path, kind in node.meta.get("nn_module_stack", {}).values():
            if path:
                last_nodes[path] = node.name
                classes[path] = str(getattr(kind, "__name__", kind)).rpartition(".")[2]
    return last_nodes, classes
