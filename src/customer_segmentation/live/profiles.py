"""Live profiles: messages in, changed memberships out."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from customer_segmentation.input.contract import ContractTable
from customer_segmentation.live.messages import MessageError, Record, record_of
from customer_segmentation.live.models import TABLES, Models, Row
from customer_segmentation.live.state import Entry, NewBuild, State

# Customers computed at a time: a run of the models costs about as much for one as for a thousand.
_CUSTOMERS_AT_A_TIME = 2_000
# Reasons for which a message may count after another build; of others the record is not kept.
_WAITING = (None, "unknown_reference")


class Batch(NamedTuple):
    """What became of some messages.

    Attributes:
        messages: How many were new.
        changes: How many memberships changed.
    """

    messages: int
    changes: int


class Profiles:
    """The live profiles of a data set.

    Args:
        state: What came in so far.
        models: The models of the build that the state continues.
        contract: The tables of the input contract.
    """

    def __init__(self, state: State, models: Models, contract: Sequence[ContractTable]) -> None:
        self._state, self._models = state, models
        self._contract = {table.name: table for table in contract}
        self._segments = models.segments()
        self._behind: list[int] = []

    def recall(self, build: NewBuild | None = None) -> None:
        """Takes in again what the state has.

        Args:
            build: From which the state starts again; None: it continues, and has the profiles.
        """
        self._state.begin()
        if build:
            self._state.start_from(*build)
        records = list(self._state.records())
        changed = self._models.add(_by_table(records))
        reasons = ((i, why, why in _WAITING) for i, _ in records for why in [changed.aside.get(i)])
        self._state.judge(reasons)
        if build:
            # Whoever was sent something that this build may not confirm is compared with it, too.
            sent = self._models.keys_of(list(self._state.sent()))
            self._compute(sorted({*changed.customers, *sent}))
            self._state.forget_sent()
        self._state.commit()
        self._state.rewrite_if_due()
        if self._models.is_later:
            self._behind = self._models.keys_of_others(self._state.customers())

    def take(self, messages: Iterable[tuple[str, Mapping[str, str]]]) -> Batch:
        """Takes in messages of the stream: id and fields. Those known already change nothing."""
        fields = dict(messages)
        new = self._state.unknown_of(list(fields))
        records: dict[str, Record] = {}
        reasons: dict[str, str] = {}
        for message_id in (i for i in fields if i in new):
            try:
                records[message_id] = record_of(fields[message_id], self._contract, TABLES)
            except MessageError as error:
                reasons[message_id] = str(error)
        changed = self._models.add(_by_table(records.items()))
        reasons |= changed.aside
        self._state.begin()
        self._state.note(
            (i, _kept(records.get(i), changed.references.get(i), reasons.get(i)), reasons.get(i))
            for i in fields
            if i in new
        )
        changes = self._compute(changed.customers)
        self._state.commit()
        return Batch(len(new), changes)

    @property
    def as_of(self) -> dt.date:
        """Exclusive date up to which rows count."""
        return self._models.as_of

    @property
    def behind(self) -> int:
        """How many customers are as of the build and not yet as of the later day."""
        return len(self._behind)

    def catch_up(self) -> Batch:
        """Computes some of those who are behind: time alone may move them.

        Customers with a profile are skipped, so a process that is killed goes on from there.
        """
        some = self._behind[:_CUSTOMERS_AT_A_TIME]
        self._state.begin()
        changes = self._compute(some)
        self._state.commit()
        del self._behind[: len(some)]
        return Batch(0, changes)

    def _compute(self, keys: Sequence[int]) -> int:
        changes = 0
        for start in range(0, len(keys), _CUSTOMERS_AT_A_TIME):
            changes += self._compute_some(keys[start : start + _CUSTOMERS_AT_A_TIME])
        return changes

    def _compute_some(self, keys: Sequence[int]) -> int:
        customers = self._models.customers(keys)
        now: dict[str, set[str]] = {customer: set() for customer in customers}
        for customer, segment in self._models.memberships([c.key for c in customers.values()]):
            now[customer].add(segment)
        before = self._state.memberships(list(now))
        sent = self._state.sent()
        entries = []
        changes = 0
        for customer, segments in now.items():
            was = before.get(customer, customers[customer].segments)
            held = sent.get(customer, {})
            was = {*was, *(key for key, message in held.items() if message == "entered")}
            was -= {key for key, message in held.items() if message == "exited"}
            for message, changed in (("exited", was - segments), ("entered", segments - was)):
                changes += len(changed)
                if customers[customer].may_be_contacted:
                    entries += [self._entry(customer, key, message) for key in sorted(changed)]
        self._state.set_memberships(now)
        self._state.send(entries)
        return changes

    def _entry(self, customer_id: str, segment_key: str, message: str) -> Entry:
        changed_on = self._models.as_of.isoformat()
        change_id = change_id_of(customer_id, segment_key, message, changed_on)
        segment = self._segments.get(segment_key, {})
        payload = {
            "change_id": change_id,
            "message": message,
            "customer_id": customer_id,
            "segment_key": segment_key,
            "segment_name": segment.get("name"),
            "changed_on": changed_on,
            **{name: segment.get(name) for name in ("recommended_action", "channel", "offer")},
        }
        text = json.dumps(payload, ensure_ascii=False, separators=(",", ":"))
        return Entry(change_id, customer_id, segment_key, message, text, changed_on)


def change_id_of(*values: str) -> str:
    """As the macro hashed_id does it, so that a build gives the change the same id."""
    text = "".join(f"{len(value)}:{value}" for value in values)
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _kept(record: Record | None, reference: str | None, reason: str | None) -> Record | None:
    """The record as it is written down: the build, too, keeps no e-mail address as a reference."""
    if record is None or reason not in _WAITING:
        return None
    return record._replace(values={**record.values, "customer_ref": reference})


def _by_table(records: Iterable[tuple[str, Record]]) -> dict[str, list[Row]]:
    rows: dict[str, list[Row]] = defaultdict(list)
    for message_id, record in records:
        rows[record.table].append((message_id, record.values))
    return rows
