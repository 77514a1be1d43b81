"""The plugin that dbt-duckdb loads: functions that the project's macros call in SQL.

Listed in ``profiles.yml`` as ``plugins: [{module: customer_segmentation.dbt_plugin}]``.

Functions that can fail return JSON with a key ``result`` or ``error``. An exception inside a SQL
function would reach the user as a database error around a traceback; this way the macro can stop
the build with the message alone.
"""

from __future__ import annotations

import atexit
import dataclasses
import hashlib
import json
import re
import shutil
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import duckdb
from dbt.adapters.duckdb.credentials import DuckDBCredentials
from dbt.adapters.duckdb.plugins import BasePlugin
from dbt_common.exceptions import DbtRuntimeError

# A dbt package contains this file (module_paths in the profile), but not the libraries.
try:
    metadata.version("customer-segmentation")
except metadata.PackageNotFoundError:
    raise DbtRuntimeError(
        "The Python package customer-segmentation is not installed. Expected it beside dbt: "
        "pip install ./dbt_packages/customer_segmentation"
    ) from None

from customer_segmentation.code_hash import code_hash, modules_of
from customer_segmentation.identity.identifiers import (
    fold_text,
    has_own_hash_key,
    hashed_reference,
)
from customer_segmentation.input.check import check_folder, check_warehouse
from customer_segmentation.input.contract import ContractTable
from customer_segmentation.input.raw_files import (
    RawFile,
    find_raw_files,
    load_raw_file,
    relation_of,
)
from customer_segmentation.input.text_files import RawFileError
from customer_segmentation.output.publication import (
    PublicationError,
    PublishedTable,
    data_set,
    publish,
)
from customer_segmentation.output.summary import summary_of_build

SECONDS_TO_WAIT_FOR_LOCK = 30
_DATA_SET_NAME = re.compile(r"[A-Za-z0-9_-]+")


