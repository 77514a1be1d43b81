"""The README's worked example, run as printed."""

import re

from printed_examples import ROOT, block, copy_project, run

README = "README.md"


def test_own_data_example_gives_the_printed_result(tmp_path):
    made = run(block(README, "own-data", "bash"), copy_project(tmp_path))
    assert made.returncode == 0, made.stdout + made.stderr
    assert block(README, "own-data-output", "text") in made.stdout


def test_every_published_mart_is_in_the_table():
    marts = {path.stem for path in (ROOT / "models" / "marts").rglob("*.sql")}
    listed = set(re.findall(r"^\| `(?:\w+\.)?(\w+)` \|", (ROOT / README).read_text(), re.MULTILINE))
    assert marts == listed
