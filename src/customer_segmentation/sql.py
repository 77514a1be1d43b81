"""Text as SQL."""

from __future__ import annotations

import re


def literal(text: str) -> str:
    """A text literal; a quote in the text stays a quote."""
    return "'" + text.replace("'", "''") + "'"


def file_literal(path: str) -> str:
    """The path of one file for functions such as read_csv, which would read * ? [ as a pattern."""
    return literal(re.sub(r"[*?[]", r"[\g<0>]", path))


def identifier(*names: str) -> str:
    """A quoted name; several names, such as schema and table, are joined by dots."""
    return ".".join('"' + name.replace('"', '""') + '"' for name in names)
