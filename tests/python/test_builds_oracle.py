"""Raw data with every kind of customer and row, and what the definitions make of it in pandas.

Nothing here reads the project: local dates, fates and people are known because they are made here.
"""

from __future__ import annotations

import functools
import math
import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd

ZONE = ZoneInfo("Europe/Berlin")
UTC = ZoneInfo("UTC")
AS_OF = date(2024, 6, 19)
HISTORY_START = date(2024, 2, 1)
FIRST_DAY = date(2021, 6, 1)
Identifier = tuple[str, str]

# Strings that must never leave the restricted schema, however they came in.
CANARIES = {
    "given name": "Zebulonquix",
    "family name": "Wilhelminaquax",
    "e-mail": "zoltanquex@example.com",
    "phone": "+49 30 5550 17342",
    "street": "Xylophonweg 4711",
    "birth date": "1931-07-03",
    "e-mail as customer_ref": "oriquex.sold@example.com",
    "phone as customer_ref": "+49 171 5550188",
    "e-mail as order_id": "anselmquex@example.org",
    "e-mail as amount": "boniquex@example.net",
    "e-mail as status": "cunoquex@example.net",
    "name as birth date": "Drusillaquix",
    "name in a ticket": "Eusebiaquix",
}

COLUMNS_OF_ORDERS = ["order_id", "source_system", "customer_ref", "ordered_at", "amount"]
COLUMNS_OF_ORDERS += ["currency", "status", "channel", "loaded_at"]
COLUMNS_OF_EVENTS = ["event_id", "source_system", "customer_ref", "anonymous_id", "session_id"]
COLUMNS_OF_EVENTS += ["event_type", "occurred_at"]
COLUMNS_OF_CUSTOMERS = ["record_id", "source_system", "customer_ref", "email", "phone"]
COLUMNS_OF_CUSTOMERS += ["given_name", "family_name", "birth_date", "street", "region"]
COLUMNS_OF_CUSTOMERS += ["age_band", "is_internal", "created_at", "updated_at", "loaded_at"]


@dataclass(frozen=True)
class Order:
    """A valid order as it should count, on its local date."""

    customer: Identifier | None
    day: date
    amount: Decimal
    is_completed: bool


@dataclass(frozen=True)
class Session:
    """A session within one local day."""

    customer: Identifier
    day: date
    minutes: int
    event_types: tuple[str, ...]


