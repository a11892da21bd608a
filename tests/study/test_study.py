"""Studies: settings, data, networks, training that survives a kill, and what is compared."""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import signal
import struct
import subprocess
import sys
import tarfile
import time
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats

import spanmatch as sm
from spanmatch._files import TEMPORARY
from spanmatch.study import dry_run
from spanmatch.study.datasets import ARCHIVES, Data, read_data
from spanmatch.study.networks import DEPTHS, MAKERS, VGG, make_network
from spanmatch.study.quantities import blocks_of
from spanmatch.study.settings import (
    CompareSettings,
    DataSettings,
    NetworkSettings,
    Settings,
    TrainingSettings,
    Variant,
    read_settings,
)
from spanmatch.study.train import Run, augmented, rate, train

SMALL = """
name = "small"
seeds = [0, 1, 2]
data.max_examples = 160
[network]
name = "mlp"
options = { widths = [12] }
[training]
epochs = 3
lr = 0.05
[compare]
evidence = false
top = 2
"""


def written(folder: Path, text: str, name: str = "small.toml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


# Settings


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name = 'x'\n[data]\nsiz = 3", ["line 3: data.siz: unknown key; there is size"]),
        ("name = 'x'\n[training]\nepochs = '3'", ["line 3: training.epochs", "valid integer", "given: '3'"]),
        ("name = 'x'\nseeds = [1, 1]", ["seeds: 1, 1: give each once"]),
        ("name = 'x'\nsedes = [1, 2]", ["line 2: sedes: unknown key; there is seeds"]),
        ("name = 'x'\nseeds = [1]", ["line 2: seeds", "at least 2"]),
        ("seeds = [1, 2]", ["name: Field required"]),
        ("name = 'x'\n[compare]\neps = [0.2, 1.0]", ["line 3: compare.eps", "less than 1", "given: 1.0"]),
        ("name = 'x'\n[training]\nschedule = 'cosin'", ["line 3: training.schedule", "'cosine'", "given: 'cosin'"]),
        ("name = 'x'\n[compare]\nacross = [['a', 'b']]\n[[variants]]\nname = 'a'", ["no variant 'b'; there is a"]),
        ("name = 'x'\n[[variants]]\nname = 'a'\n[[variants]]\nname = 'a'", ["give each a name of its own"]),
        ("name = 'x'\ntraining.start = 'a'\n[[variants]]\nname = 'a'", ["no variant 'a' stands before 'a'"]),
        ("name = 'x'\ncompare.epochs = [30]", ["30 is after the last of 20"]),
        ("name = 'x'\n[[variants]]\nname='a'\n[[variants]]\nname='b'\ntraining.lr=-1", ["line 6: training.lr", "-1"]),
        ("name = 'x'\n[[variants]]\nname='a'\n[variants.training]\nlr=-1", ["line 5: training.lr"]),
        ("name = 'x'\ntraining.lr = -1\n[[variants]]\nname='a'", ["line 2: training.lr"]),
        ("name = 'x'\ntraining.device = 'gpu'", ["line 2: training.device", "given: 'gpu'"]),
        ("name = 'x'\n[data]\noptions = {a = 1}", ["line 3: data.options: digits takes none"]),
        ("name = 'x'\n[data]\nname = 'digit'", ["line 3: data.name", "there is 'digits'", "file.py:function"]),
        ("name = ", ["not TOML", "Invalid value"]),
    ],
)
def test_mistakes_are_named_with_their_line(tmp_path, text, said):
    path = written(tmp_path, text)
    with pytest.raises(sm.SpanmatchError) as caught:
        read_settings(path)
    assert all(part in str(caught.value) for part in [str(path), *said]), caught.value


def test_each_mistake_is_said_once(tmp_path):
    text = "name = 'x'\n[data]\nsiz = 3\n[[variants]]\nname='a'\n[[variants]]\nname='b'\n[variants.training]\nlr = 'a'"
    with pytest.raises(sm.SpanmatchError) as caught:
        read_settings(written(tmp_path, text))
    lines = str(caught.value).splitlines()[1:]
    assert [line.split(":")[0] for line in lines] == ["  line 3", "  line 9"]


