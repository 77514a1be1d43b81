"""The published file is replaced as one file, or not at all."""

import os
import re
import resource
import shutil
import time
from dataclasses import replace
from pathlib import Path
from random import Random

import duckdb
import pytest
from dbt_process import PROCESSES
from examples import at_size
from other_processes import held, reading

from customer_segmentation.output import publication
from customer_segmentation.output.publication import (
    PublicationError,
    PublishedTable,
    data_set,
    flush,
    publish,
)
from customer_segmentation.output.roles import role_file

CUSTOMERS = PublishedTable(
    "marts.customers",
    schema="main",
    name="customers",
    description="One row per customer's id.",
    columns={"customer_id": 'The "id"; it\'s text.'},
    must_keep_rows=True,
)
CHECKS = PublishedTable("marts.checks", schema="monitoring", name="checks")
DATA_SET = PublishedTable("marts.data_set", "monitoring", "data_set")
CUSTOMERS_ALONE = replace(CUSTOMERS, columns={})
SIZES_TRIED = at_size(full=40, small=4)
ANALYST, SCIENCE = {"analyst": ["customers"]}, {"science": ["models"]}


@pytest.fixture
def working():
    with duckdb.connect() as connection:
        connection.execute("create schema marts")
        connection.execute("create table marts.customers as select 'a' as customer_id")
        connection.execute("create table marts.checks as select 1 as value")
        connection.execute(
            "create table marts.data_set as "
            "select 'shop' as dataset, 'data/shop' as raw_data, date '2024-05-01' as as_of"
        )
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
    path = tmp_path / "segments.duckdb"
    assert data_set(path) is None
    publish(working, [CHECKS], path)
    assert data_set(path) is None
    publish(working, [DATA_SET], path)
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


def test_a_database_of_something_else_is_refused(working, tmp_path):
    foreign = tmp_path / "crm.duckdb"
    with duckdb.connect(str(foreign)) as connection:
        connection.execute("create table customers as select 1 as customer_id")
        connection.execute("create macro published_by() as 'something else'")
    before = foreign.read_bytes()
    with pytest.raises(PublicationError, match="a DuckDB file that no build published"):
        publish(working, [CUSTOMERS], foreign)
    assert foreign.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["crm.duckdb"]


def test_another_name_of_the_working_file_is_refused(tmp_path):
    with duckdb.connect(str(tmp_path / "work.duckdb")) as itself:
        itself.execute("create table precious as select 1")
        itself.execute("checkpoint")
        (tmp_path / "hard.duckdb").hardlink_to(tmp_path / "work.duckdb")
        (tmp_path / "soft.duckdb").symlink_to(tmp_path / "work.duckdb")
        for name in ("hard", "soft"):
            with pytest.raises(PublicationError, match="the working file"):
                publish(itself, [], tmp_path / f"{name}.duckdb")


def test_a_file_from_before_the_marker_is_replaced(working, tmp_path):
    path = tmp_path / "segments.duckdb"
    with duckdb.connect(str(path)) as published:
        published.execute(
            "create schema monitoring; create table monitoring.source_coverage as select 1 as a; "
            "create table customers as select 1 as a; create table segment_kpis as select 1 as a; "
            "create table customer_segments as select 1 as a"
        )
    assert publish(working, [CUSTOMERS], path) is None


def test_a_published_file_that_is_open_for_writing_is_replaced(working, tmp_path):
    path = tmp_path / "segments.duckdb"
    publish(working, [CUSTOMERS], path)
    with held(path):
        before = path.stat().st_ino
        assert publish(working, [CUSTOMERS], path) is None
        assert path.stat().st_ino != before
    assert [file.name for file in tmp_path.iterdir()] == ["segments.duckdb"]


