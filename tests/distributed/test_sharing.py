"""What each worker gets of data, asked in one process."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from sparkexp.distributed.collectives import Collectives
from sparkexp.distributed.current import gang
from sparkexp.distributed.sharing import global_batch, share_data, share_examples
from sparkexp.errors import InvalidArgumentError


def steps_of(size, n, batch_size, shuffle, *, epoch=0, example=0, steps=None, seed=3):
    """Return, by step, what each worker gets."""
    parts = []
    for rank in range(size):
        shared = share_data(
            (np.arange(n), None, None), Collectives(rank, size, seed), "gang",
            batch_size=batch_size, shuffle=shuffle, steps=steps,
        )  # fmt: skip
        shared.data.start_at(epoch, example)
        parts.append([list(step) for step in shared.data.get_tf_dataset().as_numpy_iterator()])
        assert shared.data.num_batches == len(parts[-1])
        assert shared.may_be_empty == (0 < n % batch_size < size)
    return list(zip(*parts, strict=True))


@pytest.mark.parametrize(
    ("size", "n", "batch_size", "shuffle"),
    [(2, 11, 4, True), (3, 10, 3, True), (3, 11, 3, False), (4, 8, 4, True), (3, 10, 4, "batch")],
)
def test_workers_have_each_example_once(size, n, batch_size, shuffle):
    steps = steps_of(size, n, batch_size, shuffle)
    alone = [step for (step,) in steps_of(1, n, batch_size, shuffle)]
    assert [sorted(itertools.chain(*step)) for step in steps] == [sorted(step) for step in alone]
    assert sorted(itertools.chain(*alone)) == list(range(n))
    for step in steps:
        lengths = [len(part) for part in step]
        assert max(lengths) - min(lengths) <= 1


def test_the_order_is_that_of_seed_and_epoch():
    first, again = (steps_of(2, 20, 4, True, epoch=5) for _ in range(2))
    assert first == again
    assert first != steps_of(2, 20, 4, True, epoch=6)
    assert first != steps_of(2, 20, 4, True, epoch=5, seed=4)


def test_an_epoch_goes_on_where_it_was():
    whole = steps_of(2, 21, 4, True, epoch=2)
    assert steps_of(2, 21, 4, True, epoch=2, example=12) == whole[3:]
    # Also with another batch size: the rest of the examples, each once.
    seen = set(itertools.chain(*itertools.chain(*whole[:3])))
    rest = list(itertools.chain(*itertools.chain(*steps_of(3, 21, 5, True, epoch=2, example=12))))
    assert sorted([*seen, *rest]) == list(range(21))


def test_with_steps_per_epoch_the_next_epoch_goes_on():
    # 5 batches in a pass, 3 steps in an epoch: the second has two passes' parts.
    steps = [steps_of(1, 10, 2, True, epoch=epoch, steps=3) for epoch in range(5)]
    flat = [index for epoch in steps for (step,) in epoch for index in step]
    assert [sorted(flat[at : at + 10]) for at in (0, 10, 20)] == [list(range(10))] * 3
    assert steps_of(1, 10, 2, True, epoch=1, example=4, steps=3) == steps[1][2:]
    with pytest.raises(InvalidArgumentError, match="whole batch of 2, got example 3"):
        steps_of(1, 10, 2, True, example=3, steps=3)


def test_batch_size_is_the_gangs_or_the_workers():
    assert global_batch(10, Collectives(0, 4), "gang") == 10
    assert global_batch(10, Collectives(0, 4), "worker") == 40
    assert global_batch(None, Collectives(0, 4), "gang") == 32
    assert global_batch(None, Collectives(0, 4), "worker") == 128
    with pytest.raises(InvalidArgumentError, match="at least its 4 workers, got 3"):
        global_batch(3, Collectives(0, 4), "gang")


@pytest.mark.parametrize("meaning", ["gang", "worker"])
def test_batches_of_a_data_set_are_the_gangs_or_the_workers(meaning):
    import tensorflow as tf

    data = tf.data.Dataset.range(8).batch(4 if meaning == "gang" else 2, drop_remainder=True)
    got = [
        [list(step) for step in share_data(
            (data, None, None), Collectives(rank, 2), meaning
        ).data.as_numpy_iterator()]
        for rank in range(2)
    ]  # fmt: skip
    assert got == [[[0, 2], [4, 6]], [[1, 3], [5, 7]]]


def test_share_gives_every_example_once():
    import tensorflow as tf

    data = tf.data.Dataset.range(7)
    parts = [
        list(share_examples(data, Collectives(rank, 3)).as_numpy_iterator()) for rank in range(3)
    ]
    assert parts == [[0, 3, 6], [1, 4], [2, 5]]
    even = [
        list(share_examples(data, Collectives(rank, 3), True).as_numpy_iterator())
        for rank in range(3)
    ]
    assert even == [[0, 3], [1, 4], [2, 5]]
    with pytest.raises(InvalidArgumentError, match="knows its length"):
        share_examples(data.filter(lambda i: i > 2), Collectives(0, 3), True)


def test_outside_a_gang_there_is_one_worker():
    import keras
    import tensorflow as tf

    one = gang()
    assert (one.rank, one.size, one.is_chief) == (0, 1, True)
    data, optimizer = tf.data.Dataset.range(3), keras.optimizers.SGD()
    assert one.share(data) is data
    assert one.optimizer(optimizer) is optimizer and "apply" not in vars(optimizer)
    assert one.sum(3) == 3.0
    assert [list(total) for total in one.sum([[1, 2], [3]])] == [[1, 2], [3]]
