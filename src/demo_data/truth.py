"""Which records are one person, and whether their values still show it.

A true pair is *linkable* when, after honest normalisation, at least one of these joins it:

- e-mail or phone: both records hold the same value, and either no one else's record holds it, or
  at most `LARGEST_GROUP` people hold it and the given names agree too;
- log-in: both records logged in from the same device, under the same condition;
- name and birth date: given name, family name and birth date are the same;
- name and address: given name, family name, street and postcode are the same.

Honest normalisation removes differences without information: NFKC, invisible characters, spaces,
case, accents, the tag of a plus address, the format of a phone number, St for Street, and the date
format that each system declares. It doesn't guess: typing errors, nicknames, look-alike letters and
swapped fields stay as they are. It uses the values written, not the errors planted.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pandas as pd

from demo_data import words
from demo_data.arrays import Array
from demo_data.people import without_accents
from demo_data.rates import SYSTEMS

# An identifier of more people than this is no evidence.
LARGEST_GROUP = 6
IDENTIFIERS = ("email", "phone", "login", "name_birth_date", "name_address")

_DATE_PATTERNS = {
    "%Y-%m-%d": re.compile(r"(?P<Y>\d{4})-(?P<m>\d\d)-(?P<d>\d\d)"),
    "%m/%d/%Y": re.compile(r"(?P<m>\d\d)/(?P<d>\d\d)/(?P<Y>\d{4})"),
    "%d.%m.%Y": re.compile(r"(?P<d>\d\d)\.(?P<m>\d\d)\.(?P<Y>\d{4})"),
}
_SHORT = {long.casefold(): short.casefold() for long, short in words.STREET_SUFFIXES.items()}


def clean(text: str | None) -> str:
    """NFKC, case-folded, without invisible characters and outer spaces; null becomes empty."""
    if not text:
        return ""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
        text = "".join(c for c in text if unicodedata.category(c) != "Cf")
    return text.strip().casefold()


def clean_email(text: str | None) -> str:
    """The address without its tag; empty if it has no name or no domain."""
    name, _, domain = clean(text).partition("@")
    name = name.partition("+")[0]
    return f"{name}@{domain}" if name and domain else ""


def clean_phone(text: str | None) -> str:
    """Ten digits; empty if there are more or fewer after the prefix of the country."""
    digits = re.sub(r"\D", "", text or "").removeprefix("00")
    digits = digits[1:] if len(digits) == 11 and digits[0] == "1" else digits
    return digits if len(digits) == 10 else ""


def clean_name(text: str | None) -> str:
    """The letters of a name, without accents."""
    name = clean(text)
    return name if name.isascii() else without_accents(name)


def clean_street(text: str | None) -> str:
    """The words of a street without punctuation, Street and the like as St."""
    spelt = re.sub(r"[.,]", " ", clean_name(text)).split()
    return " ".join(_SHORT.get(word, word) for word in spelt)


def clean_birth_date(text: str | None, date_format: str) -> str:
    """The date in ISO form; empty if the text isn't a date in the format its system declares."""
    found = _DATE_PATTERNS[date_format].fullmatch((text or "").strip())
    return f"{found['Y']}-{found['m']}-{found['d']}" if found else ""


