"""A process per trial: what it does to the trial, to the worker, and what it leaves behind."""

from __future__ import annotations

import ctypes
import faulthandler
import math
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import cloudpickle
import numpy as np
import pytest

from sparkexp import experiment
from sparkexp.analysis.description import SearchDescription
from sparkexp.engine.base import TrialTask
from sparkexp.engine.worker.task import run_attempt
from sparkexp.errors import InvalidArgumentError
from sparkexp.objective import Objective
from sparkexp.tracking.tensorboard import TrialSession
from sparkexp.trial import State, Trial, TrialResult
from tests.tracking.tensorboard.reading import scalars, session_groups

from .living import alive, children, living, wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

ISOLATIONS = ["fork", "spawn"]

# What a train function changes in its own process only.
module_state = {"touched": False}


def log(directory: Path) -> str:
    return (directory / "output.log").read_text()


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_a_value_comes_back(run, isolation):
    def train(x, opt):
        return {"loss": x / 3, "pid": os.getpid(), "adam": opt == "adam"} | {"adam": 1}

    before = time.time()
    outcome = run(
        train,
        isolation,
        params={"x": 0.1, "opt": "adam"},
        objectives=(Objective("loss"),),
        needs_value=True,
    )
    assert (outcome.state, outcome.value, outcome.error) == (State.SUCCEEDED, 0.1 / 3, None)
    assert outcome.metrics["pid"] not in (0, os.getpid())
    assert before <= outcome.started <= outcome.ended <= time.time()
    assert outcome.warnings == ()


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_an_exception_comes_back_with_the_user_s_traceback(run, isolation):
    def train():
        raise ValueError("bad rate é")

    outcome = run(train, isolation)
    assert outcome.state is State.FAILED and outcome.value is None
    assert outcome.error.startswith("Traceback") and "in train" in outcome.error
    assert outcome.error.endswith("ValueError: bad rate é")


def segfault():
    faulthandler.disable()  # pytest's would write to the terminal
    ctypes.string_at(0)


def die_by(number: int):
    def train():
        os.kill(os.getpid(), number)
        time.sleep(30)

    return train


def leave_by_os_exit():
    os._exit(7)


def leave_by_sys_exit():
    sys.exit(3)


def interrupt():
    raise KeyboardInterrupt


ENDS = [
    (segfault, "killed by signal 11 (SIGSEGV)."),
    (leave_by_os_exit, "exited with status 7 before the train function returned."),
    (leave_by_sys_exit, "SystemExit: 3"),
    (interrupt, "exited with status 130"),
    (die_by(signal.SIGKILL), "killed by signal 9 (SIGKILL). The kernel's out-of-memory"),
    (die_by(signal.SIGTERM), "killed by signal 15 (SIGTERM)."),
    (die_by(signal.SIGHUP), "killed by signal 1 (SIGHUP)."),
    (die_by(signal.SIGRTMIN), "killed by signal 34"),
    (die_by(signal.SIGRTMIN + 6), "killed by signal 40"),
    (lambda: os.killpg(0, signal.SIGTERM), "killed by signal 15 (SIGTERM)."),
]


@pytest.mark.parametrize(
    ("isolation", "train", "words"),
    [("fork", *end) for end in ENDS] + [("spawn", *end) for end in ENDS[:4]],
)
def test_every_end_of_the_process_is_told(run, isolation, train, words):
    before = time.time()
    outcome = run(train, isolation)
    assert outcome.state is State.FAILED and outcome.value is None
    assert words in outcome.error
    assert before <= outcome.started <= outcome.ended <= time.time()


def test_os_exit_with_status_0_is_no_success(run):
    outcome = run(lambda: os._exit(0))
    assert outcome.state is State.FAILED and "exited with status 0 before" in outcome.error


def sleep():
    time.sleep(60)
    return 1.0


def sleep_through_signals():
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGALRM):
        signal.signal(number, signal.SIG_IGN)
    subprocess.run(["sleep", "60"], check=False)
    while True:
        pass


