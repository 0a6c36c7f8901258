"""The errors that sparkexp raises, all below `SparkexpError`.

::

    SparkexpError
    ├── InvalidArgumentError (ValueError)    an argument of the call breaks a rule
    │   ├── SpaceError                       the search space breaks a rule
    │   └── TrainFunctionError               the train function breaks a rule
    ├── EnvironmentUnfitError (RuntimeError) the session or the machine can't run the search
    │   └── SessionLostError                 the session ended during the search; has the result
    ├── RunDirectoryError (OSError)          the log directory can't be used or read
    ├── StorageError (OSError)               a file system can't be reached or used
    ├── AllTrialsFailedError (RuntimeError)  the first trials failed alike, and so would all; has
    │                                        the result
    ├── PeerLostError (RuntimeError)         in a worker of a gang: another worker was lost
    └── NoBestTrialError (LookupError)       no trial succeeded with a value

    KeyboardInterrupt
    └── SearchInterrupted                    Ctrl-C ended the search; has the result so far

A failure inside a trial is not an error of the search: it is recorded in the trial's result (state
FAILED, with its traceback). But if the first trials all fail with one error, and it lies in the
call, the search ends with it.
"""

from __future__ import annotations

from typing import Any

__all__ = [
    "AllTrialsFailedError",
    "EnvironmentUnfitError",
    "InvalidArgumentError",
    "NoBestTrialError",
    "PeerLostError",
    "RunDirectoryError",
    "SearchInterrupted",
    "SessionLostError",
    "SpaceError",
    "SparkexpError",
    "StorageError",
    "TrainFunctionError",
]


class SparkexpError(Exception):
    """Base of all errors that sparkexp raises."""


class InvalidArgumentError(SparkexpError, ValueError):
    """An argument breaks a rule; the message names the rule, the value got and the way out."""


class SpaceError(InvalidArgumentError):
    """A search space or one of its parameters is invalid."""


class TrainFunctionError(InvalidArgumentError):
    """The train function can't be called with the parameters of the search space."""


class EnvironmentUnfitError(SparkexpError, RuntimeError):
    """The Spark session or this machine can't run the search as it is configured."""


class SessionLostError(EnvironmentUnfitError):
    """The Spark session ended while a search ran.

    Attributes
    ----------
    result : Result
        The trials that ended before.
    """

    result: Any  # a Result, which lies above this module


class SearchInterrupted(KeyboardInterrupt):
    """A search was ended by Ctrl-C or a notebook's interrupt.

    Attributes
    ----------
    result : Result
        The trials that ended before; the trials that were running are CANCELLED.
    """

    result: Any  # a Result, which lies above this module


class RunDirectoryError(SparkexpError, OSError):
    """The log directory of a run can't be used, or what it holds can't be read.

    Attributes
    ----------
    result : Result
        The trials that ended before, if another driver has taken over the run of a search.
    """

    result: Any  # a Result, which lies above this module


class StorageError(SparkexpError, OSError):
    """A file system can't be reached or used.

    Attributes
    ----------
    result : Result
        All trials, if a search has ended but its log directory could not be written completely.
    """

    result: Any  # a Result, which lies above this module


class PeerLostError(SparkexpError, RuntimeError):
    """Another worker of the gang was lost: what this worker raises is not its own error."""


class AllTrialsFailedError(SparkexpError, RuntimeError):
    """The first trials of a search failed with one error that lies in the call.

    Attributes
    ----------
    result : Result
        The trials that ended before.
    """

    result: Any  # a Result, which lies above this module


class NoBestTrialError(SparkexpError, LookupError):
    """There is no best trial, since no trial succeeded with a value."""
