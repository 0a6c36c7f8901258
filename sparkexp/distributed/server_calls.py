"""Calls between workers and parameter servers, over `tf.distribute.experimental.rpc`."""

from __future__ import annotations

import json
import socket
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sparkexp.distributed.server_files import ServerAddress
from sparkexp.errors import EnvironmentUnfitError

if TYPE_CHECKING:
    import numpy as np

__all__ = ["CallFailed", "Message", "RpcClient", "RpcServer", "pack", "prepare_threads", "unpack"]

METHOD = "exchange"
# gRPC refuses messages of more than 4 MiB, and TensorFlow gives no way to allow them.
PART_BYTES = 3_500_000
# A call waits in a thread of TensorFlow's pool; what it calls needs further ones.
SPARE_THREADS = 8
_BIND_ATTEMPTS = 5
# Why a server's transport didn't pass a message on.
_REASONS = {
    "token": "another server answers there",
    "busy": "it is still busy with the same message",
    "forgotten": "it has forgotten the rest of its answer",
}


@dataclass(frozen=True)
class Message:
    """A question or an answer.

    Parameters
    ----------
    header : Mapping
        What `json` can write.
    payload : bytes
        Arrays, as `pack` makes them.
    """

    header: Mapping[str, Any] = field(default_factory=dict)
    payload: bytes = b""


class CallFailed(Exception):
    """A server didn't answer in time, or is gone."""


def pack(arrays: list[np.ndarray[Any, Any]]) -> bytes:
    """Return the bytes of arrays, one after another."""
    return b"".join(array.tobytes() for array in arrays)


def unpack(content: bytes, shapes: list[tuple[int, ...]], dtypes: list[str]) -> list[Any]:
    """Return the arrays that `pack` made bytes of.

    Examples
    --------
    >>> import numpy as np
    >>> content = pack([np.ones((1, 2), 'float32'), np.zeros((), 'int64')])
    >>> [array.tolist() for array in unpack(content, [(1, 2), ()], ['float32', 'int64'])]
    [[[1.0, 1.0]], 0]
    """
    import ml_dtypes  # noqa: F401  it gives numpy the name 'bfloat16'
    import numpy as np

    arrays, start = [], 0
    for shape, dtype in zip(shapes, dtypes, strict=True):
        count = int(np.prod(shape, dtype=np.int64))
        array = np.frombuffer(content, np.dtype(dtype), count, start).reshape(shape)
        arrays.append(array)
        start += array.nbytes
    return arrays


def prepare_threads(n_clients: int) -> None:
    """Give TensorFlow threads enough for a server; before anything else of it is used.

    Each call takes one of its pool's threads until it is answered, and the update that it asks
    for needs another one. With as many threads as a small machine has cores, two calls at the
    same time would wait for each other for ever.

    Parameters
    ----------
    n_clients : int
        How many processes call the server.

    Raises
    ------
    EnvironmentUnfitError
        If TensorFlow runs already, with fewer threads.
    """
    import tensorflow as tf

    needed = 2 * n_clients + SPARE_THREADS
    threading_options = tf.config.threading
    try:
        threading_options.set_inter_op_parallelism_threads(needed)
    except RuntimeError:
        if (there := threading_options.get_inter_op_parallelism_threads()) < needed:
            raise EnvironmentUnfitError(
                f"A parameter server of {n_clients} workers needs {needed} threads of TensorFlow "
                f"(inter_op_parallelism_threads), and TensorFlow runs already, with {there}. Run "
                "it in a process of its own: leave out isolation='none'."
            ) from None


def _as_text(content: bytes) -> Any:
    """Return bytes as an array that TensorFlow makes a string of without a look at each byte."""
    import numpy as np

    return np.array(content, dtype=object)


