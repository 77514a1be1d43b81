"""A fit as rows of the long table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, astuple
from typing import Any

import numpy as np
import numpy.typing as npt

from customer_segmentation.fits.features import Feature
from customer_segmentation.fits.long_table import Row
from customer_segmentation.fits.predictions.calibration import Calibration, Isotonic
from customer_segmentation.fits.predictions.candidates import Candidate
from customer_segmentation.fits.predictions.folds import Folds
from customer_segmentation.fits.predictions.inflation import Inflation
from customer_segmentation.fits.predictions.models import Linear
from customer_segmentation.fits.predictions.sample import Cases, Preparation
from customer_segmentation.fits.predictions.trees import DEPTH, Trees
from customer_segmentation.fits.predictions.trial import Trial


def sample_rows(training: Cases, test: Cases) -> list[Row]:
    counts = {
        "train_rows": len(training),
        "train_positives": training.positives,
        "train_origins": len(np.unique(training.origins)),
        "test_rows": len(test),
        "test_positives": test.positives,
    }
    days = {
        "train_from": training.origins[:1],
        "train_to": training.origins[-1:],
        "test": test.origins[-1:],
    }
    return [
        *(Row("count", value, name) for name, value in counts.items()),
        *(Row("origin", None, name, None, str(day)) for name, of in days.items() for day in of),
    ]


def preparation_rows(preparation: Preparation, specs: Sequence[Feature]) -> list[Row]:
    numbers = {"fill": preparation.fill, **vars(preparation.scaler)}
    return [
        Row("scaler", float(value), name, None, spec.name)
        for name, values in numbers.items()
        for spec, value in zip(specs, values, strict=True)
    ]


def linear_rows(model: Linear, inflation: Inflation, specs: Sequence[Feature]) -> list[Row]:
    """Coefficients of the features kept, and why the others were dropped."""
    return [
        Row("intercept", model.intercept),
        *(
            Row("coefficient", float(model.coefficients[i]), None, i + 1, specs[i].name)
            for i in inflation.kept
        ),
        *(
            Row("inflation", value, "kept", None, specs[i].name)
            for i, value in inflation.kept.items()
        ),
        *(
            Row("inflation", value, "dropped", number, specs[i].name)
            for number, (i, value) in enumerate(inflation.dropped.items(), start=1)
        ),
    ]


def tree_rows(trees: Trees) -> list[Row]:
    shape = {"trees": len(trees.leaves), "baseline": trees.baseline}
    return [
        *(Row("shape", value, name) for name, value in shape.items()),
        *_numbered("split_feature", _by_level(trees.features) + 1),
        *_numbered("split_threshold", _by_level(trees.thresholds)),
        *_numbered("leaf", trees.leaves.ravel()),
    ]


def _by_level(nodes: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The roots of all trees, then the nodes below them, and so on; nodes: (trees, nodes)."""
    levels = [nodes[:, 2**level - 1 : 2 ** (level + 1) - 1].ravel() for level in range(DEPTH)]
    return np.concatenate(levels)


def calibration_rows(calibration: Calibration) -> list[Row]:
    if isinstance(calibration, Isotonic):
        return [*_numbered("knot", calibration.x, "x"), *_numbered("knot", calibration.y, "y")]
    return [Row("sigmoid", calibration.a, "a"), Row("sigmoid", calibration.b, "b")]


def _numbered(part: str, values: Iterable[float], name: str | None = None) -> list[Row]:
    return [Row(part, float(value), name, number) for number, value in enumerate(values, start=1)]


def effect_rows(
    effects: Sequence[Sequence[tuple[float, float]]], specs: Sequence[Feature]
) -> list[Row]:
    return [
        Row("effect", value, name, number, spec.name)
        for spec, bins in zip(specs, effects, strict=True)
        for number, own in enumerate(bins, start=1)
        for name, value in zip(("upper", "effect"), own, strict=True)
    ]


def candidate_rows(candidates: Mapping[str, Candidate], folds: Folds) -> list[Row]:
    """Metrics of each fold, and what was searched."""
    rows = []
    for name, candidate in candidates.items():
        rows += [
            Row("fold", value, metric, number, name)
            for number, metrics in enumerate(candidate.folds, start=1)
            for metric, value in metrics.items()
        ]
        if candidate.parameters:
            searched = {
                **candidate.parameters,
                "folds": len(folds.pairs),
                "stratified": float(not folds.forward),
            }
            rows += [Row("search", value, key, None, name) for key, value in searched.items()]
    return rows


def trial_rows(trial: Trial) -> list[Row]:
    rows = [
        Row("test", value, metric, None, name)
        for name, metrics in trial.metrics.items()
        for metric, value in metrics.items()
    ]
    rows += [
        Row("gain", value, end, None, name)
        for name, gain in trial.gains.items()
        for end, value in zip(("mean", "low", "high"), gain, strict=True)
    ]
    for name, deciles in trial.deciles.items():
        for decile in deciles:
            number, *values = astuple(decile)
            rows += [
                Row("calibration", value, what, number, name)
                for what, value in zip(("predicted", "observed", "rows"), values, strict=True)
            ]
    rows += [
        Row("curve", value, what, number, name)
        for name, points in trial.curves.items()
        for number, point in enumerate(points)
        for what, value in asdict(point).items()
    ]
    return rows
