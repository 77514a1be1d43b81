"""Starts the service."""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from customer_segmentation.serving.access import LOG
from customer_segmentation.serving.errors import ServeError
from customer_segmentation.serving.readers import read_readers
from customer_segmentation.serving.sources import open_sources


def serve(published: Path, readers_file: Path, host: str, port: int) -> None:
    """Serves until it is stopped. Nothing is served before every reader has something to read.

    Raises:
        ServeError: A reader or its file is wrong, or the extra `serve` is missing.
    """
    try:
        import uvicorn

        from customer_segmentation.serving.app import make_app
    except ModuleNotFoundError as error:
        raise ServeError(
            f"The Python package {error.name} is missing. Install customer-segmentation[serve]."
        ) from error
    readers = read_readers(readers_file)
    with _removing_files_when_stopped():
        sources = open_sources(published, readers)
        _set_up_logs()
        for role, source in sources.items():
            assert source.run
            name = f"role {role}" if role else source.file.as_posix()
            print(f"{name}: {source.run.size:,} customers, run {source.run.name}", file=sys.stderr)
        print(f"http://{host}:{port}", file=sys.stderr)
        # Its own access log has paths as they were asked for.
        uvicorn.run(
            make_app(sources, readers),
            host=host,
            port=port,
            access_log=False,
            log_config=None,
            log_level="warning",
            server_header=False,
            timeout_graceful_shutdown=5,
        )


def _set_up_logs() -> None:
    """Accesses alone go to stdout, to be kept."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(message)s")
    lines = logging.StreamHandler(sys.stdout)
    lines.setFormatter(logging.Formatter("%(message)s"))
    LOG.addHandler(lines)
    LOG.propagate = False


@contextmanager
def _removing_files_when_stopped() -> Iterator[None]:
    """Makes SIGTERM an end like any other, which removes what was read so far.

    uvicorn has a handler of its own meanwhile, and sends the signal again when it is done.
    """
    before = signal.signal(signal.SIGTERM, _leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _leave(*_: object) -> NoReturn:
    raise SystemExit(0)
