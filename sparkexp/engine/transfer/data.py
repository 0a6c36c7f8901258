"""Gives one object to many trials: it is written once and mapped into each trial's memory.

The file is two numbers of 8 bytes (the pickle's size, how many arrays there are), the arrays'
sizes, the arrays' digest, the pickle, and the arrays. Others may be able to write to the log
directory, and a pickle can run code: its readers take nothing but what the driver wrote, by a
digest of all that stands before the arrays.
"""

from __future__ import annotations

import hashlib
import json
import logging
import mmap
import os
import pickle
import shutil
import stat
import struct
import tempfile
import uuid
from pathlib import Path
from typing import IO, Any

from sparkexp.engine.transfer.private_folder import private_folder
from sparkexp.errors import InvalidArgumentError, StorageError
from sparkexp.storage.filesystems import is_remote
from sparkexp.storage.remote_files import RemoteFiles, join_location, storage_errors

__all__ = [
    "keep_shared_data",
    "write_shared_data",
    "read_data",
    "remove_shared_data",
    "write_data",
]

logger = logging.getLogger(__name__)

# The file in the run's directory while the search runs.
_NAME = "data.pickle"

# Arrays start at multiples of this, as the widest vector instructions need it.
ALIGNMENT = 64
_COUNT = struct.Struct("<Q")
_DIGEST_SIZE = hashlib.sha256().digest_size


def write_shared_data(data: object, logdir: str) -> tuple[str, str]:
    """Write an object to the log directory, where all executors find it.

    Return its location, and the digest that `read_data` needs.

    Parameters
    ----------
    data : object
        See `write_data`.
    logdir : str
        The run's log directory, a path or a URL.

    Raises
    ------
    InvalidArgumentError
        If the object can't be pickled.
    StorageError
        If the URL can't be written.
    """
    if not is_remote(logdir):
        path = Path(logdir, _NAME)
        return str(path), write_data(data, path)
    with storage_errors(logdir), tempfile.TemporaryDirectory() as folder:
        path = Path(folder, _NAME)
        digest = write_data(data, path)
        files = RemoteFiles(logdir)
        # Executors keep copies, so other data need another name. Remove what a killed driver left.
        head, tail = _NAME.split(".")
        for name in files.names(""):
            if name.startswith(f"{head}-") and name.endswith(f".{tail}"):
                files.remove(name)
        name = f"{head}-{uuid.uuid4().hex[:12]}.{tail}"
        files.write(name, path)
    return join_location(logdir, name), digest


def keep_shared_data(file: IO[bytes], location: str) -> None:
    """Write the file anew that `write_shared_data` wrote, if it isn't there any more.

    Parameters
    ----------
    file : IO of bytes
        The file, open since then: it has its content although its name is gone.
    location : str
        Where it belongs now.
    """
    path = Path(location)
    if path.exists():
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_name(f".{path.name}.{os.getpid()}")
        with aside.open("wb") as copy:
            file.seek(0)
            shutil.copyfileobj(file, copy)
        os.replace(aside, path)
    except OSError as error:
        logger.warning("The data for the trials can't be written to %s: %s", location, error)


def remove_shared_data(location: str) -> None:
    """Remove the file that `write_shared_data` wrote."""
    if not is_remote(location):
        Path(location).unlink(missing_ok=True)
        return
    logdir, _, name = location.rpartition("/")
    try:
        with storage_errors(logdir):
            RemoteFiles(logdir).remove(name)
    except StorageError as error:
        logger.warning("%s could not be removed: %s", location, error)


