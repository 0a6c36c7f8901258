"""Tells the numeric libraries how many cores a trial has.

Otherwise each trial starts as many threads as the machine has cores, and the trials of a machine
fight for them.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import MutableMapping

__all__ = ["set_loaded_threads", "set_thread_variables"]

# Spark sets this one, to spark.task.cpus. OpenBLAS, MKL, BLIS and NumExpr go by it, too, unless
# they are given variables of their own.
OMP = "OMP_NUM_THREADS"
# Others don't. Set unless they are set already: by the user, then.
VARIABLES = (
    "VECLIB_MAXIMUM_THREADS",
    "NUMBA_NUM_THREADS",
    "RAYON_NUM_THREADS",
    "POLARS_MAX_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
    "LOKY_MAX_CPU_COUNT",  # joblib's count of cores, and so that of LightGBM and scikit-learn
    "PYTHON_CPU_COUNT",  # os.cpu_count(), in interpreters that are started from now on
)
# The variable of each kind of library that threadpoolctl tells apart.
BY_API = {
    "openblas": "OPENBLAS_NUM_THREADS",
    "mkl": "MKL_NUM_THREADS",
    "blis": "BLIS_NUM_THREADS",
}


def set_thread_variables(threads: int | None, environ: MutableMapping[str, str]) -> None:
    """Set the environment variables that libraries read when they are loaded.

    Parameters
    ----------
    threads : int, optional
        The number of threads; 0 takes Spark's limit away, None changes nothing.
    environ : MutableMapping[str, str]
        Takes the variables.
    """
    if threads == 0:
        environ.pop(OMP, None)
    elif threads is not None:
        environ[OMP] = str(threads)
        for name in VARIABLES:
            environ.setdefault(name, str(threads))


def set_loaded_threads() -> None:
    """Give the libraries that are loaded the threads that the environment variables say.

    They may have been loaded with others: Spark's worker loads numpy before it knows the trial.
    """
    try:
        from threadpoolctl import ThreadpoolController
    except ImportError:
        return  # what is loaded from now on follows the variables
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of two kinds of OpenMP in one process
        for library in ThreadpoolController().lib_controllers:
            threads = _wanted(BY_API.get(library.internal_api, OMP))
            if library.num_threads != threads:
                library.set_num_threads(threads)
    if (torch := sys.modules.get("torch")) is not None:
        if torch.get_num_threads() != _wanted(OMP):
            torch.set_num_threads(_wanted(OMP))


def _wanted(variable: str) -> int:
    for name in (variable, OMP):
        # OpenMP allows a number for each level of nesting.
        number = os.environ.get(name, "").partition(",")[0].strip()
        if number.isdecimal() and int(number):
            return int(number)
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
