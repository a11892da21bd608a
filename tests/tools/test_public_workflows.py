"""Workflows, forms and citation of a public repository are valid; they grant and name no more than what is needed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from release_check import supported_versions

ROOT = Path(__file__).parents[2]
PUBLIC = ROOT / ".github"
WORKFLOWS = {path.stem: path for path in PUBLIC.glob("workflows/*.yml")}
FORMS = sorted(path for path in PUBLIC.glob("ISSUE_TEMPLATE/*.yml") if path.stem != "config")
GRANTED = {
    ("docs", "deploy"): {"pages": "write", "id-token": "write"},
    ("release", "publish"): {"id-token": "write"},
}
"""All permissions beyond reading the code: to publish the site, and to identify itself to the registry."""


def workflow(name: str) -> dict:
    content = yaml.safe_load(WORKFLOWS[name].read_text())
    content["on"] = content.pop(True)  # the key `on` is a boolean in YAML 1.1
    return content


def steps(name: str) -> list[dict]:
    return [step for job in workflow(name)["jobs"].values() for step in job["steps"]]


def test_there_are_workflows_for_tests_documentation_and_releases():
    assert set(WORKFLOWS) == {"tests", "docs", "release"}


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_workflow_may_do_no_more_than_it_needs(name):
    assert workflow(name)["permissions"] == {"contents": "read"}
    for job, settings in workflow(name)["jobs"].items():
        assert settings.get("permissions") == GRANTED.get((name, job))
        assert settings["timeout-minutes"] <= 90


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_workflow_stores_no_secret_and_runs_no_text_of_strangers(name):
    text = WORKFLOWS[name].read_text()
    assert "secrets." not in text and "pull_request_target" not in text
    allowed = r"\$\{\{ (matrix\.(os|python)|vars\.TORCH_INDEX|github\.ref) \}\}"
    assert "${{" not in re.sub(allowed, "", text)
    assert all("${{" not in step.get("run", "") for step in steps(name))


@pytest.mark.parametrize("name", WORKFLOWS)
def test_actions_are_of_a_stated_version(name):
    actions = [step["uses"] for step in steps(name) if "uses" in step]
    assert actions and all(re.fullmatch(r"(actions|pypa)/[\w-]+@(v\d+|release/v1)", action) for action in actions)


def test_tests_run_on_all_supported_pythons_and_two_systems():
    matrix = workflow("tests")["jobs"]["test"]["strategy"]["matrix"]
    assert matrix["python"] == supported_versions(ROOT)
    assert len({system.partition("-")[0] for system in matrix["os"]}) == 2


def test_a_release_is_built_with_all_supported_pythons():
    (versions,) = [
        step["with"]["python-version"] for step in steps("release") if "setup-python" in step.get("uses", "")
    ]
    assert sorted(versions.split()) == supported_versions(ROOT)
    (command,) = [step["run"] for step in steps("release") if "run" in step]
    assert "make release-check" in command and "--every-python" in command and "--tag $GITHUB_REF_NAME" in command


def test_only_a_tag_releases_and_only_what_was_checked():
    release = workflow("release")
    assert release["on"] == {"push": {"tags": ["v*"]}}
    assert release["jobs"]["publish"]["needs"] == "build"
    assert release["jobs"]["publish"]["environment"] == {"name": "release"}
    publishing = [name for name in WORKFLOWS for step in steps(name) if "publish" in step.get("uses", "")]
    assert publishing == ["release"]


def test_a_site_is_published_from_main_alone():
    assert "refs/heads/main" in workflow("docs")["jobs"]["deploy"]["if"]


def test_workflows_run_targets_that_exist():
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.M))
    commands = [step["run"] for name in WORKFLOWS for step in steps(name) if "run" in step]
    assert all(command.startswith("make ") for command in commands)
    assert {command.split()[1] for command in commands} <= targets


@pytest.mark.parametrize("path", sorted(PUBLIC.rglob("*.*")), ids=lambda path: path.name)
def test_no_host_is_named(path):
    assert re.findall(r"://|\b[\w-]+\.(?:org|com|io|net|dev)\b", path.read_text()) == []


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.name)
def test_forms_of_issues_are_valid(path):
    form = yaml.safe_load(path.read_text())
    assert {"name", "description", "body"} <= form.keys() <= {"name", "description", "body", "labels"}
    ids = [field["id"] for field in form["body"]]
    assert len(set(ids)) == len(ids)
    for field in form["body"]:
        assert field["type"] in {"input", "textarea", "checkboxes"} and field["attributes"]["label"]
    assert any(field.get("validations", {}).get("required") for field in form["body"])


def test_the_citation_names_both_papers_and_the_licence():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()
    assert (citation["cff-version"], citation["license"]) == ("1.2.0", "Apache-2.0")
    papers = [(paper["year"], paper["authors"][0]["family-names"]) for paper in citation["references"]]
    assert papers == [(2018, "Wang"), (2016, "Li")]
