"""Web and app events: sessions before baskets, sessions without one, log-ins, bots, bad loads.

A session is a row of blocks: page views, a search, product views, a log-in, products put into the
cart, a checkout, a purchase. It is anonymous up to its log-in. Two days at most before a basket
means that the purchase was made on the web and picked up in the store.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from demo_data.arrays import Array
from demo_data.people import AS_OF, ID_SPACE

Generator = np.random.Generator

BLOCKS = (
    "page_view",
    "search",
    "login",
    "product_view",
    "add_to_cart",
    "login",
    "checkout",
    "purchase",
)
_EARLY_LOGIN, _LATE_LOGIN = 2, 5
PAGES = {
    "page_view": "/",
    "search": "/search",
    "login": "/login",
    "product_view": "/product",
    "add_to_cart": "/cart",
    "checkout": "/checkout",
    "purchase": "/thanks",
}

KNOWN_BUYERS_LOG_IN = 0.9  # share of sessions with a purchase that have a log-in
BROWSERS_LOG_IN = 0.4  # share of the other sessions
ABANDONED = 0.2  # share of sessions without purchase that leave a cart behind
ABANDONED_AT_CHECKOUT = 0.4  # share of those that got to the checkout
SECOND_DEVICE = 0.4  # share of accounts with two devices
NEW_COOKIE = 0.3  # share of devices whose cookie was cleared once
LATE = 0.01  # share of events that arrive two to ten days late
REPEATED = 0.005  # share of events that arrive twice, with equal content
KIOSK_ACCOUNTS = 30  # accounts that log in at a kiosk, for each kiosk
BOT_VIEWS = 400  # page views of a bot's session on average, within two minutes


@dataclass(frozen=True)
class Accounts:
    """Accounts of the web shop, one entry each.

    Attributes:
        reference: customer_ref.
        person: Position of the person among the people.
        household: Number of the household.
        shares_device: Whether the person logs in from a device of the household.
        opened_at: When the account was made; no session of it begins before.
    """

    reference: Array
    person: Array
    household: Array
    shares_device: Array
    opened_at: Array

    def __len__(self) -> int:
        return len(self.reference)


@dataclass(frozen=True)
class Volume:
    """How many sessions to make.

    Attributes:
        basket_share: Share of an account's baskets that come from a web session.
        other_sessions: Sessions without a purchase per account, on average.
        kiosks: Number of kiosks.
        bots: Number of bots, each with one session.
    """

    basket_share: float
    other_sessions: float
    kiosks: int
    bots: int


@dataclass(frozen=True)
class Events:
    """One entry per event; repeated events are there twice. Numbers stand for ids.

    Attributes:
        number: Of the event.
        session: Number of the session.
        device: Number of the device; devices of bots are those from `first_bot_device` on.
        cookie: Number of the anonymous id.
        account: Position of the account, -1 before the log-in.
        event_type: Word.
        occurred_at: Instant in UTC; loaded_at likewise.
        product: Position of the product, -1 for none.
        kind: mobile, desktop, tablet, kiosk or bot.
        referrer: Word or None.
    """

    number: Array
    session: Array
    device: Array
    cookie: Array
    account: Array
    event_type: Array
    occurred_at: Array
    loaded_at: Array
    product: Array
    kind: Array
    referrer: Array


def make_events(
    rng: Generator,
    accounts: Accounts,
    basket_account: Array,
    basket_at: Array,
    product_shares: Array,
    volume: Volume,
    earliest: np.datetime64,
    chunk: int = 0,
) -> Events:
    """Draws the events of accounts between earliest and as_of.

    Args:
        rng: Source of chance.
        accounts: Who may log in.
        basket_account: Position of the account of each basket.
        basket_at: Instant of each basket, in UTC.
        product_shares: Share of views of each product; they add up to 1.
        volume: How much.
        earliest: First instant.
        chunk: Number of the chunk; it decides the ids.
    """
    from_basket = np.flatnonzero(rng.random(len(basket_at)) < volume.basket_share)
    lead = rng.integers(3600, 48 * 3600, len(from_basket))
    others = rng.poisson(volume.other_sessions, len(accounts))
    account = np.concatenate(
        [basket_account[from_basket], np.repeat(np.arange(len(accounts)), others)]
    ).astype(int)
    start = np.concatenate(
        [basket_at[from_basket] - lead, _evenings(rng, earliest, int(others.sum()))]
    )
    buys = np.arange(len(account)) < len(from_basket)
    in_time = (start >= earliest) & (start >= accounts.opened_at[account])
    account, start, buys = account[in_time], start[in_time], buys[in_time]
    order = np.lexsort((buys, account, start))
    account, start, buys = account[order], start[order], buys[order]

    blocks = _blocks(rng, buys)
    device, cookie, kind = _devices(rng, accounts, account, start, volume, chunk)
    at_kiosk = kind == "kiosk"
    blocks[at_kiosk, _EARLY_LOGIN], blocks[at_kiosk, _LATE_LOGIN] = 1, 0

    bots = volume.bots
    bot_blocks = np.zeros((bots, len(BLOCKS)), dtype=int)
    bot_blocks[:, 0] = rng.poisson(BOT_VIEWS, bots)
    number = np.arange(bots)
    blocks = np.concatenate([blocks, bot_blocks])
    account = np.concatenate([account, np.full(bots, -1)])
    start = np.concatenate([start, _evenings(rng, earliest, bots)])
    device = np.concatenate([device, _first_bot(accounts, volume) + number + chunk * ID_SPACE])
    cookie = np.concatenate([cookie, 2 * device[len(device) - bots :]])
    # Half of the bots identify themselves.
    kind = np.concatenate([kind, np.where(number % 2 == 0, "bot", "desktop").astype(object)])
    return _unfolded(rng, blocks, account, start, device, cookie, kind, product_shares, chunk)


def _evenings(rng: Generator, earliest: np.datetime64, count: int) -> Array:
    """Instants on random days, mostly in the evening in New York; at least two hours to as_of."""
    days = (AS_OF - earliest).astype("timedelta64[D]").astype(int)
    hour = np.clip(rng.normal(19, 3.5, count), 0.0, 21.9)
    return np.asarray(earliest + (rng.integers(0, days, count) * 86_400 + hour * 3600).astype(int))


def _blocks(rng: Generator, buys: Array) -> Array:
    """Events per session and block, shape (sessions, blocks)."""
    count = len(buys)
    abandons = ~buys & (rng.random(count) < ABANDONED)
    logs_in = rng.random(count) < np.where(buys, KNOWN_BUYERS_LOG_IN, BROWSERS_LOG_IN)
    has_cart = buys | abandons
    is_late = has_cart & (rng.random(count) < 0.5)
    blocks = np.zeros((count, len(BLOCKS)), dtype=int)
    blocks[:, 0] = 1 + rng.poisson(0.7, count)
    blocks[:, 1] = rng.random(count) < 0.4
    blocks[:, _EARLY_LOGIN] = logs_in & ~is_late
    blocks[:, 3] = rng.poisson(1.8, count) + has_cart
    blocks[:, 4] = np.where(has_cart, 1 + rng.poisson(0.8, count), 0)
    blocks[:, _LATE_LOGIN] = logs_in & is_late
    blocks[:, 6] = buys | (abandons & (rng.random(count) < ABANDONED_AT_CHECKOUT))
    blocks[:, 7] = buys
    return blocks


def _first_bot(accounts: Accounts, volume: Volume) -> int:
    """Devices are numbered: two per account, the households', the kiosks, the bots."""
    return 3 * len(accounts) + volume.kiosks


