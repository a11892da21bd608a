"""How large is the page, how long does it take to open, and how fast does the slider answer?

Five seeds, 16 layers of 512 neurons: 160 pairs of layers with everything in them. One pair is compared; the others have
its shape, and numbers of their own.
"""

from __future__ import annotations

import copy
import shutil
import tempfile
import time
from itertools import combinations
from pathlib import Path

import numpy as np
from measure import machine
from playwright.sync_api import sync_playwright

import spanmatch as sm
from spanmatch.report import render

SEEDS, LAYERS, NEURONS, EXAMPLES, MATCHES, TOP = 5, 16, 512, 10_000, 400, 9

MOVES = """async () => {
  const slider = document.getElementById("eps");
  const times = [];
  for (let i = 0; i < 60; i++) {
    const start = performance.now();
    slider.value = 0.1 + i * 0.01;
    slider.dispatchEvent(new Event("input"));
    await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
    times.push(performance.now() - start);
  }
  return times;
}"""


def compared() -> dict:
    """Return a comparison of that size, as comparison.json has it."""
    random = np.random.default_rng(0)
    shared = random.standard_normal((4096, NEURONS))
    spread = random.uniform(0, 2, (2, NEURONS))
    X, Y = (np.maximum(shared + own * random.standard_normal(shared.shape), 0) for own in spread)
    coarse = random.integers(256, size=(EXAMPLES, 8, 8, 3), dtype=np.uint8)
    images = coarse.repeat(4, axis=1).repeat(4, axis=2)
    found = sm.compare(
        {"a": {"l": X}, "b": {"l": Y}}, sparse="l", simple_eps=[0.3, 0.5], evidence=True, top=TOP, inputs=images
    ).to_dict()
    (first,) = found["pairs"]
    names = [(f"seed{i}", f"seed{j}") for i, j in combinations(range(SEEDS), 2)]
    layers = [f"layer{k}" for k in range(LAYERS)]
    pairs = [_another(first, layer, a, b, random) for layer in layers for a, b in names]
    inputs = {f"seed{i}:{layer}": _inputs(random) for i in range(SEEDS) for layer in layers}
    shown = found["inputs"]["shown"]
    return {
        **found,
        "networks": [f"seed{i}" for i in range(SEEDS)],
        "pairs": pairs,
        "inputs": {"layers": inputs, "shown": shown},
    }


def _inputs(random: np.random.Generator) -> dict:
    """Return the inputs that excite each neuron of a layer most."""
    values = np.sort(random.exponential(size=(NEURONS, TOP)))[:, ::-1]
    examples = random.integers(EXAMPLES, size=(NEURONS, TOP))
    return {"examples": examples.tolist(), "values": values.tolist(), "places": np.zeros_like(examples).tolist()}


def _another(first: dict, layer: str, a: str, b: str, random: np.random.Generator) -> dict:
    """Return a pair of layers of the same shape with other numbers, to as many digits."""
    pair = copy.deepcopy(first) | {"name": f"{layer}, {a} ~ {b}", "layer": layer}
    pair |= {"x_layer": f"{a}:{layer}", "y_layer": f"{b}:{layer}"}
    for side in ("x_levels", "y_levels"):
        pair[side] = np.sort(random.random(NEURONS)).tolist()
    aligned = pair["alignment"]["bipartite"]
    for name in ("x", "y", "next_x", "next_y"):
        aligned[name] = random.permutation(NEURONS).tolist()
    for name in ("margin", "back_margin"):
        aligned[name] = random.random(NEURONS).tolist()
    for name in ("strength", "x_baseline", "y_baseline"):
        aligned[name] = np.sort(random.random(NEURONS))[::-1].tolist()
    drawn = pair["alignment"]["clusters"]["drawn"]
    for name, values in drawn.items():
        drawn[name] = np.clip(np.array(values) + random.integers(-10, 11, size=np.shape(values)), 0, 100).tolist()
    for simple in pair["simple"]:
        simple["matches"] = [_match(k, random) for k in range(MATCHES)]
        simple["minimum_sizes"] = [len(match["x"]) + len(match["y"]) for match in simple["matches"]]
    pair["alignment"]["semi"]["strength"] = np.sort(random.random(NEURONS))[::-1].tolist()
    for group, sides in zip(pair["alignment"]["clusters"]["groups"], _groups(pair, random), strict=True):
        group |= sides
    for row in pair["measures"]:
        row |= dict(zip(("value", "low", "high", "null_value"), random.random(4).tolist(), strict=True))
    for name in ("similarity", "low", "high", "null"):
        pair["evidence"]["profile"][name] = random.random(49).tolist()
    for one_way, to in zip(pair["alignment"]["sparse"], (pair["y_layer"], pair["x_layer"]), strict=True):
        one_way["to"] = to
        for row in one_way["few"]:
            row["predictors"] = random.integers(NEURONS, size=5).tolist()
            row["coefficients"] = [round(value, 4) for value in random.random(5).tolist()]
    return pair


def _match(k: int, random: np.random.Generator) -> dict:
    """Return a simple match, of the sizes that they come in: most small, some of a hundred neurons."""
    p, q = (1 + int(size) for size in random.exponential(1 + k / 20, 2))
    maps = {
        name: random.standard_normal(shape).tolist() for name, shape in (("x_from_y", (q, p)), ("y_from_x", (p, q)))
    }
    x, y = (random.integers(NEURONS, size=size).tolist() for size in (p, q))
    return {"x": x, "y": y, "minimum_for": [["x", x[0]], ["y", y[0]]], **maps}


def _groups(pair: dict, random: np.random.Generator) -> list[dict]:
    """Return as many clusters of all neurons."""
    count = len(pair["alignment"]["clusters"]["groups"])
    order = {side: random.permutation(NEURONS).tolist() for side in "xy"}
    pair["alignment"]["clusters"]["order"] = [order["x"], order["y"]]
    return [{side: neurons[k::count] for side, neurons in order.items()} for k in range(count)]


def main() -> None:
    print(machine())
    page = render(compared())
    print(f"{SEEDS} seeds, {LAYERS} layers of {NEURONS} neurons: {len(page.encode()) / 1e6:.2f} MB (asked: under 8)")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        path = Path(folder) / "report.html"
        path.write_text(page, encoding="utf-8")
        chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for _ in range(3):
            tab = chromium.new_page(viewport={"width": 1280, "height": 900})
            start = time.perf_counter()
            tab.goto(path.as_uri())
            tab.wait_for_selector("html[data-ready]")
            opened = time.perf_counter() - start
            times = np.sort(tab.evaluate(MOVES))
            print(
                f"opens in {opened:.2f} s (asked: 2); slider answers in {np.median(times):.0f} ms, "
                f"{times[int(0.95 * len(times))]:.0f} ms at most in 95% of moves (asked: 50)"
            )
            tab.close()
        chromium.close()


if __name__ == "__main__":
    main()
