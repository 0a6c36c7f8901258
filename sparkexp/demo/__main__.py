"""``python -m sparkexp.demo``, or this file by spark-submit."""

import argparse

from sparkexp.demo.search import add_options, run_demo

if __name__ == "__main__":
    parser = argparse.ArgumentParser("sparkexp.demo")
    add_options(parser)
    arguments = parser.parse_args()
    print(run_demo(arguments.master, arguments.logdir), flush=True)
