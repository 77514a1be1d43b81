"""The look at raw files: what is found, and what each refusal says."""

import gzip
import os
from collections.abc import Sequence
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from customer_segmentation.input.contract import ContractTable
from customer_segmentation.input.raw_files import find_raw_files, load_raw_file, relation_of
from customer_segmentation.input.text_files import RawFileError

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
            ["orders.csv and orders.csv.gz", "one file or folder per table"],
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
    b"order_id,customer_ref,ordered_at,amount,status\n"
    b"1,anna,2020-01-01,5,\n"
    b"2,ben,2020-01-01,5,,one more\n"
    b"3,carla,2020-01-01\n"
    b'4,dora,2020-01-01,5,"paid ""twice""\nor so"\n'
    b"5,stra\xdfe,2020-01-01,5,\n"
    b'6,fritz,2020-01-01,5,paid,"two\nlines"\n'
    b"\n"
    b"7,gerd,2020-01-01,5,\n"
    b'8,"hans"e,2020-01-01,5,\n'
    b'9,"never closed,2020-01-01,5,\n'
)


def loaded(folder: Path, content: bytes, name: str = "orders.csv"):
    (folder / name).write_bytes(content)
    return loaded_from(folder)


def loaded_from(folder: Path, roots: Sequence[str] = ()):
    file = find_raw_files(folder, [ORDERS], roots)[0]
    with duckdb.connect() as connection:
        connection.execute("create table rejected (source_table text, line bigint, error text)")
        load_raw_file(connection, file, "orders", "rejected")
        rows = connection.execute("select order_id, customer_ref from orders order by 1").fetchall()
        rejected = connection.execute("select * from rejected order by line").fetchall()
    return rows, rejected


def test_good_lines_load_and_bad_lines_are_noted_without_their_text(tmp_path):
    rows, rejected = loaded(tmp_path, MESSY)
    assert rows == [("1", "anna"), ("4", "dora"), ("7", "gerd")]
    # The header is line 1; a row of two lines counts once.
    assert [(table, error) for table, _, error in rejected] == [
        ("orders", "TOO MANY COLUMNS"),
        ("orders", "MISSING COLUMNS"),
        ("orders", "INVALID ENCODING"),
        ("orders", "TOO MANY COLUMNS"),
        ("orders", "UNQUOTED VALUE"),
        ("orders", "UNQUOTED VALUE"),
    ]
    assert [line for _, line, _ in rejected][:4] == [3, 4, 6, 7]


def quoted(at: int, value: str, rows: int = 40) -> bytes:
    """Orders of which one has a value that goes wrong; the status is the last column."""
    lines = [f"{n},k{n},2020-01-01,5,paid" for n in range(rows)]
    lines[at] = value
    return "\n".join([f"{HEADER},status", *lines, ""]).encode()


@pytest.mark.parametrize("at", [0, 20, 38])
@pytest.mark.parametrize(
    "value",
    [
        '7,"k7,2020-01-01,5,paid',
        '"7,k7,2020-01-01,5,paid',
        '7,k7,2020-01-01,5,"paid',
        '7,k7,2020-01-01,"5"5,"paid',
    ],
)
def test_a_quote_that_is_never_closed_is_an_error_of_the_file(tmp_path, at, value):
    with pytest.raises(
        RawFileError, match=rf"opens a double quote in row {at + 2} .* lines"
    ) as said:
        loaded(tmp_path, quoted(at, value))
    assert f"the {39 - at} lines after it" in str(said.value)


@pytest.mark.parametrize(("column", "value"), [(0, "{}"), (1, "k{}"), (2, "2020-01-01"), (3, "5")])
def test_a_line_break_inside_a_key_a_date_or_an_amount_is_an_error_of_the_file(
    tmp_path, column, value
):
    cells = ["1", "k1", "2020-01-01", "5", "paid"]
    cells[column] = f'"{value.format(1)}\n{value.format(2)}"'
    names = [*HEADER.split(","), "status"]
    with pytest.raises(RawFileError, match=f"a line break inside {names[column]} of 1 rows"):
        loaded(tmp_path, quoted(5, ",".join(cells)))


