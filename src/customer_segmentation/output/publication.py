"""Replaces the published file in one step: readers see one whole build, never half of two."""

from __future__ import annotations

import os
import re
import shutil
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from customer_segmentation.output.roles import (
    MODE_OF_FILE,
    NAME_OF_ROLE,
    remove,
    role_drafts,
    role_file,
)
from customer_segmentation.sql import identifier, literal

# Readable by DuckDB 1.2 and newer. The default of DuckDB 2.0 is not.
# A log of what is being written would have the mode of any new file.
OPTIONS = "storage_version 'v1.2.0', recovery_mode no_wal_writes"

# A macro of this name and text is in every published file. No other tool makes one by accident.
MARKER = ("published_by", "'customer_segmentation'")
# Published files before the marker have these tables in these schemas, and working files don't.
TABLES_BEFORE_THE_MARKER = {
    ("main", "customers"),
    ("main", "customer_segments"),
    ("main", "segment_kpis"),
    ("monitoring", "source_coverage"),
}


class PublicationError(ValueError):
    """The path may not be replaced, or can't be written."""


@dataclass(frozen=True)
class PublishedTable:
    """A mart and where it goes.

    Attributes:
        relation: Quoted name in the working file, or a query in brackets, ready for SQL.
        schema: Schema in the published file.
        name: Name in the published file.
        description: Becomes the table's comment.
        columns: Description of each column; becomes its comment.
        must_keep_rows: Whether an empty table may not replace one with rows.
        view: SQL of a view over published tables; if empty, rows are copied.
        kind: Which roles get it, in files of their own. A table of customers unless it says else.
    """

    relation: str
    schema: str
    name: str
    description: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)
    must_keep_rows: bool = False
    view: str = ""
    kind: str = "customers"

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any]) -> PublishedTable:
        return cls(**mapping)


def publish(
    connection: duckdb.DuckDBPyConnection,
    tables: Sequence[PublishedTable],
    path: str | Path,
    *,
    allow_empty: bool = False,
    roles: Mapping[str, Sequence[str]] | None = None,
) -> str | None:
    """Writes the marts to a new file and replaces the published one with it.

    Args:
        connection: A connection to the working database, used for nothing else meanwhile.
        tables: What to publish.
        path: The published file, or a link to it. A missing folder is created. A file that is
            replaced passes on its mode and owner.
        allow_empty: Publish even if a table that must keep rows is now empty.
        roles: Kinds of tables by role. The file of each role replaces the one before it after all
            of them are written, so a failure leaves every file as it was.

    Returns:
        None if the file was replaced, else the reason why not.

    Raises:
        PublicationError: The path is not that of a published file, or can't be written.
        duckdb.Error: A table could not be read. In both cases the old file is untouched.
    """
    try:
        return _publish(connection, tables, Path(path), allow_empty, roles or {})
    except (OSError, duckdb.IOException, duckdb.FatalException) as error:
        # DuckDB's error types and what they invalidated stand in front of the reason.
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise PublicationError(
            f"{Path(path).as_posix()} can't be published: {reason.rpartition('rror: ')[2]}. "
            f"Nothing was replaced. Expected a folder that this user may write to, with room for a "
            f"second file of its size."
        ) from error


