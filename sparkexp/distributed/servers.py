"""A parameter server: one process that holds variables and applies the workers' gradients."""

from __future__ import annotations

import io
import json
import logging
import random
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from sparkexp.context.current import warn_trial
from sparkexp.distributed.served_model import ModelPart, ServedModel
from sparkexp.distributed.server_calls import Message, RpcServer, prepare_threads
from sparkexp.distributed.server_files import ServerAddress, ServerFiles, find_host
from sparkexp.distributed.worker_register import Refused, Sender, WorkerRegister
from sparkexp.engine.place import Place
from sparkexp.errors import EnvironmentUnfitError

__all__ = ["ParameterServer", "ServerSettings", "serve"]

logger = logging.getLogger(__name__)

_POLL_S = 0.1
# How long worker 0 waits at an epoch's end for its checkpoint: less than it waits for an answer.
_CHECKPOINT_S = 8.0
_STATE = "state"


@dataclass(frozen=True)
class ServerSettings:
    """How a parameter server behaves.

    Parameters
    ----------
    workers : int
        How many workers there are.
    max_steps_behind : int, optional
        Gradients of weights that are more updates old are dropped.
    checkpoint_s : float
        Seconds from one checkpoint to the next.
    lost_s : float
        Seconds of silence after which a worker counts as gone.
    idle_s : float
        Seconds without any worker after which the server gives up.
    """

    workers: int
    max_steps_behind: int | None = None
    checkpoint_s: float = 30.0
    lost_s: float = 60.0
    idle_s: float = 900.0


def serve(settings: ServerSettings, place: Place) -> None:
    """Serve until training is over.

    A server that was started before goes on from its last checkpoint: its variables, the
    optimizer's state, the number of steps, and what it knows of its workers. The workers find it
    by the address that it writes. Updates after that checkpoint are lost.

    Training is over when worker 0 has said goodbye, and each other worker has, too, or was silent
    for `lost_s` seconds: see `WorkerRegister`.

    Parameters
    ----------
    settings : ServerSettings
        How it behaves.
    place : Place
        Its place; the first server has the rank after the last worker's.

    Raises
    ------
    EnvironmentUnfitError
        If no worker was heard of for `idle_s` seconds.
    """
    prepare_threads(settings.workers)
    number = place.rank - settings.workers
    files = ServerFiles(place.shared, number)
    token = uuid.uuid4().hex
    server = ParameterServer(settings)
    if (checkpoint := files.read_checkpoint()) is not None:
        server.load(checkpoint)
        logger.warning("Parameter server %d goes on after update %d.", number, server.step)
    rpc = RpcServer(server.answer, token)
    address = ServerAddress(find_host(place), rpc.start(), token)
    files.publish(address)
    saved_at = time.monotonic()
    while not server.is_over:
        has_news = server.await_news(_POLL_S)
        if server.is_abandoned:
            _save(server, files)
            raise EnvironmentUnfitError(
                f"A parameter server must hear from a worker at least every {settings.idle_s:g} "
                "s, and no worker called for so long. Look at the outputs of the workers: they "
                "have ended, or don't reach this machine."
            )
        if has_news or time.monotonic() - saved_at > settings.checkpoint_s:
            _save(server, files)
            saved_at = time.monotonic()
    _save(server, files)
    files.publish(replace(address, is_over=True, updates=server.step))
    logger.info("Parameter server %d has made %d updates. %s", number, *server.describe())


def _save(server: ParameterServer, files: ServerFiles) -> None:
    wanted = server.n_wanted
    try:
        files.write_checkpoint(server.save())
    except Exception as error:  # clients have their own classes
        warn_trial(
            "The parameter server's checkpoint could not be written: "
            f"{type(error).__name__}: {error}. If the server is lost, it goes on from the one "
            "before."
        )
    server.note_saved(wanted)


