"""Builds of odd files as they occur: each came out green with the wrong customers once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import yaml
from conftest import ROOT, Build, Workshop, scenario, some_marts
from printed_examples import block, run

CASES = ROOT / "tests" / "python" / "data" / "cases"
MARTS = "customers customer_features quarantined_records"
PEOPLE = """
    with people as (
        select refs.customer_ref, resolved.*
        from int_identity__references as refs
        inner join int_identity__customers_resolved as resolved using (customer_key)
    )
"""
BUYERS = f"""{PEOPLE}
    select people.customer_ref, features.frequency, features.monetary
    from people
    inner join customer_features as features using (customer_id)
    where features.frequency > 0
    order by all
"""
REFUSED = "select source_table, rule, count(*) from quarantined_records group by all"


def files(case: str) -> dict[str, bytes]:
    """The raw files of a case by their path in raw_dir."""
    folder = CASES / case
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def case(
    workshop: Workshop, name: str, variables: Mapping[str, Any] | None = None, marts: str = MARTS
) -> Build:
    return some_marts(workshop, marts, workshop.folder(f"case-{name}"), files(name), variables)


def mapped(workshop: Workshop, shape: str, samples: Mapping[str, bytes]) -> Build:
    """A recipe of docs/own_data.md and the vars it prints, on other files than its samples."""
    folder = workshop.folder(f"case-{shape}")
    for name in ("models", "dbt_project.yml", ".venv"):
        (folder / name).symlink_to(ROOT / name)
    (folder / "docs" / "samples" / shape).mkdir(parents=True)
    for name, content in samples.items():
        (folder / "docs" / "samples" / shape / name).write_bytes(content)
    made = run(block("docs/own_data.md", shape, "bash"), folder)
    assert made.returncode == 0, made.stdout + made.stderr
    printed = block("docs/own_data.md", f"{shape}-build", "bash").split("'")[1]
    variables = yaml.safe_load(printed) | {"dataset": "trial"}
    # The links would be part of the project; the build has a copy of its own.
    for name in ("models", "dbt_project.yml", ".venv"):
        (folder / name).unlink()
    return some_marts(workshop, MARTS, folder, None, variables)


@scenario()
def shopify_export(workshop: Workshop) -> Build:
    """With an order of a status that isn't in the var."""
    samples = files("shopify")
    unknown = samples["orders_export.csv"].splitlines()[-1].replace(b"#2008", b"#2009")
    samples["orders_export.csv"] += unknown.replace(b"partially_paid", b"on_hold") + b"\n"
    return mapped(workshop, "shopify", samples)


def test_shopify_refunds_end_at_the_subtotal_and_only_what_is_paid_is_bought(
    shopify_export: Build,
) -> None:
    """Ivo's refund includes shipping; two orders are authorized and expired, one paid in part."""
    features = shopify_export.passed().rows(
        "select frequency, monetary from customer_features where frequency > 0 order by all"
    )
    ivo, lea, uma = (2, Decimal(10)), (1, Decimal(50)), (1, Decimal(50))
    assert features == sorted([ivo, lea, uma])
    assert shopify_export.rows(REFUSED) == [("orders", "unknown_status", 1)]


@scenario()
def ga4_export(workshop: Workshop) -> Build:
    return mapped(workshop, "ga4", files("ga4"))


def test_ga4_purchases_count_once_with_or_without_an_id(ga4_export: Build) -> None:
    """A reloads the page of thanks; B buys twice as "(not set)"."""
    assert ga4_export.passed().rows(BUYERS) == [
        ("mA", 1, Decimal(80)),
        ("mB", 2, Decimal(50)),
        ("mC", 1, Decimal(40)),
    ]
    assert ga4_export.rows(REFUSED) == []


def test_ga4_events_of_one_instant_are_all_loaded(ga4_export: Build) -> None:
    carts = "from stg_events where customer_ref = 'mA' and event_type = 'add_to_cart'"
    assert ga4_export.passed().rows(f"select product_id {carts} order by all") == [
        ("SKU1",),
        ("SKU2",),
    ]


@scenario()
def unclosed_quote(workshop: Workshop) -> Build:
    folder = workshop.folder("case-unclosed_quote")
    sources = ["--select", "models/staging", "tests/staging"]
    return workshop.build(folder, files("unclosed_quote"), args=sources)


def test_an_unclosed_quote_stops_the_build_and_is_named(unclosed_quote: Build) -> None:
    output = unclosed_quote.failed().output
    assert "orders.csv" in output
    assert "quote" in output
    assert "row 24" in output, output
    assert "C23" not in output


@scenario()
def nanoseconds_with_zone(workshop: Workshop) -> Build:
    return case(workshop, "nanoseconds_with_zone")


