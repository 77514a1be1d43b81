"""Which kind of values a text column holds: patterns, date formats and the clock of time stamps."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import islice

_DISTINCT_VALUES = 200  # tried in each format
MOST = 0.9  # share of the values that decides the kind of a column

# The same values as the macros to_instant and is_email accept; a test compares them.
BARE_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
NAIVE_STAMP = re.compile(
    BARE_DATE.pattern + r"[ T]\d{2}:\d{2}(:\d{2}(\.\d+)?)?",
    re.ASCII,
)
STAMP_WITH_OFFSET = re.compile(
    NAIVE_STAMP.pattern + r" ?(Z|UTC|[+-]\d{2}(:?\d{2})?)",
    re.ASCII,
)
EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s.]+([.][^@\s.]+)+")

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
DECIMAL_COMMA = re.compile(r"[+-]?\d{1,3}(\.?\d{3})*,\d{1,2}")
SINCE_1970 = re.compile(r"\d{10}|\d{13}|\d{16}")
BOOLEANS = {"true", "false", "t", "f", "yes", "no", "y", "n", "1", "0"}
DATE_FORMATS = ["%Y-%m-%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%Y/%m/%d", "%Y%m%d"]
STAMP_FORMATS = [
    f"{date} {time}"
    for date in ("%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%m/%d/%y", "%d/%m/%y", "%Y/%m/%d")
    for time in ("%H:%M", "%H:%M:%S", "%I:%M %p")
]


def kind_of_values(values: Iterable[str]) -> str:
    """The kind of most of the values.

    Args:
        values: Text; empty values don't count.

    Returns:
        ``instant``, ``date``, ``number``, ``boolean``, ``email`` or ``text``.
    """
    given = _distinct(values)
    if not given:
        return "text"

    def most(is_one: Iterable[bool]) -> bool:
        return sum(is_one) >= MOST * len(given)

    if most(is_iso_stamp(value) for value in given) or best_formats(given, STAMP_FORMATS):
        return "instant"
    if best_formats(given, DATE_FORMATS):
        return "date"
    if most(bool(NUMBER.fullmatch(v) or DECIMAL_COMMA.fullmatch(v)) for v in given):
        return "number"
    if most(value.casefold() in BOOLEANS for value in given):
        return "boolean"
    return "email" if most(bool(EMAIL.fullmatch(value)) for value in given) else "text"


def is_iso_stamp(value: str) -> bool:
    return bool(NAIVE_STAMP.fullmatch(value) or STAMP_WITH_OFFSET.fullmatch(value))


def best_formats(values: Iterable[str], formats: Iterable[str], least: float = MOST) -> list[str]:
    """The formats that read the most values, if that is at least this share of them."""
    given = _distinct(values)
    read = {name: sum(_reads(name, value) for value in given) for name in formats}
    best = max(read.values(), default=0)
    return [name for name, count in read.items() if count == best >= least * len(given) > 0]


def date_formats_of(values: Sequence[str]) -> list[str]:
    """The fewest formats that read nearly all dates, the most frequent first.

    Returns:
        Formats of strptime; none if no format reads a tenth of the remaining values, or if two
        formats read equally many but swap day and month.
    """
    left, formats = list(values), []
    while len(left) > 0.02 * len(values):
        best = best_formats(left, DATE_FORMATS, least=0.1)
        if len(best) != 1:
            return []
        formats += best
        left = [value for value in left if not _reads(best[0], value)]
    return formats


def hours_ahead(hours: Mapping[int, int]) -> int | None:
    """How many hours a clock seems to be ahead of the people whose activity it stamps.

    The circular mean of the hours (Mardia and Jupp 2000, section 2.2) is compared with 14:30, the
    middle of a day on which people shop from morning to late evening.

    Args:
        hours: Rows by hour of the day, 0 to 23.

    Returns:
        Whole hours from -11 to 12; None with fewer than 500 rows or hardly any daily rhythm.
    """
    rows = sum(hours.values())
    angles = {hour: (hour + 0.5) * math.tau / 24 for hour in hours}
    east = sum(count * math.cos(angles[hour]) for hour, count in hours.items())
    north = sum(count * math.sin(angles[hour]) for hour, count in hours.items())
    if rows < 500 or math.hypot(east, north) < 0.2 * rows:
        return None
    ahead = round(math.atan2(north, east) * 24 / math.tau - 14.5)
    return (ahead + 11) % 24 - 11


def _distinct(values: Iterable[str]) -> list[str]:
    return list(islice(dict.fromkeys(value for value in values if value), _DISTINCT_VALUES))


def _reads(format_: str, value: str) -> bool:
    try:
        return datetime.strptime(value, format_).year >= 1000
    except ValueError:
        return False
