"""Reads a YAML file of named entries, such as destinations.yml and readers.yml."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml


def declared(path: Path, kind: str, form: str, page: str, error: type[Exception]) -> dict[str, Any]:
    """The entries by name, in the order of the file.

    Args:
        path: The file. Its only key is ``kind`` with an s.
        kind: What an entry is, such as destination.
        form: What an entry looks like, for the message where there is none.
        page: The page that explains the file.
        error: Raised where the file is missing or is something else.
    """
    if not path.exists():
        raise error(f"There is no {path}. Expected the {kind}s, as in {page}.")
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as wrong:
        raise error(f"{path} is no YAML: {wrong}") from wrong
    if not isinstance(found, dict) or list(found) != [f"{kind}s"]:
        raise error(f"{path} has to begin with `{kind}s:` and hold nothing else.")
    named = found[f"{kind}s"]
    if not isinstance(named, dict) or not named:
        raise error(f"{path} declares no {kind}. Expected name: {form}.")
    return {str(name): entry for name, entry in named.items()}
