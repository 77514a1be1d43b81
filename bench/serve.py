"""Asks a served file at a steady rate and prints how long answers take.

A request is due at its time whether or not earlier ones were answered, and its wait counts from
then, so that a service that falls behind shows. The service has one core, this program another.

    python bench/serve.py                  # the last build, 500 requests a second for 30 seconds
    python bench/serve.py --copies 310     # each of its customers 310 times, under other ids
    python bench/serve.py --replace        # the file is replaced halfway
"""

from __future__ import annotations

import argparse
import asyncio
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from itertools import cycle
from pathlib import Path

import duckdb

PATHS = ("", "/segments", "/segments/rfm:champions", "/predictions")
CONNECTIONS = 32
WARM_UP = 2  # seconds that don't count
TABLES = ("customers", "customer_features", "customer_segments", "segment_memberships")
TABLES += ("segment_history", "customer_predictions")


def multiply(published: Path, target: Path, copies: int) -> None:
    """Each customer so many times, under ids of their own. Views become tables."""
    with duckdb.connect(str(target)) as connection:
        connection.execute(f"attach '{published}' as demo (read_only)")
        connection.execute("create schema monitoring")
        connection.execute("create table monitoring.data_set as from demo.monitoring.data_set")
        connection.execute("create table segments as from demo.main.segments")
        for table in TABLES:
            connection.execute(
                f"create table {table} as select source.* replace"
                f" (md5(customer_id || copies.range) as customer_id)"
                f" from range({copies}) as copies cross join demo.main.{table} as source"
            )


def ids_of(published: Path, most: int) -> list[str]:
    with duckdb.connect(str(published), read_only=True) as connection:
        rows = connection.execute(
            "select customer_id from customers order by md5(customer_id) limit ?", [most]
        ).fetchall()
    return [customer_id for (customer_id,) in rows]


def go_first(process: int) -> None:
    """As root, before all other processes of the machine, which would be measured as well."""
    with suppress(PermissionError):
        os.sched_setscheduler(process, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(1))


def start(published: Path, folder: Path, key: str, port: int) -> subprocess.Popen[bytes]:
    readers = folder / "readers.yml"
    readers.write_text("readers: {bench: {key: BENCH_KEY, per_second: 100000}}")
    command = [sys.executable, "-m", "customer_segmentation.cli", "serve"]
    command += ["--readers", str(readers), "--port", str(port), "--published", str(published)]
    with (folder / "access.log").open("wb") as log:
        return subprocess.Popen(
            command,
            env={**os.environ, "BENCH_KEY": key},
            stdout=log,
            preexec_fn=lambda: os.sched_setaffinity(0, {0}),
        )


async def ask(
    port: int,
    requests: asyncio.Queue[tuple[float, bytes]],
    waits: list[tuple[float, float]],
) -> None:
    """One connection, kept open: answers requests of the queue as they are due."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while True:
        due, request = await requests.get()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise SystemExit(f"Expected 200, got {head.splitlines()[0].decode()}")
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-l"))
        await reader.readexactly(int(length.split(b":")[1]))
        waits.append((due, time.perf_counter() - due))
        requests.task_done()


async def load(
    port: int, ids: list[str], key: str, rate: int, seconds: int, halfway: list[str] | None
) -> list[float]:
    """The waits of all requests after the warm-up, in seconds."""
    requests: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
    waits: list[tuple[float, float]] = []
    clients = [asyncio.create_task(ask(port, requests, waits)) for _ in range(CONNECTIONS)]
    asked = cycle((customer_id, path) for customer_id in ids for path in PATHS)
    began = time.perf_counter()
    for number in range(rate * seconds):
        due = began + number / rate
        if halfway and number == rate * seconds // 2:
            subprocess.Popen(halfway)
        if (early := due - time.perf_counter()) > 0:
            await asyncio.sleep(early)
        customer_id, path = next(asked)
        requests.put_nowait(
            (
                due,
                f"GET /v1/customers/{customer_id}{path} HTTP/1.1\r\nHost: bench\r\n"
                f"Authorization: Bearer {key}\r\n\r\n".encode(),
            )
        )
    await asyncio.wait_for(requests.join(), 60)
    for client in clients:
        client.cancel()
    return sorted(wait for due, wait in waits if due - began > WARM_UP)


def memory(process: subprocess.Popen[bytes], name: str) -> float:
    """Resident memory in MB: VmRSS now, VmHWM at most."""
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(name))


def cpu(process: subprocess.Popen[bytes]) -> float:
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--published", type=Path, default=Path("published/segments.duckdb"))
    parser.add_argument("--copies", type=int, default=1)
    parser.add_argument("--rate", type=int, default=500)
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--replace", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        served = folder / "segments.duckdb"
        if given.copies == 1:
            shutil.copy(given.published, served)
        else:
            multiply(given.published, served, given.copies)
        ids, key = ids_of(served, 20_000), secrets.token_hex(32)
        draft = folder / "draft.duckdb"
        shutil.copy(served, draft)
        began = time.perf_counter()
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            port = one.getsockname()[1]
        process = start(served, folder, key, port)
        try:
            while not _is_up(process, port):
                time.sleep(0.1)
            started = time.perf_counter() - began
            resting, used = memory(process, "VmRSS"), cpu(process)
            os.sched_setaffinity(0, {1})
            go_first(0)
            go_first(process.pid)
            halfway = ["mv", str(draft), str(served)] if given.replace else None
            waits = asyncio.run(load(port, ids, key, given.rate, given.seconds, halfway))
            used = (cpu(process) - used) / given.seconds
            print(
                f"{len(waits):,} requests at {given.rate} a second:"
                + "".join(
                    f" p{share} {waits[int(len(waits) * share / 100)] * 1000:.1f} ms,"
                    for share in (50, 95, 99, 99.9)
                )
                + f" longest {waits[-1] * 1000:.0f} ms; {used:.0%} of a core"
            )
            most = memory(process, "VmHWM")
            print(
                f"start {started:.1f} s; memory {resting:.0f} MB after it, {most:.0f} MB at most;"
                f" file {served.stat().st_size / 1e6:.0f} MB"
            )
        finally:
            process.terminate()
            process.wait()


def _is_up(process: subprocess.Popen[bytes], port: int) -> bool:
    if process.poll() is not None:
        raise SystemExit("The service did not start.")
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


if __name__ == "__main__":
    main()
