"""Several processes: Dask's workers and the ranks of torch.distributed give what one process gives, or an error."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import dask.array as da
import layers
import numpy as np
import pytest
import torch
import zarr
from distributed import Client, LocalCluster
from torch import nn
from typer.testing import CliRunner

import spanmatch as sm
from spanmatch._files import read_tensors
from spanmatch.activations import from_files
from spanmatch.cli.commands import app
from spanmatch.moments.dask import summed

X, Y = layers.correlated(n=600)


@pytest.fixture(scope="module")
def client():
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0") as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client


def stored(tmp_path):
    for name, array in (("a", X), ("b", Y)):
        zarr.open_group(tmp_path / f"{name}.zarr", mode="w").create_array("l", data=array, chunks=(37, 10))
    return {name: tmp_path / f"{name}.zarr" for name in "ab"}


def assert_same(one, other, layers=("a:l", "b:l"), rtol=1e-12):
    a, b = one.pair(*layers), other.pair(*layers)
    for name in ("x_mean", "y_mean", "xx", "xy", "yy"):
        value = getattr(a, name)
        np.testing.assert_allclose(getattr(b, name), value, rtol=rtol, atol=rtol * abs(value).max())
    for own, others in zip((a.null, *a.folds), (b.null, *b.folds), strict=True):
        np.testing.assert_allclose(others.xy, own.xy, rtol=rtol, atol=rtol * abs(own.xx).max())
        assert others.n_examples == own.n_examples > 0
    assert b.partner_similarity == pytest.approx(a.partner_similarity, rel=1e-6, abs=1e-12)
    assert a.rows == b.rows and one.rows == other.rows
    for name in ("X", "Y", "example_ids"):
        np.testing.assert_array_equal(getattr(a.sample, name), getattr(b.sample, name))
    np.testing.assert_array_equal(one.example_ids, other.example_ids)


@pytest.mark.parametrize("options", [{}, {"method": "qr"}, {"bins": 4, "top": 3}, {"folds": 1}])
def test_workers_give_what_one_process_gives(tmp_path, monkeypatch, client, options):
    monkeypatch.setattr(from_files, "VALUES_AT_ONCE", 2000)
    monkeypatch.setattr(from_files, "ROWS_A_TASK", 100)
    files = stored(tmp_path)
    rtol = 1e-10 if options.get("method") == "qr" else 1e-12
    here, there = (from_files.capture_stored(files, scheduler=s, **options) for s in (None, client))
    assert_same(here, there, rtol=rtol)
    for layer in here.layers if "top" in options else ():
        np.testing.assert_array_equal(there.top(layer).examples, here.top(layer).examples)
        np.testing.assert_array_equal(there.edges[layer], here.edges[layer])
        np.testing.assert_array_equal(there.pair("a:l", "b:l").counts.table, here.pair("a:l", "b:l").counts.table)


@pytest.mark.parametrize("scheduler", ["client", None])
def test_dask_arrays(client, scheduler):
    given = {"a:l": da.from_array(X, chunks=(90, 7)), "b:l": da.from_array(Y, chunks=(100, 40))}
    found = sm.Moments.from_dask(given, scheduler=client if scheduler else None, bins=3)
    plain = sm.Moments(bins=3)
    for start in range(0, 600, 90):
        rows = slice(start, start + 90)
        plain.update({"a:l": X[rows], "b:l": Y[rows]}, np.arange(600)[rows])
    assert_same(plain, found)
    examples = np.arange(600) // 3
    ours, theirs = sm.Moments(), sm.Moments.from_dask(given, examples, scheduler=client if scheduler else None)
    ours.update({"a:l": X, "b:l": Y}, examples)
    np.testing.assert_allclose(theirs.pair("a:l", "b:l").folds[3].xy, ours.pair("a:l", "b:l").folds[3].xy, rtol=1e-10)


def test_dask_arrays_that_cannot_be_used(client):
    good = da.from_array(X, chunks=(90, 7))
    for given, message in (
        ({}, "no layers"),
        ({"a:l": X}, "'a:l' is a ndarray"),
        ({"a:l": good[:, 0]}, "rows x neurons"),
        ({"a:l": good, "b:l": good[:100]}, "'a:l' and 'b:l' have 600 and 100 rows"),
        ({"a:l": good[good[:, 0] > 0]}, "sizes of its chunks are unknown"),
        ({"a:l": da.from_array(np.where(X > 3, np.nan, X), chunks=90)}, "'a:l': nan in neuron"),
    ):
        with pytest.raises(sm.SpanmatchError, match=message):
            sm.Moments.from_dask(given, scheduler=client)
    with pytest.raises(sm.SpanmatchError, match="layer 'a:l': example -1; ids of examples are whole numbers from 0"):
        sm.Moments.from_dask({"a:l": good}, np.arange(600) - 1, scheduler=client)
    with pytest.raises(sm.SpanmatchError, match="example_ids: 3 for 600 rows"):
        sm.Moments.from_dask({"a:l": good}, [1, 2, 3])
    with pytest.raises(sm.SpanmatchError, match=r"'a:l' is a Dask array; use sm\.Moments\.from_dask"):
        sm.Moments().update({"a:l": good})


def slowly(batch, ids):
    time.sleep(0.3)
    moments = sm.Moments()
    moments.update(batch, ids)
    return moments


@pytest.mark.parametrize("seed", [0, 1])
def test_a_killed_worker_changes_nothing(seed):
    from dask import delayed

    parts = [(X[i : i + 30], Y[i : i + 30], np.arange(i, i + 30)) for i in range(0, 600, 30)]
    tasks = [({"a:l": x, "b:l": y}, ids) for x, y, ids in parts]
    plain = summed([delayed(slowly)(*task) for task in tasks], None)
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0") as cluster,
        Client(cluster, set_as_default=False) as own,
    ):
        pids = list(own.run(os.getpid).values())
        victim = subprocess.Popen(  # after some parts are done and some are on their way
            [sys.executable, "-c", f"import os, time; time.sleep({0.6 + 0.5 * seed}); os.kill({pids[seed]}, 9)"]
        )
        found = summed([delayed(slowly, pure=False)(*task) for task in tasks], own)
        assert victim.wait() == 0
        assert pids[seed] not in own.run(os.getpid, on_error="ignore").values()
    assert_same(plain, found, rtol=1e-15)
    np.testing.assert_array_equal(found.pair("a:l", "b:l").xy, plain.pair("a:l", "b:l").xy)


def test_sampled_positions_are_the_same_on_workers(tmp_path, monkeypatch, client):
    images = np.random.default_rng(0).standard_normal((90, 3, 5, 4))
    for name, array in (("a", images), ("b", images[:, :2] + 1)):
        zarr.open_group(tmp_path / f"{name}.zarr", mode="w").create_array("l", data=array, chunks=(11, 2, 5, 4))
    files = {name: tmp_path / f"{name}.zarr" for name in "ab"}
    found = []
    for values, scheduler in ((1 << 22, None), (700, None), (1500, client)):
        monkeypatch.setattr(from_files, "VALUES_AT_ONCE", values)
        monkeypatch.setattr(from_files, "ROWS_A_TASK", 30)
        found.append(from_files.capture_stored(files, positions=6, seed=4, scheduler=scheduler).pair("a:l", "b:l"))
    for pair in found[1:]:
        np.testing.assert_allclose(pair.xy, found[0].xy, rtol=1e-11, atol=1e-11)
        assert pair.rows == 540
    other = from_files.capture_stored(files, positions=6, seed=5).pair("a:l", "b:l")
    assert abs(other.xy - found[0].xy).max() > 1


def test_schedulers_and_files_that_cannot_be_used(tmp_path, monkeypatch, client):
    files = stored(tmp_path)
    np.savez(tmp_path / "a.npz", l=X)
    for networks, scheduler, message in (
        (files, "tcp://127.0.0.1:9", "no scheduler answers at tcp://127.0.0.1:9"),
        (files, 0, "scheduler=0: give an address, or how many processes"),
        ({"a": tmp_path / "a.npz", "b": files["b"]}, client, r"a\.npz: array 'l' can only be read from its start"),
        ({"a": {"l": X}, "b": files["b"]}, client, "'a': arrays in memory are not on the workers"),
    ):
        monkeypatch.setattr("spanmatch.moments.dask.SECONDS_TO_CONNECT", 1)
        with pytest.raises(sm.SpanmatchError, match=message):
            sm.compare(networks, scheduler=scheduler)
    chunk = files["b"] / "l" / "c" / "3" / "1"
    chunk.write_bytes(b"damaged")
    with pytest.raises(sm.SpanmatchError, match=r"b\.zarr: array 'l' is cut short or damaged"):
        sm.compare(files, scheduler=client)
    with pytest.raises(sm.SpanmatchError, match="scheduler: it is for stored activations"):
        sm.compare({"a": nn.Linear(3, 3), "b": nn.Linear(3, 3)}, [torch.zeros(4, 3)], scheduler=client)


def test_the_command_line_takes_a_scheduler(tmp_path, client):
    files = stored(tmp_path)
    for scheduler in (client.scheduler.address, "1"):
        args = ["compare", str(files["a"]), str(files["b"]), "--scheduler", scheduler, "--permutations", "0"]
        args += ["--out", str(tmp_path / "out")]
        found = CliRunner().invoke(app, args)
        assert found.exit_code == 0, found.output
        assert_same(
            sm.compare(files, evidence=False).moments, sm.Moments.load(tmp_path / "out" / "moments.safetensors")
        )


RANK = """
import datetime, os, sys, time
import numpy as np, torch, torch.distributed as dist
sys.path.insert(0, {tests!r})
import layers
import spanmatch as sm
dist.init_process_group("gloo", init_method="file://{store}", rank=int(sys.argv[1]), world_size={size},
                        timeout=datetime.timedelta(seconds=60))
