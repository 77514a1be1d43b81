"""Each SQL model gives the same rows on Apache Spark as on DuckDB, from the same inputs.

The demo is built on DuckDB. Each model's SQL, compiled for Spark, is then run on what that
build has of the relations it reads: one difference isn't found again in all models after it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from conftest import ROOT, Workshop
from spark_session import local_session
from test_builds_behaviour import DEFAULTS, RAW

from customer_segmentation.identity.identifiers import fold_text, hashed_reference, hashed_text

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

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


@dataclass
class Engines:
    """The demo on DuckDB, and a Spark session with those of its relations that were asked for."""

    warehouse: duckdb.DuckDBPyConnection
    session: SparkSession
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
        self.session.sql(f"create schema if not exists `{schema}`")
        self.session.sql(f"create table `{schema}`.`{name}` using parquet location '{file}'")

    def columns(self, relation: str) -> dict[str, str]:
        """The types of a relation's columns on DuckDB."""
        rows = self.query(f"describe select * from {relation}")
        return {name: kind for name, kind, *_ in rows}

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        return self.warehouse.execute(sql).fetchall()


def relation_of(node: Any) -> tuple[str, str]:
    return node.schema, node.identifier if node.resource_type == "source" else node.alias


@pytest.fixture(scope="module")
def engines(workshop: Workshop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engines]:
    folder = tmp_path_factory.mktemp("spark_models")
    settings = {
        "spark.driver.memory": "4g",
        "spark.driver.maxResultSize": "0",
        "spark.sql.catalogImplementation": "in-memory",
        "spark.sql.shuffle.partitions": "2",
        "spark.sql.warehouse.dir": str(folder / "warehouse"),
    }
    with local_session(settings) as session:
        if not (RAW / "orders.parquet").exists():
            pytest.skip("the demo's raw files are not prepared: make demo")
        raw = {path.stem: path for path in sorted(RAW.glob("*.parquet"))}
        built = workshop.build(
            workshop.folder("demo-of-both-engines"),
            raw,
            VARS,
            args=["--exclude-resource-type", "test"],
        ).passed()
        with duckdb.connect(built.folder / "warehouse" / "demo.duckdb", read_only=True) as file:
            yield both(file, session, workshop.builder.project, built.folder, folder)


def both(
    warehouse: duckdb.DuckDBPyConnection,
    session: SparkSession,
    project: Path,
    home: Path,
    folder: Path,
) -> Engines:
    """Compiles the project for Spark.

    home: where the demo was built; paths of raw files are relative to it.
    """
    from dbt.cli.main import dbtRunner

    warehouse.execute(f"set TimeZone = 'UTC'; set file_search_path = '{home}'").fetchall()
    for name, function in [
        ("fold_text", fold_text),
        ("hashed_text", hashed_text),
        ("hashed_reference", hashed_reference),
    ]:
        warehouse.create_function(f"segmentation_{name}", function, [str], str)
    place = ["--project-dir", str(project), "--profiles-dir", str(project), "--target", "spark"]
    place += ["--target-path", str(folder / "target"), "--log-path", str(folder / "logs")]
    select = ["--select", "resource_type:model", "--indirect-selection", "empty"]
    quiet = ["--log-level", "error", "--no-version-check", "--no-write-json"]
    variables = ["--vars", json.dumps(VARS)]
    manifest = dbtRunner().invoke([*quiet, "parse", *place, *variables]).result
    result = dbtRunner(manifest).invoke([*quiet, "compile", *place, *select, *variables])
    assert result.success, result.exception or [one.message for one in result.result.results]
    ran = [one.node for one in result.result.results if one.node.language == "sql"]
    nodes = {**manifest.nodes, **manifest.sources}
    sql = {node.name: node.compiled_code for node in ran}
    return Engines(warehouse, session, nodes, sql, folder)


@pytest.mark.parametrize("model", MODELS)
def test_a_model_gives_the_same_rows_on_spark(engines: Engines, model: str) -> None:
    if model not in engines.sql:
        pytest.skip("the demo's vars disable it")
    assert differences(engines, model) == []


def differences(engines: Engines, model: str) -> list[str]:
    """Runs a model on Spark; says in which columns how many rows differ from DuckDB's."""
    node = engines.nodes[f"model.customer_segmentation.{model}"]
    for unique_id in node.depends_on.nodes:
        engines.load(unique_id)
    found = engines.session.sql(engines.sql[model]).toArrow()
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
