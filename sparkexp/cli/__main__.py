"""``python -m sparkexp.cli``; also what spark-submit starts."""

import sys

from sparkexp.cli import main

if __name__ == "__main__":
    sys.exit(main())
