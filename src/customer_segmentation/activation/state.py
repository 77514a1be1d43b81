"""What each destination was sent and still waits for, in an SQLite file.

Every step is a transaction, so a deliverer that is killed leaves a state from which the next one
continues: at worst it repeats the request that was under way, with the same keys.
"""

from __future__ import annotations

import datetime as dt
import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from customer_segmentation.activation.destinations import Destination
from customer_segmentation.activation.messages import Message, Published
from customer_segmentation.sqlite_file import mark_for_rewrite, rewrite_if_due, unusable

# superseded: an entry that was not sent in time, of a customer who has left the segment since.
_TABLES = """
create table if not exists deliveries (
    position integer primary key,
    destination text not null,
    change_id text not null,
    customer_id text not null,
    segment_key text,
    message text not null,
    payload text,
    occurred_at text not null,
    status text not null check (status in ('waiting', 'delivered', 'set_aside', 'superseded')),
    failed_runs integer not null default 0,
    reason text,
    handed_over_at text,
    unique (destination, change_id)
);
create index if not exists deliveries_waiting on deliveries (destination, position)
where status = 'waiting';
create table if not exists synchronised (
    destination text not null,
    segment_key text not null,
    primary key (destination, segment_key)
);
"""


class StateError(ValueError):
    """The state can't be used; the message says what to do."""


def _unusable(path: Path, error: OSError | sqlite3.DatabaseError) -> str:
    return unusable(path, error, "the state of deliveries", "Restore it from a backup.")


class Waiting(NamedTuple):
    """A message that a destination waits for, and in how many runs it answered with an error."""

    position: int
    failed_runs: int
    message: Message