def _publish(
    connection: duckdb.DuckDBPyConnection,
    tables: Sequence[PublishedTable],
    path: Path,
    allow_empty: bool,
    roles: Mapping[str, Sequence[str]],
) -> str | None:
    # Replacing a link would leave its target, which readers open, as it was.
    target = Path(os.path.realpath(path)) if path.is_symlink() else path
    draft = target.with_name(f".{target.name}.draft")
    _check_target(connection, "publish_path", path, target)
    _check_roles(connection, target, roles)
    unneeded = _unneeded(target, roles)
    target.parent.mkdir(parents=True, exist_ok=True)
    remove(draft)
    try:
        if target.exists():
            with _opened(target, draft) as old:
                _check_is_published(old, "publish_path", path)
                lost = [] if allow_empty else _tables_that_lost_all_rows(connection, tables, old)
            if lost:
                return (
                    f"{', '.join(lost)} would be empty, but {path.as_posix()} has rows there. "
                    f"If that is intended, run again with the var allow_empty_publish: true."
                )
        remove(draft)
        connection.execute(f"attach {literal(draft.as_posix())} as draft ({OPTIONS})")
        try:
            mode = (target if target.exists() else draft).stat().st_mode
            # Until it is whole, readable by its owner alone, whatever the mode of the old file.
            draft.chmod(0o600)
            name, text = MARKER
            connection.execute(f"create macro draft.main.{name}() as {text}")
            for table in tables:
                if not table.view:
                    _write(connection, table, f"table {{}} as select * from {table.relation}")
            # A view names its tables without the database: readers attach it by another name.
            with _used(connection, "draft"):
                for table in tables:
                    if table.view:
                        _write(connection, table, f"view {{}} as {table.view}")
            # Hundreds of transactions would take longer than writing the rows.
            with _one_transaction(connection):
                for table in tables:
                    _describe(connection, table)
            connection.execute("checkpoint draft")
        finally:
            connection.execute("detach draft")
        flush(draft)
        keep_owner(draft, target)
        draft.chmod(stat.S_IMODE(mode))
        kinds = {(table.schema, table.name): table.kind for table in tables}
        with role_drafts(draft, target, roles, kinds, OPTIONS, MARKER) as files:
            for written, path_of_role in files:
                flush(written)
                keep_owner(written, path_of_role)
                mode = path_of_role.stat().st_mode if path_of_role.exists() else MODE_OF_FILE
                written.chmod(stat.S_IMODE(mode))
            for written, path_of_role in files:
                os.replace(written, path_of_role)
            os.replace(draft, target)
        for file in unneeded:
            file.unlink(missing_ok=True)
    finally:
        remove(draft)
    return None


def data_set(path: str | Path) -> tuple[str, str, str] | None:
    """Name, raw data and as_of of a published file; None without a file, or if it doesn't say."""
    if not Path(path).exists():
        return None
    try:
        with duckdb.connect(str(path), read_only=True) as published:
            rows = published.execute(
                "select dataset, raw_data, cast(as_of as varchar) from monitoring.data_set"
            ).fetchall()
    except duckdb.Error:
        # In use, not a published file, or one of an earlier version.
        return None
    return rows[0] if rows else None


def _check_target(
    connection: duckdb.DuckDBPyConnection, name: str, path: Path, target: Path
) -> None:
    said = f"{name} is '{path.as_posix()}'"
    if target.suffix != ".duckdb":
        raise PublicationError(f"{said}. Expected a file that ends in .duckdb.")
    attached = connection.execute("select path from duckdb_databases() where path is not null")
    for (file,) in attached.fetchall():
        # A hard link is another path to the same file.
        if target.exists() and Path(file).exists() and target.samefile(file):
            raise PublicationError(f"{said}, the working file. Expected a file of its own.")
    if target.exists() and not target.is_file():
        raise PublicationError(f"{said}, which is no file. Expected a file.")
    # The first 8 bytes of a DuckDB file are a checksum; its magic bytes follow.
    if target.exists() and _magic_bytes(target) != b"DUCK":
        raise PublicationError(
            f"{said}, which exists and is not a DuckDB file. "
            f"Expected a file that an earlier build published, or a new path."
        )


def _check_is_published(file: duckdb.DuckDBPyConnection, name: str, path: Path) -> None:
    if not _is_published(file):
        raise PublicationError(
            f"{name} is '{path.as_posix()}', a DuckDB file that no build published. Expected a "
            f"published file, or a new path: move it away, or set the var publish_path to another "
            f"file."
        )


def _check_roles(
    connection: duckdb.DuckDBPyConnection, published: Path, roles: Mapping[str, Sequence[str]]
) -> None:
    """Before anything is replaced, so that either all files are or none."""
    for role in roles:
        if not NAME_OF_ROLE.fullmatch(role):
            raise PublicationError(
                f"Var roles has a role '{role}'. Expected lower-case letters, digits and _, "
                f"starting with a letter: it names a folder."
            )
        path, said = role_file(published, role), f"The file of role {role}"
        _check_target(connection, said, path, path)
        if path.exists():
            with _opened(path, path.with_name(f".{path.name}.draft")) as old:
                _check_is_published(old, said, path)


def _unneeded(published: Path, roles: Mapping[str, Sequence[str]]) -> list[Path]:
    """Files that builds left for roles that are no longer declared. They keep what was erased."""
    found = []
    for folder in sorted(role_file(published, "").parent.glob("*")):
        # A link may lead to what is someone else's.
        if folder.name in roles or folder.is_symlink():
            continue
        drafts = sorted(folder.glob(f".{published.name}.draft*"))
        whole = folder / published.name
        found += [
            file
            for file in (*drafts, whole)
            if file.is_file() and not file.is_symlink() and (file != whole or _was_published(file))
        ]
    return found


