"""Some architectures of a space as the values of a parameter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sparkexp.errors import SpaceError
from sparkexp.space.architecture import Architecture, ArchitectureSpace, Choices, Decision
from sparkexp.space.architecture_check import check_architectures
from sparkexp.space.diagram import Diagram
from sparkexp.space.recorded_architecture import architecture_from_json

__all__ = ["ListedArchitectures", "list_architectures"]


class ListedArchitectures(ArchitectureSpace):
    """The architectures that the user has listed, of one space.

    Parameters
    ----------
    space : ArchitectureSpace or Mapping
        Their space, or its record.
    architectures : sequence of str
        Their texts.
    """

    def __init__(
        self, space: ArchitectureSpace | Mapping[str, Any], architectures: Sequence[str]
    ) -> None:
        if not isinstance(space, ArchitectureSpace):
            space = architecture_from_json(space)
        self.space = space
        self._texts = tuple(dict.fromkeys(map(space.check, architectures)))

    @property
    def decisions(self) -> tuple[Decision, ...]:
        """One decision: which of them."""
        return (Decision("architecture", self._texts),)

    def settings(self) -> dict[str, Any]:
        """Return the record of their space, and their texts."""
        return {"space": self.space.to_json(), "architectures": list(self._texts)}

    def parse(self, text: str) -> Architecture:
        """Return an architecture of their space."""
        return self.space.parse(self.check(text))

    def build(self, architecture: Architecture, **settings: Any) -> Any:
        """Return a Keras model of an architecture."""
        return self.space.parse(str(architecture)).build(**settings)

    def write(self, choices: Choices) -> str:
        """Return the text of an architecture."""
        return self._texts[choices[0]]

    def read(self, text: str) -> Choices:
        """Return the number of an architecture in the list.

        Raises
        ------
        SpaceError
            If it is not in the list.
        """
        text = self.space.check(text)
        if text not in self._texts:
            raise SpaceError(
                f"The architecture must be one of the {len(self._texts)} listed ones, got "
                f"{text!r}."
            )
        return (self._texts.index(text),)

    def draw(self, choices: Choices) -> Diagram | None:
        """Return a picture of an architecture; None if their space has none."""
        return self.space.draw(self.space.read(self.write(choices)))

    def describe(self) -> str:
        """Return a description of the list for the plan."""
        n = len(self._texts)
        return f"one of {n} architectures of {self.space.to_code().removeprefix('nas.')}"

    def to_code(self) -> str:
        """Return the Python expression that lists them."""
        texts = ", ".join(f"space.parse({text!r})" for text in self._texts)
        return f"[{texts}]"


def list_architectures(options: Sequence[object]) -> ListedArchitectures | None:
    """Return listed values as a parameter if they are architectures; None if none of them is.

    Raises
    ------
    SpaceError
        If only some are, or they are of different spaces.
    """
    found = [option for option in options if isinstance(option, Architecture)]
    if not found:
        return None
    space = found[0].space
    if len(found) < len(options) or any(each.space != space for each in found):
        raise SpaceError(
            "Architectures that are listed are all of one space, and nothing else stands between "
            f"them, got {list(map(str, options))!r}. Search the others in a call of their own."
        )
    check_architectures(space)
    return ListedArchitectures(space, list(map(str, found)))
