from __future__ import annotations

import math
import os
import time

import numpy as np
import pytest

from sparkexp.tracking.tensorboard.events import (
    EventFile,
    add_scalar,
    is_plottable,
    make_scalars_summary,
)
from sparkexp.tracking.tensorboard.summaries import make_summary

from .reading import accumulator, scalars


def names(directory) -> list[str]:
    return sorted(os.listdir(directory))


def test_tensorboard_reads_back_what_was_written(tmp_path):
    with EventFile(tmp_path) as events:
        for step in range(3):
            events.add_scalar("loss", step / 2, step)
    read = accumulator(tmp_path)
    assert read.file_version == 2.0
    assert [event.step for event in read.Tensors("loss")] == [0, 1, 2]
    assert scalars(tmp_path)["."] == {"loss": [(0, 0.0), (1, 0.5), (2, 1.0)]}


def test_nothing_is_created_before_the_first_record(tmp_path):
    directory = tmp_path / "not" / "yet"
    with EventFile(directory) as events:
        assert events.path is None
        events.flush()
        assert not directory.exists()
        events.add_scalar("loss", 1.0, 0)
        assert events.path is not None and events.path.parent == directory
    assert len(names(directory)) == 1


def test_a_closed_file_says_so(tmp_path):
    events = EventFile(tmp_path)
    events.close()
    with pytest.raises(ValueError, match="closed"):
        events.add_scalar("loss", 1.0, 0)
    assert names(tmp_path) == []


def test_files_of_one_second_sort_by_creation(tmp_path):
    files = [EventFile(tmp_path) for _ in range(20)]
    for index, file in enumerate(files):
        file.add_scalar("index", index, 0)
    for file in files:
        file.close()
    assert names(tmp_path) == [file.path.name for file in files]
    assert names(tmp_path)[0].startswith("events.out.tfevents.")


def test_two_files_of_one_nanosecond_do_not_collide(tmp_path, monkeypatch):
    monkeypatch.setattr(time, "time_ns", lambda: 1_700_000_000_000_000_005)
    monkeypatch.setattr(os, "listdir", lambda directory: [])  # both looked before either created
    for _ in range(2):
        with EventFile(tmp_path) as events:
            events.add_scalar("loss", 1.0, 0)
    monkeypatch.undo()
    first, second = names(tmp_path)
    assert "1700000000.000000005" in first and "1700000000.000000006" in second


@pytest.mark.parametrize(
    ("ahead_s", "rest"),
    # TensorFlow's name of this very second; another host's clock.
    [(1, "zhost.1.0.v2"), (3600, "000000000.host.1.sparkexp")],
)
def test_a_new_file_sorts_after_those_of_other_writers(tmp_path, ahead_s, rest):
    present = f"events.out.tfevents.{int(time.time()) + ahead_s}.{rest}"
    (tmp_path / present).touch()
    (tmp_path / "zzz-unrelated.tfevents").touch()
    with EventFile(tmp_path) as events:
        events.add_scalar("loss", 1.0, 0)
        assert events.path is not None and events.path.name > present


@pytest.mark.parametrize("value", [0, 1, 0.1, -2.5e-30, 3.4e38, 1e39, math.nan, -math.inf])
@pytest.mark.parametrize("description", ["", "The **loss**."])
def test_a_scalar_is_written_as_tensorboard_writes_it(value, description):
    from tensorboard.plugins.scalar.summary_v2 import scalar_pb

    summary = make_summary()
    add_scalar(summary, "loss", value, description)
    with np.errstate(over="ignore"):
        expected = scalar_pb("loss", value, description)
    assert summary.SerializeToString() == expected.SerializeToString()


def test_flush_makes_records_visible(tmp_path):
    with EventFile(tmp_path) as events:
        events.add_scalar("loss", 1.0, 0)
        events.flush()
        assert scalars(tmp_path)["."]["loss"] == [(0, 1.0)]


def test_wall_time_is_kept(tmp_path):
    with EventFile(tmp_path) as events:
        events.add_summary(make_scalars_summary({"loss": 1.0}), step=4, wall_time=1234.5)
    (event,) = accumulator(tmp_path).Tensors("loss")
    assert (event.wall_time, event.step) == (1234.5, 4)


def test_an_unusable_directory_is_an_oserror(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError), EventFile(tmp_path / "file" / "below") as events:
        events.add_scalar("loss", 1.0, 0)


def test_what_float32_cannot_hold_is_not_plottable():
    assert is_plottable(3.4e38) and is_plottable(0) and is_plottable(-1e-300)
    assert not any(map(is_plottable, (math.nan, math.inf, -math.inf, 1e39, -1e39)))
