"""How near is the profile, from ready moments, to the matrix products of its own operation count?"""

from __future__ import annotations

from typing import Any

import numpy as np
from measure import correlated, forgetful, machine, seconds
from scipy.linalg import blas

import spanmatch as sm
from spanmatch.moments import spans


def counted(operations: dict[str, float]) -> None:
    """Count the operations of the span's products and factors: two for each multiplication and addition."""

    def count(name: str, cost: Any) -> None:
        plain = getattr(spans, name)

        def wrapped(*arguments: Any) -> Any:
            operations["all"] += cost(*arguments)
            return plain(*arguments)

        setattr(spans, name, wrapped)

    count("_product", lambda A, B: 2.0 * A.shape[0] * A.shape[1] * B.shape[1])
    count("_subtract", lambda C, A, B: 2.0 * A.shape[0] * A.shape[1] * B.shape[1])
    count("_coordinates", lambda aa, at: len(aa) ** 3 / 3 + len(aa) ** 2 * at.shape[1])
    count("_span", lambda factored, dropped, rounding: factored.L.shape[1] ** 3 / 3)
    count("_qr", lambda columns: 4.0 * columns.shape[0] * columns.shape[1] ** 2)


def main() -> None:
    print(machine())
    operations = {"all": 0.0}
    counted(operations)
    for width, rows in ((1024, 4096), (2048, 8192)):
        X, Y = correlated(rows, width, width)
        pair = sm.pair(X, Y, folds=1, null=False)
        A = np.asfortranarray(X[:width])
        taken, shares = [], []
        for _ in range(3):
            plain = seconds(lambda A=A: blas.dgemm(1.0, A, A), 3)
            operations["all"] = 0.0
            taken.append(seconds(lambda pair=pair: sm.match_profile(forgetful(pair))))
            shares.append(taken[-1] / (operations["all"] / (2 * width**3 / plain)))
        rate = operations["all"] / np.median(taken) / 1e9
        print(f"\n{width}+{width} neurons from ready moments: {np.median(taken):.2f} s")
        print(f"  {operations['all'] / 1e9:.0f} thousand million operations, {rate:.0f} a second, ")
        print(f"  plain product in the same run: {2 * width**3 / plain / 1e9:.0f} a second")
        print(f"  time over that of plain products of so many operations: {np.median(shares):.2f}   (asked: 3)")


if __name__ == "__main__":
    main()
