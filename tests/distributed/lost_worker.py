"""Run as a worker of a gang: one is killed or frozen in the middle of training."""

from __future__ import annotations

import os
import signal
import sys
import time

from sparkexp.distributed.current import gang
from sparkexp.distributed.member import GangMember
from sparkexp.errors import PeerLostError
from tests.distributed.feature_worker import rows, small
from tests.distributed.processes import answer, own_place


def train(how):
    import keras

    class End(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 3 and gang().rank == 1:
                os.kill(os.getpid(), {"kill": signal.SIGKILL, "freeze": signal.SIGSTOP}[how])

    small().fit(*rows(), batch_size=16, epochs=3, verbose=0, callbacks=[End()])


if __name__ == "__main__":
    start = time.monotonic()
    try:
        GangMember(heartbeat_s=3, connect_s=30)(train, own_place())(sys.argv[1])
        answer("trained")
    except PeerLostError as error:
        answer((time.monotonic() - start, str(error)))
