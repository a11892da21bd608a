"""Rows of sparse features: kept in memory or in files, resumed, refused where they make no sense."""

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
import scipy.sparse as sp
from sparse_layers import features_of, two

import spanmatch as sm
from spanmatch.dictionaries import feature_rows
from spanmatch.dictionaries.row_store import ColumnInFile
from spanmatch.moments.backends import TorchEngine

X, Y = two(n=200, p=12, q=9, shared=5)
X[:, 3] = 0


@pytest.mark.parametrize("in_files", [False, True])
@pytest.mark.parametrize("cuts", [(), (1, 70, 150)])
def test_all_rows_are_kept_as_they_came(tmp_path, in_files, cuts):
    features = features_of(X, Y, ids=np.arange(200) // 2, cuts=cuts, folder=tmp_path / "f" if in_files else None)
    assert features.rows == 200 and features.n_examples == 100 and features.layers == {"a:sae": 12, "b:sae": 9}
    for layer, dense in (("a:sae", X), ("b:sae", Y)):
        matrix = features.matrix(layer)
        assert matrix.dtype == np.float32
        np.testing.assert_array_equal(matrix.toarray(), dense)
        np.testing.assert_allclose(features.firing_rate(layer), (dense > 0).mean(axis=0))
    assert features.dead("a:sae").tolist() == [3]
    assert repr(features) == "<SparseFeatures: 200 rows of a:sae (12), b:sae (9)>"


@pytest.mark.parametrize("form", ["csr", "csc", "coo", "dense", "torch", "sparse torch"])
def test_features_come_in_every_form(form):
    torch = pytest.importorskip("torch")
    forms = {
        "csr": sp.csr_matrix,
        "csc": sp.csc_array,
        "coo": sp.coo_array,
        "dense": np.asarray,
        "torch": torch.from_numpy,
        "sparse torch": lambda rows: torch.from_numpy(rows).to_sparse(),
    }
    features = sm.SparseFeatures()
    features.update({"a:sae": forms[form](X)})
    np.testing.assert_array_equal(features.matrix("a:sae").toarray(), X)
    assert features.matrix("a:sae").data.all()  # no zero is stored


@pytest.mark.parametrize("form", ["numpy", "dense", "coo", "csr", "csc"])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.filterwarnings("ignore:Sparse")
def test_half_precision_comes_in_every_form(form, dtype):
    torch = pytest.importorskip("torch")
    tensor = torch.from_numpy(X).to(getattr(torch, dtype)).requires_grad_()
    expected = tensor.detach().float().numpy()
    if form == "numpy":
        rows = expected.astype(np.float16) if dtype == "float16" else expected
    else:
        rows = tensor if form == "dense" else getattr(tensor, "to_sparse_" + form)()
    features = sm.SparseFeatures()
    features.update({"a:sae": rows})
    np.testing.assert_array_equal(features.matrix("a:sae").toarray(), expected)


def test_bfloat16_on_a_device_is_read():
    torch = pytest.importorskip("torch")
    tensor = torch.tensor([[0.0, 1.5]], dtype=torch.bfloat16)
    assert TorchEngine(torch.device("cpu")).host(tensor).tolist() == [[0.0, 1.5]]


def test_a_folder_is_resumed(tmp_path):
    first = features_of(X[:80], Y[:80], folder=tmp_path)
    again = sm.SparseFeatures(tmp_path)
    assert again.rows == 80
    again.update({"a:sae": X[80:], "b:sae": Y[80:]})
    np.testing.assert_array_equal(sm.SparseFeatures(tmp_path).matrix("b:sae").toarray(), Y)
    np.testing.assert_array_equal(sm.SparseFeatures(tmp_path).example_ids, np.arange(200))
    with pytest.raises(sm.SpanmatchError, match="has 200 rows, not 80; another process"):
        first.update({"a:sae": X[80:], "b:sae": Y[80:]})


@pytest.mark.parametrize("name", ["0.values", "1.lengths", "example_ids"])
def test_what_a_stopped_process_wrote_beyond_the_last_batch_is_overwritten(tmp_path, name):
    features_of(X[:80], Y[:80], folder=tmp_path)
    with (tmp_path / name).open("ab") as file:
        file.write(b"\1" * 13)
    features = sm.SparseFeatures(tmp_path)
    features.update({"a:sae": X[80:], "b:sae": Y[80:]})
    again = sm.SparseFeatures(tmp_path)
    np.testing.assert_array_equal(again.matrix("a:sae").toarray(), X)
    np.testing.assert_array_equal(again.matrix("b:sae").toarray(), Y)
    assert again.n_examples == 200


def test_a_write_that_fails_loses_nothing_that_was_there(tmp_path, monkeypatch):
    features = features_of(X[:80], Y[:80], folder=tmp_path)
    monkeypatch.setattr(
        "spanmatch.dictionaries.feature_rows.write_text", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt)
    )
    with pytest.raises(KeyboardInterrupt):
        features.update({"a:sae": X[80:], "b:sae": Y[80:]})
    monkeypatch.undo()
    again = sm.SparseFeatures(tmp_path)
    assert again.rows == 80
    np.testing.assert_array_equal(again.matrix("a:sae").toarray(), X[:80])


