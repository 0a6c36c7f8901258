"""Searchers: they propose trials (`ask`) and learn from the results (`tell`); numpy and scipy."""

from sparkexp.search.architecture.regularized import RegularizedEvolutionSearcher
from sparkexp.search.architecture.reinforcement import ReinforcementSearcher
from sparkexp.search.architecture.tournament import TournamentSearcher
from sparkexp.search.base import Searcher, SeededSearcher
from sparkexp.search.evolution.classic import EvolutionSearcher
from sparkexp.search.evolution.hybrid import HybridSearcher
from sparkexp.search.evolution.pareto import ParetoEvolutionSearcher
from sparkexp.search.evolution.shade import ShadeSearcher
from sparkexp.search.evolution.surrogate import SurrogateSearcher
from sparkexp.search.grid import GridSearcher, ListSearcher
from sparkexp.search.multi_fidelity.asha import AshaSearcher
from sparkexp.search.multi_fidelity.dehb import DehbSearcher
from sparkexp.search.multi_fidelity.hyperband import HyperbandSearcher
from sparkexp.search.multi_fidelity.rungs import RungSearcher
from sparkexp.search.multi_fidelity.surrogate_asha import SurrogateAshaSearcher
from sparkexp.search.optuna_search import OptunaSearcher
from sparkexp.search.random_search import RandomSearcher
from sparkexp.search.sobol import SobolSearcher

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
    "RegularizedEvolutionSearcher",
    "ReinforcementSearcher",
    "RungSearcher",
    "Searcher",
    "SeededSearcher",
    "ShadeSearcher",
    "SobolSearcher",
    "SurrogateAshaSearcher",
    "SurrogateSearcher",
    "TournamentSearcher",
]
