"""Messages of a Redis stream, by a consumer group."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from customer_segmentation.live.errors import LiveError
from customer_segmentation.live.messages import LARGEST_BATCH, Messages

try:
    import redis
except ModuleNotFoundError as error:
    raise LiveError(
        "The package redis is missing. Install the extra: pip install 'customer-segmentation[live]'"
    ) from error

# One process reads a data set's stream; after a restart it has the same name, and what it had not
# acknowledged is delivered to it again.
_CONSUMER = "live"
_LONGEST_PAUSE = 30.0
_LOG = logging.getLogger(__name__)


class RedisStream:
    """A stream that is read from its start, or from where the group left off.

    Args:
        name: Of the stream.
        dataset: The data set, which has a consumer group of its own.
        from_start: Whether all that the stream holds is read again.
    """

    def __init__(self, name: str, dataset: str, from_start: bool) -> None:
        self._name, self._from_start, self._is_ready = name, from_start, False
        self._group = f"customer_segmentation:{dataset}"
        # Bytes that are no text become lone surrogates, which no record may have.
        address = os.environ.get("REDIS_URL", "redis://127.0.0.1:6379")
        try:
            _check(address)
            self._redis = redis.Redis.from_url(
                address,
                decode_responses=True,
                encoding_errors="surrogateescape",
                socket_timeout=10,
            )
        except ValueError:
            # Its text would repeat part of the address, which may hold a password.
            raise LiveError(
                "REDIS_URL is no address of a Redis server. Expected redis://host:port, with "
                "special characters of a password percent-encoded."
            ) from None

    def read(self, stops_when_empty: bool) -> Iterator[Messages]:
        """Batches of messages, at most a second after they came; an empty one if there are none.

        A batch is acknowledged when the next one is asked for. While the broker can't be reached
        it is tried again, with growing pauses.
        """
        pause, after = 1.0, "0"
        while True:
            try:
                self._prepare()
                messages = self._next(after, 0 if stops_when_empty else 1_000)
            except redis.AuthenticationError as error:
                raise LiveError(f"The broker refuses the password: {error}") from error
            except (redis.ConnectionError, redis.TimeoutError) as error:
                _LOG.error("The broker can't be reached (%s). Next try in %.0f s.", error, pause)
                time.sleep(pause)
                pause, after = min(2 * pause, _LONGEST_PAUSE), "0"
                continue
            except redis.ResponseError as error:
                if "NOGROUP" not in str(error):
                    raise LiveError(f"{self._name} can't be read: {error}") from error
                # The broker came back without the stream, or it was deleted.
                self._is_ready = False
                continue
            pause = 1.0
            if not messages and after == "0":
                after = ">"
                continue
            if not messages and stops_when_empty:
                return
            yield messages
            if messages:
                try:
                    self._redis.xack(self._name, self._group, *(i for i, _ in messages))
                except (redis.ConnectionError, redis.TimeoutError):
                    # They come again, and are known.
                    after = "0"

    def _prepare(self) -> None:
        if self._is_ready:
            return
        try:
            self._redis.xgroup_create(self._name, self._group, id="0", mkstream=True)
        except redis.ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise LiveError(
                    f"{self._name} is not a stream ({error}). Expected a Redis stream with the "
                    f"fields table and record."
                ) from error
            if self._from_start:
                self._redis.xgroup_setid(self._name, self._group, id="0")
        self._is_ready = True

    def _next(self, after: str, block: int) -> Messages:
        # Redis takes 0 for a wait without end.
        waits: dict[str, Any] = {"block": block} if block and after == ">" else {}
        found: Any = self._redis.xreadgroup(
            self._group, _CONSUMER, {self._name: after}, count=LARGEST_BATCH, **waits
        )
        return [(i, fields or {}) for _, messages in found or () for i, fields in messages]


def _check(address: str) -> None:
    """Refuses an address that a password with / or # cuts short: errors would name the rest."""
    url = urlsplit(address)
    database = url.path.strip("/")
    is_cut = not url.hostname or url.fragment or (database and not database.isdecimal())
    if url.scheme in ("redis", "rediss") and is_cut:
        raise ValueError
