"""Nothing global changes: random state, gradient mode, threads, training flags, hooks, filters, files, signals.

Every public function is called, to its end, and stopped by an exception and by Ctrl-C at several of the places where
the package's functions call each other.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import hashlib
import inspect
import locale
import logging
import multiprocessing
import os
import pickle
import random
import signal
import sys
import tempfile
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import layers
import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_info
from torch import nn
from typer.testing import CliRunner

import spanmatch as sm
from spanmatch._warnings import ignoring
from spanmatch.activations import from_names
from spanmatch.cli.commands import app

PACKAGE = str(Path(sm.__file__).parent)
STUDY = """
name = "small"
seeds = [0, 1]
data.max_examples = 60
network = { name = "mlp", options = { widths = [4] } }
training.epochs = 1
compare.evidence = false
"""


def network(seed: int) -> nn.Sequential:
    """A network some of whose modules are in training mode, and some not, with a hook of the user's own."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        made = nn.Sequential(nn.Linear(5, 7), nn.BatchNorm1d(7), nn.ReLU(), nn.Dropout(0.5), nn.Linear(7, 3))
    made[3].eval()
    made[2].register_forward_hook(lambda *_: None)
    return made


@dataclass
class World:
    """What calls are made with, new for each."""

    folder: Path
    a: nn.Sequential = field(default_factory=lambda: network(0))
    b: nn.Sequential = field(default_factory=lambda: network(1))

    def __post_init__(self) -> None:
        r = np.random.default_rng(0)
        self.inputs = torch.from_numpy(r.standard_normal((90, 5)).astype(np.float32))
        self.labels = torch.from_numpy(r.integers(0, 3, 90))
        X, Y = layers.related(n=90, p=6, q=5)
        self.moments = sm.Moments(pairs="all", folds=4)
        self.moments.update({"a:l": X, "b:l": Y, "c:l": X[:, ::-1] ** 2})
        self.pair = self.moments.pair("a:l", "b:l")
        self.arrays = {"a": {"l": X}, "b": {"l": Y}}
        self.features = sm.SparseFeatures()
        self.features.update({f"{name}:l": np.maximum(rows, 0) for name, rows in (("a", X), ("b", Y))})

    @property
    def networks(self) -> dict[str, nn.Module]:
        return {"a": self.a, "b": self.b}


def transplanted(w: World) -> object:
    moments = sm.capture(w.networks, [w.inputs])
    pair = moments.pair("a:2", "b:2")
    return sm.transplant(w.networks, [(w.inputs, w.labels)], pair, sm.maximum_match(pair, 0.9))


def saved_and_loaded(w: World) -> sm.Moments:
    w.moments.save(w.folder / "m.safetensors")
    return sm.Moments.load(w.folder / "m.safetensors")


def kept_in_files(w: World) -> sm.SparseFeatures:
    sm.SparseFeatures(w.folder / "features").update({"a:l": np.eye(5), "b:l": np.eye(5)})
    features = sm.SparseFeatures(w.folder / "features")
    features.update({"a:l": np.eye(5), "b:l": np.eye(5)})
    assert features.firing_rate("a:l").tolist() == [0.2] * 5
    return features


def studied(w: World) -> sm.Study:
    (w.folder / "small.toml").write_text(STUDY)
    return sm.run_study(w.folder / "small.toml", w.folder / "small", workers=1)


