"""Faults in the models' SQL are noticed by a dbt unit test.

`make unit-tests` leaves each unit test as one query, with the rows given and expected and the
model's SQL in it. Here it runs again with a fault in that SQL. As a program, it says how many are
noticed of a sample of the faults in all models that have unit tests.
"""

from __future__ import annotations

import functools
import json
import random
import sys
from collections import Counter, defaultdict
from collections.abc import Container

import duckdb
import pytest
from dbt.adapters.duckdb.credentials import DuckDBCredentials
from mutants import NOT_OF_THE_MODEL, Mutant, mutants, parsed, text
from printed_examples import ROOT
from sqlglot import exp

from customer_segmentation import dbt_plugin

# Where `make unit-tests` leaves what it ran.
TARGET = ROOT / "target" / "scratch" / "target"
ACTUAL = "dbt_internal_unit_test_actual"
GOLDEN_FIELDS = [
    "given_name",
    "family_name",
    "birth_date",
    "email",
    "phone",
    "street",
    "city",
    "postcode",
    "region",
    "country",
    "gender",
    "age_band",
    "income_band",
    "household_size",
    "loyalty_tier",
]
# Models whose every fault was looked at, with those that change no result, and why.
EXAMINED: dict[str, dict[str, str]] = {
    "int_facts__events": {
        "attributed: dropped filter: ordered_events.named_key IS NULL -> nothing": "of a named "
        "event nothing that was joined is read",
        "attributed (2): dropped filter: ordered_events.named_key IS NULL -> nothing": "of a named "
        "event nothing that was joined is read",
        "attributed: swapped column: named_sessions.first_key -> named_sessions.last_key": "they "
        "are equal there",
        "attributed: swapped column: named_sessions.session_id -> "
        "named_sessions.source_system": "either is null where nothing was joined",
        "attributed (3): swapped column: named_sessions.session_id -> "
        "named_sessions.source_system": "either is null where nothing was joined",
        "attributed (4): swapped column: named_sessions.session_id -> "
        "named_sessions.source_system": "either is null where nothing was joined",
        "customer_events: join kind: join customers -> left join customers": "a customer of null "
        "is not eligible",
        "human_events: swapped column: bot_days.visitor -> bot_days.day": "either is null where "
        "nothing was joined",
        "links: dropped filter: NOT identity_links.anonymous_id IS NULL -> nothing": "a visitor of "
        "null joins no event",
        "links (2): swapped column: identity_links.anonymous_id -> "
        "identity_links.customer_ref": "a visitor of null joins no event",
        "ordered_links: wrong window: rows BETWEEN UNBOUNDED preceding AND UNBOUNDED following -> "
        "nothing": "the first value is the same in every frame",
    },
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
    "int_identity__customers_resolved": {
        "activity: join kind: join first_activity -> left join first_activity": "a reference that "
        "was never active adds nulls alone",
        "customers: boundary: CAST('0x' || SUBSTRING(MD5(COALESCE(CAST ... ) AS BIGINT) / "
        "1152921504606846976.0 < 0 -> CAST('0x' || SUBSTRING(MD5(COALESCE(CAST ...  AS BIGINT) / "
        "1152921504606846976.0 <= 0": "no hash is exactly 0",
        "customers: boundary: CAST('0x' || SUBSTRING(MD5(COALESCE(CAST ... AS BIGINT) / "
        "1152921504606846976.0 < 0.5 -> CAST('0x' || SUBSTRING(MD5(COALESCE(CAST ... S BIGINT) / "
        "1152921504606846976.0 <= 0.5": "no hash is exactly .5",
    },
    "int_identity__golden_records": {
        "facts: wrong window: PARTITION BY records.customer_key -> nothing": "positions among all "
        "records have the order of those of a customer",
    }
    | {
        f"golden_records: dropped filter: WHERE NOT {field} IS NULL -> nothing": "min_by of DuckDB "
        "ignores nulls"
        for field in GOLDEN_FIELDS
    },
    "int_identity__records": {
        "dated_records: swapped column: identifiers.record_id -> "
        "identifiers.source_system": "either is null where nothing was joined",
        "erased_people: missing distinct: union -> union all": "erased twice is erased",
        "final: join kind: join customers -> left join customers": "every person has a first "
        "record",
        "identified_records: join kind: join first_of_record -> left join first_of_record": "every "
        "record has a first date",
        "other_requests: swapped column: requests_by_reference.person_key -> "
        "requests_by_reference.source_system": "either is null where nothing was joined",
        "requests_by_email: join kind: join people_by_email -> left join people_by_email": "a "
        "person of null is no record's",
        "requests_by_email (2): join kind: join people_by_email -> left join people_by_email": "a "
        "person of null is no record's",
        "requests_by_email: missing distinct: union -> union all": "erased twice is erased",
        "requests_by_record: join kind: join records -> left join records": "a person of null is "
        "no record's",
        "requests_by_reference: join kind: join records -> left join records": "a person of null "
        "is no record's, and the request is still among the others",
    },
    "int_identity__references": {
        "people_by_email: join kind: join records -> left join records": "an address without "
        "records has no customer to count",
    },
    "int_segmentation__changes": {
        "changes: join kind: join period_bits -> left join period_bits": "a period of null has no "
        "change",
        "changes: join kind: join segments -> left join segments": "every number is a segment's",
        "compared: dropped filter: period_bits.is_compared -> nothing": "only for speed",
        "compared (2): dropped filter: period_bits.is_compared -> nothing": "only for speed",
        "compared: join kind: join period_bits -> left join period_bits": "a period of null has "
        "no change",
        "compared (2): join kind: join period_bits -> left join period_bits": "a period of null "
        "has no change",
        "compared: swapped column: period_bits.is_compared -> period_bits.is_last_of_fifty": "only "
        "for speed, and named already",
        "compared: swapped column: period_bits.is_compared -> period_bits.own_bit": "only for "
        "speed, and no bit is 0",
        "explained (2): swapped column: refits.customer_key -> refits.scheme": "either is null "
        "where nothing was joined",
        "numbered_memberships: join kind: join segments -> left join segments": "every membership "
        "is of a segment",
        "segments: wrong window: ORDER BY segment_key -> ORDER BY segment_key DESC": "any number "
        "names the segment",
    },
    "int_segmentation__cutpoints": {
        "cutpoints: join kind: join periods -> left join periods": "a fit without a period is not "
        "built",
        "refit_dates: missing distinct: select distinct -> select": "rows repeated alike have the "
        "same percentiles",
    },
    "segment_changes": {
        "changes: join kind: join current_period -> left join current_period": "a customer of null "
        "is not current",
        "changes: join kind: join customers -> left join customers": "a customer of null is not "
        "current",
    },
    "segment_history": {
        "changes: join kind: join current_period -> left join current_period": "a customer of null "
        "is not current",
        "changes: join kind: join customers -> left join customers": "a customer of null is not "
        "current",
        "changes: swapped column: changes.cause -> changes.change": "spells have no cause",
        "exits: dropped filter: WHERE change = 'exited' -> nothing": "what follows an entry is an "
        "exit",
        "final: boundary: changes.changed_on < exits.changed_on -> changes.changed_on <= "
        "exits.changed_on": "entries and exits are on different dates",
        "final: boundary: changes.changed_on >= exits.previously_on -> changes.changed_on > "
        "exits.previously_on": "entries and exits are on different dates",
    },
    "segment_transitions": {
        "final: join kind: join periods -> left join periods": "moves are of a period",
        "final: join kind: join totals -> left join totals": "every move is in a total",
        "movers: join kind: join periods -> left join periods": "the last join drops a period of "
        "null",
        "moves: dropped filter: left_before.change = 'exited' -> nothing": "a segment that was "
        "entered a period before can't be entered again",
        "moves: swapped column: left_before.customer_key -> left_before.segment_key": "either is "
        "null where nothing was joined",
        "periods: dropped filter: NOT previous_as_of IS NULL -> nothing": "the first period has no "
        "changes",
        "sizes: join kind: join periods -> left join periods": "the last join drops a period of "
        "null",
        "stays: dropped filter: sizes.scheme = left_in_all.scheme -> nothing": "a segment_key "
        "names its scheme",
    },
}
# With these dbt would stop before it reads a row: no test is needed.
NO_SQL = (duckdb.BinderException, duckdb.CatalogException, duckdb.ParserException)


