"""Lifetime value: how often buyers come back, when they stop for good, and what they spend.

Purchases follow BG/NBD (Fader, Hardie, Lee 2005, "Counting your customers the easy way",
Marketing Science 24): a buyer's purchases come at random at a rate of their own, and after each one
the buyer stops with a probability of their own. The rates are gamma distributed with shape r and
rate alpha, the probabilities beta distributed with a and b. Spend follows Gamma-Gamma (Fader,
Hardie 2013, "The Gamma-Gamma model of monetary value"): a buyer's purchases have a mean of their
own, whatever the number of purchases.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.optimize import minimize
from scipy.special import expit, gammaln, psi

from customer_segmentation.fits.long_table import LONG_TABLE

Vector = npt.NDArray[np.float64]

LEAST_REPEATERS = 100
LARGEST_CORRELATION = 0.3
DAYS_IN_A_WEEK = 7
# Limits of a parameter's logarithm, times and amounts in units of their mean. SQL is exact between.
LOWEST, HIGHEST = -7.0, 9.0
# On a flatter likelihood the digits of a parameter would be noise.
LEAST_CURVATURE = 1e-8
SIGNIFICANT_DIGITS = 6


def purchase_likelihood(
    parameters: Vector, repeats: Vector, recency: Vector, age: Vector, weight: Vector
) -> tuple[float, Vector]:
    """Log-likelihood of BG/NBD (equation 6 of the paper) and its slope.

    parameters: shape (4,), the logarithms of r, alpha, a and b.
    repeats, recency, age: shape (n,), of a buyer: repeat purchases, time from the first purchase
    to the last, and time from the first to now, in one unit.
    weight: shape (n,), number of such buyers.
    """
    r, alpha, a, b = np.exp(parameters)
    # Gamma functions are slow, and few numbers of purchases differ.
    counts, place = np.unique(repeats, return_inverse=True)
    buyers = np.bincount(place, weights=weight)
    of_stopping = np.maximum(repeats, 1) + (b - 1)
    alive = -(r + repeats) * np.log(alpha + age)
    stopped = np.where(
        repeats > 0,
        np.log(a) - np.log(of_stopping) - (r + repeats) * np.log(alpha + recency),
        -np.inf,
    )
    by_count = gammaln(r + counts) - gammaln(r) + gammaln(b + counts) - gammaln(b)
    by_count += gammaln(a + b) - gammaln(a + b + counts) + r * np.log(alpha)
    value = (buyers * by_count).sum() + (weight * np.logaddexp(alive, stopped)).sum()

    share = expit(stopped - alive)
    gone, still = weight * share, weight * (1 - share)
    both = psi(a + b) - psi(a + b + counts)
    slope = [
        (buyers * (psi(r + counts) - psi(r) + np.log(alpha))).sum()
        - (still * np.log(alpha + age) + gone * np.log(alpha + recency)).sum(),
        buyers.sum() * r / alpha
        - ((r + repeats) * (still / (alpha + age) + gone / (alpha + recency))).sum(),
        (buyers * both).sum() + gone.sum() / a,
        (buyers * (both + psi(b + counts) - psi(b))).sum() - (gone / of_stopping).sum(),
    ]
    return float(value), np.array(slope) * np.exp(parameters)


def spend_likelihood(
    parameters: Vector, repeats: Vector, spend: Vector, weight: Vector
) -> tuple[float, Vector]:
    """Log-likelihood of Gamma-Gamma (equation 1a of the paper) and its slope.

    parameters: shape (3,), the logarithms of p, q and v.
    repeats, spend: shape (n,), of a buyer: purchases and their mean, both above 0.
    weight: shape (n,), number of such buyers.
    """
    p, q, v = np.exp(parameters)
    counts, place = np.unique(repeats, return_inverse=True)
    buyers = np.bincount(place, weights=weight)
    total, with_prior = np.log(repeats * spend), np.log(v + repeats * spend)
    by_count = gammaln(p * counts + q) - gammaln(p * counts) - gammaln(q) + q * np.log(v)
    by_buyer = p * repeats * total - np.log(spend) - (p * repeats + q) * with_prior
    value = (buyers * by_count).sum() + (weight * by_buyer).sum()

    both = psi(p * counts + q)
    slope = [
        (buyers * counts * (both - psi(p * counts))).sum()
        + (weight * repeats * (total - with_prior)).sum(),
        (buyers * (both - psi(q) + np.log(v))).sum() - (weight * with_prior).sum(),
        buyers.sum() * q / v - (weight * (p * repeats + q) / (v + repeats * spend)).sum(),
    ]
    return float(value), np.array(slope) * np.exp(parameters)


def _maximum(
    likelihood: Callable[..., tuple[float, Vector]], size: int, *data: Vector
) -> Vector | None:
    """The parameters of the greatest likelihood; None where it has no maximum within the limits.

    The last steps are Newton's: on a flat surface a search by slope stops at digits that differ
    from machine to machine.
    """
    buyers = data[-1].sum()

    def loss(point: Vector) -> tuple[float, Vector]:
        value, slope = likelihood(point, *data)
        return -value / buyers, -slope / buyers

    def slope(point: Vector) -> Vector:
        return loss(point)[1]

    limits = [(LOWEST, HIGHEST)] * size
    options = {"maxiter": 1000, "ftol": 1e-13, "gtol": 1e-9}
    found = minimize(
        loss, np.zeros(size), jac=True, method="L-BFGS-B", bounds=limits, options=options
    )
    point, width = found.x, 1e-4
    for _ in range(20):
        sides = width * np.eye(size)
        curvature = np.array([slope(point + side) - slope(point - side) for side in sides])
        curvature = (curvature + curvature.T) / (4 * width)
        if np.linalg.eigvalsh(curvature)[0] < LEAST_CURVATURE:
            return None
        step = np.linalg.solve(curvature, slope(point))
        point = point - step
        if not ((point > LOWEST) & (point < HIGHEST)).all():
            return None
        if np.abs(step).max() < 10.0 ** (-SIGNIFICANT_DIGITS - 1):
            return np.array([_significant(value) for value in np.exp(point)])
    return None


def fit_purchases(
    repeats: Vector, recency: Vector, age: Vector, weight: Vector
) -> dict[str, float] | None:
    """r, alpha (weeks), a, b and the log-likelihood of BG/NBD, or None without a maximum.

    repeats, recency, age: shape (n,), as in `purchase_likelihood`, times in weeks.
    weight: shape (n,), number of such buyers.
    """
    unit = float((age * weight).sum() / weight.sum())
    found = _maximum(purchase_likelihood, 4, repeats, recency / unit, age / unit, weight)
    if found is None:
        return None
    found[1] = _significant(found[1] * unit)
    value, _ = purchase_likelihood(np.log(found), repeats, recency, age, weight)
    names = ("r", "alpha", "a", "b")
    return dict(zip(names, found.tolist(), strict=True)) | {"log_likelihood": round(value, 2)}


def fit_spend(repeats: Vector, spend: Vector, weight: Vector) -> dict[str, float] | None:
    """p, q and v (currency units) of Gamma-Gamma, or None without a maximum or a finite mean.

    repeats, spend: shape (n,), as in `spend_likelihood`.
    weight: shape (n,), number of such buyers.
    """
    unit = float((spend * weight).sum() / weight.sum())
    found = _maximum(spend_likelihood, 3, repeats, spend / unit, weight)
    if found is None or found[1] <= 1:
        return None
    found[2] = _significant(found[2] * unit)
    return dict(zip(("p", "q", "v"), found.tolist(), strict=True))


def _significant(value: float) -> float:
    return float(f"{value:.{SIGNIFICANT_DIGITS}g}")


def _correlation(x: Vector, y: Vector, weight: Vector) -> float | None:
    """Pearson's correlation; None where one of the two never changes."""
    if len(np.unique(x)) < 2 or len(np.unique(y)) < 2:
        return None
    x = x - (x * weight).sum() / weight.sum()
    y = y - (y * weight).sum() / weight.sum()
    covariance = (x * y * weight).sum()
    return round(float(covariance / np.sqrt((x**2 * weight).sum() * (y**2 * weight).sum())), 6)


