"""What is looked for of an erased person, and how it is found."""

from __future__ import annotations

import duckdb
import pytest

from customer_segmentation.erasure.erase import ErasureError, add_request
from customer_segmentation.erasure.person import hashed_id
from customer_segmentation.erasure.search import (
    Traces,
    hits_in_bytes,
    hits_in_file,
    hits_in_tables,
    uncompressed_bytes,
)

ID = hashed_id("crm", "c17")
MIA = Traces(frozenset({"17", "mia@example.org"}), ("mia@example.org",), (ID,), (4711,))
EVE = Traces(frozenset({"eve@example.org"}), ("eve@example.org",), (), ())


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "held.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute(
            f"""
            create schema facts;
            create table facts.orders as
            select 4711::bigint as customer_key, 17 as number, '17' as order_id, 'x' as note
            union all
            select 4712, 4711, '170', 'about MIA@example.org and others';
            create table facts.sets as select [4711::bigint, 1] as keys, ['a', ' 17'] as words;
            create table activation_outbox as select '{ID}' as customer_id, '{{"{ID}"}}' as payload;
            create table history as select 'say {ID}' as text;
            create table many as select 'eve@example.org' as email from range(5000)
            """
        )
    return path


def test_hashed_ids_are_those_of_the_macro():
    # md5 of 3:crm3:c17
    assert duckdb.sql("select md5('3:crm3:c17')").fetchall()[0][0] == ID


def test_whole_cells_parts_of_text_keys_and_ids_are_found_by_column(file):
    assert hits_in_tables(file, MIA) == {
        "facts.orders.customer_key": 1,
        "facts.orders.note": 1,
        "facts.orders.order_id": 1,
        "facts.sets.keys": 1,
        "main.history.text": 1,
    }


def test_bytes_of_a_compressed_file_are_found_in_a_copy(file):
    assert hits_in_bytes(file.read_bytes(), EVE) in (0, 1)
    copy = file.with_name("copy.duckdb")
    content = uncompressed_bytes(file, copy)
    assert hits_in_bytes(content, EVE) == 1
    assert hits_in_bytes(content, MIA) == 1
    assert not copy.exists()
    with duckdb.connect(str(file)) as connection:
        connection.execute("update facts.orders set note = 'x'; checkpoint")
    assert hits_in_bytes(uncompressed_bytes(file, copy), MIA) == 0


def test_exports_of_any_format_are_searched(tmp_path):
    names = {"a.csv": f"customer_id\n{ID}\n", "b.csv": "customer_id\n17\n", "c.json": '"x"'}
    for name, text in names.items():
        (tmp_path / name).write_text(text)
    duckdb.sql(f"copy (select '{ID}' as customer_id) to '{tmp_path}/d.parquet'")
    found = {path.name: hits_in_file(path, MIA) for path in sorted(tmp_path.iterdir())}
    assert found == {"a.csv": 1, "b.csv": 0, "c.json": 0, "d.parquet": 1}


def test_a_request_goes_into_the_raw_table_where_it_is_a_file(tmp_path):
    variables = {"raw_dir": str(tmp_path)}
    file = tmp_path / "erasure_requests.csv"
    for reference in ('a"1', "b,2"):
        assert add_request(variables, "crm", reference, "2024-03-01 10:00:00") == file.as_posix()
    assert duckdb.sql(f"from read_csv('{file}', all_varchar = true)").fetchall() == [
        ("crm", 'a"1', "2024-03-01 10:00:00"),
        ("crm", "b,2", "2024-03-01 10:00:00"),
    ]


def test_a_request_keeps_the_columns_of_the_table(tmp_path):
    file = tmp_path / "erasure_requests.csv"
    file.write_text("\ufeffCustomer_Ref,note,requested_at\nc1,x,2024-01-01")
    add_request({"raw_dir": str(tmp_path)}, "default", "c2", "2024-03-01")
    assert file.read_text(encoding="utf-8-sig").splitlines()[1:] == [
        "c1,x,2024-01-01",
        "c2,,2024-03-01",
    ]
    with pytest.raises(ErasureError, match="lacks the column source_system"):
        add_request({"raw_dir": str(tmp_path)}, "crm", "c3", "2024-03-01")
    parquet = tmp_path / "p" / "erasure_requests.parquet"
    parquet.parent.mkdir()
    duckdb.sql(
        "copy (select 1 as customer_ref, 'crm' as source_system, "
        f"timestamp '2024-01-01' as requested_at) to '{parquet}'"
    )
    add_request({"raw_dir": str(parquet.parent)}, "crm", "2", "2024-03-01 10:00:00")
    rows = duckdb.sql(f"select customer_ref, cast(requested_at as varchar) from '{parquet}'")
    assert rows.fetchall() == [(1, "2024-01-01 00:00:00"), (2, "2024-03-01 10:00:00")]


@pytest.mark.parametrize("variables", [{"raw_schema": "raw", "raw_dir": "x"}, {"raw_dir": None}])
def test_where_raw_tables_are_no_files_the_row_is_named(variables):
    said = add_request(variables, "crm", "c1", "2024-03-01")
    assert said.startswith("to insert into erasure_requests: source_system, customer_ref")
    assert "c1" not in said
