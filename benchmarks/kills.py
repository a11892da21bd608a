"""Commands killed at random times: are earlier results intact, do reruns end with the same bytes, is anything left?

Every command runs on a small case, in a process forked from this one, in which everything is imported: the signals come
while the command works, not while Python starts. SIGKILL and SIGTERM go to the command, or to one of its workers;
SIGINT goes to all its processes, as Ctrl-C in a terminal does. After each the same command is run again to its end.

    python benchmarks/kills.py                              # 50 times each, about an hour on two cores; Linux only
    python benchmarks/kills.py --times 3 --only report compare
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1", SOURCE_DATE_EPOCH="0", COLUMNS="100")

import numpy as np

SIGNALS = ("SIGKILL", "SIGTERM", "SIGINT")
PATIENCE = 60.0
"""Seconds in which a command must have ended after a signal, and its workers after it."""
STUDY = """
name = "small"
seeds = [0, 1]
data.max_examples = 200
network = { name = "mlp", options = { widths = [12] } }
training.epochs = 8
compare = { evidence = false, top = 2, eps = EPS }
"""
FAULTS = ("hung", "processes left", "damaged", "mixed", "rerun failed", "different", "files left")


@dataclass(frozen=True)
class Case:
    """A command that is killed, in a folder of its own."""

    prepare: Callable[[Path], None]
    """Makes its inputs, and earlier results for the command to replace."""
    work: Callable[[], None]
    """The command, in that folder."""
    results: str
    """Files that must be either all as before or all as after an undisturbed run."""
    one_worker: bool = False
    """Whether the signal goes to one of its workers alone."""


def command(*arguments: str) -> Callable[[], None]:
    """Return a command of spanmatch, as a function."""

    def run() -> None:
        from spanmatch.cli.commands import app

        app(list(arguments), standalone_mode=True)

    return run


def arrays(folder: Path, names: str = "ab", seed: int = 0) -> None:
    """Write stored activations of two networks, correlated."""
    r = np.random.default_rng(seed)
    causes = r.standard_normal((3000, 8))
    for name in names:
        layers = {f"l{i}": causes @ r.standard_normal((8, 24)) + r.standard_normal((3000, 24)) for i in range(3)}
        np.savez(folder / f"{name}.npz", **layers)


def compared(folder: Path) -> None:
    """Write inputs, and the results of others in the place of theirs."""
    arrays(folder, seed=1)
    run_in(folder, CASES["compare"].work)
    arrays(folder)


def reported(folder: Path) -> None:
    """Write the results of a comparison, with another page."""
    arrays(folder)
    run_in(folder, CASES["compare"].work)
    (folder / "results" / "report.html").write_text("an earlier page")


def with_checkpoint() -> None:
    """Compare in small chunks, with a checkpoint after each."""
    import spanmatch as sm
    from spanmatch.activations import from_files

    from_files.VALUES_AT_ONCE = 5000
    sm.compare({"a": "a.npz", "b": "b.npz"}, checkpoint="pass.safetensors", checkpoint_seconds=0.0).save("results")


def study(folder: Path, eps: str = "[0.3, 0.5]") -> None:
    """Write the settings of a study."""
    (folder / "small.toml").write_text(STUDY.replace("EPS", eps))


def studied(folder: Path) -> None:
    """Write the settings of a study, and its results for others."""
    study(folder, "[0.2, 0.4]")
    run_in(folder, CASES["study"].work)
    study(folder)


SEEDS = command("study", "small.toml", "--workers", "2")
CASES = {
    "compare": Case(compared, command("compare", "a.npz", "b.npz", "--out", "results"), "results/*"),
    "compare --checkpoint": Case(compared, with_checkpoint, "results/*"),
    "report": Case(reported, command("report", "results"), "results/*"),
    "study": Case(study, SEEDS, "small/*.*"),
    "study, one worker": Case(study, SEEDS, "small/*.*", one_worker=True),
    "study, other eps": Case(studied, SEEDS, "small/*.*"),
}


def start(folder: Path, work: Callable[[], None]) -> int:
    """Start work in a folder, in a process and a session of its own; return its id."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        os.setsid()
        os.chdir(folder)
        log = os.open("log", os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
        os.dup2(log, 1)
        os.dup2(log, 2)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        work()
        code = 0
    except SystemExit as end:
        code = int(end.code or 0)
    except KeyboardInterrupt:
        code = 130
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stderr.flush()
        os._exit(code)


def ended(pid: int, seconds: float) -> int | None:
    """Wait for a process; return its exit code, below 0 if a signal ended it, None if it runs on."""
    stop = time.monotonic() + seconds
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > stop:
            return None
        time.sleep(0.002)


def run_in(folder: Path, work: Callable[[], None]) -> None:
    """Run work to its end.  Raises RuntimeError with what it printed if it fails."""
    code = ended(start(folder, work), 10 * PATIENCE)
    if code != 0:
        raise RuntimeError(f"ended with {code}: {(folder / 'log').read_text()}")


def session(leader: int) -> list[int]:
    """Return the processes of a session that are still running."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, its_session = stat.read_text().rpartition(")")[2].split()[:4]
        except OSError:  # it has ended meanwhile
            continue
        if int(its_session) == leader and state != "Z":
            found.append(int(stat.parent.name))
    return found


def workers(leader: int) -> list[int]:
    """Return the training processes of a command."""
    found = []
    for pid in session(leader):
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            continue
        if b"spawn_main" in words:
            found.append(pid)
    return sorted(found)


def send(case: Case, leader: int, number: signal.Signals, r: np.random.Generator) -> None:
    """Send a signal to a running command, or to one of its workers once it has some."""
    if not case.one_worker:
        (os.killpg if number == signal.SIGINT else os.kill)(leader, number)
        return
    while leader in session(leader):
        if found := workers(leader):
            os.kill(int(r.choice(found)), number)
            return
        time.sleep(0.01)


def contents(folder: Path) -> dict[str, bytes]:
    """Return every file in a folder, but for inputs, what was printed, and logs of times."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "log" and path.suffix not in (".npz", ".toml", ".log")
    }


