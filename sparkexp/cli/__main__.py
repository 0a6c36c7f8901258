"""``python -m sparkexp.cli``; also what spark-submit starts."""

import sys
from pathlib import Path

if __spec__ is None:  # started by its path, whose folder has modules that are nobody's
    sys.path[:] = [path for path in sys.path if Path(path) != Path(__file__).parent]

from sparkexp.cli import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main())
