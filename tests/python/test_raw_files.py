"""The look at raw files: what is found, and what each refusal says."""

import gzip
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from customer_segmentation.raw_files import ContractTable, RawFileError, find_raw_files

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


def test_text_that_is_not_utf_8_is_refused(tmp_path):
    (tmp_path / "orders.csv").write_bytes("order_id,straße\n".encode("latin-1"))
    with pytest.raises(RawFileError, match="UTF-8"):
        find_raw_files(tmp_path, [ORDERS])
