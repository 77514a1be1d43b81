"""The demo, built on Apache Spark from raw files to published marts, has the marts of DuckDB.

Two workers of a cluster build it as of December 2017, as of January, when they take over the
periods of December, and again when a customer has asked to be erased; half-way through that, one
of them is killed. DuckDB builds that once, from nothing.
"""

from __future__ import annotations

import functools
import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pandas as pd
import pytest
import spark_cluster
from conftest import Workshop, write_raw
from dbt_common.exceptions import DbtRuntimeError
from other_processes import free_port
from spark_session import skip_without_spark, started_session
from test_builds_behaviour import DEFAULTS, RAW
from test_spark_models import comparison

import dbt_segmentation_spark
from customer_segmentation.output.fetch import FetchError, fetch
from demo_data import generate

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.slow

ERASED = "1"
# A model of many tasks in the middle of the build.
HALF_WAY = "int_segmentation__memberships"
# With a slack all periods are built again.
VARS = DEFAULTS | {"history_start": "2017-11-01", "score_slack": 0}
# For small data, of which planning takes most of the time.
FOR_SMALL_DATA = {
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.constraintPropagation.enabled": "false",
    "spark.sql.lightweightPlanChangeValidation": "false",
}
# Customers of a generated shop; 0: none is built.
COMPANION = int(os.environ.get("COMPANION", "0"))
# Marts, or columns of theirs, that aren't compared, and why.
WITHOUT = {"audit_log": "The audit log is written by the Python package, on DuckDB alone."}
UNLIKE = {"data_set": {"raw_data": "the place of the raw files, which is the test's"}}


@dataclass
class Engines:
    """What both engines published."""

    published: duckdb.DuckDBPyConnection
    session: SparkSession
    # Of the erased customer, before the request.
    keys: list[str]
    # Periods that the second build took over.
    kept: list[Any]
    # Of the last build.
    manifest: dict[str, Any]
    # Runs dbt as that build did, and returns its errors.
    run: Callable[..., str]

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in self.session.sql(sql).collect()]


@dataclass
class Cluster:
    """A master and two workers, without a Thrift server."""

    home: Path
    master: str

    def kill_a_worker(self) -> None:
        os.kill(spark_cluster.running(self.home)["worker-1"], signal.SIGKILL)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    skip_without_spark()
    home, port = tmp_path_factory.mktemp("spark"), free_port()
    spark_cluster.up(home, port, thrift_port=None)
    try:
        yield Cluster(home, f"spark://localhost:{port}")
    finally:
        spark_cluster.down(home)


@pytest.fixture(scope="module")
def session(cluster: Cluster) -> Iterator[SparkSession]:
    settings = {
        "spark.driver.host": "localhost",
        "spark.driver.maxResultSize": "0",
        "spark.executor.memory": "2g",
        "spark.sql.catalogImplementation": "in-memory",
        "spark.sql.shuffle.partitions": str(spark_cluster.WORKERS),
        "spark.sql.warehouse.dir": str(cluster.home / "warehouse"),
    }
    with started_session(settings | FOR_SMALL_DATA, cluster.master) as started:
        yield started


@pytest.fixture(scope="module")
def engines(workshop: Workshop, cluster: Cluster, session: SparkSession) -> Iterator[Engines]:
    if not (RAW / "orders.parquet").exists():
        pytest.skip("the demo's raw files are not prepared: make demo")
    before: dict[str, Any] = {path.stem: path for path in sorted(RAW.glob("*.parquet"))}
    after = before | {"erasure_requests": requests()}
    folder = workshop.folder("demo-on-spark")
    for tables, as_of in [(before, "2017-12-01"), (before, None), (after, None)]:
        write_raw(folder, tables)
        own = {"raw_dir": (folder / "raw").as_uri(), "publish_targets": ["spark"], "as_of": as_of}
        run = functools.partial(dbt, workshop.builder.project, folder, VARS | own)
        if tables is before:
            assert run("build") == ""
            keys, kept = keys_of(session), kept_periods(session)
    assert executors(session) == spark_cluster.WORKERS
    assert run("build", at=(HALF_WAY, cluster.kill_a_worker)) == ""
    assert executors(session) == spark_cluster.WORKERS - 1
    manifest = json.loads((folder / "target" / "manifest.json").read_text())
    whole = workshop.folder("demo-on-duckdb")
    built = workshop.build(whole, after, VARS | {"raw_dir": "raw"}).passed()
    with duckdb.connect(built.published, read_only=True) as published:
        yield Engines(published, session, keys, kept, manifest, run)
    drop_schemas(session)


