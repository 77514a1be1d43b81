"""Predictions of a shop with planted churners: who returns something mostly leaves for good."""

from __future__ import annotations

import dataclasses
from datetime import date, datetime, timedelta
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest
from conftest import VARS, Build, Workshop, scenario
from sklearn.metrics import average_precision_score, roc_auc_score

from customer_segmentation.output.model_cards import model_cards

FIRST, NOW, BEFORE = date(2023, 1, 1), date(2024, 6, 17), date(2024, 4, 1)
CUSTOMERS = 4000
FEATURES = [
    {"name": "recency", "column": "recency_days__all", "log": True},
    {"name": "orders_90d", "column": "orders__90d", "log": True},
    {"name": "returns", "column": "returns__90d"},
    {"name": "mean_order", "column": "monetary_mean", "log": True},
]
LAPSES: dict[str, Any] = {
    "who": {"metric": "recency_days", "at_most": 90},
    "outcome": {"metric": "orders", "at_most": 0},
    "horizon_days": 90,
    "naive_rule": {"high": "recency"},
}
PREDICTED = {
    "history_start": None,
    "prediction_features": FEATURES,
    "predictions": {"lapses": LAPSES},
    "rule_segments": {
        "leaving": {"prediction": "lapses", "top_percent": 10},
        "safe": {"prediction_decile": "lapses", "at_most": 5},
        "at_risk": {"prediction": "lapses", "at_least": 0.3},
    },
}
RETURNED, LEAVES_THEN, LEAVES = 0.06, 0.8, 0.01  # per order


def planted() -> pd.DataFrame:
    """Orders and returns; a customer orders every 20 days, until the one that is the last."""
    rng = np.random.default_rng(22)
    rows: list[tuple[str, str, datetime, str, float]] = []
    for customer in range(CUSTOMERS):
        day = FIRST + timedelta(days=int(rng.integers(0, 400)))
        while day < NOW:
            at = datetime(day.year, day.month, day.day, 12)
            amount = round(float(rng.lognormal(3, 0.5)), 2)
            order = f"o{len(rows)}"
            rows.append((order, f"c{customer}", at, "completed", amount))
            is_returned = rng.random() < RETURNED
            if is_returned and day + timedelta(days=3) < NOW:
                rows.append(
                    (f"r{order}", f"c{customer}", at + timedelta(days=3), "returned", -amount)
                )
            if rng.random() < (LEAVES_THEN if is_returned else LEAVES):
                break
            day += timedelta(days=1 + int(rng.exponential(19)))
    columns = ["order_id", "customer_ref", "ordered_at", "status", "amount"]
    return pd.DataFrame(rows, columns=columns)


def before(orders: pd.DataFrame) -> pd.DataFrame:
    return orders[orders["ordered_at"] < datetime(BEFORE.year, BEFORE.month, BEFORE.day)]


@scenario()
def foreseen(workshop: Workshop) -> Build:
    folder = workshop.folder("foreseen")
    return workshop.build(folder, {"orders": planted()}, {**PREDICTED, "as_of": str(NOW)})


@scenario()
def foreseen_in_two_builds(workshop: Workshop) -> tuple[pd.DataFrame, Build]:
    """What was known before April: its predictions; and then, in the same folder, the rest."""
    folder = workshop.folder("foreseen-in-two-builds")
    tables = {"orders": before(planted())}
    first = workshop.build(folder, tables, {**PREDICTED, "as_of": str(BEFORE)}).passed()
    # Not by Build.query, which keeps the file open.
    with duckdb.connect(str(first.published), read_only=True) as connection:
        predictions = connection.sql("select * from customer_predictions").df()
    second = workshop.build(folder, {"orders": planted()}, {**PREDICTED, "as_of": str(NOW)})
    return predictions, second


def working(build: Build) -> Build:
    return dataclasses.replace(build.passed(), is_published=False)


