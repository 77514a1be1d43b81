"""The words after a build."""

import json
import os
import resource

import duckdb
import pytest
from rich.console import Console

from customer_segmentation import cli
from customer_segmentation.output.last_build import (
    LastBuild,
    NoBuildError,
    last_build,
    record_build,
)
from customer_segmentation.output.publication import PublishedTable, publish
from customer_segmentation.output.summary import print_summary, summary_of_build

TABLES = {
    "main.customer_features": """
        select 'a' as customer_id, date '2020-02-01' as as_of, 1250.5 as monetary, true as is_buyer
        union all
        select 'b', date '2020-02-01', 0, false
    """,
    "main.customers": """
        select 'a' as customer_id, false as is_synthetic, false as is_excluded, false as is_held_out
        union all
        select 'b', true, false, false
    """,
    "main.segment_changes": """
        select
            'rfm:champions' as segment_key, date '2020-01-01' as changed_on, 'entered' as change,
            'behaviour' as cause
        union all
        select segment_key, date '2020-02-01', change, cause
        from (
            values
                ('rfm:champions', 'entered', 'behaviour'), ('rfm:loyal', 'exited', 'behaviour'),
                ('rfm:promising', 'entered', 'refit'), ('rule:weekend', 'exited', 'consent')
        ) as changes (segment_key, change, cause)
    """,
    "main.segments": """
        select *, 'region: ' || segment as definition
        from (
            values
                ('rfm:champions', 'champions', 'Champions'),
                ('rfm:prospect', 'prospect', 'Prospects'),
                ('rule:weekend', 'weekend', 'Weekenders'), ('spend_breaks:band_1', 'band_1', 'Low'),
                ('spend_breaks:band_2', 'band_2', 'High'), ('region:unknown', 'unknown', 'Unknown')
        ) as segments (segment_key, segment, name)
    """,
    # The whole of January is known, and no day of February.
    "main.segment_kpis": """
        select
            *, period = date '2020-01-01' as is_last_whole,
            case when period = date '2020-01-01' then 31 else 0 end as days,
            case when period = date '2020-01-01' then .25 end as conversion
        from (
            values
                ('rfm:champions', 'rfm', 1, 1, .5, 1.0), ('rfm:prospect', 'rfm', 1, 0, .5, 0),
                ('spend_breaks:band_1', 'spend_breaks', 1, 1, .5, .0004),
                ('spend_breaks:band_2', 'spend_breaks', 3, 0, .5, 1.0),
                ('rule:weekend', 'rule', 2, 1, 1.0, null), ('region:unknown', 'region', 1, 1, .5, 1)
        ) as kpis (segment_key, scheme, customers, buyers, customer_share, revenue_share)
        cross join (values (date '2020-01-01'), (date '2020-02-01')) as periods (period)
    """,
    # None were buyers at both ends, so there is no sentence on changes of the label.
    "main.segment_transitions": """
        select
            date '2020-02-01' as period, 'rfm' as scheme, 'rfm:prospect' as from_segment,
            'rfm:champions' as to_segment, 1 as customers
    """,
    "models.cluster_models": """
        select 'in_force' as status, * from (
            values ('cluster', 'none', 'Too few.'), ('journeys', 'good', 'They are apart.')
        ) as models (scheme, verdict, why)
    """,
    "monitoring.segment_warnings": """
        select 'rfm:champions' as segment_key, 'drift' as gate, 'has drifted' as warning
    """,
    "monitoring.segment_fairness": """
        select
            'rfm:champions' as segment_key, 'N' as attribute_group,
            cast(.9 as double) as parity_ratio,
            'ok' as verdict
    """,
    "monitoring.source_coverage": """
        select * from (
            values
                ('orders', 'loaded', 3), ('orders', 'guests', 1), ('orders', 'synthetic', 0),
                ('events', 'loaded', 7), ('events', 'synthetic', 7),
                ('customers', 'loaded', 2), ('customers', 'synthetic', 1)
        ) as coverage (source_table, check_name, value)
    """,
    "monitoring.reidentification_risk": """
        select * from (
            values ('customers', 1.0), ('customer_features', .125)
        ) as risks (mart, share_in_small_combinations)
    """,
    "models.prediction_models": """
        select '' as target, '' as verdict, '' as status
        where false
    """,
    "experiments.experiment_results": """
        select
            '' as experiment_id, '' as metric, '' as comparison, '' as segment_key, '' as kind,
            true as is_primary, current_date as starts_on, current_date as ends_on,
            date '2020-02-01' as as_of, '' as verdict
        where false
    """,
    "monitoring.data_set": """
        select
            'demo' as dataset, 'data/demo' as raw_data, 'UTC' as timezone,
            date '2020-02-01' as as_of
    """,
    "monitoring.quarantined_records": "select 'orders' as source_table, 'future_date' as rule",
}
WARNED = {
    "unique_id": "test.p.each_segment_is_fine",
    "status": "warn",
    "failures": 7,
    "compiled_code": """
        select case n when 0 then 'rule:weekend is small' else 'segment ' || n end as finding
        from range(7) as numbers (n)
    """,
}
PRIVATE = {
    "unique_id": "test.p.names_are_right",
    "status": "warn",
    "failures": 2,
    "compiled_code": "select 'Anna' as given_name",
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "warehouse").mkdir()
    with duckdb.connect(str(tmp_path / "warehouse" / "demo.duckdb")) as working:
        tables = []
        for name, query in TABLES.items():
            schema, table = name.split(".")
            working.execute(f"create schema if not exists {schema}")
            working.execute(f"create table {name} as {query}")
            tables.append(PublishedTable(name, schema, table))
        publish(working, tables, tmp_path / "published" / "segments.duckdb")
    return tmp_path


