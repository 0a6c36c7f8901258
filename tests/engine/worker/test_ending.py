"""Who a trial's outcome comes from, and how its processes end."""

from __future__ import annotations

import atexit
import ctypes
import faulthandler
import json
import logging
import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path

import pytest

from sparkexp import experiment
from sparkexp.engine.worker import guardian, process
from sparkexp.engine.worker.outcome import TrialStopped
from sparkexp.objective import Objective
from sparkexp.trial import State

from .living import alive, living, wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

ISOLATIONS = ["fork", "spawn"]
SHARED = Path("/dev/shm")


def read_pids(path: Path) -> list[int]:
    return [int(pid) for pid in path.read_text().split()]


# Copies of the trial's process


def come_back_by(how: str) -> float:
    """Leave a train function as its copy."""
    if how == "raise":
        raise ValueError("in the copy")
    if how == "exit":
        sys.exit(0)
    if how == "interrupt":
        raise KeyboardInterrupt
    if how == "stop":
        raise TrialStopped
    if how == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    return 5.0


HOWS = ["return", "raise", "exit", "interrupt", "stop", "die"]


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_copies_that_come_back(run, directory, isolation):
    def train():
        statuses = []
        for how in HOWS:
            pid = os.fork()
            if pid == 0:
                print(f"copy: {how}", end=" ")
                return come_back_by(how)
            statuses.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        assert statuses == [0, 1, 0, 1, 1, -9], statuses
        return 1.0

    outcome = run(train, isolation, needs_value=True)
    assert (outcome.state, outcome.value) == (State.SUCCEEDED, 1.0), outcome.error
    text = (directory / "output.log").read_text()
    assert "copy: return" in text and "ValueError: in the copy" in text


def test_a_copy_does_not_stand_in_for_the_trial(run):
    def train():
        if os.fork() == 0:
            time.sleep(0.1)
            return 5.0
        os.kill(os.getpid(), signal.SIGKILL)

    outcome = run(train)
    assert outcome.state is State.FAILED and "killed by signal 9" in outcome.error


def test_a_trial_that_becomes_a_daemon_has_no_outcome(run):
    def train():
        if os.fork():
            os._exit(0)
        os.setsid()
        return 5.0

    outcome = run(train)
    assert outcome.state is State.FAILED and "exited with status 0 before" in outcome.error


def test_a_copy_that_comes_back_after_the_trial(run):
    def train():
        original = os.getpid()
        if os.fork() == 0:
            while os.getppid() == original:
                time.sleep(0.001)
            return 5.0
        return 1.0

    assert [run(train).value for _ in range(5)] == [1.0] * 5


def test_a_module_that_forks_while_it_is_imported(run, tmp_path):
    (tmp_path / "users_forking.py").write_text("import os\npid = os.fork()\npid and os.wait()\n")

    def train():
        import users_forking

        return float(users_forking.pid > 0)

    assert run(train, modules=(str(tmp_path),)).value == 1.0


# One driver, in whose own process the trials run: no second one may go on from there.
INLINE = """
import os, sys
from pathlib import Path
from sparkexp import experiment
from sparkexp.engine.worker.task import run_attempt
from tests.engine.worker.test_ending import HOWS, come_back_by

def train(how):
    pid = os.fork()
    if pid == 0:
        return come_back_by(how)
    os.waitpid(pid, 0)
    return 1.0

result = experiment.launch(
    None, train, {"how": HOWS}, engine="inline", progress=False, logdir=sys.argv[1], metric="x"
)
print("driver", [trial.value for trial in result.trials], flush=True)
"""


def test_copies_in_the_driver_s_process(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", INLINE, tmp_path / "run"],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
    )
    assert done.stdout == f"driver {[1.0] * len(HOWS)}\n", done.stderr


# The way of the outcome


@pytest.mark.parametrize(
    ("isolation", "first", "reopened"),
    [("fork", 0, False), ("fork", 3, False), ("fork", 0, True), ("spawn", 3, True)],
)
def test_a_train_function_that_closes_all_descriptors(run, tmp_path, isolation, first, reopened):
    def train():
        files = []
        os.closerange(first, 1000)
        if reopened:
            files = [open(tmp_path / f"file-{k}", "w") for k in range(60)]  # noqa: SIM115
        assert experiment.logdir()
        vars(sys)["kept"] = files  # open at the end
        return 1.0

    outcome = run(train, isolation)
    assert (outcome.state, outcome.value) == (State.SUCCEEDED, 1.0), outcome.error
    for path in tmp_path.glob("file-*"):
        assert path.read_text() == ""


def test_a_train_function_that_fails_with_all_descriptors_closed(run):
    def train():
        os.closerange(0, 1000)
        raise ValueError("bad rate")

    assert run(train).error.endswith("ValueError: bad rate")


