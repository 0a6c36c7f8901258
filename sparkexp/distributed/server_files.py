"""The files by which workers find a parameter server, and by which it goes on after a loss."""

from __future__ import annotations

import json
import os
import socket
from dataclasses import asdict, dataclass

from sparkexp.engine.place import Place
from sparkexp.storage.filesystems import is_remote, local_path
from sparkexp.storage.regular_files import write_whole
from sparkexp.storage.remote_files import RemoteFiles

__all__ = ["ServerAddress", "ServerFiles", "find_host"]


@dataclass(frozen=True)
class ServerAddress:
    """Where a start of a server is found.

    Parameters
    ----------
    host : str
        The name by which others reach its machine.
    port : int
        Its port.
    token : str
        What tells this start of the server from others; who knows it may call.
    is_over : bool
        Whether the server has ended, since training has.
    updates : int
        How many updates it made in all; known at the end.
    """

    host: str
    port: int
    token: str
    is_over: bool = False
    updates: int = 0


class ServerFiles:
    """The files of one parameter server in the gang's shared directory.

    Readers see a whole file or the one before. The methods raise the errors of the storage's
    client, which are not always OSErrors.

    Parameters
    ----------
    shared : str
        Path or URL of the directory.
    number : int
        The server's number, from 0.

    Examples
    --------
    >>> files = ServerFiles('memory://gang', 0)
    >>> files.publish(ServerAddress('host', 4000, 'abc'))
    >>> files.find()
    ServerAddress(host='host', port=4000, token='abc', is_over=False, updates=0)
    """

    def __init__(self, shared: str, number: int) -> None:
        self._shared = shared
        self._address = f"server-{number}.json"
        self._checkpoint = f"server-{number}.npz"

    def publish(self, address: ServerAddress) -> None:
        """Write where the server is."""
        self._write(self._address, json.dumps(asdict(address)).encode())

    def find(self) -> ServerAddress | None:
        """Return where the server is, or None if it has not written that yet."""
        content = self._read(self._address)
        return None if content is None else ServerAddress(**json.loads(content))

    def write_checkpoint(self, content: bytes) -> None:
        """Write a checkpoint in place of the last one."""
        self._write(self._checkpoint, content)

    def read_checkpoint(self) -> bytes | None:
        """Return the last checkpoint, or None if there is none."""
        return self._read(self._checkpoint)

    def _write(self, name: str, content: bytes) -> None:
        if is_remote(self._shared):
            RemoteFiles(self._shared).write(name, content)
            return
        directory = local_path(self._shared)
        directory.mkdir(parents=True, exist_ok=True)
        write_whole(directory / name, content)

    def _read(self, name: str) -> bytes | None:
        if is_remote(self._shared):
            return RemoteFiles(self._shared).read(name)
        try:
            return (local_path(self._shared) / name).read_bytes()
        except FileNotFoundError:
            return None


def find_host(place: Place) -> str:
    """Return the name by which other machines reach this one.

    It is the place's own, or what Spark was told about this machine, or the address from which
    this machine would reach others.
    """
    for known in (
        place.host,
        os.environ.get("SPARK_LOCAL_HOSTNAME"),
        os.environ.get("SPARK_LOCAL_IP"),
    ):
        if known:
            return known
    try:
        # Connecting UDP sends nothing: it asks the kernel for the route.
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect(("192.0.2.1", 9))
            return str(probe.getsockname()[0])
    except OSError:
        return "127.0.0.1"
