"""Each SQL model gives the same rows on Apache Spark as on DuckDB, from the same inputs.

The demo is built on DuckDB. Each model's SQL, compiled for Spark, is then run on what that
build has of the relations it reads: one difference isn't found again in all models after it.
All models run in a local session, and some on a cluster of two workers behind a Thrift server.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
import spark_cluster
from conftest import ROOT, Build, Workshop
from other_processes import free_port
from spark_session import skip_without_spark, started_session
from test_builds_behaviour import DEFAULTS, RAW

from customer_segmentation.identity.identifiers import fold_text, hashed_reference, hashed_text

pytestmark = pytest.mark.slow

MODELS = sorted(path.stem for path in (ROOT / "models").rglob("*.sql"))
VARS = DEFAULTS | {"raw_dir": "raw"}
RELATIVE = 1e-9
# Parquet has no whole numbers of these types.
AS_DECIMAL = {"UBIGINT": "decimal(20, 0)", "HUGEINT": "decimal(38, 0)"}

# Columns that aren't compared, by model, and why. The type UBIGINT is that of quick_hash alone.
OF_ENGINE = "a sum of the engine's own hashes"
BY_HOOK = "a hook writes it after the build"
UNLIKE: dict[str, dict[str, str]] = {
    "int_periods__day_hashes": {"hashed": OF_ENGINE, "expiring_hashed": OF_ENGINE},
    "int_periods": {
        "data_hash": OF_ENGINE,
        "expiring_data_hash": OF_ENGINE,
        "definition_hash": "of the project's code, which `dbt compile` doesn't read",
        "built_data_hash": BY_HOOK,
        "built_expiring_data_hash": BY_HOOK,
        "built_definition_hash": BY_HOOK,
    },
}
# A hook deletes the erased of these once linking has found them: their keys.
FORGOTTEN = {
    "int_identity__activity": ["source_system", "customer_ref"],
    "int_identity__identifiers": ["record_key"],
}
# Run on a cluster too: regular expressions, keyed hashes, ICU called by reflect, edit distances,
# zones, lists, trees, windows and the wide table.
ON_CLUSTER = [
    "base_customers",
    "base_orders",
    "customer_features",
    "int_facts__events",
    "int_facts__ticket_terms",
    "int_features__customers_measured",
    "int_identity__identifiers",
    "int_identity__pairs",
    "int_segmentation__memberships",
    "int_segmentation__prediction_scores",
    "int_staging__unmatched_references",
    "segment_kpis",
    "segment_overlaps",
]


@dataclass
class Engines:
    """The demo on DuckDB, and Spark with those of its relations that were asked for.

    run: runs a statement on Spark. rows: of a query on Spark.
    """

    warehouse: duckdb.DuckDBPyConnection
    run: Callable[[str], Any]
    rows: Callable[[str], pa.Table]
    nodes: dict[str, Any]
    sql: dict[str, str]
    folder: Path
    loaded: set[str] = field(default_factory=set)

    def load(self, unique_id: str) -> None:
        """Gives Spark the rows that DuckDB has of a model, seed or source."""
        if unique_id in self.loaded:
            return
        self.loaded.add(unique_id)
        schema, name = relation_of(self.nodes[unique_id])
        file = self.folder / f"{schema}.{name}.parquet"
        columns = ", ".join(
            f'cast("{column}" as {AS_DECIMAL[kind]}) as "{column}"'
            if kind in AS_DECIMAL
            else f'"{column}"'
            for column, kind in self.columns(f'"{schema}"."{name}"').items()
        )
        self.warehouse.execute(
            f'copy (select {columns} from "{schema}"."{name}") to \'{file}\' (format parquet)'
        )
        self.run(f"create schema if not exists `{schema}`")
        self.run(f"create table `{schema}`.`{name}` using parquet location '{file}'")

    def columns(self, relation: str) -> dict[str, str]:
        """The types of a relation's columns on DuckDB."""
        rows = self.query(f"describe select * from {relation}")
        return {name: kind for name, kind, *_ in rows}

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        return self.warehouse.execute(sql).fetchall()


