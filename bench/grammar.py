"""What 200 rules of every kind of the grammar cost, against 10 of the simplest kind.

    python bench/grammar.py --customers 10000

Builds a generated shop with all tables twice; prints wall time, CPU time and peak memory of both.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rules import as_project_var

ROOT = Path(__file__).resolve().parents[1]
Rule = dict[str, Any]
_CATEGORIES = ["GROCERY", "PRODUCE", "MEAT", "DELI", "PASTRY", "DRUG GM"]

# One of each kind, with a number that makes it another rule of the kind.
_KINDS: list[Callable[[int], Rule]] = [
    lambda n: {"metric": "orders", "window_days": 30 + n, "at_least": 1},
    lambda n: {"metric": "revenue", "window_days": 30 + 7 * n, "above": "mean"},
    lambda n: {
        "metric": "revenue",
        "window_days": 60 + n,
        "more_than": {"metric": "revenue", "from_days_ago": 120 + 2 * n, "to_days_ago": 60 + n},
    },
    lambda n: {
        "metric": "lines",
        "where": {"category": _CATEGORIES[n % 6]},
        "window_days": 30 * (1 + n // 6),
        "at_least": 1,
    },
    lambda n: {
        "metric": "lines",
        "where": {"category": _CATEGORIES[n % 6]},
        "last": 1 + n // 6,
        "at_least": 1,
    },
    lambda n: (
        {"metric": "orders", ["week", "month", "quarter", "year"][n % 4]: "last"}
        | {"at_least": 1 + n // 4}
    ),
    lambda n: {
        "metric": "campaign_contacts",
        "where": {"is_answered": True},
        "last": 2 + n % 5,
        "at_most": n // 5,
    },
    lambda n: {"score": "churn_risk", "at_least": round(0.3 + n / 50, 2)},
    lambda n: {"date": "first_order", "days_ago": [0, 30 + 10 * n]},
    lambda n: {"date": "signed_up", "anniversary_in_days": 3 + n},
    lambda n: {"attribute": "region", "is_known": n % 2 == 0},
    lambda n: {"consent": "activation", "is": ["granted", "withdrawn", "unstated"][n % 3]},
    lambda n: {"sample_percent": 1 + n, "salt": "bench"},
    lambda n: {"metric": "orders", "top": 100 * (1 + n)},
    lambda n: {"metric": "sessions", "window_hours": 24 * (1 + n), "at_least": 1},
    # The dear kinds: a window over the rows of each as_of.
    lambda n: {"metric": "orders", "any_days": 7 * (1 + n % 4), "at_least": 2 + n // 4},
    lambda n: {
        "sequence": ["cart_adds", "orders" if n % 2 else {"not": "orders"}],
        "within_days": 1 + n % 5,
        "window_days": 90,
    },
    lambda n: {
        "bought_together": [
            {"category": _CATEGORIES[n % 6]},
            {"category": _CATEGORIES[(n + 1 + n // 6) % 6]},
        ],
        "window_days": 180,
    },
]


def every_kind(number: int) -> dict[str, Rule]:
    """So many rules, the kinds in turn."""
    return {f"rule_{n:03}": _KINDS[n % len(_KINDS)](n // len(_KINDS)) for n in range(number)}


def build(folder: Path, raw: Path, rules: dict[str, Rule]) -> dict[str, float]:
    """Wall and CPU seconds and peak memory of a build in a new folder."""
    folder.mkdir(parents=True)
    variables = {
        "raw_dir": os.path.relpath(raw, folder),
        "dataset": "bench",
        "publish_path": "published/segments.duckdb",
        "publish_targets": ["scratch"],
        "timezone": "America/New_York",
        "history_start": "as_of",
        "max_segments": 1000,
        "rule_segments": rules,
    }
    command = [str(Path(sys.executable).with_name("dbt")), "build", "--target", "scratch"]
    command += ["--project-dir", str(ROOT), "--profiles-dir", str(ROOT)]
    command += ["--target-path", str(folder / "target"), "--log-path", str(folder / "logs")]
    command += ["--no-version-check", "--quiet", "--vars", json.dumps(variables)]
    environment = os.environ | {"SEGMENTATION_HASH_KEY": "bench"}
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run(command, cwd=folder, env=environment, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "wall s": time.monotonic() - started,
        "CPU s": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "peak GB": after.ru_maxrss / 1e6,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=10_000)
    parser.add_argument("--folder", type=Path, default=ROOT / "bench" / ".work" / "grammar")
    given = parser.parse_args()
    raw = given.folder / "raw"
    if not raw.exists():
        command = [str(Path(sys.executable).with_name("demo-data")), "generate"]
        command += ["--customers", str(given.customers), "--target", str(raw)]
        subprocess.run([*command, "--truth", str(given.folder / "truth")], check=True)
    few = build(given.folder / f"few_{time.time_ns()}", raw, as_project_var(10))
    many = build(given.folder / f"many_{time.time_ns()}", raw, every_kind(200))
    print(f"{given.customers:,} customers, one period, first build")
    for figure, value in few.items():
        ratio = f"{many[figure] / value:.2f}"
        print(f"{figure:8} 10 rules {value:8.1f}   200 of every kind {many[figure]:8.1f}   {ratio}")


if __name__ == "__main__":
    main()