def visible(files: dict[str, bytes]) -> dict[str, bytes]:
    """Return the files that have names of results."""
    return {name: data for name, data in files.items() if not any(part.startswith(".") for part in Path(name).parts)}


def whole(folder: Path, name: str) -> bool:
    """Tell whether a file can be read to its end."""
    import json

    from spanmatch._files import read_tensors
    from spanmatch.errors import SpanmatchError

    path = folder / name
    try:
        if path.suffix == ".safetensors":
            read_tensors(path)
        elif path.suffix == ".json":
            json.loads(path.read_text())
    except (SpanmatchError, ValueError):
        return False
    return path.stat().st_size > 0


def faults(case: Case, folder: Path, before: dict[str, bytes], after: dict[str, bytes]) -> set[str]:
    """Return what is wrong with a folder after a kill: files that are not whole, or results of two runs."""
    found = set()
    now = visible(contents(folder))
    if any(not whole(folder, name) for name in now):
        found.add("damaged")
    results = {name: data for name, data in now.items() if Path(name).match(case.results)}
    if any(data not in (before.get(name), after.get(name)) for name, data in results.items()):
        found.add("damaged")
    sets = [{n: d for n, d in files.items() if Path(n).match(case.results)} for files in (before, after)]
    if results not in sets:
        found.add("mixed")
    return found


def tried(case: Case, made: Path, after: dict[str, bytes], number: signal.Signals, delay: float, seed: int) -> set[str]:
    """Kill a command after some seconds and run it again; return what went wrong, and whether it was running."""
    found = set()
    folder = made.parent / "trial"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(made, folder)
    before = visible(contents(folder))
    leader = start(folder, case.work)
    if ended(leader, delay) is None:
        found.add("running")
        send(case, leader, number, np.random.default_rng(seed))
        if ended(leader, PATIENCE) is None:
            found.add("hung")
            os.killpg(leader, signal.SIGKILL)
            ended(leader, PATIENCE)
    stop = time.monotonic() + PATIENCE
    while session(leader) and time.monotonic() < stop:
        time.sleep(0.01)
    if session(leader):
        found.add("processes left")
        os.killpg(leader, signal.SIGKILL)
    found |= faults(case, folder, before, after)
    code = ended(start(folder, case.work), PATIENCE * 10)
    if code != 0:
        return {*found, "rerun failed"}
    again = contents(folder)
    if visible(again) != after:
        found.add("different")
    if again.keys() - after.keys():
        found.add("files left")
    if found & set(FAULTS):
        print(f"  {signal.Signals(number).name} after {delay:.3f} s (seed {seed}): {', '.join(sorted(found))}")
        print("   ", sorted(again.keys() ^ after.keys()), (folder / "log").read_text()[-500:])
    return found


def main() -> None:
    """Kill commands, and print a table of what went wrong."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--times", type=int, default=50, help="kills of each command by each signal")
    parser.add_argument("--only", nargs="+", choices=CASES, default=list(CASES), help="commands")
    parser.add_argument("--signals", nargs="+", choices=SIGNALS, default=list(SIGNALS), help="signals")
    parser.add_argument("--seed", type=int, default=0, help="of the times at which signals are sent")
    asked = parser.parse_args()

    import matplotlib.pyplot  # noqa: F401
    import sklearn.cluster
    import sklearn.linear_model  # noqa: F401
    import torch  # noqa: F401

    import spanmatch.cli.commands
    import spanmatch.study.pipeline  # noqa: F401

    print(f"{'command':22} {'signal':8} {'seconds':>8} {'kills':>6} {'running':>8}  " + "  ".join(FAULTS), flush=True)
    wrong = 0
    for name in asked.only:
        case = CASES[name]
        with tempfile.TemporaryDirectory() as folder:
            made, reference = Path(folder) / "made", Path(folder) / "reference"
            made.mkdir()
            case.prepare(made)
            shutil.copytree(made, reference)
            began = time.monotonic()
            run_in(reference, case.work)
            seconds = time.monotonic() - began
            after = contents(reference)
            assert after == visible(after), sorted(after.keys() - visible(after).keys())
            for number in (signal.Signals[each] for each in asked.signals):
                counts: Counter[str] = Counter()
                r = np.random.default_rng([asked.seed, *map(ord, name), number])
                for k, delay in enumerate(r.uniform(0, seconds, asked.times)):
                    counts.update(tried(case, made, after, number, float(delay), asked.seed + k))
                columns = "  ".join(f"{counts[fault]:{len(fault)}}" for fault in FAULTS)
                first = f"{name:22} {number.name:8} {seconds:8.2f} {asked.times:6} {counts['running']:8}"
                print(f"{first}  {columns}", flush=True)
                wrong += sum(counts[fault] for fault in FAULTS)
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
