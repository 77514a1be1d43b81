"""What the check of raw data takes for a time stamp or an e-mail address, the models do too."""

import functools

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rule_grammar_project import GrammarProject

from customer_segmentation.identity.identifiers import EMAIL, normalised_email
from customer_segmentation.input.values import BARE_DATE, is_iso_stamp

ZONES = {"timezone": "UTC", "raw_timezone": "UTC"}


@pytest.fixture(scope="module")
def macros(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    project = GrammarProject(tmp_path_factory.mktemp("patterns"))
    return {
        name: project.render(f"{{{{ {name}('value') }}}}", ZONES)
        for name in ("to_instant", "is_email", "normalised_email")
    }


@functools.cache
def connected() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute("set TimeZone = 'UTC'")
    return connection


def found(expression: str, value: str) -> object:
    query = f"select {expression} from (select ? as value)"
    return connected().execute(query, [value]).fetchall()[0][0]


DATES = ["2024-01-31", "20240131", "2024-1-31", "\u0662024-01-31"]
TIMES = ["", " 10:05", "T10:05:07", " 10:05:07.123", " 10", " 10:05:", "  10:05"]
OFFSETS = ["", "Z", " UTC", "+02", "+02:00", " -0500", "+2", " CET"]


@pytest.mark.parametrize("date", DATES)
@pytest.mark.parametrize("time", TIMES)
def test_time_stamps_are_the_same_in_sql_and_python(
    date: str, time: str, macros: dict[str, str]
) -> None:
    for offset in OFFSETS:
        value = date + time + offset
        is_stamp = is_iso_stamp(value) or BARE_DATE.fullmatch(value) is not None
        assert (found(macros["to_instant"], value) is not None) is is_stamp, value


@given(st.text(alphabet="a1@. -+\u00a0\u3000\u00e9", max_size=12))
def test_email_addresses_are_the_same_in_sql_and_python(macros: dict[str, str], text: str) -> None:
    value = text.strip()
    assert found(macros["is_email"], value) is (EMAIL.fullmatch(value) is not None), value


@given(st.text(alphabet="a1@.+ ", max_size=12))
def test_email_addresses_have_one_spelling_in_sql_and_python(
    macros: dict[str, str], text: str
) -> None:
    assert found(macros["normalised_email"], text) == normalised_email(text), text
