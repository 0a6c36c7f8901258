"""A worker's connection to one parameter server, which survives a new start of the server."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from sparkexp.distributed.server_calls import CallFailed, Message, RpcClient
from sparkexp.distributed.server_files import ServerFiles
from sparkexp.distributed.worker_register import Refused
from sparkexp.errors import EnvironmentUnfitError

__all__ = ["ServerConnection", "TrainingOver"]

logger = logging.getLogger(__name__)

_LOOK_S = 0.2
_PROBE_S = 1.0
_GREETING_S = 10.0


class TrainingOver(Exception):
    """The servers have ended, since training has: this worker came too late."""


class ServerConnection:
    """Calls a parameter server, and finds it again where it was started anew.

    Parameters
    ----------
    files : ServerFiles
        Where the server writes its address.
    number : int
        The server's number.
    greet : Callable
        Returns the message that each new connection begins with.
    start_s : float
        How long to wait for the server's first start.
    reconnect_s : float
        How long to wait for a server that was lost.
    answer_s : float
        How long to wait for an answer at most, before the server is looked for again: a call that
        waits for a server which is gone ends with its time only. The first wait is a third of it.
    waits : bool
        Whether to wait for another start of a server that has ended.
    """

    def __init__(
        self,
        files: ServerFiles,
        number: int,
        greet: Callable[[], Message],
        start_s: float,
        reconnect_s: float,
        answer_s: float,
        waits: bool = False,
    ) -> None:
        self._files = files
        self._number = number
        self._greet = greet
        self._start_s = start_s
        self._reconnect_s = reconnect_s
        self._answer_s = answer_s
        self._waits = waits
        self._client: RpcClient | None = None
        self._was_connected = False
        self._is_doubtful = False
        self._lock = threading.Lock()
        self.last_answer = time.monotonic()

    def call(self, message: Message, within_s: float | None = None) -> Message:
        """Send a message until it is answered, and return the answer.

        Parameters
        ----------
        message : Message
            The message. A server may get it more than once.
        within_s : float, optional
            How long to try; by default `start_s`, later `reconnect_s`.

        Raises
        ------
        Refused
            If the server refuses it.
        TrainingOver
            If the server has ended.
        EnvironmentUnfitError
            If it isn't found, or doesn't answer for too long.
        """
        with self._lock:
            limit_s = self._reconnect_s if self._was_connected else self._start_s
            limit_s = limit_s if within_s is None else within_s
            deadline = time.monotonic() + limit_s
            call_s = self._answer_s / 3
            reason = "no time was left"
            while (left_s := deadline - time.monotonic()) > 0:
                try:
                    answer = self._connect().call(message, min(call_s, max(left_s, 0.1)))
                except CallFailed as error:
                    if str(error) != reason:
                        logger.info("Parameter server %d: %s", self._number, error)
                    reason = str(error)
                    if self._client is not None and not self._is_doubtful:
                        call_s = min(2 * call_s, self._answer_s)
                    self._is_doubtful = True
                    time.sleep(_LOOK_S)
                else:
                    self.last_answer = time.monotonic()
                    return _check(answer)
        raise EnvironmentUnfitError(
            f"A worker must reach parameter server {self._number} within {limit_s:g} s, and it "
            f"did not: {reason}. Look at the server's own output; the workers' machines must "
            "reach all ports of the server's."
        )

    def _connect(self) -> RpcClient:
        """Return the client; after a call has failed, one of the server's newest start.

        Raises
        ------
        CallFailed
            If it isn't up.
        """
        if self._client is not None and not self._is_doubtful:
            return self._client
        try:
            address = self._files.find()
        except Exception as error:  # clients have their own classes
            raise CallFailed(f"its address can't be read: {error}") from error
        if address is None:
            raise CallFailed("it has not written its address yet")
        if address.is_over:
            if self._waits:
                raise CallFailed("it has ended, and was not started again")
            raise TrainingOver("The parameter servers have ended: training is over.")
        if self._client is None or self._client.address != address:
            client = RpcClient(address, _PROBE_S)
            _check(client.call(self._greet(), _GREETING_S))
            self._client, self._was_connected = client, True
        else:
            # A call waits all its time for a server that is gone: a short one shows whether it is.
            self._client.check(_PROBE_S)
        self._is_doubtful = False
        return self._client


def _check(answer: Message) -> Message:
    if "refused" in answer.header:
        raise Refused(answer.header["refused"], answer.header["text"])
    return answer
