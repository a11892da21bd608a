"""Small studies to test with, and the data and runs that they are made of. It can be imported without PyTorch."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from spanmatch.study.datasets import Data
    from spanmatch.study.train import Run

STUDIES = Path(__file__).parents[1] / "studies"
SMALL = """
name = "small"
seeds = [0, 1, 2]
data.max_examples = 160
[network]
name = "mlp"
options = { widths = [12] }
[training]
epochs = 3
lr = 0.05
[compare]
evidence = false
top = 2
"""


def written(folder: Path, text: str, name: str = "small.toml") -> Path:
    """Write the settings of a study, and return the file."""
    path = folder / name
    path.write_text(text)
    return path


def noise(size: int = 32, channels: int = 3, classes: int = 10, n: int = 4) -> Data:
    """Return images of noise, the same at every call."""
    import torch

    from spanmatch.study.datasets import Data

    random = torch.Generator().manual_seed(0)
    images = torch.randint(256, (n, channels, size, size), generator=random).to(torch.uint8)
    labels = torch.arange(n) % classes
    return Data("noise", images, labels, images, labels, tuple(map(str, range(classes))))


def run_in(
    folder: Path, seed: int = 0, kept_epochs: tuple[int, ...] = (), made_from: str = "{}", **training: object
) -> Run:
    """Return a run of a small network for two epochs, if the options of its training say nothing else."""
    from spanmatch.study.settings import NetworkSettings, TrainingSettings, Variant
    from spanmatch.study.train import Run

    options = {"epochs": 2, "lr": 0.05, "batch": 32} | training
    network = NetworkSettings(name="cnn", options={"width": 0.25})
    return Run(Variant(network=network, training=TrainingSettings(**options)), seed, folder, kept_epochs, made_from)


def weights(run: Run, data: Data, epoch: int | None = None) -> list[torch.Tensor]:
    """Return the weights of a run's network after an epoch, by default the last."""
    return list(run.network(data, epoch).state_dict().values())


def alive(pid: int) -> bool:
    """Tell whether a process runs; one that has ended and waits for its parent does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    return not (status.exists() and status.read_text().split(")")[-1].split()[0] == "Z")
