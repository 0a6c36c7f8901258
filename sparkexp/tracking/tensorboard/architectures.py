"""What a search shows of its best architecture: how it was found, and where it comes from."""

from __future__ import annotations

import io
import logging
import struct
from collections.abc import Iterator, Mapping, Sequence

from sparkexp.analysis.ancestry import Step, describe_change, trace_ancestry
from sparkexp.analysis.ranking import Configuration
from sparkexp.objective import Objective
from sparkexp.space import ArchitectureSpace
from sparkexp.tracking.tensorboard.texts import escape_markdown, format_table, format_value
from sparkexp.trial import TrialResult

__all__ = ["BestArchitectures", "read_png_size"]

logger = logging.getLogger(__name__)

# The most rows of a text.
MAX_ROWS = 30
# TensorBoard makes all pictures as wide as a card: a narrow one would be huge.
MIN_WIDTH_PX = 640


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
        self._found: list[tuple[int, Step]] = []
        self._can_draw = True

    def follow(self, best: Configuration | None, n_ended: int) -> bool:
        """Take in the best configuration after so many trials; return whether it is a new one."""
        if best is None:
            return False
        result = best.runs[0]
        before = self._found[-1][1].result.trial if self._found else None
        if before is not None and before.params == result.trial.params:
            return False
        change = describe_change(result.trial, before, self._spaces)
        self._found.append((n_ended, Step(result, change)))
        return True

    def format_history(self) -> str:
        """Return a table of the best architectures so far, the last one first."""
        rows = [[str(n), *self._format(step)] for n, step in reversed(self._found[-MAX_ROWS:])]
        return format_table(["after trials", *self._heads("what changed")], rows)

    def format_ancestry(self, trials: Mapping[str, TrialResult]) -> str:
        """Return a table of the best architecture, its parent, the parent's parent and so on.

        Parameters
        ----------
        trials : Mapping[str, TrialResult]
            Trials by id.
        """
        steps = trace_ancestry(self._found[-1][1].result, trials, self._spaces)
        heads = self._heads("what changed of its parent, in the next row")
        return format_table(heads, [self._format(step) for step in steps[:MAX_ROWS]])

    def draw(self) -> Iterator[tuple[str, bytes]]:
        """Yield the parameters' names, and pictures of the best architectures as PNG."""
        params = self._found[-1][1].result.trial.params
        for name, space in self._spaces.items():
            if not self._can_draw or name not in params:
                continue
            try:
                diagram = space.draw(space.read(str(params[name])))
                if diagram is not None:
                    yield name, _widen(diagram.to_png())
            except Exception:  # it may be the user's own
                self._can_draw = False
                logger.warning(
                    "The architectures can't be drawn: %s. The search goes on (this is logged "
                    "once).", space.to_code(), exc_info=True,
                )  # fmt: skip

    def _heads(self, last: str) -> Sequence[str]:
        return ["trial", escape_markdown(self._objective.heading), last]

    def _format(self, step: Step) -> list[str]:
        result = step.result
        return [result.trial.id, format_value(result.value), escape_markdown(step.change)]


def read_png_size(png: bytes) -> tuple[int, int]:
    """Return the width and height of a PNG picture."""
    width, height = struct.unpack(">II", png[16:24])
    return width, height


def _widen(png: bytes) -> bytes:
    """Return a picture with white on both sides, if it is narrow."""
    from PIL import Image

    width, height = read_png_size(png)
    if width >= MIN_WIDTH_PX:
        return png
    wide = Image.new("RGB", (MIN_WIDTH_PX, height), "white")
    wide.paste(Image.open(io.BytesIO(png)), ((MIN_WIDTH_PX - width) // 2, 0))
    buffer = io.BytesIO()
    wide.save(buffer, "PNG")
    return buffer.getvalue()
