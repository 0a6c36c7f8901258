"""One order for the nodes of a graph, whichever way the same graph is numbered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Node", "canonical_order"]


@dataclass(frozen=True)
class Node:
    """A node of an acyclic graph.

    Parameters
    ----------
    label : tuple of int
        What it is. Nodes with other labels are different.
    edges : tuple of (int, int)
        Where its inputs come from, and the label of each. Their order doesn't matter.
    """

    label: tuple[int, ...]
    edges: tuple[tuple[int, int], ...]


def canonical_order(n_inputs: int, nodes: Sequence[Node]) -> tuple[int, ...]:
    """Return the nodes in an order that is the same for all numberings of a graph.

    Each node comes after those that it has inputs from. Of all such orders it is the one whose
    nodes, written down with the new numbers, come first in the dictionary.

    Parameters
    ----------
    n_inputs : int
        The number of the graph's inputs. They have the numbers from 0 and keep them; the nodes
        follow them.
    nodes : sequence of Node
        The nodes.

    Returns
    -------
    tuple of int
        The old numbers in the new order, without the inputs.

    Examples
    --------
    >>> canonical_order(1, [Node((5,), ((0, 0),)), Node((3,), ((0, 0),))])
    (2, 1)
    """
    users = _find_users(n_inputs, nodes)
    # All beginnings that are written alike, so far the first in the dictionary.
    beginnings: list[tuple[int, ...]] = [()]
    for _ in nodes:
        longer = [
            (written, (*beginning, old))
            for beginning in beginnings
            for written, old in _find_next(n_inputs, nodes, users, beginning)
        ]
        first = min(written for written, _ in longer)
        beginnings = [beginning for written, beginning in longer if written == first]
    return beginnings[0]


_Written = tuple[tuple[tuple[int, int], ...], tuple[int, ...]]
_Users = tuple[tuple[int, int], ...]


def _find_users(n_inputs: int, nodes: Sequence[Node]) -> dict[int, _Users]:
    found: dict[int, list[tuple[int, int]]] = {n_inputs + k: [] for k in range(len(nodes))}
    for k, node in enumerate(nodes):
        for source, label in node.edges:
            if source >= n_inputs:
                found[source].append((n_inputs + k, label))
    return {old: tuple(sorted(users)) for old, users in found.items()}


def _find_next(
    n_inputs: int, nodes: Sequence[Node], users: dict[int, _Users], beginning: tuple[int, ...]
) -> list[tuple[_Written, int]]:
    """Return the nodes that can come next with what is written for each.

    Of nodes that could change places, because the same nodes use them, only one is returned.
    """
    new = {k: k for k in range(n_inputs)}
    new.update((old, n_inputs + k) for k, old in enumerate(beginning))
    found: dict[tuple[_Written, _Users], int] = {}
    for k, node in enumerate(nodes):
        old = n_inputs + k
        if old not in new and all(source in new for source, _ in node.edges):
            edges = tuple(sorted((new[source], label) for source, label in node.edges))
            found.setdefault(((edges, node.label), users[old]), old)
    return [(written, old) for (written, _), old in found.items()]