@pytest.mark.parametrize("stream", [None, object()])
def test_streams_that_are_none(run, stream):
    def train():
        sys.stdout = sys.stderr = stream
        return 1.0

    assert run(train).value == 1.0


def test_a_limit_of_file_sizes(run):
    def train():
        resource.setrlimit(resource.RLIMIT_FSIZE, (10, resource.RLIM_INFINITY))
        return 1.0

    assert run(train).value == 1.0


@pytest.mark.slow
def test_a_million_metrics(run):
    def train():
        return {f"metric_{k:06d}": k / 3 for k in range(1_000_000)}

    before = time.monotonic()
    outcome = run(train, objectives=(Objective("metric_000003"),), needs_value=True)
    assert outcome.value == 1.0 and len(outcome.metrics) == 1_000_000
    assert time.monotonic() - before < 60


# A guardian that is stopped


@pytest.fixture
def quick_looks(monkeypatch):
    monkeypatch.setattr(process, "LOOK_S", 0.1)
    monkeypatch.setattr(process, "GRACE_S", 1.0)


@pytest.mark.usefixtures("quick_looks")
def test_a_stopped_guardian_goes_on(run):
    def train():
        os.kill(os.getppid(), signal.SIGSTOP)
        return 1.0

    assert [run(train).value for _ in range(3)] == [1.0] * 3


@pytest.mark.usefixtures("quick_looks")
def test_the_time_limit_of_a_stopped_guardian(run):
    def train():
        os.kill(os.getppid(), signal.SIGSTOP)
        time.sleep(60)

    before = time.monotonic()
    assert run(train, timeout_s=0.5).error == "timed out after 0.5 s"
    assert time.monotonic() - before < 50


@pytest.mark.usefixtures("quick_looks")
def test_a_guardian_that_is_stopped_again_and_again(run, tmp_path):
    def train():
        own, supervisor = os.getpid(), os.getppid()
        copy = os.fork()
        if copy:
            (tmp_path / "pids").write_text(f"{own} {copy}")
        while True:
            os.kill(supervisor, signal.SIGSTOP)

    before = time.monotonic()
    assert run(train, timeout_s=0.5).error == "timed out after 0.5 s"
    assert time.monotonic() - before < 50
    pids = read_pids(tmp_path / "pids")
    assert len(pids) == 2 and living(pids) == []
    assert run(lambda: 1.0).value == 1.0


@pytest.mark.usefixtures("quick_looks")
def test_an_interrupt_while_the_guardian_is_stopped(run):
    def train():
        os.kill(os.getppid(), signal.SIGSTOP)
        os.kill(worker, signal.SIGINT)
        time.sleep(60)

    worker = os.getpid()
    before = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run(train)
    assert time.monotonic() - before < 50


STOPPING = """
import os, signal, sys, time
from pathlib import Path
import cloudpickle
from sparkexp.engine.base import TrialTask
from sparkexp.engine.worker.process import Guardian
from sparkexp.trial import Trial

folder = Path(sys.argv[1])

def train():
    guardian = os.getppid()
    (folder / 'pids.part').write_text(f'{os.getpid()} {guardian}')
    (folder / 'pids.part').rename(folder / 'pids')
    os.kill(guardian, signal.SIGSTOP)
    os.kill(worker, signal.SIGKILL)
    time.sleep(60)

worker = os.getpid()
task = TrialTask(Trial(0, {}), cloudpickle.dumps(train), str(folder))
Guardian().run(task, str(folder), folder / 'output.log')
"""


def test_a_stopped_guardian_whose_worker_dies(tmp_path):
    subprocess.run([sys.executable, "-c", STOPPING, tmp_path], cwd=Path(__file__).parents[3])
    pids = read_pids(tmp_path / "pids")
    wait_until(lambda: not living(pids), 5.0)


# Exit handlers


def write_at_exit(path: Path) -> None:
    atexit.register(path.write_text, "done")


def end_by(end: str) -> float:
    if end == "raise":
        raise ValueError
    if end == "exit":
        sys.exit(3)
    if end == "interrupt":
        raise KeyboardInterrupt
    return 1.0


