"""The file that a segment's members are exported to."""

import csv
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from customer_segmentation.cli import main
from customer_segmentation.output.export import Export, ExportError, export_segment
from customer_segmentation.output.last_build import NoBuildError

# Customer, activation consent, reason, monetary.
MEMBERS = [
    ("a1", True, "=cmd|' /C calc'!A0", "-35.50"),
    ("b2", True, '+1; "quoted", with a comma', "10.00"),
    ("c3", False, "withdrew", "99.00"),
    ("c4", None, "stated nothing", "98.00"),
    ("c5", None, "stated nothing", "97.00"),
    ("d4", True, "-2 orders", "0.00"),
    ("e5", True, "@SUM(A1)", "1.00"),
    ("f6", True, "\ttab", "2.00"),
    ("g7", True, "\rreturn", "3.00"),
    ("h8", True, "\nline", "4.00"),
    ("i9", True, "orders: 2 (=2)", "5.00"),
    ("-j", True, "minus in an id", "6.00"),
]
EXPORTED = {
    customer: (reason, monetary) for customer, consent, reason, monetary in MEMBERS if consent
}
# Source system, record, reference and customer. Two records of the CRM have one reference.
RECORDS = [
    ("crm", "R1", "=C1", "a1"),
    ("crm", "R2", "=C1", "a1"),
    *(("shop", f"S-{customer}", f"S-{customer}", customer) for customer, *_ in MEMBERS),
]


@pytest.fixture
def published(tmp_path: Path) -> Path:
    path = tmp_path / "segments.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("create table segments (segment_key varchar)")
        connection.execute("insert into segments values ('rule:risky'), ('rule:nobody')")
        connection.execute(
            "create table customers "
            "(customer_id varchar, activation_consent boolean, is_held_out boolean, "
            "may_be_contacted boolean)"
        )
        connection.execute(
            "create table customer_records (source_system varchar, record_id varchar, "
            "customer_ref varchar, customer_id varchar)"
        )
        connection.executemany("insert into customer_records values (?, ?, ?, ?)", RECORDS)
        connection.execute(
            "create table segment_memberships "
            "(customer_id varchar, segment_key varchar, reason varchar, as_of date)"
        )
        connection.execute(
            "create table customer_features (customer_id varchar, recency_days integer, "
            "frequency bigint, monetary decimal(18, 2))"
        )
        for customer, consent, reason, monetary in MEMBERS:
            connection.execute(
                "insert into customers values (?, ?, false, ?)",
                [customer, consent, consent is True],
            )
            connection.execute(
                "insert into segment_memberships values (?, 'rule:risky', ?, '2020-01-01')",
                [customer, reason],
            )
            connection.execute(
                "insert into customer_features values (?, -1, 2, ?)", [customer, monetary]
            )
    return path


@pytest.mark.parametrize("file_format", ["csv", "parquet"])
def test_only_who_stated_consent_is_written(published: Path, file_format: str) -> None:
    path = published.parent / "out" / f"risky.{file_format}"
    written = export_segment("rule:risky", file_format, published, path)
    assert written == Export(
        path, len(EXPORTED), len(EXPORTED), withdrawn=1, unstated=2, held_out=0, states_consent=True
    )
    reader = f"read_csv('{path}', all_varchar = true)" if file_format == "csv" else f"'{path}'"
    found = duckdb.sql(f"select customer_id, monetary from {reader}").fetchall()
    kept = {customer: monetary for customer, (_, monetary) in EXPORTED.items()}
    assert {customer.removeprefix("'"): str(amount) for customer, amount in found} == kept
    assert [path.name] == [other.name for other in path.parent.iterdir()]


def test_where_the_build_allows_it_customers_without_a_statement_are_written(
    published: Path,
) -> None:
    with duckdb.connect(str(published)) as connection:
        connection.execute(
            "update customers set may_be_contacted = activation_consent is not false"
        )
    path = published.parent / "risky.csv"
    written = export_segment("rule:risky", "csv", published, path)
    assert (written.customers, written.withdrawn, written.unstated) == (len(MEMBERS) - 1, 1, 0)


