"""The search space."""

from sparkexp.space.architecture import Architecture, ArchitectureSpace, Decision
from sparkexp.space.space import Axis, Choice, Float, Int, Parameter, Space

__all__ = [
    "Architecture",
    "ArchitectureSpace",
    "Axis",
    "Choice",
    "Decision",
    "Float",
    "Int",
    "Parameter",
    "Space",
]