@pytest.mark.parametrize(
    ("isolation", "end"),
    [("fork", "return"), ("fork", "raise"), ("fork", "exit"), ("spawn", "interrupt")],
)
def test_what_a_program_does_at_its_end(run, tmp_path, isolation, end):
    def train():
        from logging.handlers import MemoryHandler

        write_at_exit(tmp_path / "atexit")
        folder = tempfile.TemporaryDirectory(dir=tmp_path, prefix="temporary-")
        file = logging.FileHandler(tmp_path / "log")
        unwritten = (tmp_path / "unwritten").open("w")
        unwritten.write("rest")
        vars(sys)["kept"] = folder, MemoryHandler(100, target=file), unwritten
        sys.kept[1].emit(logging.makeLogRecord({"msg": "held back", "levelno": 20}))
        weakref.finalize(unwritten, (tmp_path / "finalize").write_text, "done")

        def late():
            time.sleep(0.2)
            (tmp_path / "thread").write_text("done")

        threading.Thread(target=late).start()
        executor = ThreadPoolExecutor(1)
        executor.submit(time.sleep, 0.2)
        executor.submit((tmp_path / "executor").write_text, "done")
        multiprocessing.get_context("fork").Pool(2)
        processes = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("fork"))
        processes.submit((tmp_path / "process").write_text, "done")
        sys.kept += (processes,)
        return end_by(end)

    outcome = run(train, isolation)
    assert (outcome.state is State.SUCCEEDED) == (end == "return")
    assert end != "interrupt" or "exited with status 130" in outcome.error
    assert outcome.warnings == ()  # it came to its end, and was not killed
    for name in ("atexit", "finalize", "thread", "executor", "process"):
        assert (tmp_path / name).read_text() == "done", name
    assert (tmp_path / "unwritten").read_text() == "rest"
    assert (tmp_path / "log").read_text() == "held back\n"
    assert not list(tmp_path.glob("temporary-*"))


def hang():
    time.sleep(60)


def crash():
    faulthandler.disable()  # pytest's would write to the terminal
    ctypes.string_at(0)


def fail():
    raise ValueError("in the handler")


@pytest.mark.parametrize("handler", [crash, fail, lambda: sys.exit(4), lambda: os._exit(5)])
def test_what_goes_wrong_at_the_end_costs_nothing(run, handler):
    def train():
        atexit.register(handler)
        return 1.0

    outcome = run(train)
    assert (outcome.state, outcome.value, outcome.warnings) == (State.SUCCEEDED, 1.0, ())


def start_thread():
    threading.Thread(target=hang).start()


@pytest.mark.parametrize(
    "start",
    [lambda: atexit.register(hang), start_thread, lambda: multiprocessing.Process(target=hang)],
)
def test_an_end_that_takes_too_long(monkeypatch, run, start):
    monkeypatch.setattr(guardian, "ENDING_S", 0.3)

    def train():
        started = start()
        if isinstance(started, multiprocessing.Process):
            started.start()
        return 1.0

    before = time.monotonic()
    # Its time limit is that of the train function.
    outcome = run(train, timeout_s=30.0)
    assert (outcome.state, outcome.value) == (State.SUCCEEDED, 1.0)
    assert time.monotonic() - before < 25
    (warning,) = outcome.warnings
    assert "threads or exit handlers were still running" in warning


# A worker that has things of its own to tidy, which its trials must leave alone.
TIDY_WORKER = """
import atexit, logging, multiprocessing, sys, tempfile, time, weakref
from concurrent.futures import ProcessPoolExecutor
from logging.handlers import MemoryHandler
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path
import cloudpickle
from sparkexp.engine.base import TrialTask
from sparkexp.engine.worker.process import Guardian
from sparkexp.trial import Trial

folder = Path(sys.argv[1])
atexit.register(lambda: print('handler', flush=True))
temporary = tempfile.TemporaryDirectory()
memory = MemoryHandler(100, target=logging.StreamHandler(sys.stdout))
memory.emit(logging.makeLogRecord({'msg': 'log record', 'levelno': 20}))
held = (folder / 'held').open('w')
held.write('once')
process = multiprocessing.get_context('fork').Process(target=time.sleep, args=(60,), daemon=True)
process.start()
executor = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context('fork'))
executor.submit(int).result()
shared = SharedMemory(create=True, size=10)

def train():
    tempfile.TemporaryDirectory()
    return float(multiprocessing.active_children() == [])

for number in range(2):
    task = TrialTask(Trial(number, {}), cloudpickle.dumps(train), str(folder))
    assert Guardian().run(task, str(folder), folder / 'output.log').value == 1.0
assert Path(temporary.name).is_dir() and process.is_alive()
assert executor.submit(int).result() == 0
assert Path('/dev/shm', shared.name).exists()
shared.close(), shared.unlink()
held.close()
print('end', flush=True)
"""


