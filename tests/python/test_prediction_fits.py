"""Fits of predictions as they are stored: read back, compared, and fed with bad samples."""

import datetime as dt
import subprocess
import sys

import duckdb
import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from customer_segmentation.fits.long_table import LONG_TABLE
from customer_segmentation.fits.predictions import fit as fitting
from customer_segmentation.fits.predictions import fit_predictions, models
from customer_segmentation.fits.predictions.sample import Cases
from customer_segmentation.fits.predictions.trees import boosting, fit_bins, fit_xgboost, forest
from customer_segmentation.fits.predictions.trial import Trial, judge
from customer_segmentation.fits.stored_fits import fit_where_changed

pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    with threadpool_limits(1):
        yield


AS_OF = dt.date(2021, 1, 1)
HORIZON = 90
NAMES = ["recency", "spend", "visits", "noise"]
FEATURES = [
    {"name": "recency", "log": True},
    {"name": "spend", "log": True, "caps": [0, 0.98], "scaling": "robust"},
    {"name": "visits", "scaling": "min_max"},
    {"name": "noise"},
]
KINDS = ("logistic", "forest", "boosting")
ALL_KINDS = (*KINDS, "xgboost")
# Parts that the test cases decide on, or that say how they came out.
OF_THE_TEST = ("model", "verdict", "why", "count", "test", "gain", "calibration", "curve", "case")
# The model in force is calibrated on them, too.
OF_THE_CALIBRATION = ("knot", "sigmoid", "effect")


def customers(rows=300, origins=6, test_rows=600, seed=0, interplay=0.7, first_day="2020-01-01"):
    """Monthly origins and a test one horizon after the last; recency and visits matter.

    With interplay spend and visits matter together, which trees see and a linear model doesn't.
    """
    rng = np.random.default_rng(seed)
    parts = []
    for number in range(origins + 1):
        is_test = number == origins
        size = test_rows if is_test else rows
        part = pd.DataFrame(
            {
                "recency": rng.exponential(30, size).round(),
                "spend": rng.lognormal(3, 1, size).round(2),
                "visits": rng.poisson(3, size).astype(np.float64),
                "noise": rng.standard_normal(size),
            }
        )
        days = HORIZON + 30 * (number - 1) if is_test else 30 * number
        together = np.log1p(part["spend"]).sub(3) * part["visits"].sub(3)
        tendency = np.log1p(part["recency"]).sub(3) - interplay * together - 0.2 * part["visits"]
        outcome = rng.random(size) < expit(2 * tendency - 1)
        part.insert(0, "outcome", outcome.astype(np.int64))
        part.insert(0, "customer_key", 2**60 + np.arange(size))
        part.insert(0, "is_test", is_test)
        part.insert(0, "origin", pd.Timestamp(first_day) + pd.Timedelta(days=days))
        parts.append(part)
    sample = pd.concat(parts, ignore_index=True)
    sample.insert(0, "as_of", AS_OF)
    gaps = rng.random((len(sample), 2)) < 0.1
    sample[["spend", "noise"]] = sample[["spend", "noise"]].mask(gaps)
    return sample


def fit(sample, **settings):
    arguments = {
        "features": FEATURES,
        "naive_rule": {"high": "recency"},
        "horizon_days": HORIZON,
        "seed": 7,
        **settings,
    }
    return fit_predictions(sample, **arguments)


def part(result, name):
    return result[result["part"] == name]


def word(result, name):
    (found,) = part(result, name)["name"]
    return found


def wide(result, name, columns="name", index="feature"):
    return part(result, name).pivot(index=index, columns=columns, values="value")


def numbers(result, name):
    return part(result, name).sort_values("number")["value"].to_numpy()


SAMPLE = customers()


@pytest.fixture(scope="module")
def fitted():
    return fit(SAMPLE)


# Stored rows, read as SQL reads them: nothing of the package is used.


