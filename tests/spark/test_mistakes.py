"""Things of Spark's that a train function refers to: refused before any trial runs."""

from __future__ import annotations

import pytest

from sparkexp import experiment
from sparkexp.errors import InvalidArgumentError, TrainFunctionError


def refused(spark, train, tmp_path) -> str:
    with pytest.raises(TrainFunctionError) as caught:
        experiment.launch(spark, train, {"x": [1]}, logdir=tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()
    return str(caught.value)


def test_a_session_and_its_tables(any_spark, tmp_path):
    frame = any_spark.range(3)

    def count_rows(x):
        return frame.count()

    def use_session(x):
        return any_spark.range(x).count()

    def ask_another(x):
        return use_session(x)

    message = refused(any_spark, count_rows, tmp_path)
    assert "variable 'frame' (Spark's DataFrame; used by" in message and "data=frame" in message
    assert "experiment.save_frame" in message
    message = refused(any_spark, ask_another, tmp_path)
    assert "variable 'any_spark' (Spark's SparkSession" in message and "data=" in message


def test_broadcast_variables_and_accumulators(spark, tmp_path):
    shared = spark.sparkContext.broadcast([1, 2, 3])
    counted = spark.sparkContext.accumulator(0)

    def use_shared(x):
        return shared.value[x]

    def count(x):
        counted.add(1)
        return x

    message = refused(spark, use_shared, tmp_path)
    assert "variable 'shared' (Spark's Broadcast" in message
    assert "Hand the value over with data=" in message and "data=shared.value" in message
    message = refused(spark, count, tmp_path)
    assert "variable 'counted' (Spark's Accumulator" in message
    assert "return {'accuracy': accuracy, 'rows': n}" in message


def test_a_spark_context_is_no_session(spark, tmp_path):
    with pytest.raises(InvalidArgumentError, match="must be a SparkSession, got a SparkContext"):
        experiment.launch(spark.sparkContext, lambda x: x, {"x": [1]}, logdir=tmp_path / "run")