def _was_published(file: Path) -> bool:
    if _magic_bytes(file) != b"DUCK":
        return False
    try:
        with _opened(file, file.with_name(f".{file.name}.draft")) as connection:
            return _is_published(connection)
    except duckdb.Error:
        return False


@contextmanager
def _opened(target: Path, spare: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """The file to read; a copy of it where another process holds it open for writing."""
    try:
        connection = duckdb.connect(str(target), read_only=True)
    except duckdb.IOException as error:
        if holder_of(error) is None:
            raise
        remove(spare)
        spare.touch(mode=0o600)
        shutil.copyfile(target, spare)
        connection = duckdb.connect(str(spare), read_only=True)
    try:
        with connection:
            yield connection
    finally:
        if spare.is_file():
            remove(spare)


def holder_of(error: duckdb.Error) -> str | None:
    """The process that holds a file, as DuckDB names it; None if that isn't why it can't open."""
    found = re.search(r"PID (\d+)", str(error))
    return found[1] if found else None


def _is_published(file: duckdb.DuckDBPyConnection) -> bool:
    marks = file.execute("select function_name, macro_definition from duckdb_functions()")
    if MARKER in marks.fetchall():
        return True
    tables = file.execute("select table_schema, table_name from information_schema.tables")
    return set(tables.fetchall()) >= TABLES_BEFORE_THE_MARKER


def _magic_bytes(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(12)[8:]


def _write(connection: duckdb.DuckDBPyConnection, table: PublishedTable, definition: str) -> None:
    schema = f"draft.{identifier(table.schema)}"
    connection.execute(f"create schema if not exists {schema}")
    connection.execute(f"create {definition.format(f'{schema}.{identifier(table.name)}')}")


def _describe(connection: duckdb.DuckDBPyConnection, table: PublishedTable) -> None:
    target = f"draft.{identifier(table.schema, table.name)}"
    if table.description:
        kind = "view" if table.view else "table"
        connection.execute(f"comment on {kind} {target} is {literal(table.description)}")
    for column, description in table.columns.items():
        if description:
            connection.execute(
                f"comment on column {target}.{identifier(column)} is {literal(description)}"
            )


@contextmanager
def _one_transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    connection.begin()
    try:
        yield
    except BaseException:
        # Otherwise nothing after it would run, not even the detach of the draft.
        connection.rollback()
        raise
    connection.commit()


@contextmanager
def _used(connection: duckdb.DuckDBPyConnection, database: str) -> Iterator[None]:
    """Makes a database the default for names without one."""
    ((before,),) = connection.execute("select current_database()").fetchall()
    connection.execute(f"use {identifier(database)}")
    try:
        yield
    finally:
        connection.execute(f"use {identifier(before)}")


def _tables_that_lost_all_rows(
    connection: duckdb.DuckDBPyConnection,
    tables: Sequence[PublishedTable],
    published: duckdb.DuckDBPyConnection,
) -> list[str]:
    guarded = [
        table
        for table in tables
        if table.must_keep_rows
        and not connection.execute(f"select 1 from {table.relation} limit 1").fetchall()
    ]
    existing = published.execute("select table_schema, table_name from information_schema.tables")
    names = set(existing.fetchall())
    return [
        table.name
        for table in guarded
        if (table.schema, table.name) in names
        and published.execute(
            f"select 1 from {identifier(table.schema, table.name)} limit 1"
        ).fetchall()
    ]


def keep_owner(draft: Path, target: Path) -> None:
    if not target.exists():
        return
    old, new = target.stat(), draft.stat()
    if (old.st_uid, old.st_gid) == (new.st_uid, new.st_gid):
        return
    try:
        os.chown(draft, old.st_uid, old.st_gid)
    except PermissionError:
        raise PublicationError(
            f"{target.as_posix()} belongs to user {old.st_uid} and group {old.st_gid}, which this "
            f"user can't give to the file that replaces it. Run the build as its owner, or remove "
            f"the file."
        ) from None


def flush(path: Path) -> None:
    # Without it a power cut after the rename could leave an empty file.
    with path.open("rb+") as file:
        os.fsync(file.fileno())
