"""The shapes of docs/own_data.md from the raw file to the published one, as printed."""

import duckdb
import pytest
from printed_examples import block, copy_project, run

PAGE = "docs/own_data.md"


@pytest.mark.slow
@pytest.mark.parametrize("shape", ["retail", "shopify", "ga4"])
def test_a_shape_becomes_segments_with_the_printed_commands(shape, tmp_path):
    commands = block(PAGE, shape, "bash") + block(PAGE, f"{shape}-build", "bash")
    made = run(commands, copy_project(tmp_path))
    assert made.returncode == 0, made.stdout + made.stderr
    assert block(PAGE, f"{shape}-build-output", "text") in made.stdout
    with duckdb.connect(str(tmp_path / "published" / "segments.duckdb"), read_only=True) as file:
        # Nothing was lost on the way: no row was refused.
        refused = file.execute("select source_table, rule from monitoring.quarantined_records")
        assert refused.fetchall() == []