def scaled(result, sample):
    scaler = wide(result, "scaler").loc[NAMES]
    values = sample[NAMES].astype("float64").fillna(scaler["fill"])
    logged = np.where(scaler["log_used"] == 1, np.log1p(np.maximum(values, 0)), values)
    capped = np.clip(logged, scaler["lower_cap"].to_numpy(), scaler["upper_cap"].to_numpy())
    return ((capped - scaler["centre"].to_numpy()) / scaler["scale"].to_numpy()).round(4)


def raw_scores(result, matrix, kind, sign=1, position=0):
    if kind == "naive":
        return sign * matrix[:, position]
    if kind == "logistic":
        (intercept,) = part(result, "intercept")["value"]
        found = part(result, "coefficient")
        places = found["number"].to_numpy("int64") - 1
        return matrix[:, places] @ found["value"].to_numpy() + intercept
    shape = part(result, "shape").set_index("name")["value"]
    trees, levels = int(shape["trees"]), 5
    features, thresholds = numbers(result, "split_feature"), numbers(result, "split_threshold")
    leaves = numbers(result, "leaf")
    assert len(features) == len(thresholds) == trees * (2**levels - 1)
    assert len(leaves) == trees * 2**levels
    nodes = np.tile(np.arange(trees), (len(matrix), 1))
    for level in range(levels):
        places = trees * (2**level - 1) + nodes
        values = np.take_along_axis(matrix, features[places].astype(int) - 1, axis=1)
        nodes = 2 * nodes + (values > thresholds[places])
    return shape["baseline"] + leaves[nodes].sum(axis=1)


def calibrated(result, scores):
    knots = part(result, "knot")
    if len(knots):
        x, y = (
            knots[knots["name"] == name].sort_values("number")["value"].to_numpy() for name in "xy"
        )
        return np.interp(scores, x, y)
    sigmoid = part(result, "sigmoid").set_index("name")["value"]
    return 1 / (1 + np.exp(sigmoid["a"] * scores + sigmoid["b"]))


def parameters(result, kind):
    """What the search found, as scikit-learn takes it."""
    found = wide(result, "search", "feature", "name")[kind].dropna()
    return {
        name: int(found[name]) if name in ("max_depth", "min_samples_leaf") else found[name]
        for name in models.GRIDS[kind]
    }


def scikit_learn_scores(result, kind, training, outcome, matrix):
    """Raw scores from predict_proba of a model that scikit-learn fits here."""
    own = parameters(result, kind)
    if kind == "logistic":
        centre, spread = training.mean(axis=0), training.std(axis=0)
        inverse = 1 / (own["penalty"] * len(outcome))
        model = LogisticRegression(C=inverse, class_weight="balanced", tol=1e-10, max_iter=10_000)
        chances = model.fit((training - centre) / spread, outcome).predict_proba(
            (matrix - centre) / spread
        )
        return np.log(chances[:, 1] / chances[:, 0])
    bins = fit_bins(training)
    if kind == "forest":
        model = forest(own, len(training), seed=7)
        return model.fit(bins.of(training), outcome).predict_proba(bins.of(matrix))[:, 1]
    if kind == "boosting":
        model = boosting(own, seed=7).fit(bins.of(training), outcome)
    else:
        model = fit_xgboost(own, bins.of(training), outcome, seed=7)
    chances = model.predict_proba(bins.of(matrix)).astype("float64")
    return np.log(chances[:, 1] / chances[:, 0])


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_the_rows_of_a_model_give_the_scores_of_scikit_learn(kind, monkeypatch):
    monkeypatch.setattr(fitting, "GRIDS", {kind: models.GRIDS[kind]})
    if kind == "xgboost":
        pytest.importorskip("xgboost")
    result = fit(SAMPLE, naive_rule={"high": "noise"}, xgboost=kind == "xgboost")
    assert (word(result, "model"), word(result, "verdict")) == (kind, "in_force")
    training = SAMPLE[~SAMPLE["is_test"]].sort_values(["origin", "customer_key"])
    test = SAMPLE[SAMPLE["is_test"]]
    matrix = scaled(result, test)
    scores = raw_scores(result, matrix, kind)
    expected = scikit_learn_scores(
        result, kind, scaled(result, training), training["outcome"].to_numpy(), matrix
    )
    # scikit-learn's own solver stops a little earlier than ours; XGBoost adds in single precision.
    exactly = {"logistic": 1e-6, "xgboost": 1e-5}.get(kind, 1e-9)
    np.testing.assert_allclose(scores, expected, atol=exactly)
    assert_calibrated_on(test, calibrated(result, scores), wide(result, "test").loc[kind])


