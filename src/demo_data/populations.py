"""Makes populations: the demo's companion at once, larger ones chunk by chunk."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from demo_data import words
from demo_data.arrays import Array
from demo_data.orders import (
    HISTORY_FROM,
    STRIKE_REGION,
    Orders,
    make_orders,
    without_strike,
)
from demo_data.people import (
    AS_OF,
    CHUNK_CUSTOMERS,
    household_sizes,
    make_people,
)
from demo_data.rates import (
    DEMO_HOUSEHOLDS,
    DEMO_WISHES,
    RATES,
    SCALE_HOUSEHOLDS,
    Duplicates,
    Wishes,
)
from demo_data.records import Records, make_records
from demo_data.tables import (
    Baskets,
    Stream,
    Tables,
    companion_tables,
    control_totals,
    drift_truth,
    experiments_truth,
    order_table,
)
from demo_data.web import Volume

DEMO_SEED = 20180101
DEMO_STRANGERS = 80  # people without any tie to the panel, staff and test accounts among them
DEMO_VOLUME = Volume(basket_share=0.04, other_sessions=8.0, kiosks=2, bots=12)
SCALE_VOLUME = Volume(basket_share=0.04, other_sessions=0.8, kiosks=2, bots=5)
SCALE_PRODUCTS = 500
SCALE_CATEGORIES = ("pantry", "dairy", "produce", "bakery", "frozen", "household", "toys", "music")
STORE_FIRST = 0.55  # share of customers who began in a store, not in the web shop
FIRST_SYSTEM = 0.65  # share of orders placed where the customer began, if there is a choice
QUIET_DAYS = 30  # without an order for this long, a panel household writes like a leaver

_PARTS = (
    "people",
    "records",
    "orders",
    "web",
    "links",
    "consents",
    "erasures",
    "feedback",
    "experiments",
    "control_totals",
    "products",
)


@dataclass(frozen=True)
class Panel:
    """The facts about the panel that the companion needs. Households in any fixed order.

    Attributes:
        household_id: Id of each household, as text.
        spend: Its total spend, in the reporting currency.
        last_order_at: Its last order, in UTC.
        age_band: Such as 25-34; None if the panel has none.
        basket_household: Position of the household of each basket.
        basket_at: Instant of each basket, in UTC.
        product_id: Ids of products that may be looked at.
        product_share: How often each is bought; they add up to 1.
        day: Local days with orders; orders and cents are those of the day.
    """

    household_id: Array
    spend: Array
    last_order_at: Array
    age_band: Array
    basket_household: Array
    basket_at: Array
    product_id: Array
    product_share: Array
    day: Array
    orders: Array
    cents: Array


def demo_companion(panel: Panel, seed: int = DEMO_SEED) -> tuple[Tables, Tables]:
    """The companion of the demo, light setting: contract tables and truth by name.

    Each household's head is in the panel's own customer file and in some other systems. Spouses,
    children and strangers are added people; they have no orders.
    """
    stream = _stream(seed, 0)
    households = len(panel.household_id)
    rng = stream("people")
    rates = RATES["light"]
    sizes = 1 + rng.choice(4, households, p=DEMO_HOUSEHOLDS.sizes)
    sizes = np.concatenate([sizes, np.ones(DEMO_STRANGERS, dtype=int)])
    years = np.array([birth_years(band) for band in panel.age_band])
    people = make_people(
        rng,
        sizes,
        DEMO_HOUSEHOLDS,
        (rates.moved, rates.new_email, rates.new_phone),
        protected=households,
        head_birth_years=np.concatenate([years, np.zeros((DEMO_STRANGERS, 2), dtype=int)]),
    )
    home = np.where(rng.random(len(people)) < 0.5, "crm", "shop").astype(object)
    home[people.is_protected] = "panel"
    head = np.flatnonzero(people.is_protected)
    spend = np.zeros(len(people))
    spend[head] = panel.spend
    quiet = panel.last_order_at < AS_OF - np.timedelta64(QUIET_DAYS, "D")
    is_leaving = np.zeros(len(people), dtype=bool)
    is_leaving[head] = quiet
    records = make_records(
        stream("records"), people, home, rates, panel_households=panel.household_id, spend=spend
    )
    account = records.first_in("shop")[head]
    record = account[panel.basket_household]
    tables, true = companion_tables(
        stream,
        people,
        records,
        Baskets(record[record >= 0], panel.basket_at[record >= 0]),
        is_leaving,
        panel.product_id,
        panel.product_share,
        DEMO_VOLUME,
        DEMO_WISHES,
    )
    system = np.full(len(panel.day), "panel", dtype=object)
    tables["control_totals"] = control_totals(
        stream("control_totals"), system, panel.day, panel.orders, panel.cents
    )
    true["experiments"] = experiments_truth()
    return tables, true


def generate(
    target: Path, truth: Path, customers: int, duplicates: Duplicates = "light", seed: int = 1
) -> dict[str, int]:
    """Writes a population with orders as Parquet, in memory that does not grow with its size.

    The same arguments give the same rows. A larger population of the same seed begins with the
    same customers, in chunks of `CHUNK_CUSTOMERS`; only the control totals differ.

    Args:
        target: Folder of the contract tables. Replaced as a whole.
        truth: Folder of the truth. Replaced as a whole; never inside target.
        customers: Number of people, at least 1; family members, staff and test accounts count.
        duplicates: Rates of errors and duplicates.
        seed: Seed of all chance, 0 or more.

    Returns:
        Rows per contract table.

    Raises:
        ValueError: No customers, or the truth would lie inside the raw folder or around it.
    """
    if customers < 1:
        raise ValueError(f"customers is {customers}. Expected at least 1.")
    check_apart(target, truth)
    days = int((AS_OF - HISTORY_FROM) // np.timedelta64(1, "D"))
    rows_per_day = np.zeros((2, days), dtype=np.int64)
    cents_per_day = np.zeros((2, days), dtype=np.int64)
    with (
        replaced(target) as raw_draft,
        replaced(truth) as truth_draft,
        _writing(raw_draft) as raw,
        _writing(truth_draft) as true,
    ):
        products = _products(_stream(seed, 0)("products"))
        raw.write("products", products)
        for chunk, start in enumerate(range(0, customers, CHUNK_CUSTOMERS)):
            count = min(CHUNK_CUSTOMERS, customers - start)
            tables, true_tables, orders, is_shop = _chunk(
                seed, chunk, count, duplicates, products["product_id"].to_numpy(False)
            )
            day = ((orders.ordered_at - HISTORY_FROM) // np.timedelta64(1, "D")).astype(int)
            np.add.at(rows_per_day, (is_shop, day), 1)
            np.add.at(cents_per_day, (is_shop, day), orders.cents)
            for name, table in tables.items():
                raw.write(name, table)
            for name, table in true_tables.items():
                true.write(name, table)
        raw.write(
            "control_totals",
            control_totals(
                _stream(seed, 0)("control_totals"),
                np.repeat(np.array(["store", "shop"], dtype=object), days),
                np.tile(HISTORY_FROM.astype("M8[D]") + np.arange(days), 2),
                rows_per_day.ravel(),
                cents_per_day.ravel(),
            ),
        )
        true.write("experiments", experiments_truth())
        true.write("drift", drift_truth())
    return dict(raw.rows)


def check_apart(target: Path, truth: Path) -> None:
    """Raises ValueError if one folder lies in the other: raw data must not contain the truth."""
    one, other = target.resolve(), truth.resolve()
    if one == other or one in other.parents or other in one.parents:
        raise ValueError(
            f"The truth folder {truth} and the raw folder {target} must lie apart: no model may "
            f"read the truth."
        )


@contextmanager
def replaced(target: Path) -> Iterator[Path]:
    """A draft folder that replaces target on success."""
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        yield draft
        shutil.rmtree(target, ignore_errors=True)
        os.replace(draft, target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


class _Writers:
    """One Parquet file per table, to which chunks are appended."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.rows: Counter[str] = Counter()
        self._folder = folder
        self._stack = stack
        self._writers: dict[str, pq.ParquetWriter] = {}

    def write(self, name: str, table: pa.Table) -> None:
        if name not in self._writers:
            writer = pq.ParquetWriter(self._folder / f"{name}.parquet", table.schema)
            self._writers[name] = self._stack.enter_context(writer)
        self._writers[name].write_table(table)
        self.rows[name] += table.num_rows


