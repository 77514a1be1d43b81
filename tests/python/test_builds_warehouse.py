"""Raw tables in an attached database: the same door, the same refusals, the same marts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml
from conftest import Build, Workshop, scenario, some_marts
from rule_grammar_project import ROOT, GrammarProject

from customer_segmentation.input.contract import CONTRACT, read_contract

WAREHOUSE_VARS = {
    "raw_dir": "nowhere",
    "raw_database": "shop",
    "raw_schema": "sales",
    "raw_identifiers": {"orders": "sales_orders"},
}
DEFAULTS = yaml.safe_load((ROOT / "dbt_project.yml").read_text(encoding="utf-8"))["vars"]


def make_warehouse(folder: Path, project: Path) -> Path:
    """Writes shop.duckdb, and a profile of the project's that attaches it; returns its folder."""
    with duckdb.connect(str(folder / "shop.duckdb")) as shop:
        shop.execute(
            """
            create schema sales;
            -- twenty customers with three orders each, one with a return; orders have no channel
            create table sales.sales_orders as
            select
                i as order_id,
                'c' || i % 20 as customer_ref,
                timestamp '2024-03-01 09:00:00' + i * interval 7 hour as ordered_at,
                cast(10 + i % 20 as decimal(12, 2)) as amount,
                'paid' as status,
                'not in the contract' as remark
            from range(60) as numbers(i)
            union all
            select 60, 'c0', timestamp '2024-03-18 12:00:00', -4.50, 'refunded', null;
            create table sales.customers as
            select i as record_id, 'c' || i as customer_ref, 'north' as region
            from range(25) as numbers(i);
            -- of another name than the contract's, so it is not read
            create table sales.clicks as select 1 as event_id;
            """
        )
    profile = yaml.safe_load((project / "profiles.yml").read_text().replace("| as_number", ""))
    local = profile["customer_segmentation"]["outputs"]["local"]
    local["threads"] = 1
    local["attach"] = [{"path": str(folder / "shop.duckdb"), "alias": "shop", "read_only": True}]
    profile["customer_segmentation"]["outputs"] = {"local": local}
    profiles = folder / "profiles"
    profiles.mkdir()
    (profiles / "profiles.yml").write_text(yaml.safe_dump(profile))
    return profiles


@scenario()
def from_warehouse(workshop: Workshop) -> tuple[Build, Build]:
    """A look at the tables of an attached database, and a build from them."""
    folder = workshop.folder("from-warehouse")
    place = ["--profiles-dir", str(make_warehouse(folder, workshop.builder.project))]
    marts = "customers customer_features source_coverage"
    build = some_marts(workshop, marts, folder, None, WAREHOUSE_VARS, place)
    look = ["check_input", *place]
    return workshop.build(folder, None, WAREHOUSE_VARS, look, "run-operation"), build


def test_marts_from_tables_hold_what_those_hold(
    from_warehouse: tuple[Build, Build],
) -> None:
    build = from_warehouse[1].passed()
    found = build.rows(
        "select count(*), sum(frequency), sum(monetary) from customer_features where is_buyer"
    )
    # 20 customers, 60 orders of 10 to 29 three times each, less a return of 4.50
    assert [tuple(map(float, row)) for row in found] == [(20, 60, 3 * sum(range(10, 30)) - 4.5)]
    assert build.rows("select count(*) from customers where region = 'north'") == [(25,)]


def test_a_table_that_is_not_there_is_empty(from_warehouse: tuple[Build, Build]) -> None:
    rows = from_warehouse[1].rows(
        "select value from source_coverage where source_table = 'events' and check_name = 'rows'"
    )
    assert rows == [(0,)]


def test_a_look_at_the_tables_says_what_is_there(from_warehouse: tuple[Build, Build]) -> None:
    output = " ".join(from_warehouse[0].passed().output.split())
    assert "- orders: shop.sales.sales_orders, 61 rows, ordered_at from 2024-03-01" in output
    assert "shop.sales.clicks looks like events" in output
    assert "Nothing has to change." in output
    assert "order_statuses: {paid: completed, refunded: returned}" in output


# --- The door alone ----------------------------------------------------------------------------


def door(variables: dict[str, Any], tables: dict[str, str]) -> str:
    """A template that makes tables in the schema raw and asks the door what it finds."""
    contract = [
        {
            "name": table.name,
            "columns": table.columns,
            "required_columns": table.required_columns,
            "is_required": table.is_required,
        }
        for table in read_contract(ROOT / CONTRACT)
    ]
    made = ["drop schema if exists raw cascade", "create schema raw"]
    made += [
        f"create table raw.{name} as select {', '.join(f'1 as {c}' for c in columns.split())}"
        for name, columns in tables.items()
    ]
    statements = "".join("{% do run_query(" + json.dumps(sql) + ") %}" for sql in made)
    return (
        "{% if execute %}"
        + statements
        + "{% set found = find_raw_tables(fromjson("
        + json.dumps(json.dumps(contract))
        + ")) %}{% for name, table in found.items() %}{{ name }} {{ table.relation }} "
        + "{{ table.columns | join(' ') }};{% endfor %}{% endif %}"
    )


ORDERS = "order_id customer_ref ordered_at amount"
RAW = {"raw_database": None, "raw_schema": "raw", "raw_identifiers": {}}


def test_tables_of_the_schema_are_found_with_their_columns(project: GrammarProject) -> None:
    variables = {**DEFAULTS, **RAW, "raw_identifiers": {"customers": "crm"}}
    tables = {"orders": f"extra {ORDERS}", "crm": "record_id", "customers": "no_contract"}
    found = project.render(door(variables, tables), variables)
    assert found.split(";")[:-1] == [
        f'orders "memory"."raw"."orders" extra {ORDERS}',
        'customers "memory"."raw"."crm" record_id',
    ]


@pytest.mark.parametrize(
    ("given", "tables", "words"),
    [
        ({}, {}, ["memory.raw has no table 'orders'", "raw_identifiers", "0 tables"]),
        (
            {"raw_schema": "elsewhere"},
            {"orders": ORDERS},
            ["memory.elsewhere has no table 'orders'"],
        ),
        (
            {},
            {"orders": "order_id customer_ref amount OrderDate"},
            ["memory.raw.orders lacks the required column ordered_at", "Found order_id"],
        ),
        ({}, {"orders": ORDERS, "customers": "email"}, ["raw.customers lacks", "record_id"]),
        (
            {"raw_identifiers": {"events": "hits"}},
            {"orders": ORDERS},
            ["has no table 'hits' for events"],
        ),
    ],
)
def test_what_is_missing_is_refused_as_with_files(
    project: GrammarProject, given: dict[str, Any], tables: dict[str, str], words: list[str]
) -> None:
    variables = {**DEFAULTS, **RAW, **given}
    message = project.complaint(door(variables, tables), variables)
    assert not [word for word in words if word not in message], message
