"""A release is refused for what it lacks, for what it should not contain, and where its files disagree."""

from __future__ import annotations

import io
import shutil
import sys
import tarfile
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from release_check import interpreters, supported_versions
from release_contents import (
    difference,
    release_date,
    sdist_problems,
    source_date_epoch,
    tree_problems,
    unnamed_scripts,
    version,
    wheel_problems,
)

import spanmatch as sm

ROOT = Path(__file__).parents[2]
INFORMATION = f"spanmatch-{sm.__version__}.dist-info"
METADATA = f"""Metadata-Version: 2.4
Name: spanmatch
Version: {sm.__version__}
Requires-Python: >=3.11
License-Expression: Apache-2.0
Requires-Dist: numpy>=1.26
Requires-Dist: torch>=2.2; extra == 'torch'
"""


@pytest.fixture(scope="module")
def contents() -> dict[str, bytes]:
    """What a wheel of this tree contains."""
    import tomllib

    source = ROOT / "src"
    files = [path for path in source.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    contents = {path.relative_to(source).as_posix(): path.read_bytes() for path in files}
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    provided = "".join(f"Provides-Extra: {name}\n" for name in extras)
    licences = ("LICENSE", "src/spanmatch/report/vendor/LICENSES.txt")
    return {
        **contents,
        f"{INFORMATION}/METADATA": (METADATA + provided).encode(),
        f"{INFORMATION}/RECORD": b"",
        **{f"{INFORMATION}/licenses/{name}": (ROOT / name).read_bytes() for name in licences},
    }


def wheel(folder: Path, contents: dict[str, bytes], name: str = "spanmatch.whl") -> Path:
    with zipfile.ZipFile(folder / name, "w") as archive:
        for member, data in contents.items():
            archive.writestr(zipfile.ZipInfo(member), data)
    return folder / name


def sdist(folder: Path, names: list[str]) -> Path:
    with tarfile.open(folder / "spanmatch.tar.gz", "w:gz") as archive:
        for name in names:
            archive.addfile(tarfile.TarInfo(f"spanmatch-{sm.__version__}/{name}"), io.BytesIO())
    return folder / "spanmatch.tar.gz"


def test_the_files_that_state_the_version_agree():
    assert version(ROOT) == sm.__version__
    assert tree_problems(ROOT) == tree_problems(ROOT, f"v{sm.__version__}") == []
    assert tree_problems(ROOT, "v9.0") == [f"the tag is v9.0, but the version is {sm.__version__}"]


@pytest.mark.parametrize(
    ("before", "after"), [("version: ", "version: 9"), ("date-released: ", "date-released: 1999-01-01 # ")]
)
def test_a_citation_of_another_version_or_date_is_a_problem(tmp_path, before, after):
    copy_of_what_states_the_version(tmp_path)
    path = tmp_path / "CITATION.cff"
    path.write_text(path.read_text().replace(f"\n{before}", f"\n{after}"))
    assert "CITATION.cff" in tree_problems(tmp_path)[0]


def test_a_version_without_a_section_in_the_changelog_is_a_problem(tmp_path):
    copy_of_what_states_the_version(tmp_path)
    (tmp_path / "CHANGELOG.md").write_text(f"## [{sm.__version__}]\n")
    assert tree_problems(tmp_path) == [f"CHANGELOG.md: no section [{sm.__version__}] with a date"]
    with pytest.raises(SystemExit, match="no section"):
        source_date_epoch(tmp_path)


def test_time_stamps_are_midnight_of_the_release():
    moment = datetime.fromtimestamp(source_date_epoch(ROOT), tz=UTC)
    assert (moment.date(), moment.hour, moment.minute, moment.second) == (release_date(ROOT), 0, 0, 0)


def test_a_good_wheel_has_no_problems(tmp_path, contents):
    assert wheel_problems(wheel(tmp_path, contents), ROOT) == []


@pytest.mark.parametrize(
    "name",
    [
        "spanmatch/py.typed",
        "spanmatch/report/assets/base.html",
        "spanmatch/report/vendor/d3.min.js",
        "spanmatch/report/vendor/LICENSES.txt",
        "spanmatch/study/demo.toml",
        f"{INFORMATION}/METADATA",
        f"{INFORMATION}/licenses/LICENSE",
        f"{INFORMATION}/licenses/src/spanmatch/report/vendor/LICENSES.txt",
    ],
)
def test_a_wheel_without_a_file_is_refused(tmp_path, contents, name):
    problems = wheel_problems(wheel(tmp_path, {key: data for key, data in contents.items() if key != name}), ROOT)
    assert any(name in text for text in problems)


@pytest.mark.parametrize("name", ["tests/conftest.py", "docs/start.md", "spanmatch/notes.txt", "spanmatch/x.pyc"])
def test_a_wheel_with_another_file_is_refused(tmp_path, contents, name):
    assert wheel_problems(wheel(tmp_path, {**contents, name: b""}), ROOT) == [f"spanmatch.whl: contains {name}"]


def test_a_wheel_of_another_tree_is_refused(tmp_path, contents):
    name = "spanmatch/errors.py"
    problems = wheel_problems(wheel(tmp_path, {**contents, name: b"# old"}), ROOT)
    assert problems == [f"spanmatch.whl: {name} is not the file of the tree"]


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        (f"Version: {sm.__version__}", "Version: 9.0", "Version is 9.0"),
        ("Requires-Python: >=3.11", "Requires-Python: >=3.8", "Requires-Python is >=3.8"),
        ("numpy>=1.26", "numpy>=1.26,<3", "numpy>=1.26,<3 has an upper bound"),
        ("torch>=2.2;", "torch==2.2;", "torch==2.2 has an upper bound"),
        ("Provides-Extra: zarr\n", "", "no extra zarr"),
    ],
)
def test_a_wheel_with_other_metadata_is_refused(tmp_path, contents, before, after, message):
    name = f"{INFORMATION}/METADATA"
    changed = contents[name].replace(before.encode(), after.encode())
    assert changed != contents[name]
    (problem,) = wheel_problems(wheel(tmp_path, {**contents, name: changed}), ROOT)
    assert message in problem


