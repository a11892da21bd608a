"""The layers that networks are compared at: how their rows are made, and checks before anything is trained."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Literal, TypedDict

from torch import Tensor, nn

from ..activations import capture
from ..activations.patterns import chosen
from ..errors import SpanmatchError
from .settings import CompareSettings


class LayoutOptions(TypedDict):
    """The options of `capture` that say how the rows of a layer are made."""

    positions: int | None
    pool: Literal["mean"] | int | None
    units: Literal["channel", "location"]


def layout_of(compare: CompareSettings) -> LayoutOptions:
    """Return how the rows of each layer are made."""
    return {"positions": compare.positions, "pool": compare.pool, "units": compare.units}


class SampleOptions(TypedDict, total=False):
    """The option of `capture` for how many examples are sampled."""

    sample: int


def sample_of(compare: CompareSettings) -> SampleOptions:
    """Return how many examples to sample; nothing if that is for `capture` to choose."""
    return {} if compare.sample is None else {"sample": compare.sample}


def checked_widths(
    name: str, network: nn.Module, batch: Tensor, compare: CompareSettings, patterns: Sequence[str] | None
) -> dict[str, int]:
    """Return the number of neurons of each layer that is compared.

    Parameters
    ----------
    name : str
        The name of the network, for messages.
    network : torch.nn.Module
        The network, trained or not.
    batch : torch.Tensor
        A few examples, as networks take them.
    compare : CompareSettings
        What is compared.
    patterns : sequence of str, optional
        The patterns of the layers if `compare` has none.

    Raises
    ------
    SpanmatchError
        If a pattern of any setting matches no layer, or rows cannot be made as the settings or an alternative to them
        ask.
    """
    patterns = compare.layers or patterns
    widths = _widths(name, network, batch, compare, patterns)
    for setting, of_layers in (("simple_layers", compare.simple_layers), ("sparse", compare.sparse)):
        with _errors_name(f"compare.{setting}"):
            chosen(of_layers or (), widths, "the layers that are compared")
    if compare.transplant_layers:
        with _errors_name("compare.transplant_layers"):
            _widths(name, network, batch, compare, compare.transplant_layers)
    for alternative in compare.alternatives:
        with _errors_name(f"compare.alternatives, {alternative.name!r}"):
            _widths(name, network, batch, compare.model_copy(update=alternative.changes), patterns)
    return widths


@contextlib.contextmanager
def _errors_name(setting: str) -> Iterator[None]:
    """Begin the message of an error with the setting that it comes from."""
    try:
        yield
    except SpanmatchError as error:
        raise SpanmatchError(f"{setting}: {error}") from error


def _widths(
    name: str, network: nn.Module, batch: Tensor, compare: CompareSettings, patterns: Sequence[str] | None
) -> dict[str, int]:
    """Return the number of neurons of each layer."""
    moments = capture({name: network}, [batch], layers=patterns, folds=1, null=False, **layout_of(compare))
    return {layer.removeprefix(f"{name}:"): width for layer, width in moments.layers.items()}
