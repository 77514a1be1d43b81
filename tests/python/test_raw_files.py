"""The look at raw files: what is found, and what each refusal says."""

import gzip
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from customer_segmentation.input.contract import ContractTable
from customer_segmentation.input.raw_files import RawFileError, find_raw_files, load_csv

ORDERS = ContractTable(
    "orders",
    ("order_id", "customer_ref", "ordered_at", "amount", "status"),
    ("order_id", "customer_ref", "ordered_at", "amount"),
    is_required=True,
)
EVENTS = ContractTable("events", ("event_id", "event_type"), ("event_id",))
HEADER = "order_id,customer_ref,ordered_at,amount"


def write(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text, encoding="utf-8")


def test_finds_parquet_and_csv_with_the_columns_of_the_file(tmp_path):
    write(tmp_path, "orders.csv", f"{HEADER},extra\n1,a,2020-01-01,5,x\n")
    pq.write_table(
        pa.table({"event_type": ["view"], "event_id": ["1"]}), tmp_path / "events.parquet"
    )
    orders, events = find_raw_files(tmp_path, [ORDERS, EVENTS])
    assert (orders.table, orders.format) == ("orders", "csv")
    assert orders.columns == ("order_id", "customer_ref", "ordered_at", "amount", "extra")
    assert (events.table, events.format) == ("events", "parquet")
    assert events.columns == ("event_type", "event_id")


def test_optional_table_without_a_file_is_not_there(tmp_path):
    write(tmp_path, "orders.csv", f"{HEADER}\n")
    assert [file.table for file in find_raw_files(tmp_path, [ORDERS, EVENTS])] == ["orders"]


@pytest.mark.parametrize("bom", ["", "\ufeff"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_header_is_read_with_any_newline_and_mark(tmp_path, bom, newline):
    (tmp_path / "orders.csv").write_bytes(f"{bom}{HEADER}{newline}".encode())
    assert find_raw_files(tmp_path, [ORDERS])[0].columns == tuple(HEADER.split(","))


def test_compressed_csv_is_read(tmp_path):
    (tmp_path / "orders.csv.gz").write_bytes(gzip.compress(f"{HEADER}\n".encode()))
    assert find_raw_files(tmp_path, [ORDERS])[0].format == "csv"


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, ["no file for the required table 'orders'", "orders.parquet", "found nothing"]),
        (
            {"orders.csv": "order_id,ordered_at,amount\n"},
            ["orders.csv lacks the required column customer_ref", "Found order_id"],
        ),
        (
            {"orders.csv": "OrderID,customer_ref,ordered_at,amount\n"},
            ["'OrderID' looks like order_id"],
        ),
        ({"orders.csv": "1,anna,2020-01-01,5\n"}, ["lacks the required column order_id"]),
        ({"orders.csv": f"{HEADER},amount\n"}, ["names the column amount more than once"]),
        ({"orders.csv": ""}, ["orders.csv is empty"]),
        ({"orders.parquet": "no parquet"}, ["orders.parquet can't be read as a Parquet file"]),
        ({"orders.csv.gz": "no gzip"}, ["orders.csv.gz can't be read"]),
        (
            {"orders.csv": f"{HEADER}\n", "orders.csv.gz": "x"},
            ["orders.csv and orders.csv.gz", "one file per table"],
        ),
    ],
)
def test_refusal_names_file_finding_and_expectation(tmp_path, files, said):
    for name, text in files.items():
        write(tmp_path, name, text)
    with pytest.raises(RawFileError) as refusal:
        find_raw_files(tmp_path, [ORDERS])
    for words in said:
        assert words in str(refusal.value)


def test_missing_folder_is_named(tmp_path):
    with pytest.raises(RawFileError, match="nowhere' is not a folder"):
        find_raw_files(tmp_path / "nowhere", [ORDERS])


def test_a_file_in_utf_16_is_refused(tmp_path):
    (tmp_path / "orders.csv").write_bytes(f"{HEADER}\n1,anna,2020-01-01,5\n".encode("utf-16"))
    with pytest.raises(RawFileError, match="in UTF-16"):
        find_raw_files(tmp_path, [ORDERS])


