"""Misalignment: its definition, its invariances, and what has none."""

from __future__ import annotations

import numpy as np
import pytest

import spanmatch as sm


def test_misalignment_is_zero_for_shared_eigenvectors_alone():
    random = np.random.default_rng(0)
    Q = np.linalg.qr(random.standard_normal((8, 8)))[0]
    A, B = (Q @ np.diag(np.sort(random.uniform(0.1, 5, 8))[::step]) @ Q.T for step in (1, -1))
    assert sm.misalignment(A, B) == pytest.approx(0, abs=1e-10)
    C = np.cov(random.standard_normal((8, 40)))
    found = sm.misalignment(A, C)
    assert found > 0.1
    assert sm.misalignment(7 * A, 0.01 * C) == pytest.approx(found, rel=1e-9)
    # The definition, eigenvector by eigenvector.
    _, vectors = np.linalg.eigh(A)
    terms = [np.sqrt((v @ C @ v) * (v @ np.linalg.inv(C) @ v)) for v in vectors.T]
    assert found == pytest.approx(sum(terms) - 8, rel=1e-9)
    # It does not change where the data are rotated with the weights, and does where they alone are.
    R = np.linalg.qr(random.standard_normal((8, 8)))[0]
    assert sm.misalignment(R @ A @ R.T, R @ C @ R.T) == pytest.approx(found, rel=1e-9)
    assert abs(sm.misalignment(R @ A @ R.T, C) - found) > 1e-3


def test_misalignment_leaves_out_what_does_not_vary_and_refuses_what_it_cannot_tell():
    A, B = np.diag([3.0, 2.0, 1.0, 0.0]), np.cov(np.random.default_rng(0).standard_normal((4, 30)))
    assert sm.misalignment(A, B) == pytest.approx(sm.misalignment(A[:3, :3], B[:3, :3]), rel=1e-9)
    with pytest.raises(sm.SpanmatchError, match="no inverse over the 3 directions"):
        sm.misalignment(A, np.diag([1.0, 1.0, 0.0, 0.0]))
    with pytest.raises(sm.SpanmatchError, match=r"shapes \(4, 4\) and \(3, 3\)"):
        sm.misalignment(A, np.eye(3))
    with pytest.raises(sm.SpanmatchError, match="do not vary"):
        sm.misalignment(np.zeros((2, 2)), np.eye(2))
