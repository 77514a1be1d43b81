"""SQL of a var reads and writes in no other than the declared folders, in a real run of dbt.

The functions of the plugin are tried in test_dbt_plugin.py.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from conftest import ONE_ORDER, Build, Workshop, scenario

SECRET = "a line of a file outside"
# name -> a query; each would read, or find, what is outside the declared folders.
QUERIES = {
    "text": "select content from read_text('{outside}/secret.txt')",
    "bytes": "select * from read_blob('{outside}/*')",
    "csv": "select * from read_csv('{outside}/secret.txt', header = false)",
    "sniffed": "select * from sniff_csv('{outside}/secret.txt')",
    "a file as a table": "select * from '{outside}/secret.csv'",
    "names of files": "select * from glob('{outside}/*')",
    "a way around": "select content from read_text('raw/../../outside-the-shop/secret.txt')",
    "a link in the raw folder": "select content from read_text('raw/link.txt')",
    "the network": "select * from read_csv('https://example.com/orders.csv')",
    "memory of the machine": "select content from read_text('/proc/self/environ')",
}
# Statements before a query, the last of which would write outside, load code or lift the limits.
STATEMENTS = {
    "copy": ["copy (select 1) to '{outside}/written.csv'"],
    "copy by a way around": ["copy (select 1) to 'raw/../../outside-the-shop/written.csv'"],
    "attach": ["attach '{outside}/new.duckdb' as new_one"],
    "export": ["export database '{outside}/whole'"],
    "log of queries": ["set log_query_path = '{outside}/queries.sql'"],
    "spill": ["set temp_directory = '{outside}/spill'"],
    "stored secret": ["create persistent secret one (type http, bearer_token 'x')"],
    "install": ["install httpfs"],
    "load": ["load '{outside}/code.duckdb_extension'"],
    "more access": ["set enable_external_access = true"],
    "more folders": ["set allowed_directories = ['/']"],
    "more files": ["set allowed_paths = ['{outside}/secret.txt']"],
}
# What has to work, so that the others fail for the right reason.
ALLOWED = "select count(*) as orders from read_csv('raw/orders.csv')"
# DuckDB's and the plugin's own words.
REFUSED = ("Permission Error", "Cannot enable external access", "Cannot change allowed_")


pytestmark = pytest.mark.check("attack")


@scenario("one_mart")
def hostile(workshop: Workshop, one_mart: tuple[Build, list[str]]) -> tuple[Build, Path]:
    """A model for each query and each statement, which come from a var."""
    outside = workshop.folder("outside-the-shop")
    for name in ("secret.txt", "secret.csv"):
        (outside / name).write_text(SECRET)
    project = workshop.folder("project-of-hostile-vars")
    shutil.copytree(workshop.folder("project-of-one-mart"), project, dirs_exist_ok=True)
    models = project / "models" / "probes"
    models.mkdir()
    queries = {**QUERIES, "allowed": ALLOWED}
    for number, name in enumerate([*queries, *STATEMENTS]):
        hooks = f", pre_hook=var('statements')[{name!r}]" if name in STATEMENTS else ""
        query = "select 1 as one" if hooks else f"{{{{ var('queries')[{name!r}] }}}}"
        config = "{{ config(materialized='table', contract={'enforced': false}" + hooks + ") }}"
        (models / f"probe_{number}.sql").write_text(f"-- {name}\n{config}\n{query}\n")
    folder = workshop.folder("shop-of-hostile-vars")
    given: dict[str, Any] = {"queries": queries, "statements": STATEMENTS}
    variables = json.loads(json.dumps(given).replace("{outside}", outside.as_posix()))
    for name in ("warehouse", "published"):
        (folder / name).mkdir()
    (folder / "raw").mkdir()
    (folder / "raw" / "orders.csv").write_text(ONE_ORDER)
    (folder / "raw" / "link.txt").symlink_to(outside / "secret.txt")
    where = ["--project-dir", str(project), "--threads", "1"]
    return workshop.build(folder, None, variables, where, with_artifacts=True), outside


def results(build: Build) -> dict[str, dict[str, Any]]:
    """The result of each probe, by its name."""
    found = json.loads((build.folder / "target" / "run_results.json").read_text())["results"]
    names = [*QUERIES, "allowed", *STATEMENTS]
    prefix = "model.customer_segmentation.probe_"
    return {
        names[int(one["unique_id"].removeprefix(prefix))]: one
        for one in found
        if one["unique_id"].startswith(prefix)
    }


@pytest.mark.parametrize("name", [*QUERIES, *STATEMENTS])
def test_sql_of_a_var_is_refused(hostile: tuple[Build, Path], name: str) -> None:
    result = results(hostile[0])[name]
    assert result["status"] == "error", result
    assert any(words in result["message"] for words in REFUSED), result["message"]


def test_the_declared_folders_can_be_read(hostile: tuple[Build, Path]) -> None:
    assert results(hostile[0])["allowed"]["status"] == "success"


def test_nothing_was_written_or_read_outside(hostile: tuple[Build, Path]) -> None:
    build, outside = hostile
    assert {one.name for one in outside.iterdir()} == {"secret.txt", "secret.csv"}
    held = [
        one
        for one in build.folder.rglob("*")
        if one.is_file() and not one.is_symlink() and SECRET.encode() in one.read_bytes()
    ]
    assert held == []
    assert SECRET not in build.output
