"""Rates of errors and of special cases in the generated records."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Duplicates = Literal["light", "heavy"]


@dataclass(frozen=True)
class Rates:
    """Rates of what goes wrong, as shares from 0 to 1.

    Attributes:
        second_record: Of the people in shop or crm, those with a second record there.
        moved: Of people, those whose address changed once; older records show the old one.
        new_email: Of people, those whose e-mail changed once.
        new_phone: Of people, those whose mobile number changed once.
        typo_given_name: Of given names written; likewise the others that begin with typo.
        swapped_names: Of records, given and family name in each other's field.
        nickname: Of given names that have a nickname, those written as one.
        rare_nickname: Of nicknames written, those few lists know, where there is one.
        dropped_accents: Of names with an accent, those written without.
        look_alike: Of names, those with a Cyrillic letter that looks Latin.
        initials_only: Of given names, those cut to the initial.
        birth_day_month: Of birth dates whose day is at most 12, those with day and month swapped.
        birth_digit: Of birth dates, those whose year or day is off by one.
        plus_address: Of e-mails, those with a tag after a plus sign.
        upper_case: Of e-mails and of names, those in capitals.
        spaces: Of names and e-mails, those with spaces around them.
        zero_width: Of names and e-mails, those with a zero-width space.
        short_street: Of streets, those with St for Street and the like.
        missing: Of the fields a system usually has, those missing.
        empty: Of missing texts, those that are an empty string instead of null.
    """

    second_record: float
    moved: float
    new_email: float
    new_phone: float
    typo_given_name: float
    typo_family_name: float
    typo_street: float
    typo_email: float
    swapped_names: float
    nickname: float
    birth_day_month: float
    birth_digit: float
    missing: float
    look_alike: float
    initials_only: float
    zero_width: float
    plus_address: float = 0.02
    upper_case: float = 0.02
    spaces: float = 0.02
    dropped_accents: float = 0.4
    rare_nickname: float = 0.1
    short_street: float = 0.3
    empty: float = 0.3


LIGHT = Rates(
    second_record=0.05,
    moved=0.12,
    new_email=0.1,
    new_phone=0.08,
    typo_given_name=0.006,
    typo_family_name=0.008,
    typo_street=0.02,
    typo_email=0.005,
    swapped_names=0.002,
    nickname=0.04,
    birth_day_month=0.003,
    birth_digit=0.002,
    missing=0.02,
    look_alike=0.001,
    initials_only=0.003,
    zero_width=0.002,
)
HEAVY = Rates(
    second_record=0.2,
    moved=0.3,
    new_email=0.25,
    new_phone=0.25,
    typo_given_name=0.04,
    typo_family_name=0.05,
    typo_street=0.08,
    typo_email=0.03,
    swapped_names=0.02,
    nickname=0.15,
    birth_day_month=0.02,
    birth_digit=0.015,
    missing=0.1,
    look_alike=0.01,
    initials_only=0.02,
    zero_width=0.01,
)
RATES: dict[Duplicates, Rates] = {"light": LIGHT, "heavy": HEAVY}


@dataclass(frozen=True)
class System:
    """What one source system writes.

    Attributes:
        has_email: Share of its records that hold an e-mail, before errors; likewise the others.
        landline: Of its phone numbers, the share that is the landline where there is one.
        date_format: How it writes birth dates, in the words of strftime.
        phone_format: How it mostly writes phone numbers: a key of `records.PHONE_FORMATS`.
        prefix: What its record ids begin with.
        ref_prefix: What its customer_refs begin with; none where the record id is the reference.
        has_tier: Whether it knows loyalty tiers.
    """

    has_email: float
    has_phone: float
    has_birth_date: float
    has_address: float
    landline: float
    date_format: str
    phone_format: str
    prefix: str
    ref_prefix: str | None = None
    has_tier: bool = False


@dataclass(frozen=True)
class Households:
    """Rates of what makes household members hard to distinguish, as shares from 0 to 1.

    Twins and juniors are several times as common as in life, for the sake of tests.

    Attributes:
        sizes: Share of households with 1, 2, 3 and 4 members.
        spouse: Of second members, those that are the head's spouse; the others are children.
        junior: Of children, those named as the head and 25 to 35 years younger.
        twins: Of children that come after another, those that are its twin.
        same_family_name: Of spouses, those with the head's family name.
        at_home: Of children, those that live with the head.
        shared_email: Of households of two and more, those with one e-mail for all.
        landline: Of households, those with a landline, which all members share.
        shared_device: Of members of such households, those who log in from a shared device.
        role_mailbox: Of people, those whose crm record has the info@ address of a company.
        internal: Of people, those that are staff or test accounts.
    """

    sizes: tuple[float, float, float, float]
    spouse: float = 0.75
    junior: float = 0.02
    twins: float = 0.06
    same_family_name: float = 0.85
    at_home: float = 0.75
    shared_email: float = 0.08
    landline: float = 0.35
    shared_device: float = 0.15
    role_mailbox: float = 0.004
    internal: float = 0.003


@dataclass(frozen=True)
class Wishes:
    """Consents and requests, as shares from 0 to 1 of the people on whom they may be planted."""

    no_segmentation: float = 0.03
    no_activation: float = 0.12
    erasure: float = 0.004


SYSTEMS: dict[str, System] = {
    "panel": System(0.5, 0.6, 0.9, 0.97, 0.5, "%Y-%m-%d", "dashes", "p"),
    "store": System(0.5, 0.6, 0.9, 0.97, 0.5, "%Y-%m-%d", "dashes", "T", "L"),
    "crm": System(0.9, 0.7, 0.8, 0.85, 0.2, "%Y-%m-%d", "brackets", "C", has_tier=True),
    "shop": System(0.99, 0.5, 0.35, 0.85, 0.1, "%m/%d/%Y", "plus", "S", "U"),
    "support": System(0.85, 0.6, 0.1, 0.2, 0.2, "%d.%m.%Y", "zeros", "H"),
}
# Share of people who have a record there besides the one in their first system.
PRESENCE: dict[str, float] = {"crm": 0.55, "shop": 0.4, "support": 0.12}


SCALE_HOUSEHOLDS = Households(sizes=(0.62, 0.24, 0.09, 0.05))
# The panel's households are there already; the added people are few, so more of them are special.
DEMO_HOUSEHOLDS = Households(sizes=(0.85, 0.09, 0.04, 0.02), role_mailbox=0.01)
DEMO_WISHES = Wishes(no_segmentation=0.05, no_activation=0.15, erasure=0.01)
