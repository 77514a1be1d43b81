"""A var that can't be used is refused with its name, what was given and what is allowed."""

from typing import Any

import pytest
from rule_grammar_project import DEFAULTS, ROOT, GrammarProject

from customer_segmentation.input.contract import CONTRACT, read_contract

# The macro that reads the var, the var, and words of the message.
BAD_VARS: list[tuple[str, dict[str, Any], list[str]]] = [
    ("validate_vars()", {"cluster_k": {"min": 6, "max": 3}}, ["Var cluster_k", "6 above 3"]),
    ("validate_vars()", {"lifecycle_days": {"new": 3}}, ["lifecycle_days was removed", "schemes"]),
    ("validate_vars()", {"rating_scales": {"review": [5, 5]}}, ["rating_scales, at review"]),
    ("setting('as_of')", {"as_of": "2018-02-30"}, ["Var as_of", "2018-02-30", "calendar"]),
    ("setting('topics')", {"topics": {"count": 51}}, ["Var topics", "min_customers"]),
    (
        "setting('activation_consent')",
        {"activation_consent": "yes"},
        ["Var activation_consent", "found 'yes'", "opt_in"],
    ),
    ("setting('spend_breaks')", {"spend_breaks": True}, ["Var spend_breaks", "found true"]),
    ("setting('score_slack')", {"score_slack": float("nan")}, ["Var score_slack"]),
    ("rfm_metrics()", {"rfm_recency": "gaps"}, ["Var rfm_recency", "'gaps'", "own_gaps"]),
    ("setting('zero_orders_count')", {"zero_orders_count": "no"}, ["zero_orders_count", "'no'"]),
    (
        "date_formats()",
        {"date_formats": {"crm": ["%d.%m."]}},
        ["date_formats", "%d.%m.", "%Y"],
    ),
    (
        "setting('freshness_days')",
        {"freshness_days": {"order": 2}},
        ["Var freshness_days, at order", "Did you mean orders"],
    ),
    (
        "validate_vars()",
        {"retention": {"orders": 36}},
        ["Var retention, at orders", "Allowed: the keys", "events"],
    ),
    ("validate_vars()", {"retention": {"events": 1.5}}, ["Var retention, at events", "found 1.5"]),
    (
        "validate_vars()",
        {"retention": {"events": 25}, "score_slack": 0.1},
        ["Var retention", "score_slack"],
    ),
    (
        "validate_vars()",
        {"min_completeness": {"orders": {"customer": 0.5}}},
        ["Var min_completeness, at orders", "'customer'", "customer_ref"],
    ),
    (
        "setting('timezone')",
        {"timezone": "Europe/Atlantis"},
        ["Var timezone", "Europe/Atlantis", "IANA"],
    ),
    (
        "event_roles()",
        {"event_roles": {"basket": ["add_to_basket"]}},
        ["Var event_roles, at basket: found an unknown key", "checkout"],
    ),
    (
        "event_roles()",
        {"event_roles": {"serach": ["find"]}},
        ["Var event_roles, at serach", "Did you mean search"],
    ),
    ("event_roles()", {"event_roles": {"buy": "purchase"}}, ["Var event_roles, at buy", "a list"]),
    ("event_roles()", {"event_roles": {"buy": [1]}}, ["Var event_roles, at buy[0]", "found 1"]),
    ("event_roles()", {"event_roles": {}}, ["Var event_roles: found an empty mapping"]),
    (
        "validate_vars()",
        {"event_roles": {"view": ["Detail"], "buy": ["sale", " detail"]}},
        ["Var event_roles, at buy: found 'detail'", "it is in view already"],
    ),
    (
        "validate_vars()",
        {"cart_event_types": {"added": "a"}},
        ["cart_event_types was removed", "event_roles"],
    ),
    ("setting('cart_grace_hours')", {"cart_grace_hours": -1}, ["cart_grace_hours", "at least 0"]),
    ("validate_vars()", {"prior_gap_days": 30}, ["was removed", "mean of the buyers"]),
    ("validate_vars()", {"orders_lookback_days": 3}, ["orders_lookback_days", "was removed"]),
    ("raw_warehouse()", {"raw_schema": 'sales"; drop'}, ["raw_schema", "letters, digits"]),
    ("raw_warehouse()", {"raw_database": "a.b", "raw_schema": "s"}, ["raw_database", "a.b"]),
    ("raw_warehouse()", {"raw_database": "shop"}, ["raw_database", "Set raw_schema"]),
    ("raw_warehouse()", {"raw_identifiers": ["orders"]}, ["raw_identifiers", "mapping"]),
    (
        "raw_warehouse()",
        {"raw_schema": "s", "raw_identifiers": {"order": "o"}},
        ["raw_identifiers, at order", "order_lines"],
    ),
    (
        "raw_warehouse()",
        {"raw_schema": "s", "raw_identifiers": {"orders": "x y"}},
        ["raw_identifiers", "x y", "letters, digits"],
    ),
    (
        "setting('identity_vetoes')",
        {"identity_vetoes": ["name"]},
        ["identity_vetoes", "given_name"],
    ),
    ("setting('identity_vetoes')", {"identity_vetoes": "given_name"}, ["identity_vetoes", "list"]),
    (
        "setting('trusted_sources')",
        {"trusted_sources": {"crm": 1}},
        ["trusted_sources", "[crm, shop]"],
    ),
    (
        "linkage_comparisons()",
        {"linkage_comparisons": [{"name": "age", "levels": [{"equal": "age"}]}]},
        ["linkage_comparisons", "age", "birth_date"],
    ),
    (
        "linkage_comparisons()",
        {"linkage_comparisons": [{"name": "n", "levels": [{"jaro_winkler": ["email", 1.5]}]}]},
        ["linkage_comparisons", "jaro_winkler", "1.5", "up to 1"],
    ),
    (
        "linkage_comparisons()",
        {"linkage_comparisons": [{"name": "n", "levels": [{"edits": ["email", 0.5]}]}]},
        ["linkage_comparisons", "edits", "whole number"],
    ),
    ("setting('identity_threshold')", {"identity_threshold": 7}, ["at most 1"]),
    (
        "setting('drift_limits')",
        {"drift_limits": {"psi": [0.1, 0.25]}},
        ["drift_limits", "cramers_v"],
    ),
    (
        "validate_vars()",
        {"drift_limits": {**DEFAULTS["drift_limits"], "ks": [0.2, 0.1]}},
        ["drift_limits", "ks", "the lower number first"],
    ),
    (
        "segment_goals()",
        {"segment_goals": {"rule:recent_buyers": {"kpi": "repeats", "change": 0.1}}},
        ["segment_goals", "repeats", "repeat_rate"],
    ),
    (
        "segment_goals()",
        {"segment_goals": {"champions": {"kpi": "conversion", "change": 1}}},
        ["champions"],
    ),
    (
        "segment_goals()",
        {"segment_goals": {"rfm:champion": {"kpi": "conversion", "change": 1}}},
        ["segment_goals", "rfm:champion", "Did you mean champions"],
    ),
    ("gate_severity('drift')", {"error_gates": ["size"]}, ["error_gates", "size", "size_change"]),
    ("gate_severity('drift')", {"error_gates": "drift"}, ["error_gates", "a list of one of"]),
    (
        "cluster_features()",
        {"cluster_features": []},
        ["cluster_features", "an empty list", "a list"],
    ),
    (
        "cluster_features('journey_features')",
        {"journey_features": [{"name": "buying", "column": "to_purchase_share__400"}]},
        ["journey_features", "to_purchase_share__400", "orders__90d"],
    ),
    ("cluster_features('journey_features')", {"journey_features": None}, ["journey_features"]),
    (
        "cluster_features()",
        {"cluster_features": [{"name": "leaving", "column": "probability_of_lapses"}]},
        ["[0].column", "probability_of_lapses", "after them", "probability_alive__all"],
    ),
    ("setting('holdout_share')", {"holdout_share": 0.6}, ["holdout_share", "at most 0.5"]),
    ("setting('smallest_cell')", {"smallest_cell": 0}, ["smallest_cell", "at least 1"]),
    (
        "setting('protected_attributes')",
        {"protected_attributes": ["sex"]},
        ["protected_attributes", "sex", "gender"],
    ),
    ("setting('min_fairness_ratio')", {"min_fairness_ratio": 0}, ["min_fairness_ratio", "0.01"]),
    (
        "setting('group_thresholds')",
        {
            "group_thresholds": {
                "lapse": {"attribute": "gender", "constraint": "demographic_parity"}
            }
        },
        ["group_thresholds", "lapse", "lapses"],
    ),
    (
        "setting('group_thresholds')",
        {"group_thresholds": {"lapses": {"attribute": "gender", "constraint": "equalized_odds"}}},
        ["group_thresholds", "equalized_odds", "true_positive_rate_parity"],
    ),
    ("setting('roles')", {"roles": {"crm": ["segments"]}}, ["roles", "crm", "aggregates"]),
    ("validate_vars()", {"roles": {"../crm": ["models"]}}, ["roles", "../crm", "lower-case"]),
    ("validate_vars()", {"experiments": {"name": "x"}}, ["Var experiments", "a list such as"]),
    (
        "setting('refit_models')",
        {"refit_models": "daily"},
        ["refit_models", "daily", "quarter"],
    ),
]


