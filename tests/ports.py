"""Ports for the servers that tests start, also where several test processes run side by side."""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import socket

# Below those that a kernel gives to clients (from 32,768 on Linux).
FIRST, LAST = 20_000, 32_000
LANES = 8
_WIDTH = (LAST - FIRST) // LANES
_asked = itertools.count(random.SystemRandom().randrange(_WIDTH))


def server_port() -> int:
    """Return a free port that nobody else is given meanwhile.

    It is none of those of clients, and each of pytest-xdist's workers has a range of its own: a
    server may take seconds from here to its start.
    """
    lane = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % LANES
    while True:
        port = FIRST + lane * _WIDTH + next(_asked) % _WIDTH
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def listens(port: int) -> bool:
    """Tell whether somebody accepts connections on a port of this machine."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