def test_variants_stand_on_the_study(tmp_path):
    text = (
        SMALL
        + "[[variants]]\nname = 'a'\n[[variants]]\nname = 'b'\nnetwork.options.widths = [5]\ntraining.epochs = 1\n"
    )
    a, b = read_settings(written(tmp_path, text)).variants
    assert (a.network.options, b.network.options) == ({"widths": [12]}, {"widths": [5]})
    assert (a.training.epochs, b.training.epochs, b.training.lr) == (3, 1, 0.05)
    with pytest.raises(sm.SpanmatchError, match="No such file"):
        read_settings(tmp_path / "none.toml")


# Data


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


def test_random_labels_have_nothing_to_do_with_the_images():
    true, random = read_data(DataSettings()), read_data(DataSettings(labels="random"))
    assert torch.equal(true.train, random.train)
    agreement = (true.train_labels == random.train_labels).float().mean()
    assert 0.06 < float(agreement) < 0.14
    assert torch.equal(random.train_labels, read_data(DataSettings(labels="random")).train_labels)


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
    published = next(n for n in ARCHIVES[name] if version.__name__.split("_")[0] in n)
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
    data = read_data(DataSettings(name="moved_digits.py:moved"), Path(__file__).parents[2] / "studies")
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
    with pytest.raises(sm.SpanmatchError, match="labels are the text itself"):
        read_data(DataSettings(name="text", path="a.txt", context=20, labels="random"), tmp_path)


# Networks


def noise(size: int = 32, channels: int = 3, classes: int = 10, n: int = 4) -> Data:
    random = torch.Generator().manual_seed(0)
    images = torch.randint(256, (n, channels, size, size), generator=random).to(torch.uint8)
    labels = torch.arange(n) % classes
    return Data("noise", images, labels, images, labels, tuple(map(str, range(classes))))


def made(name: str, data: Data | None = None, **options) -> torch.nn.Module:
    return make_network(NetworkSettings(name=name, options=options), data or noise(), 0)


def test_networks_have_the_layers_that_their_names_say():
    def count(network: torch.nn.Module) -> int:
        return sum(isinstance(m, torch.nn.Conv2d | torch.nn.Linear) for m in network.modules())

    def parameters(network: torch.nn.Module) -> int:
        return sum(p.numel() for p in network.parameters())

    for depth in VGG:  # convolutions, and three fully connected in the original, two here
        assert count(made(f"vgg{depth}")) == count(made(f"vgg{depth}-bn")) == depth - 1
    for depth in DEPTHS:
        assert count(made(f"resnet{depth}")) == count(made(f"plain{depth}")) == depth
        assert parameters(made(f"resnet{depth}")) == parameters(made(f"plain{depth}"))
    # He et al. report 0.27 and 0.85 million for the two.
    assert round(parameters(made("resnet20")) / 1e6, 2) == 0.27
    assert round(parameters(made("resnet56")) / 1e6, 2) == 0.85


@pytest.mark.parametrize("name", [name for name in MAKERS if name != "transformer"])
def test_every_network_gives_logits_and_its_layers_are_there(name):
    data = noise()
    network = made(name, data, **({} if name == "mlp" else {"width": 0.125}))
    moments = sm.capture({"a": network}, [data.prepared(data.train)], layers=MAKERS[name].layers, null=False)
    assert list(moments.layers.values())[-1] == 10
    with torch.no_grad():
        assert network(data.prepared(data.train)).shape == (4, 10)


def test_a_residual_block_adds_what_it_was_given():
    data = noise(8)
    residual, plain = made("resnet20", data), made("plain20", data)
    x = torch.randn(2, 16, 8, 8, generator=torch.Generator().manual_seed(0))
    for network, expected in ((residual, x), (plain, torch.zeros_like(x))):
        block = network.block1_1
        torch.nn.init.zeros_(block.norm2.weight)
        torch.testing.assert_close(block(x), torch.relu(expected))


