"""Reads JSON and YAML files that users write by hand."""

from __future__ import annotations

import json
import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

from sparkexp.errors import EnvironmentUnfitError, InvalidArgumentError

__all__ = ["read_structured"]

SUFFIXES = (".json", ".yaml", ".yml")


def read_structured(what: str, path: str) -> Any:
    """Return the content of a JSON or YAML file.

    Parameters
    ----------
    what : str
        A name for the file's content, for error messages.
    path : str
        The file. Its suffix tells the format.

    Raises
    ------
    InvalidArgumentError
        If the file can't be read, or a mapping has a name twice.
    EnvironmentUnfitError
        If the file is YAML and PyYAML is not installed.
    """
    file = Path(path).expanduser()
    if file.suffix.lower() not in SUFFIXES:
        raise InvalidArgumentError(
            f"{what} must be a .yaml, .yml or .json file, got {path!r}. Rename the file."
        )
    try:
        text = file.read_text(encoding="utf-8")
        return _json(text) if file.suffix.lower() == ".json" else _yaml(text)
    except OSError as error:
        reason = error.strerror or str(error)
    except ValueError as error:
        reason = " ".join(str(error).split())
    raise InvalidArgumentError(
        f"{what} must be a file that can be read, and {path!r} is not: {reason}. Correct it, or "
        "name another one."
    )


def _json(text: str) -> Any:
    return json.loads(text, object_pairs_hook=_make_dict)


def _make_dict(pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
    """Return a dict of pairs; raise an error for a repeated name, which would be dropped."""
    found: dict[Any, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"{name!r} is there twice")
        found[name] = value
    return found


def _yaml(text: str) -> Any:
    try:
        import yaml
    except ImportError:
        raise EnvironmentUnfitError(
            "A .yaml file needs PyYAML, which is not installed. Run: pip install 'sparkexp[cli]', "
            "or write the same as .json."
        ) from None

    class Loader(yaml.SafeLoader):  # type: ignore[misc]
        """A safe loader that reads 1e-4 as a number and refuses repeated names."""

        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
            self.flatten_mapping(node)
            return _make_dict(
                [
                    (
                        self.construct_object(key, deep=True),
                        self.construct_object(value, deep=True),
                    )
                    for key, value in node.value
                ]
            )

    # PyYAML follows YAML 1.1, in which 1e-4 is a text, since it has no point.
    Loader.add_implicit_resolver(
        "tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"),
        list("-+0123456789"),
    )  # fmt: skip
    try:
        return yaml.load(text, Loader)
    except (yaml.YAMLError, TypeError) as error:  # TypeError: a name that is a list
        raise ValueError(str(error)) from error
