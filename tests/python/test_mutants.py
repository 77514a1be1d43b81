"""Faults in the models' SQL are noticed by a dbt unit test.

`make unit-tests` leaves each unit test as one query, with the rows given and expected and the
model's SQL in it. Here it runs again with a fault in that SQL.
"""

from __future__ import annotations

import functools
import json
from collections import Counter, defaultdict
from collections.abc import Container

import duckdb
import pytest
from dbt.adapters.duckdb.credentials import DuckDBCredentials
from mutants import Mutant, mutants, parsed, text
from printed_examples import ROOT
from sqlglot import exp

from customer_segmentation import dbt_plugin

# Where `make unit-tests` leaves what it ran.
TARGET = ROOT / "target" / "scratch" / "target"
# Models whose every fault was looked at, with those that change no result, and why.
EXAMINED: dict[str, dict[str, str]] = {
    "int_identity__consents": {},
    "int_identity__erased_references": {
        "active_references: missing distinct: union -> union all": "the next union is distinct",
        "forgotten_records: swapped column: remembered_records.record_id -> "
        "remembered_records.source_system": "either is null where nothing was joined",
        "forgotten_emails: dropped filter: WHERE NOT email IS NULL -> nothing": "null is none",
        "erased_references: swapped column: customer_references.customer_key -> "
        "customer_references.customer_ref": "either is null where nothing was joined",
        "erased_references (2): swapped column: customer_references.customer_key -> "
        "customer_references.customer_ref": "either is null where nothing was joined",
    },
    "int_staging__bot_days": {
        "visitor_days: dropped filter: WHERE NOT anonymous_id IS NULL OR NOT customer_ref IS NULL"
        " -> nothing": "the visitor is null then, and joins nothing",
        "suspects: dropped filter: WHERE is_declared OR events > 3 -> nothing": "only for speed",
        "suspects: boundary: events > 3 -> events >= 3": "only for speed",
        "minutes: join kind: join events -> left join events": "suspects are days with events",
        "judged: join kind: join busiest_minutes -> left join busiest_minutes": "every suspect "
        "has a busiest minute",
    },
}
# With these dbt would stop before it reads a row: no test is needed.
NO_SQL = (duckdb.BinderException, duckdb.CatalogException, duckdb.ParserException)


class UnitTest:
    """A dbt unit test: its query has the rows 'actual', of the model, and the rows 'expected'."""

    def __init__(self, sql: str) -> None:
        parts = {cte.alias: cte.this.copy() for cte in parsed(sql).find_all(exp.CTE)}
        self.actual = parts["dbt_internal_unit_test_actual"]
        expected = parts["dbt_internal_unit_test_expected"]
        for part in (self.actual, expected):
            part.expressions.pop()
        self.model = self.actual.find(exp.Subquery).this
        self.expected = rows_of(text(expected))

    def fails(self) -> bool | None:
        """Whether the model, as it is now, has other rows than expected. None: it can't run."""
        try:
            return rows_of(text(self.actual)) != self.expected
        except NO_SQL:
            return None
        except duckdb.Error:
            return True


def rows_of(sql: str) -> Counter[str]:
    return Counter(map(repr, in_memory().execute(sql).fetchall()))


@functools.cache
def in_memory() -> duckdb.DuckDBPyConnection:
    """With the functions and the time zone of profiles.yml."""
    connection = duckdb.connect()
    credentials = DuckDBCredentials(path=":memory:", database="memory", schema="main")
    dbt_plugin.Plugin("segmentation", {}, credentials).configure_connection(connection)
    return connection.execute("set TimeZone = 'UTC'")


def unit_tests(models: Container[str]) -> dict[str, list[UnitTest]]:
    """Those of each of the models."""
    found = defaultdict(list)
    manifest = json.loads((TARGET / "manifest.json").read_text(encoding="utf-8"))
    ran = {path.stem: path for path in (TARGET / "run").rglob("*__unit_tests.yml/**/*.sql")}
    for test in manifest["unit_tests"].values():
        if test["model"] in models:
            sql = ran[test["name"]].read_text(encoding="utf-8")
            found[test["model"]].append(UnitTest(sql))
    return found


def judged(model: str, tests: list[UnitTest]) -> dict[Mutant, bool]:
    """Whether a test notices them, for all mutants of a model that run."""
    verdicts: dict[Mutant, bool] = {}
    for test in tests:
        for mutant in mutants(model, test.model):
            if not verdicts.get(mutant) and (verdict := test.fails()) is not None:
                verdicts[mutant] = verdict
    return verdicts


@pytest.fixture(scope="module")
def tests() -> dict[str, list[UnitTest]]:
    if not list((TARGET / "run").rglob("*__unit_tests.yml")):
        pytest.skip("There are no dbt unit tests that ran. Run make unit-tests first.")
    return unit_tests(EXAMINED)


def test_without_a_fault_the_unit_tests_pass_here_as_they_do_in_dbt(tests) -> None:
    verdicts = [test.fails() for of_model in tests.values() for test in of_model]
    assert set(verdicts) == {False}


@pytest.mark.check("mutants")
@pytest.mark.parametrize("model", EXAMINED)
def test_every_fault_in_an_examined_model_is_noticed(tests, model, record_property) -> None:
    verdicts = judged(model, tests[model])
    missed = {str(mutant) for mutant, noticed in verdicts.items() if not noticed}
    record_property("tried", len(verdicts))
    record_property("survived", sum(verdicts.values()))
    assert missed == {f"{model}, {fault}" for fault in EXAMINED[model]}
