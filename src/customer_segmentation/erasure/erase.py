"""Erases a person: request, tombstones, a build, and a search for remaining traces."""

from __future__ import annotations

import csv
import datetime as dt
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

from customer_segmentation.audit import record
from customer_segmentation.erasure.person import (
    Person,
    PersonError,
    another_person,
    as_staged,
    find_person,
    hashed_id,
    open_working_file,
    plain,
    raw_rows,
)
from customer_segmentation.erasure.search import (
    Traces,
    hits_in_bytes,
    hits_in_file,
    hits_in_tables,
    traces_of,
    uncompressed,
)
from customer_segmentation.input.tombstones import (
    add_erased,
    keyed_reference,
    read_erased,
    tombstones_file,
)
from customer_segmentation.output.last_build import (
    HOME,
    NoBuildError,
    last_build,
    open_to_read,
    published_file,
    working_file,
)
from customer_segmentation.sql import literal
from explorer.build import explorer_file, write_explorer

LOGS = Path(os.environ.get("DBT_LOG_PATH", "logs"))
# Records of one customer_ref are one person. More than these may be the contacts of a firm.
MANY_RECORDS = 5
_COLUMNS = ("source_system", "customer_ref", "requested_at")


class ErasureError(ValueError):
    """Nothing was erased, or not everything; the message says what to do."""


class Place(NamedTuple):
    """What was found somewhere, in hits.

    Attributes:
        name: What was searched, and how.
        before: Hits of the person before the erasure; None where only remaining traces count.
        after: The same after it.
        control: Hits of a customer who stays, after it.
        found: Columns or files that the person is still in.
    """

    name: str
    before: int | None
    after: int
    control: int | None
    found: list[str]


class Proof(NamedTuple):
    """What an erasure left behind. It holds no identifier.

    Attributes:
        reference: The keyed hash of the reference that was asked for.
        dataset: The data set.
        requested_at: When, as an ISO date and time.
        as_of: The build's.
        references: Number of references that the person had.
        traces: Number of values and keys that were looked for.
        raw_rows: The rows that the raw data had of the person, by table.
        request: Where the request is.
        places: What was searched.
        exports: Files of the past that hold the person.
        deliveries: States of deliveries that name the person until the deletion was sent.
        live: Files of live profiles that name the person until they start from the build.
        deletions: Messages in the outbox that delete the customer elsewhere.
    """

    reference: str
    dataset: str
    requested_at: str
    as_of: str
    references: int
    traces: int
    raw_rows: Mapping[str, int]
    request: str
    places: list[Place]
    exports: list[str]
    deliveries: list[str]
    live: list[str]
    deletions: int

    @property
    def is_complete(self) -> bool:
        return not self.exports and not any(place.after for place in self.places)

    @property
    def is_valid(self) -> bool:
        """Whether the search found the person before, and finds someone who stays."""
        return bool(self.places[0].before and self.places[0].control)


