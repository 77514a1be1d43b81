"""The demo's behaviour features against pandas on its raw files; event types of other names."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pandas as pd
import pytest
import yaml
from behaviour_oracle import Behaviour, expected
from conftest import REFERENCE_VARS, ROOT, Build, Workshop, scenario
from sklearn.metrics import roc_auc_score
from test_behaviour import NAMES, OWN_ROLES, assert_same
from test_builds_oracle import reference_data

RAW = ROOT / "data" / "demo"
DATES = [date(2017, 11, 1), date(2017, 12, 1), date(2018, 1, 1)]
# A customer more, with one order, of one line, on the last day.
NEWCOMER: dict[str, dict[str, Any]] = {
    "orders": {
        "order_id": "newcomers",
        "customer_ref": "newcomer",
        "ordered_at": pd.Timestamp("2017-12-31 17:00", tz="UTC"),
        "status": "completed",
    },
    "order_lines": {"order_id": "newcomers", "discount_amount": Decimal(0)},
}
DEFAULTS = yaml.safe_load((ROOT / "dbt_project.yml").read_text(encoding="utf-8"))["vars"]
DEFAULTS |= yaml.safe_load((ROOT / "datasets" / "demo.yml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def warehouse(workshop: Workshop) -> duckdb.DuckDBPyConnection:
    """The working file of a build of the demo up to the wide table of features."""
    if not (RAW / "orders.parquet").exists():
        pytest.skip("the demo's raw files are not prepared: make demo")
    variables = DEFAULTS | {"raw_dir": "raw", "dataset": "trial", "history_start": "2017-09-01"}
    tables: dict[str, Any] = {path.stem: path for path in sorted(RAW.glob("*.parquet"))}
    build = workshop.build(
        workshop.folder("behaviour-of-the-demo"),
        tables | {name: raw_table(name) for name in NEWCOMER},
        variables,
        args=["--select", "+int_features__customers_measured", "--exclude-resource-type", "test"],
    )
    file = build.passed().folder / "warehouse" / "trial.duckdb"
    return duckdb.connect(str(file), read_only=True)


def raw_table(table: str) -> pd.DataFrame:
    """A raw file, with the newcomer."""
    frame = pd.read_parquet(RAW / f"{table}.parquet")
    if table in NEWCOMER:
        row = frame.iloc[0].to_dict() | NEWCOMER[table]
        frame = pd.concat([frame, pd.DataFrame([row], columns=frame.columns)], ignore_index=True)
    return frame


def raw_rows(table: str, columns: list[str], key: list[str]) -> list[dict[str, Any]]:
    """Rows of a raw file, each key once, with None where there is nothing."""
    frame = raw_table(table)[columns].drop_duplicates(key)
    rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
    cents = Decimal("0.01")
    for row in rows:
        for name in row.keys() & {"amount", "discount_amount"}:
            row[name] = None if row[name] is None else Decimal(row[name]).quantize(cents)
    return [{str(name): value for name, value in row.items()} for row in rows]


@pytest.fixture(scope="module")
def behaviour(warehouse: duckdb.DuckDBPyConnection) -> Behaviour:
    """The raw rows; who is who is taken from the build."""
    references = warehouse.execute("from identity.int_identity__references").fetchall()
    customers = warehouse.execute(
        "select customer_key, is_excluded, loyalty_tier"
        " from identity.int_identity__customers_resolved"
    ).fetchall()
    products = pd.read_parquet(RAW / "products.parquet", columns=["product_id", "category"])
    event = ["event_id", "source_system", "anonymous_id", "customer_ref", "session_id"]
    event += ["event_type", "occurred_at", "product_id", "device"]
    order = ["order_id", "source_system", "customer_ref", "ordered_at", "amount", "status"]
    line = ["order_id", "source_system", "line_number", "product_id", "amount", "discount_amount"]
    link = ["source_system", "customer_ref", "anonymous_id", "seen_at"]
    return Behaviour(
        events=raw_rows("events", event, ["source_system", "event_id"]),
        links=raw_rows("identity_links", link, link),
        orders=raw_rows("orders", order, ["source_system", "order_id"]),
        lines=raw_rows("order_lines", line, ["source_system", "order_id", "line_number"]),
        category=dict(products.itertuples(index=False, name=None)),
        customer_of={(system, reference): key for system, reference, key in references},
        excluded=frozenset(key for key, is_excluded, _ in customers if is_excluded),
        tier={key: tier for key, _, tier in customers if tier is not None},
    )


@pytest.mark.slow
@pytest.mark.parametrize("as_of", DATES)
def test_the_demos_features_are_those_of_the_definitions(
    warehouse: duckdb.DuckDBPyConnection, behaviour: Behaviour, as_of: date
) -> None:
    found = warehouse.execute(
        "from features.int_features__customers_measured where as_of = $1", [as_of]
    ).to_arrow_table()
    got = {row["customer_key"]: row for row in found.to_pylist()}
    wanted = expected(behaviour, as_of, ZoneInfo(DEFAULTS["timezone"]), DEFAULTS)
    assert len(got) > 3000
    # who becomes known later is not there yet, and has done nothing
    assert all(wanted[key]["orders__all"] == 0 for key in wanted.keys() - got.keys())
    for key, row in got.items():
        assert_same(row, wanted[key])


# --- Event types of other names ------------------------------------------------------------------


@scenario()
def renamed(workshop: Workshop) -> Build:
    """The people of the oracle in a shop that names its events in its own words."""
    tables = reference_data().tables()
    tables["events"]["event_type"] = tables["events"]["event_type"].replace(NAMES["own"])
    variables = REFERENCE_VARS | {"event_roles": OWN_ROLES}
    return workshop.build(workshop.folder("renamed"), tables, variables)


@pytest.mark.slow
def test_event_types_of_other_names_give_the_same_marts(reference: Build, renamed: Build) -> None:
    """All of them, but for the names themselves, run times and hashes of vars and events."""
    apart = {
        "definition_hash",
        "data_hash",
        "expiring_data_hash",
        "built_definition_hash",
        "built_data_hash",
        "built_expiring_data_hash",
        "seconds",
    }
    marts = reference.marts()
    assert any(mart.endswith('"journey_paths"') for mart in marts)
    with duckdb.connect() as connection:
        for name, build in {"one": reference, "other": renamed}.items():
            connection.execute(f"attach '{build.passed().published}' as {name} (read_only)")
        for mart in marts:
            columns = connection.execute(f"describe one.{mart}").df()["column_name"]
            named = {f'"{name}"': f'"{name}"' for name in columns if name not in apart}
            if '"journey_' in mart:
                for column in named.keys() & {'"from_state"', '"to_state"', '"path"'}:
                    for word, own in NAMES["own"].items():
                        named[column] = f"replace({named[column]}, '{word}', '{own}')"
            one = f"select {', '.join(named.values())} from one.{mart}"
            other = f"select {', '.join(named)} from other.{mart}"
            for first, second in [(one, other), (other, one)]:
                assert connection.execute(f"{first} except all {second}").fetchall() == [], mart


@pytest.mark.slow
def test_a_newcomer_of_the_demo_is_less_loyal_than_its_champions(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    newcomer, champions = warehouse.execute(
        """
        with buyers as (
            select * from features.int_features__customers_measured where is_buyer and as_of = $1
        ),
        cuts as (
            select
                quantile_disc(recency_days__all, 0.2) as recent,
                quantile_disc(orders__all, 0.6) as frequent
            from buyers
        )
        select
            max(loyalty_score) filter (recency_days__all = 1 and tenure_days__all = 1),
            avg(loyalty_score) filter (recency_days__all <= recent and orders__all >= frequent)
        from buyers cross join cuts
        """,
        [DATES[-1]],
    ).fetchall()[0]
    assert newcomer < champions


@pytest.mark.slow
@pytest.mark.parametrize("as_of", [date(2017, 9, 1), date(2017, 10, 1)])
def test_churn_risk_ranks_the_demos_customers_better_than_recency_and_frequency(
    warehouse: duckdb.DuckDBPyConnection, as_of: date
) -> None:
    rows = warehouse.execute(
        """
        select
            churn_risk,
            recency_days__all,
            -orders__all,
            not exists (
                select 1 from facts.int_facts__orders as orders
                where
                    orders.customer_key = features.customer_key
                    and orders.is_completed
                    and orders.day >= features.as_of
                    and orders.day < features.as_of + 90
            )
        from features.int_features__customers_measured as features
        where is_buyer and as_of = $1
        """,
        [as_of],
    ).fetchall()
    risks, recencies, frequencies, stays_away = zip(*rows, strict=True)
    area = roc_auc_score(stays_away, risks)
    assert area > max(roc_auc_score(stays_away, recencies), roc_auc_score(stays_away, frequencies))