rank = dist.get_rank()
X, Y = layers.correlated(n=600)
moments = sm.Moments(**{options!r})
{body}
"""
PARTS = """
if rank != {empty}:
    own = np.array_split(np.arange(600), {shares})[rank]
    moments.update({{"a:l": X[own], "b:l": Y[own]}}, own)
before = moments.rows
total = moments.all_reduce(timeout=60)
assert total is moments
moments.save("{out}/" + str(rank) + ".safetensors")
dist.destroy_process_group()
"""


def ranks(tmp_path, size, body, options):
    here = Path(__file__).parents[1]
    code = RANK.format(tests=str(here), store=tmp_path / "store", size=size, options=options, body=body)
    with contextlib.ExitStack() as stack:
        logs = [stack.enter_context((tmp_path / f"{rank}.log").open("w")) for rank in range(size)]
        return [subprocess.Popen([sys.executable, "-c", code, str(r)], stderr=log) for r, log in enumerate(logs)]


def log_of(tmp_path):
    return "".join(path.read_text() for path in tmp_path.glob("*.log"))


def contents(path):
    """Return what a file of moments holds; the order of its header is not always the same."""
    arrays, about = read_tensors(path)
    return {name: array.tobytes() for name, array in arrays.items()}, about


@pytest.mark.parametrize(
    ("size", "empty", "options"),
    [
        (2, None, {}),
        (2, 0, {}),
        (2, 1, {"method": "qr"}),
        (3, 1, {"top": 3}),
        (2, None, {"bins": {"a:l": 3, "b:l": 3}}),
    ],
)
def test_every_rank_gets_the_total(tmp_path, size, empty, options):
    if "bins" in options:  # edges that both ranks share
        edges = sm.Moments(bins=4)
        edges.update({"a:l": X, "b:l": Y})
        options = {"bins": {layer: own.tolist() for layer, own in edges.edges.items()}}
    body = PARTS.format(empty=empty, shares=size, out=tmp_path)
    for process in ranks(tmp_path, size, body, options):
        assert process.wait(60) == 0, log_of(tmp_path)
    expected = sm.Moments(**options)
    for rank, rows in enumerate(np.array_split(np.arange(600), size)):
        if rank != empty:
            expected.update({"a:l": X[rows], "b:l": Y[rows]}, rows)
    found = [sm.Moments.load(tmp_path / f"{rank}.safetensors") for rank in range(size)]
    for moments in found:
        assert_same(expected, moments, rtol=1e-10 if "method" in options else 1e-12)
    whole = [contents(tmp_path / f"{rank}.safetensors") for rank in range(size)]
    assert all(one == whole[0] for one in whole)
    if "top" in options:
        np.testing.assert_array_equal(found[0].top("a:l").examples, expected.top("a:l").examples)


def test_ranks_that_do_not_fit_say_so_on_every_rank(tmp_path):
    body = """
