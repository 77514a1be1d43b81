"""Variance inflation: features that the other features already say."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from customer_segmentation.fits.base import Matrix

LIMIT = 10.0

_COLLINEAR = 1e-9  # share of a variance that others leave unexplained, at the least
_DIGITS = 9  # inflations that agree so far are equal


@dataclass(frozen=True)
class Inflation:
    """Positions of features and their inflation: kept in their order, dropped in order of drop."""

    kept: dict[int, float]
    dropped: dict[int, float]


def variance_inflation(matrix: Matrix) -> Matrix:
    """1 / (1 - R²) of each column regressed on the others and a constant, shape (features,).

    Belsley, Kuh, Welsch 1980, "Regression Diagnostics", chapter 3. A column that is a linear
    combination of others has 1e9, one that is constant 1. matrix: shape (rows, features), finite.
    """
    columns = range(matrix.shape[1])
    centred = matrix - matrix.mean(axis=0)
    # Scaled twice: squares of huge values stay finite.
    largest = np.abs(centred).max(axis=0, initial=0.0)
    centred = centred / np.where(largest > 0, largest, 1)
    lengths = np.sqrt((centred**2).sum(axis=0))
    standard = centred / np.where(lengths > 0, lengths, 1)
    related = standard.T @ standard
    found = np.ones(len(columns))
    for i in columns:
        others = [j for j in columns if j != i]
        towards = related[others, i]
        explained = towards @ np.linalg.pinv(related[np.ix_(others, others)], hermitian=True)
        found[i] = 1 / max(1 - float(explained @ towards), _COLLINEAR)
    return found


def drop_inflated(matrix: Matrix) -> Inflation:
    """Drops the feature with the largest inflation until none is above 10.

    Of equal ones the last goes. matrix: as in `variance_inflation`, at least one row.
    """
    kept = list(range(matrix.shape[1]))
    dropped: dict[int, float] = {}
    while True:
        found = variance_inflation(matrix[:, kept])
        rounded = [float(f"{value:.{_DIGITS}g}") for value in found]
        if max(rounded) <= LIMIT:
            return Inflation(dict(zip(kept, map(float, found), strict=True)), dropped)
        worst = max(range(len(kept)), key=lambda i: (rounded[i], i))
        dropped[kept[worst]] = float(found[worst])
        del kept[worst]
