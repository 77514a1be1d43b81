"""References that mean no customer or meet none: what a build counts and how it warns."""

from __future__ import annotations

import os

import pytest
from conftest import Build, Workshop, scenario
from rich.console import Console

from customer_segmentation.output.summary import print_summary

# A thousand customers with an order each, 60 orders of a collective account, and guests in words.
ORDERS = [f"{n},c{n},2024-03-05 12:00:00,10.00," for n in range(1_000)]
ORDERS += [f"a{n},ZOE-CANARY,2024-03-0{n % 5 + 1} 12:00:00,10.00," for n in range(60)]
ORDERS += [
    f"g{n},{word},2024-03-05 12:00:00,10.00,"
    for n, word in enumerate(["NULL", "nan", "(Not Set)", r"\N"] * 20)
]


def lines(header: str, rows: list[str]) -> str:
    return "\n".join([header, *rows, ""])


FILES = {
    "orders.csv": lines("order_id,customer_ref,ordered_at,amount,loaded_at", ORDERS),
}


@scenario()
def odd_references(workshop: Workshop) -> Build:
    return workshop.build(workshop.folder("odd-references"), FILES, with_artifacts=True)


@pytest.fixture(scope="module")
def warnings(odd_references: Build) -> str:
    """The warnings of the summary, without line breaks."""
    folder = odd_references.passed().folder
    console = Console(record=True, width=120, file=open(os.devnull, "w"))  # noqa: SIM115, PTH123
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        print_summary(folder / "target", console)
    return " ".join(console.export_text().split("Warnings")[1].split())


def test_orders_of_a_word_for_no_customer_are_of_guests(odd_references: Build) -> None:
    found = odd_references.passed().rows(
        "select check_name, value from monitoring.source_coverage "
        "where source_table = 'orders' and check_name in ('loaded', 'guests') order by 1"
    )
    assert found == [("guests", 80), ("loaded", 1_140)]
    assert odd_references.rows("select count(*) from customer_features") == [(1_001,)]


def test_the_summary_warns_of_a_customer_with_many_of_all_orders(warnings: str) -> None:
    assert "no customer holds many of all orders" in warnings
    assert "one customer holds 5.7% of all orders, 57 times the mean" in warnings


def test_no_warning_names_a_reference(warnings: str) -> None:
    assert "canary" not in warnings.lower()
