"""Parquet as a data set: every row once, whoever reads which part."""

from __future__ import annotations

import datetime

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from sparkexp import storage
from sparkexp.errors import InvalidArgumentError, StorageError
from sparkexp.storage.parquet import ParquetRows

N_ROWS = 2500


def write(place: str, table: pa.Table, row_group_size: int = 1 << 20) -> None:
    with storage.open(place, "wb") as file:
        pyarrow.parquet.write_table(table, file, row_group_size=row_group_size)


def numbers(start: int, stop: int) -> pa.Table:
    x = np.arange(start, stop)
    return pa.table({"x": x, "y": x / 2, "text": [f"row {i}" for i in x]})


@pytest.fixture
def table(new_place) -> str:
    """Three files, of three, one and two row groups; their order is that of their names."""
    write(f"{new_place}/part-00000.parquet", numbers(0, 1100), 500)
    write(f"{new_place}/part-00001.parquet", numbers(1100, 1107))
    write(f"{new_place}/part-00002.parquet", numbers(1107, N_ROWS), 1000)
    with storage.open(f"{new_place}/_SUCCESS", "w"):
        pass
    return new_place


def test_all_rows_in_batches_with_labels(table):
    data = storage.dataset(table, label="y", batch_size=64)
    assert data.cardinality().numpy() == len(data) == 40
    batches = list(data.as_numpy_iterator())
    assert [len(label) for _, label in batches] == [64] * 39 + [N_ROWS - 39 * 64]
    x = np.concatenate([features["x"] for features, _ in batches])
    assert x.tolist() == list(range(N_ROWS))
    assert batches[0][0]["text"][3] == b"row 3" and set(batches[0][0]) == {"x", "text"}
    assert np.concatenate([label for _, label in batches]).tolist() == (x / 2).tolist()
    assert list(data.as_numpy_iterator())[0][1].tolist() == batches[0][1].tolist()


@pytest.mark.parametrize("num_shards", [1, 3, 7, N_ROWS])
def test_parts_are_balanced_and_hold_each_row_once(num_shards, tmp_path):
    write(f"{tmp_path}/a.parquet", numbers(0, 1100), 500)
    write(f"{tmp_path}/b.parquet", numbers(1100, N_ROWS), 300)
    rows = ParquetRows(tmp_path)
    seen = []
    for index in range(num_shards):
        start, stop = (rows.n_rows * number // num_shards for number in (index, index + 1))
        part = [
            x for batch in rows.batches(["x"], start, stop, 64) for x in batch["x"].to_pylist()
        ]
        assert len(part) - N_ROWS // num_shards in (0, 1)
        seen += part
    assert seen == list(range(N_ROWS))


def test_a_part_of_one_column(table):
    parts = [storage.dataset(table, columns="x", num_shards=3, index=index) for index in range(3)]
    rows = [[int(x) for x in part.as_numpy_iterator()] for part in parts]
    assert [len(part) for part in parts] == [len(part) for part in rows] == [833, 833, 834]
    assert sum(rows, []) == list(range(N_ROWS))


def test_a_part_reads_no_others(tmp_path, monkeypatch):
    for number in range(4):
        write(f"{tmp_path}/{number}.parquet", numbers(100 * number, 100 * number + 100))
    data = storage.dataset(tmp_path, columns="x", num_shards=4, index=1)
    for number in (0, 2, 3):
        (tmp_path / f"{number}.parquet").unlink()
    assert [int(x) for x in data.as_numpy_iterator()] == list(range(100, 200))


def test_one_file_and_directories_by_value(tmp_path):
    write(f"{tmp_path}/year=2024/part.parquet", numbers(0, 10))
    write(f"{tmp_path}/year=2025/part.parquet", numbers(10, 20))
    assert [int(year) for year in storage.dataset(tmp_path, columns="year")] == [2024] * 10 + [
        2025
    ] * 10
    assert len(storage.dataset(tmp_path / "year=2025" / "part.parquet", columns="x")) == 10


def test_types(tmp_path):
    write(
        f"{tmp_path}/types.parquet",
        pa.table(
            {
                "pixels": [[1.0, 2.0], [3.0, 4.0]],
                "image": [[[1, 2], [3, 4]], [[5, 6], [7, 8]]],
                "yes": [True, False],
                "raw": [b"\0a\0", b""],
                "gap": [1.5, None],
                "small": pa.array([1, 2], pa.int8()),
            }
        ),
    )
    (batch,) = storage.dataset(tmp_path, batch_size=2).as_numpy_iterator()
    assert batch["pixels"].tolist() == [[1.0, 2.0], [3.0, 4.0]]
    assert batch["image"].shape == (2, 2, 2) and batch["image"][1, 0].tolist() == [5, 6]
    assert batch["yes"].tolist() == [True, False] and batch["raw"].tolist() == [b"\0a\0", b""]
    assert batch["gap"][0] == 1.5 and np.isnan(batch["gap"][1])
    assert batch["small"].dtype == np.int8


@pytest.mark.parametrize(
    ("values", "way_out"),
    [
        ([1, None], "fillna"),
        (["a", None], "fillna"),
        ([[1], [2, 3]], "Pad them"),
        ([datetime.date(2024, 1, 1)] * 2, r"cast\('double'\)"),
        ([{"a": 1}] * 2, "vector_to_array"),
    ],
)
def test_columns_that_are_no_tensors(values, way_out, tmp_path):
    from sparkexp.storage.columns import as_numpy

    with pytest.raises(StorageError, match=f"'bad'.*{way_out}"):
        as_numpy("bad", pa.array(values))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"num_shards": 0}, "num_shards must be a whole number"),
        ({"num_shards": 2, "index": 2}, "index must be below num_shards=2"),
        ({"index": -1}, "index must be"),
        ({"num_shards": 11}, "at most the number of rows, which is 10"),
        ({"batch_size": 0}, "batch_size must be"),
        ({"batch_size": 2.5}, "batch_size must be"),
        ({"columns": "z"}, "got 'z'. There are x, y, text"),
        ({"columns": ["x"], "label": "z"}, "got 'z'"),
        ({"columns": ["x", "y"], "label": "y"}, "not the label"),
        ({"columns": []}, "at least one"),
    ],
)
def test_wrong_arguments(options, says, tmp_path):
    write(f"{tmp_path}/part.parquet", numbers(0, 10))
    with pytest.raises(InvalidArgumentError, match=says):
        storage.dataset(tmp_path, **options)


def test_wrong_places(new_place, tmp_path):
    with pytest.raises(StorageError, match="must be a Parquet file or a directory"):
        storage.dataset(f"{new_place}/none")
    with storage.open(f"{new_place}/text/readme.txt", "w") as file:
        file.write("no Parquet")
    with pytest.raises(StorageError, match="must be a Parquet file or a directory"):
        storage.dataset(f"{new_place}/text")
    write(f"{tmp_path}/empty/part.parquet", numbers(0, 0))
    with pytest.raises(StorageError, match="must have rows"):
        storage.dataset(tmp_path / "empty")
    with pytest.raises(InvalidArgumentError, match="save_frame"):
        storage.dataset(numbers(0, 1))