def test_a_transformer_does_not_look_ahead():
    data = read_data(DataSettings(name="text", context=16, max_examples=8))
    network = made("transformer", data, blocks=2, width=16, heads=2).eval()
    changed = data.train.clone()
    changed[:, 10] = (changed[:, 10] + 1) % len(data.classes)
    with torch.no_grad():
        a, b = network(data.train), network(changed)
    torch.testing.assert_close(a[:, :10], b[:, :10])
    assert (a[:, 10:] - b[:, 10:]).abs().amax(dim=(0, 2)).min() > 1e-5


def test_wrong_networks_are_refused(tmp_path):
    file = tmp_path / "nets.py"
    file.write_text(
        "import torch\n"
        "def small(channels, classes): return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.LazyLinear(classes))\n"
        "def none(): return 3\n"
        "def other(vocabulary): return None\n"
    )
    assert isinstance(made(f"{file}:small"), torch.nn.Module)
    for name, options, message in (
        ("vgg12", {}, "no 'vgg12'; there is 'vgg1"),
        ("vgg11", {"widht": 2}, "network.options: vgg11 has no 'widht'; there is 'width'"),
        ("vgg11", {"width": "wide"}, "vgg11 with .*width: wide failed"),
        (f"{file}:none", {}, "gives a int; it must give a torch.nn.Module"),
        (f"{file}:gone", {}, "has no function 'gone'"),
        (f"{file}:other", {}, "takes vocabulary, which noise does not have"),
        ("transformer", {}, "takes context, which noise does not have"),
    ):
        with pytest.raises(sm.SpanmatchError, match=message):
            made(name, **options)
    with pytest.raises(sm.SpanmatchError, match=r"8 x 8 is too small; set data\.size = 32"):
        made("vgg11", noise(8))


# Training


def run_in(folder: Path, seed: int = 0, kept: tuple[int, ...] = (), made_from: str = "{}", **training) -> Run:
    options = {"epochs": 2, "lr": 0.05, "batch": 32} | training
    network = NetworkSettings(name="cnn", options={"width": 0.25})
    return Run(Variant(network=network, training=TrainingSettings(**options)), seed, folder, kept, made_from)


def weights(run: Run, data: Data, epoch: int | None = None) -> list[torch.Tensor]:
    return list(run.network(data, epoch).state_dict().values())


def test_training_is_a_function_of_the_seed(tmp_path):
    data = read_data(DataSettings(max_examples=200))
    found = []
    for i, seed in enumerate((0, 0, 1)):
        torch.manual_seed(i)  # what others draw does not matter
        run = run_in(tmp_path / str(i), seed, (0, 2), augment=("flip", "crop"))
        before = torch.random.get_rng_state()
        train(run, data, lambda _: None)
        assert torch.equal(before, torch.random.get_rng_state())
        found.append(weights(run, data))
    assert all(torch.equal(a, b) for a, b in zip(found[0], found[1], strict=True))
    assert not torch.equal(found[0][0], found[2][0])
    history = run_in(tmp_path / "0").history()
    assert [epoch["epoch"] for epoch in history] == [0, 1, 2] and "train_loss" not in history[0]
    assert history[2]["train_loss"] < history[1]["train_loss"]
    assert torch.equal(
        weights(run, data, 0)[0], make_network(run.variant.network, data, 1).state_dict()["conv1.weight"]
    )


def test_every_epoch_has_an_order_of_its_own(tmp_path, monkeypatch):
    data = read_data(DataSettings(max_examples=100))
    orders, draw = [], torch.randperm
    monkeypatch.setattr(torch, "randperm", lambda n: orders.append(draw(n)) or orders[-1])
    for seed in (0, 0, 1):
        train(run_in(tmp_path / f"{len(orders)}", seed), data, lambda _: None)
    assert torch.equal(orders[0], orders[2]) and torch.equal(orders[1], orders[3])
    assert len({tuple(order.tolist()) for order in orders}) == 4


