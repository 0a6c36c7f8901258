"""Architecture search: spaces of architectures, and the models that are built of them.

The searchers are in `sparkexp.search.architecture`; an architecture space is a parameter that any
searcher can search.
"""

from sparkexp.nas.cell_space import CellSpace
from sparkexp.nas.chain_space import ChainSpace
from sparkexp.nas.drop_path import register_layers
from sparkexp.nas.graph_space import GraphSpace
from sparkexp.nas.inheritance import inherit_weights
from sparkexp.nas.nasnet_a import NASNET_A
from sparkexp.space.architecture import Architecture, ArchitectureSpace, Decision, Mutation
from sparkexp.space.diagram import Arrow, Box, Diagram, Graph, Part

__all__ = [
    "NASNET_A",
    "Architecture",
    "ArchitectureSpace",
    "Arrow",
    "Box",
    "CellSpace",
    "ChainSpace",
    "Decision",
    "Diagram",
    "Graph",
    "GraphSpace",
    "Mutation",
    "Part",
    "inherit_weights",
    "register_layers",
]
