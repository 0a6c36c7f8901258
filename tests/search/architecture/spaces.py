"""A space with an architecture, and a search of it, for the tests of its searchers."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from sparkexp.search import Searcher
from sparkexp.space import ArchitectureSpace, Choice, Decision, Float, Int, Space
from sparkexp.trial import State, Trial, TrialResult

OPERATIONS = ("none", "conv1", "conv3", "conv5")


class Chain(ArchitectureSpace):
    """Up to six layers; those after an empty one don't matter."""

    @property
    def decisions(self):
        return [Decision(f"layer{k}", OPERATIONS) for k in range(6)]

    def canonical(self, choices):
        n = choices.index(0) if 0 in choices else len(choices)
        return choices[:n] + (0,) * (len(choices) - n)

    def build(self, architecture, **settings):
        return [option for option in architecture.options.values() if option != "none"]


def chain_space() -> Space:
    return Space({"architecture": Chain()})


def both_space(where: Any = None) -> Space:
    """Return a space with an architecture and every other kind of parameter."""
    return Space(
        {
            "rate": Float(1e-4, 1e-1, log=True),
            "architecture": Chain(),
            "units": Int(1, 1000, log=True),
            "optimizer": Choice({"sgd": {"momentum": Float(0, 1)}, "adam": {}}),
        },
        where=where,
    )


def count_conv5(params: Mapping[str, Any]) -> float:
    """Return the value of an architecture: the number of its layers of one kind."""
    return float(params["architecture"].count("conv5"))


def end(trial: Trial, value: float | None, logdir: str = "") -> TrialResult:
    state = State.FAILED if value is None else State.SUCCEEDED
    return TrialResult(trial, state, value=value, logdir=logdir)


def drive(
    searcher: Searcher, value: Callable[[Mapping[str, Any]], float | None], n: int
) -> list[Trial]:
    """Ask and tell n trials, one after another."""
    asked = []
    for _ in range(n):
        trial = searcher.ask()
        assert trial is not None
        asked.append(trial)
        searcher.tell(end(trial, value(trial.params), f"/logs/{trial.id}"))
    return asked


def restored(make: Callable[[], Searcher], searcher: Searcher) -> Searcher:
    """Return a new searcher with the state of this one, as it is in a file."""
    again = make()
    again.restore(json.loads(json.dumps(searcher.state())))
    return again
