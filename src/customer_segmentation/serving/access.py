"""Which program read what: one line of JSON per request."""

from __future__ import annotations

import datetime as dt
import json
import logging

LOG = logging.getLogger("customer_segmentation.access")


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
