"""The published file is replaced as one file, or not at all."""

from dataclasses import replace

import duckdb
import pytest

from customer_segmentation.output.publication import (
    PublicationError,
    PublishedTable,
    data_set,
    publish,
)

CUSTOMERS = PublishedTable(
    "marts.customers",
    schema="main",
    name="customers",
    description="One row per customer's id.",
    columns={"customer_id": 'The "id"; it\'s text.'},
    must_keep_rows=True,
)
CHECKS = PublishedTable("marts.checks", schema="monitoring", name="checks")


@pytest.fixture
def working():
    with duckdb.connect() as connection:
        connection.execute("create schema marts")
        connection.execute("create table marts.customers as select 'a' as customer_id")
        connection.execute("create table marts.checks as select 1 as value")
        yield connection


def test_tables_go_to_their_schemas_with_comments(working, tmp_path):
    path = tmp_path / "new" / "segments.duckdb"
    assert publish(working, [CUSTOMERS, CHECKS], path) is None
    with duckdb.connect(str(path), read_only=True) as published:
        assert published.execute("select * from customers").fetchall() == [("a",)]
        assert published.execute("select * from monitoring.checks").fetchall() == [(1,)]
        comments = published.execute(
            "select comment from duckdb_columns() where table_name = 'customers'"
        ).fetchall()
    assert comments == [('The "id"; it\'s text.',)]
    assert [file.name for file in path.parent.iterdir()] == ["segments.duckdb"]


def test_a_view_reads_the_published_tables_whatever_the_file_is_called(working, tmp_path):
    path = tmp_path / "segments.duckdb"
    view = PublishedTable(
        "marts.reasons",
        schema="main",
        name="reasons",
        description="Made when read.",
        columns={"reason": "Why."},
        view='select customer_id || \' is here\' as reason from "details"."people"',
    )
    people = PublishedTable("marts.customers", schema="details", name="people")
    assert publish(working, [view, people], path) is None
    # The working file is the one that names mean again, and the published file needs it no more.
    working.execute("drop table marts.customers")
    renamed = path.rename(tmp_path / "elsewhere.duckdb")
    with duckdb.connect() as reader:
        reader.execute(f"attach '{renamed}' as another (read_only)")
        assert reader.execute("select * from another.main.reasons").fetchall() == [("a is here",)]
        comments = reader.execute(
            "select comment from duckdb_columns() where table_name = 'reasons' "
            "union all select comment from duckdb_views() where view_name = 'reasons'"
        ).fetchall()
    assert comments == [("Why.",), ("Made when read.",)]


def test_the_file_has_a_storage_version_that_older_readers_know(working, tmp_path):
    path = tmp_path / "segments.duckdb"
    publish(working, [CUSTOMERS], path)
    with duckdb.connect(str(path), read_only=True) as published:
        tags = published.execute(
            "select tags from duckdb_databases() where database_name = 'segments'"
        ).fetchall()
    assert "v1.2.0" in str(tags)


def test_a_failure_leaves_the_old_file_and_nothing_else(working, tmp_path):
    path = tmp_path / "segments.duckdb"
    publish(working, [CUSTOMERS], path)
    before = path.read_bytes()
    missing = PublishedTable("marts.nothing", schema="main", name="nothing")
    with pytest.raises(duckdb.CatalogException):
        publish(working, [CUSTOMERS, missing], path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["segments.duckdb"]
    assert publish(working, [CUSTOMERS], path) is None


def test_a_column_that_is_described_but_not_there_is_named(working, tmp_path):
    path = tmp_path / "segments.duckdb"
    wrong = replace(CUSTOMERS, columns={"no_such_column": "what it means"})
    with pytest.raises(duckdb.Error, match="no_such_column"):
        publish(working, [wrong], path)
    assert list(tmp_path.iterdir()) == []
    # The connection is as usable as before.
    assert publish(working, [CUSTOMERS], path) is None


def test_a_file_says_which_data_set_it_holds(working, tmp_path):
    working.execute(
        "create table marts.data_set as "
        "select 'shop' as dataset, 'data/shop' as raw_data, date '2024-05-01' as as_of"
    )
    path = tmp_path / "segments.duckdb"
    assert data_set(path) is None
    publish(working, [CHECKS], path)
    assert data_set(path) is None
    publish(working, [PublishedTable("marts.data_set", "monitoring", "data_set")], path)
    assert data_set(path) == ("shop", "data/shop", "2024-05-01")


def test_empty_does_not_replace_full_unless_allowed(working, tmp_path):
    path = tmp_path / "segments.duckdb"
    publish(working, [CUSTOMERS, CHECKS], path)
    before = path.read_bytes()
    working.execute("delete from marts.customers")
    working.execute("delete from marts.checks")
    reason = publish(working, [CUSTOMERS, CHECKS], path)
    assert reason is not None
    assert reason.startswith("customers would be empty")
    assert path.read_bytes() == before
    assert publish(working, [CUSTOMERS, CHECKS], path, allow_empty=True) is None
    assert path.read_bytes() != before


def test_a_reader_keeps_its_file_while_it_is_replaced(working, tmp_path):
    path = tmp_path / "segments.duckdb"
    publish(working, [CUSTOMERS], path)
    with duckdb.connect(str(path), read_only=True) as reader:
        working.execute("insert into marts.customers values ('b')")
        publish(working, [CUSTOMERS], path)
        assert reader.execute("select count(*) from customers").fetchall() == [(1,)]


def test_only_a_published_file_is_replaced(working, tmp_path):
    notes = tmp_path / "notes.duckdb"
    notes.write_text("no database at all")
    with pytest.raises(PublicationError, match="is not a DuckDB file"):
        publish(working, [CUSTOMERS], notes)
    assert notes.read_text() == "no database at all"
    with pytest.raises(PublicationError, match=r"ends in \.duckdb"):
        publish(working, [CUSTOMERS], tmp_path / "precious.txt")
    with (
        duckdb.connect(str(tmp_path / "work.duckdb")) as itself,
        pytest.raises(PublicationError, match="the working file"),
    ):
        publish(itself, [], tmp_path / "work.duckdb")
