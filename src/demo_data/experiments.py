"""Experiments with a planted effect: a reminder that works, and a comparison of like with like."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from demo_data.arrays import Array

ASSIGNED_AT = np.datetime64("2017-10-01T14:00:00", "s")


@dataclass(frozen=True)
class Experiment:
    """A comparison of two halves.

    Attributes:
        variants: The one compared with, and the one that is compared.
        conversion: Effect on the share that converts, in points from 0 to 1.
        spend: Effect on mean spend, in the reporting currency.
    """

    variants: tuple[str, str]
    conversion: float
    spend: float


EXPERIMENTS = {
    "reminder": Experiment(("control", "treatment"), conversion=0.08, spend=6.0),
    "reminder_aa": Experiment(("control", "treatment"), conversion=0.0, spend=0.0),
}
BASE_CONVERSION = 0.2
BASE_SPEND = 40.0  # mean
SPEND_DEVIATION = 30.0


def assigned_and_measured(
    rng: np.random.Generator, experiment: Experiment, people: int
) -> tuple[Array, Array, Array]:
    """Variant (0 or 1), conversion (0 or 1) and spend of so many people."""
    variant = rng.integers(0, 2, people)
    converted = rng.random(people) < BASE_CONVERSION + experiment.conversion * variant
    # A gamma distribution is never negative and skewed, as spend is.
    shape = (BASE_SPEND / SPEND_DEVIATION) ** 2
    spend = rng.gamma(shape, BASE_SPEND / shape, people) + experiment.spend * variant
    return variant, converted.astype(float), np.round(spend, 2)
