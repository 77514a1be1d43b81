"""The table of docs/reliability.md is that of the checks."""

import shutil

from reliability import CHECKS, Result, machine, write
from rule_grammar_project import ROOT

PAGE = ROOT / "docs" / "reliability.md"


def rows(page):
    lines = [line for line in page.read_text(encoding="utf-8").splitlines() if line[:1] == "|"]
    return [line.strip("| ").split(" | ") for line in lines[2:]]


def test_the_page_has_each_check_in_the_words_of_the_code():
    assert {name: said for name, said, *_ in rows(PAGE)} == CHECKS


def test_a_run_renews_the_rows_of_its_checks_alone(tmp_path):
    page = tmp_path / "page.md"
    shutil.copy(PAGE, page)
    before = rows(page)
    write(page, {"kill": Result(tried=1200, survived=1199, seconds=61.5)})
    assert rows(page)[0] == ["kill", CHECKS["kill"], "1,200", "1,199", "62", machine()]
    assert rows(page)[1:] == before[1:]
    assert page.read_text(encoding="utf-8").count("\n") == PAGE.read_text("utf-8").count("\n")
