"""Runs a search on a table, with trials of uneven length in flight, in no time."""

from __future__ import annotations

import heapq
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from problems import Problem
from protocol import Sampler

__all__ = ["Run", "durations", "simulate"]

# Lognormal: with 0.5, one trial of twenty takes more than twice the median.
SIGMA = 0.5


@dataclass(frozen=True)
class Run:
    """What a search found.

    Parameters
    ----------
    values : tuple of float
        By the trials' numbers, in the order asked.
    ends : tuple of float
        When each ended, in mean lengths of a trial.
    """

    values: tuple[float, ...]
    ends: tuple[float, ...]

    def bests(self, budgets: Sequence[int]) -> Mapping[int, float]:
        """Return the best value among the first trials, for each budget that was run."""
        return {n: min(self.values[:n]) for n in budgets if n <= len(self.values)}

    def makespans(self, budgets: Sequence[int]) -> Mapping[int, float]:
        """Return how long the first trials took."""
        return {n: max(self.ends[:n]) for n in budgets if n <= len(self.ends)}


def durations(problem: str, seed: int, n_trials: int) -> list[float]:
    """Return the lengths of the trials, by number: mean 1, the same for all systems."""
    rng = np.random.default_rng([zlib.crc32(problem.encode()), seed])
    lengths: list[float] = rng.lognormal(-(SIGMA**2) / 2, SIGMA, n_trials).tolist()
    return lengths


def simulate(
    sampler: Sampler, problem: Problem, n_trials: int, slots: int, lengths: Sequence[float]
) -> Run:
    """Run a search: a slot takes the next trial as soon as there is one.

    The trials are counted in the order asked, so that those of a smaller budget come first.

    Raises
    ------
    RuntimeError
        If nothing runs and nothing is proposed.
    """
    values, ends = [0.0] * n_trials, [0.0] * n_trials
    running: list[tuple[float, int, object]] = []
    asked, now = 0, 0.0
    while asked < n_trials or running:
        while asked < n_trials and len(running) < slots:
            proposal = sampler.ask()
            if proposal is None:
                break
            handle, params = proposal
            values[asked] = problem(params)
            ends[asked] = now + lengths[asked]
            heapq.heappush(running, (ends[asked], asked, handle))
            asked += 1
        if not running:
            raise RuntimeError(f"{problem.name}: {asked} of {n_trials} trials, then no more")
        now, number, handle = heapq.heappop(running)
        sampler.tell(handle, values[number])
    return Run(tuple(values), tuple(ends))
