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
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import duckdb
from compare import differences, unlike_tables
from contenders import (
    BENCH,
    THREADS,
    Contender,
    apart,
    changed_rule,
    console,
    dbt_build,
    demo,
    next_day,
)
from raw_orders import write_raw_orders
from report import as_markdown

WORK = BENCH / ".work"
# Written after each size; what was measured before of other sizes stays.
RESULTS = BENCH / "results.json"
OTHER_ENVIRONMENT = BENCH / ".venv-openretailscience"
SEED = 20260101
SLOWEST = 10
# At this size the build with all tables of the input contract is measured as well.
SIZE_WITH_ALL_TABLES = 100_000
# Above this size the project's build from nothing is measured alone, once.
LARGEST_COMPARED = 1_000_000
LARGE_MEMORY = "4500MB"


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    other_python = _python_of_openretailscience()
    known: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    measured = {int(size): values for size, values in known.get("sizes", {}).items()}
    small = _measure_demo(options.runs)
    for size in sorted(set(options.sizes)):
        if size > LARGEST_COMPARED:
            measured[size] = _measure_alone(size)
        else:
            measured[size] = _measure(size, options.runs, other_python)
        results = {
            "machine": _machine(),
            "threads": THREADS,
            "seed": SEED,
            "demo": small,
            "sizes": dict(sorted(measured.items())),
            "growth_exponent": _growth_exponent(measured),
        }
        RESULTS.write_text(json.dumps(results, indent=2) + "\n")
        RESULTS.with_suffix(".md").write_text(as_markdown(results))
    console.print(f"Written: {RESULTS}, {RESULTS.with_suffix('.md')}")


def _measure_demo(runs: int) -> dict[str, Any]:
    console.print("the demo")
    contenders = demo(WORK / "demo")
    for _ in range(runs):
        for contender in contenders:
            contender.run()
    return {"runs": runs, "contenders": _medians(contenders)}


def _measure_alone(customers: int) -> dict[str, Any]:
    home = WORK / f"{customers}"
    console.print(f"{customers:,} customers")
    orders = apart(write_raw_orders, home / "raw", customers, SEED)
    project = dbt_build("project", home / "project", home / "raw")
    project.environment = {**project.environment, "SEGMENTATION_MEMORY": LARGE_MEMORY}
    project.run()
    return {
        "orders": orders,
        "runs": 1,
        "raw_mb": _megabytes(home / "raw"),
        "working_mb": _megabytes(project.folder / "warehouse"),
        "contenders": _medians([project]),
        "parts_of_the_build": _parts_of_the_build(project.folder),
        "slowest": _slowest(project.folder),
    }


def _measure(customers: int, runs: int, other_python: Path | None) -> dict[str, Any]:
    home = WORK / f"{customers}"
    raw = home / "raw"
    console.print(f"{customers:,} customers")
    orders = apart(write_raw_orders, raw, customers, SEED)
    project = dbt_build("project", home / "project", raw)
    few_rules = dbt_build("project_10_rules", home / "project_10_rules", raw, rules=10)
    parameters = home / "parameters.json"
    others = _others(home, raw, parameters, other_python)
    project.run(keep=False)
    # Rules decide no fit, so the other build need not fit again.
    shutil.copytree(
        project.folder / "warehouse", few_rules.folder / "warehouse", dirs_exist_ok=True
    )
    few_rules.run(keep=False)
    whole, alone = changed_rule(home, raw)
    full, following = next_day(home, raw)
    contenders = [project, few_rules, whole, alone, full, following, *others]
    if customers == SIZE_WITH_ALL_TABLES:
        all_tables = _with_all_tables(home / "project_all_tables", customers)
        all_tables.run(keep=False)
        contenders.append(all_tables)
    parameters.write_text(json.dumps(stored_parameters(project.folder)))
    publications = []
    for _ in range(runs):
        for contender in contenders:
            contender.run()
            if contender is project:
                publications.append(_publication(project.folder))
            elif contender is whole:
                expected = shutil.copy(whole.published, home / "rule.duckdb")
            elif contender is alone:
                _stop_if("changed rules", apart(unlike_tables, Path(expected), alone.published))
    _stop_if("the bare script", apart(differences, project.published, home / "bare.duckdb"))
    _stop_if("the next day", apart(unlike_tables, full.published, following.published))
    return {
        "orders": orders,
        "runs": runs,
        "raw_mb": _megabytes(raw),
        "contenders": _medians(contenders),
        "parts_of_the_build": _parts_of_the_build(project.folder)
        | {"publication": round(statistics.median(publications), 2)},
        "slowest": _slowest(project.folder),
        "outputs_are_equal": True,
    }


def _others(home: Path, raw: Path, parameters: Path, other_python: Path | None) -> list[Contender]:
    """The bare script, and what computes RFM alone."""
    python = sys.executable
    bare = [python, str(BENCH / "bare_script.py"), str(raw), str(home / "bare.duckdb")]
    bare += ["--parameters", str(parameters)]
    found = [
        Contender("bare_script", bare, home),
        Contender(
            "pandas_rfm_alone",
            [python, str(BENCH / "pandas_rfm.py"), str(raw), str(home / "pandas.parquet")],
            home,
        ),
    ]
    if other_python:
        command = [str(other_python), str(BENCH / "openretailscience_rfm.py"), str(raw)]
        command.append(str(home / "openretailscience.parquet"))
        found.append(Contender("openretailscience_rfm_alone", command, home))
    return found


def _medians(contenders: Sequence[Contender]) -> dict[str, Any]:
    return {
        contender.name: contender.measured.medians() | {"runs": asdict(contender.measured)}
        for contender in contenders
    }


def _stop_if(what: str, different: Mapping[str, int]) -> None:
    if different:
        sys.exit(f"The marts of {what} differ from the project's, in rows: {dict(different)}")


def _megabytes(folder: Path) -> int:
    return round(sum(path.stat().st_size for path in folder.rglob("*")) / 2**20)


def _with_all_tables(folder: Path, customers: int) -> Contender:
    """The build of generated orders, records, events, tickets and campaigns, deduplicated."""
    raw = folder / "raw"
    if not raw.exists():
        command = [str(Path(sys.executable).with_name("demo-data")), "generate"]
        command += ["--customers", str(customers), "--target", str(raw)]
        subprocess.run([*command, "--truth", str(folder / "truth")], check=True)
    return dbt_build("project_all_tables", folder, raw, as_of=None)


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


def _publication(folder: Path) -> float:
    """Seconds of the hook that publishes, which is the last one."""
    hooks = {
        result["unique_id"]: result["execution_time"]
        for result in _results_of_the_build(folder)["results"]
        if "on-run-end" in result["unique_id"]
    }
    return float(hooks[max(hooks)])


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
    """Exponent of the CPU time from the second to the largest size, net of the smallest."""
    if len(sizes) < 3:
        return None
    smallest, small, *_, large = sorted(sizes)
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
