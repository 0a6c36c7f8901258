"""Searchers: they propose trials (`ask`) and learn from the results (`tell`); numpy only."""

from sparkexp.search.base import Searcher, SeededSearcher
from sparkexp.search.evolution import EvolutionSearcher
from sparkexp.search.grid import GridSearcher, ListSearcher
from sparkexp.search.random_search import RandomSearcher
from sparkexp.search.shade import ShadeSearcher

__all__ = [
    "EvolutionSearcher",
    "GridSearcher",
    "ListSearcher",
    "RandomSearcher",
    "Searcher",
    "SeededSearcher",
    "ShadeSearcher",
]
