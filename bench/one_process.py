"""Prints how long small builds of the demo take in one process that keeps the manifest.

Run it in the project's folder after `make build`: python bench/one_process.py
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from functools import partial

RUNS = 3
WHERE = ["--project-dir", ".", "--profiles-dir", ".", "--no-version-check"]
QUIET = ["--log-level", "none"]


def main() -> None:
    started = time.perf_counter()
    from dbt.cli.main import dbtRunner

    print(f"import of dbt: {time.perf_counter() - started:.1f} s")

    def seconds(work: Callable[[], object]) -> float:
        begun = time.perf_counter()
        work()
        return time.perf_counter() - begun

    def parse(*options: str) -> object:
        parsed = dbtRunner().invoke([*QUIET, *options, "parse", *WHERE])
        if not parsed.success:
            raise SystemExit(str(parsed.exception))
        return parsed.result

    print(f"parse without a stored one: {seconds(lambda: parse('--no-partial-parse')):.1f} s")
    print(f"parse with a stored one: {seconds(parse):.1f} s")
    runner = dbtRunner(manifest=parse())

    def build(*selection: str) -> None:
        if not runner.invoke([*QUIET, "build", *WHERE, *selection]).success:
            raise SystemExit(f"the build of {selection or 'everything'} failed")

    for selection in (["--select", "base_orders+1"], []):
        taken = statistics.median(seconds(partial(build, *selection)) for _ in range(RUNS))
        print(f"build {' '.join(selection) or 'of everything'}: {taken:.1f} s, median of {RUNS}")


if __name__ == "__main__":
    main()
