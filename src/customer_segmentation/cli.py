"""Commands for the project's raw data, builds and published file."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
from rich.console import Console

from customer_segmentation.input.check import check_folder
from customer_segmentation.input.contract import CONTRACT, read_contract, read_var
from customer_segmentation.output.dictionary import data_dictionary
from customer_segmentation.output.export import FORMATS, ExportError, export_segment
from customer_segmentation.output.last_build import (
    PUBLISHED,
    NoBuildError,
    open_to_read,
    read_artifact,
)
from customer_segmentation.output.summary import print_summary
from customer_segmentation.output.trial import TrialError, print_trial, try_rule


def check_input(raw_dir: str, contract: Path) -> None:
    report = check_folder(
        raw_dir,
        read_contract(contract),
        read_var(contract, "event_roles"),
        empty_references=read_var(contract, "empty_references"),
    )
    print(report)
    if report.changes:
        raise SystemExit(1)


def summary(target: Path, full: bool) -> None:
    print_summary(target, _console(), full=full)


def query(sql: str, published: Path) -> None:
    with open_to_read(published) as connection:
        connection.sql(sql).show(max_rows=100, max_width=200)


def try_out(rule: str, target: Path) -> None:
    print_trial(try_rule(rule, target), _console())


def export(segment: str, format: str, published: Path, target: Path) -> None:  # noqa: A002
    name = f"{re.sub('[^A-Za-z0-9_-]+', '_', segment)}.{format}"
    written = export_segment(segment, format, published, target / name)
    print(
        f"{written.path}: {written.rows:,} customers; {written.withdrawn:,} left out because they "
        f"withdrew their consent to activation"
    )


def dictionary(target: Path) -> None:
    page = target / "data_dictionary.md"
    page.write_text(data_dictionary(read_artifact(target, "manifest")), encoding="utf-8")
    print(page)


class Command(NamedTuple):
    handler: Callable[..., None]
    help: str
    arguments: list[tuple[str, dict[str, Any]]]


_TARGET = "--target", {"type": Path, "default": Path("target"), "help": "dbt's target folder"}
_PUBLISHED = "--published", {"type": Path, "default": PUBLISHED, "help": "the published file"}
_CONTRACT = "--contract", {"type": Path, "default": CONTRACT, "help": "the declared sources"}
_FOLDER = "--target", {"type": Path, "default": Path("exports"), "help": "folder to write to"}
_FORMAT = "--format", {"choices": FORMATS, "default": "csv"}
_RAW_DIR = "raw_dir", {"help": "folder of the raw files"}
_FULL = "--full", {"action": "store_true", "help": "all segments, findings and verdicts"}
_RULE = "rule", {"help": "as in rule_segments: '{metric: orders, at_least: 3}'"}
_SEGMENT = "segment", {"help": "such as rule:recent_buyers"}
_SQL = "sql", {"help": "a query in the SQL of DuckDB"}

COMMANDS = {
    "check-input": Command(check_input, "check raw files without building", [_RAW_DIR, _CONTRACT]),
    "summary": Command(summary, "print the summary of the last build", [_TARGET, _FULL]),
    "query": Command(query, "query the published file", [_SQL, _PUBLISHED]),
    "try": Command(try_out, "try a rule on the tables of the last build", [_RULE, _TARGET]),
    "export": Command(
        export, "write a segment's members to a file", [_SEGMENT, _FORMAT, _PUBLISHED, _FOLDER]
    ),
    "dictionary": Command(dictionary, "write a page of all published columns", [_TARGET]),
}


def main(arguments: list[str] | None = None) -> None:
    """Runs one command. Paths are relative to the current folder."""
    parser = argparse.ArgumentParser(prog="customer-segmentation", description=__doc__)
    commands = parser.add_subparsers(required=True)
    for name, command in COMMANDS.items():
        subparser = commands.add_parser(name, help=command.help)
        subparser.set_defaults(handler=command.handler)
        for flag, options in command.arguments:
            subparser.add_argument(flag, **options)
    given = vars(parser.parse_args(arguments))
    try:
        given.pop("handler")(**given)
    except (NoBuildError, ExportError, TrialError, duckdb.Error) as error:
        parser.error(str(error))


def _console() -> Console:
    # A file or a log has no width that lines must fit.
    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else 200
    return Console(highlight=False, soft_wrap=True, width=width)


if __name__ == "__main__":
    main()