def assert_calibrated_on(test, chances, measured):
    """Fitted on these cases, it can't be worse there than the calibration they were measured by."""
    assert abs(chances.mean() - test["outcome"].mean()) < 0.01
    assert ((chances - test["outcome"]) ** 2).mean() <= measured["brier"] + 1e-3


@pytest.mark.parametrize("sign", [1, -1])
def test_the_rows_of_the_naive_rule_are_a_line_through_knots(sign):
    sample = SAMPLE.assign(outcome=SAMPLE["outcome"].sample(frac=1, random_state=1).to_numpy())
    result = fit(sample, naive_rule={"high" if sign == 1 else "low": "visits"})
    assert (word(result, "model"), word(result, "verdict")) == ("naive", "naive_stays")
    assert len(part(result, "shape")) == len(part(result, "leaf")) == 0
    test = sample[sample["is_test"]]
    chances = calibrated(
        result, raw_scores(result, scaled(result, test), "naive", sign, NAMES.index("visits"))
    )
    assert_calibrated_on(test, chances, wide(result, "test").loc["naive"])


# What is put in force


def test_with_few_outcomes_in_the_test_the_calibration_is_that_of_the_folds():
    rare = SAMPLE["is_test"] & (SAMPLE["outcome"] == 1) & (SAMPLE["customer_key"] % 16 > 0)
    few = SAMPLE[~rare]
    assert 0 < few[few["is_test"]]["outcome"].sum() < 50
    result = fit(few)
    test = few[few["is_test"]]
    name = word(result, "model")
    raw = raw_scores(result, scaled(result, test), name, 1, NAMES.index("recency"))
    brier = ((calibrated(result, raw) - test["outcome"]) ** 2).mean()
    assert brier == pytest.approx(wide(result, "test").loc[name, "brier"], abs=1e-9)


def test_a_test_with_a_handful_of_outcomes_puts_no_model_in_force():
    """A bootstrap of three outcomes hardly varies, so its interval says nothing."""
    positives = SAMPLE.index[SAMPLE["is_test"] & (SAMPLE["outcome"] == 1)]
    for kept, verdict in ((19, "naive_stays"), (20, "in_force")):
        result = fit(SAMPLE.drop(positives[kept:]), naive_rule={"high": "noise"})
        assert word(result, "verdict") == verdict, kept
        assert ("fewer than 20 customers" in word(result, "why")) is (kept == 19)


def test_a_planted_signal_is_put_in_force_and_calibrated():
    result = fit(customers(rows=3000, test_rows=10_000, interplay=0))
    assert word(result, "verdict") == "in_force"
    kind = word(result, "model")
    assert kind == word(result, "chosen") in KINDS
    deciles = wide(result, "calibration", "name", ["feature", "number"]).loc[kind]
    large = deciles[deciles["rows"] >= 200]
    assert len(large) >= 5
    assert (large["predicted"] - large["observed"]).abs().max() <= 0.05
    test = wide(result, "test")
    assert test.loc[kind, "roc_auc"] >= 0.8
    gain = wide(result, "gain").loc[kind]
    assert 0 < gain["low"] < gain["mean"] < gain["high"]
    naive, chosen = test.loc["naive", "average_precision"], test.loc[kind, "average_precision"]
    assert gain["mean"] == pytest.approx(chosen - naive)
    why = word(result, "why")
    assert f"{chosen:.3f}" in why
    assert f"{naive:.3f}" in why


@pytest.mark.slow
def test_with_shuffled_outcomes_at_most_one_of_20_is_put_in_force():
    in_force = 0
    for seed in range(20):
        sample = customers(seed=seed)
        rng = np.random.default_rng(seed)
        sample["outcome"] = sample.groupby("origin")["outcome"].transform(rng.permutation)
        result = fit(sample, seed=seed)
        in_force += word(result, "verdict") == "in_force"
        assert (word(result, "model") == "naive") == (word(result, "verdict") == "naive_stays")
    assert in_force <= 1


def test_the_chosen_one_is_the_best_on_the_folds_and_all_are_tested(fitted):
    folds = part(fitted, "fold")
    precision = folds[folds["name"] == "average_precision"]
    means = precision.groupby("feature")["value"].mean()
    assert word(fitted, "chosen") == means[list(KINDS)].idxmax()
    assert set(folds["number"]) == {1, 2, 3}
    everyone = {"base_rate", "naive", *KINDS}
    test = wide(fitted, "test")
    assert set(test.index) == set(precision["feature"]) == everyone
    assert test.notna().all(axis=None)
    counts = test[["true_positives", "false_positives", "true_negatives", "false_negatives"]]
    count = part(fitted, "count").set_index("name")["value"]
    assert (counts.sum(axis=1) == count["test_rows"]).all()
    positives = test["true_positives"] + test["false_negatives"]
    assert (positives == count["test_positives"]).all()
    for metric in ("roc_auc", "average_precision", "brier"):
        assert (test[f"{metric}_low"] <= test[metric]).all()
        assert (test[metric] <= test[f"{metric}_high"]).all()
    assert test.loc["base_rate", "roc_auc"] == 0.5
    assert test.loc["base_rate", "top_decile_lift"] == 1


def test_the_curves_enclose_the_areas_of_the_test(fitted):
    curves, test = part(fitted, "curve"), wide(fitted, "test")
    assert set(curves["feature"]) == set(test.index)
    for candidate, own in curves.groupby("feature"):
        points = own.pivot(index="number", columns="name", values="value")
        area = np.trapezoid(points["recall"], points["false_positive_rate"])
        assert area == pytest.approx(test.loc[candidate, "roc_auc"], abs=0.005)
        steps = points["recall"].diff() * points["precision"]
        assert steps.sum() == pytest.approx(test.loc[candidate, "average_precision"], abs=0.02)
        assert points["customers"].iloc[-1] == 600


def test_xgboost_is_a_candidate_only_where_it_is_asked_for(fitted):
    pytest.importorskip("xgboost")
    asked = fit(SAMPLE, xgboost=True)
    assert set(part(asked, "test")["feature"]) == {"base_rate", "naive", *ALL_KINDS}
    own, others = asked["feature"] == "xgboost", asked["part"].isin(["test", "search", "fold"])
    without_it = asked[others & ~own].reset_index(drop=True)
    assert_frame_equal(
        without_it, fitted[fitted["part"].isin(["test", "search", "fold"])].reset_index(drop=True)
    )


def test_a_missing_xgboost_is_one_line_that_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "xgboost", None)
    with pytest.raises(ModuleNotFoundError, match=r"prediction_xgboost.*customer-segmentation"):
        fit(SAMPLE, xgboost=True)


def test_counts_and_dates_are_those_of_the_sample(fitted):
    count = part(fitted, "count").set_index("name")["value"]
    training = SAMPLE[~SAMPLE["is_test"]]
    assert count.to_dict() == {
        "train_rows": len(training),
        "train_positives": training["outcome"].sum(),
        "train_origins": 6,
        "test_rows": 600,
        "test_positives": SAMPLE[SAMPLE["is_test"]]["outcome"].sum(),
    }
    origin = part(fitted, "origin").set_index("name")["feature"]
    assert origin.to_dict() == {
        "train_from": "2020-01-01",
        "train_to": "2020-05-30",
        "test": "2020-08-28",
    }


def test_every_row_has_a_key_and_twelve_digits(fitted):
    assert list(fitted.columns) == list(LONG_TABLE)
    assert not fitted.duplicated(["as_of", "part", "name", "number", "feature"]).any()
    values = fitted["value"].dropna()
    assert np.isfinite(values).all()
    assert all(value == float(f"{value:.12g}") for value in values)


