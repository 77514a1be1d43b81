"""Only a whole green build of the right target replaces the published file."""

from __future__ import annotations

import pytest
from conftest import Attempt

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