def summary(folder, results, started="2020-02-02T00:00:00Z", full=True) -> str:
    checks = [
        (result["unique_id"].split(".")[-1], result["failures"], result["compiled_code"])
        for result in results
    ]
    record_build(LastBuild({}, checks), folder)
    run = {"metadata": {"invocation_started_at": started}, "args": {"which": "build"}}
    (folder / "run_results.json").write_text(json.dumps(run))
    console = Console(record=True, markup=False, width=400, file=open(os.devnull, "w"))  # noqa: SIM115, PTH123
    print_summary(folder, console, full=full)
    return console.export_text()


def test_brackets_in_a_name_are_printed_as_they_are(folder, capsys, monkeypatch):
    name = "[/b] [link=https://example.com]best[/link] [bold]"
    with duckdb.connect(str(folder / "published" / "segments.duckdb")) as published:
        published.execute(
            "update segments set name = ? where segment_key = 'rfm:champions'", [name]
        )
    summary(folder, [], full=False)
    monkeypatch.setenv("COLUMNS", "400")
    cli.main(["summary", "--target", str(folder)])
    assert name in capsys.readouterr().out
    with duckdb.connect() as working:
        assert name in summary_of_build(folder / "published/segments.duckdb", [], working, 400)


def page(folder, results=(), **others) -> list[str]:
    return lines(summary(folder, list(results), full=False, **others))


def test_says_sizes_quarantine_clusters_and_file(folder):
    words = summary(folder, [])
    text = " ".join(words.split())
    assert "Data set demo from data/demo, as of 2020-02-01, days in UTC." in text
    assert "Eligible customers: 2 (buyers 1, prospects 1)." in text
    assert "Their revenue to date: 1,250.50, net of returns." in text
    assert "Guests placed 1 of 3 orders and returns" in text
    assert "With fewer than 100 buyers" in text
    assert (
        "Synthetic data, not findings: 1 customer; all rows of events; "
        "1 of 2 rows of customers." in text
    )
    assert "100.0%" in words
    assert "Quarantined: 1 row of orders, rule future_date." in words
    assert "Clusters, verdict none: Too few." in words
    assert "Clusters of journeys, verdict good: They are apart." in words
    assert "Published: published/segments.duckdb" in words
    assert "Warnings" not in words


def lines(words: str) -> list[str]:
    return [" ".join(line.split()) for line in words.splitlines()]


def test_the_page_says_what_there_is_in_a_line_per_scheme(folder):
    assert page(folder, [WARNED, PRIVATE]) == [
        "Data set demo from data/demo, as of 2020-02-01, days in UTC."
        " Synthetic data, not findings: 1 customer; rows of 2 tables.",
        "Eligible customers: 2 (buyers 1, prospects 1)."
        " Their revenue to date: 1,250.50, net of returns.",
        "Guests placed 1 of 3 orders and returns: without a customer_ref these are in no segment"
        " and in no revenue shown here.",
        "With fewer than 100 buyers a segment by rank or cluster holds a handful of customers:"
        " read those as a trial.",
        "Quarantined: 1 row of orders.",
        "Re-identification: customers in combinations of attributes with fewer than var"
        " smallest_cell customers:"
        " 12.5% in customer_features, 100.0% in customers.",
        "Since 2020-01-01 Entered Left Mostly by"
        " Largest segments by revenue, with their share of buyers",
        "rfm 2 1 behaviour Champions 100.0%",
        "spend_breaks 0 0 High 0.0%, Low 100.0%",
        "rule (overlapping) 0 1 consent Weekenders 100.0%",
        "Checks that warned: each segment is fine, except rule:weekend Weekenders;"
        " names are right, except in 2 rows.",
        "Published: published/segments.duckdb. Next: make summary FULL=1 or customer-segmentation"
        " summary --full (all segments and findings), the tables segments (what each one means)"
        " and customer_segments (next_action).",
    ]


