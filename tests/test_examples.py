"""The examples of the gallery run as scripts, show pictures, and together draw everything that can be drawn."""

from __future__ import annotations

import ast
import inspect
import os
import subprocess
import sys
from pathlib import Path

import pytest

import spanmatch as sm
from spanmatch.report import figures

ROOT = Path(__file__).parent.parent
EXAMPLES = sorted((ROOT / "examples").glob("*/plot_*.py"))
SECONDS = 120
"""More than the 20 seconds that an example may take on two idle cores: those of a test are busy."""
COUNTING = """
import runpy, sys
import matplotlib
matplotlib.use("agg")
import matplotlib.pyplot as plt
runpy.run_path(sys.argv[1], run_name="__main__")
figures = [plt.figure(number) for number in plt.get_fignums()]
print("figures:", sum(any(ax.has_data() for ax in figure.axes) for figure in figures))
"""


@pytest.mark.slow
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_runs_and_draws(example, tmp_path):
    variables = {**os.environ, "MPLBACKEND": "agg", "PYTHONWARNINGS": "default"}
    variables["PYTHONPATH"] = os.pathsep.join([str(ROOT / "src"), variables.get("PYTHONPATH", "")])
    command = [sys.executable, "-c", COUNTING, str(example)]
    ended = subprocess.run(
        command, cwd=tmp_path, env=variables, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert "Traceback" not in ended.stderr
    assert int(ended.stdout.rpartition("figures: ")[2]) >= 1
    assert not list(tmp_path.iterdir())


def test_examples_are_pages_of_the_gallery():
    assert len(EXAMPLES) >= 15
    for folder in {example.parent for example in EXAMPLES} | {ROOT / "examples"}:
        title, line, *_ = (folder / "GALLERY_HEADER.rst").read_text().splitlines()
        assert len(line) == len(title) and set(line) <= {"=", "-"}
    for example in EXAMPLES:
        text = example.read_text()
        title, line, *_ = ast.get_docstring(ast.parse(text)).splitlines()
        assert set(line) == {"="} and len(line) == len(title), example
        assert text.count("\n# %%\n") >= 1 and text.endswith("plt.show()\n"), example
        prose = [part for part in text.splitlines() if part.startswith("# ")]
        assert max(map(len, prose)) <= 110, example


def test_everything_that_can_be_drawn_is_in_the_gallery():
    called = {name for example in EXAMPLES for name in _calls(example)}
    methods = {
        name for one in map(sm.__dict__.get, sm.__all__) if inspect.isclass(one) for name in dir(one) if _is_plot(name)
    }
    drawing = {name for name, one in vars(figures).items() if inspect.isfunction(one) and _is_figure(name, one)}
    assert methods - called == set()
    assert {f"figures.{name}" for name in drawing} - called == set()


def test_every_result_with_a_picture_is_in_the_gallery(monkeypatch):
    """Every function that returns a result with a picture is called in some example, or its method is."""
    text = "\n".join(example.read_text() for example in EXAMPLES)
    made_by = {
        "Alignment": "sm.one_to_one(",
        "Bench": "sm.Bench.load(",
        "CCA": "sm.cca(",
        "Changes": ".changes()",
        "Clusters": "sm.clusters(",
        "Coefficients": ".coefficients(pair).plot(",
        "Comparison": "comparison.plot(",
        "Correlation": "sm.correlation(",
        "Correspondence": ".correspondence()",
        "Difference": "difference.plot(",
        "Evidence": "sm.assess(",
        "ExactStructure": "sm.exact_structure(",
        "FeaturePartners": "partners = sm.feature_partners(",
        "FeatureUniversality": "sm.feature_universality(",
        "HeldOut": "sm.held_out(",
        "Information": "sm.mutual_information(",
        "Interval": "sm.jackknife(",
        "LayerAlignment": "sm.align(",
        "LayerMatrix": "sm.layer_matrix(",
        "Match": "match.plot(",
        "MatchProfile": "profile.plot(",
        "MinimumMatch": "sm.minimum_match(",
        "NetworkScore": ".score()",
        "Null": "sm.null(",
        "PairResult": 'comparison["relu1"].plot(',
        "PermutationTest": "sm.permutation_test(",
        "ProfileEvidence": "sm.profile_evidence(",
        "Regression": "sm.linear_regression(",
        "Significance": ".significance(",
        "SimpleMatch": "matches.matches[0].plot(",
        "SimpleMatches": "sm.simple_matches(",
        "SoftMatching": "sm.soft_matching(",
        "SparseMap": "sm.sparse_map(",
        "Spread": "sm.over_seeds(",
        "Stability": ".stability(middle).plot(",
        "Study": "sm.Study.load(",
        "TopInputs": ".top(",
        "TrackedStep": "tracker.steps[-1].plot(",
        "Tracker": "tracker.plot(",
        "Transplant": "transplant.plot(",
        "Universality": "sm.universality(",
    }
    drawn = {name for name in sm.__all__ if inspect.isclass(getattr(sm, name)) and hasattr(getattr(sm, name), "plot")}
    assert drawn == set(made_by)
    assert [name for name, call in made_by.items() if call not in text] == []


def _calls(example: Path) -> set[str]:
    """Return the names of the methods and functions that an example calls, with `figures.` for those of figures."""
    calls = [node.func for node in ast.walk(ast.parse(example.read_text())) if isinstance(node, ast.Call)]
    attributes = [call for call in calls if isinstance(call, ast.Attribute)]
    names = {call.attr for call in attributes}
    return names | {f"{call.value.id}.{call.attr}" for call in attributes if isinstance(call.value, ast.Name)}


def _is_plot(name: str) -> bool:
    return name == "plot" or name.startswith("plot_")


def _is_figure(name: str, function: object) -> bool:
    return not name.startswith("_") and str(inspect.signature(function).return_annotation).startswith("Figure")
