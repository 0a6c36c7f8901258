"""Contract tests for searchers, engines and trackers of your own; they need pytest.

::

    from sparkexp.testing import SearcherContract

    class TestMine(SearcherContract):
        def make_searcher(self, space, direction, seed):
            return MySearcher(space, direction, n_trials=30, seed=seed)

pytest collects the tests of the contract together with those of your class.
"""

import pytest

# Before the imports: only then does a failed assert show its values.
for _part in ("driving", "engine", "searcher", "searcher_spaces", "tracker"):
    pytest.register_assert_rewrite(f"sparkexp.testing.{_part}")

from sparkexp.testing.engine import EngineContract  # noqa: E402
from sparkexp.testing.searcher import SearcherContract  # noqa: E402
from sparkexp.testing.tracker import TrackerContract  # noqa: E402

__all__ = ["EngineContract", "SearcherContract", "TrackerContract"]
