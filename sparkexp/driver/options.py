"""The options of a search, and what is derived from their table."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sparkexp.checks import class_name
from sparkexp.driver.logdir import resolve_logdir
from sparkexp.driver.option_checks import (
    check_constrained,
    check_one_metric,
    check_processes,
)
from sparkexp.driver.option_row import Row, rows_of
from sparkexp.driver.option_table import EngineName, OptionTable
from sparkexp.driver.pruning_rule import rule_to_json
from sparkexp.driver.unknown_option import describe_unknown_option
from sparkexp.engine import Engine, Gang
from sparkexp.errors import InvalidArgumentError
from sparkexp.search.repeating import count_affordable

__all__ = ["CALLBACKS", "ROWS", "ROWS_TO_RESUME", "EngineName", "Options"]

# Functions of which a resumed search warns that it goes on without them.
CALLBACKS = ("stop_when", "on_trial_end")


@dataclass(frozen=True)
class Options(OptionTable):
    """The options of a search, checked."""

    def to_json(self) -> dict[str, Any]:
        """Return the options that a resumed search reads, as a dict that `json` can write."""
        record = {name: getattr(self, name) for name, row in ROWS.items() if row.recorded}
        if len(self.metrics) > 1:
            record["metric"] = list(self.metrics)
        record["constraint"] = list(self.constraints) or None
        record["prune"] = rule_to_json(self.prune)
        record["py_files"] = [os.path.abspath(path) for path in self.py_files]
        record["workers_per_trial"] = 1 if self.gang is None else self.gang.to_json()
        if isinstance(self.engine, Engine):
            del record["engine"]
        return record

    def describe_unrecorded(self) -> dict[str, str]:
        """Return what each option is that a log directory can't hold, of those that were given."""
        own = self.engine if isinstance(self.engine, Engine) else None
        names = ("data", *CALLBACKS)
        given = {"engine": own, **{name: getattr(self, name) for name in names}}
        return {name: class_name(thing) for name, thing in given.items() if thing is not None}

    @classmethod
    def check(cls, given: Mapping[str, Any]) -> Options:
        """Check the given options, and return all of them.

        Raises
        ------
        InvalidArgumentError
            If one is unknown or its value breaks a rule.
        """
        for name in given:
            if name not in _ALL_ROWS:
                raise InvalidArgumentError(describe_unknown_option(name, ROWS))
        options = cls(**{n: _ALL_ROWS[n].check(n, value) for n, value in given.items()})
        if len(options.metrics) > 1:
            check_one_metric(options.target, options.prune, options.patience)
        if options.constraints:
            check_constrained(options.metric, options.prune)
        if options.gang is not None:
            check_processes(options.engine, options.isolation)
        return options

    @property
    def constraints(self) -> tuple[str, ...]:
        """The names of the entries that have to be at most 0."""
        given = self.constraint or ()
        return (given,) if isinstance(given, str) else tuple(given)

    @property
    def gang(self) -> Gang | None:
        """The workers of each trial; None where it has one that trains alone."""
        given = self.workers_per_trial
        return given if isinstance(given, Gang) else Gang(given) if given > 1 else None

    @property
    def n_kept(self) -> int | None:
        """How many trials keep their artifacts; None for all."""
        return None if self.keep == "all" else 1 if self.keep == "best" else int(self.keep)

    @property
    def n_configurations(self) -> int | None:
        """How many configurations `max_trials` allows, at least 1; None without a limit."""
        if self.max_trials is None:
            return None
        return count_affordable(self.max_trials, self.repeats, self.confirm)

    @property
    def metrics(self) -> tuple[str, ...]:
        """The names of the objectives; empty if the only objective has no name."""
        if self.metric is None:
            return ()
        return (self.metric,) if isinstance(self.metric, str) else tuple(self.metric)

    @property
    def one_by_one(self) -> bool:
        """Whether trials surely run one at a time."""
        return self.engine == "inline" or self.parallelism == 1

    def resolve_logdir(self) -> str | None:
        """Return the log directory as an absolute path or a URL; None if it was left out.

        Raises
        ------
        InvalidArgumentError
            If it is neither.
        """
        return None if self.logdir is None else resolve_logdir(self.logdir)


_ALL_ROWS: dict[str, Row] = rows_of(Options)
#: Those with which a search begins.
ROWS: dict[str, Row] = {name: row for name, row in _ALL_ROWS.items() if row.begins}
#: Those with which it goes on.
ROWS_TO_RESUME: dict[str, Row] = {name: row for name, row in _ALL_ROWS.items() if row.resumed}
