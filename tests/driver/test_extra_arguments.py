"""Arguments of the train function that are not searched, from the searcher to the table."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sparkexp.driver.options import Options
from sparkexp.driver.start import start_search
from sparkexp.errors import TrainFunctionError
from sparkexp.results.result import Result
from sparkexp.search import ListSearcher
from sparkexp.search.spec import Search
from sparkexp.trial import Trial


class Seeds(ListSearcher):
    """Runs the configurations with one seed after another."""

    @property
    def extras(self):
        return {"seed": (1, 2)}

    def _propose(self, number: int) -> Trial:
        return replace(super()._propose(number), extra={"seed": number + 1})


def run(train, tmp_path) -> Result:
    search = Search(Seeds([{"x": 10}, {"x": 10}]))
    options = {"engine": "inline", "progress": False, "logdir": tmp_path / "run"}
    return start_search(None, train, search, Options.check(options))


def test_the_train_function_gets_them(tmp_path):
    result = run(lambda x, seed: x + seed, tmp_path)
    assert [r.value for r in result.trials] == [11, 12]
    assert list(result.to_pandas()["seed"]) == [1, 2]


def test_a_function_that_does_not_take_them_is_refused_before_anything_runs(tmp_path):
    with pytest.raises(TrainFunctionError, match="no argument 'seed'"):
        run(lambda x: x, tmp_path)
    assert not list(tmp_path.iterdir())
