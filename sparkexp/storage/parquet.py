"""Reads any range of rows of a Parquet file or directory, on any file system, in a fixed order."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from sparkexp.errors import StorageError
from sparkexp.storage.filesystems import is_directory, open_filesystem

if TYPE_CHECKING:
    import pyarrow as pa
    from fsspec import AbstractFileSystem

__all__ = ["MANIFEST", "ParquetRows", "read_manifest"]

# Written by save_frame: it lists the files of the table. Files of repeated attempts are not in it.
MANIFEST = "_sparkexp.json"


def read_manifest(filesystem: AbstractFileSystem, path: str) -> dict[str, Any] | None:
    """Return the content of a directory's manifest; None if it has no manifest."""
    name = f"{path}/{MANIFEST}"
    if not is_directory(filesystem, path) or not filesystem.exists(name):
        return None
    content: dict[str, Any] = json.loads(filesystem.cat_file(name))
    return content


class ParquetRows:
    """The rows of a table, by their number.

    Files are in the order of their names, so the numbers are the same on every machine. Only those
    parts of a file are read that hold the wanted rows and columns.

    Parameters
    ----------
    location : str or path
        A file, or a directory with files, also below ``name=value`` directories, which become
        columns.

    Raises
    ------
    StorageError
        If there is no Parquet file, it can't be read, or it has no rows.
    """

    def __init__(self, location: str | os.PathLike[str]) -> None:
        self.location = os.fspath(location)
        filesystem, path = open_filesystem(location)
        try:
            self._dataset = _open_dataset(filesystem, path, self.location)
            fragments = sorted(self._dataset.get_fragments(), key=lambda fragment: fragment.path)
            self._groups = [
                (fragment, [group.num_rows for group in fragment.row_groups])
                for fragment in fragments
            ]
        except StorageError:
            raise
        except Exception as error:  # Arrow and the file systems have errors of their own
            raise StorageError(
                f"A data set must be a Parquet file or a directory of such files that can be "
                f"read, and {self.location!r} is not: {error}. Write it with Spark or "
                "experiment.save_frame, and check the address and the credentials in the "
                "environment."
            ) from error
        self.n_rows = sum(sum(rows) for _, rows in self._groups)
        if self.n_rows == 0:
            raise StorageError(
                f"A data set must have rows, and {self.location!r} has none. Write it again, or "
                "name another one."
            )

    @property
    def columns(self) -> list[str]:
        """Names of the columns."""
        return list(self._dataset.schema.names)

    def batches(
        self, columns: Sequence[str], start: int, stop: int, n_rows: int
    ) -> Iterator[pa.RecordBatch]:
        """Yield the rows from `start` up to `stop` (not included) in batches.

        A batch has at most `n_rows` rows.
        """
        first = 0
        for fragment, sizes in self._groups:
            wanted: list[int] = []
            skipped = left = 0
            for number, size in enumerate(sizes):
                if first < stop and first + size > start:
                    if not wanted:
                        skipped = max(start - first, 0)
                    wanted.append(number)
                    left += min(first + size, stop) - max(first, start)
                first += size
            if wanted:
                yield from self._part(fragment, wanted, columns, skipped, left, n_rows)

    def _part(
        self,
        fragment: Any,
        groups: list[int],
        columns: Sequence[str],
        skipped: int,
        left: int,
        n_rows: int,
    ) -> Iterator[pa.RecordBatch]:
        part = fragment.subset(row_group_ids=groups)
        for batch in part.to_batches(
            schema=self._dataset.schema,
            columns=list(columns),
            batch_size=n_rows,
            batch_readahead=2,
        ):
            rest = batch.slice(skipped, left)
            skipped = max(skipped - batch.num_rows, 0)
            left -= rest.num_rows
            if rest.num_rows:
                yield rest
            if not left:
                return


def _open_dataset(filesystem: AbstractFileSystem, path: str, location: str) -> Any:
    import pyarrow.dataset

    # Read from S3 only what Arrow asks for; by default s3fs would read 50 MB ahead.
    if hasattr(filesystem, "default_cache_type"):
        filesystem.default_cache_type = "none"
    manifest = read_manifest(filesystem, path)
    if manifest is not None and not manifest["complete"]:
        raise StorageError(
            f"A data set must be complete, and save_frame was interrupted at {location!r}. Call "
            "it again, with overwrite=True."
        )
    source = path if manifest is None else [f"{path}/{name}" for name in manifest["files"]]
    # A directory name=value below the location is a column; one above it is not.
    return pyarrow.dataset.dataset(
        source,
        filesystem=filesystem,
        format="parquet",
        partitioning="hive",
        partition_base_dir=path,
    )
