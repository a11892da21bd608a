"""How alike must examples of one batch be for the null to be refused? Shuffled data of many kinds, and sorted data.

The limit is the larger of 0.01 and eight standard deviations of shuffled data. Shuffled data must never reach it,
however few the examples, small the batches or heavy the tails; sorted data must.
"""

from __future__ import annotations

import numpy as np

from spanmatch.moments.partner_similarity import PartnerSimilarity

DRAWS = 4000


def partners(X: np.ndarray, batch: int) -> PartnerSimilarity:
    """Return how alike the examples of batches of that size are, for rows of one example each."""
    batches = [X[i : i + batch] for i in range(0, len(X) - len(X) % batch, batch)]
    sums = [b.sum(axis=0) for b in batches]
    squares = [float((b * b).sum()) for b in batches]
    shared = sum((float(s @ s) - q) / (batch - 1) for s, q in zip(sums, squares, strict=True))
    n = batch * len(batches)
    return PartnerSimilarity.of(np.array([*sum(sums), sum(squares), shared, n, len(batches) * 2 * batch / (batch - 1)]))


def kinds(r: np.random.Generator, n: int) -> dict[str, np.ndarray]:
    """Return shuffled data of n examples, of several kinds."""
    return {
        "one neuron, Gaussian": r.standard_normal((n, 1)),
        "one neuron, log-normal": np.exp(1.5 * r.standard_normal((n, 1))),
        "one neuron, active for 5% of examples": (r.random((n, 1)) < 0.05) * r.exponential(1.0, (n, 1)),
        "two classes": np.sign(r.standard_normal((n, 1))) + 0.1 * r.standard_normal((n, 1)),
        "twenty neurons": r.standard_normal((n, 20)),
    }


def main() -> None:
    r = np.random.default_rng(0)
    sizes = [(16, 8), (64, 2), (64, 32), (256, 16), (1024, 256), (1024, 32)]
    print(f"refusals of {DRAWS} draws of shuffled data, and the largest similarity over its limit")
    for n, batch in sizes:
        refused: dict[str, list[float]] = {}
        for _ in range(DRAWS * 64 // max(64, n) if n > 256 else DRAWS):
            for name, X in kinds(r, n).items():
                found = partners(X, batch)
                refused.setdefault(name, []).append(found.similarity / found.limit)
        print(f"  {n} examples in batches of {batch}")
        for name, values in refused.items():
            print(f"    {name:38s} {sum(v > 1 for v in values)} of {len(values)}, {np.nanmax(values):.2f}")
    print("share of variance between ten sorted classes, of 1,000 examples of 20 neurons in batches of 100")
    for share in (0.01, 0.02, 0.05, 0.1):
        refused = 0
        for _ in range(200):
            means = r.standard_normal((10, 20))
            X = np.repeat(np.sqrt(share) * means, 100, axis=0) + np.sqrt(1 - share) * r.standard_normal((1000, 20))
            refused += partners(X, 100).alike
        print(f"  {share:5.3f}: refused {refused} of 200")


if __name__ == "__main__":
    main()
