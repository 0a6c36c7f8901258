"""A place that is used like another storage's and lies on this machine's disk."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def there(tmp_path: Path) -> Path:
    return tmp_path / "elsewhere/run"


@pytest.fixture
def place(there: Path) -> str:
    return f"local://{there}"
