"""Messages reach their destinations in order, at least once and under one key, or are counted."""

from __future__ import annotations

import csv
import datetime as dt
import json
import math
import random
import re
import resource
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import duckdb
import pytest
import yaml
from campaign_tool import Answer, CampaignTool, Taken, campaign_tool
from conftest import as_a_user_without_rights, open_folder
from standardwebhooks import Webhook

from customer_segmentation.activation import transport
from customer_segmentation.activation.destinations import (
    Destination,
    DestinationError,
    read_destinations,
)
from customer_segmentation.activation.messages import Message, Published
from customer_segmentation.activation.receipts import (
    ReceiptsError,
    add_receipts,
    receipts_file,
)
from customer_segmentation.activation.state import State, StateError
from customer_segmentation.cli import main

SECRET = "whsec_" + "c2VjcmV0IG9mIHRoZSBjYW1wYWlnbiB0b29sISEh"
VARIABLE = "CAMPAIGN_TOOL_SECRET"
SEGMENTS = ["rfm:champions", "rule:cart_abandoners", "rule:recent_buyers"]
ABANDONERS = "rule:cart_abandoners"
BUYERS = "rule:recent_buyers"
Row = tuple[str, str | None, str]  # customer, segment, message


def change_id(customer: str, segment: str | None, message: str) -> str:
    return f"{customer}-{segment}-{message}"


