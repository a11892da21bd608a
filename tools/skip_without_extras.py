"""A plugin of pytest: a test that imports what an extra would bring, and that is not installed, is skipped.

python -m pytest -p skip_without_extras    with this folder on PYTHONPATH

So the tests of the core run where only the core is installed. What is skipped is counted, with the package's name.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import sys
from collections.abc import Sequence
from types import ModuleType

import pytest

EXTRAS = {"dask", "distributed", "h5py", "lightning", "matplotlib", "onnx", "onnxruntime", "pandas", "PIL", "pyarrow"}
EXTRAS |= {"huggingface_hub", "torch", "transformers", "zarr"}
DEVELOPMENT = {"array_api_strict", "calibrated_similarity", "dcor", "jax", "ot", "playwright", "rsatoolbox"}


class SkipMissing(importlib.abc.MetaPathFinder):
    """The last finder: it is asked only for what no other finder has found."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Skip the test that imports a package of an extra; let other packages be reported as missing."""
        if fullname in EXTRAS | DEVELOPMENT:
            pytest.skip(f"needs {fullname}", allow_module_level=True)
        return None


sys.meta_path.append(SkipMissing())
