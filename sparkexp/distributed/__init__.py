"""One model trained by several workers: what runs in each worker's process."""

from __future__ import annotations

from dataclasses import replace

from sparkexp.distributed.async_member import AsyncMember
from sparkexp.distributed.current import CurrentGang, gang
from sparkexp.distributed.devices import on_device, place_slots, split_cpus
from sparkexp.distributed.member import GangMember
from sparkexp.distributed.schedule import learning_rate_at, register_schedule, scaled
from sparkexp.distributed.telemetry import Status, read_status
from sparkexp.engine.base import Wrapper
from sparkexp.engine.gang import Gang
from sparkexp.results.stored_artifacts import REGISTRATIONS

__all__ = [
    "CurrentGang",
    "Status",
    "gang",
    "learning_rate_at",
    "make_wrapper",
    "on_device",
    "place_slots",
    "read_status",
    "scaled",
    "split_cpus",
]


REGISTRATIONS.append(register_schedule)


def make_wrapper(workers: Gang) -> Wrapper:
    """Return what each worker of a gang puts around the train function.

    Parameters
    ----------
    workers : Gang
        The workers.
    """
    minutes = workers.checkpoint_minutes
    if workers.is_synchronous:
        return GangMember(workers.batch_size, checkpoint_minutes=minutes)
    member = AsyncMember(workers.workers, workers.n_servers, workers.batch_size)
    return member if minutes is None else replace(member, checkpoint_s=60 * minutes)