def outcomes(build: Build, origin: date) -> pd.DataFrame:
    """Of the customers asked about at the origin, from the orders alone."""
    orders = planted()
    orders = orders[orders["status"] == "completed"]
    at = pd.Timestamp(origin)
    last = orders[orders["ordered_at"] < at].groupby("customer_ref")["ordered_at"].max()
    asked = last[last >= at - timedelta(days=90)].index
    until = at + timedelta(days=LAPSES["horizon_days"])
    later = orders[(orders["ordered_at"] >= at) & (orders["ordered_at"] < until)]
    known = build.query("select customer_ref, customer_id from customer_records")
    people = known.set_index("customer_ref")["customer_id"].loc[asked]
    came_about = ~asked.isin(later["customer_ref"])
    return pd.DataFrame({"customer_id": people.to_numpy(), "came_about": came_about})


def test_planted_churners_are_found_and_beat_the_naive_rule(foreseen: Build) -> None:
    model = foreseen.passed().query(
        "select * from models.prediction_models where status = 'in_force'"
    )
    assert model["verdict"].tolist() == ["in_force"]
    assert model["gain_low"].tolist() > [0]
    auc = foreseen.rows(
        "select value, low from models.prediction_metrics natural join (select target,"
        " fitted_as_of, best_candidate as candidate from models.prediction_models"
        " where status = 'in_force') where evaluation = 'test' and metric = 'roc_auc'"
    )
    assert auc[0][0] >= 0.8
    assert auc[0][1] > 0.75


def test_deciles_of_the_test_are_calibrated(foreseen: Build) -> None:
    deciles = foreseen.passed().query(
        "select calibration.* from models.prediction_calibration as calibration"
        " inner join models.prediction_models as models using (target, fitted_as_of)"
        " where models.status = 'in_force' and calibration.candidate = models.model"
    )
    large = deciles[deciles["customers"] >= 200]
    assert len(large) >= 8
    assert (large["predicted"] - large["observed"]).abs().max() <= 0.05


def test_the_curve_passes_the_counts_at_the_threshold(foreseen: Build) -> None:
    """Whoever is called positive at the chosen threshold is a point between two of the curve."""
    curve = foreseen.passed().query(
        "select curves.* from models.prediction_curves as curves"
        " inner join models.prediction_models as models using (target, fitted_as_of)"
        " where models.status = 'in_force' and curves.candidate = models.best_candidate"
        " order by point"
    )
    ((customers, positives),) = foreseen.rows(
        "select test_rows, test_positives from models.prediction_models where status = 'in_force'"
    )
    assert curve["point"].tolist() == list(range(len(curve)))
    assert 50 < len(curve) <= 101
    assert curve.iloc[-1][["customers", "recall", "false_positive_rate"]].tolist() == [
        customers,
        1,
        1,
    ]
    assert curve["precision"].iloc[-1] == pytest.approx(positives / customers)
    ((found, threshold_recall),) = foreseen.rows(
        "select sum(value) filter (metric in ('true_positives', 'false_positives')),"
        " sum(value) filter (metric = 'recall') from models.prediction_metrics"
        " natural join (select target, fitted_as_of, best_candidate as candidate"
        " from models.prediction_models where status = 'in_force') where evaluation = 'test'"
    )
    above = curve[curve["customers"] >= found].iloc[0]
    below = curve[curve["customers"] <= found].iloc[-1]
    assert below["recall"] - 1e-9 <= threshold_recall <= above["recall"] + 1e-9


def test_outcomes_are_those_of_the_orders(foreseen: Build) -> None:
    origin = date(2024, 2, 1)
    found = working(foreseen).query(
        "select keys.customer_id, outcomes.came_about"
        " from scores.int_segmentation__prediction_outcomes as outcomes"
        " inner join (select distinct customer_key, customer_id"
        " from identity.int_identity__customers_resolved) as keys using (customer_key)"
        f" where outcomes.origin = date '{origin}'"
    )
    expected = outcomes(foreseen, origin)
    assert 0 < expected["came_about"].sum() < len(expected)
    pd.testing.assert_frame_equal(
        found.sort_values("customer_id").reset_index(drop=True),
        expected.sort_values("customer_id").reset_index(drop=True),
    )


