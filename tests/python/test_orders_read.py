"""The next day's build reads the newest raw orders only, and has the rows of one that reads all.

A project of the staging models alone is parsed once and then run in this process, on two working
files: in one, each run goes on from the last; the other is made anew each time.
"""

from __future__ import annotations

import json
import random
import re
import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest
from conftest import ONE_MART, ROOT, make_dbt_quicker, say_nothing_for_debugging
from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.cli.main import dbtRunner

LOOKBACK_DAYS = 3
FIRST_DAY = datetime(2024, 3, 1)
PARTS = ["dbt_project.yml", "profiles.yml", "macros", "models/staging"]
PARTS += ["models/marts/_marts__docs.md", "seeds"]
# All but what the last run did.
COLUMNS = "* exclude (read_from, definition_key)"
Row = dict[str, Any]


class Shop:
    """Raw orders, and runs on what has arrived of them."""

    def __init__(self, folder: Path) -> None:
        make_dbt_quicker()
        say_nothing_for_debugging()
        self.folder = folder
        for part in PARTS:
            (folder / part).parent.mkdir(parents=True, exist_ok=True)
            copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
            copy(ROOT / part, folder / part)
        groups = "models/groups.yml"
        (folder / groups).write_text(ONE_MART[groups])
        (folder / "raw").mkdir()
        self.orders = folder / "raw" / "orders.parquet"
        self.orders.write_bytes(b"")
        self.runner = dbtRunner(manifest=dbtRunner().invoke(self._command("parse")).result)

    def write(self, rows: list[Row], **types: str) -> None:
        """Writes the raw file in order of loaded_at, in row groups of the fewest rows."""
        raw = pd.DataFrame(rows, columns=list(rows[0]))  # noqa: F841
        columns = ", ".join(
            f"cast({name} as {types.get(name, 'varchar')}) as {name}" for name in rows[0]
        )
        with duckdb.connect() as connection:
            connection.execute("set TimeZone = 'UTC'")
            connection.execute(
                f"copy (select {columns} from raw order by loaded_at) to '{self.orders}' "
                "(row_group_size 2048)"
            )

    def run(self, select: str = "base_orders", **variables: Any) -> str:
        """Builds models and returns the SQL of base_orders."""
        command = self._command("run", "--select", *select.split(), **variables)
        result = self.runner.invoke(command)
        # dbt would keep the file open.
        DuckDBConnectionManager.close_all_connections()
        assert result.success, result.exception or result.result.results
        nodes = {one.node.name: one.node for one in result.result.results}
        return str(nodes["base_orders"].compiled_code)

    def run_anew(self, **variables: Any) -> None:
        """The same in a new file, which becomes `anew`."""
        daily, anew, aside = (
            self.folder / "warehouse" / f"{n}.duckdb" for n in ("daily", "anew", "aside")
        )
        daily.rename(aside)
        self.run(**variables)
        daily.rename(anew)
        aside.rename(daily)

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of a query on the working files daily and anew."""
        with duckdb.connect() as connection:
            for name in ("daily", "anew"):
                path = self.folder / "warehouse" / f"{name}.duckdb"
                if path.exists():
                    connection.execute(f"attach '{path}' as {name} (read_only)")
            return connection.execute(sql).fetchall()

    def read_all(self) -> bool:
        """Whether the last run read all raw rows."""
        return self.query("select count(read_from) from daily.restricted.base_orders") == [(0,)]

    def differences(self) -> list[tuple[Any, ...]]:
        sides = [
            f"select {COLUMNS} from {name}.restricted.base_orders" for name in ("daily", "anew")
        ]
        return self.query(
            f"({sides[0]} except all {sides[1]}) union all ({sides[1]} except all {sides[0]})"
        )

    def _command(self, command: str, *args: str, **variables: Any) -> list[str]:
        given = {
            "raw_dir": "raw",
            "dataset": "daily",
            "publish_path": None,
            "timezone": "Europe/Berlin",
            "orders_lookback_days": LOOKBACK_DAYS,
            **variables,
        }
        where = ["--project-dir", str(self.folder), "--profiles-dir", str(self.folder)]
        quiet = [
            "--no-version-check",
            "--log-level",
            "none",
            "--log-level-file",
            "none",
            "--no-write-json",
        ]
        return [command, *where, *quiet, "--vars", json.dumps(given), *args]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("shop")
        patch.chdir(folder)
        yield Shop(folder)


def a_row(order_id: str, day: float, **other: Any) -> Row:
    """An order of a day, loaded in the evening."""
    ordered_at = FIRST_DAY + timedelta(days=day, hours=9)
    row = {
        "order_id": order_id,
        "customer_ref": "c1",
        "ordered_at": ordered_at,
        "amount": "10",
        "status": None,
        "loaded_at": ordered_at + timedelta(hours=10),
    }
    return row | other


def some_days(days: int, orders: int) -> list[Row]:
    return [a_row(f"{day}-{order}", day) for day in range(days) for order in range(orders)]


def arrivals(rng: random.Random, day: int, known: list[Row]) -> list[Row]:
    """What arrives on a day: new orders, and what goes wrong with those of any day."""
    rows = []
    for number in range(rng.randrange(1, 12)):
        row = a_row(f"{day}-{number}", day, amount=str(rng.randrange(-3, 40)))
        # Some are late, by less than the lookback.
        row["loaded_at"] -= timedelta(hours=rng.randrange(24 * LOOKBACK_DAYS - 12))
        rows.append(row)
    for row in rng.sample(known, 12):
        # The same order again: as it was, corrected, at once with another, unreadable, undated.
        again = row | {"loaded_at": FIRST_DAY + timedelta(days=day, hours=rng.randrange(12, 15))}
        changes = [{}, {"amount": "11"}, {"amount": "12"}, {"amount": "ten"}, {"status": "lost"}]
        rows += [again | change for change in rng.sample(changes, rng.choice([1, 1, 2]))]
        if rng.random() < 0.15:
            rows.append(again | {"amount": "13", "loaded_at": None})
    return [
        *rows,
        a_row("", day),
        a_row(f"{day}-guest", day, customer_ref=None),
        a_row(f"{day}-future", day, ordered_at=FIRST_DAY + timedelta(days=900)),
        a_row(f"{day}-undated", day, loaded_at=None),
    ]


def live_through(shop: Shop, seed: int, loaded_at: str, raw_timezone: str) -> None:
    """Four days, after each of which all but the first run read a part; then one reads all."""
    rng, variables = random.Random(seed), {"raw_timezone": raw_timezone}
    # An order of 1970, as systems write that know no date, is no reason to read everything.
    known = [*some_days(30, 10), a_row("epoch", 0, ordered_at=datetime(1970, 1, 1))]
    shop.write(known, loaded_at=loaded_at)
    shop.run(**variables)
    for day in range(30, 34):
        known = known + arrivals(rng, day, known)
        newest = max(row["loaded_at"] for row in known if row["loaded_at"])
        for row in rng.sample(known, 30):
            # What was loaded of late may be gone again, or say something else in place.
            if row["loaded_at"] and newest - row["loaded_at"] < timedelta(days=2):
                known.remove(row)
                if rng.random() < 0.5:
                    known.append(row | {"amount": "14"})
        shop.write(known, loaded_at=loaded_at)
        shop.run(**variables)
        assert not shop.read_all()
    shop.run_anew(**variables)
    assert shop.differences() == []
    fates = shop.query("select distinct fate, failed_rule from daily.restricted.base_orders")
    assert {fate for fate, _ in fates} == {"loaded", "deduplicated", "quarantined"}
    rules = {"missing_order_id", "invalid_amount", "unknown_status", "future_date"}
    assert {rule for _, rule in fates if rule} == rules | {"conflicting_repeat"}


def test_parts_add_up_to_the_rows_of_a_run_that_reads_all(shop: Shop) -> None:
    live_through(shop, 1, "timestamp", "America/New_York")


@pytest.mark.slow
@pytest.mark.parametrize("loaded_at", ["timestamp", "timestamptz", "varchar"])
@pytest.mark.parametrize("raw_timezone", ["UTC", "Asia/Tokyo", "America/New_York"])
@pytest.mark.parametrize("seed", range(2, 5))
def test_whatever_arrives_parts_add_up(
    shop: Shop, seed: int, loaded_at: str, raw_timezone: str
) -> None:
    live_through(shop, seed, loaded_at, raw_timezone)


def test_the_next_days_run_reads_the_new_day_and_the_lookback(shop: Shop) -> None:
    days, orders = 60, 200
    shop.write(some_days(days, orders), loaded_at="timestamp")
    shop.run("+int_staging__counts")
    everything = [(days * orders,)]
    read = "select value from daily.staging.int_staging__counts where check_name = 'read_now'"
    assert shop.query(read) == everything

    shop.write(some_days(days + 1, orders), loaded_at="timestamp")
    sql = shop.run("base_orders int_staging__counts")
    assert shop.query(read) == [((LOOKBACK_DAYS + 2) * orders,)]

    # Of the raw file, which is in order of loaded_at, only the last row groups are read.
    condition = sql[sql.index("where loaded_at >= ") :].splitlines()[0]
    plan = shop.query(f"explain analyze select max(amount) from '{shop.orders}' {condition}")
    ((groups, of),) = re.findall(r"Row Groups Scanned: (\d+) / (\d+)", plan[0][1])
    assert int(groups) <= 2 < int(of)


def test_all_is_read_where_a_part_could_end_in_other_rows(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, variables = some_days(30, 10), {}

    def reads_all(**types: str) -> bool:
        shop.write(rows, loaded_at="timestamp", **types)
        shop.run(**variables)
        return shop.read_all()

    assert reads_all()
    assert not reads_all()

    erased = rows.pop(0)
    rows.append(a_row("later than the lookback", 3))
    assert reads_all(), "as many old rows, but not the same"
    gone = f"select * from daily.restricted.base_orders where order_id = '{erased['order_id']}'"
    assert shop.query(gone) == []

    variables["order_statuses"] = {"lost": "ignored"}
    assert reads_all(), "a var is another"
    monkeypatch.setenv("SEGMENTATION_HASH_KEY", "another")
    assert reads_all(), "references are hashed with another key"
    rows[:] = [row | {"channel": "web"} for row in rows]
    assert reads_all(), "there is a new column"
    assert not reads_all()

    two_years_later = a_row("beyond a gap", 800, loaded_at=None)
    rows.append(two_years_later)
    assert reads_all(), "a gap opens"
    rows.remove(two_years_later)
    newest = max(row["loaded_at"] for row in rows)
    rows[:] = [row for row in rows if newest - row["loaded_at"] > timedelta(days=LOOKBACK_DAYS)]
    assert reads_all(), "nothing is left since the lookback"
    shop.run_anew(**variables)
    assert shop.differences() == []
