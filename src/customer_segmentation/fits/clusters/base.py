"""Shared by the modules of this package."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]

NOISE = -1  # the label of rows that a density method puts in no cluster

_SAME_POINT = 6  # decimals of a standard deviation


def count_distinct(matrix: Matrix) -> int:
    """Number of points that differ in the sixth decimal or before.

    Points that differ in the last bits only are one point to k-means, which then warns.
    """
    return len(np.unique(np.round(matrix, _SAME_POINT), axis=0)) if len(matrix) else 0


def draw_rows(rows: int, most: int, seed: int) -> Labels:
    """Positions of all rows, or of a seeded sample of the largest number allowed; ascending."""
    if rows <= most:
        return np.arange(rows, dtype=np.int64)
    drawn = np.random.default_rng(seed).choice(rows, most, replace=False)
    return np.sort(drawn).astype(np.int64)


def tidy(value: float) -> float:
    """12 significant digits: the last bits differ from machine to machine."""
    return float(f"{value:.12g}") if math.isfinite(value) else value


def load_fitters() -> None:
    """Load scikit-learn, so that `threadpool_limits` finds its libraries.

    A limit that is set before they are loaded has no effect, and on shared cores k-means on a small
    sample then takes minutes instead of a second.
    """
    import sklearn.cluster
    import sklearn.metrics  # noqa: F401
