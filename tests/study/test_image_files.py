"""Images in folders and archives: every layout gives the same data; what is damaged or unsafe is refused by name."""

from __future__ import annotations

import gzip
import io
import os
import stat
import subprocess
import sys
import tarfile
import warnings
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import EpsImagePlugin, Image

import spanmatch as sm
from spanmatch._files import read_tensors, write_tensors
from spanmatch.activations import archive_files, image_decoding
from spanmatch.study import image_files
from spanmatch.study.datasets import Data, read_data, reader
from spanmatch.study.settings import DataSettings
from studies import written

Files = Sequence[tuple[str, bytes]]


def png(seed: int, size: tuple[int, int] = (6, 6)) -> bytes:
    pixels = np.random.default_rng(seed).integers(256, size=(*size, 3), dtype=np.uint8)
    return encoded(Image.fromarray(pixels))


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


FLAT = [(f"{label}/{i}.png", png(ord(label) + 10 * i)) for label in "abc" for i in range(4)]
PARTS = [
    (f"{kind}/{label}/{i}.PNG", png(ord(label) + i + len(kind)))
    for kind, n in (("train", 3), ("test", 1))
    for label in "ab"
    for i in range(n)
]


def folder(path: Path, files: Files) -> Path:
    for name, content in files:
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


def tar(path: Path, files: Files, mode: str = "w") -> Path:
    with tarfile.open(path, mode) as archive:
        for name, content in files:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def tar_gz(path: Path, files: Files) -> Path:
    return tar(path, files, "w:gz")


def zip_(path: Path, files: Files) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a name that is twice there
        for name, content in files:
            archive.writestr(name, content)
    return path


MAKERS = [folder, tar, tar_gz, zip_]


def read(path: Path, name: str = "folder", cache: Path | None = None, **settings: object) -> Data:
    return read_data(DataSettings(name=name, path=str(path), **settings), Path(), cache)


def refused(path: Path, said: str, **settings: object) -> None:
    """Reading raises one line that names the path and says this; nothing is left in the cache."""
    cache = path.parent / "cache"
    with pytest.raises(sm.SpanmatchError, match=said) as error:
        read(path, cache=cache, **settings)
    message = str(error.value)
    assert str(path) in message and "\n" not in message, message
    assert not cache.exists() or not list(cache.iterdir())


