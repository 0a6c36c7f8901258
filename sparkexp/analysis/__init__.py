"""What can be read off the trials of a search: its generations, its progress, what mattered.

Pure functions of trials; `sparkexp.tracking` and `sparkexp.results.plots` draw what they find.
Importing this package is light: the modules with numbers in them import numpy themselves.
"""

from sparkexp.analysis.specs import Interval, Kind, ParameterSpec, ParameterValue

__all__ = ["ParameterSpec", "ParameterValue", "Interval", "Kind"]
