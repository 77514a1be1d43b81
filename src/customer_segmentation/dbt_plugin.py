"""The part of the package that dbt-duckdb loads: functions that the project's macros call in SQL.

Listed in ``profiles.yml`` as ``plugins: [{module: customer_segmentation.dbt_plugin}]``.

The functions answer with JSON that has either the result or a key ``error``. An exception inside a
SQL function would reach the user as a database error around a traceback; this way the macro can
stop the build with the sentence alone.
"""

from __future__ import annotations

import atexit
import dataclasses
import gc
import hashlib
import hmac
import json
import os
import re
import time
import unicodedata
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import duckdb
from dbt.adapters.duckdb.credentials import DuckDBCredentials
from dbt.adapters.duckdb.plugins import BasePlugin
from dbt_common.exceptions import DbtRuntimeError

# A dbt package brings this file along (module_paths in the profile), but no libraries.
try:
    metadata.version("customer-segmentation")
except metadata.PackageNotFoundError:
    raise DbtRuntimeError(
        "The Python package customer-segmentation is not installed. Expected it beside dbt: "
        "pip install ./dbt_packages/customer_segmentation"
    ) from None

from customer_segmentation.contract import ContractTable
from customer_segmentation.identifiers import fold_text
from customer_segmentation.input_check import check_folder, check_warehouse
from customer_segmentation.publication import PublicationError, PublishedTable, publish
from customer_segmentation.raw_files import (
    RawFile,
    RawFileError,
    find_raw_files,
    load_csv,
)
from customer_segmentation.stored_fits import code_and_libraries

DEMO_HASH_KEY = "demo-key-set-SEGMENTATION_HASH_KEY-for-real-data"
SECONDS_TO_WAIT_FOR_LOCK = 30
_DATA_SET_NAME = re.compile(r"[A-Za-z0-9_-]+")


class Plugin(BasePlugin):  # type: ignore[misc]
    """Opens the working file politely and registers the project's functions."""

    def update_connection_config(self, creds: DuckDBCredentials, config: dict[str, Any]) -> None:
        # What dbt has parsed by now stays to the end. Looking through it for garbage as often as
        # Python does takes a tenth of a run of unit tests.
        gc.set_threshold(100_000, 50, 100)
        if creds.path == ":memory:":
            return
        path = Path(creds.path)
        if not _DATA_SET_NAME.fullmatch(path.stem) or ".." in path.parts:
            raise DbtRuntimeError(
                f"'{path.stem}' is no name for a data set. Expected letters, digits, _ and - only "
                f"in the var dataset: it names the working file."
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        _wait_for_lock(path, config)

    def configure_connection(self, conn: duckdb.DuckDBPyConnection) -> None:
        def find(raw_dir: str, contract: str) -> str:
            tables = [ContractTable.from_mapping(table) for table in json.loads(contract)]
            return _answer(
                lambda: [dataclasses.asdict(file) for file in find_raw_files(raw_dir, tables)]
            )

        def check(request: str) -> str:
            wanted = json.loads(request)
            contract = [ContractTable.from_mapping(table) for table in wanted.pop("contract")]

            def report() -> dict[str, Any]:
                if "raw_dir" in wanted:
                    made = check_folder(wanted["raw_dir"], contract)
                else:
                    made = check_warehouse(conn.cursor(), **wanted, contract=contract)
                return {"text": str(made), "changes": len(made.changes)}

            return _answer(report)

        def load(file: str, table: str, rejected_lines: str) -> str:
            found = RawFile(**json.loads(file))
            # Rejects are kept in tables of the connection, so each file gets one of its own.
            return _answer(lambda: load_csv(conn.cursor(), found, table, rejected_lines))

        def replace_published_file(request: str) -> str:
            wanted = json.loads(request)
            tables = [PublishedTable.from_mapping(table) for table in wanted["tables"]]
            return _answer(
                lambda: publish(
                    conn.cursor(), tables, wanted["path"], allow_empty=wanted["allow_empty"]
                )
            )

        # A connection with functions, left open at the end, fills the screen with "leaked".
        atexit.register(conn.close)
        text, flag = duckdb.sqltype("VARCHAR"), duckdb.sqltype("BOOLEAN")
        conn.create_function("segmentation_package_version", package_version, [], text)
        conn.create_function("segmentation_has_own_hash_key", has_own_hash_key, [], flag)
        conn.create_function("segmentation_find_raw_files", find, [text, text], text)
        conn.create_function("segmentation_check_input", check, [text], text, side_effects=True)
        conn.create_function(
            "segmentation_load_csv", load, [text, text, text], text, side_effects=True
        )
        conn.create_function("segmentation_code_hash", project_hash, [text], text)
        conn.create_function("segmentation_keyed_hash", keyed_hash, [text], text)
        conn.create_function("segmentation_fold_text", fold_text, [text], text)
        # It reads the tables again each time it is called, so it must not be folded or cached.
        conn.create_function(
            "segmentation_publish", replace_published_file, [text], text, side_effects=True
        )


def keyed_hash(value: str) -> str:
    """HMAC-SHA-256 of a text, keyed by SEGMENTATION_HASH_KEY, as 32 hexadecimal digits.

    Spellings of one address give one hash: the text is NFKC-normalised, case-folded and stripped
    first. The key stays in the environment: it is in no SQL text, manifest or log.
    """
    key = os.environ.get("SEGMENTATION_HASH_KEY") or DEMO_HASH_KEY
    text = unicodedata.normalize("NFKC", value).casefold().strip().removeprefix("mailto:")
    return hmac.new(key.encode(), text.encode(), hashlib.sha256).hexdigest()[:32]


def project_hash(folder: str) -> str:
    """JSON with a hash of the code that decides results: the project's SQL and seeds, this package.

    folder: the project's, as an absolute path.
    """
    digest = hashlib.sha256(code_and_libraries().encode())
    for part in ("macros", "models", "seeds"):
        for path in sorted(Path(folder, part).rglob("*")):
            if path.suffix in {".sql", ".py", ".csv"}:
                digest.update(path.read_bytes())
    return _answer(digest.hexdigest)


def package_version() -> str:
    """The installed version of this package, which the macros compare with their own."""
    return metadata.version("customer-segmentation")


def has_own_hash_key() -> bool:
    """Whether SEGMENTATION_HASH_KEY is set; else hashes use a key that everyone can read here."""
    return bool(os.environ.get("SEGMENTATION_HASH_KEY"))


def _answer(work: Callable[[], Any]) -> str:
    try:
        return json.dumps({"result": work()})
    except (RawFileError, PublicationError, OSError, duckdb.Error) as error:
        return json.dumps({"error": str(error)})


def _wait_for_lock(path: Path, config: dict[str, Any]) -> None:
    """Waits while another process has the file open, then says which one it is."""
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
                    f"it and build again: it holds nothing that the raw data doesn't give."
                ) from error
            if time.monotonic() > deadline:
                raise DbtRuntimeError(
                    f"{path.as_posix()} is in use by process {holder[1]}, still after "
                    f"{SECONDS_TO_WAIT_FOR_LOCK} s. Wait for that build to end, or stop it."
                ) from error
            time.sleep(0.5)
