"""Keeps erased people out of builds: a keyed hash of each of their references stays.

Raw files are not ours to change, and an old one may come back. So rows under a reference that has a
tombstone are left out where raw tables are read, before anything is stored. As long as all requests
are in the raw data they do that work, and nothing is left out: equal data gives an equal build.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import json
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import duckdb

from customer_segmentation.identity.identifiers import DEMO_HASH_KEY, hashed_text
from customer_segmentation.input.raw_files import RawFile, load_raw_file
from customer_segmentation.sql import literal

# For so long the outbox keeps the message that deletes the customer elsewhere.
DAYS_OF_DELETION = 30
REQUESTS = "erasure_requests"
# Already a keyed hash, and one person in every system.
_EMAIL_REFERENCE = re.compile("e-[0-9a-f]{32}")

_KEY_CHECK = "the key of tombstones"
_NAME_OF_DEMO_KEY = hmac.new(
    DEMO_HASH_KEY.encode(), _KEY_CHECK.encode(), hashlib.sha256
).hexdigest()[:32]


class TombstoneError(ValueError):
    """The tombstones can't be used; the message says what to do."""


class Tombstone(NamedTuple):
    """The keyed hash of an erased person's reference.

    Attributes:
        reference: Its keyed hash; an e-mail address as staging hashes it.
        customer_id: Under which other systems may know the customer, for 30 days.
        erased_on: The as_of of the build that erased it, as an ISO date.
    """

    reference: str
    customer_id: str | None
    erased_on: str


class Erased(NamedTuple):
    """Who was erased from a data set.

    Attributes:
        tombstones: Their references.
        requests: Keyed references of the requests that erased them.
        is_sealed: Whether their raw rows are left out even while all requests are there.
    """

    tombstones: tuple[Tombstone, ...] = ()
    requests: frozenset[str] = frozenset()
    is_sealed: bool = False


def tombstones_file(working_file: Path) -> Path:
    """Beside the working file, which may be deleted at any time; this file may not."""
    return working_file.with_suffix(".erased.json")


def is_email_reference(reference: str) -> bool:
    """Whether a reference is the keyed hash of a person's e-mail address."""
    return _EMAIL_REFERENCE.fullmatch(reference) is not None


def keyed_reference(source_system: str, reference: str) -> str:
    """What a tombstone holds of a reference in the form of staging."""
    if is_email_reference(reference):
        return reference
    return hashed_text(json.dumps(["reference", source_system, reference]))


def read_erased(path: Path) -> Erased:
    """Who was erased; no one without a file.

    Raises:
        TombstoneError: The hashes were made with another key, so they would match no one, or the
            file is damaged.
    """
    if not path.exists():
        return Erased()
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
        key, *rest = held["key"], held["requests"], held["is_sealed"]
        erased = Erased(
            tuple(Tombstone(*row) for row in held["tombstones"]), frozenset(rest[0]), rest[1]
        )
    except (ValueError, KeyError, TypeError) as error:
        raise TombstoneError(
            f"{path.as_posix()} is damaged. Expected the keyed hashes of erased people: restore it "
            f"from a backup. Without it, raw files bring them back."
        ) from error
    if key != _name_of_key() and key == _NAME_OF_DEMO_KEY:
        raise TombstoneError(
            f"{path.as_posix()} was written before SEGMENTATION_HASH_KEY was set, so erased people "
            f"would not be recognised under the new key. Put the erasure requests of all these "
            f"people into the raw data, delete the file, and build: the new one has the new key."
        )
    if key != _name_of_key():
        raise TombstoneError(
            f"{path.as_posix()} was written with another SEGMENTATION_HASH_KEY, so erased people "
            f"would not be recognised. Expected the key of then in the environment. If it is lost: "
            f"put the erasure requests of all these people into the raw data, delete the file, and "
            f"build."
        )
    return erased


def add_erased(
    path: Path,
    references: Iterable[tuple[str, str, str | None]],
    requests: Iterable[tuple[str, str]],
    as_of: dt.date,
    *,
    is_sealed: bool = False,
) -> int:
    """Adds what the file lacks. Returns the number of references that are new.

    Args:
        path: The file. A missing one is created, readable by its owner alone.
        references: Source system, reference and possible customer_id of the erased.
        requests: Source system and reference of the requests.
        as_of: The day from which the 30 days count.
        is_sealed: Leave out their raw rows from now on, whatever requests there are.
    """
    held = read_erased(path)
    new = {
        (keyed_reference(source_system, reference), customer_id)
        for source_system, reference, customer_id in references
    }
    known = {(one.reference, one.customer_id) for one in held.tombstones}
    # A customer_id that was forgotten is not learnt again.
    forgotten = {one.reference for one in held.tombstones if one.customer_id is None}
    first = (as_of - dt.timedelta(days=DAYS_OF_DELETION)).isoformat()
    tombstones = {
        one if one.erased_on > first else one._replace(customer_id=None) for one in held.tombstones
    } | {
        Tombstone(reference, customer_id, as_of.isoformat())
        for reference, customer_id in new - known
        if reference not in forgotten
    }
    erased = Erased(
        tuple(sorted(tombstones, key=lambda one: (*one[::2], one.customer_id or ""))),
        held.requests | {keyed_reference(*request) for request in requests},
        held.is_sealed or is_sealed,
    )
    if erased != held:
        _write(path, erased)
    return len({reference for reference, _ in new} - {one.reference for one in held.tombstones})


