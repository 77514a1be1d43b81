"""Tries a rule on the tables of the last build, before it becomes a segment."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import yaml
from rich.console import Console
from rich.table import Table

from customer_segmentation.summary import percent, vars_of_last_command, working_file

_WIDE_TABLE = "int_segmentation__customers_scored"
_OVERLAPS_SHOWN = 15


class TrialError(ValueError):
    """The rule can't be tried; the message says what to change."""


@dataclass(frozen=True)
class Trial:
    """What is known of the members of a rule.

    Attributes:
        words: The rule in words.
        has_stay_until: Whether it has a stay_until, which a trial leaves out.
        members: One row (customer_key, customer_id, ...) per member.
        sizes: customers, buyers, revenue of all; members, buying_members, members_revenue; as_of.
            None when there are no eligible customers.
        overlaps: Segment key, its customers and those shared with the rule, the most alike first.
        profile: Feature, its mean over the members, its mean over everyone.
        sample: Customer id and reason of at most ten members.
    """

    words: str
    has_stay_until: bool
    members: duckdb.DuckDBPyRelation
    sizes: dict[str, Any] | None
    overlaps: list[tuple[str, int, int]]
    profile: list[tuple[str, float | None, float | None]]
    sample: list[tuple[str, str]]


def try_rule(rule: str, target: Path, project: Path = Path()) -> Trial:
    """Finds the members of a rule as of the newest date of the last build.

    Nothing is built or written. The rule is read by the project's own macros.

    Args:
        rule: The rule as YAML, as in var rule_segments.
        target: dbt's target folder of the last build, which says what was built.
        project: Folder of the dbt project.

    Raises:
        TrialError: There is no build yet, another process is writing to it, the rule is wrong, or
            it has a percentile of a date whose features the last build didn't make.
    """
    try:
        definition = yaml.safe_load(rule)
    except yaml.YAMLError as error:
        raise TrialError(f"RULE is no YAML: {error}") from error
    parsed = target / "partial_parse.msgpack"
    given = vars_of_last_command(target)
    if given is None or not parsed.exists():
        raise TrialError(f"No build has left its results in {target} yet. Build first: make build")
    file = working_file(given)
    connection = _open(file)
    columns = connection.execute(
        "select column_name from duckdb_columns() where table_name = ?", [_WIDE_TABLE]
    ).fetchall()
    if not columns:
        raise TrialError(f"{file} has no table {_WIDE_TABLE} yet. Build first: make build")
    request = {"definition": definition, "built_columns": [name for (name,) in columns]}
    queries = _queries(request, given, parsed, project)
    for (as_of,) in connection.execute(queries["unbuilt_fit"]).fetchall():
        raise TrialError(
            f"A percentile is taken as of {as_of}, and the last build kept that period as it was. "
            f"Run make backfill FROM={as_of} TO={as_of}, then try again."
        )
    connection.execute(f"create temporary table members as {queries['members']}")
    sizes = connection.execute(queries["sizes"])
    names = [column[0] for column in sizes.description]
    counted = sizes.fetchall()
    return Trial(
        words=queries["words"],
        has_stay_until="stay_until" in definition,
        members=connection.table("members"),
        sizes=dict(zip(names, counted[0], strict=True)) if counted else None,
        overlaps=connection.execute(queries["overlaps"]).fetchall(),
        profile=_means(connection, queries["profile"]),
        sample=connection.execute(queries["sample"]).fetchall(),
    )


