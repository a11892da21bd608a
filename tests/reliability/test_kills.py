"""Kills, two processes in one folder, full disks, read-only folders, files in the way: for every command."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import layers
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zarr

import spanmatch as sm
from spanmatch._files import LOCK, READY, WRITTEN, locked, read_tensors, write_tensors, write_text, writing
from spanmatch.activations import from_files
from spanmatch.activations.checkpoints import Checkpoint

KILLS = Path(__file__).parents[2] / "benchmarks" / "kills.py"
X, Y = layers.related(n=90, p=6, q=5)
STUDY = """
name = "small"
seeds = [0, 1]
data.max_examples = 60
network = { name = "mlp", options = { widths = [4] } }
training.epochs = EPOCHS
compare.evidence = false
"""


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def held_by_another(code: str) -> subprocess.Popen:
    """Start Python code that says when it holds what it holds, and goes on holding it."""
    process = subprocess.Popen(
        [sys.executable, "-c", code + "\n    print(flush=True)\n    input()"], stdin=-1, stdout=-1
    )
    process.stdout.readline()
    return process


# Temporary files


def test_a_temporary_file_of_a_killed_process_is_removed_and_that_of_another_is_not(tmp_path):
    code = "from spanmatch._files import replacing\nwith replacing({!r}) as path:\n    path.write_text('x')"
    killed, running = (held_by_another(code.format(str(tmp_path / "x.txt"))) for _ in range(2))
    assert len(names(tmp_path)) == 2
    killed.kill()
    killed.communicate()
    write_text(tmp_path / "x.txt", "mine")
    assert len(names(tmp_path)) == 2 and (tmp_path / "x.txt").read_text() == "mine"  # and what the other writes
    running.communicate(b"\n")
    assert names(tmp_path) == ["x.txt"] and (tmp_path / "x.txt").read_text() == "x"


@pytest.mark.parametrize("mask", [0o022, 0o077])
def test_files_have_the_permissions_of_new_ones(tmp_path, mask):
    code = (
        f"import os, numpy as np; os.umask({mask}); from spanmatch._files import *\n"
        f"write_text({str(tmp_path / 'a')!r}, 'x'); write_tensors({str(tmp_path / 'b')!r}, {{'x': np.ones(3)}}, {{}})"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    for name in "ab":
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o666 & ~mask


def test_tensors_are_read_by_the_library_that_defines_them(tmp_path):
    from safetensors.numpy import load_file

    r = np.random.default_rng(0)
    kinds = ("f8", "f4", "f2", "i8", "i4", "i2", "i1", "u8", "u4", "u2", "u1", "?")
    arrays = {f"{kind} ü\n": (4 * r.standard_normal((3, 5))).astype(kind) for kind in kinds}
    arrays |= {"none": np.zeros((0, 4)), "number": np.array(3.5), "transposed": r.standard_normal((4, 3)).T}
    arrays["big-endian"] = np.arange(5, dtype=">i4")
    write_tensors(tmp_path / "t", arrays, {"about": 'ü "'})
    read = load_file(tmp_path / "t")
    assert read.keys() == arrays.keys() and read_tensors(tmp_path / "t")[1] == {"about": 'ü "'}
    for name, array in arrays.items():
        np.testing.assert_array_equal(read[name], array)
        assert read[name].dtype.kind == array.dtype.kind and read[name].flags.aligned
    with pytest.raises(sm.SpanmatchError, match="'z' is of complex128"):
        write_tensors(tmp_path / "t", {"z": np.zeros(3, complex)}, {})


# Folders


def test_results_are_moved_together_or_not_at_all(tmp_path):
    folder = tmp_path / "in" / "results"
    with pytest.raises(ZeroDivisionError), writing(folder) as written:
        write_text(written / "a", "new")
        raise ZeroDivisionError
    assert names(tmp_path) == []  # the folders that were made have gone too
    with writing(folder) as written:
        (written / "inside").mkdir()
        write_text(written / "a", "old")
        write_text(written / "inside" / "b", "old")
        assert names(folder) == [LOCK, WRITTEN]
    (folder / "c").mkdir()
    for place, target in (("c", "c"), ("a/b", "a")):
        with (
            pytest.raises(sm.SpanmatchError, match=rf"cannot write .*{target}: there is a"),
            writing(folder) as written,
        ):
            write_text(written / "inside.txt", "new")
            (written / place).parent.mkdir(exist_ok=True)
            write_text(written / place, "new")
    assert names(folder) == ["a", "c", "inside"] and (folder / "a").read_text() == "old"
    with pytest.raises(KeyboardInterrupt), writing(folder):
        raise KeyboardInterrupt
    assert names(folder) == ["a", "c", "inside"] and names(folder / "inside") == ["b"]


def test_what_a_kill_left_is_removed_or_moved(tmp_path):
    for name in (WRITTEN, READY):
        (tmp_path / name / "inside").mkdir(parents=True)
        (tmp_path / name / "inside" / name).write_text(name)
    (tmp_path / LOCK).touch()
    (tmp_path / "a").write_text("old")
    (tmp_path / READY / "a").write_text("new")
    with writing(tmp_path):
        assert (tmp_path / "a").read_text() == "new"
    assert names(tmp_path) == ["a", "inside"] and names(tmp_path / "inside") == [READY]


WRITES = "from spanmatch._files import writing\nwith writing({!r}):\n    pass"
LOCKS = "import pathlib\nfrom spanmatch._files import locked\nwith locked(pathlib.Path({!r}), 'x'):\n    pass"


def test_a_second_process_is_refused_until_the_first_has_ended_or_was_killed(tmp_path):
    comparison, folder = sm.compare({"a": {"l": X}, "b": {"l": Y}}, evidence=False), tmp_path / "results"
    comparison.save(folder)
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    for end in ("killed", "ended"):
        other = held_by_another(WRITES.format(str(folder)))
        with pytest.raises(sm.SpanmatchError, match=r"results: another process is writing there; wait"):
            comparison.save(folder)
        command = subprocess.run(
            [sys.executable, "-m", "spanmatch", "report", str(folder)], capture_output=True, text=True, check=False
        )
        assert command.returncode == 1 and "results: another process is writing there" in command.stderr
        if end == "killed":
            other.kill()
            other.communicate()
            assert names(folder)[:2] == [LOCK, WRITTEN]
        else:
            other.communicate(b"\n")
        comparison.save(folder)
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == files


def test_a_second_process_cannot_use_a_checkpoint(tmp_path):
    path, stored = tmp_path / "m.safetensors", {"a": {"l": X}, "b": {"l": Y}}
    other = held_by_another(LOCKS.format(str(tmp_path / ".m.safetensors.lock")))
    with pytest.raises(sm.SpanmatchError, match=r"m\.safetensors: another process is writing there"):
        sm.compare(stored, checkpoint=path)
    other.kill()
    other.communicate()
    sm.compare(stored, checkpoint=path, permutations=0)
    assert names(tmp_path) == ["m.safetensors"]
    with pytest.raises(sm.SpanmatchError, match=r"cannot write .*nowhere"):  # before any work
        sm.compare(stored, checkpoint=tmp_path / "nowhere" / "m")


def test_threads_of_one_process_exclude_each_other(tmp_path):
    """However they come and go, there is never more than one in the folder."""
    inside, most, refused = 0, 0, 0
    guard = threading.Lock()

    def work() -> None:
        nonlocal inside, most, refused
        for _ in range(40):
            try:
                with locked(tmp_path / LOCK, tmp_path):
                    with guard:
                        inside += 1
                        most = max(most, inside)
                    time.sleep(0.0002)
                    with guard:
                        inside -= 1
            except sm.SpanmatchError:
                with guard:
                    refused += 1

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1 and refused > 0 and names(tmp_path) == []


# Faults, for every command

COMMANDS = {
    "compare": ["compare", "a.npz", "b.npz", "--no-evidence", "--out", "results"],
    "compare --checkpoint": [
        "compare",
        "a.npz",
        "b.npz",
        "--no-evidence",
        "--out",
        "other",
        "--checkpoint",
        "results/m",
    ],
    "report": ["report", "results"],
    "study": ["study", "small.toml", "--workers", "1", "--out", "results"],
}
RUN = """
import encodings.cp437, os, resource
import spanmatch.cli.commands, spanmatch.study.pipeline  # which another user may not be allowed to read
os.chdir({folder!r})
if {most} < 10**9:
    resource.setrlimit(resource.RLIMIT_FSIZE, ({most}, {most}))
