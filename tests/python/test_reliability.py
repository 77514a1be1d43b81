"""The table of docs/reliability.md is that of the checks."""

import shutil

from reliability import CHECKS, Result, machine, write
from rule_grammar_project import ROOT

PAGE = ROOT / "docs" / "reliability.md"


def rows(page):
    lines = [line for line in page.read_text(encoding="utf-8").splitlines() if line[:1] == "|"]
    return [line.strip("| ").split(" | ") for line in lines[2:]]


def test_the_page_says_what_is_tried_in_the_words_of_the_code():
    assert {name: said for name, said, *_ in rows(PAGE)}.items() <= CHECKS.items()


def test_a_run_renews_the_rows_of_its_checks_alone(tmp_path):
    page = tmp_path / "page.md"
    shutil.copy(PAGE, page)
    for tried in (7, 1200):
        write(page, {"lock": Result(tried=tried, survived=tried, seconds=61.5)})
    write(page, {"kill": Result(tried=200, survived=199, seconds=3000)})
    found = {name: cells for name, *cells in rows(page)}
    assert next(iter(found)) == "kill"
    assert found["kill"] == [CHECKS["kill"], "200", "199", "3,000", machine()]
    assert found["lock"] == [CHECKS["lock"], "1,200", "1,200", "62", machine()]
    others = {name: cells for name, *cells in rows(PAGE) if name not in ("kill", "lock")}
    assert {name: found[name] for name in others} == others
    text = [
        [line for line in each.read_text(encoding="utf-8").splitlines() if line[:1] != "|"]
        for each in (page, PAGE)
    ]
    assert text[0] == text[1]