def test_live_scores_are_those_of_scikit_learn(foreseen: Build) -> None:
    """Of the predictions of 1 March against what happened until the end of May."""
    origin = date(2024, 3, 1)
    history = working(foreseen).query(
        "select keys.customer_id, scores.score, scores.probability"
        " from scores.int_segmentation__prediction_scores as scores"
        " inner join (select distinct customer_key, customer_id"
        " from identity.int_identity__customers_resolved) as keys using (customer_key)"
        f" where scores.as_of = date '{origin}'"
    )
    judged = history.merge(outcomes(foreseen, origin), on="customer_id", validate="1:1")
    assert len(judged) == len(history)
    live = dict(
        foreseen.rows(
            "select metric, value from models.prediction_metrics where evaluation = 'live'"
            f" and origin = date '{origin}' and segment_key = 'all' and candidate <> 'naive_rule'"
        )
    )
    truth, score, probability = (judged[name] for name in ("came_about", "score", "probability"))
    assert live["customers"] == len(judged)
    assert live["positives"] == truth.sum()
    assert live["roc_auc"] == pytest.approx(roc_auc_score(truth, score), abs=1e-6)
    precision = average_precision_score(truth, score)
    assert live["average_precision"] == pytest.approx(precision, abs=1e-6)
    assert live["brier"] == pytest.approx(((truth - probability) ** 2).mean(), abs=1e-6)
    assert live["mean_probability"] == pytest.approx(probability.mean(), abs=1e-6)


def test_an_old_date_is_predicted_as_it_was_then(
    foreseen: Build, foreseen_in_two_builds: tuple[pd.DataFrame, Build]
) -> None:
    """Nothing that happened since changes features, fits or probabilities."""
    then, _ = foreseen_in_two_builds
    now = foreseen.passed().query(
        f"select customer_id, probability_of_lapses as probability from customer_history"
        f" where as_of = date '{BEFORE}' and probability_of_lapses is not null"
    )
    both = then.merge(now, on="customer_id", how="outer", suffixes=("_then", "_now"))
    assert len(both) > 1000
    assert (both["probability_then"] == both["probability_now"]).all()


def test_two_builds_predict_as_one(
    foreseen: Build, foreseen_in_two_builds: tuple[pd.DataFrame, Build]
) -> None:
    _, second = foreseen_in_two_builds
    second.passed()
    for mart in (
        "customer_predictions",
        "customer_history",
        "models.prediction_models",
        "models.prediction_metrics",
        "models.prediction_coefficients",
        "models.prediction_calibration",
        "models.prediction_curves",
        "models.next_segment_models",
        "customer_next_segments",
    ):
        one, two = (
            build.query(f"select * from {mart} order by all") for build in (foreseen, second)
        )
        pd.testing.assert_frame_equal(one, two)
        assert len(one) > 3, mart


def test_rules_take_the_most_likely(foreseen: Build) -> None:
    predictions = foreseen.passed().query("select * from customer_predictions")
    members = foreseen.query("select segment_key, customer_id, reason from segment_memberships")
    leaving = members[members["segment_key"] == "rule:leaving"]
    first = predictions[predictions["rank_percent"] < 10]
    assert set(leaving["customer_id"]) == set(first["customer_id"])
    others = predictions[predictions["rank_percent"] >= 10]
    assert first["probability"].min() >= others["probability"].max()
    assert 0.05 * len(predictions) < len(leaving) <= 0.2 * len(predictions)
    safe = members[members["segment_key"] == "rule:safe"]
    assert set(safe["customer_id"]) == set(predictions[predictions["decile"] <= 5]["customer_id"])
    at_risk = members[members["segment_key"] == "rule:at_risk"]
    assert set(at_risk["customer_id"]) == set(
        predictions[predictions["probability"] >= 0.3]["customer_id"]
    )
    assert at_risk["reason"].str.contains("probability that the customer lapses: 0").any()


def test_deciles_and_ranks_follow_the_probability(foreseen: Build) -> None:
    found = foreseen.passed().query("select * from customer_predictions")
    assert found["probability"].between(0, 1).all()
    in_order = found.sort_values("rank_percent")
    assert in_order["decile"].is_monotonic_decreasing
    assert in_order["probability"].is_monotonic_decreasing
    assert found.groupby("rank_percent")["decile"].nunique().max() == 1
    assert found["rank_percent"].min() == 0
    likely = found[found["decile"] == 10]
    assert likely["reason_1"].notna().all()
    assert likely["reason_1"].str.contains("raises the probability").mean() > 0.5
    assert likely[["reason_1", "reason_2", "reason_3"]].stack().str.contains("returns").any()