def _aggregated(sample: pd.DataFrame, *columns: str) -> tuple[Vector, ...]:
    """Each column and the number of buyers, one entry per distinct combination, sorted."""
    rows = sample.groupby(list(columns), sort=True)["buyers"].sum().reset_index()
    return tuple(rows[name].to_numpy(dtype=np.float64) for name in (*columns, "buyers"))


def _fit(sample: pd.DataFrame) -> list[tuple[str, str, float | None]]:
    """The rows (part, name, value) of one date; see `fit_lifetime_value`."""
    came_back = sample[sample["repeat_days"] > 0]
    buyers, repeaters = int(sample["buyers"].sum()), int(came_back["buyers"].sum())
    rows: list[tuple[str, str, float | None]] = [
        ("count", "buyers", buyers),
        ("count", "repeaters", repeaters),
    ]

    def judged(verdict: str, why: str) -> list[tuple[str, str, float | None]]:
        return [*rows, ("verdict", verdict, None), ("why", why, None)]

    if repeaters < LEAST_REPEATERS:
        return judged(
            "too_few",
            f"{repeaters} of the buyers came back; the models need at least {LEAST_REPEATERS}.",
        )
    repeats, active, age, weight = _aggregated(sample, "repeat_days", "active_days", "age_days")
    purchases = fit_purchases(repeats, active / DAYS_IN_A_WEEK, age / DAYS_IN_A_WEEK, weight)
    if purchases is None:
        return judged(
            "no_maximum",
            "The likelihood of BG/NBD has no maximum, as where no buyer has stopped yet.",
        )
    rows += [("purchases", name, value) for name, value in purchases.items()]

    repeats, spend, weight = _aggregated(came_back, "repeat_days", "repeat_spend")
    correlation = _correlation(repeats, spend, weight)
    if correlation is not None:
        rows.append(("correlation", "frequency_and_spend", correlation))
    is_independent = correlation is None or abs(correlation) <= LARGEST_CORRELATION
    parameters = fit_spend(repeats, spend, weight) if is_independent else None
    if parameters is not None:
        size = "unknown" if correlation is None else f"{correlation:.2f}"
        rows += [("spend", name, value) for name, value in parameters.items()]
        p, q, v = parameters["p"], parameters["q"], parameters["v"]
        rows.append(("spend", "population", round(p * v / (q - 1), 2)))
        return judged(
            "ok",
            f"{repeaters} of {buyers} buyers came back; the correlation of frequency and spend "
            f"is {size}.",
        )
    mean = float((repeats * spend * weight).sum() / (repeats * weight).sum())
    rows.append(("spend", "population", round(mean, 2)))
    reason = (
        "The likelihood of Gamma-Gamma has no maximum, as where all buyers spend the same"
        if is_independent
        else f"The correlation of frequency and spend is {correlation:.2f}, more than "
        f"{LARGEST_CORRELATION} in size, which Gamma-Gamma rules out"
    )
    return judged(
        "population_spend",
        f"{reason}; the expected spend is the mean of all repeat purchases.",
    )


