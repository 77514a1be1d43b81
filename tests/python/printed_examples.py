"""Commands and results that the documentation prints, and a clean copy of the project for them."""

import re
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def block(page: str, name: str, language: str) -> str:
    """The block of a page between the comments <!-- name --> and <!-- /name -->."""
    text = (ROOT / page).read_text(encoding="utf-8")
    found = re.search(rf"<!-- {name} -->\n```{language}\n(.*?)```", text, re.DOTALL)
    assert found, f"{page} has no block {name}"
    return found[1]


def copy_project(folder: Path) -> Path:
    """What a user who cloned the project and ran `make install` has."""
    for name in ("models", "macros", "seeds", "tests", "docs"):
        # Without the unit tests, which are no part of a build and half of what there is to parse.
        ignored = shutil.ignore_patterns("python", "unit", "__pycache__")
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    for name in ("dbt_project.yml", "profiles.yml", "selectors.yml"):
        shutil.copy(ROOT / name, folder)
    (folder / ".venv").symlink_to(ROOT / ".venv")
    return folder


def run(commands: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Runs commands in a folder and stops at the first that fails."""
    return subprocess.run(
        ["bash", "-e"], input=commands, cwd=folder, capture_output=True, text=True, check=False
    )
