"""The share of buyers who changed their rfm segment, as the summary says it."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest

from customer_segmentation.output.rfm_flips import rfm_flips

MOVES = [
    ("2020-03-01", "rfm", "rfm:champions", "rfm:champions", 60),
    ("2020-03-01", "rfm", "rfm:champions", "rfm:loyal", 15),
    ("2020-03-01", "rfm", "rfm:hibernating", "rfm:promising", 5),
    # No buyers before or after.
    ("2020-03-01", "rfm", "rfm:prospect", "rfm:promising", 7),
    ("2020-03-01", "rfm", "rfm:loyal", "rfm:returns_only", 1),
    ("2020-03-01", "rfm", "outside", "rfm:promising", 3),
    ("2020-03-01", "rfm", "rfm:loyal", "outside", 2),
    # Another scheme, the period before, and the open one.
    ("2020-03-01", "lifecycle", "lifecycle:new", "lifecycle:active", 50),
    ("2020-02-01", "rfm", "rfm:loyal", "rfm:champions", 40),
    ("2020-03-10", "rfm", "rfm:loyal", "rfm:champions", 40),
]
KPIS = [("2020-01-01", 31, False), ("2020-02-01", 29, True), ("2020-03-01", 9, False)]


@pytest.fixture
def published() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute(
            """
            create table segment_transitions (
                period date, scheme text, from_segment text, to_segment text, customers bigint
            );
            create table segment_kpis (period date, days bigint, is_last_whole boolean)
            """
        )
        yield connection


def test_buyers_who_changed_in_the_last_whole_period_are_counted(
    published: duckdb.DuckDBPyConnection,
) -> None:
    published.executemany("insert into segment_transitions values (?, ?, ?, ?, ?)", MOVES)
    # There is a row of each segment.
    published.executemany("insert into segment_kpis values (?, ?, ?)", [*KPIS, *KPIS])
    assert rfm_flips(published) == (
        "In the last whole period, up to 2020-03-01, 20 of 80 buyers (25.0%) changed their rfm "
        "segment."
    )


def test_many_changes_name_the_vars_that_help(published: duckdb.DuckDBPyConnection) -> None:
    published.executemany("insert into segment_transitions values (?, ?, ?, ?, ?)", MOVES[1:3])
    published.executemany("insert into segment_kpis values (?, ?, ?)", KPIS)
    assert "20 of 20 buyers (100.0%)" in str(rfm_flips(published))
    assert str(rfm_flips(published)).endswith("Vars rfm_recency and score_slack make it steadier.")


def test_nothing_is_said_before_the_first_whole_period(
    published: duckdb.DuckDBPyConnection,
) -> None:
    assert rfm_flips(published) is None
