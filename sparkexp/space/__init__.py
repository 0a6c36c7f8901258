"""The search space."""

from sparkexp.space.space import Choice, Float, Int, Parameter, Space

__all__ = ["Choice", "Float", "Int", "Parameter", "Space"]
