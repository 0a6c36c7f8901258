"""Shows the plan of a search, then its progress, in a terminal or a notebook."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, TextIO

from sparkexp.analysis.ranking import Configuration, Standings
from sparkexp.objective import Objective
from sparkexp.texts.counts import count
from sparkexp.texts.printable import on_one_line, printable
from sparkexp.trial import State, Trial, TrialResult

if TYPE_CHECKING:
    from tqdm import tqdm

__all__ = ["Progress"]

logger = logging.getLogger(__name__)

SECONDS_BETWEEN_LINES = 10.0
# Without a terminal, each trial gets its own line if there are at most this many.
EVERY_TRIAL_UP_TO = 30
# What Jupyter's servers, Visual Studio Code, Colab and Databricks set for their kernels.
FRONT_ENDS = ("JPY_SESSION_NAME", "VSCODE_PID", "COLAB_RELEASE_TAG", "DATABRICKS_RUNTIME_VERSION")
STARTING = "starting workers, loading what the train function imports: once per worker"


class Progress:
    """A progress bar in terminals and notebooks, plain lines elsewhere, or nothing.

    A notebook that nobody looks at, as one that a command executes, gets lines: it would keep each
    state of a bar as an output of its own.

    Parameters
    ----------
    n_trials : int, optional
        The largest number of trials of the whole search.
    objectives : sequence of Objective
        What is optimised.
    enabled : bool
        False shows nothing.
    stream : TextIO, optional
        Where to write; standard error by default.
    describe : Callable, optional
        Takes the running trials and returns a line about them, or nothing.
    starts_workers : bool
        Whether the first trials wait for processes that are started for them.
    """

    def __init__(
        self,
        n_trials: int | None,
        objectives: Sequence[Objective],
        enabled: bool = True,
        stream: TextIO | None = None,
        describe: Callable[[Sequence[Trial]], str] | None = None,
        starts_workers: bool = False,
    ) -> None:
        self._n_trials = n_trials
        self._objectives = tuple(objectives)
        self._standings = [Standings(each, k) for k, each in enumerate(objectives)]
        self._stream: TextIO | None = stream or sys.stderr  # None where there is no console
        self._enabled = enabled and self._stream is not None
        self._bar: tqdm[Any] | None = None
        self._starts = starts_workers
        self._describe = describe
        self._described = ""
        self._n_shown = 0
        self._n_new = 0
        self._n_failed = 0
        self._n_pruned = 0
        self._n_started = 0
        self._last_line = float("-inf")

    def show_plan(self, text: str) -> None:
        """Show the plan before the first trial."""
        if self._enabled:
            self._write(text.rstrip())

    def tell(self, text: str) -> None:
        """Show a line."""
        if self._enabled:
            self._write(text)

    def trial_ended(self, result: TrialResult, earlier: bool = False) -> None:
        """Count a trial that ended; the next `show` shows it."""
        if not self._enabled:
            return
        self._n_new += 1
        self._n_pruned += result.state is State.PRUNED
        self._note_failure(result)
        for standings in self._standings:
            standings.add(result)

    def show(self, n_running: int, running: Sequence[Trial] = ()) -> None:
        """Show the state of the search.

        Parameters
        ----------
        n_running : int
            How many trials run now.
        running : sequence of Trial
            These, and those that wait for a slot.
        """
        if not self._enabled:
            return
        described = self._described
        if self._describe is not None:
            self._described = self._describe(running)
        new, self._n_new = self._n_new, 0
        self._n_shown += new
        if _is_live(self._stream):
            try:
                self._update_bar(new, n_running)
            except (OSError, ValueError) as error:
                self._go_quiet(error)
        elif self._is_starting and n_running and not self._n_started:
            self._n_started = n_running
            self._write(f"{count(n_running, 'trial')} submitted, {STARTING}")
        elif new and self._is_line_due(n_running):
            self._last_line = time.monotonic()
            self._write(self._format_line(n_running))
        elif self._described != described and self._is_time():
            self._last_line = time.monotonic()
            self._write(self._described)

    def close(self) -> None:
        """Close the progress bar; its last state stays on the screen."""
        if self._bar is not None:
            try:
                self._bar.close()
            except (OSError, ValueError) as error:
                self._go_quiet(error)
            self._bar = None

    @property
    def _is_starting(self) -> bool:
        """Whether no trial has ended yet that waited for its worker."""
        return self._starts and not self._n_shown

    def _write(self, text: str) -> None:
        """Write a line above the bar; a closed console doesn't end the search."""
        stream = self._stream
        assert stream is not None
        text = printable(text)
        encoding = getattr(stream, "encoding", None) or "utf-8"
        text = text.encode(encoding, "replace").decode(encoding)
        try:
            if self._bar is not None:
                self._bar.write(text, file=stream)
            else:
                stream.write(text + "\n")
            stream.flush()
        except (OSError, ValueError) as error:
            self._go_quiet(error)

    def _go_quiet(self, error: Exception) -> None:
        self._enabled = False
        logger.info("The progress can't be shown any more: %s", error)

    def _note_failure(self, result: TrialResult) -> None:
        if result.state is not State.FAILED:
            return
        self._n_failed += 1
        if self._n_failed == 1 and result.error:
            # All failures often have the same reason, so the first one is shown at once.
            self._write(f"{result.trial.id} failed: {result.reason}")

    def _update_bar(self, n_new: int, n_running: int) -> None:
        bar = self._bar = self._bar or self._open_bar()
        bar.set_postfix_str(self._format_state(n_running), refresh=False)
        bar.update(n_new)
        bar.refresh()

    def _open_bar(self) -> tqdm[Any]:
        kept: dict[str, Any] = {"total": self._n_trials, "unit": "trial", "dynamic_ncols": True}
        if _is_notebook(self._stream) and find_spec("ipywidgets"):
            from tqdm.notebook import tqdm as tqdm_notebook

            return tqdm_notebook(**kept)
        from tqdm import tqdm

        return tqdm(file=self._stream, **kept)

    def _is_line_due(self, n_running: int) -> bool:
        if self._n_trials is not None and self._n_trials <= EVERY_TRIAL_UP_TO:
            return True
        return n_running == 0 or self._is_time()

    def _is_time(self) -> bool:
        return time.monotonic() - self._last_line >= SECONDS_BETWEEN_LINES

    def _format_line(self, n_running: int) -> str:
        if self._n_trials is None:
            done = count(self._n_shown, "trial")
        else:
            done = f"{self._n_shown} of {count(self._n_trials, 'trial')}"
        return f"{done} done, {self._format_state(n_running)}"

    def _format_state(self, n_running: int) -> str:
        parts = [f"{n_running} running", f"{self._n_failed} failed"]
        if self._is_starting and n_running:
            parts[0] = STARTING
        if self._described and _is_live(self._stream):
            parts.insert(0, self._described)
        if self._n_pruned:
            parts.append(f"{self._n_pruned} pruned")
        for standings in self._standings:
            if standings.best is not None and standings.value is not None:
                parts.append(
                    self._format_best(standings.objective, standings.value, standings.best)
                )
        return on_one_line(", ".join(parts))

    def _format_best(self, objective: Objective, value: float, best: Configuration) -> str:
        if len(self._objectives) > 1:  # no configuration is the best in all of them
            return f"best {objective.label} {value:.4g}"
        runs = f" in {best.n_ended} runs" * (best.n_ended > 1)
        params = ", ".join(f"{k}={_format_value(v)}" for k, v in best.runs[0].trial.params.items())
        excess = f", violates the constraints by {best.violation:.3g}" * (best.violation > 0)
        return f"best {value:.4g}{runs} ({params}){excess}"


def _format_value(value: int | float | str | bool) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _is_live(stream: TextIO | None) -> bool:
    """Tell whether a line can be overwritten, as in a terminal or a notebook."""
    return stream is not None and (stream.isatty() or _is_notebook(stream) and _has_front_end())


def _is_notebook(stream: TextIO | None) -> bool:
    return type(stream).__module__.startswith("ipykernel")


def _has_front_end() -> bool:
    """Tell whether somebody looks at the notebook while it runs.

    A command that executes a notebook doesn't set what front ends tell their kernels.
    """
    return any(name in os.environ for name in FRONT_ENDS)