def fit_lifetime_value(sample: pd.DataFrame) -> pd.DataFrame:
    """BG/NBD and Gamma-Gamma by maximum likelihood, separately for each `as_of`.

    sample: one row per as_of and group of equal buyers, columns as_of (date), repeat_days (days
    with a purchase after the first one), active_days (from the first such day to the last),
    age_days (from the first to as_of), repeat_spend (mean amount of the repeat days, currency
    units above 0; null without any) and buyers (how many). Row order never matters.

    Returns the long table, parameters to six significant digits:
      count        buyers, repeaters
      verdict      as name: ok, population_spend (no Gamma-Gamma: its assumption fails, or it has
                   no maximum), too_few (fewer than 100 repeaters) or no_maximum (of BG/NBD)
      why          as name: the reason, a sentence
      purchases    r, alpha (weeks), a, b and log_likelihood of BG/NBD
      correlation  frequency_and_spend, of the repeaters; none where either never changes
      spend        p, q and v (currency units) of Gamma-Gamma, and population: the expected spend
                   of a buyer without a repeat purchase, or of all where Gamma-Gamma isn't used
    """
    rows: list[dict[str, Any]] = [
        {"as_of": as_of, "part": part, "name": name, "value": value}
        for as_of, group in sample.groupby("as_of", sort=True)
        for part, name, value in _fit(group)
    ]
    return pd.DataFrame(rows, columns=list(LONG_TABLE)).astype(LONG_TABLE)
