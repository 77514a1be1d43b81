"""Hands messages over: by HTTP with retries, or as a file."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import logging
import os
import random
import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from pathlib import Path
from typing import NamedTuple, Protocol

import pyarrow as pa
import pyarrow.parquet as pq
import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from customer_segmentation.activation.destinations import Destination
from customer_segmentation.activation.forms import FORMS, Request, mapped, signing_key
from customer_segmentation.activation.messages import PAYLOAD_FIELDS, Message
from customer_segmentation.output.export import FORMULA_STARTS

TRIES = 5
BACKOFF_SECONDS = 0.5  # before the second try; twice as long before each further one
PATIENCE_SECONDS = 60  # a destination that wants a longer pause gets it until the next run
SKEW_SECONDS = 300  # as old as Standard Webhooks allows a signature to be
SECONDS_BEFORE_END = 60  # so long before its end a token is renewed
ANSWER_BYTES = 65_536  # of an answer's body at most; what is longer costs the connection
_AGAIN = (408, 425, 429)
# About the destination as a whole, not about a message.
_CLOSED = (401, 403, 404, 405, 410)
# Its warnings about odd answers repeat the address, which may hold a key.
logging.getLogger("urllib3").setLevel(logging.ERROR)


class RefusedError(Exception):
    """The destination answered that it doesn't take these messages. A batch may hold good ones."""


class UnavailableError(Exception):
    """No answer, or one that asks to try again.

    Attributes:
        answered: Whether the destination answered at all.
    """

    def __init__(self, reason: str, *, answered: bool) -> None:
        super().__init__(reason)
        self.answered = answered


class ClosedError(Exception):
    """The destination takes no message at all for now."""


class Channel(Protocol):
    """A way to hand messages over.

    Attributes:
        size: How many messages at a time, at most, of one customer one; None: all, in order.
    """

    size: int | None

    def send(self, messages: Sequence[Message]) -> None:
        """Returns when the destination has the messages.

        Raises NotTakenError of a form, or one of the errors above.
        """


class _OnTime(HTTPConnection):
    """Ends an answer whose head takes too long in all: urllib3 limits each read alone."""

    def getresponse(self) -> urllib3.HTTPResponse:  # type: ignore[override]
        late = threading.Timer(self.timeout or 0, _cut, [self.sock])
        late.daemon = True
        started = time.monotonic()
        late.start()
        try:
            return super().getresponse()
        except (OSError, HTTPException) as error:
            if time.monotonic() - started >= (self.timeout or 0):
                raise TimeoutError from error
            raise
        finally:
            late.cancel()


def _cut(connection: socket.socket) -> None:
    # It may just have been closed. Below TLS, whose own shutdown isn't for another thread.
    with suppress(OSError):
        socket.socket.shutdown(connection, socket.SHUT_RDWR)


class _OnTimeTls(_OnTime, HTTPSConnection):
    pass


class _OnTimePool(HTTPConnectionPool):
    ConnectionCls = _OnTime


class _OnTimeTlsPool(HTTPSConnectionPool):
    ConnectionCls = _OnTimeTls


class _Answer(NamedTuple):
    """What came of a request.

    Attributes:
        status: 0 if there was no answer.
        reason: What to say of it; empty if it was taken.
        pause: Seconds that the receiver wants to have passed before the next one.
        body: As far as it was read.
    """

    status: int
    reason: str = ""
    pause: float = 0
    body: bytes = b""

    @property
    def may_change(self) -> bool:
        """Whether the same request may be taken later. An interim answer says nothing about it."""
        return self.status < 200 or self.status in _AGAIN or self.status >= 500


