"""Rows of sparse features: kept in memory or in files, resumed, refused where they make no sense."""

import json
import os

import numpy as np
import pytest
import scipy.sparse as sp
from sparse_layers import features_of, two

import spanmatch as sm

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
}


@pytest.mark.parametrize("case", BAD)
def test_bad_batches_are_refused(case):
    features = sm.SparseFeatures()
    with pytest.raises(sm.SpanmatchError, match=BAD[case][1]):
        features.update(BAD[case][0])
    assert repr(features) == "<SparseFeatures: no rows>" and features.rows == 0


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
