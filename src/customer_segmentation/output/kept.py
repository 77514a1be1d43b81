"""What a build of changed rules leaves as the last build left it.

It lives in the memory of one process: the command says it, and the plugin, which dbt loads into the
same process, reads it. SQL of a var can't reach it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple


class Kept(NamedTuple):
    """What isn't built again, because it was green and would come out the same.

    Attributes:
        nodes: Unique ids of models, seeds and tests. Tests among them that dbt runs all the same
            count as they then come out.
        checks: Name, number of rows and SQL of the data tests that warned in the last build.
    """

    nodes: frozenset[str] = frozenset()
    checks: tuple[tuple[str, int, str], ...] = ()


_NOTHING = Kept()
_kept = _NOTHING
# The working file, with time and size, until this process has opened it.
_as_left: tuple[Path, tuple[int, int]] | None = None


def start_from(file: Path, as_left: tuple[int, int]) -> None:
    """Says how the working file has to be when it is opened."""
    global _as_left
    _as_left = file, as_left


def is_as_left() -> bool:
    """To be asked with the file open: from then on no other process can write to it."""
    global _as_left
    expected, _as_left = _as_left, None
    return expected is None or written(expected[0]) == expected[1]


@contextmanager
def keeping(kept: Kept) -> Iterator[None]:
    """The run of dbt within it keeps this."""
    global _kept
    _kept = kept
    try:
        yield
    finally:
        _kept = _NOTHING


def kept_nodes() -> list[str]:
    return sorted(_kept.nodes)


def kept_checks(ran: list[str]) -> list[tuple[str, int, str]]:
    """The warnings that stay, since their tests were not among those that ran."""
    return [check for check in _kept.checks if check[0] not in ran]


def written(file: Path) -> tuple[int, int]:
    """Time and size of a file, which change with what is written to it."""
    stat = file.stat()
    return stat.st_mtime_ns, stat.st_size
