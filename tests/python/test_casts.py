"""Raw values of any type as text, ids, numbers and flags: what they mean, whatever their type."""

import functools
from typing import Any

import duckdb
import pytest
from rule_grammar_project import GrammarProject

ZONES = {"timezone": "UTC", "raw_timezone": "UTC"}
ZERO_WIDTH, NO_BREAK = "chr(8203)", "chr(160)"

KEYS = [
    ("17850", "17850"),
    ("cast(17850 as double)", "17850"),
    ("cast(17850 as float)", "17850"),
    ("cast(5831234567890 as double)", "5831234567890"),
    ("cast(-3 as double)", "-3"),
    ("cast(17850 as decimal(38, 18))", "17850"),
    ("cast(17.5 as double)", "17.5"),
    ("'17850.0'", "17850"),
    ("'1.0.0'", "1.0.0"),
    ("'v1.0'", "v1.0"),
    ("'00123'", "00123"),
    ("'1e5'", "1e5"),
    ("cast(9007199254740992 as double)", None),
    ("cast(9007199254740991 as double)", "9007199254740991"),
    ("9007199254740993", "9007199254740993"),
    (f"chr(9) || 'a' || {ZERO_WIDTH} || 'b' || chr(10)", "ab"),
    (f"{NO_BREAK} || 'ab ' || {ZERO_WIDTH}", "ab"),
    ("'a b'", "a b"),
    ("''", None),
    (f"' ' || chr(9) || {ZERO_WIDTH}", None),
    ("cast(null as double)", None),
    ("encode('Zürich')", "Zürich"),
    ("uuid '93c5d1ec-8481-448a-97f7-077633aebb18'", "93c5d1ec-8481-448a-97f7-077633aebb18"),
]
FLAGS = [
    *[(value, True) for value in ("true", "cast(1 as double)", "1", "'1.0'", "' Yes '", "'T'")],
    *[(value, False) for value in ("false", "cast(0 as double)", "0", "'0.0'", "'no'")],
    *[(value, None) for value in ("'maybe'", "''", "2.5", "cast(null as boolean)")],
]
AMOUNTS = [
    *[("'12.50'", 12.5), ("' 12.5 '", 12.5), ("'.5'", 0.5), ("cast(3.25 as double)", 3.25)],
    *[
        (value, None)
        for value in ("true", "'1_000'", "'1e-3'", "'12,50'", "'inf'", "'0x10'")
    ],
]
INSTANTS = [
    ("timestamptz '2026-05-01 10:00:00+02:00'", "2026-05-01 08:00:00+00"),
    ("cast('2026-05-01 08:00:00+00' as timestamptz_ns)", "2026-05-01 08:00:00+00"),
    ("timestamp_ns '2026-05-01 08:00:00'", "2026-05-01 08:00:00+00"),
    ("timestamp_s '2026-05-01 08:00:00'", "2026-05-01 08:00:00+00"),
    ("date '2026-05-01'", "2026-05-01 00:00:00+00"),
    ("'2026-05-01T10:00:00+14:00'", "2026-04-30 20:00:00+00"),
    ("'2026-05-01T10:00:00+99:00'", None),
    ("'2026-05-01T10:00:00+15:00'", None),
    ("'2026-05-01T10:00:00+05:75'", None),
]


@functools.cache
def _sql(project: GrammarProject, macro: str) -> str:
    return project.render(f"{{{{ {macro} }}}}", ZONES)


def value_of(project: GrammarProject, macro: str, raw: str) -> Any:
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        found = f"select {_sql(project, macro)} from (select {raw} as x)"
        return connection.execute(found).fetchall()[0][0]


@pytest.mark.parametrize(("raw", "key"), KEYS)
def test_an_id_is_the_same_text_whatever_type_its_column_has(project, raw, key):
    assert value_of(project, "to_key('x')", raw) == key


@pytest.mark.parametrize("raw", [raw for raw, key in KEYS if key is None])
def test_an_id_that_a_double_can_not_hold_is_said_to_be_so(project, raw):
    assert value_of(project, "has_inexact_key(['x'])", raw) is ("9007199254740992" in raw)


@pytest.mark.parametrize(("raw", "flag"), FLAGS)
def test_flags_of_data_frames_are_flags(project, raw, flag):
    assert value_of(project, "to_boolean('x')", raw) is flag


@pytest.mark.parametrize(("raw", "amount"), AMOUNTS)
def test_what_is_no_amount_is_none(project, raw, amount):
    for macro in ("to_money('x')", "to_number('x')"):
        found = value_of(project, macro, raw)
        assert found == amount if amount is None else float(found) == amount


@pytest.mark.parametrize(("raw", "instant"), INSTANTS)
def test_time_stamps_of_any_precision_and_zone_are_instants(project, raw, instant):
    found = value_of(project, "to_instant('x')", f"({raw})")
    assert (None if found is None else found.strftime("%Y-%m-%d %H:%M:%S+00")) == instant
