"""Builds whose topics come from embeddings by a real model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest
from conftest import Build
from rule_grammar_project import DEFAULTS
from test_embeddings import folder as folder
from test_embeddings import needs_the_model
from test_topics import feedback

CUSTOMERS = 60
LONG = "The parcel was late. " * 200
EMBEDDED = "select text_key, vector from restricted.int_features__text_vectors"
TABLES_OF_EMBEDDINGS = (
    "select table_name from information_schema.tables"
    " where regexp_matches(table_name, 'embedding|text_vectors|ticket_texts')"
)


def raw_tables() -> dict[str, Any]:
    rng = np.random.default_rng(4)
    written = feedback(5, people=400).head(3 * CUSTOMERS).reset_index(drop=True)
    refs = [f"c{number % CUSTOMERS}" for number in range(len(written))]
    tickets = pd.DataFrame(
        {
            "ticket_id": written["ticket_id"],
            "customer_ref": refs,
            "opened_at": pd.to_datetime(written["opened_on"]),
            "channel": "support",
            "body": written["body"],
        }
    )
    tickets.loc[0, "body"] = LONG
    tickets.loc[1, "body"] = None
    orders = pd.DataFrame(
        {
            "order_id": [str(number) for number in range(5 * CUSTOMERS)],
            "customer_ref": [f"c{number % CUSTOMERS}" for number in range(5 * CUSTOMERS)],
            "ordered_at": pd.Timestamp("2023-09-01 12:00:00")
            + pd.to_timedelta(rng.integers(0, 150, 5 * CUSTOMERS), "D"),
            "amount": rng.integers(10, 90, 5 * CUSTOMERS).astype(float),
        }
    )
    return {"orders": orders, "tickets": tickets}


def settings(model: str) -> dict[str, Any]:
    meant = {"name": "meaning", "column": "meaning__all"}
    return {
        "topics": {**DEFAULTS["topics"], "method": "embeddings", "model": model, "count": 5},
        "extra_metrics": {
            "meaning": {
                "table": "topics",
                "aggregate": "mean",
                "value": "component_01",
                "absent": None,
                "unit": "points",
                "description": "Mean coordinate",
            }
        },
        "cluster_features": [
            {"name": "frequency", "column": "orders__all", "orders_clusters": True},
            {**meant, "treated": True},
        ],
        "feature_treatments": {"meaning__all": {"missing": "median"}},
        "prediction_features": [*DEFAULTS["prediction_features"], meant],
    }


def frame(made: Build, sql: str) -> pd.DataFrame:
    """Of the working file."""
    with duckdb.connect(str(made.folder / "warehouse" / "trial.duckdb"), read_only=True) as file:
        return file.sql(sql).df()


@needs_the_model
@pytest.mark.slow
def test_vectors_stay_restricted_are_kept_and_leave_with_their_customer(
    build: Callable[..., Build], tmp_path: Path, folder: str
) -> None:
    tables = raw_tables()
    first = build(tmp_path, tables, settings(folder)).passed()
    vectors = frame(first, EMBEDDED).set_index("text_key")["vector"]
    assert len(vectors) == tables["tickets"]["body"].nunique()
    cut = "select value from monitoring.source_coverage where check_name = 'texts_cut'"
    assert first.rows(cut) == [(1,)]
    topics = first.query("select * from topics")
    assert topics["topic"].nunique() >= 4
    assert topics.groupby("topic")["weight"].apply(lambda w: (w**2).sum()).max() <= 1 + 1e-5
    shares = first.query("select customer_id, sum(share) as total from customer_topics group by 1")
    assert len(shares) == CUSTOMERS
    np.testing.assert_allclose(shares["total"], 1, atol=1e-4)
    # A list of numbers is a vector wherever it is.
    columns = "select table_schema, table_name from information_schema.columns where data_type = "
    assert set(frame(first, f"{columns}'FLOAT[]'")["table_schema"]) == {"restricted"}
    for table in ("customer_topics", "topics"):
        kinds = {str(kind) for kind in first.query(f"select * from {table}").dtypes}
        assert "object" not in kinds, table
    measured = frame(first, "select meaning__all from features.int_features__customers_measured")
    assert measured["meaning__all"].nunique() > CUSTOMERS / 2

    # One customer is erased, whose texts are not those of another; one text is new.
    bodies = tables["tickets"].groupby("customer_ref")["body"].apply(lambda texts: set(texts))
    others = {name: set().union(*bodies.drop(name)) for name in bodies.index}
    gone = next(name for name in bodies.index if len(bodies[name] - others[name] - {None}) >= 2)
    tables["erasure_requests"] = pd.DataFrame(
        {"customer_ref": [gone], "requested_at": [pd.Timestamp("2024-01-20")]}
    )
    new = tables["tickets"].iloc[[2]].assign(ticket_id="new", body="Ein neuer Text.")
    new["customer_ref"] = next(name for name in bodies.index if name != gone)
    tables["tickets"] = pd.concat([tables["tickets"], new], ignore_index=True)
    second = build(tmp_path, tables, settings(folder)).passed()
    later = frame(second, EMBEDDED).set_index("text_key")["vector"]
    kept = vectors.index.intersection(later.index)
    assert len(later) - len(kept) == 1
    assert len(vectors) - len(kept) == len(bodies[gone] - others[gone] - {None})
    assert all((vectors[key] == later[key]).all() for key in kept)
    texts = set(frame(second, "select text from restricted.int_facts__ticket_texts")["text"])
    assert texts.isdisjoint(bodies[gone] - others[gone])

    # Back to TF-IDF: nothing of the texts is left behind.
    assert len(frame(second, TABLES_OF_EMBEDDINGS)) == 6
    third = build(tmp_path, tables, None, ["--select", "+int_features__topics"])
    assert third.status == 0, third.output[-2000:]
    assert frame(third, TABLES_OF_EMBEDDINGS).empty