def erase(
    source_system: str,
    customer_ref: str,
    variables: Mapping[str, Any],
    target: Path,
    *,
    is_sure: bool = False,
) -> Proof:
    """Erases the customer that a reference means, builds, and searches for remaining traces.

    Args:
        source_system: System of the reference.
        customer_ref: A reference of orders, the id of a record or an e-mail address.
        variables: The vars of the build.
        target: dbt's target folder.
        is_sure: Also a customer with more records than `MANY_RECORDS`.

    Raises:
        PersonError: The reference means no customer of the last build, or several.
        ErasureError: The customer has many records, the build failed, or the search can't be
            relied on.
        TombstoneError: The tombstones can't be used.
    """
    file, published = working_file(variables), published_file(variables)
    tombstones = tombstones_file(file)
    with open_working_file(file) as connection:
        reference = as_staged(connection, customer_ref)
        keyed = keyed_reference(source_system, reference)
        person = find_person(connection, source_system, customer_ref)
        if person is None:
            known_as = {keyed, keyed_reference(source_system, f"record {reference}")}
            if known_as & {one.reference for one in read_erased(tombstones).tombstones}:
                raise PersonError("This customer was erased before, and no build has them since.")
            raise PersonError(
                f"No customer of the last build has the customer_ref '{customer_ref}' in the "
                f"source system '{source_system}'. Expected one of orders, the id of a record or "
                f"an e-mail address, spelt as there; new raw data needs a build first."
            )
        records = person.records
        if records > MANY_RECORDS and not is_sure:
            raise ErasureError(
                f"The reference means one customer with {records:,} records of the CRM, all of "
                f"which would be erased. If all of them are this person's, repeat it with YES=1 "
                f"(--yes). Nothing was erased."
            )
        print(
            f"Erasing one customer with {records:,} records of the CRM and "
            f"{len(person.references):,} references in all.",
            flush=True,
        )
        traces = traces_of(connection, person)
        held = raw_rows(connection, person)
        stays = another_person(connection, person)
        control = [traces_of(connection, stays)] if stays else []
        ((as_of,),) = connection.execute(
            "select as_of from periods.int_periods where is_current"
        ).fetchall()
    before = {
        name: hits
        for one in _databases(file, published)
        for name, ((hits, _),) in _search(one, traces).items()
    }
    requested_at = dt.datetime.now(dt.UTC).replace(tzinfo=None).isoformat(" ", "seconds")
    request = add_request(variables, source_system, customer_ref, requested_at)
    add_tombstones(tombstones, person, (source_system, reference), as_of)
    record("erase-begun", dataset=str(variables.get("dataset", "demo")), reference=keyed)
    known = 0
    # Identity may link more to the person in the raw data of today than in the last build.
    while known != (known := len(read_erased(tombstones).tombstones)):
        build(variables, target)
    deletions = _deletions(published, person)
    places = [
        Place(name, before.get(name), left, others[0][0] if others else None, found)
        for one in _databases(file, published)
        for name, ((left, found), *others) in _search(one, traces, *control).items()
    ]
    for folder in (explorer_file(published).parent, target, LOGS):
        found = _holding(folder, traces)
        places.append(Place(f"files of {folder.as_posix()}", None, len(found), None, found))
    proof = Proof(
        reference=keyed,
        dataset=str(variables.get("dataset", "demo")),
        requested_at=requested_at,
        as_of=str(as_of),
        references=len(person.references),
        traces=len(traces.cells) + len(traces.ids) + len(traces.keys),
        raw_rows={table: len(rows) for table, rows in held.items()},
        request=request,
        places=places,
        exports=_holding(Path("exports"), traces),
        deliveries=_holding(HOME / "deliveries", traces),
        live=_holding(HOME / "live", traces),
        deletions=deletions,
    )
    if not proof.is_valid:
        raise ErasureError(
            "The search did not find the person before, or a customer who stays after it, so it "
            "proves nothing. The person is left out of the build all the same."
        )
    return proof


def _databases(file: Path, published: Path) -> list[Path]:
    """The working file, the published one and those of roles."""
    return [file, *sorted(published.parent.rglob(published.name))]


def _deletions(published: Path, person: Person) -> int:
    """Writes the explorer anew; returns the messages that delete the person in other systems."""
    with open_to_read(published) as connection:
        write_explorer(connection, explorer_file(published))
        ((count,),) = connection.execute(
            "select count(*) from activation_outbox "
            "where message = 'deleted' and customer_id in (select unnest(?))",
            [person.ids],
        ).fetchall()
    return int(count)


def add_tombstones(path: Path, person: Person, request: tuple[str, str], as_of: dt.date) -> None:
    """Notes all references of a person, so that the next build leaves out their raw rows."""
    add_erased(
        path,
        [
            (system, reference, hashed_id(system, plain(reference)))
            for system, reference in person.references
        ],
        [request],
        as_of,
        is_sealed=True,
    )


def add_request(
    variables: Mapping[str, Any], source_system: str, customer_ref: str, requested_at: str
) -> str:
    """Adds a row to the raw table erasure_requests where that is a file. Returns where it is."""
    row = dict(zip(_COLUMNS, (source_system, customer_ref, requested_at), strict=True))
    folder = Path(str(variables.get("raw_dir") or ""))
    said = (
        f"to insert into erasure_requests: {', '.join(_COLUMNS)} as you gave them, {requested_at}"
    )
    if variables.get("raw_schema") or not variables.get("raw_dir"):
        return said
    found = sorted(folder.glob("erasure_requests*"))
    path = found[0] if found else folder / "erasure_requests.csv"
    if len(found) > 1 or not (path.suffix in (".csv", ".parquet") and not path.is_dir()):
        return said
    draft = path.with_name(f".{path.name}.draft")
    try:
        _write_with(row, path, draft)
        if path.exists():
            draft.chmod(path.stat().st_mode & 0o777)
        os.replace(draft, path.resolve())
    finally:
        draft.unlink(missing_ok=True)
    return path.as_posix()


