"""People: which records belong to one person, given pairs of records that look alike.

Links are followed from the strongest, and two groups are merged unless a record of one contradicts
a record of the other. So a chain of small differences, or a hub such as a shared mailbox, ends at
the first contradiction, and the weaker link is dropped.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import duckdb
import pyarrow as pa

from customer_segmentation.identity.contradictions import (
    dates_agree,
    names_agree,
    names_are_swapped,
    read_nicknames,
)

Record = tuple[int, str | None, str | None, str | None]
VETOES = ("given_name", "birth_date")

_MERGES = pa.schema(
    {
        "as_of": pa.date32(),
        "part": pa.string(),
        "left_key": pa.int64(),
        "right_key": pa.int64(),
        "weight": pa.float64(),
        "reason": pa.string(),
    }
)


class People(NamedTuple):
    """members: (record_key, person_key); refused: (left_key, right_key, weight, reason).

    Both are sorted by keys; person_key is the smallest record_key of the person, left_key the
    smaller of the two. A refused decision has no weight.
    """

    members: list[tuple[int, int]]
    refused: list[tuple[int, int, float | None, str]]


def merge_records(
    records: Iterable[Record],
    pairs: Iterable[tuple[int, int, float]],
    *,
    vetoes: Sequence[str],
    cap: int,
    nicknames: Iterable[tuple[str, str]] = (),
    decisions: Iterable[tuple[int, int, bool]] = (),
) -> People:
    """Groups of records, merged pair by pair in order of weight, then smaller key, then larger.

    records: (record_key, given_name, family_name, birth_date), each key once; names normalised,
    dates as ISO text, None where unknown.
    pairs: (left_key, right_key, weight) of links worth following, in either direction. Weights
    that are computed should be rounded, or the last bit decides the order.
    vetoes: any of given_name and birth_date. Two groups in which a record of one and a record of
    the other contradict each other (see `names_agree` and `dates_agree`) are not merged.
    cap: a larger group is undone, except for merges that people decided.
    nicknames: (nickname, name) pairs, normalised.
    decisions: (left_key, right_key, is_same) of people. `True` merges first, against vetoes and
    cap; all names and dates in such a group are right, and a record that agrees with one of them
    contradicts none. `False` overrides everything, other decisions included: two such records never
    end up in one group, not even through others.

    Pairs and decisions may come in any order and repeat; pairs of a record with itself are ignored.
    Reasons for refusals: decision, given_name, birth_date (the first that applies) and over_cap,
    for every link in a group that was undone.

    Raises ValueError for an unknown veto, a cap below 1, a repeated record or one not in records.
    """
    for veto in vetoes:
        if veto not in VETOES:
            raise ValueError(f"identity_vetoes: {veto!r} is unknown; allowed are {list(VETOES)}")
    if cap < 1:
        raise ValueError(f"identity_cap is {cap}; expected at least 1")
    rows = sorted(records, key=lambda row: row[0])
    keys = [row[0] for row in rows]
    index = {key: position for position, key in enumerate(keys)}
    if len(index) < len(rows):
        raise ValueError("records: a record_key is repeated")

    groups = _Groups(rows, nicknames)
    decided = sorted((*_positions(a, b, index), is_same) for a, b, is_same in decisions if a != b)
    refused: dict[tuple[int, int], tuple[float | None, str]] = {}
    for left, right, is_same in decided:
        if not is_same:
            groups.separate(left, right)
    for left, right, is_same in decided:
        if is_same and (reason := groups.merge(left, right, ())):
            refused[left, right] = (None, reason)
        elif is_same:
            groups.decided.add(groups.find(left))
    before = [groups.find(position) for position in range(len(rows))]

    # Sorted by the negative weight, so that plain tuples are in the order of merging.
    links = sorted((-weight, *_positions(a, b, index)) for a, b, weight in pairs if a != b)
    for weight, left, right in links:
        if reason := groups.merge(left, right, vetoes):
            refused.setdefault((left, right), (-weight, reason))

    after = [groups.find(position) for position in range(len(rows))]
    too_large = {root for root in after if groups.size[root] > cap}
    for weight, left, right in links if too_large else ():
        is_undone = after[left] in too_large and after[left] == after[right]
        if is_undone and before[left] != before[right]:
            refused.setdefault((left, right), (-weight, "over_cap"))
    # A position is smaller where its key is, so the first seen of a group has the smallest key.
    person: dict[tuple[bool, int], int] = {}
    members = []
    for position, key in enumerate(keys):
        undone = after[position] in too_large
        group = (undone, before[position] if undone else after[position])
        members.append((key, person.setdefault(group, key)))
    return People(
        members,
        [(keys[left], keys[right], *refused[left, right]) for left, right in sorted(refused)],
    )


def merge_by_date(
    *,
    records: duckdb.DuckDBPyRelation,
    pairs: duckdb.DuckDBPyRelation,
    decisions: duckdb.DuckDBPyRelation,
    dates: duckdb.DuckDBPyRelation,
    nicknames: duckdb.DuckDBPyRelation,
    vetoes: Sequence[str],
    cap: int,
) -> pa.Table:
    """`merge_records` as of each date, from what was known before it; as of the newest from all.

    records: record_key, given_name, family_name, birth_date, has_readable_birth_date,
        first_recorded_on (null: always).
    pairs: left_key, right_key, merge_order and is_link; only links are followed.
    decisions: left_key, right_key, is_same, decided_on (null: always).
    dates: as_of (date), is_current. nicknames: nickname, name.

    Returns as_of, part, left_key, right_key, weight, reason. Parts: `member`, where left_key is a
    record and right_key the person it was merged into (records that stay alone, and the one that
    names the person, have no row); `refused`, with the reason.
    """
    known = records.select(
        # A date that can't be read contradicts nothing.
        "record_key, given_name, family_name,"
        " case when has_readable_birth_date then birth_date end, first_recorded_on"
    ).fetchall()
    links = (
        pairs.filter("is_link")
        .select("left_key, right_key, cast(merge_order as double)")
        .fetchall()
    )
    decided = decisions.select("left_key, right_key, is_same, decided_on").fetchall()
    short_names = nicknames.select("nickname, name").fetchall()
    used = {key for left, right, *_ in (*links, *decided) for key in (left, right)}
    rows: list[tuple[Any, ...]] = []
    for as_of, is_current in dates.select("as_of, is_current").order("as_of").fetchall():
        there = [
            record[:4]
            for record in known
            if record[0] in used and (is_current or record[4] is None or record[4] < as_of)
        ]
        keys = {record[0] for record in there}
        people = merge_records(
            there,
            [link for link in links if link[0] in keys and link[1] in keys],
            vetoes=vetoes,
            cap=cap,
            nicknames=short_names,
            decisions=[
                (left, right, is_same)
                for left, right, is_same, decided_on in decided
                if left in keys
                and right in keys
                and (is_current or decided_on is None or decided_on < as_of)
            ],
        )
        rows += [
            (as_of, "member", record, person, None, None)
            for record, person in people.members
            if record != person
        ]
        rows += [(as_of, "refused", *refused) for refused in people.refused]
    columns = list(zip(*rows, strict=True)) or [()] * len(_MERGES)
    return pa.table([pa.array(c, f.type) for c, f in zip(columns, _MERGES, strict=True)], _MERGES)


class _Groups:
    """Groups of positions in `rows` (union-find), each with its distinct names and dates.

    Only distinct values are compared: within a group all agree, so they stay few however large
    the group is.
    """

    def __init__(self, rows: Sequence[Record], nicknames: Iterable[tuple[str, str]]) -> None:
        self.size = [1] * len(rows)
        self.decided: set[int] = set()
        self._parent = list(range(len(rows)))
        # Given names, each with the family names it was seen with.
        self._names = [{given: {family}} if given else {} for _, given, family, _ in rows]
        self._dates = [{date} if date else set() for *_, date in rows]
        self._foes: dict[int, set[int]] = {}
        full_names = read_nicknames(nicknames)

        # Names and dates repeat, so each pair is judged once; the caches end with this object.
        @cache
        def given_names_agree(left: str, right: str) -> bool:
            return names_agree(left, right, full_names)

        self._given_names_agree = given_names_agree
        self._dates_agree = cache(dates_agree)

    def find(self, position: int) -> int:
        """The position that stands for the group."""
        parent = self._parent
        while parent[position] != position:
            parent[position] = parent[parent[position]]
            position = parent[position]
        return position

    def separate(self, left: int, right: int) -> None:
        """Two single records must never be in one group."""
        self._foes.setdefault(left, set()).add(right)
        self._foes.setdefault(right, set()).add(left)

    def merge(self, left: int, right: int, vetoes: Collection[str]) -> str | None:
        """Merges the groups of two positions, or returns the reason why not."""
        left, right = self.find(left), self.find(right)
        if left == right:
            return None
        if self.size[left] < self.size[right]:
            left, right = right, left
        if self._are_foes(left, right):
            return "decision"
        if "given_name" in vetoes and not self._given_names_match(left, right):
            return "given_name"
        if "birth_date" in vetoes and not self._birth_dates_match(left, right):
            return "birth_date"
        self._parent[right] = left
        if right in self.decided:
            self.decided.add(left)
        self.size[left] += self.size[right]
        for given, families in self._names[right].items():
            self._names[left].setdefault(given, set()).update(families)
        self._dates[left] |= self._dates[right]
        if right in self._foes:
            self._foes.setdefault(left, set()).update(self._foes.pop(right))
        return None

    def _are_foes(self, left: int, right: int) -> bool:
        if left not in self._foes or right not in self._foes:
            return False
        fewer, other = sorted((left, right), key=lambda group: len(self._foes[group]))
        return any(self.find(foe) == other for foe in self._foes[fewer])

    def _given_names_match(self, left: int, right: int) -> bool:
        return self._match(
            left,
            right,
            (
                self._given_names_agree(given, other)
                or names_are_swapped((given, family), (other, other_family))
                for given, families in self._names[left].items()
                for other, other_families in self._names[right].items()
                for family in families
                for other_family in other_families
            ),
        )

    def _birth_dates_match(self, left: int, right: int) -> bool:
        return self._match(
            left,
            right,
            (
                self._dates_agree(date, other)
                for date in self._dates[left]
                for other in self._dates[right]
            ),
        )

    def _match(self, left: int, right: int, agreements: Iterator[bool]) -> bool:
        """Whether values agree: all of them, or one where people decided what is in a group."""
        first = next(agreements, None)
        if first is None:
            return True
        if left in self.decided or right in self.decided:
            return first or any(agreements)
        return first and all(agreements)


def _positions(left: int, right: int, index: Mapping[int, int]) -> tuple[int, int]:
    """Where two records are, the smaller key first."""
    if left > right:
        left, right = right, left
    try:
        return index[left], index[right]
    except KeyError as error:
        raise ValueError(f"record {error} is not in records") from None
