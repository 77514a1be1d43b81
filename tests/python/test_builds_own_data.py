"""The shapes of docs/own_data.md from the raw file to the published one, as printed."""

import re

import duckdb
import pytest
from printed_examples import block, copy_project, run

PAGE = "docs/own_data.md"
SUMMARIES = {
    # One of them has nothing but a sample that cost nothing.
    "retail": r"12 \(buyers 11, prospects 1\)",
    "shopify": r"9 \(buyers 8, prospects 1\)",
    # The order that a customer placed without logging in is theirs, by the e-mail.
    "woocommerce": r"5 \(buyers 5\)",
    "stripe": r"6 \(buyers 6\)",
    "bigcommerce": r"7 \(buyers 7\)",
    "ga4": r"7 \(buyers 6, prospects 1\)",
    "wholesale": r"120 \(buyers 120\).*\nGuests placed 1,110 of 2,227 orders",
}


@pytest.mark.slow
@pytest.mark.parametrize("shape", SUMMARIES)
def test_a_shape_becomes_segments_with_the_printed_commands(shape, tmp_path):
    commands = block(PAGE, shape, "bash") + block(PAGE, f"{shape}-build", "bash")
    made = run(commands, copy_project(tmp_path))
    assert made.returncode == 0, made.stdout + made.stderr
    assert block(PAGE, f"{shape}-build-output", "text") in made.stdout
    with duckdb.connect(str(tmp_path / "published" / f"{shape}.duckdb"), read_only=True) as file:
        # Nothing was lost on the way: no row was refused.
        refused = file.execute("select source_table, rule from monitoring.quarantined_records")
        assert refused.fetchall() == []
    summary = run(".venv/bin/customer-segmentation summary", tmp_path).stdout
    print(summary)
    assert re.search(SUMMARIES[shape], summary), summary
    # Of a table that isn't there nothing can be known.
    assert "consents" not in summary