class Shop:
    """A folder with a published file, destinations and what a delivery makes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.published = folder / "segments.duckdb"
        self.raw = folder / "raw"
        self.raw.mkdir()

    def publish(
        self, members: list[tuple[str, str]], outbox: list[Row] | None = None, silent: str = ""
    ) -> None:
        """Replaces the published file. Without an outbox: nothing was handed over yet.

        Customers whose letter is in silent may not be contacted.
        """
        if outbox is None:
            outbox = [(who, key, "entered") for who, key in members if who[0] not in silent]
        self.published.unlink(missing_ok=True)
        with duckdb.connect(str(self.published)) as connection:
            connection.execute("create schema monitoring")
            connection.execute(
                "create table monitoring.data_set as select 'shop' as dataset, ? as raw_data, "
                "'Europe/Berlin' as timezone, date '2026-11-01' as as_of",
                [str(self.raw)],
            )
            connection.execute(
                "create table segments as select unnest(?) as segment_key, 'A segment' as name, "
                "'Write' as recommended_action, 'email' as channel, null::varchar as offer",
                [SEGMENTS],
            )
            for table in (
                "customers (customer_id varchar, may_be_contacted boolean)",
                "segment_memberships (customer_id varchar, segment_key varchar)",
                "segment_changes (change_id varchar, customer_id varchar, segment_key varchar, "
                "change varchar, changed_on date)",
                "activation_outbox (change_id varchar, customer_id varchar, segment_key varchar, "
                "message varchar, payload varchar, changed_on date, as_of date)",
            ):
                connection.execute(f"create table {table}")
            for who in sorted({who for who, _ in members}):
                connection.execute(
                    "insert into customers values (?, ?)", [who, who[0] not in silent]
                )
            for who, key in members:
                connection.execute("insert into segment_memberships values (?, ?)", [who, key])
                connection.execute(
                    "insert into segment_changes values (?, ?, ?, 'entered', '2026-10-01')",
                    [change_id(who, key, "entered"), who, key],
                )
            for who, segment, message in outbox:
                payload = {
                    **dict.fromkeys(("segment_name", "recommended_action", "channel", "offer")),
                    "change_id": change_id(who, segment, message),
                    "message": message,
                    "customer_id": who,
                    "segment_key": segment,
                    "changed_on": "2026-10-01",
                }
                connection.execute(
                    "insert into activation_outbox values (?, ?, ?, ?, ?, '2026-10-01', "
                    "'2026-11-01')",
                    [payload["change_id"], who, segment, message, json.dumps(payload)],
                )

    def declare(self, **destinations: dict[str, Any]) -> None:
        text = yaml.safe_dump({"destinations": destinations}, sort_keys=False)
        (self.folder / "destinations.yml").write_text(text)

    def command(self, *options: str) -> list[str]:
        return [
            *("deliver", "--published", str(self.published)),
            *("--destinations", str(self.folder / "destinations.yml")),
            *("--state", str(self.folder / "deliveries"), *options),
        ]

    def deliver(self, *options: str) -> int:
        """The exit code."""
        try:
            main(self.command(*options))
        except SystemExit as stopped:
            return int(stopped.code or 0)
        return 0

    def receipts(self) -> dict[str, dt.datetime]:
        path = self.raw / "activation_receipts.csv"
        if not path.exists():
            return {}
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
        found = {row["change_id"]: dt.datetime.fromisoformat(row["handed_over_at"]) for row in rows}
        assert len(found) == len(rows)
        return found


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    monkeypatch.setenv(VARIABLE, SECRET)
    # Tests wait for no second try, but the tested waits are those that a delivery asks for.
    monkeypatch.setattr(transport, "BACKOFF_SECONDS", 0.001)
    return Shop(tmp_path)


@pytest.fixture
def tool() -> Iterator[CampaignTool]:
    with campaign_tool() as running:
        yield running


def webhook(tool: CampaignTool, **changes: Any) -> dict[str, Any]:
    return {
        "type": "webhook",
        "address": f"{tool.address}/segments",
        "segments": ["*"],
        "secret": VARIABLE,
        "per_second": 10_000,
        **changes,
    }


SALESFORCE = {
    "type": "salesforce",
    "token_address": "https://example.com/v2/token",
    "client_id": "client",
    "data_extension": "Segment Members",
}
MEMBERS = [
    (f"{letter}{number}", key) for letter in "abc" for number in range(3) for key in SEGMENTS
]


def test_a_webhook_is_signed_as_the_reference_library_checks_it(
    shop: Shop, tool: CampaignTool
) -> None:
    shop.publish([("ä1", BUYERS)])
    shop.declare(crm=webhook(tool))
    assert shop.deliver() == 0
    (taken,) = tool.taken
    data = Webhook(SECRET).verify(taken.body, taken.headers)
    assert data["type"] == "segment.entered"
    assert data["timestamp"] == "2026-10-01T00:00:00+02:00"
    assert data["data"]["customer_id"] == "ä1"
    assert taken.headers["webhook-id"] == data["data"]["change_id"]
    assert taken.path == "/segments"


def test_what_was_handed_over_is_a_receipt_and_is_not_sent_again(
    shop: Shop, tool: CampaignTool, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.publish(MEMBERS, silent="c")
    shop.declare(crm=webhook(tool, segments=["rule:*"]))
    before = dt.datetime.now(dt.UTC)
    assert shop.deliver() == 0
    said = capsys.readouterr().out
    assert "crm: 12 messages (12 entered) delivered\n" in said
    assert "Segments in the outbox that no destination takes: 1\n" in said
    wanted = {change_id(who, key, "entered") for who, key in MEMBERS if who < "c" and key[1] == "u"}
    assert set(tool.ids()) == set(shop.receipts()) == wanted
    assert all(before <= at <= dt.datetime.now(dt.UTC) for at in shop.receipts().values())
    assert shop.deliver() == 0
    assert set(tool.ids().values()) == {1}
    assert "crm: 0 messages delivered\n" in capsys.readouterr().out


def test_a_dry_run_counts_and_leaves_nothing_behind(
    shop: Shop, tool: CampaignTool, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.publish(
        MEMBERS, [*[(who, key, "entered") for who, key in MEMBERS], ("z", None, "deleted")]
    )
    shop.declare(crm=webhook(tool))
    assert shop.deliver("--dry-run") == 0
    assert capsys.readouterr().out == "crm: 28 messages (1 deleted, 27 entered) to deliver\n"
    assert not tool.taken
    assert not (shop.folder / "deliveries").exists()
    assert not shop.receipts()


def test_a_later_destination_begins_with_all_members(shop: Shop, tool: CampaignTool) -> None:
    """Though the outbox holds differences alone; of customers who may be contacted."""
    shop.publish(MEMBERS, silent="c")
    shop.declare(crm=webhook(tool))
    shop.deliver()
    tool.taken.clear()
    left = [pair for pair in MEMBERS if pair != ("a1", BUYERS)]
    shop.publish(left, [("a1", BUYERS, "exited")], silent="c")
    shop.declare(crm=webhook(tool), late=webhook(tool, address=f"{tool.address}/late"))
    assert shop.deliver() == 0
    arrived = [one.headers["webhook-id"] for one in tool.accepted if one.path == "/late"]
    entries = {change_id(who, key, "entered") for who, key in left if who < "c"}
    assert {*arrived} == {*entries, change_id("a1", BUYERS, "exited")}
    assert [one.headers["webhook-id"] for one in tool.accepted if one.path == "/segments"] == [
        change_id("a1", BUYERS, "exited")
    ]


def test_a_segment_added_to_a_destination_begins_with_all_members(
    shop: Shop, tool: CampaignTool
) -> None:
    shop.publish(MEMBERS)
    shop.declare(crm=webhook(tool, segments=[BUYERS]))
    shop.deliver()
    shop.publish(MEMBERS, [])
    shop.declare(crm=webhook(tool, segments=[BUYERS, "rfm:*"]))
    shop.deliver()
    assert len(tool.ids()) == 18
    assert set(tool.ids().values()) == {1}


def test_an_entry_that_no_longer_holds_is_not_sent_late(
    shop: Shop, tool: CampaignTool, capsys: pytest.CaptureFixture[str]
) -> None:
    """The tool was down when a1 entered. Since then a1 withdrew the consent and b1 left."""
    tool.answer = lambda _: (503, {})
    shop.publish([("a1", BUYERS), ("b1", BUYERS), ("c1", BUYERS)])
    shop.declare(crm=webhook(tool))
    assert shop.deliver() == 1
    assert not shop.receipts()
    tool.answer = lambda _: (204, {})
    shop.publish([("a1", BUYERS), ("c1", BUYERS)], [("a1", None, "suppressed")], silent="a")
    capsys.readouterr()
    assert shop.deliver() == 0
    assert [one.headers["webhook-id"] for one in tool.accepted] == [
        change_id("c1", BUYERS, "entered"),
        change_id("a1", None, "suppressed"),
    ]
    assert "2 entries dropped that held no longer" in capsys.readouterr().out


def test_an_exit_follows_the_entry_that_waited(shop: Shop, tool: CampaignTool) -> None:
    """One tool got the entry, so the build sends an exit; the other gets them in order."""
    tool.answer = lambda taken: (503 if taken.path == "/down" else 204, {})
    shop.publish([("a1", BUYERS)])
    shop.declare(up=webhook(tool), down=webhook(tool, address=f"{tool.address}/down"))
    assert shop.deliver() == 1
    assert set(shop.receipts()) == {change_id("a1", BUYERS, "entered")}
    shop.publish([], [("a1", BUYERS, "exited")])
    shop.deliver()
    tool.taken.clear()
    tool.answer = lambda _: (204, {})
    shop.publish([], [])
    assert shop.deliver() == 0
    assert [one.path for one in tool.taken] == ["/down"]
    assert tool.taken[0].headers["webhook-id"] == change_id("a1", BUYERS, "exited")


def test_a_deletion_is_handed_over_when_all_have_it_and_leaves_no_trace_of_the_customer(
    shop: Shop, tool: CampaignTool
) -> None:
    shop.publish(MEMBERS)
    shop.declare(up=webhook(tool), down=webhook(tool, address=f"{tool.address}/down"))
    shop.deliver()
    given = set(shop.receipts())
    tool.answer = lambda taken: (503 if taken.path == "/down" else 204, {})
    others = [pair for pair in MEMBERS if pair[0] != "a1"]
    deletion = ("a1", None, "deleted")
    shop.publish(others, [deletion])
    assert shop.deliver() == 1
    assert set(shop.receipts()) == given
    tool.answer = lambda _: (204, {})
    assert shop.deliver() == 0
    assert set(shop.receipts()) == {*given, change_id(*deletion)}
    kept = (shop.folder / "deliveries" / "shop.sqlite").read_bytes()
    assert b"a1-rule" not in kept
    assert b"b1-rule" in kept


def test_an_erased_customer_leaves_no_trace_where_nothing_is_deleted(
    shop: Shop, tool: CampaignTool, capsys: pytest.CaptureFixture[str]
) -> None:
    """Klaviyo deletes by its own id, and the webhook is no longer declared."""
    tool.answer = lambda taken: (503 if taken.path == "/down" else 204, {})
    down = webhook(tool, address=f"{tool.address}/down")
    mail = webhook(tool, type="klaviyo", address=tool.address)
    shop.publish(MEMBERS)
    shop.declare(mail=mail, old=webhook(tool), down=down)
    shop.deliver()
    erased = sorted({who for who, _ in MEMBERS if who < "c"})
    left = [pair for pair in MEMBERS if pair[0] not in erased]
    outbox: list[Row] = [(who, None, "deleted") for who in erased]
    shop.publish(left, [*outbox, ("c0", None, "suppressed")])
    shop.declare(mail=mail)
    assert shop.deliver() == 1
    said = capsys.readouterr().out
    # Though more than five deletions in a row can't be sent.
    assert "mail: 1 messages (1 suppressed) delivered\n" in said
    assert "mail: 6 set aside: Klaviyo deletes profiles" in said
    file = shop.folder / "deliveries" / "shop.sqlite"
    with sqlite3.connect(file) as connection:
        kept = connection.execute(
            "select destination, customer_id, message, segment_key from deliveries "
            "where customer_id < 'c'"
        ).fetchall()
    assert sorted(kept) == [("mail", who, "deleted", None) for who in erased]
    assert b"a1-rule" not in file.read_bytes()
    assert b"c1-rule" in file.read_bytes()


def test_a_customer_is_held_up_by_a_message_that_fails_and_others_are_not(
    shop: Shop, tool: CampaignTool, capsys: pytest.CaptureFixture[str]
) -> None:
    poison = change_id("b1", SEGMENTS[0], "entered")
    tool.answer = lambda taken: (500 if taken.headers["webhook-id"] == poison else 204, {})
    shop.publish(MEMBERS)
    shop.declare(crm=webhook(tool))
    assert shop.deliver() == 1
    assert "3 wait for the next run" in capsys.readouterr().out
    assert len(tool.ids()) == 24
    assert Counter(one.headers["webhook-id"] for one in tool.taken)[poison] == transport.TRIES
    shop.deliver()
    shop.deliver()
    said = capsys.readouterr().out
    assert "crm: 1 set aside: answered 500" in said
    listed = (shop.folder / "deliveries" / "shop_set_aside.csv").read_text().splitlines()
    assert listed[1:] == [f"crm,{poison},entered,{SEGMENTS[0]},answered 500"]
    # What came after it no longer waits.
    assert shop.deliver() == 0
    assert len(tool.ids()) == 26
    tool.answer = lambda _: (204, {})
    assert shop.deliver("--retry-set-aside") == 0
    assert len(tool.ids()) == 27
    assert not (shop.folder / "deliveries" / "shop_set_aside.csv").exists()


@pytest.mark.parametrize("failure", [(429, {}), (503, {}), (408, {}), None, 0.3])
def test_a_failure_that_may_pass_is_tried_again_under_the_same_key(
    shop: Shop, tool: CampaignTool, failure: Answer
) -> None:
    answers: Iterator[Answer] = iter([failure, failure, (204, {}), (204, {})])
    tool.answer = lambda _: next(answers)
    shop.publish([("a1", BUYERS), ("b1", BUYERS)])
    shop.declare(crm=webhook(tool, timeout_seconds=0.1))
    assert shop.deliver() == 0
    keys = [one.headers["webhook-id"] for one in tool.taken]
    assert keys == [change_id("a1", BUYERS, "entered")] * 3 + [change_id("b1", BUYERS, "entered")]
    assert all(Webhook(SECRET).verify(one.body, one.headers) for one in tool.taken)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ((401, {}), "answered 401"),
        ((410, {}), "answered 410"),
        ((302, {"location": "http://127.0.0.1:1/"}), "answered 302"),
        ((429, {"retry-after": "3600"}), "answered 429 and asks for a pause of 3,600 seconds"),
    ],
)
def test_a_destination_that_takes_nothing_is_asked_once(
    shop: Shop,
    tool: CampaignTool,
    capsys: pytest.CaptureFixture[str],
    answer: Answer,
    reason: str,
) -> None:
    tool.answer = lambda _: answer
    shop.publish(MEMBERS)
    shop.declare(crm=webhook(tool))
    assert shop.deliver() == 1
    assert len(tool.taken) == 1
    assert f"27 wait for the next run, since it {reason}\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    "answer",
    [
        (429, {"retry-after": "²"}),
        (429, {"retry-after": f"Mon, 30 Nov 2026 12:00:00 +{'9' * 30}"}),
        (103, {}),
    ],
)
def test_an_odd_answer_keeps_messages_and_stops_no_other_destination(
    shop: Shop, tool: CampaignTool, capsys: pytest.CaptureFixture[str], answer: Answer
) -> None:
    tool.answer = lambda _: answer
    shop.publish([("a1", BUYERS)])
    drop = {"type": "file", "address": str(shop.folder / "drop"), "segments": ["*"]}
    shop.declare(odd=webhook(tool), drop=drop)
    assert shop.deliver() == 1
    said = capsys.readouterr().out
    assert "odd: 0 messages delivered; 1 wait for the next run\n" in said
    assert "drop: 1 messages (1 entered) delivered\n" in said


HEAD = b"HTTP/1.1 204 No Content\r\n"
BODY = b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n"


@pytest.mark.parametrize(
    ("parts", "tries"),
    [
        ([HEAD, *[b"x-more: 1\r\n"] * 90], 1),
        ([HEAD, *[b"x"] * 90], 1),
        ([b"H"] * 90, transport.TRIES),
        ([BODY, *[b"x"] * 90], 1),
        ([BODY, *[b"x" * 30_000] * 90], 1),
    ],
    ids=["many headers", "a long header", "a long status", "a slow body", "a large body"],
)
def test_an_answer_that_takes_long_in_all_is_cut(
    shop: Shop,
    tool: CampaignTool,
    capsys: pytest.CaptureFixture[str],
    parts: list[bytes],
    tries: int,
) -> None:
    """Its bytes arrive every 20 ms, which no limit for a single read would notice."""
    sent: list[bytes] = []

    def slowly() -> Iterator[bytes]:
        for part in parts:
            sent.append(part)
            yield part

    tool.answer = lambda _: slowly()
    shop.publish([("a1", BUYERS)])
    shop.declare(crm=webhook(tool, timeout_seconds=0.2))
    shop.deliver()
    # An answer is complete with its status.
    said = "1 messages (1 entered) delivered" if tries == 1 else "0 messages delivered; 1 wait"
    assert said in capsys.readouterr().out
    assert len(tool.taken) == tries
    # 0.2 seconds are 10 parts; what the system buffers may be a few more.
    assert len(sent) < 45 * tries


def test_a_destination_that_is_down_is_not_asked_for_every_message(
    shop: Shop, tool: CampaignTool, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.publish(MEMBERS)
    shop.declare(down=webhook(tool, address="http://127.0.0.1:9"), crm=webhook(tool))
    for _ in range(4):
        assert shop.deliver() == 1
    said = capsys.readouterr().out
    # No answer is no fault of a message: none is set aside, however long it lasts.
    assert said.count("27 wait for the next run, since it connection failed") == 4
    assert "set aside" not in said
    assert len(tool.ids()) == 27


def test_refused_messages_are_set_aside_and_not_sent_again(
    shop: Shop, tool: CampaignTool, capsys: pytest.CaptureFixture[str]
) -> None:
    tool.answer = lambda taken: (422 if b'"a0"' in taken.body else 204, {})
    shop.publish(MEMBERS)
    shop.declare(crm=webhook(tool))
    assert shop.deliver() == 1
    assert "crm: 3 set aside: answered 422" in capsys.readouterr().out
    assert len(tool.taken) == 27
    assert shop.deliver() == 0
    assert len(tool.taken) == 27
    assert len(shop.receipts()) == 24


def test_a_destination_that_refuses_everything_keeps_its_messages(
    shop: Shop, tool: CampaignTool, capsys: pytest.CaptureFixture[str]
) -> None:
    late = {"date": "Mon, 30 Nov 2020 12:00:00 GMT"}
    tool.answer = lambda _: (400, late)
    shop.publish(MEMBERS)
    shop.declare(crm=webhook(tool))
    assert shop.deliver() == 1
    assert "22 wait for the next run, since it answered 400" in capsys.readouterr().out


def test_the_waits_between_tries_grow_with_jitter_and_heed_retry_after() -> None:
    waits: list[float] = []
    with campaign_tool() as tool:
        answers = iter([(503, {}), (503, {}), (429, {"retry-after": "7"}), (503, {}), (503, {})])
        tool.answer = lambda _: next(answers)
        to = Destination("crm", "webhook", tool.address, (BUYERS,), secret=SECRET, per_second=1e6)
        channel = transport.HttpChannel(to, sleep=waits.append, jitter=random.Random(1))
        message = messages_of([("a1", BUYERS, "entered")])
        with pytest.raises(transport.UnavailableError, match="answered 503"):
            channel.send(message)
    waits = [wait for wait in waits if wait > 1e-3]
    first, second, third, fourth = waits
    assert 0.25 <= first <= 0.5 <= second <= 1
    assert third == 7
    assert 2 <= fourth <= 4


def messages_of(rows: list[Row]) -> list[Message]:
    return [
        Message(change_id(*row), row[0], row[1], row[2], json.dumps({"customer_id": row[0]}), "")
        for row in rows
    ]


def test_a_destination_gets_so_many_requests_a_second(shop: Shop, tool: CampaignTool) -> None:
    shop.publish(MEMBERS)
    shop.declare(crm=webhook(tool, per_second=50))
    started = time.monotonic()
    shop.deliver()
    assert time.monotonic() - started >= 26 / 50


def test_a_skewed_clock_is_named(shop: Shop, tool: CampaignTool) -> None:
    tool.answer = lambda _: (400, {"x-date": ""})
    to = Destination("crm", "webhook", tool.address, (BUYERS,), secret=SECRET)
    channel = transport.HttpChannel(to, clock=lambda: time.time() + 4000)
    with pytest.raises(
        transport.RefusedError, match=r"answered 400; its clock is [34],\d{3} seconds behind"
    ):
        channel.send(messages_of([("a1", BUYERS, "entered")]))


def test_a_payload_over_the_limit_is_set_aside_unsent(
    shop: Shop, tool: CampaignTool, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.publish([("a" * 500, BUYERS), ("b1", BUYERS)])
    shop.declare(crm=webhook(tool, max_bytes=1000))
    assert shop.deliver() == 1
    assert "1 set aside: the request has 1," in capsys.readouterr().out
    assert set(tool.ids()) == {change_id("b1", BUYERS, "entered")}


def test_receipts_never_go_back_in_time(shop: Shop, tmp_path: Path) -> None:
    shop.publish([("a1", BUYERS), ("b1", BUYERS)])
    to = Destination("crm", "file", str(tmp_path / "drop"), (BUYERS,))
    with duckdb.connect(str(shop.published)) as connection, State(tmp_path / "x.sqlite") as state:
        state.queue(Published(connection), [to])
        first, second = state.waiting("crm")
        state.delivered([first], dt.datetime(2026, 11, 2, tzinfo=dt.UTC))
        state.delivered([second], dt.datetime(2026, 11, 1, tzinfo=dt.UTC))
        assert state.receipts() == [
            (first.message.change_id, "2026-11-02 00:00:00.000000+00:00"),
            (second.message.change_id, "2026-11-02 00:00:00.000001+00:00"),
        ]


@pytest.mark.parametrize("file_format", ["csv", "parquet"])
def test_a_file_drop_has_the_messages_under_the_names_asked_for(
    shop: Shop, file_format: str
) -> None:
    shop.publish(
        [("=a1", BUYERS), ("b1", BUYERS)],
        [("=a1", BUYERS, "entered"), ("b1", BUYERS, "entered"), ("b1", None, "suppressed")],
    )
    drop = {"type": "file", "address": str(shop.folder / "drop"), "format": file_format}
    shop.declare(
        drop=drop | {"segments": ["rule:*"], "fields": {"who": "customer_id", "what": "message"}}
    )
    assert shop.deliver() == 0
    (file,) = (shop.folder / "drop").iterdir()
    rows = duckdb.sql(f"select * from '{file}' order by all").fetchall()
    guarded = "'=a1" if file_format == "csv" else "=a1"
    assert sorted(rows) == sorted([(guarded, "entered"), ("b1", "entered"), ("b1", "suppressed")])
    assert len(shop.receipts()) == 3
    assert shop.deliver() == 0
    assert len(list((shop.folder / "drop").iterdir())) == 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"type": "webhok"}, "has no known type. Expected one of webhook, "),
        ({"segments": ["rule:recent_buyer"]}, "Did you mean rule:recent_buyers"),
        ({"segments": []}, "no list of segments"),
        ({"secrets": "X"}, "Did you mean secret"),
        ({"fields": {"id": "customer"}}, "Did you mean customer_id"),
        ({"address": "http://example.com/x"}, "Expected https://"),
        ({"secret": None}, "names no secret"),
        ({"secret": "NOT_SET"}, "is not set"),
        ({"secret": "HOME"}, "is no signing secret"),
        ({"per_second": 0}, "per_second is 0. Expected a number above 0"),
        ({"timeout_seconds": math.nan}, "timeout_seconds is nan. Expected a number above 0"),
        ({"timeout_seconds": math.inf}, "timeout_seconds is inf. Expected a number above 0"),
        ({"address": "http://[::1"}, "is no URL"),
        (SALESFORCE | {"data_extension": None}, "has no usable data_extension."),
        (SALESFORCE | {"client_id": "ключ"}, "has no usable client_id."),
        (
            SALESFORCE | {"token_address": "http://elsewhere/token"},
            "The token_address of destination 'crm' can't be used. Expected https://",
        ),
        (SALESFORCE | {"data_extensoin": "x"}, "Did you mean data_extension"),
    ],
)
def test_what_is_wrong_with_a_destination_is_said_before_anything_is_sent(
    shop: Shop,
    tool: CampaignTool,
    capsys: pytest.CaptureFixture[str],
    change: dict[str, Any],
    said: str,
) -> None:
    shop.publish(MEMBERS)
    shop.declare(first=webhook(tool), crm=webhook(tool, **change))
    assert shop.deliver() == 2
    error = capsys.readouterr().err
    assert said in error
    assert "'crm'" in error
    assert not tool.taken


def test_the_file_of_destinations_has_to_be_one(tmp_path: Path) -> None:
    path = tmp_path / "destinations.yml"
    with pytest.raises(DestinationError, match=r"There is no .*destinations\.yml"):
        read_destinations(path, SEGMENTS)
    for text, said in {
        "destinations: [": "line 2, column 1: .*Expected YAML",
        "destinations: {../crm: {type: file}}": "named '../crm'. Expected up to 100 letters",
        "crm: {}": "has to begin with `destinations:`",
        "destinations: {}": "declares no destination",
        "destinations: {crm: 1}": "Expected type, address",
    }.items():
        path.write_text(text)
        with pytest.raises(DestinationError, match=said):
            read_destinations(path, SEGMENTS)


def test_secrets_are_in_no_output_and_no_file(
    shop: Shop, tool: CampaignTool, capsys: pytest.CaptureFixture[str]
) -> None:
    token = "token-in-the-address"
    tool.answer = lambda _: None
    shop.publish(MEMBERS)
    shop.declare(crm=webhook(tool, address=f"{tool.address}/{token}"))
    shop.deliver()
    said = capsys.readouterr()
    left = b"".join(
        file.read_bytes()
        for file in shop.folder.rglob("*")
        if file.name != "destinations.yml" and file.is_file()
    )
    for secret in (SECRET, SECRET[6:], token):
        assert secret not in said.out + said.err
        assert secret.encode() not in left
    assert SECRET not in repr(
        read_destinations(shop.folder / "destinations.yml", SEGMENTS, {VARIABLE: SECRET})
    )


def test_a_secret_may_end_in_a_line_break(
    shop: Shop, tool: CampaignTool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "pat-key\n")
    shop.publish([("a1", BUYERS)])
    shop.declare(hub=webhook(tool, type="hubspot", address=tool.address))
    assert shop.deliver() == 0
    assert tool.taken[0].headers["authorization"] == "Bearer pat-key"


@pytest.mark.parametrize("key", ["type", "fields", "address"])
def test_a_secret_under_another_key_is_not_repeated(
    shop: Shop, tool: CampaignTool, capsys: pytest.CaptureFixture[str], key: str
) -> None:
    shop.publish([("a1", BUYERS)])
    shop.declare(crm=webhook(tool, **{key: SECRET}))
    assert shop.deliver() == 2
    error = capsys.readouterr().err
    assert "'crm'" in error
    assert SECRET not in error


@pytest.mark.parametrize("secret", ["pat-key\nnext", "pat-key-€"])
def test_a_secret_that_no_header_can_carry_is_refused_and_not_repeated(
    shop: Shop,
    tool: CampaignTool,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    secret: str,
) -> None:
    monkeypatch.setenv(VARIABLE, secret)
    shop.publish([("a1", BUYERS)])
    shop.declare(hub=webhook(tool, type="hubspot", address=tool.address))
    assert shop.deliver() == 2
    error = capsys.readouterr().err
    assert "characters that no header can carry" in error
    assert "pat-key" not in error
    assert not tool.taken


def deliver_until_the_rewrite(shop: Shop) -> int:
    """The exit code of a delivery that is killed between its commit and the rewrite."""
    code = f"""
