"""Malformed raw files and cells, each with what has to become of it.

A file is refused with a message, or its rows meet their fates in `base_orders`: read, judged and
typed by the code of a build, without dbt around it.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rule_grammar_project import DEFAULTS, ROOT, GrammarProject

from customer_segmentation.identity.identifiers import hashed_reference
from customer_segmentation.input.contract import CONTRACT, read_contract
from customer_segmentation.input.raw_files import find_raw_files, load_raw_file, relation_of
from customer_segmentation.input.text_files import RawFileError

pytestmark = pytest.mark.check("malformed input")

ORDERS = next(table for table in read_contract(CONTRACT) if table.name == "orders")
HEADER = "order_id,customer_ref,ordered_at,amount,currency,status,coupon"
GOOD = "good,anna,2024-03-05 12:00:00,30.00,EUR,completed,"
VARS = {**DEFAULTS, "timezone": "UTC", "raw_timezone": "UTC", "currency": "EUR"}

Fates = dict[str, str]


@pytest.fixture(scope="module")
def judge(project: GrammarProject) -> str:
    """The SQL of base_orders."""
    model = (ROOT / "models" / "staging" / "base" / "base_orders.sql").read_text(encoding="utf-8")
    return project.render(model, VARS)


def rows_of(folder: Path, judge: str) -> list[dict[str, Any]]:
    """The rows of base_orders, and the lines that could not be read, as rows of the same form."""
    (file,) = find_raw_files(folder, [ORDERS])
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'; create schema input")
        text = duckdb.sqltype("VARCHAR")
        connection.create_function("segmentation_hashed_reference", hashed_reference, [text], text)
        connection.execute("create table rejected (source_table text, line bigint, error text)")
        if file.format == "parquet":
            connection.execute(f"create table loaded as select * from {relation_of(file)}")
        else:
            load_raw_file(connection, file, "loaded", "rejected")
        missing = [name for name in ORDERS.columns if name not in file.columns]
        nulls = "".join(f", cast(null as varchar) as {name}" for name in missing)
        connection.execute(f"create table input.orders as select *{nulls} from loaded")
        judged = connection.execute(judge)
        names = [column[0] for column in judged.description]
        found = [dict(zip(names, row, strict=True)) for row in judged.fetchall()]
        unread = connection.execute("select error from rejected").fetchall()
    return found + [{"order_id": None, "failed_rule": error} for (error,) in unread]


def fates(folder: Path, judge: str) -> Fates:
    """What became of each row, by its order_id; of rows without one by their number."""
    return {
        row["order_id"] or f"row {number}": row["failed_rule"] or row["fate"]
        for number, row in enumerate(rows_of(folder, judge))
    }


# --- Files -------------------------------------------------------------------------------------


def text(*lines: str, header: str = HEADER) -> bytes:
    return "\n".join([header, *lines, ""]).encode()


def parquet(table: Mapping[str, Any]) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table(dict(table)), file)
    return file.getvalue()


def zipped(content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("orders.csv", content)
    return file.getvalue()


ONE = text(GOOD)
COLUMNS = dict(zip(HEADER.split(","), [[cell] for cell in GOOD.split(",")], strict=True))
OBJECT = json.dumps({name: value for name, (value,) in COLUMNS.items()})
IS_LOADED: Fates = {"good": "loaded"}


def and_unread(error: str) -> Fates:
    return {"good": "loaded", "row 1": error}


# name -> file name, content, and the fates of its rows or words of the refusal.
FILES: dict[str, tuple[str, bytes, Fates | str]] = {
    # encodings
    "UTF-8 with a byte order mark": ("orders.csv", b"\xef\xbb\xbf" + ONE, IS_LOADED),
    "UTF-16, little end first": ("orders.csv", ONE.decode().encode("utf-16"), "is in UTF-16"),
    "UTF-16, big end first": (
        "orders.csv",
        b"\xfe\xff" + ONE.decode().encode("utf-16-be"),
        "is in UTF-16",
    ),
    "UTF-16 without a mark": ("orders.csv", ONE.decode().encode("utf-16-le"), "lacks the required"),
    "UTF-32": ("orders.csv", ONE.decode().encode("utf-32"), "is in UTF-16|lacks the required"),
    "Latin-1 in a cell": (
        "orders.csv",
        text(GOOD, "2,strasse,2024-03-05,5,EUR,,").replace(b"ss", b"\xdf"),
        and_unread("INVALID ENCODING"),
    ),
    "an overlong sequence": (
        "orders.csv",
        text(GOOD, "2,ANNA,2024-03-05,5,EUR,,").replace(b"ANNA", b"\xc0\xaf"),
        and_unread("INVALID ENCODING"),
    ),
    "half of a surrogate pair": (
        "orders.csv",
        text(GOOD, "2,ANNA,2024-03-05,5,EUR,,").replace(b"ANNA", b"\xed\xa0\x80"),
        and_unread("INVALID ENCODING"),
    ),
    "EBCDIC": ("orders.csv", ONE.decode().encode("cp037"), "lacks the required"),
    # headers
    "empty": ("orders.csv", b"", "is empty"),
    "a byte order mark and no more": ("orders.csv", b"\xef\xbb\xbf", "lacks the required"),
    "one line end": ("orders.csv", b"\n", "lacks the required|is empty"),
    "a header and no more": ("orders.csv", text(), {}),
    "no header": ("orders.csv", f"{GOOD}\n".encode(), "lacks the required column order_id"),
    "a column twice": (
        "orders.csv",
        text(f"{GOOD},5", header=f"{HEADER},amount"),
        "amount more than once",
    ),
    "a column twice but for capitals": (
        "orders.csv",
        text(f"{GOOD},5", header=f"{HEADER},Amount"),
        "amount more than once",
    ),
    "a misspelt column": (
        "orders.csv",
        text(GOOD, header=HEADER.replace("ordered_at", "orderd_at")),
        "'orderd_at' looks like ordered_at",
    ),
    "a Cyrillic letter in a column": (
        "orders.csv",
        text(GOOD, header=HEADER.replace("amount", "\u0430mount")),
        "lacks the required column amount",
    ),
    "a zero-width space in a column": (
        "orders.csv",
        text(GOOD, header=HEADER.replace("amount", "amount\u200b")),
        "lacks the required column amount",
    ),
    "capitals, quotes and spaces in the header": (
        "orders.csv",
        text(GOOD, header=HEADER.replace("order_id", '"Order_ID"').replace("amount", " amount ")),
        IS_LOADED,
    ),
    "columns in another order": (
        "orders.csv",
        text("30,2024-03-05,anna,good", header="amount,ordered_at,customer_ref,order_id"),
        IS_LOADED,
    ),
    "semicolons": ("orders.csv", ONE.replace(b",", b";"), "lacks the required"),
    "tabs": ("orders.csv", ONE.replace(b",", b"\t"), "lacks the required"),
    "Excel's line of the separator": ("orders.csv", b"sep=,\n" + ONE, "lacks the required"),
    "a comment before the header": ("orders.csv", b"# of Monday\n" + ONE, "lacks the required"),
    "two thousand columns more": (
        "orders.csv",
        text(
            GOOD + "," * 2000, header=HEADER + "".join(f",more_{number}" for number in range(2000))
        ),
        IS_LOADED,
    ),
    "a formula as a column": ("orders.csv", text(f"{GOOD},5", header=f"{HEADER},=1+1"), IS_LOADED),
    "SQL as a column": (
        "orders.csv",
        text(f"{GOOD},5", header=f'{HEADER},"a"" from x; --"'),
        IS_LOADED,
    ),
    # lines
    "the header again": (
        "orders.csv",
        text(GOOD, HEADER),
        {"good": "loaded", "order_id": "impossible_date"},
    ),
    "a cell too many": (
        "orders.csv",
        text(GOOD, "2,ben,2024-03-05,5,EUR,,,,x"),
        and_unread("TOO MANY COLUMNS"),
    ),
    "a cell too few": ("orders.csv", text(GOOD, "2,ben"), and_unread("MISSING COLUMNS")),
    "a quote that is never closed": (
        "orders.csv",
        text('1,"anna,2024-03-05,5,EUR,,', GOOD, GOOD),
        "opens a double quote in row 2",
    ),
    "a line break in a key": (
        "orders.csv",
        text('"1\n2",anna,2024-03-05,5,EUR,,'),
        "a line break inside order_id",
    ),
    "CR alone as line end": ("orders.csv", ONE.replace(b"\n", b"\r"), IS_LOADED),
    "mixed line ends": (
        "orders.csv",
        text(f"{GOOD}x", "2,ben,2024-03-05,5,EUR,,x").replace(b"\n", b"\r\n", 2),
        "mixes line ends",
    ),
    "mixed line ends after empty cells": (
        "orders.csv",
        text(GOOD, "2,ben,2024-03-05,5,EUR,,").replace(b"\n", b"\r\n", 2),
        {"good": "loaded", "2": "loaded"},
    ),
    "no line end at the end": ("orders.csv", ONE.rstrip(b"\n"), IS_LOADED),
    "blank lines": ("orders.csv", text("", GOOD, "", ""), IS_LOADED),
    "a line of 17 megabytes": (
        "orders.csv",
        text(GOOD, f"2,ben,2024-03-05,5,EUR,,{'x' * 17_000_000}"),
        and_unread("LINE SIZE OVER MAXIMUM"),
    ),
    "a cell of two megabytes": (
        "orders.csv",
        text(f"{GOOD}{'x' * 2_000_000}"),
        IS_LOADED,
    ),
    "a NUL in a cell": (
        "orders.csv",
        text(GOOD, "2,be\0n,2024-03-05,5,EUR,,"),
        {"good": "loaded", "2": "loaded"},
    ),
    # compression
    "gzip": ("orders.csv.gz", gzip.compress(ONE), IS_LOADED),
    "two gzip files in one": (
        "orders.csv.gz",
        gzip.compress(ONE) + gzip.compress(b"2,ben,2024-03-05,5,EUR,,\n"),
        {"good": "loaded", "2": "loaded"},
    ),
    "half a gzip file": ("orders.csv.gz", gzip.compress(ONE)[:40], "can't be read"),
    "a gzip file with a wrong sum": (
        "orders.csv.gz",
        gzip.compress(ONE)[:-8] + b"\0" * 8,
        "can't be read",
    ),
    "a gzip file with a tail": ("orders.csv.gz", gzip.compress(ONE) + b"tail", "can't be read"),
    "no gzip": ("orders.csv.gz", ONE, "can't be read"),
    "gzip without its name": ("orders.csv", gzip.compress(ONE), "lacks the required"),
    "zip named gzip": ("orders.csv.gz", zipped(ONE), "can't be read"),
    "zip": ("orders.csv.zip", zipped(ONE), "is not read, and it looks like the table orders"),
    "a gzip bomb in a line": (
        "orders.csv.gz",
        gzip.compress(text(GOOD, f"2,ben,2024-03-05,5,EUR,,{'x' * 20_000_000}")),
        and_unread("LINE SIZE OVER MAXIMUM"),
    ),
    "a gzip bomb in the header": (
        "orders.csv.gz",
        gzip.compress(b"x" * 20_000_000),
        "can't be read|lacks the required",
    ),
    # formats
    "Parquet named CSV": ("orders.csv", parquet(COLUMNS), "lacks the required"),
    "CSV named Parquet": ("orders.parquet", ONE, "can't be read as a Parquet file"),
    "half a Parquet file": (
        "orders.parquet",
        parquet(COLUMNS)[:-200],
        "can't be read as a Parquet file",
    ),
    "Parquet without rows": (
        "orders.parquet",
        parquet({name: pa.array([], "string") for name in COLUMNS}),
        {},
    ),
    "Parquet with a column of lists": (
        "orders.parquet",
        parquet({**COLUMNS, "order_id": ["1"], "amount": [[5.0]]}),
        {"1": "invalid_amount"},
    ),
    "Parquet with flags as amounts": (
        "orders.parquet",
        parquet({**COLUMNS, "order_id": ["1"], "amount": [True]}),
        {"1": "invalid_amount"},
    ),
    "Parquet with a key that a double can't hold": (
        "orders.parquet",
        parquet({**COLUMNS, "order_id": [2.0**53]}),
        {"row 0": "inexact_key"},
    ),
    "Excel": ("orders.xlsx", zipped(ONE), "is not read, and it looks like the table orders"),
    "JSON lines": ("orders.jsonl", f"{OBJECT}\n".encode(), IS_LOADED),
    "a JSON array": ("orders.json", f"[{OBJECT}]".encode(), "is not read, and it looks like"),
    "a JSON array in JSON lines": (
        "orders.jsonl",
        f"{OBJECT}\n[{OBJECT}]\n".encode(),
        and_unread("NOT A JSON OBJECT"),
    ),
    "JSON cut in the middle": (
        "orders.jsonl",
        f"{OBJECT}\n{OBJECT[:40]}\n".encode(),
        and_unread("NOT A JSON OBJECT"),
    ),
    "nested JSON": (
        "orders.jsonl",
        OBJECT.replace('"30.00"', '{"value": 30}').encode(),
        {"good": "invalid_amount"},
    ),
    "JSON of a hundred thousand levels": (
        "orders.jsonl",
        f'{OBJECT}\n{{"a": {"[" * 100_000}{"]" * 100_000}}}\n'.encode(),
        and_unread("missing_order_id"),
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_a_malformed_file_is_read_or_refused_as_expected(
    tmp_path: Path, judge: str, name: str
) -> None:
    file, content, expected = FILES[name]
    (tmp_path / file).write_bytes(content)
    if isinstance(expected, dict):
        assert fates(tmp_path, judge) == expected
        return
    with pytest.raises(RawFileError) as refusal:
        fates(tmp_path, judge)
    said = str(refusal.value)
    assert re.search(expected, said)
    assert file in said
    assert "anna" not in said, "a message repeats nothing of a file"
    assert len(said) < 1000


# --- Links and names -----------------------------------------------------------------------------


def link(target: str) -> Any:
    return lambda path: path.symlink_to(target)


# name -> what makes raw/orders.csv, and words of the refusal.
PLACES: dict[str, tuple[Any, str]] = {
    "a link out of the folder": (link("/etc/hostname"), "is a link out of"),
    "a link to a device": (link("/dev/zero"), "is a link out of|neither a file nor a folder"),
    "a link to nothing": (link("nowhere.csv"), "is a link to nothing"),
    "a link to itself": (link("orders.csv"), "is a link to nothing"),
    "a pipe": (os.mkfifo, "neither a file nor a folder"),
    "a folder": (os.mkdir, "is not read, and it looks like the table orders"),
}


@pytest.mark.parametrize("name", PLACES)
def test_what_is_no_file_of_the_folder_is_refused(tmp_path: Path, judge: str, name: str) -> None:
    make, expected = PLACES[name]
    make(tmp_path / "orders.csv")
    with pytest.raises(RawFileError, match=expected):
        fates(tmp_path, judge)


@pytest.mark.parametrize("name", ["*", "[a]b", "a?", "it's", "x;--"])
@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_a_part_with_an_odd_name_is_read_as_one_file(
    tmp_path: Path, judge: str, name: str, ending: str
) -> None:
    folder = tmp_path / "orders"
    folder.mkdir()
    for stem, key in ((name, "1"), ("ab", "2")):
        row = {column: value for column, (value,) in COLUMNS.items()} | {"order_id": key}
        content = {
            "csv": text(",".join(row.values())),
            "jsonl": json.dumps(row).encode(),
            "parquet": parquet({column: [value] for column, value in row.items()}),
        }
        (folder / f"{stem}.{ending}").write_bytes(content[ending])
    assert fates(tmp_path, judge) == {"1": "loaded", "2": "loaded"}


# --- Cells ---------------------------------------------------------------------------------------

# name -> cells that differ from a good row, and the rule that rejects it, or values of the row.
CELLS: dict[str, tuple[dict[str, str], str | dict[str, Any]]] = {
    # dates
    "no such day": ({"ordered_at": "2024-02-31"}, "impossible_date"),
    "no such month": ({"ordered_at": "2024-13-01"}, "impossible_date"),
    "day first": ({"ordered_at": "31/01/2024"}, "impossible_date"),
    "zeros": ({"ordered_at": "0000-00-00"}, "impossible_date"),
    "Unix seconds": ({"ordered_at": "1709640000"}, "impossible_date"),
    "Excel's number of a day": ({"ordered_at": "45356"}, "impossible_date"),
    "infinity": ({"ordered_at": "infinity"}, "impossible_date"),
    "before everything": ({"ordered_at": "-infinity"}, "impossible_date"),
    "the word epoch": ({"ordered_at": "epoch"}, "impossible_date"),
    "the word now": ({"ordered_at": "now"}, "impossible_date"),
    "before Christ": ({"ordered_at": "0044-03-15 (BC)"}, "impossible_date"),
    "second 61": ({"ordered_at": "2024-03-05 12:00:61"}, "impossible_date"),
    "an offset that no zone has": ({"ordered_at": "2024-03-05T12:00:00+99:00"}, "impossible_date"),
    "full-width digits": ({"ordered_at": "２０２４-０３-０５"}, "impossible_date"),
    "the beginning of Unix": ({"ordered_at": "1970-01-01"}, "implausible_date"),
    "the end of time": ({"ordered_at": "9999-12-31"}, "future_date"),
    "a year beyond four digits": ({"ordered_at": "20240-03-05"}, "impossible_date"),
    "no date": ({"ordered_at": ""}, "missing_ordered_at"),
    "blanks as a date": ({"ordered_at": " \t "}, "impossible_date"),
    "an offset": ({"ordered_at": "2024-03-05T01:00:00+02:00"}, {"ordered_on": "2024-03-04"}),
    # numbers
    "a decimal comma": ({"amount": '"12,50"'}, "invalid_amount"),
    "points between thousands": ({"amount": '"1.234,56"'}, "invalid_amount"),
    "a sign of the currency": ({"amount": "€12.50"}, "invalid_amount"),
    "the currency behind": ({"amount": "12.50 EUR"}, "invalid_amount"),
    "an exponent": ({"amount": "1e3"}, {"amount": 1000}),
    "NaN": ({"amount": "NaN"}, "invalid_amount"),
    "infinitely much": ({"amount": "inf"}, "invalid_amount"),
    "hexadecimal": ({"amount": "0x1F"}, "invalid_amount"),
    "underscores": ({"amount": "1_000"}, "invalid_amount"),
    "a true minus sign": ({"amount": "−5"}, "invalid_amount"),
    "the minus behind": ({"amount": "5-"}, "invalid_amount"),
    "an accountant's minus": ({"amount": "(5.00)"}, "invalid_amount"),
    "Arabic digits": ({"amount": "٣٠"}, "invalid_amount"),
    "four hundred digits": ({"amount": "1" * 400}, "invalid_amount"),
    "a flag": ({"amount": "TRUE"}, "invalid_amount"),
    "a formula": ({"amount": "=1+1"}, "invalid_amount"),
    "too much": ({"amount": "99999999999"}, "implausible_amount"),
    "no amount": ({"amount": ""}, "missing_amount"),
    "blanks around it": ({"amount": " 12.50 "}, {"amount": 12.5}),
    # words
    "another currency": ({"currency": "USD"}, "other_currency"),
    "a currency's sign": ({"currency": "€"}, "other_currency"),
    "a currency in small letters": ({"currency": "eur"}, {"currency": "EUR"}),
    "an undeclared status": ({"status": "lost"}, "unknown_status"),
    "a status in Cyrillic letters": ({"status": "соmpleted"}, "unknown_status"),
    "a completed return": ({"amount": "-5"}, "negative_completed"),
    "a return that pays": ({"status": "returned"}, "positive_return"),
    "a status in capitals": ({"status": "COMPLETED"}, {"status": "completed"}),
    # ids
    "no id": ({"order_id": ""}, "missing_order_id"),
    "the word null as an id": ({"order_id": "NULL"}, "missing_order_id"),
    "an id that no one sees": ({"order_id": "\u200b\u00a0"}, "missing_order_id"),
    "zeros in front": ({"order_id": "00123"}, {"order_id": "00123"}),
    "an id with an exponent": ({"order_id": "1e5"}, {"order_id": "1e5"}),
    "an id as a decimal": ({"order_id": "17850.0"}, {"order_id": "17850"}),
    "an id with a zero-width space": ({"order_id": "A\u200b1"}, {"order_id": "A1"}),
    "a Latin id": ({"order_id": "abc"}, {"order_id": "abc"}),
    "the same in Cyrillic letters": ({"order_id": "аbс"}, {"order_id": "аbс"}),
    "a customer from right to left": (
        {"customer_ref": "anna\u202egnp"},
        {"customer_ref": "annagnp"},
    ),
    "no customer": ({"customer_ref": ""}, {"customer_ref": None}),
    "a word for no customer": ({"customer_ref": "n/a"}, {"customer_ref": None}),
    # What may identify someone, or do something elsewhere, is published as a hash.
    **{
        name: ({"customer_ref": cell}, {"customer_ref": hashed_reference(value)})
        for name, cell, value in (
            ("an address as a customer", "anna@example.org", "anna@example.org"),
            ("a telephone as a customer", "+49 30 1234567", "+49 30 1234567"),
            ("a formula as a customer", "@SUM(1)", "@SUM(1)"),
            ("a command as a customer", "\"=cmd|' /C calc'!A0\"", "=cmd|' /C calc'!A0"),
            ("SQL as a customer", "'; drop table orders; --", "'; drop table orders; --"),
            ("a customer of a hundred letters", "k" * 100, "k" * 100),
        )
    },
}
# What other rules need beside them: enough good orders, so that one date can't be the newest.
NEIGHBOURS = [f"n{number},anna,2024-03-05,10.00,EUR,completed," for number in range(100)]


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory, judge: str) -> dict[str, dict[str, Any]]:
    """The rows of one file with all the cells, by the name in their coupon."""
    good = dict(zip(HEADER.split(","), GOOD.split(","), strict=True))
    lines = [
        ",".join({**good, "order_id": f"o{number}", **changed, "coupon": f'"{name}"'}.values())
        for number, (name, (changed, _)) in enumerate(CELLS.items())
    ]
    folder = tmp_path_factory.mktemp("cells")
    (folder / "orders.csv").write_bytes(text(*NEIGHBOURS, *lines))
    return {row.get("coupon"): row for row in rows_of(folder, judge)}


@pytest.mark.parametrize("name", CELLS)
def test_a_malformed_cell_rejects_its_row_or_becomes_a_value(
    cells: dict[str, dict[str, Any]], name: str
) -> None:
    row, expected = cells[name], CELLS[name][1]
    if isinstance(expected, str):
        assert (row["fate"], row["failed_rule"]) == ("quarantined", expected)
        return
    assert row["fate"] == "loaded", row["failed_rule"]
    found = {column: row[column] for column in expected}
    if "ordered_on" in found:
        found["ordered_on"] = str(found["ordered_on"])
    assert found == expected


def test_repeats_of_an_order_are_one_order_or_a_conflict(tmp_path: Path, judge: str) -> None:
    conflict = GOOD.replace("good", "twice")
    rows = [GOOD, GOOD, conflict, conflict.replace("30.00", "31.00")]
    (tmp_path / "orders.csv").write_bytes(text(*rows))
    found = sorted(row["failed_rule"] or row["fate"] for row in rows_of(tmp_path, judge))
    assert found == ["conflicting_repeat", "conflicting_repeat", "deduplicated", "loaded"]
