"""Which program read what: one line of JSON per request, and their sums in the audit log."""

from __future__ import annotations

import datetime as dt
import json
import logging
from collections import Counter

from customer_segmentation.audit import AuditError, record

LOG = logging.getLogger("customer_segmentation.access")
# Requests and customers by reader and route, since the sums were last recorded.
_requests: Counter[tuple[str, str]] = Counter()
_customers: Counter[tuple[str, str]] = Counter()


def log_access(
    reader: str, route: str, status: int, *, run: str, customers: int, customer_id: str | None
) -> None:
    """Notes a request.

    The path as it was asked for is left out: by mistake it may have an e-mail address in it. So
    are addresses of callers.

    Args:
        reader: Name of the reader; empty without a valid key.
        route: Such as ``/v1/customers/{customer_id}``; empty for an unknown path.
        status: Of the answer.
        run: What it was answered from.
        customers: How many customers the answer is about.
        customer_id: The customer, where it is one whom the run has.
    """
    entry = {
        "at": dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds"),
        "reader": reader,
        "route": route,
        "status": status,
        "run": run,
        "customers": customers,
        "customer_id": customer_id,
    }
    LOG.info("%s", json.dumps(entry))
    if customers:
        _requests[reader, route] += 1
        _customers[reader, route] += customers


def record_reads() -> None:
    """Puts the sums since the last call into the audit log: a line a request would slow answers."""
    for (reader, route), requests in sorted(_requests.items()):
        customers = _customers[reader, route]
        try:
            record("read", reader=reader, route=route, requests=requests, customers=customers)
        except AuditError as error:
            # They stay in the sums, and in the access log.
            logging.getLogger("customer_segmentation.serving").error("%s", error)
            return
        del _requests[reader, route], _customers[reader, route]