def executors(session: SparkSession) -> int:
    """How many workers take tasks; the driver is listed with them."""
    listed = session.sparkContext._jsc.sc().getExecutorMemoryStatus()
    return int(listed.size()) - 1


def drop_schemas(session: SparkSession) -> None:
    for (schema,) in session.sql("show schemas").collect():
        if schema != "default":
            session.sql(f"drop schema {schema} cascade")


def kept_periods(session: SparkSession) -> list[Any]:
    built = session.table("periods.int_periods").where("not is_built").collect()
    return [row.as_of for row in built]


def keys_of(session: SparkSession) -> list[str]:
    """The keys of the customer to erase, of each record and of the person."""
    found = session.sql(
        "select record_key, customer_key from identity.int_identity__records "
        f"where source_system = 'panel' and '{ERASED}' in (record_id, customer_ref)"
    ).collect()
    assert found
    return sorted({str(key) for row in found for key in row})


def tables_in(session: SparkSession, schema: str) -> list[str]:
    """Without temporary views, which are listed with those of each schema."""
    listed = session.sql(f"show tables in {schema}").collect()
    return [name for _, name, is_temporary in listed if not is_temporary]


def requests() -> pd.DataFrame:
    """The demo's requests and one more."""
    frame = pd.read_parquet(RAW / "erasure_requests.parquet")
    row = {"source_system": "panel", "customer_ref": ERASED, "is_synthetic": True}
    row["requested_at"] = pd.Timestamp("2017-12-15", tz="UTC")
    return pd.concat([frame, pd.DataFrame([row])], ignore_index=True)


def dbt(
    project: Path,
    folder: Path,
    variables: dict[str, Any],
    *command: str,
    at: tuple[str, Callable[[], None]] | None = None,
) -> str:
    """Runs dbt in this process, which has the session; returns the errors it reported.

    at: a model, and what happens a moment after it has begun.
    """
    from dbt.cli.main import dbtRunner

    errors: list[str] = []

    def collect(event: Any) -> None:
        if event.info.level == "error":
            errors.append(event.info.msg)
        if at and event.info.name == "NodeStart" and event.data.node_info.node_name == at[0]:
            threading.Timer(0.5, at[1]).start()

    place = ["--project-dir", str(project), "--profiles-dir", str(project), "--target", "spark"]
    place += ["--target-path", str(folder / "target"), "--log-path", str(folder / "logs")]
    given = ["--vars", json.dumps(variables)]
    done = dbtRunner(callbacks=[collect]).invoke(["--no-version-check", *command, *place, *given])
    assert done.success is not bool(errors), errors
    return "\n".join(errors)


def test_all_marts_are_those_of_duckdb(engines: Engines) -> None:
    """Ids, dates, counts, money and segments are equal, other figures to 1e-9."""
    assert unlike_marts(engines.session, engines.published, 50) == {}


def unlike_marts(
    session: SparkSession, on_duckdb: duckdb.DuckDBPyConnection, at_least: int
) -> dict[str, list[str]]:
    """Which published marts differ, and how; at_least: so many have rows."""
    tables = on_duckdb.execute(
        "select table_schema, table_name from information_schema.tables "
        "where table_schema <> 'details' order by all"
    ).fetchall()
    assert set(tables_in(session, "published")) == {name for _, name in tables}
    found = {
        name: differences(session.table(f"published.{name}").toArrow(), on_duckdb, schema, name)
        for schema, name in tables
    }
    filled = [name for name in found if session.table(f"published.{name}").take(1)]
    assert len(filled) >= at_least, "a control: empty marts are equal, too"
    return {name: unlike for name, unlike in found.items() if unlike}


def differences(
    found: pa.Table, on_duckdb: duckdb.DuckDBPyConnection, schema: str, name: str
) -> list[str]:
    """In which columns of a mart how many rows differ."""
    if name in WITHOUT:
        return []
    wanted = f'"{schema}"."{name}"'
    described = on_duckdb.execute(f"describe select * from {wanted}").fetchall()
    left_out = UNLIKE.get(name, {})
    columns = {column: kind for column, kind, *_ in described if column not in left_out}
    if missing := set(columns) - set(found.column_names):
        return [f"no column {column}" for column in sorted(missing)]
    on_duckdb.register("found", found)
    (row,) = on_duckdb.execute(comparison(wanted, columns, [])).fetchall()
    on_duckdb.unregister("found")
    counted = zip(["rows", *columns], row, strict=True)
    return [f"{column}: {count}" for column, count in counted if count]


