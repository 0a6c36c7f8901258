"""NASNet-A, the best cells that Zoph et al. 2018 found on CIFAR-10."""

from __future__ import annotations

from typing import Any

from sparkexp.nas.cell_space import CellSpace
from sparkexp.space.architecture import Architecture, Choices

__all__ = ["NASNET_A", "NASNetASpace"]

_NORMAL = "0:sep5+1:sep3 1:sep5+1:sep3 0:avg3+1:identity 1:avg3+1:avg3 0:sep3+0:identity"
_REDUCTION = "0:sep5+1:sep7 0:max3+1:sep7 0:avg3+1:sep5 3:identity+2:avg3 2:sep3+0:max3"


class NASNetASpace(CellSpace):
    """The space of NASNet-A, as its cells were published.

    They differ from those of a `CellSpace` in what they concatenate. The normal cell also has the
    output of the cell before, and the reduction cell also has its second block, though blocks use
    both. So blocks keep their order here: their numbers mean something.
    """

    name = "NASNetA"

    def __init__(self) -> None:
        super().__init__()

    def settings(self) -> dict[str, Any]:
        """Return no arguments: there is one such space."""
        return {}

    def canonical(self, choices: Choices) -> Choices:
        """Return the choices as they are."""
        return choices

    def outputs(self, choices: Choices) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return the unused states, and the one that each cell has besides."""
        normal, reduction = super().outputs(choices)
        return tuple(sorted({1, *normal})), tuple(sorted({3, *reduction}))


#: NASNet-A. For CIFAR-10 it had 18 cells and 32 filters, as the mobile network for ImageNet 12
#: cells and 44 filters, as the large one 18 cells, 168 filters and ``stem_filters=96``.
NASNET_A: Architecture = NASNetASpace().parse(f"{_NORMAL}; {_REDUCTION}")
