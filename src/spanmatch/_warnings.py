"""Warnings of other libraries that say nothing to the user, ignored one caller at a time."""

from __future__ import annotations

import contextlib
import threading
import warnings
from collections.abc import Iterator

_ONE_AT_A_TIME = threading.RLock()


@contextlib.contextmanager
def ignoring(category: type[Warning] = Warning, message: str = "") -> Iterator[None]:
    """Ignore warnings of a category whose text begins with a regular expression, in all threads meanwhile.

    Filters belong to the process: two threads that each put back what they found would leave the other's behind, so
    that the second waits for the first.
    """
    with _ONE_AT_A_TIME, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=message, category=category)
        yield