@pytest.mark.parametrize("failing", range(1, 9))
@pytest.mark.parametrize("first_batch", [False, True])
def test_after_a_failed_write_the_same_object_can_add_the_batch_again(tmp_path, monkeypatch, failing, first_batch):
    features = sm.SparseFeatures(tmp_path)
    if not first_batch:
        features.update({"a:sae": X[:80], "b:sae": Y[:80]})
    rows = slice(features.rows, 200)
    with monkeypatch.context() as patch:
        count, append, write = iter(range(1, 9)), ColumnInFile.append, feature_rows.write_text

        def appended(self, part):
            if next(count) == failing:
                raise sm.SpanmatchError("the disk is full")
            append(self, part)

        def written(path, text):
            if json.loads(text)["rows"] == 200 and next(count) == failing:
                raise KeyboardInterrupt
            write(path, text)

        patch.setattr(ColumnInFile, "append", appended)
        patch.setattr(feature_rows, "write_text", written)
        with pytest.raises((sm.SpanmatchError, KeyboardInterrupt)):
            features.update({"a:sae": X[rows], "b:sae": Y[rows]})
    assert features.rows == rows.start and len(features.layers) == (0 if first_batch else 2)
    features.update({"a:sae": X[rows], "b:sae": Y[rows]})
    for one in (features, sm.SparseFeatures(tmp_path)):
        np.testing.assert_array_equal(one.matrix("a:sae").toarray(), X)
        np.testing.assert_array_equal(one.matrix("b:sae").toarray(), Y)
        np.testing.assert_array_equal(one.example_ids, np.arange(200))


def test_an_interrupted_batch_leaves_nothing_in_memory(monkeypatch):
    features = features_of(X[:80], Y[:80])
    with monkeypatch.context() as patch:
        patch.setattr(features._stores["b:sae"], "append", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            features.update({"a:sae": X[80:], "b:sae": Y[80:]})
    features.update({"a:sae": X[80:], "b:sae": Y[80:]})
    np.testing.assert_array_equal(features.matrix("a:sae").toarray(), X)
    np.testing.assert_array_equal(features.matrix("b:sae").toarray(), Y)


KILLED = """
import os, signal, sys
import numpy as np
import spanmatch as sm
from spanmatch.dictionaries import feature_rows
from spanmatch.dictionaries.row_store import ColumnInFile

features, append, count = sm.SparseFeatures(sys.argv[1]), ColumnInFile.append, iter(range(1, 100))

def appended(self, part):
    append(self, part)
    if next(count) == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)

ColumnInFile.append = appended
while True:
    features.update({"a:sae": np.eye(4), "b:sae": np.eye(4)[:, :2]})
"""


@pytest.mark.skipif(sys.platform == "win32", reason="has no SIGKILL")
@pytest.mark.parametrize("append", [1, 3, 7, 13, 17])
def test_a_killed_process_loses_the_batch_it_was_adding_and_no_other(tmp_path, append):
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "f"), str(append)], check=False, timeout=120)
    assert killed.returncode == -signal.SIGKILL
    features = sm.SparseFeatures(tmp_path / "f")
    batches = (append - 1) // 7  # of 3 files of each layer and the ids
    assert features.rows == 4 * batches
    features.update({"a:sae": np.eye(4), "b:sae": np.eye(4)[:, :2]})
    again = sm.SparseFeatures(tmp_path / "f")
    np.testing.assert_array_equal(again.matrix("b:sae").toarray(), np.tile(np.eye(4)[:, :2], (batches + 1, 1)))
    np.testing.assert_array_equal(again.example_ids, np.arange(4 * (batches + 1)))


