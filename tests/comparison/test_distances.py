"""Measures that are distances, where similarities are needed."""

from __future__ import annotations

import csv

import layers
import matplotlib as mpl
import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import spanmatch as sm
from spanmatch.cli.commands import app
from spanmatch.cli.tables import of_comparison

DISTANCES = [measure.name for measure in sm.measures() if measure.kind == "distance"]
REFUSED = "is a distance: larger values mean less similar layers; give a similarity"


@pytest.fixture(scope="module")
def networks() -> dict[str, dict[str, np.ndarray]]:
    X, Y = layers.correlated(n=200, p=8, q=6)
    return {"a": {"l": X, "m": X[:, :4]}, "b": {"l": Y, "m": Y[:, 2:]}}


@pytest.mark.parametrize("name", DISTANCES)
def test_distances_are_refused_where_the_most_similar_layer_is_looked_for(networks, name):
    with pytest.raises(sm.SpanmatchError, match=f"measure '{name}' {REFUSED}"):
        sm.compare(networks, match="best", measure=name, evidence=False)
    comparison = sm.compare(networks, pairs="all", evidence=False)
    for ask in (comparison.correspondence, comparison.score):
        with pytest.raises(sm.SpanmatchError, match=REFUSED):
            ask(name)
    with pytest.raises(sm.SpanmatchError, match=REFUSED):
        sm.Tracker(torch.nn.Linear(3, 2), torch.ones(9, 3), measures=[name])


def test_the_command_line_refuses_them(tmp_path, networks):
    for network, arrays in networks.items():
        np.savez(tmp_path / f"{network}.npz", **arrays)
    files = [str(tmp_path / f"{network}.npz") for network in networks]
    result = CliRunner().invoke(app, ["compare", *files, "--match", "best", "--measure", "gulp"])
    assert result.exit_code != 0 and "is a distance" in result.stderr.replace("\n", " ")


@pytest.mark.parametrize("name", DISTANCES)
def test_matrices_of_distances_are_brighter_where_layers_are_similar(networks, name):
    mpl.use("agg")
    comparison = sm.compare(networks, pairs="all", evidence=False)
    matrix = comparison.matrix(name)
    assert matrix.kind == "distance" and (np.diagonal(matrix.values) == 0).all()
    image = matrix.plot().images[0]
    assert image.get_cmap().name == "magma_r" and image.get_clim()[1] == np.nanmax(matrix.values)
    assert comparison.matrix("cka").plot().images[0].get_cmap().name == "magma"


def test_tables_say_which_measures_are_distances(networks, tmp_path):
    comparison = sm.compare(networks, evidence=False)
    (table,) = (
        table for table in of_comparison(comparison, wide=True) if table.title.startswith("Similarity measures")
    )
    assert "Distances, 0 for the same layer: gulp distance, shape distance." in table.legend
    assert "Of rows that were not fitted: ridge regression." in table.legend
    with (comparison.save(tmp_path) / "measures.csv").open() as file:
        kinds = {row["measure"]: row["kind"] for row in csv.DictReader(file)}
    assert [name for name, kind in kinds.items() if kind == "distance"] == DISTANCES
