"""What a worker of strategy 'async' sends to the parameter servers, and takes from them."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from sparkexp.context.current import warn_trial
from sparkexp.distributed.served_model import ModelPart
from sparkexp.distributed.server_calls import Message
from sparkexp.distributed.server_connection import ServerConnection, TrainingOver
from sparkexp.distributed.server_files import ServerFiles
from sparkexp.distributed.worker_register import Refused
from sparkexp.engine.place import Place
from sparkexp.errors import EnvironmentUnfitError, InvalidArgumentError

__all__ = ["AsyncWorker", "Staleness", "WorkerSettings"]

logger = logging.getLogger(__name__)

_WEIGHTS_POLL_S = 0.2
_GOODBYE_S = 10.0


@dataclass(frozen=True)
class WorkerSettings:
    """How a worker deals with the servers.

    Parameters
    ----------
    workers : int
        How many workers there are.
    servers : int
        How many servers there are.
    start_s : float
        How long to wait for servers that have not started yet.
    reconnect_s : float
        How long to wait for a server that was lost.
    ping_s : float
        How often to show that the worker lives.
    answer_s : float
        How long to wait for an answer at most, before the server is looked for again.
    """

    workers: int
    servers: int
    start_s: float = 600.0
    reconnect_s: float = 120.0
    ping_s: float = 5.0
    answer_s: float = 30.0


@dataclass
class Staleness:
    """How many updates others made between taking the weights and sending the gradients.

    Examples
    --------
    >>> staleness = Staleness()
    >>> [staleness.add(updates) for updates in (0, 3)]
    [None, None]
    >>> staleness.take()
    {'staleness': 1.5, 'staleness_max': 3.0}
    >>> staleness.take()
    {}
    """

    _values: list[int] = field(default_factory=list)

    def add(self, updates: int) -> None:
        """Note the staleness of one step."""
        self._values.append(updates)

    def take(self) -> dict[str, float]:
        """Return mean and maximum since the last call; nothing if there was no step."""
        values, self._values = self._values, []
        if not values:
            return {}
        return {"staleness": sum(values) / len(values), "staleness_max": float(max(values))}


class AsyncWorker:
    """A worker's side of the calls; one in a process.

    It connects with its first call. A push or another call that gets no answer is sent again, to
    the server's newest start, and the server applies it once.

    Parameters
    ----------
    settings : WorkerSettings
        How it deals with the servers.
    place : Place
        Its place.
    """

    def __init__(self, settings: WorkerSettings, place: Place) -> None:
        self.settings = settings
        self.rank = place.rank
        self.staleness = Staleness()
        self.dropped = 0
        #: The error of a call inside of TensorFlow's graph, which would hide it.
        self.error: Exception | None = None
        self._sender = [place.rank, place.attempt, uuid.uuid4().hex]
        self._sequence = 0
        self._steps: dict[str, list[int]] = {}
        self._parts: dict[str, list[ModelPart]] = {}
        self._last_weights: dict[str, tuple[Callable[[], list[bytes]], bytes]] = {}
        self._connections = [
            ServerConnection(
                ServerFiles(place.shared, number),
                number,
                self._make_greeting(number),
                settings.start_s,
                settings.reconnect_s,
                settings.answer_s,
                # Worker 0 that comes again has no result yet: its servers are started again.
                waits=place.rank == 0 and place.attempt > 0,
            )
            for number in range(settings.servers)
        ]
        self._pool = ThreadPoolExecutor(settings.servers, "sparkexp-push")
        self._has_left = threading.Event()
        self._pinging: threading.Thread | None = None

    def _make_greeting(self, number: int) -> Callable[[], Message]:
        def greet() -> Message:
            steps = {key: steps[0] for key, steps in self._steps.items()}
            return self._message("arrive", steps=steps, server=number)

        return greet

    def _message(self, method: str, payload: bytes = b"", **header: Any) -> Message:
        return Message({"method": method, "sender": self._sender, **header}, payload)

    def _call(self, server: int, message: Message) -> Message:
        self._start_pinging()
        try:
            return self._connections[server].call(message)
        except Refused as refusal:
            if refusal.kind == "argument":
                raise InvalidArgumentError(str(refusal)) from None
            if refusal.kind in ("replaced", "failed"):
                raise EnvironmentUnfitError(str(refusal)) from None
            raise

    def _call_all(self, messages: list[Message], key: str) -> list[Message]:
        """Send each server its message about a model, and return their answers."""

        def call(server: int) -> Message:
            try:
                return self._call(server, messages[server])
            except Refused:  # it was started anew before there was a checkpoint
                self._send_weights(server, key)
                return self._call(server, messages[server])

        if len(messages) == 1:
            return [call(0)]
        return list(self._pool.map(call, range(len(messages))))

    def _send_weights(self, server: int, key: str) -> None:
        read_weights, other_weights = self._last_weights[key]
        self._register(server, key, read_weights()[server], other_weights if server == 0 else b"")

    @property
    def has_models(self) -> bool:
        """Whether it has trained any model with the servers."""
        return bool(self._parts)

    def next_key(self) -> str:
        """Return the name of the next model; all workers train the same ones in the same order."""
        return f"model-{len(self._parts)}"

    def register(
        self,
        key: str,
        parts: list[ModelPart],
        read_weights: Callable[[], list[bytes]],
        other_weights: bytes,
    ) -> tuple[list[bytes], bytes, int]:
        """Make a model known to the servers, and return its newest weights.

        The first worker that comes gives the initial weights; the first server decides who that
        is, so that all of them are one worker's.

        Parameters
        ----------
        key : str
            The model's name; the same in all workers.
        parts : list of ModelPart
            Each server's part.
        read_weights : Callable
            Returns the worker's own weights, for each server.
        other_weights : bytes
            The worker's weights that aren't trained.

        Returns
        -------
        tuple
            The newest weights of each server, the weights that aren't trained, and the number of
            updates.
        """
        self._parts[key] = parts
        self._last_weights[key] = read_weights, other_weights
        weights = read_weights()
        first = self._register(0, key, weights[0], other_weights)
        size = first.header["size"]
        answers, steps = [first.payload[:size]], [first.header["step"]]
        for server in range(1, len(parts)):
            answer = self._register_further(server, key, weights[server], first.header["is_own"])
            answers.append(answer.payload)
            steps.append(answer.header["step"])
        self._steps[key] = steps
        return answers, first.payload[size:], steps[0]

    def _register_further(
        self, server: int, key: str, weights: bytes, sends_weights: bool
    ) -> Message:
        """Register with one of the other servers, once the worker chosen by the first has."""
        deadline = time.monotonic() + self.settings.reconnect_s / 4
        while not sends_weights and time.monotonic() < deadline:
            try:
                return self._register(server, key)
            except Refused:
                time.sleep(_WEIGHTS_POLL_S)
        return self._register(server, key, weights)

    def _register(
        self, server: int, key: str, weights: bytes | None = None, other_weights: bytes = b""
    ) -> Message:
        return self._call(
            server,
            self._message(
                "register",
                (weights or b"") + other_weights,
                key=key,
                part=self._parts[key][server].to_json(),
                has_weights=weights is not None,
                sizes=[len(weights or b""), len(other_weights)],
            ),
        )

    def push(
        self, key: str, gradients: list[bytes], indices: list[list[int]], rate: float | None
    ) -> tuple[list[bytes], int]:
        """Send gradients; return the newest weights of each server and the number of updates.

        Parameters
        ----------
        key : str
            The model's name.
        gradients : list of bytes
            Each server's gradients.
        indices : list of list of int
            Of which of the server's variables they are.
        rate : float, optional
            The learning rate, where a callback may have set another one.
        """
        self._sequence += 1
        messages = [
            self._message(
                "push",
                gradients[server],
                key=key,
                indices=indices[server],
                sequence=self._sequence,
                seen=self._steps[key][server],
                rate=rate,
            )
            for server in range(len(gradients))
        ]
        answers = self._call_all(messages, key)
        self._steps[key] = [answer.header["step"] for answer in answers]
        for server, answer in enumerate(answers):
            if lost := answer.header["lost"]:
                warn_trial(
                    f"{lost} updates of worker {self.rank} came after the last checkpoint of "
                    f"parameter server {server}, which was lost, and are lost: its epoch has "
                    "fewer. checkpoint_minutes=0.1 has checkpoints more often."
                )
        first = answers[0].header
        self.staleness.add(first["staleness"])
        self.dropped += first["is_dropped"]
        return [answer.payload for answer in answers], first["step"]

    def pull(self, key: str) -> tuple[list[bytes], int]:
        """Return the newest weights of each server, and the number of updates."""
        messages = [self._message("pull", key=key)] * self.settings.servers
        answers = self._call_all(messages, key)
        self._steps[key] = [answer.header["step"] for answer in answers]
        return [answer.payload for answer in answers], self._steps[key][0]

    def finish_epoch(
        self, key: str, fit: int, logs: list[dict[str, float]], other_weights: bytes
    ) -> None:
        """Tell the first server that epochs are finished, for a process that replaces this one.

        Worker 0 tells all of them, and comes back when they have written checkpoints: the epochs
        that count as done are in the weights from which a lost server goes on.
        """
        header: dict[str, Any] = {"key": key, "fit": str(fit), "logs": logs}
        if self.rank == 0:
            further = range(1, len(self._connections))
            message = self._message("finish_epoch", **header)
            list(self._pool.map(lambda server: self._call(server, message), further))
        self._call(0, self._message("finish_epoch", other_weights, **header))

    def read_epochs(self, fit: int) -> tuple[list[dict[str, float]], int]:
        """Return the logs of epochs that earlier attempts have finished, and the gang's seed."""
        answer = self._call(0, self._message("read_epochs", fit=str(fit)))
        return answer.header["logs"], answer.header["seed"]

    def _start_pinging(self) -> None:
        if self._pinging is None:
            self._pinging = threading.Thread(target=self._ping, name="sparkexp-ping", daemon=True)
            self._pinging.start()

    def _ping(self) -> None:
        while not self._has_left.wait(self.settings.ping_s):
            for connection in self._connections:
                if time.monotonic() - connection.last_answer < self.settings.ping_s:
                    continue
                try:
                    connection.call(self._message("ping"), self.settings.ping_s)
                except (Refused, TrainingOver, EnvironmentUnfitError) as error:
                    logger.info("A sign of life did not arrive: %s", error)

    def leave(self) -> None:
        """Say goodbye to the servers; what doesn't arrive is not repeated for long."""
        self._has_left.set()
        for connection in self._connections:
            try:
                connection.call(self._message("leave"), _GOODBYE_S)
            except (Refused, TrainingOver, EnvironmentUnfitError) as error:
                logger.warning("The goodbye to a parameter server did not arrive: %s", error)
        self._pool.shutdown(wait=False)