def test_the_least_even_segments_have_a_line_each(folder):
    with duckdb.connect(str(folder / "published" / "segments.duckdb")) as file:
        file.execute("""
            insert into monitoring.segment_fairness values
                ('rfm:champions', 'S', .5, 'under-represented'),
                ('rfm:champions', 'unknown', .1, 'under-represented'),
                ('rule:weekend', 'S', 4.0, 'over-represented'),
                ('rfm:prospect', 'W', .79, 'under-represented'),
                ('prediction:lapses', 'E', 0, 'under-represented');
            insert into monitoring.segment_warnings
            select segment_key, 'fairness', concat('has ', attribute_group, ' ', verdict)
            from monitoring.segment_fairness
            where verdict <> 'ok' and attribute_group <> 'unknown'
        """)
    printed = [line for line in page(folder) if line.startswith("Fairness")]
    assert printed == [
        "Fairness: prediction:lapses has E under-represented.",
        "Fairness: rule:weekend (Weekenders) has S over-represented.",
        "Fairness: rfm:champions (Champions) has S under-represented.",
        "Fairness: 1 more segment, in monitoring.segment_warnings.",
    ]


def test_a_shop_without_attributes_says_that_nothing_was_compared(folder):
    with duckdb.connect(str(folder / "published" / "segments.duckdb")) as file:
        file.execute("delete from monitoring.segment_fairness")
    (line,) = [line for line in page(folder) if line.startswith("Fairness")]
    assert line.startswith("Fairness: not compared, no attribute of var protected_attributes is")


def test_the_page_of_a_demo_fits_on_a_screen_without_terms_of_statistics(folder):
    """With the ten shipped schemes, fair clusters and failing checks, but nothing else to say."""
    with duckdb.connect(str(folder / "published" / "segments.duckdb")) as file:
        file.execute("update monitoring.source_coverage set value = 0 where check_name = 'guests'")
        file.execute("delete from monitoring.quarantined_records")
        file.execute("update models.cluster_models set verdict = 'weak', why = 'The silhouette is'")
        file.execute(
            "insert into customer_features select 'b' || n, date '2020-02-01', 1, true"
            " from range(100) as numbers (n)"
        )
        for scheme in ("cluster", "journeys", "a", "b", "c", "d", "e"):
            file.execute(f"insert into segments values ('{scheme}:x', 'x', 'X', 'x')")
            file.execute(
                "insert into segment_kpis select * replace"
                f" ('{scheme}' as scheme, '{scheme}:x' as segment_key)"
                " from segment_kpis where segment_key = 'rfm:champions'"
            )
    printed = page(folder, [WARNED, PRIVATE])
    assert len(printed) == 16
    assert not any("ilhouette" in line for line in printed)
    assert "Read cluster and journeys as bands of a continuum" in printed[-1]
    assert any(line.startswith("cluster (weak) ") for line in printed)
    assert "silhouette" in summary(folder, [])


def test_the_page_has_the_three_largest_segments_by_revenue_and_names_few_of_many(folder):
    many = {
        **WARNED,
        "compiled_code": "select 'place:v' || n || ' is small' as finding from range(5) as t (n)",
    }
    with duckdb.connect(str(folder / "published" / "segments.duckdb")) as file:
        with_values(file, 5)
    printed = page(folder, [many])
    assert any(line.endswith(" V4 100.0%, V3 100.0%, V2 100.0%") for line in printed)
    named = "place:v0 V0, place:v1 V1, place:v2 V2, and 2 more"
    assert f"Checks that warned: each segment is fine, except {named}." in printed


def with_values(file: duckdb.DuckDBPyConnection, values: int) -> None:
    """The scheme place with so many values, the first with one customer, the next with two."""
    file.execute(
        "insert into segments select 'place:v' || n, 'v' || n, 'V' || n, 'region: v' || n"
        f" from range({values}) as numbers (n)"
    )
    file.execute(
        "insert into segment_kpis by name select 'place:v' || n as segment_key, 'place' as scheme,"
        " n + 1 as customers, 1 as buyers, n * .01 as revenue_share, false as is_last_whole,"
        f" 0 as days, date '2020-02-01' as period from range({values}) as numbers (n)"
    )


