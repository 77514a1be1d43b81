"""What the pages print of the demo is what its last build gives.

After a change of figures, `python tests/python/test_demo_pages.py` prints them anew into the pages.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
from printed_examples import ROOT

from customer_segmentation.output.last_build import HOME, TARGET, published_file

PAGES = (
    "README.md",
    "docs/summary.md",
    "docs/rules.md",
    "docs/predictions.md",
    "docs/questions.md",
    "docs/value.md",
    "docs/experiments.md",
)
# A named block with a command and its output, or with a command alone that later ones need.
EXAMPLE = re.compile(
    r"<!-- (?P<name>demo-[\w-]+) -->\n```bash\n(?P<command>.*?)```\n"
    r"(?:```text\n(?P<output>.*?)```\n)?<!-- /(?P=name) -->\n",
    re.DOTALL,
)
BREAK = "== next example =="


def printed(page: str) -> list[re.Match[str]]:
    return list(EXAMPLE.finditer((ROOT / page).read_text(encoding="utf-8")))


def made(page: str) -> list[str]:
    """What the commands of a page print, one after another in one shell."""
    script = f"\necho '{BREAK}'\n".join(example["command"] for example in printed(page))
    # The tests build in a folder of their own.
    script = script.replace("target/compiled", f"{TARGET}/compiled")
    script = script.replace("warehouse/demo", f"{HOME}/warehouse/demo")
    # Wide enough for the longest row; without artifacts, so that the summary stays the build's; and
    # not as the child of another make, which would print the folder.
    outside = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    env = {**outside, "COLUMNS": "200", "DBT_WRITE_JSON": "false", "NO_COLOR": "1"}
    ran = subprocess.run(
        ["bash", "-e"], input=script, cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    said = ran.stdout if Path() == HOME else ran.stdout.replace(f"{HOME}/", "")
    return [output.strip("\n") for output in said.split(BREAK)]


def last_command() -> str:
    results = ROOT / TARGET / "run_results.json"
    known = json.loads(results.read_text()) if results.exists() else {"args": {"which": "none"}}
    return str(known["args"]["which"])


@pytest.mark.parametrize("page", PAGES)
def test_a_page_prints_what_the_demo_gives(page: str) -> None:
    if not (ROOT / published_file({})).exists() or last_command() != "build":
        pytest.skip("the last command of dbt was no build of the demo")
    for example, output in zip(printed(page), made(page), strict=True):
        if example["output"] is not None:
            assert output == example["output"].strip("\n"), example["name"]


def test_every_analysis_is_shown_with_its_question() -> None:
    shown = {match["name"].removeprefix("demo-") for match in printed("docs/questions.md")}
    for path in (ROOT / "analyses").glob("*.sql"):
        question = path.read_text(encoding="utf-8").split("\n")[0].removeprefix("-- ")
        assert question.endswith("?"), path
        assert f"\n## {question}\n" in (ROOT / "docs" / "questions.md").read_text(), path
        assert path.stem in shown, path


def test_analyses_read_marts_alone() -> None:
    models = (ROOT / "models" / "marts").rglob("*.sql")
    marts = {path.stem for path in models if path.parent.name != "intermediate"}
    for path in (ROOT / "analyses").glob("*.sql"):
        assert set(re.findall(r"ref\('(\w+)'\)", path.read_text())) <= marts, path
        assert "source(" not in path.read_text(), path


def renew(page: str) -> None:
    path: Path = ROOT / page
    outputs = iter(made(page))

    def with_output(example: re.Match[str]) -> str:
        output = next(outputs)
        if example["output"] is None:
            return example[0]
        start = example[0].index("```text\n") + len("```text\n")
        end = example[0].rindex("```\n")
        return f"{example[0][:start]}{output}\n{example[0][end:]}"

    path.write_text(EXAMPLE.sub(with_output, path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    for each in PAGES:
        renew(each)
