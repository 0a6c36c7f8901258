"""NASNet's space (Zoph et al. 2018): a normal and a reduction cell, stacked to a network."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from sparkexp.checks import as_int
from sparkexp.errors import SpaceError
from sparkexp.nas.cells import N_INPUTS, Block, Cell, Side, draw_cell, write_block
from sparkexp.nas.isomorphism import Node, canonical_order
from sparkexp.nas.operations import OPERATIONS
from sparkexp.space.architecture import Architecture, ArchitectureSpace, Choices, Decision
from sparkexp.space.diagram import Diagram

__all__ = ["CellSpace"]

#: The two cells of an architecture.
CELLS = ("normal", "reduction")
_PER_BLOCK = 4
# Of Real et al. 2019: so often a mutation changes nothing.
_P_IDENTITY = 0.05
_SIDE = r"(\d+):([^\s:+;]+)"
_BLOCK = re.compile(rf"{_SIDE}\+{_SIDE}")


class CellSpace(ArchitectureSpace):
    """Networks of two cells, as NASNet was searched in.

    An architecture is a normal and a reduction cell, which halves height and width. A cell has so
    many blocks. A block applies an operation to each of two states and adds the results. The
    states are the outputs of the last cell and of the one before, and the blocks before it. The
    cell's output is the concatenation of all states that no block uses. How often the cells are
    repeated, and how many filters they have, is said in `build`: what was searched in a small
    network is transferred to a large one.

    The text of an architecture, such as ``'0:sep3+1:max3 0:conv1+2:sep5; 0:max3+1:max3 …'``, has
    the blocks of the normal cell, then those of the reduction cell. A block is two operations,
    each after the number of the state that it is applied to: 0 is the last cell, 1 the one
    before, 2 the first block. Cells that differ only in the order of a block's sides, or in that
    of their blocks, are one architecture.

    Parameters
    ----------
    blocks : int
        Blocks of a cell; 5 in the paper.
    ops : sequence of str
        The names of the operations, of ``'identity'``, ``'conv1x3_3x1'``, ``'conv1x7_7x1'``,
        ``'dilated3'``, ``'avg3'``, ``'max3'``, ``'max5'``, ``'max7'``, ``'conv1'``, ``'conv3'``,
        ``'sep3'``, ``'sep5'`` and ``'sep7'``. The default is all of these, which NASNet was
        searched with. Fewer make a smaller space: Real et al. 2019 left out max5, max7, conv1,
        conv3 and conv1x3_3x1.

    Examples
    --------
    >>> space = CellSpace(blocks=1, ops=['identity', 'sep3', 'max3'])
    >>> architecture = space.parse('1:max3+0:sep3; 0:max3+1:identity')
    >>> str(architecture)
    '0:sep3+1:max3; 0:max3+1:identity'
    >>> space.cardinality, space.n_values
    (1296, 441)

    References
    ----------
    Zoph, Vasudevan, Shlens, Le 2018, Learning Transferable Architectures for Scalable Image
    Recognition. Real, Aggarwal, Huang, Le 2019, Regularized Evolution for Image Classifier
    Architecture Search.
    """

    def __init__(self, blocks: int = 5, ops: Sequence[str] = OPERATIONS) -> None:
        self.blocks = as_int("blocks", blocks, at_least=1)
        self.ops = tuple(ops)
        if isinstance(ops, str) or not self.ops or len(set(self.ops)) < len(self.ops):
            raise SpaceError(
                f"ops is a list of operations, each once, got {ops!r}: leave it out, or give for "
                "example ops=['identity', 'sep3', 'max3']."
            )
        if unknown := [op for op in self.ops if op not in OPERATIONS]:
            raise SpaceError(f"ops may have {', '.join(OPERATIONS)}, got {unknown[0]!r}.")

    def settings(self) -> dict[str, Any]:
        """Return the arguments that construct an equal space."""
        return {"blocks": self.blocks, "ops": list(self.ops)}

    @functools.cached_property
    def decisions(self) -> tuple[Decision, ...]:
        """For each cell, block and side, the input and the operation."""
        return tuple(
            Decision(f"{cell}.{block}.{side}.{what}", options)
            for cell in CELLS
            for block in range(self.blocks)
            for side in ("left", "right")
            for what, options in (("input", tuple(range(N_INPUTS + block))), ("op", self.ops))
        )

    def cells(self, choices: Choices) -> tuple[Cell, Cell]:
        """Return the normal and the reduction cell."""
        normal, reduction = (
            Cell(tuple(Block(self._side(*b[:2]), self._side(*b[2:])) for b in _split(half)))
            for half in _halve(choices)
        )
        return normal, reduction

    def _side(self, source: int, op: int) -> Side:
        return Side(source, self.ops[op])

    def outputs(self, choices: Choices) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return the numbers of the states that each of the two cells concatenates."""
        normal, reduction = self.cells(choices)
        return normal.unused, reduction.unused

    def canonical(self, choices: Choices) -> Choices:
        """Return the same choices for all numberings and orders of the same two cells."""
        return tuple(k for half in _halve(choices) for k in _order_cell(half))

    def mutate(self, choices: Choices, rng: np.random.Generator) -> Choices:
        """Return the choices of a neighbour, as Real et al. 2019 do.

        One time in 20 it is the same architecture. Else one side of a block gets, half and half,
        another operation or another input.
        """
        if rng.random() < _P_IDENTITY:
            return choices
        block = int(rng.integers(len(choices) // _PER_BLOCK))
        first = _PER_BLOCK * block + 2 * int(rng.integers(2))
        # An operation that has no alternative stays, and the input is changed.
        changed = first + (1 if rng.random() < 0.5 and len(self.ops) > 1 else 0)
        n = len(self.decisions[changed].options)
        other = (choices[changed] + 1 + int(rng.integers(n - 1))) % n
        return (*choices[:changed], other, *choices[changed + 1 :])

    def write(self, choices: Choices) -> str:
        """Return the text of an architecture."""
        return "; ".join(" ".join(map(write_block, c.blocks)) for c in self.cells(choices))

    def read(self, text: str) -> Choices:
        """Return the choices that a text stands for: the inverse of `write`.

        Raises
        ------
        SpaceError
            If it stands for none.
        """
        halves = [half.split() for half in text.split(";")]
        if [len(half) for half in halves] != [self.blocks] * len(CELLS):
            raise SpaceError(
                f"An architecture of {self.describe()} is {self.blocks} blocks, ';', and again "
                f"{self.blocks} blocks, with spaces between them, got {text!r}."
            )
        return tuple(
            k for half in halves for at, word in enumerate(half) for k in self._read(word, at)
        )

    def _read(self, word: str, at: int) -> Iterator[int]:
        found = _BLOCK.fullmatch(word)
        if found is None:
            raise SpaceError(f"A block is written such as '0:sep3+1:max3', got {word!r}.")
        a, left, b, right = found.groups()
        for source, op in ((a, left), (b, right)):
            if len(source) > len(str(self.blocks)) + 1 or int(source) >= N_INPUTS + at:
                raise SpaceError(
                    f"The inputs of a cell's block {at + 1} are 0 to {N_INPUTS + at - 1}, got "
                    f"{word!r}."
                )
            if op not in self.ops:
                raise SpaceError(f"An operation is one of {', '.join(self.ops)}, got {word!r}.")
            yield from (int(source), self.ops.index(op))

    def draw(self, choices: Choices) -> Diagram:
        """Return a picture of the two cells."""
        found = zip(CELLS, self.cells(choices), self.outputs(choices), strict=True)
        return Diagram(tuple(draw_cell(f"{name} cell", c, outputs) for name, c, outputs in found))

    def build(self, architecture: Architecture, **settings: Any) -> Any:
        """Return a Keras model of an architecture.

        Parameters
        ----------
        architecture : Architecture
            The architecture.
        input_shape : tuple of int
            The images' height, width and channels.
        classes : int
            The number of classes.
        cells : int, default 6
            The number of normal cells.
        filters : int, default 16
            Filters of the first normal cells; each reduction doubles them.
        reductions : int, default 2
            Reduction cells: number r of R stands before normal cell ``r * cells // (R + 1)``.
        stem : str, default 'cifar'
            What stands before the cells: ``'cifar'``, a 3×3 convolution, or ``'imagenet'``, which
            makes the image 8 times smaller by a 3×3 convolution and two further reduction cells.
        stem_filters : int, optional
            Filters of the stem's convolution: by default ``3 * filters`` and 32.
        drop_path_keep : float, default 1
            The probability with which the last cell's paths are kept at the end of the training
            (ScheduledDropPath); 1 drops nothing. It takes a layer that Keras doesn't know: call
            `nas.register_layers` before you load such a model elsewhere.
        steps : int, optional
            The steps of the training, which `drop_path_keep` needs: epochs times batches.
        classifier_activation : str, optional
            The last layer's activation, by default ``'softmax'``; None for logits.
        name : str, default 'cells'
            The model's name.

        Returns
        -------
        keras.Model
            Not compiled.

        Raises
        ------
        InvalidArgumentError
            If an argument is unknown, missing, or out of its range.
        """
        from sparkexp.nas.cell_network import CellNetwork, CellSettings

        choices = architecture.choices
        network = CellNetwork(CellSettings.check(settings))
        return network.build(self.cells(choices), self.outputs(choices))


def _halve(choices: Choices) -> tuple[Choices, Choices]:
    n = len(choices) // len(CELLS)
    return choices[:n], choices[n:]


def _split(half: Choices) -> Iterator[Choices]:
    for first in range(0, len(half), _PER_BLOCK):
        yield half[first : first + _PER_BLOCK]


def _order_cell(half: Choices) -> Choices:
    """Return a cell's blocks in the canonical order, each with its sides in order."""
    blocks = [((b[0], b[1]), (b[2], b[3])) for b in _split(half)]
    order = canonical_order(N_INPUTS, [Node((), block) for block in blocks])
    new = {old: N_INPUTS + k for k, old in enumerate(order)} | {0: 0, 1: 1}
    ordered: list[int] = []
    for old in order:
        for source, op in sorted((new[source], op) for source, op in blocks[old - N_INPUTS]):
            ordered += (source, op)
    return tuple(ordered)
