"""The GPUs of a local session, which the driver hands to trials."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sparkexp.engine.gpu import VISIBLE_DEVICES, local_gpus, share_out
from sparkexp.engine.spark.connect import is_connect
from sparkexp.engine.spark.slots import is_local
from sparkexp.errors import EnvironmentUnfitError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["GpuPool"]


class GpuPool:
    """The GPUs of this machine if the driver assigns them; empty if Spark does."""

    def __init__(self, spark: SparkSession, n_slots: int, per_trial: float | None) -> None:
        gpus = local_gpus() if is_local(spark) and not is_connect(spark) else ()
        self._free: queue.SimpleQueue[tuple[str, ...]] = queue.SimpleQueue()
        if per_trial is not None and is_local(spark) and not gpus:
            raise EnvironmentUnfitError(
                f"gpus_per_trial={per_trial:g} (in distribute gpus_per_worker) needs GPUs, and "
                f"neither nvidia-smi nor {VISIBLE_DEVICES} names one on this machine. Leave "
                "it out, or install the GPU's driver."
            )
        shares = share_out(gpus, n_slots, per_trial) if gpus else []
        self.n_shares = len(shares)
        for share in shares:
            self._free.put(share)

    @contextmanager
    def take(self, n_slots: int = 1) -> Iterator[tuple[tuple[str, ...], ...] | None]:
        """Take the GPUs of some slots for the ``with`` block; None leaves the choice to Spark."""
        if not self.n_shares:
            yield None
            return
        taken = tuple(self._free.get() for _ in range(n_slots))
        try:
            yield taken
        finally:
            for gpus in taken:
                self._free.put(gpus)
