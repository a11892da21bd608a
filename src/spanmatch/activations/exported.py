"""Programs of torch.export, loaded by whoever trusts them: what each module of the original network gave.

A .pt2 file itself is not read: see `WHY_NOT`, and docs/sources.md.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..errors import SpanmatchError
from .outputs import Outputs
from .patterns import chosen
from .torch import CHANNELS_FIRST, PASSING_ON, arguments, digest_of_weights, first_tensor

if TYPE_CHECKING:
    import torch

WHY_NOT = (
    "{path}: reading a .pt2 file can run code that is in it (pickled constants, expressions and guards that are "
    "evaluated), so spanmatch does not; export to ONNX, or load it yourself with torch.export.load and give the program"
)


class Program:
    """A program that is run node by node; a module's output is that of its last node."""

    def __init__(self, name: str, program: Any, patterns: Sequence[str] | None) -> None:
        self.name = name
        self.module = program.module(check_guards=False)
        outputs, kinds = _outputs_of(self.module.graph)
        nodes = [node.name for node in self.module.graph.nodes if node.op == "call_function"]
        leaves = [path for path in outputs if not any(other.startswith(f"{path}.") for other in outputs)]
        default = [path for path in leaves if kinds[path] not in PASSING_ON]
        self.layers = default if patterns is None else chosen(patterns, [*outputs, *nodes], f"network {name!r}")
        if not self.layers:
            raise SpanmatchError(
                f"network {name!r}: the program says of no operation which module it is of; name nodes"
            )
        self.named: dict[str, list[str]] = {}
        for layer in self.layers:
            self.named.setdefault(outputs.get(layer, layer), []).append(layer)
        self.kinds = kinds

    def run(self, batch: Any, outputs: Outputs) -> None:
        """Run the program on a batch and record what nodes gave."""
        import torch

        args, kwargs, mask = arguments(self.name, self.module, batch)
        graph, named, runner = self.module, self.named, self

        class Recording(torch.fx.Interpreter):
            def run_node(self, node: Any) -> Any:
                result = super().run_node(node)
                for layer in named.get(node.name, ()):
                    runner._record(layer, result, outputs, mask)
                return result

        with torch.inference_mode():
            flat = self._flat(args, kwargs)
            Recording(graph).run(*flat, enable_io_processing=False)

    def made_from(self) -> str:
        """Return a digest of the weights."""
        return digest_of_weights(self.module)

    def _flat(self, args: Sequence[Any], kwargs: dict[str, Any]) -> list[Any]:
        """Return the inputs in the order of the program's placeholders."""
        wanted = [node.target for node in self.module.graph.nodes if node.op == "placeholder"]
        given = [*args, *(kwargs[name] for name in wanted if name in kwargs)]
        if len(given) != len(wanted):
            raise SpanmatchError(f"network {self.name!r} takes {', '.join(wanted)}; the batch has {len(given)} of them")
        return given

    def _record(self, layer: str, result: Any, outputs: Outputs, mask: torch.Tensor | None) -> None:
        tensor = first_tensor(f"{self.name}:{layer}", result)
        first = tensor.ndim >= 4 or self.kinds.get(layer, "").startswith(CHANNELS_FIRST)
        outputs.record(f"{self.name}:{layer}", tensor, channels_first=first, mask=None if first else mask)


def is_program(network: Any) -> bool:
    """Tell a program of torch.export, without importing PyTorch."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(network, torch.export.ExportedProgram)


def _outputs_of(graph: Any) -> tuple[dict[str, str], dict[str, str]]:
    """Return, by the path of each module of the original network, its last node and its kind."""
    outputs: dict[str, str] = {}
    kinds: dict[str, str] = {}
    for node in graph.nodes:
        if node.op != "call_function":
            continue
        for path, kind in node.meta.get("nn_module_stack", {}).values():
            if path:
                outputs[path] = node.name
                kinds[path] = str(getattr(kind, "__name__", kind)).rpartition(".")[2]
    return outputs, kinds
