"""Writes who gets which variant, as a file of the input contract."""

from __future__ import annotations

import csv
import os
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, time
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
        not_contactable: Left out: consent to activation was withdrawn or never stated.
        held_out: Left out: the global holdout.
        in_other_layer: Left out: another part of the layer.
    """

    path: Path
    variants: dict[str, int]
    kept: int
    not_contactable: int
    held_out: int
    in_other_layer: int


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
    file has are kept, so customers who enter the segment later are added with the date of then. The
    file is written as a whole or not at all.

    Args:
        experiment: A name of var experiments.
        target: dbt's target folder of the last build.
        folder: Where to write. A missing folder is created.
        dataset: Name of a data set with a file of vars; by default that of the last build.
        project: Folder of the dbt project.

    Raises:
        AssignError: There is no such experiment, or it has ended.
        NoBuildError: There was no build, or another process is writing to its file.
    """
    variables = vars_of(dataset, target)
    try:
        answer = ask_macro("assignment_query", {"name": experiment}, variables, target, project)
    except MacroError as error:
        raise AssignError(str(error)) from error
    with open_to_read(working_file(variables)) as connection:
        rows = connection.execute(answer["query"]).fetchall()
        ((as_of,),) = connection.execute(answer["as_of"]).fetchall()
    if str(as_of) > answer["end"]:
        raise AssignError(
            f"Experiment '{experiment}' ended on {answer['end']}, and the data is as of {as_of}. "
            "Expected an experiment that has not ended."
        )
    assigned_at = datetime.combine(as_of, time(), ZoneInfo(answer["timezone"])).isoformat()
    path = folder / "experiment_assignments" / f"{experiment}.csv"
    kept = _rows_of(path)
    known = {(row[1], row[2]) for row in kept}
    drawn, left_out = [], Counter[str]()
    for source_system, reference, variant, may_be_contacted, is_held_out, is_in_layer in rows:
        if is_held_out:
            left_out["held_out"] += 1
        elif not may_be_contacted:
            left_out["not_contactable"] += 1
        elif not is_in_layer:
            left_out["in_other_layer"] += 1
        elif (source_system, reference) not in known:
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
    return Assignment(
        path,
        {variant: counted[variant] for variant in answer["cells"]},
        len(kept),
        left_out["not_contactable"],
        left_out["held_out"],
        left_out["in_other_layer"],
    )


def assignment_text(assignment: Assignment) -> str:
    """What was written, and who was left out, in two lines."""
    counts = ", ".join(f"{variant} {number:,}" for variant, number in assignment.variants.items())
    return (
        f"{assignment.path}: {counts}; {assignment.kept:,} assigned before\n"
        f"Left out: {assignment.not_contactable:,} who may not be contacted, "
        f"{assignment.held_out:,} in the global holdout, {assignment.in_other_layer:,} in another "
        "part of the layer"
    )


def _rows_of(path: Path) -> list[list[str]]:
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    if tuple(header) != COLUMNS:
        raise AssignError(f"{path} has other columns. Expected {', '.join(COLUMNS)}.")
    return rows
