"""Which measures are tested."""

from __future__ import annotations

from collections.abc import Sequence

from ..activations.code_names import is_code
from ..errors import BadArgument
from .candidates import Candidate, Given, known_measures, named_measure
from .own_measures import own_measure


def chosen_measures(given: Sequence[Given] | None = None) -> list[Candidate]:
    """Return the measures to test.

    Parameters
    ----------
    given : sequence of str, Measure or callable, optional
        Names of measures, of which s(eps) is called "s(0.3)", and measures of the caller's own, also as
        "file.py:function". Without names, all measures are tested, with the caller's own.

    Returns
    -------
    list of Candidate

    Raises
    ------
    BadArgument
        If there is no measure of a name, a name is given twice, or a function is not one of a pair or of
        two arrays, or fails.
    """
    if isinstance(given, str) or callable(given):
        raise BadArgument(f"measures={given!r}: give a list")
    given = list(given or ())
    named = [named_measure(item) for item in given if isinstance(item, str) and not is_code(item)]
    own = [own_measure(item) for item in given if not isinstance(item, str) or is_code(item)]
    chosen = [*(named or known_measures().values()), *own]
    names = [candidate.name for candidate in chosen]
    for name in names:
        if names.count(name) > 1:
            raise BadArgument(f"measures: two are called {name!r}; give each a name of its own")
    return chosen