def test_accuracy_and_loss_are_those_of_all_examples(tmp_path):
    data = read_data(DataSettings(max_examples=150))
    run = run_in(tmp_path / "a", epochs=1, lr=1e-12, kept=(1,))
    train(run, data, lambda _: None)
    network, last = run.network(data), run.history()[-1]
    for kind, inputs, labels in (("train", data.train, data.train_labels), ("test", data.test, data.test_labels)):
        with torch.no_grad():
            logits = network(data.prepared(inputs))
        assert last[f"{kind}_accuracy"] == pytest.approx(float((logits.argmax(1) == labels).float().mean()), rel=1e-6)
        loss = torch.nn.functional.cross_entropy(logits, labels)
        assert last[f"{kind}_loss"] == pytest.approx(float(loss), rel=1e-4)


@pytest.mark.parametrize("optimiser", ["sgd", "adamw"])
def test_an_interrupted_run_ends_with_the_same_numbers(tmp_path, optimiser):
    data = read_data(DataSettings(max_examples=200))
    whole, parts = (run_in(tmp_path / name, 0, (3,), epochs=3, optimiser=optimiser, lr=0.003) for name in "ab")
    train(whole, data, lambda _: None)

    def stop(epoch: dict) -> None:
        raise KeyboardInterrupt

    parts.folder.mkdir(parents=True, exist_ok=True)
    left = parts.folder / f".state.safetensors.killed{TEMPORARY}"
    left.write_text("half")
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            train(parts, data, stop)
    train(parts, data, stop)  # nothing is left to do
    assert not left.exists()
    assert whole.history() == parts.history()
    assert all(torch.equal(a, b) for a, b in zip(weights(whole, data), weights(parts, data), strict=True))


def test_a_folder_of_other_settings_is_refused(tmp_path):
    data = read_data(DataSettings(max_examples=100))
    train(run_in(tmp_path / "a", made_from='{"training": {"lr": 0.1}}', epochs=1), data, lambda _: None)
    with pytest.raises(sm.SpanmatchError, match=r"training.lr was 0.1 and is 0.2; choose another output folder"):
        run_in(tmp_path / "a", made_from='{"training": {"lr": 0.2}}').history()


def test_a_loss_that_is_not_finite_ends_the_run(tmp_path):
    data = read_data(DataSettings(max_examples=200))
    with pytest.raises(sm.SpanmatchError, match=r"main seed 0: the loss is no longer finite in epoch \d+.*training.lr"):
        train(run_in(tmp_path / "a", lr=1e9, epochs=9), data, lambda _: None)


def test_rates_are_those_of_pytorch():
    steps = 40
    for settings, schedule in (
        ({"schedule": "cosine"}, lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, steps)),
        ({"schedule": "step"}, lambda o: torch.optim.lr_scheduler.MultiStepLR(o, [20, 30], 0.1)),
        ({"schedule": "constant"}, lambda o: torch.optim.lr_scheduler.ConstantLR(o, 1.0)),
    ):
        optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
        theirs = schedule(optimiser)
        for step in range(steps):
            assert rate(TrainingSettings(epochs=steps, **settings), step) == pytest.approx(
                optimiser.param_groups[0]["lr"]
            )
            optimiser.step()
            theirs.step()
    warm = TrainingSettings(epochs=10, warmup=2)
    assert [rate(warm, e) for e in (0, 1, 2)] == [0, 0.5, 1.0] and rate(warm, 10) == pytest.approx(0)


def test_crops_move_images_and_flips_mirror_them():
    images = torch.arange(2 * 3 * 8 * 8, dtype=torch.float32).view(2, 3, 8, 8) + 1
    torch.manual_seed(0)
    padded = torch.nn.functional.pad(images, (4,) * 4)
    for _ in range(20):
        for own, whole in zip(augmented(images, TrainingSettings(augment=("crop",))), padded, strict=True):
            places = [(i, j) for i in range(9) for j in range(9) if torch.equal(whole[:, i : i + 8, j : j + 8], own)]
            assert len(places) >= 1
        flipped = augmented(images, TrainingSettings(augment=("flip",)))
        assert all(torch.equal(a, b) or torch.equal(a, b.flip(-1)) for a, b in zip(flipped, images, strict=True))
    assert torch.equal(augmented(images, TrainingSettings()), images)


# The whole study


