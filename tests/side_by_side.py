"""How pytest-xdist's workers share the tests: what goes together, and what comes first.

Tests that use the same server go to one worker, so that it is started once. So do the tests of a
file that start no Java: they share the file's fixtures. Any other is sent by itself. What takes
long comes first, and what is short fills the end.

A scheduler of our own, since `--dist loadgroup` of pytest-xdist 3.8 does nothing with pytest 9.2.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

STARTS_JAVA = ("spark", "cluster", "notebook")
# Fixtures with a server that all tests share, those first that take longest.
SERVERS = ("cluster", "connect", "s3", "hdfs", "mlflow_server")
UNITS = "sparkexp_units"


def starts_java(item: pytest.Item) -> bool:
    """Tell whether a test starts Spark, in whatever process."""
    return any(item.get_closest_marker(name) for name in STARTS_JAVA)


def fixtures(item: pytest.Item) -> set[str]:
    """Return the names of a test's fixtures, also of those that a parameter names."""
    call = getattr(item, "callspec", None)
    values = () if call is None else call.params.values()
    named = {value for value in values if isinstance(value, str)}
    return {*getattr(item, "fixturenames", ()), *named}


class Units(LoadScopeScheduling):  # type: ignore[misc]
    """Sends units to the workers in the order in which they were collected."""

    def __init__(self, config: pytest.Config, log: Any, units: Path) -> None:
        config.option.loadscopereorder = False
        super().__init__(config, log)
        self._file = units
        self._units: dict[str, str] = {}

    def _split_scope(self, nodeid: str) -> str:
        if not self._units:
            self._units = json.loads(self._file.read_text())
            self._file.unlink()
        return self._units[nodeid]


class SideBySide:
    """The plugin, for the process that sends and for those that receive."""

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Tell a worker where to write which test belongs to which unit."""
        node.workerinput[UNITS] = str(self._units(node.config))

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: Any) -> Units | None:
        """Return ours, unless another is asked for."""
        return Units(config, log, self._units(config)) if config.option.dist == "load" else None

    @pytest.hookimpl(wrapper=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]):  # type: ignore[no-untyped-def]
        """Put first what takes long, and write the units down."""
        yield
        if workerinput := getattr(config, "workerinput", None):
            items.sort(key=_rank)
            path = Path(workerinput[UNITS])
            new = path.with_suffix(f".{os.getpid()}")
            new.write_text(json.dumps({item.nodeid: _unit(item) for item in items}))
            new.replace(path)  # each writes the same

    def _units(self, config: pytest.Config) -> Path:
        assert config.cache is not None
        return config.cache.mkdir("side_by_side") / f"{os.getpid()}.json"


def _unit(item: pytest.Item) -> str:
    used = fixtures(item)
    for name in SERVERS:
        if name in used:
            return name
    if mark := item.get_closest_marker("together"):
        return str(mark.args[0])
    return item.nodeid if starts_java(item) else item.nodeid.partition("::")[0]


def _rank(item: pytest.Item) -> int:
    used = fixtures(item)
    for rank, name in enumerate(SERVERS):
        if name in used:
            return rank
    return len(SERVERS) + (0 if starts_java(item) else 1)
