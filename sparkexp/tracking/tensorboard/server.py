"""TensorBoard as a subprocess that never outlives the process that started it."""

from __future__ import annotations

import collections
import html
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from sparkexp.errors import (
    EnvironmentUnfitError,
    RunDirectoryError,
    SparkexpError,
    StorageError,
)
from sparkexp.runs.mirror import Mirror
from sparkexp.storage.filesystems import is_remote, local_path
from sparkexp.tracking.tensorboard.links import OVERVIEWS, Link, list_board_links

__all__ = ["TensorBoardServer", "start_tensorboard"]

# Runs in the subprocess. Asking the kernel for a signal at the parent's death comes first, and the
# parent may be gone by then. The invented module makes TensorBoard take its stub for TensorFlow,
# which it would else import whole: 0.7 s instead of 4 to 13 s until it answers.
_START = """\
import os, signal, sys, types
if sys.platform == "linux":
    import ctypes
    PR_SET_PDEATHSIG = 1
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(sys.argv[1]):
        os._exit(1)
sys.path.append(sys.argv[2])
sys.argv[:3] = ["tensorboard"]
sys.modules["tensorboard.compat.notf"] = types.ModuleType("tensorboard.compat.notf")
from sparkexp.tracking.tensorboard.page import run_tensorboard
run_tensorboard()
"""
_URL = re.compile(r"TensorBoard \S+ at (http\S+)")
_STOP_S = 5.0
FRAME_PX = 800
# A running search is followed closely, and all that it wrote is shown: by default TensorBoard
# keeps ten texts and pictures of a tag and 1,000 points of a curve.
_SETTINGS = (
    "--reload_interval=2",
    "--samples_per_plugin=text=200,images=50,scalars=10000,histograms=500,distributions=500",
)


def start_tensorboard(
    logdir: str | os.PathLike[str],
    *,
    port: int = 0,
    host: str = "127.0.0.1",
    timeout_s: float = 60.0,
    arguments: Sequence[str] = (),
) -> TensorBoardServer:
    """Start TensorBoard on a log directory and wait until it answers.

    Parameters
    ----------
    logdir : str or path
        The log directory. Of one on another file system (``s3://…``, ``hdfs://…``) a copy on this
        machine is shown, which follows it within about ten seconds and ends with the server.
    port : int
        Port to listen on; 0 for a free one.
    host : str
        Address to listen on. TensorBoard asks nobody for a password: any other than the default
        shows the log directory to everybody who can reach the machine.
    timeout_s : float
        Seconds that it may take to start.
    arguments : sequence of str
        Further arguments for TensorBoard, which win over those given here.

    Raises
    ------
    RunDirectoryError
        If there is no such directory.
    StorageError
        If it can't be reached.
    EnvironmentUnfitError
        If TensorBoard doesn't come up; the message ends with its last lines.
    """
    copy: _Copy | None = None
    if is_remote(logdir):
        copy = _Copy(os.fspath(logdir))
        target = str(copy.logdir)
    elif not os.path.isdir(logdir) and not os.path.isdir(local_path(logdir)):
        raise _no_directory(os.fspath(logdir))
    else:
        # An absolute path is left alone; TensorBoard expands a leading '~' of any other.
        target = str(Path(logdir).absolute() if os.path.isdir(logdir) else local_path(logdir))
    server = TensorBoardServer(target, port=port, host=host, arguments=arguments)
    server._copy = copy
    try:
        server._start(timeout_s)
    except BaseException:
        server.stop()
        raise
    return server


def _no_directory(logdir: str) -> RunDirectoryError:
    return RunDirectoryError(
        f"TensorBoard needs an existing log directory, got {logdir!r}. Give the logdir "
        "of a search; result.logdir and the plan that a search prints name it."
    )


class _Copy:
    """A remote log directory on this machine, for as long as it is shown."""

    def __init__(self, location: str) -> None:
        self._folder = tempfile.TemporaryDirectory(
            prefix="sparkexp-tensorboard-", ignore_cleanup_errors=True
        )
        parent, _, name = location.rstrip("/").rpartition("/")
        # To follow the search's own run, the settings beside it are copied too.
        own = (name,) if name in OVERVIEWS else ()
        run = Path(self._folder.name, "run" if own or not name else name)
        self.logdir = run / name if own else run
        self.logdir.mkdir(parents=True)
        try:
            self._mirror = Mirror(parent if own else location, run, own)
            self._copy_first(location)
        except BaseException:
            self._folder.cleanup()
            raise
        self._mirror.start()

    def _copy_first(self, location: str) -> None:
        try:
            found = self._mirror.exists()
            if found:
                self._mirror.update()
        except SparkexpError:
            raise
        except Exception as error:  # the clients of file systems raise what they like
            raise StorageError(
                f"A log directory must be reachable and readable, and {location!r} is not: "
                f"{error}. Check the address, the server and the credentials in the environment."
            ) from error
        if not found:
            raise _no_directory(location)

    def close(self) -> None:
        self._mirror.stop()
        self._folder.cleanup()


