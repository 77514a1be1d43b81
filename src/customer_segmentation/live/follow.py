"""Follows a stream from one build to the next."""

from __future__ import annotations

import datetime as dt
import logging
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

from customer_segmentation.input.contract import read_contract
from customer_segmentation.live.errors import LiveError
from customer_segmentation.live.messages import Messages
from customer_segmentation.live.models import Compiled, Models, take_snapshot
from customer_segmentation.live.profiles import Batch, Profiles
from customer_segmentation.live.state import NewBuild, State, run_of, state_file
from customer_segmentation.output.last_build import (
    NoBuildError,
    published_file,
    read_artifact,
    was_not_replaced,
    working_file,
)

# What the raw data of a build may lack although it came before: loads run late. Messages that a
# build has already change nothing, so more than is needed does no harm.
KEPT = dt.timedelta(days=2)
_SECONDS_BETWEEN_REPORTS = 60.0
_SECONDS_TO_WAIT = 60.0
_LOG = logging.getLogger(__name__)


class Stop:
    """What SIGINT and SIGTERM do.

    While a build is loaded they end the process at once: a query of DuckDB would otherwise hold
    them up, and what is kept is whole at any moment. Later they end it after the batch under way.
    """

    def __init__(self) -> None:
        self._is_busy = self._is_asked = False

    @contextmanager
    def handled(self) -> Iterator[None]:
        """Handles them until the block ends, and begins as while a build is loaded."""
        before = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)}
        self.at_once()
        try:
            yield
        finally:
            for one, handler in before.items():
                signal.signal(one, handler)

    def at_once(self) -> None:
        for one in (signal.SIGINT, signal.SIGTERM):
            signal.signal(one, signal.SIG_DFL)

    def after_the_batch(self) -> None:
        for one in (signal.SIGINT, signal.SIGTERM):
            signal.signal(one, self._asked)

    @contextmanager
    def batch(self) -> Iterator[None]:
        """What they wait for: the batch, and that it is counted."""
        self._is_busy = True
        yield
        self._is_busy = False
        if self._is_asked:
            raise KeyboardInterrupt

    def _asked(self, *_: object) -> None:
        self._is_asked = True
        if not self._is_busy:
            raise KeyboardInterrupt


class Done(NamedTuple):
    """What a run came to.

    Attributes:
        messages: How many were new.
        changes: How many memberships changed.
        reasons: How many of all messages since the build change nothing, by reason.
    """

    messages: int
    changes: int
    reasons: dict[str, int]


def follow(
    stream: str,
    as_of: dt.date | None,
    variables: dict[str, Any],
    target: Path,
    contract: Path,
    until_empty: bool,
) -> Done:
    """Takes in the messages of a stream, until it is interrupted.

    Args:
        stream: Name of the Redis stream, or of the Kafka topic where KAFKA_CONFIG is set.
        as_of: Exclusive date up to which rows count; None: the as_of of the build.
        variables: The vars of the build.
        target: dbt's target folder.
        contract: The declared sources.
        until_empty: Whether to stop at the end of the stream.
    """
    messages = changes = 0
    stop = Stop()
    with stop.handled(), State(state_file(working_file(variables))) as state:
        batches = _batches(stream, working_file(variables).stem, state.build() is None, until_empty)
        try:
            published = published_file(variables)
            for run, profiles in _builds(state, as_of, variables, target, contract):
                stop.after_the_batch()
                for batch in until_replaced(run, batches, profiles, published, target, stop):
                    messages, changes = messages + batch.messages, changes + batch.changes
                if until_empty:
                    break
                stop.at_once()
        except KeyboardInterrupt:
            state.rollback()
        return Done(messages, changes, state.reasons())


def _batches(stream: str, dataset: str, from_start: bool, until_empty: bool) -> Iterator[Messages]:
    # Only the client of the broker in use has to be installed.
    if os.environ.get("KAFKA_CONFIG"):
        from customer_segmentation.live.kafka_topic import KafkaTopic

        return KafkaTopic(stream, dataset, from_start).read(until_empty)
    from customer_segmentation.live.redis_stream import RedisStream

    return RedisStream(stream, dataset, from_start).read(until_empty)


def _builds(
    state: State, as_of: dt.date | None, variables: dict[str, Any], target: Path, contract: Path
) -> Iterator[tuple[str, Profiles]]:
    """The run and the profiles of each build, beginning with the last one."""
    published, working = published_file(variables), working_file(variables)
    tables = read_contract(contract)
    snapshot = state_file(working).with_suffix(".duckdb")
    while True:
        last_command = read_artifact(target, "run_results")["args"]
        if not published.exists() or was_not_replaced(published, target, variables.get("dataset")):
            raise LiveError(
                "The last build was not published, so its tables may be wrong. Build again first."
            )
        if working_file(last_command.get("vars") or {}) != working:
            raise LiveError(
                f"dbt's last command was about another data set than {working.stem}, so the "
                f"compiled models are not its own. Build {working.stem} again first."
            )
        run, before = run_of(published), state.build()
        compiled = Compiled(read_artifact(target, "manifest"))
        if not (before and before[0] == run and snapshot.exists()):
            _wait_for_snapshot(working, snapshot, compiled)
        models = Models(snapshot, compiled, as_of)
        profiles = Profiles(state, models, tables)
        oldest = int(run) // 1_000_000 - int(KEPT.total_seconds() * 1000)
        build = NewBuild(run, models.as_of.isoformat(), f"{oldest}-0")
        profiles.recall(None if before == build[:2] else build)
        _LOG.info("Profiles as of %s, from the last published build", models.as_of)
        if profiles.behind:
            _LOG.info("Recomputing %d other customers in the background", profiles.behind)
        yield run, profiles


def _wait_for_snapshot(working: Path, snapshot: Path, compiled: Compiled) -> None:
    """The build that has just published holds its file until it has ended."""
    until = time.monotonic() + _SECONDS_TO_WAIT
    while True:
        try:
            take_snapshot(working, snapshot, compiled)
            return
        except duckdb.IOException as error:
            if time.monotonic() > until:
                raise NoBuildError(
                    f"{working} is in use by another process. Try again later."
                ) from error
            time.sleep(1)


def until_replaced(
    run: str,
    batches: Iterator[Messages],
    profiles: Profiles,
    published: Path,
    target: Path,
    stop: Stop,
) -> Iterator[Batch]:
    """Takes in batches until another build was published and has ended."""
    results = target / "run_results.json"
    said = time.monotonic()
    messages = 0
    lags: list[float] = []
    for batch in batches:
        if batch:
            with stop.batch():
                done = profiles.take(batch)
                yield done
            now = time.time() * 1000
            lags += [now - int(message_id.partition("-")[0]) for message_id, _ in batch]
            messages += done.messages
        if profiles.behind:
            with stop.batch():
                yield profiles.catch_up()
            if not profiles.behind:
                _LOG.info("All customers recomputed as of %s", profiles.as_of)
        if time.monotonic() - said > _SECONDS_BETWEEN_REPORTS and lags:
            lags.sort()
            late = lags[int(0.95 * (len(lags) - 1))]
            _LOG.info("%d messages, 95%% of them taken in within %.0f ms", messages, late)
            said, messages, lags = time.monotonic(), 0, []
        is_replaced = published.exists() and run_of(published) != run
        # dbt writes its results last.
        if is_replaced and results.stat().st_mtime_ns > published.stat().st_mtime_ns:
            return
    while profiles.behind:
        with stop.batch():
            yield profiles.catch_up()
