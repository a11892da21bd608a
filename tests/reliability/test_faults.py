"""Full disks, kills, read-only folders, damaged files: the last result stays whole, and what is damaged is refused."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import layers
import numpy as np
import onnx
import pytest
import torch
import transformers
from activations.small_graphs import INPUTS, perceptron
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import spanmatch as sm
from spanmatch._files import read_tensors, write_tensors, write_text
from spanmatch.saved_results import read_comparison

TESTS = str(Path(__file__).parents[1])
X, Y = layers.correlated(n=120)
FUZZ = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def moments_of(rows, **options):
    moments = sm.Moments(**options)
    moments.update({"a:l": X[rows], "b:l": Y[rows]})
    return moments


def damaged(data, content):
    """Return a file's bytes cut short, or with some changed, mostly where headers are."""
    content = bytearray(content)
    if data.draw(st.booleans()):
        return bytes(content[: data.draw(st.integers(0, len(content) - 1))])
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.one_of(st.integers(0, min(400, len(content) - 1)), st.integers(0, len(content) - 1)))
        content[data.draw(st.sampled_from([place, -1 - place]))] = data.draw(st.integers(0, 255))
    return bytes(content)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
SHAPES = st.lists(st.integers(0, 4), max_size=4)
TYPES = st.sampled_from([np.float64, np.float32, np.int64, np.uint8, np.bool_])


@FUZZ
@given(data=st.data())
def test_moments_with_other_contents_are_refused_or_usable(tmp_path_factory, data):
    """The file is well formed; what its header and arrays say is not."""
    path = tmp_path_factory.mktemp("fuzz") / "m.safetensors"
    moments_of(slice(60), folds=2, top=1, bins=3).save(path)
    arrays, metadata = read_tensors(path)
    about = json.loads(metadata["about"])
    for _ in range(data.draw(st.integers(1, 3))):
        if data.draw(st.booleans()):
            key = data.draw(st.sampled_from(sorted(about)))
            inside = about[key]
            if isinstance(inside, dict) and inside and data.draw(st.booleans()):
                inside[data.draw(st.sampled_from(sorted(inside)))] = data.draw(JSON)
            else:
                about[key] = data.draw(JSON)
        else:
            name = data.draw(st.sampled_from(sorted(arrays)))
            arrays[name] = np.full(data.draw(SHAPES), data.draw(st.integers(-2, 2))).astype(data.draw(TYPES))
    write_tensors(path, arrays, {**metadata, "about": json.dumps(about)})
    try:
        moments = sm.Moments.load(path)
        repr(moments), moments.rows, moments.nbytes, moments.example_ids
        for x, y in moments.pairs:
            sm.match_profile(moments.pair(x, y)).similarity(0.3)
        moments += sm.Moments.load(path)
    except sm.SpanmatchError as error:
        assert str(error)


