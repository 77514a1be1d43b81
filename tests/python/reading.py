"""A reader of a published file that opens it again and again, as dashboards do."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

# The rows of every table, which differ between two runs on different data, and the date in the data.
ONE_RUN = """
    select
        (select max(as_of) from monitoring.data_set),
        list((schema_name, table_name, estimated_size) order by all)
    from duckdb_tables()
"""


@dataclass
class Reader:
    """What was read: the runs that were seen, how often, and errors."""

    path: Path
    runs: set[str] = field(default_factory=set)
    reads: int = 0
    errors: list[str] = field(default_factory=list)

    def read(self) -> str:
        with duckdb.connect(str(self.path), read_only=True) as published:
            return str(published.execute(ONE_RUN).fetchall())

    def note(self) -> None:
        self.reads += 1
        try:
            self.runs.add(self.read())
        except duckdb.Error as error:
            self.errors.append(str(error).splitlines()[0])


@contextmanager
def reading(path: Path, pause: float = 0) -> Iterator[Reader]:
    """Reads the file until the block ends, with so many seconds between two reads."""
    reader, ended = Reader(path), threading.Event()

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
