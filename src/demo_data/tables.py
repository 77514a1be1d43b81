"""Turns a generated population into tables of the input contract, and of the truth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa

from demo_data import experiments, feedback, truth, web
from demo_data.arrays import Array, as_arrow, contract_table, ids, instants, money, of_words
from demo_data.orders import STRIKE, STRIKE_REGION, Orders
from demo_data.people import AS_OF, ID_SPACE, PANEL_FROM, People
from demo_data.rates import Wishes
from demo_data.records import Records

# A generator of chance for each part, so that a change to one leaves the others as they are.
Stream = Callable[[str], np.random.Generator]
Tables = dict[str, pa.Table]

STATED = 0.95  # share of people who were asked for their consents
GIVEN_FIRST = 0.5  # share of withdrawals that came after a consent
PORTAL = 0.5  # share of support records whose person logs into the portal from a known device
PARTICIPANTS = 0.5  # share of people in each experiment
DAYS_OFF = 0.02  # share of days whose control total differs from the orders
LARGEST_GAP = 0.01  # of a system's orders and of their amount, the most that its totals have more


@dataclass(frozen=True)
class Baskets:
    """Purchases that a web session may have led to.

    Attributes:
        record: Position of the shop record of each.
        at: Instant of each, in UTC.
    """

    record: Array
    at: Array


def companion_tables(
    stream: Stream,
    people: People,
    records: Records,
    baskets: Baskets,
    is_leaving: Array,
    product_ids: Array,
    product_shares: Array,
    volume: web.Volume,
    wishes: Wishes,
    chunk: int = 0,
) -> tuple[Tables, Tables]:
    """The contract tables that a population fills, orders and products apart, and the truth.

    Args:
        stream: Source of chance by part.
        people: Who they are.
        records: What is written of them.
        baskets: Purchases of shop customers.
        is_leaving: Whether each person has stopped buying.
        product_ids: Products that are looked at.
        product_shares: How often; they add up to 1.
        volume: How many sessions.
        wishes: Rates of consents and requests.
        chunk: Number of the chunk.
    """
    shop = records.of("shop")
    accounts = web.Accounts(
        reference=records.reference[shop],
        person=records.index[shop],
        household=people.household[records.index[shop]],
        shares_device=people.shares_device[records.index[shop]],
        opened_at=records.columns["created_at"][shop],
    )
    events = web.make_events(
        stream("web"),
        accounts,
        np.searchsorted(shop, baskets.record),
        baskets.at,
        product_shares,
        volume,
        PANEL_FROM,
        chunk,
    )
    links = _links(stream("links"), records, accounts, events, chunk)
    crm = records.first_in("crm")
    asked = np.where(crm >= 0, crm, records.home)
    written = _feedback(stream("feedback"), people, records, is_leaving, chunk)
    customers = pd.DataFrame(records.columns)
    person = people.person[records.index]
    devices = links[["source_system", "customer_ref", "device_id"]]
    devices = devices.rename(columns={"customer_ref": "reference"})
    assignments, outcomes = _experiments(stream("experiments"), people, records)
    tables = {
        "customers": contract_table(customers),
        "events": _event_table(events, accounts, product_ids),
        "identity_links": contract_table(links),
        "consents": contract_table(_consents(stream("consents"), people, records, asked, wishes)),
        "erasure_requests": contract_table(
            _erasures(stream("erasures"), people, records, asked, wishes)
        ),
        "tickets": contract_table(_tickets(records, written)),
        "experiment_assignments": contract_table(assignments),
        "experiment_outcomes": contract_table(outcomes),
    }
    true = {
        "records": customers[["source_system", "record_id"]].assign(person=person),
        "pairs": truth.true_pairs(customers, person, devices),
        "people": pd.DataFrame(
            {"person": people.person, "household": people.household, "role": people.role}
        ),
        "tickets": pd.DataFrame(
            {
                "ticket_id": ids("t", written.number),
                "topic": written.topic,
                "sentiment": np.where(written.is_negative, "negative", "positive"),
            }
        ),
    }
    return tables, {name: as_arrow(frame) for name, frame in true.items()}


def experiments_truth() -> pa.Table:
    """The planted effects: difference of means, treatment less control."""
    rows = [
        (name, metric, effect)
        for name, experiment in experiments.EXPERIMENTS.items()
        for metric, effect in (
            ("conversion", experiment.conversion),
            ("spend", experiment.spend),
        )
    ]
    return as_arrow(pd.DataFrame(rows, columns=["experiment_id", "metric", "effect"]))


def drift_truth() -> pa.Table:
    """The planted drift: customers with this value of the attribute buy nothing from day to day."""
    first, end = STRIKE
    days = {"first_day": str(first), "end_day": str(end)}
    return as_arrow(pd.DataFrame([{"attribute": "region", "value": STRIKE_REGION, **days}]))


def order_table(
    rng: np.random.Generator, orders: Orders, record: Array, records: Records, chunk: int
) -> pa.Table:
    """Orders as rows of the contract table.

    Args:
        rng: Source of chance.
        orders: What was bought.
        record: Position of the record whose reference each order carries.
        records: All records.
        chunk: Number of the chunk.
    """
    count = len(record)
    loaded = np.minimum(orders.ordered_at + rng.integers(600, 86_400, count), AS_OF - 1)
    is_shop = records.system[record] == "shop"
    return pa.table(
        {
            "order_id": ids("o", np.arange(count) + chunk * ID_SPACE),
            "source_system": of_words(is_shop, ["store", "shop"]),
            "customer_ref": pa.array(records.reference, pa.string()).take(
                pa.array(record, mask=orders.is_guest)
            ),
            "ordered_at": instants(orders.ordered_at),
            "amount": money(orders.cents),
            "currency": of_words(np.zeros(count), ["USD"]),
            "status": of_words(orders.is_return, ["completed", "returned"]),
            "channel": of_words(is_shop, ["store", "web"]),
            "loaded_at": instants(np.maximum(loaded, orders.ordered_at)),
            "is_synthetic": pa.array(np.ones(count, dtype=bool)),
        }
    )


def control_totals(
    rng: np.random.Generator, system: Array, day: Array, rows: Array, cents: Array
) -> pa.Table:
    """What the source system says it holds: the orders by local day, a few days a little more.

    A few orders are a large share of a small population: its totals differ on fewer days.

    Args:
        rng: Source of chance.
        system: Source system; with day the key, in order.
        day: Local day.
        rows: Orders of the day.
        cents: Sum of their amounts.
    """
    is_off = rng.random(len(day)) < DAYS_OFF
    more = np.where(is_off, rng.integers(1, 6, len(day)), 0)
    mean = np.divide(cents, rows, out=np.zeros(len(day)), where=rows > 0)
    for name in np.unique(system):
        days = system == name
        for gap, held in ((more, rows), (np.abs(more * mean), np.abs(cents))):
            more[days] *= np.cumsum(gap[days]) <= LARGEST_GAP * held[days].sum()
    return pa.table(
        {
            "source_system": pa.array(system, pa.string()),
            "table_name": of_words(np.zeros(len(day)), ["orders"]),
            "day": pa.array(day.astype("M8[D]")),
            "row_count": pa.array(rows + more, pa.int64()),
            "amount": money(np.rint(cents + more * mean).astype(np.int64)),
            "is_synthetic": pa.array(np.ones(len(day), dtype=bool)),
        }
    )


def _event_table(events: web.Events, accounts: web.Accounts, product_ids: Array) -> pa.Table:
    count = len(events.number)
    references = pa.array(accounts.reference, pa.string())
    return pa.table(
        {
            "event_id": ids("e", events.number),
            "source_system": of_words(np.zeros(count), ["shop"]),
            "anonymous_id": ids("a", events.cookie),
            "customer_ref": references.take(pa.array(events.account, mask=events.account < 0)),
            "session_id": ids("s", events.session),
            "event_type": pa.array(events.event_type, pa.string()),
            "occurred_at": instants(events.occurred_at),
            "product_id": pa.array(product_ids, pa.string()).take(
                pa.array(events.product, mask=events.product < 0)
            ),
            "page": pa.array([web.PAGES[name] for name in events.event_type], pa.string()),
            "device": pa.array(events.kind, pa.string()),
            "country": of_words(events.session % 50 == 0, ["US", "CA"]),
            "referrer": pa.array(events.referrer, pa.string()),
            "loaded_at": instants(events.loaded_at),
            "is_synthetic": pa.array(np.ones(count, dtype=bool)),
        }
    )


def _links(
    rng: np.random.Generator,
    records: Records,
    accounts: web.Accounts,
    events: web.Events,
    chunk: int,
) -> pd.DataFrame:
    """Each account with each cookie it logged in from, and support records with a device."""
    login = np.flatnonzero(events.event_type == "login")
    seen = pd.DataFrame(
        {
            "account": events.account[login],
            "cookie": events.cookie[login],
            "device": events.device[login],
            "seen_at": events.occurred_at[login],
        }
    )
    seen = seen.groupby(["account", "cookie", "device"], as_index=False)["seen_at"].min()
    shop_links = pd.DataFrame(
        {
            "source_system": "shop",
            "customer_ref": accounts.reference[seen["account"].to_numpy(dtype=int)],
            "anonymous_id": ids("a", seen["cookie"].to_numpy()),
            "device_id": ids("d", seen["device"].to_numpy()),
            "seen_at": seen["seen_at"].to_numpy(),
        }
    )
    # The first device of an account has twice the account's position as its number.
    support = records.of("support")
    account = np.full(int(records.index.max(initial=0)) + 1, -1)
    account[accounts.person[::-1]] = np.arange(len(accounts))[::-1]
    account_of = account[records.index[support]]
    logs_in = (account_of >= 0) & (rng.random(len(support)) < PORTAL)
    support, account_of = support[logs_in], account_of[logs_in]
    opened = records.columns["created_at"][support]
    portal_links = pd.DataFrame(
        {
            "source_system": "support",
            "customer_ref": records.reference[support],
            "anonymous_id": None,
            "device_id": ids("d", 2 * account_of + chunk * ID_SPACE),
            "seen_at": opened + _part_of(rng, AS_OF - opened),
        }
    )
    return pd.concat([shop_links, portal_links], ignore_index=True)


def _part_of(rng: np.random.Generator, span: Array) -> Array:
    return np.asarray((rng.random(len(span)) * span.astype(int)).astype("timedelta64[s]"))


def _consents(
    rng: np.random.Generator, people: People, records: Records, asked: Array, wishes: Wishes
) -> pd.DataFrame:
    rows = []
    for purpose, share in (
        ("segmentation", wishes.no_segmentation),
        ("activation", wishes.no_activation),
    ):
        withdraws = (rng.random(len(people)) < share) & ~people.is_protected
        states = (rng.random(len(people)) < STATED) | withdraws
        gives = states & (~withdraws | (rng.random(len(people)) < GIVEN_FIRST))
        at = records.columns["created_at"][asked]
        later = at + _part_of(rng, AS_OF - at)
        for who, granted, when in ((gives, True, at), (withdraws, False, later)):
            chosen = np.flatnonzero(who)
            rows.append(
                pd.DataFrame(
                    {
                        "source_system": records.system[asked[chosen]],
                        "customer_ref": records.reference[asked[chosen]],
                        "purpose": purpose,
                        "granted": granted,
                        "recorded_at": when[chosen],
                    }
                )
            )
    return pd.concat(rows, ignore_index=True)


def _erasures(
    rng: np.random.Generator, people: People, records: Records, asked: Array, wishes: Wishes
) -> pd.DataFrame:
    asks = (rng.random(len(people)) < wishes.erasure) & ~people.is_protected
    record = asked[np.flatnonzero(asks)]
    created = records.columns["created_at"][record]
    return pd.DataFrame(
        {
            "source_system": records.system[record],
            "customer_ref": records.reference[record],
            "requested_at": created + _part_of(rng, AS_OF - created),
        }
    )


def _feedback(
    rng: np.random.Generator, people: People, records: Records, is_leaving: Array, chunk: int
) -> feedback.Feedback:
    names = people.given_name + " " + people.family_name
    created = records.columns["created_at"]
    return feedback.make_feedback(
        rng,
        records.system,
        names[records.index],
        is_leaving[records.index],
        np.maximum(created, PANEL_FROM),
        AS_OF - 3600,
        chunk,
    )


def _tickets(records: Records, written: feedback.Feedback) -> pd.DataFrame:
    reference = records.reference[written.record]
    reference[written.record < 0] = None
    systems = np.array([feedback.CHANNELS[name].system for name in written.channel], dtype=object)
    return pd.DataFrame(
        {
            "ticket_id": ids("t", written.number),
            "source_system": systems,
            "customer_ref": reference,
            "opened_at": written.opened_at,
            "channel": written.channel,
            "body": written.body,
            "rating": pd.arrays.IntegerArray(written.rating, written.rating < 0),
        }
    )


def _experiments(
    rng: np.random.Generator, people: People, records: Records
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Assignments and outcomes of people who were customers by then, staff and tests apart."""
    assignments, outcomes = [], []
    for name, experiment in experiments.EXPERIMENTS.items():
        may_be = ~people.is_internal & (people.since < experiments.ASSIGNED_AT)
        who = np.flatnonzero(may_be & (rng.random(len(people)) < PARTICIPANTS))
        variant, converted, spend = experiments.assigned_and_measured(rng, experiment, len(who))
        record = records.home[who]
        key = pd.DataFrame(
            {
                "experiment_id": name,
                "source_system": records.system[record],
                "customer_ref": records.reference[record],
            }
        )
        variants = np.array(experiment.variants, dtype=object)[variant]
        assignments.append(key.assign(variant=variants, assigned_at=experiments.ASSIGNED_AT))
        for metric, value in (("conversion", converted), ("spend", spend)):
            outcomes.append(key.assign(metric=metric, value=value))
    return pd.concat(assignments, ignore_index=True), pd.concat(outcomes, ignore_index=True)
