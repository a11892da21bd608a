"""The tables of docs/bench.md, from the folder of a benchmark: python docs/bench_tables.py spanmatch-bench."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import spanmatch as sm

PAGE = Path(__file__).with_name("bench.md")
HEADS = {
    "same layer": "same layer",
    "order of depth": "depth",
    "random labels": "labels",
    "augmentation": "noise",
    "shortcut": "short&shy;cut",
    "accuracy": "accu&shy;racy",
    "predictions": "predic&shy;tions",
    "probabilities": "proba&shy;bilities",
    "deleted components": "deleted",
    "probe accuracy": "probe",
    "decodability": "decod&shy;able",
}
FOUND = (
    "cka",
    "procrustes",
    "linear regression",
    "svcca",
    "pwcca",
    "cca",
    "adjusted pillai",
    "kernel cka",
    "match area",
)
"""The measures of the table of layers that are found."""
BY_SET = ("match area", "s(0.3)", "s(0.5)", "cka", "procrustes", "mutual knn", "linear regression", "cca")
"""The measures of the table by set of networks."""


def ranking(bench: sm.Bench) -> Iterator[str]:
    """Yield the table of all measures."""
    tests = [test["name"] for test in bench.results["tests"]]
    yield from heads(["measure", "mean rank", "better : worse", "ms", *(HEADS[test] for test in tests)])
    for row in bench.ranking():
        interval = f"{row['rank']:.1f} [{row['rank_low']:.1f}, {row['rank_high']:.1f}]"
        scores = ["-" if row[test] is None else f"{row[test]:.2f}" for test in tests]
        yield line([row["measure"], interval, f"{row['won']} : {row['lost']}", f"{1e3 * row['seconds']:.1f}", *scores])


def by_set(bench: sm.Bench, tests: list[str], measures: tuple[str, ...]) -> Iterator[str]:
    """Yield a table of scores with intervals, a column for each set of networks of some tests."""
    scores = {(s["measure"], s["test"], s["networks"]): s for s in bench.scores()}
    columns = list(dict.fromkeys((s["test"], s["networks"]) for s in bench.scores() if s["test"] in tests))
    yield from heads(
        ["measure", *(networks if len(tests) == 1 else f"{test}, {networks}" for test, networks in columns)]
    )
    for measure in measures:
        yield line([measure, *(shown(scores[measure, *column]) for column in columns)])
    chances = {(s["test"], s["networks"]): s["chance"] for s in bench.scores()}
    yield line(["chance", *(f"{chances[column]:.2f}" for column in columns)])


def networks(bench: sm.Bench) -> Iterator[str]:
    """Yield the table of the sets of networks."""
    yield from heads(["set", "networks", "rows", "layers", "accuracy"])
    for one in bench.results["networks"]:
        rows = f"{one['n_rows']:,}: {one['rows']}"
        accuracy = f"{one['accuracy']['minimum']:.0%} to {one['accuracy']['maximum']:.0%}"
        yield line([f"`{one['name']}`", f"{len(one['networks'])}, {one['words']}", rows, len(one["layers"]), accuracy])


def shown(score: dict) -> str:
    """Return a score with its interval."""
    if score["value"] is None:
        return "-"
    interval = "" if score["low"] is None else f" [{score['low']:.2f}, {score['high']:.2f}]"
    return f"{score['value']:.2f}{interval}"


def heads(names: list[str]) -> Iterator[str]:
    """Yield the first two lines of a table."""
    yield line(names)
    yield line(["---"] * len(names))


def line(cells: list[object]) -> str:
    """Return a line of a table."""
    return f"| {' | '.join(map(str, cells))} |"


def main() -> None:
    """Write the tables between their marks in the page."""
    bench = sm.Bench.load(sys.argv[1])
    tables = {
        "ranking": ranking(bench),
        "same layer": by_set(bench, ["same layer"], FOUND),
        "layers and probes": by_set(bench, ["order of depth", "deleted components", "probe accuracy"], BY_SET),
        "outputs": by_set(bench, ["accuracy", "predictions", "probabilities"], BY_SET),
        "groups": by_set(bench, ["random labels", "augmentation", "shortcut"], BY_SET),
        "networks": networks(bench),
    }
    text = PAGE.read_text(encoding="utf-8")
    for name, table in tables.items():
        start, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
        before, rest = text.split(start)
        text = "\n".join([before + start.rstrip(), *table, end + rest.split(end)[1]])
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
