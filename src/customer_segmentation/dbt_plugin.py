"""The plugin that dbt-duckdb loads: functions that the project's macros call in SQL.

Listed in ``profiles.yml`` as ``plugins: [{module: customer_segmentation.dbt_plugin}]``.

Functions that can fail return JSON with a key ``result`` or ``error``. An exception inside a SQL
function would reach the user as a database error around a traceback; this way the macro can stop
the build with the message alone.
"""

from __future__ import annotations

import atexit
import dataclasses
import functools
import hashlib
import json
import os
import re
import shutil
import time
import weakref
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import duckdb
from dbt.adapters.duckdb.credentials import DuckDBCredentials
from dbt.adapters.duckdb.plugins import BasePlugin
from dbt.adapters.events.logging import AdapterLogger
from dbt_common.exceptions import DbtRuntimeError
from dbt_common.invocation import get_invocation_id

# A dbt package contains this file (module_paths in the profile), but not the libraries.
try:
    metadata.version("customer-segmentation")
except metadata.PackageNotFoundError:
    raise DbtRuntimeError(
        "The Python package customer-segmentation is not installed. Expected it beside dbt: "
        "pip install ./dbt_packages/customer_segmentation"
    ) from None

from customer_segmentation.audit import AuditError, audit_file, lines_of, record
from customer_segmentation.code_hash import code_hash, modules_of
from customer_segmentation.fits.embeddings import EmbeddingsError, model_key
from customer_segmentation.fits.predictions.trees import require_xgboost
from customer_segmentation.identity.identifiers import (
    fold_text,
    has_own_hash_key,
    hashed_reference,
    hashed_text,
)
from customer_segmentation.input.check import check_folder, check_warehouse
from customer_segmentation.input.contract import ContractTable
from customer_segmentation.input.raw_files import (
    RawFile,
    find_raw_files,
    relation_of,
)
from customer_segmentation.input.text_files import RawFileError
from customer_segmentation.input.tombstones import (
    REQUESTS,
    Erased,
    ReferenceKeys,
    TombstoneError,
    TombstoneFilter,
    add_erased,
    read_erased,
    tombstones_file,
)
from customer_segmentation.live.errors import LiveError
from customer_segmentation.live.state import NO_CHANGES, read_live, state_file
from customer_segmentation.output.kept import is_as_left, kept_checks, kept_nodes
from customer_segmentation.output.last_build import DATA_SET_NAME, LastBuild, record_build
from customer_segmentation.output.publication import (
    PublicationError,
    PublishedTable,
    data_set,
    holder_of,
    publish,
)
from customer_segmentation.output.summary import summary_of_build
from customer_segmentation.working_file import rewrite, rewrite_is_due

SECONDS_TO_WAIT_FOR_LOCK = 30
_WHERE_TO_WORK = (
    "Expected a folder and a file that this user may write to; the environment variable "
    "SEGMENTATION_HOME names another place."
)
# Until when a run of dbt waits: it opens the file several times, and the limit is for all of them.
_deadlines: dict[str, float] = {}
_LOGGER = AdapterLogger("customer_segmentation")
# What holds working files open after dbt's runs.
_holders: list[Callable[[], None]] = []


@atexit.register
def release() -> None:
    """Closes the working file: when the process ends, or before, where it goes on after dbt."""
    while _holders:
        _holders.pop()()


