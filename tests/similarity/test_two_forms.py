"""What tells the two forms of CKA and RSA apart: docs/choosing.md says it of trained networks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("sklearn")

OVER_ROWS = ("cka, all rows", "rsa sq., all rows")
FLATTENED = ("cka, flattened", "rsa sq., flattened")


@pytest.fixture
def two_forms(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "docs")
    import two_forms

    return two_forms


def maps() -> tuple[np.ndarray, np.ndarray]:
    """Two maps (examples, positions, channels) that are related, with means that depend on the position."""
    r = np.random.default_rng(0)
    A, noise = r.standard_normal((2, 80, 16, 5)) + 2 * r.standard_normal((16, 5))
    return A, A @ r.standard_normal((5, 5)) + noise


def test_shuffling_the_positions_of_each_example_changes_the_flattened_form_alone(two_forms):
    before, after = two_forms.values(*maps()), two_forms.values(*two_forms.shuffled_within_examples(*maps()))
    for name in OVER_ROWS:
        assert after[name] == pytest.approx(before[name], rel=1e-10)
    for name in (*FLATTENED, "rsa, flattened"):
        assert abs(after[name] - before[name]) > 0.002


def test_another_order_of_the_positions_in_one_network_changes_the_form_over_rows_alone(two_forms):
    before, after = two_forms.values(*maps()), two_forms.values(*two_forms.reordered_in_one(*maps()))
    for name in FLATTENED:
        assert after[name] == pytest.approx(before[name], rel=1e-7)
    assert after["rsa, flattened"] == pytest.approx(before["rsa, flattened"], rel=1e-4)  # ranks of float32
    for name in OVER_ROWS:
        assert after[name] < before[name] - 0.2


def test_means_of_positions_count_over_rows_alone(two_forms):
    before, after = two_forms.values(*maps()), two_forms.values(*two_forms.without_position_means(*maps()))
    for name in FLATTENED:
        assert after[name] == pytest.approx(before[name], rel=1e-5)  # the sample is float32
    for name in OVER_ROWS:
        assert abs(after[name] - before[name]) > 0.002
