"""spanmatch: to what extent did two neural networks learn the same representations?

`__init__.pyi` lists the public names. Each is imported when it is used first, so that the command line starts at once.
"""

import lazy_loader

from .__about__ import VERSION as __version__

__getattr__, _, _names = lazy_loader.attach_stub(__name__, __file__)
__all__ = [*_names, "__version__"]  # noqa: PLE0604 - strings, from the stub


def __dir__() -> list[str]:
    """Return the public names."""
    return list(__all__)
