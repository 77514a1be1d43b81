"""Whether a build would read what the last one read, so that it can be left out."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
import site
from collections.abc import Iterator, Mapping
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
        The hash; None where it would miss something: tables of a warehouse, or raw files that a
        build would complain of.
    """
    settings = {**_project_vars(), **variables}
    if settings["raw_schema"] or not settings["raw_dir"]:
        return None
    try:
        tables = find_raw_files(settings["raw_dir"], read_contract(CONTRACT), settings["raw_roots"])
    except RawFileError:
        return None
    digest = hashlib.sha256(json.dumps(variables, sort_keys=True, default=str).encode())
    names = [name for name in sorted(os.environ) if name.startswith(_VARIABLES)]
    digest.update(repr([(name, os.environ[name]) for name in names]).encode())
    installed = [
        path.name for place in site.getsitepackages() for path in Path(place).glob("*-info")
    ]
    digest.update(repr(sorted(installed)).encode())
    files = [Path(part) for table in tables for part, _ in table.parts]
    files += _code()
    if settings["topics"]["model"]:
        files += _below(Path(settings["topics"]["model"]))
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
        record.write_text(json.dumps([inputs, _outputs(variables)]), encoding="utf-8")


def unchanged_since(
    inputs: str | None, variables: Mapping[str, Any], target: Path
) -> dt.datetime | None:
    """When the last build was published, if it read the same and what it left is as it was."""
    record = target / _RECORD
    published = published_file(variables)
    if inputs is None or not record.exists() or not explorer_file(published).exists():
        return None
    if json.loads(record.read_text(encoding="utf-8")) != [inputs, _outputs(variables)]:
        return None
    try:
        with open_to_read(working_file(variables)) as connection:
            if rewrite_is_due(connection):
                # It still holds bytes of people who left, and each run tries to be rid of them.
                return None
    except NoBuildError:
        # In use: a build waits for it.
        return None
    # Alerts look at its age: the published file is up to date as of now.
    record.touch()
    return dt.datetime.fromtimestamp(published.stat().st_mtime, dt.UTC)


def last_checked(target: Path) -> float:
    """When a build last published or found that nothing had changed, as a POSIX time; 0: never."""
    record = target / _RECORD
    return record.stat().st_mtime if record.exists() else 0


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


def _outputs(variables: Mapping[str, Any]) -> list[list[int]]:
    """Time and size of the files that a build or another command writes and a build reads."""
    working = working_file(variables)
    live = state_file(working)
    found = [working, published_file(variables), tombstones_file(working), live]
    found.append(live.with_name(f"{live.name}-wal"))
    return [[path.stat().st_mtime_ns, path.stat().st_size] for path in found if path.exists()]
