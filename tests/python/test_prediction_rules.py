"""Var predictions: what is refused, what comes out, and rules that name predictions."""

from pathlib import Path
from typing import Any

import pytest
from rule_grammar_project import DEFAULTS, GrammarProject
from test_rule_grammar import DECLARED_SCHEMES, METRICS

VALIDATE = "{% set checked = predictions() %}"
NO_ORDER = {"metric": "orders", "at_most": 0}
LAPSES: dict[str, Any] = {
    "who": {"metric": "orders", "at_least": 1},
    "outcome": NO_ORDER,
    "horizon_days": 90,
    "naive_rule": {"high": "recency"},
}
FEATURES = [{"name": "recency", "column": "recency_days__all", "log": True}]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> GrammarProject:
    folder: Path = tmp_path_factory.mktemp("predictions")
    return GrammarProject(folder)


def with_predictions(predictions: Any, rules: Any = None, schemes: Any = None) -> dict[str, Any]:
    return {
        "metrics": {**METRICS, "expected_value": DEFAULTS["metrics"]["expected_value"]},
        "rule_segments": rules or {},
        "schemes": DECLARED_SCHEMES if schemes is None else schemes,
        "prediction_features": FEATURES,
        "predictions": predictions,
    }


def lapses(**changes: Any) -> dict[str, Any]:
    return {"lapses": {**LAPSES, **changes}}


