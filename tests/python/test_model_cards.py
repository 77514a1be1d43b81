"""What the cards of predictions withhold."""

from __future__ import annotations

import html
import re

import duckdb
import pytest
from markdown_it import MarkdownIt

from customer_segmentation.output.model_cards import model_cards

SMALLEST = 10


def card(
    test_rows: int,
    test_positives: int,
    positives_of_deciles: list[int],
    *,
    fairness: str = "",
    group_thresholds: str = "null",
) -> str:
    """Of a model whose test has ten tenths of a tenth of its customers each."""
    with duckdb.connect() as connection:
        connection.execute(f"""
            create schema monitoring;
            create schema models;
            create table monitoring.data_set as select {SMALLEST} as smallest_cell;
            create table models.prediction_models as select
                'lapses' as target, 'in_force' as status, 'forest' as model, 'Lapses' as name,
                null as description, 'm' as model_id, 'buyers' as who, 'no orders' as outcome,
                90 as horizon_days, null as recommended_action,
                {group_thresholds} as group_thresholds, date '2024-01-01' as fitted_as_of,
                'The forest is in force: 0.321.' as why, 5000 as train_rows, 6 as train_origins,
                date '2023-01-01' as train_from_origin, date '2023-06-01' as train_to_origin,
                400 as train_positives, {test_rows} as test_rows,
                {test_positives} as test_positives, date '2023-09-01' as test_origin;
            create table models.prediction_metrics as
            select
                'lapses' as target, date '2024-01-01' as fitted_as_of, 'test' as evaluation,
                unnest(['forest', 'base_rate']) as candidate, metric, 0.321 as value, 0.2 as low,
                0.4 as high, null as origin, 'all' as segment_key
            from unnest(['average_precision', 'roc_auc', 'brier', 'precision', 'recall', 'f1'])
                as metrics (metric)
            union all
            select
                'lapses', null, 'live', 'forest', unnest(['customers', 'observed_share']),
                unnest([{test_rows}, {test_positives / test_rows}]), null, null,
                date '2023-09-01', 'all';
            create table models.prediction_calibration as
            select
                'lapses' as target, date '2024-01-01' as fitted_as_of, 'forest' as candidate,
                generate_subscripts({positives_of_deciles}, 1) as decile,
                0.111 as predicted,
                unnest({positives_of_deciles}) / {test_rows // 10} as observed,
                {test_rows // 10} as customers;
            create table models.prediction_coefficients as select
                'lapses' as target, date '2024-01-01' as fitted_as_of, 0.5 as coefficient,
                'orders' as words, 1.0 as variance_inflation, 'kept' as status;
            create table models.prediction_fairness (
                target text, fitted_as_of date, thresholds text, attribute text,
                attribute_group text, equal_opportunity_difference double,
                equalized_odds_difference double, verdict text, calibration_verdict text
            );
            {fairness}
        """)
        return model_cards(connection)["lapses"]


def came_about(text: str) -> list[str]:
    return re.findall(r"^\| \d+ \| .* \| (\S+) \|$", text, re.MULTILINE)


def test_shares_of_few_are_withheld_with_others() -> None:
    text = card(1000, 85, [5, 0, 0, 0, 0, 0, 12, 15, 20, 33])
    shown = dict(zip(range(10, 0, -1), came_about(text), strict=True))
    assert [decile for decile, share in shown.items() if share == "withheld"] == [7, 1]
    assert shown[10] == "0.330"
    assert "| 2023-09-01 | 1,000 |  |  |  | 0.085 |" in text
    assert "0.321 (0.200 to 0.400)" in text
    assert "The forest is in force" in text


@pytest.mark.parametrize("positives", [8, 995])
def test_a_test_of_few_outcomes_is_withheld(positives: int) -> None:
    others = [10] * 8 + [20, 7] if positives == 8 else [100] * 9 + [95]
    text = card(1000, positives, others)
    assert "0.321" not in text
    assert "those for whom it came about or the others are fewer than 10" in text
    assert "| 2023-09-01 | 1,000 |  |  |  | withheld |" in text


def test_a_tenth_of_few_customers_withholds_all_tenths() -> None:
    text = card(50, 20, [2] * 10)
    assert came_about(text) == []
    assert "a tenth of the customers of the test are fewer than 10" in text


@pytest.mark.parametrize(("positives", "is_calibrated"), [(49, False), (50, True), (951, False)])
def test_a_calibration_is_told_only_if_it_happened(positives: int, is_calibrated: bool) -> None:
    text = card(1000, positives, [10] * 10)
    assert ("then calibrated on the test" in text) == is_calibrated
    assert "Predicted is by the calibration of before the test." in text


def test_groups_that_are_found_less_often_are_named() -> None:
    text = card(
        1000,
        85,
        [10] * 10,
        fairness="""
            insert into models.prediction_fairness
            select 'lapses', date '2024-01-01', *
            from (values
                ('common', 'region', 'N', .25, .5, 'found less often', 'ok'),
                ('common', 'region', 'S', .25, .5, 'ok', 'comes about more often'),
                ('common', 'region', 'W', .25, .5, 'too few', 'too few'),
                ('by_group', 'region', 'N', .05, .125, 'ok', 'ok')
            );
        """,
        group_thresholds="'region (demographic_parity)'",
    )
    expected = (
        "| region | one for all | 2 of 3 | 0.250 | 0.500 | N found less often | S comes about"
    )
    assert expected in text
    assert "| region | by group | 1 of 1 | 0.050 | 0.125 |  |  |" in text
    assert "per group of region (demographic_parity)" in text


def test_a_group_named_by_a_cell_of_the_raw_data_is_text() -> None:
    """The documentation site would show HTML and roles of Markdown as such."""
    cell = "N<script>alert(1)</script>|{raw}`x`[a](javascript:b)\n\n<img src=x>"
    text = card(
        1000,
        85,
        [10] * 10,
        fairness=f"""
            insert into models.prediction_fairness values
                ('lapses', '2024-01-01', 'common', 'region', '{cell}', .25, .5,
                'found less often', 'ok');
        """,
    )
    page = MarkdownIt("commonmark").enable("table").render(text)
    assert "<script" not in page
    assert "<img" not in page
    assert "<a " not in page
    shown = html.escape("N<script>alert(1)</script>|{raw}`x`[a](javascript:b) <img src=x>")
    assert f"<td>{shown} found less often</td>" in page


def test_a_card_says_that_no_group_was_compared() -> None:
    text = card(1000, 85, [10] * 10)
    assert "Not measured: no attribute of var `protected_attributes`" in text
    assert "One threshold for all" in text