def test_mode_owner_and_link_outlive_a_publication(working, tmp_path):
    target = tmp_path / "elsewhere" / "of_today.duckdb"
    link = tmp_path / "segments.duckdb"
    link.symlink_to(target)
    assert publish(working, [CUSTOMERS], link) is None
    # Only its owner and group may read it; as root the owner changes too.
    target.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(target, 65534, 65534)
    before = target.stat()
    working.execute("insert into marts.customers values ('b')")
    assert publish(working, [CUSTOMERS], link) is None
    after = target.stat()
    assert link.is_symlink()
    assert after.st_ino != before.st_ino
    assert (after.st_mode, after.st_uid, after.st_gid) == (
        before.st_mode,
        before.st_uid,
        before.st_gid,
    )
    with duckdb.connect(str(link), read_only=True) as published:
        assert published.execute("select count(*) from customers").fetchall() == [(2,)]


WORDS_OF_A_REFUSAL = r"\S+ can't be published: [^\n]+ Nothing was replaced\. [^\n]+"


@pytest.mark.check("publish")
@pytest.mark.parametrize("share", [at / SIZES_TRIED for at in range(SIZES_TRIED)])
def test_a_disk_that_is_full_leaves_the_old_file_and_one_line(working, tmp_path, share):
    path, whole = tmp_path / "segments.duckdb", tmp_path / "whole" / "segments.duckdb"
    publish(working, [CUSTOMERS], path)
    before = path.read_bytes()
    working.execute("insert into marts.customers select md5(i::varchar) from range(100000) t(i)")
    publish(working, [CUSTOMERS], whole)
    # A limit of the process stands for a full disk: writing fails at the same place.
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    room = int(share * whole.stat().st_size)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, unlimited[1]))
    try:
        with pytest.raises(PublicationError) as error:
            publish(working, [CUSTOMERS], path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
    assert re.fullmatch(WORDS_OF_A_REFUSAL, str(error.value))
    assert path.read_bytes() == before
    assert {file.name for file in tmp_path.iterdir()} == {"segments.duckdb", "whole"}
    assert publish(working, [CUSTOMERS], path) is None


@pytest.mark.check("publish")
@pytest.mark.parametrize("place", ["/proc/segments.duckdb", "/proc/new/segments.duckdb"])
def test_a_folder_that_is_closed_gets_one_line(working, place):
    with pytest.raises(PublicationError) as error:
        publish(working, [CUSTOMERS], place)
    assert re.fullmatch(WORDS_OF_A_REFUSAL, str(error.value))


# The number of the publication is in every row.
NUMBERS = """
    select min(number), max(number)
    from (select number from customers union all select number from monitoring.checks)
"""


def publish_in_turn(path: Path, numbers: range) -> None:
    with duckdb.connect() as connection:
        connection.execute("create schema marts")
        for number in numbers:
            for table in ("customers", "checks"):
                connection.execute(
                    f"create or replace table marts.{table} as "
                    f"select {number} as number from range({100 + number % 7})"
                )
            publish(connection, [CUSTOMERS_ALONE, CHECKS], path, roles=ANALYST)


@pytest.mark.check("publish")
def test_readers_of_many_publications_see_whole_ones_alone(tmp_path, record_property):
    path = tmp_path / "segments.duckdb"
    times = at_size(full=100, small=10)
    publish_in_turn(path, range(1))
    with reading(path, NUMBERS) as reader:
        publisher = PROCESSES.Process(target=publish_in_turn, args=(path, range(1, times + 1)))
        publisher.start()
        publisher.join()
    record_property("tried", times)
    assert publisher.exitcode == 0
    assert reader.errors == []
    assert [run for run in reader.runs if run[0] != run[1]] == []
    assert len(reader.runs) > times / 10, "a control: readers met the publications"


@pytest.mark.check("publish")
def test_a_publication_that_is_killed_leaves_one_whole_file(tmp_path, record_property):
    path = tmp_path / "segments.duckdb"
    times, random = at_size(full=200, small=5), Random(5)
    publish_in_turn(path, range(1))
    record_property("tried", times)
    drafts = 0
    for number in range(times):
        publisher = PROCESSES.Process(target=publish_in_turn, args=(path, range(1, 10**6)))
        before = path.stat().st_ino
        publisher.start()
        while publisher.is_alive() and path.stat().st_ino == before:
            time.sleep(0.01)
        publisher.join(random.uniform(0, 0.3))
        publisher.kill()
        publisher.join()
        drafts += any(file.name.startswith(".") for file in tmp_path.rglob("*"))
        with duckdb.connect(str(path), read_only=True) as published:
            ((least, most),) = published.execute(NUMBERS).fetchall()
        assert least == most, number
        publish_in_turn(path, range(1))
        assert sorted(file.name for file in tmp_path.rglob("*.duckdb*")) == [path.name] * 2
    assert drafts or times < 10, "a control: some were killed while they wrote"


def with_roles(working, path, roles):
    return publish(working, [CUSTOMERS, DATA_SET], path, roles=roles)


def test_files_of_roles_that_are_no_longer_declared_are_removed(working, tmp_path):
    path = tmp_path / "segments.duckdb"
    with_roles(working, path, ANALYST | SCIENCE)
    gone = role_file(path, "science")
    # What a killed build left, and the file of another data set.
    for name in (".segments.duckdb.draft", ".segments.duckdb.draft.wal", "shop.duckdb"):
        gone.with_name(name).write_text("rows")
    with_roles(working, path, ANALYST)
    assert role_file(path, "analyst").exists()
    assert [file.name for file in gone.parent.iterdir()] == ["shop.duckdb"]


@pytest.mark.parametrize("name", ["../../outside", "{tmp_path}/outside", "Analyst", ""])
def test_a_role_that_is_no_name_writes_nothing(working, tmp_path, name):
    path = tmp_path / "published" / "segments.duckdb"
    role = name.format(tmp_path=tmp_path)
    with pytest.raises(PublicationError, match=f"Var roles has a role '{role}'"):
        with_roles(working, path, {role: ["customers"]})
    assert list(tmp_path.iterdir()) == []


def test_files_of_others_among_the_roles_are_neither_replaced_nor_removed(working, tmp_path):
    path = tmp_path / "published" / "segments.duckdb"
    with_roles(working, path, {})
    notes, database = role_file(path, "notes"), role_file(path, "backup")
    for file in (notes, database):
        file.parent.mkdir(parents=True)
    notes.write_text("my notes")
    with duckdb.connect(str(database)) as foreign:
        foreign.execute("create table precious as select 1")
    role_file(path, "folder").mkdir(parents=True)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    shutil.copy(path, elsewhere / path.name)
    role_file(path, "linked").parent.symlink_to(elsewhere)
    before = {file: file.read_bytes() for file in (notes, database, elsewhere / path.name)}
    with_roles(working, path, ANALYST)
    published = path.stat().st_ino, role_file(path, "analyst").stat().st_ino
    for role, reason in {
        "notes": "The file of role notes is .+not a DuckDB file",
        "backup": "The file of role backup is .+that no build published",
        "folder": "The file of role folder is .+no file",
    }.items():
        with pytest.raises(PublicationError, match=reason):
            with_roles(working, path, ANALYST | {role: ["customers"]})
    assert {file: file.read_bytes() for file in before} == before
    # After an error each file is that of the build before.
    assert (path.stat().st_ino, role_file(path, "analyst").stat().st_ino) == published


def test_owner_group_and_mode_of_a_role_outlive_a_publication(working, tmp_path):
    path = tmp_path / "segments.duckdb"
    with_roles(working, path, ANALYST)
    file = role_file(path, "analyst")
    assert file.stat().st_mode & 0o777 == 0o640
    file.chmod(0o600)
    if os.geteuid() == 0:
        os.chown(file, 65534, 65534)
    before = file.stat()
    with_roles(working, path, ANALYST)
    after = file.stat()
    assert after.st_ino != before.st_ino
    assert (after.st_mode, after.st_uid, after.st_gid) == (
        before.st_mode,
        before.st_uid,
        before.st_gid,
    )


def test_a_draft_is_readable_by_its_owner_alone(working, tmp_path, monkeypatch):
    modes = {}

    def seen(draft):
        for file in (*draft.parent.glob(".*"), *tmp_path.glob(".*")):
            modes[file.relative_to(tmp_path).as_posix()] = file.stat().st_mode & 0o777
        flush(draft)

    monkeypatch.setattr(publication, "flush", seen)
    with_roles(working, tmp_path / "segments.duckdb", ANALYST)
    assert modes["roles/analyst/.segments.duckdb.draft"] == 0o600
