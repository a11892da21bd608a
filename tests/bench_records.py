"""A benchmark of measures as bench.json holds it: of invented numbers that look like those of a real one."""

from __future__ import annotations

import math

import numpy as np

MEASURES = {
    "debiased cka": 0.95,
    "cka": 0.9,
    "rsa sqeuclidean": 0.88,
    "procrustes": 0.86,
    "shape distance": 0.84,
    "match area": 0.8,
    "soft matching": 0.78,
    "permutation procrustes": 0.75,
    "correlation match": 0.74,
    "s(0.5)": 0.72,
    "adjusted linear regression": 0.7,
    "linear regression": 0.66,
    "ridge regression": 0.68,
    "s(0.3)": 0.55,
    "adjusted pillai": 0.5,
    "cca": 0.3,
    "svcca": 0.35,
    "pwcca": 0.32,
    "eigenspace overlap": 0.4,
    "gulp": 0.6,
    "s(0.15)": 0.2,
    "my_measure": 0.45,
    "kernel cka": 0.89,
    "debiased kernel cka": 0.94,
    "rbf cka": 0.85,
    "debiased rbf cka": 0.87,
    "rsa": 0.83,
    "mutual knn": 0.76,
    "cknna": 0.77,
    "knn jaccard": 0.73,
    "second order cosine": 0.62,
    "rank similarity": 0.58,
    "distance correlation": 0.79,
    "random numbers": 0.0,
    "half of the neurons' correlation": 0.25,
}
"""How good each measure is, from 0 (knows nothing) to 1."""
FIRST_OF_SAMPLE = 22
TESTS = {
    "same layer": ("share of layers", 0.125, "bars", "Is the same layer of another seed the most similar one?"),
    "depth order": ("share of triples", 0.5, "bars", "Are layers less similar the farther apart they are?"),
    "random labels": ("average precision", 0.18, "strips", "Are networks trained on equally many random labels alike?"),
    "shortcut": ("average precision", 0.18, "strips", "Are networks that learned an equally strong shortcut alike?"),
    "augmentation": ("average precision", 0.18, "strips", "Are networks of the same augmentation alike?"),
    "accuracy": ("Spearman correlation", 0.0, "scatter", "Is the similarity lower the more accuracies differ?"),
    "disagreement": ("Spearman correlation", 0.0, "scatter", "Is it lower the more predictions disagree?"),
    "output divergence": ("Spearman correlation", 0.0, "scatter", "Is it lower the more outputs differ?"),
    "deleted components": ("Spearman correlation", 0.0, "curves", "Does it fall as a linear probe's accuracy does?"),
    "decodability": ("share of components", 0.0, "curves", "Are components decodable when the score is high?"),
    "noise": ("share of pairs", 0.5, "strips", "Is a layer with noise less similar to the layer than one without?"),
}
"""The score of each test, its value by chance, the kind of its details, and its question."""
NETWORKS = {
    "digits cnn": ("CNNs trained on digits of 8 x 8 pixels", ["conv1", "conv2", "conv3", "fc1", "fc2"]),
    "digits mlp": ("MLPs trained on digits of 8 x 8 pixels", ["fc1", "fc2", "fc3", "fc4"]),
    "text transformer": ("transformers trained on texts of the standard library", [f"block {i}" for i in range(6)]),
    "cifar10 cnn": ("CNNs of ten layers, trained on CIFAR-10", [f"conv{i}" for i in range(1, 10)] + ["head"]),
}
WITHOUT = {"text transformer": ("augmentation", "shortcut"), "digits mlp": ("augmentation",)}
"""Tests that a set of networks is not for."""
REASON = "the test needs a measure of two layers of different widths; this one is for layers of one width"
SEEDS = 10


def bench_record(n_measures: int = len(MEASURES), n_sets: int = len(NETWORKS)) -> dict:
    """Return a benchmark of the first measures on the first sets of networks."""
    random = np.random.default_rng(0)
    names, sets = list(MEASURES)[:n_measures], list(NETWORKS)[:n_sets]
    cells = [
        (name, test, networks)
        for networks in sets
        for test in TESTS
        if test not in WITHOUT.get(networks, ())
        for name in names
    ]
    scores = [_score(random, *cell) for cell in cells]
    _rank(scores)
    measures = [_measure(random, name, scores) for name in names]
    measures.sort(key=lambda measure: math.inf if measure["rank"]["value"] is None else measure["rank"]["value"])
    return {
        **{"format": "spanmatch.bench", "version": 1, "spanmatch": "0.3.0", "torch": "2.13.0"},
        "quick": False,
        "level": 0.95,
        "tests": [_test(name) for name in TESTS],
        "networks": [_networks(random, name) for name in sets],
        "measures": measures,
        "scores": scores,
    }


def _test(name: str) -> dict:
    score, _, _, question = TESTS[name]
    return {"name": name, "question": question, "score": score, "perfect": 1.0}


