"""A group of customers compared with all others."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import stats

from customer_segmentation.experiments.estimates import LEVEL, Arm, newcombe, relative

TOO_FEW = "too few"
NOTHING = "nothing to compare"


def compared(
    events: int, customers: int, other_events: int, others: int
) -> dict[str, float | None]:
    """The rate of a group less that of the others, and their ratio, with 95% intervals.

    The difference has the interval of Newcombe (1998, method 10), the ratio that of its logarithm.
    Without either there is nothing to compare; where none of them has the event there is no ratio.
    """
    if not (customers and others):
        return {}
    group, rest = _arm(events, customers), _arm(other_events, others)
    low, high = newcombe(group, rest)
    found: dict[str, float | None] = {
        "parity_difference": group.mean - rest.mean,
        "difference_low": low,
        "difference_high": high,
        "parity_ratio": group.mean / rest.mean if other_events else None,
    }
    if ratio := relative({"group": group, "rest": rest}, {"group": 1.0, "rest": -1.0}):
        _, found["ratio_low"], found["ratio_high"] = (1 + part for part in ratio)
    return found


def p_values(tables: Sequence[tuple[int, int, int, int]]) -> list[tuple[float, float]]:
    """p-value of each table, and corrected by Benjamini and Hochberg (1995) over all of them.

    tables: events and customers of the group, then of the group and the others together. By
    Fisher's exact test, twice the smaller tail: as many or as few events by a draw from both.
    """
    if not tables:
        return []
    events, customers, all_events, everyone = np.array(tables).T
    tails = np.minimum(
        stats.hypergeom.cdf(events, everyone, customers, all_events),
        stats.hypergeom.sf(events - 1, everyone, customers, all_events),
    )
    # Of a draw from none nothing follows.
    found = np.where(everyone > 0, np.clip(2 * tails, 0, 1), 1.0)
    return list(zip(found.tolist(), stats.false_discovery_control(found).tolist(), strict=True))


def pool(
    cell: dict[str, Any], unknown: dict[str, Any] | None, names: Sequence[tuple[str, str]]
) -> list[int]:
    """Numbers that a group is compared within: of those whose group is known.

    Where an attribute is known for few, all of its groups differ from the unknown first. Those are
    in the pool where they are the group, and where their number is withheld, since it would follow.

    unknown: the cell of the unknown if it is shown. names: of the number of all, and of the group.
    """
    if unknown is None or unknown is cell:
        return [cell[everyone] for everyone, _ in names]
    return [cell[everyone] - unknown[own] for everyone, own in names]


def is_among_unknown(
    cell: Mapping[str, Any], unknown: Mapping[str, Any], number: str, least_ratio: float
) -> bool:
    """Whether so many of all others are unknown that their rate alone could go beyond the limit."""
    others = cell[f"all_{number}"] - cell[number]
    return bool(unknown[number] > (1 - least_ratio) * others)


def verdict_of(
    row: Mapping[str, Any],
    kind: str,
    p_corrected: float,
    least_ratio: float,
    words: tuple[str, str],
) -> str:
    """ok, or one of the words for below and above, where neither the limit nor chance allows it.

    row: with the difference and the ratio of the kind, such as parity. Without a difference there
    are no customers to compare; without a ratio none of the others has the event.
    """
    if row.get(f"{kind}_difference") is None:
        return NOTHING
    if round(p_corrected, 9) >= LEVEL:
        return "ok"
    below, above = words
    ratio = row.get(f"{kind}_ratio")
    ratio = math.inf if ratio is None else round(ratio, 9)
    if ratio < least_ratio:
        return below
    return above if ratio * least_ratio > 1 else "ok"


def _arm(events: int, customers: int) -> Arm:
    return Arm(customers, customers, mean=events / customers, events=events)
