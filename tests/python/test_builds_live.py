"""Live profiles of a small shop against builds from the same raw rows."""

from __future__ import annotations

import base64
import datetime as dt
import functools
import json
import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import duckdb
import live_shop
import pytest
import redis
import urllib3
from campaign_tool import campaign_tool
from conftest import (
    ROOT,
    VARS,
    Build,
    Workshop,
    as_a_user_without_rights,
    open_folder,
    scenario,
)
from kafka_cluster import Cluster
from other_processes import free_port

from customer_segmentation.erasure.search import Traces, hits_in_bytes, hits_in_tables
from customer_segmentation.input.contract import read_contract
from customer_segmentation.input.tombstones import keyed_reference
from customer_segmentation.live.errors import LiveError
from customer_segmentation.live.follow import Stop, until_replaced
from customer_segmentation.live.messages import Record
from customer_segmentation.live.models import COMPUTED, Compiled, Models, take_snapshot
from customer_segmentation.live.profiles import Batch, Profiles
from customer_segmentation.live.state import NewBuild, State, read_live, run_of, state_file

CONTRACT = read_contract(ROOT / "models/staging/_input__sources.yml")
# A rule with stay_until reads what earlier builds tried.
REGULARS = {"metric": "orders", "window_days": 60, "at_least": 2}
REGULARS["stay_until"] = REGULARS | {"at_least": 1}
RULES = {"rule_segments": {**VARS["rule_segments"], "regulars": REGULARS}}
NEWS = live_shop.news(live_shop.shop(), seed=1)


@dataclass
class Shop:
    """A shop that was built, followed by the stream, and built again from all rows.

    home: The folder as it was after the first build.
    project: That of dbt.
    """

    folder: Path
    home: Path
    manifest: dict[str, Any]
    loaded: Build
    built: Build
    project: Path

    @property
    def snapshot(self) -> Path:
        return self.folder / "snapshot.duckdb"


def fields(message: live_shop.Message) -> dict[str, str]:
    table, record = message
    return {"table": table, "record": json.dumps(record)}


def stream(messages: Sequence[live_shop.Message]) -> list[tuple[str, dict[str, str]]]:
    """As a broker would deliver them."""
    return [(f"{1000 + n}-0", fields(message)) for n, message in enumerate(messages)]


@contextmanager
def profiles(
    file: Path, snapshot: Path, manifest: dict[str, Any], as_of: dt.date | None = None
) -> Iterator[Any]:
    with State(file) as state:
        models = Models(snapshot, Compiled(manifest), as_of)
        new = NewBuild("first", models.as_of.isoformat(), "0-0")
        made = Profiles(state, models, CONTRACT)
        made.recall(None if state.build() else new)
        yield made, state


@scenario()
def shop(workshop: Workshop) -> Shop:
    """Built, followed by the stream, and built again from what was loaded and streamed."""
    folder = workshop.folder("live")
    rows = live_shop.shop()
    variables = live_shop.VARS | RULES
    loaded = workshop.build(folder, live_shop.frames(rows), variables, with_artifacts=True).passed()
    manifest = json.loads((folder / "target" / "manifest.json").read_text())
    working = folder / "warehouse" / "trial.duckdb"
    take_snapshot(working, folder / "snapshot.duckdb", Compiled(manifest))
    home = folder.with_name("live_loaded")
    shutil.copytree(folder, home)
    with profiles(state_file(working), folder / "snapshot.duckdb", manifest) as (live, _):
        for message in range(0, len(NEWS), 40):
            live.take(stream(NEWS)[message : message + 40])
    built = workshop.build(folder, live_shop.frames(rows + NEWS), variables).passed()
    return Shop(folder, home, manifest, loaded, built, workshop.builder.project)


# A day of the same month, on which rules with a window of 30 or 60 days have lost members.
LATER = dt.date(2024, 5, 29)
PEOPLE = 60


FEW = [message for message in NEWS if live_shop.person_of(message) < 20]


@scenario()
def later(workshop: Workshop) -> Build:
    """Built nine days later, when only twenty people had done anything."""
    rows = live_shop.shop() + FEW
    variables = live_shop.VARS | RULES | {"as_of": LATER.isoformat()}
    return workshop.build(workshop.folder("live_later"), live_shop.frames(rows), variables).passed()


def state_of(file: Path) -> tuple[Any, Any]:
    with State(file) as state:
        return state.all_memberships(), state.outbox()


