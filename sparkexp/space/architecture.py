"""Architecture spaces: parameters with many decisions, whose values are texts."""

from __future__ import annotations

import functools
import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from sparkexp.errors import SpaceError
from sparkexp.space.choice import Choice
from sparkexp.space.diagram import Diagram
from sparkexp.space.unit_interval import cell_index, cell_middle, check_unit

__all__ = [
    "Architecture",
    "SEPARATOR",
    "ArchitectureSpace",
    "Choices",
    "Decision",
    "Mutation",
    "find_class",
]

#: For each decision of a space, the index of the option that was chosen.
Choices = tuple[int, ...]

#: Between the options of a text, as the base class writes it; then options don't contain it.
SEPARATOR = "-"
# A grid lists the values of a space up to so many.
MAX_LISTED = 10_000


@dataclass(frozen=True)
class Decision:
    """One of the choices that make an architecture.

    Parameters
    ----------
    name : str
        Its name, unique in the space, such as ``'normal.0.left.op'``.
    options : tuple of str or int
        What can be chosen.
    """

    name: str
    options: tuple[str | int, ...]


@dataclass(frozen=True)
class Mutation:
    """What a mutation made of an architecture.

    Parameters
    ----------
    choices : tuple of int
        The child's choices.
    name : str
        What was done, such as ``'insert convolution'``; empty if the space doesn't say.
    inherits : bool
        Whether the child's training begins with its parent's checkpoints.
    """

    choices: Choices
    name: str = ""
    inherits: bool = True


@dataclass(frozen=True)
class Architecture:
    """An architecture of a space: what the train function gets.

    ``str(architecture)`` is its canonical text, which the records hold. Equal ones have equal
    texts.

    Parameters
    ----------
    space : ArchitectureSpace
        Its space.
    choices : tuple of int
        For each decision, the index of the option chosen; they are made canonical.
    """

    space: ArchitectureSpace
    choices: Choices

    def __post_init__(self) -> None:
        object.__setattr__(self, "choices", self.space.canonical(self.choices))

    def __str__(self) -> str:
        return self.space.write(self.choices)

    @property
    def options(self) -> dict[str, str | int]:
        """The option that was chosen for each decision, by the decision's name."""
        chosen = zip(self.space.decisions, self.choices, strict=True)
        return {decision.name: decision.options[choice] for decision, choice in chosen}

    def build(self, **settings: Any) -> Any:
        """Return a Keras model of the architecture.

        Parameters
        ----------
        **settings
            As the space's `build` takes them, such as ``input_shape`` and ``classes``.
        """
        return self.space.build(self, **settings)


