"""Build the wheel and the source distribution, check what is in them, and try them in clean environments.

python tools/release_check.py               the core, then all extras, with each supported Python of this machine
python tools/release_check.py --core-only   the core alone, with one Python

The checked files are then in dist/. Everything is built twice, the second time from the unpacked source distribution
in another folder, and both builds must have the same bytes.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import tomllib
from pathlib import Path

from release_contents import difference, sdist_problems, source_date_epoch, tree_problems, wheel_problems

ROOT = Path(__file__).parents[1]
SMOKE_TEST = ROOT / "tools/smoke_test.py"


def main() -> None:
    """Run all checks; exit with a message at the first that fails."""
    options = _arguments()
    _stop_at(tree_problems(ROOT, options.tag))
    pythons = interpreters(supported_versions(ROOT))
    _report_pythons(pythons, options.every_python)
    shutil.rmtree(ROOT / "dist", ignore_errors=True)
    wheel = built_and_checked(ROOT / "dist")
    available = [(name, path) for name, path in pythons.items() if path is not None]
    for name, python in available[:1] if options.core_only else available:
        with tempfile.TemporaryDirectory(prefix="spanmatch-release-") as folder:
            _say(f"Python {name}: the core")
            environment = _environment(python, Path(folder))
            _install(environment, str(wheel))
            _smoke_test(environment, "core")
            if not options.core_only:
                _say(f"Python {name}: all extras")
                _install(environment, options.torch, index=options.torch_index)
                _install(environment, f"{wheel}[all]")
                _smoke_test(environment, "all")
    _say(f"{wheel.relative_to(ROOT)} and its source distribution are ready")


def supported_versions(root: Path) -> list[str]:
    """Return the versions of Python that the classifiers name, as "3.11"."""
    classifiers = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["classifiers"]
    return [
        found[1] for text in classifiers if (found := re.fullmatch(r"Programming Language :: Python :: (3\.\d+)", text))
    ]


def interpreters(versions: list[str]) -> dict[str, Path | None]:
    """Return, for each version, an interpreter of this machine that can make environments, or None."""
    return {name: next(filter(_makes_environments, _candidates(name)), None) for name in versions}


def built_and_checked(folder: Path) -> Path:
    """Build everything twice, check the contents, and return the wheel."""
    epoch = str(source_date_epoch(ROOT))
    _say(f"building, with SOURCE_DATE_EPOCH={epoch}")
    wheel, sdist = _build(ROOT, folder, epoch)
    _stop_at(wheel_problems(wheel, ROOT) + sdist_problems(sdist, ROOT))
    _run(sys.executable, "-m", "twine", "check", "--strict", wheel, sdist)
    _say("building again, from the source distribution")
    with tempfile.TemporaryDirectory(prefix="spanmatch-sdist-") as unpacked:
        with tarfile.open(sdist) as archive:
            archive.extractall(unpacked, filter="data")
        again = _build(Path(unpacked) / sdist.name.removesuffix(".tar.gz"), Path(unpacked) / "dist", epoch)
        _stop_at([text for pair in zip((wheel, sdist), again, strict=True) if (text := difference(*pair))])
    return wheel


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--core-only", action="store_true", help="try the core alone, with the first Python found")
    parser.add_argument("--every-python", action="store_true", help="fail if a supported Python is not on this machine")
    parser.add_argument("--tag", help="fail if the tag of the release is not v and the version")
    parser.add_argument("--torch", default="torch", help="the requirement that is installed before the extras")
    parser.add_argument("--torch-index", help="the index for it, where the builds for CPUs have one of their own")
    return parser.parse_args()


def _report_pythons(pythons: dict[str, Path | None], every_python: bool) -> None:
    """Say which supported versions are missing; stop if none is there, or one is missing and all are needed."""
    missing = [name for name, path in pythons.items() if path is None]
    if missing:
        _say(f"not on this machine, so not tried: Python {', '.join(missing)}")
    if len(missing) == len(pythons) or (missing and every_python):
        sys.exit(f"needs Python {', '.join(missing)}")


def _candidates(name: str) -> list[Path]:
    """Return the interpreters of a version: the one that runs, and what PATH finds."""
    here = [Path(sys.executable)] if f"{sys.version_info.major}.{sys.version_info.minor}" == name else []
    found = shutil.which(f"python{name}")
    return here + ([Path(found)] if found else [])


def _makes_environments(python: Path) -> bool:
    """Return whether an interpreter runs and has what environments are made with."""
    return subprocess.run([python, "-c", "import venv, ensurepip"], capture_output=True, check=False).returncode == 0


def _build(tree: Path, folder: Path, epoch: str) -> tuple[Path, Path]:
    """Build a tree; return the wheel and the source distribution."""
    environment = {**os.environ, "SOURCE_DATE_EPOCH": epoch}
    command = (sys.executable, "-m", "build", "--sdist", "--wheel", "--outdir", folder, tree)
    _run(*command, environment=environment)
    (wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return wheel, sdist


def _environment(python: Path, folder: Path) -> Path:
    """Make an empty environment and return its interpreter."""
    _run(python, "-m", "venv", folder)
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def _install(python: Path, requirement: str, index: str | None = None) -> None:
    """Install a requirement, with the versions of constraints.txt."""
    from_index = ("--index-url", index) if index else ()
    constraint = ("--constraint", ROOT / "constraints.txt")
    _run(python, "-m", "pip", "install", "--quiet", "--no-compile", *from_index, *constraint, requirement)


def _smoke_test(python: Path, part: str) -> None:
    """Run the smoke test away from the tree, so that nothing but the installed package is found."""
    with tempfile.TemporaryDirectory(prefix="spanmatch-smoke-") as folder:
        _run(python, "-I", SMOKE_TEST, part, folder=Path(folder))


def _run(*command: str | Path, environment: dict[str, str] | None = None, folder: Path | None = None) -> None:
    """Run a command; show what it printed and stop if it fails."""
    environment = {key: value for key, value in (environment or os.environ).items() if key != "PYTHONPATH"}
    result = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}\n{result.stdout}{result.stderr}")


def _stop_at(problems: list[str]) -> None:
    """Stop if there are problems, and name them."""
    if problems:
        sys.exit("\n".join(problems))


def _say(text: str) -> None:
    """Print a line with the seconds since the start."""
    print(f"[{time.monotonic() - _START:5.0f} s] {text}", flush=True)


_START = time.monotonic()

if __name__ == "__main__":
    main()
