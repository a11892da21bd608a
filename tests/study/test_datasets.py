"""Data sets: as published, from folders, functions and texts; what is wrong is named."""

from __future__ import annotations

import hashlib
import io
import pickle
import struct
import tarfile
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

import spanmatch as sm
from spanmatch.study import dry_run
from spanmatch.study.cifar_archives import PUBLISHED
from spanmatch.study.datasets import read_data
from spanmatch.study.settings import (
    DataSettings,
)
from studies import STUDIES, written


def test_digits_are_split_once_and_for_all():
    data, again = read_data(DataSettings()), read_data(DataSettings())
    assert data.train.shape == (1438, 1, 8, 8) and data.test.shape == (359, 1, 8, 8) and data.train.dtype == torch.uint8
    assert torch.equal(data.test, again.test) and torch.equal(data.train_labels, again.train_labels)
    both = {image.numpy().tobytes() for image in data.train} & {image.numpy().tobytes() for image in data.test}
    assert not both
    values = data.prepared(data.train)
    assert float(values.mean()) == pytest.approx(0, abs=1e-5) and float(values.std()) == pytest.approx(1, rel=1e-4)
    large = read_data(DataSettings(size=32))
    assert large.train.shape == (1438, 1, 32, 32)
    few = read_data(DataSettings(max_examples=100))
    assert (len(few.train), len(few.test)) == (100, 25)