@pytest.mark.parametrize(
    ("values", "shown", "rest"), [(12, 12, None), (14, 12, "Other (3 values)")]
)
def test_many_values_of_an_attribute_are_other(folder, values, shown, rest):
    with duckdb.connect(str(folder / "published" / "segments.duckdb")) as file:
        with_values(file, values)
    printed = lines(summary(folder, []))
    first = next(i for i, line in enumerate(printed) if line.startswith("place "))
    of_place = printed[first : first + shown]
    assert of_place[0] == f"place V{values - 1} {values} 100.0% {values - 1}.0%"
    if rest:
        assert of_place[-1] == f"{rest} {1 + 2 + 3} 300.0% 3.0%"
    else:
        assert of_place[-1] == "V0 1 100.0% 0.0%"
    assert printed[first + shown].startswith("rfm ")


def test_a_scheme_of_which_nothing_is_known_is_left_out(folder):
    assert not any(line.startswith("region") for line in lines(summary(folder, [])))
    assert not any(line.startswith("region") for line in page(folder))


def test_says_what_retention_left_out(folder):
    assert not any(line.startswith("Retention") for line in page(folder))
    with duckdb.connect(str(folder / "published" / "segments.duckdb")) as file:
        file.execute("""
            insert into monitoring.source_coverage
            values
                ('events', 'expired', 1234), ('events', 'retained_months', 25),
                ('events', 'retained_from', 20160201), ('tickets', 'expired', 0),
                ('tickets', 'retained_months', 1), ('tickets', 'retained_from', 20180101)
        """)
    assert [line for line in page(folder) if line.startswith("Retention")] == [
        "Retention: 1,234 rows of events before 2016-02-01 left out (25 months are kept).",
        "Retention: 0 rows of tickets before 2018-01-01 left out (1 month is kept).",
    ]


def test_says_what_is_predicted(folder):
    assert not any(line.startswith("Predictions") for line in page(folder))
    with duckdb.connect(str(folder / "published" / "segments.duckdb")) as file:
        file.execute("""
            insert into models.prediction_models
            values
                ('lapses', 'naive_stays', 'in_force'), ('responds', 'in_force', 'in_force'),
                ('buys_again', 'naive_stays', 'in_force'), ('returns', 'too_few', 'in_force'),
                ('lapses', 'in_force', 'retired'), ('signs_up', 'no_outcomes', 'in_force')
        """)
    assert (
        "Predictions: a model beats the naive rule for responds; the naive rule stays for "
        "buys_again, lapses; too few outcomes are known for returns, signs_up."
    ) in page(folder)


def test_says_what_came_of_experiments_that_run_or_have_just_ended(folder):
    with duckdb.connect(str(folder / "published" / "segments.duckdb")) as file:
        file.execute("update customers set is_held_out = customer_id = 'b'")
        file.execute("""
            insert into experiments.experiment_results by name
            select
                *, date '2020-02-01' as as_of, 'variant' as kind,
                case experiment_id when 'planned' then as_of else date '2019-11-01' end as starts_on
            from (
                values
                    ('runs', 'rate', 'b', 'all', true, date '2020-02-20', 'running: +1.0'),
                    ('ended', 'revenue', 'd', 'all', true, date '2020-01-15', 'works: +1.00'),
                    ('ended', 'revenue', 'c', 'all', true, date '2020-01-15', 'harms: -1.00'),
                    ('ended', 'revenue', 'd', 'rfm:loyal', true, date '2020-01-15', 'segment'),
                    ('ended', 'orders', 'd', 'all', false, date '2020-01-15', 'guardrail'),
                    ('old', 'orders', 'd', 'all', true, date '2019-12-31', 'no news'),
                    ('planned', 'orders', 'd', 'all', true, date '2020-02-20', 'no customers')
            ) as results (
                experiment_id, metric, comparison, segment_key, is_primary, ends_on, verdict
            )
        """)
    expected = [
        "Experiment ended, revenue: c harms: -1.00; d works: +1.00.",
        "Experiment runs, rate: b running: +1.0.",
        "Global holdout: 1 customer never handed over to other systems (var holdout_share).",
    ]
    for printed in (page(folder), lines(summary(folder, []))):
        at = printed.index(expected[0])
        assert printed[at : at + 3] == expected
        assert not any(word in line for line in printed for word in ("no news", "guardrail"))
        assert not any(line.startswith("Experiment planned") for line in printed)


