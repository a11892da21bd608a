"""What does it cost to see every call of a network, beside hooks that copy the same layers?

Networks of eight blocks, on one thread: the first forward pass, in which axes are followed and layers are chosen, and
those after it, with the blocks as layers (modules alone) and with a function in each block.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from measure import machine, seconds
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from spanmatch.activations.layouts import Layout
from spanmatch.activations.outputs import BatchActivations
from spanmatch.activations.torch import torch_runner

BLOCKS, TIMES = 8, 9
LAYERS = [str(i) for i in range(BLOCKS)]


class Residual(nn.Module):
    """A residual block of two convolutions."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = (nn.Conv2d(width, width, 3, padding=1, bias=False) for _ in range(2))
        self.bn1, self.bn2 = nn.BatchNorm2d(width), nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))))


class Transformer(nn.Module):
    """A block of a transformer, with attention as views and one function."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        n, t, d = x.shape
        q, k, v = self.qkv(self.norm1(x)).view(n, t, 3, 4, d // 4).permute(2, 0, 3, 1, 4)
        x = x + self.proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(n, t, d))
        return x + self.down(F.gelu(self.up(self.norm2(x))))


def hooked(network: nn.Sequential, x: Tensor) -> Callable[[], None]:
    """Return a forward pass in which hooks copy the blocks' outputs."""

    def run() -> None:
        kept: list[Tensor] = []
        hooks = [block.register_forward_hook(lambda _, __, output: kept.append(output.clone())) for block in network]
        with torch.no_grad():
            network(x)
        for hook in hooks:
            hook.remove()

    return run


def main() -> None:
    """Print the ratios."""
    torch.set_num_threads(1)
    print(f"{machine()}, PyTorch {torch.__version__} with one thread")
    print("| network | batch | hooks, ms | first pass | blocks | blocks and functions |")
    for name, block, shape in (("ResNet", Residual, (16, 32, 32)), ("transformer", Transformer, (32, 64))):
        torch.manual_seed(0)
        network = nn.Sequential(*(block(16 if name == "ResNet" else 64) for _ in range(BLOCKS))).eval()
        for count in (1, 4, 64):
            x = torch.randn(count, *shape)
            plain = seconds(hooked(network, x), TIMES)
            ratios = []
            for layers in (LAYERS, [*LAYERS, "*/*elu"]):
                with torch_runner("net", network, layers) as runner:
                    passed = lambda: runner.run(x, BatchActivations(np.arange(count), Layout()))  # noqa: B023, E731
                    ratios += [seconds(passed) / plain, seconds(passed, TIMES) / plain]
            first, blocks, _, functions = ratios
            print(f"| {name} | {count} | {1e3 * plain:.1f} | {first:.2f} | {blocks:.2f} | {functions:.2f} |")


if __name__ == "__main__":
    main()
