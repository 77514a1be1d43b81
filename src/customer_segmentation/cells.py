"""Withholds counts of too few customers, so that they can't be computed back from totals.

Points of a curve are left out where too few customers lie between them.

Primary and complementary suppression of tables with known totals: Cox (1980), Suppression
methodology and statistical disclosure control, JASA 75; Hundepool et al. (2012), Statistical
disclosure control, chapter 4.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass

_UNBOUND: Hashable = object()


@dataclass(frozen=True)
class Cell:
    """A count of customers.

    Attributes:
        customers: How many. A count of 0 says nothing about anyone and is never withheld.
        totals: Those it adds up to that a reader may know, at most two, such as row and column.
        is_secret: Whether it is withheld whatever its size.
    """

    customers: int
    totals: tuple[Hashable, ...] = ()
    is_secret: bool = False


def withheld(cells: Sequence[Cell], smallest: int) -> set[int]:
    """The positions of the cells to withhold.

    Cells of fewer than ``smallest`` customers, and as many others as it takes that under each total
    none or at least ``smallest`` customers are withheld, in at least two cells, and that no
    withheld cell follows from the totals together. The smallest cells are withheld first, ties by
    position. Where a total has one cell that isn't 0, the total is as good as withheld.
    """
    hidden = {
        position
        for position, cell in enumerate(cells)
        if cell.customers and (cell.is_secret or cell.customers < smallest)
    }
    under: dict[Hashable, list[int]] = defaultdict(list)
    for position, cell in enumerate(cells):
        for total in cell.totals:
            if cell.customers:
                under[total].append(position)
    for positions in under.values():
        positions.sort(key=lambda position: (cells[position].customers, position))
    while True:
        more = set()
        for positions in under.values():
            shown = [position for position in positions if position not in hidden]
            gone = [position for position in positions if position in hidden]
            customers = sum(cells[position].customers for position in gone)
            if gone and shown and (len(gone) < 2 or customers < smallest):
                more.add(shown[0])
        for position in [] if more else _computable(cells, hidden):
            near = [other for total in cells[position].totals for other in under[total]]
            shown = [other for other in near if other not in hidden]
            if shown:
                more.add(min(shown, key=lambda other: (cells[other].customers, other)))
        if not more:
            return hidden
        hidden |= more


def withheld_rows(
    rows: Sequence[Sequence[int]], totals: tuple[Hashable, ...], smallest: int
) -> set[int]:
    """The positions of the rows to withhold as a whole, where each column adds up to the totals.

    In each column as many are as `withheld` asks for.
    """
    hidden: set[int] = set()
    while True:
        more = set(hidden)
        for column in zip(*rows, strict=True):
            more |= withheld(
                [Cell(count, totals, place in hidden) for place, count in enumerate(column)],
                smallest,
            )
        if more == hidden:
            return hidden
        hidden = more


def unprotected(cells: Sequence[Cell], hidden: set[int], smallest: int) -> set[int]:
    """The cells of fewer than ``smallest`` customers that the totals determine though withheld.

    Nothing else could be withheld for them: only moves of 0 customers would balance the totals.
    """
    return {
        position for position in _computable(cells, hidden) if cells[position].customers < smallest
    }


def _computable(cells: Sequence[Cell], hidden: set[int]) -> Iterator[int]:
    """Withheld cells that the totals determine: the bridges of a graph.

    Totals are its nodes and withheld cells its edges; a cell on a cycle may grow while its
    neighbours shrink. A cell with one total, or none, leads to a node of which nothing is known.
    """
    edges: dict[Hashable, list[tuple[int, Hashable]]] = defaultdict(list)
    for position in sorted(hidden):
        if cells[position].totals:
            one, other = (*cells[position].totals, _UNBOUND)[:2]
            edges[one].append((position, other))
            edges[other].append((position, one))
    # Tarjan (1974): a bridge is an edge below which no edge leads back above it.
    order: dict[Hashable, int] = {}
    lowest: dict[Hashable, int] = {}
    for root in edges:
        if root in order:
            continue
        order[root] = lowest[root] = len(order)
        path: list[tuple[Hashable, int, Iterator[tuple[int, Hashable]]]] = [
            (root, -1, iter(edges[root]))
        ]
        while path:
            node, came_by, left = path[-1]
            for position, neighbour in left:
                if position == came_by:
                    continue
                if neighbour in order:
                    lowest[node] = min(lowest[node], order[neighbour])
                    continue
                order[neighbour] = lowest[neighbour] = len(order)
                path.append((neighbour, position, iter(edges[neighbour])))
                break
            else:
                path.pop()
                if path:
                    parent = path[-1][0]
                    lowest[parent] = min(lowest[parent], lowest[node])
                    if lowest[node] > order[parent]:
                        yield came_by


@dataclass(frozen=True)
class Point:
    """A point of a curve: what has been counted up to it.

    Attributes:
        counts: Of each kind of customers, such as those with an outcome and those without.
        is_known: Whether readers know it from elsewhere.
    """

    counts: tuple[int, ...]
    is_known: bool = False


def kept_points(points: Sequence[Point], smallest: int) -> list[int]:
    """The positions of the points of a curve to show, in order.

    The first and the last point and those that are known are. Between two points that are shown, at
    least ``smallest`` customers of each kind lie, or none of it; only between two known ones there
    may be fewer.
    """
    kept: list[int] = []
    start = 0
    for position, point in enumerate(points):
        is_last = position == len(points) - 1
        if kept and (point.is_known or is_last):
            while len(kept) > start and not _is_far(points[kept[-1]], point, smallest):
                kept.pop()
        elif kept and not _is_far(points[kept[-1]], point, smallest):
            continue
        kept.append(position)
        if point.is_known or position == 0:
            start = len(kept)
    return kept


def _is_far(earlier: Point, later: Point, smallest: int) -> bool:
    steps = [after - before for before, after in zip(earlier.counts, later.counts, strict=True)]
    return all(step == 0 or step >= smallest for step in steps)
