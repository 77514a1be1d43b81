"""What came in since the last build and what became of it, in an SQLite file.

A batch is one transaction, and a message counts once: a process that is killed continues from the
last batch that was committed, whichever messages the broker delivers again.
"""

from __future__ import annotations

import fcntl
import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from customer_segmentation.live.errors import LiveError
from customer_segmentation.live.messages import Record
from customer_segmentation.sqlite_file import mark_for_rewrite, rewrite_if_due, unusable

# messages: without a record if it can't count.
# sent: the last messages of the live profiles of earlier builds.
_TABLES = """
create table if not exists build (
    only integer primary key check (only = 1),
    run text not null,
    as_of text not null
);
create table if not exists messages (
    message_id text primary key,
    table_name text,
    record text,
    reason text
) without rowid;
create table if not exists customers (customer_id text primary key) without rowid;
create table if not exists memberships (
    customer_id text not null,
    segment_key text not null,
    primary key (customer_id, segment_key)
) without rowid;
create table if not exists sent (
    customer_id text not null,
    segment_key text not null,
    message text not null check (message in ('entered', 'exited')),
    primary key (customer_id, segment_key)
) without rowid;
create table if not exists outbox (
    position integer primary key,
    change_id text not null unique,
    customer_id text not null,
    segment_key text not null,
    message text not null check (message in ('entered', 'exited')),
    payload text not null,
    changed_on text not null
);
"""


_OUTBOX = """
select change_id, customer_id, segment_key, message, payload, changed_on
from outbox
order by position
"""


class Entry(NamedTuple):
    """A message for the systems that use the segments, as the mart activation_outbox has it."""

    change_id: str
    customer_id: str
    segment_key: str
    message: str
    payload: str
    changed_on: str


class NewBuild(NamedTuple):
    """A build that a state starts from.

    Attributes:
        run: When it was published, see run_of.
        as_of: Exclusive date up to which rows count.
        oldest: Id of the first message that may not be in it.
    """

    run: str
    as_of: str
    oldest: str


