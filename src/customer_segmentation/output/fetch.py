"""Copies what a build on Apache Spark published to the file that the commands read."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from customer_segmentation.output.publication import PublicationError, PublishedTable, publish
from customer_segmentation.sql import identifier

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_SCHEMA = "published"
_MUST_KEEP_ROWS = {"customers", "customer_segments", "segment_memberships"}


class FetchError(ValueError):
    """What Spark published can't be copied; the message says why."""


def fetch(manifest: Mapping[str, Any], path: Path) -> int:
    """Writes the tables of the schema ``published`` to a DuckDB file.

    They come as Arrow tables, one at a time, so the process of Spark's driver holds the largest.

    Args:
        manifest: That of the build on Spark: it has schemas, types and descriptions.
        path: The file to replace, by the same rules as when DuckDB publishes.

    Returns:
        The number of tables.

    Raises:
        FetchError: Spark isn't installed, the tables are not those of the manifest or are being
            replaced, or the file may not be.
    """
    session = _session()
    marts = {str(node["name"]): node for node in _published(manifest)}
    read_from = _places(session)
    if read_from.keys() != marts.keys() or len(set(read_from.values())) > 1:
        raise FetchError(
            f"The schema {_SCHEMA} of Spark holds {len(read_from)} marts that can be read, and the "
            f"last build has {len(marts)}. Expected the same, of one build: run dbt build with the "
            f"target spark and publish_targets: [spark] first."
        )
    with _folder(path) as folder, duckdb.connect(folder / "marts.duckdb") as connection:
        connection.execute("set TimeZone = 'UTC'")
        for name, node in marts.items():
            connection.register("fetched", session.table(f"{_SCHEMA}.{name}").toArrow())
            columns = ", ".join(_column(column) for column in node["columns"].values())
            connection.execute(f"create table {identifier(name)} as select {columns} from fetched")
            connection.unregister("fetched")
        if _places(session) != read_from:
            raise FetchError("A build published meanwhile. Run this command again.")
        tables = [_table(node) for node in marts.values()]
        try:
            refused = publish(connection, tables, path)
        except PublicationError as error:
            raise FetchError(str(error)) from error
    if refused:
        raise FetchError(refused)
    return len(tables)


@contextmanager
def _folder(path: Path) -> Iterator[Path]:
    """A folder beside a file that this user alone may read, without what a killed copy left."""
    folder = path.with_name(f".{path.name}.fetch")
    shutil.rmtree(folder, ignore_errors=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def _session() -> SparkSession:
    try:
        from pyspark.sql import SparkSession
    except ImportError:
        raise FetchError("Spark is not installed. Run `make install-spark`.") from None
    # That of dbt's builds, which finds the same catalog in the same folder.
    builder = SparkSession.builder.enableHiveSupport()
    return builder.config("spark.sql.session.timeZone", "UTC").getOrCreate()


def _published(manifest: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for node in manifest["nodes"].values():
        meta = node["config"].get("meta", {})
        if node["resource_type"] == "model" and meta.get("published_schema"):
            yield node


def _places(session: SparkSession) -> dict[str, str]:
    """From which copy of the marts each view reads; a publication turns them to another."""
    if not session.catalog.databaseExists(_SCHEMA):
        return {}
    found = {}
    for view in session.sql(f"show views in {_SCHEMA}").collect():
        if not view.isTemporary:
            ((text,),) = session.sql(f"show create table {_SCHEMA}.{view.viewName}").collect()
            read = re.search(rf"from ({_SCHEMA}_\d+)\.", text.lower())
            if read:
                found[view.viewName] = read[1]
    return found


def _column(column: Mapping[str, Any]) -> str:
    name = identifier(column["name"])
    return f"cast({name} as {column['data_type']}) as {name}"


def _table(node: Mapping[str, Any]) -> PublishedTable:
    meta = node["config"]["meta"]
    return PublishedTable(
        relation=identifier(node["name"]),
        schema=meta["published_schema"],
        name=node["name"],
        description=node["description"],
        columns={name: column["description"] for name, column in node["columns"].items()},
        must_keep_rows=node["name"] in _MUST_KEEP_ROWS,
        kind=meta.get("kind", "customers"),
    )
