"""The README's worked example, run as printed."""

import re
import shlex

from dbt_process import run_dbt
from printed_examples import ROOT, block, copy_project, run

README = "README.md"


def test_own_data_example_gives_the_printed_result(tmp_path):
    folder = copy_project(tmp_path)
    before, dbt, after = re.split(
        r"^\.venv/bin/dbt (.*)\n", block(README, "own-data", "bash"), flags=re.MULTILINE
    )
    assert run(before, folder).returncode == 0
    assert run_dbt(folder, shlex.split(dbt)) == 0, (folder / "output.txt").read_text()
    made = run(after, folder)
    assert made.returncode == 0, made.stdout + made.stderr
    assert block(README, "own-data-output", "text") in made.stdout


def test_every_published_mart_is_in_the_table():
    models = (ROOT / "models" / "marts").rglob("*.sql")
    marts = {path.stem for path in models if path.parent.name != "intermediate"}
    table = (ROOT / README).read_text(encoding="utf-8")
    listed = set(re.findall(r"^\| \[`(?:\w+\.)?(\w+)`\]", table, re.MULTILINE))
    assert marts == listed
