"""Principal components of scaled features, as parameters.

SQL applies the same arithmetic to customers outside the sample: minus the rotation's centre, times
its loadings.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from customer_segmentation.fits.base import Matrix

_VARIANCE_KEPT = 0.9


@dataclass(frozen=True)
class Rotation:
    """Principal components of scaled features.

    centre: shape (features,), what to subtract first.
    loadings: shape (features, components kept); columns of length 1.
    scree: shape (features,), share of the variance per component, kept or not; sums to 1.
    """

    centre: Matrix
    loadings: Matrix
    scree: Matrix


def fit_rotation(scaled: Matrix) -> Rotation:
    """The fewest principal components that hold more than 90% of the variance (Pearson 1901).

    scaled: shape (rows, features), at least one row. Without variance one component is kept and the
    scree is 0.
    """
    scree = principal_axes(scaled, 1).scree
    return principal_axes(scaled, int(np.argmax(np.cumsum(scree) > _VARIANCE_KEPT)) + 1)


def principal_axes(scaled: Matrix, kept: int) -> Rotation:
    """The first principal components, at most as many as rows and features allow.

    The largest loading of each is positive, so signs don't depend on the machine.
    """
    centre = scaled.mean(axis=0)
    _, spread, components = np.linalg.svd(scaled - centre, full_matrices=False)
    variances = np.zeros(scaled.shape[1])
    variances[: len(spread)] = spread**2
    total = variances.sum()
    loadings = components[:kept].T
    largest = np.argmax(np.round(np.abs(loadings), 9), axis=0)
    signs = np.sign(loadings[largest, np.arange(loadings.shape[1])])
    return Rotation(centre, loadings * signs, variances / total if total > 0 else variances)


def rotate(scaled: Matrix, rotation: Rotation) -> Matrix:
    """Coordinates on the components kept, shape (rows, components)."""
    rotated: Matrix = (scaled - rotation.centre) @ rotation.loadings
    return rotated
