"""GRANT statements that give the roles of var roles the same tables in a warehouse as in files."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from customer_segmentation.output.roles import KINDS, NAME_OF_ROLE, NO_AGGREGATES
from explorer.build import HERE


class GrantsError(ValueError):
    """There is nothing to grant, or not as given; the message says what to set."""


def _double(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _back(name: str) -> str:
    return f"`{name}`"


def _postgres(role: str, schema: str, tables: Mapping[str, str]) -> list[str]:
    return [f"grant usage on schema {_double(schema)} to {_double(role)}"] + [
        f"grant select on {_double(schema)}.{_double(name)} to {_double(role)}" for name in tables
    ]


def _snowflake(role: str, schema: str, tables: Mapping[str, str]) -> list[str]:
    # dbt leaves names unquoted there, so they are stored in capitals.
    return [f"grant usage on schema {schema} to role {role}"] + [
        f"grant select on {kind} {schema}.{name} to role {role}" for name, kind in tables.items()
    ]


def _bigquery(role: str, schema: str, tables: Mapping[str, str]) -> list[str]:
    return [
        f"grant `roles/bigquery.dataViewer` on {kind} {_back(schema)}.{_back(name)} "
        f'to "group:{role}@YOUR_DOMAIN"'
        for name, kind in tables.items()
    ]


def _databricks(role: str, schema: str, tables: Mapping[str, str]) -> list[str]:
    return [f"grant use schema on schema {_back(schema)} to {_back(role)}"] + [
        f"grant select on {kind} {_back(schema)}.{_back(name)} to {_back(role)}"
        for name, kind in tables.items()
    ]


Statements = Callable[[str, str, Mapping[str, str]], list[str]]
PLATFORMS: dict[str, Statements] = {
    "postgres": _postgres,
    "snowflake": _snowflake,
    "bigquery": _bigquery,
    "databricks": _databricks,
}


def grants(manifest: Mapping[str, Any], roles: Any, platform: str) -> list[str]:
    """The statements, without semicolons; the roles and tables have to exist.

    Args:
        manifest: dbt's.
        roles: Kinds of tables by role, as in var roles.
        platform: One of ``PLATFORMS``.

    Raises:
        GrantsError: There are no roles, or not such as var roles may have: a file of vars is read
            as it is.
    """
    if not roles:
        raise GrantsError(
            "Var roles is empty. Expected roles and their kinds of tables in the vars of the data "
            "set, such as roles: {marketing: [aggregates, outbox]}."
        )
    _check(roles)
    found = []
    for role, kinds in sorted(roles.items()):
        schemas: dict[str, dict[str, str]] = {}
        for schema, name, is_view, kind in _marts(manifest):
            if kind in kinds or name == "data_set":
                schemas.setdefault(schema, {})[name] = "view" if is_view else "table"
        if "aggregates" in kinds:
            schemas["aggregates"] = dict.fromkeys(_aggregates(), "table")
        for schema, tables in sorted(schemas.items()):
            found += PLATFORMS[platform](role, schema, tables)
    return found


def _check(roles: Any) -> None:
    if not isinstance(roles, dict):
        raise GrantsError(
            f"Var roles is {roles!r}. Expected a mapping from roles to kinds of tables, such as "
            f"{{marketing: [aggregates, outbox]}}."
        )
    for role, kinds in roles.items():
        if not isinstance(role, str) or not NAME_OF_ROLE.fullmatch(role):
            raise GrantsError(
                f"Var roles has a role {role!r}. Expected lower-case letters, digits and _, "
                f"starting with a letter."
            )
        if not isinstance(kinds, list) or not all(kind in KINDS for kind in kinds):
            raise GrantsError(
                f"Var roles, at {role}: {kinds!r}. Expected a list of {', '.join(KINDS)}."
            )


def _marts(manifest: Mapping[str, Any]) -> list[tuple[str, str, bool, str]]:
    return sorted(
        (
            node["schema"],
            node["alias"],
            node["config"]["materialized"] == "view",
            node["config"]["meta"].get("kind", "customers"),
        )
        for node in manifest["nodes"].values()
        if node["resource_type"] == "model" and node["config"]["meta"].get("published_schema")
    )


def _aggregates() -> list[str]:
    files = [HERE / "sizes.sql", *sorted((HERE / "pages").glob("*.sql"))]
    text = "\n".join(file.read_text(encoding="utf-8") for file in files)
    return sorted(set(re.findall(r"^-- table: (\w+)$", text, re.MULTILINE)) - set(NO_AGGREGATES))
