"""Neighbours of a configuration: the mutations of evolutions without arithmetic of genes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sparkexp.search.evolution.variation import Vector, draw_integer, draw_normal, reflect
from sparkexp.space import ArchitectureSpace, Choice, Space
from sparkexp.space.architecture_check import mutate_checked
from sparkexp.space.parameters import Axis, Parameter, axes_of
from sparkexp.space.unit_interval import cell_index, cell_middle

__all__ = ["find_neighbours", "locate_axes", "mutate"]

# The standard deviation of a step on a continuous axis, in the unit interval.
STEP = 0.1
# So many mutations of the start are tried; after that, each is a mutation of the one before.
FROM_START = 30
# A range of more values is searched by steps, as a continuous one is.
MAX_FEW = 32
TRIES_TO_STEP = 20


def find_neighbours(space: Space, start: Vector, rng: np.random.Generator) -> Iterator[Vector]:
    """Yield neighbours of a point, without end.

    The first ones are one mutation away. Later ones are further and further away, so that one
    that was not tried before is found, if there is any.
    """
    here = start
    for k in range(10**9):
        found = mutate(space, start if k < FROM_START else here, rng)
        yield found
        here = found


def mutate(space: Space, genome: Vector, rng: np.random.Generator) -> Vector:
    """Return a point whose configuration differs in one parameter.

    Where there are both, an architecture and an ordinary parameter are equally likely. An
    architecture is mutated as its space does it. Another parameter with a few values gets another
    one; on a longer range it takes a normal step, which is reflected at the bounds.
    Parameters that the change has made present are drawn at random. The point is allowed by
    `where`.

    Parameters
    ----------
    space : Space
        What is searched.
    genome : ndarray
        A point of the unit cube, of shape ``(n_dims,)``.
    rng : numpy.random.Generator
        Draws the mutation.

    Examples
    --------
    >>> space = Space.from_search_dict({'units': [16, 32, 64], 'layers': [1, 3]})
    >>> start = space.encode({'units': 32, 'layers': 2})
    >>> space.decode(mutate(space, start, np.random.default_rng(1)))
    {'units': 32, 'layers': 1}
    """
    before = space.decode(genome)
    free = [name for name in before if _can_change(space.parameters[name])]
    if not free:
        return genome
    name = _choose(space, free, rng)
    own = locate_axes(space)[name]
    changed = genome.copy()
    parameter = space.parameters[name]
    if isinstance(parameter, ArchitectureSpace):
        here = parameter.read(str(before[name]))
        changed[own] = parameter.encode(parameter.write(mutate_checked(parameter, here, rng)))
    else:
        changed[own] = _change(parameter, float(genome[own][0]), rng)
    for appeared in set(space.decode(changed)).difference(before):
        axes = locate_axes(space)[appeared]
        changed[axes] = rng.random(axes.stop - axes.start)
    return space.repair(changed)


def locate_axes(space: Space) -> dict[str, slice]:
    """Return which axes of the unit cube each parameter has.

    Examples
    --------
    >>> locate_axes(Space.from_search_dict({'x': [0.0, 1.0], 'units': [16, 32, 64]}))
    {'x': slice(0, 1, None), 'units': slice(1, 2, None)}
    """
    found: dict[str, slice] = {}
    start = 0
    for name, parameter in space.parameters.items():
        end = start + len(axes_of(parameter))
        found[name] = slice(start, end)
        start = end
    return found


def _can_change(parameter: Parameter) -> bool:
    if isinstance(parameter, ArchitectureSpace):
        return parameter.cardinality > 1
    return parameter.n_values != 1


def _choose(space: Space, names: list[str], rng: np.random.Generator) -> str:
    """Return the name of the parameter that is changed."""
    architectures = [n for n in names if isinstance(space.parameters[n], ArchitectureSpace)]
    others = [n for n in names if n not in architectures]
    if architectures and others:
        names = architectures if rng.random() < 0.5 else others
    return names[draw_integer(rng, len(names))]


def _change(parameter: Axis, gene: float, rng: np.random.Generator) -> float:
    """Return another gene of a parameter."""
    n = parameter.n_values
    if n is not None and n <= MAX_FEW and not _has_log(parameter):
        return cell_middle((cell_index(gene, n) + 1 + draw_integer(rng, n - 1)) % n, n)
    here = parameter.decode(gene)
    for k in range(1, TRIES_TO_STEP + 1):  # one value may have much of the axis: longer and longer
        moved = float(reflect(np.array(draw_normal(rng, gene, k * STEP))))
        if parameter.decode(moved) != here:
            return moved
    return rng.random()


def _has_log(parameter: Axis) -> bool:
    """Tell whether the values have parts of different sizes of the unit interval."""
    return not isinstance(parameter, Choice) and parameter.log
