"""Trained networks and a browser, once for all tests; the same random numbers in every test; the slow tests."""

from __future__ import annotations

import os
import random
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

import spanmatch as sm
from studies import SMALL, written

threadpool_limits(1, user_api="blas")  # for the small matrices that tests are made of
os.environ["OMP_NUM_THREADS"] = "1"  # for PyTorch, also in the processes that tests start: small networks gain nothing

SLOW_FIXTURES = {"browser", "demo_study", "small_study", "trained_layers"}
"""Fixtures that train networks or open a browser."""
SLOW = (
    "activations/test_transformers.py",
    "alignment/test_one_to_one.py::test_information_is_scikit_learns_on_the_same_bins",
    "alignment/test_one_to_one.py::test_triangles_that_close_by_shared_factors_close_under_the_null",
    "bench/test_run_bench.py",
    "cli/test_cli.py::test_a_study_is_written_checked_and_run",
    "cli/test_cli.py::test_ctrl_c_exits_with_130_and_leaves_nothing",
    "comparison/test_compare.py::test_simple_matches_are_saved_where_asked_for",
    "interventions/test_transplants.py::test_a_network_that_learned_nothing_does_not_pass_for_one_that_did",
    "evidence/test_evidence.py::test_intervals_cover_what_they_claim",
    "match/test_exactness.py",
    "moments/test_dask_and_ranks.py",
    "reliability/",
    "report/test_bench_page.py",
    "report/test_page.py",
    "test_pictures.py::test_layers_are_drawn_with_their_null",
    "test_pictures.py::test_names_of_forty_layers_do_not_overlap",
    "test_pictures.py::test_pictures_are_drawn_into_the_axes_given",
    "test_saved_results.py::test_a_benchmark_with_any_other_field",
    "test_saved_results.py::test_a_comparison_with_any_other_field",
)
"""Folders, files and tests that take seconds: what their names begin with."""


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as slow the tests that are listed as such, and those that use a slow fixture; say which stay together."""
    for item in items:
        path = item.path.relative_to(Path(__file__).parent).as_posix()
        fixtures = set(getattr(item, "fixturenames", ()))
        if f"{path}::{item.name}".startswith(SLOW) or SLOW_FIXTURES & fixtures:
            item.add_marker(pytest.mark.slow)
        # Tests of one file share its fixtures, so one process runs them; and what is trained is trained once.
        trained = next((name for name in ("demo_study", "small_study") if name in fixtures), path)
        item.add_marker(pytest.mark.xdist_group(trained))


@pytest.fixture(autouse=True)
def _same_random_numbers_in_every_test() -> None:
    """Seed the global generators, so that no test depends on what ran before it."""
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)


@pytest.fixture(scope="session")
def browser():
    """Chromium: one for all tests, as a second one cannot be opened while the first one's event loop runs."""
    from playwright.sync_api import sync_playwright

    executable = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if executable is None:
        pytest.skip("no Chromium here: install Debian's package chromium")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox", "--disable-gpu"])
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def demo_study(tmp_path_factory: pytest.TempPathFactory) -> sm.Study:
    """The demo: three networks trained on digits, compared at every layer."""
    from spanmatch.study import DEMO

    return sm.run_study(DEMO, tmp_path_factory.mktemp("demo") / "spanmatch-demo")


@pytest.fixture(scope="session")
def small_study(tmp_path_factory: pytest.TempPathFactory) -> sm.Study:
    """Two variants of a small network, with every kind of step."""
    folder = tmp_path_factory.mktemp("study")
    text = SMALL + "epochs = [0, 1]\nmatrix = true\nacross = [['a', 'b']]\nalignment = true\ntransplants = [0.5, 0.9]\n"
    text += 'alternatives = [{ name = "centred", centred = true }, { name = "few", max_examples = 50 }]\n'
    text = text.replace("[12]", "[80]") + "[[variants]]\nname = 'a'\n[[variants]]\nname = 'b'\ntraining.start = 'a'\n"
    return sm.run_study(written(folder, text), folder / "out")


@pytest.fixture(scope="session")
def trained_layers(demo_study: sm.Study) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Activations of two trained networks at some layers, as plain arrays."""
    import torch

    from spanmatch.study.datasets import read_data
    from spanmatch.study.settings import DataSettings

    data = read_data(DataSettings())
    images = data.prepared(data.train)
    layers: dict[str, list[np.ndarray]] = {}
    for network in list(demo_study.networks().values())[:2]:
        with torch.inference_mode():
            conv1 = network.conv1(images[:300])
            relu1 = torch.relu(conv1)
            relu2 = torch.relu(network.conv2(relu1))
            relu3 = torch.relu(network.conv3(network.pool(relu2)))
            fc1 = network.fc1(relu3.flatten(1))
            fc2 = network.fc2(torch.relu(fc1))
        for name, values in {"conv1": conv1, "relu1": relu1, "relu3": relu3}.items():
            layers.setdefault(name, []).append(values.movedim(1, -1).flatten(0, -2)[::5].double().numpy())
        layers.setdefault("fc2", []).append(fc2.double().numpy())
    return {name: (x, y) for name, (x, y) in layers.items()}
