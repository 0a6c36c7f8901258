"""Notices environment variables that a train function set too late for what was loaded before."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, replace

from sparkexp.engine.transfer.import_settings import find_affected, find_readers, list_readers
from sparkexp.engine.worker.outcome import Outcome

__all__ = ["LateSettings"]

WARNING = (
    "The train function changed {variable} too late: the worker had imported {libraries} before, "
    "and the variable is read at that moment only. Set it by os.environ[{variable!r}] = ... in "
    "the train function itself or in a module that it imports, which is seen beforehand, or for "
    "all trials with spark.executorEnv.{variable}, or choose isolation='spawn'."
)


@dataclass(frozen=True)
class LateSettings:
    """The environment variables of a trial's process before its train function is called."""

    environ: dict[str, str]
    loaded: frozenset[str]

    @classmethod
    def before_trial(cls) -> LateSettings:
        return cls(dict(os.environ), frozenset(n for n in list_readers() if n in sys.modules))

    def check(self, outcome: Outcome) -> Outcome:
        """Return the outcome with a warning about each variable that was set too late.

        It no longer names what the variables concern among the modules that later trials start
        with.
        """
        now = dict(os.environ)
        if now == self.environ:
            return outcome
        changed = sorted(
            name
            for name in now.keys() | self.environ.keys()
            if now.get(name) != self.environ.get(name)
        )
        late = find_affected(changed)
        notices = []
        for variable in changed:
            if libraries := [name for name in find_readers(variable) if name in self.loaded]:
                text = WARNING.format(variable=variable, libraries=" and ".join(libraries))
                notices.append(text)
        return replace(
            outcome,
            imported=tuple(m for m in outcome.imported if m.partition(".")[0] not in late),
            warnings=(*outcome.warnings, *notices),
        )