def test_a_study_writes_what_it_found(small_study):
    names = {path.name for path in small_study.folder.iterdir()}
    assert names == {
        "comparisons",
        "epochs.csv",
        "figures",
        "layers.csv",
        "report.html",
        "runs",
        "runs.csv",
        "study.json",
    }
    assert [step["name"] for step in small_study.results["steps"]] == [
        *("seeds-a", "epochs-a", "alignment-a", "seeds-b", "epochs-b", "alignment-b", "across-a-b")
    ]
    figures = {path.name for path in (small_study.folder / "figures" / "seeds-a").iterdir()}
    assert figures >= {
        f"{name}.{kind}" for name in ("depth", "profiles", "partners", "clusters") for kind in ("pdf", "png")
    }
    assert {"learning.pdf", "epochs-a.png"} <= {path.name for path in (small_study.folder / "figures").iterdir()}
    again = sm.Study.load(small_study.folder)
    assert again.results == small_study.results and set(again.comparisons) == {"seeds-a", "seeds-b", "across-a-b"}
    frame = again.to_frame()
    assert set(frame["quantity"]) == {"s(0.15)", "s(0.2)", "s(0.25)", "s(0.3)", "s(0.5)", "debiased cka", "procrustes"}
    with pytest.raises(sm.SpanmatchError, match="give the folder of a study that has ended"):
        sm.Study.load(small_study.folder / "runs")


def test_a_studys_tables_are_those_of_its_comparisons(small_study):
    comparison = small_study.comparisons["seeds-a"]
    rows = [row for row in small_study.rows() if row["comparison"] == "seeds-a" and row["quantity"] == "s(0.3)"]
    for row in rows:
        pairs = [pair for pair in comparison["pairs"] if pair["layer"] == row["layer"]]
        values = [pair["similarity"][comparison["eps"].index(0.3)] for pair in pairs]
        assert len(values) == 3
        assert row["value"] == pytest.approx(np.mean(values), rel=1e-3, abs=1e-9)
        assert (row["minimum"], row["maximum"]) == pytest.approx((min(values), max(values)), rel=1e-3, abs=1e-9)


def test_a_later_variant_starts_where_the_first_ended(small_study):
    ended, started = small_study.networks("a"), small_study.networks("b", epoch=0)
    for name, network in ended.items():
        assert all(torch.equal(a, b) for a, b in zip(network.parameters(), started[name].parameters(), strict=True))
    histories = {run["variant"]: run["history"] for run in small_study.results["runs"] if run["seed"] == 1}
    assert histories["b"][0]["test_loss"] == pytest.approx(histories["a"][-1]["test_loss"], rel=1e-6)
    with pytest.raises(sm.SpanmatchError, match="no variant 'c'; there is 'a', 'b'"):
        small_study.networks("c")


def test_training_is_followed(small_study):
    rows = next(step for step in small_study.results["steps"] if step["name"] == "epochs-a")["rows"]
    assert {row["epoch"] for row in rows} == {0, 1, 3}
    last = [row for row in rows if row["epoch"] == 3]
    # At the end each network is like itself, and like the others as the comparison of seeds says.
    assert all(row["own"]["value"] == pytest.approx(1, abs=1e-6) for row in last if row["quantity"] == "debiased cka")
    seeds = {(r["layer"], r["quantity"]): r for r in small_study.rows() if r["comparison"] == "seeds-a"}
    for row in last:
        assert row["between"]["value"] == pytest.approx(
            seeds[row["layer"], row["quantity"]]["value"], rel=1e-3, abs=1e-3
        )
    first = next(r for r in rows if (r["epoch"], r["layer"], r["quantity"]) == (0, "relu1", "debiased cka"))
    data = read_data(DataSettings(max_examples=160))
    images = data.prepared(torch.cat([data.train, data.test]))
    values = []
    for then, last in zip(*(small_study.networks("a", epoch).values() for epoch in (0, None)), strict=True):
        with torch.no_grad():
            X, Y = (torch.relu(network.fc1(images.flatten(1))).double().numpy() for network in (then, last))
        values.append(float(sm.debiased_cka(sm.pair(X, Y))))
    assert (first["own"]["value"], first["own"]["minimum"]) == pytest.approx((np.mean(values), min(values)), rel=1e-3)


