"""Warnings of other libraries that say nothing to the user, ignored while a block of code runs."""

from __future__ import annotations

import contextlib
import threading
import warnings
from collections.abc import Iterator


class _Shared:
    """How many callers ignore warnings now, and the filters to restore after the last of them."""

    lock = threading.Lock()
    callers = 0
    saved = warnings.catch_warnings()


@contextlib.contextmanager
def ignoring(category: type[Warning] = Warning, message: str = "") -> Iterator[None]:
    """Ignore warnings of a category, in all threads, while the block runs.

    Filters belong to the whole process: the first of several callers at a time saves them, in whatever threads they
    are, and the last one restores them. No caller waits for another.

    Parameters
    ----------
    category : type of Warning
        The class of the warnings.
    message : str
        A regular expression that their text begins with.
    """
    with _Shared.lock:
        if not _Shared.callers:
            _Shared.saved = warnings.catch_warnings()
            _Shared.saved.__enter__()
        _Shared.callers += 1
        warnings.filterwarnings("ignore", message=message, category=category)
    try:
        yield
    finally:
        with _Shared.lock:
            _Shared.callers -= 1
            if not _Shared.callers:
                _Shared.saved.__exit__(None, None, None)
