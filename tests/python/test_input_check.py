"""The look at raw data before a build: each broken input is answered with the thing to change."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml
from examples import examples
from hypothesis import given
from hypothesis import strategies as st

from customer_segmentation.cli import main
from customer_segmentation.input.check import check_folder, check_warehouse
from customer_segmentation.input.contract import CONTRACT, read_contract, read_var
from customer_segmentation.input.event_roles import guessed_role
from customer_segmentation.input.values import date_formats_of, hours_ahead, kind_of_values
from customer_segmentation.near_names import did_you_mean, near_misses

ROOT = Path(__file__).resolve().parents[2]
TABLES = read_contract(ROOT / CONTRACT)
ROLES = read_var(ROOT / CONTRACT, "event_roles")
NO_REFERENCES = read_var(ROOT / CONTRACT, "empty_references")
HEADER = "order_id,customer_ref,ordered_at,amount"
CANARY = "zoe.canary@example.org"


def orders(*rows: str, header: str = HEADER) -> str:
    return "\n".join([header, *rows, ""])


def row(number: int, at: str = "2024-03-05 12:00:00+01:00", amount: str = "9.90") -> str:
    return f"{number},{CANARY},{at},{amount}"


# name -> files, and words that tell what is wrong, where, and what to change
BROKEN: dict[str, tuple[dict[str, Any], list[str]]] = {
    "no orders": (
        {"customers.csv": "record_id\n1\n"},
        ["no table orders", "order_id, customer_ref, ordered_at, amount"],
    ),
    "orders under another name": (
        {"Invoices.csv": orders(row(1))},
        ["Invoices.csv looks like orders", "name it orders.csv"],
    ),
    "an invoice-lines table of other columns": (
        {
            "online_retail.csv": orders(
                "536365,85123A,6,12/1/2010 8:26,2.55,17850",
                "536365,71053,6,12/1/2010 8:26,3.39,17850",
                "536366,22633,6,12/13/2010 8:28,1.85,17850",
                header="InvoiceNo,StockCode,Quantity,InvoiceDate,UnitPrice,CustomerID",
            )
        },
        [
            "online_retail.csv may be it: name it orders.csv",
            "'InvoiceDate' looks like ordered_at, by its name and by its values",
            "'CustomerID' looks like customer_ref",
            "'Quantity' or 'UnitPrice' may be amount",
            "strptime(InvoiceDate, '%m/%d/%Y %H:%M')",
            "1.5 rows for each InvoiceNo",
        ],
    ),
    "no header": (
        {"orders.csv": "\n".join([row(1), row(2), ""])},
        ["orders.csv has no header", "order_id, customer_ref, ordered_at, amount"],
    ),
    "semicolons": (
        {"orders.csv": orders(row(1)).replace(",", ";")},
        ["orders.csv is separated by semicolons", "with commas", "docs/own_data.md"],
    ),
    "a spreadsheet": (
        {"orders.xlsx": b"PK\x03\x04"},
        ["orders.xlsx is not read", "Expected orders.parquet, orders.csv or orders.jsonl"],
    ),
    "UTF-16": (
        {"orders.csv": orders(row(1)).encode("utf-16")},
        ["orders.csv is in UTF-16", "UTF-8"],
    ),
    "Latin-1": (
        {"orders.csv": orders(*(f"{n},J\xf6rg,2024-03-05,9" for n in range(9))).encode("latin-1")},
        ["9 invalid encoding", "UTF-8"],
    ),
    "a cut archive": (
        {"orders.csv.gz": gzip.compress(orders(*map(row, range(50_000))).encode(), 1)[:-9_000]},
        ["orders.csv.gz can't be read", "again"],
    ),
    "decimal commas": (
        {"orders.csv": orders(*(row(n, amount='"1.209,90"') for n in range(20)))},
        ["amount", "is no number in 20 of 20 rows", "decimal commas", "12.50 and not 12,50"],
    ),
    "day or month first": (
        {"orders.csv": orders(*(row(n, f"0{n}/02/2024 10:00") for n in range(1, 10)))},
        ["ordered_at", "no ISO time stamp", "%d/%m/%Y %H:%M or %m/%d/%Y %H:%M", "find out"],
    ),
    "seconds since 1970": (
        {"orders.csv": orders(*(row(n, str(1_700_000_000 + n)) for n in range(9)))},
        ["ordered_at", "count from 1970", "to_timestamp(ordered_at)"],
    ),
    "a missing column": (
        {"orders.csv": orders("1,2024-03-05,9", header="order_id,ordered_at,amount")},
        ["orders.csv lacks the required column customer_ref"],
    ),
    "orders without a number": (
        {"orders.csv": orders("a,2024-03-05,9", header="customer_ref,ordered_at,amount")},
        ["orders.csv lacks the required column order_id", "make an order_id of the customer"],
    ),
    "a misspelt column": (
        {"orders.csv": orders(row(1)).replace("ordered_at", "orderd_at")},
        ["'orderd_at' looks like ordered_at"],
    ),
    "two files for one table": (
        {"orders.csv": orders(row(1)), "orders.csv.gz": gzip.compress(b"x")},
        ["orders.csv and orders.csv.gz", "remove one"],
    ),
    "empty keys": (
        {"orders.csv": orders(*(f",{CANARY},2024-03-05,9" for _ in range(4)))},
        ["order_id that is empty in 4 of 4 rows"],
    ),
}


def written(folder: Path, files: dict[str, Any]) -> str:
    for name, content in files.items():
        data = content if isinstance(content, bytes) else content.encode()
        (folder / name).write_bytes(data)
    return str(folder)


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_input_is_answered_with_the_thing_to_change(name: str, tmp_path: Path) -> None:
    files, words = BROKEN[name]
    report = check_folder(written(tmp_path, files), TABLES, ROLES)
    changes = "\n".join(report.changes)
    assert not [word for word in words if word not in changes], changes


@pytest.mark.parametrize("name", BROKEN)
def test_no_value_of_a_cell_is_told(name: str, tmp_path: Path) -> None:
    said = str(check_folder(written(tmp_path, BROKEN[name][0]), TABLES, ROLES)).casefold()
    assert "canary" not in said
    assert "j\xf6rg" not in said


def test_the_command_fails_where_something_has_to_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    folder = written(tmp_path, {"orders.csv": orders(row(1))})
    main(["check-input", folder])
    assert "Nothing has to change." in capsys.readouterr().out
    with pytest.raises(SystemExit, match="1"):
        main(["check-input", str(tmp_path / "nowhere")])
    assert "nowhere is not a folder" in capsys.readouterr().out


def test_good_input_is_counted_dated_and_left_alone(tmp_path: Path) -> None:
    rows = [row(1), row(2, "2024-04-01 09:00:00Z")]
    before = written(tmp_path, {"orders.csv": orders(*rows), "notes.md": "hello"})
    report = check_folder(before, TABLES, ROLES)
    assert report.changes == []
    assert "2 rows, ordered_at from 2024-03-05 to 2024-04-01" in report.tables[0]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["notes.md", "orders.csv"]


@pytest.mark.parametrize(
    ("early", "first"),
    [
        (["0202-09-01"], "0202-09-01"),
        (["0001-01-01", "1970-01-01"], "0001-01-01"),
        (["1999-12-31"], "1999-12-31"),
    ],
)
def test_implausibly_early_orders_are_reported(
    early: list[str], first: str, tmp_path: Path
) -> None:
    lines = [row(n, f"2024-0{n % 9 + 1}-05") for n in range(40)]
    lines += [row(n, day) for n, day in enumerate(early, 40)]
    report = check_folder(written(tmp_path, {"orders.csv": orders(*lines)}), TABLES, ROLES)
    (note,) = (note for note in report.notes if "implausible ordered_at" in note)
    assert f"has {len(early)} rows" in note
    assert f"the first of {first}" in note
    assert "earliest_plausible_date" in note
    assert "history_start" not in variables(report)


def test_orders_of_more_than_240_months_ask_for_the_start_of_the_history(tmp_path: Path) -> None:
    lines = [row(n, f"{1980 + n}-05-05") for n in range(21)]
    report = check_folder(written(tmp_path, {"orders.csv": orders(*lines)}), TABLES, ROLES)
    assert "history_start" not in variables(report)  # from May to May there are 240 months
    lines.append(row(21, "2000-06-05"))
    report = check_folder(written(tmp_path, {"orders.csv": orders(*lines)}), TABLES, ROLES)
    assert variables(report)["history_start"] == "?"


# --- Vars --------------------------------------------------------------------------------------


def variables(report: Any) -> dict[str, Any]:
    """The vars of a report, read as a user would who pastes them into dbt_project.yml."""
    text = str(report).split("yours to answer):\n")[1]
    loaded: dict[str, Any] = yaml.safe_load(text)
    return loaded


def test_vars_are_told_as_yaml(tmp_path: Path) -> None:
    header = f"{HEADER},status,currency"
    lines = [
        f"{row(n)},{('paid', 'voided', 'ruht')[n % 3]},{('EUR', 'USD')[n % 2]}" for n in range(60)
    ]
    report = check_folder(
        written(tmp_path, {"orders.csv": orders(*lines, header=header)}), TABLES, ROLES
    )
    told = variables(report)
    assert told["raw_dir"] == str(tmp_path)
    assert told["timezone"] == told["currency"] == "?"
    assert told["order_statuses"] == {"paid": "completed", "voided": "ignored", "ruht": "?"}
    assert "raw_timezone" not in told  # every stamp has its offset


def test_words_of_few_rows_are_not_told(tmp_path: Path) -> None:
    lines = [f"{row(n)},{'paid' if n else 'Zoe Canary'}" for n in range(30)]
    folder = written(tmp_path, {"orders.csv": orders(*lines, header=f"{HEADER},status")})
    report = check_folder(folder, TABLES, ROLES)
    assert "Canary" not in str(report)
    assert variables(report)["order_statuses"] == {"paid": "completed"}
    assert "2 different words as status" in report.notes[-1]


def test_date_formats_are_told_by_system(tmp_path: Path) -> None:
    lines = [f"{n},shop,0{n % 9 + 1}/2{n % 9}/1980" for n in range(30)]
    lines += [f"{n},crm,2{n % 9}.0{n % 9 + 1}.1980" for n in range(30, 60)]
    lines += [f"{n},iso,1980-01-0{n % 9 + 1}" for n in range(60, 90)]
    files = {
        "orders.csv": orders(row(1)),
        "customers.csv": orders(*lines, header="record_id,source_system,birth_date"),
    }
    told = variables(check_folder(written(tmp_path, files), TABLES, ROLES))
    assert told["date_formats"] == {"crm": ["%d.%m.%Y"], "shop": ["%m/%d/%Y"]}


def test_repeats_with_other_content_are_counted(tmp_path: Path) -> None:
    """Of the repeats one is the same row again, and one has another amount."""
    lines = [row(n) for n in range(100)]
    lines += [row(7), row(8, amount="-9.90")]
    report = check_folder(written(tmp_path, {"orders.csv": orders(*lines)}), TABLES, ROLES)
    (note,) = (note for note in report.notes if "other content" in note)
    assert "has 2 rows of 1 id that repeat" in note
    assert "an id of their own" in note
    lines += [row(n, amount="1.00") for n in (9, 10)]
    report = check_folder(written(tmp_path, {"orders.csv": orders(*lines)}), TABLES, ROLES)
    assert "has 6 rows of 3 ids that repeat" in "".join(report.changes)
    events = [f"{n},view,2024-03-05 12:00:00Z,P{n}" for n in (*range(60), 3)] + [
        "4,view,2024-03-05 12:00:00Z,P5"
    ]
    header = "event_id,event_type,occurred_at,product_id"
    files = {"orders.csv": orders(row(1)), "events.csv": orders(*events, header=header)}
    notes = " ".join(check_folder(written(tmp_path, files), TABLES, ROLES).notes)
    assert "events.csv has 2 rows of 1 id that repeat" in notes
    lines = [*(row(n) for n in range(60)), row(8, amount="1.00")]
    header = "Order No,Customer,Order Date,Total"
    files = {"invoices.csv": orders(*lines, header=header)}
    (tmp_path / "other").mkdir()
    notes = " ".join(check_folder(written(tmp_path / "other", files), TABLES, ROLES).notes)
    assert "invoices.csv has 2 rows of 1 id that repeat" in notes


def test_ids_and_flags_that_are_floats_are_read_as_a_build_does(tmp_path: Path) -> None:
    """Flags of pandas are 1.0 and 0.0; an id of 17 digits has lost some."""
    with duckdb.connect() as connection:
        connection.execute(
            f"""
            copy (
                select
                    cast(i as double) as order_id,
                    cast(if(i = 4, 12345678901234567, 17850) as double) as customer_ref,
                    timestamptz '2024-03-05 12:00:00Z' as ordered_at,
                    9.5 as amount,
                    cast(i % 2 as double) as is_synthetic
                from range(100) as numbers(i)
            ) to '{tmp_path}/orders.parquet'
            """
        )
    report = check_folder(str(tmp_path), TABLES, ROLES)
    assert "has 1 row with an id of more than 15 digits" in " ".join(report.notes)
    assert "neither true nor false" not in str(report)
    assert "12345678" not in str(report)


def test_a_second_currency_of_few_rows_asks_for_the_var(tmp_path: Path) -> None:
    lines = [*(f"{row(n)},EUR" for n in range(30)), f"{row(30)},USD", f"{row(31)},eur"]
    folder = written(tmp_path, {"orders.csv": orders(*lines, header=f"{HEADER},currency")})
    report = check_folder(folder, TABLES, ROLES)
    assert variables(report)["currency"] == "?"
    assert "USD" not in str(report)


def test_amounts_of_the_wrong_sign_for_their_status_are_counted(tmp_path: Path) -> None:
    header = f"{HEADER},status"
    lines = [f"{row(n)},paid" for n in range(60)]
    lines += [f"{row(60, amount='-9.90')},paid", f"{row(61)},returned", f"{row(62)},ruht"]
    folder = written(tmp_path, {"orders.csv": orders(*lines, header=header)})
    notes = " ".join(check_folder(folder, TABLES, ROLES).notes)
    assert "has 2 rows whose amount has the wrong sign" in notes
    assert "has 62 rows of other status words than completed, returned, ignored" in notes


@pytest.mark.parametrize(
    ("refund", "meaning"), [(None, "?"), ("x,only,2024-03-05,-9.90,returned", "completed")]
)
def test_a_refunded_order_is_a_purchase_if_the_refund_is_a_row(
    refund: str | None, meaning: str, tmp_path: Path
) -> None:
    lines = [f"{row(n)},{'refunded' if n % 3 else 'paid'}" for n in range(60)]
    lines += [refund] if refund else []
    folder = written(tmp_path, {"orders.csv": orders(*lines, header=f"{HEADER},status")})
    report = check_folder(folder, TABLES, ROLES)
    told = variables(report)["order_statuses"]
    assert told == {"refunded": meaning, "paid": "completed"}
    assert "wrong sign" not in str(report)


@pytest.mark.parametrize(("versions", "changes"), [("", 1), (",loaded_at", 0)])
def test_lines_are_told_from_versions_of_an_order(
    versions: str, changes: int, tmp_path: Path
) -> None:
    """Two rows for each id, far apart, in a table larger than the sample."""
    version = ",2024-03-06 00:00:00Z" if versions else ""
    lines = [f"{row(n % 3_000, amount=f'{n}.90')}{version}" for n in range(6_000)]
    folder = written(tmp_path, {"orders.csv": orders(*lines, header=HEADER + versions)})
    report = check_folder(folder, TABLES, ROLES)
    assert len(report.changes) == changes
    assert all("2.0 rows for each order_id" in change for change in report.changes)
    assert all("sum them up" in change for change in report.changes)


def test_an_order_that_is_repeated_is_not_taken_for_lines(tmp_path: Path) -> None:
    """Summed up, a file that was exported twice would double the revenue."""
    lines = [row(n, amount=f"{n}.90") for n in range(100)]
    report = check_folder(written(tmp_path, {"orders.csv": orders(*lines, *lines)}), TABLES, ROLES)
    assert report.changes == []
    (note,) = (note for note in report.notes if "that repeat" in note)
    assert "has 100 rows that repeat another in every column" in note
    assert "don't sum them up" in note


@pytest.mark.parametrize(
    ("second", "advice"),
    [
        # The total of the order on each of its lines, as in many exports.
        ("9.90,P2", "repeats its total: keep one row an order, and don't sum them up"),
        ("1.10,P2", "sum them up to one row an order, and give the lines as order_lines"),
    ],
)
def test_totals_on_each_line_are_not_taken_for_amounts_of_lines(
    second: str, advice: str, tmp_path: Path
) -> None:
    lines = [f"{n},{CANARY},2024-03-05,{rest}" for n in range(50) for rest in ("9.90,P1", second)]
    folder = written(tmp_path, {"orders.csv": orders(*lines, header=f"{HEADER},product")})
    (change,) = check_folder(folder, TABLES, ROLES).changes
    assert "has 2.0 rows for each order_id. They differ, " in change
    assert advice in change


def test_lines_that_were_entered_twice_are_counted(tmp_path: Path) -> None:
    lines = [f"{n},{CANARY},2024-03-05,{p}.50,P{p}" for n in range(50) for p in range(3)]
    lines += lines[:4]
    folder = written(tmp_path, {"orders.csv": orders(*lines, header=f"{HEADER},product")})
    (change,) = check_folder(folder, TABLES, ROLES).changes
    assert "First look at 4 rows that repeat another in every column" in change


def test_guests_and_amounts_of_nothing_or_below_are_counted(tmp_path: Path) -> None:
    lines = [row(n) for n in range(190)]
    lines += [f"{n},,2024-03-05,5" for n in range(190, 192)] + ["192, ,2024-03-05,5"]
    lines += [row(n, amount="0.00") for n in range(193, 197)]
    lines += [row(n, amount="-3") for n in range(197, 199)] + [row(199, amount="free")]
    report = check_folder(written(tmp_path, {"orders.csv": orders(*lines)}), TABLES, ROLES)
    said = " ".join(report.notes)
    assert "has 3 rows (1.5%) without a customer_ref: those orders are of guests." in said
    assert "has 4 rows (2.0%) with an amount of 0" in said
    assert "has 2 rows (1.0%) with a negative amount" in said
    assert variables(report)["zero_orders_count"] == "?"
    (tmp_path / "none").mkdir()
    report = check_folder(written(tmp_path / "none", {"orders.csv": orders(row(1))}), TABLES, ROLES)
    assert "zero_orders_count" not in variables(report)
    assert not [note for note in report.notes if " amount" in note or "of guests" in note]


@pytest.mark.parametrize(
    ("ids", "amount", "said"),
    [
        (
            "C{}",
            "-5",
            "has 3 rows whose order_id begins with C, with negative amounts: credit notes",
        ),
        ("CN-{}", "5", "begins with CN, and amounts above 0 in 3 of them"),
        ("{}-refund", "-5", "ends in REFUND, with negative amounts"),
        ("C{}", "none", "begins with C, as credit notes do"),
        # Too few to be shown: they may be a name.
        ("Canary{}", "5", "has 3 rows whose order_id begins or ends with letters that few have"),
    ],
)
def test_ids_of_credit_notes_are_recognised(
    ids: str, amount: str, said: str, tmp_path: Path
) -> None:
    lines = [row(n) for n in range(1_000, 1_200)]
    lines += [f"{ids.format(n)},7,2024-03-05,{amount}" for n in range(3)]
    report = check_folder(written(tmp_path, {"orders.csv": orders(*lines)}), TABLES, ROLES)
    assert said in " ".join(report.notes)
    assert "canary" not in str(report).casefold()


@pytest.mark.parametrize("ids", ["WEB{}", "{:x}"], ids=["all alike", "random letters"])
def test_letters_of_all_ids_or_of_random_ones_are_no_mark(ids: str, tmp_path: Path) -> None:
    lines = [f"{ids.format(7919 * n)},7,2024-03-05,9" for n in range(1_000, 3_000)]
    report = check_folder(written(tmp_path, {"orders.csv": orders(*lines)}), TABLES, ROLES)
    assert not [note for note in report.notes if "order_id" in note]


def test_midnights_without_offset_are_told(tmp_path: Path) -> None:
    lines = [row(n, f"2024-03-0{n} 00:00:00") for n in range(1, 10)]
    report = check_folder(written(tmp_path, {"orders.csv": orders(*lines)}), TABLES, ROLES)
    assert "without a time of day" in " ".join(report.notes)
    assert variables(report)["raw_timezone"] == "?"


@pytest.mark.parametrize(
    ("zone", "said"),
    [
        ("America/New_York", "at about UTC-5"),
        ("America/Los_Angeles", "at about UTC-8"),
        ("Asia/Tokyo", "at about UTC+9"),
        ("UTC", "look like local time"),
    ],
)
def test_utc_stamps_of_a_far_place_are_recognised_by_their_hours(
    zone: str, said: str, tmp_path: Path
) -> None:
    """A thousand winter orders between 9 and 20 local time, written in UTC without offset."""
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute(
            f"""
            copy (
                select
                    i as order_id,
                    i % 50 as customer_ref,
                    cast(timezone('{zone}', timestamp '2024-01-08 09:00:00' + interval (i % 12) hour
                        + interval (i // 12) day) as timestamp) as ordered_at,
                    9.5 as amount
                from range(1000) as numbers(i)
            ) to '{tmp_path}/orders.parquet'
            """
        )
    assert said in " ".join(check_folder(str(tmp_path), TABLES, ROLES).notes)


def test_roles_of_unknown_event_types_are_proposed(tmp_path: Path) -> None:
    """Of 100 events 40 have known types, 40 guessable ones and 20 others, one of them a secret."""
    words = ["purchase", "Product Viewed", "artikel_ansicht", "in_den_warenkorb", "wiggle"]
    lines = [f"{n},{words[n % 5]},2024-03-05 12:00:00Z" for n in range(99)]
    lines.append("100,Zoe Canary,2024-03-05 12:00:00Z")
    header = "event_id,event_type,occurred_at"
    files = {"orders.csv": orders(row(1)), "events.csv": orders(*lines, header=header)}
    report = check_folder(written(tmp_path, files), TABLES, ROLES)
    proposed = variables(report)["event_roles"]
    assert proposed == {
        "buy": ["purchase"],
        "view": ["Product Viewed", "artikel_ansicht"],
        "cart": ["in_den_warenkorb"],
    }
    assert "without a role in 60.0% of its rows" in " ".join(report.notes)
    assert "guessed by the word: artikel_ansicht, in_den_warenkorb" in str(report)
    assert "Canary" not in str(report)
    # What was proposed leaves nothing to propose.
    again = check_folder(str(tmp_path), TABLES, proposed)
    assert "event_roles" not in variables(again)
    assert "without a role in 20.0% of its rows" in " ".join(again.notes)


def test_known_event_types_need_no_var(tmp_path: Path) -> None:
    lines = [f"{n},{name},2024-03-05" for n, name in enumerate(["page_view", "VIEW_ITEM"] * 10)]
    header = "event_id,event_type,occurred_at"
    files = {"orders.csv": orders(row(1)), "events.csv": orders(*lines, header=header)}
    report = check_folder(written(tmp_path, files), TABLES, ROLES)
    assert "event_roles" not in variables(report)
    assert "without a role" not in str(report)


# --- References --------------------------------------------------------------------------------


def placed(*references: str) -> dict[str, Any]:
    lines = [f"{n},{reference},2024-03-05,9" for n, reference in enumerate(references)]
    return {"orders.csv": orders(*lines)}


def test_words_that_may_mean_no_customer_are_named_with_their_share(tmp_path: Path) -> None:
    """Of 100 orders 20 have a listed word, 30 a word that may mean none, and 50 a customer."""
    references = ["NULL"] * 15 + [" nan"] * 5 + ["Guest"] * 20 + ["0"] * 6 + ["0.0"] * 4
    references += [f"zoe-canary-{n}" for n in range(50)]
    folder = written(tmp_path, placed(*references))
    report = check_folder(folder, TABLES, ROLES, empty_references=NO_REFERENCES)
    said = " ".join(report.notes)
    assert "the customer_ref 'null' in 15.0% of its rows; it means no customer" in said
    assert "the customer_ref 'nan' in 5.0% of its rows; it means no customer" in said
    assert "the customer_ref 'guest' in 20.0% of its rows. If it means no customer" in said
    assert "the customer_ref '0' in 10.0% of its rows. If it means no customer" in said
    proposed = variables(report)["empty_references"]
    assert proposed == [*NO_REFERENCES, "guest", "0"]
    assert "canary" not in str(report)
    # What was proposed leaves nothing to propose.
    again = check_folder(folder, TABLES, ROLES, empty_references=proposed)
    assert "empty_references" not in variables(again)


@pytest.mark.parametrize(
    ("references", "is_unusual"),
    [
        # 50 of 1,050 orders, and everyone else has one.
        ([f"c{n}" for n in range(1_000)] + ["zoe-canary"] * 50, True),
        ([f"c{n}" for n in range(1_000)] + ["zoe-canary"] * 10, False),
        # The same share in a table of a hundred orders may be chance.
        ([f"c{n}" for n in range(95)] + ["zoe-canary"] * 5, False),
        # Twenty accounts of a wholesaler, one of which has half of the orders.
        ([f"c{n % 19}" for n in range(1_000)] + ["zoe-canary"] * 1_000, False),
        # Listed words are nobody's orders.
        ([f"c{n}" for n in range(1_000)] + ["NULL"] * 500, False),
    ],
)
def test_a_reference_with_far_more_orders_than_others_is_counted_not_named(
    references: list[str], is_unusual: bool, tmp_path: Path
) -> None:
    folder = written(tmp_path, placed(*references))
    report = check_folder(folder, TABLES, ROLES, empty_references=NO_REFERENCES)
    assert ("over 1% of the orders" in " ".join(report.notes)) is is_unusual
    assert "canary" not in str(report)


@pytest.mark.parametrize(
    ("others", "said"),
    [
        (["Canary", "Canary", "K1"], "has 2 customer_ref in 3 rows of another form"),
        (["00401", "17850"], None),
        # Two usual forms: an old system and a new one.
        ([f"K{n}" for n in range(50)], None),
    ],
)
def test_references_of_another_form_are_counted_not_named(
    others: list[str], said: str | None, tmp_path: Path
) -> None:
    report = check_folder(
        written(tmp_path, placed(*(str(17_000 + n) for n in range(120)), *others)), TABLES, ROLES
    )
    notes = [note for note in report.notes if "another form" in note]
    assert bool(notes) is (said is not None)
    assert said is None or said in notes[0]
    assert "canary" not in str(report).lower()


@pytest.mark.parametrize(("orders_of_it", "is_proposed"), [(30, True), (1, False)])
def test_a_collective_account_of_nines_is_proposed_where_it_holds_much(
    orders_of_it: int, is_proposed: bool, tmp_path: Path
) -> None:
    folder = written(tmp_path, placed(*map(str, range(970)), *["99999"] * orders_of_it))
    report = check_folder(folder, TABLES, ROLES, empty_references=NO_REFERENCES)
    assert ("99999" in variables(report).get("empty_references", [])) is is_proposed


def test_references_that_match_none_are_counted_with_near_misses_by_kind(tmp_path: Path) -> None:
    known = ["Zoe-Canary-1", "007-canary", "zoe canary 2", "zoe@canary.example", "c1"]
    asked = [
        "zoe-canary-1",
        "7-canary",
        "zoecanary2",
        "ZOE@Canary.example",
        "ZOECANARY2",
        "x",
        "r0",
    ]
    withdrawn = [f"{reference},segmentation,0,2024-03-01" for reference in [*known, *asked]]
    given = [f"{reference},segmentation,yes,2024-03-01" for reference in asked]
    files = placed("c1", "c2") | {
        "customers.csv": orders(
            *(f"r{n},{name}" for n, name in enumerate(known)), header="record_id,customer_ref"
        ),
        "consents.csv": orders(
            *withdrawn, *given, header="customer_ref,purpose,granted,recorded_at"
        ),
        "erasure_requests.csv": orders(
            "shop,c1,2024-03-01", header="source_system,customer_ref,requested_at"
        ),
        "tickets.csv": orders("1,c3", "2,c2", "3,NULL", header="ticket_id,customer_ref"),
    }
    report = check_folder(written(tmp_path, files), TABLES, ROLES, empty_references=NO_REFERENCES)
    said = "\n".join(report.notes)
    assert "consents.csv has 5 withdrawals for a customer_ref that no other table has" in said
    assert (
        "Would match: 1 if case did not count, 1 without blanks, 1 without leading zeros, 1 but"
        in said
    )
    assert "erasure_requests.csv has 1 requests for a customer_ref" in said
    assert "Would match: 1 in another source_system." in said
    assert "tickets.csv has 1 rows with a customer_ref" in said
    assert "canary" not in str(report).lower()


def test_an_email_meets_itself_in_every_system_and_the_record_that_has_it(tmp_path: Path) -> None:
    asked = ["MIA+news@canary.example", "zoe@canary.example", "eve@canary.example"]
    files = placed("c1", "ZOE@canary.example") | {
        "customers.csv": orders("r1,Mia@canary.example", header="record_id,email"),
        "erasure_requests.csv": orders(
            *(f"news,{reference},2024-03-01" for reference in asked),
            header="source_system,customer_ref,requested_at",
        ),
    }
    report = check_folder(written(tmp_path, files), TABLES, ROLES)
    assert "erasure_requests.csv has 1 requests for a customer_ref" in "\n".join(report.notes)
    assert "canary" not in str(report).lower()


# --- Parts -------------------------------------------------------------------------------------


@given(st.integers(0, 23), st.integers(1, 9))
def test_a_clock_that_is_set_ahead_is_told_by_as_much(shift: int, width: int) -> None:
    day = {(14 + hour) % 24: 1_000 for hour in range(-width, width + 1)}
    moved = {(hour + shift) % 24: rows for hour, rows in day.items()}
    found = hours_ahead(moved)
    assert found is not None
    assert (found - shift) % 24 == 0
    assert -11 <= found <= 12


def test_round_the_clock_activity_tells_nothing() -> None:
    assert hours_ahead(dict.fromkeys(range(24), 1_000)) is None
    assert hours_ahead({14: 499}) is None


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["2024-01-31 10:00", "2024-01-31T10:00:00.5+02:00"], "instant"),
        (["31.01.2024 10:00", "1.2.2024 9:05"], "instant"),
        (["2024-01-31"], "date"),
        (["01/31/2024", ""], "date"),
        (["1", "-2.5", "1e5"], "number"),
        (["1.209,50", "3,99"], "number"),
        (["true", "no"], "boolean"),
        (["a@b.c"], "email"),
        (["anna", "ben"], "text"),
        ([], "text"),
    ],
)
def test_kind_of_values(values: list[str], kind: str) -> None:
    assert kind_of_values(values) == kind


@pytest.mark.parametrize(
    ("values", "formats"),
    [
        (["1980-01-31"], ["%Y-%m-%d"]),
        (["31.01.1980", "1980-01-31", "01.02.1980"], ["%d.%m.%Y", "%Y-%m-%d"]),
        (["01/31/1980", "02/03/1980"], ["%m/%d/%Y"]),
        (["01/02/1980", "03/04/1980"], []),
        (["January"], []),
    ],
)
def test_date_formats(values: list[str], formats: list[str]) -> None:
    assert date_formats_of(values) == formats


@pytest.mark.parametrize(
    ("event_type", "role"),
    [
        ("AddToBasket", "cart"),
        ("Warenkorb: entfernt", "remove"),
        ("view_cart", None),
        ("ajout_panier", "cart"),
        ("ProductDetail", "view"),
        ("product_list_click", None),
        ("Suche", "search"),
        ("payment_started", "checkout"),
        ("checkout_success", "buy"),
        ("order_placed", "buy"),
        ("order_history", None),
        ("border_click", None),
        ("Bestellung", "buy"),
        ("screenview", "page"),
        ("heartbeat", None),
    ],
)
def test_a_role_is_guessed_by_the_word(event_type: str, role: str | None) -> None:
    assert guessed_role(event_type) == role


def test_a_guess_for_a_shipped_name_is_its_role() -> None:
    """Where there is a guess: it is better to have none than another one."""
    shipped = [(name, role) for role, names in ROLES.items() for name in names]
    guesses = {name: guessed_role(name) for name, _ in shipped}
    wrong = {name: guesses[name] for name, role in shipped if guesses[name] not in (role, None)}
    assert wrong == {}
    assert sum(guess is not None for guess in guesses.values()) > 0.8 * len(shipped)


def test_each_found_name_is_told_once_for_what_it_resembles_most() -> None:
    also_called = {"order_id": ["id"], "customer_ref": ["customer_id"]}
    near = near_misses(["order_id", "customer_ref"], ["CustomerID", "Ida", "Id"], also_called)
    assert near == {"order_id": "Id", "customer_ref": "CustomerID"}


@pytest.mark.parametrize(
    ("word", "offer"),
    [
        ("rfm:champion", "Did you mean rfm:champions?"),
        ("Champions", "Did you mean rfm:champions?"),
        ("xyz", "There are rfm:champions, rfm:loyal, rule:loyals."),
    ],
)
def test_similar_names_are_offered_or_all(word: str, offer: str) -> None:
    assert did_you_mean(word, ["rfm:champions", "rfm:loyal", "rule:loyals"]) == offer


def test_the_contract_is_read_from_the_declared_sources() -> None:
    assert len(TABLES) == 16
    table = TABLES[0]
    assert (table.name, table.is_required) == ("orders", True)
    assert table.required_columns == ("order_id", "customer_ref", "ordered_at", "amount")
    assert [table.name for table in TABLES if table.is_required] == ["orders"]
    kinds = {column: table.kind_of(column) for column in table.columns}
    assert (kinds["ordered_at"], kinds["amount"]) == ("instant", "number")
    assert (kinds["order_id"], kinds["is_synthetic"]) == ("text", "boolean")


def test_names_used_elsewhere_mean_one_column_of_a_table() -> None:
    """But for what an id is called anywhere, and what orders and customers both need."""
    for table in TABLES:
        spellings = [name for names in table.also_called.values() for name in names]
        assert len(set(spellings)) == len(spellings), table.name
        assert not set(spellings) & set(table.columns), table.name


WORDS = st.sampled_from(
    ["", "7", "-3,50", "2024-03-05", "5.3.2024 10:00", "paid", "EUR", "x@y.z", "qzx", "Qzx Qzxson",
     "qzx@example.org", "Qzx's; 5", "0049 qzx"]
)  # fmt: skip
NAMES = ("order_id", "customer_ref", "ordered_at", "amount", "status", "email", "birth_date",
         "InvoiceDate", "Total", "source_system", "currency")  # fmt: skip


@given(
    table=st.sampled_from(["orders", "customers", "clients"]),
    names=st.lists(st.sampled_from(NAMES), min_size=1, max_size=6, unique=True),
    lines=st.lists(st.lists(WORDS, min_size=6, max_size=6), min_size=1, max_size=9),
    has_header=st.booleans(),
)
@examples(60)
def test_whatever_the_cells_hold_none_of_it_is_told(
    tmp_path_factory: pytest.TempPathFactory,
    table: str,
    names: list[str],
    lines: list[list[str]],
    has_header: bool,
) -> None:
    """Nine rows at most: no word is shared by enough of them. A missing header is a person."""
    folder = tmp_path_factory.mktemp("cells")
    with (folder / f"{table}.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerows([names] * has_header + [line[: len(names)] for line in lines])
    assert "qzx" not in str(check_folder(str(folder), TABLES, ROLES)).casefold()


# --- A warehouse -------------------------------------------------------------------------------


def test_tables_of_a_warehouse_get_the_same_answers(tmp_path: Path) -> None:
    with duckdb.connect() as connection:
        connection.execute(f"attach '{tmp_path}/shop.duckdb' as shop; create schema shop.sales")
        connection.execute(
            f"create table shop.sales.invoices as select 1 as order_id, '{CANARY}' as customer_ref,"
            " date '2024-03-05' as invoice_date, 9.5 as amount"
        )
        there = ("shop", "sales")
        unnamed = check_warehouse(connection, *there, {}, TABLES, ROLES)
        named = check_warehouse(connection, *there, {"orders": "invoices"}, TABLES, ROLES)
        nowhere = check_warehouse(connection, "shop", "elsewhere", {}, TABLES, ROLES)
    assert "raw_identifiers: {orders: invoices}" in unnamed.changes[0]
    assert "'invoice_date' looks like ordered_at" in named.changes[0]
    assert named.found == 1
    assert "canary" not in str(named)
    assert variables(named)["raw_identifiers"] == {"orders": "invoices"}
    assert "shop.elsewhere has no tables" in nowhere.changes[0]
