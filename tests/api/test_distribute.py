"""What distribute refuses, in its own words."""

from typing import Any

import pytest

from sparkexp import experiment
from sparkexp.errors import SparkexpError


def train(rate: float) -> float:
    return rate


@pytest.mark.parametrize(
    ("spark", "function", "params", "said"),
    [
        (None, train, {"rate": 0.1}, "spark must be a SparkSession, got None: workers need"),
        ("spark", "train.py:train", {"rate": 0.1}, r"without calling it: distribute\(spark"),
        ("spark", train, {}, "no value for its argument 'rate'.*the function or params"),
        ("spark", train, {"rat": 0.1}, "no argument 'rat' .*the function or params"),
        ("spark", train, {"rate": experiment.Float(0.1, 0.2)}, "one value for each argument"),
    ],
)
def test_the_arguments_of_distribute(
    spark: Any, function: Any, params: dict[str, Any], said: str
) -> None:
    with pytest.raises(SparkexpError, match=said) as raised:
        experiment.distribute(spark, function, params, workers=2)
    assert "launch(spark, train, …)" not in str(raised.value)
    assert "inline" not in str(raised.value)
