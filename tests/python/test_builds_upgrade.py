"""Builds on the files of an earlier version: history goes on, and what is gone is said."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest
from conftest import Build, Workshop, fingerprint, scenario
from test_builds_history import HISTORY_VARS, differences, working_file
from upgrade_shop import FILES, thaw, world

# As if the earlier version had a model that this one has not, with a person in it.
OF_THEN = "restricted.int_identity__of_then"
CANARY = "Wolfgangquux Waldemarquux, born 1931-07-03, of Xylophonweg 4711"


@dataclass(frozen=True)
class Upgraded:
    build: Build
    # The folder of a build of all the data in an empty folder.
    from_nothing: Path
    # Whether bytes of the person could be found at all.
    is_found_before: bool
    ids_before: set[str]
    published_before: tuple[str, int, int] | None


@scenario("built_at_once")
def upgraded(workshop: Workshop, built_at_once: Path) -> Upgraded:
    """The rest of the raw data arrives, and this version builds on the files of the earlier one."""
    folder = workshop.folder("upgraded")
    thaw(folder)
    with duckdb.connect(str(working_file(folder))) as connection:
        connection.execute(f"create table {OF_THEN} as select '{CANARY}' as name")
        schema, name = OF_THEN.split(".")
        connection.execute("insert into input.built_tables values ('local', ?, ?)", [schema, name])
    is_found = CANARY.encode() in working_file(folder).read_bytes()
    published = folder / FILES[1]
    with duckdb.connect(str(published), read_only=True) as connection:
        ids = connection.execute("select customer_id from customers").fetchall()
    before = fingerprint(published)
    made = workshop.build(folder, world().known({0, 1, 2}, random.Random(0)), HISTORY_VARS)
    return Upgraded(made.passed(), built_at_once, is_found, {key for (key,) in ids}, before)


@pytest.mark.check("upgrade")
def test_the_tables_are_those_of_a_build_from_nothing(upgraded: Upgraded) -> None:
    assert differences(upgraded.from_nothing, upgraded.build.folder) == {}


@pytest.mark.check("upgrade")
def test_the_published_file_is_replaced_and_customers_keep_their_ids(upgraded: Upgraded) -> None:
    assert fingerprint(upgraded.build.published) != upgraded.published_before
    now = {key for (key,) in upgraded.build.rows("select customer_id from customers")}
    # Meanwhile one person asks to be forgotten, and two turn out to be one.
    assert len(upgraded.ids_before - now) == 2
    assert len(upgraded.ids_before & now) >= 45


@pytest.mark.check("upgrade")
def test_a_table_that_no_model_makes_any_more_is_dropped_said_and_gone(upgraded: Upgraded) -> None:
    said = f"Dropped from the working file, since no model makes it any more: {OF_THEN}\n"
    assert said in upgraded.build.output
    assert upgraded.is_found_before
    file = working_file(upgraded.build.folder)
    with duckdb.connect(str(file), read_only=True) as connection:
        left = connection.execute("select table_name from duckdb_tables()").fetchall()
    assert (OF_THEN.split(".")[1],) not in left
    assert CANARY.encode() not in file.read_bytes()