def write_data(data: object, path: Path) -> str:
    """Write an object so that `read_data` shares its arrays with other readers.

    Parameters
    ----------
    data : object
        Arrays, a pandas or Spark DataFrame, or anything that can be pickled. Every reader copies
        what is not an array.
    path : Path
        The file. It appears when it is complete.

    Returns
    -------
    str
        The digest that `read_data` needs.

    Raises
    ------
    InvalidArgumentError
        If the object can't be pickled.
    """
    import cloudpickle

    if type(data).__module__.startswith("pyspark.") and hasattr(data, "toPandas"):
        data = data.toPandas()
    buffers: list[pickle.PickleBuffer] = []
    try:
        head = cloudpickle.dumps(data, protocol=5, buffer_callback=buffers.append)
    except Exception as error:
        raise InvalidArgumentError(
            f"data must be something that can be pickled, since it is sent to executors: "
            f"{type(error).__name__}: {error}. Give arrays, a DataFrame or plain objects."
        ) from error
    views = [buffer.raw() for buffer in buffers]
    arrays = hashlib.sha256()
    for view in views:
        arrays.update(view)
    counts = b"".join(map(_COUNT.pack, (len(head), len(views), *(view.nbytes for view in views))))
    head = counts + arrays.digest() + head
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    with aside.open("wb") as file:
        file.write(head)
        for view in views:
            file.write(b"\0" * (-file.tell() % ALIGNMENT))
            file.write(view)
    os.replace(aside, path)
    return hashlib.sha256(head).hexdigest()


def read_data(path: Path, digest: str) -> Any:
    """Return the object that `write_data` wrote; its arrays are mapped from the file.

    All readers on a host share the file's pages in memory. A reader that writes to an array gets
    its own copy of the pages that it writes to.

    Parameters
    ----------
    path : Path
        The file.
    digest : str
        What `write_data` returned.

    Raises
    ------
    StorageError
        If the file is not the one that `write_data` wrote. Then nothing of it is unpickled.

    Examples
    --------
    >>> import numpy as np, tempfile
    >>> path = Path(tempfile.mkdtemp(), 'data')
    >>> digest = write_data({'x': np.arange(3), 'name': 'three'}, path)
    >>> read_data(path, digest)
    {'x': array([0, 1, 2]), 'name': 'three'}
    """
    # Not blocked by a pipe that somebody put there.
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode) or status.st_size < 2 * _COUNT.size:
            raise _foreign(path)
        pages = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY))
    n_head, n_buffers = (_number(pages, k) for k in range(2))
    start = (2 + n_buffers) * _COUNT.size + _DIGEST_SIZE
    # A copy: what is unpickled is what was looked at, whatever happens to the file meanwhile.
    head = bytes(pages[: start + n_head])
    if hashlib.sha256(head).hexdigest() != digest:
        raise _foreign(path)
    end = len(head)
    buffers = []
    for size in [_number(head, 2 + k) for k in range(n_buffers)]:
        begin = end + -end % ALIGNMENT
        end = begin + size
        buffers.append(pages[begin:end])
    if buffers and not _are_known(buffers, head[start - _DIGEST_SIZE : start], status):
        raise _foreign(path)
    return pickle.loads(memoryview(head)[start:], buffers=buffers)


def _number(pages: memoryview | bytes, k: int) -> int:
    number: int = _COUNT.unpack_from(pages, k * _COUNT.size)[0]
    return number


def _foreign(path: Path) -> StorageError:
    return StorageError(
        f"The data for the trials must be what this search wrote, and {path} is something else: "
        "it was changed or replaced meanwhile. Nothing of it was used. See who can write to the "
        "log directory, and start the search again."
    )


def _are_known(buffers: list[memoryview], digest: bytes, status: os.stat_result) -> bool:
    """Return whether a file's arrays have a digest.

    Arrays run no code, and to read a gigabyte of them takes 2 s: they are read once on each host,
    and again when the file's status has changed.
    """
    identity = json.dumps(
        [digest.hex(), status.st_dev, status.st_ino, status.st_size]
        + [status.st_mtime_ns, status.st_ctime_ns]
    )
    # There are at most 256 of these notes, whatever the number of searches.
    note = private_folder() / f"data-{digest.hex()[:2]}.checked"
    try:
        if note.read_text() == identity:
            return True
    except OSError:
        pass
    found = hashlib.sha256()
    for buffer in buffers:
        found.update(buffer)
    if found.digest() != digest:
        return False
    try:
        aside = note.with_suffix(f".{os.getpid()}")
        aside.write_text(identity)
        os.replace(aside, note)
    except OSError:
        pass  # a full disk: the next trial reads them again
    return True