def live_state(shop: Shop, tmp_path: Path, batches: Sequence[Any]) -> State:
    file = tmp_path / "trial.sqlite"
    with profiles(file, shop.snapshot, shop.manifest) as (live, _):
        for batch in batches:
            live.take(batch)
    return State(file)


def test_live_memberships_are_those_of_a_build_from_the_same_rows(shop):
    compared = shop.built.query("select * from monitoring.live_reconciliation")
    assert compared["is_comparable"].all()
    assert compared["in_both"].sum() > 300
    assert compared[compared["only_live"] + compared["only_built"] > 0].empty, compared.to_string()


# Whose a reference is, when parameters are fitted and on what, and order lines wait for the build.
AS_OF_THE_BUILD = re.compile(
    "int_identity__.*|int_periods.*|int_staging__(calendar|email_references)|(base_|stg_|)customers|"
    "int_facts__(lines|touchpoints|tickets|ticket_terms)|int_value__model.*|"
    "int_segmentation__(.*_(fit|sample|outcomes|parameters)|cutpoints|spend_breaks)|"
    "int_segmentation__prediction_scores"
)


def test_every_model_between_messages_and_memberships_is_computed_or_named_here(shop):
    reads = {
        node["name"]: {
            one.split(".")[-1] for one in node["depends_on"]["nodes"] if one.startswith("model.")
        }
        for node in shop.manifest["nodes"].values()
        if node["resource_type"] == "model"
    }

    @functools.cache
    def ancestors(name: str) -> set[str]:
        return {name}.union(*(ancestors(one) for one in reads[name]))

    above = ancestors("int_segmentation__memberships")
    between = {one for one in above if ancestors(one) & {"base_orders", "base_events"}}
    assert set(COMPUTED) <= above | {"int_features__treated"}
    assert [one for one in between - {*COMPUTED} if not AS_OF_THE_BUILD.fullmatch(one)] == []


def test_entries_and_exits_have_the_ids_that_the_build_gives_them(shop):
    _, outbox = state_of(state_file(shop.folder / "warehouse" / "trial.duckdb"))
    built = dict(
        shop.built.rows(
            "select change_id, change from segment_changes where changed_on = '2024-05-20'"
        )
    )
    with duckdb.connect(str(shop.home / "published/segments.duckdb"), read_only=True) as loaded:
        before = {
            (customer, segment)
            for customer, segment in loaded.execute(
                "select customer_id, segment_key from segment_memberships"
            ).fetchall()
        }
    now = set(shop.built.rows("select customer_id, segment_key from segment_memberships"))
    assert {entry.message for entry in outbox} == {"entered", "exited"}
    last = {(entry.customer_id, entry.segment_key): entry for entry in outbox}
    for pair, entry in last.items():
        assert entry.message == ("entered" if pair in now else "exited")
        assert json.loads(entry.payload)["change_id"] == entry.change_id
    # A later message may have undone a change.
    assert now ^ before <= last.keys()
    assert sum(entry.change_id in built for entry in last.values()) > 10


def test_on_a_later_day_everyone_is_as_a_build_of_that_day(shop, later, tmp_path):
    file = tmp_path / "trial.sqlite"
    with profiles(file, shop.snapshot, shop.manifest, LATER) as (live, _):
        assert live.behind == PEOPLE
        live.take(stream(FEW))
    # A restart before the others were computed.
    changes = 0
    with profiles(file, shop.snapshot, shop.manifest, LATER) as (live, _):
        assert PEOPLE / 2 < live.behind < PEOPLE
        while live.behind:
            changes += live.catch_up().changes
    assert changes > 5
    now, outbox = state_of(file)
    built = later.rows("select customer_id, segment_key from segment_memberships order by 1, 2")
    assert now == built
    assert any(entry.message == "exited" for entry in outbox)


