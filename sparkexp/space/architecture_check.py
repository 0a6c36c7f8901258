"""Checks an architecture space before a search's first trial, and its mutations during one."""

from __future__ import annotations

import functools
import inspect
import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from sparkexp.errors import SpaceError
from sparkexp.space.architecture import SEPARATOR, ArchitectureSpace, Choices, Decision

__all__ = ["check_architectures", "mutate_checked", "refuse_class"]

# So many random architectures are tried.
N_TRIED = 4
# An argument such as *args or **options.
_VARIABLE = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def refuse_class(given: object) -> None:
    """Raise an error if a class of architecture spaces was given instead of an instance.

    Raises
    ------
    SpaceError
        If it is one.
    """
    if isinstance(given, type) and issubclass(given, ArchitectureSpace):
        raise SpaceError(
            f"An architecture space must be an instance, got the class {given.__name__}: hand "
            f"over an instance: {given.__name__}()."
        )


def check_architectures(space: ArchitectureSpace) -> None:
    """Check that a space keeps the rules of `ArchitectureSpace`, on a few random architectures.

    Parameters
    ----------
    space : ArchitectureSpace
        The space, also one of a class of the user's own.

    Raises
    ------
    SpaceError
        If it doesn't; the message names the class and the method.

    Examples
    --------
    >>> from sparkexp.space.architecture import Decision
    >>> class Kernels(ArchitectureSpace):
    ...     decisions = (Decision('kernel', ('conv-3', 'conv-5')),)
    ...     def build(self, architecture, **settings):
    ...         return architecture.options['kernel']
    >>> check_architectures(Kernels())
    Traceback (most recent call last):
    sparkexp.errors.SpaceError: Kernels.decisions: an option must not contain '-', which stands \
between the options of an architecture's text, got 'conv-3' for 'kernel'. Write it in another \
way, or give the class write and read of its own.
    """
    _check_decisions(space)
    _check_settings(space)
    rng = np.random.default_rng(0)
    for _ in range(N_TRIED):
        drawn = tuple(int(rng.integers(len(d.options))) for d in space.decisions)
        choices = _canonical(space, drawn)
        _check_text(space, choices)
        if space.cardinality > 1:
            _call(f"{_name(space)}.mutate", functools.partial(mutate_checked, space, choices, rng))


def mutate_checked(
    space: ArchitectureSpace, choices: Choices, rng: np.random.Generator
) -> Choices:
    """Return the canonical choices of a neighbour, after checking what the space returned.

    Raises
    ------
    SpaceError
        If that is no architecture of the space.
    """
    found = _check_choices(space, "mutate", choices, space.mutate(choices, rng))
    return _check_choices(space, "canonical", found, space.canonical(found))


def _check_decisions(space: ArchitectureSpace) -> None:
    label = f"{_name(space)}.decisions"
    decisions: object = _call(label, lambda: space.decisions)
    if callable(decisions):
        raise SpaceError(f"{label} must be a property, got a method: write @property above it.")
    if not isinstance(decisions, Sequence) or isinstance(decisions, str) or not decisions:
        raise SpaceError(
            f"{label} must be a tuple or list of at least one nas.Decision, got {decisions!r}: "
            "write for example (nas.Decision('units', (16, 32)),)."
        )
    for decision in decisions:
        _check_decision(label, decision)
    names = [decision.name for decision in decisions]
    if twice := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
        raise SpaceError(
            f"{label} must have names that differ, got {twice[0]!r} more than once: give each "
            "decision a name of its own."
        )
    if list(space.decisions) != list(decisions):
        raise SpaceError(
            f"{label} must be the same each time, got {decisions!r} and then "
            f"{space.decisions!r}: draw nothing at random, and list sets in a fixed order."
        )
    if not _has_own_write(space) and not _has_own_read(space):
        for decision in decisions:
            _check_words(label, decision)


def _check_decision(label: str, decision: object) -> None:
    if not isinstance(decision, Decision) or not isinstance(decision.name, str):
        raise SpaceError(
            f"{label} must hold objects such as nas.Decision('units', (16, 32)), got "
            f"{decision!r}: write this one in the same way."
        )
    options: object = decision.options
    if not isinstance(options, Sequence) or isinstance(options, str) or not options:
        raise SpaceError(
            f"{label}: the options of {decision.name!r} must be a tuple of at least one str or "
            f"int, got {options!r}: write for example (16, 32)."
        )


def _check_words(label: str, decision: Decision) -> None:
    """Check that the texts of the base class are unambiguous with these options."""
    words = list(map(str, decision.options))
    for word in words:
        if SEPARATOR in word:
            raise SpaceError(
                f"{label}: an option must not contain {SEPARATOR!r}, which stands between the "
                f"options of an architecture's text, got {word!r} for {decision.name!r}. Write "
                "it in another way, or give the class write and read of its own."
            )
        if words.count(word) > 1:
            raise SpaceError(
                f"{label}: the options of a decision must have texts that differ, got {word!r} "
                f"more than once for {decision.name!r}. Leave the others out."
            )


def _check_settings(space: ArchitectureSpace) -> None:
    """Check that `settings` constructs an equal space, also after it was written as JSON."""
    name = _name(space)
    settings: object = _call(f"{name}.settings", lambda: space.settings())
    if not isinstance(settings, dict):
        raise SpaceError(
            f"{name}.settings must return a dict of the constructor's arguments, got "
            f"{settings!r}: write for example return {{'width': self.width}}."
        )
    try:
        text = json.dumps(settings)
    except (TypeError, ValueError) as error:
        raise SpaceError(
            f"{name}.settings must return what JSON can write, got {settings!r}: {error}. Give "
            "numbers, strings, lists and dicts, and make the rest of them in the constructor."
        ) from None
    _check_construction(space, settings, json.loads(text))


