"""Tombstones keep erased people out of raw tables, of every format, by keyed hashes alone."""

from __future__ import annotations

import dataclasses
import datetime as dt

import duckdb
import pytest

from customer_segmentation.identity.identifiers import hashed_reference
from customer_segmentation.input.contract import CONTRACT, read_contract
from customer_segmentation.input.raw_files import find_raw_files, relation_of
from customer_segmentation.input.tombstones import (
    ReferenceKeys,
    TombstoneError,
    TombstoneFilter,
    add_erased,
    read_erased,
)

TODAY = dt.date(2024, 3, 1)
RECORD = "'record ' || record_id"
MIA = hashed_reference("mia@example.org")
GONE = [("default", "gone", "id-gone"), ("default", "record gone", "id-gone"), ("crm", MIA, None)]
FILES = {
    "orders": ("order_id,customer_ref", ["1,gone", "2,stays", "3,gone"]),
    "order_lines": ("order_id,line_number", ["1,1", "1,2", "2,1", "4,1"]),
    "customers": ("record_id,customer_ref,source_system", ["gone,g,default", "gone,g,crm", "r,,"]),
    "consents": ("customer_ref,purpose,granted", [f"{MIA},activation,no", "gone,activation,no"]),
    "erasure_requests": ("customer_ref,source_system", ["gone,default"]),
}
# The rows that remain while the request is missing or the file is sealed.
LEFT = {
    "erasure_requests": [],
    "orders": ["2"],
    "order_lines": ["2", "4"],
    "customers": ["gone", "r"],
    "consents": [],
}


def keys(table: str, columns: str) -> ReferenceKeys:
    """As the macro reference_keys makes them, without the care for odd spellings."""
    names = columns.split(",")
    return ReferenceKeys(
        table,
        "coalesce(source_system, 'default')" if "source_system" in names else "'default'",
        [
            key
            for name, key in {"customer_ref": "customer_ref", "record_id": RECORD}.items()
            if name in names
        ],
        "order_id" if table in ("orders", "order_lines") else None,
    )


def through_the_door(folder, form, erased, tables=FILES):
    """The first column of the remaining rows of each table, and the counts."""
    raw = folder / "raw"
    raw.mkdir()
    for name, (header, rows) in tables.items():
        (raw / f"{name}.csv").write_text("\n".join([header, *rows, ""]))
        if form == "parquet":
            duckdb.sql(
                f"copy (select * from read_csv('{raw}/{name}.csv', all_varchar = true)) "
                f"to '{raw}/{name}.parquet'"
            )
            (raw / f"{name}.csv").unlink()
        if form == "parts":
            (raw / name).mkdir()
            for n, row in enumerate(rows):
                (raw / name / f"{n}.csv").write_text(f"{header}\n{row}\n")
            (raw / f"{name}.csv").unlink()
    contract = [
        dataclasses.replace(table, is_required=False, required_columns=())
        for table in read_contract(CONTRACT)
        if table.name in tables
    ]
    found = {file.table: file for file in find_raw_files(raw, contract)}
    with duckdb.connect() as connection:
        connection.execute(
            "create table counts (source_table varchar, check_name varchar, value bigint); "
            "create table rejected (source_table varchar, line bigint, error varchar)"
        )
        kept_out = TombstoneFilter(connection, erased, "counts")
        left = {}
        for name in LEFT:
            if name not in found:
                continue
            with_keys = keys(name, tables[name][0])
            if found[name].format == "parquet":
                relation = kept_out.keep(relation_of(found[name]), with_keys, f"kept_{name}")
            else:
                relation = f"text_{name}"
                kept_out.load(found[name], relation, "rejected", with_keys)
            first = tables[name][0].split(",")[0]
            rows = connection.execute(f"select {first} from {relation} order by all").fetchall()
            left[name] = [row[0] for row in rows]
        counts = connection.execute("select source_table, sum(value) from counts group by 1")
        return left, dict(counts.fetchall())


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "warehouse" / "shop.erased.json"
    assert add_erased(path, GONE, [("default", "gone")], TODAY) == 3
    return path


