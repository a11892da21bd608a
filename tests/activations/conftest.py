"""Random numbers of tests of networks."""

from __future__ import annotations

import pytest
import torch


@pytest.fixture(autouse=True)
def generator_of_its_own():
    """Give each test PyTorch's generator as if no other test had drawn from it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield
