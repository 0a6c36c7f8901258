"""A searcher whose trials have parents, and which shows figures of its inside."""

from __future__ import annotations

from sparkexp.search.base import SeededSearcher
from sparkexp.trial import Trial


class Climber(SeededSearcher):
    """Mutates the architecture of the best trial so far, after four random ones."""

    name = "climber"

    def __init__(self, space, n_trials, seed=0):
        super().__init__(space, seed)
        self._n_trials = n_trials
        self._best = None

    @property
    def n_trials(self):
        return self._n_trials

    def settings(self):
        return {"n_trials": self._n_trials, **super().settings()}

    def progress(self):
        if self._best is None:
            return {}
        return {"trials since the best": float(self.n_asked - self._best[0])}

    def slots_note(self, slots):
        return f"{slots} slots suit it"

    def _propose(self, number):
        if number < 4 or self._best is None:
            return Trial(number, self.space.decode(self._rng.random(self.space.n_dims)))
        parent, _, params = self._best
        space = self.space.parameters["architecture"]
        choices = changed = space.read(params["architecture"])
        while changed == choices:
            changed = space.canonical(space.mutate(choices, self._rng))
        child = {**params, "architecture": space.write(changed)}
        return Trial(number, child, parent=Trial(parent, {}).id)

    def _learn(self, result):
        if result.value is not None and (self._best is None or result.value > self._best[1]):
            self._best = (result.trial.number, result.value, dict(result.trial.params))

    def _state(self):
        return {**super()._state(), "best": self._best}

    def _restore(self, memory):
        super()._restore(memory)
        self._best = memory["best"] and tuple(memory["best"])
