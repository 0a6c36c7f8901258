"""A tournament's children find what their parents have saved."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sparkexp import experiment
from sparkexp.search import TournamentSearcher
from sparkexp.space import Space

PARAMETERS = {"x": [0.0, 1.0], "kind": ["a", "b", "c"]}


def train(x: float, kind: str) -> dict[str, object]:
    file = Path(experiment.checkpoint_dir(), "ancestors.json")
    ancestors = json.loads(file.read_text()) if file.exists() else []
    file.write_text(json.dumps([*ancestors, x]))
    return {"value": x, "ancestors": ancestors}


@pytest.mark.parametrize("inherit", [True, False])
def test_children_go_on_from_their_parents_checkpoints(inherit, tmp_path):
    searcher = TournamentSearcher(
        Space.from_search_dict(PARAMETERS), "max", 24, population=5, inherit=inherit, seed=1
    )
    result = experiment.search(
        None, train, PARAMETERS, searcher, metric="value", logdir=tmp_path, engine="inline",
        progress=False,
    )  # fmt: skip
    by_id = {r.trial.id: r for r in result.trials}
    children = [r for r in result.trials if r.trial.parent]
    assert len(children) == 19
    for child in children:
        parent = by_id[child.trial.parent]
        expected = [*parent.notes["ancestors"], parent.trial.params["x"]] if inherit else []
        assert child.notes["ancestors"] == expected
    assert all(r.notes["ancestors"] == [] for r in result.trials if not r.trial.parent)
