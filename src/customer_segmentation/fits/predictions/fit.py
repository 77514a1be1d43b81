"""The fits of all dates as one long table: part, name, number, feature, value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from customer_segmentation.fits.base import load_fitters
from customer_segmentation.fits.features import Feature, read_features
from customer_segmentation.fits.long_table import Row, long_table
from customer_segmentation.fits.predictions.calibration import calibrate_again
from customer_segmentation.fits.predictions.candidates import Candidate, fit_candidates
from customer_segmentation.fits.predictions.effects import partial_effects
from customer_segmentation.fits.predictions.folds import make_folds
from customer_segmentation.fits.predictions.inflation import drop_inflated
from customer_segmentation.fits.predictions.models import GRIDS, Linear, Naive, Space
from customer_segmentation.fits.predictions.rows import (
    calibration_rows,
    candidate_rows,
    effect_rows,
    linear_rows,
    preparation_rows,
    sample_rows,
    tree_rows,
    trial_rows,
)
from customer_segmentation.fits.predictions.sample import (
    Cases,
    fit_preparation,
    read_cases,
)
from customer_segmentation.fits.predictions.trees import Trees, fit_bins
from customer_segmentation.fits.predictions.trial import judge, try_candidates

if TYPE_CHECKING:
    import pandas as pd

_FEWEST = 50  # cases with the outcome, and without, to fit a model or a calibration on


def fit_predictions(
    sample: pd.DataFrame,
    *,
    features: Sequence[Mapping[str, Any]],
    seed: int,
    naive_rule: Mapping[str, str] | None = None,
    horizon_days: int = 0,
) -> pd.DataFrame:
    """The model in force of each refit date, with all that it takes to judge it.

    Base rate, naive rule, logistic regression, random forest and gradient boosting are fitted on
    the training origins. The best of the last three by mean average precision over folds that go
    forward in time is put in force if on the test origin its average precision exceeds the naive
    rule's by an interval above 0 (95%, 1,000 paired draws of customers), and if the test has 20
    customers with the outcome and without; else the naive rule stays.
    The test cases decide between these two; then the one in force is calibrated on them, where they
    have at least 50 of either outcome, since they are the newest. All measures are from before.

    sample: one row per as_of, origin and customer: as_of (date of the refit), origin (date from
    which the outcome is counted), is_test (true for the cases of the newest origin, which are the
    test), customer_key (integer), outcome (0 or 1) and one numeric column per feature, where a
    value may be missing. Row order never matters. At each as_of the training origins lie at least
    one horizon before the test.
    features: mappings with the fields of `Feature`, of which name, log and scaling count.
    naive_rule: {"high": feature} or {"low": feature}: customers with a high or a low value of one
    of the features are taken for the likeliest.
    horizon_days: length of the outcome window, at least 1. Both are needed unless the sample is
    empty.
    seed: of all that is drawn.

    Missing values are filled; logged, capped, centred and scaled (see `scaling.scale`), then
    rounded to four decimals, they are the x of all models, in the order of the features. The raw
    score is x or -x for the naive rule, the linear predictor for logistic regression, and the
    baseline plus one leaf per tree for the others; the calibration in force makes it a probability.

    Returns the columns as_of, part, name, number, feature, value; values have 12 significant
    digits. `candidate` stands for base_rate, naive, logistic, forest or boosting. Parts:
    model            name: the candidate in force; none
    chosen           name: the best candidate on the folds, if there are any
    verdict, why     name: in_force, naive_stays or too_few; a sentence
    count            name: train_rows, train_positives, train_origins, test_rows, test_positives
    origin           name: train_from, train_to or test, feature: the date
    scaler           name: fill or a parameter of `Scaler`, feature, value
    intercept        value: of logistic regression, in force or not, like the next two
    coefficient      number: position of the feature from 1, feature, value; of the features kept
    inflation        name: kept or dropped, number: in which order dropped, feature, value: the
                     variance inflation, of a dropped one as it was dropped
    shape            name: trees or baseline; of a model in force that has trees, like the next
                     three. Trees are complete and of depth `trees.DEPTH`
    split_feature    number: trees * (2^l - 1) + n + 1 for node n of level l, both from 0, where the
                     nodes of a level are numbered over all trees, so that those below it are 2n and
                     2n + 1; value: position of a feature from 1
    split_threshold  number likewise; value: a row goes left if its x is at most this
    leaf             number: t * 2^DEPTH + j + 1 for leaf j of tree t, both from 0; value
    knot             name: x or y, number; of the model in force: a raw score and its probability,
                     linear between knots and constant beyond
    sigmoid          name: a or b; of the model in force, 1 / (1 + exp(a * raw score + b)), if it
                     has no knots
    effect           name: upper (in scaled units) or effect (share from 0 to 1), number: of the bin
                     from 1, feature, value; of the model in force (see `partial_effects`)
    test             name: a metric, feature: candidate, value
    fold             name: a metric, number: of the fold from 1, feature: candidate, value. Log loss
                     and brier are flattered by a calibration that knows the fold
    gain             name: mean (the difference on the test), low or high, feature: candidate,
                     value: average precision less that of the naive rule
    search           name: a parameter of scikit-learn, folds (their number) or stratified (1 where
                     no fold could go forward in time), feature: candidate, value
    calibration      name: predicted, observed or rows, number: decile from 1 to 10, the likeliest,
                     feature: candidate, value; of the test cases. Equal scores are in one decile
    curve            name: a field of `Point`, number: of the point from 0, feature: candidate,
                     value; of the test cases

    Raises ValueError for a wrong feature specification, a naive rule of an unknown feature, a
    missing column, or training origins less than a horizon before the test. No data makes it raise
    or warn: where there are too few cases the verdict is too_few, with the reason.
    """
    import pandas as pd
    from threadpoolctl import threadpool_limits

    if naive_rule is None and sample.empty:
        return long_table({})
    # Capped at the extremes of the training: models don't extrapolate.
    specs = [replace(spec, caps=(0.0, 1.0)) for spec in read_features(features)]
    rule = _read_naive(naive_rule, specs)
    needed = {"as_of", "origin", "is_test", "customer_key", "outcome", *(s.name for s in specs)}
    missing = needed - set(sample.columns)
    if missing:
        raise ValueError(f"columns missing from the sample: {', '.join(sorted(missing))}")
    days = pd.to_datetime(sample["as_of"])
    load_fitters()
    fits = {}
    with threadpool_limits(1):
        for as_of in sorted(days.dropna().unique()):
            training, test = read_cases(sample[days == as_of], specs)
            fits[as_of.date()] = _fit(training, test, specs, rule, horizon_days, seed)
    return long_table(fits)


def _read_naive(naive_rule: Mapping[str, str] | None, specs: Sequence[Feature]) -> Naive:
    texts = [spec.name for spec in specs if spec.encoding != "number"]
    if texts:
        raise ValueError(f"features {', '.join(texts)}: predictions take numbers only")
    names = [spec.name for spec in specs]
    if not naive_rule or len(naive_rule) != 1 or not set(naive_rule) <= {"high", "low"}:
        raise ValueError(f"naive_rule is {naive_rule}: expected high or low and a feature")
    ((side, feature),) = naive_rule.items()
    if feature not in names:
        raise ValueError(f"naive_rule is {naive_rule}: expected a feature of {names}")
    return Naive(names.index(feature), 1 if side == "high" else -1)


def _fit(
    training: Cases,
    test: Cases,
    specs: Sequence[Feature],
    naive: Naive,
    horizon_days: int,
    seed: int,
) -> list[Row]:
    """The rows of one date."""
    if len(training) and len(test):
        gap = int((test.origins[0] - training.origins[-1]).astype(int))
        if gap < horizon_days:
            raise ValueError(
                f"the last training origin is {gap} days before the test; expected at least the "
                f"horizon, {horizon_days}"
            )
    rows = sample_rows(training, test)
    why = _too_few(training, test)
    folds = make_folds(training, horizon_days)
    if not (why or folds.pairs):
        why = "Nothing is in force: all training cases with the outcome are of a few customers."
    if why:
        return [
            *rows,
            Row("model", name="none"),
            Row("verdict", name="too_few"),
            Row("why", name=why),
        ]
    preparation = fit_preparation(training, specs).without_caps(naive.position)
    training, test = preparation.apply(training), preparation.apply(test)
    inflation = drop_inflated(training.values)
    space = Space(tuple(inflation.kept), fit_bins(training.values), seed)
    candidates = fit_candidates(training, folds, naive, space)
    chosen = max(GRIDS, key=lambda name: candidates[name].mean_precision)
    trial = try_candidates(candidates, test, seed)
    verdict, why = judge(chosen, trial, test)
    in_force = candidates[chosen if verdict == "in_force" else "naive"]
    # What held at the training origins may not hold today: the test has the newest outcomes.
    newest = test if test.holds(_FEWEST) else training
    if newest is test:
        scores = in_force.model.raw(test.values)
        again = calibrate_again(in_force.calibration, scores, test.outcome)
        in_force = replace(in_force, calibration=again)
    logistic = candidates["logistic"].model
    assert isinstance(logistic, Linear)
    return [
        *rows,
        Row("model", name=in_force.name),
        Row("chosen", name=chosen),
        Row("verdict", name=verdict),
        Row("why", name=why),
        *preparation_rows(preparation, specs),
        *linear_rows(logistic, inflation, specs),
        *candidate_rows(candidates, folds),
        *trial_rows(trial),
        *_rows_in_force(in_force, newest, specs, seed),
    ]


def _rows_in_force(
    candidate: Candidate, cases: Cases, specs: Sequence[Feature], seed: int
) -> list[Row]:
    """cases: those it is calibrated on, since elsewhere a calibration may be flat."""
    effects = partial_effects(candidate.probabilities, cases.values, seed)
    trees = tree_rows(candidate.model) if isinstance(candidate.model, Trees) else []
    return [*trees, *calibration_rows(candidate.calibration), *effect_rows(effects, specs)]


def _too_few(training: Cases, test: Cases) -> str:
    """Why there is nothing to learn from or to test on; empty if there is."""
    for cases, fewest, words in ((training, _FEWEST, "training"), (test, 1, "the test")):
        positives = cases.positives
        if min(positives, len(cases) - positives) < fewest:
            return (
                f"Nothing is in force: {words} has {positives:,} cases with the outcome and "
                f"{len(cases) - positives:,} without; at least {fewest} of each are needed."
            )
    return ""