def test_what_the_worker_has_to_tidy_stays(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", TIDY_WORKER, tmp_path],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout == "end\nhandler\nlog record\n", done.stderr
    assert (tmp_path / "held").read_text() == "once"


# Shared memory


def total(array) -> float:
    return float(array.sum())


def use_joblib(n: int = 300_000) -> list[float]:
    import numpy as np
    from joblib import Parallel, delayed

    array = np.ones(n)  # 2 MB: mapped from a file in shared memory
    return Parallel(n_jobs=2)(delayed(total)(array) for _ in range(4))


def list_shared(tag: str = "") -> set[str]:
    return {name for name in os.listdir(SHARED) if tag in name}


@pytest.mark.parametrize("end", ["return", "SIGKILL", "timeout"])
def test_joblib_leaves_nothing(run, tmp_path, end):
    def train():
        assert use_joblib() == [300_000.0] * 4
        (tmp_path / "pid").write_text(str(os.getpid()))
        (tmp_path / "names").write_text(json.dumps(sorted(list_shared(str(os.getpid())))))
        if end == "SIGKILL":
            os.kill(os.getpid(), signal.SIGKILL)
        if end == "timeout":
            time.sleep(60)
        return end_by(end)

    outcome = run(train, timeout_s=12.0 if end == "timeout" else 60.0)
    assert (outcome.state is State.SUCCEEDED) == (end == "return"), outcome.error
    assert outcome.warnings == ()
    assert len(json.loads((tmp_path / "names").read_text())) > 4, "it uses none"
    assert list_shared((tmp_path / "pid").read_text()) == set()


@pytest.mark.parametrize("unlinked", [True, False])
@pytest.mark.parametrize("end", ["return", "timeout", "SIGSEGV"])
def test_shared_memory_of_python(run, tmp_path, unlinked, end):
    def train():
        memory = SharedMemory(create=True, size=1_000_000)
        memory.buf[:5] = b"hello"
        (tmp_path / "name").write_text(memory.name)
        assert Path("/dev/shm", memory.name).exists()
        if unlinked:
            memory.unlink()
        if end == "timeout":
            time.sleep(60)
        if end == "SIGSEGV":
            os.kill(os.getpid(), signal.SIGSEGV)
        return 1.0

    outcome = run(train, timeout_s=1.0 if end == "timeout" else None)
    assert (outcome.state is State.SUCCEEDED) == (end == "return"), outcome.error
    assert not Path("/dev/shm", (tmp_path / "name").read_text()).exists()


@pytest.mark.parametrize("way", ["mapped", "open", "killed tracker", "in a daemon"])
def test_a_killed_trial_s_shared_memory_that_no_tracker_knows(run, tmp_path, way):
    name = f"sparkexp-test-{os.getpid()}-{way.replace(' ', '-')}"

    def train():
        if way == "killed tracker":
            memory = SharedMemory(name, create=True, size=10)
            from multiprocessing import resource_tracker

            os.kill(resource_tracker._resource_tracker._pid, signal.SIGKILL)
            assert memory.buf is not None
        if way == "in a daemon" and os.fork():
            time.sleep(60)
        with open(SHARED / name, "ab+") as file:
            if way in ("mapped", "in a daemon"):
                import mmap

                file.truncate(100)
                vars(sys)["kept"] = mmap.mmap(file.fileno(), 100)
                file.close()
            (tmp_path / "there").write_text("")
            time.sleep(60)

    earlier = SHARED / f"sparkexp-test-{os.getpid()}-earlier"
    earlier.write_text("the user's")
    try:
        for timeout_s in (1.5, 30):  # on a loaded machine, it may not get there in time
            assert "timed out" in run(train, timeout_s=timeout_s).error
            if (tmp_path / "there").exists():
                break
        assert (tmp_path / "there").exists()
        assert not (SHARED / name).exists()
        assert earlier.exists()
    finally:
        earlier.unlink()
        (SHARED / name).unlink(missing_ok=True)


def test_shared_memory_that_another_process_uses_stays(run, tmp_path):
    path = SHARED / f"sparkexp-test-{os.getpid()}-shared"

    def train():
        with path.open("w"):
            (tmp_path / "there").write_text("")
            time.sleep(60)

    def hold():
        wait_until((tmp_path / "there").exists)
        files.append(path.open())

    files = []
    holder = threading.Thread(target=hold)
    holder.start()
    try:
        assert "timed out" in run(train, timeout_s=1.5).error
        assert path.exists()
    finally:
        holder.join()
        files[0].close()
        path.unlink(missing_ok=True)


def test_a_finished_trial_may_leave_something_on_purpose(run):
    path = SHARED / f"sparkexp-test-{os.getpid()}-cache"
    try:
        assert run(lambda: float(path.write_text("abc"))).value == 3.0
        assert path.read_text() == "abc"
    finally:
        path.unlink(missing_ok=True)


def test_a_tracker_that_does_not_end(run, tmp_path):
    def train():
        SharedMemory(create=True, size=10).unlink()
        from multiprocessing import resource_tracker

        pid = resource_tracker._resource_tracker._pid
        os.kill(pid, signal.SIGSTOP)
        (tmp_path / "pid").write_text(str(pid))
        return 1.0

    before = time.monotonic()
    assert run(train).value == 1.0
    assert time.monotonic() - before < 50
    assert not alive(int((tmp_path / "pid").read_text()))
