"""The test on the newest origin, and what is in force after it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from customer_segmentation.fits.predictions.bootstrap import METRICS, bootstrap, interval
from customer_segmentation.fits.predictions.candidates import Candidate
from customer_segmentation.fits.predictions.measures import (
    Point,
    curve,
    deciles,
    probability_measures,
    ranking_measures,
    threshold_measures,
)
from customer_segmentation.fits.predictions.sample import Cases

_FEWEST = 20  # customers of the test with the outcome, and without, to judge by
_WORDS = {
    "logistic": "logistic regression",
    "forest": "the random forest",
    "boosting": "gradient boosting",
    "xgboost": "XGBoost",
}


@dataclass(frozen=True)
class Decile:
    """Of the test cases of a decile: mean probability, rate of the outcome, and how many."""

    number: int
    predicted: float
    observed: float
    rows: int


@dataclass(frozen=True)
class Trial:
    """How each candidate did on the test cases, by its name.

    metrics: with `_low` and `_high` the ends of a 95% interval. gains: average precision less that
    of the naive rule, and the ends of its interval.
    """

    metrics: dict[str, dict[str, float]]
    deciles: dict[str, list[Decile]]
    curves: dict[str, list[Point]]
    gains: dict[str, tuple[float, float, float]]


def try_candidates(candidates: Mapping[str, Candidate], test: Cases, seed: int) -> Trial:
    """test: the scaled cases of the newest origin, both outcomes present."""
    scores = {name: own.model.raw(test.values) for name, own in candidates.items()}
    chances = {name: candidates[name].calibration.probabilities(scores[name]) for name in scores}
    drawn = bootstrap(test.outcome, scores, chances, seed)
    metrics: dict[str, dict[str, float]] = {}
    for name, own in candidates.items():
        metrics[name] = {
            **ranking_measures(test.outcome, scores[name]),
            **probability_measures(test.outcome, chances[name]),
            **threshold_measures(test.outcome, chances[name] >= own.threshold),
            "threshold": own.threshold,
        }
        for metric in METRICS:
            low, high = interval(drawn[metric][name])
            metrics[name] |= {f"{metric}_low": low, f"{metric}_high": high}
    gains = {}
    precision = drawn["average_precision"]
    for name in candidates:
        if name != "naive":
            gain = metrics[name]["average_precision"] - metrics["naive"]["average_precision"]
            gains[name] = (gain, *interval(precision[name] - precision["naive"]))
    found = {name: _deciles(scores[name], chances[name], test) for name in candidates}
    curves = {name: curve(test.outcome, scores[name]) for name in candidates}
    return Trial(metrics, found, curves, gains)


def _deciles(scores: np.ndarray, chances: np.ndarray, test: Cases) -> list[Decile]:
    own = deciles(scores)
    return [
        Decile(
            int(number),
            float(chances[own == number].mean()),
            float(test.outcome[own == number].mean()),
            int((own == number).sum()),
        )
        for number in np.unique(own)
    ]


def judge(chosen: str, trial: Trial, test: Cases) -> tuple[str, str]:
    """The verdict, in_force or naive_stays, and why: a sentence with the figures.

    With a handful of outcomes a bootstrap hardly varies: with three of them, a model that orders at
    random has an interval above 0 one time in ten.
    """
    tested_on = str(test.origins[0])
    if not test.holds(_FEWEST):
        return "naive_stays", (
            f"The naive rule stays in force: the test of {tested_on} has fewer than {_FEWEST} "
            f"customers with the outcome or without it, too few to tell whether {_WORDS[chosen]} "
            "is better."
        )
    _, low, high = trial.gains[chosen]
    # Adding 0 takes the sign from a zero.
    mean, least, most = (f"{round(value, 3) + 0.0:.3f}" for value in trial.gains[chosen])
    precision, naive = (trial.metrics[name]["average_precision"] for name in (chosen, "naive"))
    gain = f"the difference of {mean} (95% interval {least} to {most})"
    words = _WORDS[chosen]
    if low > 0:
        return "in_force", (
            f"{words[0].upper()}{words[1:]} is in force: on the test of {tested_on} its average "
            f"precision is {precision:.3f}, against {naive:.3f} of the naive rule; {gain} is above "
            "0."
        )
    return "naive_stays", (
        f"The naive rule stays in force: on the test of {tested_on} its average precision is "
        f"{naive:.3f}, against {precision:.3f} of the best candidate, {words}; {gain} is "
        f"{'below 0' if high < 0 else 'not clearly above 0'}."
    )