# Layouts


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("outer", ["", "top/", "./in/top/"])
def test_every_layout_gives_the_images_and_classes(tmp_path, make, outer):
    more = [
        (".DS_Store", b"x"),
        ("__MACOSX/a/._0.png", b"x"),
        (f"{outer}.hidden/a/0.png", b"no image"),
        (f"{outer}README.txt", b"x"),
    ]
    path = make(tmp_path / "flat", [*more, *((outer + name, content) for name, content in FLAT)])
    data = read(path, held_out=0.25)
    assert data.classes == ("a", "b", "c") and len(data.train) == 9 and len(data.test) == 3
    expected = {
        np.asarray(Image.open(io.BytesIO(content))).transpose(2, 0, 1).tobytes(): "abc".index(name[0])
        for name, content in FLAT
    }
    images, labels = torch.cat([data.train, data.test]), torch.cat([data.train_labels, data.test_labels])
    assert {i.numpy().tobytes(): int(label) for i, label in zip(images, labels, strict=True)} == expected
    assert data.digest == read(folder(tmp_path / "plain", FLAT), held_out=0.25).digest

    parts = read(make(tmp_path / "parts", [*more, *((outer + name, content) for name, content in reversed(PARTS))]))
    assert parts.classes == ("a", "b")
    assert parts.train_labels.tolist() == [0, 0, 0, 1, 1, 1] and parts.test_labels.tolist() == [0, 1]
    train = [Image.open(io.BytesIO(content)) for name, content in PARTS if name.startswith("train")]
    assert np.array_equal(parts.train.permute(0, 2, 3, 1), np.stack(train))


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize(
    ("files", "said"),
    [
        ([("preview.png", png(0)), *FLAT], r"preview\.png: in no class's folder; give one folder of images for each"),
        ([("a/more/0.png", png(0)), *FLAT], r"a/more/0\.png: in no class's folder"),
        ([(n.replace("test", "val"), c) for n, c in PARTS], r"train/a/0\.PNG: in no class's folder"),
        ([(n.title(), c) for n, c in PARTS], r"Test/A/0\.Png: in no class's folder"),
        ([("train/0.png", png(0)), ("test/0.png", png(1))], r"test/0\.png: in no class's folder"),
        ([("val/a/0.png", png(0)), *PARTS], r"val/a/0\.png: in no class's folder; .* in train and in test"),
        (FLAT[:4], "images of one class; .* two classes or more"),
        ([("test/c/0.png", png(0)), *PARTS], r"test/c/0\.png: there are no training images of 'c'"),
        ([("d/0.tif", b"x"), *FLAT], r"d: no images in this folder; known are \.png"),
        ([("train/c/Thumbs.db", b"x"), *PARTS], r"train/c: no images in this folder"),
        ([("a/notes.txt", b"x")], r"no images; known are"),
        ([*FLAT, ("c/9.png", png(0, (5, 7)))], r"c/9\.png: images of different size \(6x6 and 5x7\); give data\.size"),
        ([*FLAT, ("c/9.png", b"none")], r"c/9\.png: cut short, or not an image"),
        ([*FLAT, ("c/9.png", FLAT[0][1][:-60])], r"c/9\.png: cut short, or not an image"),
        ([*FLAT, ("c/9.png", b"")], r"c/9\.png: cut short, or not an image"),
    ],
)
def test_what_is_not_a_set_of_classes_is_refused(tmp_path, make, files, said):
    refused(make(tmp_path / "data", files), said)


@pytest.mark.parametrize("make", [tar, zip_])
def test_an_empty_folder_of_an_archive_is_no_class(tmp_path, make):
    path = make(tmp_path / "data", FLAT)
    if make is tar:
        with tarfile.open(path, "a") as archive:
            member = tarfile.TarInfo("empty")
            member.type = tarfile.DIRTYPE
            archive.addfile(member)
    else:
        with zipfile.ZipFile(path, "a") as archive:
            archive.mkdir("empty")
    refused(path, "empty: no images in this folder")


def test_cifar_takes_images_of_ten_classes_and_the_checksum_is_checked(tmp_path):
    files = [(f"{kind}/{c}/0.png", png(ord(c) + len(kind))) for kind in ("train", "test") for c in "abcdefghij"]
    for make in MAKERS:
        path = make(tmp_path / make.__name__, files)
        assert read(path, "cifar10").train_labels.tolist() == list(range(10))
        if path.is_file():
            refused(path, "its md5 is .* and data.md5 is 0123", name="cifar10", md5="0123")
    refused(zip_(tmp_path / "three", FLAT), "images of 3 classes; give those of 10", name="cifar10")
    cache = tmp_path / "kept"
    read(tmp_path / "three", cache=cache)
    with pytest.raises(sm.SpanmatchError, match="images of 3 classes"):
        read(tmp_path / "three", "cifar10", cache)
    (tmp_path / "other.tar.gz").write_bytes(b"none")
    refused(tmp_path / "other.tar.gz", r"cut short, damaged, or none of \.tar, \.tar\.gz", name="cifar10")


# Unsafe and damaged archives


def link(path: Path, name: str, kind: bytes = tarfile.SYMTYPE) -> Path:
    with tarfile.open(tar(path, FLAT), "a") as archive:
        member = tarfile.TarInfo(name)
        member.type, member.linkname = kind, "/etc/passwd"
        archive.addfile(member)
    return path


def zip_link(path: Path) -> Path:
    with zipfile.ZipFile(zip_(path, FLAT), "a") as archive:
        member = zipfile.ZipInfo("a/9.png")
        member.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(member, "/etc/passwd")
    return path


