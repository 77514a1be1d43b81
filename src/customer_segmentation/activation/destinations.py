"""Reads destinations.yml: which system gets the messages of which segments, and how."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from customer_segmentation.activation.messages import PAYLOAD_FIELDS
from customer_segmentation.declared import declared, secret_of
from customer_segmentation.near_names import did_you_mean

HTTP_TYPES = ("webhook", "hubspot", "klaviyo", "salesforce", "adobe")
TYPES = (*HTTP_TYPES, "file")
FILE_FORMATS = ("csv", "parquet")
_KEYS = {"type", "address", "segments", "fields"}
_HTTP_KEYS = {*_KEYS, "secret", "per_second", "timeout_seconds", "max_bytes"}
# What a type needs beside: where its tokens come from, and where in the system messages go.
_OWN_KEYS = {
    "salesforce": ("token_address", "client_id", "data_extension"),
    "adobe": (
        *("token_address", "client_id", "scope"),
        *("organisation", "sandbox", "dataset", "schema", "tenant"),
    ),
}
# A file drop has it in the names of its files.
_NAME = re.compile(r"\w[\w .-]{0,99}")
_THIS_MACHINE = ("127.0.0.1", "::1", "localhost")


class DestinationError(ValueError):
    """A destination can't be used as declared; the message says what to change."""


@dataclass(frozen=True)
class Destination:
    """A system that gets messages.

    Attributes:
        name: The key in destinations.yml; the state is kept under it.
        type: One of ``TYPES``.
        address: A URL, or the folder of a file drop.
        segments: Keys of the segments it gets, sorted.
        fields: Name at the destination -> field of the payload; empty: the payload as it is.
        secret: The signing secret, key or client secret; empty for a file drop.
        own: Settings that this type alone has.
        per_second: Requests a second at most.
        timeout_seconds: How long to wait for a connection, and for an answer.
        max_bytes: Size of a request's body at most.
        format: Of the files of a file drop, one of ``FILE_FORMATS``.
    """

    name: str
    type: str
    address: str
    segments: tuple[str, ...]
    fields: Mapping[str, str] = field(default_factory=dict)
    secret: str = field(default="", repr=False)
    own: Mapping[str, str] = field(default_factory=dict)
    per_second: float = 10
    timeout_seconds: float = 10
    max_bytes: int = 65_536
    format: str = "csv"


def read_destinations(
    path: Path, segments: Sequence[str], environment: Mapping[str, str] = os.environ
) -> list[Destination]:
    """The destinations of a file, in its order.

    Args:
        path: The file, such as destinations.yml.
        segments: All segment keys of the published file.
        environment: Where the secrets are.

    Raises:
        DestinationError: The file is missing or a destination in it is wrong.
    """
    named = declared(path, "destination", "{type: ..}", "docs/activation.md", DestinationError)
    return [_destination(name, given, segments, environment) for name, given in named.items()]


