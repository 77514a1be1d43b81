"""The requests by which destinations take messages, as in their public documentation."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

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
        is_member = json.dumps(message.message == "entered")
        properties = {f"segment_{key.replace(':', '_')}": is_member for key in _keys(message, to)}
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


def salesforce(messages: Sequence[Message], to: Destination, now: int) -> Request:
    """An upsert of rows of a data extension in Marketing Cloud, by customer_id and segment_key.

    ``fields`` are further columns, set by entries. ``to.secret`` is a token.
    """
    rows: list[dict[str, Any]] = []
    for message in messages:
        if message.message == "deleted":
            raise NotTakenError("Marketing Cloud deletes contacts by its own key: delete by hand")
        values = {"is_member": json.dumps(message.message == "entered")}
        if message.message == "entered" and to.fields:
            values |= {name: value or "" for name, value in mapped(message, to).items()}
        rows += [
            {"keys": {"customer_id": message.customer_id, "segment_key": key}, "values": values}
            for key in _keys(message, to)
        ]
    extension = quote(to.own["data_extension"], safe="")
    return Request(
        f"{to.address.rstrip('/')}/hub/v1/dataevents/key:{extension}/rowset",
        {"authorization": f"Bearer {to.secret}"},
        _json(rows),
    )


def salesforce_token(to: Destination) -> Request:
    """The request for a token, by the client credentials of an installed package."""
    return Request(
        to.own["token_address"],
        {},
        _json(
            {
                "grant_type": "client_credentials",
                "client_id": to.own["client_id"],
                "client_secret": to.secret,
            }
        ),
    )


def adobe(messages: Sequence[Message], to: Destination, now: int) -> Request:
    """An experience event for the streaming ingestion of Adobe Experience Platform.

    ``_id`` is the idempotency key. ``to.secret`` is a token. One message a request, since
    the answer to a batch is 207 whatever became of it.
    """
    (message,) = messages
    if message.message == "deleted":
        raise NotTakenError("Adobe deletes by a request of its own: delete by hand")
    schema = {
        "id": to.own["schema"],
        "contentType": "application/vnd.adobe.xed-full+json;version=1",
    }
    header = {
        "schemaRef": schema,
        "imsOrgId": to.own["organisation"],
        "datasetId": to.own["dataset"],
        "source": {"name": "customer_segmentation"},
    }
    event = {
        "_id": message.change_id,
        "timestamp": message.occurred_at,
        "eventType": f"segment.{message.message}",
        "identityMap": {"customer_id": [{"id": message.customer_id, "primary": True}]},
        f"_{to.own['tenant']}": {"segmentation": mapped(message, to)},
    }
    return Request(
        to.address,
        {"authorization": f"Bearer {to.secret}", "x-sandbox-name": to.own["sandbox"]},
        _json({"header": header, "body": {"xdmMeta": {"schemaRef": schema}, "xdmEntity": event}}),
    )


def adobe_token(to: Destination) -> Request:
    """The request for a token, by an OAuth server-to-server credential."""
    credential = {
        "grant_type": "client_credentials",
        "client_id": to.own["client_id"],
        "client_secret": to.secret,
        "scope": to.own["scope"],
    }
    return Request(
        to.own["token_address"],
        {"content-type": "application/x-www-form-urlencoded"},
        urlencode(credential).encode(),
    )


def _keys(message: Message, to: Destination) -> Sequence[str]:
    """The segments that a message is about."""
    return to.segments if message.segment_key is None else [message.segment_key]


def mapped(message: Message, to: Destination) -> dict[str, Any]:
    """The payload under the destination's names."""
    payload: dict[str, Any] = json.loads(message.payload)
    if not to.fields:
        return payload
    return {name: payload[source] for name, source in to.fields.items()}


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


class Form(NamedTuple):
    """How messages become a request.

    Attributes:
        request: Makes the request.
        size: Messages at a time at most.
        token: Makes the request for a token, which takes the place of the secret.
    """

    request: Callable[[Sequence[Message], Destination, int], Request]
    size: int
    token: Callable[[Destination], Request] | None = None


FORMS = {
    "webhook": Form(webhook, 1),
    "hubspot": Form(hubspot, 100),
    "klaviyo": Form(klaviyo, 1),
    # Salesforce advises 50 rows a call.
    "salesforce": Form(salesforce, 50, salesforce_token),
    "adobe": Form(adobe, 1, adobe_token),
}