class State:
    """The state of a data set. Used as a context it holds the file: one process at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.parent.chmod(0o700)
            self._lock = path.with_suffix(".lock").open("w")
            self._connection = sqlite3.connect(path, timeout=1, isolation_level=None)
        except (OSError, sqlite3.DatabaseError) as error:
            raise LiveError(_unusable(path, error)) from error

    def __enter__(self) -> State:
        try:
            # SQLite's own exclusive mode would keep out readers: the build and the deliverer.
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise LiveError(
                f"Another process follows this data set: it holds {self._lock.name}. End it first."
            ) from error
        try:
            self._run("pragma journal_mode = wal")
            self._run("pragma synchronous = full")
            self._run("pragma secure_delete = on")
            self._connection.executescript(_TABLES)
        except sqlite3.DatabaseError as error:
            self._connection.close()
            raise LiveError(_unusable(self._path, error)) from error
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()
        self._lock.close()

    def begin(self) -> None:
        self._run("begin immediate")

    def commit(self) -> None:
        self._run("commit")

    def rewrite_if_due(self) -> None:
        rewrite_if_due(self._connection, self._path)

    def rollback(self) -> None:
        if self._connection.in_transaction:
            self._run("rollback")

    def build(self) -> tuple[str, str] | None:
        """The run and as_of that the state continues."""
        found: tuple[str, str] | None = self._run("select run, as_of from build").fetchone()
        return found

    def start_from(self, run: str, as_of: str, oldest: str) -> None:
        """Begins again from a build: what came before `oldest`, a message id, is in it."""
        # Customers whom this build no longer has.
        mark_for_rewrite(self._connection)
        self._run("delete from build")
        self._run("insert into build values (1, ?, ?)", run, as_of)
        for entry in self.outbox():
            self._run("insert or replace into sent values (?, ?, ?)", *entry[1:4])
        for table in ("customers", "memberships", "outbox"):
            self._run(f"delete from {table}")
        old = [
            (message_id,)
            for (message_id,) in self._run("select message_id from messages")
            if order_of(message_id) < order_of(oldest)
        ]
        self._connection.executemany("delete from messages where message_id = ?", old)

    def sent(self) -> dict[str, dict[str, str]]:
        """By customer and segment, the last message of the live profiles of earlier builds."""
        found: dict[str, dict[str, str]] = {}
        for customer, segment, message in self._run("select * from sent"):
            found.setdefault(customer, {})[segment] = message
        return found

    def forget_sent(self) -> None:
        """Once the profiles of this build are computed, its outbox has what has to be undone."""
        self._run("delete from sent")

    def unknown_of(self, message_ids: Sequence[str]) -> set[str]:
        """Those that have not been taken in."""
        found = self._run(
            "select value from json_each(?) where value not in (select message_id from messages)",
            json.dumps(list(message_ids)),
        )
        return {message_id for (message_id,) in found}

    def note(self, messages: Iterable[tuple[str, Record | None, str | None]]) -> None:
        """Keeps messages: id, record and, where it changes nothing, the reason."""
        self._connection.executemany(
            "insert into messages values (?, ?, ?, ?)",
            (
                (i, record and record.table, record and json.dumps(record.values), reason)
                for i, record, reason in messages
            ),
        )

    def judge(self, reasons: Iterable[tuple[str, str | None, bool]]) -> None:
        """Changes the reasons of kept messages: id, reason and whether the record may stay."""
        self._connection.executemany(
            "update messages set reason = ?2, record = iif(?3, record, null) where message_id = ?1",
            reasons,
        )

    def records(self) -> Iterator[tuple[str, Record]]:
        for message_id, table, record in self._run(
            "select message_id, table_name, record from messages where record is not null"
        ):
            yield message_id, Record(table, json.loads(record))

    def customers(self) -> list[str]:
        """Those who have a live profile."""
        return [customer for (customer,) in self._run("select customer_id from customers")]

    def memberships(self, customers: Sequence[str]) -> dict[str, set[str]]:
        """The segments of those customers who have a live profile."""
        asked = json.dumps(list(customers))
        found: dict[str, set[str]] = {
            customer: set()
            for (customer,) in self._run(
                "select customer_id from customers where customer_id in "
                "(select value from json_each(?))",
                asked,
            )
        }
        for customer, segment in self._run(
            "select customer_id, segment_key from memberships where customer_id in "
            "(select value from json_each(?))",
            asked,
        ):
            found[customer].add(segment)
        return found

    def set_memberships(self, memberships: dict[str, set[str]]) -> None:
        customers = [(customer,) for customer in memberships]
        self._connection.executemany("insert or ignore into customers values (?)", customers)
        self._connection.executemany("delete from memberships where customer_id = ?", customers)
        self._connection.executemany(
            "insert into memberships values (?, ?)",
            ((customer, s) for customer, segments in memberships.items() for s in sorted(segments)),
        )

    def send(self, entries: Iterable[Entry]) -> None:
        """Adds messages to the outbox.

        Who enters, leaves and enters a segment again before the next build would need the same
        change_id twice, which receivers ignore. The next build puts that right.
        """
        self._connection.executemany(
            "insert or ignore into outbox (change_id, customer_id, segment_key, message, payload, "
            "changed_on) values (?, ?, ?, ?, ?, ?)",
            entries,
        )

    def outbox(self) -> list[Entry]:
        """All messages, in the order in which they came about."""
        return [Entry(*row) for row in self._run(_OUTBOX)]

    def all_memberships(self) -> list[tuple[str, str]]:
        return self._run(
            "select customer_id, segment_key from memberships order by 1, 2"
        ).fetchall()

    def reasons(self) -> dict[str, int]:
        """How many messages change nothing, by reason."""
        return dict(
            self._run(
                "select reason, count(*) from messages where reason is not null group by reason "
                "order by reason"
            ).fetchall()
        )

    def messages(self) -> int:
        ((count,),) = self._run("select count(*) from messages").fetchall()
        return int(count)

    def _run(self, sql: str, *parameters: object) -> sqlite3.Cursor:
        return self._connection.execute(sql, parameters)


def order_of(message_id: str) -> tuple[int, ...]:
    """The place of a message in its stream: milliseconds of its arrival and a number."""
    return tuple(int(part) for part in message_id.split("-"))


def state_file(working_file: Path) -> Path:
    """The state of a data set, in the folder `live` beside that of its working file."""
    return working_file.parent.parent / "live" / f"{working_file.stem}.sqlite"


class LiveChanges(NamedTuple):
    """What live profiles came to since a build.

    Attributes:
        as_of: Exclusive date up to which rows count.
        profiles: Customers with their segments; without a segment: a customer in none.
        outbox: Messages in the order in which they came about.
    """

    as_of: str | None
    profiles: list[tuple[str, str | None]]
    outbox: list[Entry]


NO_CHANGES = LiveChanges(None, [], [])


def read_live(file: Path, run: str | None = None) -> LiveChanges:
    """What a state holds, also while `make live` runs.

    Args:
        file: The state; if there is none, nothing changed.
        run: The run that the changes have to continue; those of another are out of date. None: any.
    """
    try:
        if not file.exists():
            return NO_CHANGES
        with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as state:
            # One transaction, so that both belong together.
            state.execute("begin")
            build = state.execute("select run, as_of from build").fetchone()
            if build is None or run not in (None, build[0]):
                return NO_CHANGES
            profiles = state.execute(
                "select customer_id, segment_key from customers "
                "left join memberships using (customer_id) order by 1, 2"
            ).fetchall()
            outbox = [Entry(*row) for row in state.execute(_OUTBOX)]
            return LiveChanges(build[1], profiles, outbox)
    except (OSError, sqlite3.DatabaseError) as error:
        raise LiveError(_unusable(file, error)) from error


def _unusable(file: Path, error: OSError | sqlite3.DatabaseError) -> str:
    remedy = "Move it away: the stream is read again from its start."
    return unusable(file, error, "the state of live profiles", remedy)


def run_of(published: Path) -> str:
    """Names the build of a published file: by when it was published."""
    return str(published.stat().st_mtime_ns)
