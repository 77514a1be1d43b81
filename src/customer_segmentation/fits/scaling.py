"""Scaling: log, caps, centre and scale, all as parameters.

SQL applies the same arithmetic to customers outside the sample: log1p, two caps, minus the centre,
divided by the scale.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from customer_segmentation.fits.base import Matrix
from customer_segmentation.fits.features import Feature


@dataclass(frozen=True)
class Scaler:
    """Parameters of `scale`, each of shape (features,); all but log_used hold after the log."""

    log_used: npt.NDArray[np.bool_]
    lower_cap: Matrix
    upper_cap: Matrix
    centre: Matrix
    scale: Matrix


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
