"""`spanmatch features`: partners of sparse features in files, as tables, CSV and JSON."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from typer.testing import CliRunner

import spanmatch as sm
from spanmatch.cli.commands import app

r = np.random.default_rng(0)
X = sp.random_array((1200, 30), density=0.05, rng=r, format="csr")
Y = sp.csr_array(sp.hstack([X[:, 10:], sp.random_array((1200, 5), density=0.05, rng=r, format="csr")]))


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for seed, matrix in (("0", X), ("1", Y)):
        (tmp_path / seed).mkdir()
        sp.save_npz(f"{seed}/sae.npz", matrix)
    np.save("documents.npy", np.arange(1200) // 10)
    return lambda *arguments: CliRunner().invoke(app, ["features", *arguments])


def test_two_files_are_compared_and_written(run):
    result = run("0/sae.npz", "1/sae.npz", "--examples", "documents.npy", "--out", "results", "--wide")
    assert result.exit_code == 0, result.output
    assert "0/sae:features ~ 1/sae:features" in result.output and "120 examples" in result.output
    rows = list(csv.DictReader(Path("results/partners.csv").read_text().splitlines()))
    found = {(int(row["x"]), int(row["y"])) for row in rows if row["significant"] == "true"}
    assert {(j + 10, j) for j in range(20)} <= found
    saved = json.loads(Path("results/partners.json").read_text())
    assert saved["format"] == "spanmatch.partners" and len(saved["pairs"][0]["x"]) == len(rows)
    rates = list(csv.DictReader(Path("results/features.csv").read_text().splitlines()))
    assert len(rates) == 55 and rates[0]["layer"] == "0/sae:features"


def test_a_folder_of_features_is_compared_as_json(run):
    features = sm.SparseFeatures("rows")
    features.update({"a:sae": X, "b:sae": Y, "c:sae": X})
    result = run("rows", "--json")
    assert result.exit_code == 0, result.output
    assert [pair["y_layer"] for pair in json.loads(result.stdout)["pairs"]] == ["b:sae", "c:sae", "c:sae"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["0/sae.npz"], 2, "only one dictionary; two are needed: give the .npz of scipy.sparse.save_npz of each"),
        (["0"], 2, "a folder without features.json; two are needed"),
        (["0/sae.npz", "none.npz"], 2, "none.npz: no such file"),
        (["0/sae.npz", "0/sae.npz"], 2, "given twice"),
        (["0/sae.npz", "documents.npy"], 1, "not a sparse matrix"),
        (["0/sae.npz", "1/sae.npz", "--examples", "0/sae.npz"], 1, "example"),
        (["0/sae.npz", "cut.npz"], 1, "cut.npz: not a sparse matrix"),
        (["0/sae.npz", "damaged.npz"], 1, "damaged.npz: not a sparse matrix"),
        (["0/sae.npz", "1/sae.npz", "--examples", "cut.npz"], 1, "cut.npz: not an array of ids"),
        (["0/sae.npz", "1/sae.npz", "--out", "documents.npy"], 2, "cannot write documents.npy"),
        (["rows", "--examples", "documents.npy"], 2, "rows: its rows have ids of examples already"),
    ],
)
def test_what_cannot_be_compared_is_refused(run, arguments, code, message):
    whole = Path("1/sae.npz").read_bytes()
    Path("cut.npz").write_bytes(whole[: len(whole) // 2])
    Path("damaged.npz").write_bytes(whole[:300] + bytes(200) + whole[500:])
    sm.SparseFeatures("rows").update({"a:sae": X, "b:sae": Y})
    result = run(*arguments)
    assert result.exit_code == code and message in result.stderr.replace("\n", ""), result.output


def test_tables_without_partners_have_their_columns(run):
    sp.save_npz("dead.npz", 0 * Y)
    result = run("0/sae.npz", "dead.npz", "--out", "results")
    assert result.exit_code == 0, result.output
    header = Path("results/partners.csv").read_text()
    assert header.startswith("x_layer,y_layer,x,y,strength,") and header.count("\n") == 1
