"""Programs of torch.export: what each module of the original network gives.

A .pt2 file itself is not read: see `WHY_FILES_ARE_REFUSED`, and docs/sources.md.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeGuard

from ..errors import SpanmatchError
from .inputs import arguments, failures_named
from .layer_choice import LayerChoice, Part
from .outputs import Batch, BatchActivations
from .torch import CallRecorder, CallRunner, digest_of_weights
from .torch_calls import OUTPUT, ForwardPass, calls_functions, function_name

if TYPE_CHECKING:
    import torch

CONTAINERS = ("Sequential", "ModuleList", "ModuleDict")
"""Classes of modules that only hold others."""
WHY_FILES_ARE_REFUSED = (
    "reading a .pt2 file can run code that is in it (pickled constants, expressions and guards that are evaluated), "
    "so spanmatch does not; export to ONNX, or load it yourself with torch.export.load and give the program (on the "
    "command line, file.py:function, a function that returns it)"
)


class ExportRunner(CallRunner):
    """A program that is run node by node; a module's result is that of its last node."""

    def __init__(
        self,
        name: str,
        program: torch.export.ExportedProgram,
        patterns: Sequence[str] | None,
        input_name: str | None = None,
    ) -> None:
        self.name, self.input_name = name, input_name
        self.module: torch.fx.GraphModule = program.module(check_guards=False)
        self._modules = _modules_of(self.module.graph)
        self._recorder = CallRecorder(name, LayerChoice(name, self._modules.parts, patterns))

    def run(self, batch: Batch, activations: BatchActivations) -> None:
        """Run the program on a batch and record what nodes gave."""
        import torch

        args, kwargs, mask = arguments(self.name, self.module, batch, self.input_name)
        with failures_named(self.name, batch), torch.no_grad():
            inputs = self._placeholder_values(args, kwargs)
            with self._recorder.recording_to(activations, mask) as take:
                seen = ForwardPass(inputs, len(activations.example_ids), take)
                result = _interpreted(self.module, inputs, seen, self._modules)
                seen.show(OUTPUT, OUTPUT, result)

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


class _Modules(NamedTuple):
    """The modules that the nodes of a program come from."""

    parts: dict[str, Part]
    """What they are, by path."""
    callers: dict[str, str | None]
    """The path of the module that calls the function of a node, by the node's name; None for those of PyTorch."""
    ends: dict[str, list[str]]
    """The paths of the modules that end with a node, inner ones first, by the node's name."""


def _interpreted(
    module: torch.fx.GraphModule, inputs: Sequence[object], seen: ForwardPass, modules: _Modules
) -> object:
    """Run a program node by node, and show what its functions and modules give."""
    import torch

    class ShowingInterpreter(torch.fx.Interpreter):
        def run_node(self, node: torch.fx.Node) -> object:
            result = super().run_node(node)
            if node.op == "call_function":
                args, kwargs = self.fetch_args_kwargs_from_env(node)
                caller = modules.callers[node.name]
                assert not isinstance(node.target, str)  # calls of functions alone
                seen.function_ended(caller, node.target, _function_name(node.target), args, kwargs, result)
            for path in modules.ends.get(node.name, ()):
                seen.show(path, modules.parts[path].class_name.rpartition(".")[2], result)
            return result

    return ShowingInterpreter(module).run(*inputs, enable_io_processing=False)


def _function_name(target: Callable[..., object]) -> str:
    """Return the name of an operator, or of a function of Python."""
    schema = getattr(target, "_schema", None)
    name = function_name(target) if schema is None else str(schema.name).rpartition("::")[2].strip("_")
    return "interpolate" if name.startswith("upsample_") else name


def is_program(network: object) -> TypeGuard[torch.export.ExportedProgram]:
    """Tell a program of torch.export, without importing PyTorch."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(network, torch.export.ExportedProgram)


def _modules_of(graph: torch.fx.Graph) -> _Modules:
    """Return the modules that a program's nodes come from."""
    nodes = [node for node in graph.nodes if node.op == "call_function"]
    stacks = [node.meta.get("nn_module_stack", {}) for node in nodes]
    classes: dict[str, str] = {}
    callers: dict[str, str | None] = {}
    ends: dict[str, list[str]] = {}
    for node, stack, following in zip(nodes, stacks, [*stacks[1:], {}], strict=True):
        names = [(path, _full_name(kind)) for path, kind in stack.values()]
        path, class_name = names[-1] if names else ("", "")
        callers[node.name] = path if calls_functions(class_name) else None
        classes.update({path: name for path, name in names if path})
        # A call of a module ends where its key is no longer in the stack; a second call has another key.
        ended = [path for key, (path, _) in stack.items() if path and key not in following]
        ends[node.name] = ended[::-1]
    parts = {
        path: Part(
            class_name=name,
            is_list=name.rpartition(".")[2] in CONTAINERS,
            is_container=name.rpartition(".")[2] in CONTAINERS,
            has_parts=any(other.startswith(f"{path}.") for other in classes),
        )
        for path, name in classes.items()
    }
    return _Modules(parts, callers, ends)


def _full_name(kind: object) -> str:
    """Return the full name of a class, which programs that were loaded have as a text."""
    return f"{kind.__module__}.{kind.__qualname__}" if isinstance(kind, type) else str(kind)
