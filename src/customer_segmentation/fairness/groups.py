"""A group of customers compared with all others."""

from __future__ import annotations

import math

from customer_segmentation.experiments.estimates import LEVEL, Arm, newcombe, relative

TOO_FEW = "too few"


def compared(
    events: int, customers: int, other_events: int, others: int
) -> dict[str, float | None]:
    """The rate of a group less that of the others, and their ratio, with 95% intervals.

    The difference has the interval of Newcombe (1998, method 10), the ratio that of its logarithm.
    Without others there is nothing to compare; where none of them has the event there is no ratio.
    """
    if not others:
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


def verdict_of(
    ratio: float | None, p_corrected: float, least_ratio: float, words: tuple[str, str]
) -> str:
    """ok, or one of the words for below and above, where neither the limit nor chance allows it.

    Without a ratio none of the others has the event.
    """
    if round(p_corrected, 9) >= LEVEL:
        return "ok"
    below, above = words
    ratio = math.inf if ratio is None else round(ratio, 9)
    if ratio < least_ratio:
        return below
    return above if ratio * least_ratio > 1 else "ok"


def _arm(events: int, customers: int) -> Arm:
    return Arm(customers, customers, mean=events / customers, events=events)
