"""What one build published, indexed so that each answer is one lookup.

The views of a published file compute reasons and spells when they are read, which is too slow for
single requests. Loading reads them once, into an SQLite database in the folder for temporary files.
It has no name once it is open, so it is gone when the process ends, and memory is only its cache.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import duckdb

from customer_segmentation.output.export import LEFT_OUT, MEMBERS
from customer_segmentation.serving.errors import NothingToServeError, ServeError

# DuckDB's share while loading; what is beyond it goes to the folder for temporary files.
_MEMORY = "1GB"
_ROWS_AT_A_TIME = 5_000
_NOTHING_TO_SERVE = 3  # exit code of the process that loads

# Rows of an answer, as JSON, by what they are looked up by. SQLite sorts them: in DuckDB a list per
# customer of all reasons would not fit into the memory.
_CUSTOMERS = """
    select
        customers.customer_id,
        customers.may_be_contacted,
        to_json({
            'customers': customers,
            'customer_features':
                case when customer_features.customer_id is not null then customer_features end,
            'customer_segments':
                case when customer_segments.customer_id is not null then customer_segments end
        })
    from customers
    left join customer_features using (customer_id)
    left join customer_segments using (customer_id)
"""
_MEMBERSHIPS = """
    select
        memberships.customer_id,
        memberships.segment_key,
        to_json({
            'segment_key': memberships.segment_key,
            'scheme': memberships.scheme,
            'since': spells.valid_from,
            'reason': memberships.reason
        })
    from segment_memberships as memberships
    left join segment_history as spells
        on
            memberships.customer_id = spells.customer_id
            and memberships.segment_key = spells.segment_key
            and spells.valid_to is null
"""
_PREDICTIONS = """
    select
        customer_id,
        target,
        to_json({
            'target': target,
            'model_id': model_id,
            'probability': probability,
            'decile': decile,
            'rank_percent': rank_percent,
            'is_likely': is_likely,
            'reasons': list_filter(
                [reason_1, reason_2, reason_3], lambda reason: reason is not null
            )
        })
    from customer_predictions
"""
_MEMBERS = f"""
    select segment_key, customer_id
    from ({MEMBERS.format(references="", join="")}) as members
    where may_be_contacted
"""
_SEGMENTS = f"""
    with counts as (
        select segment_key, count(distinct customer_id) as customers, {LEFT_OUT}
        from ({MEMBERS.format(references="", join="")}) as members
        group by segment_key
    )

    select
        segments.segment_key,
        to_json(segments),
        coalesce(counts.customers, 0),
        coalesce(counts.exported, 0),
        coalesce(counts.withdrawn, 0),
        coalesce(counts.unstated, 0),
        coalesce(counts.held_out, 0)
    from segments
    left join counts using (segment_key)
    order by segments.segment_key
"""
# Table, its columns, what fills it, and what it is looked up by.
_TABLES = (
    ("customers", ("customer_id", "may_be_contacted", "profile"), _CUSTOMERS, 1),
    ("memberships", ("customer_id", "segment_key", "membership"), _MEMBERSHIPS, 2),
    ("predictions", ("customer_id", "target", "prediction"), _PREDICTIONS, 2),
    ("members", ("segment_key", "customer_id"), _MEMBERS, 2),
    (
        "segments",
        ("segment_key", "row", "customers", "exported", "withdrawn", "unstated", "held_out"),
        _SEGMENTS,
        1,
    ),
    ("data_set", ("as_of",), "select cast(as_of as varchar) from monitoring.data_set", 1),
)


class Customer(NamedTuple):
    """A customer: may_be_contacted, and the profile as JSON."""

    may_be_contacted: bool
    profile: str


class Segment(NamedTuple):
    """A segment, as JSON, and its customers.

    Attributes:
        row: Its row of the mart ``segments``.
        customers: Its members.
        exported: Those of them who may be contacted, which an export would have.
        withdrawn: Those who withdrew their consent to activation.
        unstated: Those who never gave or refused it, where it takes a consent.
        held_out: Those in the global holdout.
    """

    row: str
    customers: int
    exported: int
    withdrawn: int
    unstated: int
    held_out: int


@dataclass(frozen=True)
class Run:
    """What one build published.

    Attributes:
        name: Made of the file's time and size: another for each build, the same for a copy.
        as_of: The date the data set is as of.
        size: How many customers it has.
        segments: Each segment by its key.
    """

    name: str
    as_of: str
    size: int
    segments: dict[str, Segment]
    _rows: sqlite3.Connection

    def customer(self, customer_id: str) -> Customer | None:
        found = self._rows.execute(
            "select may_be_contacted, profile from customers where customer_id = ?", [customer_id]
        ).fetchone()
        return Customer(bool(found[0]), found[1]) if found else None

    def memberships(self, customer_id: str) -> str:
        """The customer's segments, as a JSON list by segment_key."""
        return self._list(
            "select membership from memberships where customer_id = ? order by segment_key",
            customer_id,
        )

    def membership(self, customer_id: str, segment_key: str) -> dict[str, str] | None:
        """The customer's membership in a segment."""
        found = self._rows.execute(
            "select membership from memberships where customer_id = ? and segment_key = ?",
            [customer_id, segment_key],
        ).fetchone()
        membership: dict[str, str] | None = json.loads(found[0]) if found else None
        return membership

    def predictions(self, customer_id: str) -> str:
        """The customer's predictions, as a JSON list by target."""
        return self._list(
            "select prediction from predictions where customer_id = ? order by target", customer_id
        )

    def members(self, segment_key: str, after: str, limit: int) -> list[str]:
        """Members who may be contacted, by customer_id, from the first one after an id."""
        rows = self._rows.execute(
            "select customer_id from members where segment_key = ? and customer_id > ?"
            " order by customer_id limit ?",
            [segment_key, after, limit],
        )
        return [customer_id for (customer_id,) in rows]

    def _list(self, sql: str, customer_id: str) -> str:
        rows = self._rows.execute(sql, [customer_id]).fetchall()
        return f"[{','.join(row for (row,) in rows)}]"


