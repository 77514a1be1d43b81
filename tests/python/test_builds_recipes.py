"""The recipes of CONTRIBUTING.md, followed on a copy of the project that is then built.

The first line of a block names its file and where the block goes: see the page's beginning.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest
from conftest import write_raw
from printed_examples import ROOT, copy_project, run

BLOCK = re.compile(r"^( *)```(\w+)\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)
PLACE = re.compile(
    r"^(?:#|--|\{#) (?P<file>[\w/.]+)"
    r'(?:, (?P<how>after|before|in place of) "(?P<line>.+)")?(?: #\})?$'
)
VARS = "{dataset: recipes, raw_dir: raw, timezone: UTC, max_reject_rate: 0.5}"
VISITS = """visit_id,source_system,customer_ref,visited_at
1,default,c1,2025-06-20 10:00:00
1,default,c1,2025-06-20 10:00:00
2,default,c1,2025-06-21 10:00:00
3,default,c2,2025-01-02 10:00:00
,default,c2,2025-06-20 10:00:00
4,default,c2,yesterday
"""


def blocks() -> Iterator[tuple[str, str, str]]:
    """Recipe, language and text of each block of the page."""
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    for section in page.split("\n## ")[1:]:
        for indent, language, text in BLOCK.findall(section):
            lines = [line.removeprefix(indent) for line in text.splitlines()]
            yield section.splitlines()[0], language, "\n".join(lines)


def follow(project: Path, text: str) -> None:
    """Makes the change that a block shows."""
    first, _, content = text.partition("\n")
    place = PLACE.match(first)
    assert place, f"This block names no file: {first}"
    path = project / place["file"]
    if place["how"] is None:
        if path.exists():
            assert content in path.read_text(encoding="utf-8"), f"{place['file']} has not: {text}"
        else:
            path.write_text(content + "\n", encoding="utf-8")
        return
    lines = path.read_text(encoding="utf-8").splitlines()
    found = [i for i, line in enumerate(lines) if line.strip() == place["line"]]
    found += [i for i, line in enumerate(lines) if place["line"] in line]
    assert found, f"{place['file']} has no line {place['line']}"
    start = found[0] + (place["how"] == "after")
    end = found[0] + 1 if place["how"] == "in place of" else start
    lines[start:end] = content.splitlines()
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def raw_tables() -> dict[str, Any]:
    """Sixty customers with an order a month or so in half a year, and some returns and visits."""
    random = np.random.default_rng(7)
    customers = random.integers(1, 61, 400)
    days = random.integers(0, 180, 400)
    amounts = np.round(random.lognormal(3.5, 0.8, 400), 2)
    is_return = random.random(400) < 0.1
    orders = pd.DataFrame(
        {
            "order_id": [str(number) for number in range(400)],
            "customer_ref": [f"c{number}" for number in customers],
            "ordered_at": pd.Timestamp("2025-01-01 12:00:00") + pd.to_timedelta(days, unit="D"),
            "amount": np.where(is_return, -amounts, amounts),
        }
    )
    return {"orders": orders, "store_visits.csv": VISITS}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project in which all recipes were followed, built with their commands run."""
    project = copy_project(tmp_path_factory.mktemp("recipes"))
    shutil.copytree(ROOT / "src", project / "src")
    for _, language, text in blocks():
        if language != "bash":
            follow(project, text)
    write_raw(project, raw_tables())
    commands = [text for _, language, text in blocks() if language == "bash"]
    script = "\n".join(commands).replace("make try RULE=", ".venv/bin/customer-segmentation try ")
    made = run(
        f"export PYTHONPATH={project / 'src'}\n.venv/bin/dbt build --vars '{VARS}'\n" + script,
        project,
    )
    assert made.returncode == 0, (made.stdout + made.stderr)[-6000:]
    return project


@pytest.fixture(scope="module")
def rows(built: Path) -> Iterator[Any]:
    with duckdb.connect(str(built / "published" / "segments.duckdb"), read_only=True) as file:
        yield lambda sql: file.execute(sql).fetchall()


def test_every_recipe_has_a_block_that_is_followed() -> None:
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    recipes = set(re.findall(r"^## (Add .*|Use .*|Treat .*)$", page, re.MULTILINE))
    assert recipes == {recipe for recipe, _, _ in blocks()}


def test_a_segment_and_a_scheme_have_their_cards(rows: Any) -> None:
    assert rows("select name, owner from segments where segment_key = 'rule:weekend_regulars'") == [
        ("Weekend regulars", "retention")
    ]
    sizes = "select count(*), count(distinct customer_id) from segment_memberships"
    assert rows(f"{sizes} where scheme = 'basket_size'") == rows(
        "select count(*), count(*) from customer_segments"
    )
    reached = rows("select segment from segments where scheme = 'basket_size' order by all")
    assert [name for (name,) in reached] == ["large", "medium", "prospect", "returns_only", "small"]


def test_metrics_are_profiled(rows: Any) -> None:
    features = {feature for (feature,) in rows("select distinct feature from segment_profiles")}
    assert {"large_orders__365d", "visits__90d"} <= features
    found = rows("""
        select distinct round(mean * members) from segment_profiles
        where feature = 'visits__90d' and segment_key = 'rule:high_frequency'
    """)
    # Two visits of one customer; the others are older than 90 days or were rejected.
    assert found == [(2.0,)]


def test_rows_of_a_source_table_have_their_fate(rows: Any) -> None:
    counts = rows("""
        select check_name, value from monitoring.source_coverage
        where
            source_table = 'store_visits'
            and check_name in ('rows', 'loaded', 'deduplicated', 'quarantined')
        order by all
    """)
    assert dict(counts).get("loaded") == 3
    rules = rows("""
        select rule from monitoring.quarantined_records
        where source_table = 'store_visits' order by all
    """)
    assert rules == [("invalid_visited_at",), ("missing_visit_id",)]


def test_a_core_feature_and_a_part_of_a_score_are_published(rows: Any) -> None:
    assert rows("select sum(returns_365d) > 0 from customer_features") == [(True,)]
    assert rows("select max(loyalty_score) <= 1 from customer_features") == [(True,)]


def test_a_drift_test_has_a_verdict(rows: Any) -> None:
    found = rows("""
        select count(*) > 0, min(statistic) >= 0, max(statistic) <= 1, max(threshold)
        from monitoring.segment_drift where test = 'hellinger'
    """)
    assert found == [(True, True, True, 0.2)]


def test_a_cluster_algorithm_and_feature_are_evidence(rows: Any) -> None:
    found = rows("""
        select count(*) > 0, count(*) = count(silhouette)
        from models.cluster_selection where algorithm = 'birch'
    """)
    assert found == [(True, True)]
    features = rows("select distinct feature from models.cluster_centroids order by all")
    assert ("orders_lately",) in features


def test_a_mart_is_published(rows: Any) -> None:
    assert rows("select sum(customers) from region_sizes") == rows(
        "select count(*) from customers where not is_excluded"
    )


def test_a_page_of_the_explorer_is_shown(built: Path) -> None:
    made = run(f"export PYTHONPATH={built / 'src'}\n.venv/bin/customer-segmentation explore", built)
    assert made.returncode == 0, made.stdout + made.stderr
    page = (built / "published" / "explorer" / "index.html").read_text(encoding="utf-8")
    assert '<a href="#regions">Regions</a>' in page
    assert '"region_sizes":{"columns":["region","customers"]' in page
