"""What the driver's tags mean, and how the page Custom Scalars groups them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sparkexp.analysis.axes import Axis
from sparkexp.objective import Objective
from sparkexp.tracking.tensorboard.summaries import Band, Chart, Lines

__all__ = [
    "DESCRIPTIONS",
    "Descriptions",
    "MAX_CHARTS",
    "POPULATION_TAG",
    "TRIALS_TAG",
    "make_evolution_layout",
    "make_search_layout",
]

# The most charts of a kind: each costs TensorBoard a request.
MAX_CHARTS = 12

# Without outliers: of the runs below the search's own, and of that.
POPULATION_TAG, TRIALS_TAG = "inner/population", "inner/trials"

# By tag, or by what is before one of its slashes: what TensorBoard shows beside a chart.
DESCRIPTIONS = {
    "evolution/best": "The best objective in the population, by generation.",
    "evolution/mean": "The mean objective of the population, by generation. Where a model picks "
    "the children, the population is the best trials so far.",
    "evolution/worst": "The worst objective in the population, by generation.",
    "evolution/best_so_far": "The best objective of all trials up to this generation.",
    "evolution/accepted_fraction": "Share of the generation's trials that entered the population: "
    "they were at least as good as their parents.",
    "evolution/failed_trials": "Trials of this generation that failed.",
    "evolution/reused_evaluations": "Trials of this generation whose configuration had been "
    "evaluated before, and was not trained again.",
    POPULATION_TAG: "The best, the mean and the worst objective in the population, a run each, "
    "without members that lie far outside; *evolution/mean* and *evolution/worst* are with them.",
    TRIALS_TAG: "The objective of each trial, in the order in which they ended, without those "
    "that lie far outside; *trials/objective* has all.",
    "diversity/overall": "Mean over the parameters of how widely the population is spread: "
    "1 as if drawn at random, 0 all alike.",
    "diversity/*": "How widely the population is spread in this parameter: 1 as if drawn at "
    "random, 0 all alike.",
    "population/*": "Values of the parameter in the population, by generation.",
    "population/objective": "Objectives in the population, by generation.",
    "choice/*": "Share of the population's members with this choice, by generation.",
    "trials/objective": "The objective of each trial, in the order in which they ended.",
    "trials/best_so_far": "The best objective, by the number of ended trials.",
    "trials/objective/*": "This objective of each trial, in the order in which they ended.",
    "trials/best_so_far/*": "The best of this objective alone, by the number of ended trials.",
    "trials/failed": "Failed trials, by the number of ended trials.",
    "rungs/*": "The objective of the trials of this rung, in the order in which they ended.",
    "leaderboard": "The best trials up to then, not all of them members of the population; the "
    "last column has the trial with which each one competed for its place.",
    "summary": "What was searched and found, and how to repeat it.",
    "pictures/generation": "The population in the two parameters that matter most: a dot per "
    "member, its colour the objective. Grey arrows lead from a parent to its successor.",
    "pictures/front": "A dot per configuration in the first two objectives. On the line are those "
    "that no other beats in all objectives: the front.",
    "pictures/importance": "How much of what tells good trials from bad ones each parameter "
    "explains by itself (PED-ANOVA). What is missing to 1 is interactions, noise, and what so "
    "many trials can't show.",
    "searcher/*": "What the searcher shows of its inside, by the number of ended trials.",
    "architecture/best": "The best architectures so far, the last one first, and what changed "
    "from one to the next.",
    "architecture/ancestry": "The best architecture, its parent, the parent's parent and so on, "
    "and what each changed.",
    "pictures/best": "The best architecture after so many trials.",
    "pictures/ancestry": "A dot per trial. Arrows lead from parents to children, as far as the "
    "best trials have come from them; their colour is the objective.",
    "pictures/objective by": "A dot per trial, brighter the later it was; red crosses failed.",
}


class Descriptions:
    """The descriptions of a run's charts, each once: TensorBoard takes the first one of a tag."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def take(self, tag: str) -> str:
        """Return the tag's description the first time, and an empty text from then on."""
        if tag in self._taken:
            return ""
        self._taken.add(tag)
        parts = tag.split("/")
        groups = ("/".join([*parts[:k], "*"]) for k in range(len(parts) - 1, 0, -1))
        return next(filter(None, map(DESCRIPTIONS.get, (tag, *groups))), "")


