"""Model cards: a page per prediction, from the published tables."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import duckdb
import jinja2

from customer_segmentation.cells import Cell, withheld

_FEWEST_TO_CALIBRATE = 50  # of either outcome; fewer leave the calibration as it was

_MODELS = """
    select * from models.prediction_models
    where status = 'in_force' and model <> 'none'
    order by target
"""
_OF_THE_MODEL = "target = $target and fitted_as_of = $fitted_as_of"
_TESTS = f"""
    select candidate, metric, value, low, high from models.prediction_metrics
    where {_OF_THE_MODEL} and evaluation = 'test'
"""
_DECILES = f"""
    select * from models.prediction_calibration
    where {_OF_THE_MODEL} and candidate = $model
    order by decile desc
"""
_FEATURES = f"""
    select * from models.prediction_coefficients
    where {_OF_THE_MODEL}
    order by abs(coefficient) desc nulls last, words
"""
_FAIRNESS = f"""
    select
        thresholds,
        attribute,
        count(*) as groups,
        count(*) filter (verdict <> 'too few') as shown,
        max(equal_opportunity_difference) as equal_opportunity,
        max(equalized_odds_difference) as equalized_odds,
        string_agg(attribute_group || ' ' || verdict, ', ' order by attribute_group)
            filter (verdict like 'found %') as opportunity_words,
        string_agg(attribute_group || ' ' || calibration_verdict, ', ' order by attribute_group)
            filter (calibration_verdict like 'comes about %') as calibration_words
    from models.prediction_fairness
    where {_OF_THE_MODEL}
    group by thresholds, attribute
    order by thresholds = 'by_group', attribute
"""
_LIVE = """
    select
        origin,
        max(value) filter (metric = 'customers') as customers,
        max(value) filter (metric = 'average_precision' and candidate <> 'naive_rule') as of_model,
        max(value) filter (metric = 'average_precision' and candidate = 'naive_rule')
            as of_naive_rule,
        max(value) filter (metric = 'mean_probability') as predicted,
        max(value) filter (metric = 'observed_share') as observed
    from models.prediction_metrics
    where target = $target and evaluation = 'live' and segment_key = 'all'
    group by origin
    having max(value) filter (metric = 'customers') >= $smallest_cell
    order by origin
"""


def model_cards(connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """The card of each prediction that has a model, as Markdown, by the name of the target.

    Args:
        connection: To a published file.

    Returns:
        Pages in which counts of fewer customers than var smallest_cell are left out, and shares
        that tell such a count.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=False,
        finalize=_as_text,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    template = environment.get_template("model_card.md.jinja")
    ((smallest,),) = connection.execute("select smallest_cell from monitoring.data_set").fetchall()
    return {
        model["target"]: template.render(
            model=model,
            smallest_cell=smallest,
            tested=f"{model['test_rows']:,}"
            if model["test_rows"] >= smallest
            else f"fewer than {smallest}",
            is_calibrated=_fewer_outcomes(model) >= _FEWEST_TO_CALIBRATE,
            **_parts(connection, model, smallest),
            count=lambda value: f"{value:,.0f}",
            number=lambda value: "" if value is None else f"{value:.3f}",
            interval=_interval,
        )
        for model in _rows(connection, _MODELS)
    }


def _as_text(value: object) -> object:
    """A value so that Markdown shows it as it is: groups are named by cells of the raw data."""
    if not isinstance(value, str):
        return value
    escaped = re.sub(r"([\\`|\[\]{}])", r"\\\1", value)
    return re.sub(r"\s+", " ", escaped).replace("&", "&amp;").replace("<", "&lt;")


def _parts(
    connection: duckdb.DuckDBPyConnection, model: dict[str, Any], smallest: int
) -> dict[str, Any]:
    keys = {name: model[name] for name in ("target", "fitted_as_of")}
    tests: dict[str, dict[str, Any]] = {}
    for row in _rows(connection, _TESTS, **keys):
        of_candidate = tests.setdefault(row["candidate"], {"candidate": row["candidate"]})
        is_interval = row["metric"] in ("average_precision", "roc_auc", "brier")
        of_candidate[row["metric"]] = row if is_interval else row["value"]
    deciles = _rows(connection, _DECILES, model=model["model"], **keys)
    live = _rows(connection, _LIVE, target=model["target"], smallest_cell=smallest)
    best_first = sorted(
        tests.values(),
        key=lambda test: (-test["average_precision"]["value"], test["candidate"]),
    )
    return {
        # The measures of the base rate reveal how many outcomes there were.
        "tests": best_first if _fewer_outcomes(model) >= smallest else [],
        "deciles": _with_shown_shares(deciles, smallest),
        "fairness": _rows(connection, _FAIRNESS, **keys),
        "features": _rows(connection, _FEATURES, **keys),
        "live": [row | {"observed": None} if 0 < _rarer(row) < smallest else row for row in live],
    }


def _fewer_outcomes(model: dict[str, Any]) -> int:
    """How many cases of the test are of the rarer outcome."""
    positives: int = model["test_positives"]
    negatives: int = model["test_rows"] - positives
    return min(positives, negatives)


def _with_shown_shares(deciles: list[dict[str, Any]], smallest: int) -> list[dict[str, Any]]:
    """None where a decile itself is too small: the others would tell it."""
    if any(row["customers"] < smallest for row in deciles):
        return []
    hidden = withheld([Cell(_rarer(row), ("test",)) for row in deciles], smallest)
    return [
        row | {"observed": None} if position in hidden else row
        for position, row in enumerate(deciles)
    ]


def _rarer(row: dict[str, Any]) -> int:
    """For how many customers of a row it came about, or did not if these are fewer."""
    share: float = min(row["observed"], 1 - row["observed"])
    customers: int = row["customers"]
    return round(share * customers)


def _interval(measure: dict[str, Any]) -> str:
    if measure["low"] is None:
        return f"{measure['value']:.3f}"
    return f"{measure['value']:.3f} ({measure['low']:.3f} to {measure['high']:.3f})"


def _rows(
    connection: duckdb.DuckDBPyConnection, sql: str, **parameters: Any
) -> list[dict[str, Any]]:
    result = connection.execute(sql, parameters or None)
    names = [column[0] for column in result.description or ()]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]