def test_line_breaks_of_free_text_are_part_of_it(tmp_path):
    rows, rejected = loaded(tmp_path, quoted(5, '5,k5,2020-01-01,5,"\n\na\r\n \nb\n"'))
    assert (len(rows), rejected) == (40, [])


def test_two_stray_quotes_swallow_no_line_unseen(tmp_path):
    content = quoted(5, '5,"k5,2020-01-01,5,paid').replace(b"15,k15", b'15,"k15')
    with pytest.raises(RawFileError, match="the 10 lines after it are lost"):
        loaded(tmp_path, content)


def test_a_line_beyond_the_limit_is_noted(tmp_path):
    rows, rejected = loaded(tmp_path, quoted(5, f"5,k5,2020-01-01,5,{'x' * 17_000_000}"))
    assert len(rows) == 39
    assert rejected == [("orders", 7, "LINE SIZE OVER MAXIMUM")]


def test_mixed_line_ends_are_refused_with_the_reason(tmp_path):
    text = quoted(5, "5,k5,2020-01-01,5,paid").replace(b"\n", b"\r\n", 9)
    with pytest.raises(RawFileError, match=r"orders\.csv mixes line ends: .* CR LF"):
        loaded(tmp_path, text)


def test_a_comma_at_the_end_of_every_line_is_a_column_without_a_name(tmp_path):
    text = quoted(5, "5,k5,2020-01-01,5,paid").replace(b"\n", b",\n")
    assert loaded(tmp_path, text)[1] == []


