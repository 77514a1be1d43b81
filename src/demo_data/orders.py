"""Purchase histories with a rate, spend, season, start and end for each customer.

Each customer buys by a Poisson process whose rate swings over the year, from its start until it
stops buying for good: the story behind the BG/NBD model (Fader, Hardie, Lee 2005), with a
lifetime in calendar time. Drawn by thinning (Lewis, Shedler 1979).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from demo_data.arrays import Array
from demo_data.people import AS_OF

HISTORY_FROM = np.datetime64("2015-01-01T05:00:00", "s")

NEVER_BUY = 0.08  # share of customers
MEAN_RATE = 13.0  # orders a year while active
RATE_SHAPE = 1.2  # of the gamma distribution of rates: many slow customers, few quick ones
MEAN_LIFETIME = 4.0  # years
GUEST_ORDERS = 0.03  # share of orders without a customer_ref
RETURNS = 0.03  # share of orders that are followed by a return
# Planted drift: no customer of this region buys from the first local day up to the second.
STRIKE_REGION = "NY"
STRIKE = (np.datetime64("2017-09-01", "D"), np.datetime64("2017-10-01", "D"))
_YEAR = 365.25 * 86_400


@dataclass(frozen=True)
class Orders:
    """One entry per order or return, by customer and instant.

    Attributes:
        index: Position of the customer among the people, also for a guest's order.
        ordered_at: Instant in UTC.
        cents: Amount; negative for a return.
        is_guest: Whether the order has no customer_ref.
        stopped: Per person, when it stopped buying for good; NaT if not before as_of.
    """

    index: Array
    ordered_at: Array
    cents: Array
    is_guest: Array
    stopped: Array

    @property
    def is_return(self) -> Array:
        return np.asarray(self.cents < 0)


def make_orders(rng: np.random.Generator, since: Array) -> Orders:
    """Draws the orders of customers before as_of.

    Args:
        rng: Source of chance.
        since: When each customer began, in UTC; orders start at `HISTORY_FROM`.
    """
    count = len(since)
    rate = rng.gamma(RATE_SHAPE, MEAN_RATE / RATE_SHAPE, count) / _YEAR
    rate[rng.random(count) < NEVER_BUY] = 0.0
    # The lifetime begins with the history for those who came before it.
    start = np.maximum(since, HISTORY_FROM)
    end = start + (rng.exponential(MEAN_LIFETIME, count) * _YEAR).astype(int)
    active = (np.minimum(end, AS_OF) - start).astype(int)
    swing = rng.beta(2, 3, count)
    season = rng.choice([0.0, 0.5], count, p=[0.3, 0.7]) + rng.normal(0, 0.08, count)
    level = rng.normal(3.3, 0.7, count)

    candidates = rng.poisson(rate * active * (1 + swing))
    index = np.repeat(np.arange(count), candidates)
    moment = start[index] + (rng.random(len(index)) * active[index]).astype(int)
    phase = (moment - HISTORY_FROM).astype(int) / _YEAR - season[index]
    # Largest half a year after `season`: for most customers at the turn of the year.
    accepted = (1 - swing[index] * np.cos(2 * np.pi * phase)) / (1 + swing[index])
    kept = rng.random(len(index)) < accepted
    index, moment = index[kept], _at_shopping_hours(rng, moment[kept])
    # Days are kept, hours are new: an order may have moved before the start or after the end.
    moment = np.clip(moment, start[index], AS_OF - 60)
    cents = np.maximum(np.rint(np.exp(level[index] + rng.normal(0, 0.5, len(index))) * 100), 1)
    is_guest = rng.random(len(index)) < GUEST_ORDERS

    comes_back = np.flatnonzero(rng.random(len(index)) < RETURNS)
    days_later = rng.integers(1, 31, len(comes_back)).astype("timedelta64[D]")
    back_at = _at_shopping_hours(rng, moment[comes_back] + days_later)
    back_cents = -np.maximum(np.rint(cents[comes_back] * rng.uniform(0.2, 1, len(back_at))), 1)
    in_time = back_at < AS_OF

    index = np.concatenate([index, index[comes_back][in_time]])
    moment = np.concatenate([moment, back_at[in_time]])
    cents = np.concatenate([cents, back_cents[in_time]]).astype(np.int64)
    is_guest = np.concatenate([is_guest, is_guest[comes_back][in_time]])
    order = np.lexsort((cents, moment, index))
    return Orders(
        index=index[order],
        ordered_at=moment[order],
        cents=cents[order],
        is_guest=is_guest[order],
        stopped=np.where(end < AS_OF, end, np.datetime64("NaT")),
    )


def without_strike(orders: Orders, is_struck: Array) -> Orders:
    """The orders but those, returns included, that struck customers would have made meanwhile.

    Args:
        orders: What would have been bought.
        is_struck: Per person, whether it lives in the region.
    """
    # No order is made within some hours of midnight, so winter time does for the summer too.
    day = (orders.ordered_at - np.timedelta64(5 * 3600, "s")).astype("datetime64[D]")
    kept = ~is_struck[orders.index] | (day < STRIKE[0]) | (day >= STRIKE[1])
    return Orders(
        index=orders.index[kept],
        ordered_at=orders.ordered_at[kept],
        cents=orders.cents[kept],
        is_guest=orders.is_guest[kept],
        stopped=orders.stopped,
    )


def _at_shopping_hours(rng: np.random.Generator, moment: Array) -> Array:
    """The same day at 8 to 22 o'clock, in New York's winter time; in summer an hour later."""
    day = (moment - np.timedelta64(5 * 3600, "s")).astype("datetime64[D]").astype("datetime64[s]")
    hour = 8 + 14 * rng.beta(2.5, 2, len(moment))
    return np.asarray(day + (5 * 3600 + hour * 3600).astype(int))