class State:
    """The state of all destinations of a data set.

    Used as a context it holds the file, so that no two deliverers send the same.
    """

    def __init__(self, path: Path) -> None:
        # The state and the list of what was set aside name customers and their segments.
        self._path = path
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._connection = sqlite3.connect(path, timeout=1, isolation_level=None)
        except (OSError, sqlite3.DatabaseError) as error:
            raise StateError(_unusable(path, error)) from error
        self._last = dt.datetime.min.replace(tzinfo=dt.UTC)

    def __enter__(self) -> State:
        try:
            # Held until the connection is closed, also by a kill.
            self._run("pragma locking_mode = exclusive")
            self._run("pragma journal_mode = wal")
            self._run("pragma synchronous = full")
            # Deleted rows are overwritten: customers who were deleted leave no byte.
            self._run("pragma secure_delete = on")
            self._run("begin exclusive")
            self._run("commit")
            self._connection.executescript(_TABLES)
            ((last,),) = self._run("select max(handed_over_at) from deliveries")
            if last is not None:
                self._last = dt.datetime.fromisoformat(last)
        except sqlite3.DatabaseError as error:
            self._connection.close()
            if "locked" in str(error):
                raise StateError(
                    f"{self._path} is in use: another delivery is running. Try again when it is "
                    f"done."
                ) from error
            raise StateError(_unusable(self._path, error)) from error
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def queue(self, published: Published, destinations: Sequence[Destination]) -> None:
        """Takes in what is new in the published file, and drops entries that no longer hold.

        A destination gets the messages of the outbox about its segments and those about all
        segments. The first time it gets a segment, it is sent all members of it as well, since
        others may have got them long ago.

        Of a customer who was erased, only the deletions are kept, at destinations that are no
        longer declared as well and whether or not a deletion is ever taken.
        """
        for destination in destinations:
            self._add(
                destination.name,
                (
                    message
                    for message in published.outbox()
                    if message.segment_key is None or message.segment_key in destination.segments
                ),
            )
            known = self._run(
                "select segment_key from synchronised where destination = ?", destination.name
            )
            if new := sorted({*destination.segments} - {key for (key,) in known}):
                self._add(destination.name, published.members(new))
                self._connection.executemany(
                    "insert into synchronised values (?, ?)",
                    [(destination.name, key) for key in new],
                )
        waiting = self._run(
            "select distinct customer_id, segment_key from deliveries "
            "where status = 'waiting' and message = 'entered'"
        ).fetchall()
        self._connection.executemany(
            "update deliveries set status = 'superseded', payload = null where status = 'waiting' "
            "and message = 'entered' and customer_id = ? and segment_key = ?",
            published.no_longer_members(waiting),
        )
        deleted = self._run(
            "delete from deliveries where message <> 'deleted' "
            "and customer_id in (select value from json_each(?))",
            json.dumps(published.erased()),
        )
        if deleted.rowcount:
            mark_for_rewrite(self._connection)

    def _add(self, destination: str, messages: Iterable[Message]) -> None:
        self._connection.executemany(
            "insert into deliveries (destination, change_id, customer_id, segment_key, message, "
            "payload, occurred_at, status) values (?, ?, ?, ?, ?, ?, ?, 'waiting') "
            "on conflict (destination, change_id) do update "
            "set status = 'waiting', payload = excluded.payload where status = 'superseded'",
            ((destination, *message) for message in messages),
        )

    def rewrite_if_due(self) -> None:
        rewrite_if_due(self._connection, self._path)

    def begin(self) -> None:
        self._run("begin")

    def commit(self) -> None:
        self._run("commit")

    def rollback(self) -> None:
        self._run("rollback")

    def retry_set_aside(self) -> None:
        self._run(
            "update deliveries set status = 'waiting', failed_runs = 0, reason = null "
            "where status = 'set_aside'"
        )

    def waiting(self, destination: str) -> Iterator[Waiting]:
        """The messages a destination waits for, oldest first, also while they are delivered."""
        position = 0
        while rows := self._run(
            "select position, failed_runs, "
            "change_id, customer_id, segment_key, message, payload, occurred_at "
            "from deliveries where destination = ? and status = 'waiting' and position > ? "
            "order by position limit 1000",
            *(destination, position),
        ).fetchall():
            for position, failed_runs, *message in rows:
                yield Waiting(position, failed_runs, Message(*message))

    def delivered(self, batch: Sequence[Waiting], now: dt.datetime) -> None:
        """Notes that a destination has the messages.

        The time never lies before that of an earlier message, even if the clock was set back: the
        build takes the latest receipt of a customer and segment for what the receiver has.
        """
        now = self._last = max(now, self._last + dt.timedelta(microseconds=1))
        self.begin()
        at = now.astimezone(dt.UTC).isoformat(sep=" ", timespec="microseconds")
        self._connection.executemany(
            "update deliveries set status = 'delivered', payload = null, reason = null, "
            "handed_over_at = ? where position = ?",
            [(at, row.position) for row in batch],
        )
        self.commit()

    def failed(self, batch: Sequence[Waiting], reason: str, runs: int | None) -> int:
        """Notes a failure. Returns how many messages are set aside.

        Args:
            batch: The messages.
            reason: What happened.
            runs: In how many runs a message fails before it is set aside; None: in any number.
        """
        positions = [row.position for row in batch]
        marks = ", ".join("?" * len(positions))
        self.begin()
        self._run(
            f"update deliveries set reason = ?, failed_runs = failed_runs + ? "
            f"where position in ({marks})",
            *(reason, int(runs is not None), *positions),
        )
        set_aside = self._run(
            f"update deliveries set status = 'set_aside' "
            f"where position in ({marks}) and failed_runs >= ?",
            *(*positions, 2**31 if runs is None else runs),
        ).rowcount
        self.commit()
        return set_aside

    def counts(self, destination: str) -> dict[tuple[str, str], int]:
        """How many messages there are by status and message."""
        return {
            (status, message): count
            for status, message, count in self._run(
                "select status, message, count(*) from deliveries where destination = ? "
                "group by status, message",
                destination,
            )
        }

    def set_aside(self) -> list[tuple[str, str, str, str, str]]:
        """Destination, change_id, message, segment_key and reason of what was set aside."""
        return self._run(
            "select destination, change_id, message, segment_key, reason from deliveries "
            "where status = 'set_aside' order by position"
        ).fetchall()

    def abandoned(self, destinations: Sequence[Destination]) -> dict[str, int]:
        """How many messages wait for destinations that are no longer declared."""
        rows = self._run(
            "select destination, count(*) from deliveries where status = 'waiting' "
            "group by destination order by destination"
        )
        declared = {one.name for one in destinations}
        return {name: count for name, count in rows.fetchall() if name not in declared}

    def undelivered(self) -> list[tuple[str, int, int]]:
        """Destinations with messages that wait or were set aside, and how many of each."""
        return self._run(
            "select destination, sum(status = 'waiting'), sum(status = 'set_aside') "
            "from deliveries where status in ('waiting', 'set_aside') "
            "group by destination order by destination"
        ).fetchall()

    def receipts(self) -> list[tuple[str, str]]:
        """Messages handed over, with the first time.

        One destination that has a message is enough, since from then on an exit has to follow;
        what others still wait for is kept here. A deletion is handed over when all have it.
        """
        return self._run(
            "select change_id, min(handed_over_at) from deliveries group by change_id "
            "having count(handed_over_at) > 0 "
            "and (max(message) <> 'deleted' or count(handed_over_at) = count(*)) "
            "order by 2, 1"
        ).fetchall()

    def _run(self, sql: str, *parameters: object) -> sqlite3.Cursor:
        return self._connection.execute(sql, parameters)