class Plugin(BasePlugin):  # type: ignore[misc]
    """Waits for the file lock, opens the warehouse and registers the project's functions."""

    def initialize(self, plugin_config: dict[str, Any]) -> None:
        self._cursors: weakref.WeakSet[duckdb.DuckDBPyConnection] = weakref.WeakSet()
        self._path: Path | None = None

    def update_connection_config(self, creds: DuckDBCredentials, config: dict[str, Any]) -> None:
        if creds.path == ":memory:":
            return
        path = Path(creds.path)
        if not DATA_SET_NAME.fullmatch(path.stem) or ".." in path.parts:
            raise DbtRuntimeError(
                f"Var dataset is '{path.stem}'. Expected only letters, digits, _ and -: it names "
                f"the working file."
            )
        _wait_until_usable(path, config)
        self._path, self._config = path, config

    def configure_connection(self, conn: duckdb.DuckDBPyConnection) -> None:
        # A connection with functions that is open at exit prints warnings about leaks.
        _holders.append(functools.partial(self._leave, conn))
        if not is_as_left():
            raise DbtRuntimeError(
                "Another process has written to the working file meanwhile, so it doesn't hold "
                "what the last build left. Run `make build`."
            )
        access = _FileAccess()

        def find(raw_dir: str, contract: str, roots: str) -> str:
            tables = [ContractTable.from_mapping(table) for table in json.loads(contract)]

            def found() -> list[dict[str, Any]]:
                access.only_at_the_start()
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
                access.only_at_the_start()
                if "raw_dir" in wanted:
                    roots = wanted.pop("raw_roots")
                    made = check_folder(**wanted, contract=contract, roots=roots)
                else:
                    made = check_warehouse(conn.cursor(), **wanted, contract=contract)
                return {"text": str(made), "changes": len(made.changes)}

            return _answer(report)

        # What a run reads first decides what it leaves out of the other raw tables.
        filters: list[TombstoneFilter] = []

        def load_tombstones(tombstones: str, counts: str) -> str:
            def opened() -> None:
                access.only_at_the_start()
                held = read_erased(tombstones_file(self._path)) if self._path else Erased()
                cursor = conn.cursor()
                for tombstone in held.tombstones:
                    cursor.execute(f"insert into {tombstones} values (?, ?, ?)", tombstone)
                filters[:] = [TombstoneFilter(cursor, held, counts)]

            return _answer(opened)

        def load_live_profiles(table: str) -> str:
            def loaded() -> None:
                access.only_at_the_start()
                try:
                    live = read_live(state_file(self._path)) if self._path else NO_CHANGES
                except (LiveError, OSError) as error:
                    # What is compared with it must not stop a build.
                    _LOGGER.warning(f"Live profiles are not compared: {error}")
                    return
                rows = [(*profile, live.as_of) for profile in live.profiles]
                if rows:
                    conn.cursor().executemany(f"insert into {table} values (?, ?, ?)", rows)

            return _answer(loaded)

        def keep(relation: str, keys: str, copy: str) -> str:
            def kept() -> str:
                access.only_at_the_start()
                return filters[0].keep(relation, ReferenceKeys.from_json(keys), copy)

            return _answer(kept)

        def load(file: str, table: str, rejected_lines: str, keys: str) -> str:
            def loaded() -> None:
                access.only_at_the_start()
                # Rejected lines are kept in tables of the connection.
                found = RawFile(**json.loads(file))
                filters[0].load(found, table, rejected_lines, ReferenceKeys.from_json(keys))

            return _answer(loaded)

        def add_tombstones(query: str) -> str:
            def recorded() -> int:
                access.only_as_declared(erased=query)
                # Another project may have switched off models that it reads.
                rows = conn.cursor().execute(query).fetchall() if query else []
                # A request that meets no one may be misspelt, and would keep out whoever gets that
                # reference later.
                erased = [row[1:4] for row in rows if row[0] != REQUESTS]
                requests = [row[1:3] for row in rows if row[0] == REQUESTS]
                if not (erased and self._path):
                    return 0
                return add_erased(tombstones_file(self._path), erased, requests, rows[0][4])

            return _answer(recorded)

        def read_data_set(path: str) -> str:
            def read() -> tuple[str, str, str] | None:
                access.only_at_the_start()
                return data_set(path)

            return _answer(read)

        def limit(request: str) -> str:
            return _answer(lambda: access.limit(**json.loads(request)))

        def replace_published_file(request: str) -> str:
            wanted = json.loads(request)
            tables = [PublishedTable.from_mapping(table) for table in wanted["tables"]]

            def published() -> str | None:
                access.only_as_declared(publish_path=wanted["path"], roles=wanted["roles"])
                reason = publish(
                    conn.cursor(),
                    tables,
                    wanted["path"],
                    allow_empty=wanted["allow_empty"],
                    roles=wanted["roles"],
                )
                if reason is None:
                    dataset, _, as_of = data_set(wanted["path"]) or ("", "", "")
                    files = {"file": wanted["path"], "roles": len(wanted["roles"])}
                    _record("publish", dataset=dataset, as_of=as_of, tables=len(tables), **files)
                return reason

            return _answer(published)

        def summarise(request: str) -> str:
            wanted = json.loads(request)
            width = shutil.get_terminal_size(fallback=(200, 24)).columns
            path = Path(wanted["path"])
            try:
                access.only_as_declared(
                    publish_path=wanted["path"],
                    target=wanted["target"],
                    vars=wanted["vars"],
                    target_name=wanted["target_name"],
                )
                checks = sorted([*wanted["checks"], *map(list, kept_checks(wanted["ran"]))])
                build = LastBuild(wanted["vars"], checks, wanted["target_name"])
                record_build(build, Path(wanted["target"]))
                page = summary_of_build(path, checks, conn.cursor(), width)
            except (OSError, duckdb.Error) as error:
                # The file is published; a page that can't be written must not fail the build.
                page = f"No summary: {error}"
            return json.dumps({"result": page})

        def note_build(request: str) -> str:
            wanted = json.loads(request)

            def noted() -> None:
                access.only_counts_of_this_run(wanted)
                _record("build", **wanted)

            return _answer(noted)

        def hash_of_project(folder: str) -> str:
            def made() -> str:
                access.only_as_declared(project=folder)
                return project_hash(folder)

            return _answer(made)

        def embedding_model(folder: str) -> str:
            def key() -> str:
                access.only_as_declared(model=folder)
                return model_key(folder)

            return _answer(key)

        text, flag = duckdb.sqltype("VARCHAR"), duckdb.sqltype("BOOLEAN")
        conn.create_function("segmentation_package_version", package_version, [], text)
        conn.create_function("segmentation_has_own_hash_key", has_own_hash_key, [], flag)
        conn.create_function(
            "segmentation_find_raw_files", find, [text, text, text], text, side_effects=True
        )
        conn.create_function("segmentation_check_input", check, [text], text, side_effects=True)
        conn.create_function(
            "segmentation_load_raw_file", load, [text, text, text, text], text, side_effects=True
        )
        conn.create_function(
            "segmentation_load_tombstones", load_tombstones, [text, text], text, side_effects=True
        )
        conn.create_function(
            "segmentation_load_live_profiles", load_live_profiles, [text], text, side_effects=True
        )
        conn.create_function(
            "segmentation_keep_out", keep, [text, text, text], text, side_effects=True
        )
        conn.create_function(
            "segmentation_record_tombstones", add_tombstones, [text], text, side_effects=True
        )
        conn.create_function("segmentation_code_hash", hash_of_project, [text], text)
        conn.create_function(
            "segmentation_require_xgboost", lambda: _answer(require_xgboost), [], text
        )
        conn.create_function("segmentation_hashed_reference", hashed_reference, [text], text)
        conn.create_function("segmentation_hashed_text", hashed_text, [text], text)
        conn.create_function(
            "segmentation_embedding_model", embedding_model, [text], text, side_effects=True
        )
        conn.create_function("segmentation_fold_text", fold_text, [text], text)
        conn.create_function(
            "segmentation_published_data_set", read_data_set, [text], text, side_effects=True
        )
        conn.create_function(
            "segmentation_limit_file_access", limit, [text], text, side_effects=True
        )
        conn.create_function(
            "segmentation_record_build", note_build, [text], text, side_effects=True
        )
        # Not folded: the answer is of the run.
        conn.create_function(
            "segmentation_kept_nodes", lambda: _answer(kept_nodes), [], text, side_effects=True
        )
        conn.create_function("segmentation_audit_log", audit_lines, [], text, side_effects=True)
        conn.create_function("segmentation_summary", summarise, [text], text, side_effects=True)
        # It reads the tables at each call, so it must be neither folded nor cached.
        conn.create_function(
            "segmentation_publish", replace_published_file, [text], text, side_effects=True
        )

    def configure_cursor(self, cursor: duckdb.DuckDBPyConnection) -> None:
        self._cursors.add(cursor)

    def _leave(self, conn: duckdb.DuckDBPyConnection) -> None:
        try:
            is_due = rewrite_is_due(conn) is not None
        except duckdb.Error:
            # dbt has closed it, or it can't be read any more. The next run looks again.
            is_due = False
        # The file is released with the last of them.
        for connection in (*self._cursors, conn):
            connection.close()
        if is_due and self._path:
            _rewrite(self._path, self._config)


