"""Text as SQL."""

from __future__ import annotations


def literal(text: str) -> str:
    """A text literal; a quote in the text stays a quote."""
    return "'" + text.replace("'", "''") + "'"


def identifier(*names: str) -> str:
    """A quoted name; several names, such as schema and table, are joined by dots."""
    return ".".join('"' + name.replace('"', '""') + '"' for name in names)
