"""What the terminal shows of a benchmark of measures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.table import Table

if TYPE_CHECKING:
    from ..bench import Bench
    from ..schema import BenchMeasureRecord


def of_bench(bench: Bench, *, wide: bool = False) -> Iterator[Table]:
    """Yield the tables of a benchmark: measures by mean rank; wide, with their scores by test."""
    tests = [test["name"] for test in bench.results["tests"]]
    table = Table(
        title=f"{len(bench.results['measures'])} measures by mean rank over {len(tests)} tests", title_justify="left"
    )
    table.add_column("Measure")
    for head in ("Mean rank", "95% interval", "Better", "Worse", "ms / pair", *(tests if wide else ())):
        table.add_column(head, justify="right")
    for record, row in zip(bench.results["measures"], bench.ranking(), strict=True):
        scores = [_shown(row[test]) for test in tests] if wide else []
        table.add_row(_name(record), *_place(record), _milliseconds(record["seconds"]), *scores)
    yield table


def notes_of(bench: Bench) -> Iterator[str]:
    """Yield what the columns mean, and where there is more."""
    yield (
        "Mean rank: 1 is the best; its interval is over tests. Better, Worse: comparisons with another measure, in a "
        "test on a set of networks, whose difference is significant at 95%, each for itself."
    )
    yield "Scores by test: --wide, ranking.csv, and the report."
    if bench.results["quick"]:
        yield "A quick run: too few networks for conclusions."


def warnings_of(bench: Bench) -> Iterator[tuple[str, str]]:
    """Yield the measures of the caller's own that have no score in some test, and why in the first."""
    yours = [record["name"] for record in bench.results["measures"] if record["yours"]]
    for name in yours:
        missing = [score for score in bench.results["scores"] if score["measure"] == name and score["value"] is None]
        if missing:
            first, more = missing[0], f"; and in {len(missing) - 1} more" if len(missing) > 1 else ""
            yield name, f"no score in {first['test']!r} on {first['networks']}: {first['reason']}{more}"


def _name(record: BenchMeasureRecord) -> str:
    """Return the name of a measure, marked if it is the caller's own."""
    name = record["name"].replace("[", r"\[")
    return f"[bold]{name}[/]" if record["yours"] else name


def _place(record: BenchMeasureRecord) -> tuple[str, str, str, str]:
    """Return the mean rank, its interval, and the numbers of comparisons in which it is better, and worse."""
    rank = record["rank"]
    interval = "-" if rank["low"] is None or rank["high"] is None else f"{rank['low']:.1f} to {rank['high']:.1f}"
    return _shown(rank["value"], ".1f"), interval, str(record["won"]), str(record["lost"])


def _milliseconds(seconds: float | None) -> str:
    return _shown(None if seconds is None else 1e3 * seconds, ".1f")


def _shown(value: object, digits: str = ".2f") -> str:
    return format(value, digits) if isinstance(value, float | int) else "-"
