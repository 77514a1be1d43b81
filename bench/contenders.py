"""What is measured: commands in folders of their own, and what some of them start from."""

from __future__ import annotations

import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import yaml
from raw_orders import AS_OF, TIMEZONE
from rich.console import Console
from rules import as_project_var, compared_schemes

BENCH = Path(__file__).resolve().parent
ROOT = BENCH.parent
THREADS = 2
# A day in the middle of a month, so that the day before is in the same period.
NEXT_DAY = date(2025, 12, 16)
PERIODS_FROM = date(2025, 12, 1)
# Units of ru_oublock.
BLOCK = 512

console = Console(highlight=False, soft_wrap=True)


@dataclass
class Measured:
    """What runs took: seconds on the clock and of CPU, and megabytes at the peak and written."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    peak_mb: list[float] = field(default_factory=list)
    written_mb: list[float] = field(default_factory=list)

    def medians(self) -> dict[str, float]:
        return {name: round(statistics.median(values), 2) for name, values in asdict(self).items()}


@dataclass
class Contender:
    name: str
    command: list[str]
    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    # What has to be done before each run, unmeasured.
    before: Callable[[], None] = lambda: None
    # Where the command runs, if not in its folder.
    place: Path | None = None
    measured: Measured = field(default_factory=Measured)

    @property
    def published(self) -> Path:
        return self.folder / "published" / "segments.duckdb"

    def run(self, keep: bool = True) -> None:
        """One run; the output goes to a file, whose end is shown when the run fails.

        What was written before and is not on the disk yet is not measured.
        """
        self.before()
        os.sync()
        log = self.folder / f"{self.name}.log"
        with log.open("wb") as output:
            started = time.perf_counter()
            process = subprocess.Popen(
                self.command,
                cwd=self.place or self.folder,
                env={**os.environ, **self.environment},
                stdout=output,
                stderr=subprocess.STDOUT,
            )
            _, status, usage = os.wait4(process.pid, 0)
            wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            sys.exit(f"{self.name} failed:\n{log.read_text(errors='replace')[-3000:]}")
        if keep:
            self._note(wall, usage)
        console.print(
            f"  {self.name}: {wall:.1f} s, {usage.ru_utime + usage.ru_stime:.1f} s of CPU, "
            f"{usage.ru_maxrss / 1024:,.0f} MB{'' if keep else ' (first build, not counted)'}"
        )

    def _note(self, wall: float, usage: resource.struct_rusage) -> None:
        self.measured.wall.append(wall)
        self.measured.cpu.append(usage.ru_utime + usage.ru_stime)
        self.measured.peak_mb.append(usage.ru_maxrss / 1024)
        self.measured.written_mb.append(usage.ru_oublock * BLOCK / 2**20)


def dbt_build(name: str, folder: Path, raw: Path, rules: int = 200, **changes: Any) -> Contender:
    """`dbt build` of all models and data tests, with a published file, in a folder of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    own = {"publish_path": "published/segments.duckdb", "publish_targets": ["scratch"]}
    given = variables(raw, rules) | own | {"raw_dir": os.path.relpath(raw, folder)} | changes
    command = [str(Path(sys.executable).with_name("dbt")), "build", "--target", "scratch"]
    command += ["--project-dir", str(ROOT), "--profiles-dir", str(ROOT)]
    command += ["--target-path", str(folder / "target"), "--log-path", str(folder / "logs")]
    command += ["--no-version-check", "--vars", json.dumps(given)]
    return Contender(name, command, folder, _environment())


def variables(raw: Path, rules: int = 200) -> dict[str, Any]:
    return {
        "raw_dir": str(raw),
        "dataset": "bench",
        "timezone": TIMEZONE,
        "as_of": AS_OF,
        "history_start": "as_of",
        "max_segments": 1000,
        "rule_segments": as_project_var(rules),
        "schemes": compared_schemes(),
    }


def _environment() -> dict[str, str]:
    return {"SEGMENTATION_THREADS": str(THREADS), "SEGMENTATION_HASH_KEY": "bench"}


