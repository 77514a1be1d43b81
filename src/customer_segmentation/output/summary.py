"""The summary of a build: a page of its schemes, changes and warnings, or all of its segments."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from datetime import date
from io import StringIO
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import duckdb
from rich.console import Console
from rich.table import Table

from customer_segmentation.output.last_build import (
    last_build,
    open_to_read,
    published_file,
    vars_of,
    was_not_replaced,
    working_file,
)
from customer_segmentation.output.rfm_flips import rfm_flips

_FINDINGS_PER_WARNING = 5
_FEW_BUYERS = 100  # of ten RFM segments, ten buyers each
_LARGEST = 3  # segments of a scheme on the page
_MOST_VALUES = 12  # of an attribute; a country or a city may have hundreds

# Customers without a completed order are outside every scheme of buyers, so they are counted once.
_OUTSIDE = "('prospect', 'returns_only')"
_SEGMENTS = f"""
    with everyone as (
        select count(*) filter (is_buyer) as buyers
        from customer_features
    ),

    lately as (
        select segment_key, conversion
        from segment_kpis
        where is_last_whole
    )

    select
        kpis.scheme,
        segments.name,
        kpis.customers,
        kpis.buyers / nullif(everyone.buyers, 0),
        kpis.revenue_share,
        lately.conversion,
        segments.segment = 'unknown',
        ends_with(segments.definition, ': ' || segments.segment)
    from segment_kpis as kpis
    inner join segments using (segment_key)
    cross join everyone
    left join lately using (segment_key)
    where kpis.period = (select max(period) from segment_kpis) and kpis.customers > 0
        and segments.segment not in {_OUTSIDE}
    order by
        kpis.scheme = 'rule',
        kpis.scheme,
        case when kpis.scheme <> 'spend_breaks' then kpis.customers end desc,
        kpis.segment_key
"""
_CHANGES = """
    with counted as (
        select split_part(segment_key, ':', 1) as scheme, change, cause, count(*) as changes
        from segment_changes
        where changed_on = ?
        group by all
    ),

    causes as (
        select scheme, cause, sum(changes) as changes
        from counted
        group by all
    )

    select
        scheme,
        coalesce(sum(changes) filter (change = 'entered'), 0),
        coalesce(sum(changes) filter (change = 'exited'), 0),
        (
            select cause from causes
            where causes.scheme = counted.scheme
            order by causes.changes desc, cause limit 1
        )
    from counted
    group by scheme
    order by scheme = 'rule', scheme
"""


# An experiment that ended before the last period is no news.
_EXPERIMENTS = """
    select experiment_id, metric, comparison, verdict
    from experiments.experiment_results
    where segment_key = 'all' and is_primary
        and starts_on < as_of
        and ends_on >= coalesce(
            (select max(period) from segment_kpis where period < as_of), as_of
        )
    order by experiment_id, kind = 'interaction', comparison
"""

_PREDICTIONS = """
    select
        case verdict
            when 'in_force' then 'a model beats the naive rule for '
            when 'naive_stays' then 'the naive rule stays for '
            else 'too few outcomes are known for '
        end,
        string_agg(target, ', ' order by target)
    from models.prediction_models
    where status = 'in_force'
    group by 1
    order by max(verdict = 'in_force') desc, max(verdict = 'naive_stays') desc
"""

# The least even first.
_UNFAIR = """
    with ratios as (
        select segment_key, min(least(parity_ratio, 1 / nullif(parity_ratio, 0))) as ratio
        from monitoring.segment_fairness
        where verdict in ('under-represented', 'over-represented') and attribute_group <> 'unknown'
        group by segment_key
    )

    select warnings.segment_key || ' ' || warnings.warning
    from monitoring.segment_warnings as warnings
    left join ratios using (segment_key)
    where warnings.gate = 'fairness'
    order by coalesce(ratios.ratio, 0), warnings.segment_key
