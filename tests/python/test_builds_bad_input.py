"""Bad input: exit status not 0, one message that helps, and the published file untouched."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import HEADER, ONE_ORDER, VARS, Attempt, Build, Workshop, attempt, scenario
from test_builds_oracle import CANARIES

ORDERS = {"orders.csv": ONE_ORDER}
ASTRAY = CANARIES["e-mail"]
TWO_CURRENCIES = f"{ONE_ORDER}2,only,2024-03-06 12:00:00,30.00,USD\n3,only,2024-03-06,1,{ASTRAY}\n"
WITHOUT_HEADER = f"1,{ASTRAY},2024-03-05,30.00\n2,{ASTRAY},2024-03-05,30.00\n"
REJECTED = ONE_ORDER + "".join(f"{n},only,2024-03-04 12:00:00,{ASTRAY},EUR\n" for n in range(2, 5))
HALF = "table_name,day,row_count,amount\norders,2024-03-05,2,60\n"
WITHOUT_AMOUNT = "order_id,customer_ref,ordered_at\n1,only,2024-03-05\n"


def rule(**definition: Any) -> dict[str, Any]:
    return {"rule_segments": {"odd_one": definition}}


def metric(**definition: Any) -> dict[str, Any]:
    given = {"table": "orders", "absent": None, "unit": "orders", "description": "Odd"}
    return {"extra_metrics": {"odd_metric": given | definition}}


# Before any model is built.
AT_THE_START = "Compilation Error in operation customer_segmentation-on-run-start"


# name -> raw tables, vars, and words that the message must hold: what, where, what was expected.
BAD_INPUTS: dict[str, tuple[dict[str, Any], dict[str, Any], list[str]]] = {
    "missing file": ({"customers.csv": "record_id\n1\n"}, {}, ["orders", "raw"]),
    "missing column": ({"orders.csv": WITHOUT_AMOUNT}, {}, ["orders.csv", "amount"]),
    "wrong header": (
        {"orders.csv": HEADER.replace("ordered_at", "orderd_at")},
        {},
        ["orders.csv", "ordered_at", "orderd_at"],
    ),
    "no header": ({"orders.csv": WITHOUT_HEADER}, {}, ["orders.csv", "order_id"]),
    "unreadable file": ({"orders.parquet": b"PAR1 and no more"}, {}, ["orders.parquet"]),
    "two files": (
        {**ORDERS, "orders.parquet": b"PAR1 and no more"},
        {},
        ["orders.csv", "orders.parquet"],
    ),
    "two currencies": ({"orders.csv": TWO_CURRENCIES}, {}, ["EUR", "USD", "currency"]),
    "currency of no order": (ORDERS, {"currency": "USD"}, ["currency", "1 orders"]),
    "too many rejected": ({"orders.csv": REJECTED}, {}, ["max_reject_rate", "orders"]),
    "fewer orders than the source holds": (
        {**ORDERS, "control_totals.csv": HALF},
        {},
        ["default", "50%", "98%", "min_reconciled_share", "2024-03-05"],
    ),
    "a day for each of a long history": (
        {"orders.csv": f"{ONE_ORDER}2,only,2023-07-09 12:00:00,30.00,EUR\n"},
        {"history_start": None, "period": "day"},
        [
            "at most 240",
            "241 periods (var period: day)",
            "2023-07-10",
            "history_start",
            "period",
            "earliest_plausible_date",
        ],
    ),
    "undefined metric": (
        ORDERS,
        rule(metric="smiles", at_least=1),
        ["odd_one", "smiles", "purchase_days"],
    ),
    "filter of a missing column": (
        ORDERS,
        metric(aggregate="count", filter="is_completed and amuont > 5 or kind = 'is_big'"),
        [
            "'odd_metric'",
            "at filter: found 'amuont', which is no column of orders",
            "Did you mean amount?",
            "Allowed: the columns of orders: amount, campaign_id, channel, coupon,",
            AT_THE_START,
        ],
    ),
    "value of a missing column": (
        ORDERS,
        metric(table="topics", aggregate="mean", value="wieght", filter="topic = 'a'"),
        ["'odd_metric'", "at value: found 'wieght'", "no column of topics", AT_THE_START],
    ),
    "where of a missing column": (
        ORDERS,
        rule(sequence=["orders", {"metric": "lines", "where": {"catgory": 1}}], within_days=7),
        [
            "odd_one",
            "at where: found 'catgory', which is no column of lines",
            "Did you mean category or subcategory?",
            "Allowed: the columns of lines: amount, brand, campaign_id, category,",
            AT_THE_START,
        ],
    ),
    "filter that is no SQL": (
        ORDERS,
        metric(aggregate="count", filter="amount > > 5"),
        [
            "'odd_metric'",
            "at filter",
            "not valid SQL at or near",
            "the columns of orders",
            AT_THE_START,
        ],
    ),
    "impossible as_of": (ORDERS, {"as_of": "2018-02-30"}, ["as_of", "2018-02-30", "YYYY-MM-DD"]),
    "history after as_of": (
        ORDERS,
        {"as_of": "2024-05-01", "history_start": "2024-06-01"},
        ["history_start", "2024-06-01", "2024-05-01"],
    ),
    "negative window": (
        ORDERS,
        rule(metric="orders", window_days=-7, at_least=1),
        ["odd_one", "window_days", "-7"],
    ),
    "no raw data named": (ORDERS, {"raw_dir": None}, ["raw_dir is null", "make build", "README"]),
    "working file of another data set": (
        {"elsewhere/orders.csv": ONE_ORDER},
        {"raw_dir": "raw/elsewhere"},
        ["trial.duckdb", "raw/elsewhere"],
    ),
}
# These are found by data tests, after the models were built.
FOUND_BY_TESTS = {"two currencies", "currency of no order", "too many rejected"}
FOUND_BY_TESTS |= {"fewer orders than the source holds", "a day for each of a long history"}
# What comes before the test is enough; test_builds_publication.py has a whole build that fails.
SOURCES_ALONE = ["--select", "models/staging", "tests/staging"]


@scenario("one_customer")
def bad_inputs(workshop: Workshop, one_customer: Build) -> dict[str, Attempt]:
    """Each bad input on its own, over the published file of a green build."""
    return {
        name: attempt(
            workshop,
            one_customer,
            name,
            tables,
            variables,
            SOURCES_ALONE if name in FOUND_BY_TESTS else [],
        )
        for name, (tables, variables, _) in BAD_INPUTS.items()
    }


@pytest.mark.parametrize("name", BAD_INPUTS)
def test_bad_input_stops_the_build_and_leaves_the_published_file(
    bad_inputs: dict[str, Attempt], name: str
) -> None:
    attempt = bad_inputs[name]
    attempt.build.failed()
    assert attempt.after == attempt.before


@pytest.mark.parametrize("name", BAD_INPUTS)
def test_bad_input_gets_one_message_that_says_what_where_and_what_was_expected(
    bad_inputs: dict[str, Attempt], name: str
) -> None:
    output = bad_inputs[name].build.failed().output
    missing = [word for word in BAD_INPUTS[name][2] if word not in output]
    assert not missing, f"not told: {missing}\n{output}"
    assert "Traceback" not in output
    assert "unexpected" not in output.lower().replace("unexpected column", "")
    if name not in FOUND_BY_TESTS:
        assert "OK created" not in output
        assert output.lower().count(" error") <= 2, output


@pytest.mark.parametrize("name", ["no header", "two currencies", "too many rejected"])
def test_a_message_does_not_tell_what_was_in_the_cells(
    bad_inputs: dict[str, Attempt], name: str
) -> None:
    assert ASTRAY not in bad_inputs[name].build.failed().output


def test_the_vars_of_the_other_builds_are_good(bad_inputs: dict[str, Attempt]) -> None:
    """A control: were VARS themselves refused, every bad input would fail for that."""
    assert set(bad_inputs) == set(BAD_INPUTS)
    assert VARS["rule_segments"].keys().isdisjoint({"odd_one"})
    assert all(attempt.before for attempt in bad_inputs.values())
