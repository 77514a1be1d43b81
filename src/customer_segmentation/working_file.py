"""Writes the working file anew: rows that were deleted stay in the blocks of a DuckDB file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import duckdb

from customer_segmentation.output.publication import flush, keep_owner
from customer_segmentation.output.roles import remove
from customer_segmentation.sql import identifier, literal


def rewrite_is_due(connection: duckdb.DuckDBPyConnection) -> str | None:
    """The quoted table by which the last build asked for it, or None."""
    found = connection.execute(
        "select table_schema from information_schema.tables where table_name = 'rewrite_due'"
    ).fetchall()
    return identifier(found[0][0], "rewrite_due") if found else None


def rewrite(path: Path, config: dict[str, Any]) -> None:
    """Copies what the file holds to a new file and replaces it, if the last build asked for it.

    Args:
        path: The working file, which no connection of this process may hold.
        config: Options of the connection.

    Raises:
        duckdb.Error, OSError: It can't be opened or written. The file is as it was, and still due.
    """
    path = path.resolve()
    draft = path.with_name(f".{path.name}.draft")
    try:
        # Open until it is replaced, so that no other process writes to the old file meanwhile.
        with duckdb.connect(str(path), config=config) as connection:
            mark = rewrite_is_due(connection)
            if mark is None:
                return
            remove(draft)
            connection.execute(
                f"attach {literal(draft.as_posix())} as draft (recovery_mode no_wal_writes)"
            )
            draft.chmod(0o600)
            ((name,),) = connection.execute("select current_database()").fetchall()
            connection.execute(f"copy from database {identifier(name)} to draft")
            connection.execute(f"drop table draft.{mark}")
            connection.execute("checkpoint draft")
            connection.execute("detach draft")
            flush(draft)
            keep_owner(draft, path)
            draft.chmod(path.stat().st_mode & 0o777)
            os.replace(draft, path)
    finally:
        remove(draft)
