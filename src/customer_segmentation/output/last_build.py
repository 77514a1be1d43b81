"""Where the results of the last build are, or of a data set by its name."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

from customer_segmentation.plain_yaml import YamlTextError, read_yaml

HOME = Path(os.environ.get("SEGMENTATION_HOME", "."))
TARGET = Path(os.environ.get("DBT_TARGET_PATH", "target"))
# Files and folders have it in their names.
DATA_SET_NAME = re.compile(r"[A-Za-z0-9_-]+")
_RECORD = "last_build.json"


class NoBuildError(ValueError):
    """A result of a build is missing or in use; the message says what to do."""


class LastBuild(NamedTuple):
    """The last build that published.

    Attributes:
        vars: Its ``--vars``.
        checks: Name, number of rows and SQL of the data tests that warned.
        target_name: The target of its profile; None if an earlier version wrote it down.
    """

    vars: dict[str, Any]
    checks: list[tuple[str, int, str]]
    target_name: str | None = None


def record_build(build: LastBuild, target: Path) -> None:
    """Notes a build in dbt's target folder, where other commands of dbt leave the note alone."""
    draft = target / f".{_RECORD}.draft"
    draft.write_text(json.dumps(build._asdict()), encoding="utf-8")
    # Whoever reads it meanwhile, or after a kill, finds a whole one.
    os.replace(draft, target / _RECORD)


def last_build(target: Path) -> LastBuild:
    """The last build that published.

    Raises:
        NoBuildError: There was none.
    """
    recorded = read_artifact(target, "last_build")
    checks = [tuple(check) for check in recorded["checks"]]
    return LastBuild(recorded["vars"], checks, recorded.get("target_name"))


def last_published(target: Path) -> float:
    """When a build last published, as a POSIX time; 0: never."""
    record = target / _RECORD
    return record.stat().st_mtime if record.exists() else 0


def vars_of(dataset: str | None, target: Path) -> dict[str, Any]:
    """The ``--vars`` of a data set, by its file in the folder datasets; else of the last build.

    Of a project that has not published, those of dbt's last command.

    Raises:
        NoBuildError: There is no such file, or no build.
    """
    if dataset is None:
        try:
            return last_build(target).vars
        except NoBuildError:
            # A project that doesn't publish has no record of it.
            return dict(read_artifact(target, "run_results")["args"].get("vars") or {})
    file = Path("datasets") / f"{_checked(dataset)}.yml"
    if not file.exists():
        raise NoBuildError(f"There is no {file}. Expected a file with the vars of the data set.")
    try:
        given = read_yaml(file.read_text(encoding="utf-8")) or {}
    except YamlTextError as error:
        raise NoBuildError(f"{file} can't be read: {error}") from None
    except (OSError, UnicodeDecodeError):
        raise NoBuildError(f"{file} can't be read. Expected a text file in UTF-8.") from None
    if not isinstance(given, dict):
        raise NoBuildError(f"{file} holds no vars. Expected lines such as raw_dir: data/shop.")
    return {"dataset": dataset, **given}


def read_artifact(target: Path, name: str) -> Any:
    """A JSON file that dbt left in its target folder, such as the manifest."""
    path = target / f"{name}.json"
    if not path.exists():
        raise NoBuildError(f"No build results in {target}. Run `make build` first.")
    return json.loads(path.read_text(encoding="utf-8"))


def working_file(variables: Mapping[str, Any]) -> Path:
    """The working file of a build with these ``--vars``, as in profiles.yml."""
    return HOME / "warehouse" / f"{_checked(variables.get('dataset', 'demo'))}.duckdb"


def _checked(dataset: Any) -> str:
    """The name of a data set, which must not lead to another folder."""
    name = str(dataset)
    if not DATA_SET_NAME.fullmatch(name):
        raise NoBuildError(
            f"The data set is named {name[:100]!r}. Expected only letters, digits, _ and -."
        )
    return name


def published_file(variables: Mapping[str, Any]) -> Path:
    """The published file of a build with these ``--vars``."""
    return Path(variables.get("publish_path") or HOME / "published" / "segments.duckdb")


def open_to_read(file: Path) -> duckdb.DuckDBPyConnection:
    """A read-only connection to a working or published file."""
    if not file.exists():
        raise NoBuildError(f"{file} does not exist. Run `make build` first.")
    try:
        return duckdb.connect(str(file), read_only=True)
    except duckdb.IOException as error:
        raise NoBuildError(f"{file} is in use by another process. Try again later.") from error


def was_not_replaced(published: Path, target: Path, dataset: str | None) -> bool:
    """Whether dbt's last command was a build of this data set that left its file as it was."""
    try:
        results = read_artifact(target, "run_results")
    except NoBuildError:
        return False
    started = datetime.fromisoformat(results["metadata"]["invocation_started_at"])
    asked = (results["args"].get("vars") or {}).get("dataset")
    is_build = results["args"].get("which") == "build" and asked in (None, dataset)
    return is_build and published.stat().st_mtime < started.timestamp()
