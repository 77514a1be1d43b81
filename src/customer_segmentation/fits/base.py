"""Shared by the fits that use scikit-learn."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]


def draw_rows(rows: int, most: int, seed: int) -> Labels:
    """Positions of all rows, or of a seeded sample of the largest number allowed; ascending."""
    if rows <= most:
        return np.arange(rows, dtype=np.int64)
    drawn = np.random.default_rng(seed).choice(rows, most, replace=False)
    return np.sort(drawn).astype(np.int64)


def load_fitters() -> None:
    """Load scikit-learn, so that `threadpool_limits` finds its libraries.

    A limit that is set before they are loaded has no effect, and on shared cores k-means on a small
    sample then takes minutes instead of a second.
    """
    import sklearn.cluster
    import sklearn.metrics  # noqa: F401
