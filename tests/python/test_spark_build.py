"""The demo, built on Apache Spark from raw files to published marts, has the marts of DuckDB.

Spark builds it as of December 2017, and again as of January, when a customer asks to be erased: the
second build takes over the periods of the first. DuckDB builds it once, from nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pandas as pd
import pytest
from conftest import Workshop, write_raw
from dbt_common.exceptions import DbtRuntimeError
from spark_session import local_session
from test_builds_behaviour import DEFAULTS, RAW
from test_spark_models import comparison

import dbt_segmentation

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.slow

ERASED = "1"
# With a slack all periods are built again.
VARS = DEFAULTS | {"history_start": "2017-11-01", "score_slack": 0}
# Marts, or columns of theirs, that aren't compared, and why.
WITHOUT = {"audit_log": "The audit log is written by the Python package, on DuckDB alone."}
UNLIKE = {"data_set": {"raw_data": "the place of the raw files, which is the test's"}}


@dataclass
class Engines:
    """What both engines published."""

    published: duckdb.DuckDBPyConnection
    session: SparkSession

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in self.session.sql(sql).collect()]


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    settings = {
        "spark.driver.memory": "4g",
        "spark.driver.maxResultSize": "0",
        "spark.sql.catalogImplementation": "in-memory",
        "spark.sql.shuffle.partitions": "1",
        "spark.sql.warehouse.dir": str(tmp_path_factory.mktemp("spark") / "warehouse"),
        # Planning takes most of the time: the data is small.
        "spark.sql.adaptive.enabled": "false",
        "spark.sql.codegen.wholeStage": "false",
        "spark.sql.codegen.factoryMode": "NO_CODEGEN",
        "spark.sql.constraintPropagation.enabled": "false",
        "spark.sql.lightweightPlanChangeValidation": "false",
    }
    with local_session(settings) as started:
        yield started


@pytest.fixture(scope="module")
def engines(workshop: Workshop, session: SparkSession) -> Iterator[Engines]:
    if not (RAW / "orders.parquet").exists():
        pytest.skip("the demo's raw files are not prepared: make demo")
    before: dict[str, Any] = {path.stem: path for path in sorted(RAW.glob("*.parquet"))}
    after = before | {"erasure_requests": requests()}
    folder = workshop.folder("demo-on-spark")
    for tables, as_of in [(before, "2017-12-01"), (after, None)]:
        write_raw(folder, tables)
        own = {"raw_dir": (folder / "raw").as_uri(), "publish_targets": ["spark"], "as_of": as_of}
        assert dbt(workshop.builder.project, folder, VARS | own, "build") == ""
    whole = workshop.folder("demo-on-duckdb")
    built = workshop.build(whole, after, VARS | {"raw_dir": "raw"}).passed()
    with duckdb.connect(built.published, read_only=True) as published:
        yield Engines(published, session)
    drop_schemas(session)


def drop_schemas(session: SparkSession) -> None:
    for (schema,) in session.sql("show schemas").collect():
        if schema != "default":
            session.sql(f"drop schema {schema} cascade")


def requests() -> pd.DataFrame:
    """The demo's requests and one more."""
    frame = pd.read_parquet(RAW / "erasure_requests.parquet")
    row = {"source_system": "panel", "customer_ref": ERASED, "is_synthetic": True}
    row["requested_at"] = pd.Timestamp("2017-12-15", tz="UTC")
    return pd.concat([frame, pd.DataFrame([row])], ignore_index=True)


def dbt(project: Path, folder: Path, variables: dict[str, Any], *command: str) -> str:
    """Runs dbt in this process, which has the session; returns the errors it reported."""
    from dbt.cli.main import dbtRunner

    errors: list[str] = []

    def collect(event: Any) -> None:
        if event.info.level == "error":
            errors.append(event.info.msg)

    place = ["--project-dir", str(project), "--profiles-dir", str(project), "--target", "spark"]
    place += ["--target-path", str(folder / "target"), "--log-path", str(folder / "logs")]
    given = ["--vars", json.dumps(variables)]
    done = dbtRunner(callbacks=[collect]).invoke(["--no-version-check", *command, *place, *given])
    assert done.success is not bool(errors), errors
    return "\n".join(errors)


def test_all_marts_are_those_of_duckdb(engines: Engines) -> None:
    """Ids, dates, counts, money and segments are equal, other figures to 1e-9."""
    tables = engines.published.execute(
        "select table_schema, table_name from information_schema.tables "
        "where table_schema <> 'details' order by all"
    ).fetchall()
    # Temporary views are listed with those of each schema.
    listed = engines.rows("show views in published")
    views = {name for schema, name, _ in listed if schema == "published"}
    assert views == {name for _, name in tables}
    found = {name: differences(engines, schema, name) for schema, name in tables}
    assert {name: unlike for name, unlike in found.items() if unlike} == {}