def test_lists_segments_with_their_share_of_buyers_and_prospects_only_above(folder):
    printed = lines(summary(folder, []))
    heading = "Scheme Segment Customers Of buyers Of revenue Bought from 2020-01-01, 31 days"
    assert heading in printed
    assert "rfm Champions 1 100.0% 100.0% 25.0%" in printed
    # One of the two is a prospect.
    assert "rule (overlapping) Weekenders 2 100.0% 25.0%" in printed
    assert not any("Prospects" in line for line in printed)
    low = printed.index("spend_breaks Low 1 100.0% <0.1% 25.0%")
    assert printed[low + 1] == "High 3 0.0% 100.0% 25.0%"


def test_without_a_whole_period_nothing_is_said_of_what_members_bought(folder):
    with duckdb.connect(str(folder / "published" / "segments.duckdb")) as file:
        file.execute("delete from segment_kpis where is_last_whole")
    printed = lines(summary(folder, []))
    assert "Scheme Segment Customers Of buyers Of revenue" in printed
    assert page(folder)[6] == "Scheme Largest segments by revenue, with their share of buyers"


def test_counts_changes_by_scheme_and_never_over_schemes(folder):
    printed = lines(summary(folder, []))
    at = printed.index("Since 2020-01-01, 31 days Entered Left Mostly by")
    assert printed[at + 1 : at + 4] == ["rfm 2 1 behaviour", "rule 0 1 consent", ""]


def test_journeys_without_events_are_left_out(folder):
    with_events = summary(folder, [])
    with duckdb.connect(str(folder / "published" / "segments.duckdb")) as file:
        file.execute(
            "update monitoring.source_coverage set value = 0 where source_table = 'events'"
        )
    assert "Clusters of journeys" in with_events
    assert "Clusters of journeys" not in summary(folder, [])


@pytest.mark.parametrize(
    ("loaded", "guests", "why"),
    [
        (0, 0, "no orders were loaded"),
        (3, 3, "all 3 orders and returns are of guests"),
        (3, 1, "all customers were excluded"),
    ],
)
def test_says_why_there_are_no_customers(folder, loaded, guests, why):
    with duckdb.connect(str(folder / "published" / "segments.duckdb")) as file:
        file.execute("delete from customer_features")
        file.execute(
            "update monitoring.source_coverage set value = case check_name"
            f" when 'loaded' then {loaded} else {guests} end where source_table = 'orders'"
        )
    assert f"No eligible customers: {why}" in summary(folder, [])


def test_prints_findings_of_warnings_and_never_rows_of_other_tests(folder):
    words = summary(folder, [WARNED, PRIVATE])
    assert "Check warned: each segment is fine." in words
    assert "rule:weekend (Weekenders) is small" in words
    assert "and 2 more" in words
    assert "names are right" in words
    assert "Anna" not in words


def test_a_check_reads_and_writes_no_files(folder):
    (folder / "secret.csv").write_text("finding\nrule:weekend secret\n")
    for number, query in enumerate(
        ["from read_csv('secret.csv')", "copy (select 1 as finding) to 'written.csv'"]
    ):
        check = {"unique_id": f"test.p.check_{number}", "failures": 3, "compiled_code": query}
        words = summary(folder, [check])
        assert f"Check warned: check {number}." in words
        assert "3 rows found" in words
        assert "secret" not in words
    assert not (folder / "written.csv").exists()


def test_a_record_that_is_cut_off_leaves_the_one_before(folder):
    record_build(LastBuild({"dataset": "demo"}, []), folder)
    # A limit of the process stands for a full disk, or a kill, in the middle of writing.
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, unlimited[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            record_build(LastBuild({"dataset": "x" * 9000}, []), folder)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
    assert last_build(folder) == LastBuild({"dataset": "demo"}, [])


def test_says_when_the_file_is_from_an_earlier_build(folder):
    assert "from an earlier build" in summary(folder, [], started="2999-01-01T00:00:00Z")


def test_says_when_nothing_was_published_yet(folder):
    (folder / "published" / "segments.duckdb").unlink()
    assert "Nothing has been published" in summary(folder, [])


def test_says_when_there_was_no_build_at_all(tmp_path):
    console = Console(record=True, width=120, file=open(os.devnull, "w"))  # noqa: SIM115, PTH123
    with pytest.raises(NoBuildError, match="No build results"):
        print_summary(tmp_path, console)