@contextmanager
def _writing(folder: Path) -> Iterator[_Writers]:
    with ExitStack() as stack:
        yield _Writers(folder, stack)


def _chunk(
    seed: int, chunk: int, customers: int, duplicates: Duplicates, product_ids: Array
) -> tuple[Tables, Tables, Orders, Array]:
    """Tables and truth of some customers, their orders, and whether each is of the web shop."""
    stream = _stream(seed, chunk)
    rates = RATES[duplicates]
    rng = stream("people")
    people = make_people(
        rng,
        household_sizes(rng, customers, SCALE_HOUSEHOLDS.sizes),
        SCALE_HOUSEHOLDS,
        (rates.moved, rates.new_email, rates.new_phone),
        chunk=chunk,
    )
    home = np.where(rng.random(customers) < STORE_FIRST, "store", "shop").astype(object)
    rng = stream("orders")
    region = np.array([region for _, region, _ in words.PLACES], dtype=object)[people.place[:, 1]]
    orders = without_strike(make_orders(rng, people.since), region == STRIKE_REGION)
    spend = np.bincount(orders.index, weights=orders.cents, minlength=customers)
    records = make_records(stream("records"), people, home, rates, chunk=chunk, spend=spend)
    record = _ordering_records(rng, records, orders)
    is_shop = (records.system[record] == "shop").astype(int)
    is_basket = (is_shop == 1) & ~orders.is_return & ~orders.is_guest
    has_stopped = ~np.isnat(orders.stopped)
    shares = 1 / np.arange(1, len(product_ids) + 1)
    tables, true = companion_tables(
        stream,
        people,
        records,
        Baskets(record[is_basket], orders.ordered_at[is_basket]),
        has_stopped,
        product_ids,
        shares / shares.sum(),
        SCALE_VOLUME,
        Wishes(),
        chunk,
    )
    tables["orders"] = order_table(rng, orders, record, records, chunk)
    stopped = pa.array(orders.stopped.astype("M8[us]"), pa.timestamp("us"), from_pandas=True)
    true["people"] = true["people"].append_column(
        "stopped", stopped.cast(pa.timestamp("us", tz="UTC"))
    )
    return tables, true, orders, is_shop