BAD: dict[str, tuple[Any, str]] = {
    "a list": ([LAPSES], "Var predictions: found [a mapping with the keys"),
    "name with a capital": (
        {"Lapses": LAPSES},
        "Var predictions, at the name of a prediction: found 'Lapses'.",
    ),
    "no outcome": (
        {"lapses": {key: LAPSES[key] for key in LAPSES if key != "outcome"}},
        "Var predictions, at lapses.outcome: found nothing.",
    ),
    "unknown key": (
        lapses(horizon=90),
        "Var predictions, at lapses.horizon: found an unknown key. Did you mean horizon_days?",
    ),
    "horizon of no days": (
        lapses(horizon_days=0),
        "Var predictions, at lapses.horizon_days: found 0. Allowed: a whole number of days",
    ),
    "unknown metric": (
        lapses(outcome={"metric": "ordrs", "at_most": 0}),
        "Prediction 'lapses' in var predictions, outcome, at metric: found 'ordrs'. "
        "Did you mean orders?",
    ),
    "unknown metric in who": (
        lapses(who={"metric": "ordrs", "at_most": 0}),
        "Prediction 'lapses' in var predictions, who, at metric: found 'ordrs'.",
    ),
    "unknown segment": (
        lapses(who={"segment": "value_tier:hihg"}),
        "Prediction 'lapses' in var predictions, who, at segment: found 'value_tier:hihg'. "
        "Did you mean high?",
    ),
    "unknown feature": (
        lapses(naive_rule={"high": "recncy"}),
        "Var predictions, at lapses.naive_rule.high: found 'recncy'. Did you mean recency?",
    ),
    "two features": (
        lapses(naive_rule={"high": "recency", "low": "recency"}),
        "Var predictions, at lapses.naive_rule: found a mapping with the keys high, low.",
    ),
    "outcome known before": (
        lapses(outcome={"metric": "orders", "window_days": 365, "at_most": 0}),
        "Prediction 'lapses' in var predictions, outcome, at window_days: found a window that may "
        "begin before the origin. Allowed: windows of at most horizon_days (90) days",
    ),
    "outcome known before in a group": (
        lapses(outcome={"any": [NO_ORDER, {"not": {**NO_ORDER, "year": "this"}}]}),
        "outcome, at any[1].not.year: found a window that may begin before the origin.",
    ),
    "outcome by a segment of the data": (
        lapses(outcome={"segment": "rfm:champions"}),
        "Prediction 'lapses' in var predictions, outcome, at segment: found 'rfm:champions'.",
    ),
    "outcome by an attribute": (
        lapses(outcome={"attribute": "region", "equals": "North"}),
        "Prediction 'lapses' in var predictions, outcome, at attribute: found region. "
        "Allowed: rules of metrics and patterns of rows",
    ),
    "outcome by a figure of a model": (
        lapses(outcome={"segment": "rule:worthless"}),
        "outcome, at metric: found expected value. Allowed: rules of metrics and patterns of rows",
    ),
    "a prediction of predictions": (
        lapses(who={"prediction": "lapses", "at_least": 0.5}),
        "Prediction 'lapses' in var predictions, who, at rule: "
        "found a rule with {prediction: lapses}.",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_prediction_is_refused_in_one_line(project: GrammarProject, case: str) -> None:
    predictions, finding = BAD[case]
    rules = {"worthless": {"metric": "expected_value", "at_most": 1}}
    message = project.complaint(VALIDATE, with_predictions(predictions, rules))
    assert finding in message
    assert message.count("Allowed: ") == 1


def test_a_rule_with_a_prediction_is_in_no_scheme_and_no_prediction(
    project: GrammarProject,
) -> None:
    rules = {"risky": {"prediction": "lapses", "top_percent": 10}}
    asked = with_predictions(lapses(who={"segment": "rule:risky"}), rules)
    assert "who, at rule: found a rule with {prediction: lapses}" in project.complaint(
        VALIDATE, asked
    )
    scheme = {"risk": {"segments": [{"segment": "high", "rule": {"segment": "rule:risky"}}]}}
    named = with_predictions(lapses(), rules, scheme)
    assert "of scheme 'risk' in var schemes, at rule: found a rule with" in project.complaint(
        VALIDATE, named
    )


def test_an_outcome_counts_the_days_of_its_window_alone(project: GrammarProject) -> None:
    outcome = {"any": [NO_ORDER, {"metric": "revenue", "window_days": 7, "more_than": 100}]}
    found = project.value("predictions()", with_predictions(lapses(outcome=outcome)))["lapses"]
    windows = [condition["windows"][0] for condition in found["outcome_conditions"]]
    assert [(window["metric"], window["from_days_ago"]) for window in windows] == [
        ("orders", 90),
        ("revenue", 7),
    ]
    assert found["outcome_words"] == (
        "no orders in the next 90 days or revenue in the last 7 of the next 90 days more than 100"
    )


def test_an_outcome_by_segment_needs_the_windows_of_its_scheme(project: GrammarProject) -> None:
    outcome = {"segment": "lifecycle:new"}
    variables = with_predictions(lapses(outcome=outcome))
    found = project.value("predictions()", variables)["lapses"]
    assert found["schemes"] == ["lifecycle"]
    windows = project.value(
        "prediction_outcome_windows() | map(attribute='column') | list", variables
    )
    assert windows == ["orders__30d", "orders__all"]


@pytest.mark.parametrize("name", ["outcome", "target", "as_of", "recency"])
def test_a_feature_takes_no_name_of_another_column(project: GrammarProject, name: str) -> None:
    variables = with_predictions(lapses())
    variables["prediction_features"] = [*FEATURES, {"name": name, "column": "orders__all"}]
    message = project.complaint("{% do cluster_features('prediction_features') %}", variables)
    assert f"Var prediction_features, at [1].name: found '{name}'." in message
    assert message.count("Allowed: ") == 1


@pytest.mark.parametrize("nothing", [{}, None])
def test_no_predictions_are_none(project: GrammarProject, nothing: Any) -> None:
    assert project.value("predictions()", with_predictions(nothing)) == {}


@pytest.mark.parametrize(
    ("rule", "words", "sql"),
    [
        (
            {"prediction": "lapses", "top_percent": 10},
            "probability that the customer lapses in the top 10%",
            "(features.rank_percent_of_lapses < 10)",
        ),
        (
            {"prediction": "lapses", "at_least": 0.5},
            "probability that the customer lapses at least 0.5",
            "(features.probability_of_lapses >= 0.5)",
        ),
        (
            {"prediction": "lapses", "is_known": True},
            "probability that the customer lapses known",
            "(features.probability_of_lapses is not null)",
        ),
        (
            {"prediction_decile": "lapses", "between": [8, 10]},
            "decile of the probability that the customer lapses between 8 and 10",
            "(features.decile_of_lapses between 8 and 10)",
        ),
    ],
)
def test_a_rule_names_a_prediction(
    project: GrammarProject, rule: dict[str, Any], words: str, sql: str
) -> None:
    variables = with_predictions(lapses(), {"risky": rule})
    found = project.value(
        "[rule_segments()[0].definition,"
        " rule_sql(rule_segments()[0].rule, 'features', 'cutpoints')]",
        variables,
    )
    assert found == [words, sql]


@pytest.mark.parametrize(
    ("rule", "finding"),
    [
        ({"prediction": "lapse", "at_least": 0.5}, "at prediction: found 'lapse'. Did you mean"),
        ({"prediction": "lapses", "bottom_percent": 5}, "at bottom_percent: found an unknown key"),
        ({"prediction": "lapses"}, "found no operator"),
        ({"prediction": "lapses", "top_percent": 100}, "at top_percent: found 100"),
        ({"prediction_decile": "lapses", "top_percent": 5}, "at top_percent: found an unknown key"),
    ],
)
def test_a_bad_rule_with_a_prediction_is_refused(
    project: GrammarProject, rule: dict[str, Any], finding: str
) -> None:
    message = project.complaint(
        "{% set checked = rule_segments() %}", with_predictions(lapses(), {"risky": rule})
    )
    assert finding in message
    assert message.count("Allowed: ") == 1


def test_stay_until_takes_a_lower_probability(project: GrammarProject) -> None:
    def rule(stay: dict[str, Any]) -> dict[str, Any]:
        entry = {"prediction": "lapses", "at_least": 0.5}
        return with_predictions(lapses(), {"risky": {**entry, "stay_until": stay}})

    validate = "{% set checked = rule_segments() %}"
    assert project.value("rule_segments()", rule({"prediction": "lapses", "at_least": 0.3}))
    stricter = rule({"prediction": "lapses", "at_least": 0.7})
    assert "which does not follow from the entry rule" in project.complaint(validate, stricter)
