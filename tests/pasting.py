"""What happens to a block of code that is pasted into Python's own shell."""

from __future__ import annotations

import code
from types import CodeType
from typing import Any

__all__ = ["paste"]


class _Shell(code.InteractiveConsole):
    """Runs what is complete, as the shell does, and stops at the first error."""

    def __init__(self, names: dict[str, Any], run: bool) -> None:
        super().__init__(names)
        self._run = run

    def runcode(self, code: CodeType) -> None:
        if self._run:
            exec(code, self.locals)

    def showsyntaxerror(self, *args: Any, **more: Any) -> None:
        raise AssertionError("The shell can't read this:\n" + "\n".join(self.buffer))


def paste(text: str, names: dict[str, Any] | None = None, *, run: bool = True) -> dict[str, Any]:
    """Paste a block into a shell, and return the names that it has then.

    A blank line ends a block there, within a function too; and without one the next statement
    would still belong to it.

    Parameters
    ----------
    text : str
        The block.
    names : dict, optional
        What the shell has already.
    run : bool
        Whether to run what it reads.
    """
    names = {"__name__": "__main__"} if names is None else names
    shell = _Shell(names, run)
    waiting = False
    for line in [*text.splitlines(), ""]:
        waiting = shell.push(line)
    assert not waiting, f"The block has no end:\n{text}"
    return names