def relation_of(node: Any) -> tuple[str, str]:
    return node.schema, node.identifier if node.resource_type == "source" else node.alias


@pytest.fixture(scope="module")
def demo(workshop: Workshop) -> Build:
    # Before minutes are spent on a build.
    skip_without_spark()
    if not (RAW / "orders.parquet").exists():
        pytest.skip("the demo's raw files are not prepared: make demo")
    raw = {path.stem: path for path in sorted(RAW.glob("*.parquet"))}
    folder = workshop.folder("demo-of-both-engines")
    return workshop.build(folder, raw, VARS, args=["--exclude-resource-type", "test"]).passed()


@pytest.fixture(scope="module")
def warehouse(demo: Build) -> Iterator[duckdb.DuckDBPyConnection]:
    """What was built; the views on raw files can be read as well."""
    file = demo.folder / "warehouse" / "demo.duckdb"
    with duckdb.connect(file, read_only=True) as connection:
        # Paths of raw files are relative to the folder of the build.
        connection.execute(f"set TimeZone = 'UTC'; set file_search_path = '{demo.folder}'")
        for name, function in [
            ("fold_text", fold_text),
            ("hashed_text", hashed_text),
            ("hashed_reference", hashed_reference),
        ]:
            connection.create_function(f"segmentation_{name}", function, [str], str)
        yield connection


@pytest.fixture(scope="module")
def engines(
    warehouse: duckdb.DuckDBPyConnection,
    workshop: Workshop,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Engines]:
    folder = tmp_path_factory.mktemp("spark_models")
    settings = {
        "spark.driver.maxResultSize": "0",
        "spark.sql.catalogImplementation": "in-memory",
        "spark.sql.shuffle.partitions": "2",
        "spark.sql.warehouse.dir": str(folder / "warehouse"),
    }
    with started_session(settings) as session:
        nodes, sql = compiled(workshop.builder.project, folder)

        def rows(query: str) -> pa.Table:
            return session.sql(query).toArrow()

        yield Engines(warehouse, session.sql, rows, nodes, sql, folder)


@pytest.fixture(scope="module")
def cluster(
    warehouse: duckdb.DuckDBPyConnection,
    workshop: Workshop,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Engines]:
    """Models become tables there, as dbt makes them, of which DuckDB reads the files."""
    skip_without_spark()
    from pyhive import hive

    folder = tmp_path_factory.mktemp("spark_cluster")
    port = free_port()
    spark_cluster.up(folder, free_port(), port)
    try:
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("SPARK_METHOD", "thrift")
            environment.setenv("SPARK_PORT", str(port))
            nodes, sql = compiled(workshop.builder.project, folder, ON_CLUSTER)
        with hive.connect("localhost", port) as connection, connection.cursor() as cursor:
            # dbt-spark turns this mode off, where errors become null. Other clients may have it on.
            cursor.execute("set spark.sql.ansi.enabled=true")
            found = folder / "found"

            def rows(query: str) -> pa.Table:
                cursor.execute("drop table if exists found")
                shutil.rmtree(found, ignore_errors=True)
                cursor.execute(f"create table found using parquet location '{found}' as {query}")
                return duckdb.read_parquet(f"{found}/*.parquet").to_arrow_table()

            yield Engines(warehouse, cursor.execute, rows, nodes, sql, folder)
    finally:
        spark_cluster.down(folder)
        assert not spark_cluster.is_open(port)


