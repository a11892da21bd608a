"""Print constraints that hold dependencies at the oldest versions that pyproject.toml allows.

python tools/oldest_versions.py               the core's dependencies
python tools/oldest_versions.py plot,frames   those of extras as well
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]


def oldest_versions(project: dict, extras: list[str]) -> list[str]:
    """Return one constraint `name==version` for each dependency of the core and of some extras.

    Parameters
    ----------
    project
        The table `project` of pyproject.toml.
    extras
        Names of extras. Extras that they include are followed.

    Raises
    ------
    SystemExit
        If a dependency has no lower bound, or has another kind of bound.
    """
    requirements = [*map(Requirement, project["dependencies"])]
    waiting, seen = list(extras), set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        for requirement in map(Requirement, project["optional-dependencies"][name]):
            if requirement.name == project["name"]:
                waiting.extend(requirement.extras)
            else:
                requirements.append(requirement)
    return sorted({f"{requirement.name}=={_lower_bound(requirement)}" for requirement in requirements})


def _lower_bound(requirement: Requirement) -> str:
    """Return the version in `name>=version`, the only form of requirement that the project uses."""
    bounds = list(requirement.specifier)
    if len(bounds) != 1 or bounds[0].operator != ">=":
        raise SystemExit(f"pyproject.toml: {requirement} should state a lower bound and nothing else")
    return bounds[0].version


def main() -> None:
    """Print the constraints, one a line."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    print("\n".join(oldest_versions(project, [name for name in "".join(sys.argv[1:]).split(",") if name])))


if __name__ == "__main__":
    main()
