"""The input contract as Python reads it, and what looks like one of its columns.

The contract itself is in ``models/staging/_input__sources.yml``: dbt hands it over while a build
runs, :func:`read_contract` reads it without dbt.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from rapidfuzz import fuzz

CONTRACT = Path("models/staging/_input__sources.yml")  # in the folder of the project
_LIKE_ENOUGH = 80  # of 100: `orderd_at` for ordered_at is 94, `customer_nr` for customer_no 90
_SHORT = 6  # letters; so short a name has to be the same, or Ida would be an id
_KINDS = {"timestamp": "instant", "date": "date", "boolean": "boolean", "decimal": "number"}


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


def near_misses(
    missing: Iterable[str], candidates: Sequence[str], also_called: Mapping[str, Sequence[str]]
) -> dict[str, str]:
    """Which of the names that were found may be meant by the names that are missing.

    Names are compared without capitals, blanks and signs, with the name of the contract and the
    names that other systems use. Each found name is told once, for what it resembles most.

    Returns:
        The found name by the missing one.
    """
    pairs = []
    for name in missing:
        for rank, spelling in enumerate([name, *also_called.get(name, ())]):
            for place, candidate in enumerate(candidates):
                likeness = fuzz.ratio(_bare(spelling), _bare(candidate))
                if likeness >= (100 if len(_bare(spelling)) < _SHORT else _LIKE_ENOUGH):
                    pairs.append((-likeness, rank, place, name, candidate))
    found: dict[str, str] = {}
    for *_, name, candidate in sorted(pairs):
        if name not in found and candidate not in found.values():
            found[name] = candidate
    return found


def missing_columns(
    label: str, columns: Sequence[str], table: ContractTable, near: Mapping[str, str] | None = None
) -> str | None:
    """What to say when required columns of a table are missing, or None.

    Args:
        label: What the user calls the table: a path, or its name in the warehouse.
        columns: The columns that were found.
        table: What was expected.
        near: Words for what may be meant by the missing columns; default: near misses by name.

    Returns:
        A sentence with what was found and expected. It repeats no names that were found but those
        of contract columns and what looks like them: the first line of a file without a header is
        a person.
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


def _bare(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum())