def test_the_model_card_has_the_figures_of_the_marts(foreseen: Build) -> None:
    with duckdb.connect(str(foreseen.passed().published), read_only=True) as connection:
        cards = model_cards(connection)
    ((why, candidate),) = foreseen.rows(
        "select why, model from models.prediction_models where status = 'in_force'"
    )
    ((precision,),) = foreseen.rows(
        "select value from models.prediction_metrics where evaluation = 'test'"
        f" and metric = 'average_precision' and candidate = '{candidate}'"
        " and fitted_as_of = (select max(fitted_as_of) from models.prediction_models)"
    )
    assert list(cards) == ["lapses"]
    assert why in cards["lapses"]
    assert f"| {candidate} (in force) | {precision:.3f} (" in cards["lapses"]
    assert "| returns in the last 90 days | " in cards["lapses"]
    assert "| 10 | " in cards["lapses"]
    assert "\n\n\n" not in cards["lapses"]


def moves_to(history: pd.DataFrame, period: Any) -> pd.DataFrame:
    """The customers known at a period and a month before it: scores, segment before and now."""
    now = history[history["as_of"] == period]
    before = history[history["as_of"] == period - pd.DateOffset(months=1)]
    both = before.merge(now, on="customer_id", suffixes=("", "_now"))
    return both[["recency_score", "frequency_score", "rfm_segment", "rfm_segment_now"]]


def rates_by_segment(history: pd.DataFrame, period: Any, segments: list[str]) -> pd.DataFrame:
    moves = moves_to(history, period)
    everyone = moves["rfm_segment_now"].value_counts().reindex(segments, fill_value=0) + 1
    counts = pd.crosstab(moves["rfm_segment"], moves["rfm_segment_now"])
    counts = counts.reindex(index=segments, columns=segments, fill_value=0)
    return (counts + everyone / everyone.sum()).div(counts.sum(axis=1) + 1, axis=0)


def test_rates_by_scores_are_those_of_a_slow_count(foreseen: Build) -> None:
    """Each move of the newest step, one customer at a time, by what was known a month before."""
    history = foreseen.passed().query(
        "select customer_id, as_of, rfm_segment, coalesce(recency_score, 0) as recency_score,"
        " coalesce(frequency_score, 0) as frequency_score from customer_history"
    )
    history["as_of"] = pd.to_datetime(history["as_of"])
    ((labels,),) = working(foreseen).rows(
        "select list(distinct from_segment) from scores.int_marts__next_segment_rates"
    )
    segments = sorted(label.removeprefix("rfm:") for label in labels)
    period, before = pd.Timestamp(2024, 6, 1), pd.Timestamp(2024, 5, 1)
    by_segment = rates_by_segment(history, before, segments)
    earlier = pd.concat(
        moves_to(history, before - pd.DateOffset(months=number)) for number in range(3)
    )
    losses = []
    for (recency, frequency, segment), own in moves_to(history, period).groupby(
        ["recency_score", "frequency_score", "rfm_segment"]
    ):
        alike = earlier[
            (earlier["recency_score"] == recency)
            & (earlier["frequency_score"] == frequency)
            & (earlier["rfm_segment"] == segment)
        ]["rfm_segment_now"]
        for now in own["rfm_segment_now"]:
            markov = by_segment.loc[segment, now]
            by_scores = ((alike == now).sum() + 20 * markov) / (len(alike) + 20)
            losses.append((-np.log(markov), -np.log(by_scores)))
    found = foreseen.query(
        "select * from models.next_segment_models where period = date '2024-06-01'"
    ).iloc[0]
    markov, by_scores = np.array(losses).T
    assert found["customers"] == len(losses) > 1000
    assert found["log_loss_by_segment"] == pytest.approx(markov.mean(), abs=1e-6)
    assert found["log_loss_by_scores"] == pytest.approx(by_scores.mean(), abs=1e-6)
    gain = markov - by_scores
    margin = 1.96 * gain.std() / np.sqrt(len(gain))
    assert found["gain_low"] == pytest.approx(gain.mean() - margin, abs=1e-6)
    assert (found["verdict"] == "in_force") == (gain.mean() - margin > 0)


