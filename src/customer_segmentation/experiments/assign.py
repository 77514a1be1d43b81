"""Writes who gets which variant, as a file of the input contract."""

from __future__ import annotations

import csv
import os
from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path
from zoneinfo import ZoneInfo

from customer_segmentation.output.last_build import open_to_read, vars_of, working_file
from customer_segmentation.output.macro_answers import MacroError, ask_macro

COLUMNS = ("experiment_id", "source_system", "customer_ref", "variant", "assigned_at")


class AssignError(ValueError):
    """Nothing can be assigned; the message says what to change."""


@dataclass(frozen=True)
class Assignment:
    """What was written, and who was left out.

    Attributes:
        path: The file.
        variants: Customers newly assigned, by variant.
        kept: Rows that the file had before.
        taken_out: Rows that the file had before and has no longer, by why.
        left_out: Members of the segment who were not assigned, by why.
    """

    path: Path
    variants: dict[str, int]
    kept: int
    taken_out: Counter[str]
    left_out: Counter[str]


def assign_experiment(
    experiment: str,
    target: Path,
    folder: Path,
    *,
    dataset: str | None = None,
    project: Path = Path(),
) -> Assignment:
    """Assigns the members of the experiment's segment, as of the last build.

    A customer's variant follows from a hash of the experiment and the customer_id. Rows that the
    file has are kept while their customers may be contacted, so customers who enter the segment
    later are added with that day. Customers who have an assignment, in the file or in the input, by
    any reference, aren't assigned again. The file is written as a whole or not at all.

    Args:
        experiment: A name of var experiments.
        target: dbt's target folder of the last build.
        folder: Where to write. A missing folder is created.
        dataset: Name of a data set with a file of vars; by default that of the last build.
        project: Folder of the dbt project.

    Raises:
        AssignError: There is no such experiment, it has ended, or the file can't be read.
        NoBuildError: There was no build, or another process is writing to its file.
    """
    variables = vars_of(dataset, target)
    try:
        answer = ask_macro("assignment_query", {"name": experiment}, variables, target, project)
    except MacroError as error:
        raise AssignError(str(error)) from error
    with open_to_read(working_file(variables)) as connection:
        rows = connection.execute(answer["query"]).fetchall()
        owned = connection.execute(answer["owners"]).fetchall()
        ((as_of,),) = connection.execute(answer["as_of"]).fetchall()
    if str(as_of) > answer["end"]:
        raise AssignError(
            f"Experiment '{experiment}' ended on {answer['end']}, and the data is as of {as_of}. "
            "Expected an experiment that has not ended."
        )
    first_day = max(as_of, date.fromisoformat(answer["start"]))
    assigned_at = datetime.combine(first_day, time(), ZoneInfo(answer["timezone"])).isoformat()
    path = folder / "experiment_assignments" / f"{experiment}.csv"
    owners = {(source_system, reference): owner for source_system, reference, *owner in owned}
    kept, in_file, taken_out = [], set(), Counter[str]()
    for row in _rows_of(path):
        customer_id, may_be_contacted, is_held_out = owners.get(
            (row[1], row[2]), (None, False, False)
        )
        if customer_id is None:
            taken_out["unknown"] += 1
        elif is_held_out:
            taken_out["held_out"] += 1
        elif not may_be_contacted:
            taken_out["not_contactable"] += 1
        else:
            kept.append(row)
            in_file.add(customer_id)
    drawn, left_out = [], Counter[str]()
    for customer_id, source_system, reference, variant, *flags in rows:
        may_be_contacted, is_held_out, is_in_layer, is_assigned = flags
        if is_held_out:
            left_out["held_out"] += 1
        elif not may_be_contacted:
            left_out["not_contactable"] += 1
        elif customer_id in in_file:
            continue
        elif is_assigned:
            left_out["assigned"] += 1
        elif not is_in_layer:
            left_out["in_other_layer"] += 1
        else:
            drawn.append([experiment, source_system, reference, variant, assigned_at])
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.draft")
    try:
        with draft.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerows([COLUMNS, *kept, *sorted(drawn)])
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)
    counted = Counter(row[3] for row in drawn)
    variants = {variant: counted[variant] for variant in answer["cells"]}
    return Assignment(path, variants, len(kept), taken_out, left_out)


def assignment_text(assignment: Assignment) -> str:
    """What was written, who was left out and who was taken out, in two lines or three."""
    counts = ", ".join(f"{variant} {number:,}" for variant, number in assignment.variants.items())
    left_out, taken_out = assignment.left_out, assignment.taken_out
    lines = [
        f"{assignment.path}: {counts}; {assignment.kept:,} assigned before",
        f"Left out: {left_out['not_contactable']:,} who may not be contacted, "
        f"{left_out['held_out']:,} in the global holdout, {left_out['in_other_layer']:,} in "
        f"another part of the layer, {left_out['assigned']:,} whom the input has in a variant",
    ]
    if taken_out:
        lines.append(
            f"Taken out of the file: {taken_out['not_contactable']:,} who may no longer be "
            f"contacted, {taken_out['held_out']:,} in the global holdout, "
            f"{taken_out['unknown']:,} of no customer"
        )
    return "\n".join(lines)


def _rows_of(path: Path) -> list[list[str]]:
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        header, *rows = [*csv.reader(file)] or [[]]
    if tuple(header) != COLUMNS:
        raise AssignError(f"{path} has other columns. Expected {', '.join(COLUMNS)}.")
    for number, row in enumerate(rows, start=2):
        if len(row) != len(COLUMNS):
            raise AssignError(
                f"Row {number} of {path} has {len(row)} values. Expected {len(COLUMNS)}: "
                f"{', '.join(COLUMNS)}."
            )
    return rows
