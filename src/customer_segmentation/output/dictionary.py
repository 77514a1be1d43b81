"""The data dictionary: every published table and column on one page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_HEADING = """# Data dictionary

Every published table and column, made from the YAML of the marts by `make docs`. Tables without a
schema before their name are in the schema main. The published file also has a schema details:
tables that serve the views segment_memberships, segment_history, segment_changes, score_parts and
customer_next_segments. They are no interface, may change with any version, and are described by
their comments alone.
"""


def data_dictionary(manifest: Mapping[str, Any]) -> str:
    """Writes the published tables of a dbt manifest as Markdown.

    Args:
        manifest: The content of ``manifest.json``. Published are the models with the meta key
            ``published_schema``.

    Returns:
        A page with a section per table, sorted by schema and name, those of main first.
    """
    nodes = manifest["nodes"].values()
    marts = [
        (node["config"]["meta"]["published_schema"], node)
        for node in nodes
        if node["resource_type"] == "model" and node["config"]["meta"].get("published_schema")
    ]
    marts.sort(key=lambda mart: (mart[0] != "main", mart[0], mart[1]["name"]))
    return _HEADING + "".join(_section(schema, node) for schema, node in marts)


def _section(schema: str, node: Mapping[str, Any]) -> str:
    name = node["name"] if schema == "main" else f"{schema}.{node['name']}"
    lines = [f"\n## {name}\n", _one_line(node["description"]), ""]
    lines += ["| column | type | meaning |", "| --- | --- | --- |"]
    for column in node["columns"].values():
        is_given = any(rule["type"] == "not_null" for rule in column.get("constraints", []))
        kind = column.get("data_type") or ""
        meaning = _one_line(column["description"]).replace("|", r"\|")
        lines.append(f"| `{column['name']}` | {kind}{', never null' * is_given} | {meaning} |")
    return "\n".join(lines) + "\n"


def _one_line(text: str) -> str:
    return " ".join(text.split())