def stop():
    os.kill(os.getpid(), signal.SIGSTOP)


@pytest.mark.parametrize("train", [sleep, sleep_through_signals, stop])
def test_the_time_limit(run, train):
    before = time.monotonic()
    outcome = run(train, timeout_s=0.3)
    took = time.monotonic() - before
    assert (outcome.state, outcome.error) == (State.FAILED, "timed out after 0.3 s")
    # It would take a minute. Above the limit is what a machine with other work takes to see it.
    assert 0.3 <= took < 10.0
    assert 0.3 <= outcome.ended - outcome.started < 10.0


def test_the_time_limit_of_a_spawned_process(run):
    assert run(sleep, "spawn", timeout_s=0.2).error == "timed out after 0.2 s"


def test_a_trial_within_its_time_limit(run):
    assert run(lambda: 0.5, timeout_s=30).value == 0.5


def test_the_time_limit_takes_everything_that_was_started(run, tmp_path):
    def train():
        processes = [subprocess.Popen(["sleep", "60"], start_new_session=k > 0) for k in range(2)]
        (tmp_path / "pids").write_text(" ".join(str(p.pid) for p in processes))
        time.sleep(60)

    assert "timed out" in run(train, timeout_s=1.0).error
    pids = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
    assert len(pids) == 2 and living(pids) == []


def daemonize() -> int:
    """Start a daemon as the books have it, and return its process id."""
    read_end, write_end = os.pipe()
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
            os.chdir("/")
            os.write(write_end, str(os.getpid()).encode())
            time.sleep(60)
        os._exit(0)
    os.wait()
    return int(os.read(read_end, 100))


@pytest.mark.parametrize("isolation", ISOLATIONS)
@pytest.mark.parametrize("end", ["return", "raise", "SIGKILL"])
def test_daemons_do_not_stay(run, tmp_path, isolation, end):
    def train():
        pids = [daemonize(), subprocess.Popen(["sleep", "60"], start_new_session=True).pid]
        assert all(map(alive, pids))
        (tmp_path / "pids").write_text(" ".join(map(str, pids)))
        if end == "raise":
            raise ValueError
        if end == "SIGKILL":
            os.kill(os.getpid(), signal.SIGKILL)
        return 1.0

    before = time.monotonic()
    outcome = run(train, isolation)
    assert (outcome.state is State.SUCCEEDED) == (end == "return")
    pids = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
    assert len(pids) == 2 and living(pids) == []
    assert time.monotonic() - before < 50  # the daemons would stay for a minute


def test_a_fork_that_holds_the_result_pipe_open_delays_nothing(run):
    def train():
        if os.fork() == 0:
            time.sleep(60)
        return 1.0

    before = time.monotonic()
    assert run(train).value == 1.0
    assert time.monotonic() - before < 50


def test_the_worker_keeps_no_process_and_no_descriptor(run):
    def descriptors():
        return {fd for fd in os.listdir("/proc/self/fd")}

    run(lambda: 1.0)
    before, processes = len(descriptors()), children()
    for train in (lambda: 1.0, segfault, daemonize):
        run(train)
    assert len(descriptors()) == before
    assert children() == processes, "somebody waits for a burial"


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_all_output_lands_in_the_log(run, directory, isolation):
    def train():
        import logging

        print("by print é")
        print("to stderr", file=sys.stderr)
        sys.stdout.write("no newline; ")
        os.write(1, b"by os.write 1\n")
        os.write(2, b"by os.write 2\n")
        logging.basicConfig(format="%(message)s", force=True)  # pytest has its own handlers
        logging.getLogger("user").warning("by logging")
        os.system("echo by a shell")
        subprocess.run([sys.executable, "-c", "print('by a subprocess')"], check=True)
        subprocess.run("echo to stderr by a shell >&2", shell=True, check=True)
        libc = ctypes.CDLL(None)
        libc.printf(b"by C, %s\n", b"in a buffer")
        return 1.0

    assert run(train, isolation).value == 1.0
    text = log(directory)
    for words in (
        "by print é\n",
        "to stderr\n",
        "no newline; ",
        "by os.write 1\n",
        "by os.write 2\n",
        "by logging\n",
        "by a shell\n",
        "by a subprocess\n",
        "to stderr by a shell\n",
        "by C, in a buffer\n",
    ):
        assert words in text


