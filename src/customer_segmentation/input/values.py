"""The values of a text column: their kind, their formats, what is wrong with them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from itertools import islice, pairwise
from typing import NamedTuple

from customer_segmentation.identity.identifiers import EMAIL
from customer_segmentation.input.raw_tables import Hour

EARLIEST_PLAUSIBLE = date(1970, 1, 2)  # default of var earliest_plausible_date
_DISTINCT_VALUES = 200  # tried in each format
_MOST = 0.9  # share of the values that decides the kind of a column

# The same values as the macro to_instant accepts; a test compares them.
BARE_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
NAIVE_STAMP = re.compile(
    BARE_DATE.pattern + r"[ T]\d{2}:\d{2}(:\d{2}(\.\d+)?)?",
    re.ASCII,
)
STAMP_WITH_OFFSET = re.compile(
    NAIVE_STAMP.pattern + r" ?(Z|UTC|[+-](0\d|1[0-4])(:?[0-5]\d)?)",
    re.ASCII,
)

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_DECIMAL_COMMA = re.compile(r"[+-]?\d{1,3}(\.?\d{3})*,\d{1,2}")
_SINCE_1970 = re.compile(r"\d{10}|\d{13}|\d{16}")
_BOOLEANS = {"true", "false", "t", "f", "yes", "no", "y", "n", "1", "0", "1.0", "0.0"}
_DATE_FORMATS = ["%Y-%m-%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%Y/%m/%d", "%Y%m%d"]
_STAMP_FORMATS = [
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
        return sum(is_one) >= _MOST * len(given)

    if most(is_iso_stamp(value) for value in given) or best_formats(given, _STAMP_FORMATS):
        return "instant"
    if best_formats(given, _DATE_FORMATS):
        return "date"
    if most(bool(_NUMBER.fullmatch(v) or _DECIMAL_COMMA.fullmatch(v)) for v in given):
        return "number"
    if most(value.casefold() in _BOOLEANS for value in given):
        return "boolean"
    return "email" if most(bool(EMAIL.fullmatch(value)) for value in given) else "text"


def is_iso_stamp(value: str) -> bool:
    return bool(NAIVE_STAMP.fullmatch(value) or STAMP_WITH_OFFSET.fullmatch(value))


def best_formats(values: Iterable[str], formats: Iterable[str], least: float = _MOST) -> list[str]:
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
        best = best_formats(left, _DATE_FORMATS, least=0.1)
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


class Problem(NamedTuple):
    """A predicate of the column, the number of rows it is true of, and what to change."""

    predicate: str
    rows: int
    advice: str


class Clock(NamedTuple):
    """What the time stamps say about their zone: YAML of var raw_timezone, and a remark."""

    raw_timezone: str
    remark: str


def plausible_days(
    days: Sequence[tuple[date, int]], *, by_gaps: bool
) -> Sequence[tuple[date, int]]:
    """The days that the build doesn't take for implausibly early, by the default vars.

    Args:
        days: Each day with its number of rows, in order.
        by_gaps: Whether rows before a gap of more than 366 days are implausible too if they are at
            most one in twenty, as for orders.
    """
    late_enough = [(day, rows) for day, rows in days if day >= EARLIEST_PLAUSIBLE]
    if not by_gaps:
        return late_enough
    before, first, in_all = 0, 0, sum(rows for _, rows in late_enough)
    for place, ((day, rows), (next_day, _)) in enumerate(pairwise(late_enough), 1):
        before += rows
        if (next_day - day).days > 366 and 20 * before <= in_all:
            first = place
    return late_enough[first:]


def bad_values(kind: str, column: str, values: Sequence[str]) -> Problem | None:
    """The values that can't be read as their kind: instant, number or boolean; else None."""
    check = {"instant": _bad_instants, "number": _bad_numbers, "boolean": _bad_booleans}.get(kind)
    return check(column, values) if check else None


