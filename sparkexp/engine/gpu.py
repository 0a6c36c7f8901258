"""Which GPUs a trial sees: from addresses to ``CUDA_VISIBLE_DEVICES``."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from sparkexp.errors import EnvironmentUnfitError

__all__ = [
    "VISIBLE_DEVICES",
    "list_gpus",
    "is_present",
    "local_gpus",
    "pin_gpus",
    "share_out",
    "visible_devices",
]

VISIBLE_DEVICES = "CUDA_VISIBLE_DEVICES"


def visible_devices(addresses: Sequence[str], inherited: str | None) -> str:
    """Return the value of ``CUDA_VISIBLE_DEVICES`` for the addresses that a task was given.

    Parameters
    ----------
    addresses : sequence of str
        What Spark's resource discovery announced: device indices, or names such as GPU-1b2c….
    inherited : str, optional
        The variable's value in the worker. Where it is set, indices count within it, as they do
        for everything that runs under it.

    Raises
    ------
    EnvironmentUnfitError
        If an index lies outside of the inherited list.

    Examples
    --------
    >>> visible_devices(['1'], None)
    '1'
    >>> visible_devices(['0', '1'], '4,6,7')
    '4,6'
    """
    if not inherited:
        return ",".join(addresses)
    outer = [device.strip() for device in inherited.split(",")]
    if all(address in outer and not address.isdecimal() for address in addresses):
        return ",".join(addresses)
    try:
        return ",".join(outer[int(address)] for address in addresses)
    except (ValueError, IndexError):
        raise EnvironmentUnfitError(
            f"Spark gave this trial the GPU addresses {list(addresses)}, which are no indices "
            f"into the worker's {VISIBLE_DEVICES}={inherited!r}. Let the discovery script "
            "announce 0 to n-1 there, or unset the variable for the Spark workers."
        ) from None


def local_gpus(environment: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """Return the GPUs of this machine, as values for ``CUDA_VISIBLE_DEVICES``.

    They are those that the variable lists, if it is set (also to nothing); else those that
    ``nvidia-smi`` lists, none where it is missing or fails.
    """
    listed = environment.get(VISIBLE_DEVICES)
    if listed is not None:
        return tuple(d.strip() for d in listed.split(",") if d.strip() not in ("", "-1"))
    command = ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return ()
    return tuple(line.strip() for line in done.stdout.splitlines() if line.strip())


def list_gpus(devices: Path = Path("/dev")) -> tuple[str, ...]:
    """Return all GPUs of this machine by index and by name, whether or not they are visible.

    They are those that ``nvidia-smi -L`` lists, with the parts of divided ones (MIG); where that
    is missing or fails, those that have a device file.

    Parameters
    ----------
    devices : Path
        Directory of the device files.
    """
    try:
        done = subprocess.run(
            ["nvidia-smi", "-L"], capture_output=True, text=True, timeout=20, check=True
        )
    except (OSError, subprocess.SubprocessError):
        files = (re.fullmatch(r"nvidia(\d+)", path.name) for path in devices.glob("nvidia*"))
        return tuple(sorted((file[1] for file in files if file), key=int))
    found = re.findall(r"^GPU (\d+):|UUID: ([\w/-]+)", done.stdout, re.MULTILINE)
    return tuple(index or name for index, name in found)


def is_present(device: str, present: Sequence[str]) -> bool:
    """Tell whether a device is among the GPUs of a machine.

    Parameters
    ----------
    device : str
        An index, or a name, which may be shortened as CUDA allows it.
    present : sequence of str
        What `list_gpus` returned.

    Examples
    --------
    >>> present = ['0', 'GPU-8c1b-11', '1', 'GPU-9d2c-22']
    >>> [is_present(device, present) for device in ('1', '2', 'GPU-9d', 'GPU-7')]
    [True, False, True, False]
    """
    if device.isdecimal():
        return device in present
    return any(name.startswith(device) for name in present)


def share_out(
    gpus: Sequence[str], n_slots: int, per_slot: float | None = None
) -> list[tuple[str, ...]]:
    """Assign GPUs to slots; slots share one only if there are too few, or `per_slot` says so.

    Parameters
    ----------
    gpus : sequence of str
        GPUs, as values for ``CUDA_VISIBLE_DEVICES``.
    n_slots : int
        Slots.
    per_slot : float, optional
        GPUs for each slot, or the fraction of one; by default all are shared out evenly.

    Returns
    -------
    list of tuple of str
        As many as there are slots, or fewer where the GPUs don't suffice for `per_slot`; at
        least one.

    Examples
    --------
    >>> share_out(['0', '1', '2', '3'], 2)
    [('0', '1'), ('2', '3')]
    >>> share_out(['0'], 2)
    [('0',), ('0',)]
    >>> share_out(['0', '1'], 4, 1)
    [('0',), ('1',)]
    >>> share_out(['0', '1'], 8, 0.5)
    [('0',), ('1',), ('0',), ('1',)]
    """
    if not gpus:
        return [()] * n_slots
    each = max(1, len(gpus) // n_slots) if per_slot is None else max(1, round(per_slot))
    if per_slot is not None:
        n_slots = max(1, min(n_slots, int(len(gpus) / per_slot)))
    return [
        tuple(gpus[(slot * each + i) % len(gpus)] for i in range(each)) for slot in range(n_slots)
    ]


@contextmanager
def pin_gpus(devices: str | None) -> Iterator[None]:
    """Set ``CUDA_VISIBLE_DEVICES`` in the ``with`` block; None changes nothing."""
    if devices is None:
        yield
        return
    before = os.environ.get(VISIBLE_DEVICES)
    os.environ[VISIBLE_DEVICES] = devices
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(VISIBLE_DEVICES, None)  # the train function may have removed it
        else:
            os.environ[VISIBLE_DEVICES] = before
