"""A small shop, and what happens in it after its last build, as messages of a stream."""

from __future__ import annotations

import random
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import pandas as pd

Message = tuple[str, dict[str, Any]]

AS_OF = "2024-05-20"
# No parameter is fitted on what the messages change: they are of later days than the last fit.
VARS: dict[str, Any] = {
    "as_of": AS_OF,
    "history_start": "2024-03-01",
    "refit_cutpoints": "year",
    "refit_models": "year",
    "timezone": "Europe/Berlin",
    "journey_features": [],
    "cluster_k": {"min": 2, "max": 3},
    "activation_consent": "opt_out",
}
FIRST_DAY = datetime(2023, 6, 1)
FIRST_MESSAGE = datetime(2024, 3, 2)
LAST_DAY = datetime(2024, 5, 19)

ORDER = ["order_id", "customer_ref", "ordered_at", "amount", "status", "channel", "loaded_at"]
EVENT = ["event_id", "anonymous_id", "customer_ref", "session_id", "event_type", "occurred_at"]
EVENT += ["sequence", "product_id", "device", "loaded_at"]
_TYPES = ["page_view", "page_view", "product_view", "add_to_cart", "remove_from_cart", "purchase"]


def _at(rng: random.Random, first: datetime) -> datetime:
    return first + timedelta(seconds=rng.randrange(int((LAST_DAY - first).total_seconds())))


def order(rng: random.Random, number: int, person: int, first: datetime) -> Message:
    at = _at(rng, first)
    returned = rng.random() < 0.1
    amount = rng.choice([12.5, 40, 99.99, 180, 420])
    return "orders", {
        "order_id": f"o{number}",
        "customer_ref": f"c{person}",
        "ordered_at": at.isoformat(sep=" "),
        "amount": f"{-amount if returned else amount}",
        "status": "returned" if returned else "completed",
        "channel": rng.choice(["web", "shop"]),
        "loaded_at": (at + timedelta(hours=1)).isoformat(sep=" "),
    }


def session(rng: random.Random, number: int, person: int, first: datetime) -> list[Message]:
    """A visit on the device of the person, mostly logged in, some of it without a session id."""
    at, has_id, events = _at(rng, first), rng.random() < 0.7, []
    for position in range(rng.randrange(1, 6)):
        at += timedelta(seconds=rng.randrange(5, 600))
        event = {
            "event_id": f"{number}{position}",
            "anonymous_id": f"device{person}",
            "customer_ref": f"c{person}" if rng.random() < 0.6 else None,
            "session_id": f"s{number}" if has_id else None,
            "event_type": rng.choice(_TYPES),
            "occurred_at": at.isoformat(sep=" "),
            "sequence": str(position),
            "product_id": rng.choice(["p1", "p2", "p3"]),
            "device": rng.choice(["phone", "desktop"]),
            "loaded_at": (at + timedelta(hours=1)).isoformat(sep=" "),
        }
        events.append(("events", event))
    return events


def shop(seed: int = 7, people: int = 60) -> list[Message]:
    """What was loaded before the last build."""
    rng = random.Random(seed)
    rows = [order(rng, n, rng.randrange(people), FIRST_DAY) for n in range(people * 6)]
    for number in range(people * 2):
        rows += session(rng, 1000 + number, rng.randrange(people), FIRST_DAY)
    return rows


def person_of(message: Message) -> int:
    """The number of the person whom a message is about."""
    _, record = message
    whose = record["customer_ref"] or record["anonymous_id"]
    return int(whose.removeprefix("c").removeprefix("device"))


def news(loaded: list[Message], seed: int, people: int = 60, size: int = 120) -> list[Message]:
    """New orders and visits, corrections of loaded rows, contradictions and repeats, shuffled."""
    rng = random.Random(seed)
    rows: list[Message] = []
    for number in range(size // 3):
        rows.append(order(rng, 100_000 + number, rng.randrange(people), FIRST_MESSAGE))
        rows += session(rng, 9_000_000 + number, rng.randrange(people), FIRST_MESSAGE)
    late = [(table, row) for table, row in loaded if row["loaded_at"] >= f"{FIRST_MESSAGE}"]
    for table, row in rng.sample(late, 12):
        change: dict[str, Any] = {"amount": "77", "status": "completed"}
        if table == "events":
            change = {"event_type": "add_to_cart"}
        # The later load counts; without a time of loading, neither does.
        when = {"loaded_at": rng.choice(["2024-05-19 20:00:00", None])}
        rows.append((table, {**row, **change, **when}))
    rows += rng.sample(rows, size // 5) + rng.sample(loaded, min(size // 5, len(loaded)))
    rng.shuffle(rows)
    return rows


def frames(rows: Iterable[Message]) -> dict[str, pd.DataFrame]:
    """The raw tables with these rows."""
    tables: dict[str, list[dict[str, Any]]] = {"orders": [], "events": []}
    for table, row in rows:
        tables[table].append(row)
    columns = {"orders": ORDER, "events": EVENT}
    return {name: pd.DataFrame(tables[name], columns=columns[name]) for name in tables}
