"""How do time and memory grow with rows, neurons, layers and networks, and what does that make of large cases?

The model: a pair of layers of p and q neurons takes n (p^2 + q^2 + 2 p q) operations for n rows, 2 n p q more for the
null, and 8 bytes x folds x (s(p) + s(q) + p q), 8 p q more for the null, where s(p) is what is stored of a symmetric
matrix. A layer's own part is shared by all its pairs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from measure import machine, seconds

import spanmatch as sm
from spanmatch.moments.packed import Packed


@dataclass
class Case:
    """Two networks' layers of one width each: how many layers, their neurons, and rows."""

    layers: int
    neurons: int
    rows: float


CASES = {
    "ResNet-50, ImageNet validation, 16 block outputs and the stem, all positions": [
        Case(1, 64, 50e3 * 112**2),
        Case(3, 256, 50e3 * 56**2),
        Case(4, 512, 50e3 * 28**2),
        Case(6, 1024, 50e3 * 14**2),
        Case(3, 2048, 50e3 * 7**2),
    ],
    "the same, positions=16": [
        Case(1, 64, 50e3 * 16),
        Case(3, 256, 50e3 * 16),
        Case(4, 512, 50e3 * 16),
        Case(6, 1024, 50e3 * 16),
        Case(3, 2048, 50e3 * 16),
    ],
    "7-billion-parameter models, 32 hidden states of 4096, 10 million tokens": [Case(32, 4096, 10e6)],
    "one MLP, 11,008 neurons, 10 million tokens": [Case(1, 11_008, 10e6)],
    "one MLP, 11,008 neurons, 200,000 tokens": [Case(1, 11_008, 2e5)],
}


def update(width: int, layers: int = 1, networks: int = 2, rows: int = 4096, **options: object) -> tuple[float, int]:
    """Return the seconds that a batch takes, and the bytes of the moments."""
    r = np.random.default_rng(0)
    names = [f"{network}:{layer}" for network in range(networks) for layer in range(layers)]
    batch = {name: r.standard_normal((rows, width), dtype=np.float32) for name in names}
    moments = sm.Moments(**options)  # type: ignore[arg-type]
    moments.update(batch)
    return seconds(lambda: moments.update(batch), 5), moments.nbytes


def operations(case: Case, null: bool) -> float:
    return case.layers * case.rows * case.neurons**2 * (6 if null else 4)


def memory(case: Case, folds: int, null: bool) -> float:
    return case.layers * 8 * (folds * 2 * Packed(case.neurons + 1).length + (folds + null) * case.neurons**2)


def main() -> None:
    print(machine())
    print("\nupdate of 4096 rows, two networks, 8 folds and null: seconds, GFLOP/s of the model, MB of moments")
    rates = {}
    for width in (64, 128, 256, 512, 1024, 2048):
        taken, held = update(width)
        rates[width] = 4096 * 6 * width**2 / taken
        print(f"  {width:5d} neurons   {taken:7.3f} s  {rates[width] / 1e9:6.1f} GFLOP/s  {held / 1e6:7.1f} MB")
    lean, _ = update(4096, folds=1, null=False)
    rates[4096] = 4096 * 4 * 4096**2 / lean
    print(f"   4096 neurons   {lean:7.3f} s  {rates[4096] / 1e9:6.1f} GFLOP/s, folds=1, null=False")
    print("\n256 neurons; time over that of one layer of two networks, memory likewise")
    base, held = update(256)
    for layers, networks, pairs in ((2, 2, "matching"), (8, 2, "matching"), (1, 4, "matching"), (4, 2, "all")):
        taken, size = update(256, layers, networks, pairs=pairs)
        print(f"  {layers} layers, {networks} networks, {pairs:8s}  {taken / base:6.2f}  {size / held:6.2f}")
    one, two = (update(256, rows=rows)[0] for rows in (8192, 32_768))
    print(f"\nfour times the rows: {two / one:.2f} times the time")
    nearest = np.array(list(rates))
    print("\nwhat the model makes of large cases, on two cores like these, beside running the networks")
    for name, cases in CASES.items():
        for folds, null in ((8, True), (1, False)):
            work = sum(operations(case, null) for case in cases)
            time = sum(
                operations(case, null) / rates[int(nearest[abs(np.log(nearest / case.neurons)).argmin()])]
                for case in cases
            )
            size = sum(memory(case, folds, null) for case in cases)
            print(
                f"  {name}; {folds} folds{', null' if null else ''}: {work:.1e} operations, {time / 3600:.1f} hours, "
                f"{size / 1e9:.1f} GB of moments"
            )


if __name__ == "__main__":
    main()