import os, signal
from customer_segmentation.activation.state import State
from customer_segmentation.cli import main

State.rewrite_if_due = lambda _: os.kill(os.getpid(), signal.SIGKILL)
main({shop.command()!r})
"""
    return subprocess.run([sys.executable, "-c", code], check=False).returncode


@pytest.mark.parametrize("interrupted_by", [None, "a kill", "a full disk"])
def test_customers_who_were_deleted_leave_no_byte_of_what_they_were_sent(
    shop: Shop, caplog: pytest.LogCaptureFixture, interrupted_by: str | None
) -> None:
    people = [f"a{number:04}" for number in range(600)]
    drop = {"type": "file", "address": str(shop.folder / "drop"), "segments": ["*"]}
    shop.declare(drop=drop)
    # In three deliveries, so that later rows lie between earlier ones.
    for known in (people[::4], people[::2], people):
        shop.publish([(who, BUYERS) for who in known])
        assert shop.deliver() == 0
    gone = set(people[::3])
    shop.publish(
        [(who, BUYERS) for who in people if who not in gone],
        [(who, None, "deleted") for who in sorted(gone)],
    )

    def held() -> set[str]:
        content = b"".join(one.read_bytes() for one in (shop.folder / "deliveries").iterdir())
        return {who for who in people if change_id(who, BUYERS, "entered").encode() in content}

    if interrupted_by:
        assert deliver_until_the_rewrite(shop) == -signal.SIGKILL
        assert held() > {*people} - gone
    if interrupted_by == "a full disk":
        # A limit of the process stands for it: writing fails at the same place.
        unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
        with State(shop.folder / "deliveries" / "shop.sqlite") as state:
            resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, unlimited[1]))
            try:
                state.rewrite_if_due()
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
        (line,) = caplog.messages
        assert re.fullmatch(r"\S+/shop.sqlite still has bytes .* The next run tries again\.", line)
    assert shop.deliver() == 0
    assert held() == {*people} - gone


def test_two_deliveries_do_not_run_at_a_time(shop: Shop, tmp_path: Path) -> None:
    with (
        State(tmp_path / "x.sqlite"),
        pytest.raises(StateError, match="another delivery is running"),
    ):
        State(tmp_path / "x.sqlite").__enter__()
    (tmp_path / "other.sqlite").write_text("text, and long enough to be no empty file" * 99)
    with pytest.raises(StateError, match="is not the state of deliveries"):
        State(tmp_path / "other.sqlite").__enter__()
    with pytest.raises(StateError, match="can't be used: unable to open"):
        State(tmp_path)


@pytest.mark.parametrize("place", ["deliveries", "raw"])
def test_a_place_of_another_user_is_said_in_one_line(
    tool: CampaignTool,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    place: str,
) -> None:
    monkeypatch.setenv(VARIABLE, SECRET)
    with open_folder() as folder:
        monkeypatch.chdir(folder)
        shop = Shop(folder)
        shop.publish(MEMBERS)
        shop.declare(crm=webhook(tool))
        (folder / "deliveries").mkdir()
        for one in ("deliveries", "raw"):
            (folder / one).chmod(0o555 if one == place else 0o777)
        with as_a_user_without_rights():
            assert shop.deliver() == 2
    (line,) = capsys.readouterr().err.splitlines()[-1:]
    assert f"/{place}/" in line
    assert "ermission denied" in line or "unable to open" in line
    assert "Expected a folder and a file that this user may write" in line


def test_a_receipt_that_cant_be_written_is_written_by_the_next_delivery(
    shop: Shop, tool: CampaignTool, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.publish(MEMBERS)
    shop.declare(crm=webhook(tool))
    aside = shop.raw / "activation_receipts.csv"

    def then_full(_: Taken) -> Answer:
        # A folder of the name, as the file can't be replaced on a read-only disk.
        aside.mkdir(exist_ok=True)
        return 204, {}

    tool.answer = then_full
    assert shop.deliver() == 2
    error = capsys.readouterr().err
    assert "activation_receipts.csv can't be written: Is a directory" in error
    assert "the next delivery writes its receipts first" in error
    aside.rmdir()
    tool.answer = lambda _: (204, {})
    assert shop.deliver() == 0
    assert len(shop.receipts()) == len(MEMBERS) == len(tool.taken)


def test_the_folder_of_the_state_is_open_to_its_owner_alone(tmp_path: Path) -> None:
    with State(tmp_path / "deliveries" / "x.sqlite"):
        assert (tmp_path / "deliveries").stat().st_mode & 0o777 == 0o700


def test_receipts_are_added_to_the_raw_folder(tmp_path: Path) -> None:
    with pytest.raises(ReceiptsError, match="--receipts"):
        receipts_file("schema raw of database shop")
    (tmp_path / "activation_receipts.parquet").touch()
    with pytest.raises(ReceiptsError, match=r"activation_receipts\.parquet holds receipts already"):
        receipts_file(str(tmp_path))


def test_receipts_of_a_lost_state_are_kept(shop: Shop, tool: CampaignTool) -> None:
    (shop.raw / "activation_receipts.csv").write_text(
        "change_id,handed_over_at\nearlier,2026-01-01 00:00:00+00:00\n"
    )
    shop.publish([("a1", BUYERS)])
    shop.declare(crm=webhook(tool))
    shop.deliver()
    assert set(shop.receipts()) == {"earlier", change_id("a1", BUYERS, "entered")}


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_receipts_are_read_as_people_save_them(tmp_path: Path, mark: str) -> None:
    path = tmp_path / "receipts.csv"
    path.write_text(f"{mark}change_id,handed_over_at\r\n\r\na,2026-01-01\r\n\r\n", "utf-8")
    add_receipts(path, [("b", "2026-01-02")])
    assert path.read_text() == "change_id,handed_over_at\na,2026-01-01\nb,2026-01-02\n"


@pytest.mark.parametrize(
    ("line", "said"),
    [(b"\xff,2026-01-01", "is no CSV file in UTF-8"), (b"a", r"Line 2 of .* has 1 values")],
)
def test_receipts_that_can_not_be_read_are_left_alone(
    tmp_path: Path, line: bytes, said: str
) -> None:
    path = tmp_path / "receipts.csv"
    path.write_bytes(was := b"change_id,handed_over_at\n" + line + b"\n")
    with pytest.raises(ReceiptsError, match=said):
        add_receipts(path, [("b", "2026-01-02")])
    assert path.read_bytes() == was


def test_the_file_of_receipts_keeps_its_mode_and_a_link_to_it(tmp_path: Path) -> None:
    path, link = tmp_path / "receipts.csv", tmp_path / "link.csv"
    path.touch(0o600)
    path.write_text("change_id,handed_over_at\n")
    link.symlink_to(path)
    add_receipts(link, [("a", "2026-01-01")])
    assert link.is_symlink()
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_text() == "change_id,handed_over_at\na,2026-01-01\n"


def test_what_waits_for_a_destination_that_is_gone_is_counted(
    shop: Shop, tool: CampaignTool, capsys: pytest.CaptureFixture[str]
) -> None:
    tool.answer = lambda _: (401, {})
    shop.publish(MEMBERS)
    shop.declare(old=webhook(tool))
    shop.deliver()
    shop.declare(new={"type": "file", "address": str(shop.folder / "drop"), "segments": ["*"]})
    shop.deliver()
    assert "27 wait for old, which " in capsys.readouterr().out


def kill_and_continue(shop: Shop, tool: CampaignTool, seed: int, kills: int) -> None:
    """Kills deliveries at random moments, then lets one end."""
    chance = random.Random(seed)
    flaky = random.Random(seed)
    tool.answer = lambda _: flaky.choices(
        [(204, {}), (503, {}), None, (429, {"retry-after": "0"})], [94, 2, 2, 2]
    )[0]
    command = [sys.executable, "-m", "customer_segmentation.cli", *shop.command()]
    for _ in range(kills):
        before = len(tool.taken)
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            wanted = before + chance.randint(1, 40)
            while process.poll() is None and len(tool.taken) < wanted:
                time.sleep(0.001)
            time.sleep(chance.random() / 100)
            process.kill()
    tool.answer = lambda _: (204, {})
    shop.deliver()
    assert shop.deliver() == 0


def check_after_kills(folder: Path, seed: int, customers: int, kills: int) -> None:
    members = [(f"a{number}", key) for number in range(customers) for key in SEGMENTS]
    ids = {change_id(*pair, "entered") for pair in members}
    shop = Shop(folder)
    with campaign_tool() as tool:
        shop.publish(members)
        shop.declare(crm=webhook(tool))
        kill_and_continue(shop, tool, seed, kills)
        assert set(tool.ids()) == set(shop.receipts()) == ids
        # What a kill repeats is at most the request that was under way.
        assert sum(tool.ids().values()) <= len(ids) + kills
        first = {}
        for place, taken in enumerate(tool.accepted):
            Webhook(SECRET).verify(taken.body, taken.headers)
            first.setdefault(taken.headers["webhook-id"], (place, taken.body))
        # In the order of the outbox per customer, and the same body each time.
        for number in range(customers):
            places = [first[change_id(f"a{number}", key, "entered")][0] for key in SEGMENTS]
            assert places == sorted(places)
        bodies = {(one.headers["webhook-id"], one.body) for one in tool.accepted}
        assert len(bodies) == len(ids)


def test_nothing_is_lost_when_the_deliverer_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, SECRET)
    check_after_kills(tmp_path, seed=1, customers=25, kills=2)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_nothing_is_lost_when_the_deliverer_is_killed_many_times(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setenv(VARIABLE, SECRET)
    check_after_kills(tmp_path, seed=seed, customers=400, kills=15)


def test_hubspot_gets_batches_of_contacts(
    shop: Shop, tool: CampaignTool, capsys: pytest.CaptureFixture[str]
) -> None:
    def checked(taken: Taken) -> Answer:
        assert taken.path == "/crm/v3/objects/contacts/batch/upsert"
        assert taken.headers["authorization"] == f"Bearer {SECRET}"
        inputs = taken.json["inputs"]
        assert 1 <= len(inputs) <= 100
        assert len({one["id"] for one in inputs}) == len(inputs)
        for one in inputs:
            assert one.keys() == {"idProperty", "id", "properties"}
            assert all(isinstance(value, str) for value in one["properties"].values())
        return (400 if any(one["id"] == "a0" for one in inputs) else 200), {}

    tool.answer = checked
    rows: list[Row] = [("b0", None, "suppressed"), ("z9", None, "deleted")]
    shop.publish(
        MEMBERS, [*[(*pair, "entered") for pair in MEMBERS if pair[0] < "b"], *rows], silent="b"
    )
    shop.declare(hub=webhook(tool, type="hubspot", address=tool.address, segments=["rule:*"]))
    assert shop.deliver() == 1
    said = capsys.readouterr().out
    assert "hub: 2 set aside: answered 400" in said
    assert "hub: 1 set aside: HubSpot deletes contacts by its own id or e-mail" in said
    assert "hub: 11 messages (10 entered, 1 suppressed) delivered" in said
    contacts: dict[str, dict[str, str]] = {}
    for taken in tool.accepted:
        for one in taken.json["inputs"]:
            contacts.setdefault(one["id"], {}).update(one["properties"])
    keys = ["segment_rule_cart_abandoners", "segment_rule_recent_buyers"]
    assert contacts["b0"] == dict.fromkeys(keys, "false")
    assert contacts["c2"] == dict.fromkeys(keys, "true")
    assert len(contacts) == 6


def test_one_message_that_fails_does_not_set_its_batch_aside(
    shop: Shop, tool: CampaignTool, capsys: pytest.CaptureFixture[str]
) -> None:
    tool.answer = lambda taken: (500 if b'"a0"' in taken.body else 200, {})
    shop.publish([pair for pair in MEMBERS if pair[1] == BUYERS])
    shop.declare(hub=webhook(tool, type="hubspot", address=tool.address))
    assert shop.deliver() == 1
    # It may have been the whole service, until it happens again.
    assert len(tool.taken) == transport.TRIES
    assert shop.deliver() == 1
    assert "hub: 8 messages (8 entered) delivered; 1 wait" in capsys.readouterr().out
    assert shop.deliver() == 1
    assert "hub: 1 set aside: answered 500" in capsys.readouterr().out
    assert len(shop.receipts()) == 8


def test_klaviyo_gets_events(shop: Shop, tool: CampaignTool) -> None:
    def checked(taken: Taken) -> Answer:
        assert taken.path == "/api/events"
        assert taken.headers["authorization"] == f"Klaviyo-API-Key {SECRET}"
        dt.date.fromisoformat(taken.headers["revision"])
        assert taken.headers["content-type"] == "application/vnd.api+json"
        event = taken.json["data"]
        assert event["type"] == "event"
        metric = event["attributes"]["metric"]["data"]
        profile = event["attributes"]["profile"]["data"]
        assert (metric["type"], profile["type"]) == ("metric", "profile")
        assert metric["attributes"]["name"] in ("Segment entered", "Segment exited")
        assert profile["attributes"].keys() == {"external_id"}
        dt.datetime.fromisoformat(event["attributes"]["time"])
        return 202, {}

    tool.answer = checked
    shop.publish([("a1", BUYERS)], [("a1", BUYERS, "entered"), ("b1", BUYERS, "exited")])
    shop.declare(mail=webhook(tool, type="klaviyo", address=tool.address))
    assert shop.deliver() == 0
    assert {one.json["data"]["attributes"]["unique_id"] for one in tool.taken} == {*shop.receipts()}


def token(text: str, seconds: int) -> list[bytes]:
    """An answer with a token, as OAuth 2.0 has it."""
    body = json.dumps(
        {"access_token": text, "token_type": "Bearer", "expires_in": seconds}
    ).encode()
    return [
        b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)
    ]


def salesforce_at(tool: CampaignTool) -> dict[str, Any]:
    here = {"address": tool.address, "token_address": f"{tool.address}/v2/token"}
    return webhook(tool, **SALESFORCE | here)


def test_salesforce_gets_rows_of_a_data_extension(
    shop: Shop, tool: CampaignTool, capsys: pytest.CaptureFixture[str]
) -> None:
    def checked(taken: Taken) -> Answer:
        if taken.path == "/v2/token":
            assert taken.json == {
                "grant_type": "client_credentials",
                "client_id": "client",
                "client_secret": SECRET,
            }
            return token("t1", 1_080)
        assert taken.path == "/hub/v1/dataevents/key:Segment%20Members/rowset"
        assert taken.headers["authorization"] == "Bearer t1"
        assert 1 <= len(taken.json) <= 50
        for row in taken.json:
            assert row.keys() == {"keys", "values"}
            assert row["keys"].keys() == {"customer_id", "segment_key"}
        return (400 if any(row["keys"]["customer_id"] == "a0" for row in taken.json) else 200), {}

    tool.answer = checked
    rows: list[Row] = [("b0", None, "suppressed"), ("z9", None, "deleted")]
    shop.publish(
        MEMBERS, [*[(*pair, "entered") for pair in MEMBERS if pair[0] < "b"], *rows], silent="b"
    )
    shop.declare(
        journeys=salesforce_at(tool) | {"segments": ["rule:*"], "fields": {"Offer": "offer"}}
    )
    assert shop.deliver() == 1
    said = capsys.readouterr().out
    assert "journeys: 2 set aside: answered 400" in said
    assert "journeys: 1 set aside: Marketing Cloud deletes contacts by its own key" in said
    assert "journeys: 11 messages (10 entered, 1 suppressed) delivered" in said
    members: dict[tuple[str, str], dict[str, str]] = {}
    for taken in tool.accepted:
        for row in taken.json:
            key = row["keys"]["customer_id"], row["keys"]["segment_key"]
            members.setdefault(key, {}).update(row["values"])
    assert {key: row["is_member"] for key, row in members.items() if key[0] in ("b0", "c2")} == {
        ("b0", ABANDONERS): "false",
        ("b0", BUYERS): "false",
        ("c2", ABANDONERS): "true",
        ("c2", BUYERS): "true",
    }
    assert members["c2", BUYERS].keys() == {"is_member", "Offer"}
    # A suppression has no offer to set.
    assert members["b0", BUYERS].keys() == {"is_member"}
    assert sum(one.path == "/v2/token" for one in tool.taken) == 1


@pytest.mark.parametrize("seconds", [1, 3_600])
def test_a_token_is_renewed_when_it_ends_or_is_withdrawn(
    shop: Shop, tool: CampaignTool, seconds: int
) -> None:
    """One of a second is over before the next batch; one of an hour is withdrawn after a batch."""
    given: list[str] = []

    def answer(taken: Taken) -> Answer:
        if taken.path == "/v2/token":
            given.append(f"t{len(given)}")
            return token(given[-1], seconds)
        is_withdrawn = taken.headers["authorization"] == "Bearer t0" and bool(tool.accepted)
        assert is_withdrawn == (seconds == 3_600 and bool(tool.accepted) and len(given) == 1)
        return (401 if is_withdrawn else 200), {}

    tool.answer = answer
    shop.publish([("a1", ABANDONERS), ("a1", BUYERS)])
    shop.declare(journeys=salesforce_at(tool))
    assert shop.deliver() == 0
    assert given == ["t0", "t1"]
    assert len(shop.receipts()) == 2


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ((400, {}), "gave no token: answered 400"),
        ((401, {}), "gave no token: answered 401"),
        ((200, {}), "gave no token: its answer is not as OAuth 2.0 describes"),
        (token("line\nbreak", 60), "gave no token: its answer is not as OAuth 2.0 describes"),
    ],
)
def test_without_a_token_all_messages_wait(
    shop: Shop,
    tool: CampaignTool,
    capsys: pytest.CaptureFixture[str],
    answer: Answer,
    expected: str,
) -> None:
    tool.answer = lambda _: answer
    shop.publish([("a1", BUYERS)])
    shop.declare(journeys=salesforce_at(tool))
    assert shop.deliver() == 1
    said = capsys.readouterr().out
    assert f"1 wait for the next run, since it {expected}" in said
    assert len(tool.taken) == 1


def test_adobe_gets_experience_events(shop: Shop, tool: CampaignTool) -> None:
    schema = {
        "id": "https://ns.adobe.com/acme/schemas/1",
        "contentType": "application/vnd.adobe.xed-full+json;version=1",
    }

    def checked(taken: Taken) -> Answer:
        if taken.path == "/ims/token/v3":
            assert taken.headers["content-type"] == "application/x-www-form-urlencoded"
            assert parse_qs(taken.body.decode()) == {
                "grant_type": ["client_credentials"],
                "client_id": ["client"],
                "client_secret": [SECRET],
                "scope": ["openid,AdobeID"],
            }
            return token("t1", 86_399)
        assert taken.path == "/collection/c0ffee"
        assert taken.headers["authorization"] == "Bearer t1"
        assert taken.headers["x-sandbox-name"] == "prod"
        assert taken.json.keys() == {"header", "body"}
        assert taken.json["header"] == {
            "schemaRef": schema,
            "imsOrgId": "acme@AdobeOrg",
            "datasetId": "d1",
            "source": {"name": "customer_segmentation"},
        }
        assert taken.json["body"]["xdmMeta"] == {"schemaRef": schema}
        event = taken.json["body"]["xdmEntity"]
        assert event.keys() == {"_id", "timestamp", "eventType", "identityMap", "_acme"}
        assert dt.datetime.fromisoformat(event["timestamp"]).tzinfo
        (identity,) = event["identityMap"]["customer_id"]
        assert identity["primary"] is True
        assert event["_acme"]["segmentation"]["customer_id"] == identity["id"]
        assert event["eventType"] == "segment." + event["_acme"]["segmentation"]["message"]
        return 200, {}

    tool.answer = checked
    shop.publish([("a1", BUYERS)], [("a1", BUYERS, "entered"), ("b1", BUYERS, "exited")])
    shop.declare(
        platform={
            **webhook(tool, type="adobe", address=f"{tool.address}/collection/c0ffee"),
            "token_address": f"{tool.address}/ims/token/v3",
            "client_id": "client",
            "scope": "openid,AdobeID",
            "organisation": "acme@AdobeOrg",
            "sandbox": "prod",
            "dataset": "d1",
            "schema": schema["id"],
            "tenant": "acme",
        }
    )
    assert shop.deliver() == 0
    sent = {one.json["body"]["xdmEntity"]["_id"] for one in tool.accepted}
    assert sent == {*shop.receipts()}


def test_while_there_is_no_token_messages_wait_however_often(
    shop: Shop, tool: CampaignTool, capsys: pytest.CaptureFixture[str]
) -> None:
    tool.answer = lambda taken: ((503 if taken.path == "/v2/token" else 200), {})
    shop.publish([("a1", BUYERS)])
    shop.declare(journeys=salesforce_at(tool))
    for _ in range(4):
        assert shop.deliver() == 1
    said = capsys.readouterr().out
    assert "set aside" not in said
    assert said.count("1 wait for the next run") == 4
