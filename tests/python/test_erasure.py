"""What is looked for of an erased person, and how it is found."""

from __future__ import annotations

import json

import duckdb
import pytest

from customer_segmentation.erasure import search
from customer_segmentation.erasure.erase import ErasureError, add_request, build_command, erase
from customer_segmentation.erasure.held import export_person
from customer_segmentation.erasure.person import (
    Person,
    PersonError,
    another_person,
    find_person,
    hashed_id,
    open_working_file,
    raw_rows,
)
from customer_segmentation.erasure.search import (
    Traces,
    hits_in_bytes,
    hits_in_file,
    hits_in_tables,
    traces_of,
    uncompressed,
)
from customer_segmentation.identity.identifiers import hashed_reference
from customer_segmentation.output.last_build import LastBuild, record_build

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
    assert hits_in_bytes(file, EVE) in (0, 1)
    copy = file.with_name("copy.duckdb")
    with uncompressed(file, copy) as content:
        assert hits_in_bytes(content, EVE) == 1
        assert hits_in_bytes(content, MIA) == 1
    assert not copy.exists()
    with duckdb.connect(str(file)) as connection:
        connection.execute("update facts.orders set note = 'x'; checkpoint")
    with uncompressed(file, copy) as content:
        assert hits_in_bytes(content, MIA) == 0


def test_traces_that_lie_in_two_pieces_are_found(tmp_path, monkeypatch):
    monkeypatch.setattr(search, "_PIECE", 5)
    file = tmp_path / "bytes"
    traces = Traces(frozenset(), ("übergröße straße",), (), ())
    for before in range(12):
        file.write_bytes(b"\xff" * before + "xÜBERGRÖße STRAßE\n".encode() + b"\xc3")
        assert hits_in_bytes(file, traces) == 1
    file.write_text("übergröße strasse")
    assert hits_in_bytes(file, traces) == 0


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


def test_a_request_leaves_lines_of_another_encoding_as_they_are(tmp_path):
    file = tmp_path / "erasure_requests.csv"
    file.write_bytes("source_system,customer_ref\ncrm,m\xfcller\n".encode("latin-1"))
    add_request({"raw_dir": str(tmp_path)}, "crm", "mül", "2024-03-01")
    assert file.read_bytes().splitlines()[1:] == [b"crm,m\xfcller", "crm,mül".encode()]


def test_a_table_with_other_separators_is_refused_by_name(tmp_path):
    file = tmp_path / "erasure_requests.csv"
    before = b"source_system;customer_ref;requested_at\ncrm;c1;2024-01-01\n"
    file.write_bytes(before)
    with pytest.raises(ErasureError, match=r"is separated by ';'. Expected commas"):
        add_request({"raw_dir": str(tmp_path)}, "crm", "c2", "2024-03-01")
    assert file.read_bytes() == before
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("variables", [{"raw_schema": "raw", "raw_dir": "x"}, {"raw_dir": None}])
def test_where_raw_tables_are_no_files_the_row_is_named(variables):
    said = add_request(variables, "crm", "c1", "2024-03-01")
    assert said.startswith("to insert into erasure_requests: source_system, customer_ref")
    assert "c1" not in said


