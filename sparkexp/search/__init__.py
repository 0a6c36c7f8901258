"""Searchers: they propose trials (`ask`) and learn from the results (`tell`); numpy and scipy."""

from sparkexp.search.asha import AshaSearcher
from sparkexp.search.base import Searcher, SeededSearcher
from sparkexp.search.dehb import DehbSearcher
from sparkexp.search.evolution import EvolutionSearcher
from sparkexp.search.grid import GridSearcher, ListSearcher
from sparkexp.search.hybrid import HybridSearcher
from sparkexp.search.hyperband import HyperbandSearcher
from sparkexp.search.optuna_search import OptunaSearcher
from sparkexp.search.pareto import ParetoEvolutionSearcher
from sparkexp.search.random_search import RandomSearcher
from sparkexp.search.rungs import RungSearcher
from sparkexp.search.shade import ShadeSearcher
from sparkexp.search.sobol import SobolSearcher
from sparkexp.search.surrogate import SurrogateSearcher
from sparkexp.search.surrogate_asha import SurrogateAshaSearcher

__all__ = [
    "AshaSearcher",
    "DehbSearcher",
    "EvolutionSearcher",
    "GridSearcher",
    "HybridSearcher",
    "HyperbandSearcher",
    "ListSearcher",
    "OptunaSearcher",
    "ParetoEvolutionSearcher",
    "RandomSearcher",
    "RungSearcher",
    "Searcher",
    "SeededSearcher",
    "ShadeSearcher",
    "SobolSearcher",
    "SurrogateAshaSearcher",
    "SurrogateSearcher",
]