class HttpChannel:
    """Requests in the form of the destination's type, at its rate."""

    def __init__(
        self,
        destination: Destination,
        *,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
        jitter: random.Random | None = None,
    ) -> None:
        self._to = destination
        self._form = FORMS[destination.type]
        self.size: int | None = self._form.size
        self._token, self._token_ends = "", 0.0
        if destination.type == "webhook":
            signing_key(destination)
        self._clock, self._sleep = clock, sleep
        self._jitter = jitter or random.Random()
        self._next = 0.0
        # Redirects are not followed: the secret is for one address.
        self._pool = urllib3.PoolManager(
            retries=False,
            timeout=urllib3.Timeout(
                total=None, connect=self._to.timeout_seconds, read=self._to.timeout_seconds
            ),
        )
        self._pool.pool_classes_by_scheme = {"http": _OnTimePool, "https": _OnTimeTlsPool}

    def send(self, messages: Sequence[Message]) -> None:
        answer = _Answer(0)
        for attempt in range(TRIES):
            if attempt:
                longest = BACKOFF_SECONDS * 2 ** (attempt - 1)
                self._sleep(max(answer.pause, longest * self._jitter.uniform(0.5, 1)))
            answer = self._try(messages)
            if not answer.reason:
                return
            if answer.pause > PATIENCE_SECONDS:
                raise ClosedError(
                    f"{answer.reason} and asks for a pause of {answer.pause:,.0f} seconds"
                )
        raise UnavailableError(answer.reason, answered=answer.status >= 200)

    def _try(self, messages: Sequence[Message]) -> _Answer:
        """An answer that says to try again, or one without a reason: done."""
        is_new = bool(self._form.token) and self._clock() >= self._token_ends
        if is_new and (answer := self._renew_token()).reason:
            return answer
        to = replace(self._to, secret=self._token) if self._form.token else self._to
        now = self._clock()
        request = self._form.request(messages, to, int(now))
        if len(request.body) > to.max_bytes:
            raise RefusedError(
                f"the request has {len(request.body):,} bytes, of {to.max_bytes:,} at most"
            )
        answer = self._post(request, now)
        if answer.status in (401, 403) and self._form.token and not is_new:
            # A token may be withdrawn before its end. Adobe answers that with 403.
            self._token_ends = 0
        elif answer.reason and not answer.may_change:
            is_closed = answer.status in _CLOSED or 300 <= answer.status < 400
            raise (ClosedError if is_closed else RefusedError)(answer.reason)
        return answer

    def _renew_token(self) -> _Answer:
        assert self._form.token
        now = self._clock()
        answer = self._post(self._form.token(self._to), now)
        if answer.reason:
            reason = f"gave no token: {answer.reason}"
            if not answer.may_change:
                raise ClosedError(reason)
            # As without an answer: it says nothing about the messages.
            return answer._replace(reason=reason, status=0)
        try:
            given = json.loads(answer.body)
            token, seconds = given["access_token"], float(given["expires_in"])
        except (ValueError, KeyError, TypeError, OverflowError):
            token, seconds = "", 0
        if not isinstance(token, str) or not (token.isascii() and token.isprintable() and token):
            # The answer is not repeated: part of it may be a token.
            raise ClosedError("gave no token: its answer is not as OAuth 2.0 describes")
        self._token, self._token_ends = token, now + seconds - SECONDS_BEFORE_END
        return answer

    def _post(self, request: Request, now: float) -> _Answer:
        self._keep_to_the_rate()
        url, headers, body = request
        headers = {"content-type": "application/json", "user-agent": "customer-segmentation"} | {
            **headers
        }
        try:
            answer = self._pool.request(
                "POST", url, body=body, headers=headers, redirect=False, preload_content=False
            )
        except urllib3.exceptions.ReadTimeoutError:
            return _Answer(0, "timed out")
        except urllib3.exceptions.HTTPError as error:
            # Its text would repeat the address, which may hold a key.
            return _Answer(0, f"connection failed ({type(error).__name__})")
        read = self._finish(answer)
        # A multi-status, 207, is a batch that was taken in part.
        if 200 <= answer.status < 300 and answer.status != 207:
            return _Answer(answer.status, body=read)
        reason = f"answered {answer.status}{self._skew(answer.headers.get('date'), now)}"
        return _Answer(answer.status, reason, self._pause(answer.headers.get("retry-after")))

    def _finish(self, answer: urllib3.BaseHTTPResponse) -> bytes:
        """Reads the body, so that the connection can be used again, or closes it.

        An answer is complete with its status; no receiver may hold up a delivery after that.
        """
        until, body = time.monotonic() + self._to.timeout_seconds, b""
        with suppress(urllib3.exceptions.HTTPError, OSError):
            while answer.status >= 200 and len(body) < ANSWER_BYTES and time.monotonic() < until:
                read = answer.read1(ANSWER_BYTES - len(body), decode_content=False)
                if not read:
                    return body
                body += read
        answer.close()
        return body

    def _keep_to_the_rate(self) -> None:
        now = time.monotonic()
        if now < self._next:
            self._sleep(self._next - now)
        self._next = max(now, self._next) + 1 / self._to.per_second

    def _pause(self, retry_after: str | None) -> float:
        if retry_after is None:
            return 0
        if retry_after.isascii() and retry_after.strip().isdecimal():
            return float(retry_after)
        then = _http_date(retry_after)
        return max(0.0, then - self._clock()) if then else 0

    def _skew(self, date: str | None, now: float) -> str:
        then = _http_date(date) if date else None
        if then is None or abs(now - then) <= SKEW_SECONDS:
            return ""
        return (
            f"; its clock is {abs(now - then):,.0f} seconds {'behind' if then < now else 'ahead'}"
        )


def _http_date(text: str) -> float | None:
    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError):
        return None


class FileChannel:
    """One file a run in the folder that is the address, written as a whole or not at all."""

    size: int | None = None

    def __init__(self, destination: Destination) -> None:
        self._to = destination

    def send(self, messages: Sequence[Message]) -> None:
        names = list(self._to.fields) or list(PAYLOAD_FIELDS)
        rows = [mapped(message, self._to) for message in messages]
        folder = Path(self._to.address)
        # After a kill the file is written again, under the same name if it begins with the same.
        path = folder / f"{self._to.name}_{messages[0].change_id}.{self._to.format}"
        draft = path.with_name(f".{path.name}.draft")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if self._to.format == "parquet":
                text = pa.schema([(name, pa.string()) for name in names])
                pq.write_table(pa.Table.from_pylist(rows, text), draft)
            else:
                lines = io.StringIO()
                writer = csv.writer(lines, lineterminator="\n")
                writer.writerow(names)
                writer.writerows([_neutralised(row[name]) for name in names] for row in rows)
                draft.write_text(lines.getvalue(), encoding="utf-8", newline="")
            replace_safely(draft, path)
        except OSError as error:
            draft.unlink(missing_ok=True)
            raise ClosedError(f"{folder}: {error.strerror}") from error


def _neutralised(value: str | None) -> str:
    """Text that a spreadsheet would run gets an apostrophe, as in exports."""
    text = value or ""
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


def replace_safely(draft: Path, path: Path) -> None:
    """Puts a draft in the place of a file, so that a power cut leaves the one or the other."""
    with draft.open("rb+") as file:
        os.fsync(file.fileno())
    os.replace(draft, path)


def utc_now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
