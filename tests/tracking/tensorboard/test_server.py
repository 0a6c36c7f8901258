from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import pytest

from sparkexp.analysis.specs import Interval, ParameterSpec
from sparkexp.errors import EnvironmentUnfitError, RunDirectoryError
from sparkexp.runs.changes import last_change
from sparkexp.tracking import start_tensorboard
from sparkexp.tracking.tensorboard import write_experiment, write_session_end, write_session_start
from sparkexp.trial import State, Trial, TrialResult
from tests.tracking.tensorboard.reporting import reporter_in
from tests.tracking.tensorboard.searching import evolution

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def get(url: str, body: dict | None = None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.load(response)


def group_members(leader: int) -> list[str]:
    """Command names of the live processes in the group (TensorBoard and its data server)."""
    alive = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = stat.read_text()
        except OSError:
            continue
        name, rest = text[text.index("(") + 1 :].rsplit(")", 1)
        state, _, group = rest.split()[:3]
        if int(group) == leader and state not in "ZX":
            alive.append(name)
    return alive


def wait_until(condition, timeout_s: float = 20.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def logdir(tmp_path_factory) -> Path:
    logdir = tmp_path_factory.mktemp("run with spaces, ünïcode and 'quotes'")
    write_experiment(logdir / "search", [ParameterSpec("lr", Interval(0.1, 1.0))], evolves=True)
    for number, state in enumerate([State.SUCCEEDED, State.FAILED]):
        trial = Trial(number, {"lr": 0.5}, generation=0)
        directory = logdir / trial.id
        write_session_start(directory, trial, 1.0)
        with reporter_in(directory) as reporter:
            for step in range(3):
                reporter.report(step, {"loss": step / 4})
        value = 0.75 if state is State.SUCCEEDED else None
        write_session_end(directory, TrialResult(trial, state, value))
    write_session_start(logdir / "gen-001/trial-00002", Trial(2, {"lr": 1.0}, generation=1), 1.0)
    return logdir


def test_http_api_shows_the_run(logdir):
    with start_tensorboard(logdir) as server:
        assert server.url.startswith("http://127.0.0.1:")
        assert get(server.url + "data/environment")["data_location"] == str(logdir)
        request = {
            "allowedStatuses": ["STATUS_SUCCESS", "STATUS_FAILURE", "STATUS_UNKNOWN"],
            "startIndex": 0,
            "sliceSize": 100,
        }

        def groups() -> list[dict]:
            answer = get(server.url + "data/plugin/hparams/session_groups", request)
            return answer.get("sessionGroups", [])

        wait_until(lambda: len(groups()) == 3)
        rows = {row["name"]: row for row in groups()}
        assert {name: row["sessions"][0]["status"] for name, row in rows.items()} == {
            "gen-000/trial-00000": "STATUS_SUCCESS",
            "gen-000/trial-00001": "STATUS_FAILURE",
            "gen-001/trial-00002": "STATUS_UNKNOWN",
        }
        assert rows["gen-000/trial-00000"]["hparams"] == {"lr": 0.5, "generation": 0.0}
        metrics = {name: row.get("metricValues", []) for name, row in rows.items()}
        seen = {
            name: {value["name"]["tag"]: value["value"] for value in values}
            for name, values in metrics.items()
        }
        assert seen == {
            "gen-000/trial-00000": {"objective": 0.75, "accepted": 1.0, "generation": 0.0},
            "gen-000/trial-00001": {"accepted": 0.0, "generation": 0.0},
            "gen-001/trial-00002": {},
        }

        curve = "data/plugin/scalars/scalars?run=gen-000/trial-00001&tag=loss"
        assert [point[1:] for point in get(server.url + curve)] == [[0, 0], [1, 0.25], [2, 0.5]]
        if sys.platform == "linux":
            maps = Path(f"/proc/{server.pid}/maps").read_text()
            assert "tensorflow" not in maps, "the light start is not"
            assert len(group_members(server.pid)) == 2  # with TensorBoard's data server
    wait_until(lambda: not group_members(server.pid), 2.0)
    with pytest.raises(OSError):
        get(server.url + "data/environment")
    server.stop()  # once more does nothing
    server.wait()


def text(url: str) -> str:
    with urllib.request.urlopen(url, timeout=30) as response:
        return response.read().decode()


def test_the_page_asks_for_what_changed(tmp_path):
    result = evolution(tmp_path / "run", 8, 4)
    with start_tensorboard(result.logdir) as server:
        page = text(server.url)
        assert page.index("sparkexp/page.js") < page.index("index.js") and "</html>" in page
        assert text(server.url + "index.html") == page
        assert "sparkexp/last-change" in text(server.url + "sparkexp/page.js")

        change, read = text(server.url + "sparkexp/last-change").split()
        assert float(change) == last_change(result.logdir) and read == "False"
        (tmp_path / "run" / "gen-002" / "trial-00009").mkdir(parents=True)
        assert float(text(server.url + "sparkexp/last-change").split()[0]) > float(change)


@linux
def test_it_outlives_the_thread_that_started_it(tmp_path):
    servers = []
    thread = threading.Thread(target=lambda: servers.append(start_tensorboard(tmp_path)))
    thread.start()
    thread.join()
    time.sleep(0.2)
    with servers[0] as server:
        assert group_members(server.pid)
        assert "data_location" in get(server.url + "data/environment")


@linux
@pytest.mark.parametrize("end", ["SIGKILL", "return"])
def test_nothing_is_left_when_the_parent_ends(tmp_path, end):
    code = (
        "import sys, time; from sparkexp.tracking import start_tensorboard\n"
        "print(start_tensorboard(sys.argv[1]).pid, flush=True)\n"
        "if sys.argv[2] == 'SIGKILL': time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, tmp_path, end], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        if end == "SIGKILL":
            assert group_members(pid)
            parent.send_signal(signal.SIGKILL)
    wait_until(lambda: not group_members(pid), 5.0)


@linux
def test_wait_returns_when_it_ends(tmp_path):
    with start_tensorboard(tmp_path) as server:
        assert server.pid is not None
        threading.Timer(0.2, os.kill, (server.pid, signal.SIGTERM)).start()
        server.wait()
        assert not group_members(server.pid)


def test_a_modulefile_beside_us_is_not_run_instead(tmp_path, monkeypatch):
    (tmp_path / "tensorboard.py").write_text("raise SystemExit('the wrong one')")
    monkeypatch.chdir(tmp_path)
    with start_tensorboard(".") as server:
        assert get(server.url + "data/environment")["data_location"] == str(tmp_path)


def test_a_missing_directory_is_named(tmp_path):
    with pytest.raises(RunDirectoryError, match="got '.*/nowhere'. Give the logdir of a search"):
        start_tensorboard(tmp_path / "nowhere")


def test_a_port_in_use_is_said(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(EnvironmentUnfitError, match=rf"(?s)ended\. .*port.*{port}"):
            start_tensorboard(tmp_path, port=port)


def test_a_slow_start_is_given_up(tmp_path):
    with pytest.raises(EnvironmentUnfitError, match=r"did not come up within 0\.01 s"):
        start_tensorboard(tmp_path, timeout_s=0.01)


def test_no_python_to_run_it_with(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(EnvironmentUnfitError, match="ended.*\n.*No such file"):
        start_tensorboard(tmp_path)