def _write(path: Path, erased: Erased) -> None:
    rows = ",\n".join(json.dumps(one) for one in erased.tombstones)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.draft")
    draft.touch(mode=0o600)
    with draft.open("w", encoding="utf-8") as file:
        file.write(
            f'{{"key": {json.dumps(_name_of_key())}, "is_sealed": {json.dumps(erased.is_sealed)},\n'
            f'"requests": {json.dumps(sorted(erased.requests))},\n"tombstones": [\n{rows}\n]}}\n'
        )
        file.flush()
        os.fsync(file.fileno())
    os.replace(draft, path)


def _name_of_key() -> str:
    return hashed_text(_KEY_CHECK)


@dataclass(frozen=True)
class ReferenceKeys:
    """SQL of what says whose a raw row is, in the form of staging.

    Attributes:
        table: Name of the contract table.
        source_system: Its source system.
        references: Its references to a customer.
        order_id: Of orders, and of lines, which have no reference of their own.
    """

    table: str
    source_system: str
    references: Sequence[str]
    order_id: str | None

    @classmethod
    def from_json(cls, text: str) -> ReferenceKeys:
        return cls(**json.loads(text))


class TombstoneFilter:
    """Leaves out the raw rows of erased people. Requests come first, and orders before lines."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, erased: Erased, counts: str) -> None:
        """Reads who was erased.

        Args:
            connection: A connection to the working database, used for nothing else meanwhile.
            erased: Who is left out.
            counts: Quoted name of a table (source_table, check_name, value) to insert into.
        """
        self._connection, self._counts, self._erased = connection, counts, erased
        self._tombstones = {one.reference for one in erased.tombstones}
        self._missing_requests = set(erased.requests)
        self._has_erased_orders = False
        connection.execute(
            "create or replace temp table erased_keys (kind varchar, system varchar, key varchar)"
        )

    def load(self, file: RawFile, table: str, rejected_lines: str, keys: ReferenceKeys) -> None:
        """Loads text files as `load_raw_file` does, without the rows of erased people."""
        if keys.table == REQUESTS and self._tombstones:
            # All parts are read before a row is judged, and none of it is stored.
            self._connection.execute(
                "attach ':memory:' as aside; "
                "create table aside.lines (source_table varchar, line bigint, error varchar)"
            )
            load_raw_file(self._connection, file, "aside.requests", "aside.lines")
            self._see_requests("aside.requests", keys)
            self._connection.execute("detach aside")
        load_raw_file(
            self._connection, file, table, rejected_lines, lambda rows: self._kept(rows, keys)
        )

    def keep(self, relation: str, keys: ReferenceKeys, copy: str) -> str:
        """What a table that needs no loading is read from: itself, or a copy without the erased.

        copy: Quoted name of the copy.
        """
        if keys.table == REQUESTS:
            self._see_requests(relation, keys)
        kept = self._kept(relation, keys)
        if kept is None:
            return relation
        self._connection.execute(f"create table {copy} as select * from {kept}")
        return copy

    def _see_requests(self, relation: str, keys: ReferenceKeys) -> None:
        for reference in keys.references:
            for system, text in self._references(relation, keys, reference):
                self._missing_requests.discard(keyed_reference(system, text))

    def _kept(self, relation: str, keys: ReferenceKeys) -> str | None:
        """A query of the rows of a relation that stay; None where all do. What goes is counted."""
        if not (self._tombstones and (self._erased.is_sealed or self._missing_requests)):
            return None
        is_erased = [
            self._matches("reference", keys, reference)
            for reference in keys.references
            if self._find_erased(relation, keys, reference)
        ]
        if keys.order_id is not None and not keys.references and self._has_erased_orders:
            is_erased.append(self._matches("order", keys, keys.order_id))
        if not is_erased:
            return None
        gone = " or ".join(is_erased)
        ((rows,),) = self._connection.execute(
            f"select count(*) from {relation} as raw where {gone}"
        ).fetchall()
        if not rows:
            return None
        if keys.order_id is not None and keys.references:
            self._has_erased_orders = True
            self._connection.execute(
                f"insert into erased_keys select distinct 'order', {keys.source_system}, "
                f"{keys.order_id} from {relation} as raw where {gone}"
            )
        self._connection.execute(
            f"insert into {self._counts} values ({literal(keys.table)}, 'tombstoned', {rows})"
        )
        return f"(select * from {relation} as raw where not ({gone}))"

    def _find_erased(self, relation: str, keys: ReferenceKeys, reference: str) -> bool:
        """Notes the references of a relation that have a tombstone."""
        erased = [
            ("reference", system, text)
            for system, text in self._references(relation, keys, reference)
            if keyed_reference(system, text) in self._tombstones
        ]
        if erased:
            self._connection.executemany("insert into erased_keys values (?, ?, ?)", erased)
        return bool(erased)

    def _references(
        self, relation: str, keys: ReferenceKeys, reference: str
    ) -> list[tuple[str, str]]:
        return self._connection.execute(
            f"select distinct {keys.source_system}, {reference} from {relation} as raw "
            f"where {reference} is not null"
        ).fetchall()

    def _matches(self, kind: str, keys: ReferenceKeys, key: str) -> str:
        return (
            f"coalesce(({keys.source_system}, {key}) in (select (erased.system, erased.key) "
            f"from erased_keys as erased where erased.kind = '{kind}'), false)"
        )
