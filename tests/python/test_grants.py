"""The statements of make grants parse on each platform; PostgreSQL's are run by a server."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlglot
from conftest import ROOT
from sqlglot import expressions

from customer_segmentation.output.grants import PLATFORMS, GrantsError, grants
from customer_segmentation.output.roles import KINDS

ROLES = {"marketing": ["aggregates", "outbox"], "analyst": ["customers"]}


def mart(name: str, materialized: str = "table", **meta: str) -> dict[str, Any]:
    config = {"materialized": materialized, "meta": {"published_schema": "main", **meta}}
    return {"resource_type": "model", "schema": "marts", "alias": name, "config": config}


MANIFEST = {
    "nodes": {
        str(at): node
        for at, node in enumerate(
            [
                mart("customers"),
                mart("customer_records", kind="references"),
                mart("segment_memberships", "view"),
                mart("activation_outbox", kind="outbox"),
                mart("data_set", kind="quality"),
                {**mart("int_orders"), "config": {"materialized": "table", "meta": {}}},
            ]
        )
    }
}


@pytest.mark.parametrize("platform", sorted(PLATFORMS))
def test_each_statement_is_a_grant_on_a_table_of_the_role(platform: str) -> None:
    given: dict[str, set[str]] = {"marketing": set(), "analyst": set()}
    for statement in grants(MANIFEST, ROLES, platform):
        parsed = sqlglot.parse_one(statement, dialect=platform)
        assert isinstance(parsed, expressions.Grant), statement
        (principal,) = parsed.args["principals"]
        role = next(role for role in given if role in principal.sql())
        given[role].add(parsed.args["securable"].name.lower())
    assert given["analyst"] - {"marts"} == {"customers", "segment_memberships", "data_set"}
    assert {"activation_outbox", "data_set", "kpis", "sizes"} <= given["marketing"]
    assert not {"customers", "customer_records", "int_orders", "samples"} & given["marketing"]


def test_without_roles_the_message_says_what_to_set() -> None:
    with pytest.raises(GrantsError, match=r"Var roles is empty.*marketing"):
        grants(MANIFEST, {}, "postgres")


@pytest.mark.parametrize(
    ("roles", "message"),
    [
        (["marketing"], "Var roles is ['marketing']"),
        ({'a"; drop role admin; --': ["customers"]}, "Var roles has a role"),
        ({"Analyst": ["customers"]}, "Var roles has a role 'Analyst'"),
        ({1: ["customers"]}, "Var roles has a role 1"),
        ({"analyst": "xcustomersx"}, "Var roles, at analyst: 'xcustomersx'"),
        ({"analyst": ["customer"]}, "Var roles, at analyst: ['customer']"),
        ({"analyst": None}, "Var roles, at analyst: None"),
        ({"analyst": [["customers"]]}, "Var roles, at analyst: [['customers']]"),
    ],
)
def test_what_a_build_would_refuse_is_refused(roles: Any, message: str) -> None:
    with pytest.raises(GrantsError, match=re.escape(message)) as refused:
        grants(MANIFEST, roles, "postgres")
    assert len(str(refused.value).splitlines()) == 1


def test_the_kinds_are_those_that_a_build_takes() -> None:
    settings = (ROOT / "macros" / "settings" / "settings.sql").read_text(encoding="utf-8")
    assert f"{{'one_of': {list(KINDS)}}}" in settings


@pytest.fixture
def postgres() -> Iterator[Callable[[str, str], subprocess.CompletedProcess[str]]]:
    """Runs SQL as a role of a server of its own."""
    programs = [shutil.which(name) for name in ("initdb", "postgres", "psql")]
    # PostgreSQL refuses to run as root.
    owner = "postgres" if os.geteuid() == 0 else None
    if None in programs:
        pytest.skip("PostgreSQL is not installed")
    folder = Path(tempfile.mkdtemp())
    if owner:
        shutil.chown(folder, owner)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    as_owner: dict[str, Any] = {"user": owner, "cwd": folder, "capture_output": True, "text": True}
    made = subprocess.run(
        ["initdb", "-D", folder / "data", "-A", "trust", "-U", "admin", "-N"], **as_owner
    )
    assert made.returncode == 0, made.stderr
    server = subprocess.Popen(
        ["postgres", "-D", folder / "data", "-p", port, "-k", folder, "-h", ""],
        user=owner,
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def run(role: str, sql: str) -> subprocess.CompletedProcess[str]:
        where = ["-h", folder, "-p", port, "-U", role, "-d", "postgres"]
        return subprocess.run(
            ["psql", *where, "-v", "ON_ERROR_STOP=1", "-q", "-c", sql], **as_owner
        )

    try:
        for _ in range(300):
            if run("admin", "select 1").returncode == 0:
                break
        yield run
    finally:
        server.terminate()
        server.wait()
        shutil.rmtree(folder)


@pytest.mark.slow
def test_a_server_lets_each_role_read_its_tables_and_no_others(
    postgres: Callable[[str, str], subprocess.CompletedProcess[str]],
) -> None:
    statements = grants(MANIFEST, ROLES, "postgres")
    granted = re.findall(r'on "(\w+)"\."(\w+)"', "\n".join(statements))
    tables = {*granted, ("marts", "customers"), ("marts", "customer_records")}
    setup = ["create schema marts", "create schema aggregates"]
    setup += [f"create role {role} login" for role in ROLES]
    setup += [f'create table "{schema}"."{name}" (id text)' for schema, name in sorted(tables)]
    done = postgres("admin", "; ".join(setup + statements))
    assert done.returncode == 0, done.stderr
    readable = {
        role: {
            name
            for schema, name in tables
            if postgres(role, f'select * from "{schema}"."{name}"').returncode == 0
        }
        for role in ROLES
    }
    assert readable["analyst"] == {"customers", "segment_memberships", "data_set"}
    assert {"activation_outbox", "kpis"} <= readable["marketing"]
    assert not {"customers", "customer_records"} & readable["marketing"]
    assert postgres("marketing", 'insert into "aggregates"."kpis" values (1)').returncode != 0