class RpcServer:
    """Answers calls in threads of TensorFlow's; its messages may have any size.

    Parameters
    ----------
    answer : Callable
        Returns the answer to a message. It is called from several threads and must not raise.
    token : str
        Messages without it are refused: they are meant for another server, or by a stranger.
    """

    def __init__(self, answer: Callable[[Message], Message], token: str) -> None:
        self._answer = answer
        self._token = token
        self._lock = threading.Lock()
        self._parts: dict[str, tuple[str, list[bytes]]] = {}
        self._answers: dict[str, tuple[str, bytes]] = {}
        self._busy: set[str] = set()
        self._server: Any = None
        self._reserved: list[socket.socket] = []

    def start(self) -> int:
        """Serve on a free port of all of this machine's addresses, and return the port.

        Raises
        ------
        EnvironmentUnfitError
            If nothing listens there.
        """
        import tensorflow as tf

        text = tf.TensorSpec([], tf.string)

        def exchange(header: Any, payload: Any) -> Any:
            answers = tf.numpy_function(self._take, [header, payload], [tf.string] * 2)
            return [tf.ensure_shape(answer, []) for answer in answers]

        function = tf.function(exchange, input_signature=[text, text])
        for _ in range(_BIND_ATTEMPTS):
            port = self._reserve_port()
            self._server = tf.distribute.experimental.rpc.Server.create("grpc", f"0.0.0.0:{port}")
            self._server.register(METHOD, function)
            self._server.start()
            if _listens(port):
                return port
        raise EnvironmentUnfitError(
            "A parameter server must be able to listen on a port of its machine, and TensorFlow's "
            f"server listened on none of {_BIND_ATTEMPTS} free ones. Look for what forbids it "
            "(a firewall, a container's rules) in the output above."
        )

    def _reserve_port(self) -> int:
        """Return a port that the kernel gives to nobody else.

        TensorFlow doesn't say when its port is taken. It binds with SO_REUSEPORT, so this socket,
        which doesn't listen, can hold the port all the time.
        """
        reserved = socket.socket()
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        reserved.bind(("", 0))
        self._reserved.append(reserved)
        return int(reserved.getsockname()[1])

    def _take(self, header: bytes, payload: bytes) -> tuple[bytes, Any]:
        told, answer = self._exchange(header, payload)
        return told, _as_text(answer)

    def _exchange(self, header: bytes, payload: bytes) -> tuple[bytes, bytes]:
        """Take a part of a message; return an empty answer, or a part of the whole one."""
        given = json.loads(header)
        if given["token"] != self._token:
            return json.dumps({"kind": "token"}).encode(), b""
        if given["is_hello"]:
            return b"{}", b""
        client, message, part = given["client"], given["message"], given["part"]
        if given["fetches"]:
            with self._lock:
                known, content = self._answers.get(client, ("", b""))
            if known != message:
                return json.dumps({"kind": "forgotten"}).encode(), b""
            return b"{}", content[part * PART_BYTES : (part + 1) * PART_BYTES]
        if given["parts"] > 1:
            with self._lock:
                known, parts = self._parts.get(client, ("", []))
                if known != message:
                    parts = [b""] * given["parts"]
                    self._parts[client] = message, parts
                parts[part] = payload
                if part < given["parts"] - 1:
                    return b"{}", b""
                del self._parts[client]
            payload = b"".join(parts)
        with self._lock:
            if client in self._busy:  # it was sent again, which must not take another thread
                return json.dumps({"kind": "busy"}).encode(), b""
            self._busy.add(client)
        try:
            answer = self._answer(Message(given["header"], payload))
        finally:
            with self._lock:
                self._busy.discard(client)
        size = -(-len(answer.payload) // PART_BYTES)
        if size > 1:
            with self._lock:
                self._answers[client] = message, answer.payload
        told = json.dumps({"header": answer.header, "parts": size}).encode()
        return told, answer.payload[:PART_BYTES]


def _listens(port: int) -> bool:
    for _ in range(20):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=2).close()
        except OSError:
            time.sleep(0.05)
        else:
            return True
    return False


class RpcClient:
    """Calls one start of a server.

    Parameters
    ----------
    address : ServerAddress
        Where it is.
    timeout_s : float
        How long to wait for the server to take the connection.

    Raises
    ------
    CallFailed
        If it doesn't answer.
    """

    def __init__(self, address: ServerAddress, timeout_s: float = 5.0) -> None:
        import tensorflow as tf

        self.address = address
        self._id = uuid.uuid4().hex
        self._spec = [tf.TensorSpec([], tf.string)] * 2
        where = f"{address.host}:{address.port}"
        create = tf.distribute.experimental.rpc.Client.create
        try:
            with tf.device("CPU:0"):
                self._client = create("grpc", where, timeout_in_ms=int(timeout_s * 1000))
        except tf.errors.OpError as error:
            raise CallFailed(f"{where} doesn't answer: {error.message[:200]}") from error

    def call(self, message: Message, timeout_s: float) -> Message:
        """Send a message, and return its answer.

        The message is sent anew as a whole if this call fails: a server that got it twice is
        asked to notice that.

        Raises
        ------
        CallFailed
            If no answer comes.
        """
        number = uuid.uuid4().hex
        content = message.payload
        parts = max(1, -(-len(content) // PART_BYTES))
        told: dict[str, Any] = {}
        first = b""
        for part in range(parts):
            piece = content[part * PART_BYTES : (part + 1) * PART_BYTES]
            order = {"message": number, "part": part, "parts": parts, "fetches": False}
            if part == parts - 1:
                order["header"] = dict(message.header)
            told, first = self._send(order, piece, timeout_s)
        pieces = [first]
        for part in range(1, told["parts"]):
            order = {"message": number, "part": part, "parts": parts, "fetches": True}
            pieces.append(self._send(order, b"", timeout_s)[1])
        return Message(told["header"], b"".join(pieces))

    def check(self, timeout_s: float) -> None:
        """Ask for a sign of life.

        Raises
        ------
        CallFailed
            If none comes.
        """
        self._send({"is_hello": True}, b"", timeout_s)

    def _send(
        self, order: dict[str, Any], payload: bytes, timeout_s: float
    ) -> tuple[dict[str, Any], bytes]:
        import tensorflow as tf

        text = json.dumps(
            {"is_hello": False, **order, "token": self.address.token, "client": self._id}
        )
        with tf.device("CPU:0"):
            status = self._client.call(
                METHOD,
                [tf.constant(text.encode()), tf.constant(_as_text(payload))],
                output_specs=self._spec,
                timeout_in_ms=int(timeout_s * 1000),
            )
            if not bool(status.is_ok()):
                reason = status.get_error()[1].numpy().decode(errors="replace")
                raise CallFailed(reason.partition("\n")[0][:300])
            header, answer = status.get_value()
        told = json.loads(header.numpy())
        if "kind" in told:
            raise CallFailed(_REASONS[told["kind"]])
        return told, answer.numpy()