@pytest.mark.parametrize("seed", range(3))
def test_order_repeats_and_the_size_of_batches_do_not_matter(shop, tmp_path, seed):
    rng = random.Random(seed)
    messages = stream(NEWS)
    messages += rng.sample(messages, len(messages) // 4)
    rng.shuffle(messages)
    cuts = sorted(rng.sample(range(len(messages)), 6))
    batches = [
        messages[start:end] for start, end in zip([0, *cuts], [*cuts, len(messages)], strict=True)
    ]
    file = tmp_path / "trial.sqlite"
    with profiles(file, shop.snapshot, shop.manifest) as (live, _):
        for batch in batches[:3]:
            live.take(batch)
    # A restart, after which the broker delivers the last batch again.
    with profiles(file, shop.snapshot, shop.manifest) as (live, _):
        for batch in batches[2:]:
            live.take(batch)
    expected, _ = state_of(state_file(shop.folder / "warehouse" / "trial.duckdb"))
    assert state_of(file)[0] == expected


def test_profiles_are_computed_again_from_the_log(shop, tmp_path):
    file = tmp_path / "trial.sqlite"
    shutil.copy(state_file(shop.folder / "warehouse" / "trial.duckdb"), file)
    before, _ = state_of(file)
    with profiles(file, shop.snapshot, shop.manifest) as (live, state):
        live.recall(NewBuild("second", live_shop.AS_OF, "0-0"))
        assert state.build() == ("second", live_shop.AS_OF)
    assert state_of(file)[0] == before


def test_poisoned_messages_are_counted_and_change_nothing(shop, tmp_path):
    order = {"order_id": "x1", "customer_ref": "c1", "ordered_at": "2024-05-02", "amount": 5}
    poison = {
        "malformed_json": {"table": "orders", "record": '{"order_id": '},
        "unknown_table": {"table": "customers", "record": "{}"},
        "unknown_column": {"table": "orders", "record": json.dumps(order | {"e_mail": "a@b.c"})},
        "wrong_type": {"table": "orders", "record": json.dumps(order | {"amount": [5]})},
        "too_large": {"table": "orders", "record": json.dumps(order | {"coupon": "x" * 70_000})},
        "impossible_date": fields(("orders", order | {"ordered_at": "tomorrow"})),
        "invalid_amount": fields(("orders", order | {"amount": "NaN"})),
        "missing_order_id": fields(("orders", order | {"order_id": None})),
        "future_date": fields(("orders", order | {"ordered_at": "2087-01-01"})),
        "unknown_reference": fields(("orders", order | {"customer_ref": "stranger"})),
        "missing_event_type": fields(("events", {"event_id": "x2", "occurred_at": "2024-05-02"})),
        "trimmed": {},
    }
    file = tmp_path / "trial.sqlite"
    with profiles(file, shop.snapshot, shop.manifest) as (live, state):
        live.take([(f"{n}-0", message) for n, message in enumerate(poison.values(), start=1)])
        assert state.reasons() == dict.fromkeys(sorted(poison), 1)
        assert (state.all_memberships(), state.outbox()) == ([], [])
        named = order | {"customer_ref": "jane@example.com"}
        live.take([("99-0", fields(("orders", named)))])
        assert state.reasons()["unknown_reference"] == 2
    written = file.read_bytes()
    assert b"a@b.c" not in written
    assert b"jane" not in written
    assert b"xxxxxxxxxx" not in written


def test_a_message_about_an_erased_customer_is_counted_and_not_kept(shop, tmp_path):
    snapshot = tmp_path / "snapshot.duckdb"
    shutil.copy(shop.snapshot, snapshot)
    with duckdb.connect(str(snapshot)) as build:
        for reference in ("gone", "visitor device_gone"):
            row = [keyed_reference("default", reference), None, live_shop.AS_OF]
            build.execute("insert into staging.stg_tombstones values (?, ?, ?)", row)
    order = {"order_id": "x1", "customer_ref": "gone", "ordered_at": "2024-05-02", "amount": 5}
    event = {"event_id": "x2", "anonymous_id": "device_gone", "occurred_at": "2024-05-02"}
    file = tmp_path / "trial.sqlite"
    with profiles(file, snapshot, shop.manifest) as (live, state):
        live.take(stream([("orders", order), ("events", event | {"event_type": "page_view"})]))
        assert state.reasons() == {"erased_customer": 2}
        assert list(state.records()) == []
    assert b"gone" not in file.read_bytes()


# --- Secrets -----------------------------------------------------------------------------------

# As they are given, by variable of the environment.
SECRETS = {
    "SEGMENTATION_HASH_KEY": os.environ["SEGMENTATION_HASH_KEY"],  # that the shop was built with
    "CRM_SECRET": "whsec_c2VjcmV0IG9mIHRoZSBjcm0sIDMyIGJ5dGVzLg==",
    "HUB_KEY": "pat-na1-f3b1c7d2-hub",
    "WEB_SHOP_KEY": "0f4c1b7e9a2d4c1b7e9a2d4c1b7e9a2d",
    "BROKER_PASSWORD": "p@ss/word of the broker",
    "CHAT_TOKEN": "T024BE7LD-B024BE7LE-chat-token",
    "TOOL_TOKEN": "token-in-an-address",
}


def forms(secret: str) -> set[str]:
    """How a log, a page or a header might have it."""
    encoded = base64.b64encode(secret.encode()).decode().rstrip("=")
    decoded = [base64.b64decode(secret[6:]).decode()] if secret.startswith("whsec_") else []
    return {secret, quote(secret, safe=""), secret.encode().hex(), encoded, *decoded}


def test_no_secret_is_in_anything_that_is_written_or_printed(shop, broker, tmp_path):
    """A build, live profiles, deliveries, the service, alerts and pages, each also as it fails."""
    folder = tmp_path / "shop"
    shutil.copytree(shop.home, folder)
    broker.client.config_set("requirepass", SECRETS["BROKER_PASSWORD"])
    broker.client = redis.Redis(port=broker.port, password=SECRETS["BROKER_PASSWORD"])
    broker.send(map(fields, NEWS[:40]))
    said = [shop.loaded.output]

    def run(*arguments: str, status: int | None = 0, **changed: str) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "customer_segmentation.cli", *arguments],
            cwd=folder,
            env=environment | changed,
            capture_output=True,
            text=True,
            check=False,
        )
        said.extend([done.stdout, done.stderr])
        assert done.returncode == status, (arguments, done.stderr[-2000:])
        assert "Traceback" not in done.stderr, done.stderr[-2000:]

    with campaign_tool() as tool:
        tool.answer = lambda taken: (
            400 if "hub" in taken.path or "chat" in taken.path else 204,
            {},
        )
        password = quote(SECRETS["BROKER_PASSWORD"], safe="")
        environment = {
            **os.environ,
            **SECRETS,
            "REDIS_URL": f"redis://:{password}@127.0.0.1:{broker.port}",
            "CHAT_ADDRESS": f"{tool.address}/chat/{SECRETS['CHAT_TOKEN']}",
        }
        crm = {"type": "webhook", "address": f"{tool.address}/crm", "secret": "CRM_SECRET"}
        hub = {
            "type": "hubspot",
            "address": f"{tool.address}/{SECRETS['TOOL_TOKEN']}",
            "secret": "HUB_KEY",
        }
        gone = hub | {"address": f"http://127.0.0.1:{free_port()}/{SECRETS['TOOL_TOKEN']}"}
        declared = {"crm": crm, "hub": hub, "gone": gone}
        few = {"segments": ["rule:two_orders_90d"], "per_second": 1_000}
        declared = {name: one | few for name, one in declared.items()}
        settings = {
            "destinations.yml": {"destinations": declared},
            "readers.yml": {"readers": {"web_shop": {"key": "WEB_SHOP_KEY"}}},
        }
        for name, content in settings.items():
            (folder / name).write_text(json.dumps(content))
        live = ["live", "--contract", str(ROOT / "models/staging/_input__sources.yml")]
        run(*live, "--until-empty")
        run(
            *live,
            "--until-empty",
            status=2,
            REDIS_URL=f"redis://:{password}x@127.0.0.1:{broker.port}",
        )
        run(*live, status=2, REDIS_URL=f"redis://:{SECRETS['BROKER_PASSWORD']}@broker")
        run("deliver", status=1)
        run("deliver", status=2, CRM_SECRET=SECRETS["HUB_KEY"])
        run("deliver", status=2, HUB_KEY=f"{SECRETS['HUB_KEY']}\n€")
        # A secret in the place of its variable's name.
        (folder / "slip.yml").write_text(f"readers: {{shop: {{key: {SECRETS['WEB_SHOP_KEY']}}}}}")
        run("serve", "--readers", "slip.yml", status=2)
        (folder / "slip.yml").write_text(f"destinations: {{crm: *{SECRETS['HUB_KEY']}}}")
        run("deliver", "--destinations", "slip.yml", status=2)
        (folder / "slip.yml").unlink()
        run("alert", "--hours", "0", "--webhook", "CHAT_ADDRESS", status=2)
        run("alert", "--hours", "0", "--webhook", SECRETS["CHAT_TOKEN"], status=2)
        for command in ("explore", "summary", "check-audit", "vars"):
            run(command)
        run("export", "rule:two_orders_90d")
        ask_service(folder, environment, said)
    assert {one.headers.get("authorization") for one in tool.taken} >= {
        f"Bearer {SECRETS['HUB_KEY']}"
    }

    files = [
        one
        for one in folder.rglob("*")
        if one.is_file() and one.name not in ("destinations.yml", "readers.yml")
    ]
    content = {one: one.read_bytes() for one in files} | {Path("printed"): "".join(said).encode()}
    for name, secret in SECRETS.items():
        for form in forms(secret):
            held = [str(one) for one, text in content.items() if form.encode() in text]
            assert held == [], name
    # The same search finds what is there.
    for word in (b"rule:two_orders_90d", b"web_shop", b"page_view"):
        assert [one for one, text in content.items() if word in text], word
    # Bytes of a database are compressed.
    looked = Traces(
        frozenset(), tuple(form for one in SECRETS.values() for form in forms(one)), (), ()
    )
    control = Traces(frozenset(), ("two_orders_90d",), (), ())
    databases = [one for one in files if one.suffix == ".duckdb"]
    assert len(databases) == 4
    for database in databases:
        assert hits_in_tables(database, looked) == {}
        assert hits_in_tables(database, control)


