"""Names that MLflow takes, for parameters and metrics of any name."""

from __future__ import annotations

import logging
import posixpath
import re

__all__ = ["Names"]

logger = logging.getLogger(__name__)

MAX_CHARS = 250
_OTHERS = re.compile(r"[^\w\-. :/]")


class Names:
    """Gives each name one that MLflow takes; different names stay different.

    Examples
    --------
    >>> names = Names()
    >>> names.clean('loss'), names.clean('f1@0.5'), names.clean('f1#0.5'), names.clean('a/')
    ('loss', 'f1_0.5', 'f1_0.5_2', 'a_')
    """

    def __init__(self) -> None:
        self._given: dict[str, str] = {}
        self._taken: set[str] = set()

    def clean(self, name: str) -> str:
        """Return the name under which MLflow has it."""
        if name not in self._given:
            found = first = _replace(name)
            n = 1
            while found in self._taken:
                n += 1
                found = f"{first}_{n}"
            self._given[name] = found
            self._taken.add(found)
            if found != name:
                logger.info("MLflow does not take the name %r: it is %r there.", name, found)
        return self._given[name]


def _replace(name: str) -> str:
    found = _OTHERS.sub("_", name)[:MAX_CHARS] or "_"
    is_path = posixpath.normpath(found) == found and not found.startswith(("/", ".."))
    return found if is_path and found != "." else re.sub(r"[/.]", "_", found)