class UnitTest:
    """A dbt unit test: its query has the rows 'actual', of the model, and the rows 'expected'."""

    def __init__(self, name: str, sql: str) -> None:
        parts = {cte.alias: cte.this.copy() for cte in parsed(sql).find_all(exp.CTE)}
        self.actual = parts[ACTUAL]
        expected = parts["dbt_internal_unit_test_expected"]
        for part in (self.actual, expected):
            part.expressions.pop()
        self.model = self.actual.find(exp.Subquery).this
        # The rows given are tables, so that they are read once and not with each fault.
        self.schema = name
        in_memory().execute(f"create schema {name}")
        in_memory().execute(f"set search_path = '{name},main'")
        for cte in list(self.model.find_all(exp.CTE)):
            if cte.alias.startswith(NOT_OF_THE_MODEL):
                in_memory().execute(f"create table {cte.alias} as {text(cte.this)}")
                cte.pop()
        # Where no rows are expected, dbt takes the columns from the model.
        is_empty = any(table.name == ACTUAL for table in expected.find_all(exp.Table))
        self.expected = Counter() if is_empty else rows_of(text(expected))

    def fails(self) -> bool | None:
        """Whether the model, as it is now, has other rows than expected. None: it can't run."""
        in_memory().execute(f"set search_path = '{self.schema},main'")
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