moments = sm.Moments(folds=4 + rank)
moments.update({"a:l": X, "b:l": Y})
try:
    moments.all_reduce(timeout=60)
except sm.SpanmatchError as error:
    assert "folds=4 and folds=5 cannot be added" in str(error), error
    assert moments.rows["a:l"] == 600
    sys.exit(7)
"""
    for process in ranks(tmp_path, 2, body, {}):
        assert process.wait(60) == 7, log_of(tmp_path)


@pytest.mark.parametrize("how", ["os.kill(os.getpid(), 9)", "time.sleep(60)"])
def test_a_lost_rank_is_an_error_on_the_others_in_bounded_time(tmp_path, how):
    body = f"""
moments.update({{"a:l": X, "b:l": Y}})
if rank == 1:
    {how}
started = time.monotonic()
try:
    moments.all_reduce(timeout=4)
except sm.SpanmatchError as error:
    assert "a rank is lost, or did not come within 4 s" in str(error), error
    assert moments.rows["a:l"] == 600
    os._exit(7 if time.monotonic() - started < 20 else 8)
os._exit(9)
"""
    processes = ranks(tmp_path, 2, body, {})
    try:
        assert processes[0].wait(50) == 7, log_of(tmp_path)
    finally:
        for process in processes:
            process.kill()
            process.wait()


def test_all_reduce_needs_ranks():
    with pytest.raises(sm.SpanmatchError, match="there are no ranks; start with torchrun"):
        sm.Moments().all_reduce()


CAPTURE = """
import sys, time, os
import numpy as np, torch
from torch import nn
import spanmatch as sm
from spanmatch.moments import packed
packed.BLOCK = {block}
torch.set_num_threads(1)
def net(seed):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 6))
x = torch.randn(20000, 8, generator=torch.Generator().manual_seed(2))
def batches():
    for k, batch in enumerate(x.split(100)):
        if k >= {stop}:
            time.sleep({sleep})
        yield batch