def _devices(
    rng: Generator, accounts: Accounts, account: Array, start: Array, volume: Volume, chunk: int
) -> tuple[Array, Array, Array]:
    """Device, cookie and kind of device of each session."""
    count = len(accounts)
    # The device of a household is the tablet of its first account; one sharer makes all share.
    _, first, household = np.unique(accounts.household, return_index=True, return_inverse=True)
    family = first[household]
    shares = np.isin(family, family[accounts.shares_device])
    second = np.where(shares, 2 * count + family, 2 * np.arange(count) + 1)
    has_second = (rng.random(count) < SECOND_DEVICE) | shares
    uses_second = has_second[account] & (rng.random(len(account)) < 0.4)
    device = np.where(uses_second, second[account], 2 * account)

    # The first session of some accounts is at a kiosk.
    first_session = np.unique(account, return_index=True)[1]
    seats = min(volume.kiosks * KIOSK_ACCOUNTS, len(first_session))
    at_kiosk = np.sort(rng.choice(first_session, seats, replace=False))
    device[at_kiosk] = 3 * count + np.arange(seats) // KIOSK_ACCOUNTS

    clears = rng.random(_first_bot(accounts, volume)) < NEW_COOKIE
    middle = start.min() + (start.max() - start.min()) // 2 if len(start) else AS_OF
    cookie = 2 * device + (clears[device] & (start > middle))
    kinds = np.where(rng.random(_first_bot(accounts, volume)) < 0.6, "mobile", "desktop")
    kinds = kinds.astype(object)
    kinds[2 * count : 3 * count] = "tablet"
    kinds[3 * count :] = "kiosk"
    offset = chunk * ID_SPACE
    return device + offset, cookie + 2 * offset, kinds[device]


