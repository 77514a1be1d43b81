"""What is wrong with the values of one column, and what to change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from customer_segmentation.input.raw_tables import Hour
from customer_segmentation.input.values import (
    BARE_DATE,
    BOOLEANS,
    DATE_FORMATS,
    DECIMAL_COMMA,
    MOST,
    NAIVE_STAMP,
    NUMBER,
    SINCE_1970,
    STAMP_FORMATS,
    best_formats,
    date_formats_of,
    hours_ahead,
    is_iso_stamp,
    kind_of_values,
)


class Problem(NamedTuple):
    """A predicate of the column, the number of rows it is true of, and what to change."""

    predicate: str
    rows: int
    advice: str


class Clock(NamedTuple):
    """What the time stamps say about their zone: YAML of var raw_timezone, and a remark."""

    raw_timezone: str
    remark: str


def bad_values(kind: str, column: str, values: Sequence[str]) -> Problem | None:
    """The values that can't be read as their kind: instant, number or boolean; else None."""
    check = {"instant": _bad_instants, "number": _bad_numbers, "boolean": _bad_booleans}.get(kind)
    return check(column, values) if check else None


def _bad_instants(column: str, values: Sequence[str]) -> Problem | None:
    bad = [value for value in values if not (is_iso_stamp(value) or BARE_DATE.fullmatch(value))]
    if not bad:
        return None
    if kind_of_values(bad) == "number" and all(SINCE_1970.fullmatch(value) for value in bad):
        unit = {10: "to_timestamp", 13: "epoch_ms", 16: "make_timestamp"}[len(bad[0])]
        advice = f"They count from 1970: convert them with {unit}({column})"
    else:
        formats = best_formats(bad, [*STAMP_FORMATS, *DATE_FORMATS])
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
    bad = [value for value in values if not NUMBER.fullmatch(value)]
    if not bad:
        return None
    if sum(bool(DECIMAL_COMMA.fullmatch(value)) for value in bad) >= MOST * len(bad):
        advice = "They have decimal commas: write 12.50 and not 12,50"
    else:
        advice = "Write digits and a decimal point only, without currency and thousands separators"
    return Problem("is no number", len(bad), advice)


def _bad_booleans(column: str, values: Sequence[str]) -> Problem | None:
    bad = sum(value.casefold() not in BOOLEANS for value in values)
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
    rows: Mapping[int, int] = {hour.hour: hour.rows for hour in hours}
    if sum(hour.midnights for hour in hours) >= MOST * sum(rows.values()):
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
