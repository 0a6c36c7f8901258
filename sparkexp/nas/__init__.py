"""Architecture search: spaces of architectures, and the models that are built of them.

The searchers are in `sparkexp.search.architecture`; an architecture space is a parameter that any
searcher can search.
"""

from sparkexp.nas.cell_space import CellSpace
from sparkexp.nas.drop_path import register_layers
from sparkexp.nas.nasnet_a import NASNET_A
from sparkexp.space.architecture import Architecture, ArchitectureSpace, Decision

__all__ = [
    "NASNET_A",
    "Architecture",
    "ArchitectureSpace",
    "CellSpace",
    "Decision",
    "register_layers",
]
