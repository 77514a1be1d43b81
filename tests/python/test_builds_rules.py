"""What make build-rules publishes is what a whole build of the same rules publishes."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest
from conftest import fingerprint, write_raw
from printed_examples import ROOT, copy_project
from test_builds_history import HISTORY_VARS, a_world

from customer_segmentation.input.contract import CONTRACT, read_var
from customer_segmentation.output import changed_rules

VARS: dict[str, Any] = {"dataset": "shop", "raw_dir": "raw", "timezone": "UTC", **HISTORY_VARS}
RULES = VARS["rule_segments"]
# Other limits, and a new segment of a window that none had.
FIRST_RULES = {
    **RULES,
    "keen": {**RULES["keen"], "at_least": 2},
    "top": {**RULES["top"], "top_percent": 30},
    "quiet": {"metric": "page_views", "window_days": 45, "at_most": 0},
}
# One segment has another name and limit, one is gone, and one is new. No feature changes.
OTHER_RULES = {
    "fans": {**FIRST_RULES["keen"], "at_least": 3},
    "top": FIRST_RULES["top"],
    "quiet": FIRST_RULES["quiet"],
    "away": {"metric": "page_views", "window_days": 60, "at_most": 0},
}
# A table that differs by what it says: one line per build.
OF_THE_RUN = ("monitoring.audit_log",)
BROKEN_TEST = """{{ config(severity='error') }}
select segment_key from {{ ref('segments') }} where segment_key = 'rule:broken'
"""


def given(rules: dict[str, Any], **more: Any) -> str:
    return json.dumps({**VARS, "rule_segments": rules, **more})


def start(folder: Path, command: str, variables: str, *options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [".venv/bin/customer-segmentation", command, "--vars", variables, *options],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), "DBT_PROFILES_DIR": "."},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def run(folder: Path, command: str, variables: str, *options: str, status: int = 0) -> str:
    process = start(folder, command, variables, *options)
    said, _ = process.communicate()
    assert process.returncode == status, said
    return said


def published(folder: Path) -> Path:
    return folder / "published" / "segments.duckdb"


def keep(folder: Path, name: str) -> Path:
    """A copy of the published file, before the next build replaces it."""
    return Path(shutil.copy(published(folder), folder / f"{name}.duckdb"))


def differences(left: Path, right: Path) -> list[str]:
    """The tables of two published files that aren't equal, row for row."""
    connection = duckdb.connect()
    for name, file in (("a", left), ("b", right)):
        connection.execute(f"attach '{file}' as {name} (read_only)")
    columns = {
        name: connection.execute(
            "select table_schema || '.' || table_name, list((column_name, data_type)) "
            "from (from information_schema.columns order by ordinal_position) "
            "where table_catalog = ? group by all order by all",
            [name],
        ).fetchall()
        for name in "ab"
    }
    assert columns["a"] == columns["b"]
    assert len(columns["a"]) > 50
    return [
        table
        for table, _ in columns["a"]
        if table not in OF_THE_RUN
        and any(
            connection.execute(f"from {one}.{table} except all from {other}.{table}").fetchall()
            for one, other in ("ab", "ba")
        )
    ]


class Shop:
    """A project that was built, then had its rules changed twice; and whole builds of the same."""

    def __init__(self, home: Path) -> None:
        self.folder, self.whole = home / "rules", home / "whole"
        for folder in (self.folder, self.whole):
            copy_project(folder)
            (folder / "tests" / "no_segment_is_broken.sql").write_text(BROKEN_TEST)
            (folder / "warehouse").mkdir()
            world = a_world(3)
            write_raw(folder, world.known(set(range(world.batches + 1)), random.Random(1)))
        with ThreadPoolExecutor(max_workers=2) as pool:
            both = pool.submit(self._change_rules), pool.submit(self._build_whole)
        self.said, self.files = both[0].result()
        self.expected = both[1].result()

    def _change_rules(self) -> tuple[list[str], list[Path]]:
        run(self.folder, "build", given(RULES))
        # The second build keeps the closed periods, so its tables hold the last one alone.
        run(self.folder, "build", given(RULES), "--force")
        said = [run(self.folder, "build-rules", given(FIRST_RULES))]
        files = [keep(self.folder, "first")]
        said.append(run(self.folder, "build-rules", given(OTHER_RULES)))
        return said, [*files, keep(self.folder, "other")]

    def _build_whole(self) -> list[Path]:
        run(self.whole, "build", given(FIRST_RULES))
        files = [keep(self.whole, "first")]
        run(self.whole, "build", given(OTHER_RULES))
        return [*files, keep(self.whole, "other")]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return Shop(tmp_path_factory.mktemp("rules"))


def built(said: str) -> tuple[int, int]:
    """How many models, seeds and tests are built, and how many there are."""
    words = next(line for line in said.splitlines() if "seeds and tests are built" in line).split()
    return int(words[0]), int(words[2])


