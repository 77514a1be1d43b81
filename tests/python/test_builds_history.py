"""History that is kept by period ends in the same tables as a build from nothing.

Orders, events and CRM records arrive in batches: in any order, late, repeated, corrected in place,
in files that are renamed, split or deleted, by builds that are run twice or killed. What was late
is no later than `rebuild_periods`. Whatever happened on the way, the tables must be those of one
build of all the data in an empty folder.
"""

from __future__ import annotations

import random
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest
from conftest import BUILDS_AT_A_TIME, Build, Workshop, scenario

HISTORY_VARS: dict[str, Any] = {
    "history_start": "2024-02-01",
    "refit_models": "quarter",
    "reselect_models": "never",
    # How many there are is chosen once, before anything is late; trying several costs most.
    "cluster_k": {"min": 3, "max": 3},
    "rule_segments": {
        "keen": {
            "metric": "orders",
            "window_days": 60,
            "at_least": 3,
            "stay_until": {"metric": "orders", "window_days": 60, "at_least": 1},
        },
        "browsers": {"metric": "page_views", "window_days": 60, "at_least": 2},
        "top": {"metric": "revenue", "window_days": 365, "top_percent": 20},
    },
}
# With as_of in July and three periods to rebuild, what happened from April on may be late.
FIRST_DAY, FIRST_LATE_DAY, LAST_DAY = date(2023, 5, 2), date(2024, 4, 1), date(2024, 7, 18)
MODELS = ["--select", "+config.incremental_strategy:replace_periods"]
MODELS += ["--exclude-resource-type", "test"]
# What is kept beside the marts.
KEPT = (
    "int_segmentation__memberships",
    "int_segmentation__changes",
    "int_segmentation__rule_trials",
    "int_marts__segment_sums",
    "int_segmentation__cutpoints",
    "int_segmentation__cluster_sample",
    "int_segmentation__spend_sample",
    "int_features__treatments",
)

Tables = dict[str, pd.DataFrame]


@dataclass(frozen=True)
class World:
    """Everything that ever happened, and in which batch it becomes known (0: from the start)."""

    tables: Tables
    batches: int

    def known(self, batches: set[int], rng: random.Random) -> Tables:
        """The raw files when these batches have arrived, some rows of them twice.

        Orders are in files of other names and sizes each time. Until all batches have arrived, the
        amounts of some late ones are wrong, and one file has orders that no later one has.
        """
        found = {}
        for name, table in self.tables.items():
            rows = table[table["batch"].isin(batches)].drop(columns="batch")
            if name == "orders" and len(batches) <= self.batches:
                late = rows[rows["ordered_at"] >= pd.Timestamp(FIRST_LATE_DAY)]
                wrong, never = (
                    late.sample(frac=0.1, random_state=rng.randrange(2**31)) for _ in range(2)
                )
                rows["amount"] += rows["order_id"].isin(wrong["order_id"])
                found["orders/until-corrected"] = never.assign(
                    order_id="never-" + never["order_id"]
                )
            repeated = rows.sample(frac=0.1, random_state=rng.randrange(2**31))
            rows = pd.concat([rows, repeated]).sample(frac=1, random_state=rng.randrange(2**31))
            if name != "orders":
                found[name] = rows
                continue
            cut = rng.randrange(len(rows))
            for part in (rows[:cut], rows[cut:]):
                found[f"orders/{rng.randrange(2**31)}"] = part
        return found


