"""The output of the tests ends with their results."""

import os
import subprocess
import sys

from printed_examples import ROOT

# A run of dbt in this process, then a property: then DuckDB printed a page of leaks at exit.
TESTS = (
    "test_package.py::test_a_profile_without_the_plugin_is_told_what_to_add",
    "test_patterns.py::test_email_addresses_are_the_same_in_sql_and_python",
)


def test_nothing_is_printed_after_the_results() -> None:
    given = [f"tests/python/{name}" for name in TESTS]
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *given],
        cwd=ROOT,
        env={**os.environ, "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout
    assert ran.stdout.rstrip().endswith("[100%]")
    assert ran.stderr == ""
