"""A Spark Connect server and its driver, of which one dies in the middle of a search."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from tests.engine.worker.living import living
from tests.spark.connect_server import ConnectServer
from tests.spark.driving import run_driver, start_driver
from tests.spark.watching import LOCAL, SEARCH, log_of, marks, records, wait_until

pytestmark = pytest.mark.spark

# The first generation takes no time, the second one for ever.
HANGING = SEARCH.replace("SECONDS", "0 if len(list(marks.glob('*'))) <= 4 else 900")
RESUMED = SEARCH.replace("SECONDS", "0") + (
    "result = experiment.resume(spark, train, logdir)\n"
    "answer([[r.trial.number, dict(r.trial.params), r.value] for r in result.trials])"
)


def two_hang(folder: Path) -> list[int]:
    """Wait until the second generation runs, and return the processes of its trials."""
    wait_until(lambda: len(records(folder)) == 4 and len(marks(folder)) == 6)
    return [int(mark.name.split("-")[-1]) for mark in marks(folder)[4:]]


def check_resumed(folder: Path, told: list[list[object]]) -> None:
    assert [number for number, *_ in told] == list(range(16))
    assert None not in [value for *_, value in told]


@pytest.mark.slow
def test_the_server_ends_what_a_killed_driver_ran(tmp_path: Path, mark: dict[str, str]) -> None:
    # What the server does by itself, here within seconds instead of minutes.
    abandoned = {
        "spark.connect.execute.reattachable.senderMaxStreamDuration": "2s",
        "spark.connect.execute.manager.detachedTimeout": "3s",
        "spark.connect.execute.manager.maintenanceInterval": "1s",
    }
    with ConnectServer(tmp_path / "server", abandoned) as server:
        conf = {"spark.remote": server.url}
        driver = start_driver(tmp_path, HANGING + "search()", conf, mark)
        pids = two_hang(tmp_path)
        ended = records(tmp_path)
        driver.kill()
        driver.wait()
        wait_until(lambda: not living(pids))
        check_resumed(tmp_path, run_driver(tmp_path, RESUMED, conf))
        assert records(tmp_path)[:4] == ended


@pytest.mark.slow
@pytest.mark.parametrize("patience", ["the user's", "the default"])
def test_a_killed_server_ends_the_search(
    tmp_path: Path, mark: dict[str, str], patience: str
) -> None:
    script = HANGING + (
        "from pyspark.sql.connect.client.retries import DefaultPolicy\n"
        "if PATIENT:\n"
        "    spark.client.set_retry_policies([DefaultPolicy(max_retries=5, max_backoff=1000)])\n"
        "try:\n    search()\n"
        "except SessionLostError as error:\n"
        "    answer([str(error), [str(r.state) for r in error.result.trials]])\n"
    ).replace("PATIENT", str(patience == "the user's"))
    with ConnectServer(tmp_path / "server") as server:
        driver = start_driver(tmp_path, script, {"spark.remote": server.url}, mark)
        pids = two_hang(tmp_path)
        ended = records(tmp_path)
        server.kill()
        killed = time.monotonic()
        wait_until(lambda: not living(pids) and not server.processes(), 60)
    try:
        # Default: a minute and a half of retries, and as long for the session's last calls.
        assert driver.wait(60 if patience == "the user's" else 270) == 0, log_of(tmp_path)
        print(f"the driver ended after {time.monotonic() - killed:.0f} s")
    finally:
        driver.kill()
        driver.wait()
    text, states = json.loads((tmp_path / "answer.json").read_text())
    assert "resume" in text
    assert states == ["SUCCEEDED"] * 4 + ["CANCELLED"] * 3
    if patience == "the user's":
        check_resumed(tmp_path, run_driver(tmp_path, RESUMED, LOCAL))
        assert records(tmp_path)[:4] == ended


def test_a_server_that_is_not_there_is_named(tmp_path: Path) -> None:
    with ConnectServer(tmp_path / "server") as server:
        told = run_driver(
            tmp_path,
            """
            from pyspark.sql.connect.client.retries import DefaultPolicy
            from sparkexp.errors import EnvironmentUnfitError
            spark.client.set_retry_policies([DefaultPolicy(max_retries=2)])
            import signal
            os.kill(SERVER, signal.SIGKILL)
            try:
                experiment.launch(spark, lambda x: x, {"x": [1]}, logdir=logdir)
            except EnvironmentUnfitError as error:
                answer(str(error))
            """.replace("SERVER", str(server.process and server.process.pid)),
            {"spark.remote": server.url},
        )
    assert "can't be reached" in told
