"""How many buyers changed their rfm segment in the last whole period."""

from __future__ import annotations

import duckdb

_OFTEN = 0.4  # share of the buyers; a label that flips more often says little of the next month

# Customers of both ends of the period who were buyers at both.
_FLIPS = """
    with last_whole as (
        select distinct period + cast(days as integer) as ended_on
        from segment_kpis
        where is_last_whole
    )

    select
        max(last_whole.ended_on),
        sum(customers) filter (where from_segment <> to_segment),
        sum(customers)
    from segment_transitions
    inner join last_whole on segment_transitions.period = last_whole.ended_on
    where
        scheme = 'rfm'
        and not list_contains(['outside', 'rfm:prospect', 'rfm:returns_only'], from_segment)
        and not list_contains(['outside', 'rfm:prospect', 'rfm:returns_only'], to_segment)
"""


def rfm_flips(connection: duckdb.DuckDBPyConnection) -> str | None:
    """A sentence for the summary, or None before the first whole period.

    Args:
        connection: A connection to the published file.
    """
    ((ended_on, changed, buyers),) = connection.execute(_FLIPS).fetchall()
    if not buyers:
        return None
    changed = changed or 0
    sentence = (
        f"In the last whole period, up to {ended_on}, {changed:,} of {buyers:,} buyers "
        f"({changed / buyers:.1%}) changed their rfm segment."
    )
    if changed > _OFTEN * buyers:
        sentence += " Vars rfm_recency and score_slack make it steadier."
    return sentence
