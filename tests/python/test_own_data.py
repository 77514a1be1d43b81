"""The mappings of docs/own_data.md, run as printed, against the raw samples read another way."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from printed_examples import ROOT, block, run
from wholesaler import COUNTER, SAMPLE, documents

PAGE = "docs/own_data.md"
SAMPLES = ROOT / "docs" / "samples"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the mappings need of the project: they read samples and the contract."""
    folder = tmp_path_factory.mktemp("own-data")
    for name in ("docs", "models", "dbt_project.yml", ".venv"):
        (folder / name).symlink_to(ROOT / name)
    return folder


@pytest.fixture(scope="module", params=["retail", "shopify", "ga4", "wholesale"])
def shape(request: pytest.FixtureRequest, folder: Path) -> tuple[str, str, Path]:
    """A shape, what its commands said, and the folder with what they made."""
    made = run(block(PAGE, request.param, "bash"), folder)
    assert made.returncode == 0, made.stdout + made.stderr
    return request.param, made.stdout, folder / "data" / request.param


def rows(file: str) -> list[dict[str, str]]:
    with (SAMPLES / file).open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def read(path: Path, what: str) -> list[tuple[Any, ...]]:
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        return connection.execute(f"select {what} from '{path}' order by all").fetchall()


def test_what_was_mapped_is_ready_for_a_build(shape: tuple[str, str, Path]) -> None:
    _, output, _ = shape
    assert "Nothing has to change." in output
    assert "would be ignored" not in output


def test_orders_are_those_of_the_raw_file(shape: tuple[str, str, Path]) -> None:
    name, _, folder = shape
    made = read(folder / "orders.parquet", "order_id, customer_ref, amount")
    assert sorted(made, key=repr) == sorted(ORDERS[name](), key=repr)


@pytest.mark.parametrize("shape", ["ga4"], indirect=True)
def test_events_keep_their_session_and_instant(shape: tuple[str, str, Path]) -> None:
    _, _, folder = shape
    events = [json.loads(line) for line in (SAMPLES / "ga4" / "events.jsonl").open()]
    made = read(folder / "events.parquet", "session_id, epoch_us(occurred_at), event_type")
    wanted = sorted(
        (
            f"{event['user_pseudo_id']}.{event['event_params'][0]['value']['int_value']}",
            int(event["event_timestamp"]),
            event["event_name"],
        )
        for event in events
    )
    assert made == wanted
    assert read(folder / "events.parquet", "count(distinct event_id)") == [(len(events),)]


def invoices() -> list[tuple[Any, ...]]:
    amounts: dict[tuple[str, str | None], Decimal] = defaultdict(Decimal)
    for line in rows("retail/online_retail.csv"):
        if not line["InvoiceNo"].startswith("A"):
            key = line["InvoiceNo"], line["CustomerID"] or None
            amounts[key] += int(line["Quantity"]) * Decimal(line["UnitPrice"])
    return [(*key, amount) for key, amount in amounts.items()]


def shop_orders() -> list[tuple[Any, ...]]:
    made = []
    for line in rows("shopify/orders_export.csv"):
        if line["Subtotal"]:
            who = line["Email"].lower() or None
            made.append((line["Name"], who, Decimal(line["Subtotal"])))
            if refunded := Decimal(line["Refunded Amount"]):
                made.append((f"{line['Name']}-refund", who, -refunded))
    return made


def purchases() -> list[tuple[Any, ...]]:
    events = [json.loads(line) for line in (SAMPLES / "ga4" / "events.jsonl").open()]
    return [
        (sold["transaction_id"], event["user_id"], Decimal(str(sold["purchase_revenue"])))
        for event in events
        if (sold := event["ecommerce"])
    ]


def booked() -> list[tuple[Any, ...]]:
    return [
        (
            line["DocNo"],
            None if line["Account"] == COUNTER else line["Account"],
            Decimal(line["Net"]) * (-1 if line["DocType"] == "credit note" else 1),
        )
        for line in rows("wholesale/documents.csv")
    ]


def test_the_sample_of_the_wholesaler_is_the_generated_one() -> None:
    assert SAMPLE.read_text(encoding="utf-8") == documents()


ORDERS = {"retail": invoices, "shopify": shop_orders, "ga4": purchases, "wholesale": booked}


def test_the_printed_report_is_what_the_command_says(folder: Path) -> None:
    made = run(block(PAGE, "check-input", "bash"), folder)
    assert made.returncode == 1, "the raw file is in need of change"
    assert made.stdout == block(PAGE, "check-input-output", "text")
