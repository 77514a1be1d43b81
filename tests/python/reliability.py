"""The table of docs/reliability.md: what the tests marked `check` tried, and how it ended."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path

import pytest

# What each check does, in the words of the page. Its tests name it: @pytest.mark.check("kill").
CHECKS = {
    "kill": "A whole build over yesterday's is killed at a random moment, and so are the next "
    "three, each over what the last one left. The working file opens after each, readers of the "
    "published file see one run all the time, and a fifth build leaves the tables and files of a "
    "build that nothing interrupted.",
    "publish": "Files are published under continuous reading, killed while they are published, and "
    "published where the disk is full or the folder closed. Readers get no error and see one "
    "publication; what fails says so in one line and leaves the old file.",
    "lock": "A build meets a process that holds its working file. It waits up to a limit, then says"
    " in one line which process that is.",
    "malformed input": "Raw files and cells with a fault each: encodings, headers, line ends, "
    "formats, archives, links, dates, numbers, words, ids. Each is refused, rejected or read as "
    "stated beside it.",
    "attack": "SQL of a var that reads, writes or loads what lies outside the declared folders, and"
    " YAML that stands for gigabytes or is nested without end. Each is refused at once.",
    "properties": "Random cases: customers are joined whatever the order of rows, scores and "
    "thresholds follow the values and treat equals alike, rules have the members that a slow "
    "evaluator finds, and history ends as if it had been built at once.",
    "mutants": "Faults in the SQL of models whose every fault was examined, one at a time: a "
    "comparison, a boundary, the kind of a join, a dropped filter, a swapped column, a wrong "
    "window, a missing distinct. The column survived counts faults that a test noticed, elsewhere"
    " called killed mutants; the others change no result.",
    "chaos": "Orders and events flow into a stream and messages to a campaign tool, while broker, "
    "live profiles, API and deliverer are killed at random moments. Profiles and receipts are those"
    " of a run that nothing interrupted. What is tried is kills.",
    "upgrade": "This version builds on the working and published file of an earlier one. The tables"
    " are those of a build from nothing, and what no model makes any more is dropped and said.",
}
_HEADINGS = ["check", "what is tried", "tried", "survived", "seconds", "machine"]


@dataclass
class Result:
    """Of one check, summed over its tests."""

    tried: int = 0
    survived: int = 0
    seconds: float = 0

    def add(self, item: pytest.Item, report: pytest.TestReport) -> None:
        """Takes in a phase of a test.

        A test is one case, a property as many as its examples; others record `tried`, and
        `survived` in case they fail.
        """
        self.seconds += report.duration
        if report.skipped or (report.when != "call" and report.passed):
            return
        said = dict(report.user_properties)
        tried = said.get("tried", getattr(getattr(item, "obj", None), "examples", 1))
        self.tried += tried
        self.survived += said.get("survived", tried if report.passed else 0)


def write(page: Path, results: dict[str, Result]) -> None:
    """Puts these results into the page's table. Rows of other checks stay."""
    lines = page.read_text(encoding="utf-8").splitlines()
    table = [number for number, line in enumerate(lines) if line.startswith("|")]
    first, last = table[0], table[-1]
    rows = {line.split(" | ")[0].strip("| "): line for line in lines[first + 2 : last + 1]}
    for name, result in results.items():
        cells = [name, CHECKS[name], f"{result.tried:,}", f"{result.survived:,}"]
        rows[name] = _line([*cells, f"{result.seconds:,.0f}", machine()])
    made = [rows[name] for name in CHECKS if name in rows]
    head = [_line(_HEADINGS), _line(["---"] * len(_HEADINGS))]
    lines[first : last + 1] = head + made
    page.write_text("\n".join(lines) + "\n", encoding="utf-8")


def machine() -> str:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{cores} cores, {memory:.0f} GiB, {platform.system()}, Python {platform.python_version()}"
    )


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
