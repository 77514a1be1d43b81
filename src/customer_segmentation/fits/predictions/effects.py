"""What each feature does to the probability, other things being equal."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from customer_segmentation.fits.base import Matrix, draw_rows
from customer_segmentation.fits.predictions.trees import BEYOND

_BINS = 10
_ROWS = 1000


def partial_effects(
    probabilities: Callable[[Matrix], Matrix], values: Matrix, seed: int
) -> list[list[tuple[float, float]]]:
    """For each feature its bins: inclusive upper bound and effect, the last bound 1e300.

    Partial dependence (Friedman 2001, section 8.2): the mean probability of up to 1,000 drawn cases
    if all of them had the mean value of the bin, less their mean probability. Bins are the tenths
    of the values; there are fewer where values repeat.

    probabilities: of scaled rows. values: shape (rows, features), scaled, at least one row.
    """
    drawn = values[draw_rows(len(values), _ROWS, seed)]
    mean = probabilities(drawn).mean()
    effects = []
    for position, column in enumerate(values.T):
        cuts = np.quantile(column, np.arange(1, _BINS) / _BINS, method="inverted_cdf")
        bounds = np.append(np.unique(cuts[cuts < column.max()]), BEYOND)
        own = np.searchsorted(bounds, column)
        means = np.bincount(own, weights=column) / np.bincount(own)
        asked = np.tile(drawn, (len(means), 1))
        asked[:, position] = np.repeat(means, len(drawn))
        found = probabilities(asked).reshape(len(means), -1).mean(axis=1) - mean
        effects.append(list(zip(map(float, bounds), map(float, found), strict=True)))
    return effects
