"""The Kafka client's own cluster of brokers, in this process, as the stream of live profiles."""

from __future__ import annotations

import logging
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import pytest
from confluent_kafka import KafkaError
from kafka_cluster import Cluster
from other_processes import free_port

from customer_segmentation.live.errors import LiveError
from customer_segmentation.live.kafka_topic import KafkaTopic
from customer_segmentation.live.state import order_of

Open = Callable[..., KafkaTopic]
ORDERS = {"table": "orders"}


def configure(file: Path, monkeypatch: pytest.MonkeyPatch, *lines: str) -> None:
    file.write_text("\n".join(lines))
    monkeypatch.setenv("KAFKA_CONFIG", str(file))


@pytest.fixture
def topic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Cluster, Open]:
    """A cluster, and what opens its topic."""
    cluster = Cluster()
    monkeypatch.setenv("KAFKA_CONFIG", str(cluster.settings(tmp_path / "client.properties")))

    def opened(from_start: bool = False) -> KafkaTopic:
        return KafkaTopic("raw", "shop", from_start)

    return cluster, opened


def records(topic: KafkaTopic) -> list[str]:
    """All there are, in the order of their ids."""
    messages = {i: fields for batch in topic.read(stops_when_empty=True) for i, fields in batch}
    return [messages[i]["record"] for i in sorted(messages, key=order_of)]


def test_a_group_reads_each_message_once_and_again_from_the_start(
    topic: tuple[Cluster, Open],
) -> None:
    cluster, opened = topic
    cluster.send([(b'{"order_id": 1}', ORDERS)])
    assert records(opened()) == ['{"order_id": 1}']
    cluster.send((str(n).encode(), ORDERS) for n in range(20))
    assert sorted(map(int, records(opened()))) == list(range(20))
    assert len(records(opened(from_start=True))) == 21


def test_what_was_not_taken_in_comes_again_under_the_same_ids(topic: tuple[Cluster, Open]) -> None:
    cluster, opened = topic
    cluster.send([(b"1", ORDERS), (b"2", ORDERS)])
    # A process that is killed with its first batch in hand.
    (lost,) = islice(filter(None, opened().read(stops_when_empty=True)), 1)
    found = [one for batch in opened().read(stops_when_empty=True) for one in batch]
    assert {i for i, _ in lost} <= {i for i, _ in found}
    assert sorted(fields["record"] for _, fields in found) == ["1", "2"]
    assert len({i for i, _ in found}) == 2


def test_a_reader_from_the_start_that_is_killed_at_once_begins_there_again(
    topic: tuple[Cluster, Open],
) -> None:
    cluster, opened = topic
    cluster.send((str(n).encode(), ORDERS) for n in range(20))
    assert len(records(opened())) == 20
    next(filter(None, opened(from_start=True).read(stops_when_empty=True)))
    assert len(records(opened())) == 20


def test_what_is_no_text_or_has_no_table_is_passed_on_to_be_set_aside(
    topic: tuple[Cluster, Open],
) -> None:
    cluster, opened = topic
    cluster.send([(b"\xff", ORDERS), (None, ORDERS), (b"{}", {}), (b"{}", {"table": b"\xff"})])
    found = [fields for batch in opened().read(stops_when_empty=True) for _, fields in batch]
    assert {(one["table"], one["record"]) for one in found} == {
        ("orders", "\udcff"),
        ("orders", ""),
        ("", "{}"),
        ("\udcff", "{}"),
    }


def test_a_topic_that_is_not_there_is_named(topic: tuple[Cluster, Open]) -> None:
    with pytest.raises(LiveError, match="Kafka has no topic none"):
        list(KafkaTopic("none", "shop", from_start=False).read(stops_when_empty=True))


def test_brokers_that_are_away_are_tried_again_and_reported_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    server = f"bootstrap.servers=127.0.0.1:{free_port()}"
    configure(tmp_path / "client.properties", monkeypatch, server, "sasl.password=hunter2")
    with caplog.at_level(logging.ERROR):
        batches = KafkaTopic("raw", "shop", from_start=False).read(stops_when_empty=True)
        for batch in islice(batches, 60):
            assert batch == []
            if caplog.records:
                break
        assert list(islice(batches, 2)) == [[], []]
        batches.close()
    (said,) = [record.message for record in caplog.records]
    assert said.startswith("Kafka can't be reached (")
    assert "hunter2" not in caplog.text


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([], "lacks bootstrap.servers"),
        (["bootstrap.servers="], "lacks bootstrap.servers"),
        (["bootstrap.servers=ours", "colour=hunter2"], "refuses the setting colour of"),
        (
            ["bootstrap.servers=ours", "session.timeout.ms=hunter2"],
            "refuses the setting session.timeout.ms of",
        ),
    ],
)
def test_wrong_settings_are_named_without_their_values(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: list[str], expected: str
) -> None:
    configure(tmp_path / "client.properties", monkeypatch, *lines)
    with pytest.raises(LiveError, match=expected) as caught:
        KafkaTopic("raw", "shop", from_start=False)
    assert "hunter2" not in str(caught.value)


def test_a_file_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KAFKA_CONFIG", str(tmp_path / "none"))
    with pytest.raises(LiveError, match=r"can't be read \(FileNotFoundError\)"):
        KafkaTopic("raw", "shop", from_start=False)


def test_a_refused_password_ends_it(topic: tuple[Cluster, Open]) -> None:
    # The client's own cluster knows no passwords.
    with pytest.raises(LiveError, match="refuses the user or the password"):
        topic[1]()._heard(KafkaError(KafkaError._AUTHENTICATION))
