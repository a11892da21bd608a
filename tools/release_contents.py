"""What a release must state and contain: the problems of a tree, a wheel and a source distribution, as sentences."""

from __future__ import annotations

import hashlib
import re
import tarfile
import tomllib
import zipfile
from collections.abc import Iterable
from datetime import UTC, date, datetime
from email.message import Message
from email.parser import Parser
from pathlib import Path, PurePosixPath

import yaml

PACKAGE = "spanmatch"
LICENCES = "report/vendor/LICENSES.txt"
NEEDED = (
    "py.typed",
    "__init__.pyi",
    "report/assets/base.html",
    "report/assets/page.js",
    "report/assets/page.css",
    LICENCES,
)
"""Files of the package without which it installs, but fails or misleads: types, templates, scripts, licences."""
OF_THE_SOURCE = ("src", "tests", "tools", "docs", "benchmarks", "studies")
"""Folders of the source distribution, from which the package can be tested, documented and built again."""


def version(root: Path) -> str:
    """Return the version that the package states."""
    text = (root / f"src/{PACKAGE}/__about__.py").read_text(encoding="utf-8")
    return re.findall(r'^VERSION = "([^"]+)"$', text, re.M)[0]


def release_date(root: Path) -> date | None:
    """Return the date of this version in CHANGELOG.md, or None if it has no section there."""
    changelog = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    heading = re.search(rf"^## \[{re.escape(version(root))}\] - (\d{{4}}-\d\d-\d\d)$", changelog, re.M)
    return date.fromisoformat(heading[1]) if heading else None


def source_date_epoch(root: Path) -> int:
    """Return the time stamp of all files of a release: midnight of its date, so that the tree alone determines it."""
    day = release_date(root)
    if day is None:
        raise SystemExit(f"CHANGELOG.md has no section [{version(root)}] with a date")
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())


def tree_problems(root: Path, tag: str | None = None) -> list[str]:
    """Return where the files that state the version disagree with each other, or with the tag of a release."""
    day = release_date(root)
    if day is None:
        return [f"CHANGELOG.md: no section [{version(root)}] with a date"]
    citation = yaml.safe_load((root / "CITATION.cff").read_text(encoding="utf-8"))
    cited, wanted = (citation["version"], str(citation["date-released"])), (version(root), str(day))
    problems = [] if cited == wanted else [f"CITATION.cff: version and date {cited}, but CHANGELOG.md has {wanted}"]
    if tag not in (None, f"v{version(root)}"):
        problems.append(f"the tag is {tag}, but the version is {version(root)}")
    return problems


def wheel_problems(wheel: Path, root: Path) -> list[str]:
    """Return what is missing from a wheel, or should not be in it.

    It must hold the files of the package, with the bytes of the tree, and the metadata; nothing else.
    """
    with zipfile.ZipFile(wheel) as archive:
        contents = {name: archive.read(name) for name in archive.namelist() if not name.endswith("/")}
    information = f"{PACKAGE}-{version(root)}.dist-info/"
    package = {name: data for name, data in contents.items() if name.startswith(f"{PACKAGE}/")}
    others = [name for name in contents if name not in package and not name.startswith(information)]
    problems = [f"{wheel.name}: contains {name}" for name in others]
    problems += _package_problems(wheel.name, package, root)
    metadata = contents.get(f"{information}METADATA")
    if metadata is None:
        return [*problems, f"{wheel.name}: no {information}METADATA"]
    problems += _metadata_problems(wheel.name, Parser().parsestr(metadata.decode()), root)
    for path in (root / "LICENSE", root / f"src/{PACKAGE}/{LICENCES}"):
        name = f"{information}licenses/{path.relative_to(root).as_posix()}"
        if contents.get(name) != path.read_bytes():
            problems.append(f"{wheel.name}: {name} is missing or differs")
    return problems