def test_what_c_code_left_in_its_buffer(run, directory, monkeypatch):
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)  # it would leave C without buffers, too

    def train():
        ctypes.CDLL(None).printf(b"in a buffer")
        return 1.0

    assert run(train, "spawn").value == 1.0
    assert log(directory) == "in a buffer"


def test_what_was_written_before_a_crash_is_in_the_log(run, directory):
    def train():
        print("the last words")
        segfault()

    run(train)
    assert log(directory) == "the last words\n"


def test_the_log_of_a_second_attempt_does_not_eat_the_first(run, directory):
    run(lambda: print("first"))
    run(lambda: print("second"))
    assert log(directory) == "first\nsecond\n"


def test_nothing_is_written_where_the_worker_writes(run, capfd):
    print("before", flush=True)
    run(lambda: print("lost?") or os.system("echo lost?"))
    print("after", flush=True)
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("before\nafter\n", "")


def test_undecodable_output(run, directory):
    def train():
        print("caf\udce9")
        os.write(1, b"\xff\n")
        return 1.0

    assert run(train).value == 1.0
    assert (directory / "output.log").read_bytes() == b"caf?\n\xff\n"


def test_a_train_function_that_closes_stdout(run):
    def train():
        sys.stdout.close()
        os.close(1)
        os.close(2)
        return 1.0

    assert run(train).value == 1.0


def test_an_unwritable_log_costs_a_warning(run, tmp_path):
    output = tmp_path / "nowhere" / "output.log"
    outcome = run(lambda: print("lost") or 1.0, output=output)
    assert outcome.value == 1.0
    (warning,) = outcome.warnings
    assert str(output) in warning and "No such file" in warning


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_nothing_leaks_into_the_worker(run, monkeypatch, isolation):
    monkeypatch.delenv("SPARKEXP_TEST", raising=False)
    cwd, path, umask = os.getcwd(), list(sys.path), os.umask(0o22)
    os.umask(umask)
    handlers = [signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)]

    def train():
        leaked = os.environ.get("SPARKEXP_TEST") is not None or module_state["touched"]
        os.environ["SPARKEXP_TEST"] = "leak"
        module_state["touched"] = True
        os.chdir("/")
        os.umask(0)
        sys.path.append("/leak")
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        np.random.seed(3)
        return float(leaked)

    state = np.random.get_state()[1].tolist()
    assert [run(train, isolation).value for _ in range(2)] == [0.0, 0.0]
    assert "SPARKEXP_TEST" not in os.environ and module_state == {"touched": False}
    assert (os.getcwd(), sys.path) == (cwd, path)
    assert os.umask(umask) == umask
    assert np.random.get_state()[1].tolist() == state
    now = [signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)]
    assert now == handlers


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_the_process_looks_like_a_new_one(run, isolation):
    def train():
        # Spark's worker and our guardian set all of these.
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        assert signal.getsignal(signal.SIGCHLD) is signal.SIG_DFL
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        assert signal.set_wakeup_fd(-1) == -1
        assert os.getpid() == os.getpgrp() == os.getsid(0)
        with multiprocessing.get_context("fork").Pool(2) as pool:
            assert pool.map(math.sqrt, [4, 9]) == [2, 3]
        assert subprocess.run(["true"]).returncode == 0
        return 1.0

    outcome = run(train, isolation)
    assert outcome.value == 1.0, outcome.error


