"""What needs attention after a build or a delivery, in words."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import duckdb
import urllib3

from customer_segmentation.activation.destinations import DestinationError, check_url
from customer_segmentation.activation.state import State, StateError
from customer_segmentation.output.last_build import (
    NoBuildError,
    open_to_read,
    read_artifact,
    was_not_replaced,
)
from customer_segmentation.output.publication import data_set
from customer_segmentation.output.unchanged import last_checked

_MOST = 5  # of a kind; a build whose first model fails skips hundreds
_STALE = """
    select
        source_table || ': the newest row is ' || cast(value as integer) || ' days older than '
        || 'as_of, expected at most ' || cast(threshold as integer) || ' (var freshness_days)'
    from monitoring.source_coverage
    where check_name = 'days_old' and verdict = 'warn'
    order by source_table
"""
# Without the warning, which may count few customers.
_GATES = """
    select
        gate || ': ' || min(segment_key)
        || case when count(*) > 1 then ', and ' || count(*) - 1 || ' more' else '' end
    from monitoring.segment_warnings
    group by gate
    order by gate
"""


class AlertError(ValueError):
    """The alert can't be sent; the message says what to change."""


def alerts(
    published: Path,
    target: Path,
    state: Path,
    hours: float,
    now: dt.datetime,
    dataset: str | None = None,
) -> list[str]:
    """Whether builds publish, tables are fresh, segments pass their gates, deliveries get through.

    A build that stops before dbt writes its results, or that never starts, shows in the age of the
    published file alone.

    Args:
        published: The published file.
        target: dbt's target folder.
        state: The state of deliveries, which need not exist.
        hours: How old the published file may be.
        now: The time to judge its age by.
        dataset: The data set it should hold; None: any.

    Returns:
        A line for each finding, none of which names a customer or has figures of customers. Empty
        if all is well.
    """
    undelivered = list(_undelivered(state))
    if not published.exists():
        return [f"Nothing has been published to {published} yet.", *_failed(target), *undelivered]
    held = data_set(published)
    if held and dataset not in (None, held[0]):
        # What is in the file is of another data set, so nothing else in it counts.
        return [
            f"{published} holds the data set {held[0]}. Expected {dataset}: build it, or set its "
            f"publish_path.",
            *_failed(target),
            *undelivered,
        ]
    since = dt.datetime.fromtimestamp(published.stat().st_mtime, dt.UTC)
    checked = dt.datetime.fromtimestamp(last_checked(published, target), dt.UTC)
    found = []
    if (now - max(since, checked)) > dt.timedelta(hours=hours):
        age = (now - since) / dt.timedelta(hours=1)
        found.append(f"Last published {age:.0f} hours ago (limit {hours:g} hours).")
    if was_not_replaced(published, target, held[0] if held else None):
        found += [
            f"The last build published nothing: readers have the file of {since:%Y-%m-%d %H:%M} "
            f"UTC.",
            *_failed(target),
        ]
    with open_to_read(published) as connection:
        found += _in_short("Not fresh: ", connection, _STALE)
        found += _in_short("Gate ", connection, _GATES)
    return found + undelivered


def send(found: Sequence[str], variable: str, environment: Mapping[str, str] = os.environ) -> None:
    """Posts the lines as ``{"text": ...}``, which chat tools show.

    Args:
        found: What to say.
        variable: Name of the environment variable with the address, which is a secret.
        environment: Where it is.

    Raises:
        AlertError: There is no such address, or it doesn't take the alert.
    """
    address = environment.get(variable, "").strip()
    if not address:
        # The name is not repeated: by mistake it may be the address itself.
        raise AlertError("The environment variable with the address of the webhook is not set.")
    try:
        check_url("The address of the webhook", address)
        answered = urllib3.request(
            "POST", address, json={"text": "\n".join(found)}, timeout=10, retries=False
        )
    except DestinationError as error:
        raise AlertError(str(error)) from None
    except urllib3.exceptions.HTTPError as error:
        raise AlertError(f"The webhook can't be reached: {type(error).__name__}.") from None
    if not 200 <= answered.status < 300:
        raise AlertError(f"The webhook answered {answered.status}. Expected 2xx.")


def _failed(target: Path) -> Iterator[str]:
    """The models and tests that failed. Messages are left out: they may quote data."""
    try:
        results = read_artifact(target, "run_results")["results"]
    except NoBuildError:
        return
    names = [
        f"Failed: {result['unique_id'].split('.')[2]} ({result['status']})"
        for result in results
        if result["status"] in ("error", "fail", "runtime error")
    ]
    yield from _first(names)
    if skipped := sum(result["status"] == "skipped" for result in results):
        yield f"Skipped: {skipped:,} models and tests that come after."


def _in_short(said: str, connection: duckdb.DuckDBPyConnection, sql: str) -> Iterator[str]:
    return _first([f"{said}{line}." for (line,) in connection.execute(sql).fetchall()])


def _first(lines: Sequence[str]) -> Iterator[str]:
    yield from lines[:_MOST]
    if len(lines) > _MOST:
        yield f"and {len(lines) - _MOST:,} more."


def _undelivered(path: Path) -> Iterator[str]:
    try:
        if not path.exists():
            return
        with State(path) as state:
            for destination, waiting, set_aside in state.undelivered():
                yield f"Delivery to {destination}: {waiting:,} wait, {set_aside:,} set aside."
    except StateError as error:
        yield f"Deliveries: {error}"
    except OSError as error:
        yield f"Deliveries: {path} can't be read: {error.strerror}."
