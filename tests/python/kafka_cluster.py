"""Kafka brokers of a test's own: the client's, made for tests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from confluent_kafka import Producer


class Cluster:
    """Brokers that listen on this machine for as long as their producer lives."""

    def __init__(self) -> None:
        self._producer = Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "ours"})
        (broker,) = self._producer.list_topics(timeout=60).brokers.values()
        self._address = f"{broker.host}:{broker.port}"

    def settings(self, file: Path) -> Path:
        """Writes the file of KAFKA_CONFIG."""
        # A process that was killed stays in the group for that long.
        file.write_text(
            f"# A comment\nbootstrap.servers = {self._address}\nsession.timeout.ms=6000\n"
        )
        return file

    def send(self, messages: Iterable[tuple[bytes | None, Mapping[str, bytes | str]]]) -> None:
        """Sends records with their headers to the topic raw."""
        for record, headers in messages:
            self._producer.produce("raw", record, headers=dict(headers))
        assert self._producer.flush(60) == 0