def test_a_fork_sees_what_the_worker_loaded_and_a_spawn_does_not(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "loaded_by_the_worker", math)

    def train():
        return float("loaded_by_the_worker" in sys.modules)

    assert (run(train).value, run(train, "spawn").value) == (1.0, 0.0)


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_environment_variables_are_defaults(run, monkeypatch, isolation):
    monkeypatch.setenv("SPARKEXP_SET", "by the user")
    monkeypatch.delenv("SPARKEXP_UNSET", raising=False)

    def train():
        assert os.environ["SPARKEXP_SET"] == "by the user"
        assert os.environ["SPARKEXP_UNSET"] == "ours"
        return subprocess.run(["sh", "-c", "test $SPARKEXP_UNSET = ours"]).returncode

    outcome = run(train, isolation, environment={"SPARKEXP_SET": "x", "SPARKEXP_UNSET": "ours"})
    assert outcome.value == 0.0, outcome.error
    assert "SPARKEXP_UNSET" not in os.environ


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_shipped_modules_come_first(run, tmp_path, isolation):
    for folder in ("shipped", "old"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "users_helper.py").write_text(f"PLACE = {folder!r}")

    def train():
        import users_helper

        return float(users_helper.PLACE == "shipped")

    modules = (str(tmp_path / "shipped"), str(tmp_path / "old"))
    outcome = run(train, isolation, modules=modules)
    assert outcome.value == 1.0, outcome.error
    assert "users_helper" not in sys.modules


def test_global_random_numbers_differ_between_trials(run):
    def train():
        return {"numpy": np.random.random(), "python": random.random()}

    first, second = (
        run(train, objectives=(Objective("numpy"),), needs_value=True).metrics for _ in range(2)
    )
    here = {"numpy": np.random.random(), "python": random.random()}
    for name in ("numpy", "python"):
        assert len({first[name], second[name], here[name]}) == 3


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_a_megabyte_of_metrics(run, isolation):
    def train():
        return {f"metric_{k:06d}": k / 3 for k in range(40_000)}

    outcome = run(train, isolation, objectives=(Objective("metric_000003"),), needs_value=True)
    assert outcome.value == 1.0
    assert len(outcome.metrics) == 40_000 and outcome.metrics["metric_039999"] == 13333.0
    assert len(outcome.to_bytes()) > 1_000_000


def test_a_big_error_is_cut(run):
    def train():
        raise ValueError("x" * 5_000_000 + "the end")

    error = run(train).error
    assert len(error) < 20_000 and error.endswith("xthe end")


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_reports_are_written(run, directory, isolation):
    def train():
        assert experiment.logdir() == str(directory)
        for step in range(3):
            experiment.report(step, loss=step / 4)
        return 1.0

    outcome = run(train, isolation)
    assert outcome.value == 1.0, outcome.error
    assert scalars(directory) == {".": {"loss": [(0, 0.0), (1, 0.25), (2, 0.5)]}}


def test_a_wrong_report_fails_the_trial(run):
    error = run(lambda: experiment.report(-1, loss=1)).error
    assert InvalidArgumentError.__name__ in error and "got -1" in error


def test_reports_that_cannot_be_written_cost_a_warning(run, directory):
    def train():
        experiment.report(0, loss=1)
        # As on a full disk; a limit of the file size would hit what measures the coverage, too.
        for link in Path("/proc/self/fd").iterdir():
            if os.path.realpath(link).startswith(str(directory / "events.")):
                os.close(int(link.name))
        experiment.report(1, loss=0.5)
        experiment.report(2, loss=0.25)
        return 0.5

    outcome = run(train)
    assert (outcome.state, outcome.value) == (State.SUCCEEDED, 0.5)
    (warning,) = outcome.warnings
    assert warning.startswith("TensorBoard no longer follows this trial: its report() failed: ")
    assert scalars(directory)["."]["loss"] == [(0, 1.0)]


def test_code_that_the_executor_lacks(run, tmp_path, monkeypatch):
    (tmp_path / "only_on_the_driver.py").write_text("def train():\n    return 1.0\n")
    with monkeypatch.context() as patch:
        patch.syspath_prepend(tmp_path)
        import only_on_the_driver

        pickled = cloudpickle.dumps(only_on_the_driver.train)
    del sys.modules["only_on_the_driver"]
    outcome = run(pickled)
    assert outcome.state is State.FAILED
    assert "needs the module 'only_on_the_driver'" in outcome.error
    assert "py_files=" in outcome.error and sys.executable in outcome.error


