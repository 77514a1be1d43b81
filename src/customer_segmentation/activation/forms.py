"""The requests by which destinations take messages, as in their public documentation."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from customer_segmentation.activation.destinations import Destination, DestinationError
from customer_segmentation.activation.messages import Message


class NotTakenError(ValueError):
    """A destination has no way to take such a message; the text says what to do instead."""


class Request(NamedTuple):
    """A POST to a destination."""

    url: str
    headers: Mapping[str, str]
    body: bytes


def webhook(messages: Sequence[Message], to: Destination, now: int) -> Request:
    """One message, signed as in Standard Webhooks 1.0: the id is the idempotency key.

    Args:
        messages: One message.
        to: The destination.
        now: The time of this attempt in Unix seconds; receivers refuse old ones.
    """
    (message,) = messages
    body = _json(
        {
            "type": f"segment.{message.message}",
            "timestamp": message.occurred_at,
            "data": mapped(message, to),
        }
    )
    signed = b".".join((message.change_id.encode(), str(now).encode(), body))
    signature = hmac.new(signing_key(to), signed, hashlib.sha256).digest()
    return Request(
        to.address,
        {
            "webhook-id": message.change_id,
            "webhook-timestamp": str(now),
            "webhook-signature": f"v1,{base64.b64encode(signature).decode()}",
        },
        body,
    )


def signing_key(to: Destination) -> bytes:
    """The key in a secret such as ``whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw``."""
    try:
        key = base64.b64decode(to.secret.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        key = b""
    if not 24 <= len(key) <= 64:
        raise DestinationError(
            f"The secret of destination '{to.name}' is no signing secret. Expected whsec_ and 24 "
            f"to 64 random bytes in base64."
        )
    return key


def hubspot(messages: Sequence[Message], to: Destination, now: int) -> Request:
    """A batch upsert of contacts by a unique property, ``segmentation_customer_id``.

    Each segment is a property of the contact, ``segment_rule_big_spenders``, that is true or false.
    ``fields`` are further properties, set by entries.
    """
    inputs = []
    for message in messages:
        if message.message == "deleted":
            raise NotTakenError("HubSpot deletes contacts by its own id or e-mail: delete by hand")
        keys = to.segments if message.segment_key is None else [message.segment_key]
        is_member = json.dumps(message.message == "entered")
        properties = {f"segment_{key.replace(':', '_')}": is_member for key in keys}
        if message.message == "entered" and to.fields:
            properties |= {name: value or "" for name, value in mapped(message, to).items()}
        inputs.append(
            {
                "idProperty": "segmentation_customer_id",
                "id": message.customer_id,
                "properties": properties,
            }
        )
    return Request(
        f"{to.address.rstrip('/')}/crm/v3/objects/contacts/batch/upsert",
        {"authorization": f"Bearer {to.secret}"},
        _json({"inputs": inputs}),
    )


def klaviyo(messages: Sequence[Message], to: Destination, now: int) -> Request:
    """One event of the metric ``Segment entered``, ``Segment exited`` or ``Segment suppressed``.

    ``unique_id`` is the idempotency key: Klaviyo ignores an event it has already.
    """
    (message,) = messages
    if message.message == "deleted":
        raise NotTakenError("Klaviyo deletes profiles by its own id or e-mail: delete by hand")
    metric = {"type": "metric", "attributes": {"name": f"Segment {message.message}"}}
    profile = {"type": "profile", "attributes": {"external_id": message.customer_id}}
    event = {
        "properties": mapped(message, to),
        "time": message.occurred_at,
        "unique_id": message.change_id,
        "metric": {"data": metric},
        "profile": {"data": profile},
    }
    return Request(
        f"{to.address.rstrip('/')}/api/events",
        {
            "authorization": f"Klaviyo-API-Key {to.secret}",
            "revision": "2025-01-15",
            "content-type": "application/vnd.api+json",
            "accept": "application/vnd.api+json",
        },
        _json({"data": {"type": "event", "attributes": event}}),
    )


def mapped(message: Message, to: Destination) -> dict[str, Any]:
    """The payload under the destination's names."""
    payload: dict[str, Any] = json.loads(message.payload)
    if not to.fields:
        return payload
    return {name: payload[source] for name, source in to.fields.items()}


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


class Form(NamedTuple):
    """How messages become a request, and how many at a time."""

    request: Callable[[Sequence[Message], Destination, int], Request]
    size: int


FORMS = {"webhook": Form(webhook, 1), "hubspot": Form(hubspot, 100), "klaviyo": Form(klaviyo, 1)}
