"""How often do jackknife intervals of nominally 95% hold the truth, where the truth is known?"""

from __future__ import annotations

import numpy as np
from measure import machine

import spanmatch as sm

SAMPLES, CAUSES, WIDTH = 500, 5, 6


def truths(xx: np.ndarray, xy: np.ndarray, yy: np.ndarray) -> dict[str, float]:
    """Return the measures of the population, from its covariances."""
    rho = np.linalg.svd(np.linalg.solve(np.linalg.cholesky(xx), xy) @ np.linalg.inv(np.linalg.cholesky(yy)).T)[1]
    alike = np.linalg.norm(xy) ** 2 / np.linalg.norm(xx) / np.linalg.norm(yy)
    return {
        "cka": alike,
        "debiased cka": alike,
        "cca": rho.mean(),
        "procrustes": np.linalg.svd(xy)[1].sum() / np.sqrt(np.trace(xx) * np.trace(yy)),
        "linear regression": np.trace(xy.T @ np.linalg.solve(xx, xy)) / np.trace(yy),
    }


def main() -> None:
    print(machine())
    r = np.random.default_rng(0)
    A, B = r.standard_normal((2, CAUSES, WIDTH))
    truth = truths(A.T @ A + np.eye(WIDTH), A.T @ B, B.T @ B + np.eye(WIDTH))
    measures = [measure for measure in sm.measures() if measure.name in truth]
    print(
        f"\n{WIDTH}+{WIDTH} neurons of {CAUSES} causes and noise, {SAMPLES} samples; share of intervals with the truth"
    )
    for rows in (100, 400, 2000):
        inside = dict.fromkeys(truth, 0)
        for _ in range(SAMPLES):
            causes = r.standard_normal((rows, CAUSES))
            X, Y = (causes @ C + r.standard_normal((rows, WIDTH)) for C in (A, B))
            pair = sm.pair(X, Y, null=False)
            for measure in measures:
                found = sm.jackknife(pair, measure)
                inside[measure.name] += found.low <= truth[measure.name] <= found.high
        print(f"  {rows:5d} rows: " + ", ".join(f"{name} {count / SAMPLES:.1%}" for name, count in inside.items()))


if __name__ == "__main__":
    main()
