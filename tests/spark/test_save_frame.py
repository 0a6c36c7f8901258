"""A DataFrame is written from the executors and read in trials."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import numpy as np
import pytest

from sparkexp import experiment, storage
from sparkexp.errors import InvalidArgumentError, StorageError
from sparkexp.storage.filesystems import open_filesystem
from sparkexp.storage.parquet import MANIFEST


def test_what_is_no_frame():
    with pytest.raises(InvalidArgumentError, match="must be a Spark DataFrame, got list"):
        experiment.save_frame([1, 2], "hdfs:///data")


@pytest.mark.spark
@pytest.mark.slow
def test_a_frame_is_read_by_trials(spark, storage_server):
    new_place = f"{storage_server.url}/{uuid.uuid4().hex}"
    frame = spark.range(0, 1000, 1, 3).selectExpr("id", "array(id, id + 1) AS pair", "id / 2 AS y")
    place = experiment.save_frame(frame, new_place)
    assert place == new_place

    def train(index):
        data = storage.dataset(place, label="y", batch_size=100, num_shards=2, index=index)
        total = 0
        for features, y in data.as_numpy_iterator():
            assert features["pair"].shape[1] == 2
            assert np.array_equal(features["id"] / 2, y)
            total += int(features["id"].sum())
        return float(total)

    result = experiment.launch(spark, train, {"index": [0, 1]}, progress=False)
    assert result.failures() == {}
    assert sum(trial.value for trial in result.trials) == 999 * 1000 / 2
    with pytest.raises(StorageError, match="overwrite=True"):
        experiment.save_frame(frame, new_place)
    experiment.save_frame(spark.range(7), new_place, overwrite=True)
    assert [int(x) for x in storage.dataset(place, columns="id")] == list(range(7))


@pytest.mark.spark
def test_a_frame_of_either_session(any_spark, tmp_path):
    place = experiment.save_frame(any_spark.range(10), tmp_path / "frame")
    assert place == str(tmp_path / "frame")
    assert sorted(int(x) for x in storage.dataset(place, columns="id")) == list(range(10))
    assert sorted(row.id for row in any_spark.read.parquet(place).collect()) == list(range(10))


@pytest.mark.spark
def test_places_and_frames_that_cannot_be_saved(spark, tmp_path):
    with pytest.raises(InvalidArgumentError, match="must have rows"):
        experiment.save_frame(spark.range(0), tmp_path / "empty")
    assert not (tmp_path / "empty").exists()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/file").write_text("dear to me")
    for overwrite in (False, True):
        with pytest.raises(StorageError, match="in use|something else"):
            experiment.save_frame(spark.range(3), tmp_path / "mine", overwrite=overwrite)
    assert (tmp_path / "mine/file").read_text() == "dear to me"
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="must be writable"):
        experiment.save_frame(spark.range(3), tmp_path / "file/below")


@pytest.mark.spark
def test_a_frame_that_was_not_finished_is_not_read(spark, tmp_path):
    place = Path(experiment.save_frame(spark.range(10), tmp_path / "frame"))
    stray = place / "part-00000-of-another-attempt.parquet"
    stray.write_bytes(next(place.glob("part-*")).read_bytes())
    assert len(storage.dataset(place, columns="id")) == 10

    def fails(batches):
        raise ValueError("no such thing")
        yield from batches

    broken = spark.range(10).mapInArrow(fails, "id long")
    with pytest.raises(StorageError, match="ValueError: no such thing"):
        experiment.save_frame(broken, place, overwrite=True)
    assert json.loads((place / MANIFEST).read_text()) == {"complete": False}
    with pytest.raises(StorageError, match="was interrupted"):
        storage.dataset(place)


@pytest.mark.spark
def test_a_bucket_that_is_not_there(spark, s3):
    with pytest.raises(StorageError, match="s3://nosuch-bucket/frame.*executorEnv"):
        experiment.save_frame(spark.range(3), "s3://nosuch-bucket/frame")
    assert open_filesystem(f"{s3.url}/x")[0].exists("nosuch-bucket") is False
