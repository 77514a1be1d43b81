"""Why an SQLite file can't be used: by its place, or by what it holds."""

from __future__ import annotations

import sqlite3

_OF_PLACES = ("CANTOPEN", "READONLY", "PERM", "FULL", "IOERR", "AUTH")


def reason_of_place(error: OSError | sqlite3.Error) -> str | None:
    """What the file system says, such as a read-only folder; None for an error of the content."""
    if isinstance(error, OSError):
        return error.strerror
    name = getattr(error, "sqlite_errorname", "").removeprefix("SQLITE_")
    return str(error) if name.startswith(_OF_PLACES) else None
