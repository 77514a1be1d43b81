"""Where the results of the last build are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb

PUBLISHED = Path("published/segments.duckdb")


class NoBuildError(ValueError):
    """A result of a build is missing or in use; the message says what to do."""


def vars_of_last_command(target: Path) -> dict[str, Any]:
    """The ``--vars`` of dbt's last command."""
    return dict(read_artifact(target, "run_results")["args"].get("vars") or {})


def read_artifact(target: Path, name: str) -> Any:
    """A JSON file that dbt left in its target folder, such as the manifest."""
    path = target / f"{name}.json"
    if not path.exists():
        raise NoBuildError(f"No build results in {target}. Run `make build` first.")
    return json.loads(path.read_text(encoding="utf-8"))


def working_file(variables: Mapping[str, Any]) -> Path:
    """The working file of a build with these ``--vars``, as in profiles.yml."""
    return Path("warehouse") / f"{variables.get('dataset', 'demo')}.duckdb"


def open_to_read(file: Path) -> duckdb.DuckDBPyConnection:
    """A read-only connection to a working or published file."""
    if not file.exists():
        raise NoBuildError(f"{file} does not exist. Run `make build` first.")
    try:
        return duckdb.connect(str(file), read_only=True)
    except duckdb.IOException as error:
        raise NoBuildError(f"{file} is in use by another process. Try again later.") from error
