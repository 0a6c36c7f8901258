"""Writes a Spark DataFrame as Parquet from the executors to any file system."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from sparkexp.engine.transfer.shipping import ship
from sparkexp.errors import InvalidArgumentError, StorageError
from sparkexp.storage.filesystems import (
    is_remote,
    local_path,
    make_directory,
    open_filesystem,
)
from sparkexp.storage.parquet import MANIFEST, read_manifest

if TYPE_CHECKING:
    import pyarrow as pa
    from fsspec import AbstractFileSystem
    from pyspark.sql import DataFrame

__all__ = ["write_frame", "write_partition"]

# The row that a task returns about the file that it wrote.
SCHEMA = "name string, n_rows long"
# The size of a row group: rows are collected up to it, then written together.
PART_BYTES = 32 << 20
_PYTHON_ERROR = re.compile(r"(?!org\.|java\.)[\w.]+(Error|Exception): ")


def write_frame(frame: DataFrame, location: str, overwrite: bool) -> str:
    """Write a frame to a directory, a file per partition, and return the directory.

    Spark's own writer needs jars for S3 that not every cluster has. Here Python writes, with the
    same clients and environment with which train functions read.

    Parameters
    ----------
    frame : DataFrame
        A frame of a classic or Connect session.
    location : str
        A path or a URL.
    overwrite : bool
        Whether what an earlier call wrote there is removed first.

    Raises
    ------
    InvalidArgumentError
        If the frame has no rows.
    StorageError
        If the location is in use or can't be written.
    """
    location = location.rstrip("/") if is_remote(location) else str(local_path(location))
    filesystem, path = open_filesystem(location)
    try:
        _claim(filesystem, path, location, overwrite)
        ship(frame.sparkSession, write_frame)
        written = frame.mapInArrow(_writer(location, uuid.uuid4().hex[:8]), SCHEMA).collect()
        if not written:
            filesystem.rm(path, recursive=True)
            raise InvalidArgumentError(
                "A frame must have rows to be saved, and this one has none. Check its source and "
                f"its filters; {location!r} has been removed again."
            )
        files = sorted(row.name for row in written)
        _remove_others(filesystem, path, files)
        n_rows = sum(row.n_rows for row in written)
        _write_manifest(filesystem, path, complete=True, files=files, n_rows=n_rows)
    except (InvalidArgumentError, StorageError):
        raise
    except Exception as error:  # Spark and the file systems have errors of their own
        raise StorageError(
            f"The directory must be writable from the driver and the executors, and {location!r} "
            f"is not: {_last_line(error)}. Check the address, and the server and credentials in "
            "the environment of both (spark.executorEnv.NAME sets a variable of executors)."
        ) from error
    return location


def _claim(filesystem: AbstractFileSystem, path: str, location: str, overwrite: bool) -> None:
    manifest = read_manifest(filesystem, path)
    there = manifest is not None or filesystem.exists(path)
    if there and not overwrite and (manifest is not None or filesystem.ls(path)):
        raise StorageError(
            f"A frame must be saved to a new or empty directory, and {location!r} is in use. Name "
            "another one, or give overwrite=True to replace what save_frame wrote there."
        )
    if manifest is not None:
        filesystem.rm(path, recursive=True)
    elif there and filesystem.ls(path):
        raise StorageError(
            f"overwrite=True replaces only what save_frame wrote, and {location!r} holds "
            "something else. Remove that yourself, or name another directory."
        )
    make_directory(filesystem, path)
    _write_manifest(filesystem, path, complete=False)


def _write_manifest(filesystem: AbstractFileSystem, path: str, **content: Any) -> None:
    filesystem.pipe_file(f"{path}/{MANIFEST}", json.dumps(content).encode())


def _remove_others(filesystem: AbstractFileSystem, path: str, files: list[str]) -> None:
    # Files of repeated attempts: our reader would skip them, other readers would not.
    for found in filesystem.ls(path, detail=False):
        name = found.rstrip("/").rpartition("/")[2]
        if name.startswith("part-") and name not in files:
            filesystem.rm(f"{path}/{name}")


def _last_line(error: Exception) -> str:
    """Return the line that says what went wrong: the executor's Python error, if there is one."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    said = [line for line in lines if _PYTHON_ERROR.match(line)]
    return (said or lines or [type(error).__name__])[-1]


def _writer(
    location: str, key: str
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """Return the function that writes a partition on an executor."""

    def write(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import pyarrow
        from pyspark import TaskContext

        from sparkexp.engine.transfer.frames import write_partition

        context = TaskContext.get()
        assert context is not None
        name = f"part-{context.partitionId():05d}-{key}-{context.taskAttemptId()}.parquet"
        n_rows = write_partition(location, name, batches)
        if n_rows:
            yield pyarrow.RecordBatch.from_pydict({"name": [name], "n_rows": [n_rows]})

    return write


def write_partition(location: str, name: str, batches: Iterator[pa.RecordBatch]) -> int:
    """Write batches to a file and return the number of rows; without rows there is no file."""
    import pyarrow.parquet

    filesystem, path = open_filesystem(location)
    n_rows = 0
    file = writer = None
    try:
        for table in _parts(batches):
            if writer is None:
                file = filesystem.open(f"{path}/{name}", "wb")
                writer = pyarrow.parquet.ParquetWriter(file, table.schema)
            writer.write_table(table)
            n_rows += table.num_rows
    finally:
        if writer is not None:
            writer.close()
        if file is not None:
            file.close()
    return n_rows


def _parts(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.Table]:
    import pyarrow

    held: list[pa.RecordBatch] = []
    for batch in batches:
        if batch.num_rows:
            held.append(batch)
        if sum(one.nbytes for one in held) >= PART_BYTES:
            yield pyarrow.Table.from_batches(held)
            held = []
    if held:
        yield pyarrow.Table.from_batches(held)
