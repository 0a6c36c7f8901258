"""Architecture spaces from records, also where their class is not defined."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sparkexp.errors import SpaceError
from sparkexp.space.architecture import (
    Architecture,
    ArchitectureSpace,
    Choices,
    Decision,
    find_class,
)

__all__ = ["RecordedArchitectures", "UnknownSpaceError", "architecture_from_json"]


class UnknownSpaceError(SpaceError):
    """The class of a recorded architecture space is not defined in this process."""


class RecordedArchitectures(ArchitectureSpace):
    """Stands in for a space whose class is not defined here: its search can be shown, not run.

    Once the class is defined, `parse` returns its architectures.

    Parameters
    ----------
    record : Mapping[str, Any]
        What the space's `to_json` wrote.
    """

    def __init__(self, record: Mapping[str, Any]) -> None:
        self._record = dict(record)

    @property
    def decisions(self) -> tuple[Decision, ...]:
        """As many decisions as the space has, with numbers for their options."""
        counts = self._record.get("n_options", ())
        return tuple(Decision(str(k), tuple(range(n))) for k, n in enumerate(counts))

    def settings(self) -> dict[str, Any]:
        """Return the recorded settings."""
        return dict(self._record["settings"])

    def parse(self, text: str) -> Architecture:
        """Return the architecture that a text stands for.

        Raises
        ------
        UnknownSpaceError
            If the class is still not defined.
        """
        return architecture_from_json(self._record).parse(text)

    def build(self, architecture: Architecture, **settings: Any) -> Any:
        """Raise the error that says what to do."""
        return architecture_from_json(self._record).build(architecture, **settings)

    def read(self, text: str) -> Choices:
        """Return the first option of each decision: what the text means is not known here."""
        return (0,) * len(self.decisions)

    def check(self, value: object) -> str:
        """Return the text itself."""
        return str(value)

    @property
    def n_values(self) -> int | None:
        """None: what there is isn't known here."""
        return None

    def to_code(self) -> str:
        """Return the Python expression that constructs the space."""
        words = ", ".join(f"{name}={value!r}" for name, value in self.settings().items())
        return f"{self._record['space']}({words})"

    def to_json(self) -> dict[str, Any]:
        """Return the record."""
        return dict(self._record)


def architecture_from_json(
    record: Mapping[str, Any], only_shown: bool = False
) -> ArchitectureSpace:
    """Return the space that `to_json` wrote.

    Parameters
    ----------
    record : Mapping[str, Any]
        The record.
    only_shown : bool
        Whether a stand-in will do where the class is not defined here.

    Raises
    ------
    UnknownSpaceError
        If it isn't, and a stand-in won't do.
    SpaceError
        If the class has other settings.
    """
    cls = find_class(record["space"])
    if cls is None and only_shown:
        return RecordedArchitectures(record)
    if cls is None:
        raise UnknownSpaceError(
            f"The search has an architecture space of a class {record['space']!r}, which is not "
            "known here: import the module that defines it, or define it, before this call."
        )
    try:
        return cls(**record["settings"])
    except TypeError as error:
        if only_shown:
            return RecordedArchitectures(record)
        raise SpaceError(
            f"{record['space']} doesn't take the recorded settings {record['settings']}: {error}. "
            "Use the class as it was when the search started."
        ) from None
