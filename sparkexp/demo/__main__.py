"""``python -m sparkexp.demo``, or this file by spark-submit."""

from sparkexp.cli import main

if __name__ == "__main__":
    import sys

    sys.exit(main(["demo", *sys.argv[1:]]))