def ask_service(folder: Path, environment: dict[str, str], said: list[str]) -> None:
    """Starts the service, asks with a right and a wrong key, and ends it."""
    port = free_port()
    command = [sys.executable, "-m", "customer_segmentation.cli", "serve", "--port", str(port)]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    service = subprocess.Popen(command, cwd=folder, env=environment, **pipes)
    key = environment["WEB_SHOP_KEY"]
    patience = urllib3.Retry(total=None, connect=120, backoff_factor=0.5, backoff_max=1)
    try:
        for wrong in ("", "x"):
            for path in ("v1/segments", f"v1/customers/{key}", "metrics", "openapi.json", "none"):
                answer = urllib3.request(
                    "GET",
                    f"http://127.0.0.1:{port}/{path}",
                    headers={"authorization": f"Bearer {key}{wrong}"},
                    retries=patience,
                )
                said.append(answer.data.decode())
    finally:
        service.terminate()
        said.extend(service.communicate())


# --- With a broker -----------------------------------------------------------------------------


class Broker:
    """A Redis of the test's own, which keeps what it acknowledged when it is killed."""

    def __init__(self, folder: Path) -> None:
        self.port, self._folder = free_port(), folder
        self.client = redis.Redis(port=self.port)
        self.start()

    def start(self) -> None:
        options = ["--port", str(self.port), "--dir", str(self._folder), "--save", ""]
        options += ["--appendonly", "yes", "--appendfsync", "always", "--bind", "127.0.0.1"]
        self._process = subprocess.Popen(["redis-server", *options], stdout=subprocess.DEVNULL)
        while True:
            with suppress(redis.ConnectionError):
                self.client.ping()
                return
            time.sleep(0.05)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def send(self, messages: Iterable[dict[Any, Any]]) -> None:
        """At least once: after an error it is not known whether the broker has the message."""
        for message in messages:
            while True:
                try:
                    self.client.xadd("raw", message)
                    break
                except redis.ConnectionError:
                    time.sleep(0.05)


