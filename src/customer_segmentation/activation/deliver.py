"""Delivers what a published file has to hand over, once."""

from __future__ import annotations

import csv
import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from customer_segmentation.activation.destinations import Destination
from customer_segmentation.activation.forms import NotTakenError
from customer_segmentation.activation.messages import Published
from customer_segmentation.activation.receipts import add_receipts
from customer_segmentation.activation.state import State, Waiting
from customer_segmentation.activation.transport import (
    Channel,
    ClosedError,
    FileChannel,
    HttpChannel,
    RefusedError,
    UnavailableError,
    utc_now,
)

FAILURES_IN_A_ROW = 5  # then it is the destination, not the message
FAILED_RUNS = 3  # a message that was answered with an error in so many runs is set aside


@dataclass
class Delivered:
    """What happened at a destination.

    Attributes:
        delivered: Messages handed over, by kind.
        set_aside: Messages set aside, by reason.
        waiting: Messages left for the next run.
        superseded: Entries dropped in all runs, since they held no longer when they could be sent.
        stopped: Why the rest was not tried; empty where all were.
    """

    delivered: Counter[str] = field(default_factory=Counter)
    set_aside: Counter[str] = field(default_factory=Counter)
    waiting: int = 0
    superseded: int = 0
    stopped: str = ""

    @property
    def is_complete(self) -> bool:
        return not (self.waiting or self.set_aside)


def channel_of(destination: Destination) -> Channel:
    return FileChannel(destination) if destination.type == "file" else HttpChannel(destination)


def deliver(
    published: Published,
    destinations: Sequence[Destination],
    state: State,
    receipts: Path,
    *,
    channel: Callable[[Destination], Channel] = channel_of,
    now: Callable[[], dt.datetime] = utc_now,
) -> dict[str, Delivered]:
    """Queues what is new and sends what waits, to one destination after another.

    Receipts are written first, too: those of a run that was killed.
    """
    channels = {one.name: channel(one) for one in destinations}
    add_receipts(receipts, state.receipts())
    state.begin()
    state.queue(published, destinations)
    state.commit()
    state.rewrite_if_due()
    done = {}
    try:
        for destination in destinations:
            done[destination.name] = _send(destination, channels[destination.name], state, now)
    finally:
        add_receipts(receipts, state.receipts())
    return done


def plan(
    published: Published, destinations: Sequence[Destination], state: State
) -> dict[str, Counter[str]]:
    """What a delivery would send, by destination and kind. Nothing is sent or kept."""
    state.begin()
    try:
        state.queue(published, destinations)
        return {
            one.name: Counter(
                {
                    message: count
                    for (status, message), count in state.counts(one.name).items()
                    if status == "waiting"
                }
            )
            for one in destinations
        }
    finally:
        state.rollback()


def _send(
    destination: Destination, channel: Channel, state: State, now: Callable[[], dt.datetime]
) -> Delivered:
    sender = _Sender(channel, state, now)
    try:
        for batch in _batches(state.waiting(destination.name), channel.size, sender.held_up):
            sender.send(batch)
    except ClosedError as error:
        sender.result.stopped = str(error)
    for (status, _), count in state.counts(destination.name).items():
        if status == "waiting":
            sender.result.waiting += count
        if status == "superseded":
            sender.result.superseded += count
    return sender.result


class _Sender:
    """Sends batches and notes what became of them."""

    def __init__(self, channel: Channel, state: State, now: Callable[[], dt.datetime]) -> None:
        self.result = Delivered()
        self.held_up: set[str] = set()
        self._channel, self._state, self._now = channel, state, now
        self._failures = 0

    def send(self, batch: Sequence[Waiting]) -> None:
        try:
            self._channel.send([row.message for row in batch])
        except (RefusedError, NotTakenError) as error:
            if len(batch) > 1:
                self._send_halves(batch)
            else:
                self._set_aside(batch, str(error), 1)
                if isinstance(error, RefusedError):
                    self._failed(str(error))
        except UnavailableError as error:
            # An error again in another run may be the fault of one message.
            if error.answered and len(batch) > 1 and any(row.failed_runs for row in batch):
                self._send_halves(batch)
                return
            self.held_up.update(row.message.customer_id for row in batch)
            self._set_aside(batch, str(error), FAILED_RUNS if error.answered else None)
            self._failed(str(error))
        else:
            self._failures = 0
            self._state.delivered(batch, self._now())
            self.result.delivered.update(row.message.message for row in batch)

    def _send_halves(self, batch: Sequence[Waiting]) -> None:
        middle = len(batch) // 2
        self.send(batch[:middle])
        self.send(batch[middle:])

    def _set_aside(self, batch: Sequence[Waiting], reason: str, runs: int | None) -> None:
        if set_aside := self._state.failed(batch, reason, runs):
            self.result.set_aside[reason] += set_aside

    def _failed(self, reason: str) -> None:
        self._failures += 1
        if self._failures == FAILURES_IN_A_ROW:
            raise ClosedError(f"{reason}, {FAILURES_IN_A_ROW} times in a row")


def _batches(
    rows: Iterator[Waiting], size: int | None, held_up: set[str]
) -> Iterator[list[Waiting]]:
    """Batches in order, with one message of a customer each; without a size all in one.

    A customer who is held up by a message that could not be sent is left out: what comes later
    must not arrive earlier.
    """
    if size is None:
        if everything := list(rows):
            yield everything
        return
    batch: dict[str, Waiting] = {}
    for row in rows:
        customer = row.message.customer_id
        if batch and (customer in batch or len(batch) >= size):
            yield list(batch.values())
            batch = {}
        if customer not in held_up:
            batch[customer] = row
    if batch:
        yield list(batch.values())


def write_set_aside(state: State, path: Path) -> int:
    """Lists the messages set aside, for people. Returns how many there are."""
    rows = state.set_aside()
    if rows:
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(("destination", "change_id", "message", "segment_key", "reason"))
            writer.writerows(rows)
    else:
        path.unlink(missing_ok=True)
    return len(rows)


def report(done: dict[str, Delivered]) -> Iterator[str]:
    """A line per destination, and one per reason for which messages were set aside."""
    for name, result in done.items():
        line = f"{name}: {_kinds(result.delivered)} delivered"
        if result.waiting:
            line += f"; {result.waiting:,} wait for the next run"
        if result.stopped:
            line += f", since it {result.stopped}"
        if result.superseded:
            line += f"; {result.superseded:,} entries dropped that held no longer"
        yield line
        for reason, count in result.set_aside.items():
            yield f"{name}: {count:,} set aside: {reason}"


def plan_report(planned: dict[str, Counter[str]]) -> Iterator[str]:
    for name, kinds in planned.items():
        yield f"{name}: {_kinds(kinds)} to deliver"


def _kinds(kinds: Counter[str]) -> str:
    parts = ", ".join(f"{count:,} {kind}" for kind, count in sorted(kinds.items()) if count)
    return f"{kinds.total():,} messages" + (f" ({parts})" if parts else "")
