"""A plugin of pytest: a test that imports what an extra would bring, and that is not installed, is skipped.

python -m pytest -p skip_without_extras    with this folder on PYTHONPATH

So the tests of the core run where only the core is installed. What is skipped is counted, with the package's name.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import pytest

OURS = [Path(__file__).parents[1] / name for name in ("src", "tests", "docs")]
EXTRAS = {"dask", "distributed", "h5py", "lightning", "matplotlib", "onnx", "onnxruntime", "pandas", "PIL", "pyarrow"}
EXTRAS |= {"huggingface_hub", "numcodecs", "torch", "transformers", "zarr"}
DEVELOPMENT = {"array_api_strict", "calibrated_similarity", "dcor", "jax", "networkx", "ot", "playwright", "rsatoolbox"}


class SkipMissing(importlib.abc.MetaPathFinder):
    """The last finder: it is asked only for what no other finder has found."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Skip the test if spanmatch or a test imports a package of an extra; other imports fail as they do."""
        if fullname in EXTRAS | DEVELOPMENT and _is_ours(_importing_file()):
            pytest.skip(f"needs {fullname}", allow_module_level=True)
        return None


def _is_ours(file: str) -> bool:
    """Return whether a file is of this project; examples of the documentation are executed as strings."""
    return file == "<string>" or any(map(Path(file).is_relative_to, OURS))


def _importing_file() -> str:
    """Return the file of the code that imports, which other libraries do for packages that they can do without."""
    frame = sys._getframe(2)
    while frame.f_back is not None and "importlib" in frame.f_code.co_filename:
        frame = frame.f_back
    return frame.f_code.co_filename


sys.meta_path.append(SkipMissing())
