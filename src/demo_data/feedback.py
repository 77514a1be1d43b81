"""Tickets, reviews, survey answers and social posts: text about a planted topic and mood."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from demo_data.arrays import Array
from demo_data.people import ID_SPACE

Generator = np.random.Generator

# Per topic: complaints, then praise.
SENTENCES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "delivery": (
        (
            "My delivery came {days} days late.",
            "The courier left the parcel in the rain.",
            "The package never arrived and tracking shows nothing.",
            "Shipping took far too long again.",
        ),
        (
            "Delivery was quick and on time.",
            "The parcel arrived a day early.",
            "The courier called ahead, shipping was flawless.",
        ),
    ),
    "price": (
        (
            "Prices went up {days} times this year, too expensive.",
            "I was charged more than the price on the shelf.",
            "The coupon was not taken off my bill.",
            "Overpriced compared to other stores.",
        ),
        (
            "Great prices and a fair discount.",
            "Good value for money, the coupons save me a lot.",
            "Cheaper than anywhere else.",
        ),
    ),
    "quality": (
        (
            "The fruit was rotten after {days} days.",
            "The product broke the first time I used it.",
            "The bread was stale and the milk was off.",
            "Poor quality, the seal was damaged.",
        ),
        (
            "Everything was fresh and of good quality.",
            "Excellent quality, the vegetables last all week.",
            "The product is solid and works well.",
        ),
    ),
    "staff": (
        (
            "The cashier was rude to me.",
            "Nobody at the counter wanted to help.",
            "I waited {days} days for a reply from your staff.",
            "The clerk ignored me and walked away.",
        ),
        (
            "The staff were friendly and helpful.",
            "The cashier was kind and patient.",
            "An employee went out of her way to help me.",
        ),
    ),
    "app": (
        (
            "The app crashes when I log in.",
            "The website lost my cart {days} times.",
            "I cannot reset my password in the app.",
            "The checkout page freezes on my phone.",
        ),
        (
            "The new app is easy to use.",
            "Ordering on the website takes a minute, love the app.",
            "The app found everything I searched for.",
        ),
    ),
}
TOPICS = tuple(SENTENCES)
_OPENINGS = ("", "Hello, ", "Just a note: ", "To be honest: ")
_CLOSINGS = {
    "negative": ("", " Very disappointed.", " Please fix this.", " I want a refund."),
    "positive": ("", " Thank you!", " Will come again.", " Well done."),
}
SIGNED = 0.1  # share of support tickets that end with the writer's name


@dataclass(frozen=True)
class Channel:
    """A way to be heard.

    Attributes:
        system: Source system of the authors.
        mean: Texts per record on average, for customers who are content.
        negative: Share of complaints among them.
        ratings: Possible ratings of complaints and of praise; none if the channel has no rating.
        anonymous: Share of texts without a customer_ref.
    """

    system: str
    mean: float
    negative: float
    ratings: tuple[tuple[int, ...], tuple[int, ...]] | None = None
    anonymous: float = 0.0


CHANNELS = {
    "support": Channel("support", 1.2, 0.8),
    "review": Channel("shop", 0.5, 0.3, ((1, 2), (4, 5))),
    "survey": Channel("crm", 0.4, 0.25, (tuple(range(6)), tuple(range(7, 11)))),
    "social": Channel("shop", 0.1, 0.5, anonymous=0.5),
}
LEAVING_TEXTS = 2.0  # customers who stop buying write so many times as much
LEAVING_NEGATIVE = 0.7  # and complain at least so often, as a share


@dataclass(frozen=True)
class Feedback:
    """One entry per text, by instant.

    Attributes:
        number: Of the ticket.
        record: Position of the author's record, -1 for none.
        channel: support, review, survey or social.
        opened_at: Instant in UTC.
        body: Text.
        rating: Number, -1 for none.
        topic: Planted topic.
        is_negative: Planted mood.
    """

    number: Array
    record: Array
    channel: Array
    opened_at: Array
    body: Array
    rating: Array
    topic: Array
    is_negative: Array


def make_feedback(
    rng: Generator,
    system: Array,
    names: Array,
    is_leaving: Array,
    opens: Array,
    closes: np.datetime64,
    chunk: int = 0,
) -> Feedback:
    """Draws what the people behind some records write.

    Args:
        rng: Source of chance.
        system: Source system of each record.
        names: Name each would sign with.
        is_leaving: Whether the person has stopped buying.
        opens: Earliest instant of each.
        closes: Latest instant of all.
        chunk: Number of the chunk; it decides the ids.
    """
    authors, channels = [], []
    for name, channel in CHANNELS.items():
        records = np.flatnonzero(system == channel.system)
        mean = channel.mean * np.where(is_leaving[records], LEAVING_TEXTS, 1.0)
        written = np.repeat(records, rng.poisson(mean))
        authors.append(written)
        channels.append(np.full(len(written), name, dtype=object))
    author, channel_name = np.concatenate(authors), np.concatenate(channels)
    count = len(author)
    opened = opens[author] + (rng.random(count) * (closes - opens[author]).astype(int)).astype(int)
    order = np.lexsort((author, channel_name.astype(str), opened))
    author, channel_name, opened = author[order], channel_name[order], opened[order]

    facts = [CHANNELS[name] for name in channel_name]
    share = np.array([fact.negative for fact in facts])
    share = np.where(is_leaving[author], np.maximum(share, LEAVING_NEGATIVE), share)
    negative = rng.random(count) < share
    topic = rng.choice(np.array(TOPICS, dtype=object), count, p=[0.3, 0.2, 0.2, 0.15, 0.15])
    draws = rng.random((count, 6))
    bodies, ratings = [], []
    for i in range(count):
        is_negative = bool(negative[i])
        sentences = SENTENCES[topic[i]][0 if is_negative else 1]
        text = _pick(_OPENINGS, draws[i, 0]) + _pick(sentences, draws[i, 1]).format(
            days=2 + int(draws[i, 2] * 8)
        )
        text += _pick(_CLOSINGS["negative" if is_negative else "positive"], draws[i, 3])
        if channel_name[i] == "support" and draws[i, 4] < SIGNED:
            text += f" Regards, {names[author[i]]}"
        bodies.append(text)
        possible = facts[i].ratings
        ratings.append(
            -1 if possible is None else _pick(possible[0 if is_negative else 1], draws[i, 5])
        )
    is_anonymous = rng.random(count) < np.array([fact.anonymous for fact in facts])
    return Feedback(
        number=np.arange(count) + chunk * ID_SPACE,
        record=np.where(is_anonymous, -1, author),
        channel=channel_name,
        opened_at=opened,
        body=np.array(bodies, dtype=object),
        rating=np.array(ratings, dtype=int),
        topic=topic,
        is_negative=negative,
    )


def _pick(options: tuple[Any, ...], draw: float) -> Any:
    return options[int(draw * len(options))]
