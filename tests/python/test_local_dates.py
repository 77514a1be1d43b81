"""Local dates by the offset of the UTC day are those that the calendar of the zone gives."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest
from rule_grammar_project import GrammarProject

# Half-hour offsets, changes at odd hours and at midnight, a day that was left out.
ZONES = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/St_Johns",
    "America/Sao_Paulo",
    "Africa/Casablanca",
    "Asia/Kathmandu",
    "Asia/Tehran",
    "Asia/Pyongyang",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Pacific/Kiritimati",
]
LOCAL_DATES = """
with instants as (
    select instant
    from (select unnest(generate_series(
        timestamptz '1989-12-30', timestamptz '2050-01-03', interval 157 minute)) as instant)
),

zone_days as (
    {{ zone_days() }}
)

select
    count(*) as instants,
    count(zone_days.offset_microseconds) as by_offset,
    count(case when {{ local_date_by_zone_day('instants.instant') }}
        is distinct from {{ local_date('instants.instant') }} then 1 end) as different
from instants
left join zone_days on {{ utc_date('instants.instant') }} = zone_days.utc_day
"""


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        yield connection


@pytest.mark.parametrize("zone", ZONES)
def test_the_offset_of_the_day_gives_the_date_of_the_instant(
    project: GrammarProject, connection: duckdb.DuckDBPyConnection, zone: str
) -> None:
    sql = project.render(LOCAL_DATES, {"timezone": zone})
    ((instants, by_offset, different),) = connection.execute(sql).fetchall()
    assert different == 0
    # A control: hardly any instant had to be looked up by itself.
    assert by_offset > 0.98 * instants


def test_a_stamp_in_utc_is_the_instant_it_names(
    project: GrammarProject, connection: duckdb.DuckDBPyConnection
) -> None:
    connection.execute(
        """
        create table stamps as
        select unnest([
            timestamp '2024-03-31 01:30:00.123456', timestamp '1969-12-31 23:59:59',
            timestamp 'infinity', timestamp '-infinity', null
        ]) as stamp
        """
    )
    instant = project.render(
        "{{ to_instant('stamp') }}", {"timezone": "UTC", "raw_timezone": "UTC"}
    )
    found = connection.execute(
        f"select {instant} is not distinct from "
        "case when isfinite(stamp) then timezone('UTC', stamp) end from stamps"
    ).fetchall()
    assert found == [(True,)] * 5