out = sys.argv[1]
networks = {{"a": net(0), "b": net(1)}}
moments = sm.capture(networks, batches(), layers="*", checkpoint=out, checkpoint_seconds=0, top=2, **{options!r})
print("done", flush=True)
"""


@pytest.mark.parametrize("seed", range(3))
def test_a_killed_capture_goes_on_with_the_same_final_numbers(tmp_path, seed, monkeypatch):
    options = [{}, {"method": "qr"}, {"bins": 4, "method": "single", "example_ids": range(7, 20_007)}][seed]
    block = [5, 2048, 2048][seed]  # layers in several panels, and in one
    monkeypatch.setattr("spanmatch.moments.packed.BLOCK", block)
    run = [sys.executable, "-c", CAPTURE.format(stop=60 + 30 * seed, sleep=0.03, options=options, block=block)]
    whole, path = tmp_path / "whole.safetensors", tmp_path / "killed.safetensors"
    fast = [sys.executable, "-c", CAPTURE.format(stop=10**9, sleep=0, options=options, block=block)]
    subprocess.run([*fast, str(whole)], check=True)
    process = subprocess.Popen([*run, str(path)])
    while not path.exists():
        time.sleep(0.01)
    time.sleep(float(np.random.default_rng(seed).uniform(0.1, 1.5)))
    process.send_signal(signal.SIGKILL)
    process.wait()
    half = sm.Moments.load(path)
    assert 0 < half.rows["a:0"] < 20_000
    first = 7 if "example_ids" in options else 0
    assert half.example_ids.tolist() == [[first, first + half.rows["a:0"]]]
    subprocess.run([*fast, str(path)], check=True)
    assert contents(path) == contents(whole)
    assert sm.Moments.load(path).rows["a:0"] == 20_000


def test_stored_activations_go_on_from_a_checkpoint(tmp_path, monkeypatch):
    monkeypatch.setattr(from_files, "VALUES_AT_ONCE", 2000)
    files, path = stored(tmp_path), tmp_path / "m.safetensors"
    plain, seen = from_files.capture_stored(files), []
    add = from_files._add

    def stops(moments, *args):
        if len(seen) == 5:
            raise KeyboardInterrupt
        seen.append(1)
        add(moments, *args)

    monkeypatch.setattr(from_files, "_add", stops)
    with pytest.raises(KeyboardInterrupt):
        from_files.capture_stored(files, checkpoint=path, checkpoint_seconds=0)
    monkeypatch.setattr(from_files, "_add", lambda *args: seen.append(1) or add(*args))
    found = from_files.capture_stored(files, checkpoint=path, checkpoint_seconds=0)
    np.testing.assert_array_equal(found.pair("a:l", "b:l").xy, plain.pair("a:l", "b:l").xy)
    count = len(seen)
    assert sm.compare(files, checkpoint=path, evidence=False).moments.rows == found.rows and len(seen) == count


def nets():
    torch.manual_seed(0)
    return {"a": nn.Sequential(nn.Linear(8, 5)), "b": nn.Sequential(nn.Linear(8, 5))}


def test_a_checkpoint_of_something_else_is_refused(tmp_path):
    path, own, x = tmp_path / "m.safetensors", nets(), torch.randn(60, 8)
    sm.capture(own, x.split(10), checkpoint=path)
    assert sm.capture(own, x.split(10), checkpoint=path).rows["a:0"] == 60
    assert sm.capture(own, torch.cat([x, x]).split(10), checkpoint=path).rows["a:0"] == 120  # more of them
    other = nets()
    other["b"][0].weight.data += 1
    for networks, batches, options, message in (
        (other, x.split(10), {}, "made from other networks"),
        (own, x.split(10), {"folds": 3}, "made from other options"),
        (own, x.split(10), {"pool": "mean"}, "made from other layout"),
        (own, x.split(10), {"example_ids": range(115, 175)}, "5 of the 10 examples 115 to 124 are in it; give"),
    ):
        with pytest.raises(sm.SpanmatchError, match=message):
            sm.capture(networks, batches, checkpoint=path, **options)
    sm.Moments().save(tmp_path / "n.safetensors")
    with pytest.raises(sm.SpanmatchError, match=r"n\.safetensors: not a checkpoint of a capture"):
        sm.capture(own, x.split(10), checkpoint=tmp_path / "n.safetensors")


def test_numbers_say_which_examples_a_rank_has():
    own, x = nets(), torch.randn(60, 8)
    parts = [sm.capture(own, x[r::2].split(10), example_ids=range(r, 60, 2)) for r in range(2)]
    whole = sm.capture(own, x.split(10))
    total = parts[0] + parts[1]
    assert total.example_ids.tolist() == [[0, 60]] and parts[1].example_ids.tolist()[:2] == [[1, 2], [3, 4]]
    for mine, theirs in zip(total.pair("a:0", "b:0").folds, whole.pair("a:0", "b:0").folds, strict=True):
        np.testing.assert_allclose(mine.xy, theirs.xy, rtol=1e-9, atol=1e-9)
    for numbers, message in (
        (range(5), "example_ids: 5; give a whole number for every example"),
        ([0.5] * 60, "example_ids: examples of type float64"),
        (range(-1, 59), "example_ids: example -1; ids of examples are whole numbers from 0"),
    ):
        with pytest.raises(sm.SpanmatchError, match=message):
            sm.capture(own, x.split(10), example_ids=numbers)