def _networks(random: np.random.Generator, name: str) -> dict:
    words, layers = NETWORKS[name]
    value = float(random.uniform(0.7, 0.98))
    spread = {"low": value - 0.01, "high": value + 0.01, "minimum": value - 0.02, "maximum": value + 0.02}
    return {
        **{
            "name": name,
            "words": words,
            "rows": "one for each image",
            "layers": layers,
            "n_rows": 1797,
            "ranked": True,
        },
        "networks": [f"{name} {seed}" for seed in range(SEEDS)],
        "sample_size": 1000,
        "accuracy": {"value": value, **spread},
        "tests": [test for test in TESTS if test not in WITHOUT.get(name, ())],
    }


def _measure(random: np.random.Generator, name: str, scores: list[dict]) -> dict:
    ranks = [score["rank"] for score in scores if score["measure"] == name and score["rank"] is not None]
    value, error = (np.mean(ranks), 1.96 * np.std(ranks) / math.sqrt(len(ranks))) if ranks else (None, None)
    best = sum(score["among_best"] for score in scores if score["measure"] == name)
    is_sample = list(MEASURES).index(name) >= FIRST_OF_SAMPLE
    return {
        "name": name,
        "kind": "distance" if name in ("gulp", "shape distance") else "similarity",
        "needs": "sample" if is_sample else "moments",
        "maximum_match": name == "match area" or name.startswith("s("),
        "yours": name == "my_measure",
        "rank": {
            "value": None if value is None else float(value),
            "low": None if value is None else float(max(1, value - error)),
            "high": None if value is None else float(value + error),
            "minimum": min(ranks, default=None),
            "maximum": max(ranks, default=None),
        },
        "won": 30 * best,
        "lost": max(0, 900 - 30 * best),
        "seconds": float(np.exp(random.uniform(-8.5, -4.5) + 2 * is_sample + 2 * name.startswith("s("))),
    }


def _score(random: np.random.Generator, measure: str, test: str, networks: str) -> dict:
    """Return a score; soft matching has none in a test, and random numbers have none on a set of networks."""
    _, chance, kind, _ = TESTS[test]
    missing = (measure == "soft matching" and test == "noise") or (measure, networks) == (
        "random numbers",
        "digits mlp",
    )
    facts = {"measure": measure, "test": test, "networks": networks, "chance": chance}
    if missing:
        empty = {
            "value": None,
            "low": None,
            "high": None,
            "rank": None,
            "among_best": False,
            "defined": 0.5,
            "details": None,
        }
        return {**facts, **empty, "reason": REASON}
    quality = MEASURES[measure] * random.uniform(0.6, 1.05) + random.normal(0, 0.07)
    value = min(1.0, chance + (1 - chance) * quality)
    error = 0.08 * (1.05 - value)
    has_interval = test != "decodability"  # of too few networks
    return {
        **facts,
        "value": value,
        "low": value - error if has_interval else None,
        "high": min(1.0, value + error) if has_interval else None,
        "rank": 1.0,
        "among_best": False,
        "defined": 1.0,
        "reason": "",
        "details": _details(random, kind, value, networks),
    }


def _rank(scores: list[dict]) -> None:
    """Set the ranks of scores, and which are among the best."""
    columns: dict[tuple[str, str], list[dict]] = {}
    for score in scores:
        if score["value"] is not None:
            columns.setdefault((score["test"], score["networks"]), []).append(score)
    for column in columns.values():
        best = max(column, key=lambda score: score["value"])
        for score in column:
            above = sum(other["value"] > score["value"] for other in column)
            ties = sum(other["value"] == score["value"] for other in column)
            score["rank"] = above + (ties + 1) / 2
            score["among_best"] = (score["high"] or score["value"]) >= (best["low"] or best["value"])


def _details(random: np.random.Generator, kind: str, value: float, networks: str) -> dict:
    layers = NETWORKS[networks][1]
    if kind == "bars":
        shares = np.clip(random.normal(value, 0.1, len(layers)), 0, 1).tolist()
        return {"kind": "bars", "labels": layers, "values": [None, *shares[1:]] if value < 0.3 else shares}
    if kind == "strips":
        within, between = random.normal(0.5 + value / 3, 0.08, 50), random.normal(0.5, 0.1, 200)
        labels = ["networks of one group", "networks of two groups"]
        return {
            "kind": "strips",
            "axis": "similarity",
            "labels": labels,
            "values": [within.tolist(), between.tolist()],
        }
    if kind == "scatter":
        x = np.random.default_rng(1).gamma(2, 0.01, SEEDS * (SEEDS - 1) // 2)
        y = 0.9 - 4 * value * x + random.normal(0, 0.02 * (1.2 - value), len(x))
        axes = {"x_axis": "difference of accuracies", "y_axis": "similarity"}
        return {"kind": "scatter", **axes, "x": x.tolist(), "y": y.tolist()}
    x = np.linspace(0, 1, 20)
    curves = [np.clip(x ** (1 + i * (1.2 - value)), 0, 1) for i in range(5)]
    return {
        **{"kind": "curves", "x_axis": "similarity to the full layer", "y_axis": "accuracy of a linear probe"},
        "labels": [f"components {i + 1}" for i in range(5)],
        "x": [x.tolist()] * 5,
        "y": [curve.tolist() for curve in curves],
    }