def test_across_puts_each_network_against_another_seeds(small_study):
    pairs = small_study.comparisons["across-a-b"]["pairs"]
    between = {(p["x_layer"].split(":")[0], p["y_layer"].split(":")[0]) for p in pairs}
    assert between == {("a seed0", "b seed1"), ("a seed1", "b seed2"), ("a seed2", "b seed0")}


def test_alignment_is_measured_against_random_weights(small_study):
    step = next(step for step in small_study.results["steps"] if step["name"] == "alignment-a")
    assert (step["neurons"], step["inputs"]) == (80, 64)
    first, last = step["epochs"][0], step["epochs"][-1]
    assert first["epoch"] == 0 and first["change"]["value"] == 0
    assert last["change"]["value"] == pytest.approx(last["value"] - first["value"], abs=1e-2)
    assert step["random"]["low"] < first["value"] < step["random"]["high"]
    data = read_data(DataSettings(max_examples=160))
    weights = [network.fc1.weight.detach().double().numpy() for network in small_study.networks("a", epoch=0).values()]
    inputs = np.cov(data.prepared(data.train).flatten(1).double().numpy().T, bias=True)
    values = [sm.misalignment(inputs, np.cov(W.T)) for W in weights]
    assert (first["value"], first["maximum"]) == pytest.approx((np.mean(values), max(values)), rel=1e-3)


def test_finished_work_is_not_done_again(small_study):
    files = {path: path.stat().st_mtime_ns for path in (small_study.folder / "runs").rglob("*.safetensors")}
    steps = {path: path.stat().st_mtime_ns for path in small_study.folder.rglob("step.json")}
    page = (small_study.folder / "report.html").read_bytes()
    again = sm.run_study(small_study.folder.parent / "small.toml", small_study.folder)
    assert again.results == small_study.results
    assert {path: path.stat().st_mtime_ns for path in files} == files
    assert {path: path.stat().st_mtime_ns for path in steps} == steps
    assert (small_study.folder / "report.html").read_bytes() == page


def command(*arguments: object, folder: Path) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "spanmatch", *map(str, arguments)], cwd=folder, stderr=subprocess.PIPE
    )


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL on this system")
def test_a_killed_study_goes_on_and_ends_with_the_same_numbers(tmp_path):
    text = SMALL.replace("epochs = 3", "epochs = 60").replace("max_examples = 160", "max_examples = 400")
    written(tmp_path, text)
    process = command("study", "small.toml", "--workers", 2, folder=tmp_path)
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob("small/runs/main/seed*/state.safetensors")):
        assert process.poll() is None and time.monotonic() < deadline, process.stderr.read().decode()
        time.sleep(0.01)
    time.sleep(0.3)
    children = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(process.pid)], capture_output=True, text=True, check=False
    )
    process.kill()
    process.communicate()
    assert not (tmp_path / "small" / "study.json").exists()
    # The training processes do not outlive the study for long.
    for pid in map(int, children.stdout.split()):
        while _alive(pid) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not _alive(pid)
    study = sm.run_study(tmp_path / "small.toml", tmp_path / "small", workers=1)
    whole = sm.run_study(tmp_path / "small.toml", tmp_path / "whole", workers=2)
    assert study.results == whole.results
    for path in (tmp_path / "whole").rglob("epoch*.safetensors"):
        assert path.read_bytes() == (tmp_path / "small" / path.relative_to(tmp_path / "whole")).read_bytes()


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="no process groups on this system")
def test_ctrl_c_keeps_what_was_done_and_says_so(tmp_path):
    """A terminal sends it to the training processes too, which have nothing to say to it."""
    written(tmp_path, SMALL.replace("epochs = 3", "epochs = 5000"))
    process = subprocess.Popen(
        [sys.executable, "-m", "spanmatch", "study", "small.toml"],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509
    )
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob("small/runs/main/seed*/state.safetensors")):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted; what was done is kept" in stderr and "Traceback" not in stderr
    assert not list(tmp_path.rglob(".*"))  # nothing half-written stays behind


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    return not (status.exists() and status.read_text().split(")")[-1].split()[0] == "Z")