def test_a_vendored_script_without_its_licence_is_found():
    assert unnamed_scripts(["d3.min.js", "new.js"], "d3 7.9.0 (d3.min.js)\n\nPermission to ...") == ["new.js"]


SOURCES = [
    *(path.name for path in ROOT.iterdir() if path.is_file()),
    *(f"{folder}/file" for folder in ("src", "tests", "tools", "docs", "benchmarks", "studies")),
]


def test_a_good_source_distribution_has_no_problems(tmp_path):
    assert sdist_problems(sdist(tmp_path, SOURCES), ROOT) == []


@pytest.mark.parametrize("name", ["constraints.txt", "CHANGELOG.md", "Makefile", "pyproject.toml", "tools/file"])
def test_a_source_distribution_without_a_file_is_refused(tmp_path, name):
    (problem,) = sdist_problems(sdist(tmp_path, [other for other in SOURCES if other != name]), ROOT)
    assert problem.endswith(name.partition("/")[0])


@pytest.mark.parametrize("name", ["node_modules/d3/index.js", "site/index.html", "src/spanmatch/__pycache__/x.pyc"])
def test_a_source_distribution_with_generated_files_is_refused(tmp_path, name):
    assert sdist_problems(sdist(tmp_path, [*SOURCES, name]), ROOT) == [f"spanmatch.tar.gz: contains {name}"]


def test_builds_that_differ_are_told_apart(tmp_path):
    first = wheel(tmp_path, {"a": b"1", "b": b"2"})
    assert difference(first, shutil.copy(first, tmp_path / "copy.whl")) is None
    changed = difference(first, wheel(tmp_path, {"a": b"1", "b": b"3"}, "changed.whl"))
    assert changed == "spanmatch.whl: two builds differ in b"
    reordered = difference(first, wheel(tmp_path, {"b": b"2", "a": b"1"}, "reordered.whl"))
    assert reordered == "spanmatch.whl: two builds differ in their order, times or modes"


def test_pythons_are_found_or_missing():
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert here in supported_versions(ROOT)
    assert interpreters([here, "3.99"]) == {here: Path(sys.executable), "3.99": None}


def copy_of_what_states_the_version(folder: Path) -> None:
    for name in ("CHANGELOG.md", "CITATION.cff", "src/spanmatch/__about__.py"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
