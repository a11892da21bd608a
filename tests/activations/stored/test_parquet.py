"""Parquet files that hold something other than numbers are refused."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
from activations.stored_files import (
    X,
    refused,
    to_columns,
)


def test_parquet_that_holds_something_else(tmp_path):
    good = to_columns(tmp_path / "good", {"relu1": X})

    def table(name, **columns):
        pq.write_table(pa.table(columns), tmp_path / f"{name}.parquet")
        return tmp_path / f"{name}.parquet"

    numbers = X[:, 0]
    for path, message in (
        (table("text", a=numbers, b=["x"] * 300), r"text\.parquet: column 'b' is of type string"),
        (table("lists", a=numbers, b=[[1.0]] * 300), r"lists\.parquet: column 'a' is of type float; store a column of"),
        (table("holes", a=numbers, b=pa.array([1.0] * 299 + [None])), "column 'b' has missing values"),
        (table("fewer", **{f"n{i}": column[:200] for i, column in enumerate(X.T)}), "has 300 and 200 rows"),
    ):
        refused(path, good, message)
    lists = table("lists", a=X.tolist())
    ragged = table("ragged", a=[[1.0]] * 299 + [[1.0, 2.0]])
    refused(ragged, lists, r"ragged\.parquet: array 'a': column 'a' has lists of 1 and of 2 numbers; give all one")
    (tmp_path / "cut.parquet").write_bytes(good.read_bytes()[:-100])
    refused(tmp_path / "cut.parquet", good, r"cut\.parquet: cut short, or not a \.parquet file")