@pytest.fixture
def broker(tmp_path):
    if not shutil.which("redis-server"):
        pytest.skip("redis-server is missing. Install it: apt-get install redis-server")
    one = Broker(tmp_path)
    yield one
    one.kill()


@pytest.fixture
def follower(shop, broker, tmp_path):
    return following(shop, tmp_path / "shop", REDIS_URL=f"redis://127.0.0.1:{broker.port}")


def following(
    shop: Shop, folder: Path, **address: str
) -> tuple[Path, Callable[..., subprocess.Popen[str]]]:
    """Starts `live` as a process in a copy of the shop as it was loaded."""
    shutil.copytree(shop.home, folder)
    command = [sys.executable, "-m", "customer_segmentation.cli", "live"]
    command += ["--contract", str(ROOT / "models/staging/_input__sources.yml")]

    def start(*arguments: str) -> subprocess.Popen[str]:
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        environment = {**os.environ, **address}
        return subprocess.Popen([*command, *arguments], cwd=folder, env=environment, **pipes)

    return folder, start


def expected_of(shop: Shop) -> Any:
    return state_of(state_file(shop.folder / "warehouse" / "trial.duckdb"))[0]


def test_a_follower_and_a_broker_that_are_killed_lose_nothing(shop, broker, follower):
    folder, start = follower
    rng = random.Random(5)
    writer = threading.Thread(target=lambda: broker.send(dripping(NEWS)))
    writer.start()
    for _ in range(4):
        process = start()
        time.sleep(rng.uniform(2, 8))
        process.kill()
        process.communicate()
        if rng.random() < 0.5:
            broker.kill()
            broker.start()
    writer.join()
    assert_it_comes_to_the_same(shop, folder, start)
    assert broker.client.xpending("raw", "customer_segmentation:trial")["pending"] == 0