@FUZZ
@given(data=st.data())
def test_damaged_moments_are_refused_or_usable(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("fuzz") / "m.safetensors"
    moments_of(slice(60), folds=2).save(path)
    path.write_bytes(damaged(data, path.read_bytes()))
    try:
        moments = sm.Moments.load(path)
        for x, y in moments.pairs:
            sm.match_profile(moments.pair(x, y))
    except sm.SpanmatchError as error:
        assert str(error)


@FUZZ
@given(data=st.data())
def test_damaged_graphs_are_refused_or_run(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("fuzz")
    good = perceptron(folder / "good.onnx")
    bad = folder / "bad.onnx"
    bad.write_bytes(damaged(data, good.read_bytes()))
    try:
        sm.capture({"a": good, "b": bad}, INPUTS, layers={"a": "*", "b": None})
    except sm.SpanmatchError as error:
        assert str(error)


def test_a_graph_that_claims_a_huge_tensor_is_refused(tmp_path):
    path = perceptron(tmp_path / "a.onnx")
    graph = onnx.load(path)
    graph.graph.initializer[0].dims[0] = 2**60
    onnx.save(graph, path)
    with pytest.raises(sm.SpanmatchError, match=r"a\.onnx: cut short, or not an ONNX file"):
        sm.capture({"a": path, "b": path}, INPUTS)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_folders_of_transformers_are_refused_or_run(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("fuzz")
    config = transformers.BertConfig(
        hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8, vocab_size=20
    )
    transformers.BertModel(config).save_pretrained(folder)
    file = folder / data.draw(st.sampled_from(["config.json", "model.safetensors"]))
    file.write_bytes(damaged(data, file.read_bytes()))
    try:
        sm.capture({"a": folder, "b": folder}, [{"input_ids": torch.arange(12).reshape(3, 4)}])
    except sm.SpanmatchError as error:
        assert str(error)


@FUZZ
@given(data=st.data())
def test_damaged_results_are_refused_or_read(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("fuzz")
    write_text(folder / "comparison.json", json.dumps({"format": "spanmatch.comparison", "version": 3, "pairs": []}))
    path = folder / "comparison.json"
    path.write_bytes(damaged(data, path.read_bytes()))
    try:
        read_comparison(folder)
    except sm.SpanmatchError as error:
        assert "comparison.json" in str(error)


FULL = """
import resource, signal, sys
import numpy as np
sys.path.insert(0, {tests!r})
import spanmatch as sm
from reliability import test_faults as faults_helpers
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, ({most}, {most}))
try:
    {work}
except sm.SpanmatchError as error:
    print(error)
    sys.exit(7)
"""


@pytest.mark.parametrize("most", [0, 100, 5000, 40_000])
@pytest.mark.parametrize(
    ("work", "name"),
    [
        ("faults_helpers.moments_of(slice(120)).save({path!r} + '/m.safetensors')", "m.safetensors"),
        (
            "sm.compare(faults_helpers.stored(), permutations=0, checkpoint={path!r} + '/m.safetensors')",
            "m.safetensors",
        ),
        ("sm.compare(faults_helpers.stored(), permutations=0).save({path!r})", "comparison.json"),
    ],
)
def test_a_full_disk_leaves_the_last_result_whole(tmp_path, work, name, most):
    before = sm.compare(stored(), permutations=0)
    before.save(tmp_path)
    before.moments.save(tmp_path / "m.safetensors")
    if "checkpoint" in work:
        (tmp_path / "m.safetensors").unlink()
        sm.compare({"a": {"l": X}, "b": {"l": Y}}, checkpoint=tmp_path / "m.safetensors", permutations=0)
    files = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    code = FULL.format(tests=TESTS, most=most, work=work.format(path=str(tmp_path)))
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert found.returncode == 7, found.stderr
    assert "cannot write" in found.stdout and name.split(".")[0][0] in found.stdout
    for path in tmp_path.iterdir():  # each file is the old one or, of several, already the new one
        assert path.name in files
        if path.suffix == ".safetensors":
            assert sm.Moments.load(path).rows["a:l"] == 120
    assert (tmp_path / name).read_bytes() == files[name] or most > 0


def stored():
    return {"a": {"l": X}, "b": {"l": Y}}


WRITES = """
import sys
sys.path.insert(0, {tests!r})
from reliability import test_faults as faults_helpers
both = faults_helpers.moments_of(slice(60)), faults_helpers.moments_of(slice(120))
print("ready", flush=True)
while True:
    for moments in both:
        moments.save({path!r})
"""


def test_a_process_killed_at_any_point_leaves_a_whole_file(tmp_path):
    path = tmp_path / "m.safetensors"
    code = WRITES.format(tests=TESTS, path=str(path))
    r = np.random.default_rng(0)
    for _ in range(5):
        process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
        process.stdout.readline()
        time.sleep(r.uniform(0.01, 0.2))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert sm.Moments.load(path).rows["a:l"] in (60, 120)


def test_a_read_only_folder_is_named():
    with tempfile.TemporaryDirectory() as made:  # pytest's own folders can be entered by one user alone
        folder = Path(made) / "results"
        folder.mkdir()
        moments_of(slice(60)).save(folder / "m.safetensors")
        Path(made).chmod(0o755)
        folder.chmod(0o555)
        whole = (folder / "m.safetensors").read_bytes()
        work = f"faults_helpers.moments_of(slice(120)).save({str(folder / 'm.safetensors')!r})"
        code = FULL.format(tests=TESTS, most=10**9, work=work)
        if os.getuid() == 0:  # whom permissions do not stop
            # Everything is imported before, as another user may not read where Python is.
            other_user = "import os; faults_helpers.moments_of(slice(60)); os.setuid(65534)\nsignal.signal"
            code = code.replace("signal.signal", other_user, 1)
        found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert found.returncode == 7, found.stderr
        assert "cannot write" in found.stdout and "Permission denied" in found.stdout
        assert (folder / "m.safetensors").read_bytes() == whole
        assert [path.name for path in folder.iterdir()] == ["m.safetensors"]
        folder.chmod(0o755)