@dataclass
class Raw:
    """Raw tables as text, with what should become of them."""

    orders: list[dict[str, Any]] = field(default_factory=list)
    customers: list[dict[str, Any]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    consents: list[dict[str, Any]] = field(default_factory=list)
    erasure_requests: list[dict[str, Any]] = field(default_factory=list)
    valid: list[Order] = field(default_factory=list)
    sessions: list[Session] = field(default_factory=list)
    # order_id -> word that the rule's name must hold; None is the key of a row without one.
    quarantined: list[tuple[str | None, str]] = field(default_factory=list)
    # Who only ever cancelled, and when.
    cancelled: dict[Identifier, date] = field(default_factory=dict)
    deduplicated: int = 0
    excluded: dict[Identifier, str] = field(default_factory=dict)
    erased: set[Identifier] = field(default_factory=set)
    region: dict[Identifier, str] = field(default_factory=dict)
    age_band: dict[Identifier, str] = field(default_factory=dict)

    def tables(self) -> dict[str, pd.DataFrame]:
        def frame(rows: list[dict[str, Any]], columns: list[str]) -> pd.DataFrame:
            return pd.DataFrame(rows, columns=columns, dtype="str")

        reference = ["source_system", "customer_ref"]
        body = f"Yours sincerely, {CANARIES['name in a ticket']}"
        return {
            "orders": frame(self.orders, COLUMNS_OF_ORDERS),
            "customers": frame(self.customers, COLUMNS_OF_CUSTOMERS),
            "events": frame(self.events, COLUMNS_OF_EVENTS),
            "consents": frame(self.consents, [*reference, "purpose", "granted", "recorded_at"]),
            "erasure_requests": frame(self.erasure_requests, [*reference, "requested_at"]),
            "tickets": pd.DataFrame([{"ticket_id": "1", "customer_ref": "buyer1", "body": body}]),
        }

    def identifiers(self) -> set[Identifier]:
        """Everyone who appears, under (source_system, customer_ref)."""
        named = {(row["source_system"], row["customer_ref"]) for row in self.orders + self.events}
        return self.in_crm() | {(source or "default", name) for source, name in named if name}

    def in_crm(self) -> set[Identifier]:
        records = [row for row in self.customers if row["record_id"]]
        named = {(row["source_system"], row["customer_ref"] or row["record_id"]) for row in records}
        return {(source or "default", name) for source, name in named}

    def eligible(self) -> set[Identifier]:
        return self.identifiers() - self.erased - set(self.excluded)


class RawMaker:
    """Makes rows; each number, date and choice comes from one seeded generator."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.raw = Raw()
        self.number = 0

    def stamp(self, day: date) -> str:
        """A moment of a local day, in one of the forms that raw data has."""
        form = self.random.choice(["naive", "naive", "offset", "zulu", "date"])
        if form == "date":
            return day.isoformat()
        clock = self.random.choice([time(0, 5), time(0, 40), time(12), time(22, 30), time(23, 55)])
        local = datetime.combine(day, clock, ZONE)
        if form == "offset":
            return local.isoformat()
        text = local.astimezone(UTC).replace(tzinfo=None).isoformat(" ")
        return text if form == "naive" else text.replace(" ", "T") + "Z"

    def row(
        self, customer: Identifier | None, day: date, amount: str, **others: Any
    ) -> dict[str, Any]:
        self.number += 1
        source, reference = customer or ("shop", None)
        row: dict[str, Any] = dict.fromkeys(COLUMNS_OF_ORDERS)
        row |= {
            "order_id": f"o{self.number:05}",
            "source_system": None if source == "default" else source,
            "customer_ref": reference,
            "ordered_at": self.stamp(day),
            "amount": amount,
            "currency": "EUR",
            "channel": self.random.choice(["web", "store, first floor", 'the "app"', "by\npost"]),
        }
        return row | others

    def order(
        self, customer: Identifier | None, day: date, amount: str, is_completed: bool = True
    ) -> None:
        words = ["completed", "paid", None] if is_completed else ["returned", "refunded", None]
        if not is_completed and Decimal(amount) == 0:
            words = ["returned"]
        row = self.row(customer, day, amount, status=self.random.choice(words))
        self.raw.orders.append(row)
        self.raw.valid.append(Order(customer, day, Decimal(amount), is_completed))

    def amount(self) -> str:
        common = ["0", "5.00", "10", "19.99", "25.50", "49.95", "50.00", "99.99", "100", "150"]
        if self.random.random() < 0.6:
            return self.random.choice(common)
        return str(Decimal(self.random.randint(1, 40_000)) / 100)

    def days_ago(self, fewest: int, most: int) -> date:
        return AS_OF - timedelta(days=self.random.randint(fewest, most))

    def record(self, customer: Identifier, **others: Any) -> None:
        source, reference = customer
        row: dict[str, Any] = dict.fromkeys(COLUMNS_OF_CUSTOMERS)
        row |= {
            "record_id": f"crm-{reference}",
            "source_system": None if source == "default" else source,
            "customer_ref": reference,
            "created_at": "2021-01-01 08:00:00",
            "updated_at": "2021-01-01 08:00:00",
            "loaded_at": "2021-01-02 08:00:00",
        }
        self.raw.customers.append(row | others)

    def consent(self, customer: Identifier, purpose: str, granted: bool, recorded_at: str) -> None:
        row = {"source_system": customer[0], "customer_ref": customer[1], "purpose": purpose}
        row |= {"granted": str(granted).lower(), "recorded_at": recorded_at}
        self.raw.consents.append(row)


def reference_data(seed: int = 20240620) -> Raw:
    """About 300 people with every kind of history, and bad rows of every kind."""
    maker = RawMaker(seed)
    raw = maker.raw
    chance = maker.random
    longest = (AS_OF - FIRST_DAY).days

    def buyer(number: int) -> Identifier:
        # The same reference in two source systems is two customers.
        sources = ["shop", "shop", "shop", "default", "app"]
        return (sources[number % 5], f"buyer{number - number % 5 if number < 60 else number}")

    buyers = [buyer(number) for number in range(251)]
    buyers = list(dict.fromkeys(buyers))
    for number, customer in enumerate(buyers):
        kind = number % 10
        if kind < 3:
            days = [maker.days_ago(1, longest)]
        elif kind < 6:
            days = [maker.days_ago(1, longest) for _ in range(chance.randint(2, 5))]
        elif kind == 6:
            days = [maker.days_ago(1, 45) for _ in range(chance.randint(1, 3))]
        elif kind == 7:  # comes back after a long gap
            last = chance.choice([1, 30, 89, 90, 91, 120])
            gap = chance.choice([364, 365, 366, 367, 400])
            days = [AS_OF - timedelta(days=last), AS_OF - timedelta(days=last + gap)]
        elif kind == 8:  # at the limits of the windows
            edges = [1, 29, 30, 31, 89, 90, 91, 364, 365, 366, 729, 730, 731]
            days = [AS_OF - timedelta(days=n) for n in chance.sample(edges, chance.randint(1, 4))]
        else:
            days = [maker.days_ago(1, 500) for _ in range(chance.randint(6, 20))]
        for day in days:
            maker.order(customer, day, maker.amount())
            if chance.random() < 0.1:
                back = min(day + timedelta(days=chance.randint(0, 20)), AS_OF - timedelta(days=1))
                maker.order(customer, back, f"-{maker.amount()}", is_completed=False)
    # The newest completed order, late in the local evening of the day before as_of.
    maker.order(buyers[0], AS_OF - timedelta(days=1), "12.00")
    raw.orders[-1]["ordered_at"] = "2024-06-18 21:59:59"
    # On as_of, which is exclusive: valid, but not used.
    maker.order(buyers[1], AS_OF, "-3.00", is_completed=False)

    # In the CRM: half the buyers, and people who never bought anything.
    bands = ["18-29", "30-49", "50+", None]
    regions = ["north", "east", "south", "west", None]
    prospects = [("shop", f"prospect{number}") for number in range(25)]
    for customer in [*buyers[::2], *prospects]:
        band, region = chance.choice(bands), chance.choice(regions)
        maker.record(
            customer, age_band=band, region=region, is_internal=chance.choice(["false", None])
        )
        if band:
            raw.age_band[customer] = band
        if region:
            raw.region[customer] = region
    # Two records of one reference: the newest that knows the field tells it.
    for customer, region in ((buyers[0], "west"), (buyers[2], None)):
        newer = {"updated_at": "2023-01-01 08:00:00", "loaded_at": "2023-01-02 08:00:00"}
        record_id = f"newer-{customer[1]}-{customer[0]}"
        maker.record(customer, record_id=record_id, region=region, **newer)
        if region:
            raw.region[customer] = region
    # Without customer_ref a record speaks for its own id.
    maker.record(("shop", "own-id"), record_id="own-id", customer_ref=None)
    # Without an id it is nobody's.
    maker.record(("shop", "nobody"), record_id=None)
    for number in range(5):
        maker.order(("shop", f"only-returns{number}"), maker.days_ago(1, 300), "-7.50", False)
    for number in range(3):
        customer, day = ("shop", f"cancelled{number}"), maker.days_ago(1, 300)
        row = maker.row(customer, day, "9.99", status=chance.choice(["cancelled", "ignored"]))
        raw.orders.append(row)
        raw.cancelled[customer] = day
    # Ids are text, never numbers; an empty one is none.
    for name in ("00123", "123", "1e5", "100000", "0x10"):
        maker.order(("shop", name), maker.days_ago(1, 600), maker.amount())
    for _ in range(2):
        maker.order(None, maker.days_ago(1, 600), maker.amount())
        raw.orders[-1]["customer_ref"] = ""
    # Their mean ends on half a cent, which binary fractions can't hold.
    for amount in ("150", "177.03"):
        maker.order(("shop", "half-a-cent"), maker.days_ago(1, 600), amount)
    # No source system and the one called default are the same.
    named = [customer for customer in buyers if customer[0] == "default"][:4]
    for customer in named:
        maker.order(customer, maker.days_ago(1, 300), "44.00")
        raw.orders[-1]["source_system"] = "default"
    # Told less than a day before it happened: clocks differ.
    maker.order(buyers[3], AS_OF - timedelta(days=9), "1.00")
    raw.orders[-1] |= {"ordered_at": "2024-06-10 20:00:00", "loaded_at": "2024-06-09 21:00:00"}
    for _ in range(40):
        maker.order(None, maker.days_ago(1, longest), maker.amount())

    _add_events(maker, [*buyers[40:100], *prospects[:10]])
    _add_people_with_wishes(maker, buyers)
    _add_canaries(maker)
    _add_repeats(maker, buyers)
    _add_bad_rows(maker)
    return raw


def _add_events(maker: RawMaker, customers: list[Identifier]) -> None:
    """Sessions of some customers, and of two who have nothing else; repeats and bad events."""
    raw, chance = maker.raw, maker.random
    number = 0
    for customer in [*customers, ("shop", "visitor1"), ("shop", "visitor2")]:
        for _ in range(chance.randint(1, 4)):
            number += 1
            day = AS_OF - timedelta(days=chance.choice([1, 29, 30, 31, 90, 91, 365, 366, 500]))
            types = ["page_view"]
            types += chance.choices(["page_view", "add_to_cart", "search"], k=chance.randint(0, 3))
            start = datetime.combine(day, time(9), ZONE)
            lasts = chance.choice([1, 5, 10])
            for position, event_type in enumerate(types):
                moment = start + timedelta(minutes=lasts * position)
                row = dict.fromkeys(COLUMNS_OF_EVENTS) | {
                    "event_id": f"e{len(raw.events):05}",
                    "source_system": None if customer[0] == "default" else customer[0],
                    "customer_ref": customer[1],
                    "session_id": f"s{number}",
                    "event_type": event_type,
                    "occurred_at": moment.isoformat(),
                }
                raw.events.append(row)
            minutes = lasts * (len(types) - 1)
            raw.sessions.append(Session(customer, day, minutes, tuple(types)))
    visitor = {"customer_ref": None, "anonymous_id": "a1", "session_id": "s0"}
    raw.events.append(raw.events[-1] | visitor | {"event_id": "anonymous"})
    raw.events += [dict(row) for row in raw.events[:3]]
    for number, bad in enumerate(
        [{"event_id": None}, {"occurred_at": "soon"}, {"event_type": None}]
    ):
        raw.events.append(raw.events[-1] | {"event_id": f"bad{number}"} | bad)


def _add_people_with_wishes(maker: RawMaker, buyers: list[Identifier]) -> None:
    """Staff, withdrawn consents, and erased people; each has orders."""
    raw = maker.raw

    def people(name: str, count: int) -> Iterable[Identifier]:
        for number in range(count):
            customer = ("shop", f"{name}{number}")
            for _ in range(maker.random.randint(1, 6)):
                maker.order(customer, maker.days_ago(1, 400), "5000")
            yield customer

    for customer in people("staff", 6):
        maker.record(customer, is_internal="true")
        raw.excluded[customer] = "internal"
    for customer in people("withdrawn", 6):
        maker.consent(customer, "segmentation", True, "2022-05-01 10:00:00")
        maker.consent(customer, "segmentation", False, "2023-05-01 10:00:00")
        raw.excluded[customer] = "consent_withdrawn"
    for customer in people("tie", 3):
        for granted in (False, True):
            maker.consent(customer, "segmentation", granted, "2023-05-01 10:00:00")
        raw.excluded[customer] = "consent_withdrawn"
    for customer in people("granted-again", 4):
        maker.consent(customer, "segmentation", True, "2024-05-01 10:00:00")
        maker.consent(customer, "segmentation", False, "2023-05-01 10:00:00")
    for customer in people("not-to-be-called", 3):
        maker.consent(customer, "activation", False, "2023-05-01 10:00:00")
    for customer in people("erased", 5):
        row = {"source_system": "shop", "customer_ref": customer[1]}
        raw.erasure_requests.append(row | {"requested_at": "2024-01-01 10:00:00"})
        raw.erased.add(customer)


def _add_canaries(maker: RawMaker) -> None:
    known = {
        "given_name": CANARIES["given name"],
        "family_name": CANARIES["family name"],
        "email": CANARIES["e-mail"],
        "phone": CANARIES["phone"],
        "street": CANARIES["street"],
        "birth_date": CANARIES["birth date"],
    }
    maker.record(("shop", "canary1"), **known)
    maker.order(("shop", "canary1"), AS_OF - timedelta(days=77), "77.70")
    maker.record(("shop", "canary2"), birth_date=CANARIES["name as birth date"])
    for name, days in (("e-mail as customer_ref", 33), ("phone as customer_ref", 44)):
        maker.order(("shop", CANARIES[name]), AS_OF - timedelta(days=days), "33.30")


def _add_repeats(maker: RawMaker, buyers: list[Identifier]) -> None:
    """Rows told twice: the same, and corrected."""
    raw = maker.raw
    for row in maker.random.sample(raw.orders[:800], 5):
        raw.orders.append(dict(row))
        raw.deduplicated += 1
    spelled_out = next(row for row in raw.orders if not row["source_system"])
    raw.orders.append(spelled_out | {"source_system": "default"})
    raw.deduplicated += 1
    for customer in buyers[10:14]:
        maker.order(customer, maker.days_ago(50, 400), "11.00")
        raw.orders[-1]["loaded_at"] = "2024-06-18 02:00:00"
        older = {"amount": "5000.00", "status": "completed", "loaded_at": "2024-06-17 02:00:00"}
        raw.orders.append(raw.orders[-1] | older)
        raw.deduplicated += 1
    # The same order_id from two source systems is two orders.
    maker.order(("app", "two-systems"), maker.days_ago(50, 400), "21.00")
    maker.order(("shop", "two-systems"), maker.days_ago(50, 400), "22.00")
    raw.orders[-1]["order_id"] = raw.orders[-2]["order_id"]


def _add_bad_rows(maker: RawMaker) -> None:
    """One row of each kind that must not be loaded, by customers who are in the CRM anyway."""
    raw = maker.raw
    day = AS_OF - timedelta(days=100)

    def bad(word: str, **fields: Any) -> None:
        row = maker.row(("shop", "prospect0"), day, "66.60", status="completed") | fields
        raw.orders.append(row)
        raw.quarantined.append((row["order_id"], word))

    bad("order_id", order_id=None)
    for amount in ("NaN", "inf", "-Infinity", "abc", None, "99999999999", "1e300"):
        bad("amount", amount=amount)
    bad("amount", amount=CANARIES["e-mail as amount"])
    bad("amount", amount="abc", order_id=CANARIES["e-mail as order_id"])
    for moment in ("2024-13-45", None, "yesterday"):
        bad("ordered_at" if moment is None else "impossible_date", ordered_at=moment)
    for moment in ("9999-12-31", "2087-05-05 10:00:00"):
        bad("future_date", ordered_at=moment)
    bad("future_date", ordered_at="2024-05-10 10:00:00", loaded_at="2024-05-05 10:00:00")
    bad("status", status="mislaid")
    bad("status", status=CANARIES["e-mail as status"])
    bad("negative_completed", amount="-5.00", status="completed")
    bad("positive_return", amount="5.00", status="refunded")
    for loaded_at in (None, "2024-06-01 02:00:00"):
        bad("conflicting_repeat", amount="1.00", loaded_at=loaded_at)
        twin = raw.orders[-1] | {"amount": "2.00"}
        raw.orders.append(twin)
        raw.quarantined.append((twin["order_id"], "conflicting_repeat"))
    # A bad optional field costs the row nothing.
    maker.order(("shop", "prospect-no-more"), day, "4.00")
    raw.orders[-1]["loaded_at"] = "last Tuesday"


# --- What the definitions say ----------------------------------------------------------------


def percentile_disc(values: Iterable[Any], percent: int, worst_first: bool = False) -> Any:
    """The discrete percentile of SQL, in exact arithmetic."""
    ordered = sorted(values, reverse=worst_first)
    return ordered[max(math.ceil(Fraction(percent, 100) * len(ordered)) - 1, 0)]


def scores(
    values: Mapping[Any, Any], is_lower_better: bool
) -> tuple[dict[Any, int], dict[int, Any]]:
    """The score of each key, and the five cut points, by the text of the definitions."""
    best = (min if is_lower_better else max)(values.values())
    percents = (20, 40, 60, 80)
    cuts = [percentile_disc(values.values(), p, worst_first=is_lower_better) for p in percents]
    if len(set(values.values())) == 1:
        return dict.fromkeys(values, 3), dict(enumerate([*cuts, best], start=1))

    def is_better(value: Any, other: Any) -> bool:
        return bool(value < other) if is_lower_better else bool(value > other)

    scored = {
        key: 5 if not is_better(best, value) else 1 + sum(is_better(value, cut) for cut in cuts)
        for key, value in values.items()
    }
    return scored, dict(enumerate([*cuts, best], start=1))


def rfm_label(recency: int, frequency: int) -> str:
    """The 25 cells, as the definitions list them."""
    if recency <= 2:
        return "hibernating" if frequency <= 2 else "at_risk" if frequency <= 4 else "cannot_lose"
    if recency == 3:
        labels = {1: "about_to_sleep", 2: "about_to_sleep", 3: "need_attention"}
        return labels.get(frequency, "loyal")
    if frequency == 1:
        return "promising" if recency == 4 else "recent_occasional"
    if frequency <= 3:
        return "potential_loyalist"
    return "loyal" if recency == 4 else "champions"


@dataclass
class Expected:
    """Features and segments of the eligible customers at a date."""

    orders: list[Order]
    eligible: set[Identifier]
    as_of: date
    region: Mapping[Identifier, str] = field(default_factory=dict)
    age_band: Mapping[Identifier, str] = field(default_factory=dict)
    sessions: list[Session] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.by_customer: dict[Identifier, list[Order]] = {key: [] for key in self.eligible}
        for order in self.orders:
            if order.customer in self.by_customer and order.day < self.as_of:
                self.by_customer[order.customer].append(order)
        self.sessions_of: dict[Identifier, list[Session]] = {key: [] for key in self.eligible}
        for session in self.sessions:
            if session.customer in self.sessions_of and session.day < self.as_of:
                self.sessions_of[session.customer].append(session)
        self.features = {key: self._features(key) for key in self.eligible}
        self.buyers = {key for key, values in self.features.items() if values["is_buyer"]}
        self.cutpoints: dict[str, dict[int, Any]] = {}
        self.scores: dict[str, dict[Identifier, int]] = {}
        for metric in ("recency", "frequency", "monetary") if self.buyers else ():
            column = "recency_days" if metric == "recency" else metric
            values = {key: self.features[key][column] for key in self.buyers}
            scored, cuts = scores(values, is_lower_better=metric == "recency")
            self.scores[metric], self.cutpoints[metric] = scored, cuts

    def age(self, fact: Order | Session) -> int:
        return (self.as_of - fact.day).days

    def metric(self, key: Identifier, name: str, oldest: float = math.inf, newest: int = 0) -> Any:
        """A metric over what is `oldest` to `newest` days ago: newest < age <= oldest."""
        orders = [o for o in self.by_customer[key] if newest < self.age(o) <= oldest]
        completed = [o for o in orders if o.is_completed]
        if name == "orders":
            return len(completed)
        if name == "revenue":
            return sum((o.amount for o in orders), Decimal(0))
        if name == "returns":
            return len(orders) - len(completed)
        if name == "purchase_days":
            return len({o.day for o in completed})
        if name == "recency_days":
            return min(map(self.age, completed), default=None)
        if name == "tenure_days":
            return max(map(self.age, completed), default=None)
        sessions = [s for s in self.sessions_of[key] if newest < self.age(s) <= oldest]
        if name == "sessions":
            return len(sessions)
        if name == "session_minutes":
            return sum(s.minutes for s in sessions)
        types = [event_type for s in sessions for event_type in s.event_types]
        if name == "page_views":
            return types.count("page_view")
        if name == "cart_adds":
            return types.count("add_to_cart")
        raise KeyError(name)

    def _features(self, key: Identifier) -> dict[str, Any]:
        frequency, monetary = self.metric(key, "orders"), self.metric(key, "revenue")
        mean = monetary / frequency if frequency else None
        return {
            "as_of": self.as_of,
            "recency_days": self.metric(key, "recency_days"),
            "frequency": frequency,
            "monetary": monetary,
            "monetary_mean": mean and mean.quantize(Decimal("0.01"), ROUND_HALF_UP),
            "tenure_days": self.metric(key, "tenure_days"),
            "purchase_days": self.metric(key, "purchase_days"),
            "orders_365d": self.metric(key, "orders", 365),
            "revenue_365d": self.metric(key, "revenue", 365),
            "is_buyer": frequency > 0,
        }

    def of_buyers(self, segment: Callable[[Identifier], str]) -> dict[Identifier, str]:
        return {
            key: segment(key) if key in self.buyers else self._outside(key) for key in self.eligible
        }

    def _outside(self, key: Identifier) -> str:
        return "returns_only" if self.by_customer[key] else "prospect"

    @functools.cached_property
    def schemes(self) -> dict[str, dict[Identifier, str]]:
        """The segment of each eligible customer, by column of customer_segments."""
        return {
            "rfm_segment": self.of_buyers(
                lambda key: rfm_label(self.scores["recency"][key], self.scores["frequency"][key])
            ),
            "value_tier": self._value_tiers(),
            "spend_limit": self.of_buyers(self._spend_limit),
            "purchase_rhythm": self.of_buyers(self._rhythm),
            "lifecycle": self.of_buyers(self._lifecycle),
            "demographic": self.of_buyers(lambda key: self.age_band.get(key, "unknown")),
        }

    def _value_tiers(self) -> dict[Identifier, str]:
        revenue = {key: self.metric(key, "revenue", 365) for key in self.buyers}
        above_0 = [value for value in revenue.values() if value > 0]
        high, medium = percentile_disc(above_0, 80), percentile_disc(above_0, 50)

        def tier(key: Identifier) -> str:
            value = revenue[key]
            if value <= 0:
                return "none"
            return "high" if value >= high else "medium" if value >= medium else "low"

        return self.of_buyers(tier)

    def _spend_limit(self, key: Identifier) -> str:
        spent = self.features[key]["monetary"]
        return "large" if spent >= Decimal("500.5") else "medium" if spent >= 100 else "small"

    def _rhythm(self, key: Identifier) -> str:
        orders = self.metric(key, "orders", 365)
        return "frequent" if orders >= 4 else "occasional" if orders else "inactive"

    def _lifecycle(self, key: Identifier) -> str:
        ages = sorted(self.age(o) for o in self.by_customer[key] if o.is_completed)
        if ages[-1] <= 30:
            return "new"
        if ages[0] <= 90:
            return "returning" if len(ages) > 1 and ages[1] - ages[0] > 365 else "active"
        return "lapsing" if ages[0] <= 365 else "lapsed"

    @functools.cached_property
    def rules(self) -> dict[str, set[Identifier]]:
        """The members of the rule segments in conftest.VARS."""
        metric, everyone = self.metric, self.eligible

        def those(holds: Callable[[Identifier], bool]) -> set[Identifier]:
            return {key for key in everyone if holds(key)}

        def highest(name: str, percent: int, oldest: float = math.inf) -> set[Identifier]:
            values = {k: v for k in everyone if (v := metric(k, name, oldest)) > 0}
            limit = percentile_disc(values.values(), 100 - percent) if values else 0
            return {key for key, value in values.items() if value >= limit}

        spent = {key: value for key in everyone if (value := metric(key, "revenue")) > 0}
        little = percentile_disc(spent.values(), 10) if spent else 0
        labels = self.schemes["rfm_segment"] if self.buyers else {}
        return {
            "two_orders_90d": those(lambda k: metric(k, "orders", 90) >= 2),
            "two_to_four_orders": those(lambda k: 2 <= metric(k, "orders") <= 4),
            "revenue_100_to_300": those(lambda k: 100 <= metric(k, "revenue", 365) <= 300),
            "quiet_or_returning_goods": those(
                lambda k: (
                    (metric(k, "orders", 365, 90) >= 1 and not metric(k, "orders", 90) >= 1)
                    or metric(k, "returns") > 1
                )
            ),
            "not_recent": those(lambda k: (metric(k, "recency_days") or 0) > 100),
            "long_ago": those(lambda k: (metric(k, "recency_days") or 0) > 400),
            "no_order_30d": those(lambda k: metric(k, "orders", 30) == 0),
            "in_the_red": those(lambda k: metric(k, "revenue") < 0),
            "top_days": highest("purchase_days", 20),
            "top_revenue_2y": highest("revenue", 30, 730),
            "bottom_revenue": {key for key, value in spent.items() if value <= little},
            "cart_30d": those(lambda k: metric(k, "cart_adds", 30) >= 2),
            "engaged_90d": highest("session_minutes", 25, 90),
            "browsing_only": those(
                lambda k: (
                    metric(k, "page_views") >= 1
                    and not metric(k, "cart_adds") > 0
                    and 1 <= metric(k, "sessions", 365) <= 2
                )
            ),
            "northern_champions": those(
                lambda k: (
                    self.region.get(k) in {"north", "east"}
                    and labels.get(k) in {"champions", "loyal"}
                )
            ),
        }


def expected_of(raw: Raw, as_of: date = AS_OF) -> Expected:
    """At an earlier date without those whose first trace came later."""
    seen = {order.customer for order in raw.valid if order.customer and order.day < as_of}
    seen |= raw.in_crm() | raw.cancelled.keys() - {
        k for k, v in raw.cancelled.items() if v >= as_of
    }
    seen |= {session.customer for session in raw.sessions if session.day < as_of}
    people = raw.eligible() & seen
    return Expected(raw.valid, people, as_of, raw.region, raw.age_band, raw.sessions)


# --- The oracle itself -----------------------------------------------------------------------


def test_the_oracle_agrees_with_five_customers_worked_by_hand() -> None:
    bought = {"a": [1], "b": [1, 10], "c": [40, 41, 450], "d": [200], "e": [400]}
    orders = [
        Order(("s", name), AS_OF - timedelta(days=days), Decimal(10), True)
        for name, ages in bought.items()
        for days in ages
    ]
    orders.append(Order(("s", "e"), AS_OF - timedelta(days=2), Decimal(-15), False))
    made = Expected(orders, {("s", name) for name in "abcdef"}, AS_OF)
    assert {key[1]: score for key, score in made.scores["recency"].items()} == {
        "a": 5, "b": 5, "c": 3, "d": 2, "e": 1,
    }  # fmt: skip
    assert made.cutpoints["recency"] == {1: 400, 2: 200, 3: 40, 4: 1, 5: 1}
    assert made.features["s", "e"]["monetary"] == -5
    assert made._lifecycle(("s", "c")) == "active"
    assert made.rules["in_the_red"] == {("s", "e")}
    assert made.rules["no_order_30d"] == {("s", name) for name in "cdef"}


def test_the_reference_data_holds_every_kind_of_customer() -> None:
    raw = reference_data()
    made = expected_of(raw)
    assert 220 < len(made.buyers) < 330
    assert len(made.eligible - made.buyers) > 25
    for scheme, segments in made.schemes.items():
        assert len(set(segments.values())) >= 4, scheme
    # A whole number of customers in a tier would leave open whose value the limit is.
    last_year = [values["revenue_365d"] for values in made.features.values()]
    assert sum(value > 0 for value in last_year) % 10 in {1, 3, 7, 9}
    assert sum(values["monetary"] > 0 for values in made.features.values()) % 10
    sizes = {name: len(members) for name, members in made.rules.items()}
    assert all(0 < size < len(made.eligible) for size in sizes.values()), sizes
    assert len(raw.quarantined) / len(raw.orders) < 0.05
