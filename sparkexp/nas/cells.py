"""Cells: blocks of two operations on states, whose results are added."""

from __future__ import annotations

from dataclasses import dataclass

from sparkexp.nas.operations import KINDS
from sparkexp.space.diagram import Arrow, Box, Graph, Part

__all__ = ["N_INPUTS", "Block", "Cell", "Side", "draw_cell", "write_block"]

#: The states that a cell gets: the output of the last cell, and of the one before.
N_INPUTS = 2


@dataclass(frozen=True)
class Side:
    """One of a block's two halves: an operation on a state.

    Parameters
    ----------
    input : int
        The state's number: 0 is the last cell's output, 1 that of the cell before, 2 the cell's
        first block.
    op : str
        The operation.
    """

    input: int
    op: str


@dataclass(frozen=True)
class Block:
    """Two operations on states, whose results are added.

    Parameters
    ----------
    left, right : Side
        The two.
    """

    left: Side
    right: Side

    @property
    def sides(self) -> tuple[Side, Side]:
        """Both sides."""
        return self.left, self.right


@dataclass(frozen=True)
class Cell:
    """A part of a network with one wiring.

    Parameters
    ----------
    blocks : tuple of Block
        Its blocks; block k makes the state ``k + 2``.
    """

    blocks: tuple[Block, ...]

    @property
    def unused(self) -> tuple[int, ...]:
        """The numbers of the states that no block has as an input."""
        used = {side.input for block in self.blocks for side in block.sides}
        return tuple(k for k in range(N_INPUTS + len(self.blocks)) if k not in used)


def write_block(block: Block) -> str:
    """Return a block's text, such as ``'0:sep3+1:max3'``."""
    return "+".join(f"{side.input}:{side.op}" for side in block.sides)


def draw_cell(title: str, cell: Cell, outputs: tuple[int, ...]) -> Graph:
    """Return a picture of a cell, of which some states lead to the output."""
    boxes = [Box((Part("last cell", "input"),)), Box((Part("cell before", "input"),))]
    arrows = []
    for target, block in enumerate(cell.blocks, N_INPUTS):
        box = Box(tuple(Part(side.op, KINDS[side.op]) for side in block.sides))
        boxes.append(box)
        arrows += [Arrow(s.input, target, box.middle(k)) for k, s in enumerate(block.sides)]
    arrows += [Arrow(k, len(boxes)) for k in outputs]
    boxes.append(Box((Part("output", "output"),)))
    return Graph(title, tuple(boxes), tuple(arrows))