CALLS = {
    "apply_permutation": lambda w: sm.apply_permutation(w.a, {"0": np.arange(7)[::-1]}),
    "assess": lambda w: sm.assess(w.pair, sm.match_profile(w.pair)),
    "capture": lambda w: sm.capture(
        w.networks, [w.inputs[:40], w.inputs[40:]], checkpoint=w.folder / "c", checkpoint_seconds=0
    ),
    "cknna": lambda w: sm.cknna(w.pair),
    "distance_correlation": lambda w: sm.distance_correlation(w.pair),
    "kernel_cka": lambda w: sm.kernel_cka(w.pair),
    "knn_jaccard": lambda w: sm.knn_jaccard(w.pair),
    "mutual_knn": lambda w: sm.mutual_knn(w.pair),
    "rank_similarity": lambda w: sm.rank_similarity(w.pair),
    "second_order_cosine": lambda w: sm.second_order_cosine(w.pair),
    "feature_partners": lambda w: sm.feature_partners(w.features, "a:l", "b:l"),
    "feature_profile": lambda w: sm.feature_profile(w.features, "a:l", "b:l"),
    "feature_universality": lambda w: sm.feature_universality(w.features, "l"),
    "flattened": lambda w: sm.flattened(w.pair, sm.procrustes),
    "significance": lambda w: sm.significance(w.moments, sm.mutual_knn, 9),
    "layers": lambda w: sm.layers(w.a, w.inputs[:4]),
    "cca": lambda w: sm.cca(w.pair),
    "cka": lambda w: sm.cka(w.pair),
    "clusters": lambda w: sm.clusters(w.pair),
    "compare": lambda w: sm.compare(w.networks, [w.inputs], layers="2", simple_eps=[0.5], sparse="2", evidence=False),
    "align": lambda w: sm.align(w.pair),
    "correlation": lambda w: sm.correlation(w.pair),
    "correlation_match": lambda w: sm.correlation_match(w.pair),
    "debiased_cka": lambda w: sm.debiased_cka(w.pair),
    "eigenspace_overlap": lambda w: sm.eigenspace_overlap(w.pair),
    "gulp": lambda w: sm.gulp(w.pair),
    "permutation_procrustes": lambda w: sm.permutation_procrustes(w.pair),
    "ridge_regression": lambda w: sm.ridge_regression(w.pair),
    "rsa": lambda w: sm.rsa(w.pair),
    "shape_distance": lambda w: sm.shape_distance(w.pair),
    "soft_matching": lambda w: sm.soft_matching(w.pair),
    "exact_structure": lambda w: sm.exact_structure(w.pair),
    "held_out": lambda w: sm.held_out(w.pair, sm.maximum_match(w.pair, 0.6)),
    "jackknife": lambda w: sm.jackknife(w.pair, sm.cka),
    "layer_matrix": lambda w: sm.layer_matrix(w.moments, sm.cka),
    "linear_regression": lambda w: sm.linear_regression(w.pair),
    "match_area": lambda w: sm.match_area(w.pair),
    "match_profile": lambda w: sm.match_profile(w.pair),
    "maximum_match": lambda w: sm.maximum_match(w.pair, 0.6),
    "measures": lambda w: [measure(w.pair) for measure in sm.measures()],
    "minimum_match": lambda w: sm.minimum_match(w.pair, ("x", 0), 0.9),
    "misalignment": lambda w: sm.misalignment(np.eye(3), np.diag([1.0, 2.0, 3.0])),
    "mutual_information": lambda w: sm.mutual_information(*(own["l"] for own in w.arrays.values())),
    "null": lambda w: sm.null(w.pair, sm.cka),
    "one_to_one": lambda w: sm.one_to_one(w.pair),
    "over_seeds": lambda w: sm.over_seeds([0.1, 0.2, 0.4]),
    "pair": lambda w: sm.pair(w.arrays["a"]["l"], w.arrays["b"]["l"]),
    "procrustes": lambda w: sm.procrustes(w.pair),
    "profile_evidence": lambda w: sm.profile_evidence(w.pair),
    "pwcca": lambda w: sm.pwcca(w.pair),
    "rows_needed": lambda w: sm.rows_needed(w.pair),
    "permutation_test": lambda w: sm.permutation_test(w.pair, sm.cka),
    "adjusted_pillai": lambda w: sm.adjusted_pillai(w.pair),
    "adjusted_linear_regression": lambda w: sm.adjusted_linear_regression(w.pair),
    "run_bench": lambda w: sm.run_bench(
        ["cka"], networks=["digits-mlp"], tests=["accuracy"], out=w.folder / "bench", quick=True, workers=1
    ),
    "run_study": studied,
    "shares_over_seeds": lambda w: sm.shares_over_seeds([0.9, 0.8, 1.0], 10),
    "simple_matches": lambda w: sm.simple_matches(w.pair, 0.9),
    "sparse_map": lambda w: sm.sparse_map(w.pair, 5),
    "svcca": lambda w: sm.svcca(w.pair),
    "transplant": transplanted,
    "universality": lambda w: sm.universality(w.moments, "l"),
    "untrained_copy": lambda w: sm.untrained_copy(w.a, seed=1),
    "Moments": saved_and_loaded,
    "SparseFeatures": kept_in_files,
}
MADE_BY_FUNCTIONS = {
    name
    for name in sm.__all__
    if inspect.isclass(getattr(sm, name)) and name not in ("Moments", "SparseFeatures", "SpanmatchError")
}
SLOW = {"run_bench", "run_study"}


def hooks_of(module: nn.Module) -> list[object]:
    return [list(hooks) for name, hooks in sorted(vars(module).items()) if name.endswith("hooks")]