ADDRESS = hashed_reference("mia@example.org")
KEYS = {
    "orders": {"references": ["customer_ref"], "order_id": "order_id"},
    "order_lines": {"references": [], "order_id": "order_id"},
    "products": {"references": [], "order_id": None},
    "events": {
        "references": [
            "customer_ref",
            "case when customer_ref is null then 'visitor ' || anonymous_id end",
        ],
        "order_id": None,
    },
    "customers": {"references": ["customer_ref", "'record ' || record_id"], "order_id": None},
    "consents": {
        "references": [
            "case when contains(customer_ref, '@') then segmentation_hashed_reference(customer_ref)"
            " else customer_ref end"
        ],
        "order_id": None,
    },
}
# Mia has two records, an order, a visit before her log-in, and a device that she shares with Eve.
WORKING_FILE = f"""
    create schema input; create schema identity; create schema restricted; create schema marts;
    create table input.reference_keys (source_table varchar, keys varchar);
    create table input.orders as from (values
        ('o-1', 'shop', 'mia-1', 'gift-77'), ('o-2', 'shop', 'eve-1', 'sale')
    ) t(order_id, source_system, customer_ref, coupon);
    create table input.order_lines as from (values
        ('o-1', 'shop', 'p-only-hers'), ('o-1', 'shop', 'p-2'), ('o-2', 'shop', 'p-2')
    ) t(order_id, source_system, product_id);
    create table input.products as from (values ('p-only-hers'), ('p-2')) t(product_id);
    create table input.events as from (values
        ('e-1', 'shop', 'mia-1', 'cookie-of-mia'), ('e-2', 'shop', null, 'cookie-of-mia'),
        ('e-3', 'shop', 'mia-1', 'cookie-of-both'), ('e-4', 'shop', 'eve-1', 'cookie-of-both')
    ) t(event_id, source_system, customer_ref, anonymous_id);
    create table input.customers as from (values
        ('r-1', 'crm', 'mia-1', 'Mia Meier', 'Bonn', 'mia@example.org'),
        ('r-2', 'crm', 'eve-9', 'Eve Eder', 'Bonn', 'eve@example.org')
    ) t(record_id, source_system, customer_ref, name, city, email);
    create table input.consents as from (values
        ('Mia@example.org', 'news'), ('mia-1', 'elsewhere')
    ) t(customer_ref, source_system);
    create table identity.int_identity__references as from (values
        ('shop', 'mia-1', 1), ('crm', 'mia-1', 1), ('shop', 'eve-1', 2), ('crm', 'eve-9', 2)
    ) t(source_system, customer_ref, customer_key);
    create table identity.int_identity__records as from (values
        ('crm', 'r-1', 'mia-1', 11, 1, 'id-mia', true),
        ('shop', 'mia-1', 'mia-1', 12, 1, 'id-mia', false),
        ('crm', 'r-2', 'eve-9', 21, 2, 'id-eve', true)
    ) t(source_system, record_id, customer_ref, record_key, customer_key, customer_id, is_in_crm);
    create table restricted.int_identity__identifiers as from (values
        ('crm', 11, 110, '{ADDRESS}', 'mia meier'), ('crm', 21, 210, 'h-shared', 'eve eder'),
        ('crm', 22, 220, 'h-shared', 'old eder')
    ) t(source_system, record_key, reference_key, email_key, given_name);
    insert into identity.int_identity__records values ('crm', 'r-3', 'r-3', 22, 3, 'id-old', true);
    create table restricted.base_events as select *, 'loaded' as fate from input.events;
    create table restricted.base_identity_links as select * from restricted.base_events limit 0;
    create table marts.customers as from (values ('id-mia', 5), ('id-eve', 6)) t(customer_id, n)
"""


@pytest.fixture
def working(tmp_path):
    path = tmp_path / "warehouse" / "shop.duckdb"
    path.parent.mkdir()
    with duckdb.connect(str(path)) as connection:
        connection.execute(WORKING_FILE)
        for table, keys in KEYS.items():
            text = json.dumps({"table": table, "source_system": "source_system", **keys})
            connection.execute("insert into input.reference_keys values (?, ?)", [table, text])
    return path


@pytest.mark.parametrize(
    ("system", "reference"),
    [("shop", "mia-1"), ("crm", "mia-1"), ("crm", "r-1"), ("any", ADDRESS)],
)
def test_any_reference_means_the_whole_person(working, system, reference):
    with open_working_file(working) as connection:
        person = find_person(connection, system, reference)
        assert another_person(connection, person).customer_id != "id-mia"
    assert person == Person(
        "id-mia",
        (
            ("crm", ADDRESS),
            ("crm", "mia-1"),
            ("crm", "record r-1"),
            ("shop", "mia-1"),
            ("shop", "visitor cookie-of-mia"),
        ),
        (1, 11, 12, 110),
    )


def test_an_unknown_reference_is_no_one_and_a_shared_address_is_refused(working):
    with open_working_file(working) as connection:
        assert find_person(connection, "crm", "mia-2") is None
        with pytest.raises(PersonError, match="2 customers have the e-mail address"):
            find_person(connection, "crm", "h-shared")


def test_traces_are_what_no_one_else_has(working):
    with open_working_file(working) as connection:
        traces = traces_of(connection, find_person(connection, "shop", "mia-1"))
    # Not the town or the device she shares, the product of the catalogue, or the reference that
    # means someone else in another system.
    assert traces.cells == {
        *("o-1", "gift-77", "e-1", "e-2", "e-3", "cookie-of-mia", "r-1"),
        *("mia meier", "mia@example.org", "news"),
    }
    assert {"mia@example.org", "cookie-of-mia", "gift-77"} <= set(traces.parts)
    assert "mia-1" not in (*traces.parts, *traces.cells)
    # The hash of the address is a tombstone.
    assert ADDRESS in traces.ids
    assert ADDRESS not in traces.cells


