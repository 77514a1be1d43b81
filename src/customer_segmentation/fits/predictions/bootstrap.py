"""Intervals by drawing customers again (Efron 1979), the same draws for all candidates."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from customer_segmentation.fits.base import Labels, Matrix
from customer_segmentation.fits.predictions.measures import (
    counts_above,
    precision_and_area,
    rank,
)

METRICS = ("roc_auc", "average_precision", "brier")

_DRAWS = 1000
_AT_ONCE = 50  # draws held in memory together
_INTERVAL = (0.025, 0.975)


def bootstrap(
    outcome: Labels,
    scores: Mapping[str, Matrix],
    probabilities: Mapping[str, Matrix],
    seed: int,
) -> dict[str, dict[str, Matrix]]:
    """Each of METRICS for each candidate in 1,000 draws, shape (draws,).

    Each draw takes as many cases as there are, with replacement. NaN where it has one outcome only.
    outcome and what the candidates give: shape (rows,), one row per customer.
    """
    rows = len(outcome)
    rankings = {name: rank(own) for name, own in scores.items()}
    errors = np.column_stack([(own - outcome) ** 2 for own in probabilities.values()])
    found: dict[str, dict[str, Matrix]] = {
        metric: {name: np.empty(_DRAWS) for name in scores} for metric in METRICS
    }
    rng = np.random.default_rng(seed)
    for start in range(0, _DRAWS, _AT_ONCE):
        drawn = rng.integers(0, rows, (_AT_ONCE, rows)) + rows * np.arange(_AT_ONCE)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=_AT_ONCE * rows)
        weights = counts.reshape(_AT_ONCE, rows).astype(np.float64)
        now = slice(start, start + _AT_ONCE)
        for name, ranking in rankings.items():
            average, area = precision_and_area(*counts_above(ranking, outcome, weights))
            found["average_precision"][name][now] = average
            found["roc_auc"][name][now] = area
        for name, brier in zip(probabilities, (weights @ errors / rows).T, strict=True):
            found["brier"][name][now] = brier
    return found


def interval(drawn: Matrix) -> tuple[float, float]:
    """The 2.5% and the 97.5% quantile of the draws that have a value."""
    low, high = np.nanquantile(drawn, _INTERVAL)
    return float(low), float(high)
