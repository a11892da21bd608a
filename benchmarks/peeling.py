"""How near is the profile, from ready moments, to the matrix products of its own operation count?"""

from __future__ import annotations

from typing import Any

import numpy as np
from measure import correlated, forgetful, machine, seconds
from scipy.linalg import blas, lapack

import spanmatch as sm


def counted(operations: dict[str, float]) -> None:
    """Count the operations of products and factors: two for each multiplication and addition."""

    def count(library: Any, name: str, cost: Any) -> None:
        plain = getattr(library, name)

        def wrapped(*arguments: Any, **options: Any) -> Any:
            operations["all"] += cost(*arguments, **options)
            return plain(*arguments, **options)

        setattr(library, name, wrapped)

    def product(_: float, A: Any, B: Any, trans_a: int = 0, trans_b: int = 0, **__: Any) -> float:
        return 2.0 * A.shape[0] * A.shape[1] * B.shape[0 if trans_b else 1]

    def square(_: float, A: Any, *__: Any, trans: int = 0, **___: Any) -> float:
        return float(A.shape[0] * A.shape[1] * A.shape[1 if trans else 0])

    def triangular(_: float, A: Any, B: Any, **__: Any) -> float:
        return float(len(A) * B.shape[0] * B.shape[1])

    count(blas, "dgemm", product)
    count(blas, "dsyrk", square)
    count(blas, "dtrmm", triangular)
    count(blas, "dtrsm", triangular)
    for name in ("dpotrf", "dpstrf", "dtrtri", "dlauum"):
        count(lapack, name, lambda A, **_: len(A) ** 3 / 3)


def main() -> None:
    print(machine())
    operations = {"all": 0.0}
    counted(operations)
    for width, rows in ((1024, 4096), (2048, 8192)):
        X, Y = correlated(rows, width, width)
        pair = sm.pair(X, Y, folds=1, null=False)
        A = np.asfortranarray(X[:width])
        sm.match_profile(forgetful(pair))  # start the threads
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