def state(w: World) -> dict[str, object]:
    """Everything global, and everything of the networks, that a call could leave behind."""
    modules = [module for own in (w.a, w.b) for module in own.modules()]
    tensors = [tensor for own in (w.a, w.b) for tensor in [*own.parameters(), *own.buffers()]]
    handles = [path for path in Path("/proc/self/fd").glob("*") if path.exists()]
    return {
        "random": random.getstate(),
        "NumPy's random state": pickle.dumps(np.random.get_state()),  # noqa: NPY002
        "NumPy's errors": np.geterr(),
        "NumPy's printing": np.get_printoptions(),
        "PyTorch's random state": torch.get_rng_state().tolist(),
        "PyTorch's modes": [
            torch.is_grad_enabled(),
            torch.is_inference_mode_enabled(),
            torch.are_deterministic_algorithms_enabled(),
            torch.is_deterministic_algorithms_warn_only_enabled(),
            torch.is_anomaly_enabled(),
            torch.is_autocast_enabled("cpu"),
            torch.get_default_dtype(),
            torch.get_float32_matmul_precision(),
            torch.backends.mkldnn.enabled,
            torch.backends.cudnn.deterministic,
        ],
        "threads": [torch.get_num_threads(), torch.get_num_interop_threads()],
        "threads of linear algebra": {found["filepath"]: found["num_threads"] for found in threadpool_info()},
        "training flags": [module.training for module in modules],
        "hooks": [hooks_of(module) for module in modules],
        "global hooks": hooks_of(nn.modules.module),
        "weights": [hashlib.sha256(t.detach().numpy().tobytes()).hexdigest() for t in tensors],
        "gradients": [(t.requires_grad, t.grad is None) for t in tensors],
        "warning filters": list(warnings.filters),
        "showing warnings": warnings.showwarning,
        "umask": next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("Umask")),
        "current folder": Path.cwd(),
        "import path": [list(sys.path), list(sys.meta_path)],
        "environment": dict(os.environ),
        "open files": sorted(str(path.readlink()) for path in handles if str(w.folder) in str(path.readlink())),
        "signals": {number: signal.getsignal(number) for number in signal.valid_signals()},
        "streams": [sys.stdin, sys.stdout, sys.stderr, sys.excepthook, sys.displayhook, threading.excepthook],
        "processes": multiprocessing.active_children(),
        "running threads": sorted(thread.name for thread in threading.enumerate()),
        "logging": [logging.root.level, list(logging.root.handlers), logging.root.manager.disable],
        "locale": locale.setlocale(locale.LC_ALL),
        "collector": [gc.isenabled(), gc.get_threshold()],
        "recursion": sys.getrecursionlimit(),
        "figures' settings": dict(mpl.rcParams),
        "figures": plt.get_fignums(),
    }


@pytest.fixture
def world(tmp_path, monkeypatch):
    """A world with states that are not the default ones, so that none is right by being put back to the default."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    threads, interrupt = torch.get_num_threads(), signal.signal(signal.SIGINT, signal.default_int_handler)
    torch.set_num_threads(3)
    torch.use_deterministic_algorithms(True, warn_only=True)
    random.seed(5)
    np.random.seed(5)  # noqa: NPY002
    torch.manual_seed(5)
    yield World(tmp_path)
    signal.signal(signal.SIGINT, interrupt)
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(False)
    plt.close("all")


def unchanged(before: dict[str, object], after: dict[str, object]) -> list[str]:
    return [name for name in before if before[name] != after[name] and not _more_libraries(before[name], after[name])]


def _more_libraries(before: object, after: object) -> bool:
    """Tell whether the same libraries of linear algebra have the same threads; others may have been loaded."""
    if (
        not isinstance(before, dict)
        or not isinstance(after, dict)
        or not all(str(key).endswith(".so") or ".so." in str(key) for key in after)
    ):
        return False
    return all(after.get(name) == threads for name, threads in before.items())


class Stop:
    """Raises an error at the n-th call of one of the package's functions; without n, it counts calls."""

    def __init__(self, error: BaseException | None = None, n: int | None = None) -> None:
        self.error, self.n, self.calls = error, n, 0

    def __call__(self, frame, event, argument):
        if event == "call" and frame.f_code.co_filename.startswith(PACKAGE):
            self.calls += 1
            if self.calls == self.n:
                sys.settrace(None)
                raise self.error

    def run(self, call, *arguments: object) -> None:
        before = sys.gettrace()
        gc.collect()
        gc.disable()  # what is released at some time calls functions, too
        sys.settrace(self)
        try:
            call(*arguments)
        finally:
            sys.settrace(before)
            gc.enable()


def test_every_public_name_is_called():
    functions = {name for name in sm.__all__ if callable(getattr(sm, name))} - MADE_BY_FUNCTIONS - {"SpanmatchError"}
    assert functions == set(CALLS)


@functools.cache
def calls_in(name: str) -> int:
    """Return how many of the package's functions a call calls, once for all tests."""
    stop = Stop()
    with tempfile.TemporaryDirectory() as folder:
        stop.run(CALLS[name], World(Path(folder)))
    return stop.calls