def test_code_that_cannot_be_loaded(run):
    outcome = run(b"no pickle")
    assert outcome.state is State.FAILED and "could not be loaded on the executor" in outcome.error


def test_the_worker_never_loads_the_train_function(run):
    class Trap:
        def __reduce__(self):
            return signal.raise_signal, (signal.SIGTERM,)

    # Loading this ends the process that does it.
    assert "killed by signal 15" in run(cloudpickle.dumps(Trap())).error


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_the_heavy_imports_of_the_process(run, tmp_path, isolation):
    # Not installed, so that no other test has loaded it.
    (tmp_path / "tensorflow_datasets.py").write_text("")

    def train():
        import tensorflow_datasets  # noqa: F401

        return 1.0

    outcome = run(train, isolation, modules=(str(tmp_path),))
    assert outcome.imported == ("tensorflow_datasets",)
    assert "tensorflow_datasets" not in sys.modules


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_a_killed_guardian_takes_the_trial_along(run, tmp_path, isolation):
    def train():
        (tmp_path / "pid").write_text(str(os.getpid()))
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(60)

    outcome = run(train, isolation)
    assert outcome.state is State.FAILED
    assert outcome.error == "The process that supervised the trial was killed."
    pid = int((tmp_path / "pid").read_text())
    wait_until(lambda: not alive(pid), 1.0)


# A worker as Spark has them; its trial starts what may be left behind.
WORKER = """
import os, subprocess, sys, time
from pathlib import Path
import cloudpickle
from sparkexp.engine.base import TrialTask
from sparkexp.engine.worker.process import Guardian
from sparkexp.engine.worker.task import run_attempt
from sparkexp.trial import Trial
from tests.engine.worker.test_process import daemonize

folder = Path(sys.argv[1])

def train():
    pids = [os.getpid(), os.getppid(), daemonize()]
    pids.append(subprocess.Popen(['sleep', '60'], start_new_session=True).pid)
    pids.append(subprocess.Popen(['sleep', '60']).pid)
    (folder / 'pids.part').write_text(' '.join(map(str, pids)))
    (folder / 'pids.part').rename(folder / 'pids')
    time.sleep(60)

pickled = cloudpickle.dumps(train)
task = TrialTask(Trial(0, {}), pickled, str(folder), isolation=sys.argv[2])
try:
    Guardian().run(task, str(folder), folder / 'output.log')
except KeyboardInterrupt:
    print('interrupted', flush=True)
"""