def test_nanoseconds_with_a_zone_are_time_stamps(nanoseconds_with_zone: Build) -> None:
    build = nanoseconds_with_zone.passed()
    assert build.rows("select order_id, ordered_on from stg_orders order by all") == [
        ("a1", date(2026, 5, 1)),
        ("a2", date(2026, 5, 2)),
        ("a3", date(2026, 5, 3)),
    ]
    assert build.rows(BUYERS) == [("k1", 2, Decimal(40)), ("k2", 1, Decimal(20))]


@scenario()
def ids_of_mixed_types(workshop: Workshop) -> Build:
    return case(workshop, "ids_of_mixed_types", {"timezone": "Europe/Zurich"})


def test_ids_meet_whatever_their_type(ids_of_mixed_types: Build) -> None:
    build = ids_of_mixed_types.passed()
    assert ("17850", 1, Decimal("10.01")) in build.rows(BUYERS)
    people = "select customer_ref, region, exclusion_reason, segmentation_consent from people"
    assert build.rows(f"{PEOPLE} {people} where region is not null order by all") == [
        ("17850", "Zürich", None, True),
        ("9001", "Bern", "internal", None),
    ]


def test_a_withdrawn_or_erased_customer_is_gone_whatever_the_type_of_the_id(
    ids_of_mixed_types: Build,
) -> None:
    build = ids_of_mixed_types.passed()
    gone = "customer_ref like '%5831234567890%'"
    assert build.rows(f"{PEOPLE} select * from people where {gone}") == []
    assert build.rows("select amount from int_facts__orders") == [(Decimal("10.01"),)]
    assert build.rows("select count(*) from customers where not is_excluded") == [(1,)]


def test_an_id_that_a_double_cannot_hold_is_set_aside(ids_of_mixed_types: Build) -> None:
    assert ids_of_mixed_types.passed().rows(REFUSED) == [("orders", "inexact_key", 1)]


@scenario()
def other_endings(workshop: Workshop) -> Build:
    return case(workshop, "other_endings")


def test_tables_of_other_endings_and_in_parts_are_read(other_endings: Build) -> None:
    people = "select customer_ref, exclusion_reason, segmentation_consent from people"
    assert other_endings.passed().rows(f"{PEOPLE} {people}") == [("k1", "internal", False)]
    assert other_endings.rows(BUYERS) == []


@scenario()
def capitals_in_the_header(workshop: Workshop) -> Build:
    folder = workshop.folder("case-capitals_in_the_header")
    sources = ["--select", "models/staging", "tests/staging"]
    build = workshop.build(folder, files("capitals_in_the_header"), args=sources)
    return replace(build, is_published=False)


def test_columns_in_capitals_count(capitals_in_the_header: Build) -> None:
    output = capitals_in_the_header.failed().output
    assert "EUR" in output
    assert "USD" in output
    statuses = capitals_in_the_header.rows("select order_id, status from base_orders order by all")
    assert statuses[:2] == [("a1", "ignored"), ("a2", "completed")]


@scenario()
def cart_at_midnight(workshop: Workshop) -> Build:
    """As of the night between the cart and the order, and as of the day after."""
    days = {"history_start": "2026-05-11", "period": "day", "as_of": "2026-05-12"}
    rules = {"left": {"metric": "abandoned_carts", "at_least": 1}}
    rules |= {"filled": {"metric": "carts", "at_least": 1}}
    variables = {**days, "rule_segments": rules}
    return case(workshop, "cart_at_midnight", variables, "segment_memberships segment_history")


def test_a_cart_bought_after_midnight_is_not_abandoned(cart_at_midnight: Build) -> None:
    members = "select segment_key from segment_memberships where scheme = 'rule'"
    assert cart_at_midnight.passed().rows(members) == [("rule:filled",)]


@scenario()
def guests_by_email(workshop: Workshop) -> Build:
    return case(workshop, "guests_by_email")


def test_a_withdrawal_by_email_reaches_the_record_with_it(guests_by_email: Build) -> None:
    """Ann has ordered as a guest and under her id."""
    people = "select records, exclusion_reason, segmentation_consent, count(*) from people"
    assert guests_by_email.passed().rows(f"{PEOPLE} {people} group by all order by all") == [
        (1, None, None, 1),
        (2, "consent_withdrawn", False, 2),
    ]
    assert guests_by_email.rows(BUYERS) == [("88", 1, Decimal(20))]


def test_an_erasure_by_email_reaches_the_orders_of_a_guest(guests_by_email: Build) -> None:
    known = """
        select order_id
        from stg_orders
        inner join int_identity__references using (source_system, customer_ref)
        order by order_id
    """
    assert guests_by_email.passed().rows(known) == [("a1",), ("a2",), ("a3",)]
    assert guests_by_email.rows("select order_id from stg_orders order by 1")[-1] == ("a4",)
