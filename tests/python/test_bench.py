"""A small bench that fails on ratios, never on seconds: builds of 2,000 and of 20,000 customers."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, Build

sys.path.insert(0, str(ROOT / "bench"))

from compare import differences
from raw_orders import AS_OF, TIMEZONE, write_raw_orders
from rules import as_project_var, compared_schemes
from run import stored_parameters

pytestmark = pytest.mark.slow

SMALL, LARGE = 2_000, 20_000
RULES = 40
BENCH_VARS: dict[str, Any] = {
    "dataset": "bench",
    "timezone": TIMEZONE,
    "as_of": AS_OF,
    "schemes": compared_schemes(),
    "rule_segments": as_project_var(RULES),
    # Those of the project: in a small sample of these customers there are no clusters.
    "cluster_k": {"min": 3, "max": 8},
    "cluster_sample_rows": 20_000,
}


@pytest.fixture(scope="module")
def builds(build: Callable[..., Build], tmp_path_factory: pytest.TempPathFactory) -> list[Build]:
    made = []
    for customers in (SMALL, LARGE):
        folder = tmp_path_factory.mktemp(f"bench-{customers}")
        write_raw_orders(folder / "raw", customers, seed=1)
        made.append(build(folder, None, BENCH_VARS, with_artifacts=True).passed())
    return made


def seconds_by_node(build: Build) -> dict[str, float]:
    """Without the fits: they read samples, and a daily build takes them from the last one."""
    results = json.loads((build.folder / "target/run_results.json").read_text())
    return {
        result["unique_id"]: result["execution_time"]
        for result in results["results"]
        if not result["unique_id"].endswith(("_fit", "__spend_breaks"))
    }


def test_no_node_takes_more_than_its_share_of_ten_times_the_customers(builds: list[Build]) -> None:
    small, large = map(seconds_by_node, builds)
    # Half again for what is not quite linear, a second for the noise of a busy machine.
    too_slow = {
        node: (small[node], seconds)
        for node, seconds in large.items()
        if seconds > 1.5 * (LARGE / SMALL) * small[node] + 1
    }
    assert not too_slow


def test_ten_times_the_customers_take_less_than_ten_times_as_long(builds: list[Build]) -> None:
    small, large = (sum(seconds_by_node(build).values()) for build in builds)
    assert large < (LARGE / SMALL) * small


def test_the_bare_script_makes_the_same_marts(builds: list[Build], tmp_path: Path) -> None:
    large = builds[-1]
    parameters, target = tmp_path / "parameters.json", tmp_path / "bare.duckdb"
    parameters.write_text(json.dumps(stored_parameters(large.folder)))
    script = [sys.executable, str(ROOT / "bench/bare_script.py"), str(large.folder / "raw")]
    script += [str(target), "--parameters", str(parameters), "--rules", str(RULES)]
    subprocess.run(script, check=True)
    assert differences(large.published, target) == {}
