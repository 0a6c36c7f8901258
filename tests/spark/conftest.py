"""What several files of fault tests share."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from tests.spark.watching import MARK, end, marked


@pytest.fixture
def mark() -> Iterator[dict[str, str]]:
    """An environment variable that every process of a test inherits, to find them by."""
    value = uuid.uuid4().hex
    yield {MARK: value}
    end(marked(value))