"""


class _Segment(NamedTuple):
    scheme: str
    name: str
    customers: int
    buyer_share: float | None
    revenue_share: float | None
    conversion: float | None
    is_unknown: bool
    is_value: bool


class _Changes(NamedTuple):
    since: date
    days: int
    by_scheme: dict[str, tuple[int, int, str]]


def print_summary(
    target: Path, console: Console, *, dataset: str | None = None, full: bool = False
) -> None:
    """Prints the summary of the last build that published, or of a data set.

    Args:
        target: dbt's target folder.
        console: Where to print.
        dataset: The data set; None: that of the last build.
        full: Every segment, finding and verdict, instead of a page.

    Raises:
        NoBuildError: There was no build.
    """
    variables = vars_of(dataset, target)
    published = published_file(variables)
    if not published.exists():
        console.print(f"Nothing has been published to {published} yet.")
        return
    last = last_build(target)
    checks = last.checks if published == published_file(last.vars) else _warned(published)
    with open_to_read(working_file(variables)) if checks else nullcontext() as working:
        if working:
            # The queries of the checks were written down by a build, where SQL of vars runs.
            working.execute("set enable_external_access = false")
        _print(
            published,
            checks,
            working,
            console,
            full=full,
            is_earlier=was_not_replaced(published, target, variables.get("dataset", "demo")),
        )


def _warned(published: Path) -> list[tuple[str, int, str]]:
    """The data tests that warned, without the SQL to look up what they found."""
    with open_to_read(published) as connection:
        return connection.execute(
            "select test_name, findings, '' from monitoring.data_tests where verdict = 'warn'"
        ).fetchall()


def summary_of_build(
    published: Path,
    checks: Sequence[tuple[str, int, str]],
    working: duckdb.DuckDBPyConnection,
    width: int,
) -> str:
    """The summary of a build that has just published, for the end of its log.

    Args:
        published: The published file.
        checks: Name, number of rows and SQL of the data tests that warned.
        working: A connection to the working file.
        width: Columns of the terminal.
    """
    page = StringIO()
    console = Console(file=page, highlight=False, markup=False, soft_wrap=True, width=width)
    _print(published, checks, working, console)
    return page.getvalue()


def _print(
    published: Path,
    checks: Sequence[tuple[str, int, str]],
    working: duckdb.DuckDBPyConnection | None,
    console: Console,
    *,
    full: bool = False,
    is_earlier: bool = False,
) -> None:
    with open_to_read(published) as connection:
        ((dataset, raw_data, timezone, as_of),) = connection.execute(
            "select dataset, raw_data, timezone, as_of from monitoring.data_set"
        ).fetchall()
        opening = f"Data set {dataset} from {raw_data}, as of {as_of}, days in {timezone}."
        console.print(" ".join([opening, *_synthetic(connection, full)]))
        _print_customers(connection, console)
        _print_quarantined(connection, console, full)
        _print_retention(connection, console)
        _print_risk(connection, console)
        _print_predictions(connection, console)
        _print_experiments(connection, console)
        names = dict(connection.execute("select segment_key, name from segments").fetchall())
        _print_fairness(connection, names, console)
        segments, changes = _segments(connection), _changes(connection)
        verdicts = _cluster_verdicts(connection)
        if full:
            _print_segments(connection, segments, console)
            _print_changes(changes, console)
            for scheme, (verdict, why) in verdicts.items():
                named = "Clusters" if scheme == "cluster" else f"Clusters of {scheme}"
                console.print(f"\n{named}, verdict {verdict}: {why}")
        else:
            _print_schemes(segments, changes, verdicts, console)
    warnings = [
        (name.replace("_", " "), rows, _findings(working, query) if working and query else [])
        for name, rows, query in checks
    ]
    if full:
        _print_findings(warnings, names, console)
        console.print()
    elif warnings:
        groups = [_in_short(*warning, names) for warning in warnings]
        console.print(f"Checks that warned: {'; '.join(groups)}.", markup=False)
    where = (
        f"{published} is from an earlier build; the last one did not replace it. "
        "The line 'Not published' above says why."
        if is_earlier
        else f"Published: {published}."
    )
    next_steps = "" if full else f" {_next_steps(verdicts)}"
    console.print(f"{where}{next_steps}")


def _next_steps(verdicts: Mapping[str, tuple[str, str]]) -> str:
    bands = [scheme for scheme, (verdict, _) in verdicts.items() if verdict in ("fair", "weak")]
    reading = f"Read {' and '.join(bands)} as bands of a continuum, not as separate groups. "
    return (
        f"{reading if bands else ''}Next: make summary FULL=1 or customer-segmentation summary "
        "--full (all segments and findings), the tables segments (what each one means) and "
        "customer_segments (next_action)."
    )


def _print_customers(connection: duckdb.DuckDBPyConnection, console: Console) -> None:
    ((customers, buyers, revenue),) = connection.execute(
        """
        select count(*), count(*) filter (is_buyer), coalesce(sum(monetary), 0)
        from customer_features
        """
    ).fetchall()
    orders = dict(
        connection.execute(
            "select check_name, value from monitoring.source_coverage where source_table = 'orders'"
        ).fetchall()
    )
    loaded, guests = orders.get("loaded") or 0, orders.get("guests") or 0
    if not customers:
        why = (
            "no orders were loaded. Without a completed order and the var as_of the date is "
            "1970-01-01."
            if not loaded
            else f"all {loaded:,.0f} orders and returns are of guests: customer_ref is empty."
            if guests == loaded
            else "all customers were excluded. See is_excluded in customers."
        )
        console.print(f"No eligible customers: {why}")
        return
    outside = connection.execute(
        f"""
        select lower(segments.name), kpis.customers
        from segment_kpis as kpis
        inner join segments using (segment_key)
        where kpis.scheme = 'rfm' and kpis.period = (select max(period) from segment_kpis)
            and segments.segment in {_OUTSIDE} and kpis.customers > 0
        order by kpis.segment_key
        """
    ).fetchall()
    parts = ", ".join(f"{name} {number:,}" for name, number in [("buyers", buyers), *outside])
    sentences = [
        f"Eligible customers: {customers:,} ({parts}).",
        f"Their revenue to date: {revenue:,.2f}, net of returns.",
        rfm_flips(connection) or "",
    ]
    console.print(" ".join(sentences).rstrip())
    if guests:
        console.print(
            f"Guests placed {guests:,.0f} of {loaded:,.0f} orders and returns: without a "
            "customer_ref these are in no segment and in no revenue shown here."
        )
    if 0 < buyers < _FEW_BUYERS:
        console.print(
            f"With fewer than {_FEW_BUYERS} buyers a segment by rank or cluster holds a handful of "
            "customers: read those as a trial."
        )


def _synthetic(connection: duckdb.DuckDBPyConnection, full: bool) -> list[str]:
    """Synthetic rows must not be read as findings."""
    counted = connection.execute(
        """
        select source_table, synthetic.value, loaded.value
        from monitoring.source_coverage as synthetic
        inner join monitoring.source_coverage as loaded using (source_table)
        where synthetic.check_name = 'synthetic' and loaded.check_name = 'loaded'
            and synthetic.value > 0
        order by source_table
        """
    ).fetchall()
    if not counted:
        return []
    whole = [table for table, synthetic, loaded in counted if synthetic == loaded]
    rows = [f"all rows of {', '.join(whole)}"] if whole else []
    rows += [
        f"{synthetic:,.0f} of {loaded:,.0f} rows of {table}"
        for table, synthetic, loaded in counted
        if synthetic < loaded
    ]
    ((customers,),) = connection.execute(
        "select count(*) from customers where is_synthetic and not is_excluded"
    ).fetchall()
    where = "; ".join(rows) if full else f"rows of {_counted(len(counted), 'table')}"
    return [f"Synthetic data, not findings: {_counted(customers, 'customer')}; {where}."]


def _print_quarantined(connection: duckdb.DuckDBPyConnection, console: Console, full: bool) -> None:
    rule = "rule" if full else "null"
    for source_table, broken, rows in connection.execute(
        f"""
        select source_table, {rule} as rule, count(*)
        from monitoring.quarantined_records
        group by all
        order by all
        """
    ).fetchall():
        of_rule = f", rule {broken}" if full else ""
        console.print(f"Quarantined: {_counted(rows, 'row')} of {source_table}{of_rule}.")


def _print_retention(connection: duckdb.DuckDBPyConnection, console: Console) -> None:
    """What var retention left out."""
    limits = connection.execute(
        """
        select
            source_table,
            max(value) filter (check_name = 'expired'),
            max(value) filter (check_name = 'retained_months'),
            strptime(
                max(cast(value as integer)) filter (check_name = 'retained_from')::varchar, '%Y%m%d'
            )
        from monitoring.source_coverage
        where check_name in ('expired', 'retained_months', 'retained_from')
        group by source_table
        order by source_table
        """
    ).fetchall()
    for table, rows, months, first in limits:
        console.print(
            f"Retention: {_counted(int(rows), 'row')} of {table} before {first.date()} left out "
            f"({_counted(int(months), 'month')} {'is' if months == 1 else 'are'} kept)."
        )


def _print_risk(connection: duckdb.DuckDBPyConnection, console: Console) -> None:
    """How many customers those who read the marts may recognise by their attributes."""
    risks = connection.execute(
        """
        select mart, share_in_small_combinations
        from monitoring.reidentification_risk
        order by mart
        """
    ).fetchall()
    if risks:
        shares = ", ".join(f"{percent(share)} in {mart}" for mart, share in risks)
        console.print(
            f"Re-identification: customers in combinations of attributes with fewer than var "
            f"smallest_cell customers: {shares}."
        )


def _print_predictions(connection: duckdb.DuckDBPyConnection, console: Console) -> None:
    found = connection.execute(_PREDICTIONS).fetchall()
    if found:
        console.print(f"Predictions: {'; '.join(words + names for words, names in found)}.")


def _print_experiments(connection: duckdb.DuckDBPyConnection, console: Console) -> None:
    """A line per experiment that runs or has just ended, and what the global holdout keeps back."""
    rows = connection.execute(_EXPERIMENTS).fetchall()
    for name, results in groupby(rows, lambda row: row[0]):
        judged = [f"{comparison} {verdict}" for _, _, comparison, verdict in results]
        metric = next(row[1] for row in rows if row[0] == name)
        console.print(f"Experiment {name}, {metric}: {'; '.join(judged)}.", markup=False)
    ((held_out,),) = connection.execute(
        "select count(*) from customers where is_held_out and not is_excluded"
    ).fetchall()
    if held_out:
        console.print(
            f"Global holdout: {_counted(held_out, 'customer')} never handed over to other systems "
            "(var holdout_share)."
        )


def _print_fairness(
    connection: duckdb.DuckDBPyConnection, names: Mapping[str, str], console: Console
) -> None:
    """A line for each of the segments that are least even, and how many more there are."""
    found = [finding for (finding,) in connection.execute(_UNFAIR).fetchall()]
    for finding in found[:_LARGEST]:
        console.print(f"Fairness: {_with_name(finding, names)}.", markup=False)
    if len(found) > _LARGEST:
        more = _counted(len(found) - _LARGEST, "more segment")
        console.print(f"Fairness: {more}, in monitoring.segment_warnings.")
    ((is_compared, has_customers),) = connection.execute(
        """
        select
            exists (select 1 from monitoring.segment_fairness),
            exists (select 1 from customer_features)
        """
    ).fetchall()
    if has_customers and not is_compared:
        console.print(
            "Fairness: not compared, no attribute of var protected_attributes is known for any "
            "customer."
        )


def _segments(connection: duckdb.DuckDBPyConnection) -> dict[str, list[_Segment]]:
    """The segments with members by scheme; no scheme in which everyone is `unknown`."""
    rows = [_Segment(*row) for row in connection.execute(_SEGMENTS).fetchall()]
    by_scheme = {
        scheme: list(segments) for scheme, segments in groupby(rows, lambda row: row.scheme)
    }
    return {
        scheme: _with_few_values(segments)
        for scheme, segments in by_scheme.items()
        if not all(segment.is_unknown for segment in segments)
    }


def _with_few_values(segments: list[_Segment]) -> list[_Segment]:
    values = [segment for segment in segments if segment.is_value]
    if len(values) <= _MOST_VALUES:
        return segments
    rest = values[_MOST_VALUES - 1 :]
    other = _Segment(
        rest[0].scheme,
        f"Other ({len(rest)} values)",
        sum(segment.customers for segment in rest),
        _sum(segment.buyer_share for segment in rest),
        _sum(segment.revenue_share for segment in rest),
        None,
        False,
        True,
    )
    return [segment for segment in segments if segment not in rest] + [other]


def _print_schemes(
    segments: Mapping[str, Sequence[_Segment]],
    changes: _Changes | None,
    verdicts: Mapping[str, tuple[str, str]],
    console: Console,
) -> None:
    """One line per scheme."""
    table = Table(box=None, pad_edge=False)
    table.add_column(f"Since {changes.since}" if changes else "Scheme", no_wrap=True)
    if changes:
        table.add_column("Entered", justify="right", no_wrap=True)
        table.add_column("Left", justify="right", no_wrap=True)
        table.add_column("Mostly by", no_wrap=True)
    table.add_column("Largest segments by revenue, with their share of buyers")
    for scheme, of_scheme in segments.items():
        verdict = verdicts.get(scheme, ("none", ""))[0]
        cells = [_heading(scheme) + (f" ({verdict})" if verdict != "none" else "")]
        if changes:
            entered, left, cause = changes.by_scheme.get(scheme, (0, 0, ""))
            cells += [f"{entered:,}", f"{left:,}", cause]
        largest = sorted(
            of_scheme, key=lambda segment: (-(segment.revenue_share or 0), -segment.customers)
        )
        shown = [f"{one.name} {percent(one.buyer_share)}".rstrip() for one in largest[:_LARGEST]]
        table.add_row(*cells, ", ".join(shown))
    if table.row_count:
        console.print(table)


def _print_segments(
    connection: duckdb.DuckDBPyConnection,
    segments: Mapping[str, Sequence[_Segment]],
    console: Console,
) -> None:
    table = Table(box=None, pad_edge=False)
    table.add_column("Scheme")
    table.add_column("Segment")
    for heading in ("Customers", "Of buyers", "Of revenue"):
        table.add_column(heading, justify="right")
    lately = connection.execute(
        "select distinct period, days from segment_kpis where is_last_whole"
    ).fetchall()
    for period, days in lately:
        table.add_column(f"Bought from {period}, {_counted(days, 'day')}", justify="right")
    for scheme, of_scheme in segments.items():
        for segment in of_scheme:
            table.add_row(
                _heading(scheme) if segment == of_scheme[0] else "",
                segment.name,
                f"{segment.customers:,}",
                percent(segment.buyer_share),
                percent(segment.revenue_share),
                *([percent(segment.conversion)] if lately else []),
            )
    if table.row_count:
        console.print(table)


def _changes(connection: duckdb.DuckDBPyConnection) -> _Changes | None:
    """Entries and exits since the previous period, if there is one, by scheme."""
    periods = connection.execute(
        "select distinct period from segment_kpis order by period desc limit 2"
    ).fetchall()
    if len(periods) < 2:
        return None
    (newest,), (before,) = periods
    counted = connection.execute(_CHANGES, [newest]).fetchall()
    return _Changes(
        before,
        (newest - before).days,
        {scheme: (entered, left, cause) for scheme, entered, left, cause in counted},
    )


def _print_changes(changes: _Changes | None, console: Console) -> None:
    if not changes:
        return
    since = f"Since {changes.since}, {_counted(changes.days, 'day')}"
    if not changes.by_scheme:
        console.print(f"\n{since}: no customer entered or left a segment.")
        return
    table = Table(box=None, pad_edge=False)
    table.add_column(since)
    for heading in ("Entered", "Left"):
        table.add_column(heading, justify="right")
    table.add_column("Mostly by")
    for scheme, (entered, left, cause) in changes.by_scheme.items():
        table.add_row(scheme, f"{entered:,}", f"{left:,}", cause)
    console.print()
    console.print(table)


def _cluster_verdicts(connection: duckdb.DuckDBPyConnection) -> dict[str, tuple[str, str]]:
    """Verdict and reasons of the model in force by scheme."""
    return {
        scheme: (verdict, why)
        for scheme, verdict, why in connection.execute(
            """
            select scheme, verdict, why
            from models.cluster_models
            where status = 'in_force' and exists (select 1 from customer_features)
                and (scheme <> 'journeys' or exists (
                    select 1 from monitoring.source_coverage
                    where source_table = 'events' and check_name = 'loaded' and value > 0
                ))
            order by scheme
            """
        ).fetchall()
    }


def _findings(working: duckdb.DuckDBPyConnection, query: str) -> list[str]:
    """The findings of a test that words them; rows of other tests may hold personal data.

    None of a test that reads raw files: a summary reads the working file alone.
    """
    try:
        rows = working.sql(query)
        if rows is None or rows.columns != ["finding"]:
            return []
        return [finding for (finding,) in rows.order("finding").fetchall()]
    except duckdb.PermissionException:
        return []


def _print_findings(
    warnings: Sequence[tuple[str, int, list[str]]], names: Mapping[str, str], console: Console
) -> None:
    if warnings:
        console.print("\nWarnings")
    for sentence, rows, findings in warnings:
        console.print(f"- Check warned: {sentence}.")
        shown = [_with_name(finding, names) for finding in findings[:_FINDINGS_PER_WARNING]]
        more = len(findings) - len(shown)
        for line in shown or [f"{_counted(rows, 'row')} found"]:
            console.print(f"  {line}")
        if more:
            console.print(f"  and {more} more")


def _in_short(sentence: str, rows: int, findings: Sequence[str], names: Mapping[str, str]) -> str:
    """What should hold except for some segments, what was found instead, or a number of rows."""
    keys = dict.fromkeys(finding.split(" ", 1)[0] for finding in findings)
    segments = [f"{key} {names[key]}" for key in keys if key in names]
    shown = segments or list(findings)
    if more := len(shown[_LARGEST:]):
        shown = [*shown[:_LARGEST], f"and {more} more"]
    if segments:
        return f"{sentence}, except {', '.join(shown)}"
    return ", ".join(shown) or f"{sentence}, except in {_counted(rows, 'row')}"


def _with_name(finding: str, names: Mapping[str, str]) -> str:
    """The finding with a segment's name beside its key, since the table shows names."""
    key = finding.split(" ", 1)[0]
    return f"{key} ({names[key]}){finding[len(key) :]}" if key in names else finding


def _heading(scheme: str) -> str:
    return "rule (overlapping)" if scheme == "rule" else scheme


def _sum(shares: Iterable[float | None]) -> float | None:
    known = [share for share in shares if share is not None]
    return sum(known) if known else None


def _counted(number: int, unit: str) -> str:
    return f"{number:,} {unit}{'' if number == 1 else 's'}"


def percent(share: float | None) -> str:
    if share is None:
        return ""
    return "<0.1%" if 0 < share < 0.0005 else f"{share:.1%}"