def test_the_published_marts_are_copied_to_a_file(engines: Engines, tmp_path: Path) -> None:
    assert unlike_file(fetched(engines.manifest, tmp_path), engines.published) == {}


def fetched(manifest: dict[str, Any], folder: Path) -> Path:
    file = folder / "fetched.duckdb"
    assert fetch(manifest, file) > 50
    return file


def unlike_file(file: Path, on_duckdb: duckdb.DuckDBPyConnection) -> dict[str, list[str]]:
    """Which tables of a file differ from the published ones, and how."""
    with duckdb.connect(file, read_only=True) as connection:
        tables = connection.execute(
            "select table_schema, table_name from information_schema.tables"
        ).fetchall()
        found = {
            name: differences(
                connection.table(f'"{schema}"."{name}"').to_arrow_table(), on_duckdb, schema, name
            )
            for schema, name in tables
        }
    return {name: unlike for name, unlike in found.items() if unlike}


def test_the_second_build_took_over_what_the_first_had_built(engines: Engines) -> None:
    assert engines.kept


@pytest.mark.parametrize("ending", ["__last", "__new"])
def test_notes_on_periods_outlast_a_build_that_stopped(engines: Engines, ending: str) -> None:
    """dbt-spark drops int_periods before it makes it, and all periods would be built again."""
    spare = f"periods.int_periods{ending}"
    engines.session.sql(f"drop table if exists {spare}")
    engines.session.sql(f"alter table periods.int_periods rename to {spare}")
    assert engines.run("run", "--select", "int_periods") == ""
    built = engines.rows("select is_current, is_built from periods.int_periods order by as_of")
    assert {is_current for is_current, is_built in built if is_built} == {True}
    assert len(built) > 1


def test_an_erased_customer_is_in_no_table_behind_the_input(engines: Engines) -> None:
    """Neither by reference nor by a key that the build before had, whatever the column.

    Raw rows, each with its fate, and the views on those that count have what the raw files have, on
    DuckDB as well: the customer is left out where identity begins.
    """
    schemas = {schema for (schema,) in engines.rows("show schemas")} - {"default", "input"}
    assert {"identity", "periods", "published", "restricted", "scores"} <= schemas
    keys = ", ".join(f"'{key}'" for key in engines.keys)
    found = {}
    for schema in sorted(schemas):
        for name in tables_in(engines.session, schema):
            if name.startswith(("base_", "stg_")):
                continue
            columns = {
                column: kind for column, kind, *_ in engines.rows(f"describe {schema}.{name}")
            }
            tests = [
                f"`{column}` in ({keys})" for column, kind in columns.items() if kind == "string"
            ]
            if "erase" not in name and {"source_system", "customer_ref"} <= set(columns):
                tests.append(f"source_system = 'panel' and customer_ref = '{ERASED}'")
            if tests:
                sql = f"select count(*) from {schema}.{name} where {' or '.join(tests)}"
                found[f"{schema}.{name}"] = engines.rows(sql)[0][0]
    assert "restricted.int_identity__pairs" in found
    assert {name: rows for name, rows in found.items() if rows} == {}


# --- Python models ---------------------------------------------------------------------------


def test_a_python_model_takes_no_more_rows_than_the_driver_holds(
    session: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    session.sql("create or replace temporary view two as select 1 as x union all select 2 as x")
    code = "def model(dbt, session): return dbt('two')\ndbtObj = lambda load: load\n"
    model = dbt_segmentation_spark.SessionModel(
        {"name": "sums", "relation_name": "default.sums"}, None
    )
    monkeypatch.setattr(dbt_segmentation_spark, "MOST_ROWS", 2)
    model.submit(code)
    assert sorted(x for (x,) in session.table("default.sums").collect()) == [1, 2]
    monkeypatch.setattr(dbt_segmentation_spark, "MOST_ROWS", 1)
    with pytest.raises(DbtRuntimeError, match="sums reads two, which has more than 1 rows"):
        model.submit(code)


# --- The input door --------------------------------------------------------------------------

HEADER = "order_id,customer_ref,ordered_at,amount\n"
ANNA = "1,anna,2026-01-02 10:00:00,5.00\n"


@pytest.fixture
def shop(workshop: Workshop, session: SparkSession) -> Iterator[Callable[..., str]]:
    """Opens the door to raw files, or with vars to tables of the catalog."""
    folder = workshop.folder("door-on-spark")
    # The schema of the input belongs to one data set.
    drop_schemas(session)

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
        ({"orders/a.csv": HEADER, "orders/b.csv": ANNA}, "b.csv begins with another line than"),
        (
            {"orders/day=1/a.csv": HEADER, "orders/day=2/b/c.csv": HEADER},
            "Expected folders of one kind",
        ),
    ],
)
def test_what_would_not_be_read_stops_the_build_with_one_line(
    shop: Callable[..., str], files: dict[str, str], expected: str
) -> None:
    said = shop(files)
    assert expected in said
    assert "anna" not in said


