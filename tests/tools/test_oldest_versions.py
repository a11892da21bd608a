"""The constraints of `make test-oldest` are the lower bounds of pyproject.toml."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from oldest_versions import oldest_versions
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
PROJECT = {
    "name": "p",
    "dependencies": ["numpy>=1.26", "rich>=13"],
    "optional-dependencies": {"draw": ["matplotlib>=3.8"], "all": ["p[draw]", "zarr>=3"], "loop": ["p[all,loop]"]},
}


@pytest.mark.parametrize(
    ("extras", "expected"),
    [
        ([], ["numpy==1.26", "rich==13"]),
        (["draw"], ["matplotlib==3.8", "numpy==1.26", "rich==13"]),
        (["loop"], ["matplotlib==3.8", "numpy==1.26", "rich==13", "zarr==3"]),
    ],
)
def test_each_lower_bound_is_a_constraint(extras, expected):
    assert oldest_versions(PROJECT, extras) == expected


@pytest.mark.parametrize("requirement", ["numpy", "numpy>=1.26,<3", "numpy==1.26"])
def test_any_other_bound_is_refused(requirement):
    with pytest.raises(SystemExit, match="lower bound and nothing else"):
        oldest_versions({**PROJECT, "dependencies": [requirement]}, [])


def test_all_dependencies_of_the_project_have_a_lower_bound():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    constraints = [Requirement(line).name for line in oldest_versions(project, ["all", "lightning"])]
    stated = [
        *project["dependencies"],
        *(text for extra in project["optional-dependencies"].values() for text in extra),
    ]
    assert set(constraints) == {Requirement(text).name for text in stated} - {"spanmatch"}
