"""The documents of an invented wholesaler, docs/samples/wholesale/documents.csv.

Eighteen months of accounts that order in a steady rhythm, each with a level of its own; a few of
them make most of the revenue. Half of the invoices are counter sales, booked on one collective
account. One invoice in five is followed by a credit note.

`python tests/python/wholesaler.py` writes the file.
"""

from __future__ import annotations

import random
from datetime import date, timedelta
from pathlib import Path

SAMPLE = Path(__file__).resolve().parents[2] / "docs/samples/wholesale/documents.csv"
FIRST, AS_OF = date(2025, 1, 15), date(2026, 7, 15)
ACCOUNTS = 120
COUNTER = "99999"
CREDITED = 0.2  # share of invoices


def documents() -> str:
    """The file: amounts are positive, and the type says which of them are credit notes."""
    rng = random.Random(18)
    invoices: list[tuple[date, str, float]] = []
    for number in range(ACCOUNTS):
        rhythm = rng.choice([30, 45, 60, 90, 120])
        level = rng.lognormvariate(6, 1.3)
        # A third came later, and a quarter has stopped.
        came = FIRST + timedelta(
            days=rng.randrange(400) if rng.random() < 0.33 else rng.randrange(rhythm)
        )
        left = AS_OF - timedelta(days=rng.randrange(60, 400)) if rng.random() < 0.25 else AS_OF
        day = came
        while day < left:
            invoices.append((day, str(10_001 + number), level * rng.lognormvariate(0, 0.4)))
            day += timedelta(days=max(1, round(rng.gauss(rhythm, rhythm / 8))))
    span = (AS_OF - FIRST).days
    for _ in range(len(invoices)):
        day = FIRST + timedelta(days=rng.randrange(span))
        invoices.append((day, COUNTER, rng.lognormvariate(4, 1)))
    lines = ["DocNo,DocType,DocDate,Account,Net,RefDoc"]
    notes: list[tuple[date, str, float, str]] = []
    for number, (day, account, net) in enumerate(sorted(invoices), 1):
        lines.append(f"R{number:05},invoice,{day:%d.%m.%Y},{account},{net:.2f},")
        noted_on = day + timedelta(days=rng.randrange(2, 30))
        if rng.random() < CREDITED and noted_on < AS_OF:
            notes.append((noted_on, account, net * rng.choice([0.2, 0.5, 1]), f"R{number:05}"))
    for number, (day, account, net, invoice) in enumerate(sorted(notes), 1):
        lines.append(f"G{number:05},credit note,{day:%d.%m.%Y},{account},{net:.2f},{invoice}")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    SAMPLE.parent.mkdir(exist_ok=True)
    SAMPLE.write_text(documents(), encoding="utf-8")