def cifar_parts(name: str, count: int = 3) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    random = np.random.default_rng(0)
    files = [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"] if name == "cifar10" else ["train", "test"]
    classes = 10 if name == "cifar10" else 100
    return {
        file: (random.integers(256, size=(count, 3072), dtype=np.uint8), random.integers(classes, size=count))
        for file in files
    }


def archive(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(f"cifar/{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def pickled(value: object) -> bytes:
    """Return a value as Python 2 pickled it, which wrote the published archives: protocol 2, strings of bytes."""
    return b"\x80\x02" + _in_pickle(value) + b"."


def _in_pickle(value: object) -> bytes:
    if isinstance(value, bytes):
        return b"U" + bytes([len(value)]) + value if len(value) < 256 else b"T" + struct.pack("<i", len(value)) + value
    if isinstance(value, list):
        return b"](" + b"".join(map(_in_pickle, value)) + b"e"
    if isinstance(value, dict):
        return b"}(" + b"".join(_in_pickle(part) for item in value.items() for part in item) + b"u"
    if isinstance(value, np.ndarray):
        dtype = b"cnumpy\ndtype\n(U\x02u1K\x00K\x01tR(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        shape = b"".join(map(_in_pickle, value.shape)) + b"\x86"
        by_columns = not value.flags.c_contiguous
        content = value.tobytes("F" if by_columns else "C")
        state = b"(K\x01" + shape + dtype + (b"\x88" if by_columns else b"\x89") + _in_pickle(content) + b"t"
        return b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85U\x01btR" + state + b"b"
    return b"J" + struct.pack("<i", int(value))


def test_pickles_are_made_as_python_2_made_them():
    images = np.arange(24, dtype=np.uint8).reshape(4, 6)
    for array in (images, np.asfortranarray(images)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a module's old name
            found = pickle.loads(pickled({b"data": array, b"labels": [1, 300], b"x": b"y" * 300}), encoding="bytes")
        assert np.array_equal(found[b"data"], images) and found[b"labels"] == [1, 300] and found[b"x"] == b"y" * 300


def python_version(name: str, parts: dict) -> dict[str, bytes]:
    files = {}
    for file, (images, labels) in parts.items():
        keys = (
            {b"labels": labels.tolist()}
            if name == "cifar10"
            else {b"fine_labels": labels.tolist(), b"coarse_labels": [0] * len(labels)}
        )
        stored = images if file.endswith("1") else np.asfortranarray(images)
        files[file] = pickled({b"data": stored, b"filenames": [b"x.png"] * len(labels), **keys})
    names = [f"class{i}".encode() for i in range(10 if name == "cifar10" else 100)]
    if name == "cifar10":
        return files | {"batches.meta": pickled({b"label_names": names}), "readme.html": b"<p>"}
    return files | {"meta": pickled({b"fine_label_names": names})}


def binary_version(name: str, parts: dict) -> dict[str, bytes]:
    files = {}
    for file, (images, labels) in parts.items():
        own = labels[:, None].astype(np.uint8)
        heads = own if name == "cifar10" else np.hstack([np.zeros_like(own), own])
        files[f"{file}.bin"] = np.hstack([heads, images]).tobytes()
    names = "".join(f"class{i}\n" for i in range(10 if name == "cifar10" else 100)).encode()
    return files | {"batches.meta.txt" if name == "cifar10" else "fine_label_names.txt": names}


def md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
@pytest.mark.parametrize("version", [python_version, binary_version])
def test_cifar_archives(tmp_path, name, version):
    parts = cifar_parts(name)
    published = next(n for n in PUBLISHED[name] if version.__name__.split("_")[0] in n)
    path = archive(tmp_path / published, version(name, parts))
    data = read_data(DataSettings(name=name, path=path.name, md5=md5(path)), tmp_path)
    train_, tests = [p for f, p in parts.items() if "test" not in f], [p for f, p in parts.items() if "test" in f]
    assert np.array_equal(data.train.numpy().reshape(-1, 3072), np.concatenate([images for images, _ in train_]))
    assert data.test_labels.tolist() == np.concatenate([labels for _, labels in tests]).tolist()
    assert data.train.shape[1:] == (3, 32, 32) and data.classes[3] == "class3"
    in_folder = read_data(DataSettings(name=name, path=".", md5=md5(path)), tmp_path)
    assert torch.equal(in_folder.train, data.train)


def test_cifar_that_is_not_as_published(tmp_path):
    settings = DataSettings(name="cifar10", path="data/cifar-10-python.tar.gz")
    with pytest.raises(sm.SpanmatchError, match=r"data/cifar-10-python.tar.gz is not there.*University of Toronto"):
        read_data(settings, tmp_path)
    with pytest.raises(sm.SpanmatchError, match=r"data.path is missing: give the archive cifar-10-python"):
        read_data(DataSettings(name="cifar10"))
    (tmp_path / "data").mkdir()
    path = archive(tmp_path / "data" / "cifar-10-python.tar.gz", python_version("cifar10", cifar_parts("cifar10")))
    with pytest.raises(sm.SpanmatchError, match=r"its md5 is \w+, and that of what was published c58f30108f718f92721a"):
        read_data(settings, tmp_path)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(sm.SpanmatchError, match="not an archive of cifar10 as published"):
        read_data(settings.model_copy(update={"md5": md5(path)}), tmp_path)
    path = archive(path, {"data_batch_1": pickled({b"data": np.zeros((1, 3072), np.uint8), b"labels": [0]})})
    with pytest.raises(sm.SpanmatchError, match="it holds no data_batch_2"):
        read_data(settings.model_copy(update={"md5": md5(path)}), tmp_path)


def test_what_a_pickle_names_is_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    files = python_version("cifar10", cifar_parts("cifar10"))
    call = b"cposix\nsystem\n(U\x0ctouch harmedtR"
    files["data_batch_1"] = b"\x80\x02}(" + pickled(b"data")[2:-1] + call + pickled(b"labels")[2:-1] + b"](K\x01eu."
    path = archive(tmp_path / "cifar-10-python.tar.gz", files)
    with pytest.raises(sm.SpanmatchError, match="not an archive of cifar10 as published"):
        read_data(DataSettings(name="cifar10", path=str(path), md5=md5(path)))
    assert not (tmp_path / "harmed").exists()
    pickle.loads(files["data_batch_1"])  # what would have happened
    assert (tmp_path / "harmed").exists()


def test_folders_of_images(tmp_path):
    from PIL import Image

    random = np.random.default_rng(0)
    for kind in ("cats", "dogs"):
        (tmp_path / "pets" / kind).mkdir(parents=True)
        for i in range(5):
            Image.fromarray(random.integers(256, size=(10, 12, 3), dtype=np.uint8)).save(
                tmp_path / "pets" / kind / f"{i}.png"
            )
    data = read_data(DataSettings(name="folder", path="pets"), tmp_path)
    assert data.classes == ("cats", "dogs") and data.train.shape == (8, 3, 10, 12)
    first = np.asarray(Image.open(tmp_path / "pets" / "cats" / "0.png"))
    images = torch.cat([data.train, data.test]).permute(0, 2, 3, 1).numpy()
    assert any(np.array_equal(image, first) for image in images)
    assert read_data(DataSettings(name="folder", path="pets", size=6), tmp_path).train.shape == (8, 3, 6, 6)
    Image.fromarray(random.integers(256, size=(9, 9), dtype=np.uint8)).save(tmp_path / "pets" / "dogs" / "other.png")
    with pytest.raises(
        sm.SpanmatchError, match=r"other.png: images of different size \(10x12 and 9x9\); give data.size"
    ):
        read_data(DataSettings(name="folder", path="pets"), tmp_path)
    (tmp_path / "pets" / "dogs" / "other.png").write_bytes(b"none")
    with pytest.raises(sm.SpanmatchError, match=r"other\.png: cut short, or not an image"):
        read_data(DataSettings(name="folder", path="pets"), tmp_path)
    with pytest.raises(sm.SpanmatchError, match="one folder of images for each class"):
        read_data(DataSettings(name="folder", path="pets/cats"), tmp_path)


def test_folders_with_their_own_tests(tmp_path):
    from PIL import Image

    for kind, count in (("train", 3), ("test", 1)):
        for label in ("a", "b"):
            (tmp_path / kind / label).mkdir(parents=True)
            for i in range(count):
                Image.new("RGB", (8, 8)).save(tmp_path / kind / label / f"{i}.jpg")
    data = read_data(DataSettings(name="folder", path="."), tmp_path)
    assert (len(data.train), len(data.test)) == (6, 2) and data.test_labels.tolist() == [0, 1]


OWN = """
import numpy as np, torch
random = np.random.default_rng(0)
images, labels = random.integers(256, size=(20, 3, 6, 6), dtype=np.uint8), np.arange(20) % 4

def both():
    return torch.from_numpy(images), labels

def split(at=15, grey=False):
    own = images[:, 0] if grey else images
    return own[:at], labels[:at], own[at:], labels[at:]

def three():
    return images, labels, images

def floats():
    return images / 255, labels

def flat():
    return images.reshape(20, -1), labels

def few():
    return images, labels[:7]

def negative():
    return images, labels - 1

def names():
    return images, labels + 0.5

def broken():
    raise OSError("no disk")
"""


def test_data_can_come_from_a_function_of_yours(tmp_path):
    (tmp_path / "own.py").write_text(OWN)
    random = np.random.default_rng(0)
    images, labels = random.integers(256, size=(20, 3, 6, 6), dtype=np.uint8), np.arange(20) % 4
    data = read_data(DataSettings(name="own.py:both", held_out=0.25), tmp_path)
    assert (len(data.train), len(data.test), data.classes) == (15, 5, ("0", "1", "2", "3"))
    known = {image.tobytes(): label for image, label in zip(images, labels, strict=True)}
    parts = [(data.train, data.train_labels), (data.test, data.test_labels)]
    found = {i.numpy().tobytes(): int(label) for own in parts for i, label in zip(*own, strict=True)}
    assert found == known
    data = read_data(DataSettings(name="own.py:split", options={"at": 12}), tmp_path)
    assert np.array_equal(data.train, images[:12]) and np.array_equal(data.test, images[12:])
    assert data.test_labels.tolist() == labels[12:].tolist() and data.words.startswith("own.py:split: 12 to train on")
    grey = read_data(DataSettings(name="own.py:split", options={"grey": True}, size=3), tmp_path)
    assert grey.train.shape == (15, 1, 3, 3) and grey.train.dtype == torch.uint8


def test_moved_digits_are_each_in_nine_places():
    data = read_data(DataSettings(name="moved_digits.py:moved"), STUDIES)
    middles = []
    for images, labels in ((data.train, data.train_labels), (data.test, data.test_labels)):
        places, own = images[:, 0].unflatten(0, (9, -1)), labels.unflatten(0, (9, -1))
        assert (own == own[0]).all()
        for k, place in enumerate(places):
            down, right = divmod(k, 3)
            assert torch.equal(place[:, 1:7, 1:7], places[4][:, down : down + 6, right : right + 6])
        middles.append({image.numpy().tobytes() for image in places[4]})
    assert len(data.train) == 9 * 1438 and not middles[0] & middles[1]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("three", "own.py:three gives 3 arrays; give images and labels"),
        ("floats", r"gives images \(20, 3, 6, 6\) of float64; give \(n, channels, size, size\) of bytes"),
        ("flat", r"gives images \(20, 108\) of uint8"),
        ("few", r"gives labels \(7,\) of int64; give 20 whole numbers from 0 on"),
        ("negative", "give 20 whole numbers from 0 on"),
        ("names", r"gives labels \(20,\) of float64"),
        ("broken", "own.py:broken failed: OSError: no disk"),
        ("none", "own.py has no function 'none'"),
    ],
)
def test_wrong_data_of_yours_is_named(tmp_path, name, said):
    (tmp_path / "own.py").write_text(OWN)
    with pytest.raises(sm.SpanmatchError, match=said):
        read_data(DataSettings(name=f"own.py:{name}"), tmp_path)
    path = written(tmp_path, f"name = 'x'\n[data]\nname = 'own.py:{name}'\n[network]\nname = 'mlp'")
    with pytest.raises(sm.SpanmatchError, match=said):
        dry_run(path)


def test_text_is_cut_into_examples_and_the_next_characters(tmp_path):
    text = "".join(chr(32 + i % 90) for i in range(400)) + "é\n\t"
    (tmp_path / "a.txt").write_text(text)
    data = read_data(DataSettings(name="text", path="a.txt", context=20, held_out=0.25), tmp_path)
    assert data.is_text and data.train.shape == (15, 20) and data.test.shape == (5, 20)
    whole = "".join(data.classes[code] for code in torch.cat([data.train, data.test]).flatten())
    assert whole == text[:400]
    assert torch.equal(data.train.flatten()[1:], data.train_labels.flatten()[:-1])
    own = read_data(DataSettings(name="text", max_examples=50))
    assert own.train.shape == (50, 64)
    with pytest.raises(sm.SpanmatchError, match="give at least"):
        read_data(DataSettings(name="text", path="a.txt", context=500), tmp_path)