class _FileAccess:
    """What the functions may do with files once SQL of vars can call them.

    DuckDB's own limits don't hold for Python code.
    """

    def __init__(self) -> None:
        # The run of dbt that is limited: one connection may serve several.
        self._limited_run = ""
        self._declared: dict[str, Any] = {}

    def limit(self, folders: list[str], publish_path: str | None, **declared: Any) -> list[str]:
        """Closes the functions for the rest of the run; returns the folders that DuckDB may use.

        declared: what else the functions may be called with from now on.
        """
        self.only_at_the_start()
        self._limited_run = get_invocation_id()
        self._declared = {"publish_path": publish_path, **declared}
        if publish_path is None:
            return folders
        # If the published file is a link, the one it leads to is written.
        places = [Path(publish_path).parent, Path(publish_path).resolve().parent]
        return [*folders, *dict.fromkeys(place.as_posix() for place in places)]

    def only_at_the_start(self) -> None:
        if self._limited_run == get_invocation_id():
            raise PermissionError(
                "SQL of a var or a model called a function that reads files. Expected calls by "
                "the macros of this project alone, at the start of a run."
            )

    def only_as_declared(self, **given: Any) -> None:
        if self._limited_run != get_invocation_id():
            return
        for name, value in given.items():
            if value != self._declared[name]:
                raise PermissionError(
                    f"SQL of a var or a model called a function with another {name} than this "
                    f"run began with. Expected calls by the macros of this project alone."
                )

    def only_counts_of_this_run(self, line: dict[str, Any]) -> None:
        """Refuses anything else for the audit log, which may hold no data of people."""
        counts = "nodes", "unsuccessful"
        if line.keys() != {"command", "dataset", "target", *counts} or any(
            type(line[name]) is not int for name in counts
        ):
            raise PermissionError(
                "SQL of a var or a model called a function that records runs. Expected calls by "
                "the macros of this project alone, with the counts of a run."
            )
        self.only_as_declared(
            command=line["command"], dataset=line["dataset"], target_name=line["target"]
        )


