"""Random numbers of tests of networks."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

import pytest


@pytest.fixture(autouse=True)
def generator_of_its_own():
    """Give each test PyTorch's generator as if no other test had drawn from it."""
    try:
        version("torch")
    except PackageNotFoundError:  # the tests of other sources run without it
        yield
        return
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield
