"""Parts of the prediction fits, each against scikit-learn, a published value or the slow way."""

import duckdb
import numpy as np
import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit
from sklearn.calibration import _SigmoidCalibration
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import (
    average_precision_score,
    brier_score_loss,
    confusion_matrix,
    f1_score,
    log_loss,
    precision_recall_curve,
    precision_score,
    recall_score,
    roc_auc_score,
    roc_curve,
)
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from customer_segmentation.fits.predictions import bootstrap as bootstrapping
from customer_segmentation.fits.predictions import measures
from customer_segmentation.fits.predictions.calibration import (
    Isotonic,
    Sigmoid,
    choose_calibration,
    fit_isotonic,
    fit_sigmoid,
)
from customer_segmentation.fits.predictions.folds import make_folds
from customer_segmentation.fits.predictions.inflation import drop_inflated, variance_inflation
from customer_segmentation.fits.predictions.models import Space, fit_model
from customer_segmentation.fits.predictions.sample import Cases, _rounded
from customer_segmentation.fits.predictions.trees import fit_bins

pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    with threadpool_limits(1):
        yield


IRIS = load_iris().data
SCORED = st.lists(st.tuples(st.booleans(), st.integers(0, 6)), min_size=2, max_size=40).filter(
    lambda rows: len({outcome for outcome, _ in rows}) == 2
)


def columns_of(rows):
    """Outcomes, and scores of which many are equal."""
    outcome, steps = np.array(rows, dtype=np.int64).T
    return outcome, steps / 7 + 0.05


# measures


@given(SCORED)
@examples(200)
def test_measures_are_those_of_scikit_learn_with_ties_too(rows):
    outcome, scores = columns_of(rows)
    found = measures.ranking_measures(outcome, scores) | measures.probability_measures(
        outcome, scores
    )
    assert found["roc_auc"] == pytest.approx(roc_auc_score(outcome, scores), abs=1e-12)
    expected = average_precision_score(outcome, scores)
    assert found["average_precision"] == pytest.approx(expected, abs=1e-12)
    assert found["log_loss"] == pytest.approx(log_loss(outcome, scores), abs=1e-12)
    assert found["brier"] == pytest.approx(brier_score_loss(outcome, scores), abs=1e-12)


@given(SCORED)
@examples(200)
def test_a_curve_of_few_cases_has_every_point_of_scikit_learn(rows):
    outcome, scores = columns_of(rows)
    found = measures.curve(outcome, scores)
    false_positive, recall, _ = roc_curve(outcome, scores, drop_intermediate=False)
    assert [point.recall for point in found] == pytest.approx(list(recall))
    assert [point.false_positive_rate for point in found] == pytest.approx(list(false_positive))
    # There, the last of the precisions belongs to no threshold, and thresholds rise.
    precision, _, _ = precision_recall_curve(outcome, scores)
    assert [point.precision for point in found[1:]] == pytest.approx(list(precision[-2::-1]))
    assert found[0] == measures.Point(0, 0.0, 0.0, None)


def test_a_curve_of_many_cases_has_a_point_per_hundredth():
    rng = np.random.default_rng(3)
    scores = rng.permutation(1234) / 1234
    outcome = (rng.random(1234) < scores).astype(np.int64)
    found = measures.curve(outcome, scores)
    assert len(found) == 101
    for percent, point in enumerate(found):
        first = np.argsort(-scores)[: int(np.ceil(12.34 * percent))]
        assert point.customers == len(first)
        assert point.recall == pytest.approx(outcome[first].sum() / outcome.sum())
        others = (1 - outcome)[first].sum() / (1 - outcome).sum()
        assert point.false_positive_rate == pytest.approx(others)


@given(SCORED, st.integers(0, 7))
@examples(200)
def test_counts_at_a_threshold_are_those_of_scikit_learn(rows, step):
    outcome, scores = columns_of(rows)
    predicted = scores >= step / 7
    found = measures.threshold_measures(outcome, predicted)
    names = ("true_negatives", "false_positives", "false_negatives", "true_positives")
    assert [found[name] for name in names] == confusion_matrix(
        outcome, predicted, labels=[0, 1]
    ).ravel().tolist()
    assert found["precision"] == precision_score(outcome, predicted, zero_division=0)
    assert found["recall"] == recall_score(outcome, predicted)
    assert found["f1"] == pytest.approx(f1_score(outcome, predicted))


@given(SCORED)
@examples(200)
def test_no_other_threshold_has_a_larger_f1(rows):
    outcome, chances = columns_of(rows)
    best = f1_score(outcome, chances >= measures.best_threshold(outcome, chances))
    assert best == pytest.approx(max(f1_score(outcome, chances >= own) for own in chances))


@given(SCORED, st.integers(0, 99))
@examples(50)
def test_the_lift_of_the_top_tenth_is_the_mean_over_orders_of_equal_scores(rows, seed):
    outcome, scores = columns_of(rows)
    # Ten copies of each case, so that a tenth is a whole number of cases.
    outcome, scores = np.tile(outcome, 10), np.tile(scores, 10)
    tenth = len(outcome) // 10
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(400):
        order = np.lexsort((rng.random(len(scores)), -scores))
        found.append(outcome[order[:tenth]].mean() / outcome.mean())
    lift = measures.ranking_measures(outcome, scores)["top_decile_lift"]
    error = np.std(found) / np.sqrt(len(found))
    assert lift == pytest.approx(np.mean(found), abs=5 * error + 1e-9)


@given(st.lists(st.integers(0, 30), min_size=1, max_size=60))
@examples(100)
def test_deciles_rise_with_the_score_and_equal_scores_are_together(scores):
    found = measures.deciles(np.array(scores, dtype=np.float64))
    pairs = sorted(zip(scores, found.tolist(), strict=True))
    assert [decile for _, decile in pairs] == sorted(found.tolist())
    assert len(set(pairs)) == len(set(scores))
    assert set(found.tolist()) <= set(range(1, 11))


def test_distinct_scores_fall_into_equal_tenths():
    found = measures.deciles(np.random.default_rng(0).permutation(500).astype(np.float64))
    np.testing.assert_array_equal(np.bincount(found)[1:], [50] * 10)


# bootstrap


def test_each_draw_of_the_bootstrap_is_what_scikit_learn_gives_for_its_rows(monkeypatch):
    monkeypatch.setattr(bootstrapping, "_DRAWS", 30)
    monkeypatch.setattr(bootstrapping, "_AT_ONCE", 10)
    rng = np.random.default_rng(5)
    outcome = np.repeat([0, 1], [50, 10])
    chances = {name: np.round(rng.random(60), 1) * 0.9 + 0.05 for name in ("one", "other")}
    found = bootstrapping.bootstrap(outcome, chances, chances, seed=3)
    rng = np.random.default_rng(3)
    drawn = np.concatenate([rng.integers(0, 60, (10, 60)) for _ in range(3)])
    metrics = {
        "average_precision": average_precision_score,
        "roc_auc": roc_auc_score,
        "brier": brier_score_loss,
    }
    for metric, of in metrics.items():
        for name, own in chances.items():
            expected = [of(outcome[rows], own[rows]) for rows in drawn]
            np.testing.assert_allclose(found[metric][name], expected, atol=1e-12)


def test_draws_with_one_outcome_only_are_left_out_of_the_interval():
    outcome = np.array([1, 0, 0, 0])
    scores = {"one": np.array([0.9, 0.1, 0.2, 0.3])}
    drawn = bootstrapping.bootstrap(outcome, scores, scores, seed=0)
    assert 0 < np.isnan(drawn["average_precision"]["one"]).sum() < 1000
    np.testing.assert_array_equal(
        np.isnan(drawn["average_precision"]["one"]), np.isnan(drawn["roc_auc"]["one"])
    )
    assert bootstrapping.interval(drawn["average_precision"]["one"]) == (1, 1)


# variance inflation


def test_variance_inflation_of_iris_is_the_published_one():
    expected = [7.0727, 2.1009, 31.2615, 16.0902]
    np.testing.assert_allclose(variance_inflation(IRIS), expected, atol=5e-5)


def test_variance_inflation_is_that_of_a_regression_on_the_others():
    data = load_breast_cancer().data[:, :12]
    for i, found in enumerate(variance_inflation(data)):
        others = np.delete(data, i, axis=1)
        shared = LinearRegression().fit(others, data[:, i]).score(others, data[:, i])
        assert found == pytest.approx(1 / (1 - shared), rel=1e-6)


def test_the_worst_is_dropped_until_none_is_above_the_limit():
    found = drop_inflated(IRIS)
    assert found.dropped == {2: pytest.approx(31.2615, abs=5e-5)}
    assert list(found.kept) == [0, 1, 3]
    np.testing.assert_allclose(list(found.kept.values()), variance_inflation(IRIS[:, [0, 1, 3]]))
    many = drop_inflated(load_breast_cancer().data)
    assert max(many.kept.values()) <= 10 < min(many.dropped.values())
    assert sorted([*many.kept, *many.dropped]) == list(range(30))


def test_of_equal_features_the_last_goes_and_a_constant_one_stays():
    rng = np.random.default_rng(0)
    data = np.column_stack([rng.random((50, 2)), np.ones(50)])
    found = drop_inflated(data[:, [0, 1, 0, 2]])
    assert list(found.dropped) == [2]
    assert found.dropped[2] == pytest.approx(1e9)
    assert found.kept[3] == 1
    assert drop_inflated(np.ones((5, 2))).kept == {0: 1, 1: 1}


# candidates


def mean_area(score):
    """Mean area over five folds of breast cancer: score of (rows fitted on, outcome, rows)."""
    data, outcome = load_breast_cancer(return_X_y=True)
    folds = StratifiedKFold(5, shuffle=True, random_state=0).split(data, outcome)
    areas = []
    for fitted, predicted in folds:
        scores = score(data[fitted], outcome[fitted], data[predicted])
        areas.append(measures.ranking_measures(outcome[predicted], scores)["roc_auc"])
    return np.mean(areas)


@pytest.mark.parametrize(
    ("model", "published"),
    [
        (make_pipeline(StandardScaler(), LogisticRegression()), 0.9955),
        (HistGradientBoostingClassifier(random_state=0), 0.9940),
    ],
)
def test_the_published_areas_of_breast_cancer_are_found(model, published):
    def score(data, outcome, rows):
        return model.fit(data, outcome).predict_proba(rows)[:, 1]

    assert mean_area(score) == pytest.approx(published, abs=5e-5)


@pytest.mark.parametrize(
    ("name", "parameters", "published"),
    [
        ("logistic", {"penalty": 0.01}, 0.9955),
        ("forest", {"max_depth": 5, "min_samples_leaf": 10, "max_features": 0.5}, 0.9919),
        (
            "boosting",
            {
                "learning_rate": 0.1,
                "max_depth": 4,
                "min_samples_leaf": 20,
                "l2_regularization": 0.0,
            },
            0.9940,
        ),
    ],
)
def test_candidates_come_near_the_areas_of_larger_models(name, parameters, published):
    def score(data, outcome, rows):
        scaler = StandardScaler().fit(data)
        matrix = scaler.transform(data).round(4)
        space = Space(range(30), fit_bins(matrix), seed=0)
        model = fit_model(name, parameters, matrix, outcome, space)
        return model.raw(scaler.transform(rows).round(4))

    assert mean_area(score) == pytest.approx(published, abs=0.002)


# calibration


def rising(rows=4000, seed=0):
    """Scores, and outcomes whose chance is a sigmoid of them."""
    rng = np.random.default_rng(seed)
    scores = rng.standard_normal(rows)
    return scores, (rng.random(rows) < expit(1.5 * scores - 1)).astype(np.int64)


def test_the_sigmoid_is_platts():
    scores, outcome = rising()
    found = fit_sigmoid(scores, outcome)
    platt = _SigmoidCalibration().fit(scores, outcome)
    np.testing.assert_allclose(found.probabilities(scores), platt.predict(scores), atol=1e-4)
    assert (found.a, found.b) == (pytest.approx(-1.5, abs=0.15), pytest.approx(1, abs=0.15))


@pytest.mark.parametrize("fit", [fit_sigmoid, fit_isotonic])
def test_probabilities_never_fall_and_are_never_certain(fit):
    for scores, outcome in (
        rising(200),
        (np.arange(200.0), np.repeat([0, 1], 100)),
        (np.arange(200.0), np.repeat([1, 0], 100)),
        (np.zeros(200), np.repeat([1, 0], 100)),
    ):
        calibration = fit(scores, outcome)
        found = calibration.probabilities(np.linspace(-1e6, 1e6, 2001))
        assert (np.diff(found) >= 0).all()
        inner = calibration.probabilities(scores)
        assert 0 < inner.min() <= inner.max() < 1
        assert inner.mean() == pytest.approx(outcome.mean(), abs=0.05)


def test_the_kind_that_predicts_the_last_fold_better_is_chosen():
    rng = np.random.default_rng(1)
    scores = [rng.uniform(-1, 1, 3000) for _ in range(3)]
    steps = [(rng.random(3000) < np.where(own > 0.5, 0.9, 0.1)).astype(np.int64) for own in scores]
    assert isinstance(choose_calibration(scores, steps), Isotonic)
    smooth = [rising(300, seed) for seed in range(3)]
    chosen = choose_calibration(*map(list, zip(*smooth, strict=True)))
    assert isinstance(chosen, Sigmoid)
    assert isinstance(choose_calibration(scores[:1], steps[:1]), Sigmoid)


# folds


def cases_of(days, customers, outcome):
    origins = np.datetime64("2020-01-01") + np.array(days, dtype="timedelta64[D]")
    values = np.zeros((len(days), 1))
    return Cases(origins, np.array(customers), np.array(outcome, dtype=np.int64), values)


CASES = st.lists(
    st.tuples(st.integers(0, 6), st.integers(1, 9), st.integers(0, 1)), min_size=1, max_size=60
)


@given(CASES, st.integers(1, 150))
@examples(200)
def test_folds_go_forward_by_a_horizon_or_keep_customers_apart(rows, horizon):
    months, customers, outcome = map(list, zip(*sorted(rows), strict=True))
    cases = cases_of([30 * month for month in months], customers, outcome)
    folds = make_folds(cases, horizon)
    assert len(folds.pairs) <= 3
    predicted_origins = []
    for fitted, predicted in folds.pairs:
        assert set(cases.outcome[fitted]) == set(cases.outcome[predicted]) == {0, 1}
        if folds.forward:
            (origin,) = set(cases.origins[predicted])
            assert cases.origins[fitted].max() + np.timedelta64(horizon, "D") <= origin
            predicted_origins.append(origin)
        else:
            assert not set(cases.customers[fitted]) & set(cases.customers[predicted])
            assert len(fitted) + len(predicted) == len(cases)
    assert predicted_origins == sorted(set(predicted_origins))


def test_folds_of_customers_have_the_same_number_of_positives():
    cases = cases_of([0] * 300, range(300), np.arange(300) % 10 == 0)
    folds = make_folds(cases, 90)
    assert not folds.forward
    assert [int(cases.outcome[predicted].sum()) for _, predicted in folds.pairs] == [10, 10, 10]


# preparation


@given(st.lists(st.integers(-(10**7), 10**7), min_size=1, max_size=50))
@examples(50)
def test_scaled_values_are_rounded_as_sql_rounds(numerators):
    # Many of these lie in the middle between two values with four decimals.
    values = np.array(numerators) / 2**14
    session = duckdb.connect()
    listed = ", ".join(f"({value!r}::double)" for value in values.tolist())
    expected = session.sql(f"select round(x, 4) from (values {listed}) as t (x)").fetchall()
    np.testing.assert_array_equal(_rounded(values), [x for (x,) in expected])


def test_no_value_lies_on_the_bound_of_a_bin():
    values = np.random.default_rng(0).standard_normal((500, 3)).round(4)
    for bounds, column in zip(fit_bins(values).bounds, values.T, strict=True):
        assert np.abs(bounds[:, None] - column).min() > 4e-5
