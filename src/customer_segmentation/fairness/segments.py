"""How often the groups of an attribute are in a segment, each compared with all other customers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

from customer_segmentation.cells import Cell, withheld
from customer_segmentation.fairness.groups import (
    TOO_FEW,
    compared,
    is_among_unknown,
    p_values,
    pool,
    verdict_of,
)

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
        rows += _of_attribute(part.to_dict("records"), smallest_cell, least_ratio)
    shown = [row for row in rows if row["verdict"] != TOO_FEW]
    tested = p_values([row["table"] for row in shown])
    for row, (p_value, p_corrected) in zip(shown, tested, strict=True):
        row |= {"p_value": p_value, "p_corrected": p_corrected}
        row["verdict"] = verdict_of(row, "parity", p_corrected, least_ratio, _WORDS)
    rows.sort(key=lambda row: tuple(str(row[name]) for name in ("as_of", *_TEXTS)))
    return pd.DataFrame(rows, columns=list(_DTYPES)).astype(_DTYPES)


def _of_attribute(
    cells: Sequence[dict[str, Any]], smallest: int, least_ratio: float
) -> list[dict[str, Any]]:
    """The rows of one attribute in one population, without p-values."""
    groups = [cell for cell in cells if cell["segment_key"] == "all"]
    hidden_groups = {
        groups[position]["attribute_group"]
        for position in withheld([Cell(group["customers"], ("all",)) for group in groups], smallest)
    }
    hidden = _withheld(cells, hidden_groups, smallest)
    unknown = {cell["segment_key"]: cell for cell in cells if cell["attribute_group"] == "unknown"}
    rows = []
    for cell in cells:
        if cell["scheme"] == "all":
            continue
        row = {name: cell[name] for name in ("as_of", *_TEXTS)}
        beside = unknown.get(cell["segment_key"])
        is_open = beside is not None and _place(beside) not in hidden
        if (
            _place(cell) in hidden
            or cell["attribute_group"] in hidden_groups
            or (beside and not is_open and is_among_unknown(cell, beside, "customers", least_ratio))
        ):
            rows.append(row | {"verdict": TOO_FEW})
        else:
            rows.append(row | {"verdict": None} | _rates(cell, beside if is_open else None))
    return rows


def _withheld(
    cells: Sequence[dict[str, Any]], hidden_groups: set[str], smallest: int
) -> set[tuple[str, str]]:
    """The places of the cells to withhold, scheme by scheme.

    Some customers are a segment in every scheme, such as prospects: what one scheme withholds of
    them no other may show.
    """
    schemes: dict[str, list[dict[str, Any]]] = {}
    members: dict[str, tuple[int, ...]] = {}
    for cell in cells:
        schemes.setdefault(cell["scheme"], []).append(cell)
        key = cell["segment_key"]
        members[key] = (*members.get(key, ()), cell["members"])
    del schemes["all"]
    secret: set[tuple[tuple[int, ...], str]] = set()
    while True:
        hidden: set[tuple[str, str]] = set()
        for scheme, of_scheme in schemes.items():
            weighed = []
            for cell in of_scheme:
                key, group = _place(cell)
                is_secret = group in hidden_groups or (members[key], group) in secret
                weighed.append(_cell(cell, scheme, smallest, is_secret=is_secret))
            hidden |= {_place(of_scheme[position]) for position in withheld(weighed, smallest)}
        found = {(members[key], group) for key, group in hidden}
        if found <= secret:
            return hidden
        secret |= found


def _place(cell: dict[str, Any]) -> tuple[str, str]:
    return cell["segment_key"], cell["attribute_group"]


def _cell(cell: dict[str, Any], scheme: str, smallest: int, *, is_secret: bool) -> Cell:
    """A group in a segment. Those of the group outside of it are as good as shown beside it."""
    outside = cell["customers"] - cell["members"]
    totals: tuple[tuple[str, str], ...] = (("segment", cell["segment_key"]),)
    if scheme not in ("rule", "prediction"):
        totals = (*totals, ("group", cell["attribute_group"]))
    return Cell(cell["members"], totals, is_secret or 0 < outside < smallest)


def _rates(cell: dict[str, Any], unknown: dict[str, Any] | None) -> dict[str, Any]:
    customers, members = cell["customers"], cell["members"]
    everyone, segment = pool(
        cell, unknown, [("all_customers", "customers"), ("all_members", "members")]
    )
    customer_share = customers / cell["all_customers"]
    member_share = members / cell["all_members"] if cell["all_members"] else math.nan
    return {
        "customers": customers,
        "members": members,
        "customer_share": customer_share,
        "member_share": member_share,
        "representation": member_share / customer_share,
        "table": (members, customers, segment, everyone),
        **compared(members, customers, segment - members, everyone - customers),
    }