def unit_tests(models: Container[str] | None = None) -> dict[str, list[UnitTest]]:
    """Those of each of the models, or of all."""
    found = defaultdict(list)
    manifest = json.loads((TARGET / "manifest.json").read_text(encoding="utf-8"))
    ran = {path.stem: path for path in (TARGET / "run").rglob("*__unit_tests.yml/**/*.sql")}
    for test in manifest["unit_tests"].values():
        if models is None or test["model"] in models:
            sql = ran[test["name"]].read_text(encoding="utf-8")
            found[test["model"]].append(UnitTest(test["name"], sql))
    return found


def judged(
    model: str, tests: list[UnitTest], chosen: Container[Mutant] | None = None
) -> dict[Mutant, bool]:
    """Whether a test notices them, for the mutants of a model, or those chosen, that run."""
    verdicts: dict[Mutant, bool] = {}
    for test in tests:
        for mutant in mutants(model, test.model):
            if verdicts.get(mutant) or (chosen is not None and mutant not in chosen):
                continue
            if (verdict := test.fails()) is not None:
                verdicts[mutant] = verdict
    return verdicts


def sampled(size: int) -> dict[Mutant, bool]:
    """The verdicts on a sample of the mutants of all models that have unit tests."""
    tests = unit_tests()
    made = {
        mutant for model in tests for test in tests[model] for mutant in mutants(model, test.model)
    }
    chosen = set(random.Random(0).sample(sorted(made), size))
    return {
        mutant: noticed
        for model in sorted({mutant.model for mutant in chosen})
        for mutant, noticed in judged(model, tests[model], chosen).items()
    }


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


if __name__ == "__main__":
    verdicts = sampled(int(sys.argv[1]))
    print("\n".join(str(mutant) for mutant, noticed in verdicts.items() if not noticed))
    print(f"{sum(verdicts.values())} of {len(verdicts)} mutants were noticed.")
