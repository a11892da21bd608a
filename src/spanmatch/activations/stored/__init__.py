"""Stored activations: one module for each format of files.

To add a format, write its module, and a line in the table `formats.FORMATS`.

A module gives a function ``open_NAME(path, stack)``: it returns a `StoredArray` for each array of
the file, reads no more than headers to do so, runs nothing in the file, and leaves what must be
closed to the stack. What its library raises on a damaged file may pass through: `open_arrays` and
`StoredActivations.read` turn it into an error that names the file.
"""

from .activations import ActivationSource, StoredActivations
from .arrays import StoredArray

__all__ = ["ActivationSource", "StoredActivations", "StoredArray"]