@pytest.mark.parametrize(("macro", "given", "words"), BAD_VARS)
def test_a_bad_var_is_refused(
    project: GrammarProject, macro: str, given: dict[str, Any], words: list[str]
) -> None:
    message = project.complaint("{% do " + macro + " %}", {**DEFAULTS, **given})
    assert not [word for word in words if word not in message], message


@pytest.mark.parametrize("macro", sorted({macro for macro, _, _ in BAD_VARS}))
def test_the_shipped_value_is_good(project: GrammarProject, macro: str) -> None:
    assert project.render("{% do " + macro + " %}good", DEFAULTS).strip() == "good"


def test_the_tables_that_macros_name_are_those_of_the_contract(project: GrammarProject) -> None:
    declared = [table.name for table in read_contract(ROOT / CONTRACT)]
    assert project.value("contract_tables()", DEFAULTS) == declared


# These change where data lies, what is published, how checks end or which dates are built.
SHAPE_NO_HISTORY = {
    "raw_dir",
    "raw_roots",
    "raw_database",
    "raw_schema",
    "raw_identifiers",
    "dataset",
    "as_of",
    # The first date of the calendar, which int_periods compares by itself.
    "history_start",
    "rebuild_periods",
    "backfill_from",
    "backfill_to",
    # Dates and parameters in force, which int_periods compares by themselves.
    "refit_cutpoints",
    "refit_models",
    "reselect_models",
    # Of the newest as_of alone, which every build makes.
    "segment_sample_size",
    "smallest_cell",
    "explorer_samples",
    "journey_paths",
    "journey_event_types",
    "segment_products",
    "action_priority",
    "max_segments",
    "source_owners",
    # Of marts that each build makes anew of what is kept.
    "segment_goals",
    "experiments",
    "holdout_share",
    "drift_limits",
    "protected_attributes",
    "group_thresholds",
    "error_gates",
    "activation_consent",
    "activation_triggers",
    "freshness_days",
    # Closed periods stay as they were built.
    "retention",
    "test_severity",
    "max_reject_rate",
    "publish_targets",
    "allow_empty_publish",
    "replace_other_dataset",
    "roles",
    "require_hash_key",
}


def test_a_changed_var_restates_history_unless_it_is_known_not_to(project: GrammarProject) -> None:
    shaping = project.value("vars_that_shape_history()", DEFAULTS)
    checks = {name for name in DEFAULTS if name.startswith("min_")}
    assert sorted([*shaping, *SHAPE_NO_HISTORY, *checks]) == sorted(DEFAULTS)


@pytest.mark.parametrize(
    ("given", "severity"),
    [
        ({}, "warn"),
        ({"error_gates": ["coverage"]}, "warn"),
        ({"error_gates": ["coverage", "drift"]}, "error"),
        ({"test_severity": "error"}, "error"),
    ],
)
def test_a_gate_stops_the_publication_where_a_var_says_so(
    project: GrammarProject, given: dict[str, Any], severity: str
) -> None:
    assert project.value("gate_severity('drift')", {**DEFAULTS, **given}) == severity