@pytest.mark.parametrize("form", ["csv", "parquet", "parts"])
def test_rows_of_the_erased_are_left_out_once_the_request_is_gone(tmp_path, file, form):
    tables = {**FILES, "erasure_requests": (FILES["erasure_requests"][0], ["other,default"])}
    left, counts = through_the_door(tmp_path, form, read_erased(file), tables)
    assert left == {**LEFT, "erasure_requests": ["other"]}
    assert counts == {"orders": 2, "order_lines": 2, "customers": 1, "consents": 2}


@pytest.mark.parametrize("form", ["csv", "parquet", "parts"])
def test_a_sealed_file_leaves_them_out_with_their_request(tmp_path, file, form):
    add_erased(file, [], [], TODAY, is_sealed=True)
    left, counts = through_the_door(tmp_path, form, read_erased(file))
    assert left == LEFT
    assert counts["erasure_requests"] == 1


@pytest.mark.parametrize("form", ["csv", "parquet", "parts"])
def test_nothing_is_left_out_while_the_request_is_there(tmp_path, file, form):
    left, counts = through_the_door(tmp_path, form, read_erased(file))
    assert {name: len(rows) for name, rows in left.items()} == {
        name: len(rows) for name, (_, rows) in FILES.items()
    }
    assert counts == {}


def test_without_a_table_of_requests_they_are_missing(tmp_path, file):
    tables = {name: table for name, table in FILES.items() if name != "erasure_requests"}
    left, _ = through_the_door(tmp_path, "csv", read_erased(file), tables)
    assert left == {name: rows for name, rows in LEFT.items() if name != "erasure_requests"}


def test_another_key_is_refused_and_no_reference_is_readable(file, monkeypatch):
    assert "gone" not in file.read_text().replace("id-gone", "")
    monkeypatch.setenv("SEGMENTATION_HASH_KEY", "another")
    with pytest.raises(TombstoneError, match="another SEGMENTATION_HASH_KEY"):
        read_erased(file)


def test_a_damaged_file_is_refused(file):
    file.write_text(file.read_text()[:-9])
    with pytest.raises(TombstoneError, match="is damaged"):
        read_erased(file)


def test_the_customer_id_is_forgotten_after_30_days_and_not_learnt_again(file):
    ids = [one.customer_id for one in read_erased(file).tombstones]
    assert set(ids) == {"id-gone", None}
    add_erased(file, [], [], TODAY + dt.timedelta(days=29))
    assert {one.customer_id for one in read_erased(file).tombstones} == {"id-gone", None}
    assert add_erased(file, GONE, [], TODAY + dt.timedelta(days=30)) == 0
    assert {one.customer_id for one in read_erased(file).tombstones} == {None}
    assert add_erased(file, GONE, [], TODAY + dt.timedelta(days=31)) == 0
    assert len(read_erased(file).tombstones) == 3


@pytest.mark.parametrize("is_sealed", [False, True])
def test_tombstones_under_the_demo_key_are_not_replaced_by_the_first_own_key(
    tmp_path, monkeypatch, is_sealed
):
    path = tmp_path / "shop.erased.json"
    monkeypatch.delenv("SEGMENTATION_HASH_KEY")
    add_erased(path, GONE, [("default", "gone")], TODAY, is_sealed=is_sealed)
    before = path.read_bytes()
    monkeypatch.setenv("SEGMENTATION_HASH_KEY", "own")
    with pytest.raises(TombstoneError, match=r"before SEGMENTATION_HASH_KEY was set.*delete"):
        read_erased(path)
    with pytest.raises(TombstoneError):
        add_erased(path, GONE, [("default", "gone")], TODAY)
    assert path.read_bytes() == before
    path.unlink()
    assert add_erased(path, GONE, [("default", "gone")], TODAY) == 3