class ParameterServer:
    """Answers the messages of workers.

    Parameters
    ----------
    settings : ServerSettings
        How it behaves.
    """

    def __init__(self, settings: ServerSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._register = WorkerRegister(settings.workers, settings.lost_s, settings.idle_s)
        self._models: dict[str, ServedModel] = {}
        # Models whose count was restored, until a worker says how far the first server is.
        self._restored: set[str] = set()
        self._seed = random.SystemRandom().randrange(2**31)
        #: How many checkpoints were asked for, and how many of these questions are answered.
        self.n_wanted = self._n_saved = 0
        self._news = threading.Condition()
        self._methods: dict[str, Callable[[Sender, Message], Message]] = {
            "arrive": self._arrive,
            "register": self._register_model,
            "push": self._push,
            "pull": self._pull,
            "finish_epoch": self._finish_epoch,
            "read_epochs": self._read_epochs,
            "ping": lambda sender, message: Message(),
            "leave": self._leave,
        }

    @property
    def step(self) -> int:
        """How many updates were made, of all models."""
        return sum(model.step for model in self._models.values())

    @property
    def is_over(self) -> bool:
        """Whether the server is no longer needed."""
        with self._lock:
            return self._register.is_over

    @property
    def is_abandoned(self) -> bool:
        """Whether nobody comes any more."""
        with self._lock:
            return self._register.is_abandoned

    def describe(self) -> tuple[int, str]:
        """Return the number of updates, and what there is to say of each worker."""
        return self.step, self._register.describe()

    def answer(self, message: Message) -> Message:
        """Return the answer to a message, or an error's text and kind."""
        sender = Sender(*message.header["sender"])
        method = message.header["method"]
        try:
            with self._lock:
                if method != "arrive":
                    self._register.hear(sender)
                answer = self._methods[method](sender, message)
            if method == "finish_epoch" and sender.rank == 0:
                self._await_checkpoint()
            return answer
        except Refused as refusal:
            return Message({"refused": refusal.kind, "text": str(refusal)})
        except Exception as error:
            logger.exception("A worker's message (%s) could not be answered.", method)
            text = f"The parameter server failed: {type(error).__name__}: {error}"
            return Message({"refused": "failed", "text": text})

    def await_news(self, within_s: float) -> bool:
        """Wait a little, and return whether a checkpoint is to be written now."""
        with self._news:
            return self._news.wait_for(lambda: self.n_wanted > self._n_saved, within_s)

    def note_saved(self, wanted: int) -> None:
        """Take note that a checkpoint was written, or can't be, for so many questions."""
        with self._news:
            self._n_saved = wanted
            self._news.notify_all()

    def _want_checkpoint(self) -> None:
        with self._news:
            self.n_wanted += 1
            self._news.notify_all()

    def _await_checkpoint(self) -> None:
        """Wait until all that was done before is in a checkpoint."""
        self._want_checkpoint()
        with self._news:
            wanted = self.n_wanted
            self._news.wait_for(lambda: self._n_saved >= wanted, _CHECKPOINT_S)

    def _arrive(self, sender: Sender, message: Message) -> Message:
        self._register.arrive(sender)
        for key, step in message.header["steps"].items():
            if key in self._restored and message.header["server"] > 0:
                self._models[key].set_step(step)
                self._restored.discard(key)
        return Message({"seed": self._seed})

    def _register_model(self, sender: Sender, message: Message) -> Message:
        key = message.header["key"]
        part = ModelPart.from_json(message.header["part"])
        own = False
        if key not in self._models:
            if not message.header["has_weights"]:
                raise Refused("unknown_model", "No worker has sent this model's weights yet.")
            sizes = message.header["sizes"]
            model = ServedModel(part, message.payload[: sizes[0]])
            model.other_weights = message.payload[sizes[0] :]
            self._models[key] = model
            own = True
            self._want_checkpoint()
        model = self._models[key]
        shapes = [[v.shape for v in p.variables] for p in (model.part, part)]
        if shapes[0] != shapes[1]:
            raise Refused(
                "argument",
                "All workers must build the same model, and the variables of worker "
                f"{sender.rank} have the shapes {shapes[1]}, those on the server {shapes[0]}. "
                "Let nothing in the model depend on the worker or its data.",
            )
        header = {"is_own": own, "step": model.step, "size": len(weights := model.weights())}
        return Message(header, weights + model.other_weights)

    def _find_model(self, message: Message) -> ServedModel:
        model = self._models.get(message.header["key"])
        if model is None:
            raise Refused("unknown_model", "This server was started anew, without the model.")
        return model

    def _push(self, sender: Sender, message: Message) -> Message:
        model = self._find_model(message)
        given = message.header
        staleness = max(0, model.step - given["seen"])
        limit = self._settings.max_steps_behind
        is_dropped = limit is not None and staleness > limit
        known, lost = self._register.lost, 0
        if self._register.accept(sender, given["sequence"]):
            lost = self._register.lost - known
            if given["rate"] is not None:
                model.set_learning_rate(given["rate"])
            if not is_dropped:
                model.apply(message.payload, tuple(given["indices"]))
            self._register.count(sender, staleness, is_dropped)
        header = {
            **{"step": model.step, "staleness": staleness, "is_dropped": is_dropped},
            "lost": lost,
        }
        return Message(header, model.weights())

    def _pull(self, sender: Sender, message: Message) -> Message:
        model = self._find_model(message)
        return Message({"step": model.step}, model.weights())

    def _finish_epoch(self, sender: Sender, message: Message) -> Message:
        self._register.finish_epoch(sender, message.header["fit"], message.header["logs"])
        model = self._models.get(message.header["key"])
        if message.payload and model is not None:
            model.other_weights = message.payload
        return Message()

    def _read_epochs(self, sender: Sender, message: Message) -> Message:
        logs = self._register.read_epochs(sender.rank, message.header["fit"])
        return Message({"logs": logs, "seed": self._seed})

    def _leave(self, sender: Sender, message: Message) -> Message:
        self._register.leave(sender)
        return Message()

    def save(self) -> bytes:
        """Return all that a restarted server needs, as a file of numpy's with JSON in it."""
        import numpy as np

        with self._lock:
            state: dict[str, Any] = {
                "seed": self._seed,
                "is_over": self._register.is_over,
                "workers": self._register.to_json(),
                "models": {
                    key: {"part": model.part.to_json(), "step": model.step}
                    for key, model in self._models.items()
                },
            }
            contents = {
                f"{kind}-{key}": content
                for key, model in self._models.items()
                for kind, content in (
                    ("weights", model.weights()),
                    ("optimizer", model.state()),
                    ("other", model.other_weights),
                )
            }
        contents[_STATE] = json.dumps(state).encode()
        file = io.BytesIO()
        arrays: dict[str, Any] = {n: np.frombuffer(c, np.uint8) for n, c in contents.items()}
        np.savez(file, **arrays)
        return file.getvalue()

    def load(self, checkpoint: bytes) -> None:
        """Go on from what `save` returned."""
        import numpy as np

        with np.load(io.BytesIO(checkpoint), allow_pickle=False) as arrays:
            contents = {name: arrays[name].tobytes() for name in arrays.files}
        state = json.loads(contents[_STATE])
        self._seed = state["seed"]
        self._register.load(state["workers"])
        if state["is_over"]:
            self._register.expect_chief()
        for key, known in state["models"].items():
            model = ServedModel(ModelPart.from_json(known["part"]), contents[f"weights-{key}"])
            model.load(contents[f"optimizer-{key}"], known["step"])
            model.other_weights = contents[f"other-{key}"]
            self._models[key] = model
            self._restored.add(key)