@pytest.mark.parametrize("name", CALLS)
def test_a_call_leaves_everything_as_it_was(world, name):
    assert calls_in(name) > 0  # what is imported only now may set things of its own
    before = state(world)
    result = CALLS[name](world)
    assert result is not None
    assert unchanged(before, state(world)) == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
@pytest.mark.parametrize("name", CALLS)
def test_a_call_that_is_stopped_leaves_everything_as_it_was(world, name, error):
    for share in (0.5,) if name in SLOW else (0.1, 0.5, 0.9):
        n = 1 + int(share * (calls_in(name) - 1))
        stop, new = Stop(error("stopped"), n), World(world.folder / str(share))
        new.folder.mkdir()
        before = state(new)
        with contextlib.suppress(error, sm.SpanmatchError):  # a search that is stopped returns what it has
            stop.run(CALLS[name], new)
        assert stop.calls == n
        assert unchanged(before, state(new)) == [], n


def raising(error: type[BaseException], after: int, values: object):
    """Return a function that gives values, and raises from a call on."""
    calls = iter(range(after))

    def call(*_: object) -> object:
        if next(calls, None) is None:
            raise error("stopped")
        return values

    return call


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
@pytest.mark.parametrize("what", ["batches", "batches of a transplant", "measure", "loss", "forward pass"])
def test_what_the_user_gives_may_raise(world, what, error):
    calls = {
        "batches": lambda w: sm.capture(
            w.networks, stopping(w.inputs), checkpoint=w.folder / "c", checkpoint_seconds=0
        ),
        "batches of a transplant": lambda w: sm.transplant(w.networks, stopping((w.inputs, w.labels)), *chosen(w)),
        "measure": lambda w: sm.jackknife(w.pair, raising(error, 3, 0.5)),
        "loss": lambda w: sm.transplant(
            w.networks, [(w.inputs, w.labels)], *chosen(w), loss=raising(error, 3, torch.ones(90))
        ),
        "forward pass": lambda w: sm.compare({"a": w.a, "b": nn.Sequential(w.b, Raises())}, [w.inputs], layers="*0"),
    }

    class Raises(nn.Module):
        forward = staticmethod(raising(error, 0, None))

    def stopping(batch):
        yield batch
        raise error("stopped")

    def chosen(w: World):
        pair = sm.capture(w.networks, [w.inputs]).pair("a:2", "b:2")
        return pair, sm.maximum_match(pair, 0.9)

    before = state(world)
    reported = sm.SpanmatchError if what == "forward pass" and error is RuntimeError else error
    with pytest.raises(reported, match="stopped"):
        calls[what](world)
    assert unchanged(before, state(world)) == []


def test_the_comparison_of_states_sees_changes(world):
    """So that the tests above can fail."""
    before = state(world)
    world.a[0].register_forward_hook(lambda *_: None)
    world.b.eval()
    np.random.random()  # noqa: NPY002
    torch.rand(1)
    torch.set_grad_enabled(False)
    warnings.simplefilter("ignore", FutureWarning)
    with (world.folder / "left open").open("w"):
        changed = unchanged(before, state(world))
    torch.set_grad_enabled(True)
    seen = {"hooks", "training flags", "NumPy's random state", "PyTorch's random state", "PyTorch's modes"}
    assert set(changed) == seen | {"warning filters", "open files"}


def test_threads_that_ignore_warnings_at_once_put_the_filters_back():
    before = list(warnings.filters)

    def work(k: int) -> None:
        with ignoring(UserWarning):
            time.sleep(0.001 * (k % 5))
            warnings.warn("not heard", UserWarning, stacklevel=1)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(60)))
    assert list(warnings.filters) == before


def test_a_file_of_code_that_is_stopped_is_read_anew(tmp_path, monkeypatch):
    monkeypatch.setattr("builtins.stopped", KeyboardInterrupt, raising=False)
    path, before = list(sys.path), list(sys.modules)
    (tmp_path / "code.py").write_text("def f():\n    return 1\nif stopped:\n    raise stopped\n")
    with pytest.raises(KeyboardInterrupt):
        from_names.function(f"{tmp_path}/code.py:f")
    assert sys.path == path and list(sys.modules) == before
    monkeypatch.setattr("builtins.stopped", None)
    assert from_names.function(f"{tmp_path}/code.py:f")() == 1


def test_commands_leave_everything_as_it_was(world, monkeypatch):
    monkeypatch.chdir(world.folder)
    for name, own in world.arrays.items():
        np.savez(f"{name}.npz", **own)
    before = state(world)
    for arguments in (["compare", "a.npz", "b.npz"], ["report", "spanmatch-compare"], ["report", "nowhere"]):
        CliRunner().invoke(app, arguments)
        assert unchanged(before, state(world)) == []
    assert (world.folder / "spanmatch-compare" / "report.html").is_file()