def write_rows(published: Path, target: Path) -> None:
    """Writes what is looked up in a published file, or the file of a role, to an SQLite file.

    Raises:
        ServeError: There is no such file, or no customers are in it.
    """
    try:
        with (
            duckdb.connect(str(published), read_only=True) as connection,
            closing(sqlite3.connect(target, isolation_level=None)) as rows,
        ):
            connection.execute("set memory_limit = ?", [_MEMORY])
            connection.execute("set temp_directory = ?", [str(target.parent)])
            rows.execute("pragma journal_mode = off")
            rows.execute("pragma synchronous = off")
            for table, columns, sql, keys in _TABLES:
                rows.execute(f"create table {table} ({', '.join(columns)})")
                rows.execute("begin")
                marks = ", ".join("?" * len(columns))
                cursor = connection.execute(sql)
                while batch := cursor.fetchmany(_ROWS_AT_A_TIME):
                    rows.executemany(f"insert into {table} values ({marks})", batch)
                rows.execute(
                    f"create unique index by_key_{table} on {table} ({', '.join(columns[:keys])})"
                )
                rows.execute("commit")
    except (duckdb.CatalogException, duckdb.BinderException) as error:
        raise NothingToServeError(
            f"{published} has no customers to serve: it is of a role without the kind `customers`, "
            f"or of another version. Expected `customers` among the role's kinds, or a new build."
        ) from error
    except (OSError, duckdb.Error, sqlite3.Error) as error:
        if not published.exists():
            raise _missing(published) from error
        raise ServeError(
            f"{published} can't be loaded: {str(error).splitlines()[0]}. Expected a published "
            f"file, and some kilobytes per customer in {tempfile.gettempdir()}."
        ) from error


def _missing(published: Path) -> NothingToServeError:
    return NothingToServeError(f"{published} does not exist. Expected the file of a build.")


def write_rows_aside(published: Path, target: Path) -> None:
    """Does the same in a process that gives way to this one, which goes on answering.

    Raises:
        ServeError: As above.
    """
    ran = subprocess.run(
        [sys.executable, "-m", "customer_segmentation.serving.runs", published, target],
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode:
        kind = NothingToServeError if ran.returncode == _NOTHING_TO_SERVE else ServeError
        raise kind(ran.stderr.strip())


def load(published: Path, write: Callable[[Path, Path], None] = write_rows) -> Run:
    """The run in a published file, or in the file of a role.

    Raises:
        ServeError: There is no such file, or no customers are in it.
    """
    try:
        # Before the rows: if a build publishes while they are read, the name must not be that of
        # the new file, whose own rows are loaded next.
        facts = published.stat()
    except FileNotFoundError as error:
        raise _missing(published) from error
    except OSError as error:
        raise ServeError(
            f"{published} can't be read: {error.strerror}. Expected a file that this user may read."
        ) from error
    # Only this user may open the folder. It is removed at the end; SQLite keeps the file open.
    with tempfile.TemporaryDirectory(prefix="segmentation-") as folder:
        file = Path(folder) / "rows.sqlite"
        write(published, file)
        rows = sqlite3.connect(f"file:{file}?immutable=1", uri=True, check_same_thread=False)
        segments = {
            key: Segment(*rest) for key, *rest in rows.execute("select * from segments order by 1")
        }
        ((as_of, size),) = rows.execute(
            "select as_of, (select count(*) from customers) from data_set"
        ).fetchall()
    state = f"{facts.st_mtime_ns} {facts.st_size}"
    name = f"{as_of}-{hashlib.sha256(state.encode()).hexdigest()[:12]}"
    return Run(name, as_of, size, segments, rows)


def as_json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


if __name__ == "__main__":
    os.nice(10)
    try:
        write_rows(*map(Path, sys.argv[1:]))
    except ServeError as error:
        print(error, file=sys.stderr)
        raise SystemExit(
            _NOTHING_TO_SERVE if isinstance(error, NothingToServeError) else 1
        ) from None
