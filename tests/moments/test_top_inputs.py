"""The inputs that excite each neuron most: against sorting, in any parts, on every engine."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import spanmatch as sm
from spanmatch.comparison.thumbnails import COLUMNS, SHOWN, inputs_of
from spanmatch.moments.top_inputs import TopInputs, top_of


def data(n: int = 60, p: int = 5, each: int = 3, ties: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Rows of examples that come mixed, one after the other's first."""
    random = np.random.default_rng(0)
    rows = random.integers(4, size=(n * each, p)).astype(float) if ties else random.standard_normal((n * each, p))
    return rows, np.tile(np.arange(n), each)


def expected(rows: np.ndarray, examples: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The definition: of every example its largest row, of these the k largest, of equals the first."""
    numbers = np.unique(examples)
    found = []
    for neuron in rows.T:
        best = []
        for example in numbers:
            own = neuron[examples == example]
            best.append((-own.max(), example, int(own.argmax())))
        found.append(sorted(best)[:k])
    whole = np.array(found)
    return -whole[..., 0], whole[..., 1], whole[..., 2]


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("kind", ["numpy", "torch"])
@pytest.mark.parametrize("cuts", [[], [1], [20, 40, 41]])
def test_against_sorting(ties, kind, cuts):
    rows, examples = data(ties=ties)
    order = np.argsort(examples, kind="stable") if cuts else np.arange(len(rows))  # an example is in one batch
    rows, examples = rows[order], examples[order]
    moments = sm.Moments(pairs=[("x", "y")], top=7)
    for part in np.split(np.arange(len(rows)), [3 * cut for cut in cuts]):
        batch = torch.from_numpy(rows[part]) if kind == "torch" else rows[part]
        moments.update({"x": batch, "y": batch[:, :2]}, examples[part])
    found = moments.top("x")
    for mine, theirs in zip((found.values, found.examples, found.places), expected(rows, examples, 7), strict=True):
        assert np.array_equal(mine, theirs)
    assert np.array_equal(moments.top("y").examples, found.examples[:2])


@settings(deadline=None)
@given(st.permutations(range(6)), st.integers(1, 4))
def test_parts_add_up_in_any_order(order, k):
    rows, examples = data(n=30, ties=True)
    parts = []
    for part in np.array_split(np.arange(30), 6):
        own = np.isin(examples, part)
        moments = sm.Moments(pairs=[("x", "y")], top=k)
        moments.update({"x": rows[own], "y": rows[own]}, examples[own])
        parts.append(moments.top("x"))
    total = TopInputs.none(rows.shape[1], k)
    for i in order:
        total = total + parts[i]
    for mine, theirs in zip(vars(total).values(), expected(rows, examples, k), strict=True):
        assert np.array_equal(mine, theirs)
    again = total + total  # the same examples count once
    assert all(np.array_equal(a, b) for a, b in zip(vars(again).values(), vars(total).values(), strict=True))


def test_moments_carry_them(tmp_path):
    rows, examples = data()
    a, b = sm.Moments(top=4), sm.Moments(top=4)
    a.update({"a:l": rows[:90], "b:l": rows[:90]}, examples[:90])
    b.update({"a:l": rows[90:], "b:l": rows[90:]}, examples[90:] + 100)
    whole = a + b
    whole.save(tmp_path / "m.safetensors")
    loaded = sm.Moments.load(tmp_path / "m.safetensors")
    for name, values in vars(whole.top("a:l")).items():
        assert np.array_equal(values, getattr(loaded.top("a:l"), name))
    joined = a.top("a:l") + b.top("a:l")
    assert np.array_equal(joined.examples, whole.top("a:l").examples)
    with pytest.raises(sm.SpanmatchError, match="top=4 and top=0 cannot be added"):
        a + _other(rows)
    with pytest.raises(sm.SpanmatchError, match="were not kept; make the moments with top=9"):
        _other(rows).top("a:l")
    with pytest.raises(sm.SpanmatchError, match="no layer 'a:k'; there is 'a:l'"):
        a.top("a:k")
    with pytest.raises(sm.SpanmatchError, match="top=-1: give a whole number"):
        sm.Moments(top=-1)
    with pytest.raises(sm.SpanmatchError, match=r"\(5, 4\) and \(5, 3\)"):
        a.top("a:l") + TopInputs.none(5, 3)


def _other(rows: np.ndarray) -> sm.Moments:
    moments = sm.Moments()
    moments.update({"a:l": rows, "b:l": rows})
    return moments


def test_fewer_examples_than_asked_for():
    found = top_of(np.array([[1.0, 3.0], [2.0, 0.0]]), np.zeros((2, 2), dtype=int), np.array([4, 8]), 3)
    assert found.examples.tolist() == [[8, 4, -1], [4, 8, -1]]
    assert found.values[:, :2].tolist() == [[2.0, 1.0], [3.0, 0.0]] and np.isneginf(found.values[:, 2]).all()


def test_convolutions_say_where():
    """The place is that of the position, counted row by row of the image."""
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3, padding=1))
    images = torch.randn(20, 1, 5, 6)
    moments = sm.capture({"a": network}, images, top=2, null=False)
    with torch.no_grad():
        values = network(images).flatten(2)
    found = moments.top("a:0")
    best = values.amax(dim=2).T.sort(dim=1, descending=True)
    assert np.array_equal(found.examples, best.indices[:, :2].numpy())
    for neuron in range(4):
        example, place = found.examples[neuron, 0], found.places[neuron, 0]
        assert int(values[example, neuron].argmax()) == place


def test_pictures_are_those_of_the_examples():
    from PIL import Image

    random = np.random.default_rng(0)
    images = np.repeat(np.repeat(random.integers(256, size=(170, 2, 2), dtype=np.uint8), 4, 1), 4, 2)
    moments = sm.Moments(pairs=[("x", "y")], top=3)
    rows = random.standard_normal((170, 60))
    moments.update({"x": rows, "y": rows})
    found = inputs_of(moments, images)
    shown = found["shown"]
    assert len(shown["examples"]) > COLUMNS + 10
    assert shown["examples"] == np.unique(moments.top("x").examples).tolist()
    sheet = np.asarray(Image.open(io.BytesIO(base64.b64decode(shown["sheet"].partition(",")[2]))).convert("L")).astype(
        int
    )
    for i, example in enumerate(shown["examples"]):
        row, column = divmod(i, COLUMNS)
        own = sheet[8 * row : 8 * row + 8, 8 * column : 8 * column + 8]
        assert np.abs(own - images[example]).mean() < 12  # a lossy file; another image is some 80 away
    for wrong, message in (
        (images[:50], r"inputs: 50 given, but example \d+ was captured"),
        (images.astype(float), r"images of float64 \(170, 8, 8\); give bytes"),
        ([[3]] * 170, "give images as an array of bytes, or texts"),
    ):
        with pytest.raises(sm.SpanmatchError, match=message):
            inputs_of(moments, wrong)
    assert inputs_of(moments, None)["shown"] is None and SHOWN > 1000
