"""Which calls of a PyTorch network are layers: those that patterns name, or by default what is usually compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, NamedTuple

from ..errors import SpanmatchError
from .patterns import listed_names
from .torch_calls import NONLINEARITIES, OUTPUT, class_of

if TYPE_CHECKING:
    from torch import nn

    from .torch_calls import Call

PASSING_ON = (
    "Flatten",
    "Unflatten",
    "Identity",
    "Dropout",
    "Dropout1d",
    "Dropout2d",
    "Dropout3d",
    "AlphaDropout",
)
"""Classes of modules that give the values that they take: no layers, unless asked for."""
NO_NONLINEARITIES = ("Softmax", "Softmax2d", "Softmin", "LogSoftmax")
"""Classes of torch.nn.modules.activation that are not compared by default."""
COMPARED = ("torch.nn.modules.activation.", "torch.nn.modules.rnn.")
"""Where the other classes of PyTorch are that are compared by default: non-linearities, attention, recurrent ones."""
BLOCKS_OF_TORCH = ("TransformerEncoderLayer", "TransformerDecoderLayer")


class Part(NamedTuple):
    """What a module is, as far as it decides about layers."""

    class_name: str
    """The full name of its class."""
    is_list: bool
    """Whether others are in it one after another, or by name."""
    is_container: bool
    """Whether it is such a list, and nothing else."""
    has_parts: bool
    """Whether there are others in it."""


def parts_of(modules: Mapping[str, nn.Module]) -> dict[str, Part]:
    """Return what the modules of a network are, by their paths."""
    from torch import nn

    lists = (nn.Sequential, nn.ModuleList, nn.ModuleDict)
    return {
        path: Part(
            class_name=class_of(module),
            is_list=isinstance(module, lists),
            is_container=isinstance(module, lists) and type(module).forward in [kind.forward for kind in lists],
            has_parts=any(module.children()),
        )
        for path, module in modules.items()
    }


class LayerChoice:
    """Tells which calls are layers while a network runs first, and what they are called from then on.

    By default these are the results of non-linearities, of recurrent modules and attention, and of
    blocks (modules of the network's own classes, with others inside, which are in a list or directly
    in the network), and the network's output. Where a block ends with a non-linearity, the block
    is the layer.

    Parameters
    ----------
    network
        The network's name, for messages.
    parts
        Its modules by path.
    patterns
        Names or shell patterns of names, with or without the number of the call; None for the
        default.
    others
        Names of layers that are no calls, which patterns may mean as well.
    """

    def __init__(
        self,
        network: str,
        parts: Mapping[str, Part],
        patterns: Sequence[str] | None,
        others: Sequence[str] = (),
    ) -> None:
        self.network, self.parts, self.patterns, self.others = network, parts, patterns, others
        self.is_decided = False
        self.kinds: dict[str, str] = {}
        """The class of the module, or the name of the function, of each layer, in the order in which they ran."""
        self._whole: set[str] = set()
        self._replaced: dict[str, str] = {}
        self._unmatched = [
            pattern for pattern in patterns or () if not any(fnmatchcase(name, pattern) for name in others)
        ]
        self._ran: dict[str, None] = {}
        self._paths: set[str] = set()
        """The names of the layers without the numbers of calls."""

    @property
    def layers(self) -> list[str]:
        """The names of the layers, in the order in which they ran."""
        return list(self.kinds)

    def layer_of(self, call: Call) -> str | None:
        """Return the name of the layer that a call's result is, None if it is none."""
        if self.is_decided:
            if call.name not in self._ran and call.path in self._paths:
                raise SpanmatchError(
                    f"layer {self.network}:{call.name} ran in some batches and not in others; leave it out with layers="
                )
            return call.name if call.name in self.kinds else None
        self._ran[call.name] = None
        layer = self._default_layer(call) if self.patterns is None else self._named_layer(call)
        if layer is not None:
            self.kinds[layer] = call.kind
        return layer

    def is_named(self, call: Call) -> bool:
        """Tell a call that is named itself, not only by a pattern or by default."""
        return bool({call.path, call.name} & {*(self.patterns or ())})

    def leave_out(self, layer: str) -> None:
        """Take back that something is a layer."""
        del self.kinds[layer]

    def decide(self) -> None:
        """Take the layers of the forward pass that ended as those of all others.

        Raises SpanmatchError if a pattern named nothing, or there are no layers.
        """
        if self._unmatched:
            there = listed_names(self._unmatched[0], [*self.others, *self._ran])
            raise SpanmatchError(
                f"layers: {self._unmatched[0]!r} matches nothing in network {self.network!r}; there is {there}"
            )
        if not self.kinds and not self.others:
            why = (
                "nothing in it is a layer by default"
                if self.patterns is None
                else "none of the layers named can be rows"
            )
            raise SpanmatchError(f"network {self.network!r}: {why}; sm.layers lists what there is")
        self._paths = {layer.partition("#")[0] for layer in self.kinds}
        self.is_decided = True

    def _named_layer(self, call: Call) -> str | None:
        """Return the name of a call that a pattern names."""
        if (call.path == OUTPUT and call.same_as is not None) or call.path in self.others:
            return None  # the result has a name already, or the name is taken
        numbered = f"{call.path}#{call.number}"
        matching = [
            pattern
            for pattern in self.patterns or ()
            if fnmatchcase(numbered if "#" in pattern else call.path, pattern)
        ]
        self._unmatched = [pattern for pattern in self._unmatched if pattern not in matching]
        return call.name if matching else None

    def _default_layer(self, call: Call) -> str | None:
        """Return the name of a call that is a layer by default, and forget a call in it that gave the same result."""
        is_whole = self._is_whole(call)
        if is_whole:
            self._whole.add(call.name)
        if call.same_as is None:
            return call.name if call.path == OUTPUT or is_whole or self._is_compared(call) else None
        same = self._replaced.get(call.same_as, call.same_as)
        if call.path == OUTPUT:
            return None if same in self.kinds else same
        if not is_whole or same in self._whole:
            return None
        self.kinds.pop(same, None)
        self._replaced[call.same_as] = call.name
        return call.name

    def _is_compared(self, call: Call) -> bool:
        """Tell what is compared by default, but for blocks and the network's output."""
        part = self.parts.get(call.path)
        if part is None:
            return call.kind in NONLINEARITIES
        return part.class_name.startswith(COMPARED) and call.kind not in NO_NONLINEARITIES

    def _is_whole(self, call: Call) -> bool:
        """Tell blocks, and modules without others inside of the network's own classes."""
        part = self.parts.get(call.path)
        if part is None or part.is_container:
            return False
        if part.class_name.startswith("torch."):
            return call.kind in BLOCKS_OF_TORCH
        if not part.has_parts:
            return call.kind not in PASSING_ON and not any(word in call.kind for word in ("Norm", "Drop"))
        parent = call.path.rpartition(".")[0]
        return not parent or parent not in self.parts or self.parts[parent].is_list