else:
    os.setuid(65534)
spanmatch.cli.commands.app({arguments!r})
"""


def prepared(folder: Path) -> dict[str, bytes]:
    """Write inputs and earlier results; return the earlier results."""
    np.savez(folder / "a.npz", l=X)
    np.savez(folder / "b.npz", l=Y)
    (folder / "small.toml").write_text(STUDY.replace("EPOCHS", "1"))
    sm.compare({"a": {"l": X}, "b": {"l": Y}}, notes={"earlier": "yes"}, permutations=0).save(folder / "results")
    return contents(folder / "results")


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def run(folder: Path, name: str, most: int = 10**9) -> subprocess.CompletedProcess:
    code = RUN.format(folder=str(folder), most=most, arguments=COMMANDS[name])
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=300)


def check_refused(found: subprocess.CompletedProcess, *said: str) -> None:
    """The message is one line, which names the place, after those of finished epochs."""
    assert found.returncode == 1, (found.stdout, found.stderr)
    *epochs, message = found.stderr.splitlines()
    assert all(part in message for part in said) and message.startswith("error: "), found.stderr
    assert all("  epoch 1 of 1  " in line for line in epochs), found.stderr


@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("compare", 20_000),
        ("compare --checkpoint", 100),
        ("compare --checkpoint", 20_000),
        ("report", 20_000),
        ("study", 100),
    ],
)
def test_a_full_disk_leaves_earlier_results_as_they_were(tmp_path, name, most):
    before = prepared(tmp_path)
    check_refused(run(tmp_path, name, most), "cannot write", "large")
    after = contents(tmp_path / "results")
    assert before.items() <= after.items()
    assert not [path for path in after if Path(path).name.startswith(".")]
    for path in after.keys() - before.keys():  # of the study: what was trained before the disk was full
        assert path.startswith(("runs/", "m")) and read_tensors(tmp_path / "results" / path)
    assert not (tmp_path / "other").exists()


@pytest.mark.skipif(os.getuid() != 0, reason="needs a second user")
@pytest.mark.parametrize("name", COMMANDS)
def test_a_read_only_folder_is_named_before_any_work(name):
    with tempfile.TemporaryDirectory() as made:  # pytest's own folders can be entered by one user alone
        folder = Path(made)
        before = prepared(folder)
        folder.chmod(0o755)
        (folder / "other").mkdir(mode=0o777)
        (folder / "other").chmod(0o777)
        check_refused(run(folder, name), "cannot write", "results", "Permission denied")
        assert contents(folder / "results") == before and names(folder / "other") == []


@pytest.mark.parametrize("name", COMMANDS)
def test_a_file_in_the_place_of_the_folder_is_named(tmp_path, name):
    prepared(tmp_path)
    (tmp_path / "results").rename(tmp_path / "moved")
    (tmp_path / "results").write_text("a file")
    check_refused(run(tmp_path, name, 10**9 - 1), "results")
    assert (tmp_path / "results").read_text() == "a file"
    assert names(tmp_path) == ["a.npz", "b.npz", "moved", "results", "small.toml"]


@pytest.mark.parametrize(
    ("name", "file"),
    [("compare", "levels.csv"), ("compare --checkpoint", "m"), ("report", "report.html"), ("study", "runs.csv")],
)
def test_a_folder_in_the_place_of_a_file_is_named(tmp_path, name, file):
    prepared(tmp_path)
    (tmp_path / "results" / file).unlink(missing_ok=True)
    (tmp_path / "results" / file).mkdir()
    before = contents(tmp_path / "results")
    check_refused(run(tmp_path, name, 10**9 - 1), file)
    after = contents(tmp_path / "results")
    assert before.items() <= after.items()
    new_files = after.keys() - before.keys()
    assert all(path.startswith(("runs/", "comparisons/", "training.log")) for path in new_files)


# Stops


def one_file(folder: Path, name: str, kind: str, rows: np.ndarray) -> Path:
    path = folder / f"{name}.{kind.removesuffix(', compressed').removesuffix(' in columns')}"
    if kind == "npz in columns":
        np.savez(path, l=np.asfortranarray(rows))
    elif kind == "npz, compressed":
        np.savez_compressed(path, l=rows)
    elif kind == "npz":
        np.savez(path, l=rows)
    elif kind == "npy":
        np.save(path, rows)
    elif kind == "safetensors":
        write_tensors(path, {"l": rows}, {})
    elif kind == "parquet":
        pq.write_table(pa.table({str(i): column for i, column in enumerate(rows.T)}), path, row_group_size=170)
    else:
        zarr.open_group(path, mode="w").create_array("l", data=rows, chunks=(50, rows.shape[1]))
    return path


@pytest.mark.parametrize("kind", ["npz", "npz, compressed", "npz in columns", "npy", "safetensors", "parquet", "zarr"])
@pytest.mark.parametrize("after", [1, 3])
def test_a_pass_over_files_goes_on_with_the_same_bytes(tmp_path, monkeypatch, kind, after):
    monkeypatch.setattr(from_files, "VALUES_AT_ONCE", 900)
    X, Y = layers.related(n=600, p=6, q=5)
    files = {name: one_file(tmp_path, name, kind, rows) for name, rows in zip("ab", (X, Y), strict=True)}
    write, written = Checkpoint.write, []

    def stop(self: Checkpoint) -> None:
        write(self)
        written.append(1)
        if len(written) == after:
            raise KeyboardInterrupt

    monkeypatch.setattr(Checkpoint, "write", stop)
    with pytest.raises(KeyboardInterrupt):
        sm.compare(files, checkpoint=tmp_path / "m", checkpoint_seconds=0)
    assert 0 < sm.Moments.load(tmp_path / "m").rows[next(iter(sm.Moments.load(tmp_path / "m").layers))] < 600
    for name in ("m", "other"):
        sm.compare(files, checkpoint=tmp_path / name, checkpoint_seconds=0, evidence=False).save(
            tmp_path / f"results of {name}"
        )
    assert contents(tmp_path / "results of m") == contents(tmp_path / "results of other")
    assert (tmp_path / "m").read_bytes() == (tmp_path / "other").read_bytes()


# Kills


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="finds processes in /proc")
def test_commands_that_are_killed(tmp_path):
    """The benchmark, with few kills; it is the benchmark that says how often."""
    command = [sys.executable, str(KILLS), "--times", "1", "--only", "report", "compare --checkpoint"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout + found.stderr
    assert len(found.stdout.splitlines()) == 1 + 2 * 3


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="finds processes in /proc")
def test_workers_end_when_the_study_is_killed(tmp_path):
    sys.path.insert(0, str(KILLS.parent))
    try:
        import kills
    finally:
        sys.path.remove(str(KILLS.parent))
    (tmp_path / "small.toml").write_text(STUDY.replace("EPOCHS", "100000"))
    study = [sys.executable, "-m", "spanmatch", "study", "small.toml", "--workers", "2"]
    process = subprocess.Popen(study, cwd=tmp_path, start_new_session=True)
    deadline = time.monotonic() + 120
    while len(list(tmp_path.glob("small/runs/main/seed*/state.safetensors"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(kills.workers(process.pid)) == 2
    process.send_signal(signal.SIGKILL)
    process.wait()
    while kills.session(process.pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert kills.session(process.pid) == []
    assert json.loads(read_tensors(tmp_path / "small/runs/main/seed0/state.safetensors")[1]["history"])
