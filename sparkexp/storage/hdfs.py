"""HDFS through hdfs-native, with a time limit for each call, which hdfs-native doesn't have."""

from __future__ import annotations

import io
import itertools
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from sparkexp.storage.deadline import CALL_S, call_within

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

__all__ = ["open_hdfs"]

# The most that one call reads or writes; each call has its own time limit.
PIECE_BYTES = 4 << 20
N_LISTED = 1000
# With Hadoop's defaults a NameNode is tried 15 times, up to 15 s apart, and a DataNode that
# doesn't answer is given up after a minute. Older versions of hdfs-native ignore these settings.
_LIMITS = {
    "dfs.client.failover.max.attempts": "3",
    "dfs.client.failover.sleep.base.millis": "200",
    "dfs.client.failover.sleep.max.millis": "1000",
    "dfs.client.socket-timeout": "5000",
}
_JAVA = re.compile(r'RPCError\("(?:[\w$]+\.)*(\w+)", "(.*)', re.DOTALL)


def open_hdfs(scheme: str, host: str, port: int | None) -> AbstractFileSystem:
    """Return a file system whose calls fail after `CALL_S` seconds without progress.

    Parameters
    ----------
    scheme : {'hdfs', 'viewfs'}
        The scheme of the URL.
    host : str
        A NameNode or the name of a service; empty for the one of ``fs.defaultFS``.
    port : int, optional
        The NameNode's port; None for a service.
    """
    from hdfs_native import Client
    from hdfs_native import fsspec as hdfs

    kind = hdfs.ViewfsFileSystem if scheme == "viewfs" else hdfs.HdfsFileSystem
    server = f"{scheme}://{host}" + (f":{port}" if port else "")

    class Bounded(kind):  # type: ignore[misc, valid-type]
        def walk(self, path: str, *args: Any, **kwargs: Any) -> Any:
            # By default, a directory that can't be listed looks like an empty one.
            return super().walk(path, *args, **{"on_error": _raise_others, **kwargs})

    filesystem = Bounded(host=host or None, port=port, skip_instance_cache=True)

    def connect(again: bool) -> Any:
        # A client always asks the first of several NameNodes first. If that one doesn't answer,
        # a new client would hang like the old one: it gets the NameNodes in random order.
        chance = {f"dfs.client.failover.random.order.{host}": "true"}
        return Client(server, {**_LIMITS, **(chance if again else {})})

    filesystem.client = _BoundedClient(server, connect)
    return filesystem


def _raise_others(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):  # removed since its parent was listed
        raise error


class _BoundedClient:
    """Wraps hdfs-native's client, so that each call has a time limit.

    hdfs-native has none: connecting takes minutes when a machine is off, and a request to a
    NameNode that hangs never ends. Here a call that isn't answered in time raises TimeoutError.
    The next call makes a new connection, since the old one may be dead for good.
    """

    def __init__(self, server: str, connect: Callable[[bool], Any]) -> None:
        self._server = server
        self._connect = connect
        self._client = connect(False)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return lambda *args, **kwargs: self._call(getattr(self._client, name), *args, **kwargs)

    def list_status(self, path: str, recursive: bool = False) -> Iterator[Any]:
        entries = self._call(self._client.list_status, path, recursive)
        while batch := self._call(lambda: list(itertools.islice(entries, N_LISTED))):
            yield from batch

    def read(self, path: str) -> _Reader:
        return _Reader(self._call(self._client.read, path), self._call)

    def create(self, path: str, write_options: Any = None) -> _Writer:
        return _Writer(self._call(self._client.create, path, write_options), self._call)

    def append(self, path: str) -> _Writer:
        return _Writer(self._call(self._client.append, path), self._call)

    def _call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        try:
            return call_within(CALL_S, function, *args, **kwargs)
        except TimeoutError:
            self._client = self._connect(True)
            raise TimeoutError(f"no answer from {self._server} within {CALL_S:g} s") from None
        except RuntimeError as error:
            raise _translate(error) from error


class _Reader(io.RawIOBase):
    """A file that is read piece by piece."""

    def __init__(self, file: Any, call: Callable[..., Any]) -> None:
        self._file = file
        self._call = call

    @property
    def size(self) -> int:
        return len(self._file)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return int(self._file.tell())

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._file.seek(offset, whence)
        return self.tell()

    def read(self, size: int | None = -1) -> bytes:
        left = max(self.size - self.tell(), 0)
        wanted = left if size is None or size < 0 else min(size, left)
        pieces = []
        while wanted > 0 and (piece := self._call(self._file.read, min(wanted, PIECE_BYTES))):
            pieces.append(piece)
            wanted -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def readall(self) -> bytes:
        return self.read()

    def readinto(self, buffer: Any) -> int:
        content = self.read(len(buffer))
        buffer[: len(content)] = content
        return len(content)


class _Writer(io.RawIOBase):
    """A file that is written piece by piece."""

    def __init__(self, file: Any, call: Callable[..., Any]) -> None:
        self._file = file
        self._call = call
        self._failed = False

    def writable(self) -> bool:
        return True

    def write(self, content: Any) -> int:
        view = memoryview(content).cast("B")
        for start in range(0, len(view), PIECE_BYTES):
            self._bounded(self._file.write, bytes(view[start : start + PIECE_BYTES]))
        return len(view)

    def hsync(self) -> None:
        self._bounded(self._file.hsync)

    def close(self) -> None:
        if self.closed:
            return
        super().close()
        # After a failed write, closing would only ask the same servers again.
        if not self._failed:
            self._bounded(self._file.close)

    def _bounded(self, function: Callable[..., Any], *args: Any) -> None:
        try:
            self._call(function, *args)
        except BaseException:
            self._failed = True
            # Python closes a file when it frees it, and would wait for the servers in any thread.
            self._file.close = lambda: None
            raise


def _translate(error: RuntimeError) -> Exception:
    """Return an error with the server's message, without its stack trace."""
    found = _JAVA.search(str(error))
    if found is None:
        return error
    said = re.split(r'\\n|"\)$', found[2])[0].replace('\\"', '"')
    if found[1] == "AccessControlException":
        return PermissionError(said)
    return OSError(f"{found[1]}: {said}")
