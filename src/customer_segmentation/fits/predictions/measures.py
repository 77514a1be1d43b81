"""How good scores and probabilities are against what happened."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from customer_segmentation.fits.base import Labels, Matrix

_DECIMALS = 9  # scores that agree so far are equal
_THRESHOLD_DECIMALS = 6
_DECILES = np.arange(1, 10) / 10


@dataclass(frozen=True)
class Ranking:
    """Cases from the highest score down; those with equal scores are a group.

    order: shape (rows,), positions. ends: shape (groups,), the last place of each group in order.
    """

    order: Labels
    ends: Labels


def rank(scores: Matrix) -> Ranking:
    rounded = np.round(scores, _DECIMALS)
    order = np.argsort(-rounded, kind="stable")
    changes = np.flatnonzero(np.diff(rounded[order]))
    return Ranking(order, np.append(changes, len(order) - 1))


def counts_above(ranking: Ranking, outcome: Labels, weights: Matrix) -> tuple[Matrix, Matrix]:
    """Weights of all cases and of the positive ones down to the end of each group.

    weights: shape (draws, rows), how often each case counts. Returns two of (draws, groups).
    """
    sorted_weights = weights[:, ranking.order]
    every = sorted_weights.cumsum(axis=1)[:, ranking.ends]
    positive = (sorted_weights * outcome[ranking.order]).cumsum(axis=1)[:, ranking.ends]
    return every, positive


def precision_and_area(every: Matrix, positive: Matrix) -> tuple[Matrix, Matrix]:
    """Average precision and the area under the ROC curve of each draw, both (draws,).

    Average precision is the sum of precisions weighted by the rise of recall, without
    interpolation. In the area, ties count half (Mann, Whitney 1947). Both are NaN in a draw
    without both outcomes. every, positive: as `counts_above` returns them.
    """
    rise = np.diff(positive, axis=1, prepend=0)
    negative_rise = np.diff(every - positive, axis=1, prepend=0)
    positives, negatives = positive[:, -1], every[:, -1] - positive[:, -1]
    with np.errstate(invalid="ignore", divide="ignore"):
        # A group may be in no draw.
        precision = np.where(every > 0, positive / every, 0)
        average = (rise * precision).sum(axis=1) / positives
        area = (negative_rise * (positive - rise / 2)).sum(axis=1) / (positives * negatives)
    average[negatives == 0] = np.nan
    return average, area


def average_precision(outcome: Labels, scores: Matrix) -> float:
    return ranking_measures(outcome, scores)["average_precision"]


def ranking_measures(outcome: Labels, scores: Matrix) -> dict[str, float]:
    """roc_auc, average_precision and top_decile_lift of raw scores; both outcomes present.

    top_decile_lift: rate among the tenth with the highest scores, over the rate of all. Of equal
    scores at its end the average share counts.
    """
    every, positive = counts_above(rank(scores), outcome, np.ones((1, len(outcome))))
    average, area = precision_and_area(every, positive)
    tenth = len(outcome) / 10
    found = np.interp(tenth, np.append(0, every[0]), np.append(0, positive[0]))
    return {
        "roc_auc": float(area[0]),
        "average_precision": float(average[0]),
        "top_decile_lift": float(found / (outcome.sum() / 10)),
    }


@dataclass(frozen=True)
class Point:
    """Of the cases with the highest scores, customers of them: what they hold.

    recall: their share of the cases with the outcome. false_positive_rate: their share of the
    others. precision: the rate of the outcome among them, None without any.
    """

    customers: int
    recall: float
    false_positive_rate: float
    precision: float | None


def curve(outcome: Labels, scores: Matrix) -> list[Point]:
    """From no case to all, a hundredth of them at a time; both outcomes present.

    Cases with equal scores come together, so where scores repeat there are fewer points.
    """
    (every,), (positive,) = counts_above(rank(scores), outcome, np.ones((1, len(outcome))))
    hundredths = -(-np.arange(1, 101) * len(outcome) // 100)
    places = np.unique(np.searchsorted(every, hundredths))
    positives, negatives = positive[-1], every[-1] - positive[-1]
    return [
        Point(0, 0.0, 0.0, None),
        *(
            Point(int(n), float(k / positives), float((n - k) / negatives), float(k / n))
            for n, k in zip(every[places], positive[places], strict=True)
        ),
    ]


def probability_measures(outcome: Labels, probabilities: Matrix) -> dict[str, float]:
    """log_loss (natural logarithm) and brier; probabilities are above 0 and below 1."""
    chance = np.where(outcome == 1, probabilities, 1 - probabilities)
    return {
        "log_loss": float(-np.log(chance).mean()),
        "brier": float(((probabilities - outcome) ** 2).mean()),
    }


def threshold_measures(outcome: Labels, predicted: npt.NDArray[np.bool_]) -> dict[str, float]:
    """Counts of the confusion matrix, precision, recall and F1; 0 where there are none to count."""
    happened = outcome == 1
    true_positives = int((predicted & happened).sum())
    false_positives = int((predicted & ~happened).sum())
    false_negatives = int((~predicted & happened).sum())
    return {
        "true_positives": true_positives,
        "false_positives": false_positives,
        "true_negatives": int((~predicted & ~happened).sum()),
        "false_negatives": false_negatives,
        "precision": true_positives / max(true_positives + false_positives, 1),
        "recall": true_positives / max(true_positives + false_negatives, 1),
        "f1": 2 * true_positives / max(2 * true_positives + false_positives + false_negatives, 1),
    }


def best_threshold(outcome: Labels, probabilities: Matrix) -> float:
    """The probability from which on a case is called positive, for the largest F1.

    Of equally good ones the highest; cut off after six decimals, so that the last bits of a
    probability don't matter.
    """
    ranking = rank(probabilities)
    every, positive = counts_above(ranking, outcome, np.ones((1, len(outcome))))
    f1 = 2 * positive[0] / (every[0] + positive[0, -1])
    best = probabilities[ranking.order[ranking.ends[int(np.argmax(f1))]]]
    return float(np.floor(best * 10**_THRESHOLD_DECIMALS) / 10**_THRESHOLD_DECIMALS)


def deciles(scores: Matrix) -> Labels:
    """1 plus the number of deciles that a score is above, so that equal scores are together."""
    rounded = np.round(scores, _DECIMALS)
    cuts = np.quantile(rounded, _DECILES, method="inverted_cdf")
    return (1 + np.searchsorted(cuts, rounded)).astype(np.int64)
