"""Preparation: log, caps, scaling and principal components, all as parameters.

SQL applies the same arithmetic to customers outside the sample: log1p, two caps, minus the centre,
divided by the scale; then, if rotated, minus the rotation's centre and times its loadings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from customer_segmentation.fits.clusters.base import Matrix
from customer_segmentation.fits.clusters.features import Feature

_VARIANCE_KEPT = 0.9


@dataclass(frozen=True)
class Scaler:
    """Parameters of `scale`, each of shape (features,); all but log_used hold after the log."""

    log_used: npt.NDArray[np.bool_]
    lower_cap: Matrix
    upper_cap: Matrix
    centre: Matrix
    scale: Matrix


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


def fit_scaler(raw: Matrix, specs: Sequence[Feature]) -> Scaler:
    """Caps at the two quantiles of each feature (interpolated), then its centre and scale.

    raw: shape (rows, features), at least one row. Below 100 rows the default quantiles lie between
    the extreme value and its neighbour, so a single outlier is capped in part only. Where the
    scale would be 0 (a constant feature; robust: no interquartile range) it is 1.
    """
    from sklearn.preprocessing import MinMaxScaler, RobustScaler, StandardScaler

    log_used = np.array([spec.log for spec in specs])
    values = _log_where(raw, log_used)
    caps = [np.quantile(values[:, i], spec.caps) for i, spec in enumerate(specs)]
    lower, upper = np.transpose(caps)
    capped = np.clip(values, lower, upper)
    z_score = StandardScaler().fit(capped)
    min_max = MinMaxScaler().fit(capped)
    robust = RobustScaler().fit(capped)
    centre_of = {
        "z_score": z_score.mean_,
        "min_max": min_max.data_min_,
        "robust": robust.center_,
    }
    scale_of = {
        "z_score": z_score.scale_,
        "min_max": 1 / min_max.scale_,
        "robust": robust.scale_,
    }
    centre = np.array([centre_of[spec.scaling][i] for i, spec in enumerate(specs)])
    scales = np.array([scale_of[spec.scaling][i] for i, spec in enumerate(specs)])
    return Scaler(log_used, lower, upper, centre, scales)


def scale(raw: Matrix, scaler: Scaler) -> Matrix:
    """Log, cap, centre and scale."""
    capped = np.clip(_log_where(raw, scaler.log_used), scaler.lower_cap, scaler.upper_cap)
    scaled: Matrix = (capped - scaler.centre) / scaler.scale
    return scaled


def _log_where(raw: Matrix, log_used: npt.NDArray[np.bool_]) -> Matrix:
    return np.where(log_used, np.log1p(np.maximum(raw, 0)), raw)


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
