"""A var that can't be used is refused with its name, what was given and what is allowed."""

from typing import Any

import pytest
import yaml
from rule_grammar_project import ROOT, GrammarProject

DEFAULTS = yaml.safe_load((ROOT / "dbt_project.yml").read_text(encoding="utf-8"))["vars"]
# The macro that reads the var, the var, and words of the message.
BAD_VARS: list[tuple[str, dict[str, Any], list[str]]] = [
    (
        "date_formats()",
        {"date_formats": {"crm": ["%d.%m."]}},
        ["date_formats", "%d.%m.", "%Y"],
    ),
    (
        "by_table_var('freshness_days', 1)",
        {"freshness_days": {"order": 2}},
        ["freshness_days", "order", "input contract"],
    ),
    (
        "completeness_limits()",
        {"min_completeness": {"orders": {"customer": 0.5}}},
        ["min_completeness", "customer", "0 to 1"],
    ),
    (
        "timezone_var('timezone')",
        {"timezone": "Europe/Atlantis"},
        ["timezone", "Europe/Atlantis"],
    ),
    ("identity_vetoes()", {"identity_vetoes": ["name"]}, ["identity_vetoes", "given_name"]),
    ("identity_vetoes()", {"identity_vetoes": "given_name"}, ["identity_vetoes", "list"]),
    ("trusted_sources()", {"trusted_sources": {"crm": 1}}, ["trusted_sources", "[crm, shop]"]),
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
    ("number_var('identity_threshold', 0, 1)", {"identity_threshold": 7}, ["at most 1"]),
    (
        "choice_var('refit_models', ['period', 'quarter', 'year'])",
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
