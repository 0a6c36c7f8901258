"""Run as a process: a worker whose port somebody else has."""

from __future__ import annotations

import socket

from sparkexp.distributed.member import GangMember
from sparkexp.engine.place import Place
from sparkexp.errors import PeerLostError
from tests.distributed.processes import answer
from tests.ports import server_port

if __name__ == "__main__":
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", server_port()))
        taken.listen()
        addresses = (f"127.0.0.1:{taken.getsockname()[1]}", f"127.0.0.1:{server_port()}")
        try:
            GangMember(connect_s=5)(print, Place(0, 2, addresses))()
            answer("trained")
        except PeerLostError as error:
            answer(str(error))
