"""Pairs of layers to test with; each returns activations X (n, p) and Y (n, q)."""

from __future__ import annotations

import numpy as np

import spanmatch as sm


def random(n: int = 300, p: int = 24, q: int = 31, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    r = np.random.default_rng(seed)
    return r.standard_normal((n, p)), r.standard_normal((n, q))


def correlated(n: int = 500, p: int = 40, q: int = 33, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Two noisy rectified views of the same causes, with noise that differs by neuron."""
    r = np.random.default_rng(seed)
    causes = r.standard_normal((n, 20)) * np.arange(1, 21) ** -0.5

    def view(width: int) -> np.ndarray:
        noise = 10 ** r.uniform(-2, 0.3, width)
        return np.maximum(causes @ r.standard_normal((20, width)) + noise * r.standard_normal((n, width)), 0)

    return view(p), view(q)


def related(n: int = 300, p: int = 16, q: int = 15, seed: int = 0, causes: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """Two noisy linear views of few causes, near enough for groups of a few neurons to match at eps = 0.3 to 0.6."""
    r = np.random.default_rng(seed)
    shared = r.standard_normal((n, causes))

    def view(width: int) -> np.ndarray:
        own = shared @ (r.standard_normal((causes, width)) * (r.random((causes, width)) < 0.5) + 0.1)
        return own + 10 ** r.uniform(-1.5, 0, width) * r.standard_normal((n, width))

    return view(p), view(q)


def mixing(k: int, condition: float, r: np.random.Generator) -> np.ndarray:
    U, _ = np.linalg.qr(r.standard_normal((k, k)))
    V, _ = np.linalg.qr(r.standard_normal((k, k)))
    return U @ np.diag(np.logspace(0, -np.log10(condition), k)) @ V


def planted(n: int = 400, k: int = 12, condition: float = 10, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """The first k neurons of each side span the same space; 7 and 9 others are noise."""
    r = np.random.default_rng(seed)
    shared = r.standard_normal((n, k))
    X = np.hstack([shared, r.standard_normal((n, 7))])
    return X, np.hstack([shared @ mixing(k, condition, r), r.standard_normal((n, 9))])


def duplicated() -> tuple[np.ndarray, np.ndarray]:
    """Neurons that repeat, scaled and negated, or are sums of others."""
    X, Y = correlated()
    X = np.hstack([X, X[:, :5], -2 * X[:, 3:4], X[:, 7:8] + X[:, 8:9]])
    return X, np.hstack([Y, Y[:, 2:6], Y[:, 0:1] - Y[:, 1:2]])


def bottleneck() -> tuple[np.ndarray, np.ndarray]:
    """48 neurons of x span only 15 dimensions."""
    X, Y = correlated(p=15)
    return X @ np.random.default_rng(1).standard_normal((15, 48)), Y


def badly_scaled() -> tuple[np.ndarray, np.ndarray]:
    r = np.random.default_rng(2)
    X, Y = correlated()
    return X * 10 ** r.uniform(-4, 4, X.shape[1]), Y * 10 ** r.uniform(-4, 4, Y.shape[1])


def few_rows() -> tuple[np.ndarray, np.ndarray]:
    """Fewer rows than neurons of x, more than of y."""
    return correlated(n=50, p=60, q=30)


def fewer_rows_than_either() -> tuple[np.ndarray, np.ndarray]:
    return random(n=10, p=14, q=17)


def with_silent() -> tuple[np.ndarray, np.ndarray]:
    X, Y = correlated()
    X[:, [0, 5]] = 0
    Y[:, [3]] = 0
    return X, Y


KINDS = {
    "random": random,
    "correlated": correlated,
    "planted": planted,
    "duplicated": duplicated,
    "bottleneck": bottleneck,
    "badly scaled": badly_scaled,
    "few rows": few_rows,
    "fewer rows than either": fewer_rows_than_either,
    "silent": with_silent,
    "one neuron a side": lambda: random(p=1, q=1),
    "one against many": lambda: correlated(p=1),
}


def partners(
    n: int = 600, p: int = 12, q: int = 12, noise: float = 0.3, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """X, Y and the planted partner of each neuron of x: y holds x's neurons in another order, noisy and rescaled."""
    r = np.random.default_rng(seed)
    X = r.standard_normal((n, p))
    order = r.permutation(q)
    Y = r.standard_normal((n, q))
    k = min(p, q)
    Y[:, order[:k]] = X[:, :k] + noise * r.standard_normal((n, k))
    return X + 3, Y * r.uniform(0.5, 2, q) - 1, order[:k]


def blocks(
    n: int = 900, sizes: tuple[int, ...] = (6, 5, 4), seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """X, Y and the planted block of each neuron, the same in both: mixtures of the block's own cause, and some
    noise."""
    r = np.random.default_rng(seed)
    label = r.permutation(np.repeat(np.arange(len(sizes)), sizes))
    causes = r.standard_normal((n, len(sizes)))

    def view() -> np.ndarray:
        return causes[:, label] * r.choice([-1, 1], len(label)) + 0.6 * r.standard_normal((n, len(label)))

    return view(), view(), label


def transplant(outcomes, refused=None, layers=("a:l", "b:l"), n=40, **options):
    """A transplant of made outcomes."""
    x, y = layers
    provenance = sm.Provenance(x_layer=x, y_layer=y, x_neurons=1, y_neurons=1, rows=n, n_examples=n)
    given = {"eps": 0.5, "seed": 0} | options
    return sm.Transplant(provenance=provenance, n_examples=n, outcomes=outcomes, refused=refused or {}, **given)
