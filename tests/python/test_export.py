"""The file that a segment's members are exported to."""

import csv
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from customer_segmentation.cli import main
from customer_segmentation.output.export import ExportError, export_segment
from customer_segmentation.output.last_build import NoBuildError

# Customer, activation consent, reason, monetary.
MEMBERS = [
    ("a1", True, "=cmd|' /C calc'!A0", "-35.50"),
    ("b2", None, '+1; "quoted", with a comma', "10.00"),
    ("c3", False, "withdrew", "99.00"),
    ("d4", True, "-2 orders", "0.00"),
    ("e5", True, "@SUM(A1)", "1.00"),
    ("f6", True, "\ttab", "2.00"),
    ("g7", True, "\rreturn", "3.00"),
    ("h8", True, "\nline", "4.00"),
    ("i9", True, "orders: 2 (=2)", "5.00"),
    ("-j", True, "minus in an id", "6.00"),
]


@pytest.fixture
def published(tmp_path: Path) -> Path:
    path = tmp_path / "segments.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("create table segments (segment_key varchar)")
        connection.execute("insert into segments values ('rule:risky'), ('rule:nobody')")
        connection.execute("create table customers (customer_id varchar, activation_consent bool)")
        connection.execute(
            "create table segment_memberships "
            "(customer_id varchar, segment_key varchar, reason varchar, as_of date)"
        )
        connection.execute(
            "create table customer_features (customer_id varchar, recency_days integer, "
            "frequency bigint, monetary decimal(18, 2))"
        )
        for customer, consent, reason, monetary in MEMBERS:
            connection.execute("insert into customers values (?, ?)", [customer, consent])
            connection.execute(
                "insert into segment_memberships values (?, 'rule:risky', ?, '2020-01-01')",
                [customer, reason],
            )
            connection.execute(
                "insert into customer_features values (?, -1, 2, ?)", [customer, monetary]
            )
    return path


@pytest.mark.parametrize("file_format", ["csv", "parquet"])
def test_all_but_those_who_withdrew_are_written(published: Path, file_format: str) -> None:
    path = published.parent / "out" / f"risky.{file_format}"
    written = export_segment("rule:risky", file_format, published, path)
    assert (written.path, written.rows, written.withdrawn) == (path, len(MEMBERS) - 1, 1)
    reader = f"read_csv('{path}', all_varchar = true)" if file_format == "csv" else f"'{path}'"
    found = duckdb.sql(f"select customer_id, monetary from {reader}").fetchall()
    kept = {customer: amount for customer, consent, _, amount in MEMBERS if consent is not False}
    assert {customer.removeprefix("'"): str(amount) for customer, amount in found} == kept
    assert [path.name] == [other.name for other in path.parent.iterdir()]


def test_text_is_no_formula_and_numbers_stay_numbers(published: Path) -> None:
    path = published.parent / "risky.csv"
    export_segment("rule:risky", "csv", published, path)
    with path.open(newline="", encoding="utf-8") as file:
        rows = {row["customer_id"]: row for row in csv.DictReader(file)}
    for customer, consent, reason, monetary in MEMBERS:
        if consent is False:
            continue
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
    main(["export", "rule:risky", "--published", str(published), "--target", str(folder)])
    said = capsys.readouterr().out
    assert said == (
        f"{folder}/rule_risky.csv: 9 customers; 1 left out because they withdrew their "
        "consent to activation\n"
    )
    with pytest.raises(SystemExit):
        main(["export", "rule:none", "--published", str(published), "--target", str(folder)])
    assert "There is no segment 'rule:none'" in capsys.readouterr().err


def test_a_wrong_query_is_answered_in_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    published = tmp_path / "segments.duckdb"
    duckdb.connect(str(published)).close()
    with pytest.raises(SystemExit):
        main(["query", "select * from segmnts", "--published", str(published)])
    assert "Table with name segmnts does not exist" in capsys.readouterr().err