def assert_it_comes_to_the_same(shop, folder, start):
    """Without references of customers in what it prints."""
    said, log = start("--until-empty").communicate()
    assert " memberships changed" in said, log
    state = state_file(folder / "warehouse" / "trial.duckdb")
    assert state_of(state)[0] == expected_of(shop)
    assert not any(reference in said + log for reference in ("c1", "device", "o100"))


def test_a_follower_of_a_kafka_topic_comes_to_the_same(shop, tmp_path):
    cluster = Cluster()
    settings = str(cluster.settings(tmp_path / "client.properties"))
    folder, start = following(shop, tmp_path / "shop", KAFKA_CONFIG=settings)
    half = len(NEWS) // 2
    for part in (NEWS[:half], NEWS[half:]):
        cluster.send((one["record"].encode(), {"table": one["table"]}) for one in map(fields, part))
        process = start()
        wait_for_profiles(process)
        time.sleep(random.Random(half).uniform(3, 6))
        process.kill()
        process.communicate()
    assert_it_comes_to_the_same(shop, folder, start)


def dripping(messages: Sequence[live_shop.Message]) -> Iterator[dict[str, str]]:
    for message in messages:
        time.sleep(0.02)
        yield fields(message)


def test_without_its_state_the_stream_is_read_again(shop, broker, follower):
    folder, start = follower
    broker.send(map(fields, NEWS))
    broker.send([{"table": b"\xff", "record": b"{}"}, {"table": "orders", "record": b'{"\xff":1}'}])
    for _ in range(2):
        said, log = start("--until-empty").communicate()
        assert said.startswith(f"{len(NEWS) + 2} messages"), said + log
        assert "1 without effect since the build: unknown_table" in said
        state = state_file(folder / "warehouse" / "trial.duckdb")
        assert state_of(state)[0] == expected_of(shop)
        shutil.rmtree(state.parent)


def wait_for_profiles(process: subprocess.Popen[str]) -> None:
    assert process.stderr
    for line in process.stderr:
        if "Profiles as of" in line:
            return
    raise AssertionError("the process ended")


def test_a_follower_starts_again_from_the_next_build(shop, broker, follower):
    folder, start = follower
    broker.send(map(fields, NEWS))
    start("--until-empty").communicate()
    state = state_file(folder / "warehouse" / "trial.duckdb")
    with State(state) as before:
        run, _ = before.build()
    process = start()
    wait_for_profiles(process)
    as_a_build_leaves_them(folder)
    wait_for_profiles(process)
    process.kill()
    process.communicate()
    assert state_of(state)[0] == expected_of(shop)
    with State(state) as after:
        assert after.build()[0] != run


def as_a_build_leaves_them(folder: Path) -> None:
    """The published file, then the results."""
    os.utime(folder / "published" / "segments.duckdb")
    time.sleep(0.05)
    os.utime(folder / "target" / "run_results.json")


def test_what_the_next_build_does_not_confirm_is_undone(broker, follower):
    folder, start = follower
    broker.send(map(fields, NEWS))
    start("--until-empty").communicate()
    state = state_file(folder / "warehouse" / "trial.duckdb")
    sent: dict[tuple[str, str], list[str]] = {}
    for entry in read_live(state).outbox:
        sent.setdefault((entry.customer_id, entry.segment_key), []).append(entry.message)
    # As if the raw data of the next build lacked what the stream had.
    with closing(sqlite3.connect(state)) as connection, connection:
        connection.execute("delete from messages")
    as_a_build_leaves_them(folder)
    start("--until-empty").communicate()
    undone = {
        (entry.customer_id, entry.segment_key): entry.message for entry in read_live(state).outbox
    }
    opposite = {"entered": "exited", "exited": "entered"}
    # A pair that was sent both ways is back where the build has it.
    assert undone == {
        pair: opposite[messages[-1]] for pair, messages in sent.items() if len(messages) % 2
    }
    assert {*undone.values()} == {"entered", "exited"}


