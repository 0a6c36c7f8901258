"""Other packages' searchers as samplers; each is imported only where it is installed."""

from __future__ import annotations

import queue
import threading
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from protocol import Order, Sampler

from sparkexp.space import Space
from sparkexp.space.parameters import Choice, Float, Parameter
from sparkexp.trial import ParamValue

__all__ = ["dehb_de", "optuna_cmaes", "optuna_gp", "optuna_tpe", "scipy_de"]


class _Optuna:
    """An Optuna study. A choice among ordered values is a whole number to it, their place."""

    def __init__(self, space: Space, sampler: Any) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._study = optuna.create_study(sampler=sampler)
        self._space = space
        self._distributions = {
            name: _distribution(parameter) for name, parameter in space.parameters.items()
        }

    def ask(self) -> tuple[Any, Mapping[str, ParamValue]]:
        trial = self._study.ask(self._distributions)
        parameters = self._space.parameters
        return trial, {name: _value(parameters[name], v) for name, v in trial.params.items()}

    def tell(self, handle: Any, value: float) -> None:
        self._study.tell(handle, value)

    def close(self) -> None:
        pass


def _distribution(parameter: Parameter) -> Any:
    from optuna import distributions as kinds

    if isinstance(parameter, Choice):
        if _is_ordered(parameter):
            return kinds.IntDistribution(0, parameter.n_values - 1)
        return kinds.CategoricalDistribution(parameter.options)
    if isinstance(parameter, Float):
        return kinds.FloatDistribution(parameter.low, parameter.high, log=parameter.log)
    return kinds.IntDistribution(parameter.low, parameter.high, log=parameter.log)


def _is_ordered(parameter: Choice) -> bool:
    return bool(parameter.ordered) and isinstance(parameter.options[0], int | float)


def _value(parameter: Parameter, value: Any) -> ParamValue:
    if isinstance(parameter, Choice) and _is_ordered(parameter):
        return parameter.options[value]
    found: ParamValue = value
    return found


def optuna_tpe(space: Space, order: Order, settings: str) -> Sampler:
    """TPE, multivariate; in parallel with the constant liar, as its documentation advises."""
    import optuna

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # both settings are called experimental
        sampler = optuna.samplers.TPESampler(
            seed=order.seed, multivariate=True, constant_liar=order.slots > 1
        )
    return _Optuna(space, sampler)


def optuna_gp(space: Space, order: Order, settings: str) -> Sampler:
    """The GP sampler; tables return the same value every time, and it is told so."""
    import optuna

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sampler = optuna.samplers.GPSampler(seed=order.seed, deterministic_objective=True)
    return _Optuna(space, sampler)


def optuna_cmaes(space: Space, order: Order, settings: str) -> Sampler:
    """CMA-ES; Optuna draws the categories, which it doesn't know, at random."""
    import optuna

    sampler = optuna.samplers.CmaEsSampler(seed=order.seed, warn_independent_sampling=False)
    return _Optuna(space, sampler)


class _Closed(BaseException):
    """Ends an optimiser that would go on."""


class _Inverted:
    """An optimiser that calls its objective, as a sampler: it runs in a thread of its own.

    Parameters
    ----------
    space : Space
        Its points are decoded by it.
    optimise : Callable
        Is given a function from points of the unit cube to their values, of which those of one
        call may be evaluated at the same time.
    """

    def __init__(
        self,
        space: Space,
        optimise: Callable[[Callable[[Iterable[np.ndarray]], list[float]]], object],
    ) -> None:
        self._space = space
        self._batches: queue.Queue[list[np.ndarray] | BaseException] = queue.Queue()
        self._answers: queue.Queue[list[float] | None] = queue.Queue()
        self._batch: list[np.ndarray] = []
        self._values: dict[int, float] = {}
        self._next = 0
        self._thread = threading.Thread(target=self._run, args=(optimise,), daemon=True)
        self._thread.start()

    def ask(self) -> tuple[int, Mapping[str, ParamValue]] | None:
        if len(self._values) == len(self._batch):  # the whole batch was told
            if self._batch:
                self._answers.put([self._values[k] for k in range(len(self._batch))])
            batch = self._batches.get(timeout=60)
            if isinstance(batch, BaseException):
                raise batch
            self._batch, self._values, self._next = batch, {}, 0
        if self._next == len(self._batch):
            return None
        place = self._next
        self._next += 1
        return place, self._space.decode(np.clip(self._batch[place], 0.0, 1.0))

    def tell(self, handle: int, value: float) -> None:
        self._values[handle] = value

    def close(self) -> None:
        self._answers.put(None)
        self._thread.join(60)

    def _run(self, optimise: Callable[[Any], object]) -> None:
        try:
            optimise(self._evaluate)
            self._batches.put(RuntimeError("the optimiser has come to its end"))
        except _Closed:
            pass
        except BaseException as error:
            self._batches.put(error)

    def _evaluate(self, points: Iterable[np.ndarray]) -> list[float]:
        self._batches.put([np.array(point, dtype=float) for point in points])
        values = self._answers.get()
        if values is None:
            raise _Closed
        return values


def scipy_de(space: Space, order: Order, settings: str) -> Sampler:
    """scipy's default strategy from a Latin hypercube of a population that suits 40 trials.

    With one slot a better child takes its place at once, else at the end of its generation.
    """
    from scipy.optimize import differential_evolution
    from scipy.stats import qmc

    rng = np.random.default_rng(order.seed)
    start = qmc.LatinHypercube(space.n_dims, rng=rng).random(int(settings))

    def optimise(evaluate: Callable[[Iterable[np.ndarray]], list[float]]) -> None:
        differential_evolution(
            lambda point: evaluate([point])[0],
            [(0.0, 1.0)] * space.n_dims,
            init=start,
            maxiter=10**6,
            tol=0.0,
            atol=-1.0,  # a population of equals doesn't end it
            polish=False,
            rng=rng,
            updating="immediate" if order.slots == 1 else "deferred",
            workers=1 if order.slots == 1 else lambda _, points: evaluate(points),
        )

    return _Inverted(space, optimise)


def dehb_de(space: Space, order: Order, settings: str) -> Sampler:
    """DEHB's own DE, with its default strategy and weights, at one fidelity.

    It evaluates one by one; what it finds depends on nothing else, since it is generational.
    """
    from dehb.optimizers.de import DE
    from dehb.utils import ConfigRepository
    from loguru import logger

    logger.remove()

    def optimise(evaluate: Callable[[Iterable[np.ndarray]], list[float]]) -> None:
        de = DE(
            f=lambda point, **_: {"fitness": evaluate([point])[0], "cost": 1.0},
            dimensions=space.n_dims,
            pop_size=int(settings),
            mutation_factor=0.5,
            crossover_prob=0.5,
            strategy="rand1_bin",
            configspace=False,
            seed=order.seed,
            config_repository=ConfigRepository(),
        )
        de.run(generations=10**6)

    return _Inverted(space, optimise)
