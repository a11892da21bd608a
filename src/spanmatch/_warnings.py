"""Warnings of other libraries that say nothing to the user, ignored while a block of code runs."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator

from ._process_state import ProcessState

_filters = ProcessState()


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

    def save() -> Callable[[], object]:
        saved = warnings.catch_warnings()
        saved.__enter__()
        return lambda: saved.__exit__(None, None, None)

    with _filters.changed(save, lambda: warnings.filterwarnings("ignore", message=message, category=category)):
        yield
