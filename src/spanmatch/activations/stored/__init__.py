"""Stored activations: one module for each format of files.

To add a format, write its module, and a line in the table `formats.FORMATS`.

A module gives a function ``open_NAME(path, stack, rows_by)``: it returns a `StoredArray` for each array of
the file, reads no more than headers to do so, runs nothing in the file, and leaves what must be
closed to the stack. What its library raises on a damaged file may pass through: `open_arrays` and
`StoredActivations.read` turn it into an error that names the file.
"""

from .activations import ActivationSource, StoredActivations
from .arrays import RowIds, StoredArray
from .in_memory import is_in_memory, needs_reading

__all__ = ["ActivationSource", "RowIds", "StoredActivations", "StoredArray", "is_in_memory", "needs_reading"]