def _bad_instants(column: str, values: Sequence[str]) -> Problem | None:
    bad = [value for value in values if not (is_iso_stamp(value) or BARE_DATE.fullmatch(value))]
    if not bad:
        return None
    if kind_of_values(bad) == "number" and all(_SINCE_1970.fullmatch(value) for value in bad):
        unit = {10: "to_timestamp", 13: "epoch_ms", 16: "make_timestamp"}[len(bad[0])]
        advice = f"They count from 1970: convert them with {unit}({column})"
    else:
        formats = best_formats(bad, [*_STAMP_FORMATS, *_DATE_FORMATS])
        if len(formats) == 1:
            advice = f"Convert them with strptime({column}, '{formats[0]}')"
        elif formats:
            advice = (
                f"They could be {' or '.join(formats)}: find out, and convert them with strptime"
            )
        else:
            advice = "Their format is not known here"
    return Problem("holds no ISO time stamp, such as 2026-01-31 14:05:00,", len(bad), advice)


def _bad_numbers(column: str, values: Sequence[str]) -> Problem | None:
    bad = [value for value in values if not _NUMBER.fullmatch(value)]
    if not bad:
        return None
    if sum(bool(_DECIMAL_COMMA.fullmatch(value)) for value in bad) >= _MOST * len(bad):
        advice = "They have decimal commas: write 12.50 and not 12,50"
    else:
        advice = "Write digits and a decimal point only, without currency and thousands separators"
    return Problem("is no number", len(bad), advice)


def _bad_booleans(column: str, values: Sequence[str]) -> Problem | None:
    bad = sum(value.casefold() not in _BOOLEANS for value in values)
    return Problem("is neither true nor false", bad, "Write true or false") if bad else None


def other_date_formats(values: Sequence[str], systems: Sequence[str]) -> dict[str, list[str]]:
    """The date formats of each source system that doesn't write ISO dates.

    The list is empty where the format is unknown or day and month can't be distinguished.
    """
    written: dict[str, list[str]] = {}
    for system, value in zip(systems, values, strict=True):
        if value and not is_iso_stamp(value):
            written.setdefault(system or "default", []).append(value)
    formats = {system: date_formats_of(dates) for system, dates in sorted(written.items())}
    return {system: found for system, found in formats.items() if found != ["%Y-%m-%d"]}


def clock_of(column: str, values: Sequence[str], hours: Sequence[Hour]) -> Clock | None:
    """What to ask about the zone of time stamps; None where most have an offset."""
    naive = sum(bool(NAIVE_STAMP.fullmatch(value)) for value in values)
    if naive < 0.5 * len(values):
        return None
    rows = {hour.hour: hour.rows for hour in hours}
    if sum(hour.midnights for hour in hours) >= _MOST * sum(rows.values()):
        return Clock(
            '"?"  # the same zone as timezone',
            f"has stamps in {column} without offset and without a time of day. Midnight in one "
            f"zone is the day before in another: set raw_timezone to the zone of timezone, or "
            f"write dates, such as 2026-01-31",
        )
    ahead = hours_ahead(rows)
    remark = f"has stamps in {column} without offset, read as var raw_timezone says (UTC)"
    if ahead is None:
        return Clock(
            '"?"  # UTC, or the zone the stamps were written in',
            f"{remark}. The hours of the day don't show which zone that is",
        )
    if abs(ahead) <= 3:
        return Clock(
            '"?"  # it looks like the zone of timezone, or one near it',
            f"{remark}. The hours of the day look like local time, give or take three: set "
            f"raw_timezone to the zone of timezone if they are",
        )
    place = f"UTC{-ahead:+d}"
    return Clock(
        f"UTC  # if the customers live at about {place}; else ask",
        f"{remark}. The day's activity lies about {abs(ahead)} hours "
        f"{'later' if ahead > 0 else 'earlier'} than people shop, which is what UTC stamps of a "
        f"place at about {place} look like: set timezone to that place",
    )


def _distinct(values: Iterable[str]) -> list[str]:
    return list(islice(dict.fromkeys(value for value in values if value), _DISTINCT_VALUES))


def _reads(format_: str, value: str) -> bool:
    try:
        return datetime.strptime(value, format_).year >= 1000
    except ValueError:
        return False
