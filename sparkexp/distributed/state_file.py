"""The files of a training's checkpoints: a zip archive of JSON and arrays, never a pickle."""

from __future__ import annotations

import io
import json
import logging
import os
import re
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from sparkexp.errors import SparkexpError, StorageError
from sparkexp.storage.filesystems import is_remote, local_path
from sparkexp.storage.regular_files import read_regular
from sparkexp.storage.remote_files import RemoteFiles

__all__ = ["Content", "StateFiles", "pack", "unpack"]

logger = logging.getLogger(__name__)

FORMAT = 1
KEPT = 2
_NAME = re.compile(r"fit-(\d+)-(\d+)\.zip")
_STATE = "state.json"


@dataclass(frozen=True)
class Content:
    """What a file holds: plain values, and the arrays that they name by number."""

    values: Mapping[str, Any]
    arrays: Sequence[np.ndarray]


def pack(content: Content, target: IO[bytes]) -> None:
    """Write a content into a file."""
    # Types that numpy itself doesn't have, such as bfloat16, are written as whole numbers.
    types = [array.dtype.name for array in content.arrays]
    head = {"format": FORMAT, "types": types, "values": content.values}
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(_STATE, json.dumps(head))
        for number, array in enumerate(content.arrays):
            with archive.open(f"{number}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, _as_plain(array), allow_pickle=False)


def unpack(packed: bytes) -> Content:
    """Return the content of a file.

    Raises
    ------
    ValueError
        If it is torn, or another kind of file.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(packed)) as archive:
            head = json.loads(archive.read(_STATE))
            if head["format"] != FORMAT:
                raise ValueError(f"it has format {head['format']!r}, not {FORMAT}")
            arrays = []
            for number, name in enumerate(head["types"]):
                with archive.open(f"{number}.npy") as file:
                    array = np.lib.format.read_array(file, allow_pickle=False)
                arrays.append(array if array.dtype.name == name else array.view(_dtype(name)))
            return Content(dict(head["values"]), arrays)
    except ValueError:
        raise
    except Exception as error:  # zip, JSON and numpy have one of their own for each kind of damage
        raise ValueError(f"{type(error).__name__}: {error}") from error


def _as_plain(array: np.ndarray) -> np.ndarray:
    if array.dtype.kind in "biufcSU":
        return array
    return np.ascontiguousarray(array).view(f"u{array.dtype.itemsize}")


def _dtype(name: str) -> np.dtype:
    import ml_dtypes  # comes with TensorFlow

    dtype: np.dtype = np.dtype(getattr(ml_dtypes, name))
    return dtype


class StateFiles:
    """The checkpoints of the trainings of one train function.

    Readers see whole files only: a file is written aside and renamed, or is one object on S3.

    Parameters
    ----------
    location : str
        Path or URL of their directory; it need not exist.
    """

    def __init__(self, location: str) -> None:
        self.location = location
        remote = is_remote(location)
        self._remote = RemoteFiles(location) if remote else None
        self._directory = Path() if remote else local_path(location)

    def read_newest(self, fit: int) -> tuple[bytes, Content] | None:
        """Return the newest complete checkpoint of a training, packed and unpacked.

        Torn and foreign files are passed over with a warning.

        Raises
        ------
        StorageError
            If the directory is there but can't be read now: to begin anew would lose everything.
        """
        try:
            for name in reversed(self._list_names(fit)):
                packed = self._read(name)
                try:
                    return packed, unpack(packed)
                except ValueError as error:
                    logger.warning(
                        "The checkpoint %s in %s can't be used, an older one is taken: %s",
                        name, self.location, error,
                    )  # fmt: skip
        except SparkexpError:
            raise
        except Exception as error:  # clients have their own classes
            raise StorageError(
                f"The directory of a gang's checkpoints must be readable, and {self.location!r} "
                f"is not: {type(error).__name__}: {error}. Check the server and the credentials; "
                "the training goes on from its last checkpoint once it can be read."
            ) from error
        return None

    def write(self, fit: int, content: Content, keep: int = KEPT) -> str:
        """Write the next checkpoint of a training, remove old ones, and return its name.

        Raises
        ------
        Exception
            What the file system or the storage's client raises.
        """
        names = self._list_names(fit)
        number = 1 + max((int(_parse_name(name)[1]) for name in names), default=-1)
        name = f"fit-{fit:04d}-{number:06d}.zip"
        if self._remote is None:
            self._write_here(name, content)
        else:
            with tempfile.NamedTemporaryFile(suffix=".zip") as file:
                pack(content, file)
                file.flush()
                self._remote.write(name, Path(file.name))
        for old in names[: len(names) + 1 - keep]:
            self._remove(old)
        return name

    def _write_here(self, name: str, content: Content) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        for left in self._directory.glob(".fit-*.aside"):  # of a process that was killed
            left.unlink(missing_ok=True)
        aside = self._directory / f".{name}.aside"
        try:
            with aside.open("wb") as file:
                pack(content, file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(aside, self._directory / name)
        except OSError:
            aside.unlink(missing_ok=True)  # it would take the space that is missing
            raise

    def _list_names(self, fit: int) -> list[str]:
        if self._remote is not None:
            there = self._remote.names("")
        else:
            there = os.listdir(self._directory) if self._directory.is_dir() else []
        own = [name for name in there if _parse_name(name)[0] == str(fit)]
        return sorted(own, key=lambda name: int(_parse_name(name)[1]))

    def _read(self, name: str) -> bytes:
        if self._remote is None:
            return read_regular(self._directory / name)
        return self._remote.read(name) or b""

    def _remove(self, name: str) -> None:
        if self._remote is None:
            (self._directory / name).unlink(missing_ok=True)
        else:
            self._remote.remove(name)


def _parse_name(name: str) -> tuple[str, str]:
    """Return the numbers of a training and its checkpoint; empty texts for another name."""
    found = _NAME.fullmatch(name)
    return (str(int(found[1])), found[2]) if found else ("", "")