def test_the_published_file_is_that_of_a_whole_build(shop: Shop) -> None:
    for file, expected in zip(shop.files, shop.expected, strict=True):
        assert differences(file, expected) == [], file.name


def test_the_rules_are_other_ones(shop: Shop) -> None:
    first, other = (
        dict(
            duckdb.connect(str(file), read_only=True)
            .execute("select segment_key, count(*) from segment_memberships group by all")
            .fetchall()
        )
        for file in shop.files
    )
    assert 0 < other["rule:fans"] < first["rule:keen"]
    assert first["rule:browsers"] > 0
    assert first["rule:quiet"] == other["rule:quiet"] > 0
    assert other["rule:away"] > 0
    assert other.keys() - first.keys() == {"rule:fans", "rule:away"}
    assert {key for key in first.keys() - other.keys() if key.startswith("rule:")} == {
        "rule:keen",
        "rule:browsers",
    }


def test_what_rules_do_not_change_is_left_out(shop: Shop) -> None:
    first, other = map(built, shop.said)
    assert other[0] < first[0] < first[1] == other[1]
    for said in shop.said:
        assert "restricted.base_orders" not in said
        assert "scores.int_segmentation__memberships" in said
    assert "features.int_features__customers_measured" not in shop.said[1]


def test_a_build_afterwards_has_nothing_to_do(shop: Shop) -> None:
    before = fingerprint(published(shop.folder))
    for command in ("build", "build-rules"):
        assert run(shop.folder, command, given(OTHER_RULES)).startswith("Nothing changed since")
    assert fingerprint(published(shop.folder)) == before


def test_the_summary_has_the_warnings_of_tests_that_did_not_run(shop: Shop) -> None:
    # It reads the coverage of sources, which these rules don't change.
    assert "sources_are_fresh" not in shop.said[1]
    assert "the newest row of the table customers is" in shop.said[1]


@pytest.fixture
def raw_file(shop: Shop) -> Iterator[Path]:
    file = shop.folder / "raw" / "events.parquet"
    content = file.read_bytes()
    yield file
    file.write_bytes(content)


def test_other_raw_data_is_refused(shop: Shop, raw_file: Path) -> None:
    pd.read_parquet(raw_file).iloc[1:].to_parquet(raw_file, index=False)
    said = run(shop.folder, "build-rules", given(RULES), status=2)
    assert said == (
        "customer-segmentation: error: Raw files, code, libraries or environment are not those of "
        "the last build. Run `make build`.\n"
    )


def test_other_vars_are_refused_by_name(shop: Shop) -> None:
    said = run(shop.folder, "build-rules", given(RULES, as_of="2024-07-01"), status=2)
    assert len(said.splitlines()) == 1
    assert "Other vars have changed since the last build as well: as_of. Expected" in said


def test_raw_data_that_is_not_compared_is_refused(shop: Shop) -> None:
    said = run(shop.folder, "build-rules", given(RULES, raw_schema="raw"), status=2)
    assert "can't be compared with that of the last build" in said


@pytest.mark.slow
def test_a_killed_build_of_rules_is_made_good_by_a_whole_one(shop: Shop) -> None:
    before = fingerprint(published(shop.folder))
    process = start(shop.folder, "build-rules", given(FIRST_RULES))
    assert process.stdout
    for line in process.stdout:
        if "OK created sql incremental model scores.int_segmentation__memberships" in line:
            process.send_signal(signal.SIGKILL)
            break
    process.stdout.close()
    assert process.wait() == -signal.SIGKILL
    assert fingerprint(published(shop.folder)) == before
    said = run(shop.folder, "build-rules", given(FIRST_RULES), status=2)
    assert "There is no build to start from" in said
    run(shop.folder, "build", given(FIRST_RULES))
    assert differences(published(shop.folder), shop.expected[0]) == []


def test_a_failed_test_keeps_the_published_file(shop: Shop) -> None:
    before = fingerprint(published(shop.folder))
    rules = {**FIRST_RULES, "broken": RULES["browsers"]}
    said = run(shop.folder, "build-rules", given(rules), status=1)
    assert "Not published, published/segments.duckdb is unchanged" in said
    assert fingerprint(published(shop.folder)) == before


def test_vars_that_restate_history_are_those_of_the_definition_hash() -> None:
    macro = (ROOT / "macros" / "history" / "periods.sql").read_text()
    names = macro.partition("macro vars_that_shape_history")[2].partition("endmacro")[0]
    assert all(f"'{name}'" in names for name in changed_rules._RESTATING)
    assert not any(f"'{name}'" in names for name in changed_rules._NOT_RESTATING)
    for name in changed_rules._RESTATING | changed_rules._NOT_RESTATING:
        read_var(CONTRACT, name)
