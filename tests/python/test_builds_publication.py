"""Only a whole green build of the right target replaces the published file."""

from __future__ import annotations

import shutil

import pytest
from conftest import HEADER, Attempt, Build, Workshop, fingerprint, scenario

NOT_WHOLE = ["dbt run", "--select", "--exclude-resource-type test", "--empty", "another target"]


def test_a_whole_build_replaces_the_file(
    guarded: dict[str, Attempt], more_customers: Attempt
) -> None:
    """A control: the folders that the other builds start from can be published to."""
    for attempt, customers in ((guarded["whole"], 2), (more_customers, 40)):
        attempt.build.passed()
        assert attempt.after != attempt.before
        assert attempt.build.rows("select count(*) from customers") == [(customers,)]


def test_a_build_ends_with_its_summary(more_customers: Attempt) -> None:
    page = more_customers.build.output.rpartition("Published published/segments.duckdb\n")[2]
    assert page.startswith("Data set trial from raw, as of ")
    assert "Eligible customers: 40 (" in page
    assert "Published: published/segments.duckdb. " in page


@pytest.mark.parametrize("name", NOT_WHOLE)
def test_anything_less_leaves_the_file_as_it_was(guarded: dict[str, Attempt], name: str) -> None:
    attempt = guarded[name]
    attempt.build.passed()
    assert attempt.after == attempt.before


def test_a_failing_test_leaves_the_file_as_it_was(guarded: dict[str, Attempt]) -> None:
    attempt = guarded["a failing test"]
    attempt.build.failed()
    assert "Failure in test" in attempt.build.output
    assert attempt.after == attempt.before


def test_another_data_set_stops_before_it_is_built(guarded: dict[str, Attempt]) -> None:
    refused = guarded["another data set"]
    said = refused.build.failed().output
    assert "segments.duckdb holds the data set 'trial'; this build is of 'another'" in said
    assert "replace_other_dataset: true" in said
    assert "OK created" not in said
    assert refused.after == refused.before
    allowed = guarded["another data set that may"]
    assert allowed.build.passed().rows("select dataset from data_set") == [("another",)]


def test_no_half_written_file_is_left_beside_it(guarded: dict[str, Attempt]) -> None:
    for attempt in guarded.values():
        beside = {path.name for path in attempt.build.published.parent.iterdir()}
        assert beside == {"segments.duckdb"}


# --- Two targets in one working file -------------------------------------------------------------

# The models by which a build sees who left, over the orders alone.
IDENTITY = {
    "int_identity__records": """
        select distinct true as is_in_crm, 'default' as source_system, customer_ref as record_id
        from {{ ref('orders') }}
    """,
    "int_identity__erased_references": """
        select '' as source_table, '' as source_system, '' as reference where false
    """,
    "int_staging__retention": """
        select '' as source_table, cast(null as date) as retained_from where false
    """,
}
STAYS, LEAVES = "someone-who-stays", "someone-who-leaves"
# Target, whether the one who leaves is in the raw data, and whether the file is written anew.
RUNS = [
    ("local", True, False),
    ("scratch", False, True),
    ("local", False, False),
    ("scratch", True, False),
    ("local", False, True),
]


@scenario("one_mart")
def two_targets(workshop: Workshop, one_mart: tuple[Build, list[str]]) -> list[tuple[str, bytes]]:
    """The output, and the bytes of the working file, of one build after the other."""
    project = workshop.folder("project-of-two-targets")
    shutil.copytree(workshop.folder("project-of-one-mart"), project, dirs_exist_ok=True)
    for name, sql in IDENTITY.items():
        (project / "models" / "staging" / f"{name}.sql").write_text(sql)
    folder, found = workshop.folder("two-targets"), []
    file = folder / "warehouse" / "trial.duckdb"
    published = None
    for target, has_both, _ in RUNS:
        people = [STAYS, LEAVES] if has_both else [STAYS]
        rows = [f"{n},{one},2024-03-05 12:00:00,30.00\n" for n, one in enumerate(people)]
        where = ["--project-dir", str(project), "--target", target]
        build = workshop.build(folder, {"orders.csv": HEADER + "".join(rows)}, args=where).passed()
        before, published = published, fingerprint(build.published)
        # Another target leaves what readers have.
        assert target == "local" or before == published
        found.append((build.output, file.read_bytes()))
    return found


def test_who_left_is_in_no_byte_whichever_target_was_built(
    two_targets: list[tuple[str, bytes]],
) -> None:
    for (target, has_both, is_anew), (output, content) in zip(RUNS, two_targets, strict=True):
        assert ("the working file is written anew" in output) == is_anew, (target, output)
        assert STAYS.encode() in content
        assert (LEAVES.encode() in content) == has_both, target
