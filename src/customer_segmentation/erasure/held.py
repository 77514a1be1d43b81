"""Writes down all that is held on a person."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from customer_segmentation.erasure.person import (
    PersonError,
    built_rows,
    find_person,
    open_working_file,
    raw_rows,
)
from customer_segmentation.output.last_build import published_file, working_file


class Held(NamedTuple):
    """What was written.

    Attributes:
        path: The file.
        references: References that the person has.
        rows: Number of rows by table.
    """

    path: Path
    references: int
    rows: dict[str, int]


def export_person(
    source_system: str, customer_ref: str, variables: Mapping[str, Any], folder: Path
) -> Held:
    """Writes a JSON file, readable by its owner alone, with every row on a person.

    Raw rows are as the last build read them; `built` has all tables of the working file, marts
    included, and thus what the published file has. Keys that other people share are left out.

    Args:
        source_system: System of the reference.
        customer_ref: A reference of orders, the id of a record or an e-mail address.
        variables: The vars of the build.
        folder: Where to write.

    Raises:
        PersonError: The reference means no customer of the last build, or several.
    """
    with open_working_file(working_file(variables)) as connection:
        person = find_person(connection, source_system, customer_ref)
        if person is None:
            raise PersonError(
                f"No customer of the last build has the customer_ref '{customer_ref}' in the "
                f"source system '{source_system}', so nothing is held on them beyond raw data that "
                f"was not built yet. Expected one of orders, the id of a record or an e-mail "
                f"address, spelt as there."
            )
        raw, built = raw_rows(connection, person), built_rows(connection, person)
    held = {
        "customer_id": person.customer_id,
        "dataset": variables.get("dataset", "demo"),
        "published_file": published_file(variables).as_posix(),
        "references": [
            {"source_system": system, "reference": reference}
            for system, reference in person.references
        ],
        "raw": raw,
        "built": built,
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"person_{person.customer_id}.json"
    draft = path.with_name(f".{path.name}.draft")
    draft.touch(mode=0o600)
    draft.write_text(json.dumps(held, ensure_ascii=False, indent=1), encoding="utf-8")
    os.replace(draft, path)
    rows = {**{f"raw.{name}": len(found) for name, found in raw.items()}}
    return Held(path, len(person.references), rows | {n: len(found) for n, found in built.items()})
