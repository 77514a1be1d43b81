"""How many customers an experiment needs, and what it can detect with those there are."""

from __future__ import annotations

import math
from statistics import NormalDist

LEVEL = 0.05


def customers_per_variant(
    baseline: float, effect: float, *, deviation: float | None, variants: int, power: float
) -> int:
    """Customers in each variant for a difference from the control to be found.

    Of shares by the arcsine (Cohen 1988, "Statistical power analysis", 6.2), of means by the normal
    approximation; two-sided, at a level of .05 divided by the comparisons with the control.

    baseline: mean in the control; of shares 0 < baseline < 1.
    effect: difference, not 0; of shares so that baseline + effect is a share too.
    deviation: standard deviation of the values, above 0; None for shares.
    Returns the nearest whole number.
    """
    size = (
        2 * (math.asin(math.sqrt(baseline + effect)) - math.asin(math.sqrt(baseline)))
        if deviation is None
        else effect / deviation
    )
    return round(2 * (_distance(variants, power) / size) ** 2)


def detectable_effect(
    baseline: float, customers: int, *, deviation: float | None, variants: int, power: float
) -> float | None:
    """Smallest increase found with so many customers in each variant; None where there is none."""
    if customers < 2:
        return None
    size = _distance(variants, power) * math.sqrt(2 / customers)
    if deviation is not None:
        return size * deviation
    angle = math.asin(math.sqrt(baseline)) + size / 2
    return math.sin(angle) ** 2 - baseline if angle < math.pi / 2 else None


def _distance(variants: int, power: float) -> float:
    level = LEVEL / (variants - 1)
    return NormalDist().inv_cdf(1 - level / 2) + NormalDist().inv_cdf(power)
