"""Architecture search: spaces of architectures, and the models that are built of them.

The searchers are in `sparkexp.search.architecture`; an architecture space is a parameter that any
searcher can search.
"""

from sparkexp.space.architecture import Architecture, ArchitectureSpace, Decision

__all__ = ["Architecture", "ArchitectureSpace", "Decision"]
