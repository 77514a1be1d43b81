"""Rows beyond var retention leave the build and the bytes of its file; closed periods stay."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pytest
from conftest import Build, Workshop, scenario

from customer_segmentation.erasure.search import uncompressed

MONTHS = [f"{year}-{month:02}" for year in (2017, 2018) for month in range(1, 13)][:15]
CUSTOMERS = [f"c{number}" for number in range(1, 9)]
# Each month every customer orders, and the first one writes a ticket and opens a page.
FILES = {
    "orders.csv": "order_id,customer_ref,ordered_at,amount\n"
    + "".join(
        f"o{customer}{month},{customer},{month}-05,{10 + number}\n"
        for month in MONTHS
        for number, customer in enumerate(CUSTOMERS)
    ),
    "tickets.csv": "ticket_id,customer_ref,opened_at,channel,body\n"
    + "".join(f"t{month},c1,{month}-06,support,canary ticket of {month}\n" for month in MONTHS),
    "events.csv": "event_id,customer_ref,occurred_at,event_type,page\n"
    + "".join(f"e{month},c1,{month}-07 12:00,page_view,/canary/{month}\n" for month in MONTHS),
}
RULES = {
    "history_start": "2017-05-01",
    "predictions": {},
    "retention": {"tickets": 12, "events": 12},
    "feature_windows": [{"metric": "page_views"}, {"metric": "page_views", "window_days": 720}],
}


class Kept(NamedTuple):
    """A build, and the months whose tickets and pages are in the bytes of its working file."""

    build: Build
    tickets: list[str]
    pages: list[str]

    @property
    def file(self) -> Path:
        return self.build.folder / "warehouse" / "trial.duckdb"

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.file), read_only=True) as working:
            return working.execute(sql).fetchall()

    def page_views(self, as_of: str) -> int:
        ((count,),) = self.rows(
            "select page_views__all from features.int_features__customers_measured "
            f"where as_of = '{as_of}' order by page_views__all desc limit 1"
        )
        return int(count)


def build(workshop: Workshop, name: str, earlier: Kept | None, *args: str, **rules: Any) -> Kept:
    """Goes on with the files of an earlier build; all raw rows are there each time."""
    folder = workshop.folder(name)
    for part in ("warehouse", "published") if earlier else ():
        assert earlier is not None
        shutil.copytree(earlier.build.folder / part, folder / part)
    made = workshop.build(folder, FILES, RULES | rules, args).passed()
    file = folder / "warehouse" / "trial.duckdb"
    with uncompressed(file, folder / "copy.duckdb") as copy:
        # Rows that were deleted are in the file itself, not in its copy.
        held = file.read_bytes() + copy.read_bytes()
    return Kept(
        made,
        [month for month in MONTHS if f"canary ticket of {month}".encode() in held],
        [month for month in MONTHS if f"/canary/{month}".encode() in held],
    )


@scenario()
def march(workshop: Workshop) -> Kept:
    return build(
        workshop, "retention-march", None, "--exclude-resource-type", "test", as_of="2018-03-15"
    )


@scenario("march")
def april(workshop: Workshop, march: Kept) -> Kept:
    return build(workshop, "retention-april", march, as_of="2018-04-10")


@scenario("april")
def backfilled(workshop: Workshop, april: Kept) -> Kept:
    return build(
        workshop,
        "retention-backfill",
        april,
        "--exclude-resource-type",
        "test",
        as_of="2018-04-10",
        backfill_from="2017-06-01",
        backfill_to="2017-06-30",
    )


@pytest.mark.parametrize(
    ("name", "first"), [("march", "2017-03"), ("april", "2017-04"), ("backfilled", "2017-04")]
)
def test_rows_beyond_the_limit_are_not_in_the_bytes_of_the_working_file(
    name: str, first: str, request: pytest.FixtureRequest
) -> None:
    """The rows that stay are the live control. The raw files have all of them."""
    kept = request.getfixturevalue(name)
    expected = [month for month in MONTHS if month >= first]
    assert (kept.tickets, kept.pages) == (expected, expected)


@pytest.mark.parametrize(("name", "expired"), [("march", 2), ("april", 3), ("backfilled", 3)])
def test_rows_beyond_the_limit_are_counted(
    name: str, expired: int, request: pytest.FixtureRequest
) -> None:
    counted = request.getfixturevalue(name).rows(
        "select source_table, check_name, value from segmentation.source_coverage where check_name"
        " in ('rows', 'loaded', 'expired', 'retained_months', 'retained_from')"
        " and source_table in ('events', 'tickets', 'orders')"
    )
    limits = {"expired": expired, "retained_months": 12, "retained_from": 20170101 + expired * 100}
    counts = {"rows": 15, "loaded": 15 - expired, **limits}
    assert {(table, check): value for table, check, value in counted} == {
        ("orders", "rows"): 120,
        ("orders", "loaded"): 120,
        **{("events", check): value for check, value in counts.items()},
        **{("tickets", check): value for check, value in counts.items()},
    }


def test_closed_periods_stay_as_they_were_when_the_limit_moves(march: Kept, april: Kept) -> None:
    """As of March 1st the pages of March 2017 counted; built from what is kept, 11 would."""
    assert march.page_views("2018-03-01") == 12
    assert april.page_views("2018-04-10") == 12
    ((pages,),) = april.rows(
        "select count(*) from facts.int_facts__events where day < date '2018-03-01'"
    )
    assert pages == 11
    with duckdb.connect() as both:
        for name, kept in {"before": march, "after": april}.items():
            both.execute(f"attach '{kept.file}' as {name} (read_only)")
        closed = (
            "select * from {}.scores.int_segmentation__memberships where as_of <= date '2018-03-01'"
        )
        before, after = closed.format("before"), closed.format("after")
        assert both.execute(f"select count(*) from ({before})").fetchall() != [(0,)]
        for one, other in ((before, after), (after, before)):
            assert both.execute(f"{one} except all {other}").fetchall() == []
    built = april.rows(
        "select as_of::varchar from periods.int_periods where is_built or is_outdated order by all"
    )
    assert built == [("2018-04-01",), ("2018-04-10",)]


def test_a_backfill_takes_what_is_kept(march: Kept, backfilled: Kept) -> None:
    """Of March, April and May the last two."""
    assert march.page_views("2017-06-01") == 3
    assert backfilled.page_views("2017-06-01") == 2


def test_the_log_says_what_expired_and_which_windows_are_longer(april: Kept) -> None:
    output = april.build.output
    for table in ("events", "tickets"):
        said = f"Retention: 3 rows of {table} before 2017-04-01 left out (12 months are kept)."
        assert said in output
    assert "Var retention: page_views__720d look back further than rows are kept" in output
    assert "canary" not in output