def test_a_dry_run_needs_no_data_and_no_gpu(tmp_path):
    for file in sorted((Path(__file__).parents[2] / "studies").glob("*.toml")):
        lines = dry_run(file)
        assert any("layers: " in line for line in lines)
        if file.stem.startswith("cifar"):
            assert any("data are missing" in line and "University of Toronto" in line for line in lines)
    wrong = written(tmp_path, SMALL.replace("widths", "wide"))
    with pytest.raises(sm.SpanmatchError, match="mlp has no 'wide'; there is 'widths'"):
        dry_run(wrong)
    with pytest.raises(sm.SpanmatchError, match=r"'rleu\*' matches nothing"):
        dry_run(written(tmp_path, SMALL + "layers = ['rleu*']\n"))
    with pytest.raises(sm.SpanmatchError, match="no measure 'ckaa'; there is 'cka'"):
        dry_run(written(tmp_path, SMALL + "measures = ['ckaa']\n"))


def test_a_network_of_ones_own(tmp_path, monkeypatch):
    """Its file is beside the study's, wherever that is run from; and if it changes, the runs are another study's."""
    code = """
import torch
from torch import nn

def make(channels, size, classes, width=3):
    inputs = channels * size * size
    return nn.Sequential(nn.Flatten(), nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, classes))
"""
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "nets.py").write_text(code)
    text = (
        SMALL.replace('"mlp"', '"nets.py:make"')
        .replace("widths = [12]", "width = 5")
        .replace("epochs = 3", "epochs = 1")
    )
    path = written(tmp_path / "here", text)
    monkeypatch.chdir(tmp_path)
    assert any("nets.py:make" in line for line in dry_run(path))
    study = sm.run_study(path, tmp_path / "out")
    assert {row["layer"]: row["neurons"] for row in study.rows()} == {"1": 5, "2": 5, "3": 10}
    assert study.networks(data=tmp_path / "here")["seed1"][1].out_features == 5
    assert str(tmp_path) not in (tmp_path / "out" / "study.json").read_text()
    (tmp_path / "here" / "nets.py").write_text(code + "# changed\n")
    with pytest.raises(sm.SpanmatchError, match=r"code was '.*' and is '.*'; choose another output folder"):
        sm.run_study(path, tmp_path / "out")


def test_every_setting_is_documented():
    text = (Path(__file__).parents[2] / "docs" / "studies.md").read_text()
    for section in (Settings, DataSettings, NetworkSettings, TrainingSettings, CompareSettings):
        for name in section.model_fields:
            assert f"`{name}`" in text or f"`[[{name}]]`" in text or f"`[{name}]`" in text, name
    for name in ("vgg11", "resnet20", "plain20", "mlp", "cnn", "transformer"):
        assert f"`{name}`" in text


# Over seeds


def test_the_interval_of_single_networks_is_students():
    values = np.random.default_rng(0).standard_normal(7)
    found = sm.over_seeds(values)
    expected = stats.t.interval(0.95, 6, values.mean(), stats.sem(values))
    assert (found.value, found.low, found.high) == pytest.approx((values.mean(), *expected), rel=1e-12)
    assert (found.minimum, found.maximum) == (values.min(), values.max())


def test_the_interval_of_pairs_covers():
    """Pairs that share a seed share its part: an interval that took them for independent would be far too narrow."""
    random = np.random.default_rng(1)
    inside, naive = 0, 0
    for _ in range(400):
        own = random.standard_normal(6)
        values = {(i, j): own[i] + own[j] + 0.1 * random.standard_normal() for i in range(6) for j in range(i)}
        found = sm.over_seeds(values)
        inside += found.low <= 0 <= found.high
        low, high = stats.t.interval(0.95, 14, np.mean(list(values.values())), stats.sem(list(values.values())))
        naive += low <= 0 <= high
    assert 0.91 < inside / 400 < 0.985
    assert naive / 400 < 0.75


