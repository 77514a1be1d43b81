"""Readers of a published file, as dashboards are, and holders of a file that a build needs."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

# The date in the data and the rows of every table: different for runs on different data. A build
# that was killed while it published is in the audit log of the next.
ONE_RUN = """
    select
        (select max(as_of) from monitoring.data_set),
        cast(list((schema_name, table_name, estimated_size) order by all) as varchar)
    from duckdb_tables()
    where table_name <> 'audit_log'
"""


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@dataclass
class Reader:
    """Which runs were seen, in how many reads, and errors."""

    path: Path
    query: str = ONE_RUN
    runs: set[tuple[Any, ...]] = field(default_factory=set)
    reads: int = 0
    errors: list[str] = field(default_factory=list)

    def read(self) -> tuple[Any, ...]:
        with duckdb.connect(str(self.path), read_only=True) as published:
            (row,) = published.execute(self.query).fetchall()
            return row

    def note(self) -> None:
        self.reads += 1
        try:
            self.runs.add(self.read())
        except duckdb.Error as error:
            self.errors.append(str(error).splitlines()[0])


@contextmanager
def reading(path: Path, query: str = ONE_RUN, pause: float = 0) -> Iterator[Reader]:
    """Reads the file until the block ends, with so many seconds between two reads.

    Another process has to replace it: within one, DuckDB goes on with a file that is open.
    """
    reader, ended = Reader(path, query), threading.Event()

    def work() -> None:
        while not ended.is_set():
            reader.note()
            ended.wait(pause)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield reader
    finally:
        ended.set()
        thread.join()


@contextmanager
def held(path: Path) -> Iterator[int]:
    """Another process has the file open for writing until the block ends; its id."""
    hold = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('held', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", hold, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        try:
            yield holder.pid
        finally:
            holder.communicate(b"\n")