def compiled(
    project: Path, folder: Path, models: list[str] | None = None
) -> tuple[dict[str, Any], dict[str, str]]:
    """The nodes of the project, and the SQL of its models for Spark."""
    from dbt.cli.main import dbtRunner

    place = ["--project-dir", str(project), "--profiles-dir", str(project), "--target", "spark"]
    place += ["--target-path", str(folder / "target"), "--log-path", str(folder / "logs")]
    select = ["--select", *(models or ["resource_type:model"]), "--indirect-selection", "empty"]
    quiet = ["--log-level", "error", "--no-version-check", "--no-write-json"]
    variables = ["--vars", json.dumps(VARS)]
    manifest = dbtRunner().invoke([*quiet, "parse", *place, *variables]).result
    result = dbtRunner(manifest).invoke([*quiet, "compile", *place, *select, *variables])
    assert result.success, result.exception or [one.message for one in result.result.results]
    ran = [one.node for one in result.result.results if one.node.language == "sql"]
    nodes = {**manifest.nodes, **manifest.sources}
    return nodes, {node.name: node.compiled_code for node in ran}


@pytest.mark.parametrize("model", MODELS)
def test_a_model_gives_the_same_rows_on_spark(engines: Engines, model: str) -> None:
    if model not in engines.sql:
        pytest.skip("the demo's vars disable it")
    assert differences(engines, model) == []


@pytest.mark.parametrize("model", ON_CLUSTER)
def test_a_model_gives_the_same_rows_on_a_cluster(cluster: Engines, model: str) -> None:
    assert differences(cluster, model) == []


def test_missing_java_is_named_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pyspark")
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", "")
    assert spark_cluster.missing() == (
        "Spark needs Java 17 or 21, found no Java. Install openjdk-17-jre-headless."
    )


def differences(engines: Engines, model: str) -> list[str]:
    """Runs a model on Spark; says in which columns how many rows differ from DuckDB's."""
    node = engines.nodes[f"model.customer_segmentation.{model}"]
    for unique_id in node.depends_on.nodes:
        engines.load(unique_id)
    found = engines.rows(engines.sql[model])
    schema, name = relation_of(node)
    wanted = f'"{schema}"."{name}"'
    columns = engines.columns(wanted)
    if found.column_names != list(columns):
        return [f"columns {found.column_names} instead of {list(columns)}"]
    compared = {
        name: kind
        for name, kind in columns.items()
        if kind != "UBIGINT" and name not in UNLIKE.get(model, {})
    }
    engines.warehouse.register("found", found)
    (row,) = engines.query(comparison(wanted, compared, FORGOTTEN.get(model, [])))
    engines.warehouse.unregister("found")
    names = ["rows", *compared]
    return [f"{name}: {count}" for name, count in zip(names, row, strict=True) if count]


def comparison(wanted: str, columns: dict[str, str], kept_by: list[str]) -> str:
    """SQL of how many rows differ, in number and in each column; both are sorted alike.

    kept_by: key of the rows to compare, those that DuckDB has.
    """
    kept = f"semi join {wanted} using ({', '.join(kept_by)})" if kept_by else ""
    floats = [name for name, kind in columns.items() if kind in ("DOUBLE", "FLOAT")]
    order = ", ".join(f'"{name}"' for name in sorted(columns, key=lambda name: name in floats))
    casts = ", ".join(f'cast("{name}" as {kind}) as "{name}"' for name, kind in columns.items())
    unequal = ", ".join(f"count(*) filter ({_differs(name, name in floats)})" for name in columns)
    return f"""
        with spark as (select {casts} from found {kept}),
        one as (select *, row_number() over (order by {order}) as place from {wanted}),
        other as (select *, row_number() over (order by {order}) as place from spark)
        select count(*) filter (one.place is null or other.place is null), {unequal}
        from one full join other on one.place = other.place
    """


def _differs(name: str, is_float: bool) -> str:
    one, other = f'one."{name}"', f'other."{name}"'
    if is_float:
        # Their difference is null where one is null, and NaN where one is infinite.
        largest = f"greatest(abs({one}), abs({other}))"
        close = f"coalesce(abs({one} - {other}) <= {RELATIVE} * {largest}, false)"
        return f"{one} is distinct from {other} and not {close}"
    return f"{one} is distinct from {other}"