def _ordering_records(rng: np.random.Generator, records: Records, orders: Orders) -> Array:
    """Position of the record each order is placed with: the first one, or another that exists."""
    may_order = np.flatnonzero(np.isin(records.system.astype(str), ["store", "shop"]))
    may_order = may_order[np.argsort(records.index[may_order], kind="stable")]
    choices = np.bincount(records.index[may_order], minlength=len(records.home))
    first = np.cumsum(choices) - choices
    chosen = first[orders.index] + (rng.random(len(orders.index)) * choices[orders.index]).astype(
        int
    )
    other = may_order[chosen]
    usual = records.home[orders.index]
    is_open = records.columns["created_at"][other] <= orders.ordered_at
    return np.where(is_open & (rng.random(len(other)) >= FIRST_SYSTEM), other, usual)


def _stream(seed: int, chunk: int) -> Stream:
    def of_part(part: str) -> np.random.Generator:
        return np.random.default_rng([seed, chunk, _PARTS.index(part)])

    return of_part


def birth_years(age_band: str | None) -> tuple[int, int]:
    """First and last year of birth for an age at as_of; zeros if it is unknown."""
    if age_band is None:
        return 0, 0
    low, _, high = age_band.replace("+", "-88").partition("-")
    return 2018 - int(high), 2017 - int(low)


def _products(rng: np.random.Generator) -> pa.Table:
    category = rng.choice(np.array(SCALE_CATEGORIES, dtype=object), SCALE_PRODUCTS)
    ids = [f"P{number:04}" for number in range(SCALE_PRODUCTS)]
    frame = pd.DataFrame(
        {
            "product_id": ids,
            "name": [f"{word} {number}" for number, word in enumerate(category)],
            "category": category,
            "is_synthetic": True,
        }
    )
    return pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)