def test_a_message_that_was_trimmed_while_it_waited_has_a_reason(broker, follower):
    _, start = follower
    broker.send(map(fields, NEWS[:3]))
    group = "customer_segmentation:trial"
    broker.client.xgroup_create("raw", group, id="0")
    # Delivered to a process that was killed before it took them in.
    broker.client.xreadgroup(group, "live", {"raw": ">"}, count=2)
    broker.client.xtrim("raw", maxlen=1, approximate=False)
    said, log = start("--until-empty").communicate()
    assert said.startswith("3 messages"), said + log
    assert "2 without effect since the build: trimmed" in said
    assert "unknown_table" not in said


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_a_follower_that_is_stopped_says_what_it_did(shop, broker, follower, sign):
    folder, start = follower
    state = state_file(folder / "warehouse" / "trial.duckdb")
    process = start()
    wait_for_profiles(process)
    broker.send(map(fields, NEWS))
    # Until it takes a batch in, which lasts a second.
    while not broker.client.xpending("raw", "customer_segmentation:trial")["pending"]:
        time.sleep(0.01)
    process.send_signal(sign)
    said, log = process.communicate(timeout=60)
    assert process.returncode == 0, log
    with State(state) as stopped:
        assert stopped.messages() > 0
        assert said.startswith(f"{stopped.messages()} messages, "), said
    assert "Traceback" not in log
    start("--until-empty").communicate()
    assert state_of(state_file(folder / "warehouse" / "trial.duckdb"))[0] == expected_of(shop)


@pytest.mark.parametrize("work", ["take", "catch_up"])
def test_work_during_which_the_follower_is_stopped_is_counted(shop, tmp_path, monkeypatch, work):
    whole = getattr(Profiles, work)

    def stopped_meanwhile(*arguments: Any) -> Batch:
        signal.raise_signal(signal.SIGTERM)
        return whole(*arguments)

    monkeypatch.setattr(Profiles, work, stopped_meanwhile)
    published = shop.folder / "published" / "segments.duckdb"
    batches = iter([stream(NEWS)[:5] if work == "take" else []])
    stop = Stop()
    with (
        profiles(tmp_path / "trial.sqlite", shop.snapshot, shop.manifest, LATER) as (live, _),
        stop.handled(),
    ):
        stop.after_the_batch()
        done = until_replaced(run_of(published), batches, live, published, shop.folder, stop)
        assert next(done).messages == (5 if work == "take" else 0)
        with pytest.raises(KeyboardInterrupt):
            next(done)


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_a_follower_that_is_stopped_while_it_loads_ends_at_once(shop, broker, follower, sign):
    folder, start = follower
    broker.send(map(fields, NEWS))
    process = start()
    draft = folder / "live" / ".trial.duckdb.draft"
    while not draft.exists():
        time.sleep(0.01)
    process.send_signal(sign)
    _, log = process.communicate(timeout=10)
    assert process.returncode == -sign
    assert "Traceback" not in log
    start("--until-empty").communicate()
    assert state_of(state_file(folder / "warehouse" / "trial.duckdb"))[0] == expected_of(shop)
    assert not draft.exists()


def test_a_folder_of_another_user_is_said_in_one_line(tmp_path):
    with open_folder() as folder:
        file = folder / "live" / "trial.sqlite"
        file.parent.mkdir(mode=0o700)
        with as_a_user_without_rights():
            for use in (State, read_live):
                with pytest.raises(
                    LiveError, match=r"can't be used: .* run it as the user"
                ) as said:
                    use(file)
                assert len(str(said.value).splitlines()) == 1
    file = tmp_path / "trial.sqlite"
    with closing(sqlite3.connect(file)) as other:
        other.execute("create table other (x)")
    with pytest.raises(LiveError, match="is not the state of live profiles"):
        read_live(file)


def test_what_is_forgotten_leaves_no_byte_in_the_state(tmp_path):
    rng, file = random.Random(3), tmp_path / "trial.sqlite"
    messages = {f"{rng.randrange(10**9)}-0": f"person{number:05}" for number in range(3_000)}
    gone = dict(rng.sample(sorted(messages.items()), 1_000))
    with State(file) as state:
        for start in range(0, 3_000, 50):
            batch = list(messages.items())[start : start + 50]
            long = "x" * rng.randrange(300)
            state.begin()
            state.note(
                (i, Record("orders", {"customer_ref": who + long}), None) for i, who in batch
            )
            state.commit()
        state.begin()
        state.start_from("next", "2024-05-20", "0-0")
        state.judge((i, "erased_customer", False) for i in gone)
        state.commit()

    def held() -> set[str]:
        content = b"".join(one.read_bytes() for one in tmp_path.iterdir())
        return {who for who in messages.values() if who.encode() in content}

    stay = {*messages.values()} - {*gone.values()}
    # As a process leaves it that is killed after the commit.
    assert held() > stay
    with State(file) as state:
        state.rewrite_if_due()
        # While it is open, in the file and its log.
        assert held() == stay