def changed(path: Path, change: Callable[[bytearray], object]) -> Path:
    content = bytearray(path.read_bytes())
    change(content)
    path.write_bytes(content)
    return path


def wrong_crc(path: Path) -> Path:
    """Change one byte of an image that is stored as it is, in the middle of it."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in FLAT:
            archive.writestr(name, content)

    def change(content: bytearray) -> None:
        content[bytes(content).index(FLAT[5][1]) + 60] ^= 1

    return changed(path, change)


def encrypted(path: Path) -> Path:
    """Set the flag of encryption of a member, in its own header and in the directory."""

    def change(content: bytearray) -> None:
        content[bytes(content).index(b"PK\x03\x04") + 6] |= 1
        content[bytes(content).index(b"PK\x01\x02") + 8] |= 1

    return changed(zip_(path, FLAT), change)


def damaged_gzip(path: Path) -> Path:
    """Change the checksum at the end, which is all that tells of some changes."""
    return changed(tar_gz(path, FLAT), lambda c: c.__setitem__(-8, c[-8] ^ 1))


def long_header(path: Path) -> Path:
    member = tarfile.TarInfo("long")
    member.type, member.size = tarfile.GNUTYPE_LONGNAME, 2**33
    path.write_bytes(member.tobuf(tarfile.GNU_FORMAT) + tar(path, FLAT).read_bytes())
    return path


UNSAFE = {
    "symbolic link": (lambda p: link(p, "a/9.png"), r"a/9\.png: a link; give an archive of files"),
    "hard link": (lambda p: link(p, "x", tarfile.LNKTYPE), "x: a link"),
    "device": (lambda p: link(p, "a/9.png", tarfile.CHRTYPE), r"a/9\.png: a device"),
    "pipe": (lambda p: link(p, "a/9.png", tarfile.FIFOTYPE), r"a/9\.png: a device"),
    "link in zip": (zip_link, r"a/9\.png: a link"),
    "absolute": (lambda p: tar(p, [*FLAT, ("/a/9.png", png(0))]), "'/a/9.png' leads out of the archive"),
    "above": (lambda p: zip_(p, [*FLAT, ("a/../../b/9.png", png(0))]), r"leads out of the archive; give one of rel"),
    "backslashes": (lambda p: tar(p, [*FLAT, ("..\\9.png", png(0))]), "leads out of the archive"),
    "drive": (lambda p: zip_(p, [*FLAT, ("C:\\a\\9.png", png(0))]), "leads out of the archive"),
    "no UTF-8": (lambda p: tar(p, [*FLAT, ("a/\udcff.png", png(0))]), r"'a/\\udcff\.png' is not in UTF-8; rename it"),
    "twice": (lambda p: tar(p, [*FLAT, FLAT[3]]), r"a/3\.png: twice in the archive"),
    "twice, in zip": (lambda p: zip_(p, [*FLAT, ("./a//3.png", png(0))]), r"a/3\.png: twice in the archive"),
    "checksum in zip": (wrong_crc, r"b/1\.png: cut short or damaged \(Bad CRC-32"),
    "encrypted": (encrypted, r"a/0\.png: encrypted; give an archive without a password"),
    "checksum of gzip": (damaged_gzip, r"cut short, damaged, or none of .*CRC check failed"),
    "long header": (long_header, r"a header of 8,589,934,592 bytes"),
    "no archive": (lambda p: folder(p.parent, [(p.name, b"x" * 5000)]) / p.name, "cut short, damaged, or none of"),
    "empty file": (lambda p: folder(p.parent, [(p.name, b"")]) / p.name, "cut short, damaged, or none of"),
}


@pytest.mark.parametrize("kind", UNSAFE)
def test_unsafe_archives_are_refused(tmp_path, kind):
    make, said = UNSAFE[kind]
    refused(make(tmp_path / "images.archive"), said)


@pytest.mark.parametrize("make", [tar, tar_gz, zip_])
def test_an_archive_that_is_cut_short_anywhere_is_refused(tmp_path, make):
    path = make(tmp_path / "whole", FLAT)
    content = path.read_bytes()
    end = content.rindex(FLAT[-1][1]) + 512 if make is tar else len(content)  # a tar ends with empty blocks
    for length in [0, 1, 300, 512, *np.linspace(600, end - 1, 25).astype(int), *range(1024, end, 1024)]:
        (tmp_path / "cut").write_bytes(content[:length])
        refused(tmp_path / "cut", "cut short")


def test_no_damaged_header_of_a_tar_is_taken_for_its_end(tmp_path):
    content = tar(tmp_path / "whole", FLAT).read_bytes()
    with tarfile.open(tmp_path / "whole") as archive:
        offsets = [member.offset for member in archive]
    for offset in offsets:
        (tmp_path / "damaged").write_bytes(content[: offset + 3] + b"!" + content[offset + 4 :])
        refused(tmp_path / "damaged", "cut short, damaged, or none of")
    for make, joined in ((tar, content + content), (gzip.compress, gzip.compress(content + content))):
        (tmp_path / f"two {make.__name__}").write_bytes(joined)
        refused(tmp_path / f"two {make.__name__}", "data after its end")


def test_files_and_images_that_are_too_large_are_refused(tmp_path, monkeypatch):
    bomb = encoded(Image.new("L", (3000, 2000)))
    for make in MAKERS:
        path = make(tmp_path / make.__name__, [*FLAT, ("a/bomb.png", bomb)])
        with monkeypatch.context() as patch:
            patch.setattr(image_decoding, "MAX_PIXELS", 5_000_000)
            refused(path, r"a/bomb\.png: 3000 x 2000 pixels, more than 5,000,000", size=6)
        monkeypatch.setattr(archive_files, "MAX_BYTES", 2**20)
        zeros = make(tmp_path / f"{make.__name__} zeros", [*FLAT, ("a/zeros.png", bytes(2**20 + 1))])
        refused(zeros, r"a/zeros\.png: larger than 1 MiB")


def test_links_in_a_folder_are_followed_but_not_in_circles(tmp_path):
    data = folder(tmp_path / "data", FLAT)
    (tmp_path / "c").mkdir()
    for i in range(4):
        (data / "c" / f"{i}.png").rename(tmp_path / "c" / f"{i}.png")
    (data / "c").rmdir()
    (data / "c").symlink_to(tmp_path / "c")
    assert read(data).digest == read(folder(tmp_path / "plain", FLAT)).digest
    (data / "c" / "again").symlink_to(tmp_path)
    refused(data, "again: a link to a folder that it is in")
    (tmp_path / "c" / "again").unlink()
    (data / "a" / "9.png").symlink_to("nowhere")
    refused(data, r"a/9\.png: a broken link")
    os.mkfifo(data / "b" / "9.png")
    (data / "a" / "9.png").unlink()
    refused(data, r"b/9\.png: a broken link, or a device")


# Images


def test_images_of_every_kind_become_colours(tmp_path):
    grey = Image.fromarray(np.arange(36, dtype=np.uint8).reshape(6, 6) * 7)
    colours = Image.open(io.BytesIO(png(3)))
    transparent = colours.copy()
    transparent.putalpha(40)
    palette = colours.quantize(16)
    files = {
        "a/grey.png": (encoded(grey), grey),
        "a/grey.JPG": (encoded(grey, "JPEG"), None),
        "a/palette.gif": (encoded(palette, "GIF"), palette),
        "a/palette.png": (encoded(palette, transparency=b"\x00\x50"), palette),
        "a/rgba.png": (encoded(transparent), colours),
        "b/cmyk.jpeg": (encoded(colours.convert("CMYK"), "JPEG"), None),
        "b/two.bmp": (encoded(grey.convert("1"), "BMP"), grey.convert("1")),
        "b/grey.pgm": (encoded(grey, "PPM"), grey),
        "b/färbe 色.webp": (encoded(colours, "WEBP", lossless=True), colours),
    }
    path = tar(tmp_path / "kinds.tar", [(name, content) for name, (content, _) in files.items()])
    images = image_files.read_image_folder(path, None, None, None).parts["all"].images
    for name, image in zip(sorted(files), images, strict=True):
        content, expected = files[name]
        expected = Image.open(io.BytesIO(content)) if expected is None else expected
        assert np.array_equal(image.permute(1, 2, 0), expected.convert("RGB")), name


@pytest.mark.parametrize("make", [tar, zip_])
def test_names_of_classes_in_any_script(tmp_path, make):
    files = [(f"{label}/{i} é.png", png(i)) for label in ("猫", "chien\u00a0", "ёж") for i in range(3)]
    assert read(make(tmp_path / "données.x", files)).classes == tuple(sorted(("猫", "chien\u00a0", "ёж")))


def test_no_image_is_opened_by_other_programs_or_cut_to_white(tmp_path, monkeypatch):
    """Pillow starts Ghostscript for what looks like PostScript, and takes 16 bits for 8, so that all is white."""
    script = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 6 6\n%%EndComments\nshowpage\n%%EOF\n"
    assert Image.open(io.BytesIO(script)).format == "EPS"
    started: list[object] = []
    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *parts: started.append(parts))
    refused(tar(tmp_path / "eps", [*FLAT, ("a/9.png", script)]), r"a/9\.png: cut short, or not an image")
    assert not started
    deep = encoded(Image.fromarray(np.full((6, 6), 1000, np.uint16)))
    refused(tar(tmp_path / "deep", [*FLAT, ("a/9.png", deep)]), r"a/9\.png: more than 8 bits per channel \(I;16\)")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "GIF", "WEBP", "PPM"])
def test_images_that_are_cut_short_are_refused(tmp_path, kind):
    content = encoded(Image.open(io.BytesIO(png(0, (40, 40)))), kind)
    for part in (0.1, 0.5, 0.8):
        cut = content[: int(part * len(content))]
        path = tar(tmp_path / f"cut{part}.tar", [*FLAT, ("a/9.png", cut)])
        refused(path, r"a/9\.png: cut short, or not an image", size=6)


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads the largest memory from /proc")
def test_decoding_takes_memory_for_the_images_once_or_twice(tmp_path):
    size, n = 700, 60
    content = encoded(Image.new("RGB", (size, size), (1, 2, 3)))
    tar(tmp_path / "x.tar", [(f"{'ab'[i % 2]}/{i}.png", content) for i in range(n)])
    code = (
        "from pathlib import Path; from spanmatch.study.image_files import read_image_folder\n"
        "def peak(): return 1024 * int(Path('/proc/self/status').read_text().split('VmHWM:')[1].split()[0])\n"
        "before = peak(); folder = read_image_folder(Path('x.tar'), None, None, Path('cache'))\n"
        "print((peak() - before) / folder.parts['all'].images.nbytes)"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert 0.9 < float(result.stdout) < 2.2


# The cache


def counted(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Return a list to which the path of all that is decoded is added."""
    decoded, decode = [], image_files._decoded
    monkeypatch.setattr(image_files, "_decoded", lambda path, *rest: decoded.append(path) or decode(path, *rest))
    return decoded


