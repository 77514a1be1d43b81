"""Messages of a Kafka topic, by a consumer group."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from customer_segmentation.live.errors import LiveError
from customer_segmentation.live.messages import LARGEST_BATCH, Messages

try:
    from confluent_kafka import (
        Consumer,
        KafkaError,
        KafkaException,
        Message,
        TopicPartition,
    )
except ModuleNotFoundError as error:
    raise LiveError(
        "The package confluent-kafka is missing. Install the extra: pip install "
        "'customer-segmentation[kafka]'"
    ) from error

_SECONDS_TO_WAIT = 1.0
_LOG = logging.getLogger(__name__)


class KafkaTopic:
    """A topic that is read from its start, or from where the group left off.

    A message has the header `table`, and the record as its value. Its id is made of its time, its
    partition and its offset.

    Args:
        name: Of the topic.
        dataset: The data set, which has a consumer group of its own.
        from_start: Whether all that the topic holds is read again.
    """

    def __init__(self, name: str, dataset: str, from_start: bool) -> None:
        self._name, self._from_start = name, from_start
        self._is_away = False
        self._at_end: set[int] = set()
        # A new build of many customers may take longer to load than the client's own five minutes.
        settings: dict[str, object] = {"max.poll.interval.ms": 3_600_000}
        settings |= _settings(Path(os.environ["KAFKA_CONFIG"]))
        settings |= {
            "group.id": f"customer_segmentation:{dataset}",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            # What it would write itself has addresses; _heard says it in words.
            "log_level": 0,
            "error_cb": self._heard,
        }
        try:
            self._consumer = Consumer(settings)
        except KafkaException as error:
            # Its text may repeat a value of the file, such as a password.
            wrong = next((f" {key}" for key in settings if f'"{key}"' in str(error)), "s")
            raise LiveError(
                f"Kafka's client refuses the setting{wrong} of KAFKA_CONFIG. Expected lines such as"
                f" bootstrap.servers=host:9092."
            ) from None

    def read(self, stops_when_empty: bool) -> Iterator[Messages]:
        """Batches of messages, at most a second after they came; an empty one if there are none.

        Offsets of a batch are committed when the next one is asked for. While the brokers can't be
        reached, the client tries again by itself.
        """
        self._consumer.subscribe([self._name], on_assign=self._begin)
        try:
            while True:
                found = self._consumer.consume(1, _SECONDS_TO_WAIT)
                if found:
                    # Without waiting until there are as many.
                    found += self._consumer.consume(LARGEST_BATCH - 1, 0)
                messages = [one for one in found if not self._is_note(one)]
                if not messages and stops_when_empty and self._is_at_end():
                    return
                yield [(_id_of(one), _fields_of(one)) for one in messages]
                if messages:
                    last = dict(map(_place_of, messages))
                    self._commit(TopicPartition(self._name, p, at + 1) for p, at in last.items())
        finally:
            self._consumer.close()

    def _begin(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._at_end.clear()
        from_start, self._from_start = self._from_start, self._from_start and not partitions
        if from_start:
            # Where retention has taken the first messages, the client begins with the next one.
            partitions = [TopicPartition(one.topic, one.partition, 0) for one in partitions]
        consumer.assign(partitions)
        if from_start and partitions:
            # A process that is killed before its first batch begins again, too.
            self._commit(partitions)

    def _is_note(self, message: Message) -> bool:
        """Whether it is no message but a note of the client: the end of a partition, an error."""
        error, partition = message.error(), message.partition() or 0
        if error is None:
            self._is_away = False
            self._at_end.discard(partition)
            return False
        if error.code() == KafkaError._PARTITION_EOF:
            self._is_away = False
            self._at_end.add(partition)
            return True
        if error.retriable():
            self._heard(error)
            return True
        if error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
            raise LiveError(f"Kafka has no topic {self._name}. Create it first, or name another.")
        raise LiveError(f"{self._name} can't be read: {error.name()}")

    def _is_at_end(self) -> bool:
        assigned = {partition.partition for partition in self._consumer.assignment()}
        return bool(assigned) and assigned <= self._at_end

    def _commit(self, places: Iterable[TopicPartition]) -> None:
        """Keeps the places from which the group goes on."""
        try:
            self._consumer.commit(offsets=list(places), asynchronous=False)
        except KafkaException as error:
            # They come again, and are known.
            _LOG.error("The place in %s was not kept: %s", self._name, _name_of(error))

    def _heard(self, error: KafkaError) -> None:
        if error.code() in (KafkaError._AUTHENTICATION, KafkaError.SASL_AUTHENTICATION_FAILED):
            raise LiveError("Kafka refuses the user or the password of KAFKA_CONFIG.")
        if not self._is_away:
            self._is_away = True
            _LOG.error("Kafka can't be reached (%s). It is tried again.", error.name())


def _settings(file: Path) -> dict[str, object]:
    """The settings of a client in Kafka's own form: key=value, with # or ! before a comment."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise LiveError(
            f"KAFKA_CONFIG can't be read ({type(error).__name__}). Expected the path of a file with"
            f" lines such as bootstrap.servers=host:9092."
        ) from None
    pairs = [line.partition("=") for line in lines if line.strip() and line.lstrip()[0] not in "#!"]
    settings: dict[str, object] = {key.strip(): value.strip() for key, _, value in pairs}
    if not settings.get("bootstrap.servers"):
        raise LiveError("KAFKA_CONFIG lacks bootstrap.servers. Expected host:port of a broker.")
    return settings


def _place_of(message: Message) -> tuple[int, int]:
    """The partition and the offset."""
    return message.partition() or 0, message.offset() or 0


def _id_of(message: Message) -> str:
    _, milliseconds = message.timestamp()
    return "-".join(map(str, (milliseconds, *_place_of(message))))


def _fields_of(message: Message) -> dict[str, str]:
    # Bytes that are no text become lone surrogates, which no record may have.
    return {
        name: value.decode(errors="surrogateescape") if isinstance(value, bytes) else ""
        for name, value in (
            ("table", dict(message.headers() or []).get("table")),
            ("record", message.value()),
        )
    }


def _name_of(error: KafkaException) -> str:
    return str(error.args[0].name())
