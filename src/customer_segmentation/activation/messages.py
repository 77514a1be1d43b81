"""Reads from a published file what is to be delivered.

Who may be contacted was decided in SQL: by ``activation_outbox``, and by ``may_be_contacted`` of
customers.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import NamedTuple
from zoneinfo import ZoneInfo

import duckdb
import pyarrow as pa

from customer_segmentation.live.state import NO_CHANGES, LiveChanges

PAYLOAD_FIELDS = (
    *("change_id", "message", "customer_id", "segment_key", "segment_name", "changed_on"),
    *("recommended_action", "channel", "offer"),
)


class Message(NamedTuple):
    """A message as the outbox has it.

    Attributes:
        change_id: The idempotency key.
        customer_id: Whom it is about.
        segment_key: None if it is about all segments.
        message: entered, exited, suppressed or deleted.
        payload: A JSON object of ``PAYLOAD_FIELDS``.
        occurred_at: Local midnight of the day on which the change was first true, else of as_of.
    """

    change_id: str
    customer_id: str
    segment_key: str | None
    message: str
    payload: str
    occurred_at: str


# Members whom a destination may have, with the id and payload of the message about their entry.
# Without receipts these are the entries of the outbox; a test compares them.
_MEMBERS = """
    with entries as (
        select
            customer_id,
            segment_key,
            max_by(change_id, changed_on) as change_id,
            max(changed_on) as changed_on
        from segment_changes
        where change = 'entered' and segment_key in (select unnest(?))
        group by customer_id, segment_key
    )
    select
        entries.change_id,
        customer_id,
        segment_key,
        'entered' as message,
        cast(json_object(
            'change_id', entries.change_id,
            'message', 'entered',
            'customer_id', customer_id,
            'segment_key', segment_key,
            'segment_name', segments.name,
            'changed_on', cast(entries.changed_on as varchar),
            'recommended_action', segments.recommended_action,
            'channel', segments.channel,
            'offer', segments.offer
        ) as varchar) as payload,
        entries.changed_on
    from segment_memberships
    inner join customers using (customer_id)
    inner join segments using (segment_key)
    inner join entries using (customer_id, segment_key)
    where customers.may_be_contacted
    order by customer_id, segment_key
"""
_OUTBOX = """
    select change_id, customer_id, segment_key, message, payload, coalesce(changed_on, as_of)
    from activation_outbox
    order by
        customer_id,
        case message when 'deleted' then 0 when 'suppressed' then 1 when 'exited' then 2 else 3 end,
        segment_key,
        change_id
"""


class Published:
    """The parts of a published file that matter here, and what live profiles changed since."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, live: LiveChanges = NO_CHANGES
    ) -> None:
        self._connection, self._live = connection, live
        self.dataset, self.raw_data, timezone = self._rows(
            "select dataset, raw_data, timezone from monitoring.data_set"
        )[0]
        self._zone = ZoneInfo(timezone)

    def segments(self) -> list[str]:
        return [key for (key,) in self._rows("select segment_key from segments order by 1")]

    def segments_in_outbox(self) -> set[str]:
        rows = self._rows(
            "select distinct segment_key from activation_outbox where segment_key is not null"
        )
        return {key for (key,) in rows} | {entry.segment_key for entry in self._live.outbox}

    def outbox(self) -> Iterator[Message]:
        """All messages, of a customer the removals first and live changes last."""
        yield from self._messages(_OUTBOX, [])
        for entry in self._live.outbox:
            yield Message(*entry[:5], self._midnight(dt.date.fromisoformat(entry.changed_on)))

    def members(self, segments: Sequence[str]) -> Iterator[Message]:
        """An entry of each member of the segments who may be contacted, handed over or not."""
        return self._messages(_MEMBERS, [list(segments)])

    def erased(self) -> list[str]:
        """Customers of whom the outbox has a deletion."""
        rows = self._rows("select customer_id from activation_outbox where message = 'deleted'")
        return [customer for (customer,) in rows]

    def no_longer_members(self, pairs: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
        """Those customers with a segment who have left it or may not be contacted any more."""
        customers, segments = zip(*pairs, strict=True) if pairs else ((), ())
        text = pa.string()
        asked = pa.table(
            {"customer_id": pa.array(customers, text), "segment_key": pa.array(segments, text)}
        )
        self._connection.register("asked", asked)
        profiles = {
            "customer_id": pa.array([customer for customer, _ in self._live.profiles], text),
            "segment_key": pa.array([segment for _, segment in self._live.profiles], text),
        }
        self._connection.register("live", pa.table(profiles))
        found = self._connection.execute(
            """
            select distinct customer_id, segment_key
            from asked
            anti join (
                select customer_id, segment_key
                from (
                    select customer_id, segment_key
                    from segment_memberships
                    where customer_id not in (select live.customer_id from live)
                    union all
                    select * from live
                )
                inner join customers using (customer_id)
                where may_be_contacted
            ) as members using (customer_id, segment_key)
            """
        ).fetchall()
        self._connection.unregister("asked")
        self._connection.unregister("live")
        return found

    def _messages(self, sql: str, parameters: list[list[str]]) -> Iterator[Message]:
        cursor = self._connection.cursor().execute(sql, parameters)
        while rows := cursor.fetchmany(10_000):
            for change_id, customer_id, segment_key, message, payload, day in rows:
                midnight = self._midnight(day)
                yield Message(change_id, customer_id, segment_key, message, payload, midnight)

    def _midnight(self, day: dt.date) -> str:
        return dt.datetime(day.year, day.month, day.day, tzinfo=self._zone).isoformat()

    def _rows(self, sql: str) -> list[tuple[str, ...]]:
        return self._connection.execute(sql).fetchall()