class TensorBoardServer:
    """A running TensorBoard, as `start_tensorboard` returns it.

    Leaving its `with` block stops it. On Linux it also dies with this process, however that ends.

    Attributes
    ----------
    url : str
        Where it answers.
    logdir : str
        What it shows; the local copy of a remote one.
    """

    def __init__(
        self, logdir: str, *, port: int, host: str, arguments: Sequence[str] = ()
    ) -> None:
        self.url = ""
        self.logdir = logdir
        package = str(Path(__file__).absolute().parents[2])
        self._command = [sys.executable, "-P", "-c", _START, str(os.getpid()), package]
        self._command += [f"--logdir={logdir}", f"--host={host}", f"--port={port}"]
        self._command += [*_SETTINGS, *arguments]
        self._copy: _Copy | None = None
        self._process: subprocess.Popen[str] | None = None
        self._error: OSError | None = None
        self._lines: collections.deque[str] = collections.deque(maxlen=30)
        self._spawned = threading.Event()
        self._settled = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tensorboard", daemon=True)

    @property
    def links(self) -> list[Link]:
        """Addresses that open with something to see, the overview first."""
        return list_board_links(self.url, self.logdir)

    def _repr_html_(self) -> str:
        # In a notebook: the overview itself, below links to the other pages.
        links = self.links
        ways = " · ".join(
            f'<a href="{html.escape(link.url)}" target="_blank">{html.escape(link.title)}</a>'
            for link in links
        )
        frame = f'<iframe src="{html.escape(links[0].url)}" width="100%" height="{FRAME_PX}" '
        return f'<p>TensorBoard: {ways}</p>{frame}frameborder="0"></iframe>'

    @property
    def pid(self) -> int | None:
        """Process id; None if it could not be started."""
        return None if self._process is None else self._process.pid

    def wait(self) -> None:
        """Block until it ends (Ctrl-C is passed on as KeyboardInterrupt)."""
        self._thread.join()

    def stop(self) -> None:
        """Stop it and what it started; do nothing if it has ended."""
        self._stop_process()
        if self._copy is not None:
            self._copy.close()
            self._copy = None

    def _stop_process(self) -> None:
        self._spawned.wait(_STOP_S)
        process = self._process
        if process is None or process.poll() is not None:
            return
        process.terminate()
        # The thread ends when nobody holds the other end of its pipe: not TensorBoard, nor the
        # data server that TensorBoard starts and that ends with it.
        self._thread.join(_STOP_S)
        if self._thread.is_alive():
            os.killpg(process.pid, signal.SIGKILL)
            self._thread.join(_STOP_S)

    def __enter__(self) -> TensorBoardServer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def _start(self, timeout_s: float) -> None:
        self._thread.start()
        in_time = self._settled.wait(timeout_s)
        if self.url:
            return
        what = "ended" if in_time else f"did not come up within {timeout_s:g} s"
        said = "".join(self._lines) or str(self._error or "(nothing)")
        raise EnvironmentUnfitError(
            f"TensorBoard {what}. Check that the port is free (0 picks a free one) and that "
            f"'{sys.executable} -m tensorboard.main' runs. It said:\n{said}"
        )

    def _run(self) -> None:
        # Linux delivers the signal at the end of the *thread* that started the process, so the
        # one that reads its output to the end starts it: it lives until then.
        try:
            with subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                # A group of its own, with its data server: Ctrl-C here is ours to handle.
                start_new_session=True,
            ) as process:
                self._process = process
                self._spawned.set()
                assert process.stderr is not None
                for line in process.stderr:
                    self._lines.append(line)
                    if not self.url and (match := _URL.search(line)):
                        self.url = match[1]
                        self._settled.set()
        except OSError as error:
            self._error = error
        finally:
            self._spawned.set()
            self._settled.set()