def print_trial(trial: Trial, console: Console) -> None:
    """Prints a trial: size, the segments it is most like, profile, sample."""
    sizes = trial.sizes
    if sizes is None:
        console.print("There are no eligible customers.")
        return
    share = percent(sizes["members"] / sizes["customers"])
    console.print(f"{trial.words}, as of {sizes['as_of']}\n", markup=False)
    console.print(
        f"{sizes['members']:,} of {sizes['customers']:,} eligible customers ({share}), "
        f"{sizes['buying_members']:,} of {sizes['buyers']:,} buyers. Their revenue is "
        f"{sizes['members_revenue']:,.2f} of {sizes['revenue']:,.2f}."
    )
    if trial.has_stay_until:
        console.print("Without those who only stay: stay_until needs the periods before.")
    if not sizes["members"]:
        return
    overlaps = _table("Most like", "In both", "Of this rule", "Of the segment")
    for key, customers, shared in trial.overlaps[:_OVERLAPS_SHOWN]:
        of_rule, of_segment = percent(shared / sizes["members"]), percent(shared / customers)
        overlaps.add_row(key, f"{shared:,}", of_rule, of_segment)
    profile = _table("Mean of", "Members", "Everyone", "Index")
    for feature, members, everyone in trial.profile:
        index = f"{100 * members / everyone:.0f}" if members is not None and everyone else ""
        profile.add_row(feature, _number(members), _number(everyone), index)
    for table in (overlaps, profile):
        console.print()
        console.print(table)
    console.print("\nSome of them, and why")
    for customer_id, reason in trial.sample:
        console.print(f"{customer_id}  {reason}", markup=False)


def _open(file: Path) -> duckdb.DuckDBPyConnection:
    if not file.exists():
        raise TrialError(f"{file} does not exist yet. Build first: make build")
    try:
        return duckdb.connect(str(file), read_only=True)
    except duckdb.IOException as error:
        raise TrialError(f"{file} is in use by another process. Try again after it.") from error


def _queries(
    request: dict[str, Any], given: dict[str, Any], parsed: Path, project: Path
) -> dict[str, str]:
    """The queries of the macro trial_queries, by what dbt has parsed in the last build.

    dbt would need as long again to find out that nothing has changed.
    """
    # Half a second, and only this command needs it.
    from dbt.cli.main import dbtRunner
    from dbt.contracts.graph.manifest import Manifest

    answers: dict[str, str] = {}

    def listen(event: Any) -> None:
        if event.info.name == "JinjaLogInfo":
            answers["queries"] = event.data.msg
        elif event.info.name == "RunningOperationCaughtError":
            answers["error"] = event.data.exc

    runner = dbtRunner(manifest=Manifest.from_msgpack(parsed.read_bytes()), callbacks=[listen])
    # The target lint has no file: the working file stays open to others.
    command = ["--log-level", "none", "--log-level-file", "none", "--no-version-check"]
    command += ["--no-write-json", "--no-populate-cache", "run-operation", "trial_queries"]
    command += ["--args", json.dumps(request), "--vars", json.dumps(given), "--target", "lint"]
    command += ["--project-dir", str(project), "--profiles-dir", str(project)]
    result = runner.invoke(command)
    if "queries" not in answers:
        raise TrialError(_sentence(answers.get("error") or str(result.exception)))
    queries: dict[str, str] = json.loads(answers["queries"])
    return queries


def _sentence(error: str) -> str:
    """The complaint alone, without dbt's lines on the macros it came through."""
    lines = [line.strip() for line in error.splitlines() if line.strip()]
    told = [line for line in lines if ": found " in line or line.startswith("Var ")]
    return told[0] if told else "\n".join(lines)


def _means(
    connection: duckdb.DuckDBPyConnection, query: str
) -> list[tuple[str, float | None, float | None]]:
    cursor = connection.execute(query)
    names = [str(column[0]) for column in cursor.description]
    values = dict(zip(names, cursor.fetchall()[0], strict=True))
    features = [name.removesuffix("__members") for name in names if name.endswith("__members")]
    return [
        (feature, values[f"{feature}__members"], values[f"{feature}__everyone"])
        for feature in features
    ]


def _table(heading: str, *numbers: str) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column(heading)
    for number in numbers:
        table.add_column(number, justify="right")
    return table


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,.2f}"
