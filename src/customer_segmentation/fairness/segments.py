"""How often the groups of an attribute are in a segment, each compared with all other customers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from customer_segmentation.cells import Cell, withheld
from customer_segmentation.fairness.groups import TOO_FEW, compared, verdict_of

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
    _test(shown)
    for row in shown:
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
            row["pool"] = _pool(row["cell"], unknown.get(row["segment_key"]))
            row |= _rates(row["cell"], row["pool"])
    return rows


def _cell(cell: dict[str, Any], scheme: str, hidden_groups: set[str], smallest: int) -> Cell:
    """A group in a segment. Those of the group outside of it are as good as shown beside it."""
    outside = cell["customers"] - cell["members"]
    totals: tuple[tuple[str, str], ...] = (("segment", cell["segment_key"]),)
    if scheme not in ("rule", "prediction"):
        totals = (*totals, ("group", cell["attribute_group"]))
    is_secret = cell["attribute_group"] in hidden_groups or 0 < outside < smallest
    return Cell(cell["members"], totals, is_secret)


def _pool(cell: dict[str, Any], unknown: dict[str, Any] | None) -> tuple[int, int]:
    """Customers and members that a group is compared within: those whose group is known.

    Where an attribute is known for few, all of its groups differ from the unknown first. Those are
    in the pool where they are the group, and where their number is withheld, since it would follow.
    """
    customers, members = cell["all_customers"], cell["all_members"]
    if unknown is None or unknown is cell:
        return customers, members
    return customers - unknown["customers"], members - unknown["members"]


def _rates(cell: dict[str, Any], pool: tuple[int, int]) -> dict[str, Any]:
    customers, members = cell["customers"], cell["members"]
    customer_share = customers / cell["all_customers"]
    member_share = members / cell["all_members"]
    return {
        "customers": customers,
        "members": members,
        "customer_share": customer_share,
        "member_share": member_share,
        "representation": member_share / customer_share,
        **compared(members, customers, pool[1] - members, pool[0] - customers),
    }


def _test(rows: Sequence[dict[str, Any]]) -> None:
    """Adds p-values to the rows: as many or as few members of the group by a draw from the pool."""
    if not rows:
        return
    members, group, everyone, segment = np.array(
        [(row["members"], row["customers"], *row["pool"]) for row in rows]
    ).T
    tails = np.minimum(
        stats.hypergeom.cdf(members, everyone, group, segment),
        stats.hypergeom.sf(members - 1, everyone, group, segment),
    )
    p_values = np.clip(2 * tails, 0, 1)
    corrected = stats.false_discovery_control(p_values)
    for row, p_value, p_corrected in zip(rows, p_values, corrected, strict=True):
        row |= {"p_value": float(p_value), "p_corrected": float(p_corrected)}
