"""How often the groups of an attribute are in a segment, each compared with all other customers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from customer_segmentation.cells import Cell, withheld
from customer_segmentation.fairness.groups import TOO_FEW, compared, p_values, pool, verdict_of

_TEXTS = ("scheme", "segment_key", "attribute", "attribute_group")
_COUNTS = ("customers", "members")
_NUMBERS = (
    "customer_share",
    "member_share",
    "representation",
    "parity_difference",
    "difference_low",
    "difference_high",
    "parity_ratio",
    "ratio_low",
    "ratio_high",
    "p_value",
    "p_corrected",
)
_DTYPES: dict[str, str] = {
    "as_of": "date32[day][pyarrow]",
    **dict.fromkeys(_TEXTS, "str"),
    **dict.fromkeys(_COUNTS, "Int64"),
    **dict.fromkeys(_NUMBERS, "float64"),
    "verdict": "str",
}
_WORDS = ("under-represented", "over-represented")


def segment_rates(counts: pd.DataFrame, *, smallest_cell: int, least_ratio: float) -> pd.DataFrame:
    """One row per segment, attribute and group: its rate against that of all others, and a verdict.

    counts: the columns of int_marts__fairness_counts but sample_hash. Row order never matters.
    smallest_cell: groups with fewer members are withheld, and so are as many other rows as it takes
    that none of them can be computed from the sizes of the segments and of the groups.
    least_ratio: a group is under-represented if its rate is below this share of the others' rate,
    and over-represented if it is above 1 / least_ratio of it, where chance does not explain it.

    Returns the columns of _DTYPES. Rows that are withheld have no numbers. p-values are of Fisher's
    exact test (twice the smaller tail); corrected ones are by Benjamini and Hochberg (1995) over
    all rows that are not withheld.
    """
    order = ["as_of", "population", *_TEXTS]
    rows: list[dict[str, Any]] = []
    ordered = counts.sort_values(order)
    for _, part in ordered.groupby(["as_of", "population", "attribute"], sort=True):
        rows += _of_attribute(part.to_dict("records"), smallest_cell)
    shown = [row for row in rows if row["verdict"] != TOO_FEW]
    tested = p_values([row["table"] for row in shown])
    for row, (p_value, p_corrected) in zip(shown, tested, strict=True):
        row |= {"p_value": p_value, "p_corrected": p_corrected}
        row["verdict"] = verdict_of(
            row.get("parity_ratio"), row["p_corrected"], least_ratio, _WORDS
        )
    rows.sort(key=lambda row: tuple(str(row[name]) for name in ("as_of", *_TEXTS)))
    return pd.DataFrame(rows, columns=list(_DTYPES)).astype(_DTYPES)


def _of_attribute(cells: Sequence[dict[str, Any]], smallest: int) -> list[dict[str, Any]]:
    """The rows of one attribute in one population, without p-values."""
    groups = [cell for cell in cells if cell["segment_key"] == "all"]
    hidden_groups = {
        groups[position]["attribute_group"]
        for position in withheld([Cell(group["customers"], ("all",)) for group in groups], smallest)
    }
    schemes: dict[str, list[dict[str, Any]]] = {}
    for cell in cells:
        if cell["scheme"] != "all":
            schemes.setdefault(cell["scheme"], []).append(cell)
    rows = []
    for scheme, of_scheme in schemes.items():
        hidden = withheld(
            [_cell(cell, scheme, hidden_groups, smallest) for cell in of_scheme], smallest
        )
        for position, cell in enumerate(of_scheme):
            row = {name: cell[name] for name in ("as_of", *_TEXTS)}
            if position in hidden or cell["attribute_group"] in hidden_groups:
                rows.append(row | {"verdict": TOO_FEW})
                continue
            rows.append(row | {"verdict": None, "cell": cell})
        shown = [row for row in rows if row["scheme"] == scheme and row["verdict"] != TOO_FEW]
        unknown = {
            row["segment_key"]: row["cell"] for row in shown if row["attribute_group"] == "unknown"
        }
        for row in shown:
            row |= _rates(row["cell"], unknown.get(row["segment_key"]))
    return rows


def _cell(cell: dict[str, Any], scheme: str, hidden_groups: set[str], smallest: int) -> Cell:
    """A group in a segment. Those of the group outside of it are as good as shown beside it."""
    outside = cell["customers"] - cell["members"]
    totals: tuple[tuple[str, str], ...] = (("segment", cell["segment_key"]),)
    if scheme not in ("rule", "prediction"):
        totals = (*totals, ("group", cell["attribute_group"]))
    is_secret = cell["attribute_group"] in hidden_groups or 0 < outside < smallest
    return Cell(cell["members"], totals, is_secret)


def _rates(cell: dict[str, Any], unknown: dict[str, Any] | None) -> dict[str, Any]:
    customers, members = cell["customers"], cell["members"]
    everyone, segment = pool(
        cell, unknown, [("all_customers", "customers"), ("all_members", "members")]
    )
    customer_share = customers / cell["all_customers"]
    member_share = members / cell["all_members"]
    return {
        "customers": customers,
        "members": members,
        "customer_share": customer_share,
        "member_share": member_share,
        "representation": member_share / customer_share,
        "table": (members, customers, segment, everyone),
        **compared(members, customers, segment - members, everyone - customers),
    }