def test_effects_are_of_the_model_in_force(fitted):
    bins = wide(fitted, "effect", "name", ["feature", "number"])
    assert set(bins.index.get_level_values("feature")) == set(NAMES)
    for name, own in bins.groupby("feature"):
        assert len(own) <= 10, name
        assert own["upper"].is_monotonic_increasing
        assert own["upper"].iloc[-1] == 1e300
    recency = bins.loc["recency"]["effect"]
    assert recency.iloc[-1] - recency.iloc[0] > 0.2
    assert bins.loc["noise"]["effect"].abs().max() < 0.05
    visits = SAMPLE["visits"][~SAMPLE["is_test"]]
    assert len(bins.loc["visits"]) < visits.nunique()


# Leakage


def test_the_test_cases_never_influence_a_parameter(fitted):
    other = SAMPLE.copy()
    test = other["is_test"]
    rng = np.random.default_rng(1)
    other.loc[test, "outcome"] = rng.integers(0, 2, test.sum())
    other.loc[test, NAMES] = rng.lognormal(5, 3, (test.sum(), 4))
    result = fit(other)
    assert word(result, "verdict") != word(fitted, "verdict")
    of_the_model = ("shape", "split_feature", "split_threshold", "leaf")
    left_out = (*OF_THE_TEST, *of_the_model, *OF_THE_CALIBRATION)
    assert_frame_equal(without(result, left_out), without(fitted, left_out))


def test_a_model_in_force_is_the_same_whatever_it_was_tested_on(fitted):
    few = SAMPLE[~SAMPLE["is_test"] | (SAMPLE["customer_key"] % 3 > 0)]
    result = fit(few)
    assert word(result, "model") == word(fitted, "model") in KINDS
    left_out = (*OF_THE_TEST, *OF_THE_CALIBRATION)
    assert_frame_equal(without(result, left_out), without(fitted, left_out))
    assert not part(result, "test")["value"].equals(part(fitted, "test")["value"])


def without(result, names):
    return result[~result["part"].isin(names)].reset_index(drop=True)


def test_training_origins_within_a_horizon_of_the_test_are_refused():
    with pytest.raises(ValueError, match="is 90 days before the test; expected at least the"):
        fit(SAMPLE, horizon_days=91)


# Determinism


def test_the_order_of_rows_and_other_dates_change_nothing(fitted):
    later = customers(rows=100, test_rows=100, seed=9, first_day="2020-02-01")
    later["as_of"] = dt.date(2021, 4, 1)
    both = pd.concat([later, SAMPLE]).sample(frac=1, random_state=2)
    result = fit(both)
    own = result[result["as_of"].astype(str) == str(AS_OF)].reset_index(drop=True)
    assert_frame_equal(own, fitted)
    assert len(result) > len(own)


def test_another_seed_draws_otherwise(fitted):
    assert not fit(SAMPLE, seed=8)["value"].equals(fitted["value"])


# Bad samples


def too_few(result):
    assert word(result, "model") == "none"
    assert word(result, "verdict") == "too_few"
    assert set(result["part"]) <= {"model", "verdict", "why", "count", "origin"}
    return word(result, "why")


def with_positives(sample, count):
    """The training cases with exactly this many positives."""
    training = sample.index[~sample["is_test"]]
    ranked = sample.loc[training, "recency"].sort_values(ascending=False, kind="stable").index
    return sample.assign(
        outcome=sample["outcome"].where(sample["is_test"], sample.index.isin(ranked[:count]))
    ).astype({"outcome": "int64"})


def test_fewer_than_50_positives_or_negatives_are_too_few():
    why = too_few(fit(with_positives(SAMPLE, 49)))
    assert why.startswith("Nothing is in force: training has 49 cases with the outcome and 1,751")
    too_few(fit(with_positives(SAMPLE, 1751)))
    assert word(fit(with_positives(SAMPLE, 50)), "verdict") != "too_few"
    assert word(fit(with_positives(SAMPLE, 1750)), "verdict") != "too_few"


def test_one_outcome_only_is_too_few():
    too_few(fit(SAMPLE.assign(outcome=0)))
    too_few(fit(SAMPLE.assign(outcome=1)))
    test_only = SAMPLE["outcome"].where(~SAMPLE["is_test"], 0)
    assert "the test has 0 cases with the outcome" in too_few(fit(SAMPLE.assign(outcome=test_only)))


