"""A campaign tool on this machine: takes requests, checks their form and answers as asked to."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple


class Taken(NamedTuple):
    """A request that was answered, with its status."""

    path: str
    headers: dict[str, str]
    body: bytes
    status: int

    @property
    def json(self) -> Any:
        return json.loads(self.body)


# The status and headers of an answer; None: the connection is closed without one, a number of
# seconds: after that long; bytes: they are sent with pauses of 20 ms, then it is closed.
Answer = tuple[int, dict[str, str]] | float | Iterable[bytes] | None


class CampaignTool:
    """What arrived, in order, and the answer to the next request."""

    def __init__(self) -> None:
        self.taken: list[Taken] = []
        self.answer: Callable[[Taken], Answer] = lambda _: (204, {})
        self.address = ""
        self.lock = threading.Lock()

    @property
    def accepted(self) -> list[Taken]:
        return [one for one in self.taken if 200 <= one.status < 300]

    def ids(self) -> Counter[str]:
        """How often each webhook-id was accepted."""
        return Counter(one.headers["webhook-id"] for one in self.accepted)


@contextmanager
def campaign_tool() -> Iterator[CampaignTool]:
    tool = CampaignTool()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            length = int(self.headers["content-length"])
            body = self.rfile.read(length)
            if len(body) < length:
                # The sender died after the headers: no request arrived.
                self.close_connection = True
                return
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = Taken(self.path, headers, body, 0)
            with tool.lock:
                answer = tool.answer(request)
                if isinstance(answer, tuple):
                    tool.taken.append(request._replace(status=answer[0]))
                else:
                    tool.taken.append(request)
            if not isinstance(answer, tuple):
                self.close_connection = True
                with suppress(OSError):
                    if isinstance(answer, Iterable):
                        for part in answer:
                            self.connection.sendall(part)
                            time.sleep(0.02)
                    else:
                        time.sleep(answer or 0)
                    self.connection.shutdown(socket.SHUT_RDWR)
                return
            self.send_response(answer[0])
            for name, value in answer[1].items():
                self.send_header(name, value)
            if answer[0] != 204:
                self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    tool.address = f"http://127.0.0.1:{server.server_port}"
    try:
        yield tool
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
