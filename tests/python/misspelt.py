"""Customers whose duplicates each have a typing error, so that no two records are the same."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from demo_data import corruption, words

FIELDS = ("given_name", "family_name", "birth_date")
_DIGITS = (3, 5, 6, 8, 9)  # of YYYY-MM-DD: another decade may be another person


def misspelt(
    records: int, pairs: int, seed: int, fields: Sequence[str] = FIELDS
) -> tuple[pd.DataFrame, pd.Series[int]]:
    """Records with a name and a birth date only, and the person of each.

    pairs: of records of one person; the second has an error in one of the fields. A misspelt date
    may be no date.
    """
    rng = np.random.default_rng(seed)
    people = records - pairs
    days = np.datetime64("1935-01-01") + rng.integers(0, 70 * 365, people)
    right = pd.DataFrame(
        {
            "given_name": rng.choice(words.FEMALE_NAMES[0], people, p=words.FEMALE_NAMES[1]),
            "family_name": rng.choice(words.FAMILY_NAMES[0], people, p=words.FAMILY_NAMES[1]),
            "birth_date": days.astype(str),
        }
    )
    repeated = rng.choice(people, pairs, replace=False)
    wrong = right.iloc[repeated].reset_index(drop=True)
    for row, field in enumerate(rng.choice(np.array(fields), pairs)):
        error = _other_digit if field == "birth_date" else corruption.typo
        wrong.loc[row, field] = error(rng, wrong.loc[row, field])
    both = pd.concat([right, wrong], ignore_index=True)
    both["person"] = np.concatenate([np.arange(people), repeated])
    both = both.iloc[rng.permutation(records)].reset_index(drop=True)
    both.insert(0, "record_id", [f"r{number}" for number in range(records)])
    both.insert(0, "source_system", "crm")
    return both.drop(columns="person"), both["person"]


def write_truth(folder: Path, customers: pd.DataFrame, person: pd.Series[int]) -> None:
    """What `identity_truth.measured` reads; every pair is linkable."""
    folder.mkdir(parents=True)
    truth = customers[["source_system", "record_id"]].assign(person=person)
    truth.to_parquet(folder / "records.parquet")
    both = truth.merge(truth.add_prefix("other_"), left_on="person", right_on="other_person")
    pairs = both[both["record_id"] < both["other_record_id"]].assign(is_linkable=True)
    pairs.to_parquet(folder / "pairs.parquet")


def _other_digit(rng: np.random.Generator, date: str) -> str:
    at = int(rng.choice(_DIGITS))
    digit = (int(date[at]) + int(rng.integers(1, 10))) % 10
    return f"{date[:at]}{digit}{date[at + 1 :]}"
