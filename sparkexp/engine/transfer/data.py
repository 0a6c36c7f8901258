"""Gives one object to many trials: it is written once and mapped into each trial's memory."""

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

__all__ = ["write_shared_data", "read_data", "remove_shared_data", "write_data"]

logger = logging.getLogger(__name__)

# The file in the run's directory while the search runs.
_NAME = "data.pickle"

# Arrays start at multiples of this, as the widest vector instructions need it.
ALIGNMENT = 64
_COUNT = struct.Struct("<Q")


def write_shared_data(data: object, logdir: str) -> str:
    """Write an object to the log directory, where all executors find it; return its location.

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
        # Executors keep copies, so other data need another name. Remove what a killed driver left.
        head, tail = _NAME.split(".")
        for name in files.names(""):
            if name.startswith(f"{head}-") and name.endswith(f".{tail}"):
                files.remove(name)
        name = f"{head}-{uuid.uuid4().hex[:12]}.{tail}"
        files.write(name, path)
    return join_location(logdir, name)


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


def write_data(data: object, path: Path) -> int:
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
    int
        The size in bytes.

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
    """Return the object that `write_data` wrote; its arrays are mapped from the file.

    All readers on a host share the file's pages in memory. A reader that writes to an array gets
    its own copy of the pages that it writes to.

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