def test_no_test_cases_or_no_training_cases_are_too_few():
    too_few(fit(SAMPLE[~SAMPLE["is_test"]]))
    result = fit(SAMPLE[SAMPLE["is_test"]])
    too_few(result)
    assert list(part(result, "origin")["name"]) == ["test"]


def test_positives_of_a_single_customer_are_too_few():
    first = SAMPLE["origin"] == SAMPLE["origin"].min()
    sample = SAMPLE[first | SAMPLE["is_test"]]
    sample = sample.assign(customer_key=sample["customer_key"].where(sample["is_test"], 1))
    assert "of a few customers" in too_few(fit(sample))


def test_an_empty_sample_gives_an_empty_table():
    result = fit(SAMPLE[:0])
    assert len(result) == 0
    assert result.dtypes.astype(str).to_dict() == fit(SAMPLE[:40]).dtypes.astype(str).to_dict()


def test_a_single_training_origin_is_split_by_customer():
    first = SAMPLE["origin"] == SAMPLE["origin"].min()
    result = fit(SAMPLE[first | SAMPLE["is_test"]])
    search = wide(result, "search", "name")
    assert (search["stratified"] == 1).all()
    assert (search["folds"] == 3).all()
    assert set(part(result, "fold")["number"]) == {1, 2, 3}


def test_a_repeated_feature_is_dropped_from_the_logistic_regression_alone():
    features = [*FEATURES, {"name": "again", "log": True}]
    result = fit(
        SAMPLE.assign(again=SAMPLE["recency"]),
        features=features,
        naive_rule={"high": "again"},
    )
    inflation = part(result, "inflation").set_index("feature")
    assert inflation.loc["again", ["name", "number", "value"]].tolist() == ["dropped", 1, 1e9]
    kept = part(result, "coefficient")
    assert kept.set_index("feature")["number"].to_dict() == {
        name: number for number, name in enumerate(NAMES, start=1)
    }
    assert wide(result, "test").loc["naive", "roc_auc"] > 0.6


@pytest.mark.parametrize("value", [3.0, None])
def test_a_constant_or_missing_feature_says_nothing(value):
    result = fit(SAMPLE.assign(noise=value))
    assert word(result, "verdict") == "in_force"
    scaler = wide(result, "scaler").loc["noise"]
    assert (scaler["fill"], scaler["scale"]) == (value or 0, 1)
    coefficient = part(result, "coefficient").set_index("feature")["value"]
    assert coefficient["noise"] == 0
    effect = wide(result, "effect", "name", ["feature", "number"]).loc["noise"]
    assert effect.to_dict("list") == {"effect": [0], "upper": [1e300]}


def test_without_any_difference_between_customers_the_naive_rule_stays():
    result = fit(SAMPLE.assign(**dict.fromkeys(NAMES, 1.0)))
    assert word(result, "verdict") == "naive_stays"
    assert part(result, "gain")["value"].abs().max() == 0
    assert "-0.000" not in word(result, "why")


@pytest.mark.parametrize(
    ("gain", "verdict", "words"),
    [
        ((0.08, 0.01, 0.15), "in_force", "(95% interval 0.010 to 0.150) is above 0."),
        ((0.08, -0.01, 0.15), "naive_stays", "to 0.150) is not clearly above 0."),
        ((-0.29, -0.42, -0.16), "naive_stays", "(95% interval -0.420 to -0.160) is below 0."),
    ],
)
def test_the_verdict_says_on_which_side_of_0_the_difference_is(gain, verdict, words):
    precisions = {"naive": 0.5, "forest": 0.5 + gain[0]}
    metrics = {name: {"average_precision": value} for name, value in precisions.items()}
    outcome = np.arange(100) % 2
    origins = np.full(100, np.datetime64("2021-01-01"))
    test = Cases(origins, np.arange(100), outcome, np.zeros((100, 1)))
    found, why = judge("forest", Trial(metrics, {}, {}, {"forest": gain}), test)
    assert found == verdict
    assert why.endswith(words)


