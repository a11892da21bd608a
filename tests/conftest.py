"""Trained networks, once for all tests; one thread for the small matrices that tests are made of."""

from __future__ import annotations

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

import spanmatch as sm

threadpool_limits(1, user_api="blas")


@pytest.fixture(scope="session")
def demo_study(tmp_path_factory):
    """The demo: three networks trained on digits, compared at every layer."""
    from spanmatch.study import DEMO

    return sm.run_study(DEMO, tmp_path_factory.mktemp("demo") / "spanmatch-demo")


@pytest.fixture(scope="session")
def small_study(tmp_path_factory) -> sm.Study:
    """Two variants of a small network, with every kind of step."""
    from study.test_study import SMALL, written

    folder = tmp_path_factory.mktemp("study")
    text = SMALL + "epochs = [0, 1]\nmatrix = true\nacross = [['a', 'b']]\nalignment = true\ntransplants = 0.5\n"
    text = text.replace("[12]", "[80]") + "[[variants]]\nname = 'a'\n[[variants]]\nname = 'b'\ntraining.start = 'a'\n"
    return sm.run_study(written(folder, text), folder / "out")


@pytest.fixture(scope="session")
def trained_layers(demo_study) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Activations of two trained networks at some layers, as plain arrays."""
    import torch

    from spanmatch.study.datasets import read_data
    from spanmatch.study.settings import DataSettings

    data = read_data(DataSettings())
    images = data.prepared(data.train)
    found: dict[str, list[np.ndarray]] = {}
    for network in list(demo_study.networks().values())[:2]:
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