def test_a_record_whose_id_is_the_reference_of_someone_else_is_not_theirs(working):
    with duckdb.connect(str(working)) as connection:
        connection.execute(
            """
            insert into input.orders values ('o-9', 'crm', 'r-1', 'of eve');
            insert into input.customers values ('r-9', 'crm', 'r-1', 'Eve Eder', 'Bonn', null);
            insert into identity.int_identity__references values ('crm', 'r-1', 2);
            insert into identity.int_identity__records
                values ('crm', 'r-9', 'r-1', 23, 2, 'id-eve', true);
            """
        )
    with open_working_file(working) as connection:
        # Without the record, the reference means Eve.
        assert find_person(connection, "crm", "r-1").customer_id == "id-eve"
        mia = find_person(connection, "shop", "mia-1")
        assert ("crm", "r-1") not in mia.references
        rows = raw_rows(connection, mia)
        assert [row["order_id"] for row in rows["orders"]] == ["o-1"]
        assert [row["record_id"] for row in rows["customers"]] == ["r-1"]
        eve = raw_rows(connection, find_person(connection, "crm", "r-9"))
        assert {row["record_id"] for row in eve["customers"]} == {"r-2", "r-9"}


def test_a_device_of_the_person_may_be_used_by_someone_else(working):
    with duckdb.connect(str(working)) as connection:
        connection.execute(
            "insert into input.events values ('e-5', 'shop', 'new', 'cookie-of-mia')"
        )
    with open_working_file(working) as connection:
        rows = raw_rows(connection, find_person(connection, "shop", "mia-1"))
    assert {row["event_id"] for row in rows["events"]} == {"e-1", "e-2", "e-3"}


def test_an_export_has_the_rows_of_one_person_alone(working, tmp_path, monkeypatch):
    monkeypatch.setattr("customer_segmentation.output.last_build.HOME", tmp_path)
    held = export_person("crm", "r-1", {"dataset": "shop"}, tmp_path / "exports")
    assert held.path.stat().st_mode & 0o777 == 0o600
    written = json.loads(held.path.read_text())
    assert written["raw"].keys() == {"orders", "order_lines", "events", "customers", "consents"}
    assert [row["event_id"] for row in written["raw"]["events"]] == ["e-1", "e-2", "e-3"]
    assert [row["source_system"] for row in written["raw"]["consents"]] == ["news"]
    assert len(written["raw"]["order_lines"]) == 2
    assert written["built"]["marts.customers"] == [{"customer_id": "id-mia", "n": 5}]
    assert "eder" not in held.path.read_text().lower()
    assert held.references == 5
    with pytest.raises(PersonError, match="nothing is held on them"):
        export_person("crm", "r-9", {"dataset": "shop"}, tmp_path / "exports")


def test_raw_data_that_only_a_build_attaches_is_said(working, tmp_path, monkeypatch):
    raw = tmp_path / "raw.duckdb"
    with duckdb.connect(str(working)) as connection:
        connection.execute(f"attach '{raw}' as company")
        connection.execute("create table company.orders as from input.orders")
        connection.execute("drop table input.orders")
        connection.execute("create view input.orders as from company.orders")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("customer_segmentation.output.last_build.HOME", tmp_path)
    variables = {"dataset": "shop", "raw_database": "company", "raw_schema": "main"}
    for work in (
        lambda: erase("shop", "mia-1", variables, tmp_path),
        lambda: export_person("shop", "mia-1", variables, tmp_path),
    ):
        with pytest.raises(PersonError, match=r"in an attached database.*erasure_requests") as said:
            work()
        assert "mia" not in str(said.value)
        assert "\n" not in str(said.value)


def test_a_customer_with_many_records_is_erased_only_on_purpose(working, tmp_path, monkeypatch):
    with duckdb.connect(str(working)) as connection:
        connection.execute(
            "insert into identity.int_identity__records select 'crm', 'c-' || n, 'mia-1', 100 + n,"
            " 1, 'id-mia', true from range(5) as numbers (n)"
        )
    monkeypatch.setattr("customer_segmentation.output.last_build.HOME", tmp_path)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ErasureError, match=r"one customer with 6 records.*YES=1.*Nothing was"):
        erase("shop", "mia-1", {"dataset": "shop"}, tmp_path)
    assert sorted(tmp_path.rglob("*")) == before


def test_the_build_of_an_erasure_has_the_target_of_the_last_one(tmp_path):
    variables = {"dataset": "shop"}
    assert "--target" not in build_command(variables, tmp_path)
    record_build(LastBuild(variables, [], "warehouse"), tmp_path)
    assert build_command(variables, tmp_path)[-2:] == ["--target", "warehouse"]
    assert "--target" not in build_command({"dataset": "other"}, tmp_path)
