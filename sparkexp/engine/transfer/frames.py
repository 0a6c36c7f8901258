"""Writes a Spark DataFrame as Parquet to any file system, from the executors."""

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

# What a task reports of the file that it wrote.
SCHEMA = "name string, n_rows long"
# Rows are collected up to this size before they are written: a file is read in such parts.
PART_BYTES = 32 << 20
_PYTHON_ERROR = re.compile(r"(?!org\.|java\.)[\w.]+(Error|Exception): ")


def write_frame(frame: DataFrame, place: str, overwrite: bool) -> str:
    """Write a frame's rows to a directory, a file per partition, and return its address.

    Spark's own writer needs jars for S3 that not every cluster has. Here Python writes, with the
    same clients and the same environment that train functions read with.

    Parameters
    ----------
    frame : DataFrame
        Of a classic or a Connect session.
    place : str
        A path or a URL.
    overwrite : bool
        Whether what an earlier call wrote there is removed first.

    Raises
    ------
    InvalidArgumentError
        If the frame has no rows.
    StorageError
        If the place is in use or can't be written to.
    """
    place = place.rstrip("/") if is_remote(place) else str(local_path(place))
    filesystem, path = open_filesystem(place)
    try:
        _claim(filesystem, path, place, overwrite)
        ship(frame.sparkSession, write_frame)
        written = frame.mapInArrow(_writer(place, uuid.uuid4().hex[:8]), SCHEMA).collect()
        if not written:
            filesystem.rm(path, recursive=True)
            raise InvalidArgumentError(
                "A frame must have rows to be saved, got one without any. Look at what it is made "
                f"from, or at its filters; {place!r} has been removed again."
            )
        files = sorted(row.name for row in written)
        _remove_others(filesystem, path, files)
        n_rows = sum(row.n_rows for row in written)
        _write_manifest(filesystem, path, complete=True, files=files, n_rows=n_rows)
    except (InvalidArgumentError, StorageError):
        raise
    except Exception as error:  # Spark and the file systems have errors of their own
        raise StorageError(
            f"A place must be writable from the driver and from the executors, and {place!r} is "
            f"not: {_last_line(error)}. Check the address, and the server and credentials in the "
            "environment of both (spark.executorEnv.NAME sets that of executors)."
        ) from error
    return place


def _claim(filesystem: AbstractFileSystem, path: str, place: str, overwrite: bool) -> None:
    manifest = read_manifest(filesystem, path)
    there = manifest is not None or filesystem.exists(path)
    if there and not overwrite and (manifest is not None or filesystem.ls(path)):
        raise StorageError(
            f"A frame must be saved to a new or empty directory, and {place!r} is in use. Name "
            "another one, or give overwrite=True to replace what save_frame wrote there."
        )
    if manifest is not None:
        filesystem.rm(path, recursive=True)
    elif there and filesystem.ls(path):
        raise StorageError(
            f"overwrite=True replaces only what save_frame wrote, and {place!r} holds something "
            "else. Remove it yourself, or name another directory."
        )
    make_directory(filesystem, path)
    _write_manifest(filesystem, path, complete=False)


def _write_manifest(filesystem: AbstractFileSystem, path: str, **content: Any) -> None:
    filesystem.pipe_file(f"{path}/{MANIFEST}", json.dumps(content).encode())


def _remove_others(filesystem: AbstractFileSystem, path: str, files: list[str]) -> None:
    # Attempts that were repeated: our reader goes by the manifest, others by what is there.
    for found in filesystem.ls(path, detail=False):
        name = found.rstrip("/").rpartition("/")[2]
        if name.startswith("part-") and name not in files:
            filesystem.rm(f"{path}/{name}")


def _last_line(error: Exception) -> str:
    """Return what went wrong, of Spark's errors what Python said on the executor."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    said = [line for line in lines if _PYTHON_ERROR.match(line)]
    return (said or lines or [type(error).__name__])[-1]


def _writer(
    place: str, key: str
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """Return what an executor does with a partition."""

    def write(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import pyarrow
        from pyspark import TaskContext

        from sparkexp.engine.transfer.frames import write_partition

        context = TaskContext.get()
        assert context is not None
        name = f"part-{context.partitionId():05d}-{key}-{context.taskAttemptId()}.parquet"
        n_rows = write_partition(place, name, batches)
        if n_rows:
            yield pyarrow.RecordBatch.from_pydict({"name": [name], "n_rows": [n_rows]})

    return write


def write_partition(place: str, name: str, batches: Iterator[pa.RecordBatch]) -> int:
    """Write batches to a file of a directory and return how many rows; none, no file."""
    import pyarrow.parquet

    filesystem, path = open_filesystem(place)
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
