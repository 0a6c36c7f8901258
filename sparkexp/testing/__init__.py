"""What a searcher, an engine or a tracker promises, as tests for yours; it needs pytest.

::

    from sparkexp.testing import SearcherContract

    class TestMine(SearcherContract):
        def make_searcher(self, space, direction, seed):
            return MySearcher(space, direction, n_trials=30, seed=seed)

pytest collects the tests of the contract with those of your class.
"""

import pytest

# Before they are imported: a failed assert then says what the values were.
for _part in ("driving", "engine", "searcher", "searcher_spaces", "tracker"):
    pytest.register_assert_rewrite(f"sparkexp.testing.{_part}")

from sparkexp.testing.engine import EngineContract  # noqa: E402
from sparkexp.testing.searcher import SearcherContract  # noqa: E402
from sparkexp.testing.tracker import TrackerContract  # noqa: E402

__all__ = ["EngineContract", "SearcherContract", "TrackerContract"]