def _write_with(row: Mapping[str, str], path: Path, draft: Path) -> None:
    """Writes the table with a further row."""
    if path.suffix == ".parquet":
        with duckdb.connect() as connection:
            connection.execute(
                f"create table requests as from read_parquet({literal(path.as_posix())})"
            )
            values = ", ".join(f"{literal(value)} as {name}" for name, value in row.items())
            connection.execute(f"insert into requests by name select {values}")
            connection.execute(f"copy requests to {literal(draft.as_posix())} (format parquet)")
        return
    # A build sets lines aside that are not UTF-8; here they stay as they are.
    text = (
        path.read_text(encoding="utf-8-sig", errors="surrogateescape")
        if path.exists()
        else ",".join(row) + "\n"
    )
    header = next(csv.reader(text.splitlines()))
    names = [name.strip().lower() for name in header]
    lacking = [name for name in ("customer_ref", "source_system") if name not in names]
    if lacking == ["source_system"] and row["source_system"] == "default":
        lacking = []
    if lacking and len(names) == 1 and (separator := re.search("[;\t|]", names[0])):
        raise ErasureError(
            f"{path.as_posix()} is separated by {separator[0]!r}. Expected commas: write it again, "
            f"and try again. Nothing was erased."
        )
    if lacking:
        raise ErasureError(
            f"{path.as_posix()} lacks the column {', '.join(lacking)}. Expected it, to hold the "
            f"request: add it, and try again. Nothing was erased."
        )
    with draft.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        file.write(text if text.endswith("\n") else text + "\n")
        csv.writer(file, lineterminator="\n").writerow([row.get(name, "") for name in names])


def build(variables: Mapping[str, Any], target: Path) -> None:
    """Runs dbt as the last build did."""
    done = subprocess.run(build_command(variables, target), check=False)
    if done.returncode:
        raise ErasureError(
            "The build failed, so the published file still holds the person. Their raw rows are "
            "left out from now on. Fix the error above, then run `make build`. Nothing was "
            "searched, so there is no proof."
        )


def build_command(variables: Mapping[str, Any], target: Path) -> list[str]:
    """The command of a build with these vars, and the target of the last build of the data set."""
    command = [str(Path(sys.executable).with_name("dbt")), "build", "--vars"]
    command.append(json.dumps(variables, default=str))
    try:
        last = last_build(target)
    except NoBuildError:
        return command
    is_same = working_file(last.vars) == working_file(variables)
    return [*command, "--target", last.target_name] if is_same and last.target_name else command


def _search(file: Path, *wanted: Traces) -> dict[str, list[tuple[int, list[str]]]]:
    """The hits of each of the wanted in a database, by way to search, with the columns."""
    cells = [hits_in_tables(file, traces) for traces in wanted]
    name = file.as_posix()
    found: dict[str, list[tuple[int, list[str]]]] = {
        f"cells of {name}": [(sum(found.values()), sorted(found)) for found in cells],
        f"bytes of {name}": [(hits_in_bytes(file, traces), []) for traces in wanted],
    }
    with uncompressed(file, file.with_name(f".{file.name}.searched")) as copy:
        return found | {
            f"bytes of {name}, uncompressed": [(hits_in_bytes(copy, one), []) for one in wanted]
        }


def _holding(folder: Path, traces: Traces) -> list[str]:
    return [
        file.as_posix()
        for file in sorted(folder.rglob("*"))
        if file.is_file() and hits_in_file(file, traces)
    ]


def proof_text(proof: Proof) -> Iterator[str]:
    """The proof as a page."""
    yield f"Erasure in data set {proof.dataset}, requested {proof.requested_at} (UTC)"
    yield f"Reference, as a keyed hash: {proof.reference}"
    yield f"Built without the person as of {proof.as_of}. Request: {proof.request}"
    yield ""
    yield f"References of the person: {proof.references:,}"
    yield f"Values and keys that no one else has, which were searched for: {proof.traces:,}"
    width = max(len(place.name) for place in proof.places)
    yield f"{'hits in':<{width}}{'before':>10}{'after':>10}{'control':>10}"
    for place in proof.places:
        before, control = (
            "" if hits is None else f"{hits:,}" for hits in (place.before, place.control)
        )
        yield f"{place.name:<{width}}{before:>10}{place.after:>10,}{control:>10}"
        yield from (f"    still in {one}" for one in place.found)
    yield "Control: a customer who stays, searched in the same way after the build."
    yield ""
    yield (
        f"Kept on purpose: keyed hashes of the references, for 30 days the messages that delete "
        f"the customer in other systems ({proof.deletions:,})."
    )
    if proof.raw_rows:
        rows = ", ".join(f"{count:,} of {table}" for table, count in sorted(proof.raw_rows.items()))
        yield f"The raw data had {rows}. Builds leave them out: delete them at the source."
    for file in proof.deliveries:
        yield f"{file} names the customer until `make deliver` has sent the deletion."
    for file in proof.live:
        yield f"{file} names the customer until `make live` has started from this build."
    for file in proof.exports:
        yield f"{file} holds the person. Delete it, and what was made of it elsewhere."
    yield "Complete: nothing was found." if proof.is_complete else "Not complete: see above."
