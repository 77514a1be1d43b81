"""Reads readers.yml: who may ask, by which key, and how often."""

from __future__ import annotations

import hashlib
import hmac
import math
import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from customer_segmentation.declared import declared, secret_of
from customer_segmentation.near_names import did_you_mean
from customer_segmentation.serving.errors import ServeError

SHORTEST_KEY = 32  # characters: 128 random bits in hex
_KEYS = ("key", "role", "per_second")
_NAME = re.compile("[a-z][a-z0-9_]*")


@dataclass
class Reader:
    """A program that may ask.

    Attributes:
        name: The key in readers.yml, as the log has it.
        key_hash: SHA-256 of its key.
        role: Whose file it reads, as in var roles; empty: the published file.
        per_second: Requests a second at most, and in one go.
    """

    name: str
    key_hash: bytes = field(repr=False)
    role: str = ""
    per_second: float = 100
    clock: Callable[[], float] = field(default=time.monotonic, repr=False)
    _tokens: float = field(init=False, repr=False)
    _counted_at: float = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._tokens, self._counted_at = self._burst, self.clock()

    @property
    def _burst(self) -> float:
        return max(self.per_second, 1)

    def wait(self) -> float:
        """Takes a request from the allowance. Returns the seconds to wait for one, else 0."""
        now = self.clock()
        gained = (now - self._counted_at) * self.per_second
        self._tokens, self._counted_at = min(self._tokens + gained, self._burst), now
        if self._tokens >= 1:
            self._tokens -= 1
            return 0
        return (1 - self._tokens) / self.per_second


def reader_of(readers: Sequence[Reader], key: str) -> Reader | None:
    """Whose key this is. Takes the same time whichever characters are right."""
    given, found = _hash(key), None
    for reader in readers:
        if hmac.compare_digest(reader.key_hash, given):
            found = reader
    return found


def read_readers(path: Path, environment: Mapping[str, str] = os.environ) -> list[Reader]:
    """The readers of a file, in its order.

    Args:
        path: The file, such as readers.yml.
        environment: Where the keys are.

    Raises:
        ServeError: The file is missing or a reader in it is wrong.
    """
    named = declared(path, "reader", "{key: ..}", "docs/serving.md", ServeError)
    readers = [_reader(name, given, environment) for name, given in named.items()]
    owners: dict[bytes, str] = {}
    for reader in readers:
        if (other := owners.setdefault(reader.key_hash, reader.name)) != reader.name:
            raise ServeError(
                f"Readers '{other}' and '{reader.name}' have the same key. Expected a key each."
            )
    return readers


def _reader(name: str, given: Any, environment: Mapping[str, str]) -> Reader:
    if not _NAME.fullmatch(name):
        raise ServeError(f"A reader is named '{name}'. Expected a-z, 0-9 and _, such as web_shop.")
    if not isinstance(given, dict):
        raise ServeError(f"Reader '{name}' is no mapping. Expected {{key: NAME_OF_A_VARIABLE}}.")
    if unknown := sorted(map(str, given.keys() - set(_KEYS))):
        raise ServeError(
            f"Reader '{name}' has the key '{unknown[0]}'. {did_you_mean(unknown[0], _KEYS)}"
        )
    role = given.get("role", "")
    if not isinstance(role, str) or (role and not _NAME.fullmatch(role)):
        raise ServeError(f"Reader '{name}': role is {role!r}. Expected a name of var roles.")
    per_second = given.get("per_second", 100)
    if (
        isinstance(per_second, bool)
        or not isinstance(per_second, int | float)
        or not 0 < per_second < math.inf
    ):
        raise ServeError(
            f"Reader '{name}': per_second is {per_second!r}. Expected a number above 0."
        )
    return Reader(name, _hash(_key(name, given.get("key"), environment)), role, per_second)


def _key(name: str, variable: Any, environment: Mapping[str, str]) -> str:
    key = secret_of("reader", name, "key", variable, environment, ServeError)
    if len(key) < SHORTEST_KEY or not (key.isascii() and key.isprintable() and " " not in key):
        raise ServeError(
            f"The key of reader '{name}' can be guessed, or no header can carry it. Expected "
            f"{SHORTEST_KEY} printable ASCII characters or more, as `openssl rand -hex 32` prints."
        )
    return key


def _hash(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
