"""Hands one object to many trials: written once, mapped into each trial's memory."""

from __future__ import annotations

import logging
import mmap
import os
import pickle
import struct
import tempfile
import uuid
from pathlib import Path
from typing import Any

from sparkexp.errors import InvalidArgumentError, StorageError
from sparkexp.storage.filesystems import is_remote
from sparkexp.storage.remote_files import RemoteFiles, join_location, storage_errors

__all__ = ["hand_over", "read_data", "take_back", "write_data"]

logger = logging.getLogger(__name__)

# In the run's directory while the search runs.
_NAME = "data.pickle"

# Arrays start where the widest vector loads like it.
ALIGNMENT = 64
_COUNT = struct.Struct("<Q")


def hand_over(data: object, logdir: str) -> str:
    """Write an object where all executors find it, and return the place.

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
        write_data(data, path)
        return str(path)
    with storage_errors(logdir), tempfile.TemporaryDirectory() as folder:
        path = Path(folder, _NAME)
        write_data(data, path)
        files = RemoteFiles(logdir)
        # Executors keep copies: other data have another name. Of a driver that was killed, some
        # may have been left.
        head, tail = _NAME.split(".")
        for name in files.names(""):
            if name.startswith(f"{head}-") and name.endswith(f".{tail}"):
                files.remove(name)
        name = f"{head}-{uuid.uuid4().hex[:12]}.{tail}"
        files.write(name, path)
    return join_location(logdir, name)


def take_back(place: str) -> None:
    """Remove what `hand_over` wrote."""
    if not is_remote(place):
        Path(place).unlink(missing_ok=True)
        return
    logdir, _, name = place.rpartition("/")
    try:
        with storage_errors(logdir):
            RemoteFiles(logdir).remove(name)
    except StorageError as error:
        logger.warning("%s is left: %s", place, error)


def write_data(data: object, path: Path) -> int:
    """Write an object so that `read_data` shares its arrays with other readers.

    Parameters
    ----------
    data : object
        Arrays, a pandas or Spark DataFrame, or anything that can be pickled. What is not an
        array is copied by every reader.
    path : Path
        The file; written aside and renamed.

    Returns
    -------
    int
        Bytes written.

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
            f"data is sent to executors, and it can't be pickled: {type(error).__name__}: "
            f"{error}. Hand over arrays, a DataFrame or plain objects."
        ) from error
    views = [buffer.raw() for buffer in buffers]
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    with aside.open("wb") as file:
        for number in (len(head), len(views), *(view.nbytes for view in views)):
            file.write(_COUNT.pack(number))
        file.write(head)
        for view in views:
            file.write(b"\0" * (-file.tell() % ALIGNMENT))
            file.write(view)
        size = file.tell()
    os.replace(aside, path)
    return size


def read_data(path: Path) -> Any:
    """Return the object that `write_data` wrote; its arrays lie in the file's pages.

    All readers on a host share those pages. One that writes to an array gets its own copy of the
    pages it writes to.

    Examples
    --------
    >>> import numpy as np, tempfile
    >>> path = Path(tempfile.mkdtemp(), 'data')
    >>> size = write_data({'x': np.arange(3), 'name': 'three'}, path)
    >>> read_data(path)
    {'x': array([0, 1, 2]), 'name': 'three'}
    """
    with path.open("rb") as file:
        pages = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY))
    n_head, n_buffers = (_number(pages, k) for k in range(2))
    sizes = [_number(pages, 2 + k) for k in range(n_buffers)]
    end = (2 + n_buffers) * _COUNT.size
    head, end = pages[end : end + n_head], end + n_head
    buffers = []
    for size in sizes:
        start = end + -end % ALIGNMENT
        end = start + size
        buffers.append(pages[start:end])
    return pickle.loads(head, buffers=buffers)


def _number(pages: memoryview, k: int) -> int:
    number: int = _COUNT.unpack_from(pages, k * _COUNT.size)[0]
    return number
