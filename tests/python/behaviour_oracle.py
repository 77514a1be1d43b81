"""What the definitions make of events, links, orders and lines, in pandas, customer by customer.

Nothing here reads the project's SQL. Each date is computed from the raw rows known before it, and
from nothing else: there are no dates from which on a link is known, as the models have.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from scipy.stats import entropy

Row = dict[str, Any]
T = TypeVar("T")
NOBODY = -1


@dataclass(frozen=True)
class Behaviour:
    """Raw rows as they come, with instants as aware timestamps.

    Attributes:
        customer_of: (source_system, customer_ref) -> customer_key, of those who are remembered.
        excluded: Keys of customers who may not be segmented.
        tier: Loyalty tier of customers who have one.
    """

    events: list[Row]
    links: list[Row]
    orders: list[Row]
    lines: list[Row]
    category: Mapping[str, str | None]
    customer_of: Mapping[tuple[str, str], int]
    excluded: frozenset[int] = frozenset()
    tier: Mapping[int, str] = field(default_factory=dict)


@dataclass
class _Session:
    customer: int
    key: tuple[Any, ...]
    day: date
    events: list[Row]


def expected(
    raw: Behaviour, as_of: date, zone: ZoneInfo, settings: Mapping[str, Any]
) -> dict[int, Row]:
    """Features of every customer who is not excluded, by customer_key.

    Args:
        raw: The rows.
        as_of: Exclusive local date.
        zone: Where a day begins and ends.
        settings: The project's vars.
    """
    customers = sorted(set(raw.customer_of.values()) - raw.excluded)
    orders = [
        row | {"local": local, "day": local.date()}
        for row in raw.orders
        if row["customer_ref"] is not None and row["status"] != "ignored"
        for local in [row["ordered_at"].astimezone(zone)]
    ]
    orders = [row for row in orders if row["day"] < as_of]
    lines = _lines_of_orders(raw, orders)
    sessions = _sessions(raw, as_of, zone, settings)
    own_orders = _by(orders, lambda row: _customer(raw, row))
    own_lines = _by(lines, lambda row: row["customer"])
    own_sessions = _by(sessions, lambda session: session.customer)
    carts = _carts(raw, sessions, own_orders, lines, settings)
    own_carts = _by(carts, lambda cart: cart[0].customer)
    features = {}
    for key in customers:
        features[key] = {
            **_order_features(own_orders[key], as_of, zone, settings),
            **_line_features(own_lines[key], as_of, settings),
            **_session_features(own_sessions[key], as_of),
            **_move_features(own_sessions[key], as_of, settings),
            **_cart_features(own_carts[key], as_of),
        }
    regularity = {key: _regularity(f, as_of) for key, f in features.items() if f["orders__all"] > 0}
    buyers = _buyers(features, regularity, raw.tier)
    for key, own in features.items():
        own |= _scores(
            own, buyers, regularity.get(key), bool(sessions), raw.tier.get(key), settings
        )
    return features


def _by(rows: Iterable[T], key: Callable[[T], int]) -> dict[int, list[T]]:
    groups = defaultdict(list)
    for row in rows:
        groups[key(row)].append(row)
    return groups


def _customer(raw: Behaviour, row: Row) -> int:
    return raw.customer_of.get((row["source_system"], row["customer_ref"]), NOBODY)


def _sessions(
    raw: Behaviour, as_of: date, zone: ZoneInfo, settings: Mapping[str, Any]
) -> list[_Session]:
    """Sessions of known customers before as_of, without bots."""
    days = defaultdict(list)
    for row in raw.events:
        local = row["occurred_at"].astimezone(zone)
        visitor = row["anonymous_id"] or row["customer_ref"]
        if local.date() < as_of and visitor is not None:
            event = row | {"local": local, "visitor": visitor}
            days[row["source_system"], visitor, local.date()].append(event)

    people = defaultdict(set)
    for link in raw.links:
        seen = link["seen_at"]
        is_known = seen is None or seen.astimezone(zone).date() < as_of
        if is_known and link["customer_ref"] is not None and link["anonymous_id"] is not None:
            people[link["source_system"], link["anonymous_id"]].add(_customer(raw, link))

    visits = defaultdict(list)
    of_visitor = defaultdict(list)
    for (system, visitor, _), events in days.items():
        minutes = pd.Series([e["local"].strftime("%H:%M") for e in events]).value_counts()
        declared = {str(e["device"]).lower() for e in events} & {"bot", "crawler", "spider"}
        too_many = len(events) > settings["bot_events_per_day"]
        if declared or too_many or minutes.max() > settings["bot_events_per_minute"]:
            continue
        of_visitor[system, visitor] += events
    place = _places(raw.events)
    for (system, visitor), events in of_visitor.items():
        begun, last = None, None
        for event in sorted(events, key=lambda e: e["occurred_at"]):
            session = event["session_id"]
            if session is None:
                idle = timedelta(minutes=settings["session_idle_minutes"])
                if last is None or event["occurred_at"] - last > idle:
                    begun = event["occurred_at"]
                last = event["occurred_at"]
                session = (visitor, begun)
            visits[system, session, event["local"].date()].append(event)

    found = []
    for (system, name, day), events in visits.items():
        events.sort(key=lambda e: place[e["source_system"], e["event_id"]])
        named = {_customer(raw, e) for e in events if e["customer_ref"] is not None}
        owned = defaultdict(list)
        for event in events:
            if event["customer_ref"] is not None:
                owned[_customer(raw, event)].append(event)
                continue
            owners = named or people[system, event["anonymous_id"]]
            if len(owners) == 1:
                owned[next(iter(owners))].append(event)
        found += [
            _Session(customer, (customer, system, name), day, own)
            for customer, own in owned.items()
            if customer != NOBODY and customer not in raw.excluded
        ]
    return found


def _places(events: list[Row]) -> dict[tuple[str, str], int]:
    """The place of each event: by instant, sequence and id, as a number if all are."""
    ids = defaultdict(list)
    for event in events:
        ids[event["source_system"]].append(event["event_id"])
    numeric = {system for system, own in ids.items() if all(name.isdigit() for name in own)}

    def order(event: Row) -> tuple[Any, ...]:
        sequence, name = event.get("sequence"), event["event_id"]
        number = int(name) if event["source_system"] in numeric else 0
        return event["occurred_at"], sequence is None, sequence or 0, number, name

    ordered = sorted(events, key=order)
    return {(e["source_system"], e["event_id"]): place for place, e in enumerate(ordered)}


def _role(event: Row, settings: Mapping[str, Any]) -> str:
    for role, event_types in settings["event_roles"].items():
        if event["event_type"] in event_types:
            return str(role)
    return "other"


def _lines_of_orders(raw: Behaviour, orders: list[Row]) -> list[Row]:
    by_id = {(row["source_system"], row["order_id"]): row for row in orders}
    found = []
    for line in raw.lines:
        order = by_id.get((line["source_system"], line["order_id"]))
        customer = _customer(raw, order) if order else NOBODY
        if order and customer != NOBODY and customer not in raw.excluded:
            more = {"customer": customer, "day": order["day"], "status": order["status"]}
            found.append(line | more | {"category": raw.category.get(line["product_id"])})
    return found


def _carts(
    raw: Behaviour,
    sessions: list[_Session],
    own_orders: Mapping[int, list[Row]],
    lines: list[Row],
    settings: Mapping[str, Any],
) -> list[tuple[_Session, bool, float | None]]:
    """Sessions with a cart, whether it was left, and what it is worth."""
    bought_on = {
        (session.key, session.day)
        for session in sessions
        if any(_role(e, settings) == "buy" for e in session.events)
    }
    grace = timedelta(hours=settings["cart_grace_hours"])
    paid = defaultdict(list)
    for line in lines:
        if line["status"] == "completed" and line["amount"] is not None:
            paid[line["product_id"]].append((line["day"], line["amount"]))
    carts = []
    for session in sessions:
        sign = {"cart": 1, "remove": -1}
        roles = [(_role(e, settings), e) for e in session.events]
        moved = [(sign[role], e) for role, e in roles if role in sign]
        if sum(count for count, _ in moved) <= 0:
            continue
        worth = []
        for count, event in moved:
            first = session.day.replace(day=1)
            before = [amount for day, amount in paid[event["product_id"]] if day < first]
            if before and event["product_id"] is not None:
                price = sum(before) / len(before)
                worth.append(count * float(price.quantize(Decimal("0.01"), ROUND_HALF_UP)))
        filled = min(e["occurred_at"] for count, e in moved if count == 1)
        touched = max(e["occurred_at"] for _, e in moved)
        is_left = not (
            bought_on & {(session.key, session.day + timedelta(days)) for days in (0, 1)}
            or any(
                order["status"] == "completed"
                and _counts_from(order, session.day, filled)
                <= order["ordered_at"]
                <= touched + grace
                for order in own_orders.get(session.customer, [])
            )
        )
        carts.append((session, is_left, sum(worth) if worth else None))
    return carts


def _counts_from(order: Row, day: date, filled: datetime) -> datetime:
    """The instant from which an order buys a cart: an order at midnight has a date alone."""
    is_date = order["local"].time() == time.min
    return order["ordered_at"] if is_date and order["day"] == day else filled


def _age(as_of: date, day: date) -> int:
    """0 on the newest day that can be known."""
    return (as_of - day).days - 1


def _order_features(
    own: list[Row], as_of: date, zone: ZoneInfo, settings: Mapping[str, Any]
) -> Row:
    done = [row for row in own if row["status"] == "completed"]
    half_life = settings["half_life_days"]
    ages = np.array([_age(as_of, row["day"]) for row in own])
    amounts = np.array([float(row["amount"]) for row in own])
    months = [amounts[(ages // 30) == m].sum() if own else 0.0 for m in range(6)]
    days = {row["day"] for row in done}

    def between(rows: list[Row], most: int, least: int = 0) -> list[Row]:
        return [r for r in rows if as_of - timedelta(most) <= r["day"] < as_of - timedelta(least)]

    def revenue(rows: list[Row]) -> float:
        return float(sum(r["amount"] for r in rows))

    big = settings["big_purchase"]
    is_big = []
    for row in between(done, 30):
        before = [float(r["amount"]) for r in done if r["day"] < row["day"]]
        enough = len(before) >= big["after_orders"]
        is_big.append(enough and float(row["amount"]) > big["times"] * np.mean(before) + 1e-9)
    local = [row["ordered_at"].astimezone(zone) for row in done]
    return {
        "orders__all": len(done),
        "orders__90d": len(between(done, 90)),
        "orders__365d_to_90d": len(between(done, 365, 90)),
        "revenue__90d": revenue(between(own, 90)),
        "revenue__365d_to_90d": revenue(between(own, 365, 90)),
        "recency_days__all": (as_of - max(days)).days if days else None,
        "tenure_days__all": (as_of - min(days)).days if days else None,
        "purchase_days__all": len(days),
        "purchase_months__all": len({(day.year, day.month) for day in days}),
        "decayed_revenue__all": float((amounts * 0.5 ** (ages / half_life)).sum()),
        "monthly_revenue__90d": revenue(between(own, 90)) / 3,
        "revenue_trend__180d": float(np.polyfit(range(6), months[::-1], 1)[0]),
        "big_purchases__30d": sum(is_big),
        "weekend_order_share__all": _mean([moment.weekday() >= 5 for moment in local]),
        "evening_order_share__all": _mean([moment.hour >= 18 for moment in local]),
    }


def _mean(values: list[Any]) -> float | None:
    return float(np.mean(values)) if values else None


def _line_features(own: list[Row], as_of: date, settings: Mapping[str, Any]) -> Row:
    spend: dict[str, float] = defaultdict(float)
    recent: dict[str, float] = defaultdict(float)
    for line in own:
        if line["category"] is not None:
            amount = float(line["amount"] or 0)
            weight = 0.5 ** (_age(as_of, line["day"]) / settings["half_life_days"])
            spend[line["category"]] += amount
            recent[line["category"]] += amount * weight
    kept = {name: max(round(amount, 2), 0) for name, amount in spend.items()}
    told = [
        line["discount_amount"] > 0
        for line in own
        if line["status"] == "completed" and line["discount_amount"] is not None
    ]
    total = sum(kept.values())
    lately = {name: max(round(amount, 6), 0) for name, amount in recent.items()}
    return {
        "categories": len(kept) if own else None,
        "variety": float(entropy(list(kept.values()))) if total > 0 else None,
        "discount_affinity": _mean(told),
        "shares": {name: amount / total for name, amount in kept.items()} if total > 0 else {},
        "recent_shares": {name: amount / sum(lately.values()) for name, amount in lately.items()}
        if sum(lately.values()) > 0
        else {},
    }


def _session_features(own: list[_Session], as_of: date) -> Row:
    lately = [session for session in own if as_of - timedelta(30) <= session.day]
    return {
        "sessions__30d": len(lately),
        "session_depth__30d": _mean([len(session.events) for session in lately]),
        "session_recency_days__all": min(((as_of - s.day).days for s in own), default=None),
    }


# Moves by their beginnings and ends, None for any.
_MOVES: dict[str, tuple[set[str] | None, str]] = {
    "page_to_page": ({"page"}, "page"),
    "search_to_product": ({"search"}, "view"),
    "product_to_product": ({"view"}, "view"),
    "product_to_cart": ({"view"}, "cart"),
    "to_purchase": (None, "buy"),
    "product_exit": ({"view"}, "(end)"),
    "cart_exit": ({"cart", "checkout"}, "(end)"),
}


def _move_features(own: list[_Session], as_of: date, settings: Mapping[str, Any]) -> Row:
    """Shares of the moves of a year. Sessions of more than one visitor are not in the data."""
    moves: list[tuple[str, str]] = []
    for session in own:
        if as_of - timedelta(365) <= session.day:
            stops = [_role(event, settings) for event in session.events]
            moves += zip(stops, [*stops[1:], "(end)"], strict=True)
    return {
        f"{name}_share__365d": _mean(
            [(starts is None or one in starts) and other == end for one, other in moves]
        )
        for name, (starts, end) in _MOVES.items()
    }


def _cart_features(own: list[tuple[_Session, bool, float | None]], as_of: date) -> Row:
    lately = [cart for cart in own if as_of - timedelta(90) <= cart[0].day]
    return {
        "cart_abandonment__90d": _mean([is_left for _, is_left, _ in lately]),
        "cart_value_left__90d": sum(worth or 0 for _, is_left, worth in lately if is_left),
        "abandoned_cart_days__all": min(
            ((as_of - session.day).days for session, is_left, _ in own if is_left), default=None
        ),
    }


@dataclass(frozen=True)
class _Buyers:
    """What the scores take from all buyers."""

    odds: float  # of stopping after the first order
    gap: float
    regularity: float | None
    have_tiers: bool


def _buyers(
    features: Mapping[int, Row], regularity: Mapping[int, float | None], tier: Mapping[int, str]
) -> _Buyers | None:
    buyers = {key: f for key, f in features.items() if f["orders__all"] > 0}
    if not buyers:
        return None
    tenures = np.array([f["tenure_days__all"] for f in buyers.values()])
    days = np.array([f["purchase_days__all"] for f in buyers.values()])
    spans = tenures - [f["recency_days__all"] for f in buyers.values()]
    share = np.average(days == 1, weights=tenures)
    again = days > 1
    gaps = spans[again] / (days[again] - 1) if again.any() else tenures
    return _Buyers(
        odds=(share * len(days) + 1) / ((1 - share) * len(days) + 1),
        gap=float(gaps.mean()),
        regularity=_mean([own for own in regularity.values() if own is not None]),
        have_tiers=any(key in tier for key in buyers),
    )


def _regularity(f: Row, as_of: date) -> float | None:
    if f["purchase_months__all"] < 3 and f["tenure_days__all"] < 92:
        return None
    first, last = as_of - timedelta(f["tenure_days__all"]), as_of - timedelta(1)
    months = 12 * (last.year - first.year) + last.month - first.month + 1
    return float(f["purchase_months__all"] / months)


def _scores(
    f: Row,
    buyers: _Buyers | None,
    regularity: float | None,
    has_events: bool,
    tier: str | None,
    settings: Mapping[str, Any],
) -> Row:
    half, weights = settings["score_half_points"], settings["score_weights"]

    def saturated(value: float, part: str) -> float:
        return float(value / (value + half[part]))

    parts: dict[str, dict[str, float | None]] = {name: {} for name in weights}
    if has_events:
        days = f["session_recency_days__all"]
        parts["engagement_score"] = {
            "sessions": saturated(f["sessions__30d"], "sessions"),
            "depth": saturated(f["session_depth__30d"] or 0, "depth"),
            "recency": 0.0 if days is None else 0.5 ** (days / half["recency"]),
        }
    risk = None
    if f["orders__all"] > 0:
        assert buyers is not None
        tenure, recency = f["tenure_days__all"], f["recency_days__all"]
        for name in ("orders", "revenue"):
            if tenure >= 180:
                now = max(f[f"{name}__90d"], 0) / 90
                before = max(f[f"{name}__365d_to_90d"], 0) / (min(tenure, 365) - 90)
                total = now + before
                parts["momentum_score"][name] = now / total if total > 0 else None
        # The pace has a gamma distribution of so many gaps in so many days.
        gaps, days = f["purchase_days__all"] + 3, 4 * buyers.gap + tenure - recency
        silence = (1 + recency / days) ** -gaps
        stays = 1 / (1 + buyers.odds / f["purchase_days__all"] / silence) if silence else 0
        risk = 1 - stays * (1 - (1 + 90 / (days + recency)) ** -gaps)
        discounts = f["discount_affinity"]
        parts["loyalty_score"] = {
            "tenure": saturated(tenure - recency, "tenure"),
            "regularity": buyers.regularity if regularity is None else regularity,
            "breadth": saturated(f["categories"], "breadth") if f["categories"] else None,
            "full_price": None if discounts is None else 1 - discounts,
            "tier": (0 if buyers.have_tiers else None)
            if tier is None
            else settings["loyalty_tiers"].get(tier.lower()),
        }
    elif f["discount_affinity"] is not None:
        raise AssertionError("a line of a completed order makes a buyer")
    scores: Row = {}
    for name, values in parts.items():
        known = {part: value for part, value in values.items() if value is not None}
        total = sum(weights[name][part] for part in known)
        weighted = sum(weights[name][part] * value for part, value in known.items())
        scores[name] = weighted / total if total else None
    return scores | {"churn_risk": risk}
