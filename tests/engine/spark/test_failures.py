"""What is read from the texts of Spark's errors."""

from __future__ import annotations

import pytest

from sparkexp.engine.spark.failures import find_reason, find_unfit, is_cancelled

PYTHON = """Job aborted due to stage failure: Task 0 in stage 3.0 failed 1 times, the most recent:
Lost task 0.0 in stage 3.0 (TID 3) (node7 executor 2): org.apache.spark.api.python.PythonException:
Traceback (most recent call last):
  File "/x/worker.py", line 10, in main
    process()
  File "/x/serializers.py", line 20, in loads
    return pickle.loads(obj)
{error}

\tat org.apache.spark.api.python.BasePythonRunner.handlePythonException(PythonRunner.scala:1)
Driver stacktrace:"""


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (PYTHON.format(error="AttributeError: no Scaler"), "AttributeError: no Scaler"),
        ("Traceback (most recent call last):\nkilled\nExecutorLostFailure (7)", "ExecutorLostFai"),
        ("the most of it\nslave lost", "slave lost"),
        ("Python worker exited unexpectedly (crashed)", "its worker process was lost"),
        ("just this", "just this"),
        ("", "RuntimeError"),
    ],
)
def test_the_reason(text, reason):
    assert find_reason(RuntimeError(text)).startswith(reason)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (PYTHON.format(error="ModuleNotFoundError: No module named 'pyarrow'"), "lacks pyarrow"),
        (
            PYTHON.format(error="ImportError: pyarrow needs numpy>=2"),
            "use its pyarrow: pyarrow needs",
        ),
        (
            "Error from python worker:\n  /usr/bin/python3: No module named pyspark",
            "lacks pyspark",
        ),
        (
            "[PYTHON_VERSION_MISMATCH] Python in worker has different version: 3.9 than that in "
            "driver: 3.11, PySpark cannot run",
            "run Python 3.9, and need the driver's 3.11",
        ),
        (
            'Cannot run program "python3": error=2, No such file or directory',
            "'python3' can't be run: No such file or directory",
        ),
        ("Bad data in pyspark.daemon's standard output. Invalid port number:", "doesn't start"),
    ],
)
def test_executors_that_can_run_no_trial(text, said):
    assert said in find_unfit(RuntimeError(text))
    assert not find_unfit(RuntimeError("ExecutorLostFailure"))


def test_who_was_cancelled():
    assert is_cancelled(RuntimeError("[SPARK_JOB_CANCELLED] Job 3 cancelled part of group"))
    assert is_cancelled(RuntimeError("[OPERATION_CANCELED] Operation has been canceled."))
    assert not is_cancelled(RuntimeError(PYTHON))