def sdist_problems(sdist: Path, root: Path) -> list[str]:
    """Return what is missing from a source distribution, or should not be in it."""
    with tarfile.open(sdist) as archive:
        paths = [PurePosixPath(member.name).relative_to(f"{PACKAGE}-{version(root)}") for member in archive]
    names = {path.as_posix() for path in paths}
    files = [path.name for path in root.iterdir() if path.is_file() and not path.name.startswith(".") and path.suffix]
    problems = [f"{sdist.name}: no file {name}" for name in sorted({*files, "Makefile"} - names)]
    problems += [f"{sdist.name}: no folder {name}" for name in OF_THE_SOURCE if not _within(name, names)]
    generated = ("node_modules", "build", "dist", "site", ".venv", "__pycache__")
    problems += [f"{sdist.name}: contains {path}" for path in paths if set(path.parts) & set(generated)]
    return problems


def difference(first: Path, second: Path) -> str | None:
    """Return how two archives differ, or None if their bytes are the same."""
    if first.read_bytes() == second.read_bytes():
        return None
    (one, other), name = map(_digests, (first, second)), first.name
    differing = sorted(member for member in one.keys() | other.keys() if one.get(member) != other.get(member))
    return f"{name}: two builds differ in {', '.join(differing) or 'their order, times or modes'}"


def unnamed_scripts(scripts: Iterable[str], licences: str) -> list[str]:
    """Return the vendored scripts whose licence the text does not name."""
    return [name for name in scripts if f"({name})" not in licences]


def _package_problems(wheel: str, package: dict[str, bytes], root: Path) -> list[str]:
    """Return which files of the package are missing from a wheel, added or changed."""
    source = root / "src"
    files = {path.relative_to(source).as_posix(): path for path in source.rglob("*") if _belongs(path)}
    problems = [f"{wheel}: no file {name}" for name in sorted(files.keys() - package.keys())]
    problems += [f"{wheel}: contains {name}" for name in sorted(package.keys() - files.keys())]
    shared = sorted(files.keys() & package.keys())
    problems += [
        f"{wheel}: {name} is not the file of the tree" for name in shared if files[name].read_bytes() != package[name]
    ]
    problems += [f"{wheel}: no file {PACKAGE}/{name}" for name in NEEDED if f"{PACKAGE}/{name}" not in package]
    vendored = [PurePosixPath(name).name for name in package if "/vendor/" in name and name.endswith(".js")]
    licences = package.get(f"{PACKAGE}/{LICENCES}", b"").decode()
    return problems + [f"{wheel}: {LICENCES} does not name {name}" for name in unnamed_scripts(vendored, licences)]


def _metadata_problems(wheel: str, metadata: Message, root: Path) -> list[str]:
    """Return where a wheel's metadata differ from pyproject.toml, and which dependencies have upper bounds."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    stated = {
        "Version": version(root),
        "Requires-Python": project["requires-python"],
        "License-Expression": project["license"],
    }
    problems = [
        f"{wheel}: {key} is {metadata[key]}, not {value}" for key, value in stated.items() if metadata[key] != value
    ]
    missing = set(project["optional-dependencies"]) - set(metadata.get_all("Provides-Extra", []))
    problems += [f"{wheel}: no extra {name}" for name in sorted(missing)]
    requirements = [text.partition(";")[0] for text in metadata.get_all("Requires-Dist", [])]
    return problems + [
        f"{wheel}: {text.strip()} has an upper bound" for text in requirements if re.search("<|==|~=", text)
    ]


def _belongs(path: Path) -> bool:
    """Return whether a path is a file of the package and not one that Python made."""
    return path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc"


def _within(folder: str, names: set[str]) -> bool:
    """Return whether any of the names is inside a folder."""
    return any(name.startswith(f"{folder}/") for name in names)


def _digests(archive: Path) -> dict[str, str]:
    """Return the digest of each file in a wheel or a source distribution."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            return {name: hashlib.sha256(wheel.read(name)).hexdigest() for name in wheel.namelist()}
    with tarfile.open(archive) as sdist:
        members = [(member.name, sdist.extractfile(member)) for member in sdist if member.isfile()]
        return {name: hashlib.sha256(file.read()).hexdigest() for name, file in members if file is not None}
