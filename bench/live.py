"""Sends orders and events of the last build's customers to a stream at a steady rate.

Prints how long after its arrival at the broker a message and the profiles that it changed are
committed. A message is due at its time whether or not earlier ones were taken in. Broker, follower
and sender share the machine.

    python bench/live.py                            # 2,000 messages a second for 30 seconds
    python bench/live.py --rate 500 --customers 50  # of 50 customers
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import duckdb
import redis
from serve import cpu

from customer_segmentation.live.state import state_file
from customer_segmentation.output.last_build import TARGET, vars_of, working_file

EVENTS_PER_ORDER = 9
TICK = 0.02  # seconds
TYPES = ("page_view", "product_view", "add_to_cart")


def references_of(working: Path, most: int) -> tuple[list[tuple[str, str]], dt.date]:
    """Source systems and references of customers, and the last day that counts."""
    with duckdb.connect(str(working), read_only=True) as build:
        found = build.execute(
            "select source_system, min(customer_ref) from identity.int_identity__references "
            "group by customer_key, source_system order by md5(min(customer_ref)) limit ?",
            [most],
        ).fetchall()
        ((as_of,),) = build.execute(
            "select as_of from periods.int_periods where is_current"
        ).fetchall()
    return found, as_of - dt.timedelta(days=1)


def message(
    rng: random.Random, number: int, whose: list[tuple[str, str]], day: dt.date
) -> dict[str, str]:
    system, reference = rng.choice(whose)
    at = f"{day} {rng.randrange(24):02}:{rng.randrange(60):02}:{rng.randrange(60):02}"
    record: dict[str, Any] = {"source_system": system, "customer_ref": reference}
    if number % (EVENTS_PER_ORDER + 1) == 0:
        record |= {"order_id": f"bench {number}", "ordered_at": at, "amount": rng.randrange(5, 300)}
        return {"table": "orders", "record": json.dumps(record)}
    record |= {"event_id": f"bench {number}", "occurred_at": at, "event_type": rng.choice(TYPES)}
    return {"table": "events", "record": json.dumps(record)}


def send(client: redis.Redis, messages: list[dict[str, str]], rate: int, ids: list[str]) -> None:
    began = time.monotonic()
    sent = 0
    while sent < len(messages):
        due = min(len(messages), int((time.monotonic() - began) * rate))
        pipeline = client.pipeline(transaction=False)
        for one in messages[sent:due]:
            pipeline.xadd("raw", one)
        ids += [found.decode() for found in pipeline.execute()]
        sent = due
        time.sleep(TICK)


def committed(state: sqlite3.Connection) -> int:
    (count,) = state.execute("select count(*) from messages").fetchone()
    return int(count)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=int, default=2_000, help="messages a second")
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--customers", type=int, default=1_000_000, help="at most so many")
    given = parser.parse_args()
    working = working_file(vars_of(None, TARGET)).resolve()
    whose, day = references_of(working, given.customers)
    rng = random.Random(1)
    messages = [message(rng, n, whose, day) for n in range(given.rate * given.seconds)]
    with tempfile.TemporaryDirectory() as folder:
        # The state of the last build stays as it is.
        home = Path(folder)
        (home / "warehouse").mkdir()
        (home / "warehouse" / working.name).symlink_to(working)
        shutil.copytree("published", home / "published", copy_function=shutil.copy2)
        run(home, home / "warehouse" / working.name, messages, given.rate, len(whose))


def run(home: Path, working: Path, messages: list[dict[str, str]], rate: int, people: int) -> None:
    socket = str(home / "redis.sock")
    options = ["--port", "0", "--unixsocket", socket, "--save", "", "--dir", str(home)]
    broker = subprocess.Popen(["redis-server", *options], stdout=subprocess.DEVNULL)
    client = redis.Redis(unix_socket_path=socket)
    environment = {**os.environ, "SEGMENTATION_HOME": str(home), "REDIS_URL": f"unix://{socket}"}
    follower = None
    try:
        while True:
            with suppress(redis.ConnectionError):
                client.ping()
                break
            time.sleep(0.05)
        command = [sys.executable, "-m", "customer_segmentation.cli", "live"]
        follower = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
        assert follower.stderr
        for line in follower.stderr:
            if "Profiles as of" in line:
                break
        used = cpu(follower)
        with closing(sqlite3.connect(state_file(working))) as state:
            batches = follow(client, state, messages, rate, people)
        used = (cpu(follower) - used) / batches
        print(f"{used:.2f} s of a core for each batch")
    finally:
        for process in (follower, broker):
            if process:
                process.kill()
                process.wait()


def follow(
    client: redis.Redis,
    state: sqlite3.Connection,
    messages: list[dict[str, str]],
    rate: int,
    people: int,
) -> int:
    """Sends messages and waits for them; returns the number of batches they were taken in."""
    ids: list[str] = []
    sender = threading.Thread(target=send, args=(client, messages, rate, ids))
    began = time.monotonic()
    sender.start()
    waits: list[float] = []
    batches = []
    while len(waits) < len(messages):
        time.sleep(TICK)
        count, now = committed(state), time.time() * 1000
        if count > len(waits) and count <= len(ids):
            batches.append(count - len(waits))
            waits += [now - int(one.partition("-")[0]) for one in ids[len(waits) : count]]
    seconds = time.monotonic() - began
    waits.sort()
    print(f"{len(messages):,} messages of {people:,} customers, {rate:,} a second")
    print(f"taken in within {seconds:.1f} s: {len(messages) / seconds:,.0f} a second")
    for share in (0.5, 0.95, 0.99):
        print(f"{share:.0%} committed within {waits[int(share * (len(waits) - 1))]:,.0f} ms")
    print(f"{len(batches)} batches, median {sorted(batches)[len(batches) // 2]:,} messages")
    return len(batches)


if __name__ == "__main__":
    main()
