"""The files that are served, each loaded again when a build replaces it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from customer_segmentation.output.roles import role_file
from customer_segmentation.serving.errors import NothingToServeError, ServeError
from customer_segmentation.serving.readers import Reader
from customer_segmentation.serving.runs import Run, load, write_rows, write_rows_aside

SECONDS_TO_RETRY = 30.0
_LOG = logging.getLogger("customer_segmentation.serving")


@dataclass
class Source:
    """A file and the run that was last loaded from it.

    Attributes:
        file: The published file, or that of a role.
        run: What is served; None when the file is gone or has no customers any more.
        failures: How often loading failed.
    """

    file: Path
    run: Run | None = None
    failures: int = 0
    _seen: tuple[int, int] | None = field(default=None, repr=False)
    _retry_at: float = 0.0

    def load(self, write: Callable[[Path, Path], None] = write_rows) -> None:
        """Loads the file as it is now.

        Raises:
            ServeError: It can't be loaded. The run before stays, unless it is no longer published.
        """
        self._seen = self._state()
        try:
            self.run, self._retry_at = load(self.file, write), 0.0
        except ServeError as error:
            self.failures += 1
            self._retry_at = time.monotonic() + SECONDS_TO_RETRY
            if isinstance(error, NothingToServeError):
                self.run = None
            raise

    def refresh(self) -> None:
        """Loads the file if it was replaced, or could not be loaded a while ago."""
        is_due = self._retry_at and time.monotonic() >= self._retry_at
        if self._state() == self._seen and not is_due:
            return
        try:
            self.load(write_rows_aside)
        except ServeError as error:
            _LOG.error("%s", error)
        else:
            assert self.run
            _LOG.info("%s: run %s, %d customers", self.file, self.run.name, self.run.size)

    def _state(self) -> tuple[int, int] | None:
        try:
            facts = self.file.stat()
        except OSError:
            return None
        return facts.st_ino, facts.st_mtime_ns


def open_sources(published: Path, readers: Sequence[Reader]) -> dict[str, Source]:
    """The file of each role that a reader has; the published file for readers without a role.

    Raises:
        ServeError: One of them can't be loaded.
    """
    sources = {}
    for role in sorted({reader.role for reader in readers}):
        sources[role] = Source(role_file(published, role) if role else published)
        sources[role].load()
    return sources
