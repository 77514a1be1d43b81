"""Measures this project beside a bare script, pandas and openretailscience on the same raw orders.

Every contender is a process of its own, with two threads, and all take turns, so that what else the
machine does hits all of them. Writes results.json and results.md beside this file.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import time
import venv
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import duckdb
from compare import differences
from raw_orders import AS_OF, TIMEZONE, write_raw_orders
from report import as_markdown
from rich.console import Console
from rules import as_project_var, compared_schemes

BENCH = Path(__file__).resolve().parent
ROOT = BENCH.parent
WORK = BENCH / ".work"
# Written after each size; what was measured before of other sizes stays.
RESULTS = BENCH / "results.json"
OTHER_ENVIRONMENT = BENCH / ".venv-openretailscience"
SEED = 20260101
THREADS = 2
SLOWEST = 10
# At this size the build with all tables of the input contract is measured as well.
SIZE_WITH_ALL_TABLES = 100_000

console = Console(highlight=False, soft_wrap=True)


@dataclass
class Measured:
    """What runs of one contender took: seconds on the clock, seconds of CPU, and peak memory."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    peak_mb: list[float] = field(default_factory=list)

    def medians(self) -> dict[str, float]:
        return {name: round(statistics.median(values), 2) for name, values in asdict(self).items()}