def make(
    name: str, command: str, folder: Path, given: Mapping[str, Any], *options: str
) -> Contender:
    """What a target of the Makefile calls, with all that it writes in a folder of its own."""
    for part in ("warehouse", "target"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    places = {"SEGMENTATION_HOME": str(folder), "DBT_TARGET_PATH": str(folder / "target")}
    program = str(Path(sys.executable).with_name("customer-segmentation"))
    called = [program, command, "--vars", json.dumps(given), *options]
    environment = _environment() | places | {"DBT_LOG_PATH": str(folder / "logs")}
    return Contender(name, called, folder, environment, place=ROOT)


# --- Builds that start from what another one left ---------------------------------------------


def changed_rule(home: Path, raw: Path) -> tuple[Contender, Contender]:
    """Builds after one limit was changed: of everything, and of what it changes alone."""
    given = variables(raw)
    rules = as_project_var()
    (condition,) = rules["rule_000"]["all"]
    other = {"all": [condition | {"at_least": condition["at_least"] + 1}]}
    changed = given | {"rule_segments": rules | {"rule_000": other}}
    whole = make("rule_by_whole_build", "build", home / "rule", changed)
    alone = make("rule_alone", "build-rules", home / "rule", changed)
    make("rule_before", "build", home / "rule", given).run(keep=False)
    whole.before = alone.before = _kept(home / "rule")
    return whole, alone


def next_day(home: Path, raw: Path) -> tuple[Contender, Contender]:
    """Builds of two periods: from nothing, and of a day of new orders after the day before."""
    folder = home / "next_day"
    files = folder / "raw" / "orders"
    shutil.rmtree(folder, ignore_errors=True)
    files.mkdir(parents=True)
    orders, until, day = raw / "orders.parquet", files / "until.parquet", folder / "day.parquet"
    last_day = NEXT_DAY - timedelta(days=1)
    apart(_copy, orders, until, f"loaded_at < timestamp '{last_day}'")
    apart(_copy, orders, day, f"loaded_at::date = '{last_day}'")
    following, full = (
        dbt_build(
            name,
            folder / name,
            folder / "raw",
            as_of=str(NEXT_DAY),
            history_start=str(PERIODS_FROM),
        )
        for name in ("next_day", "two_periods")
    )
    full.command.append("--full-refresh")
    before = dbt_build(
        "day_before",
        following.folder,
        folder / "raw",
        as_of=str(last_day),
        history_start=str(PERIODS_FROM),
    )
    before.run(keep=False)
    following.before = _kept(following.folder)
    os.link(day, files / day.name)
    return full, following


def _copy(orders: Path, target: Path, condition: str) -> None:
    with duckdb.connect(config={"memory_limit": "4GB"}) as connection:
        connection.execute(f"copy (from '{orders}' where {condition}) to '{target}'")


def apart(work: Callable[..., Any], *args: Any) -> Any:
    """Works in a process of its own: a contender's peak memory counts that of its parent."""
    with ProcessPoolExecutor(1) as pool:
        return pool.submit(work, *args).result()


def _kept(folder: Path) -> Callable[[], None]:
    """Keeps what a folder holds, and returns what restores it."""
    kept = folder.with_name(f"{folder.name}_kept")
    shutil.rmtree(kept, ignore_errors=True)
    shutil.copytree(folder, kept)

    def restore() -> None:
        shutil.rmtree(folder)
        shutil.copytree(kept, folder)

    return restore


def demo(home: Path) -> tuple[Contender, Contender]:
    """Builds of the demo after an earlier one: again, and where nothing has changed."""
    given = yaml.safe_load((ROOT / "datasets" / "demo.yml").read_text(encoding="utf-8"))
    make("demo_before", "build", home / "demo", given).run(keep=False)
    again = make("demo_again", "build", home / "demo", given, "--force")
    return again, make("demo_unchanged", "build", home / "demo", given)
