"""Whether a build would read what the last one read, so that it can be left out."""

from __future__ import annotations

import hashlib
import json
import os
import site
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from customer_segmentation.code_hash import PACKAGE
from customer_segmentation.input.contract import CONTRACT, read_contract
from customer_segmentation.input.raw_files import find_raw_files
from customer_segmentation.input.text_files import RawFileError
from customer_segmentation.input.tombstones import tombstones_file
from customer_segmentation.live.state import state_file
from customer_segmentation.output.last_build import (
    NoBuildError,
    open_to_read,
    published_file,
    working_file,
)
from customer_segmentation.working_file import rewrite_is_due
from explorer.build import explorer_file

_RECORD = "inputs.json"
_FOLDERS = ("models", "macros", "seeds", "tests", "analyses", "dbt_packages")
# All that a build takes from the environment.
_VARIABLES = ("SEGMENTATION_", "DBT_", "DATASET")


def inputs_hash(variables: Mapping[str, Any]) -> str | None:
    """One hash of all that decides what a build publishes, but for the audit log.

    Raw files, the project's and this package's code, the libraries, vars and environment. To be
    taken before the build: a file may change meanwhile.

    Args:
        variables: The ``--vars`` of the build.

    Returns:
        The hash; None where it would miss something: tables of a warehouse, or raw files and vars
        that a build would complain of.
    """
    try:
        settings = {**_project_vars(), **variables}
        if settings["raw_schema"]:
            return None
        tables = find_raw_files(settings["raw_dir"], read_contract(CONTRACT), settings["raw_roots"])
        model = settings["topics"]["model"]
        digest = hashlib.sha256(json.dumps(variables, default=str).encode())
    except (RawFileError, KeyError, TypeError):
        # The build says what is wrong with them.
        return None
    names = [name for name in sorted(os.environ) if name.startswith(_VARIABLES)]
    digest.update(repr([(name, os.environ[name]) for name in names]).encode())
    installed = [
        path.name for place in site.getsitepackages() for path in Path(place).glob("*-info")
    ]
    digest.update(repr([sys.version, sorted(installed)]).encode())
    files = [Path(part) for table in tables for part, _ in table.parts]
    files += _code()
    if model:
        files += _below(Path(model))
    for path in files:
        digest.update(os.fsencode(path))
        if path.is_file():
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def note_inputs(inputs: str | None, variables: Mapping[str, Any], target: Path) -> None:
    """Notes what a build read that has just published; None: nothing, so that the next one runs."""
    record = target / _RECORD
    record.unlink(missing_ok=True)
    if inputs is not None:
        draft = target / f".{_RECORD}.draft"
        draft.write_text(json.dumps(_noted(inputs, variables)), encoding="utf-8")
        os.replace(draft, record)


def is_unchanged(inputs: str | None, variables: Mapping[str, Any], target: Path) -> bool:
    """Whether the last build read the same, and what it left is as it was."""
    record = target / _RECORD
    if inputs is None or not record.exists():
        return False
    if not explorer_file(published_file(variables)).exists():
        return False
    if json.loads(record.read_text(encoding="utf-8")) != _noted(inputs, variables):
        return False
    try:
        with open_to_read(working_file(variables)) as connection:
            # Bytes of people who left are still in it then, and each run tries to be rid of them.
            return not rewrite_is_due(connection)
    except NoBuildError:
        # In use: a build waits for it.
        return False


def note_check(target: Path) -> None:
    """Notes that what was published is up to date as of now."""
    with suppress(FileNotFoundError):
        # A build has begun meanwhile.
        os.utime(target / _RECORD)


def last_checked(published: Path, target: Path) -> float:
    """When a published file was found to be up to date, as a POSIX time; 0: never."""
    record = target / _RECORD
    if not record.exists():
        return 0
    noted = json.loads(record.read_text(encoding="utf-8"))
    return record.stat().st_mtime if noted["published"] == published.as_posix() else 0


def _noted(inputs: str, variables: Mapping[str, Any]) -> dict[str, Any]:
    """The content of the record: time and size of what builds and other commands write."""
    working, published = working_file(variables), published_file(variables)
    live = state_file(working)
    files = [working, published, *sorted(published.parent.glob(f"roles/*/{published.name}"))]
    files += [tombstones_file(working), live, live.with_name(f"{live.name}-wal")]
    found = {path.as_posix(): path.stat() for path in files if path.exists()}
    return {
        "published": published.as_posix(),
        "inputs": inputs,
        "files": {name: [stat.st_mtime_ns, stat.st_size] for name, stat in found.items()},
    }


def _project_vars() -> dict[str, Any]:
    project = yaml.safe_load(Path("dbt_project.yml").read_text(encoding="utf-8"))
    return dict(project["vars"])


def _code() -> Iterator[Path]:
    yield from sorted([*Path().glob("*.yml"), *Path().glob("*.lock")])
    for folder in _FOLDERS:
        yield from _below(Path(folder))
    for package in (PACKAGE, PACKAGE.with_name("explorer")):
        yield from _below(package)


def _below(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix != ".pyc":
            yield path
