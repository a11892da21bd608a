"""The architectures of the papers for small images, and a small transformer for text, of PyTorch's own layers.

A maker is called with those of these arguments that it names: channels, size (of images), classes, context (of text);
and with the options of the study's settings. Its `layers` are the patterns of the layers that are compared by default.
"""

from __future__ import annotations

import inspect
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from ..activations import from_names
from ..activations.code_names import is_code
from ..errors import BadArgument, SpanmatchError, among
from .datasets import Data
from .settings import NetworkSettings, Variant

VGG = {
    11: (1, 1, 2, 2, 2),
    13: (2, 2, 2, 2, 2),
    16: (2, 2, 3, 3, 3),
    19: (2, 2, 4, 4, 4),
}
"""Convolutions in each of five stages."""
DEPTHS = (20, 32, 44, 56)
TINY10 = (
    (16, 3, 1, 1),
    (16, 3, 1, 1),
    (32, 3, 2, 1),
    (32, 3, 1, 1),
    (32, 3, 1, 1),
    (64, 3, 2, 1),
    (64, 3, 1, 0),
    (64, 1, 1, 0),
)
"""Channels, size of the kernel, stride and padding of each convolution."""


def vgg(channels: int, size: int, classes: int, *, depth: int, norm: bool, width: float = 1.0) -> nn.Module:
    """Return VGG for images of 32 x 32 or more (Simonyan and Zisserman, 2015), with one hidden layer of `512 width`."""
    if size < 32:
        raise SpanmatchError(f"VGG halves images five times: {size} x {size} is too small; set data.size = 32")
    parts: OrderedDict[str, nn.Module] = OrderedDict()
    widths = [_scaled(wide, width) for wide in (64, 128, 256, 512, 512)]
    for stage, (count, wide) in enumerate(zip(VGG[depth], widths, strict=True), 1):
        for i in range(1, count + 1):
            parts[f"conv{stage}_{i}"] = nn.Conv2d(channels, wide, 3, padding=1, bias=not norm)
            if norm:
                parts[f"norm{stage}_{i}"] = nn.BatchNorm2d(wide)
            parts[f"relu{stage}_{i}"] = nn.ReLU()
            channels = wide
        parts[f"pool{stage}"] = nn.MaxPool2d(2)
    hidden = _scaled(512, width)
    parts["flatten"] = nn.Flatten()
    parts["fc1"], parts["relu_fc1"] = nn.Linear(channels * (size // 32) ** 2, hidden), nn.ReLU()
    parts["fc2"] = nn.Linear(hidden, classes)
    return _started(nn.Sequential(parts))


class Block(nn.Module):
    """Two convolutions, with or without a shortcut around them."""

    def __init__(self, channels: int, wide: int, stride: int, residual: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, wide, 3, stride, padding=1, bias=False)
        self.norm1, self.relu1 = nn.BatchNorm2d(wide), nn.ReLU()
        self.conv2 = nn.Conv2d(wide, wide, 3, padding=1, bias=False)
        self.norm2, self.relu2 = nn.BatchNorm2d(wide), nn.ReLU()
        self.residual, self.stride, self.added_channels = residual, stride, wide - channels

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output; its shortcut has no parameters."""
        y = self.norm2(self.conv2(self.relu1(self.norm1(self.conv1(x)))))
        if self.residual:
            y = y + nn.functional.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.added_channels))
        out: Tensor = self.relu2(y)
        return out


def resnet(
    channels: int, size: int, classes: int, *, depth: int, residual: bool = True, width: float = 1.0
) -> nn.Module:
    """Return the residual network for small images of He et al. (2016), or the plain one without its shortcuts."""
    if size < 8:
        raise SpanmatchError(f"a residual network halves images twice: {size} x {size} is too small; set data.size")
    wide = _scaled(16, width)
    parts: OrderedDict[str, nn.Module] = OrderedDict(
        conv=nn.Conv2d(channels, wide, 3, padding=1, bias=False), norm=nn.BatchNorm2d(wide), relu=nn.ReLU()
    )
    channels = wide
    for stage, multiple in enumerate((16, 32, 64), 1):
        wide = _scaled(multiple, width)
        for i in range(1, (depth - 2) // 6 + 1):
            stride = 2 if stage > 1 and i == 1 else 1
            parts[f"block{stage}_{i}"] = Block(channels, wide, stride, residual)
            channels = wide
    parts["pool"], parts["flatten"] = nn.AdaptiveAvgPool2d(1), nn.Flatten()
    parts["fc"] = nn.Linear(channels, classes)
    return _started(nn.Sequential(parts))


def mlp(channels: int, size: int, classes: int, *, widths: Sequence[int] = (512, 512, 512)) -> nn.Module:
    """Return a multilayer perceptron over the pixels."""
    parts: OrderedDict[str, nn.Module] = OrderedDict(flatten=nn.Flatten())
    inputs = channels * size * size
    for i, wide in enumerate(widths, 1):
        parts[f"fc{i}"], parts[f"relu{i}"] = nn.Linear(inputs, wide), nn.ReLU()
        inputs = wide
    parts[f"fc{len(widths) + 1}"] = nn.Linear(inputs, classes)
    return _started(nn.Sequential(parts))


def cnn(channels: int, size: int, classes: int, *, width: float = 1.0) -> nn.Module:
    """Return three convolutions of 32, 64 and 64 channels and a hidden layer of 128: small, started as PyTorch does."""
    a, b, c, hidden = (_scaled(wide, width) for wide in (32, 64, 64, 128))
    parts = OrderedDict(
        conv1=nn.Conv2d(channels, a, 3, padding=1),
        relu1=nn.ReLU(),
        conv2=nn.Conv2d(a, b, 3, padding=1),
        relu2=nn.ReLU(),
        pool=nn.MaxPool2d(2),
        conv3=nn.Conv2d(b, c, 3, padding=1),
        relu3=nn.ReLU(),
        flatten=nn.Flatten(),
        fc1=nn.Linear(c * (size // 2) ** 2, hidden),
        relu4=nn.ReLU(),
        fc2=nn.Linear(hidden, classes),
    )
    return nn.Sequential(parts)


def tiny10(channels: int, size: int, classes: int, *, width: float = 1.0) -> nn.Module:
    """Return the ten-layer network of Kornblith et al. (2019), for images of 16 x 16 or more."""
    if size < 16:
        raise SpanmatchError(
            f"tiny10 halves images twice and crops them: {size} x {size} is too small; set data.size = 16"
        )
    parts: OrderedDict[str, nn.Module] = OrderedDict()
    for i, (channels_out, kernel, stride, padding) in enumerate(TINY10, 1):
        wide = _scaled(channels_out, width)
        parts[f"conv{i}"] = nn.Conv2d(channels, wide, kernel, stride, padding, bias=False)
        parts[f"norm{i}"], parts[f"relu{i}"] = nn.BatchNorm2d(wide), nn.ReLU()
        channels = wide
    parts["pool"], parts["flatten"] = nn.AdaptiveAvgPool2d(1), nn.Flatten()
    parts["fc"] = nn.Linear(channels, classes)
    return _started(nn.Sequential(parts))


class TransformerBlock(nn.Module):
    """Causal attention and a perceptron, each added to the stream, normalised before."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.before_mix, self.qkv, self.mix = nn.LayerNorm(width), nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.before_up, self.up, self.gelu = nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.GELU()
        self.down = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Return the stream after the block, (examples, characters, width)."""
        n, length, width = x.shape
        q, k, v = self.qkv(self.before_mix(x)).view(n, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        mixed = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.mix(mixed.transpose(1, 2).reshape(n, length, width))
        out: Tensor = x + self.down(self.gelu(self.up(self.before_up(x))))
        return out


class Transformer(nn.Module):
    """A small character-level transformer that predicts the next character."""

    def __init__(self, classes: int, context: int, blocks: int, width: int, heads: int) -> None:
        super().__init__()
        self.letters, self.places = nn.Embedding(classes, width), nn.Embedding(context, width)
        self.blocks = nn.Sequential(*(TransformerBlock(width, heads) for _ in range(blocks)))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, classes)
        self.apply(self._start)

    def forward(self, characters: Tensor) -> Tensor:
        """Return (examples, characters, classes) logits of (examples, characters) numbers."""
        places = torch.arange(characters.shape[1], device=characters.device)
        logits: Tensor = self.head(self.norm(self.blocks(self.letters(characters) + self.places(places))))
        return logits

    @staticmethod
    def _start(module: nn.Module) -> None:
        if isinstance(module, nn.Linear | nn.Embedding):
            nn.init.normal_(module.weight, std=0.02)
        if isinstance(module, nn.Linear):
            nn.init.zeros_(module.bias)


def transformer(classes: int, context: int, *, blocks: int = 4, width: int = 128, heads: int = 4) -> nn.Module:
    """Return a character-level transformer."""
    if width % heads:
        raise SpanmatchError(f"transformer: width {width} is not a multiple of {heads} heads")
    return Transformer(classes, context, blocks, width, heads)


@dataclass(frozen=True)
class Maker:
    """A function that makes networks, and the patterns of the layers that are compared by default."""

    make: Callable[..., nn.Module]
    layers: tuple[str, ...] | None = None


MAKERS = {
    **{
        f"vgg{depth}{suffix}": Maker(partial(vgg, depth=depth, norm=norm), ("relu*", "fc2"))
        for depth in VGG
        for suffix, norm in (("", False), ("-bn", True))
    },
    **{
        f"{kind}{depth}": Maker(partial(resnet, depth=depth, residual=kind == "resnet"), ("relu", "*.relu2", "fc"))
        for depth in DEPTHS
        for kind in ("resnet", "plain")
    },
    "mlp": Maker(mlp, ("relu*", "fc?")),
    "cnn": Maker(cnn, ("relu*", "fc2")),
    "tiny10": Maker(tiny10, ("relu*", "pool", "fc")),
    "transformer": Maker(transformer, ("blocks.*[0-9]", "*.gelu", "head")),
}


def located(variant: Variant, folder: Path) -> Variant:
    """Return the variant with its file.py:function, if it has one, in a folder, that of the study's file."""
    return variant.model_copy(update={"network": located_network(variant.network, folder)})


def located_network(network: NetworkSettings, folder: Path) -> NetworkSettings:
    """Return the architecture with its file.py:function, if it has one, in a folder, that of the study's file."""
    if not is_code(network.name):
        return network
    return network.model_copy(update={"name": str(folder / network.name)})


def maker(settings: NetworkSettings) -> Maker:
    """Return the maker of a name, or of file.py:function.  Raises BadArgument if there is none."""
    if is_code(settings.name):
        return Maker(from_names.function(settings.name))
    if settings.name not in MAKERS:
        raise BadArgument(f"network.name: no {settings.name!r}{among(settings.name, MAKERS)}; or give file.py:function")
    return MAKERS[settings.name]


def make_network(settings: NetworkSettings, data: Data, seed: int) -> nn.Module:
    """Return a new network.

    Parameters
    ----------
    settings : NetworkSettings
        The name of the architecture, or file.py:function, and its options.
    data : Data
        The examples that it is for, which say how many channels, pixels and classes there are.
    seed : int
        The seed that its weights are drawn from.

    Raises
    ------
    BadArgument
        If there is no such architecture, or it has no such option.
    SpanmatchError
        If it is for other data, fails, or is no module.
    """
    make = maker(settings).make
    arguments = _arguments(make, settings, data)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        try:
            network = make(**arguments)
        except (TypeError, ValueError, RuntimeError) as error:
            raise SpanmatchError(f"{settings.name} with {_listed(arguments)} failed: {error}") from error
    if not isinstance(network, nn.Module):
        raise SpanmatchError(f"{settings.name} gives a {type(network).__name__}; it must give a torch.nn.Module")
    return network


def _arguments(make: Callable[..., nn.Module], settings: NetworkSettings, data: Data) -> dict[str, object]:
    """Return what to call a maker with.  Raises BadArgument or SpanmatchError if it takes other arguments."""
    parameters = inspect.signature(make).parameters
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    unknown = [] if takes_any else [option for option in settings.options if option not in parameters]
    if unknown:
        raise BadArgument(f"network.options: {settings.name} has no {unknown[0]!r}{among(unknown[0], parameters)}")
    of_data = _arguments_of(data)
    available = {*of_data, *settings.options}
    lacking = [name for name, p in parameters.items() if p.default is p.empty and name not in available]
    if lacking and not takes_any:
        raise SpanmatchError(f"{settings.name} takes {', '.join(lacking)}, which {data.name} does not have: see data")
    return {name: value for name, value in of_data.items() if name in parameters} | settings.options


def _arguments_of(data: Data) -> dict[str, object]:
    """Return the arguments that the data determine."""
    if data.is_text:
        return {"classes": len(data.classes), "context": data.train.shape[1]}
    return {"channels": data.train.shape[1], "size": data.train.shape[2], "classes": len(data.classes)}


def _listed(arguments: Mapping[str, object]) -> str:
    """Return arguments in words: "width: 2, classes: 10"."""
    return re.sub(r"[{}']", "", str(dict(arguments)))


def _scaled(wide: int, width: float) -> int:
    """Return a number of channels times a factor, at least 1."""
    return max(1, round(wide * width))


def _started(network: nn.Module) -> nn.Module:
    """Draw weights for ReLU (He et al., 2015), as deep networks without normalisation need."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return network