def differences(engines: Engines, schema: str, name: str) -> list[str]:
    """In which columns of a mart how many rows differ."""
    if name in WITHOUT:
        return []
    wanted = f'"{schema}"."{name}"'
    described = engines.published.execute(f"describe select * from {wanted}").fetchall()
    left_out = UNLIKE.get(name, {})
    columns = {column: kind for column, kind, *_ in described if column not in left_out}
    found = engines.session.table(f"published.{name}").toArrow()
    if missing := set(columns) - set(found.column_names):
        return [f"no column {column}" for column in sorted(missing)]
    engines.published.register("found", found)
    (row,) = engines.published.execute(comparison(wanted, columns, [])).fetchall()
    engines.published.unregister("found")
    counted = zip(["rows", *columns], row, strict=True)
    return [f"{column}: {count}" for column, count in counted if count]


def test_the_second_build_took_over_what_the_first_had_built(engines: Engines) -> None:
    kept = engines.rows("select as_of from periods.int_periods where not is_built")
    assert kept


def test_an_erased_customer_is_in_no_table_behind_the_input(engines: Engines) -> None:
    for schema in ("identity", "published"):
        for name in [name for _, name, _ in engines.rows(f"show tables in {schema}")]:
            columns = {name for name, *_ in engines.rows(f"describe {schema}.{name}")}
            if "erase" not in name and {"source_system", "customer_ref"} <= columns:
                left = engines.rows(
                    f"select * from {schema}.{name} "
                    f"where source_system = 'panel' and customer_ref = '{ERASED}'"
                )
                assert not left, f"{schema}.{name}"


# --- Python models ---------------------------------------------------------------------------


def test_a_python_model_takes_no_more_rows_than_the_driver_holds(
    session: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    session.sql("create or replace temporary view two as select 1 as x union all select 2 as x")
    code = "def model(dbt, session): return dbt('two')\ndbtObj = lambda load: load\n"
    model = dbt_segmentation.SessionModel({"name": "sums", "relation_name": "default.sums"}, None)
    monkeypatch.setattr(dbt_segmentation, "MOST_ROWS", 2)
    model.submit(code)
    assert sorted(x for (x,) in session.table("default.sums").collect()) == [1, 2]
    monkeypatch.setattr(dbt_segmentation, "MOST_ROWS", 1)
    with pytest.raises(DbtRuntimeError, match="sums reads two, which has more than 1 rows"):
        model.submit(code)


# --- The input door --------------------------------------------------------------------------

HEADER = "order_id,customer_ref,ordered_at,amount\n"
ANNA = "1,anna,2026-01-02 10:00:00,5.00\n"


@pytest.fixture
def shop(workshop: Workshop, session: SparkSession) -> Iterator[Callable[..., str]]:
    """Opens the door to raw files, or with vars to tables of the catalog."""
    folder = workshop.folder("door-on-spark")

    def opened(files: dict[str, Any], **variables: Any) -> str:
        write_raw(folder, files)
        own = {"raw_dir": (folder / "raw").as_uri(), "dataset": "shop", **variables}
        return dbt(workshop.builder.project, folder, own, "run-operation", "create_input_views")

    yield opened
    drop_schemas(session)


def orders(session: SparkSession) -> list[tuple[Any, ...]]:
    found = session.sql("select order_id, customer_ref, currency from input.orders order by all")
    return [tuple(row) for row in found.collect()]


def test_raw_files_are_read_from_parts_whose_folders_name_columns(
    shop: Callable[..., str], session: SparkSession
) -> None:
    parts = {"orders/currency=EUR/a.csv": HEADER + ANNA}
    parts["orders/currency=USD/b.csv"] = f'{HEADER}2,"an ""odd"",\nname",2026-01-03,1\n'
    assert shop(parts) == ""
    assert orders(session) == [("1", "anna", "EUR"), ("2", 'an "odd",\nname', "USD")]


def test_raw_tables_are_read_from_the_catalog(
    shop: Callable[..., str], session: SparkSession
) -> None:
    session.sql("create schema crm")
    session.sql("create table crm.sales (order_id string, Customer_Ref string, ordered_at date)")
    own = {"raw_schema": "crm", "raw_identifiers": {"orders": "sales"}}
    assert "crm.sales lacks the required column amount" in shop({}, **own)
    session.sql("alter table crm.sales add columns (amount decimal(9, 2))")
    session.sql("insert into crm.sales values ('1', 'anna', date '2026-01-02', 5)")
    assert shop({}, **own) == ""
    assert orders(session) == [("1", "anna", None)]


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"orders.csv": HEADER + ANNA + "2,ben\n3,carla,2026-01-02,1,2\n"}, "has 2 lines that are"),
        ({"orders.csv": "order_id,customer_ref,amount\n"}, "lacks the required column ordered_at"),
        ({"products.csv": "product_id\n"}, "no file for the required table 'orders'"),
        ({"orders.csv": HEADER, "orders.jsonl": "{}"}, "holds orders more than once"),
        ({"orders.csv": HEADER, "orders_2025.csv": HEADER}, "looks like the table orders"),
        ({"orders/a.csv": HEADER, "orders/b.xlsx": "1"}, "holds a file that is not read"),
    ],
)
def test_what_would_not_be_read_stops_the_build_with_one_line(
    shop: Callable[..., str], files: dict[str, str], expected: str
) -> None:
    said = shop(files)
    assert expected in said
    assert "anna" not in said