def test_next_segments_start_from_the_last_whole_month_and_add_up(foreseen: Build) -> None:
    """as_of is 17 June, in the middle of a month."""
    found = foreseen.passed().query("select * from customer_next_segments")
    assert set(found["as_of"]) == {pd.Timestamp(2024, 6, 1)}
    assert set(found["next_period"]) == {pd.Timestamp(2024, 7, 1)}
    totals = found.groupby("customer_id")["probability"].sum()
    assert totals.to_numpy() == pytest.approx(1, abs=1e-6)
    now = foreseen.query(
        "select customer_id, 'rfm:' || rfm_segment as segment_key from customer_history"
        " where as_of = date '2024-06-01'"
    ).set_index("customer_id")["segment_key"]
    assert set(totals.index) == set(now.index)
    own = found.drop_duplicates("customer_id").set_index("customer_id")["current_segment_key"]
    assert (own == now.loc[own.index]).all()


def test_profiles_show_the_probability(foreseen: Build) -> None:
    profiles = dict(
        foreseen.passed().rows(
            "select segment_key, mean from segment_profiles where feature = 'probability_of_lapses'"
        )
    )
    assert profiles["rule:leaving"] > profiles["rule:safe"]


@scenario()
def foreseen_by_all_shipped(workshop: Workshop) -> Build:
    """A young shop: no outcome window of 90 days has ended."""
    orders = planted()
    orders = orders[orders["ordered_at"] < datetime(2023, 3, 10)]
    folder = workshop.folder("young-shop")
    return workshop.build(folder, {"orders": orders}, {"history_start": None})


def test_a_young_shop_is_told_why_nothing_is_predicted(foreseen_by_all_shipped: Build) -> None:
    models = foreseen_by_all_shipped.passed().query("select * from models.prediction_models")
    assert set(models["target"]) == {"lapses", "buys_again", "becomes_high_value", "responds"}
    assert set(models["verdict"]) == {"no_outcomes"}
    assert set(models["model"]) == {"none"}
    assert models["why"].str.startswith("No outcome is known yet").all()
    assert foreseen_by_all_shipped.rows("select count(*) from customer_predictions") == [(0,)]
    assert foreseen_by_all_shipped.rows(
        "select count(probability_of_lapses) from customer_history"
    ) == [(0,)]


@scenario()
def bought_once(workshop: Workshop) -> Build:
    """One-time buyers alone: each lapses, so there is one class."""
    orders = planted().drop_duplicates("customer_ref")
    folder = workshop.folder("bought-once")
    return workshop.build(folder, {"orders": orders}, {"history_start": None, "as_of": str(NOW)})


def test_one_class_puts_no_model_in_force(bought_once: Build) -> None:
    models = bought_once.passed().query("select * from models.prediction_models")
    assert set(models["model"]) == {"none"}
    assert set(models["verdict"]) <= {"too_few", "no_outcomes"}
    lapses = models[(models["target"] == "lapses") & (models["status"] == "in_force")]
    assert "at least 50 of each are needed" in lapses["why"].item()


@scenario()
def without_predictions(workshop: Workshop) -> Build:
    folder = workshop.folder("without-predictions")
    orders = planted().head(40)
    return workshop.build(folder, {"orders": orders}, {"predictions": {}})


def test_no_predictions_are_empty_marts(without_predictions: Build) -> None:
    without_predictions.passed()
    with duckdb.connect(str(without_predictions.published), read_only=True) as connection:
        assert model_cards(connection) == {}
    for mart in ("customer_predictions", "models.prediction_models", "models.prediction_metrics"):
        assert without_predictions.rows(f"select count(*) from {mart}") == [(0,)]
    assert VARS["dataset"] in without_predictions.output


def test_a_shop_without_attributes_compares_no_groups(without_predictions: Build) -> None:
    for mart in ("monitoring.segment_fairness", "models.prediction_fairness"):
        assert without_predictions.passed().rows(f"select count(*) from {mart}") == [(0,)]
    assert "Fairness: not compared" in without_predictions.output