def a_world(seed: int, batches: int = 4) -> World:
    """Sixty customers, ten of whom come late; a merge and an erasure among what arrives."""
    rng = random.Random(seed)

    def some_time(first: date, last: date) -> pd.Timestamp:
        day = first + timedelta(days=rng.randrange((last - first).days + 1))
        return pd.Timestamp(day) + pd.Timedelta(minutes=rng.randrange(24 * 60))

    def batch_and_time(is_new: bool) -> tuple[int, pd.Timestamp]:
        if is_new or rng.random() < 0.3:
            return rng.randrange(1, batches + 1), some_time(FIRST_LATE_DAY, LAST_DAY)
        return 0, some_time(FIRST_DAY, LAST_DAY)

    orders, events, records = [], [], []
    for number in range(60):
        reference, is_new = f"c{number}", number >= 50
        for order in range(rng.randrange(1, 9)):
            batch, time = batch_and_time(is_new)
            amount = rng.randrange(100, 20000) / 100 * (-1 if rng.random() < 0.1 else 1)
            orders.append((batch, f"{number}-{order}", reference, time, amount))
        for event in range(rng.randrange(0, 6)):
            batch, time = batch_and_time(is_new)
            events.append((batch, f"{number}-{event}", reference, time, "page_view"))
        region = rng.choice(["north", "south"])
        records.append((0, f"r{number}", reference, f"Ann{number}", region, "1980-01-05"))
    # The last one is the first person, who says so late.
    records.append((batches, "r60", "c49", "Ann0", "north", "1980-01-05"))
    customers = pd.DataFrame(
        records,
        columns=["batch", "record_id", "customer_ref", "given_name", "region", "birth_date"],
    )
    customers["family_name"] = "Of" + customers["given_name"]
    customers["email"] = customers["given_name"] + "@example.com"
    customers["created_at"] = pd.Timestamp("2023-05-01")
    latest = pd.DataFrame(
        [(0, "latest", "c1", pd.Timestamp(LAST_DAY), 10.0)],
        columns=["batch", "order_id", "customer_ref", "ordered_at", "amount"],
    )
    return World(
        {
            "orders": pd.concat([pd.DataFrame(orders, columns=latest.columns), latest]),
            "events": pd.DataFrame(
                events, columns=["batch", "event_id", "customer_ref", "occurred_at", "event_type"]
            ),
            "customers": customers,
            "erasure_requests": pd.DataFrame(
                [(batches - 1, "c7", pd.Timestamp("2024-07-10"))],
                columns=["batch", "customer_ref", "requested_at"],
            ),
        },
        batches,
    )


def start(workshop: Workshop, world: World, folder: Path) -> None:
    """The first build, of what is known from the start."""
    build_all(workshop, folder, world.known({0}, random.Random(0))).passed()


def live_through(workshop: Workshop, world: World, folder: Path, seed: int) -> None:
    """Lets the batches arrive in a random order, several at a time, with killed builds between."""
    rng = random.Random(seed)
    order = list(range(1, world.batches + 1))
    rng.shuffle(order)
    known = {0}
    while order:
        together = rng.randrange(1, len(order) + 1)
        known |= set(order[:together])
        del order[:together]
        if rng.random() < 0.4:
            # dbt needs more than a second before it runs the first model.
            moment = rng.uniform(1.5, 6)
            build_all(workshop, folder, world.known(known, rng), killed_after=moment)
        build_all(workshop, folder, world.known(known, rng)).passed()


def build_all(workshop: Workshop, folder: Path, tables: Tables, **how: Any) -> Build:
    """Builds what is kept by period, and what that needs."""
    return workshop.build(folder, tables, HISTORY_VARS, MODELS, **how)


def working_file(folder: Path) -> Path:
    return folder / "warehouse" / "trial.duckdb"


def differences(left: Path, right: Path) -> dict[str, tuple[int, int]]:
    """Rows of each table that only one of two working files has."""
    connection = duckdb.connect()
    for name, folder in (("a", left), ("b", right)):
        connection.execute(f"attach '{working_file(folder)}' as {name} (read_only)")
    kept = connection.execute(
        "select schema_name || '.' || table_name, list('\"' || column_name || '\"') "
        "from duckdb_columns() where database_name = 'a' and (schema_name = 'segmentation' "
        f"or table_name in {KEPT}) group by all order by all"
    ).fetchall()
    found = {}
    for table, columns in kept:
        listed = ", ".join(columns)
        only = [
            f"select {listed} from {one}.{table} except all select {listed} from {other}.{table}"
            for one, other in (("a", "b"), ("b", "a"))
        ]
        here, there = (len(connection.execute(query).fetchall()) for query in only)
        if here or there:
            found[table] = (here, there)
    assert len(kept) >= len(KEPT) + 3, kept
    return found


