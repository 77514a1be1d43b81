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
from typing import Any, NamedTuple

import yaml

from customer_segmentation.code_hash import PACKAGE
from customer_segmentation.input.contract import CONTRACT, read_contract
from customer_segmentation.input.raw_files import find_raw_files
from customer_segmentation.input.text_files import RawFileError
from customer_segmentation.input.tombstones import tombstones_file
from customer_segmentation.live.state import state_file
from customer_segmentation.output.kept import written
from customer_segmentation.output.last_build import (
    NoBuildError,
    open_to_read,
    published_file,
    working_file,
)
from customer_segmentation.working_file import rewrite_is_due
from explorer.build import explorer_file

_RECORD = "inputs.json"
_PROJECT = Path("dbt_project.yml")
_FOLDERS = ("models", "macros", "seeds", "tests", "analyses", "dbt_packages")
# All that a build takes from the environment.
_VARIABLES = ("SEGMENTATION_", "DBT_", "DATASET")


class Inputs(NamedTuple):
    """What decides what a build publishes, but for the audit log, as hashes.

    Attributes:
        all: Of all of it.
        besides_vars: Of raw files, the project's and this package's code, the libraries and the
            environment.
        vars: Of each var.
    """

    all: str
    besides_vars: str
    vars: dict[str, str]


def inputs_hash(variables: Mapping[str, Any]) -> Inputs | None:
    """Hashes of what a build would read.

    To be taken before the build: a file may change meanwhile.

    Args:
        variables: The ``--vars`` of the build.

    Returns:
        The hashes; None where they would miss something: tables of a warehouse, or raw files and
        vars that a build would complain of.
    """
    try:
        project = yaml.safe_load(_PROJECT.read_text(encoding="utf-8"))
        settings = {**project["vars"], **variables}
        if settings["raw_schema"]:
            return None
        tables = find_raw_files(settings["raw_dir"], read_contract(CONTRACT), settings["raw_roots"])
        model = settings["topics"]["model"]
        given = json.dumps(variables, default=str).encode()
    except (RawFileError, KeyError, TypeError):
        # The build says what is wrong with them.
        return None
    digest = hashlib.sha256(hash_of({**project, "vars": None}).encode())
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
    besides_vars = digest.hexdigest()
    digest.update(given + _PROJECT.read_bytes())
    hashes = {str(name): hash_of(value) for name, value in settings.items()}
    return Inputs(digest.hexdigest(), besides_vars, hashes)


def hash_of(value: Any) -> str:
    """A hash of what JSON can hold, in which the order of keys doesn't count.

    It doesn't in the macro definition_hash either, by which periods are restated.
    """
    # Keys of different types, as in {1: completed, x: returned}, have an order as texts alone.
    plain = json.loads(json.dumps(value, default=str))
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


def note_inputs(
    inputs: Inputs | None,
    variables: Mapping[str, Any],
    target: Path,
    nodes: Mapping[str, str] | None = None,
) -> None:
    """Notes what a build read that has just published; None: nothing, so that the next one runs.

    nodes: hashes of the models, seeds and tests that it is made of.
    """
    record = target / _RECORD
    record.unlink(missing_ok=True)
    if inputs is not None:
        noted = {**inputs._asdict(), "nodes": nodes, **_left(variables)}
        draft = target / f".{_RECORD}.draft"
        draft.write_text(json.dumps(noted), encoding="utf-8")
        os.replace(draft, record)


def is_unchanged(inputs: Inputs | None, variables: Mapping[str, Any], target: Path) -> bool:
    """Whether the last build read the same, and what it left is as it was."""
    noted = inputs and noted_inputs(variables, target)
    # A record of an earlier version has another form.
    return bool(inputs and noted and noted.get("all") == inputs.all)


def noted_inputs(variables: Mapping[str, Any], target: Path) -> dict[str, Any] | None:
    """What the last build noted: the fields of Inputs, nodes, and time and size of files.

    None if there was none, or if another command has written to what it left.
    """
    record = target / _RECORD
    if not record.exists() or not explorer_file(published_file(variables)).exists():
        return None
    noted: dict[str, Any] = json.loads(record.read_text(encoding="utf-8"))
    if any(noted.get(name) != value for name, value in _left(variables).items()):
        return None
    try:
        with open_to_read(working_file(variables)) as connection:
            # Bytes of people who left are still in it then, and each run tries to be rid of them.
            return None if rewrite_is_due(connection) else noted
    except NoBuildError:
        # In use: a build waits for it.
        return None


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


def _left(variables: Mapping[str, Any]) -> dict[str, Any]:
    """What a build leaves: time and size of what builds and other commands write."""
    working, published = working_file(variables), published_file(variables)
    live = state_file(working)
    files = [working, published, *sorted(published.parent.glob(f"roles/*/{published.name}"))]
    files += [tombstones_file(working), live, live.with_name(f"{live.name}-wal")]
    return {
        "published": published.as_posix(),
        "files": {path.as_posix(): list(written(path)) for path in files if path.exists()},
    }


def _code() -> Iterator[Path]:
    yield from sorted({*Path().glob("*.yml"), *Path().glob("*.lock")} - {_PROJECT})
    for folder in _FOLDERS:
        yield from _below(Path(folder))
    for package in (PACKAGE, PACKAGE.with_name("explorer")):
        yield from _below(package)


def _below(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix != ".pyc":
            yield path
