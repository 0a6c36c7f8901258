"""The parts of strategy 'async' in one process."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from sparkexp.distributed.async_member import AsyncMember
from sparkexp.distributed.async_model import patch_keras
from sparkexp.distributed.async_sharing import DataShare, split_batch
from sparkexp.distributed.async_worker import AsyncWorker, WorkerSettings
from sparkexp.distributed.served_model import ModelPart, VariablePart, share_out
from sparkexp.distributed.server_calls import CallFailed, Message, RpcClient, RpcServer, pack
from sparkexp.distributed.server_files import ServerAddress, ServerFiles
from sparkexp.distributed.servers import ParameterServer, ServerSettings
from sparkexp.engine.place import Place
from sparkexp.errors import InvalidArgumentError


def ask(asked: ParameterServer, method: str, payload: bytes = b"", **header: Any) -> Message:
    sender = header.pop("sender", [0, 0, "a"])
    return asked.answer(Message({"method": method, "sender": sender, **header}, payload))


def describe(optimizer: dict[str, Any]) -> ModelPart:
    return ModelPart((VariablePart("w", (2,), "float32"),), optimizer)


def sgd(**config: Any) -> dict[str, Any]:
    return {"module": "keras.optimizers", "class_name": "SGD", "config": config}


def start(part: ModelPart, **settings: Any) -> ParameterServer:
    server = ParameterServer(ServerSettings(workers=2, **settings))
    ask(server, "arrive", steps={}, server=0)
    ask(server, "arrive", steps={}, server=0, sender=[1, 0, "b"])
    return server


def register(server: ParameterServer, part: ModelPart, value: float = 0.0, **more: Any) -> Message:
    weights = pack([np.full(2, value, "float32")])
    return ask(
        server,
        "register",
        weights,
        key="m",
        part=part.to_json(),
        has_weights=True,
        sizes=[8, 0],
        **more,
    )


def push(server: ParameterServer, sequence: int, seen: int, **more: Any) -> Message:
    given = {"key": "m", "indices": [0], "rate": None, "sequence": sequence, "seen": seen, **more}
    return ask(server, "push", pack([np.ones(2, "float32")]), **given)


def weights(message: Message) -> list[float]:
    return list(np.frombuffer(message.payload, "float32"))


def test_a_push_is_applied_once_also_after_a_restart():
    part = describe(sgd(learning_rate=0.5, momentum=0.5))
    server = start(part)
    assert register(server, part).header["is_own"]
    second = register(server, part, value=9.0, sender=[1, 0, "b"])
    assert not second.header["is_own"] and weights(second) == [0, 0]
    assert weights(push(server, 1, seen=0)) == [-0.5, -0.5]
    again = push(server, 1, seen=0)
    assert weights(again) == [-0.5, -0.5] and again.header["step"] == 1
    stale = push(server, 1, seen=0, sender=[1, 0, "b"])
    assert stale.header == {"step": 2, "staleness": 1, "is_dropped": False, "lost": 0}
    assert weights(stale) == [-1.25, -1.25]

    restored = ParameterServer(ServerSettings(workers=2))
    restored.load(server.save())
    assert weights(push(restored, 1, seen=2)) == [-1.25, -1.25], "known before the restart"
    assert weights(push(restored, 2, seen=2)) == [-2.125, -2.125], "with the momentum"
    still = [push(restored, n, seen=n, rate=0.0) for n in (3, 4)]
    moved = [np.subtract(*map(weights, pair)) for pair in zip(still, still[1:], strict=False)]
    assert [list(m) for m in moved] != [[0.0, 0.0]], "the momentum goes on at rate 0"
    assert push(restored, 7, seen=2).header["lost"] == 2, "numbers 5 and 6 came to another start"


def test_an_epoch_of_the_chief_counts_once_it_is_in_a_checkpoint():
    part = describe(sgd())
    server = start(part)
    register(server, part)
    server.note_saved(server.n_wanted)
    header = {"method": "finish_epoch", "key": "m", "fit": "0", "logs": [{"loss": 1.0}]}
    with ThreadPoolExecutor() as pool:
        of_chief = pool.submit(server.answer, Message({**header, "sender": [0, 0, "a"]}))
        assert server.await_news(30)
        assert not of_chief.done()
        server.note_saved(server.n_wanted)
        assert of_chief.result(30).header == {}
    server.answer(Message({**header, "sender": [1, 0, "b"]}))
    assert not server.await_news(0)


def test_stale_gradients_are_dropped_where_that_is_asked_for():
    part = describe(sgd(learning_rate=1.0))
    server = start(part, max_steps_behind=1)
    register(server, part)
    for sequence in (1, 2):
        push(server, sequence, seen=sequence - 1)
    stale = push(server, 1, seen=0, sender=[1, 0, "b"])
    assert stale.header == {"step": 2, "staleness": 2, "is_dropped": True, "lost": 0}
    assert weights(stale) == [-2, -2]


def test_what_a_server_cannot_build_is_said():
    part = describe({"module": "nowhere", "class_name": "Mine", "config": {}})
    answer = register(start(part), part)
    assert answer.header["refused"] == "argument"
    assert "(Mine) can't be built" in answer.header["text"]


def test_models_must_be_the_same():
    part = describe(sgd())
    server = start(part)
    register(server, part)
    other = ModelPart((VariablePart("w", (3,), "float32"),), sgd())
    answer = register(server, other, sender=[1, 0, "b"])
    assert "All workers must build the same model" in answer.header["text"]
    assert ask(server, "pull", key="else").header["refused"] == "unknown_model"


def test_messages_of_any_size_reach_their_server_only():
    calls: list[int] = []

    def answer(message: Message) -> Message:
        calls.append(len(message.payload))
        return Message({"got": message.header["text"]}, message.payload[::-1])

    server = RpcServer(answer, "token")
    address = ServerAddress("localhost", server.start(), "token")
    client = RpcClient(address)
    content = np.random.default_rng(0).bytes(9_000_000) + b"\0\0"
    for payload in (b"", content):
        told = client.call(Message({"text": "ä"}, payload), timeout_s=60)
        assert told.header == {"got": "ä"} and told.payload == payload[::-1]
    stranger = RpcClient(ServerAddress("localhost", address.port, "guessed"))
    with pytest.raises(CallFailed, match="another server"):
        stranger.call(Message({"text": "x"}), timeout_s=60)
    assert calls == [0, len(content)]


def test_variables_are_shared_out_by_size():
    sizes = [400, 10, 300, 10, 200, 10]
    shares = share_out(sizes, 2)
    assert sorted(sum(shares, [])) == list(range(6))
    assert [sum(sizes[n] for n in share) for share in shares] == [430, 500]
    assert share_out([1], 2) == [[0], []]


FIT = {
    **dict.fromkeys(("y", "sample_weight", "batch_size", "steps_per_epoch")),
    **dict.fromkeys(("validation_data", "validation_batch_size", "validation_steps")),
    "validation_split": 0.0,
    "shuffle": True,
}


def read(dataset: Any) -> list[list[int]]:
    return [[int(v) for v in batch[0]] for batch in dataset]


@pytest.mark.parametrize(("batch_size", "largest"), [("gang", 4), ("worker", 8)])
def test_arrays_are_shared_in_each_epoch(batch_size, largest):
    x = np.arange(43)
    shared = [
        DataShare(rank, 2, batch_size, seed=3).share({**FIT, "x": x, "y": x, "batch_size": 8})
        for rank in (0, 1)
    ]
    epochs = [[read(given["x"]) for given in shared] for _ in range(2)]
    for epoch in epochs:
        assert sorted(sum(sum(epoch, []), [])) == list(range(43))
        assert {max(map(len, share)) for share in epoch} == {largest}
    assert epochs[0] != epochs[1]
    assert [len(given["x"]) for given in shared] == [len(share) for share in epochs[0]]


def test_the_last_examples_are_for_validation_as_in_keras():
    x = np.arange(10.0)
    given = DataShare(0, 1, "gang", seed=0).share(
        {**FIT, "x": {"a": x}, "y": x, "validation_split": 0.2, "shuffle": False}
    )
    assert given["validation_data"][0]["a"].tolist() == [8, 9]
    (batch,) = list(given["x"])
    assert batch[0]["a"].numpy().tolist() == list(range(8)) and batch[1].dtype == "float32"


def test_datasets_are_shared():
    import tensorflow as tf

    dataset = tf.data.Dataset.range(17).batch(8).map(lambda v: (v, v))
    parts = [
        read(DataShare(rank, 2, "gang", 0).share({**FIT, "x": dataset})["x"]) for rank in (0, 1)
    ]
    assert parts == [[[0, 2, 4, 6], [8, 10, 12, 14], [16]], [[1, 3, 5, 7], [9, 11, 13, 15]]]
    parts = [
        read(DataShare(rank, 2, "worker", 0).share({**FIT, "x": dataset})["x"]) for rank in (0, 1)
    ]
    assert [len(part) for part in parts] == [2, 1]


def test_what_cannot_be_shared_is_said():
    with pytest.raises(InvalidArgumentError, match=r"arrays or a tf.data.Dataset.*generator"):
        DataShare(0, 2, "gang", 0).share({**FIT, "x": (n for n in range(3))})
    with pytest.raises(InvalidArgumentError, match=r"batch_size is the sum.*got 1"):
        split_batch(1, 0, 2)


@pytest.mark.parametrize(
    ("compiled", "error"),
    [
        ({"jit_compile": True}, "jit_compile must be False"),
        ({"optimizer": "ema"}, "use_ema must be False"),
        ({"optimizer": "scaled"}, "must not wrap another one"),
    ],
)
def test_what_cannot_work_is_said_before_the_first_step(tmp_path, compiled, error):
    import keras

    made = {
        "ema": lambda: keras.optimizers.SGD(use_ema=True),
        "scaled": lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD()),
    }
    if "optimizer" in compiled:
        compiled = {"optimizer": made[compiled["optimizer"]]()}
    before = keras.Model.compile, keras.Model.fit
    worker = AsyncWorker(WorkerSettings(1, 1), Place(0, 2, shared=str(tmp_path)))
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    with patch_keras(worker, DataShare(0, 1, "gang", 0)):
        with pytest.raises(InvalidArgumentError, match=error):
            model.compile(loss="mse", **compiled)
        with pytest.raises(InvalidArgumentError, match="must be compiled"):
            model.fit(np.ones((2, 1)), np.ones(2))
    assert (keras.Model.compile, keras.Model.fit) == before


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"workers": 0}, "workers must be at least 1, got 0"),
        ({"workers": 1, "batch_size": "all"}, "batch_size must be"),
        ({"workers": 1, "max_steps_behind": 0}, "max_steps_behind must be"),
        ({"workers": 1, "lost_s": 0}, "lost_s must be seconds"),
    ],
)
def test_options_are_checked(options, error):
    with pytest.raises(InvalidArgumentError, match=error):
        AsyncMember(**options)


def test_a_place_outside_the_gang_is_refused(tmp_path):
    with pytest.raises(InvalidArgumentError, match="size=3"):
        AsyncMember(2, 1)(print, Place(0, 2, shared=str(tmp_path)))


def test_an_address_is_found_at_a_url():
    files = ServerFiles(f"memory://{uuid.uuid4().hex}/gang", 1)
    assert files.find() is None and files.read_checkpoint() is None
    address = ServerAddress("host", 1, "token", is_over=True, updates=3)
    files.publish(address)
    files.write_checkpoint(b"content")
    assert files.find() == address and files.read_checkpoint() == b"content"
