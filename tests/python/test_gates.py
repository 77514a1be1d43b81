"""What the data tests of coverage say, of rows of source_coverage that they fail on."""

from __future__ import annotations

import re

import duckdb
import pytest
from rule_grammar_project import DEFAULTS, ROOT, GrammarProject


def findings(project: GrammarProject, name: str, rows: list[tuple[str, str, float, float]]) -> str:
    template = (ROOT / "tests" / "marts" / f"{name}.sql").read_text(encoding="utf-8")
    template = re.sub(r"{{ config\(.*?\) }}", "", template)
    connection = duckdb.connect()
    connection.execute(
        "create table source_coverage (source_table text, check_name text, value double, "
        "threshold double, verdict text default 'warn')"
    )
    connection.executemany("insert into source_coverage values (?, ?, ?, ?, default)", rows)
    found = connection.execute(project.render(template, DEFAULTS)).fetchall()
    return "\n".join(sorted(finding for (finding,) in found))


def test_only_attributes_are_demographics(project: GrammarProject) -> None:
    rows = [
        ("customers", "age_band_known", 0.324, 0.8),
        ("customers", "consents_known", 0.1, 0.5),
        ("customers", "unknown", 0.1, 0.5),
    ]
    found = findings(project, "demographics_are_known_for_enough_buyers", rows)
    assert found == "age_band is known for 32.4% of the buyers, expected at least 80%"


@pytest.mark.parametrize(
    ("name", "check", "value", "said"),
    [
        ("demographics_are_known_for_enough_buyers", "region_known", 0.7997, "79.97% 80%"),
        ("consents_are_known_for_enough_customers", "consents_known", 0.79999, "79.999% 80%"),
        ("columns_are_complete_enough", "completeness_page", 0.7996, "79.96% 80%"),
        ("given_values_are_usable", "validity_email", 0.795, "79.5% 80%"),
        ("given_values_are_usable", "validity_email", 0.0004, "0.1% 80%"),
        ("given_values_are_usable", "validity_email", 0, "0% 80%"),
        ("source_quality_is_sufficient", "data_quality", 0.798, "0.798 0.8"),
        ("source_quality_is_sufficient", "data_quality", 0.61, "0.61 0.80"),
    ],
)
def test_a_value_is_not_printed_like_its_limit(
    project: GrammarProject, name: str, check: str, value: float, said: str
) -> None:
    found = findings(project, name, [("customers", check, value, 0.8)])
    assert " ".join(re.findall(r"\d+\.\d+%?|\d+%", found)) == said, found
