"""The input contract: its tables, its columns and what their names say about their values.

It is declared in ``models/staging/_input__sources.yml``. During a build dbt passes it on;
:func:`read_contract` reads it without dbt.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from customer_segmentation.near_names import near_misses

CONTRACT = Path("models/staging/_input__sources.yml")  # in the project folder
_KINDS = {
    "timestamp": "instant",
    "date": "date",
    "boolean": "boolean",
    "decimal": "number",
    "integer": "number",
}


@dataclass(frozen=True)
class ContractTable:
    """A table of the input contract.

    Attributes:
        name: Name of the table, which is also the name of its file.
        columns: All its columns, in order.
        required_columns: Those that must be in the file.
        is_required: Whether the build stops without the file.
        types: What columns hold, as data_type says; text without an entry.
        also_called: Names that other systems give the columns, best first.
        names: Names that other systems give the table.
    """

    name: str
    columns: tuple[str, ...]
    required_columns: tuple[str, ...] = ()
    is_required: bool = False
    types: Mapping[str, str] = field(default_factory=dict)
    also_called: Mapping[str, Sequence[str]] = field(default_factory=dict)
    names: tuple[str, ...] = ()

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any]) -> ContractTable:
        return cls(
            name=mapping["name"],
            columns=tuple(mapping["columns"]),
            required_columns=tuple(mapping.get("required_columns", ())),
            is_required=bool(mapping.get("is_required", False)),
            types=mapping.get("types", {}),
            also_called=mapping.get("also_called", {}),
            names=tuple(mapping.get("names", ())),
        )

    def kind_of(self, column: str) -> str:
        """What a column holds: instant, date, number, boolean, email or text."""
        if column == "email":
            return "email"
        return _KINDS.get(self.types.get(column, ""), "text")


def read_contract(path: Path) -> list[ContractTable]:
    """The tables of the source ``input`` in a dbt properties file, in the order of the file."""

    def meta(entry: Mapping[str, Any]) -> Mapping[str, Any]:
        found: Mapping[str, Any] = entry.get("config", {}).get("meta", {})
        return found

    sources = yaml.safe_load(path.read_text(encoding="utf-8"))["sources"]
    tables = next(source["tables"] for source in sources if source["name"] == "input")
    return [
        ContractTable(
            name=table["name"],
            columns=tuple(column["name"] for column in table["columns"]),
            required_columns=tuple(
                column["name"] for column in table["columns"] if meta(column).get("required")
            ),
            is_required=bool(meta(table).get("required", False)),
            types={c["name"]: c["data_type"] for c in table["columns"] if "data_type" in c},
            also_called={
                column["name"]: meta(column)["also_called"]
                for column in table["columns"]
                if "also_called" in meta(column)
            },
            names=tuple(meta(table).get("also_called", ())),
        )
        for table in tables
    ]


def read_var(contract: Path, name: str) -> Any:
    """A var as the project of this contract declares it."""
    project = yaml.safe_load((contract.parents[2] / "dbt_project.yml").read_text(encoding="utf-8"))
    return project["vars"][name]


def missing_columns(
    label: str, columns: Sequence[str], table: ContractTable, near: Mapping[str, str] | None = None
) -> str | None:
    """The message about missing required columns of a table, or None.

    Args:
        label: What the user calls the table: a path, or its name in the warehouse.
        columns: The columns found.
        table: The table expected.
        near: A hint for each missing column that has one; default: near misses by name.

    Returns:
        A message with the columns found and expected. Of the names found it repeats only contract
        columns and near misses: the first line of a file without a header holds personal data.
    """
    missing = [name for name in table.required_columns if name not in columns]
    if not missing:
        return None
    if near is None:
        others = [name for name in columns if name not in table.columns]
        near = {
            name: f"'{found}' looks like {name}"
            for name, found in near_misses(missing, others, table.also_called).items()
        }
    known = [name for name in table.columns if name in columns]
    unknown = len(columns) - len(known)
    return (
        f"{label} lacks the required column {', '.join(missing)}."
        f"{''.join(f' {near[name]}.' for name in missing if name in near)} Found "
        f"{', '.join(known) or 'none of the expected columns'}"
        f"{f' and {unknown} other names' if unknown else ''}"
        f"{'' if known or near else '; is the header missing?'}. Expected "
        f"{', '.join(table.columns)}, of which {', '.join(table.required_columns)} must be there."
    )
