from __future__ import annotations

import struct

import pytest

from sparkexp.tracking.tensorboard.events import EventFile
from sparkexp.tracking.tensorboard.reading import read_events, read_last_steps, read_scalar_metrics


def write(directory, *points) -> None:
    with EventFile(directory) as events:
        for tag, step in points:
            events.add_scalar(tag, 1.0, step)


def test_events_come_in_the_order_in_which_they_were_written(tmp_path):
    write(tmp_path, ("a", 1), ("a", 2))
    write(tmp_path, ("b", 1))
    tags = [value.tag for event in read_events(tmp_path) for value in event.summary.value]
    assert tags == ["a", "a", "b"]
    assert read_last_steps(tmp_path) == {"a": 2, "b": 1}


def test_a_directory_that_is_missing_has_none(tmp_path):
    assert list(read_events(tmp_path / "nowhere")) == [] and read_last_steps(tmp_path) == {}


@pytest.mark.parametrize(
    "tail",
    [
        b"\x05\x00",
        struct.pack("<QI", 100, 0) + b"too short",
        struct.pack("<QI", 4, 0) + b"\xff\xff\xff\xff" + bytes(4),
    ],
)
def test_a_torn_or_damaged_record_ends_its_file_alone(tmp_path, tail):
    write(tmp_path, ("a", 1))
    (file,) = tmp_path.iterdir()
    with file.open("ab") as torn:
        torn.write(tail)
    write(tmp_path, ("b", 2))
    assert read_last_steps(tmp_path) == {"a": 1, "b": 2}


def test_large_records_are_passed_over(tmp_path):
    write(tmp_path, ("a" * 1000, 1), ("b", 2))
    tags = [v.tag for event in read_events(tmp_path, 500) for v in event.summary.value]
    assert tags == ["b"]


def test_metrics_of_a_trial(tmp_path):
    write(tmp_path, ("loss", 0), ("loss", 1))
    write(tmp_path / "train", ("epoch_loss", 0), ("batch_loss", 0))
    write(tmp_path / "validation", ("epoch_loss", 0), ("evaluation_loss_vs_iterations", 0))
    write(tmp_path / "other", ("x", 0))
    found = [(metric.group, metric.tag) for metric in read_scalar_metrics(tmp_path)]
    assert found == [("", "loss"), ("train", "epoch_loss"), ("validation", "epoch_loss")]
