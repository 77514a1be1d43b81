"""The probabilities that SQL computes are those of the models that were fitted."""

import time

import duckdb
import numpy as np
import pandas as pd
import pytest
from rule_grammar_project import DEFAULTS, ROOT, GrammarProject
from test_prediction_fits import (
    ALL_KINDS,
    AS_OF,
    NAMES,
    SAMPLE,
    calibrated,
    customers,
    fit,
    fitting,
    models,
    raw_scores,
    scaled,
    word,
)

COLUMNS = dict(
    zip(
        NAMES,
        ("recency_days__all", "revenue__365d", "sessions__30d", "momentum_score"),
        strict=True,
    )
)
LOG = {"recency", "spend"}
VARS = {
    **DEFAULTS,
    "schemes": {},
    "rule_segments": {},
    "prediction_features": [
        {"name": name, "column": column, "log": name in LOG} for name, column in COLUMNS.items()
    ],
    "predictions": {
        "lapses": {
            "who": {"metric": "recency_days", "at_least": 0},
            "outcome": {"metric": "orders", "at_most": 0},
            "horizon_days": 90,
            "naive_rule": {"high": "recency"},
        }
    },
}
FEATURES = [{"name": name, "log": name in LOG} for name in NAMES]
FOLDER = ROOT / "models" / "segmentation" / "prediction"


def fitted(kind: str, monkeypatch: pytest.MonkeyPatch) -> pd.DataFrame:
    if kind == "naive":
        # Beaten by no candidate: recency alone decides.
        sample = customers(interplay=0.0)
        sample[["spend", "visits", "noise"]] = 0.0
        result = fit(sample, features=FEATURES)
    else:
        monkeypatch.setattr(fitting, "GRIDS", {kind: models.GRIDS[kind]})
        if kind == "xgboost":
            pytest.importorskip("xgboost")
        result = fit(
            SAMPLE, features=FEATURES, naive_rule={"high": "noise"}, xgboost=kind == "xgboost"
        )
    assert word(result, "model") == kind
    return result


def scores(project: GrammarProject, result: pd.DataFrame, asked: pd.DataFrame) -> pd.DataFrame:
    """What the two models make of the rows of a fit and of a wide table."""
    connection = duckdb.connect(config={"threads": 2})
    wide = asked[["customer_key", *NAMES]].rename(columns=COLUMNS).assign(as_of=AS_OF)
    connection.register("int_segmentation__customers_scored", wide)
    stored = result.assign(target="lapses", as_of=pd.to_datetime(result["as_of"]).dt.date)
    connection.register("int_segmentation__prediction_fit", stored)
    connection.execute(
        "create table int_periods as select date '2021-01-01' as as_of, as_of as"
        " models_fitted_as_of, as_of as cutpoints_fitted_as_of;"
        "create table int_segmentation__cutpoints (fitted_as_of date, scheme varchar,"
        " metric varchar, cut_number int, cut_value double, status varchar)"
    )
    for name in ("int_segmentation__prediction_parameters", "int_segmentation__prediction_scores"):
        sql = project.render((FOLDER / f"{name}.sql").read_text(encoding="utf-8"), VARS)
        connection.execute(f"create table {name} as {sql}")
    return connection.sql("from int_segmentation__prediction_scores order by customer_key").df()


@pytest.mark.parametrize("kind", [*ALL_KINDS, "naive"])
def test_sql_gives_the_probabilities_of_the_fit(
    project: GrammarProject, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = fitted(kind, monkeypatch)
    asked = customers(rows=500, origins=1, test_rows=500, seed=5)
    asked["customer_key"] = np.arange(len(asked))
    found = scores(project, result, asked)
    position = NAMES.index("recency")
    raw = raw_scores(result, scaled(result, asked), kind, 1, position)
    np.testing.assert_allclose(found["probability"], calibrated(result, raw), atol=1e-9)
    naive = scaled(result, asked)[:, position]
    np.testing.assert_allclose(found["naive_score"], naive, atol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["logistic", "boosting"])
def test_a_million_customers_get_the_probabilities_of_the_fit(
    project: GrammarProject, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = fitted(kind, monkeypatch)
    asked = customers(rows=500_000, origins=1, test_rows=500_000, seed=5)
    asked["customer_key"] = np.arange(len(asked))
    began = time.process_time()
    found = scores(project, result, asked)
    seconds = time.process_time() - began
    expected = calibrated(result, raw_scores(result, scaled(result, asked), kind))
    assert len(found) == 1_000_000
    assert np.abs(found["probability"] - expected).max() <= 1e-9
    assert (found["decile"].value_counts() > 50_000).all()
    # 20 s are the aim: 10 s on two idle cores. Waiting for memory beside others counts too.
    assert seconds < 60
