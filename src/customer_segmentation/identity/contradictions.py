"""Contradictions: which given names and birth dates can't belong to one person."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet

from rapidfuzz.distance import DamerauLevenshtein

FullNames = Mapping[str, AbstractSet[str]]
NO_NICKNAMES: FullNames = {}

_SHORTEST_FOR_EDIT = 3  # one edit makes "al" an "ed" or an "ann" an "an"
_DIGITS_OF_A_DATE = 8
_FIRST_DOUBTFUL_DIGIT = 3  # 1955 and 1985 are father and son, 1984 and 1985 a slip


def names_agree(left: str, right: str, full_names: FullNames = NO_NICKNAMES) -> bool:
    """Whether two given names may be one person's.

    They may if they are equal, one edit apart (Damerau and Levenshtein, three letters or more),
    nicknames of each other or of the same name, the initial of the other, or if all parts of one
    are parts of the other ("anna" and "anna maria").
    full_names: see `read_nicknames`.
    """
    if _is_slip(left, right):
        return True
    short, long = sorted((left, right), key=len)
    if len(short) == 1 and long.startswith(short):
        return True
    if full_names.get(left, {left}) & full_names.get(right, {right}):
        return True
    left_parts, right_parts = set(left.split()), set(right.split())
    return left_parts <= right_parts or right_parts <= left_parts


def names_are_swapped(left: tuple[str, str | None], right: tuple[str, str | None]) -> bool:
    """Whether given and family name of one are family and given name of the other, but a slip."""
    (given, family), (other_given, other_family) = left, right
    if family is None or other_family is None:
        return False
    return _is_slip(given, other_family) and _is_slip(family, other_given)


def dates_agree(left: str, right: str) -> bool:
    """Whether two birth dates (digits of year, month, day; other signs are left out) may be one.

    They may if they are equal, or differ by one digit of the day, the month or the year's last,
    or by two neighbouring digits that are swapped, or by day and month that are swapped. Another
    year is no slip: father and son often share day, month and name. A date of other than eight
    digits contradicts nothing.
    """
    if left == right:
        return True
    a, b = ("".join(filter(str.isdigit, date)) for date in (left, right))
    if len(a) != _DIGITS_OF_A_DATE or len(b) != _DIGITS_OF_A_DATE:
        return True
    differ = [place for place in range(_DIGITS_OF_A_DATE) if a[place] != b[place]]
    if len(differ) <= 1:
        return not differ or differ[0] >= _FIRST_DOUBTFUL_DIGIT
    first, last = differ[0], differ[-1]
    if len(differ) == 2 and last == first + 1 and a[first] == b[last] and a[last] == b[first]:
        return True
    return a == b[:4] + b[6:] + b[4:6]


def read_nicknames(nicknames: Iterable[tuple[str, str]]) -> FullNames:
    """The full names a name may stand for, itself among them, from (nickname, name) pairs."""
    found: dict[str, set[str]] = {}
    for nickname, name in nicknames:
        found.setdefault(nickname, {nickname}).add(name)
        found.setdefault(name, {name})
    return found


def _is_slip(left: str, right: str) -> bool:
    if left == right:
        return True
    if min(len(left), len(right)) < _SHORTEST_FOR_EDIT or abs(len(left) - len(right)) > 1:
        return False
    return DamerauLevenshtein.distance(left, right, score_cutoff=1) <= 1
