"""Commands that write raw files: those of the demo, or a generated population of any size."""

from __future__ import annotations

import argparse
from pathlib import Path

from demo_data.populations import generate
from demo_data.prepare import prepare_demo


def main(arguments: list[str] | None = None) -> None:
    """Runs one command. Paths are relative to the current folder."""
    parser = argparse.ArgumentParser(prog="demo-data", description=__doc__)
    commands = parser.add_subparsers(required=True)

    demo = commands.add_parser("prepare", help="write the demo's raw files")
    demo.set_defaults(handler=prepare_demo)
    demo.add_argument("--target", type=Path, default=Path("data/demo"))
    demo.add_argument("--truth", type=Path, default=Path("data/demo_truth"))

    scale = commands.add_parser("generate", help="write generated raw files of any size")
    scale.set_defaults(handler=generate)
    scale.add_argument("--customers", type=int, required=True)
    scale.add_argument("--target", type=Path, required=True, help="folder of the raw files")
    scale.add_argument("--truth", type=Path, required=True, help="folder of the truth, apart")
    scale.add_argument("--duplicates", choices=["light", "heavy"], default="light")
    scale.add_argument("--seed", type=int, default=1)

    options = vars(parser.parse_args(arguments))
    try:
        rows = options.pop("handler")(**options)
    except ValueError as error:
        parser.error(str(error))
    for table, count in rows.items():
        print(f"{options['target'] / table}.parquet: {count:,} rows")


if __name__ == "__main__":
    main()
