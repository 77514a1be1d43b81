"""Stands before the routes: keys, limits, log and metrics."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from functools import partial

from fastapi.responses import JSONResponse
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from customer_segmentation.serving.access import log_access
from customer_segmentation.serving.errors import ProblemError
from customer_segmentation.serving.readers import Reader, reader_of
from customer_segmentation.serving.sources import Source

OPEN_PATHS = ("/health", "/openapi.json")
MOST_BYTES = 65_536
_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.5, 1, 5)


class Metrics:
    """Counts for Prometheus, in a registry of their own.

    Every reader may see them, so they name none: who asked how often is in the access log.
    """

    def __init__(self, sources: Mapping[str, Source]) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "segmentation_requests",
            "Requests answered.",
            ["route", "status"],
            registry=self.registry,
        )
        self._seconds = Histogram(
            "segmentation_request_seconds",
            "Seconds from a request to the end of its answer.",
            ["route"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        customers = Gauge(
            "segmentation_customers",
            "Customers of the run that is served; 0 where none is.",
            ["role"],
            registry=self.registry,
        )
        failures = Gauge(
            "segmentation_load_failures",
            "How often a file could not be loaded since the start.",
            ["role"],
            registry=self.registry,
        )
        for role, source in sources.items():
            customers.labels(role).set_function(partial(_size, source))
            failures.labels(role).set_function(partial(_failures, source))

    def observe(self, route: str, status: int, seconds: float) -> None:
        self._requests.labels(route, status).inc()
        self._seconds.labels(route).observe(seconds)


def _size(source: Source) -> float:
    return source.run.size if source.run else 0


def _failures(source: Source) -> float:
    return source.failures


class Gate:
    """An ASGI application around another.

    The routes find in ``request.state`` the reader and its run, the same for the whole request, and
    leave there which customers they answered about.
    """

    def __init__(
        self,
        app: ASGIApp,
        readers: Sequence[Reader],
        sources: Mapping[str, Source],
        metrics: Metrics,
    ) -> None:
        self._app, self._readers, self._sources = app, readers, sources
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), 500
        state = scope.setdefault("state", {})
        state |= {"reader": "", "run": None, "customers": 0, "customer_id": None}

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            try:
                self._admit(scope)
            except ProblemError as problem:
                await problem_response(problem)(scope, receive, noting)
            else:
                await self._app(scope, receive, noting)
        finally:
            route = getattr(scope.get("route"), "path", "")
            self._metrics.observe(route, status, time.perf_counter() - began)
            if scope["path"] not in OPEN_PATHS:
                log_access(
                    state["reader"],
                    route,
                    status,
                    run=state["run"].name if state["run"] else "",
                    customers=state["customers"],
                    customer_id=state["customer_id"],
                )

    def _admit(self, scope: Scope) -> None:
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        _check_length(scope["method"], headers)
        if scope["path"] in OPEN_PATHS:
            return
        scheme, _, key = headers.get(b"authorization", "").partition(" ")
        reader = reader_of(self._readers, key.strip())
        if scheme.lower() != "bearer" or reader is None:
            raise ProblemError(
                401,
                "No valid key",
                "header Authorization",
                "It is missing, or its key is not that of a reader.",
                "Authorization: Bearer <key>",
                "Ask whoever runs this service for a key.",
                {"WWW-Authenticate": "Bearer"},
            )
        scope["state"]["reader"] = reader.name
        if wait := reader.wait():
            seconds = math.ceil(wait)
            raise ProblemError(
                429,
                "Too many requests",
                f"reader {reader.name}",
                "It asked more often than its limit allows.",
                f"at most {reader.per_second:g} requests a second",
                f"Wait {seconds} s, or look up many customers in one request.",
                {"Retry-After": str(seconds)},
            )
        run = self._sources[reader.role].run
        if run is None and scope["path"] != "/metrics":
            raise not_served()
        scope["state"]["run"] = run


def _check_length(method: str, headers: Mapping[bytes, str]) -> None:
    """Refuses long bodies before they are read."""
    length = headers.get(b"content-length", "0" if method != "POST" else "")
    if length.isdecimal() and int(length) <= MOST_BYTES and b"transfer-encoding" not in headers:
        return
    raise ProblemError(
        413 if length else 411,
        "Body too long, or of unknown length",
        "header Content-Length",
        f"It is {length}." if length else "It is missing.",
        f"a length of at most {MOST_BYTES} bytes",
        "Send the length, and ask about fewer customers at once.",
    )


def not_served() -> ProblemError:
    return ProblemError(
        503,
        "Nothing to serve",
        "published file",
        "It is gone, or has no customers that this reader may see.",
        "the file of a build that passed",
        "Try again later; whoever runs this service finds the reason in its log.",
        {"Retry-After": "60"},
    )


def problem_response(problem: ProblemError) -> JSONResponse:
    return JSONResponse(
        problem.as_json(),
        problem.status,
        headers=problem.headers,
        media_type="application/problem+json",
    )
