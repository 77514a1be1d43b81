"""The report of a check of raw data."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field

_WIDTH = 110  # characters on a line


@dataclass
class Report:
    """What a check of raw data found.

    Attributes:
        place: Where the raw data is.
        found: Number of contract tables found.
        tables: A line for each of them.
        absent: Contract tables that are missing.
        changes: What must change before a build; one sentence or more each.
        notes: What else is worth knowing.
        variables: YAML of the vars to set, by name.
        date_formats: What to add to the var date_formats, by source system.
    """

    place: str
    found: int = 0
    tables: list[str] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)
    changes: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)
    date_formats: dict[str, list[str]] = field(default_factory=dict)

    def add(self, sentence: str, *, is_change: bool) -> None:
        (self.changes if is_change else self.notes).append(sentence)

    def __str__(self) -> str:
        tables = "table" if self.found == 1 else "tables"
        lines = [f"{self.place}: {self.found} {tables} of the contract found."]
        lines += [_wrapped("- ", table) for table in self.tables]
        if self.absent:
            lines.append(_wrapped("", f"Missing: {', '.join(self.absent)}."))
        lines += ["", "Change before a build:" if self.changes else "Nothing has to change."]
        lines += [_wrapped(f"{number}. ", text) for number, text in enumerate(self.changes, 1)]
        if self.notes:
            lines += ["", "Worth knowing:", *(_wrapped("- ", note) for note in self.notes)]
        lines += ["", 'Vars to set ("?" is yours to answer):']
        lines += [f"  {name}: {value}" for name, value in self.variables.items()]
        if self.date_formats:
            lines.append(f"  date_formats: {self.date_formats}")
        return "\n".join(lines)


def _wrapped(mark: str, text: str) -> str:
    return textwrap.fill(
        text,
        _WIDTH,
        initial_indent=mark,
        subsequent_indent=" " * len(mark),
        break_long_words=False,
        break_on_hyphens=False,
    )
