"""What the states of live profiles and of deliveries share: both are an SQLite file."""

from __future__ import annotations

import logging
import sqlite3
from pathlib import Path

_OF_PLACES = ("CANTOPEN", "READONLY", "PERM", "FULL", "IOERR", "AUTH")
_LOG = logging.getLogger(__name__)


def unusable(file: Path, error: OSError | sqlite3.Error, expected: str, remedy: str) -> str:
    """Says in one line why a file can't be used and what to do.

    Args:
        file: The state.
        error: What it or its folder was answered with.
        expected: What the file should be, such as the state of deliveries.
        remedy: What to do about a file that is something else.
    """
    if reason := _reason_of_place(error):
        return (
            f"{file.as_posix()} can't be used: {reason}. Expected a folder and a file that this "
            f"user may write: run it as the user who did before, or change their owner."
        )
    return f"{file.as_posix()} is not {expected} ({error}). {remedy}"


def _reason_of_place(error: OSError | sqlite3.Error) -> str | None:
    """What the file system says, such as a read-only folder; None for an error of the content."""
    if isinstance(error, OSError):
        return error.strerror
    name = getattr(error, "sqlite_errorname", "").removeprefix("SQLITE_")
    return str(error) if name.startswith(_OF_PLACES) else None


def mark_for_rewrite(connection: sqlite3.Connection) -> None:
    """Asks for a rewrite, in the transaction that deletes the rows of erased customers."""
    connection.execute("create table if not exists rewrite_due (only integer)")


def rewrite_if_due(connection: sqlite3.Connection, file: Path) -> None:
    """Rewrites a file that was marked, by this process or by one that was killed.

    With `secure_delete` SQLite overwrites a row where it is deleted, but not the copies that stay
    in a page when rows move. If the file can't be rewritten, the mark stays.
    """
    marks = connection.execute("select 1 from sqlite_schema where name = 'rewrite_due'").fetchall()
    if not marks:
        return
    try:
        connection.execute("vacuum")
        ((is_read, *_),) = connection.execute("pragma wal_checkpoint(truncate)").fetchall()
        if is_read:
            raise sqlite3.OperationalError("another process is reading it")
        # Last: until then, the old pages may be in the file or in its log.
        connection.execute("drop table rewrite_due")
    except sqlite3.OperationalError as error:
        _LOG.warning(
            "%s still has bytes of customers who were erased: it can't be rewritten: %s. The next "
            "run tries again.",
            *(file.as_posix(), error),
        )
