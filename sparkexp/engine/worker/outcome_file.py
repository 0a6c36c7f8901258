"""The way of an outcome from a trial's process to the guardian: a file without a name."""

from __future__ import annotations

import os
import resource
import signal
import tempfile

__all__ = ["OutcomeFile", "make_outcome_file"]

END = b"\n"  # JSON in one line holds none


class OutcomeFile:
    """A file that both processes have open, by the same descriptor.

    It needs no reader while it is written, has no end that a third process could hold open, and
    counts only if it is complete.

    Parameters
    ----------
    fd : int
        The descriptor.
    """

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._identity = _identify(fd)

    def write(self, outcome: bytes) -> None:
        """Write the outcome, close the file, and tell the parent process, which has it open, too.

        The train function may have closed all descriptors, and opened files of its own.
        """
        fd = self.fd
        if _identify(fd) != self._identity:
            fd = os.open(f"/proc/{os.getppid()}/fd/{self.fd}", os.O_WRONLY)
        _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
        with open(fd, "wb") as file:
            file.write(outcome)
            file.write(END)
        try:
            os.kill(os.getppid(), signal.SIGCHLD)
        except OSError:
            pass  # it has another user now; its end tells, too

    def is_complete(self) -> bool:
        """Tell whether the outcome is there."""
        size = os.fstat(self.fd).st_size
        return size > 0 and os.pread(self.fd, 1, size - 1) == END

    def read(self) -> bytes:
        """Return the outcome; nothing if it is not complete."""
        if not self.is_complete():
            return b""
        os.lseek(self.fd, 0, os.SEEK_SET)
        with open(self.fd, "rb", closefd=False) as file:
            return file.read().removesuffix(END)

    def close(self) -> None:
        os.close(self.fd)


def make_outcome_file() -> OutcomeFile:
    """Return an empty one."""
    if hasattr(os, "memfd_create"):
        return OutcomeFile(os.memfd_create("sparkexp-outcome"))
    with tempfile.TemporaryFile() as file:
        return OutcomeFile(os.dup(file.fileno()))


def _identify(fd: int) -> tuple[int, int] | None:
    try:
        status = os.fstat(fd)
    except OSError:
        return None
    return status.st_dev, status.st_ino
