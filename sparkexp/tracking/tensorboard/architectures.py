"""What a search shows of its best architecture: how it was found, and where it comes from."""

from __future__ import annotations

import logging
import struct
from collections.abc import Iterator, Mapping

from sparkexp.analysis.ranking import Configuration
from sparkexp.objective import Objective
from sparkexp.space import ArchitectureSpace
from sparkexp.tracking.tensorboard.texts import escape_markdown, format_table, format_value
from sparkexp.trial import ParamValue, Trial, TrialResult

__all__ = ["BestArchitectures", "find_ancestors", "read_png_size"]

logger = logging.getLogger(__name__)

# The most rows of a text, and changes in one of them.
MAX_ROWS = 30
MAX_CHANGES = 6

Trials = Mapping[str, TrialResult]


class BestArchitectures:
    """Follows the best architecture of a search.

    Parameters
    ----------
    spaces : Mapping[str, ArchitectureSpace]
        The parameters that are architecture spaces.
    objective : Objective
        What is optimised.
    """

    def __init__(self, spaces: Mapping[str, ArchitectureSpace], objective: Objective) -> None:
        self._spaces = spaces
        self._objective = objective
        # The best ones so far, each with the number of trials after which it was found.
        self._found: list[tuple[int, TrialResult]] = []
        self._can_draw = True

    def follow(self, best: Configuration | None, n_ended: int) -> bool:
        """Take in the best configuration after so many trials; return whether it is a new one."""
        if best is None:
            return False
        result = best.runs[0]
        if self._found and self._found[-1][1].trial.params == result.trial.params:
            return False
        self._found.append((n_ended, result))
        return True

    def format_history(self) -> str:
        """Return a table of the best architectures so far, the last one first."""
        heads = ["after", "trial", escape_markdown(self._objective.heading), "what changed"]
        rows, earlier = [], [None, *(result.trial for _, result in self._found)]
        for (n, result), before in zip(self._found, earlier, strict=False):
            change = self._format(result.trial, before)
            rows.append([f"{n} trials", result.trial.id, format_value(result.value), change])
        return format_table(heads, rows[::-1][:MAX_ROWS])

    def format_ancestry(self, trials: Trials) -> str:
        """Return a table of the best architecture, its parent, the parent's parent and so on.

        Parameters
        ----------
        trials : Mapping[str, TrialResult]
            Trials by id.
        """
        line = [self._found[-1][1], *find_ancestors(self._found[-1][1], trials)]
        parents = [*(each.trial for each in line[1:]), None]
        rows = [
            [
                "best" if not k else "← parent",
                each.trial.id,
                format_value(each.value),
                self._format(each.trial, parent),
            ]
            for k, (each, parent) in enumerate(zip(line, parents, strict=True))
        ]
        heads = ["", "trial", escape_markdown(self._objective.heading), "what changed"]
        return format_table(heads, rows[:MAX_ROWS])

    def draw(self) -> Iterator[tuple[str, bytes]]:
        """Yield the parameters' names, and pictures of the best architectures as PNG."""
        params = self._found[-1][1].trial.params
        for name, space in self._spaces.items():
            if not self._can_draw or name not in params:
                continue
            try:
                diagram = space.draw(space.read(str(params[name])))
                if diagram is not None:
                    yield name, diagram.to_png()
            except Exception:  # it may be the user's own
                self._can_draw = False
                logger.warning(
                    "The architectures can't be drawn: %s. The search goes on (this is logged "
                    "once).", space.to_code(), exc_info=True,
                )  # fmt: skip

    def _format(self, trial: Trial, before: Trial | None) -> str:
        """Return what is different from another trial; without one, the whole configuration."""
        if before is None:
            shown = [f"{name}={_show(value)}" for name, value in trial.params.items()]
            return escape_markdown(", ".join(shown))
        own, others = self._spell_out(trial), self._spell_out(before)
        changed = [
            f"{name}: {_show(others.get(name))} → {_show(own.get(name))}"
            for name in dict.fromkeys((*own, *others))
            if own.get(name) != others.get(name)
        ]
        more = [f"{len(changed) - MAX_CHANGES} more"] if len(changed) > MAX_CHANGES else []
        return escape_markdown(", ".join(changed[:MAX_CHANGES] + more)) or "nothing"

    def _spell_out(self, trial: Trial) -> dict[str, ParamValue]:
        """Return the configuration with a name for each decision of its architectures."""
        found: dict[str, ParamValue] = {}
        for name, value in trial.params.items():
            space = self._spaces.get(name)
            if space is None:
                found[name] = value
            else:
                found |= space.parse(str(value)).options
        return found


def find_ancestors(result: TrialResult, trials: Trials) -> list[TrialResult]:
    """Return a trial's parent, the parent's parent and so on, as far as they are known."""
    found: list[TrialResult] = []
    while (parent := trials.get(result.trial.parent or "")) is not None:
        found.append(parent)
        result = parent
    return found


def read_png_size(png: bytes) -> tuple[int, int]:
    """Return the width and height of a PNG picture."""
    width, height = struct.unpack(">II", png[16:24])
    return width, height


def _show(value: ParamValue | None) -> str:
    if value is None:
        return "–"
    return f"{value:.5g}" if isinstance(value, float) else str(value)