def project_hash(folder: str) -> str:
    """A hash of the code that shapes tables: the project's SQL, seeds and Python models.

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
        # Reading a pipe without a writer would never end.
        if path.suffix in {".sql", ".py", ".csv"} and path.is_file():
            digest.update(path.read_bytes())
    return digest.hexdigest()


def package_version() -> str:
    """The installed version of this package, which the macros compare with their own."""
    return metadata.version("customer-segmentation")


def _answer(work: Callable[[], Any]) -> str:
    try:
        return json.dumps({"result": work()})
    except (
        EmbeddingsError,
        LiveError,
        RawFileError,
        PublicationError,
        TombstoneError,
        ModuleNotFoundError,
        OSError,
        duckdb.Error,
    ) as error:
        return json.dumps({"error": str(error)})


def audit_lines() -> str:
    """The lines of the audit log, as a JSON array, without what stands for an erased person.

    The keyed hash of an e-mail address is the reference under which earlier files had the person.
    """
    lines = lines_of(audit_file())
    for line in lines:
        line["counts"].pop("reference", None)
    return json.dumps(lines)


def _record(action: str, **counts: int | str) -> None:
    try:
        record(action, **counts)
    except AuditError as error:
        # What is built and published is right all the same.
        _LOGGER.warning(str(error))


def _wait_until_usable(path: Path, config: dict[str, Any]) -> None:
    """Waits while another process has the file open; says in one line why it can't be used."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DbtRuntimeError(
            f"{path.parent.as_posix()} can't be made: {error.strerror}. {_WHERE_TO_WORK}"
        ) from None
    if not os.access(path.parent, os.W_OK):
        raise DbtRuntimeError(f"{path.parent.as_posix()} is read-only. {_WHERE_TO_WORK}")
    while True:
        try:
            with duckdb.connect(str(path), config=config) as connection:
                is_due = rewrite_is_due(connection) is not None
            if is_due:
                _rewrite(path, config)
            return
        except duckdb.Error as error:
            holder, reason = holder_of(error), str(error).splitlines()[0]
            if holder is None and re.search("Corrupt database file|not a valid DuckDB", reason):
                raise DbtRuntimeError(
                    f"{path.as_posix()} is damaged: it can't be opened as a DuckDB file. Delete it "
                    f"and build again: everything in it is computed from the raw data."
                ) from None
            if holder is None:
                raise DbtRuntimeError(
                    f"{path.as_posix()} can't be opened: {reason.rpartition('rror: ')[2]}. "
                    f"{_WHERE_TO_WORK}"
                ) from None
            invocation = get_invocation_id()
            if invocation not in _deadlines:
                _LOGGER.info(
                    f"{path.as_posix()} is in use by process {holder}. "
                    f"Waiting for up to {SECONDS_TO_WAIT_FOR_LOCK} s."
                )
                _deadlines[invocation] = time.monotonic() + SECONDS_TO_WAIT_FOR_LOCK
            if time.monotonic() >= _deadlines[invocation]:
                raise DbtRuntimeError(
                    f"{path.as_posix()} is in use by process {holder} and was not released "
                    f"within {SECONDS_TO_WAIT_FOR_LOCK} s. Wait for that build to end, or stop it."
                ) from None
            time.sleep(0.5)


def _rewrite(path: Path, config: dict[str, Any]) -> None:
    try:
        rewrite(path, config)
    except (OSError, PublicationError, duckdb.Error) as error:
        _LOGGER.warning(
            f"{path.as_posix()} still has bytes of people or rows that left the data: it "
            f"can't be written anew: {str(error).splitlines()[0]} The next run tries again."
        )
    else:
        _LOGGER.info(f"{path.as_posix()} is written anew, without what left the data.")
