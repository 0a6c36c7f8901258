"""None, tuples and lists as values in a list of configurations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sparkexp.errors import SpaceError
from sparkexp.space.choice import Choice
from sparkexp.space.plain_objects import is_object, to_value

__all__ = ["replace_objects"]


def replace_objects(configurations: Sequence[Any]) -> tuple[list[Any], dict[str, Choice]]:
    """Return the configurations with texts for objects, and by name what parses the texts.

    What is no configuration, or no value, is left as it is.

    Raises
    ------
    SpaceError
        If an object has elements that are no values, or a text is given beside the object that
        has this text.

    Examples
    --------
    >>> listed, parsed = replace_objects([{'layers': (64, 32)}, {'layers': None}])
    >>> listed, parsed['layers'].parse('(64, 32)')
    ([{'layers': '(64, 32)'}, {'layers': 'None'}], (64, 32))
    """
    objects: dict[str, dict[str, object]] = {}
    replaced: list[Any] = []
    for k, given in enumerate(configurations):
        if not isinstance(given, Mapping):
            replaced.append(given)
            continue
        texts = {name: _text_of(k, name, v) for name, v in given.items() if is_object(v)}
        for name, text in texts.items():
            objects.setdefault(name, {})[text] = given[name]
        replaced.append({**given, **texts})
    for k, given in enumerate(configurations):
        for name, value in given.items() if isinstance(given, Mapping) else ():
            if isinstance(value, str) and value in objects.get(name, {}):
                raise SpaceError(
                    f"Configuration {k}, {name}: a text must differ from those of None, tuples "
                    f"and lists, got {value!r} beside {objects[name][value]!r}. Give another text."
                )
    return replaced, {name: Choice(list(found.values())) for name, found in objects.items()}


def _text_of(k: int, name: object, value: object) -> str:
    try:
        return str(to_value(value))
    except SpaceError as error:
        raise SpaceError(f"Configuration {k}, {name}: {error}") from None