class Plugin(BasePlugin):  # type: ignore[misc]
    """Waits for the file lock, opens the warehouse and registers the project's functions."""

    def update_connection_config(self, creds: DuckDBCredentials, config: dict[str, Any]) -> None:
        if creds.path == ":memory:":
            return
        path = Path(creds.path)
        if not _DATA_SET_NAME.fullmatch(path.stem) or ".." in path.parts:
            raise DbtRuntimeError(
                f"Var dataset is '{path.stem}'. Expected only letters, digits, _ and -: it names "
                f"the working file."
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        _wait_for_lock(path, config)

    def configure_connection(self, conn: duckdb.DuckDBPyConnection) -> None:
        def find(raw_dir: str, contract: str, roots: str) -> str:
            tables = [ContractTable.from_mapping(table) for table in json.loads(contract)]

            def found() -> list[dict[str, Any]]:
                return [
                    dataclasses.asdict(file)
                    | ({"relation": relation_of(file)} if file.format == "parquet" else {})
                    for file in find_raw_files(raw_dir, tables, json.loads(roots))
                ]

            return _answer(found)

        def check(request: str) -> str:
            wanted = json.loads(request)
            contract = [ContractTable.from_mapping(table) for table in wanted.pop("contract")]

            def report() -> dict[str, Any]:
                if "raw_dir" in wanted:
                    roots = wanted.pop("raw_roots")
                    made = check_folder(**wanted, contract=contract, roots=roots)
                else:
                    made = check_warehouse(conn.cursor(), **wanted, contract=contract)
                return {"text": str(made), "changes": len(made.changes)}

            return _answer(report)

        def load(file: str, table: str, rejected_lines: str) -> str:
            found = RawFile(**json.loads(file))
            # Rejected lines are kept in tables of the connection, so each table gets its own.
            return _answer(lambda: load_raw_file(conn.cursor(), found, table, rejected_lines))

        def replace_published_file(request: str) -> str:
            wanted = json.loads(request)
            tables = [PublishedTable.from_mapping(table) for table in wanted["tables"]]
            return _answer(
                lambda: publish(
                    conn.cursor(),
                    tables,
                    wanted["path"],
                    allow_empty=wanted["allow_empty"],
                    roles=wanted["roles"],
                )
            )

        def summarise(request: str) -> str:
            wanted = json.loads(request)
            width = shutil.get_terminal_size(fallback=(200, 24)).columns
            path = Path(wanted["path"])
            try:
                page = summary_of_build(path, wanted["checks"], conn.cursor(), width)
            except duckdb.Error as error:
                # The file is published; a page that can't be written must not fail the build.
                page = f"No summary: {error}"
            return json.dumps({"result": page})

        # A connection with functions that is open at exit prints warnings about leaks.
        atexit.register(conn.close)
        text, flag = duckdb.sqltype("VARCHAR"), duckdb.sqltype("BOOLEAN")
        conn.create_function("segmentation_package_version", package_version, [], text)
        conn.create_function("segmentation_has_own_hash_key", has_own_hash_key, [], flag)
        conn.create_function("segmentation_find_raw_files", find, [text, text, text], text)
        conn.create_function("segmentation_check_input", check, [text], text, side_effects=True)
        conn.create_function(
            "segmentation_load_raw_file", load, [text, text, text], text, side_effects=True
        )
        conn.create_function("segmentation_code_hash", project_hash, [text], text)
        conn.create_function("segmentation_hashed_reference", hashed_reference, [text], text)
        conn.create_function("segmentation_fold_text", fold_text, [text], text)
        conn.create_function(
            "segmentation_published_data_set",
            lambda path: _answer(lambda: data_set(path)),
            [text],
            text,
            side_effects=True,
        )
        conn.create_function("segmentation_summary", summarise, [text], text, side_effects=True)
        # It reads the tables at each call, so it must be neither folded nor cached.
        conn.create_function(
            "segmentation_publish", replace_published_file, [text], text, side_effects=True
        )


def project_hash(folder: str) -> str:
    """JSON with a hash of the code that shapes tables: the project's SQL, seeds and Python models.

    Of this package it covers fits, identity, the loading of raw files, and this module. The check
    of raw data, the command line and all output are left out: they don't change history.

    folder: the project's, as an absolute path.
    """
    digest = hashlib.sha256(
        code_hash("input.raw_files", "input.text_files", *modules_of("fits", "identity")).encode()
    )
    files = [Path(__file__)]
    for part in ("macros", "models", "seeds"):
        files += sorted(Path(folder, part).rglob("*"))
    for path in files:
        if path.suffix in {".sql", ".py", ".csv"}:
            digest.update(path.read_bytes())
    return _answer(digest.hexdigest)


def package_version() -> str:
    """The installed version of this package, which the macros compare with their own."""
    return metadata.version("customer-segmentation")


def _answer(work: Callable[[], Any]) -> str:
    try:
        return json.dumps({"result": work()})
    except (RawFileError, PublicationError, OSError, duckdb.Error) as error:
        return json.dumps({"error": str(error)})


def _wait_for_lock(path: Path, config: dict[str, Any]) -> None:
    """Waits while another process has the file open; names the process if it takes too long."""
    if not path.exists():
        return
    deadline = time.monotonic() + SECONDS_TO_WAIT_FOR_LOCK
    while True:
        try:
            duckdb.connect(str(path), config=config).close()
            return
        except duckdb.IOException as error:
            holder = re.search(r"PID (\d+)", str(error))
            if holder is None:
                raise DbtRuntimeError(
                    f"{path.as_posix()} can't be opened as a DuckDB file. If it is damaged, delete "
                    f"it and build again: everything in it is computed from the raw data."
                ) from error
            if time.monotonic() > deadline:
                raise DbtRuntimeError(
                    f"{path.as_posix()} is in use by process {holder[1]} and was not released "
                    f"within {SECONDS_TO_WAIT_FOR_LOCK} s. Wait for that build to end, or stop it."
                ) from error
            time.sleep(0.5)
