"""The files of some kinds in a folder or an archive, one after the other; nothing is unpacked to disk.

Archives may come from strangers: members that lead out of the archive, links, devices and files that are too large are
refused, and an archive that is cut short or damaged anywhere raises an error that names it.
"""

from __future__ import annotations

import contextlib
import os
import stat
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Self

from ..errors import SpanmatchError

ARCHIVES = (".tar", ".tar.gz", ".tgz", ".zip")
MAX_BYTES = 2**26
"""The largest file that is read: 64 MiB."""
MAX_HEADER = 2**20
"""The largest header of a member of a tar archive, such as a long name: 1 MiB."""
ZIP, GZIP = b"PK", b"\x1f\x8b"
"""What files of these formats begin with."""

Entry = tuple[PurePosixPath, bytes | None]
"""The path of a file inside its folder or archive and its contents; or a folder's path and None."""


def read_files(path: Path, suffixes: tuple[str, ...]) -> Iterator[Entry]:
    """Yield the files of some kinds in a folder or an archive, and the folders that it contains.

    Parameters
    ----------
    path : Path
        A folder, or an archive of a kind in `ARCHIVES`, which is recognised by its contents.
    suffixes : tuple of str
        The endings of the files to read, in lower case; those of the files may be in upper case.

    Yields
    ------
    tuple of PurePosixPath and bytes, or of PurePosixPath and None
        A file's path and its contents, or the path of a folder. Some folders come several times, and some only as part
        of the paths in them. Hidden files and folders, and macOS's copies of them, are left out.

    Raises
    ------
    SpanmatchError
        If there is no such folder or file; if a file cannot be read or is larger than `MAX_BYTES`; if an archive is cut
        short, damaged or encrypted, contains a file twice, or has a member that is a link, a device, or leads out.
    """
    if path.is_dir():
        entries = _in_folder(path, suffixes)
    elif path.is_file():
        entries = _in_archive(path, suffixes)
    else:
        raise SpanmatchError(f"{path} is not there; give a folder, or an archive ({', '.join(ARCHIVES)})")
    names: set[PurePosixPath] = set()
    for name, content in entries:
        if content is not None and name in names:
            raise SpanmatchError(f"{path}: {name}: twice in the archive; give one in which each file is once")
        names.add(name)
        yield name, content


def folder_files(path: Path, suffixes: tuple[str, ...]) -> Iterator[tuple[PurePosixPath, Path | None]]:
    """Yield the files of some kinds in a folder, by their paths inside it, and its folders, with None."""

    def fail(error: OSError) -> None:
        raise SpanmatchError(f"{error.filename}: cannot be read ({error.strerror})") from error

    for place, folders, files in os.walk(path, onerror=fail, followlinks=True):
        folders[:] = sorted(folder for folder in folders if not _is_hidden(folder))
        yield PurePosixPath(Path(place).relative_to(path).as_posix()), None
        for folder in folders:
            _check_no_loop(Path(place, folder))
        for file in map(Path(place).joinpath, sorted(files)):
            name = PurePosixPath(file.relative_to(path).as_posix())
            _check_text(path, str(name))
            if _is_wanted(name, suffixes):
                if not file.is_file():
                    raise SpanmatchError(f"{file}: a broken link, or a device; give files")
                yield name, file


def _check_no_loop(folder: Path) -> None:
    """Raise SpanmatchError if a folder is a link to one that it is in."""
    if folder.is_symlink() and folder.parent.resolve().is_relative_to(folder.resolve()):
        raise SpanmatchError(f"{folder}: a link to a folder that it is in; remove it")


def _in_folder(path: Path, suffixes: tuple[str, ...]) -> Iterator[Entry]:
    """Yield the files in a folder."""
    for name, file in folder_files(path, suffixes):
        if file is None:
            yield name, None
            continue
        with _errors_name(path, name):
            _check_size(path, name, file.stat().st_size)
            content = file.read_bytes()
        yield name, content


def _in_archive(path: Path, suffixes: tuple[str, ...]) -> Iterator[Entry]:
    """Yield the files in an archive.  Raises SpanmatchError that names it, whatever is wrong with it."""
    with _errors_name(path):
        with path.open("rb") as file:
            start = file.read(2)
        yield from _in_zip(path, suffixes) if start == ZIP else _in_tar(path, suffixes, compressed=start == GZIP)


@contextlib.contextmanager
def _errors_name(path: Path, name: PurePosixPath | None = None) -> Iterator[None]:
    """Turn any error of reading an archive, or a file in it, into one that names it."""
    try:
        yield
    except SpanmatchError:
        raise
    except Exception as error:  # the libraries do not say which errors damaged archives lead to
        why = " ".join(str(error).split())
        if name is None:
            raise SpanmatchError(f"{path}: cut short, damaged, or none of {', '.join(ARCHIVES)} ({why})") from error
        raise SpanmatchError(f"{path}: {name}: cut short or damaged ({why})") from error


