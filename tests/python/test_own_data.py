"""The mappings of docs/own_data.md, run as printed, against the raw samples read another way."""

from __future__ import annotations

import csv
import json
import re
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
SHAPES = ["retail", "shopify", "woocommerce", "stripe", "bigcommerce", "ga4", "wholesale"]
CENT = Decimal("0.01")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the mappings need of the project: they read samples and the contract."""
    folder = tmp_path_factory.mktemp("own-data")
    for name in ("docs", "models", "dbt_project.yml", ".venv"):
        (folder / name).symlink_to(ROOT / name)
    return folder


@pytest.fixture(scope="module", params=SHAPES)
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
    # An id that is a hash stands for one that the source lacks.
    known = [(None if re.fullmatch("[0-9a-f]{32}", row[0]) else row[0], *row[1:]) for row in made]
    assert sorted(known, key=repr) == sorted(ORDERS[name](), key=repr)
    assert len({row[0] for row in made}) == len(made)


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
    batches = read(folder / "events.parquet", "epoch_us(occurred_at), sequence, product_id")
    assert [row for row in batches if row[1]] == [
        (int(event["event_timestamp"]), event["batch_event_index"], event["items"][0]["item_id"])
        for event in events
        if "batch_event_index" in event
    ]


def invoice_lines() -> list[dict[str, str]]:
    """Each line once, without bookkeeping and fees."""
    lines = {tuple(line.items()): line for line in rows("retail/online_retail.csv")}.values()
    return [
        line
        for line in lines
        if not line["InvoiceNo"].startswith("A") and line["StockCode"] != "BANK CHARGES"
    ]


def invoices() -> list[tuple[Any, ...]]:
    amounts: dict[tuple[str, str | None], Decimal] = defaultdict(Decimal)
    for line in invoice_lines():
        key = line["InvoiceNo"], line["CustomerID"] or None
        amounts[key] += int(line["Quantity"]) * Decimal(line["UnitPrice"])
    return [(*key, amount) for key, amount in amounts.items()]


@pytest.mark.parametrize("shape", ["retail"], indirect=True)
def test_lines_and_products_of_invoices_are_those_of_goods(shape: tuple[str, str, Path]) -> None:
    """Not lines entered twice, not postage; and no note of the warehouse is a name."""
    _, _, folder = shape
    sold = [line for line in invoice_lines() if line["StockCode"].isdigit()]
    assert len(sold) < len(invoice_lines()) < len(rows("retail/online_retail.csv"))
    made = read(folder / "order_lines.parquet", "order_id, product_id, quantity")
    wanted = [(line["InvoiceNo"], line["StockCode"], int(line["Quantity"])) for line in sold]
    assert made == sorted(wanted)
    assert read(folder / "order_lines.parquet", "count(distinct (order_id, line_number))") == [
        (len(sold),)
    ]
    assert read(folder / "products.parquet", "product_id, name") == [
        ("22001", "JAM JAR LABELS SET OF 12"),
        ("22002", "ENAMEL MUG CREAM"),
        ("22003", "TEA TOWEL STRIPES"),
        ("22004", "WICKER BASKET LARGE"),
        ("22005", "PAPER GARLAND"),
    ]


def shop_orders() -> list[tuple[Any, ...]]:
    made = []
    for line in rows("shopify/orders_export.csv"):
        if line["Subtotal"]:
            who = line["Email"].lower() or None
            amount = Decimal(line["Subtotal"])
            made.append((line["Name"], who, amount))
            refunded = Decimal(line["Refunded Amount"])
            if refunded and not line["Cancelled at"]:
                made.append(returned(line["Name"], who, min(refunded, amount)))
    return made


def returned(order: str, who: str | None, amount: Decimal) -> tuple[Any, ...]:
    return f"{order}-refund", who, -amount.quantize(CENT)


def api_orders(shape: str) -> list[dict[str, Any]]:
    return list(json.loads((SAMPLES / shape / "orders.json").read_text(encoding="utf-8")))


def account_or_email(account: int, email: str) -> str | None:
    return str(account) if account else email.lower() or None


def woocommerce_orders() -> list[tuple[Any, ...]]:
    made = []
    for order in api_orders("woocommerce"):
        who = account_or_email(order["customer_id"], order["billing"]["email"])
        gross = Decimal(order["total"])
        net = gross - Decimal(order["total_tax"]) - Decimal(order["shipping_total"])
        made.append((str(order["id"]), who, net))
        if refunds := [-Decimal(refund["total"]) for refund in order["refunds"]]:
            made.append(returned(str(order["id"]), who, sum(refunds, Decimal(0)) * net / gross))
    return made


def stripe_payments() -> list[tuple[Any, ...]]:
    made = []
    for payment in rows("stripe/payments.csv"):
        who = payment["Customer ID"] or payment["Customer Email"] or None
        paid, refunded = (
            Decimal(payment[name].replace(",", ".")) for name in ("Amount", "Amount Refunded")
        )
        made.append((payment["id"], who, paid))
        if refunded:
            made.append(returned(payment["id"], who, refunded))
    return made


def bigcommerce_orders() -> list[tuple[Any, ...]]:
    made = []
    for order in api_orders("bigcommerce"):
        who = account_or_email(order["customer_id"], order["billing_address"]["email"])
        net = Decimal(order["total_ex_tax"]) - Decimal(order["shipping_cost_ex_tax"])
        made.append((str(order["id"]), who, net))
        if refunded := Decimal(order["refunded_amount"]):
            net_refund = refunded * net / Decimal(order["total_inc_tax"])
            made.append(returned(str(order["id"]), who, net_refund))
    return made


def purchases() -> list[tuple[Any, ...]]:
    """The first purchase of each id, or without one of each basket of a session; refunds."""
    events = [json.loads(line) for line in (SAMPLES / "ga4" / "events.jsonl").open()]
    made: dict[object, tuple[Any, ...]] = {}
    for event in sorted(events, key=lambda event: int(event["event_timestamp"])):
        if sold := event["ecommerce"]:
            who, order = event["user_id"], sold["transaction_id"]
            if event["event_name"] == "refund":
                made[len(made)] = None, who, -Decimal(str(sold["refund_value"]))
                continue
            known = None if order in (None, "(not set)") else order
            amount = Decimal(str(sold["purchase_revenue"]))
            visit = event["user_pseudo_id"], event["event_params"][0]["value"]["int_value"]
            basket = *visit, amount, event["items"][0]["item_id"]
            made.setdefault(known or basket, (known, who, amount))
    return list(made.values())


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


ORDERS = {
    "retail": invoices,
    "shopify": shop_orders,
    "woocommerce": woocommerce_orders,
    "stripe": stripe_payments,
    "bigcommerce": bigcommerce_orders,
    "ga4": purchases,
    "wholesale": booked,
}


@pytest.mark.parametrize("shape", ["woocommerce", "stripe", "bigcommerce"], indirect=True)
def test_a_sample_has_what_a_shop_has(shape: tuple[str, str, Path]) -> None:
    """Returns in full and in part, a guest with and without an e-mail, a test order."""
    _, _, folder = shape
    words = {word for (word,) in read(folder / "orders.parquet", "status")}
    assert words & {"cancelled", "uncaptured"}
    assert {"test", "returned", "refunded"} <= words
    references = {reference for (reference,) in read(folder / "orders.parquet", "customer_ref")}
    assert {None, "sven@example.com", "mina@example.com"} <= references
    net = f"(select order_id, amount from '{folder}/orders.parquet' where status = 'refunded')"
    with duckdb.connect() as connection:
        left = connection.execute(
            f"""
            select refunded.amount + returns.amount
            from {net} as refunded
            inner join '{folder}/orders.parquet' as returns
                on returns.order_id = refunded.order_id || '-refund'
            """
        ).fetchall()
    assert left == [(0,)]


def test_the_printed_report_is_what_the_command_says(folder: Path) -> None:
    made = run(block(PAGE, "check-input", "bash"), folder)
    assert made.returncode == 1, "the raw file is in need of change"
    assert made.stdout == block(PAGE, "check-input-output", "text")
