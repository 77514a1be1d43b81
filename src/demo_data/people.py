"""The true people: households, names, birth dates, addresses, e-mails, phone numbers."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

import numpy as np
import pandas as pd

from demo_data import words
from demo_data.arrays import Array
from demo_data.rates import Households

Generator = np.random.Generator

# No number of one chunk is used in another; see `phone_numbers` for the largest use of it.
CHUNK_CUSTOMERS = 10_000
ID_SPACE = 1_000_000

RECORDS_FROM = np.datetime64("2012-01-01")
PANEL_FROM = np.datetime64("2017-01-01T05:00:00", "s")
AS_OF = np.datetime64("2018-01-01T05:00:00", "s")  # midnight in New York

_YOUNGEST = 2001  # year of birth; a customer is at least sixteen
_MAILBOX_PEOPLE = 10
_PHONE_SPACE = 8 * 10 * 800 * 10_000


@dataclass(frozen=True)
class People:
    """Columns of equal length, one entry per person.

    Attributes:
        person: Number of the person, unique over all chunks.
        household: Number of the household.
        role: head, spouse, child, junior, twin, relative, staff or test.
        is_protected: Whether the person stands for a household of the panel, on whom no consent
            withdrawn, no staff flag and no erasure may be planted.
        given_name: Given name, spelt as the person does; likewise family_name.
        birth_date: Day of birth.
        since: When the person became a customer, in UTC.
        email: Pairs of values (first, current), shape (people, 2); likewise phone, street,
            place (an index into `words.PLACES`) and postcode.
        email_changed: When the second e-mail came into use, NaT for never; likewise the others.
        landline: Number of the landline, 0 for none.
        mailbox: The info@ address of the person's company, None for none.
        shares_device: Whether the person logs in from a device of the household.
    """

    person: Array
    household: Array
    role: Array
    is_protected: Array
    given_name: Array
    family_name: Array
    birth_date: Array
    since: Array
    email: Array
    email_changed: Array
    phone: Array
    phone_changed: Array
    street: Array
    place: Array
    postcode: Array
    moved: Array
    landline: Array
    mailbox: Array
    shares_device: Array

    def __len__(self) -> int:
        return len(self.person)

    @property
    def is_internal(self) -> Array:
        return np.asarray(np.isin(self.role.astype(str), ["staff", "test"]))


def household_sizes(rng: Generator, people: int, shares: tuple[float, ...]) -> Array:
    """Members per household, people in all. The last household takes the remainder."""
    drawn = 1 + rng.choice(len(shares), size=people, p=shares)
    total = np.cumsum(drawn)
    last = int(np.searchsorted(total, people))
    sizes: Array = drawn[: last + 1].copy()
    sizes[last] -= total[last] - people
    return sizes


def make_people(
    rng: Generator,
    sizes: Array,
    households: Households,
    change_rates: tuple[float, float, float],
    chunk: int = 0,
    protected: int = 0,
    head_birth_years: Array | None = None,
) -> People:
    """Draws the people of some households.

    No two people have the same given name, family name and birth date.

    Args:
        rng: Source of chance.
        sizes: Members per household, each at least 1.
        households: Rates.
        change_rates: Shares of people whose address, e-mail and phone number changed once.
        chunk: Number of the chunk; it decides the numbers of people and their identifiers.
        protected: The heads of so many households, the first ones, stand for panel households.
        head_birth_years: First and last year in which each head may be born, shape
            (households, 2). Default: 1935 to 1995.
    """
    count = int(sizes.sum())
    starts = np.cumsum(sizes) - sizes
    household = np.repeat(np.arange(len(sizes)), sizes)
    head = starts[household]
    position = np.arange(count) - head
    is_protected = (position == 0) & (household < protected)

    role = np.where(position == 0, "head", "child").astype(object)
    role[(position == 1) & (rng.random(count) < households.spouse)] = "spouse"

    years = head_birth_years if head_birth_years is not None else np.full((len(sizes), 2), 0)
    years = np.where(years == 0, [1935, 1995], years)
    year = rng.integers(years[:, 0], years[:, 1] + 1)[household]
    gap = np.where(role == "child", rng.integers(22, 39, count), rng.integers(-6, 7, count))
    is_junior = (role == "child") & (rng.random(count) < households.junior)
    gap = np.where(is_junior, rng.integers(25, 36, count), gap)
    is_too_young = (role == "child") & (year + gap > _YOUNGEST)
    is_junior &= ~is_too_young
    role[is_too_young] = "relative"
    role[is_junior] = "junior"
    gap = np.where(is_too_young, rng.integers(-6, 7, count), gap)
    year = np.minimum(year + np.where(position == 0, 0, gap), _YOUNGEST)
    birth_date = (year - 1970).astype("datetime64[Y]").astype("datetime64[D]")
    birth_date = birth_date + rng.integers(0, 365, count)

    is_female = rng.random(count) < 0.51
    is_female = np.where(role == "spouse", ~is_female[head], is_female)
    given = _given_names(rng, is_female)
    family = _drawn(rng, words.FAMILY_NAMES, count)
    same = rng.random(count)
    takes_name = np.select(
        [role == "spouse", role == "relative"],
        [same < households.same_family_name, same < 0.5],
        same < 0.95,
    )
    family = np.where((position > 0) & takes_name, family[head], family)
    given = np.where(is_junior, given[head], given)
    family = np.where(is_junior, family[head], family)

    follows_sibling = (role == "child") & (np.roll(role, 1) == "child") & (position > 1)
    is_twin = follows_sibling & (rng.random(count) < households.twins)
    is_twin &= ~np.roll(is_twin, 1)
    twin = np.flatnonzero(is_twin)
    birth_date[twin] = birth_date[twin - 1]
    family[twin] = family[twin - 1]
    role[twin], role[twin - 1] = "twin", "twin"
    while len(same_name := twin[given[twin] == given[twin - 1]]):
        given[same_name] = _given_names(rng, is_female[same_name])
    _set_apart(rng, given, family, birth_date, role)

    internal = _some(
        rng, (np.repeat(sizes, sizes) == 1) & ~is_protected, households.internal * count
    )
    is_test = rng.random(len(internal)) < 0.5
    role[internal] = np.where(is_test, "test", "staff")
    given[internal[is_test]] = "Test"
    family[internal[is_test]] = rng.choice(["Testing", "Account", "Tester"], is_test.sum())

    for names in (given, family):
        for plain, accented in words.ACCENTED.items():
            named = np.flatnonzero(names == plain)
            names[named[rng.random(len(named)) < 0.5]] = accented

    # A family shares both versions of an address or e-mail, and moves together.
    lives_with_head = (position > 0) & (
        (role == "spouse") | (rng.random(count) < households.at_home)
    )
    home = np.where(lives_with_head, head, np.arange(count))
    street, place, postcode = _addresses(rng, 2 * count)
    has_one_mailbox = (rng.random(len(sizes)) < households.shared_email)[household]
    email_of = np.where(has_one_mailbox & lives_with_head, head, np.arange(count))
    email = _emails(rng, given, family, role, chunk)
    numbers = phone_numbers(chunk * 4 * CHUNK_CUSTOMERS + rng.permutation(3 * count))
    landline = np.where(rng.random(count) < households.landline, numbers[2 * count :], 0)

    # In opening hours, so that the day in New York is that of its winter time.
    last_day = np.where(is_protected, PANEL_FROM, np.datetime64("2017-12-01")).astype("M8[D]")
    days = (rng.random(count) * (last_day - RECORDS_FROM).astype(int)).astype(int)
    since = (RECORDS_FROM + days).astype("M8[s]") + rng.integers(13 * 3600, 23 * 3600, count)
    moved, email_changed, phone_changed = (_change(rng, since, share) for share in change_rates)
    return People(
        person=chunk * CHUNK_CUSTOMERS + np.arange(count),
        household=chunk * CHUNK_CUSTOMERS + household,
        role=role,
        is_protected=is_protected,
        given_name=given,
        family_name=family,
        birth_date=birth_date,
        since=since,
        email=email[email_of],
        email_changed=email_changed[email_of],
        phone=numbers[: 2 * count].reshape(count, 2),
        phone_changed=phone_changed,
        street=street.reshape(count, 2)[home],
        place=place.reshape(count, 2)[home],
        postcode=postcode.reshape(count, 2)[home],
        moved=moved[home],
        landline=landline[home],
        mailbox=_mailboxes(rng, count, households, chunk),
        shares_device=(position > 0) & (rng.random(count) < households.shared_device),
    )


def phone_numbers(index: Array) -> Array:
    """Ten-digit numbers of area codes that don't exist (N9X), different for different indices.

    Args:
        index: Whole numbers from 0 to 639,999,999. Neighbours are scattered, so that no two
            numbers are a typing error apart by construction.
    """
    scattered = (index.astype(np.int64) * 387_420_489 + 20_180_101) % _PHONE_SPACE
    rest, line = np.divmod(scattered, 10_000)
    rest, exchange = np.divmod(rest, 800)
    first, last = np.divmod(rest, 10)
    area = (2 + first) * 100 + 90 + last
    return np.asarray((area * 1000 + 200 + exchange) * 10_000 + line)


def without_accents(text: str) -> str:
    """The text without accents and other marks above or below its letters."""
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))


def _drawn(rng: Generator, words_and_shares: tuple[Array, Array], count: int) -> Array:
    return np.asarray(rng.choice(words_and_shares[0], size=count, p=words_and_shares[1]))


def _given_names(rng: Generator, is_female: Array) -> Array:
    female = _drawn(rng, words.FEMALE_NAMES, len(is_female))
    return np.where(is_female, female, _drawn(rng, words.MALE_NAMES, len(is_female)))


def _some(rng: Generator, may_be: Array, count: float) -> Array:
    """Indices of so many entries that may be chosen, in order."""
    candidates = np.flatnonzero(may_be)
    chosen = min(round(count), len(candidates))
    return np.sort(rng.choice(candidates, size=chosen, replace=False))


def _change(rng: Generator, since: Array, share: float) -> Array:
    """Instants between since and as_of for a share of people, NaT for the others."""
    changed = since + (rng.random(len(since)) * (AS_OF - since).astype(int)).astype(int)
    return np.where(rng.random(len(since)) < share, changed, np.datetime64("NaT"))


def _set_apart(rng: Generator, given: Array, family: Array, birth: Array, role: Array) -> None:
    """Moves birth dates in place until no two people share names and birth date."""
    while True:
        repeated = pd.DataFrame({"given": given, "family": family, "birth": birth}).duplicated()
        # A twin differs from its twin by name, and must keep the day they share.
        again = np.flatnonzero(repeated.to_numpy() & (role != "twin"))
        if not len(again):
            return
        birth[again] -= rng.integers(1, 300, len(again))


def _addresses(rng: Generator, count: int) -> tuple[Array, Array, Array]:
    number = rng.integers(1, 10_000, count)
    street = _drawn(rng, words.FAMILY_NAMES, count)
    suffix = rng.choice(np.array(list(words.STREET_SUFFIXES), dtype=object), count)
    flat = np.where(rng.random(count) < 0.25, rng.integers(1, 400, count), 0)
    text = [
        f"{n} {s} {x}, Apt {f}" if f else f"{n} {s} {x}"
        for n, s, x, f in zip(number, street, suffix, flat, strict=True)
    ]
    place = rng.integers(0, len(words.PLACES), count)
    last_digits = rng.integers(1, 60, count)
    postcode = [
        f"{words.PLACES[p][2]}{d:02}"
        for p, d in zip(place.tolist(), last_digits.tolist(), strict=True)
    ]
    return np.array(text, dtype=object), place, np.array(postcode, dtype=object)


def _emails(rng: Generator, given: Array, family: Array, role: Array, chunk: int) -> Array:
    """Two addresses a person, shape (people, 2). A number that says nothing keeps them apart."""
    count = len(given)
    number = chunk * 4 * CHUNK_CUSTOMERS + rng.permutation(2 * count).reshape(count, 2)
    pattern = rng.integers(0, 3, (count, 2))
    domain = rng.choice(len(words.EMAIL_DOMAINS), (count, 2), p=words.EMAIL_DOMAIN_SHARES)
    emails = np.empty((count, 2), dtype=object)
    for i in range(count):
        first = _ascii(given[i])
        last = _ascii(family[i])
        at = ("staff.example.com",) * 2 if role[i] in ("staff", "test") else None
        for version in (0, 1):
            name = (f"{first}.{last}", f"{first[:1]}{last}", f"{last}_{first}")[pattern[i, version]]
            where = at[version] if at else words.EMAIL_DOMAINS[domain[i, version]]
            emails[i, version] = f"{name}{number[i, version]}@{where}"
    return emails


def _ascii(name: str) -> str:
    folded = name if name.isascii() else without_accents(name)
    return folded.lower().replace(" ", "").replace("'", "")


def _mailboxes(rng: Generator, count: int, households: Households, chunk: int) -> Array:
    people = _some(rng, np.ones(count, dtype=bool), households.role_mailbox * count)
    # Fewer people would not make it a shared mailbox.
    people = rng.permutation(people[: len(people) // _MAILBOX_PEOPLE * _MAILBOX_PEOPLE])
    mailbox = np.full(count, None, dtype=object)
    for number, person in enumerate(people.tolist()):
        company = chunk * CHUNK_CUSTOMERS + number // _MAILBOX_PEOPLE
        mailbox[person] = f"info@company{company}.example.com"
    return mailbox
