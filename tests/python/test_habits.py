"""The rules of the house catch what they are for; release notes are a section of the changelog."""

import importlib
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rule_grammar_project import ROOT

NODE: dict[str, Any] = {
    "unique_id": "model.customer_segmentation.segment_sizes",
    "name": "segment_sizes",
    "relation_name": None,
    "description": "One row per segment: its size.",
    "original_file_path": "models/marts/segments/segment_sizes.sql",
    "config": {},
    "meta": {},
    "columns": {},
    "package_name": "customer_segmentation",
    "database": "demo",
    "schema": "segmentation",
    "raw_code": "select 1",
    "language": "sql",
    "access": "public",
    "group": "segments",
    "alias": "segment_sizes",
    "patch_path": None,
    "tags": [],
    "depends_on": {"nodes": ["model.customer_segmentation.segments"], "macros": []},
    "constraints": [],
}
GRAIN = {
    "name": "a_row_per_segment",
    "test_metadata": {"name": "unique_combination", "kwargs": {}},
    "tags": [],
}
STAGED = {"original_file_path": "models/staging/stg_orders.sql", "name": "stg_orders"}
INTERMEDIATE = {
    "original_file_path": "models/marts/intermediate/int_marts__sizes.sql",
    "name": "int_marts__sizes",
}
READS_RAW = {"depends_on": {"nodes": ["source.customer_segmentation.input.orders"]}}
LONG = {"language": "python", "raw_code": "line\n" * 16}

# Rule, what is changed, whether the rule complains.
CASES: list[tuple[str, dict[str, Any], bool]] = [
    ("description_begins_with_the_grain", {}, False),
    ("description_begins_with_the_grain", {"description": "The sizes of segments."}, True),
    ("name_begins_with_its_layer", {}, False),
    ("name_begins_with_its_layer", {"name": "int_segment_sizes__all"}, True),
    ("name_begins_with_its_layer", STAGED, False),
    ("name_begins_with_its_layer", {**STAGED, "name": "orders"}, True),
    ("name_begins_with_its_layer", INTERMEDIATE, False),
    ("name_begins_with_its_layer", {**INTERMEDIATE, "name": "sizes"}, True),
    ("reads_only_what_lies_before_it", {}, False),
    ("reads_only_what_lies_before_it", {"parents": [STAGED]}, False),
    ("reads_only_what_lies_before_it", {**STAGED, "parents": [{}]}, True),
    ("reads_only_what_lies_before_it", {"original_file_path": "models/other/sizes.sql"}, True),
    ("only_staging_reads_sources", {}, False),
    ("only_staging_reads_sources", READS_RAW, True),
    ("only_staging_reads_sources", {**STAGED, **READS_RAW}, False),
    ("marts_test_their_grain", {}, False),
    ("marts_test_their_grain", {"tests": []}, True),
    ("marts_test_their_grain", {**STAGED, "tests": []}, False),
    ("marts_test_their_grain", {**INTERMEDIATE, "tests": []}, False),
    ("python_models_only_call", LONG, True),
    ("python_models_only_call", {**LONG, "language": "sql"}, False),
]


@pytest.mark.parametrize(("rule", "changes", "complains"), CASES)
def test_a_rule_of_the_house_catches_what_it_is_for(
    rule: str, changes: dict[str, Any], complains: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    dbt_score = pytest.importorskip("dbt_score")
    monkeypatch.syspath_prepend(ROOT)
    conventions = importlib.import_module("conventions")
    tests = changes.get("tests", [GRAIN])
    model = dbt_score.Model.from_node({**NODE, **changes}, tests)
    model.parents = [
        dbt_score.Model.from_node({**NODE, **parent}, []) for parent in changes.get("parents", [])
    ]
    violation = getattr(conventions, rule)().evaluate(model)
    assert (violation is not None) is complains


@pytest.mark.skipif(sys.platform == "win32", reason="a script of bash")
def test_release_notes_are_the_section_of_a_version(tmp_path: Path) -> None:
    (tmp_path / ".github").mkdir()
    shutil.copy(ROOT / ".github" / "release_notes", tmp_path / ".github")
    changelog = "# Changelog\n\n## 0.3.0, unreleased\n\n- C\n\n## 0.2.0, 2026-12-31\n\n- B\n- b\n"
    changelog += "\n## 0.1.0, 2026-11-30\n\n- A\n"
    (tmp_path / "CHANGELOG.md").write_text(changelog)

    def notes(version: str) -> subprocess.CompletedProcess[str]:
        command = [str(tmp_path / ".github" / "release_notes"), version]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    assert notes("0.2.0").stdout.strip() == "- B\n- b"
    assert notes("0.1.0").stdout.strip() == "- A"
    for version, complaint in {"0.3.0": "is unreleased", "0.4.0": "no section"}.items():
        assert notes(version).returncode == 1
        assert complaint in notes(version).stderr
