"""Data to run networks on, as people have them: folders of images, tables of texts."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

import spanmatch as sm
from spanmatch.activations import from_names

RANDOM = np.random.default_rng(0)
PIXELS = RANDOM.integers(0, 256, (7, 6, 5, 3), dtype=np.uint8)


@pytest.fixture
def folder(tmp_path):
    """Seven images of 5 x 6 pixels, two of them in folders of their own."""
    for i, pixels in enumerate(PIXELS):
        path = tmp_path / "images" / ("cat" if i < 2 else "") / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    (tmp_path / "images" / "notes.txt").write_text("no image")
    return tmp_path / "images"


def test_a_folder_of_images_is_data_in_the_order_of_its_paths(folder):
    batches = from_names.data(str(folder), 3)
    read = list(batches)
    assert len(batches) == len(read) == 3
    order = [2, 3, 4, 5, 6, 0, 1]  # files of a folder come before folders in it
    expected = (PIXELS[order] / 255).transpose(0, 3, 1, 2)
    assert read[0].dtype == np.float32
    np.testing.assert_allclose(np.concatenate(read), expected, atol=1e-6)
    np.testing.assert_array_equal(np.concatenate(list(batches)), np.concatenate(read))
    np.testing.assert_array_equal(from_names.pictures(str(folder)), PIXELS[order])


def test_images_are_normalised_as_named(folder):
    (unit,) = from_names.data(str(folder), normalise="unit")
    (imagenet,) = from_names.data(str(folder), normalise="imagenet")
    mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    expected = (unit.transpose(0, 2, 3, 1) - mean) / deviation
    np.testing.assert_allclose(imagenet.transpose(0, 2, 3, 1), expected, atol=1e-5)


def test_images_of_different_size_need_a_size(folder):
    Image.fromarray(PIXELS[0, :4]).save(folder / "other.png")
    with pytest.raises(sm.SpanmatchError, match=r"different size \(.*5 x 6 pixels and .*5 x 4 pixels\); .* --size"):
        list(from_names.data(str(folder)))
    (batch,) = from_names.data(str(folder), size=8)
    assert batch.shape == (8, 3, 8, 8)
    (folder / "3.png").write_bytes((folder / "3.png").read_bytes()[:40])
    with pytest.raises(sm.SpanmatchError, match=r"3\.png: cut short, or not an image"):
        list(from_names.data(str(folder), size=8))


def test_texts_come_from_a_column(tmp_path):
    path = tmp_path / "texts.csv"
    path.write_text('number,text\n1,"A cat, a dog"\n2,"Two\nlines"\n3,Last\n')
    assert from_names.data(str(path), 2) == [["A cat, a dog", "Two\nlines"], ["Last"]]
    path.write_text("title,text\nA,first\nB,second\n")
    assert from_names.data(str(path), text_column="text") == [["first", "second"]]
    for column, message in (
        (None, r"texts in several columns \('title', 'text'\); name one with --text-column"),
        ("body", r"no column 'body'; there is 'title', 'text'"),
    ):
        with pytest.raises(sm.SpanmatchError, match=message):
            from_names.data(str(path), text_column=column)
    path.write_text("title,text\nA,first\nB,\n")
    with pytest.raises(sm.SpanmatchError, match="no text in row 1 of column 'text'"):
        from_names.data(str(path), text_column="text")
    path.write_text("title,text\nA,first\nB\n")
    with pytest.raises(sm.SpanmatchError, match="row 1 has 1 cells, and there are 2 columns"):
        from_names.data(str(path), text_column="text")


def test_a_table_of_numbers_is_an_array(tmp_path):
    (tmp_path / "inputs.csv").write_text("a,b\n1,2\n3,4\n5,6\n")
    first, second = from_names.data(str(tmp_path / "inputs.csv"), 2)
    np.testing.assert_array_equal(np.concatenate([first, second]), [[1, 2], [3, 4], [5, 6]])


def test_options_that_do_not_go_with_the_data_are_refused(tmp_path, folder):
    (tmp_path / "texts.txt").write_text("one\ntwo\n")
    for path, option in (
        ("texts.txt", {"size": 3}),
        ("texts.txt", {"normalise": "unit"}),
        ("images", {"text_column": "a"}),
    ):
        with pytest.raises(sm.SpanmatchError, match=r"--.* is for .*is none"):
            from_names.data(str(tmp_path / path), **option)
    with pytest.raises(sm.SpanmatchError, match="normalise 'zca': give unit or imagenet"):
        from_names.data(str(folder), normalise="zca")
