"""None, tuples and lists as values of a parameter: trials and records hold their texts."""

from __future__ import annotations

from typing import Any

from sparkexp.errors import SpaceError
from sparkexp.space.values import to_native
from sparkexp.trial import ParamValue

__all__ = ["is_object", "object_from_json", "object_to_json", "to_plain_object", "to_value"]


def is_object(value: object) -> bool:
    """Return whether a value is None, a tuple or a list, which is shown by its text."""
    return value is None or isinstance(value, tuple | list)


def to_plain_object(value: Any) -> Any:
    """Return None, a tuple or a list, with elements of Python's own types.

    Raises
    ------
    SpaceError
        If an element is none of these and no int, float, str or bool.

    Examples
    --------
    >>> to_plain_object((64, [None, 'relu']))
    (64, [None, 'relu'])
    """
    if value is None:
        return None
    if isinstance(value, tuple):
        return tuple(to_plain_object(each) for each in value)
    if isinstance(value, list):
        return [to_plain_object(each) for each in value]
    return to_native(value)


def to_value(value: object) -> ParamValue:
    """Return a value as a trial has it: a number, a text or a bool, or the text of an object.

    Raises
    ------
    SpaceError
        If it can't be a value.

    Examples
    --------
    >>> to_value((64, 32)), to_value(None), to_value(0.5)
    ('(64, 32)', 'None', 0.5)
    """
    return repr(to_plain_object(value)) if is_object(value) else to_native(value)


def object_to_json(value: Any) -> Any:
    """Return what `to_plain_object` returned in a form that `json` can write.

    Examples
    --------
    >>> object_to_json((64, [None, 'relu']))
    {'tuple': [64, [None, 'relu']]}
    """
    if isinstance(value, tuple):
        return {"tuple": [object_to_json(each) for each in value]}
    return [object_to_json(each) for each in value] if isinstance(value, list) else value


def object_from_json(record: Any) -> Any:
    """Return what `object_to_json` was given.

    Raises
    ------
    SpaceError
        If sparkexp did not write the record.
    """
    if isinstance(record, list):
        return [object_from_json(each) for each in record]
    if isinstance(record, dict):
        if list(record) != ["tuple"] or not isinstance(record["tuple"], list):
            raise SpaceError(f"A value's record must be one that sparkexp wrote, got {record!r}.")
        return tuple(object_from_json(each) for each in record["tuple"])
    return to_plain_object(record)
