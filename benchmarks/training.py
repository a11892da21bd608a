"""How fast does a study train a network, beside a plain loop in PyTorch, and with how many threads or processes?

Images of noise, 3 x 32 x 32, in batches of 128 with random flips and crops, on the CPU. Epochs of the study and of the
plain loop alternate, so that both see the same load of the machine.
"""

from __future__ import annotations

import multiprocessing
import statistics
import tempfile
import time
from multiprocessing.synchronize import Barrier
from pathlib import Path

import torch
from torch import Tensor, nn

from spanmatch.study.datasets import Data
from spanmatch.study.networks import make_network
from spanmatch.study.settings import NetworkSettings, TrainingSettings, Variant
from spanmatch.study.train import Run, train

NETWORKS = {
    "vgg11-bn at half its width": NetworkSettings(name="vgg11-bn", options={"width": 0.5}),
    "resnet20": NetworkSettings(name="resnet20"),
}
N, BATCH, EPOCHS, TIMES, LR, MOMENTUM, DECAY = 256, 128, 5, 2, 0.05, 0.9, 5e-4


def noise() -> Data:
    """Return images of noise; two for tests, so that training takes all of the time."""
    images = torch.randint(256, (N, 3, 32, 32)).to(torch.uint8)
    labels = torch.randint(10, (N,))
    return Data("noise", images, labels, images[:2], labels[:2], tuple("0123456789"))


def run(folder: str, network: NetworkSettings, epochs: int, threads: int) -> Run:
    """Return a run of a study."""
    training = TrainingSettings(
        epochs=epochs,
        batch=BATCH,
        lr=LR,
        momentum=MOMENTUM,
        weight_decay=DECAY,
        augment=("flip", "crop"),
        threads=threads,
    )
    return Run(Variant(network=network, training=training), 0, Path(folder), (), "{}")


def changed(images: Tensor) -> Tensor:
    """Return images that are flipped and cropped at random, as it is often written."""
    flipped = torch.rand(len(images)) < 0.5
    images[flipped] = images[flipped].flip(-1)
    padded = nn.functional.pad(images, (4, 4, 4, 4))
    corners = torch.randint(9, (len(images), 2)).tolist()
    return torch.stack([image[:, i : i + 32, j : j + 32] for image, (i, j) in zip(padded, corners, strict=True)])


def plain_epoch(
    network: nn.Module, optimiser: torch.optim.Optimizer, data: Data, mean: Tensor, deviation: Tensor
) -> tuple[float, float]:
    """Train for an epoch, as tutorials write it."""
    network.train()
    total_loss, correct = 0.0, 0
    for indices in torch.randperm(N).split(BATCH):
        images = changed((data.train[indices].float() / 255 - mean) / deviation)
        labels = data.train_labels[indices]
        optimiser.zero_grad()
        logits = network(images.to(memory_format=torch.channels_last))
        loss = nn.functional.cross_entropy(logits, labels)
        loss.backward()
        optimiser.step()
        total_loss += loss.item() * len(indices)
        correct += (logits.argmax(1) == labels).sum().item()
    return total_loss / N, correct / N


def beside_a_plain_loop(settings: NetworkSettings) -> tuple[list[float], list[float]]:
    """Return the seconds of each epoch of a study, and of as many of the plain loop between them."""
    data = noise()
    network = make_network(settings, data, 0).to(memory_format=torch.channels_last)
    optimiser = torch.optim.SGD(network.parameters(), lr=LR, momentum=MOMENTUM, weight_decay=DECAY)
    pixels = data.train.float() / 255
    mean, deviation = pixels.mean((0, 2, 3), keepdim=True), pixels.std((0, 2, 3), keepdim=True)
    study, plain = [], []
    started = 0.0

    def after_epoch(*_: object) -> None:
        nonlocal started
        ended = time.perf_counter()
        study.append(ended - started)
        torch.use_deterministic_algorithms(False)
        plain_epoch(network, optimiser, data, mean, deviation)
        plain.append(time.perf_counter() - ended)
        torch.use_deterministic_algorithms(True, warn_only=True)
        started = time.perf_counter()

    with tempfile.TemporaryDirectory() as folder:
        train(run(folder, settings, EPOCHS + 1, 1), data, after_epoch)
    return study[1:], plain[1:]  # the first contains preparations


def one_epoch(settings: NetworkSettings, threads: int) -> float:
    """Return the seconds of the second of two epochs of a study."""
    ends: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        train(run(folder, settings, 2, threads), noise(), lambda *_: ends.append(time.perf_counter()))
    return ends[1] - ends[0]


def in_processes(settings: NetworkSettings, start: Barrier, seconds: multiprocessing.SimpleQueue) -> None:
    """Train on one thread, at the same time as others."""
    for _ in range(TIMES):
        start.wait()
        seconds.put(one_epoch(settings, 1))


def threads_and_processes(settings: NetworkSettings) -> dict[str, float]:
    """Return images per second by one process on one thread and on two, and by two processes together."""
    context = multiprocessing.get_context("spawn")
    start, seconds = context.Barrier(3), context.SimpleQueue()
    processes = [context.Process(target=in_processes, args=(settings, start, seconds)) for _ in range(2)]
    for process in processes:
        process.start()
    taken: dict[str, list[float]] = {"one thread": [], "two threads": [], "two processes": []}
    for _ in range(TIMES):
        taken["one thread"].append(one_epoch(settings, 1))
        taken["two threads"].append(one_epoch(settings, 2))
        start.wait()
        taken["two processes"].append(max(seconds.get(), seconds.get()) / 2)
    for process in processes:
        process.join()
    return {name: N / statistics.median(values) for name, values in taken.items()}


def main() -> None:
    """Measure, and print tables."""
    from measure import machine  # which sets threads, and training processes read this file too

    torch.set_num_threads(1)
    print(f"{machine()}, PyTorch {torch.__version__}")
    print(f"\n{N} images of 3 x 32 x 32 an epoch, batches of {BATCH}, flips and crops; medians of images per second")
    print(f"{'one thread':28} {'study':>7} {'plain loop':>11} {'study over plain loop':>22}   of single epochs")
    for name, settings in NETWORKS.items():
        study, plain = beside_a_plain_loop(settings)
        ratios = sorted(b / a for a, b in zip(study, plain, strict=True))
        speeds = [N / statistics.median(values) for values in (study, plain)]
        range_ = f"{ratios[0]:.2f} to {ratios[-1]:.2f}"
        print(f"{name:28} {speeds[0]:7.0f} {speeds[1]:11.0f} {statistics.median(ratios):22.2f}   {range_}", flush=True)
    print(f"\n{'images per second':28} {'one thread':>11} {'two threads':>12} {'two processes of one':>21}")
    for name, settings in NETWORKS.items():
        one, two, both = threads_and_processes(settings).values()
        print(f"{name:28} {one:11.0f} {two:12.0f} {both:21.0f}", flush=True)
        print(f"{'  over one thread':28} {1:11.2f} {two / one:12.2f} {both / one:21.2f}", flush=True)


if __name__ == "__main__":
    main()
