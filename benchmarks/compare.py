"""Where does the time of `spanmatch compare` go?"""

from __future__ import annotations

import importlib
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
from measure import correlated, machine, seconds

import spanmatch as sm
from spanmatch.activations.stored import StoredActivations

LAYERS, WIDTH, ROWS = 8, 256, 20_000


def clocked(owner: object, name: str, spent: Counter[str], title: str) -> None:
    """Add the time of a function to the clock."""
    plain = getattr(owner, name)

    def timed(*arguments: object, **options: object) -> object:
        start = time.perf_counter()
        try:
            return plain(*arguments, **options)
        finally:
            spent[title] += time.perf_counter() - start

    setattr(owner, name, timed)


def main() -> None:
    print(machine())
    spent: Counter[str] = Counter()
    module = importlib.import_module("spanmatch.comparison.comparing")
    clocked(StoredActivations, "read", spent, "reading")
    clocked(sm.Moments, "update", spent, "accumulating")
    clocked(module, "match_profile", spent, "peeling")
    clocked(importlib.import_module("spanmatch.report"), "render", spent, "drawing")
    clocked(sm.Moments, "save", spent, "saving moments")
    with tempfile.TemporaryDirectory() as folder:
        files = {name: Path(folder) / f"{name}.npz" for name in "ab"}
        layers = [correlated(ROWS, WIDTH, WIDTH, seed) for seed in range(LAYERS)]
        for side, path in enumerate(files.values()):
            np.savez(path, **{f"layer{k}": pair[side].astype(np.float32) for k, pair in enumerate(layers)})
        total = seconds(lambda: sm.compare(files).save(Path(folder) / "out"))
    print(f"\ntwo .npz files, {LAYERS} layers of {WIDTH} neurons, {ROWS:,} rows, 8 folds and null: {total:.2f} s")
    spent["the rest"] = total - sum(spent.values())
    for title, share in spent.items():
        print(f"  {title:16s} {share:6.2f} s  {share / total:6.1%}")


if __name__ == "__main__":
    main()