def _destination(
    name: str, given: Any, segments: Sequence[str], environment: Mapping[str, str]
) -> Destination:
    if not _NAME.fullmatch(name):
        raise DestinationError(
            f"A destination is named {name[:100]!r}. Expected up to 100 letters, digits, spaces "
            f"and _ . -, such as crm."
        )
    if not isinstance(given, dict):
        # It is not repeated, here and below: by mistake it may be a secret.
        raise DestinationError(f"Destination '{name}' is no mapping. Expected type, address, ..")
    kind = given.get("type")
    if kind not in TYPES:
        raise DestinationError(
            f"Destination '{name}' has no known type. Expected one of {', '.join(TYPES)}."
        )
    own_keys = _OWN_KEYS.get(kind, ())
    allowed = {*_KEYS, "format"} if kind == "file" else {*_HTTP_KEYS, *own_keys}
    if unknown := sorted(map(str, given.keys() - allowed)):
        raise DestinationError(
            f"Destination '{name}' has the key '{unknown[0]}', which the type {kind} does not "
            f"have. {did_you_mean(unknown[0], sorted(allowed))}"
        )
    settings = {key: value for key, value in given.items() if key not in ("secret", *own_keys)}
    settings["own"] = {key: _word(name, key, given.get(key)) for key in own_keys}
    settings["segments"] = _segments(name, given.get("segments"), segments)
    settings["fields"] = _fields(name, given.get("fields", {}))
    if not isinstance(given.get("address"), str) or not given["address"]:
        raise DestinationError(
            f"Destination '{name}' has no address. Expected a URL, or the folder of a file drop."
        )
    for key in _HTTP_KEYS & {"per_second", "timeout_seconds", "max_bytes"} & given.keys():
        if (
            isinstance(given[key], bool)
            or not isinstance(given[key], int | float)
            or not 0 < given[key] < math.inf
        ):
            raise DestinationError(
                f"Destination '{name}': {key} is {given[key]!r}. Expected a number above 0."
            )
    if kind == "file":
        if given.get("format", "csv") not in FILE_FORMATS:
            raise DestinationError(
                f"Destination '{name}' has no known format. Expected one of "
                f"{', '.join(FILE_FORMATS)}."
            )
    else:
        check_url(f"The address of destination '{name}'", given["address"])
        if own_keys:
            address = settings["own"]["token_address"]
            check_url(f"The token_address of destination '{name}'", address)
        settings["secret"] = _secret(name, given.get("secret"), environment)
    return Destination(name=name, **settings)


def _word(name: str, key: str, given: Any) -> str:
    if not isinstance(given, str) or not (given.isascii() and given.isprintable() and given):
        raise DestinationError(
            f"Destination '{name}' has no usable {key}. Expected a text of printable ASCII "
            f"characters, as in docs/activation.md."
        )
    return given


def _segments(name: str, given: Any, segments: Sequence[str]) -> tuple[str, ...]:
    if not isinstance(given, list) or not given or not all(isinstance(one, str) for one in given):
        raise DestinationError(
            f"Destination '{name}' has no list of segments. Expected keys or patterns of keys, "
            f'such as [rule:cart_abandoners, "rfm:*"].'
        )
    chosen: set[str] = set()
    for pattern in given:
        matches = {key for key in segments if fnmatchcase(key, pattern)}
        if not matches:
            raise DestinationError(
                f"Destination '{name}': no segment is '{pattern}'. "
                f"{did_you_mean(pattern, segments)}"
            )
        chosen |= matches
    return tuple(sorted(chosen))


def _fields(name: str, given: Any) -> dict[str, str]:
    if not isinstance(given, dict):
        raise DestinationError(
            f"Destination '{name}': fields is no mapping. Expected name at the destination: field."
        )
    for source in given.values():
        if source not in PAYLOAD_FIELDS:
            raise DestinationError(
                f"Destination '{name}': messages have no field '{source}'. "
                f"{did_you_mean(str(source), PAYLOAD_FIELDS)}"
            )
    return {str(target): source for target, source in given.items()}


def check_url(said: str, address: str) -> None:
    """Raises a DestinationError unless an address is safe to send to; ``said`` is whose it is."""
    try:
        url = urlsplit(address)
    except ValueError as error:
        # The address is not repeated: it may hold a key.
        raise DestinationError(f"{said} is no URL: {error}.") from None
    if url.scheme == "https" and url.hostname:
        return
    if url.scheme != "http" or url.hostname not in _THIS_MACHINE:
        # Nor is its beginning repeated: by mistake it may be a token alone.
        raise DestinationError(
            f"{said} can't be used. Expected https://, or http:// to this machine: what is sent "
            f"must not be readable on the way."
        )


def _secret(name: str, variable: Any, environment: Mapping[str, str]) -> str:
    secret = secret_of("destination", name, "secret", variable, environment, DestinationError)
    if not (secret.isascii() and secret.isprintable()):
        # Checked here, since the error of a later step would repeat the secret.
        raise DestinationError(
            f"The secret of destination '{name}' has characters that no header can carry. Expected "
            f"printable ASCII characters."
        )
    return secret
