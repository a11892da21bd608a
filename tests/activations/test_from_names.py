"""Files of code named on the command line: run once, with the files beside them, and without a trace elsewhere."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

import spanmatch as sm
from spanmatch.activations import from_names

HELPER = "def value():\n    return {!r}\n"


@pytest.fixture(autouse=True)
def modules_as_before():
    """Forget the modules that a test has imported, as the next one has files of the same names."""
    before = set(sys.modules)
    importlib.invalidate_caches()
    yield
    for name in set(sys.modules) - before:
        if name.startswith((from_names.USER_MODULE, "helper", "parts")):
            del sys.modules[name]


def folder_with(folder: Path, **files: str) -> Path:
    """Write files of code, "parts__inner" as parts/inner.py."""
    for name, code in files.items():
        path = folder / f"{name.replace('__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(code)
    return folder


@pytest.mark.parametrize(
    "code",
    [
        "from helper import value\ndef make():\n    return value()\n",
        "import helper\ndef make():\n    return helper.value()\n",
        "import importlib\nhelper = importlib.import_module('helper')\ndef make():\n    return helper.value()\n",
        "import helper\ndef make():\n    from helper import value\n    return value()\n",
        "from indirect import helper\ndef make():\n    return helper.value()\n",
    ],
)
def test_files_beside_a_file_of_code_can_be_imported(tmp_path, code):
    folder_with(tmp_path, nets=code, helper=HELPER.format("beside"), indirect="import helper\n")
    assert from_names.function(f"{tmp_path}/nets.py:make")() == "beside"


@pytest.mark.parametrize("initial", [{"parts____init__": ""}, {}], ids=["package", "folder"])
def test_folders_beside_a_file_of_code_can_be_imported(tmp_path, initial):
    code = "import parts.inner\nfrom parts.inner import value\ndef make():\n    return value(), parts.inner.value()\n"
    inner = "from .other import value\n"
    folder_with(tmp_path, nets=code, parts__inner=inner, parts__other=HELPER.format("inside"), **initial)
    assert from_names.function(f"{tmp_path}/nets.py:make")() == ("inside", "inside")


def test_the_file_beside_comes_before_an_installed_module(tmp_path, monkeypatch):
    folder_with(tmp_path / "installed", helper=HELPER.format("installed"))
    folder_with(tmp_path / "own", nets="from helper import value\n", helper=HELPER.format("beside"))
    monkeypatch.syspath_prepend(tmp_path / "installed")
    assert from_names.function(f"{tmp_path}/own/nets.py:value")() == "beside"


def test_an_installed_package_comes_before_a_folder_without_code(tmp_path):
    (tmp_path / "helper").mkdir()
    folder_with(tmp_path / "installed", helper=HELPER.format("installed"))
    folder_with(
        tmp_path, nets=f"import sys\nsys.path.append({str(tmp_path / 'installed')!r})\nfrom helper import value\n"
    )
    before = list(sys.path)
    try:
        assert from_names.function(f"{tmp_path}/nets.py:value")() == "installed"
    finally:
        sys.path[:] = before


def test_files_of_two_folders_each_import_their_own(tmp_path):
    """Such as two repositories, each with its own model.py."""
    for name in "ab":
        folder_with(tmp_path / name, nets="import helper\nvalue = helper.value\n", helper=HELPER.format(name))
    first, second = (from_names.function(f"{tmp_path}/{name}/nets.py:value") for name in "ab")
    assert (first(), second()) == ("a", "b")
    assert sys.modules["helper"].value() == "a"
    folder_with(tmp_path / "a", again="import helper\nvalue = helper.value\n")
    assert from_names.function(f"{tmp_path}/a/again.py:value") is first


@pytest.mark.parametrize(
    "code", ["import helper\ndef make():\n    pass\n", "import helper\n1 / 0\n", "import nothing\n"]
)
def test_importing_changes_nothing_but_the_modules(tmp_path, code):
    folder_with(tmp_path, nets=code, helper=HELPER.format("beside"))
    before = list(sys.path), list(sys.meta_path), list(sys.path_hooks)
    try:
        from_names.function(f"{tmp_path}/nets.py:make")
    except sm.SpanmatchError as error:
        assert "failed" in str(error)
    assert (list(sys.path), list(sys.meta_path), list(sys.path_hooks)) == before


def test_other_threads_do_not_see_the_folder(tmp_path):
    code = (
        "import threading\n"
        "def look():\n"
        "    try:\n"
        "        import helper\n"
        "    except ImportError:\n"
        "        seen.append('nothing')\n"
        "seen = []\n"
        "other = threading.Thread(target=look)\n"
        "other.start()\n"
        "other.join()\n"
        "import helper\n"
        "def make():\n"
        "    return seen, helper.value()\n"
    )
    folder_with(tmp_path, nets=code, helper=HELPER.format("beside"))
    assert from_names.function(f"{tmp_path}/nets.py:make")() == (["nothing"], "beside")


def test_a_file_is_run_once_by_whatever_path(tmp_path, monkeypatch):
    folder_with(tmp_path, nets="def make():\n    return 1\n")
    monkeypatch.chdir(tmp_path)
    first = from_names.function("nets.py:make")
    assert from_names.function(f"{tmp_path}/nets.py:make") is first
    assert from_names.function(f"{tmp_path}/../{tmp_path.name}/nets.py:make") is first
    assert first.__module__.startswith(from_names.USER_MODULE) and sys.modules[first.__module__].make is first