def test_intervals_that_cannot_be_had_are_nan():
    assert np.isnan(sm.over_seeds({(0, 1): 0.5}).low) and sm.over_seeds({(0, 1): 0.5}).value == 0.5
    assert np.isnan(sm.over_seeds([np.nan, np.nan]).value)
    assert sm.over_seeds([np.nan, 1.0, 3.0]).value == 2.0
    assert sm.over_seeds([0.5]).to_dict() == {"value": 0.5, "low": None, "high": None, "minimum": 0.5, "maximum": 0.5}


# Alignment and blocks


def test_misalignment_is_zero_for_shared_eigenvectors_alone():
    random = np.random.default_rng(0)
    Q = np.linalg.qr(random.standard_normal((8, 8)))[0]
    A, B = (Q @ np.diag(np.sort(random.uniform(0.1, 5, 8))[::step]) @ Q.T for step in (1, -1))
    assert sm.misalignment(A, B) == pytest.approx(0, abs=1e-10)
    C = np.cov(random.standard_normal((8, 40)))
    found = sm.misalignment(A, C)
    assert found > 0.1
    assert sm.misalignment(7 * A, 0.01 * C) == pytest.approx(found, rel=1e-9)
    # The definition, eigenvector by eigenvector.
    values, vectors = np.linalg.eigh(A)
    terms = [np.sqrt((v @ C @ v) * (v @ np.linalg.inv(C) @ v)) for v in vectors.T]
    assert found == pytest.approx(sum(terms) - 8, rel=1e-9)
    # It does not change where the data are rotated with the weights, and does where they alone are.
    R = np.linalg.qr(random.standard_normal((8, 8)))[0]
    assert sm.misalignment(R @ A @ R.T, R @ C @ R.T) == pytest.approx(found, rel=1e-9)
    assert abs(sm.misalignment(R @ A @ R.T, C) - found) > 1e-3
    del values


def test_misalignment_leaves_out_what_does_not_vary_and_refuses_what_it_cannot_tell():
    A, B = np.diag([3.0, 2.0, 1.0, 0.0]), np.cov(np.random.default_rng(0).standard_normal((4, 30)))
    assert sm.misalignment(A, B) == pytest.approx(sm.misalignment(A[:3, :3], B[:3, :3]), rel=1e-9)
    with pytest.raises(sm.SpanmatchError, match="no inverse over the 3 directions"):
        sm.misalignment(A, np.diag([1.0, 1.0, 0.0, 0.0]))
    with pytest.raises(sm.SpanmatchError, match=r"shapes \(4, 4\) and \(3, 3\)"):
        sm.misalignment(A, np.eye(3))
    with pytest.raises(sm.SpanmatchError, match="do not vary"):
        sm.misalignment(np.zeros((2, 2)), np.eye(2))


def test_blocks_tell_what_is_each_networks_own():
    names = [f"{network}:{layer}" for network in "abc" for layer in "xyz"]
    values = np.full((9, 9), 0.2)
    for k in range(3):
        values[3 * k : 3 * k + 3, 3 * k : 3 * k + 3] = 0.9
    matrix = sm.LayerMatrix("debiased cka", tuple(names), values, np.linspace(0.1, 0.9, 9), "")
    found = blocks_of(matrix)
    assert found["within"]["value"] == pytest.approx(0.9) and found["between"]["value"] == pytest.approx(0.2)
    assert found["first_component"]["x"]["value"] == pytest.approx(np.mean([0.1, 0.4, 0.7]))
    mixed = np.random.default_rng(0).uniform(size=(9, 9))
    found = blocks_of(replace(matrix, values=mixed))
    for name, places in (("within", ((0, 0), (3, 3), (6, 6))), ("between", ((0, 3), (0, 6), (3, 6)))):
        above = [mixed[a + i, b + j] for a, b in places for i, j in ((0, 1), (0, 2), (1, 2))]
        assert found[name]["value"] == pytest.approx(np.mean(above), rel=1e-3)
    same = blocks_of(replace(matrix, values=np.full((9, 9), 0.9)))
    assert same["within"]["value"] == same["between"]["value"]


def test_results_are_json(small_study):
    for path in small_study.folder.rglob("*.json"):
        json.loads(path.read_text(), parse_constant=pytest.fail)
