"""What make hands over to the programs, and when it builds."""

import json
import os
import re
import shlex
import subprocess
from pathlib import Path

import duckdb
import pytest
import yaml
from printed_examples import ROOT

from customer_segmentation.output.last_build import LastBuild, record_build


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder as it is after a build, with nothing but what the tested targets read."""
    for folder in ("published", "target"):
        (tmp_path / folder).mkdir()
    with duckdb.connect(str(tmp_path / "published" / "segments.duckdb")) as connection:
        connection.execute("create table many as select range as n from range(100000)")
    record_build(LastBuild({"dataset": "shop"}, []), tmp_path / "target")
    for folder in (".venv", "datasets"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    return tmp_path


def make(arguments: str, project: Path) -> subprocess.CompletedProcess[str]:
    """Runs make in a shell, which may continue in a pipe."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    # Without asking whether .venv is up to date.
    options = f"--no-print-directory --file {ROOT / 'Makefile'} --old-file .venv/.installed"
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", f"make {options} {arguments}"],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("target", ["check", "check-kill"])
def test_the_checks_find_their_tests_and_their_page(tmp_path: Path, target: str) -> None:
    lines = make(f"--dry-run {target}", ROOT).stdout.splitlines()
    (command,) = [shlex.split(line) for line in lines if "--page" in line]
    page = tmp_path / "reliability.md"
    page.write_text((ROOT / "docs/reliability.md").read_text())
    command = [part.replace("docs/reliability.md", str(page)) for part in command]
    ran = subprocess.run([*command, "--collect-only"], cwd=ROOT, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "test_builds_kill.py" in ran.stdout


def test_a_reader_that_stops_early_is_no_error(project: Path) -> None:
    for result_format in ("csv", "json", "table"):
        ran = make(f"query SQL='select * from many' FORMAT={result_format} | head -1", project)
        assert (ran.returncode, ran.stdout.count("\n"), ran.stderr) == (0, 1, "")


def test_a_full_disk_is_said_in_one_line(project: Path) -> None:
    for result_format in ("csv", "json", "table"):
        ran = make(f"query SQL='select * from many' FORMAT={result_format} > /dev/full", project)
        assert ran.returncode == 2
        said, of_make = ran.stderr.splitlines()
        assert re.fullmatch(r"\S+: error: No space left on device\. Expected room .*", said)
        assert of_make.startswith("make: ")


def test_dollars_and_quotes_reach_the_query(project: Path) -> None:
    sql = """-- $1
        select '$HOME $(SHELL) $$ `date`' as "a", $$it's$$ as b"""
    quoted = sql.replace("'", "'\\''")
    ran = make(f"query FORMAT=json SQL='{quoted}'", project)
    assert json.loads(ran.stdout or "[]") == [{"a": "$HOME $(SHELL) $$ `date`", "b": "it's"}], ran


def test_query_and_export_have_a_default_format_each(project: Path) -> None:
    query, export = make("--dry-run query export SEGMENT=rfm:loyal", project).stdout.splitlines()
    assert '--format "table"' in query
    assert export.rstrip().endswith('export "rfm:loyal" --format "csv"')


def test_quotes_in_the_sql_of_a_data_set_reach_dbt(project: Path) -> None:
    (project / "datasets").unlink()
    (project / "datasets").mkdir()
    metric = {"table": "sessions", "aggregate": "share", "filter": "country <> 'US'"}
    given = {"dataset": "shop", "extra_metrics": {"foreign_share": metric}}
    (project / "datasets" / "shop.yml").write_text(json.dumps(given))
    build, *_ = make("--dry-run build DATASET=shop", project).stdout.splitlines()
    assert yaml.safe_load(shlex.split(build)[-1]) == given


def test_references_are_exported_on_request(project: Path) -> None:
    assert make("--dry-run export REFS=1", project).stdout.rstrip().endswith(" --with-refs")


def test_the_summary_is_a_page_or_all_of_it(project: Path) -> None:
    assert "--full" not in make("--dry-run summary", project).stdout
    said = make("--dry-run summary FULL=1 DATASET=shop", project).stdout
    assert " ".join(said.split()).endswith('summary --dataset "shop" --full')


def test_the_explorer_is_of_the_last_build_or_of_a_data_set_and_ends_a_backfill(
    project: Path,
) -> None:
    last, chosen = "customer-segmentation explore", 'customer-segmentation explore --dataset "shop"'
    assert make("--dry-run explore", project).stdout.rstrip().endswith(last)
    assert make("--dry-run explore DATASET=shop", project).stdout.rstrip().endswith(chosen)
    *_, build, explore = make("--dry-run backfill", project).stdout.splitlines()
    assert "dbt build --vars" in build
    assert explore.endswith(last)


def test_a_build_is_left_out_if_nothing_changed_unless_it_is_forced(project: Path) -> None:
    usual = make("--dry-run build", project).stdout.rstrip()
    assert "customer-segmentation build --vars" in usual
    assert make("--dry-run build FORCE=1", project).stdout.rstrip() == f"{usual} --force"


def test_docs_are_of_the_last_build_and_build_only_where_there_is_none(project: Path) -> None:
    (project / ".venv").unlink()
    programs = project / ".venv" / "bin"
    programs.mkdir(parents=True)
    (programs / "customer-segmentation").symlink_to(ROOT / ".venv/bin/customer-segmentation")
    (programs / "dbt").write_text('#!/bin/sh\necho "dbt $@"\n')
    (programs / "dbt").chmod(0o755)
    ran = make("docs", project).stdout
    assert 'dbt docs generate --static --vars {"dataset": "shop"}\n' in ran
    assert "segmentation build" not in ran
    assert "segmentation build" in make("--dry-run docs DATASET=demo", project).stdout
    (project / "target" / "last_build.json").unlink()
    assert "segmentation build" in make("--dry-run docs", project).stdout
