"""What coverage.py measures in the processes that tests start, and at which cost."""

from __future__ import annotations

import os

from coverage import Coverage

# By this coverage.py is started in a new process.
_VARIABLE = "COVERAGE_PROCESS_CONFIG"


class Measuring:
    """Coverage of this process's children: on for some tests, off for others."""

    def __init__(self) -> None:
        self._value = os.environ.get(_VARIABLE)
        self._above = [Coverage.current()]
        if self._above[0] is not None:
            os.register_at_fork(after_in_child=self._save_own_only)

    def of_new_processes(self, wanted: bool) -> None:
        """Switch it on, where anything is measured, or off."""
        if wanted and self._value is not None:
            os.environ[_VARIABLE] = self._value
        else:
            os.environ.pop(_VARIABLE, None)

    def _save_own_only(self) -> None:
        # With `patch = _exit` a forked process saves at its end what the processes above it have
        # measured, too: more than half of what it takes, and theirs to save.
        for above in filter(None, self._above):
            above.save = lambda: None  # type: ignore[method-assign]
        self._above.append(Coverage.current())
