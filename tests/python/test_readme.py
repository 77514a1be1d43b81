"""The README's worked example, run as printed."""

import re
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def block(name: str, language: str) -> str:
    found = re.search(rf"<!-- {name} -->\n```{language}\n(.*?)```", README, re.DOTALL)
    assert found, f"README.md has no block {name}"
    return found[1]


def test_own_data_example_gives_the_printed_result(tmp_path):
    for name in ("models", "macros", "seeds", "tests"):
        # Without the unit tests, which are no part of a build and half of what there is to parse.
        ignored = shutil.ignore_patterns("python", "unit", "__pycache__")
        shutil.copytree(ROOT / name, tmp_path / name, ignore=ignored)
    for name in ("dbt_project.yml", "profiles.yml", "selectors.yml"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / ".venv").symlink_to(ROOT / ".venv")
    run = subprocess.run(
        ["bash", "-e"],
        input=block("own-data", "bash"),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert block("own-data-output", "text") in run.stdout


def test_every_published_mart_is_in_the_table():
    marts = {path.stem for path in (ROOT / "models" / "marts").rglob("*.sql")}
    listed = set(re.findall(r"^\| `(?:\w+\.)?(\w+)` \|", README, re.MULTILINE))
    assert marts == listed
