"""Names, addresses and free text stay in the working file: not published, logged or compiled."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import duckdb
import pytest
from conftest import REFERENCE_VARS, Build, Workshop, scenario
from test_builds_oracle import CANARIES, reference_data

DIRECT = ("email", "phone", "given_name", "family_name", "street", "birth_date", "body")


def _characters(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())


def _trace(characters: str) -> re.Pattern[str]:
    """Knows a text again after trimming, case folding or another grouping of digits."""
    pattern = r"[-\s./()+@]{0,2}".join(characters)
    # Digits inside a longer number are another number.
    return re.compile(rf"(?<![\d.]){pattern}(?!\d)" if characters.isdigit() else pattern)


TRACES = {name: (_characters(text), _trace(_characters(text))) for name, text in CANARIES.items()}
SEPARATORS = str.maketrans("", "", "-./()+@")


def traces_in(text: str) -> list[str]:
    lower = text.lower()
    # The patterns are slow, and can't match where the characters alone aren't there.
    joined = "".join(lower.split()).translate(SEPARATORS)
    return [
        name
        for name, (characters, trace) in TRACES.items()
        if characters in joined and trace.search(lower)
    ]


def traces_in_files(folder: Path) -> dict[str, list[str]]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files, f"nothing in {folder}"
    found = {str(p.relative_to(folder)): traces_in(p.read_text(errors="replace")) for p in files}
    return {name: traces for name, traces in found.items() if traces}


@scenario("reference")
def warnings_as_errors(workshop: Workshop, reference: Build) -> Build:
    """The tests of its tables once more: what warned is an error, and what failed is stored."""
    folder = workshop.folder("strict")
    for part in ("raw", "warehouse"):
        shutil.copytree(reference.folder / part, folder / part)
    strict = {**REFERENCE_VARS, "test_severity": "error"}
    stored = ["--exclude-resource-type", "unit_test", "--store-failures"]
    return workshop.build(folder, None, strict, stored, "test", with_artifacts=True)


def test_the_canaries_are_in_the_raw_data() -> None:
    """A control: what the other tests look for can be found where it is."""
    raw = " ".join(table.to_csv() for table in reference_data().tables().values())
    assert set(traces_in(raw)) == set(CANARIES)


def test_no_canary_is_in_the_published_file(reference: Build) -> None:
    found = {}
    for mart in reference.passed().marts():
        text = reference.query(f"from {mart}").to_csv()
        if traces_in(text):
            found[mart] = traces_in(text)
    assert not found


@pytest.mark.parametrize("place", ["target", "logs"])
def test_no_canary_is_in_artifacts_or_logs_of_a_green_build(reference: Build, place: str) -> None:
    assert not traces_in_files(reference.passed().folder / place)


@pytest.mark.parametrize("place", ["target", "logs"])
def test_no_canary_is_in_artifacts_or_logs_of_a_failed_test(
    warnings_as_errors: Build, place: str
) -> None:
    assert not traces_in_files(warnings_as_errors.failed().folder / place)


def test_no_canary_is_in_stored_failures(warnings_as_errors: Build) -> None:
    file = warnings_as_errors.failed().folder / "warehouse" / "trial.duckdb"
    with duckdb.connect(str(file), read_only=True) as connection:
        names = connection.execute(
            "select table_name from information_schema.tables"
            " where table_schema = 'dbt_test__audit' order by 1"
        ).fetchall()
        stored = {
            name: connection.execute(f"from dbt_test__audit.{name}").fetchall() for (name,) in names
        }
    assert any(stored.values()), "no failures were stored"
    assert {name: rows for name, rows in stored.items() if traces_in(str(rows))} == {}


def test_no_canary_is_printed(reference: Build, warnings_as_errors: Build) -> None:
    assert not traces_in(reference.output)
    assert not traces_in(warnings_as_errors.output)


def test_published_columns_are_not_named_after_direct_identifiers(reference: Build) -> None:
    names = reference.passed().rows(
        "select table_name, column_name from information_schema.columns"
    )
    assert len(names) > 80
    assert [name for name in names if any(word in name[1].lower() for word in DIRECT)] == []


@pytest.mark.parametrize("has_key", [True, False])
def test_hashes_under_the_demo_key_stop_the_publication(reference: Build, has_key: bool) -> None:
    """The build has a key, so its check runs once more as if it had none."""
    name = "hashed_references_have_a_key_of_their_own.sql"
    (compiled,) = (reference.passed().folder / "target" / "compiled").rglob(name)
    with duckdb.connect(reference.folder / "warehouse" / "trial.duckdb", read_only=True) as working:
        flag = duckdb.sqltype("BOOLEAN")
        working.create_function("segmentation_has_own_hash_key", lambda: has_key, [], flag)
        findings = working.execute(compiled.read_text()).fetchall()
    assert bool(findings) != has_key
    for (finding,) in findings:
        assert "SEGMENTATION_HASH_KEY" in finding
        assert "require_hash_key" in finding
        assert not traces_in(finding)


def test_the_risk_of_a_mart_is_counted_as_pandas_does(reference: Build) -> None:
    risks = reference.passed().query("from monitoring.reidentification_risk")
    assert set(risks["mart"]) == {"customers", "customer_features", "customer_segments"}
    for risk in risks.itertuples():
        rows = reference.query(f"from {risk.mart}")
        sizes = rows.value_counts(risk.quasi_identifiers.split(", "), dropna=False)
        assert (risk.customers, risk.combinations) == (len(rows), len(sizes))
        assert (risk.unique_combinations, risk.smallest_combination) == (
            sum(sizes == 1),
            min(sizes),
        )
        share = sizes[sizes < 10].sum() / len(rows)
        assert risk.share_in_small_combinations == pytest.approx(share, abs=1e-6)