def _check_construction(
    space: ArchitectureSpace, settings: dict[str, Any], read: dict[str, Any]
) -> None:
    """Check that what was read from JSON constructs an equal space."""
    name = _name(space)
    rule = (
        f"{name}.settings must return the arguments that construct an equal space, since "
        f"experiment.resume and load make it of them; got {settings!r}"
    )
    parameters = inspect.signature(type(space)).parameters.values()
    names = [each.name for each in parameters if each.kind not in _VARIABLE]
    pairs = ", ".join(f"{name!r}: self.{name}" for name in names)
    advice = (
        f"Write def settings(self): return {{{pairs}}}."
        if names
        else "Give the constructor an argument for each setting, and for what differs."
    )
    try:
        again = type(space)(**read)
    except Exception as error:
        raise SpaceError(
            f"{rule}, with which {name} raises {type(error).__name__}: {error}. {advice}"
        ) from error
    equal = list(again.decisions) == list(space.decisions)
    if not equal or json.dumps(again.settings()) != json.dumps(settings):
        raise SpaceError(f"{rule}, which makes another one. {advice}")
    missing = [each for each in names if each not in settings]
    if not missing and (settings or len(names) == len(parameters)):
        return
    third = type(space)(**read)
    for attribute, value in vars(again).items():
        given = vars(space).get(attribute, value)
        # What differs from one construction to the next tells nothing: a cache, a lambda.
        if _is_same(value, vars(third).get(attribute)) and not _is_same(value, given):
            raise SpaceError(
                f"{rule}, which makes one with {attribute}={value!r} instead of {given!r}. "
                f"{advice}"
            )


def _is_same(one: object, other: object) -> bool:
    """Return whether two attributes are equal, or can't be compared."""
    if isinstance(one, tuple | list) and isinstance(other, tuple | list):
        one, other = list(one), list(other)
    try:
        return one is other or bool(np.all(one == other))
    except Exception:
        return True


def _check_text(space: ArchitectureSpace, choices: Choices) -> None:
    """Check that `read` is the inverse of `write`."""
    name = _name(space)
    text: object = _call(f"{name}.write", lambda: space.write(choices))
    if not isinstance(text, str):
        raise SpaceError(
            f"{name}.write must return the text of an architecture, got {text!r} for {choices}: "
            "return a str."
        )
    hint = "Write read so that it undoes write."
    if _has_own_write(space) and not _has_own_read(space):
        hint = f"{name} has a write of its own, but no read: write both."
    if _has_own_read(space) and not _has_own_write(space):
        hint = f"{name} has a read of its own, but no write: write both."
    try:
        returned: object = space.read(text)
    except Exception as error:
        raise SpaceError(
            f"{name}.read must return the choices of the text that {name}.write returned, got "
            f"{type(error).__name__} for {text!r}: {error} {hint}"
        ) from error
    found = _check_choices(space, "read", text, returned)
    if _canonical(space, found) != choices:
        raise SpaceError(
            f"{name}.read must return the choices of the text that {name}.write returned, got "
            f"{found} for {text!r}, the text of {choices}. {hint}"
        )


def _canonical(space: ArchitectureSpace, choices: Choices) -> Choices:
    """Return the canonical choices, after checking that they stay as they are."""
    label = f"{_name(space)}.canonical"
    found = _check_choices(
        space, "canonical", choices, _call(label, lambda: space.canonical(choices))
    )
    again = _check_choices(space, "canonical", found, _call(label, lambda: space.canonical(found)))
    if again != found:
        raise SpaceError(
            f"{label} must return canonical choices as they are, got {found} for {choices}, but "
            f"{again} for {found}: return the same for all that make one architecture."
        )
    return found


def _check_choices(space: ArchitectureSpace, method: str, of: object, found: object) -> Choices:
    """Return what a method returned as choices, if it is an architecture of the space."""
    rule = (
        f"{_name(space)}.{method} must return a tuple with the number of an option for each of "
        f"the {len(space.decisions)} decisions, got {found!r} for {of!r}"
    )
    if not isinstance(found, tuple | list) or len(found) != len(space.decisions):
        raise SpaceError(f"{rule}: return one whole number for each decision.")
    for decision, choice in zip(space.decisions, found, strict=True):
        last = len(decision.options) - 1
        if not isinstance(choice, int | np.integer) or not 0 <= choice <= last:
            raise SpaceError(
                f"{rule}: for {decision.name!r} it is a whole number from 0 to {last}, not "
                f"{choice!r}."
            )
    return tuple(map(int, found))


def _call(label: str, function: Callable[[], Any]) -> Any:
    """Call a method of the user's; what it raises becomes an error with the method's name."""
    try:
        return function()
    except SpaceError:
        raise
    except Exception as error:
        raise SpaceError(
            f"{label} must not fail, got {type(error).__name__}: {error}. Correct it in the class."
        ) from error


def _has_own_write(space: ArchitectureSpace) -> bool:
    return type(space).write is not ArchitectureSpace.write


def _has_own_read(space: ArchitectureSpace) -> bool:
    return type(space).read is not ArchitectureSpace.read


def _name(space: ArchitectureSpace) -> str:
    return type(space).__name__