@pytest.mark.parametrize("place", ["middle", "checksum"])
def test_a_damaged_archive_is_refused_by_name(tmp_path, place):
    archive = bytearray(gzip.compress(quoted(5, "5,k5,2020-01-01,5,paid", 5_000)))
    archive[len(archive) // 2 if place == "middle" else -6] ^= 0x10
    with pytest.raises(RawFileError, match=r"orders\.csv\.gz can't be read"):
        loaded(tmp_path, bytes(archive), "orders.csv.gz")


JSON_LINES = (
    '{"order_id": 12345678901234567890, "Customer_Ref": "anna", "ordered_at": "2020-01-01", '
    '"amount": 5.50, "tags": {"a": 1}}\n'
    "not an object\n"
    '{"order_id": "2", "Customer_Ref": null, "ordered_at": "2020-01-01", "amount": 1}\n'
    "\n"
    "[1, 2]\n"
)


@pytest.mark.parametrize("name", ["orders.jsonl", "ORDERS.ndjson", "orders.jsonl.gz"])
def test_json_lines_are_read_as_text_and_other_lines_are_noted(tmp_path, name):
    content = JSON_LINES.encode()
    rows, rejected = loaded(
        tmp_path, gzip.compress(content) if name.endswith("gz") else content, name
    )
    assert rows == [("12345678901234567890", "anna"), ("2", None)]
    assert [error for *_, error in rejected] == ["NOT A JSON OBJECT"] * 2


def test_a_folder_of_parts_is_one_table_with_columns_by_name(tmp_path):
    folder = tmp_path / "orders"
    (folder / "status=paid" / "day=1").mkdir(parents=True)
    write(folder, "_SUCCESS", "")
    write(folder, "part-0.csv", f"{HEADER}\n1,anna,2020-01-01,5\n")
    write(folder / "status=paid" / "day=1", "p.csv", "amount,ordered_at,Order_ID,customer_ref\n")
    with (folder / "part-1.csv.gz").open("wb") as file:
        file.write(gzip.compress(b"amount,ordered_at,Order_ID,customer_ref\n5,2020-01-01,2,ben\n"))
    rows, rejected = loaded_from(tmp_path)
    assert (rows, rejected) == ([("1", "anna"), ("2", "ben")], [])
    (file,) = find_raw_files(tmp_path, [ORDERS])
    assert file.columns == (*HEADER.split(","), "status", "day")


def test_parquet_parts_with_columns_in_another_order_and_by_folder(tmp_path):
    for day, (first, second) in enumerate([("order_id", "amount"), ("amount", "order_id")]):
        folder = tmp_path / "orders" / f"status=s{day}"
        folder.mkdir(parents=True)
        values = {"order_id": [str(day)], "amount": [5.0]}
        rest = {"customer_ref": ["k"], "ordered_at": ["2020-01-01"]}
        table = pa.table({first: values[first], second: values[second]} | rest)
        pq.write_table(table, folder / "part-0.parquet")
    (file,) = find_raw_files(tmp_path, [ORDERS])
    found = duckdb.sql(f"select order_id, amount, status from {relation_of(file)} order by 1")
    assert found.fetchall() == [("0", 5.0, "s0"), ("1", 5.0, "s1")]


@pytest.mark.parametrize(
    "name",
    [
        *("events.xlsx", "events.tsv", "event.csv", "events_2025.csv", "Events (1).csv"),
        *("events-old.parquet", "events.csv.zip", "events.json", "events20250101.jsonl"),
    ],
)
def test_what_looks_like_a_table_and_is_not_read_stops(tmp_path, name):
    write(tmp_path, "orders.csv", f"{HEADER}\n")
    write(tmp_path, name, "x\n")
    with pytest.raises(RawFileError, match=r"is not read, and it looks like the table events\."):
        find_raw_files(tmp_path, [ORDERS, EVENTS])


@pytest.mark.parametrize(
    "name", ["event_log_of_the_dwh.sql", "products.csv", "eventful.csv", "README.md"]
)
def test_other_files_are_left_alone(tmp_path, name):
    write(tmp_path, "orders.csv", f"{HEADER}\n")
    write(tmp_path, name, "x\n")
    assert len(find_raw_files(tmp_path, [ORDERS, EVENTS])) == 1


def test_capitals_of_a_name_do_not_count(tmp_path):
    write(tmp_path, "Orders.CSV", "Order_ID,CUSTOMER_REF,ordered_at,Amount,Status,Note\n")
    (file,) = find_raw_files(tmp_path, [ORDERS])
    assert file.columns == (*HEADER.split(","), "status", "Note")


def test_a_link_out_of_the_folder_is_followed_where_declared(tmp_path):
    elsewhere, folder = tmp_path / "elsewhere", tmp_path / "raw"
    elsewhere.mkdir()
    folder.mkdir()
    write(elsewhere, "export.csv", f"{HEADER}\n1,anna,2020-01-01,5\n")
    (folder / "orders.csv").symlink_to(elsewhere / "export.csv")
    with pytest.raises(RawFileError, match=r"is a link out of .* in the var raw_roots"):
        loaded_from(folder)
    assert loaded_from(folder, [str(elsewhere)])[0] == [("1", "anna")]


def test_what_is_no_file_is_named_as_what_it_is(tmp_path):
    (tmp_path / "orders.csv").symlink_to(tmp_path / "nothing")
    with pytest.raises(RawFileError, match=r"orders\.csv is a link to nothing"):
        find_raw_files(tmp_path, [ORDERS])
    (tmp_path / "orders.csv").unlink()
    os.mkfifo(tmp_path / "orders.csv")
    with pytest.raises(RawFileError, match=r"orders\.csv is neither a file nor a folder"):
        find_raw_files(tmp_path, [ORDERS])
    (tmp_path / "orders.csv").unlink()
    (tmp_path / "orders").mkdir()
    with pytest.raises(RawFileError, match="orders holds no file"):
        find_raw_files(tmp_path, [ORDERS])


def test_no_folder_is_not_the_folder_of_the_project():
    with pytest.raises(RawFileError, match="raw_dir '' is not a folder"):
        find_raw_files("", [ORDERS])


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
    text = newline.join(
        [f"{HEADER},status", "1,anna,2020-01-01,5,", f'2,ben,2020-01-01,5,"b{newline}en"', ""]
    )
    rows, rejected = loaded(tmp_path, f"{bom}{text}".encode())
    assert rows == [("1", "anna"), ("2", "ben")]
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