def true_pairs(customers: pd.DataFrame, person: Array, devices: pd.DataFrame) -> pd.DataFrame:
    """All pairs of records of the same person, and what joins them.

    Args:
        customers: Records with the columns of the input contract.
        person: Number of the person behind each record.
        devices: Log-ins as (source_system, reference, device_id); the reference is a
            customer_ref, or a record_id where that is null.

    Returns:
        One row per pair: source_system, record_id, other_source_system, other_record_id, person,
        is_linkable, and by_<identifier> for each of `IDENTIFIERS`. Pairs of both orders are one.
    """
    given = _codes(customers["given_name"], clean_name)
    names = _joint(given, _codes(customers["family_name"], clean_name))
    formats = [SYSTEMS[system].date_format for system in customers["source_system"]]
    dates = [
        clean_birth_date(text, date_format)
        for text, date_format in zip(_texts(customers["birth_date"]), formats, strict=True)
    ]
    birth = _codes(dates, clean)
    street = _codes(customers["street"], clean_street)
    address = _joint(street, _codes(customers["postcode"], clean))
    left, right = _pairs_within(person)
    agree = _same(given, left, right)

    def joins(codes: Array) -> Array:
        size = people_per_value(codes, person)
        holders = np.where(codes >= 0, size[codes], 0)[left]
        is_evidence = (holders == 1) | ((holders <= LARGEST_GROUP) & agree)
        return np.asarray(_same(codes, left, right) & is_evidence)

    pairs = pd.DataFrame(
        {
            "source_system": customers["source_system"].to_numpy()[left],
            "record_id": customers["record_id"].to_numpy()[left],
            "other_source_system": customers["source_system"].to_numpy()[right],
            "other_record_id": customers["record_id"].to_numpy()[right],
            "person": person[left],
            "by_email": joins(_codes(customers["email"], clean_email)),
            "by_phone": joins(_codes(customers["phone"], clean_phone)),
            "by_login": _logins_join(customers, person, devices, left, right, agree),
            "by_name_birth_date": _same(_joint(names, birth), left, right),
            "by_name_address": _same(_joint(names, address), left, right),
        }
    )
    by = [f"by_{identifier}" for identifier in IDENTIFIERS]
    pairs.insert(5, "is_linkable", pairs[by].any(axis=1))
    return pairs.sort_values(
        ["source_system", "record_id", "other_source_system", "other_record_id"], ignore_index=True
    )


def people_per_value(codes: Array, person: Array) -> Array:
    """How many different people hold each value, by code; codes below 0 are no value."""
    held = pd.DataFrame({"code": codes, "person": person})[codes >= 0].drop_duplicates()
    return np.bincount(held["code"].to_numpy(dtype=int), minlength=1)


def _texts(values: Iterable[Any]) -> list[str | None]:
    return [value if isinstance(value, str) else None for value in values]


def _codes(values: Iterable[Any], normalised: Callable[[str | None], str]) -> Array:
    """A number per distinct normalised text, -1 for none."""
    texts = np.array([normalised(text) for text in _texts(values)], dtype=object)
    codes, distinct = pd.factorize(texts)
    return np.where(np.isin(codes, np.flatnonzero(distinct == "")), -1, codes)


def _joint(one: Array, other: Array) -> Array:
    """A number per distinct combination, -1 where either is missing."""
    joint = one.astype(np.int64) * (int(other.max(initial=0)) + 1) + other
    codes: Array = pd.factorize(joint)[0]
    return np.where((one < 0) | (other < 0), -1, codes)


def _same(codes: Array, left: Array, right: Array) -> Array:
    return np.asarray((codes[left] >= 0) & (codes[left] == codes[right]))


def _pairs_within(group: Array) -> tuple[Array, Array]:
    """All pairs (i, j), i < j, of positions in the same group."""
    order = np.argsort(group, kind="stable")
    ordered = group[order]
    left, right = [], []
    step = 1
    while (same := np.flatnonzero(ordered[step:] == ordered[:-step])).size:
        left.append(order[same])
        right.append(order[same + step])
        step += 1
    if not left:
        return np.zeros(0, dtype=int), np.zeros(0, dtype=int)
    return np.concatenate(left), np.concatenate(right)


def _logins_join(
    customers: pd.DataFrame,
    person: Array,
    devices: pd.DataFrame,
    left: Array,
    right: Array,
    agree: Array,
) -> Array:
    is_null = customers["customer_ref"].isna()
    records = pd.DataFrame(
        {
            "source_system": customers["source_system"],
            "reference": customers["customer_ref"].where(~is_null, customers["record_id"]),
            "position": np.arange(len(customers)),
            "person": person,
        }
    )
    seen = devices.drop_duplicates().merge(records, on=["source_system", "reference"])
    people = seen.groupby("device_id")["person"].transform("nunique")
    seen = seen[people <= LARGEST_GROUP].assign(is_shared=people > 1)
    same = seen.merge(seen, on=["device_id", "person"], suffixes=("", "_other"))
    same = same[same["position"] < same["position_other"]]
    count = len(customers)
    key = same["position"].to_numpy() * count + same["position_other"].to_numpy()
    pair = left * count + right
    is_shared = same["is_shared"].to_numpy(dtype=bool)
    return np.asarray(np.isin(pair, key[~is_shared]) | (np.isin(pair, key[is_shared]) & agree))