def make_evolution_layout(
    objective: Objective, axes: Sequence[Axis]
) -> dict[str, Sequence[Chart]]:
    """Return the charts of an evolutionary search, by category.

    All lines of a run have the same colour: lines that must be told apart are runs of their own
    or get charts of their own. One trial that went wrong would flatten all others: the first
    charts are without outliers, those with them come last.

    Parameters
    ----------
    objective : Objective
        What is optimised.
    axes : sequence of Axis
        The parameters.
    """
    best, worst = "evolution/best", "evolution/worst"
    lower, upper = (worst, best) if objective.maximised else (best, worst)
    varying = [axis for axis in axes if axis.varies]
    spreads = [
        Lines(f"Diversity of {axis.name}", (_match_exactly(f"diversity/{axis.name}"),))
        for axis in varying[:MAX_CHARTS]
    ]
    choices = [
        Lines(f"Share of {axis.name} = {name}", (_match_exactly(f"choice/{axis.name}/{name}"),))
        for axis in varying
        for name in axis.categories
        if len(axis.categories) <= MAX_CHARTS
    ]
    categories: dict[str, Sequence[Chart]] = {
        "Evolution": (
            Lines("Best, mean, worst (without outliers)", (_match_exactly(POPULATION_TAG),)),
            Lines("Best so far, by trials", (_match_exactly("trials/best_so_far"),)),
            Lines("Each trial (without outliers)", (_match_exactly(TRIALS_TAG),)),
        ),
        "Is it still searching?": (
            Lines("Diversity (1: random, 0: all alike)", (_match_exactly("diversity/overall"),)),
            Lines(
                "Share of the trials that entered the population",
                (_match_exactly("evolution/accepted_fraction"),),
            ),
        ),
        "Trouble and savings": (
            Lines("Failed trials, by generation", (_match_exactly("evolution/failed_trials"),)),
            Lines("Reused evaluations", (_match_exactly("evolution/reused_evaluations"),)),
        ),
        "Diversity by parameter": spreads,
    }
    if choices:
        categories["Choices"] = choices[:MAX_CHARTS]
    categories["With outliers"] = (
        Band("Population: mean, between worst and best", "evolution/mean", lower, upper),
        Lines("Objective of each trial", (_match_exactly("trials/objective"),)),
    )
    return categories


def _match_exactly(tag: str) -> str:
    return f"^{re.escape(tag)}$"


def make_search_layout(
    rungs: Sequence[str] = (), objectives: Sequence[Objective] = ()
) -> dict[str, Sequence[Chart]]:
    """Return the charts of a search without generations, by category.

    Parameters
    ----------
    rungs : sequence of str
        What trials get on the rungs of a multi-fidelity search: a chart for each.
    objectives : sequence of Objective
        The objectives: of several, two charts for each.
    """
    several = {
        f"Best {each.heading}": (
            Lines(
                f"Best {each.label} so far", (_match_exactly(f"trials/best_so_far/{each.label}"),)
            ),
            Lines(
                f"{each.label} of each trial", (_match_exactly(f"trials/objective/{each.label}"),)
            ),
        )
        for each in objectives
    }
    if len(several) > 1:
        failed = Lines("Failed trials", (_match_exactly("trials/failed"),))
        return {**several, "Trouble": (failed,)}
    charts = [
        Lines(f"Objective with {given}", (_match_exactly(f"rungs/{rung}"),))
        for rung, given in reversed(list(enumerate(rungs)))
    ]
    return {
        **({"By rung": charts} if charts else {}),
        "Search": (
            Lines("Best so far, by trials", (_match_exactly("trials/best_so_far"),)),
            Lines("Each trial (without outliers)", (_match_exactly(TRIALS_TAG),)),
            Lines("Failed trials", (_match_exactly("trials/failed"),)),
        ),
        "With outliers": (
            Lines("Objective of each trial", (_match_exactly("trials/objective"),)),
        ),
    }
