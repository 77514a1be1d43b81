"""Builds that are killed at any moment lose nothing: the next one ends as if they had not been."""

from __future__ import annotations

import functools
import os
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest
from conftest import Attempt, Build, Workshop, attempt, scenario
from other_processes import Reader, reading
from test_builds_history import HISTORY_VARS, a_world, working_file

KILLS = int(os.environ.get("KILLS", "1"))
IN_A_ROW = 4
# Few kills take the smallest builds that there are anyway; many take a shop with a history.
GREEN, UNKILLED = ("yesterday", "today") if KILLS > 1 else ("one_customer", "more_customers")
VARS: dict[str, Any] = {}
if KILLS > 1:
    VARS = {**HISTORY_VARS, "history_start": "2024-05-01", "predictions": {}}
WORLD = a_world(1, batches=2)


@scenario()
def yesterday(workshop: Workshop) -> Build:
    """A shop before the last batches of its data came."""
    known = WORLD.known({0}, random.Random(0))
    return workshop.build(workshop.folder("yesterday"), known, VARS)


@scenario("yesterday")
def today(workshop: Workshop, yesterday: Build) -> Attempt:
    everything = WORLD.known({0, 1, 2}, random.Random(1))
    return attempt(workshop, yesterday.passed(), "today", everything, VARS)


def files(folder: Path) -> set[str]:
    """The files of builds, without dbt's."""
    return {
        str(file.relative_to(folder))
        for part in ("warehouse", "published")
        for file in (folder / part).rglob("*")
        if file.is_file()
    }


def different_tables(left: Build, right: Build) -> list[str]:
    """Published tables of which one file has rows that the other lacks.

    Apart from the audit log: a killed build is in it.
    """
    with duckdb.connect() as connection:
        for name, build in (("a", left), ("b", right)):
            connection.execute(f"attach '{build.published}' as {name} (read_only)")
        tables = [
            connection.execute(
                "select table_schema || '.' || table_name from information_schema.tables "
                "where table_catalog = ? and table_name <> 'audit_log' order by 1",
                [name],
            ).fetchall()
            for name in ("a", "b")
        ]
        if tables[0] != tables[1]:
            return ["the list of tables"]
        return [
            table
            for (table,) in tables[0]
            if any(
                connection.execute(
                    f"select 1 from (from {one}.{table} except all from {other}.{table}) limit 1"
                ).fetchall()
                for one, other in ("ab", "ba")
            )
        ]


@dataclass
class Pace:
    """How long a build takes, by the last one that ran to its end: others may slow them down."""

    seconds: float


def begin(folder: Path, green: Build, unkilled: Build) -> None:
    """What a green build left, with the raw files of the next one."""
    for part, of in (("warehouse", green), ("raw", unkilled)):
        shutil.rmtree(folder / part, ignore_errors=True)
        shutil.copytree(of.folder / part, folder / part)
    # A reader may have it open.
    shutil.copytree(green.published.parent, folder / "draft")
    (folder / "published").mkdir(exist_ok=True)
    for file in (folder / "draft").iterdir():
        file.replace(folder / "published" / file.name)
    (folder / "draft").rmdir()


def kill(
    workshop: Workshop, folder: Path, moment: float, pace: Pace, again: Callable[[], None]
) -> list[str]:
    """Kills a build in a folder; returns what is wrong then.

    moment: when it is killed, as a share of the time that a build takes.
    again: takes back what a build did that ended before; the next one is killed earlier.
    """
    killed = workshop.build(folder, None, VARS, killed_after=max(moment * pace.seconds, 0.01))
    if killed.status == 0:
        again()
        return kill(workshop, folder, moment * 0.8, pace, again)
    if killed.status > 0:
        return [f"the build failed before it was killed: {killed.output[-1000:]}"]
    try:
        duckdb.connect(str(working_file(folder)), read_only=True).close()
    except duckdb.Error as error:
        return [f"the working file does not open: {error}"]
    return []


def kill_in_a_row(
    workshop: Workshop,
    green: Build,
    unkilled: Build,
    number: int,
    moments: list[float],
    pace: Pace,
) -> list[str]:
    """Kills builds over a green one, each over what the last one left, and lets one more end.

    Returns what is wrong then.
    """
    folder = workshop.folder(f"kill-{number}")
    begin(folder, green, unkilled)
    wrong = []
    with reading(Build(folder, 0, "").published, pause=0.5) as reader:
        for moment in moments:
            wrong += kill(
                workshop, folder, moment, pace, functools.partial(begin, folder, green, unkilled)
            )
        rerun = workshop.build(folder, None, VARS)
    if rerun.status:
        wrong.append(f"the next build failed: {rerun.output[-1000:]}")
    else:
        pace.seconds = rerun.seconds
        wrong += [f"{table} differs" for table in different_tables(rerun, unkilled)]
    if more := files(folder) ^ files(unkilled.folder):
        wrong.append(f"files of one of two builds alone: {sorted(more)}")
    one_run = {Reader(build.published).read() for build in (green, unkilled)}
    if reader.errors or not reader.runs or not reader.runs <= one_run:
        wrong.append(f"{len(reader.runs - one_run)} mixed runs were read; {reader.errors[:3]}")
    if not wrong:
        shutil.rmtree(folder)
    return wrong


@pytest.mark.check("kill")
@pytest.mark.usefixtures(GREEN, UNKILLED)
def test_killed_builds_leave_nothing_behind(
    workshop: Workshop, request: pytest.FixtureRequest, record_property: Callable[[str, int], None]
) -> None:
    green = request.getfixturevalue(GREEN).passed()
    unkilled = request.getfixturevalue(UNKILLED).build.passed()
    assert different_tables(green, unkilled), "a control: else nothing would have to be built"
    rng = random.Random(KILLS)
    moments = [rng.random() for _ in range(KILLS)]
    pace = Pace(unkilled.seconds)
    rows = {
        first: workshop.pool.submit(
            kill_in_a_row,
            *(workshop, green, unkilled, first, moments[first : first + IN_A_ROW], pace),
        )
        for first in range(0, KILLS, IN_A_ROW)
    }
    wrong = {first: found for first, made in rows.items() if (found := made.result())}
    record_property("tried", KILLS)
    record_property("survived", max(0, KILLS - IN_A_ROW * len(wrong)))
    assert not wrong