MESSY = (
    b"order_id,customer_ref,ordered_at,amount\n"
    b"1,anna,2020-01-01,5\n"
    b"2,ben,2020-01-01,5,one more\n"
    b"3,carla,2020-01-01\n"
    b'4,"dora, ""d""\nof two lines",2020-01-01,5\n'
    b"5,stra\xdfe,2020-01-01,5\n"
    b"6,fritz,2020-01-01,5\n"
    b'7,"never closed,2020-01-01,5\n'
    b"8,hans,2020-01-01,5\n"
)


def loaded(folder: Path, content: bytes, name: str = "orders.csv"):
    (folder / name).write_bytes(content)
    file = find_raw_files(folder, [ORDERS])[0]
    with duckdb.connect() as connection:
        connection.execute("create table rejected (source_table text, line bigint, error text)")
        load_csv(connection, file, "orders", "rejected")
        rows = connection.execute("select order_id, customer_ref from orders order by 1").fetchall()
        rejected = connection.execute("select * from rejected order by line").fetchall()
    return rows, rejected


def test_good_lines_load_and_bad_lines_are_noted_without_their_text(tmp_path):
    rows, rejected = loaded(tmp_path, MESSY)
    assert rows == [("1", "anna"), ("4", 'dora, "d"\nof two lines'), ("6", "fritz")]
    # records are counted, the header first: one of two lines counts once
    assert rejected == [
        ("orders", 3, "TOO MANY COLUMNS"),
        ("orders", 4, "MISSING COLUMNS"),
        ("orders", 6, "INVALID ENCODING"),
        ("orders", 8, "UNQUOTED VALUE"),
    ]


def test_a_cell_of_two_megabytes_is_loaded_whole(tmp_path):
    long = "a" * 2 * 1024 * 1024
    rows, rejected = loaded(
        tmp_path, f"{HEADER}\n1,{long},2020-01-01,5\n2,b,2020-01-01,5\n".encode()
    )
    assert rows == [("1", long), ("2", "b")]
    assert rejected == []


def test_ids_stay_text(tmp_path):
    ids = ["00123", "123", "1e5", "100000", "0x7B"]
    lines = "".join(f"{name},{name},2020-01-01,5\n" for name in ids)
    rows, rejected = loaded(tmp_path, f"{HEADER}\n{lines}".encode())
    assert sorted(rows) == sorted((name, name) for name in ids)
    assert rejected == []


def test_a_file_of_nothing_but_a_header_has_no_rows(tmp_path):
    assert loaded(tmp_path, f"{HEADER}\n".encode()) == ([], [])


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("bom", ["", "\ufeff"])
def test_rows_are_the_same_with_any_newline_and_mark(tmp_path, bom, newline):
    text = newline.join([HEADER, "1,anna,2020-01-01,5", f'2,"b{newline}en",2020-01-01,5', ""])
    rows, rejected = loaded(tmp_path, f"{bom}{text}".encode())
    assert rows == [("1", "anna"), ("2", f"b{newline}en")]
    assert rejected == []


def test_columns_are_bound_by_name(tmp_path):
    rows, _ = loaded(tmp_path, b"amount,ordered_at,order_id,customer_ref\n5,2020-01-01,1,anna\n")
    assert rows == [("1", "anna")]


def test_a_cut_archive_is_refused_without_its_text(tmp_path):
    whole = gzip.compress(MESSY * 5_000, compresslevel=1)
    with pytest.raises(RawFileError, match=r"orders\.csv\.gz can't be read") as refusal:
        loaded(tmp_path, whole[: len(whole) // 2], "orders.csv.gz")
    assert "anna" not in str(refusal.value)


def test_a_file_without_a_header_is_refused_without_its_text(tmp_path):
    write(tmp_path, "orders.csv", "7,anna@example.org,2020-01-01,Anna\n")
    with pytest.raises(RawFileError, match="4 other names; is the header missing") as refusal:
        find_raw_files(tmp_path, [ORDERS])
    assert "anna" not in str(refusal.value).casefold()


def test_capitals_do_not_tell_columns_apart(tmp_path):
    write(tmp_path, "orders.csv", f"{HEADER},Amount\n")
    with pytest.raises(RawFileError, match="amount more than once"):
        find_raw_files(tmp_path, [ORDERS])