def _unfolded(
    rng: Generator,
    blocks: Array,
    account: Array,
    start: Array,
    device: Array,
    cookie: Array,
    kind: Array,
    product_shares: Array,
    chunk: int,
) -> Events:
    """Sessions as rows of events, with instants, late and repeated ones."""
    sessions, width = blocks.shape
    sizes = blocks.sum(axis=1)
    session = np.repeat(np.arange(sessions), sizes)
    block = np.repeat(np.tile(np.arange(width), sessions), blocks.ravel())
    event_type = np.array(BLOCKS, dtype=object)[block]
    count = len(session)
    is_first = np.diff(session, prepend=-1) > 0
    is_bot = account[session] < 0

    def at_first_event(values: Array) -> Array:
        return np.repeat(values[is_first], sizes[sizes > 0])

    gap = np.where(is_bot, rng.uniform(0, 0.6, count), 2 + rng.exponential(40, count))
    elapsed = np.cumsum(np.where(is_first, 0, gap))
    elapsed -= at_first_event(elapsed)
    occurred = np.minimum(start[session] + elapsed.astype(int), AS_OF - 1)

    is_login = event_type == "login"
    logins = np.cumsum(is_login)
    known = logins > at_first_event(logins - is_login)
    names_product = np.isin(block, (3, 4))
    product = rng.choice(len(product_shares), count, p=product_shares)
    referrers = np.array([None, "search", "newsletter", "social"], dtype=object)
    referrer = referrers[rng.choice(4, sessions, p=[0.5, 0.3, 0.12, 0.08])][session]

    delay = rng.integers(60, 3600, count)
    is_late = rng.random(count) < LATE
    delay = np.where(is_late, rng.integers(2 * 86_400, 10 * 86_400, count), delay)
    loaded = np.maximum(np.minimum(occurred + delay, AS_OF - 1), occurred)

    # In the order of arrival, as a log is; a repeated event follows itself.
    order = np.lexsort((np.arange(count), loaded))
    order = np.repeat(order, 1 + (rng.random(count) < REPEATED))
    columns = {
        "number": np.arange(count) + chunk * ID_SPACE,
        "session": session + chunk * ID_SPACE,
        "device": device[session],
        "cookie": cookie[session],
        "account": np.where(known, account[session], -1),
        "event_type": event_type,
        "occurred_at": occurred,
        "loaded_at": loaded,
        "product": np.where(names_product, product, -1),
        "kind": kind[session],
        "referrer": np.where(is_first, referrer, None),
    }
    return Events(**{name: values[order] for name, values in columns.items()})