@pytest.mark.parametrize("name", ["0.values", "1.columns", "example_ids"])
def test_no_batch_is_added_behind_files_that_are_cut_short_or_missing(tmp_path, name):
    features_of(X[:80], Y[:80], folder=tmp_path)
    os.truncate(tmp_path / name, 20)
    with pytest.raises(sm.SpanmatchError, match=f"{name}: missing or cut short, 20 bytes"):
        sm.SparseFeatures(tmp_path).update({"a:sae": X[80:], "b:sae": Y[80:]})
    (tmp_path / name).unlink()
    with pytest.raises(sm.SpanmatchError, match=f"{name}: missing or cut short"):
        sm.SparseFeatures(tmp_path).update({"a:sae": X[80:], "b:sae": Y[80:]})
    (tmp_path / "file").touch()
    with pytest.raises(sm.SpanmatchError, match="not a folder"):
        sm.SparseFeatures(tmp_path / "file")


def test_damaged_files_are_refused_by_name(tmp_path):
    features_of(X, Y, folder=tmp_path)
    values = bytearray((tmp_path / "0.values").read_bytes())
    values[5] ^= 1
    (tmp_path / "0.values").write_bytes(values)
    os.truncate(tmp_path / "1.columns", 8)
    features = sm.SparseFeatures(tmp_path)
    with pytest.raises(sm.SpanmatchError, match=r"0\.values: its checksum is wrong"):
        features.matrix("a:sae")
    with pytest.raises(sm.SpanmatchError, match=r"1\.columns: missing or cut short"):
        features.matrix("b:sae")
    (tmp_path / "features.json").write_text(json.dumps({"format": "spanmatch.features", "version": 1, "rows": 3}))
    with pytest.raises(sm.SpanmatchError, match=r"features\.json: incomplete"):
        sm.SparseFeatures(tmp_path)
    (tmp_path / "features.json").unlink()
    with pytest.raises(sm.SpanmatchError, match=r"has files, but no features\.json"):
        sm.SparseFeatures(tmp_path)


BAD = {
    "negative": ({"a:sae": -sp.eye_array(3)}, r"'a:sae': -1.0 in row 0, feature 0; .* never negative"),
    "nan": ({"a:sae": sp.coo_array(([np.nan], ([1], [2])), shape=(3, 3))}, r"'a:sae': nan in row 1, feature 2"),
    "too large": ({"a:sae": 1e300 * sp.eye_array(3)}, r"finite in float32"),
    "rows": ({"a:sae": X[:2], "b:sae": Y[:3]}, r"a:sae \(2\), b:sae \(3\); rows must correspond"),
    "nothing": ({}, "no layers"),
    "one axis": ({"a:sae": X[0]}, "'a:sae': shape"),
    "no mapping": ([X], "a batch of type list: give {layer: "),
    "negative, and 0 in float32": ({"a:sae": np.array([[1.0, -1e-60]])}, "'a:sae': -1e-60 in row 0, feature 1"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_batches_are_refused(case):
    features = sm.SparseFeatures()
    with pytest.raises(sm.SpanmatchError, match=BAD[case][1]):
        features.update(BAD[case][0])
    assert repr(features) == "<SparseFeatures: no rows>" and features.rows == 0


def test_what_is_returned_does_not_lead_to_what_is_kept():
    features = features_of(X, Y)
    with pytest.raises(ValueError, match="read-only"):
        features.example_ids[0] = 7
    sm.feature_universality(features, "sae").active["a"][:] = 0
    assert features.dead("a:sae").tolist() == [3]


def test_layers_that_change_and_ids_that_do_not_fit_are_refused():
    features = features_of(X, Y)
    with pytest.raises(sm.SpanmatchError, match=r"layers a:sae \(12\), but those of the first batch"):
        features.update({"a:sae": X})
    with pytest.raises(sm.SpanmatchError, match="7 example_ids for 200 rows"):
        features.update({"a:sae": X, "b:sae": Y}, np.arange(7))
    with pytest.raises(sm.SpanmatchError, match="no layer 'c:sae'; there is 'b:sae', 'a:sae'"):
        features.matrix("c:sae")
    assert features.rows == 200


def test_the_frame_has_rates_and_dead_features():
    pytest.importorskip("pandas")
    frame = features_of(X, Y).to_frame()
    assert len(frame) == 21 and frame.dead.sum() == 1
    row = frame[(frame.layer == "b:sae") & (frame.feature == 4)].iloc[0]
    active = Y[:, 4][Y[:, 4] > 0]
    assert row.active_rows == len(active) and row.mean_when_active == pytest.approx(active.mean(), rel=1e-6)
