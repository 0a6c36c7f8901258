"""The call that makes a DataFrame readable for train functions."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from sparkexp.errors import InvalidArgumentError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

__all__ = ["save_frame"]


def save_frame(frame: DataFrame, place: str | os.PathLike[str], *, overwrite: bool = False) -> str:
    """Write a Spark DataFrame as Parquet, once, for train functions to read.

    Call it on the driver; each executor writes its partitions. Train functions get the address
    and read the data with `sparkexp.storage.dataset`.

    Parameters
    ----------
    frame : DataFrame
        A DataFrame of a classic or a Connect session.
    place : str or path
        A new directory: a URL such as ``hdfs:///data/train`` or ``s3://bucket/train``, or a path
        that lies on the same disk for the driver and all executors.
    overwrite : bool
        Whether to replace the data that an earlier call wrote there.

    Returns
    -------
    str
        The address.

    Raises
    ------
    InvalidArgumentError
        If `frame` is no Spark DataFrame, or has no rows.
    StorageError
        If the place is in use or can't be written to.

    Examples
    --------
    >>> place = save_frame(spark.range(100), 'hdfs:///data/numbers')  # doctest: +SKIP
    >>> storage.dataset(place, batch_size=10)  # doctest: +SKIP
    >>> save_frame([1, 2], '/data/numbers')
    Traceback (most recent call last):
    ...
    sparkexp.errors.InvalidArgumentError: frame must be a Spark DataFrame, got list. ...
    """
    if not all(hasattr(frame, name) for name in ("mapInArrow", "sparkSession", "schema")):
        raise InvalidArgumentError(
            f"frame must be a Spark DataFrame, got {type(frame).__name__}. Convert a DataFrame of "
            "pandas with spark.createDataFrame(frame)."
        )
    from sparkexp.engine.transfer.frames import write_frame

    return write_frame(frame, os.fspath(place), overwrite)
