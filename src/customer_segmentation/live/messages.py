"""Messages of the stream: a table of the input contract and a record of it, as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from customer_segmentation.input.contract import ContractTable

LARGEST_CHARACTERS = 65_536
LARGEST_BATCH = 5_000

# Of a batch, each with its id in the stream: milliseconds of its arrival, then other numbers, all
# with - between them.
Messages = list[tuple[str, dict[str, str]]]


class Record(NamedTuple):
    """A row of a raw table, as text: staging gives it types, as it does with files."""

    table: str
    values: dict[str, str | None]


class MessageError(ValueError):
    """The message can't be a row of a raw table. The text is one of a few words, without data."""


def record_of(
    fields: Mapping[str, str], tables: Mapping[str, ContractTable], used: Sequence[str]
) -> Record:
    """Reads the fields `table` and `record` of a message.

    Args:
        fields: Of the message.
        tables: The input contract.
        used: The tables that may be streamed.

    Raises:
        MessageError: The form is wrong; the values are the matter of staging.
    """
    if not fields:
        # The stream was trimmed before it was taken in; its id is all that the broker has left.
        raise MessageError("trimmed")
    table, text = fields.get("table", ""), fields.get("record", "")
    if table not in used:
        raise MessageError("unknown_table")
    if len(text) > LARGEST_CHARACTERS:
        raise MessageError("too_large")
    try:
        # As text, so that no digit of an amount or an id is lost.
        record = json.loads(text, parse_float=str, parse_int=str, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise MessageError("malformed_json") from None
    if not isinstance(record, dict):
        raise MessageError("malformed_json")
    if record.keys() - {*tables[table].columns}:
        raise MessageError("unknown_column")
    return Record(table, {column: _text(value) for column, value in record.items()})


def _refuse(constant: str) -> Any:
    raise ValueError(constant)


def _text(value: object) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str) and _is_unicode(value):
        return value
    raise MessageError("wrong_type")


def _is_unicode(text: str) -> bool:
    """Without lone surrogates, which JSON can write and which stand for bytes that are no text."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
