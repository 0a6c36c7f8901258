"""Looks for what would keep searches from running: on the driver and on every executor."""

from sparkexp.doctor.examination import PACKAGES, examine, examine_session
from sparkexp.doctor.findings import Finding, Level, line, to_json

__all__ = ["PACKAGES", "Finding", "Level", "examine", "examine_session", "line", "to_json"]
