"""Connects the TensorFlow of a process with those of its gang.

TensorFlow offers this through `tf.distribute` alone, which Keras's `fit` does not work under. So
this module uses names that are not public; it is the only one that does, and
tests/distributed/test_private_names.py guards them.
"""

from __future__ import annotations

import signal
import threading

from sparkexp.engine.place import Place
from sparkexp.errors import EnvironmentUnfitError, PeerLostError

__all__ = ["as_peer_loss", "connect"]

JOB = "worker"
LEADER = f"/job:{JOB}/replica:0/task:0"
# Characters of TensorFlow's message that are told.
MAX_TOLD = 600
# What TensorFlow's errors name when they come from the connection, and not from a user's file.
_MARKS = (
    "collective",
    f"/job:{JOB}",
    "coordination",
    "grpc",
    "heartbeat",
    "connection reset by peer",
    "connection refused",
    "failed to connect",
    "socket closed",
    "recvbuf",
)


def connect(place: Place, heartbeat_s: float, connect_s: float, shutdown_s: float) -> None:
    """Start TensorFlow in this process, connected with the other workers of the gang.

    It returns when all workers are there. A process can do it once.

    Parameters
    ----------
    place : Place
        The rank of this process and the addresses of all.
    heartbeat_s : float
        A worker that was silent for so long is lost.
    connect_s : float
        The time that the others have to come.
    shutdown_s : float
        How long a worker waits for the others at its end.

    Raises
    ------
    EnvironmentUnfitError
        If this process has used TensorFlow before.
    PeerLostError
        If the port of this worker is taken, or another worker did not come.
    """
    import tensorflow as tf
    from tensorflow.core.protobuf import tensorflow_server_pb2
    from tensorflow.python.distribute import collective_all_reduce_strategy
    from tensorflow.python.eager import context as eager

    context = eager.context()
    if context._context_handle is not None:
        raise EnvironmentUnfitError(
            "A worker of a gang connects before TensorFlow does anything else in its process, but "
            "a tensor or a device list was made here before. Move what uses TensorFlow from the "
            "top of the script into the train function."
        )
    jobs = collective_all_reduce_strategy.coordination_config_pb2.CoordinatedJob(
        name=JOB, num_tasks=place.size
    )
    context.configure_collective_ops(
        collective_leader=LEADER,
        scoped_allocator_enabled_ops=(),
        use_nccl_communication=True,  # between GPUs; CPUs have TensorFlow's own ring
        device_filters=(f"/job:{JOB}/task:{place.rank}",),
    )
    context.configure_coordination_service(
        service_type="standalone",
        service_leader=LEADER,
        cluster_register_timeout_in_ms=int(1000 * connect_s),
        heartbeat_timeout_in_ms=int(1000 * heartbeat_s),
        shutdown_barrier_timeout_in_ms=int(1000 * shutdown_s),
        coordinated_jobs=[jobs],
    )
    cluster = tf.train.ClusterSpec({JOB: list(place.addresses)})
    context.enable_collective_ops(
        tensorflow_server_pb2.ServerDef(
            cluster=cluster.as_cluster_def(),
            default_session_config=context.config,
            job_name=JOB,
            task_index=place.rank,
            protocol="grpc",
        )
    )
    end_by_signal = signal.getsignal(signal.SIGTERM)
    try:
        context.ensure_initialized()
    except (tf.errors.OpError, RuntimeError) as error:
        raise PeerLostError(
            f"Worker {place.rank} at {place.addresses[place.rank]} could not connect with its "
            f"gang: its port was taken meanwhile, or another worker did not come. {error}"
        ) from error
    finally:
        # TensorFlow takes SIGTERM for the notice of a preemption, and does nothing about it.
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, end_by_signal or signal.SIG_DFL)


def as_peer_loss(error: BaseException) -> PeerLostError | None:
    """Return the error to raise if TensorFlow's error says that another worker was lost."""
    import tensorflow as tf

    if not isinstance(error, tf.errors.OpError):
        return None
    text = str(error).lower()
    if not any(mark in text for mark in _MARKS):
        return None
    kinds = (
        tf.errors.UnavailableError,
        tf.errors.AbortedError,
        tf.errors.CancelledError,
        tf.errors.DeadlineExceededError,
    )
    if isinstance(error, kinds) or "coordination" in text or "heartbeat" in text:
        return PeerLostError(f"another worker of the gang was lost: {_shorten(str(error))}")
    return None


def _shorten(text: str) -> str:
    """Leave out where in Python the graph was made."""
    lines = text.splitlines()
    frames = [i for i, line in enumerate(lines) if line.startswith("  File ")]
    told = " ".join(line.strip() for line in lines[frames[-1] + 1 if frames else 0 :])
    return told if len(told) <= MAX_TOLD else told[:MAX_TOLD] + "…"
