"""Broker, live profiles, API and deliverer are killed at random, and nothing is lost."""

from __future__ import annotations

import http.client
import json
import os
import random
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import live_shop
import pytest
import yaml
from campaign_tool import CampaignTool, campaign_tool
from conftest import ROOT, Build, Workshop, scenario
from other_processes import free_port
from test_builds_live import Broker, broker, fields, profiles, state_of, stream

from customer_segmentation.live.models import Compiled, take_snapshot
from customer_segmentation.live.state import read_live, state_file

__all__ = ["broker"]  # a fixture

FULL = int(os.environ.get("KILLS", "1")) > 1
PEOPLE, MESSAGES, KILLS = (600, 50_000, 60) if FULL else (60, 1_000, 6)
SECRET = "whsec_" + "A" * 43 + "="
KEY = "k" * 32
_CLI = [sys.executable, "-m", "customer_segmentation.cli"]


@scenario()
def crowd(workshop: Workshop) -> Build:
    """A shop whose outbox is full."""
    rows = live_shop.shop(people=PEOPLE)
    folder = workshop.folder("crowd")
    return workshop.build(
        folder, live_shop.frames(rows), live_shop.VARS, with_artifacts=True
    ).passed()


def messages() -> list[live_shop.Message]:
    """About half of the people: the outbox of the others is known beforehand."""
    loaded = live_shop.shop(people=PEOPLE)
    made = live_shop.news(loaded, seed=3, people=PEOPLE // 2, size=MESSAGES)
    about = [message for message in made if live_shop.person_of(message) < PEOPLE // 2]
    assert len(about) >= MESSAGES
    return about[:MESSAGES]


@dataclass
class Service:
    """A process that is started again whenever it ends.

    It is at work once its log has the words `ready`.
    """

    command: Sequence[str]
    folder: Path
    environment: dict[str, str]
    log: Path
    ready: bytes = b""
    begin: int = 0
    process: subprocess.Popen[bytes] | None = None
    codes: list[int] = field(default_factory=list)

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.begin = log.tell()
            self.process = subprocess.Popen(
                [*_CLI, *self.command],
                cwd=self.folder,
                env=self.environment,
                stdout=log,
                stderr=log,
            )

    def keep_up(self) -> None:
        if self.process is None or self.process.poll() is not None:
            if self.process:
                self.codes.append(self.process.returncode)
            self.start()

    def is_at_work(self) -> bool:
        if self.ready in self.log.read_bytes()[self.begin :]:
            return True
        assert len(self.codes) < 3 * KILLS, self.log.read_text()[-2000:]
        return False

    def kill(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait()


class Asker:
    """Asks the API about customers all the time; what it is told must be what was published."""

    def __init__(self, port: int, published: dict[str, set[str]]) -> None:
        self._port, self._published = port, published
        self.answers, self.wrong = 0, list[str]()

    def ask(self, customer: str) -> None:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self._port}/v1/customers/{customer}/segments",
            headers={"Authorization": f"Bearer {KEY}"},
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                found = {one["segment_key"] for one in json.load(answer)["segments"]}
        except urllib.error.HTTPError as error:
            self.wrong.append(f"status {error.code}")
            return
        except (OSError, ValueError, http.client.HTTPException):
            return  # killed before or while it answered
        self.answers += 1
        if found != self._published[customer]:
            self.wrong.append("other segments")

    @contextmanager
    def asking(self, rng: random.Random) -> Iterator[None]:
        ended = threading.Event()
        customers = sorted(self._published)

        def work() -> None:
            while not ended.wait(0.05):
                self.ask(rng.choice(customers))

        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


def flowing(news: Sequence[live_shop.Message]) -> Iterator[dict[str, str]]:
    """Slowly enough that live profiles are killed between and within batches."""
    for message in news:
        time.sleep(0.005 if FULL else 0.02)
        yield fields(message)


def segments_of(pairs: Sequence[tuple[str, str]], customers: Sequence[str]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {customer: set() for customer in customers}
    for customer, segment in pairs:
        found[customer].add(segment)
    return found


def receipts(folder: Path) -> list[str]:
    lines = (folder / "receipts.csv").read_text().splitlines()
    return [line.partition(",")[0] for line in lines[1:]]


def services(folder: Path, tool: CampaignTool, broker: Broker, port: int) -> dict[str, Service]:
    destination = {"type": "webhook", "address": tool.address, "segments": ["*"]}
    destination |= {"secret": "CHAOS_SECRET", "per_second": 10_000}
    (folder / "destinations.yml").write_text(yaml.safe_dump({"destinations": {"crm": destination}}))
    (folder / "readers.yml").write_text(
        "readers: {asker: {key: CHAOS_KEY, per_second: 1000}}", encoding="utf-8"
    )
    environment = {
        **os.environ,
        "REDIS_URL": f"redis://127.0.0.1:{broker.port}",
        "CHAOS_SECRET": SECRET,
        "CHAOS_KEY": KEY,
    }
    contract = str(ROOT / "models/staging/_input__sources.yml")
    commands = {
        "live": ["live", "--contract", contract],
        "api": ["serve", "--port", str(port)],
        "deliverer": ["deliver", "--receipts", "receipts.csv"],
    }
    made = {
        name: Service(command, folder, environment, folder / f"{name}.txt")
        for name, command in commands.items()
    }
    # Killed while they load, live profiles have nothing to lose.
    made["live"].ready = b"Profiles as of"
    return made


def kill_at_random(
    running: dict[str, Service], broker: Broker, writer: threading.Thread, rng: random.Random
) -> dict[str, int]:
    """Kills one after another until enough were killed and all was written."""
    killed = dict.fromkeys([*running, "broker"], 0)
    while sum(killed.values()) < KILLS or writer.is_alive():
        # In rounds, so that each is among the killed where kills are few; live profiles first,
        # while messages flow.
        least = min(killed.values())
        left = [name for name, times in killed.items() if times == least]
        victim = rng.choice(left) if any(killed.values()) else "live"
        until = time.monotonic() + rng.uniform(1, 12)
        while time.monotonic() < until or (victim in running and not running[victim].is_at_work()):
            for service in running.values():
                service.keep_up()
            time.sleep(0.05)
        if victim == "broker":
            broker.kill()
            broker.start()
        else:
            running[victim].kill()
        killed[victim] += 1
    return killed


def finish(running: dict[str, Service]) -> None:
    """Lets live profiles and delivery come to their end."""
    for name, more in (("live", ["--until-empty"]), ("deliverer", [])):
        service = running[name]
        service.kill()
        service.command = [*service.command, *more]
        service.start()
        assert service.process
        assert service.process.wait(600) == 0, service.log.read_text()[-2000:]


@pytest.mark.check("chaos")
def test_what_is_killed_at_random_leaves_what_an_undisturbed_run_leaves(
    crowd: Build,
    broker: Broker,
    tmp_path: Path,
    record_property: Callable[[str, int], None],
) -> None:
    folder, rng = crowd.folder, random.Random(11)
    working = folder / "warehouse" / "trial.duckdb"
    news = messages()
    expected, _ = undisturbed(folder, working, news, tmp_path)
    customers = dict(crowd.rows("select customer_id, may_be_contacted from customers"))
    memberships = crowd.rows("select customer_id, segment_key from segment_memberships")
    was = segments_of(memberships, list(customers))
    outbox = crowd.rows("select change_id, customer_id from activation_outbox")
    assert len(outbox) >= (5_000 if FULL else 200)

    port = free_port()
    asker = Asker(port, was)
    with campaign_tool() as tool:
        running = services(folder, tool, broker, port)
        writer = threading.Thread(target=lambda: broker.send(flowing(news)))
        try:
            while running["live"].process is None or not running["live"].is_at_work():
                running["live"].keep_up()
                time.sleep(0.05)
            writer.start()
            with asker.asking(random.Random(12)):
                killed = kill_at_random(running, broker, writer, rng)
                finish(running)
                answered, until = asker.answers, time.monotonic() + 120
                while asker.answers < answered + 5 and time.monotonic() < until:
                    running["api"].keep_up()
                    time.sleep(0.1)
        finally:
            for service in running.values():
                service.kill()
    record_property("tried", sum(killed.values()))
    assert all(killed.values()), killed

    # Live profiles are those of a run that nothing interrupted.
    live = read_live(state_file(working))
    assert state_of(state_file(working))[0] == expected
    # What the API answered between its kills was published.
    assert asker.answers > 5
    assert asker.wrong == []
    # A receipt for each accepted message, and one body for each key.
    received = {one.headers["webhook-id"]: one.json["data"] for one in reversed(tool.accepted)}
    assert sorted(receipts(folder)) == sorted(received)
    assert len({(one.headers["webhook-id"], one.body) for one in tool.accepted}) == len(received)
    # Only the request under way may come twice; the last kill is that of finish.
    assert len(tool.accepted) - len(received) <= killed["deliverer"] + 1
    # Of those whom no message of the stream was about, exactly the outbox of the build.
    moved = {customer for customer, _ in live.profiles}
    calm = {change_id for change_id, customer in outbox if customer not in moved}
    assert {i for i, one in received.items() if one["customer_id"] not in moved} == calm
    assert len(calm) > len(outbox) / 3
    # All others are in the segments that the campaign tool has heard of last.
    believed = heard(tool, list(customers))
    now = was | segments_of(expected, sorted(moved))
    both_ways = sent_both_ways(live.outbox)
    for customer, may_be_contacted in customers.items():
        should = now[customer] if may_be_contacted else set()
        differing = {(customer, segment) for segment in believed[customer] ^ should}
        assert differing <= both_ways


def undisturbed(
    folder: Path, working: Path, news: Sequence[live_shop.Message], tmp_path: Path
) -> tuple[Any, Any]:
    """Memberships and outbox of live profiles that take in everything in one process."""
    manifest = json.loads((folder / "target" / "manifest.json").read_text())
    snapshot, file = tmp_path / "snapshot.duckdb", tmp_path / "undisturbed.sqlite"
    take_snapshot(working, snapshot, Compiled(manifest))
    arrived = stream(news)
    with profiles(file, snapshot, manifest) as (live, _):
        for start in range(0, len(arrived), 5_000):
            live.take(arrived[start : start + 5_000])
    return state_of(file)


def heard(tool: CampaignTool, customers: Sequence[str]) -> dict[str, set[str]]:
    """The segments of customers after all messages, each counted once."""
    members: dict[str, set[str]] = {customer: set() for customer in customers}
    known = set()
    for one in tool.accepted:
        if one.headers["webhook-id"] in known:
            continue
        known.add(one.headers["webhook-id"])
        payload = one.json["data"]
        of_customer = members[payload["customer_id"]]
        if payload["message"] == "entered":
            of_customer.add(payload["segment_key"])
        else:
            of_customer.discard(payload["segment_key"])
    return members


def sent_both_ways(outbox: Sequence[Any]) -> set[tuple[str, str]]:
    """Customers and segments that were left and entered again, which the next build sends."""
    pairs: dict[tuple[str, str], set[str]] = {}
    for entry in outbox:
        pairs.setdefault((entry.customer_id, entry.segment_key), set()).add(entry.message)
    return {pair for pair, kinds in pairs.items() if len(kinds) == 2}
