"""The script that multiprocessing runs in a process that a trial spawns, in place of the user's.

The user's script would start its search again there.
"""

from sparkexp.engine.transfer.main_module import copy_main

if __name__ == "__mp_main__":
    globals().update(copy_main())