@pytest.mark.parametrize(
    ("scaling", "log"), [("z_score", True), ("min_max", False), ("robust", False)]
)
def test_huge_and_infinite_values_are_capped(scaling, log):
    sample = SAMPLE.copy()
    sample.loc[sample.index % 150 == 0, "visits"] = 1e300
    sample.loc[sample.index % 7 == 0, "spend"] = -np.inf
    specs = [{"name": name, "scaling": scaling, "log": log, "caps": [0, 1]} for name in NAMES]
    result = fit(sample, features=specs)
    assert word(result, "verdict") in ("in_force", "naive_stays")
    assert np.isfinite(result["value"].dropna()).all()


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"naive_rule": {"high": "age"}}, "expected a feature of"),
        ({"naive_rule": {"most": "spend"}}, "expected high or low"),
        ({"naive_rule": {}}, "expected high or low"),
        ({"naive_rule": None}, "expected high or low"),
        ({"features": [{"name": "absent"}], "naive_rule": {"high": "absent"}}, "absent"),
        (
            {"features": [{"name": "recency", "encoding": "one_hot", "levels": ["a", "b"]}]},
            "numbers only",
        ),
    ],
)
def test_a_wrong_specification_is_refused_in_a_sentence(settings, complaint):
    with pytest.raises(ValueError, match=complaint):
        fit(SAMPLE, **settings)


def test_a_first_origin_with_hardly_any_customers_is_a_fold_like_others():
    first = SAMPLE[SAMPLE["origin"] == SAMPLE["origin"].min()]
    pair = [first.index[first["outcome"] == outcome][0] for outcome in (0, 1)]
    fourth = SAMPLE["origin"] == "2020-03-31"
    sample = pd.concat([SAMPLE.loc[pair], SAMPLE[fourth | SAMPLE["is_test"]]])
    result = fit(sample)
    assert set(part(result, "fold")["number"]) == {1}
    assert (wide(result, "search", "name")["stratified"] == 0).all()
    assert len(part(result, "gain")) == 12


def test_each_target_is_fitted_from_the_warehouse_or_used_again(monkeypatch):
    session = duckdb.connect()
    frame = SAMPLE.assign(target="lapses")
    session.from_df(frame).create("cases")
    session.execute(
        "insert into cases select * replace ('buys_again' as target, 1 - outcome as outcome)"
        " from cases"
    )
    fits = []

    def watched(sample, **arguments):
        fits.append(*arguments["naive_rule"])
        return fit_predictions(sample, **arguments)

    monkeypatch.setattr("customer_segmentation.fits.predictions.fit_predictions", watched)

    def build():
        sample = session.sql(
            "select * replace (cast(origin as date) as origin),"
            " bit_xor(hash(customer_key, outcome)) over (partition by as_of, target)"
            " as sample_hash from cases"
        )
        found = fit_where_changed(
            session,
            sample,
            stored="fits",
            fit="fits.predictions.fit_predictions",
            by="target",
            schemes={
                "lapses": {"naive_rule": {"high": "recency"}},
                "buys_again": {"naive_rule": {"low": "recency"}},
            },
            features=FEATURES,
            horizon_days=HORIZON,
            seed=7,
        )
        found.create("next_fits")
        session.execute("create or replace table fits as from next_fits; drop table next_fits")
        return session.sql("from fits order by all").fetchall()

    first = build()
    assert fits == ["high", "low"]
    assert {row[0] for row in first} == {"lapses", "buys_again"}
    session.execute("delete from cases where target = 'lapses' and customer_key % 5 = 0")
    second = build()
    assert fits == ["high", "low", "high"]
    assert [row for row in second if row[0] == "buys_again"] == [
        row for row in first if row[0] == "buys_again"
    ]


def test_importing_the_package_loads_no_slow_library():
    code = (
        "import sys, customer_segmentation.fits.predictions\n"
        "print(*{'pandas', 'scipy', 'sklearn', 'threadpoolctl'} & set(sys.modules))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == ""