def cached_file(cache: Path) -> Path:
    (path,) = cache.iterdir()
    return path


@pytest.mark.parametrize("make", MAKERS)
def test_images_are_decoded_once_until_they_change(tmp_path, monkeypatch, make):
    decoded, cache = counted(monkeypatch), tmp_path / "cache"
    path = make(tmp_path / "data", PARTS)
    data = read(path, cache=cache)
    moved = path.rename(tmp_path / "moved")
    assert read(moved, cache=cache).digest == data.digest and read(moved).digest == data.digest
    assert len(decoded) == 2  # the second time without a cache
    read(moved, cache=cache, size=3)
    read(moved, cache=cache, size=3, max_examples=2, random_labels=0.5, shortcut=0.5)
    assert len(decoded) == 3 and len(list(cache.iterdir())) == 2
    if make is not folder:
        moved.unlink()
    make(moved, [*PARTS[:-1], (PARTS[-1][0], png(99))])
    assert read(moved, cache=cache).digest != data.digest and len(decoded) == 4
    once = reader(Path(), cache)
    settings = DataSettings(name="folder", path=str(moved))
    assert once(settings) is once(settings.model_copy())


@pytest.mark.parametrize("damage", ["cut", "changed", "other version", "other file", "empty"])
def test_a_damaged_cache_is_made_again(tmp_path, monkeypatch, damage):
    path, cache = zip_(tmp_path / "data.zip", FLAT), tmp_path / "cache"
    data = read(path, cache=cache)
    file = cached_file(cache)
    content, (arrays, about) = file.read_bytes(), read_tensors(file)
    if damage == "other version":
        write_tensors(file, arrays, about | {"version": "0"})
    elif damage == "other file":
        write_tensors(file, {"x": np.zeros(3)}, {})
    else:
        damaged = {"cut": content[:-9], "changed": content[:-1] + bytes([content[-1] ^ 1]), "empty": b""}
        file.write_bytes(damaged[damage])
    decoded = counted(monkeypatch)
    assert read(path, cache=cache).digest == data.digest and len(decoded) == 1
    assert cached_file(cache).read_bytes() == content
    assert read(path, cache=cache).digest == data.digest and len(decoded) == 1