class ArchitectureSpace(ABC):
    """What architectures there are: a search space's parameter with many decisions.

    A space of your own names its `decisions` and builds a model of what was chosen. The other
    methods have defaults: all combinations are different architectures, a mutation changes one
    decision, and the text of an architecture is its options, joined. A class is known to
    `experiment.resume` by its name once it is defined.

    Each call checks these rules before the first trial. The decisions' names differ, and the
    options of each are the same whenever they are asked for. `settings` has all arguments of the
    constructor that make another space or another network. `canonical` and `mutate` return the
    number of an option for each decision, and `canonical` returns canonical choices as they are.
    `read` undoes `write`; as long as the class has neither, no option contains ``'-'``.

    Attributes
    ----------
    name : str
        The class's name in records; by default that of the class itself.

    Examples
    --------
    >>> class Widths(ArchitectureSpace):
    ...     decisions = (Decision('first', (16, 32)), Decision('second', (16, 32, 64)))
    ...     def build(self, architecture, **settings):
    ...         return list(architecture.options.values())
    >>> space = Widths()
    >>> architecture = space.parse('32-16')
    >>> architecture.options, architecture.build()
    ({'first': 32, 'second': 16}, [32, 16])
    >>> space.cardinality
    6
    """

    name: ClassVar[str] = ""
    _classes: ClassVar[dict[str, type[ArchitectureSpace]]] = {}

    def __init_subclass__(cls, **rest: Any) -> None:
        super().__init_subclass__(**rest)
        cls.name = cls.__dict__.get("name") or cls.__name__
        earlier = ArchitectureSpace._classes.get(cls.name, cls).__module__
        if earlier.startswith("sparkexp.") and earlier != cls.__module__:
            raise SpaceError(
                f"An architecture space must not have the name of one of sparkexp's, got "
                f"{cls.name!r}: give the class another name."
            )
        ArchitectureSpace._classes[cls.name] = cls

    @property
    @abstractmethod
    def decisions(self) -> Sequence[Decision]:
        """The decisions that make an architecture, in a fixed order."""

    @abstractmethod
    def build(self, architecture: Architecture, **settings: Any) -> Any:
        """Return a Keras model of an architecture."""

    def settings(self) -> dict[str, Any]:
        """Return the arguments that construct an equal space, as a dict that `json` can write."""
        return {}

    def canonical(self, choices: Choices) -> Choices:
        """Return one and the same choices for all that make the same architecture."""
        return choices

    def mutate(self, choices: Choices, rng: np.random.Generator) -> Choices:
        """Return the choices of a neighbour: with one decision made differently.

        A space of your own may make others, also the same again.
        """
        free = [k for k, decision in enumerate(self.decisions) if len(decision.options) > 1]
        changed = free[int(rng.integers(len(free)))]
        n = len(self.decisions[changed].options)
        other = (choices[changed] + 1 + int(rng.integers(n - 1))) % n
        return (*choices[:changed], other, *choices[changed + 1 :])

    def draw_mutation(self, choices: Choices, rng: np.random.Generator) -> Mutation:
        """Return a neighbour, and what was done: `mutate` for a searcher with checkpoints."""
        return Mutation(self.mutate(choices, rng))

    def write(self, choices: Choices) -> str:
        """Return the text of an architecture."""
        chosen = zip(self.decisions, choices, strict=True)
        return SEPARATOR.join(str(decision.options[choice]) for decision, choice in chosen)

    def read(self, text: str) -> Choices:
        """Return the choices that a text stands for: the inverse of `write`.

        Raises
        ------
        SpaceError
            If it stands for none.
        """
        words = text.split(SEPARATOR)
        if len(words) != len(self.decisions):
            raise SpaceError(
                f"An architecture of {self.describe()} has {len(self.decisions)} options with "
                f"{SEPARATOR!r} between them, got {text!r}."
            )
        return tuple(map(_find_option, self.decisions, words))

    def draw(self, choices: Choices) -> Diagram | None:
        """Return a picture of an architecture; None if the space has none."""
        return None

    @final
    def draw_svg(self, choices: Choices) -> str | None:
        """Return the picture as SVG; None if the space has none."""
        diagram = self.draw(choices)
        return None if diagram is None else diagram.to_svg()

    @property
    def cardinality(self) -> int:
        """The number of combinations of options; fewer architectures, where some are equal."""
        return math.prod(len(decision.options) for decision in self.decisions)

    @final
    def random(self, rng: np.random.Generator) -> Architecture:
        """Return an architecture whose decisions are drawn alike."""
        return Architecture(self, tuple(int(rng.integers(len(d.options))) for d in self.decisions))

    def parse(self, text: str) -> Architecture:
        """Return the architecture that a text stands for.

        Raises
        ------
        SpaceError
            If it stands for none of this space.
        """
        return Architecture(self, self.read(text))

    # What a parameter of a search space has, besides its `axes`.

    def name_axes(self, name: str) -> dict[str, Choice]:
        """Return the axes by names of their own, for a parameter of this name."""
        named = zip(self.decisions, self.axes, strict=True)
        return {f"{name}.{decision.name}": axis for decision, axis in named}

    @functools.cached_property
    def axes(self) -> tuple[Choice, ...]:
        """One unordered choice for each decision, of the indices of its options."""
        return tuple(
            Choice(range(len(decision.options)), ordered=False) for decision in self.decisions
        )

    @property
    def n_values(self) -> int | None:
        """The number of architectures, if there are few enough to list them."""
        return len(self._listed) if self._listed is not None else None

    def values(self) -> list[Any]:
        """Return the texts of all architectures.

        Raises
        ------
        SpaceError
            If there are too many.
        """
        if self._listed is None:
            raise SpaceError(
                f"A grid lists at most {MAX_LISTED:,} architectures, got {self.describe()}: "
                "search it by evolution, or at random."
            )
        return list(self._listed)

    @functools.cached_property
    def _listed(self) -> tuple[str, ...] | None:
        if self.cardinality > MAX_LISTED:
            return None
        shape = [len(decision.options) for decision in self.decisions]
        found = (self.canonical(tuple(map(int, at))) for at in np.ndindex(*shape))
        return tuple(dict.fromkeys(map(self.write, found)))

    @final
    def decode(self, genes: Sequence[float]) -> str:
        """Return the canonical text at a point of the unit cube with an axis for each decision."""
        chosen = zip(self.decisions, genes, strict=True)
        choices = tuple(cell_index(check_unit(u), len(d.options)) for d, u in chosen)
        return self.write(self.canonical(choices))

    @final
    def encode(self, value: object) -> list[float]:
        """Return the point of the unit cube that decodes to an architecture or its text.

        Raises
        ------
        SpaceError
            If it is none of this space.
        """
        choices = self.canonical(self.read(self.check(value)))
        return [
            cell_middle(choice, len(decision.options))
            for decision, choice in zip(self.decisions, choices, strict=True)
        ]

    def check(self, value: object) -> str:
        """Return the canonical text of an architecture, given as one or as a text.

        Raises
        ------
        SpaceError
            If it is none of this space.
        """
        if not isinstance(value, (str, Architecture)):
            raise SpaceError(
                f"An architecture is given as a nas.Architecture or its text, got {value!r}."
            )
        return self.write(self.canonical(self.read(str(value))))

    def describe(self) -> str:
        """Return a description of the space for the plan."""
        n = self.cardinality
        size = f"{n:,}" if n < 1e6 else f"10^{math.log10(n):.0f}"
        return f"{self.to_code().removeprefix('nas.')}, {size} combinations"

    def to_code(self) -> str:
        """Return the Python expression that constructs an equal space."""
        settings = ", ".join(f"{name}={value!r}" for name, value in self.settings().items())
        ours = type(self).__module__.startswith("sparkexp.")
        return f"{'nas.' * ours}{self.name}({settings})"

    def to_json(self) -> dict[str, Any]:
        """Return the space as a dict that `json` can write.

        With the numbers of options a reader that lacks the class knows the search's axes.
        """
        return {
            "type": "architecture",
            "space": self.name,
            "settings": self.settings(),
            "n_options": [len(decision.options) for decision in self.decisions],
        }

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple[object, ...]:
        return self.name, repr(self.settings()), tuple(self.decisions)


def _find_option(decision: Decision, word: str) -> int:
    texts = list(map(str, decision.options))
    if word not in texts:
        raise SpaceError(f"{decision.name} must be one of {', '.join(texts)}, got {word!r}.")
    return texts.index(word)


def find_class(name: str) -> type[ArchitectureSpace] | None:
    """Return the class that is recorded by this name; None if it isn't defined here."""
    return ArchitectureSpace._classes.get(name)