@pytest.mark.parametrize(
    ("isolation", "number", "group"),
    [
        ("fork", signal.SIGKILL, False),
        ("spawn", signal.SIGKILL, False),
        ("fork", signal.SIGKILL, True),
        ("fork", signal.SIGTERM, True),
        ("fork", signal.SIGINT, False),
    ],
)
def test_everything_ends_with_the_worker(tmp_path, isolation, number, group):
    worker = subprocess.Popen(
        [sys.executable, "-c", WORKER, tmp_path, isolation],
        cwd=Path(__file__).parents[3],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    pids: list[int] = []
    try:
        wait_until((tmp_path / "pids").exists)
        pids = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
        assert living(pids) == pids and len(pids) == 5
        if group:
            os.killpg(worker.pid, number)
        else:
            worker.send_signal(number)
        wait_until(lambda: not living(pids), 1.0)
        output, _ = worker.communicate(timeout=10)
        assert (output == "interrupted\n") == (number == signal.SIGINT)
    finally:
        worker.kill()
        worker.wait()
        for pid in living(pids):
            os.kill(pid, signal.SIGKILL)


def test_an_interrupted_worker_can_run_the_next_trial(run):
    def interrupt_soon():
        time.sleep(0.3)
        os.kill(worker, signal.SIGINT)
        time.sleep(60)

    worker = os.getpid()
    before = time.monotonic()
    processes = children()
    with pytest.raises(KeyboardInterrupt):
        run(interrupt_soon)
    assert time.monotonic() - before < 50
    assert children() == processes
    assert run(lambda: 1.0).value == 1.0


# A whole attempt: with its directory, its GPUs and its event files


def attempt(logdir: Path, train, number: int = 0, addresses=(), **options) -> TrialResult:
    pickled = cloudpickle.dumps(train)
    options = {"trackers": (TrialSession(SearchDescription("a run")),), **options}
    task = TrialTask(Trial(3, {}, generation=1), pickled, str(logdir), **options)
    return run_attempt(task, number, addresses)


def test_every_attempt_has_its_own_directory(tmp_path):
    def train():
        print("hello from", experiment.logdir())
        return 1.0

    for number, name in enumerate(["", "attempt-1", "attempt-2"]):
        result = attempt(tmp_path, train, number)
        directory = tmp_path / "gen-001" / "trial-00003" / name
        assert (result.attempt, Path(result.logdir)) == (number, directory)
        assert log(directory) == f"hello from {directory}\n"
    (row,) = session_groups(tmp_path)
    assert len(row["runs"]) == 3 and row["name"] == f"trial-00003 of {tmp_path.name}"


def test_a_crash_is_seen_in_tensorboard(tmp_path):
    result = attempt(tmp_path, segfault)
    assert result.state is State.FAILED and "SIGSEGV" in result.error
    assert [row["status"] for row in session_groups(tmp_path)] == ["FAILURE"]


def visible() -> float:
    devices = os.environ.get("CUDA_VISIBLE_DEVICES")
    return -1.0 if devices is None else float(devices or -2)


@pytest.mark.parametrize(
    ("inherited", "gpus", "addresses", "seen"),
    [
        (None, None, (), -1.0),
        ("7", None, (), 7.0),
        (None, None, ("1",), 1.0),
        ("4,6", None, ("1",), 6.0),
        ("4,6", ("6",), (), 6.0),
        ("4,6", (), (), -2.0),
    ],
)
@pytest.mark.parametrize("isolation", ["fork", "none"])
def test_the_trial_sees_its_gpus(
    tmp_path, monkeypatch, inherited, gpus, addresses, seen, isolation
):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if inherited is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", inherited)
    result = attempt(tmp_path, visible, 0, addresses, gpus=gpus, isolation=isolation)
    assert result.value == seen
    assert result.gpu == (f"{seen:g}" if seen >= 0 else "")
    assert os.environ.get("CUDA_VISIBLE_DEVICES") == inherited


def test_an_address_that_the_worker_does_not_see_fails_the_trial(tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4")
    result = attempt(tmp_path, visible, 0, ("3",))
    assert result.state is State.FAILED and "GPU addresses ['3']" in result.error


def test_modules_are_loaded_before_the_fork(tmp_path, monkeypatch):
    (tmp_path / "users_slow.py").write_text("import os\nPID = os.getpid()\n")
    (tmp_path / "users_broken.py").write_text("raise RuntimeError\n")
    monkeypatch.syspath_prepend(tmp_path)

    def train():
        import users_slow

        return float(users_slow.PID == os.getppid())

    preload = ("users_broken", "users_missing", "users_slow")
    result = attempt(tmp_path / "run", train, preload=preload)
    assert result.value == 1.0, "the guardian imports it, once for all trials"
    assert "users_slow" not in sys.modules, "the worker itself stays light"


def test_event_files_that_cannot_be_written_cost_warnings(tmp_path):
    (tmp_path / "file").write_text("")
    result = attempt(tmp_path / "file", lambda: 0.5)
    assert (result.state, result.value) == (State.SUCCEEDED, 0.5)
    assert any("TensorBoard no longer follows this trial" in w for w in result.warnings)
    assert any("output could not be written" in w for w in result.warnings)