class _Header(tarfile.TarInfo):
    """The header of a member of a tar archive.

    Unlike its base, it does not take a damaged header for the end of the archive, which would lose the rest of it, and
    does not read a name of any length into memory.
    """

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        """Return the header in a block.  Raises tarfile.ReadError if there is none; the end is a block of zeros."""
        try:
            header = super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            if len(buf) == tarfile.BLOCKSIZE and not any(buf):
                raise
            raise tarfile.ReadError(f"no header of a member, and no end of the archive: {error}") from error
        if header.type in _EXTENSIONS and header.size > MAX_HEADER:
            raise tarfile.ReadError(f"a header of {header.size:,} bytes")
        return header


_EXTENSIONS = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)
"""Types of headers whose contents are read into memory."""


def _in_tar(path: Path, suffixes: tuple[str, ...], *, compressed: bool) -> Iterator[Entry]:
    """Yield the files in a tar archive."""
    with tarfile.open(path, "r:gz" if compressed else "r:", tarinfo=_Header) as archive:
        for member in archive:
            name = _inside(path, member.name)
            if member.issym() or member.islnk():
                raise SpanmatchError(f"{path}: {name}: a link; give an archive of files")
            if member.isdir() or not _is_wanted(name, suffixes):
                yield from _folder_of(name, is_folder=member.isdir())
                continue
            if not member.isfile():
                raise SpanmatchError(f"{path}: {name}: a device; give an archive of files")
            _check_size(path, name, member.size)
            with _errors_name(path, name):
                file = archive.extractfile(member)
                assert file is not None  # a regular file
                content = file.read()
            yield name, content
        _check_end(archive)


def _check_end(archive: tarfile.TarFile) -> None:
    """Read an archive after its last member, so that its checksum is checked.  Raises ReadError for further data."""
    assert archive.fileobj is not None
    while block := archive.fileobj.read(2**16):
        if any(block):
            raise tarfile.ReadError("there are data after its end: is it two archives in one file?")


def _in_zip(path: Path, suffixes: tuple[str, ...]) -> Iterator[Entry]:
    """Yield the files in a zip archive."""
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            name = _inside(path, member.filename)
            if stat.S_ISLNK(member.external_attr >> 16):
                raise SpanmatchError(f"{path}: {name}: a link; give an archive of files")
            if member.is_dir() or not _is_wanted(name, suffixes):
                yield from _folder_of(name, is_folder=member.is_dir())
                continue
            if member.flag_bits & 1:
                raise SpanmatchError(f"{path}: {name}: encrypted; give an archive without a password")
            with _errors_name(path, name), archive.open(member) as file:
                content = file.read(MAX_BYTES + 1)
            _check_size(path, name, len(content))
            yield name, content


def _folder_of(name: PurePosixPath, *, is_folder: bool) -> Iterator[Entry]:
    """Yield the folder that a member is, or is in, if it is not hidden."""
    if not any(map(_is_hidden, name.parts)):
        yield name if is_folder else name.parent, None


def _inside(path: Path, name: str) -> PurePosixPath:
    """Return a member's path.  Raises SpanmatchError if it leads out of the archive, or is in no known encoding."""
    inner = PurePosixPath(name.replace("\\", "/"))
    if inner.is_absolute() or ".." in inner.parts or PureWindowsPath(name).drive:
        raise SpanmatchError(f"{path}: the member {name!r} leads out of the archive; give one of relative paths")
    _check_text(path, name)
    return inner


def _check_text(path: Path, name: str) -> None:
    """Raise SpanmatchError if a name is in no known encoding, so that it could not be printed or saved."""
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise SpanmatchError(f"{path}: the name {name!r} is not in UTF-8; rename it") from error


def _is_wanted(name: PurePosixPath, suffixes: tuple[str, ...]) -> bool:
    """Tell whether a file is of one of some kinds, and not hidden."""
    return name.suffix.lower() in suffixes and not any(map(_is_hidden, name.parts))


def _is_hidden(name: str) -> bool:
    """Tell whether a file or folder is hidden, or one that macOS adds to archives."""
    return name.startswith((".", "__MACOSX"))


def _check_size(path: Path, name: PurePosixPath, count: int) -> None:
    """Raise SpanmatchError if a file is too large."""
    if count > MAX_BYTES:
        raise SpanmatchError(f"{path}: {name}: larger than {MAX_BYTES // 2**20} MiB; give smaller files")