@dataclass
class Contender:
    name: str
    command: list[str]
    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    measured: Measured = field(default_factory=Measured)

    def run(self, keep: bool = True) -> None:
        """One run; the output goes to a file, whose end is shown when the run fails.

        What was written before and is not on the disk yet is not measured.
        """
        os.sync()
        log = self.folder / f"{self.name}.log"
        with log.open("wb") as output:
            started = time.perf_counter()
            process = subprocess.Popen(
                self.command,
                cwd=self.folder,
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
            self.measured.wall.append(wall)
            self.measured.cpu.append(usage.ru_utime + usage.ru_stime)
            self.measured.peak_mb.append(usage.ru_maxrss / 1024)
        console.print(
            f"  {self.name}: {wall:.1f} s, {usage.ru_utime + usage.ru_stime:.1f} s of CPU, "
            f"{usage.ru_maxrss / 1024:,.0f} MB{'' if keep else ' (first build, not counted)'}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    other_python = _python_of_openretailscience()
    measured: dict[int, Any] = {}
    if RESULTS.exists():
        known = json.loads(RESULTS.read_text())["sizes"]
        measured = {int(size): values for size, values in known.items()}
    for size in sorted(set(options.sizes)):
        measured[size] = _measure(size, options.runs, other_python)
        results = {
            "machine": _machine(),
            "threads": THREADS,
            "seed": SEED,
            "sizes": dict(sorted(measured.items())),
            "growth_exponent": _growth_exponent(measured),
        }
        RESULTS.write_text(json.dumps(results, indent=2) + "\n")
        RESULTS.with_suffix(".md").write_text(as_markdown(results))
    console.print(f"Written: {RESULTS}, {RESULTS.with_suffix('.md')}")


def _measure(customers: int, runs: int, other_python: Path | None) -> dict[str, Any]:
    home = WORK / str(customers)
    raw = home / "raw"
    console.print(f"{customers:,} customers")
    orders = _apart(write_raw_orders, raw, customers, SEED)
    project = _project(home / "project", raw)
    few_rules = _project(home / "project_10_rules", raw, rules=10)
    parameters = home / "parameters.json"
    python = sys.executable
    contenders = [
        project,
        Contender(
            "bare_script",
            [
                python,
                str(BENCH / "bare_script.py"),
                str(raw),
                str(home / "bare.duckdb"),
                "--parameters",
                str(parameters),
            ],
            home,
        ),
        Contender(
            "pandas_rfm_alone",
            [python, str(BENCH / "pandas_rfm.py"), str(raw), str(home / "pandas.parquet")],
            home,
        ),
        few_rules,
    ]
    if other_python:
        contenders.append(
            Contender(
                "openretailscience_rfm_alone",
                [
                    str(other_python),
                    str(BENCH / "openretailscience_rfm.py"),
                    str(raw),
                    str(home / "openretailscience.parquet"),
                ],
                home,
            )
        )
    project.run(keep=False)
    # Rules decide no fit, so the other build need not fit again.
    shutil.copytree(
        project.folder / "warehouse", few_rules.folder / "warehouse", dirs_exist_ok=True
    )
    few_rules.run(keep=False)
    if customers == SIZE_WITH_ALL_TABLES:
        all_tables = _with_all_tables(home / "project_all_tables", customers)
        all_tables.run(keep=False)
        contenders.append(all_tables)
    parameters.write_text(json.dumps(stored_parameters(project.folder)))
    for _ in range(runs):
        for contender in contenders:
            contender.run()
    published = project.folder / "published/segments.duckdb"
    different = _apart(differences, published, home / "bare.duckdb")
    if different:
        sys.exit(f"The bare script's marts differ from the project's, in rows: {different}")
    return {
        "orders": orders,
        "runs": runs,
        "contenders": {
            contender.name: contender.measured.medians() | {"runs": asdict(contender.measured)}
            for contender in contenders
        },
        "parts_of_the_build": _parts_of_the_build(project.folder),
        "slowest": _slowest(project.folder),
        "outputs_are_equal": True,
    }


def _apart(work: Callable[..., Any], *args: Any) -> Any:
    """Works in a process of its own: a contender's peak memory counts that of its parent."""
    with ProcessPoolExecutor(1) as pool:
        return pool.submit(work, *args).result()


def _with_all_tables(folder: Path, customers: int) -> Contender:
    """The build of generated orders, records, events, tickets and campaigns, deduplicated."""
    raw = folder / "raw"
    if not raw.exists():
        command = [str(Path(sys.executable).with_name("demo-data")), "generate"]
        command += ["--customers", str(customers), "--target", str(raw)]
        subprocess.run([*command, "--truth", str(folder / "truth")], check=True)
    contender = _project(folder, raw, as_of=None)
    contender.name = "project_all_tables"
    return contender


def _project(folder: Path, raw: Path, rules: int = 200, **changes: Any) -> Contender:
    """`dbt build` of all models and data tests, with a published file, in a folder of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    variables = {
        "raw_dir": os.path.relpath(raw, folder),
        "dataset": "bench",
        "publish_path": "published/segments.duckdb",
        "publish_targets": ["scratch"],
        "timezone": TIMEZONE,
        "as_of": AS_OF,
        "history_start": "as_of",
        "max_segments": 1000,
        "rule_segments": as_project_var(rules),
        "schemes": compared_schemes(),
    } | changes
    command = [str(Path(sys.executable).with_name("dbt")), "build", "--target", "scratch"]
    command += ["--project-dir", str(ROOT), "--profiles-dir", str(ROOT)]
    command += ["--target-path", str(folder / "target"), "--log-path", str(folder / "logs")]
    command += ["--no-version-check", "--vars", json.dumps(variables)]
    environment = {"SEGMENTATION_THREADS": str(THREADS), "SEGMENTATION_HASH_KEY": "bench"}
    return Contender(
        "project" if rules == 200 else f"project_{rules}_rules", command, folder, environment
    )


def stored_parameters(folder: Path) -> dict[str, Any]:
    """The fits that the project has stored, in the form that the bare script takes."""
    with duckdb.connect(str(folder / "warehouse/bench.duckdb"), read_only=True) as connection:
        fit = connection.execute(
            "select part, name, number, feature, value from scores.int_segmentation__cluster_fit "
            "where scheme = 'cluster'"
        ).fetchall()
        breaks = connection.execute(
            "select cut_value from scores.int_segmentation__spend_breaks "
            "where cut_value is not null order by cut_number"
        ).fetchall()
    scaler = {(feature, name): value for part, name, _, feature, value in fit if part == "scaler"}
    centres = {
        (number, feature): value for part, _, number, feature, value in fit if part == "coordinate"
    }
    limits = {number: value for part, _, number, _, value in fit if part == "limit"}
    keys = {number: name for part, name, number, _, _ in fit if part == "key"}
    features = ["recency_days", "frequency", "monetary"]
    return {
        "breaks": [value for (value,) in breaks],
        "features": [
            {
                "column": feature,
                "log": scaler[feature, "log_used"] == 1,
                "lower": scaler[feature, "lower_cap"],
                "upper": scaler[feature, "upper_cap"],
                "centre": scaler[feature, "centre"],
                "scale": scaler[feature, "scale"],
            }
            for feature in features
        ],
        "clusters": [
            {
                "key": keys[number],
                "limit": limits[number],
                "centre": [centres[number, feature] for feature in features],
            }
            for number in sorted(keys)
        ],
    }


def _results_of_the_build(folder: Path) -> dict[str, Any]:
    results: dict[str, Any] = json.loads((folder / "target/run_results.json").read_text())
    return results


def _parts_of_the_build(folder: Path) -> dict[str, float]:
    """Seconds of the last build on the clock: in which models or hooks ran, tests alone ran, none.

    The last is dbt's start, its parse and what it does between nodes.
    """
    results = _results_of_the_build(folder)
    work: list[tuple[float, ...]] = []
    tests: list[tuple[float, ...]] = []
    for result in results["results"]:
        for timing in result["timing"]:
            if timing["name"] == "execute" and timing["completed_at"]:
                span = tuple(
                    time.mktime(time.strptime(timing[end][:19], "%Y-%m-%dT%H:%M:%S"))
                    + float("0" + timing[end][19:].rstrip("Z"))
                    for end in ("started_at", "completed_at")
                )
                (tests if result["unique_id"].startswith("test.") else work).append(span)
    models = _covered(work)
    return {
        "models_and_hooks": round(models, 2),
        "tests_alone": round(_covered(work + tests) - models, 2),
    }


def _covered(spans: Sequence[tuple[float, ...]]) -> float:
    covered, until = 0.0, -math.inf
    for start, end in sorted(spans):
        covered += max(0.0, end - max(start, until))
        until = max(until, end)
    return covered


def _slowest(folder: Path) -> list[dict[str, Any]]:
    results = sorted(
        _results_of_the_build(folder)["results"], key=lambda result: -result["execution_time"]
    )
    return [
        {
            "node": result["unique_id"].split(".")[2],
            "seconds": round(result["execution_time"], 2),
        }
        for result in results[:SLOWEST]
    ]


def _growth_exponent(sizes: Mapping[int, Mapping[str, Any]]) -> float | None:
    """Exponent of the CPU time of the two largest sizes, net of the smallest; None with fewer."""
    if len(sizes) < 3:
        return None
    smallest, *_, small, large = sorted(sizes)
    cpu = {size: sizes[size]["contenders"]["project"]["cpu"] for size in (smallest, small, large)}
    growth = (cpu[large] - cpu[smallest]) / (cpu[small] - cpu[smallest])
    return round(math.log(growth) / math.log(large / small), 3)


def _python_of_openretailscience() -> Path | None:
    """Its Python, made on first use; None where it can't be installed."""
    python = OTHER_ENVIRONMENT / "bin" / "python"
    if not python.exists():
        venv.create(OTHER_ENVIRONMENT, with_pip=True)
    requirements = BENCH / "openretailscience.txt"
    installed = subprocess.run(
        [
            str(python),
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--requirement",
            str(requirements),
        ],
        check=False,
        capture_output=True,
    )
    if installed.returncode:
        console.print("openretailscience is left out: it could not be installed.")
        return None
    return python


def _machine() -> dict[str, str | int]:
    models = [
        line.split(":")[1].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return {
        "processor": models[0] if models else platform.processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(os.sysconf("SC_PHYS_PAGES") * resource.getpagesize() / 2**30),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "duckdb": duckdb.__version__,
    }


if __name__ == "__main__":
    main()
