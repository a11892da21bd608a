"""The main job on data that comes with scikit-learn: small networks learn digits from three seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from .errors import missing_extra

try:
    import torch
    from torch import nn
except ImportError as error:  # pragma: no cover - needs an installation without PyTorch
    raise missing_extra("PyTorch", "torch", "the demo") from error

from sklearn.datasets import load_digits

from .capture import capture
from .compare import Comparison, compare
from .evidence import Transplant, transplant
from .match import maximum_match
from .progress import tracked

if TYPE_CHECKING:
    from torch import Tensor

EPOCHS, BATCH, TRAINED_ON = 12, 64, 1297
TRANSPLANTED_AT = 0.5


class DigitsNet(nn.Module):
    """Three convolutions and two linear layers for 8 x 8 images of digits."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.relu1 = nn.Conv2d(1, 32, 3, padding=1), nn.ReLU()
        self.conv2, self.relu2 = nn.Conv2d(32, 64, 3, padding=1), nn.ReLU()
        self.pool = nn.MaxPool2d(2)
        self.conv3, self.relu3 = nn.Conv2d(64, 64, 3, padding=1), nn.ReLU()
        self.flatten = nn.Flatten()
        self.fc1, self.relu4 = nn.Linear(64 * 16, 128), nn.ReLU()
        self.fc2 = nn.Linear(128, 10)

    def forward(self, images: Tensor) -> Tensor:
        """Return (examples, 10) logits of (examples, 1, 8, 8) images."""
        x = self.relu1(self.conv1(images))
        x = self.pool(self.relu2(self.conv2(x)))
        x = self.flatten(self.relu3(self.conv3(x)))
        logits: Tensor = self.fc2(self.relu4(self.fc1(x)))
        return logits


def digits() -> tuple[Tensor, Tensor]:
    """Return scikit-learn's 1,797 digits as (n, 1, 8, 8) images in [0, 1], and their labels."""
    data = load_digits()
    return torch.tensor(data.images, dtype=torch.float32)[:, None] / 16, torch.tensor(data.target)


def train(seed: int, images: Tensor, labels: Tensor) -> DigitsNet:
    """Train a network from a seed; a few seconds on two cores."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = DigitsNet()
        steps = EPOCHS * -(-len(images) // BATCH)
        optimiser = torch.optim.AdamW(network.parameters(), lr=1e-3)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=4e-3, total_steps=steps)
        for _ in tracked(range(EPOCHS), f"training seed {seed}"):
            for chosen in torch.split(torch.randperm(len(images)), BATCH):
                loss = nn.functional.cross_entropy(network(images[chosen]), labels[chosen])
                optimiser.zero_grad()
                torch.autograd.backward(loss)
                optimiser.step()
                schedule.step()
    return network.eval()


def demo(seeds: Sequence[int] = (0, 1, 2)) -> Comparison:
    """Train one network for each seed and compare them at every layer, over all images."""
    images, labels = digits()
    networks = {f"seed{seed}": train(seed, images[:TRAINED_ON], labels[:TRAINED_ON]) for seed in seeds}
    accuracy = {name: _accuracy(network, images, labels) for name, network in networks.items()}
    notes = {
        "Data": f"{len(images):,} digits, 8 x 8 (scikit-learn)",
        "Test accuracy": ", ".join(f"{name} {share:.1%}" for name, share in accuracy.items()),
    }
    fine = ("relu1", "relu3")
    # The digits come in order, 0 to 9 again and again, in which the next image's class can be told from this one's.
    shuffled = images[torch.randperm(len(images), generator=torch.Generator().manual_seed(0))]
    comparison = compare(
        networks, shuffled, simple=(0.3, 0.5), simple_layers="relu1", sparse=fine, bins=10, notes=notes
    )
    two = dict(list(networks.items())[:2])
    matrices = compare(
        two, images, pairs="all", pool="mean", folds=1, null=False, evidence=False, clusters=False
    ).matrices
    tests = images[TRAINED_ON:], labels[TRAINED_ON:]
    return replace(comparison, matrices=matrices, transplants=_transplants(two, images[:TRAINED_ON], tests))


def _transplants(
    networks: dict[str, DigitsNet], images: Tensor, tests: tuple[Tensor, Tensor]
) -> tuple[Transplant, ...]:
    """Return transplants at every activation, with coefficients from the training images and accuracy on the others."""
    moments = capture(networks, images, layers="relu*")
    found = []
    for x, y in moments.pairs:
        pair = moments.pair(x, y)
        found.append(transplant(networks, [tests], pair, maximum_match(pair, TRANSPLANTED_AT)))
    return tuple(found)


@torch.inference_mode()
def _accuracy(network: DigitsNet, images: Tensor, labels: Tensor) -> float:
    right = network(images[TRAINED_ON:]).argmax(dim=1) == labels[TRAINED_ON:]
    return float(right.float().mean())
