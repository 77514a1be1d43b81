"""CRM records: what several systems hold about the same people."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from demo_data import corruption, words
from demo_data.arrays import Array
from demo_data.people import AS_OF, ID_SPACE, People, without_accents
from demo_data.rates import PRESENCE, SYSTEMS, Rates

Generator = np.random.Generator

PHONE_FORMATS: Mapping[str, Callable[[str], str]] = {
    "brackets": lambda d: f"({d[:3]}) {d[3:6]} {d[6:]}",
    "plus": lambda d: f"+1 {d[:3]}-{d[3:6]}-{d[6:]}",
    "zeros": lambda d: f"001{d}",
    "dashes": lambda d: f"{d[:3]}-{d[3:6]}-{d[6:]}",
}
_OTHER_PHONE_FORMAT = 0.2
_UPDATED = 0.4
TIERS = ("bronze", "silver", "gold", "platinum")


@dataclass(frozen=True)
class Records:
    """One entry per record, in the order of source system and record id.

    Attributes:
        columns: Columns of the contract table `customers`, by name; texts are None where null.
        index: Position of the record's person among the people.
        reference: What other tables call the customer: customer_ref, else record_id.
        home: Position of each person's first record, one entry per person.
    """

    columns: dict[str, Array]
    index: Array
    reference: Array
    home: Array

    @property
    def system(self) -> Array:
        return self.columns["source_system"]

    def of(self, system: str) -> Array:
        """Positions of the records of a system."""
        return np.flatnonzero(self.system == system)

    def first_in(self, system: str) -> Array:
        """Position of one record of each person in a system, -1 where it has none."""
        found = self.of(system)
        first = np.full(len(self.home), -1)
        first[self.index[found][::-1]] = found[::-1]
        return first


def make_records(
    rng: Generator,
    people: People,
    home: Array,
    rates: Rates,
    chunk: int = 0,
    panel_households: Array | None = None,
    spend: Array | None = None,
) -> Records:
    """Records people in several systems, with errors.

    A record shows the address, e-mail and phone number of the time it was last changed.

    Args:
        rng: Source of chance.
        people: Who they are.
        home: System each person has its first record in, since the person became a customer.
        rates: Rates of errors.
        chunk: Number of the chunk; it decides the ids.
        panel_households: Household ids of the people whose home is `panel`, by their order.
        spend: What each person spent, for the loyalty tiers. Default: nothing.
    """
    count = len(people)
    index_parts, system_parts, first_parts = [], [], []
    for name in SYSTEMS:
        is_home = home == name
        is_there = is_home | (rng.random(count) < PRESENCE.get(name, 0.0))
        is_twice = is_there & (name in ("crm", "shop")) & (rng.random(count) < rates.second_record)
        # Shuffled, so that ids reveal no identity; a panel record has its household's id.
        once = np.flatnonzero(is_there)
        index = np.concatenate([once, np.flatnonzero(is_twice)])
        is_first = np.concatenate([is_home[once], np.zeros(is_twice.sum(), dtype=bool)])
        order = np.arange(len(index)) if name == "panel" else rng.permutation(len(index))
        index_parts.append(index[order])
        system_parts.append(np.full(len(index), name, dtype=object))
        first_parts.append(is_first[order])
    index, system = np.concatenate(index_parts), np.concatenate(system_parts)
    is_first = np.concatenate(first_parts)
    rows = len(index)

    since = people.since[index]
    left = (AS_OF - since).astype(int) - 7200
    created = since + np.where(is_first, 0, (rng.random(rows) * left).astype(int))
    is_updated = rng.random(rows) < _UPDATED
    left = (AS_OF - created).astype(int) - 3600
    updated = created + (rng.random(rows) * left).astype(int)
    changed = np.where(is_updated, updated, created)
    delay = np.minimum(rng.exponential(5 * 86_400, rows), ((AS_OF - changed).astype(int)) - 600)
    loaded = changed + delay.astype(int)

    number = np.concatenate([np.arange(len(part)) for part in index_parts]) + chunk * ID_SPACE
    record_id, customer_ref = _ids(system, number, panel_households)
    reference = np.where(customer_ref == None, record_id, customer_ref)  # noqa: E711

    fields = _fields(rng, people, index, system, changed, rates)
    tier = _tiers(rng, spend if spend is not None else np.zeros(count))[index]
    knows_tier = np.array([SYSTEMS[name].has_tier for name in SYSTEMS])[_system_codes(system)]
    columns = {
        "record_id": record_id,
        "source_system": system,
        "customer_ref": customer_ref,
        **fields,
        "loyalty_tier": np.where(knows_tier, tier, None),
        "is_internal": people.is_internal[index],
        "created_at": created,
        "updated_at": np.where(is_updated, updated, np.datetime64("NaT")),
        "loaded_at": loaded,
    }
    order = np.lexsort((record_id.astype(str), system.astype(str)))
    positions = np.flatnonzero(is_first[order])
    return Records(
        columns={name: values[order] for name, values in columns.items()},
        index=index[order],
        reference=reference[order],
        home=positions[np.argsort(index[order][positions])],
    )


def _system_codes(system: Array) -> Array:
    return np.array([list(SYSTEMS).index(name) for name in system], dtype=int)


def _ids(system: Array, number: Array, panel_households: Array | None) -> tuple[Array, Array]:
    record_id = np.empty(len(system), dtype=object)
    customer_ref = np.full(len(system), None, dtype=object)
    for name, facts in SYSTEMS.items():
        rows = np.flatnonzero(system == name)
        if name == "panel" and len(rows):
            if panel_households is None or len(panel_households) != len(rows):
                raise ValueError("Each person of the panel needs the id of a household.")
            record_id[rows] = [f"{facts.prefix}{household}" for household in panel_households]
            customer_ref[rows] = panel_households
            continue
        record_id[rows] = [f"{facts.prefix}{n:08}" for n in number[rows].tolist()]
        if facts.ref_prefix:
            customer_ref[rows] = [f"{facts.ref_prefix}{n:08}" for n in number[rows].tolist()]
    return record_id, customer_ref


def _fields(
    rng: Generator, people: People, index: Array, system: Array, changed: Array, rates: Rates
) -> dict[str, Array]:
    rows = len(index)
    facts = [SYSTEMS[name] for name in SYSTEMS]
    codes = _system_codes(system)

    def of_systems(attribute: str) -> Array:
        return np.array([getattr(each, attribute) for each in facts])[codes]

    def version(changed_at: Array) -> Array:
        return (~(changed < changed_at[index])).astype(int)

    given, family = people.given_name[index], people.family_name[index]
    given = _nicknamed(rng, given, rates)
    for names in (given, family):
        _corrupt(rng, names, rates.dropped_accents, lambda _, name: without_accents(name))
    _corrupt(rng, given, rates.typo_given_name, corruption.typo)
    _corrupt(rng, family, rates.typo_family_name, corruption.typo)
    _corrupt(rng, given, rates.initials_only, corruption.initial)

    email = people.email[index, version(people.email_changed)]
    mailbox = people.mailbox[index]
    is_role = (system == "crm") & (mailbox != None)  # noqa: E711
    email = np.where(is_role, mailbox, email)
    _corrupt(rng, email, rates.typo_email, corruption.email_typo)
    _corrupt(rng, email, rates.plus_address, corruption.plus_address)

    for texts in (given, family, email):
        _corrupt(rng, texts, rates.upper_case, corruption.upper_case)
        _corrupt(rng, texts, rates.spaces, corruption.spaces)
        _corrupt(rng, texts, rates.zero_width, corruption.zero_width)
    for names in (given, family):
        _corrupt(rng, names, rates.look_alike, corruption.look_alike)
    is_swapped = rng.random(rows) < rates.swapped_names
    given, family = np.where(is_swapped, family, given), np.where(is_swapped, given, family)

    address = version(people.moved)
    street = people.street[index, address]
    _corrupt(rng, street, rates.short_street, corruption.short_street)
    _corrupt(rng, street, rates.typo_street, corruption.typo)
    place = np.array(words.PLACES, dtype=object)[people.place[index, address]]

    has_address = rng.random(rows) < of_systems("has_address")
    return {
        "email": _kept(rng, email, of_systems("has_email"), rates),
        "phone": _kept(
            rng, _phones(rng, people, index, codes, changed), of_systems("has_phone"), rates
        ),
        "given_name": _kept(rng, given, 0.995, rates),
        "family_name": _kept(rng, family, 0.995, rates),
        "birth_date": _kept(
            rng, _birth_dates(rng, people, index, codes, rates), of_systems("has_birth_date"), rates
        ),
        "street": _kept(rng, street, has_address, rates),
        "city": _kept(rng, place[:, 0], has_address, rates),
        "postcode": _kept(rng, people.postcode[index, address], has_address, rates),
        "region": _kept(rng, place[:, 1], has_address, rates),
        "country": _kept(rng, np.full(rows, "US", dtype=object), has_address, rates),
    }


def _corrupt(rng: Generator, values: Array, rate: float, corrupted: corruption.Corruption) -> None:
    """Changes a share of the values in place."""
    for at in np.flatnonzero(rng.random(len(values)) < rate).tolist():
        values[at] = corrupted(rng, values[at])


def _kept(rng: Generator, values: Array, share: Array | float, rates: Rates) -> Array:
    """The values that a system has; the others are null, some of them an empty string."""
    is_kept = rng.random(len(values)) < share * (1 - rates.missing)
    is_empty = rng.random(len(values)) < rates.empty
    kept = values.copy()
    kept[~is_kept] = None
    kept[~is_kept & is_empty] = ""
    return kept


def _nicknamed(rng: Generator, given: Array, rates: Rates) -> Array:
    written = given.copy()
    draws = rng.random((len(given), 3))
    for at in np.flatnonzero(draws[:, 0] < rates.nickname).tolist():
        name = given[at]
        is_rare = name in words.RARE_NICKNAMES and (
            draws[at, 1] < rates.rare_nickname or name not in words.NICKNAMES
        )
        nicknames = (words.RARE_NICKNAMES if is_rare else words.NICKNAMES).get(name)
        if nicknames:
            written[at] = nicknames[int(draws[at, 2] * len(nicknames))]
    return written


def _phones(rng: Generator, people: People, index: Array, codes: Array, changed: Array) -> Array:
    rows = len(index)
    version = (~(changed < people.phone_changed[index])).astype(int)
    landline = people.landline[index]
    share = np.array([system.landline for system in SYSTEMS.values()])[codes]
    uses_landline = (landline > 0) & (rng.random(rows) < share)
    number = np.where(uses_landline, landline, people.phone[index, version])
    formats = list(PHONE_FORMATS)
    usual = np.array([formats.index(system.phone_format) for system in SYSTEMS.values()])[codes]
    is_other = rng.random(rows) < _OTHER_PHONE_FORMAT
    chosen = np.where(is_other, rng.integers(0, len(formats), rows), usual)
    functions = list(PHONE_FORMATS.values())
    texts = [functions[f](str(n)) for n, f in zip(number.tolist(), chosen.tolist(), strict=True)]
    return np.array(texts, dtype=object)


def _birth_dates(rng: Generator, people: People, index: Array, codes: Array, rates: Rates) -> Array:
    birth = people.birth_date[index]
    off = rng.random(len(index)) < rates.birth_digit
    birth = np.where(off, birth + rng.choice([-365, -1, 1, 365], len(index)), birth)
    iso = birth.astype(str).astype(object)
    formats = [system.date_format for system in SYSTEMS.values()]
    is_swapped = rng.random(len(index)) < rates.birth_day_month
    texts = []
    for text, code, swapped in zip(iso, codes.tolist(), is_swapped.tolist(), strict=True):
        year, month, day = text.split("-")
        if swapped and int(day) <= 12:
            month, day = day, month
        written = formats[code].replace("%Y", year).replace("%m", month).replace("%d", day)
        texts.append(written)
    return np.array(texts, dtype=object)


def _tiers(rng: Generator, spend: Array) -> Array:
    """Tier by rank of spend with noise: half bronze, 30 % silver, 15 % gold, 5 % platinum."""
    noisy = np.argsort(np.argsort(spend + rng.random(len(spend)) * 1e-6)) / max(len(spend), 1)
    noisy = noisy + rng.normal(0, 0.1, len(spend))
    tier = np.searchsorted([0.5, 0.8, 0.95], noisy, side="right")
    return np.array(TIERS, dtype=object)[tier]