def test_the_global_holdout_is_left_out_and_counted(
    published: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of a1 and b2, who agreed, c3, who withdrew, and c4, who stated nothing."""
    with duckdb.connect(str(published)) as connection:
        connection.execute(
            "update customers set is_held_out = true, may_be_contacted = false "
            "where customer_id in ('a1', 'b2', 'c3', 'c4')"
        )
    folder = published.parent / "exports"
    main(["export", "rule:risky", "--published", str(published), "--target", str(folder)])
    said = capsys.readouterr().out
    left_out = "left out: 1 withdrew consent, 1 never gave or refused it, 3 in the global holdout"
    assert f"{len(EXPORTED) - 2} customers; {left_out}\n" in said


def test_each_data_set_has_a_folder_of_its_own(
    published: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with duckdb.connect(str(published)) as connection:
        connection.execute("create schema if not exists monitoring")
        connection.execute(
            "create or replace table monitoring.data_set as"
            " select 'shop' as dataset, 'data/shop' as raw_data, date '2026-11-01' as as_of"
        )
    monkeypatch.chdir(published.parent)
    main(["export", "rule:risky", "--published", str(published)])
    assert [path.as_posix() for path in Path("exports").rglob("*.csv")] == [
        "exports/shop/rule_risky.csv"
    ]


def test_with_references_each_is_a_row(published: Path) -> None:
    path = published.parent / "risky.csv"
    written = export_segment("rule:risky", "csv", published, path, with_refs=True)
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0])[:4] == ["customer_id", "source_system", "customer_ref", "segment_key"]
    found = [(row["customer_id"], row["source_system"], row["customer_ref"]) for row in rows]
    assert found == [
        ("'-j", "shop", "S--j"),
        ("a1", "crm", "'=C1"),
        *((customer, "shop", f"S-{customer}") for customer in sorted(EXPORTED) if customer != "-j"),
    ]
    assert (written.rows, written.customers) == (len(found), len(EXPORTED))
    assert (written.withdrawn, written.unstated) == (1, 2)


def test_text_is_no_formula_and_numbers_stay_numbers(published: Path) -> None:
    path = published.parent / "risky.csv"
    export_segment("rule:risky", "csv", published, path)
    with path.open(newline="", encoding="utf-8") as file:
        rows = {row["customer_id"]: row for row in csv.DictReader(file)}
    for customer, (reason, monetary) in EXPORTED.items():
        row = rows["'-j" if customer == "-j" else customer]
        starts_harmlessly = reason[0].isalpha()
        assert row["reason"] == (reason if starts_harmlessly else "'" + reason)
        assert (row["monetary"], row["recency_days"]) == (monetary, "-1")


def test_parquet_keeps_types(published: Path) -> None:
    path = published.parent / "risky.parquet"
    export_segment("rule:risky", "parquet", published, path)
    rows = duckdb.sql(f"select monetary from '{path}' order by monetary limit 1").fetchall()
    assert rows == [(Decimal("-35.50"),)]


def test_a_segment_without_members_gives_a_header(published: Path) -> None:
    path = published.parent / "nobody.csv"
    assert export_segment("rule:nobody", "csv", published, path).rows == 0
    expected = "customer_id,segment_key,reason,as_of,recency_days,frequency,monetary\n"
    assert path.read_text() == expected


def test_what_cannot_be_exported_is_told(published: Path) -> None:
    path = published.parent / "out.csv"
    with pytest.raises(ExportError, match="Did you mean rule:risky"):
        export_segment("rule:riski", "csv", published, path)
    with pytest.raises(ExportError, match="csv, parquet"):
        export_segment("rule:risky", "xlsx", published, path)
    with pytest.raises(NoBuildError, match="make build"):
        export_segment("rule:risky", "csv", published.parent / "none.duckdb", path)
    assert not path.exists()


def test_the_command_says_what_it_wrote(
    published: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = published.parent / "exports"
    command = ["export", "rule:risky", "--published", str(published), "--target", str(folder)]
    main(command)
    said = capsys.readouterr().out
    assert said == (
        f"{folder}/rule_risky.csv: 9 customers; left out: 1 withdrew consent,"
        " 2 never gave or refused it\n"
    )
    main([*command, "--with-refs"])
    assert "9 customers with 10 references; left out: 1 withdrew consent" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["export", "rule:none", "--published", str(published), "--target", str(folder)])
    assert "There is no segment 'rule:none'" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["export", "", "--published", str(published), "--target", str(folder)])
    assert "SEGMENT is missing. Expected" in capsys.readouterr().err


def test_where_no_customer_stated_consent_the_command_says_what_to_do(
    published: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with duckdb.connect(str(published)) as connection:
        connection.execute(
            "update customers set activation_consent = null, may_be_contacted = false"
        )
    folder = published.parent / "exports"
    main(["export", "rule:risky", "--published", str(published), "--target", str(folder)])
    said = capsys.readouterr().out
    left_out = f"left out: 0 withdrew consent, {len(MEMBERS)} never gave or refused it"
    assert f": 0 customers; {left_out}\n" in said
    assert "Var activation_consent: opt_out" in said