@scenario()
def built_at_once(workshop: Workshop) -> Path:
    folder, world = workshop.folder("history-at-once"), a_world(1, batches=2)
    build_all(workshop, folder, world.known({0, 1, 2}, random.Random(0))).passed()
    return folder


@scenario("built_at_once")
def lived_through(workshop: Workshop, _: Path) -> Path:
    """One batch after the other, the late one first; one build is killed."""
    folder, world = workshop.folder("history-lived"), a_world(1, batches=2)
    start(workshop, world, folder)
    live_through(workshop, world, folder, seed=15)
    return folder


@scenario("built_at_once")
def emptied(workshop: Workshop, built_at_once: Path) -> Path:
    """The same, and then raw data in which nothing happened before the last day."""
    folder = built_at_once.with_name("history-emptied")
    shutil.copytree(built_at_once, folder)
    build_all(workshop, folder, {"orders": a_world(1).tables["orders"].tail(1)}).passed()
    return folder


@pytest.mark.check("properties")
def test_an_order_of_arrival_ends_in_the_same_tables(
    built_at_once: Path, lived_through: Path
) -> None:
    assert differences(built_at_once, lived_through) == {}


def test_the_world_has_what_is_hard(built_at_once: Path) -> None:
    """Else the tests above could pass because nothing happened."""
    connection = duckdb.connect(str(working_file(built_at_once)), read_only=True)

    def number(query: str) -> int:
        return int(connection.execute(query).fetchall()[0][0])

    assert number("select count(*) from periods.int_periods") == 7
    assert number("select max(records) from identity.int_identity__customers_resolved") > 1
    trials = "select count(*) from scores.int_segmentation__rule_trials"
    assert number(f"{trials} where not is_entered") > 0
    assert number("select count(distinct cause) from scores.int_segmentation__changes") == 2


def test_a_period_without_rows_is_cleared(emptied: Path) -> None:
    connection = duckdb.connect(str(working_file(emptied)), read_only=True)
    for table in ("scores.int_segmentation__memberships", "segmentation.customer_history"):
        dates = connection.execute(f"select distinct as_of from {table}").fetchall()
        assert dates == [(LAST_DAY + timedelta(days=1),)], table


@pytest.mark.check("properties")
@pytest.mark.slow
def test_periods_that_are_built_again_stay_as_they_are(
    workshop: Workshop, built_at_once: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "backfill"
    shutil.copytree(built_at_once, folder)
    asked = {**HISTORY_VARS, "backfill_from": "2024-03-01", "backfill_to": "2024-05-15"}
    workshop.build(folder, None, asked, MODELS).passed()
    connection = duckdb.connect(str(working_file(folder)), read_only=True)
    query = "select as_of from periods.int_periods where build_reason = 'backfill' order by all"
    built = [as_of.isoformat() for (as_of,) in connection.execute(query).fetchall()]
    assert built == ["2024-03-01", "2024-04-01", "2024-05-01"]
    assert differences(built_at_once, folder) == {}


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_two_orders_of_arrival_of_each_of_ten_worlds(
    workshop: Workshop, tmp_path: Path, seed: int
) -> None:
    world = a_world(seed)
    at_once, first = tmp_path / "at-once", tmp_path / "start"
    everything = set(range(world.batches + 1))
    build_all(workshop, at_once, world.known(everything, random.Random(seed))).passed()
    start(workshop, world, first)

    def found(order: int) -> dict[str, tuple[int, int]]:
        folder = tmp_path / f"lived-{order}"
        shutil.copytree(first, folder)
        live_through(workshop, world, folder, 20 * seed + order)
        different = differences(at_once, folder)
        shutil.rmtree(folder)
        return different

    # Each build is a process of its own.
    with ThreadPoolExecutor(BUILDS_AT_A_TIME) as pool:
        assert list(pool.map(found, range(2))) == [{}] * 2
