"""Shared by the modules of this package."""

from __future__ import annotations

import numpy as np

from customer_segmentation.fits.base import Matrix

NOISE = -1  # the label of rows that a density method puts in no cluster

_SAME_POINT = 6  # decimals of a standard deviation


def count_distinct(matrix: Matrix) -> int:
    """Number of points that differ in the sixth decimal or before.

    Points that differ in the last bits only are one point to k-means, which then warns.
    """
    return len(np.unique(np.round(matrix, _SAME_POINT), axis=0)) if len(matrix) else 0
