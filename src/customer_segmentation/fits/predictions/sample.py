"""The sample of a date: cases for training and for the test, with values filled and scaled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from customer_segmentation.fits.base import Labels, Matrix
from customer_segmentation.fits.features import LARGEST, Feature, values_of
from customer_segmentation.fits.long_table import tidy
from customer_segmentation.fits.scaling import Scaler, fit_scaler, scale

if TYPE_CHECKING:
    import pandas as pd

Days = npt.NDArray[np.datetime64]

_DECIMALS = 4  # of a scaled value; the logarithm of SQL and of numpy may differ in the last bits


@dataclass(frozen=True)
class Cases:
    """Customers as of an origin, one row each, in order of origin and customer.

    origins, customers: shape (rows,). outcome: shape (rows,), 0 or 1. values: shape (rows,
    features), in the features' own units with NaN for missing, or scaled.
    """

    origins: Days
    customers: Labels
    outcome: Labels
    values: Matrix

    def __len__(self) -> int:
        return len(self.outcome)

    def at(self, places: npt.NDArray[np.bool_] | Labels) -> Cases:
        return Cases(*(getattr(self, field.name)[places] for field in fields(self)))

    @property
    def positives(self) -> int:
        return int(self.outcome.sum())

    def holds(self, fewest: int) -> bool:
        """Whether there are so many cases with the outcome, and without."""
        return min(self.positives, len(self) - self.positives) >= fewest

    @property
    def has_both(self) -> bool:
        return 0 < self.positives < len(self)


def read_cases(sample: pd.DataFrame, specs: Sequence[Feature]) -> tuple[Cases, Cases]:
    """The cases of one date for training and those for the test, whatever the order of the rows."""
    import pandas as pd

    days = pd.to_datetime(sample["origin"]).to_numpy("datetime64[D]")
    keys = pd.to_numeric(sample["customer_key"]).to_numpy("int64")
    outcome = pd.to_numeric(sample["outcome"]).to_numpy("int64")
    is_test = sample["is_test"].to_numpy("bool")
    values = values_of(sample, specs)
    order = np.lexsort((*values.T[::-1], outcome, keys, days))
    cases = Cases(days, keys, outcome, values).at(order)
    return cases.at(~is_test[order]), cases.at(is_test[order])


@dataclass(frozen=True)
class Preparation:
    """fill: shape (features,), what takes the place of a missing value, in the feature's unit."""

    fill: Matrix
    scaler: Scaler

    def without_caps(self, position: int) -> Preparation:
        """No caps for one feature: beyond a cap, a naive rule couldn't tell customers apart."""
        lower, upper = self.scaler.lower_cap.copy(), self.scaler.upper_cap.copy()
        lower[position], upper[position] = -LARGEST, LARGEST
        return replace(self, scaler=replace(self.scaler, lower_cap=lower, upper_cap=upper))

    def apply(self, cases: Cases) -> Cases:
        """The same cases with scaled values, rounded to four decimals as SQL rounds."""
        return replace(cases, values=_rounded(scale(_filled(cases.values, self.fill), self.scaler)))


def fit_preparation(training: Cases, specs: Sequence[Feature]) -> Preparation:
    """Medians and scales of the training cases; the median of a feature without values is 0."""
    known = [column[~np.isnan(column)] for column in training.values.T]
    medians = [float(np.median(_bounded(column))) if len(column) else 0.0 for column in known]
    fill = np.array([tidy(median) for median in medians])
    scaler = fit_scaler(_filled(training.values, fill), specs)
    numbers = {
        name: np.array([tidy(float(value)) for value in getattr(scaler, name)])
        for name in ("lower_cap", "upper_cap", "centre", "scale")
    }
    return Preparation(fill, replace(scaler, **numbers))


def _filled(values: Matrix, fill: Matrix) -> Matrix:
    return np.where(np.isnan(values), fill, _bounded(values))


def _bounded(values: Matrix) -> Matrix:
    """Values whose squares don't overflow; the caps lie within, so SQL needs no such step."""
    bounded: Matrix = np.clip(values, -LARGEST, LARGEST)
    return bounded


def _rounded(values: Matrix) -> Matrix:
    """Half away from zero; numpy rounds half to even."""
    scaled = values * 10**_DECIMALS
    whole = np.trunc(scaled)
    nearest = np.where(np.abs(scaled - whole) == 0.5, whole + np.sign(scaled), np.rint(scaled))
    rounded: Matrix = nearest / 10**_DECIMALS
    return rounded + 0.0  # no negative zero
