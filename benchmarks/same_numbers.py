"""Compare two folders of results number by number: `python benchmarks/same_numbers.py OLD NEW`.

Use it after a change that must not change results: run the same study (`spanmatch demo`, on the same machine) with the
code before and after the change, and compare the folders. All files comparison.json and study.json and all CSV tables
are read. Fields that were renamed or moved are listed in `RENAMED`: add a line for each new one.

Prints what differs. Exits with 1 if a number has changed or is gone; fields that are new, and other words, are only
printed.
"""

from __future__ import annotations

import csv
import json
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

RENAMED = {
    r"comparison\.json: pairs\[\]\.assessment\.rows\.examples": "comparison.json: pairs[].evidence.rows.n_examples",
    r"(comparison\.json: pairs\[\])\.assessment\.rows\.effective": r"\1.evidence.rows.effective_sample_size",
    r"(comparison\.json: pairs\[\])\.assessment\.measures\[\]\.null": r"\1.measures[].null_value",
    r"(comparison\.json: pairs\[\])\.(?:assessment|evidence)\.measures(\b.*)": r"\1.measures\2",
    r"(comparison\.json: pairs\[\])\.assessment(\b.*)": r"\1.evidence\2",
    r"(comparison\.json: pairs\[\])\.convergence\.effective_rows": r"\1.alignment.effective_sample_size",
    r"(comparison\.json: pairs\[\])\.convergence(\b.*)": r"\1.alignment\2",
    r"(comparison\.json: transplants\[\])\.examples": r"\1.n_examples",
    r"(comparison\.json: universality\[\])\.strength": r"\1.min_correlation",
    r"(comparison\.json: universality\[\])\.consistency": r"\1.cycle_consistency",
    r"(comparison\.json: universality\[\])\.chance": r"\1.null_cycle_consistency",
    r"(study\.json: settings(?:\.variants\[\])?\.data)\.most": r"\1.max_examples",
    r"(study\.json: settings\.compare)\.most": r"\1.max_examples",
    r"(study\.json: settings\.compare)\.examples": r"\1.split",
    r"(study\.json: settings\.compare)\.simple(\[\])?": r"\1.simple_eps\2",
    r"(study\.json: (?:variants|steps)\[\]\..*)\.least": r"\1.minimum",
    r"(study\.json: (?:variants|steps)\[\]\..*)\.most": r"\1.maximum",
    r"(layers\.csv: .*)\.least": r"\1.minimum",
    r"(layers\.csv: .*)\.most": r"\1.maximum",
    r"(epochs\.csv: .*)_least": r"\1_minimum",
    r"(epochs\.csv: .*)_most": r"\1_maximum",
    r"(universality\.csv: .*)\.strength": r"\1.min_correlation",
    r"(measures\.csv: .*)\.null": r"\1.null_value",
    r"(measures\.csv: .*)\.effective_rows": r"\1.effective_sample_size",
    r"(transplants\.csv: .*)\.examples": r"\1.n_examples",
}
"""Of each field that has another name now: its old path, as a regular expression, and its new one."""
NOT_RESULTS = re.compile(r"(comparison|study)\.json: (version|spanmatch|torch)")
"""Fields that say which program wrote the file."""
SHOWN = 20
"""Differences of each kind that are printed."""

Path_ = tuple[str | int, ...]
Values = dict[tuple[str, Path_], object]
"""Values by file and path in it, the path with the names that fields have now."""


def main() -> None:
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    old, new = (read(Path(folder)) for folder in sys.argv[1:])
    numbers = sum(map(is_number, old.values()))
    if not numbers:
        sys.exit(f"{sys.argv[1]}: holds no results")
    unequal = [key for key in old.keys() & new if old[key] != new[key]]
    lines = {key: f"{described(key)}: {str(old[key])[:60]} is now {str(new[key])[:60]}" for key in unequal}
    changed = [lines[key] for key in unequal if is_number(old[key]) or is_number(new[key])]
    reworded = [lines[key] for key in unequal if not (is_number(old[key]) or is_number(new[key]))]
    gone = [f"{described(key)}: {old[key]}" for key in old.keys() - new if is_number(old[key])]
    added = {str(key[1][0]) for key in new.keys() - old}
    for title, entries in (
        ("numbers that changed", changed),
        ("numbers that are gone", gone),
        ("words that changed", reworded),
        ("new fields", added),
    ):
        show(title, sorted(entries))
    print(f"{numbers:,} numbers: {len(changed):,} changed, {len(gone):,} gone")
    sys.exit(1 if changed or gone else 0)


def read(folder: Path) -> Values:
    """Return every value in the results of a folder and those inside it."""
    values: Values = {}
    for path in sorted(folder.rglob("*")):
        if path.name in ("comparison.json", "study.json"):
            leaves = leaves_of(json.loads(path.read_text(encoding="utf-8")))
        elif path.suffix == ".csv":
            leaves = cells_of(path)
        else:
            continue
        file = str(path.relative_to(folder))
        for keys, value in leaves:
            field = renamed(f"{path.name}: {generic(keys)}")
            if not NOT_RESULTS.fullmatch(field):
                indices = tuple(key for key in keys if isinstance(key, int))
                values[file, (field, *indices)] = value
    return values


def leaves_of(value: object, keys: Path_ = ()) -> Iterator[tuple[Path_, object]]:
    """Yield the path and the value of every number, word and null in JSON, and of every empty list."""
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from leaves_of(item, (*keys, key))
    elif isinstance(value, list) and value:
        for i, item in enumerate(value):
            yield from leaves_of(item, (*keys, i))
    else:
        yield keys, value


def cells_of(path: Path) -> Iterator[tuple[Path_, object]]:
    """Yield the path and the value of every cell of a table."""
    with path.open(encoding="utf-8", newline="") as file:
        for i, row in enumerate(csv.DictReader(file)):
            for column, cell in row.items():
                yield (i, column), as_number(cell)


def as_number(cell: str) -> object:
    try:
        return float(cell)
    except ValueError:
        return cell


def generic(keys: Path_) -> str:
    """Return a path without indices: "pairs[].x_levels[]"."""
    return "".join("[]" if isinstance(key, int) else f".{key}" for key in keys).removeprefix(".")


@cache
def renamed(field: str) -> str:
    """Return the path that a field has now."""
    for pattern, replacement in RENAMED.items():
        if re.fullmatch(pattern, field):
            return re.sub(rf"^(?:{pattern})$", replacement, field)
    return field


def is_number(value: object) -> bool:
    return isinstance(value, int | float)


def described(key: tuple[str, Path_]) -> str:
    """Return where a value stands: "comparisons/seeds/comparison.json: pairs[3].x_levels[7]"."""
    file, (field, *indices) = key
    place = str(field).partition(": ")[2]
    for index in indices:
        place = place.replace("[]", f"[{index}]", 1)
    return f"{file}: {place}"


def show(title: str, lines: list[str]) -> None:
    if lines:
        print(f"{title}: {len(lines):,}")
        print("".join(f"  {line}\n" for line in lines[:SHOWN]), end="")
        if len(lines) > SHOWN:
            print(f"  and {len(lines) - SHOWN:,} more")


if __name__ == "__main__":
    main()
