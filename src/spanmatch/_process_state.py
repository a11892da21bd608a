"""State of the whole process that several callers, in any threads, want changed at the same time."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator


class ProcessState:
    """State that the first of several simultaneous callers saves and the last one restores.

    No caller waits for another. What one caller changes holds for all of them.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._callers = 0
        self._restore: Callable[[], object] = lambda: None

    @contextlib.contextmanager
    def changed(
        self, first: Callable[[], Callable[[], object]], each: Callable[[], object] = lambda: None
    ) -> Iterator[None]:
        """Change the state while a block runs.

        Parameters
        ----------
        first : callable
            Saves the state, may change it, and returns a function that restores it; the first
            caller calls it.
        each : callable
            Changes the state further; every caller calls it.
        """
        with self._lock:
            if not self._callers:
                self._restore = first()
            self._callers += 1
        try:
            with self._lock:
                each()
            yield
        finally:
            with self._lock:
                self._callers -= 1
                if not self._callers:
                    self._restore()
