"""Trained networks, once for all tests; one thread for the small matrices that tests are made of."""

from __future__ import annotations

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

threadpool_limits(1, user_api="blas")


@pytest.fixture(scope="session")
def digits_comparison():
    """The demo: two networks trained on digits, compared at every layer."""
    from spanmatch.demo import demo

    return demo()


@pytest.fixture(scope="session")
def trained_layers() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Activations of two trained networks at some layers, as plain arrays."""
    import torch

    from spanmatch.demo import digits, train

    images, labels = digits()
    found: dict[str, list[np.ndarray]] = {}
    for seed in (0, 1):
        network = train(seed, images[:1000], labels[:1000])
        with torch.inference_mode():
            conv1 = network.conv1(images[:300])
            relu1 = torch.relu(conv1)
            relu2 = torch.relu(network.conv2(relu1))
            relu3 = torch.relu(network.conv3(network.pool(relu2)))
            fc1 = network.fc1(relu3.flatten(1))
        for name, values in {"conv1": conv1, "relu1": relu1, "relu3": relu3}.items():
            found.setdefault(name, []).append(values.movedim(1, -1).flatten(0, -2)[::5].double().numpy())
        found.setdefault("fc2", []).append(network.fc2(torch.relu(fc1)).detach().double().numpy())
    return {name: (x, y) for name, (x, y) in found.items()}
