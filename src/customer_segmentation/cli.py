"""The commands that stand behind the Makefile."""

from __future__ import annotations

import argparse
import gc
import json
import re
from pathlib import Path

import duckdb
from rich.console import Console

from customer_segmentation.contract import CONTRACT, read_contract
from customer_segmentation.dictionary import data_dictionary
from customer_segmentation.export import FORMATS, ExportError, export_segment
from customer_segmentation.input_check import check_folder
from customer_segmentation.summary import PUBLISHED, print_summary


def main(arguments: list[str] | None = None) -> None:
    """Runs one command. Paths are relative to the folder it is started in."""
    parser = argparse.ArgumentParser(prog="customer-segmentation", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)

    demo = commands.add_parser("prepare-demo", help="write the demo's raw files")
    demo.add_argument("--target", type=Path, default=Path("data/demo"))
    demo.add_argument("--truth", type=Path, default=Path("data/demo_truth"))

    scale = commands.add_parser("generate", help="write generated raw files of any size")
    scale.add_argument("--customers", type=int, required=True)
    scale.add_argument("--target", type=Path, required=True, help="folder of the raw files")
    scale.add_argument("--truth", type=Path, required=True, help="folder of the truth, apart")
    scale.add_argument("--duplicates", choices=["light", "heavy"], default="light")
    scale.add_argument("--seed", type=int, default=1)

    summary = commands.add_parser("summary", help="say what the last build made")
    summary.add_argument("--target", type=Path, default=Path("target"))

    trial = commands.add_parser("try", help="try a rule on the last build's tables")
    trial.add_argument("rule", help="as in rule_segments: '{metric: orders, at_least: 3}'")
    trial.add_argument("--target", type=Path, default=Path("target"))

    export = commands.add_parser("export", help="write the members of a segment to a file")
    export.add_argument("segment", help="such as rule:recent_buyers")
    export.add_argument("--format", choices=FORMATS, default="csv")
    export.add_argument("--published", type=Path, default=PUBLISHED)
    export.add_argument("--target", type=Path, default=Path("exports"), help="folder to write to")

    dictionary = commands.add_parser("dictionary", help="write all published columns as a page")
    dictionary.add_argument("--target", type=Path, default=Path("target"))

    query = commands.add_parser("query", help="query the published file")
    query.add_argument("sql")
    query.add_argument("--published", type=Path, default=PUBLISHED)

    check = commands.add_parser("check-input", help="say what raw files hold; nothing is built")
    check.add_argument("raw_dir", help="folder of the raw files")
    check.add_argument("--contract", type=Path, default=CONTRACT, help="the declared sources")

    options = parser.parse_args(arguments)
    if options.command == "prepare-demo":
        # Only these two need the extra `demo`; the other commands work without it.
        from customer_segmentation.demo import prepare_demo

        _print_rows(options.target, prepare_demo(options.target, options.truth))
    elif options.command == "generate":
        from customer_segmentation.companion import generate

        try:
            rows = generate(
                options.target,
                options.truth,
                options.customers,
                options.duplicates,
                options.seed,
            )
        except ValueError as error:
            parser.error(str(error))
        _print_rows(options.target, rows)
    elif options.command == "check-input":
        report = check_folder(options.raw_dir, read_contract(options.contract))
        print(report)
        if report.changes:
            raise SystemExit(1)
    elif options.command == "summary":
        print_summary(options.target, Console(highlight=False, soft_wrap=True))
    elif options.command == "try":
        from customer_segmentation.trial import TrialError, print_trial, try_rule

        # Nothing dbt loads for this is ever freed: looking for garbage costs half a second.
        gc.disable()
        try:
            print_trial(
                try_rule(options.rule, options.target), Console(highlight=False, soft_wrap=True)
            )
        except TrialError as error:
            parser.error(str(error))
    elif options.command == "dictionary":
        if not (options.target / "manifest.json").exists():
            parser.error(f"{options.target} has no manifest.json yet. Build first: make build")
        manifest = json.loads((options.target / "manifest.json").read_text(encoding="utf-8"))
        page = options.target / "data_dictionary.md"
        page.write_text(data_dictionary(manifest), encoding="utf-8")
        print(page)
    elif options.command == "export":
        name = f"{re.sub('[^A-Za-z0-9_-]+', '_', options.segment)}.{options.format}"
        try:
            written = export_segment(
                options.segment, options.format, options.published, options.target / name
            )
        except ExportError as error:
            parser.error(str(error))
        print(
            f"{written.path}: {written.rows:,} customers; {written.withdrawn:,} left out, who "
            f"withdrew their consent to activation"
        )
    else:
        if not options.published.exists():
            parser.error(f"{options.published} does not exist yet. Build first: make build")
        try:
            with duckdb.connect(str(options.published), read_only=True) as connection:
                connection.sql(options.sql).show(max_rows=100, max_width=200)
        except duckdb.Error as error:
            parser.error(str(error))


def _print_rows(folder: Path, rows: dict[str, int]) -> None:
    for table, count in rows.items():
        print(f"{folder / table}.parquet: {count:,} rows")


if __name__ == "__main__":
    main()