def test_parts_are_read_from_plain_folders_and_notes_are_passed_over(
    shop: Callable[..., str], session: SparkSession
) -> None:
    files = {"orders/a.csv": HEADER + ANNA, "orders/2026/b.csv": HEADER + "2,ben,2026-01-03,1\n"}
    assert shop(files | {"orders_notes.md": "as DuckDB does"}) == ""
    assert [row[:2] for row in orders(session)] == [("1", "anna"), ("2", "ben")]


@pytest.mark.parametrize("form", ["{relative}", "./{relative}/", "{folder}/", "FILE://{folder}"])
def test_a_folder_of_raw_files_may_be_written_in_several_ways(
    shop: Callable[..., str], workshop: Workshop, session: SparkSession, form: str
) -> None:
    folder = workshop.folder("door-on-spark") / "raw"
    # Within it a folder has its name.
    files = {"orders/raw/a.csv": HEADER + ANNA, "products.csv": "product_id\n"}
    given = form.format(folder=folder, relative=os.path.relpath(folder))
    assert shop(files, raw_dir=given) == ""
    assert orders(session) == [("1", "anna", None)]


@pytest.mark.parametrize("form", ["{folder}/.", "{folder}/orders/..", "{folder}*"])
def test_other_forms_are_refused_in_one_line(
    shop: Callable[..., str], workshop: Workshop, form: str
) -> None:
    given = form.format(folder=workshop.folder("door-on-spark") / "raw")
    said = shop({"orders/a.csv": HEADER + ANNA}, raw_dir=given)
    assert "doesn't end with the name of the folder" in said


def test_folders_that_links_may_lead_to_are_refused_as_they_can_t_be_limited(
    shop: Callable[..., str],
) -> None:
    assert "Var raw_roots is set" in shop({"orders.csv": HEADER}, raw_roots=["/data"])


# --- Publication -----------------------------------------------------------------------------


@pytest.fixture
def publish(workshop: Workshop, session: SparkSession) -> Iterator[Callable[..., str]]:
    """Publishes tables of one row, with the number that is given."""
    folder = workshop.folder("publication-on-spark")
    drop_schemas(session)

    def publishes(number: int, *names: str) -> str:
        session.sql("create schema if not exists made")
        session.sql("drop table if exists made.rows")
        session.sql(f"create table made.rows as select {number} as x")
        table = {"relation": "made.rows", "schema": "main", "description": "A shop's"}
        tables = [table | {"name": name, "must_keep_rows": name == "customers"} for name in names]
        given = json.dumps({"request": {"roles": {}, "allow_empty": False, "tables": tables}})
        macro = ["run-operation", "publish_tables", "--args", given]
        return dbt(workshop.builder.project, folder, {"dataset": "shop"}, *macro)

    yield publishes
    drop_schemas(session)


def published(session: SparkSession) -> tuple[set[str], dict[str, int]]:
    """The schemas of a publication, and what its views show."""
    schemas = {schema for (schema,) in session.sql("show schemas like 'published*'").collect()}
    names = tables_in(session, "published")
    return schemas, {name: session.table(f"published.{name}").collect()[0].x for name in names}


def test_views_are_turned_to_a_schema_that_none_of_them_leads_to(
    publish: Callable[..., str], session: SparkSession
) -> None:
    assert publish(1, "customers", "gone") == ""
    assert published(session) == ({"published", "published_1"}, {"customers": 1, "gone": 1})
    # A build that was killed between two views, one whose table is lost, and what others made.
    (comment,) = (
        row.info_value
        for row in session.sql("describe schema published").collect()
        if row.info_name == "Comment"
    )
    session.sql(f"create schema published_2 comment '{comment}'")
    session.sql("create table published_2.segments as select 0 as x")
    session.sql("create view published.segments as select * from published_2.segments")
    session.sql("create table published_1.data_set as select 0 as x")
    session.sql("create view published.data_set as select * from published_1.data_set")
    session.sql("drop table published_1.data_set")
    session.sql("create schema published_archive")
    assert publish(2, "customers", "segments", "data_set") == ""
    schemas, shown = published(session)
    assert schemas == {"published", "published_3", "published_archive"}
    assert shown == {"customers": 2, "segments": 2, "data_set": 2}


