"""The states of the global random number generators, as they were before networks ran."""

from __future__ import annotations

import contextlib
import random
import sys
from collections.abc import Callable, Iterator

import numpy as np


@contextlib.contextmanager
def random_states_kept() -> Iterator[None]:
    """Put back the states of the generators of Python, NumPy and, if it is there, PyTorch, however the block ends."""
    python_state, numpy_state = random.getstate(), np.random.get_state()  # noqa: NPY002
    torch = sys.modules.get("torch")
    if torch is None:
        put_torch_back: Callable[[], object] = lambda: None  # noqa: E731
    else:
        cpu_state = torch.get_rng_state()
        cuda_states = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []

        def put_torch_back() -> None:
            torch.set_rng_state(cpu_state)
            if cuda_states:
                torch.cuda.set_rng_state_all(cuda_states)

    try:
        yield
    finally:
        random.setstate(python_state)
        np.random.set_state(numpy_state)  # noqa: NPY002
        put_torch_back()