def test_a_state_that_was_not_rewritten_is_at_the_next_start(shop, tmp_path):
    file = tmp_path / "trial.sqlite"
    with live_state(shop, tmp_path, [stream(FEW)]) as state:
        state.begin()
        state.start_from("first", "2024-05-20", "0-0")
        state.commit()

    def is_due() -> bool:
        with closing(sqlite3.connect(file)) as connection:
            marks = connection.execute("select * from sqlite_schema where name = 'rewrite_due'")
            return bool(marks.fetchall())

    assert is_due()
    with profiles(file, shop.snapshot, shop.manifest):
        assert not is_due()


def test_a_state_that_is_read_meanwhile_is_rewritten_later(tmp_path, caplog):
    file = tmp_path / "trial.sqlite"
    with State(file) as state, closing(sqlite3.connect(file, isolation_level=None)) as reader:
        state.begin()
        state.start_from("next", "2024-05-20", "0-0")
        state.commit()
        reader.execute("begin")
        reader.execute("select * from messages").fetchall()
        state.rewrite_if_due()
        assert "another process is reading it. The next run tries again." in caplog.text
        caplog.clear()
        reader.execute("rollback")
        state.rewrite_if_due()
        state.rewrite_if_due()
        assert not caplog.messages


# --- Erasure -----------------------------------------------------------------------------------


def rows_of(file: Path, sql: str) -> list[Any]:
    with duckdb.connect(str(file), read_only=True) as connection:
        return connection.execute(sql).fetchall()


def test_an_erasure_leaves_nothing_of_the_customer_in_live_profiles(shop, broker, follower):
    folder, start = follower
    working = folder / "warehouse" / "trial.duckdb"
    state, snapshot = state_file(working), state_file(working).with_suffix(".duckdb")
    broker.send(map(fields, NEWS))
    start("--until-empty").communicate()
    keys = {
        int(reference[1:]): (customer, key)
        for reference, customer, key in rows_of(
            working,
            "select customer_ref, customer_id, customer_key from identity.int_identity__references "
            "inner join identity.int_identity__customers_resolved using (customer_key)",
        )
        if re.fullmatch("c[0-9]+", reference)
    }
    streamed = {int(row["customer_ref"][1:]) for table, row in NEWS if table == "orders"}
    sent = {entry.customer_id for entry in read_live(state).outbox}
    # Of two digits, so that no other reference begins with theirs.
    gone, stays = [n for n in sorted(streamed) if n >= 10 and keys[n][0] in sent][:2]

    def traces(number: int) -> Traces:
        customer, key = keys[number]
        rows = [row for _, row in NEWS if row["customer_ref"] == f"c{number}"]
        # Of six digits, those of new orders.
        orders = {row["order_id"] for row in rows if len(row.get("order_id", "")) > 6}
        words = (f"device{number}", f'"c{number}"', *sorted(orders))
        return Traces(frozenset({f"c{number}", *words}), words, (customer,), (key,))

    def held(number: int) -> tuple[int, int]:
        files = [one for one in state.parent.iterdir() if one != snapshot]
        in_bytes = sum(hits_in_bytes(one, traces(number), with_ids=True) for one in files)
        return in_bytes, sum(hits_in_tables(snapshot, traces(number)).values())

    assert min(*held(gone), *held(stays)) > 2
    project = os.environ | {
        "CUSTOMER_REF": f"c{gone}",
        "DBT_PROJECT_DIR": str(shop.project),
        "DBT_PROFILES_DIR": str(shop.project),
        "DBT_TARGET_PATH": str(folder / "target"),
        "DBT_LOG_PATH": str(folder / "logs"),
    }
    erase = [sys.executable, "-m", "customer_segmentation.cli", "erase"]
    erased = subprocess.run(
        erase, cwd=folder, env=project, capture_output=True, text=True, check=False
    )
    assert "live/trial.sqlite names the customer until `make live`" in erased.stdout
    said, log = start("--until-empty").communicate()
    assert "without effect since the build: erased_customer" in said, log
    assert held(gone) == (0, 0)
    assert min(held(stays)) > 2
    found = read_live(state)
    ids = {customer for customer, _ in found.profiles} | {one.customer_id for one in found.outbox}
    assert keys[gone][0] not in ids
    assert keys[stays][0] in ids
    # What is in the stream still comes again, and changes nothing.
    broker.send(fields((t, r)) for t, r in NEWS if r["customer_ref"] == f"c{gone}")
    start("--until-empty").communicate()
    assert held(gone) == (0, 0)


def test_a_second_process_for_the_same_data_set_is_refused(broker, follower):
    _, start = follower
    first = start()
    wait_for_profiles(first)
    second = start("--until-empty")
    _, log = second.communicate()
    first.kill()
    first.communicate()
    assert second.returncode == 2
    assert "Another process follows this data set" in log