@pytest.mark.slow
def test_processes_that_fill_one_cache_at_once_read_the_same(tmp_path):
    tar_gz(tmp_path / "x.tar.gz", FLAT)
    code = (
        "from pathlib import Path; from spanmatch.study.datasets import read_data\n"
        "from spanmatch.study.settings import DataSettings\n"
        "input(); print(read_data(DataSettings(name='folder', path='x.tar.gz'), Path(), Path('cache')).digest)"
    )
    pipes = {"stdin": -1, "stdout": -1, "text": True, "cwd": tmp_path}
    processes = [subprocess.Popen([sys.executable, "-c", code], **pipes) for _ in range(2)]
    digests = {process.communicate("\n")[0].strip() for process in processes}
    assert digests == {read(tmp_path / "x.tar.gz").digest} and cached_file(tmp_path / "cache").suffix == ".safetensors"


def test_a_cache_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(sm.SpanmatchError, match=r"cannot make folder .*file/cache: Not a directory"):
        read(tar(tmp_path / "x.tar", FLAT), cache=tmp_path / "file" / "cache")


STUDY = """
name = "images"
seeds = [0, 1]
data = { name = "folder", path = "x.tar.gz" }
network = { name = "mlp", options = { widths = [4] } }
training = { epochs = 1, batch = 4 }
compare = { evidence = false, top = 1 }
[[variants]]
name = "a"
[[variants]]
name = "b"
training.lr = 0.01
"""


@pytest.mark.slow
def test_a_study_decodes_its_images_once(tmp_path, monkeypatch):
    """Its training processes do not decode them at all: Pillow is broken for them."""
    tar_gz(tmp_path / "x.tar.gz", FLAT)
    decoded = counted(monkeypatch)
    broken = folder(tmp_path / "path", [("PIL/__init__.py", b"raise ImportError('decoded again')")])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(broken), os.environ.get("PYTHONPATH", "")]))
    path = written(tmp_path, STUDY)
    study = sm.run_study(path, tmp_path / "out", workers=1)
    assert len(decoded) == 1 and len(study.results["runs"]) == 4
    file = cached_file(tmp_path / "out" / "data")
    before = file.stat().st_mtime_ns
    assert sm.run_study(path, tmp_path / "out").results == study.results
    assert len(decoded) == 1 and file.stat().st_mtime_ns == before