def manifest_of(*names: str) -> dict[str, Any]:
    """Of a build whose marts have one column."""
    column = {"name": "x", "data_type": "bigint", "description": "A number"}
    common = {"resource_type": "model", "description": "A shop's", "columns": {"x": column}}
    config = {"meta": {"published_schema": "main"}}
    return {"nodes": {name: common | {"name": name, "config": config} for name in names}}


def test_a_publication_is_copied_to_a_file_of_the_types_of_the_contracts(
    publish: Callable[..., str], tmp_path: Path
) -> None:
    manifest = manifest_of("customers", "segments")
    file = tmp_path / "published" / "segments.duckdb"
    left_by_a_killed_copy = file.with_name(f".{file.name}.fetch") / "marts.duckdb"
    left_by_a_killed_copy.parent.mkdir(parents=True)
    left_by_a_killed_copy.write_text("half")
    for number in (1, 2):
        assert publish(number, "customers", "segments") == ""
        assert fetch(manifest, file) == 2
        with duckdb.connect(file, read_only=True) as fetched:
            assert fetched.table("customers").fetchall() == [(number,)]
            said = fetched.execute(
                "select data_type, comment from duckdb_columns() where table_name = 'segments'"
            ).fetchall()
            assert said == [("BIGINT", "A number")]
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_what_is_not_a_publication_of_the_last_build_is_not_copied(
    publish: Callable[..., str], tmp_path: Path
) -> None:
    manifest = manifest_of("customers")
    with pytest.raises(FetchError, match="holds 0 marts that can be read, and the last build has"):
        fetch(manifest, tmp_path / "segments.duckdb")
    assert publish(1, "customers", "gone") == ""
    with pytest.raises(FetchError, match="holds 2 marts that can be read"):
        fetch(manifest, tmp_path / "segments.duckdb")
    assert publish(1, "customers") == ""
    (tmp_path / "notes.duckdb").write_text("mine")
    with pytest.raises(FetchError, match="is not a DuckDB file"):
        fetch(manifest, tmp_path / "notes.duckdb")
    assert [path.name for path in tmp_path.iterdir()] == ["notes.duckdb"]


@pytest.mark.parametrize("schema", ["published", "published_2"])
def test_a_schema_that_others_made_is_refused_and_kept(
    publish: Callable[..., str], session: SparkSession, schema: str
) -> None:
    session.sql(f"create schema {schema}")
    session.sql(f"create table {schema}.theirs as select 1 as x")
    assert f"The schema {schema} is not one of this project" in publish(1, "customers")
    assert tables_in(session, schema) == ["theirs"]


# --- At size ---------------------------------------------------------------------------------


@pytest.mark.skipif(not COMPANION, reason="COMPANION=100000 is the number of customers to generate")
def test_a_generated_shop_has_the_marts_of_duckdb(
    workshop: Workshop, session: SparkSession, record_property: Callable[[str, int], None]
) -> None:
    drop_schemas(session)
    folder = workshop.folder("companion-on-spark")
    generate(folder / "raw", folder / "truth", COMPANION)
    for name in FOR_SMALL_DATA:
        session.conf.unset(name)
    variables = DEFAULTS | {"history_start": "as_of", "raw_dir": "raw"}
    own = {"raw_dir": (folder / "raw").as_uri(), "publish_targets": ["spark"]}
    begun = time.perf_counter()
    assert dbt(workshop.builder.project, folder, variables | own, "build") == ""
    record_property("seconds_on_spark", round(time.perf_counter() - begun))
    built = workshop.build(folder, None, variables).passed()
    record_property("seconds_on_duckdb", round(built.seconds))
    with duckdb.connect(built.published, read_only=True) as published:
        # Without history, experiments and campaigns.
        assert unlike_marts(session, published, 35) == {}
        manifest = json.loads((folder / "target" / "manifest.json").read_text())
        assert unlike_file(fetched(manifest, folder), published) == {}
