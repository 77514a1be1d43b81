"""What a reader of aggregates can compute from sizes and moves together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
from scipy.optimize import linprog

from explorer.build import HERE
from explorer.tables import tables

SMALLEST = 10
# Worlds of 10 to 230 customers, each a scheme: small ones withhold sizes, others moves.
WORLDS = """
    set threads = 1;
    select setseed({seed});
    create schema monitoring;
    create table monitoring.data_set as select {smallest} as smallest_cell;
    create table customers as
    select
        range as customer,
        concat('w', cast(floor(sqrt(range / 10)) as int)) as scheme,
        ['prospect', 'a', 'b', 'c'][1 + cast(floor(4 * random() ** 1.3) as int)] as place,
        random() as luck
    from range(120 * 12);
    create table members as
    select scheme, customer, date '2024-01-01' as period, place from customers where luck < .9
    union all
    select
        scheme, customer, date '2024-02-01',
        case
            when luck < .75 then place
            when place = 'a' then 'b'
            when place = 'b' then ['a', 'c'][1 + customer % 2]
            else 'a'
        end
    from customers;
    create table segment_kpis as
    select period, scheme, concat(scheme, ':', place) as segment_key, count(*) as customers
    from members group by all;
    create table segments as
    select distinct segment_key, scheme, true as is_exclusive from segment_kpis;
    create table segment_transitions as
    select
        after.period, after.scheme,
        coalesce(concat(before.scheme, ':', nullif(before.place, '')), 'outside') as from_segment,
        concat(after.scheme, ':', after.place) as to_segment,
        count(*) as customers, 0.5 as rate
    from members as after
    left join members as before
        on after.customer = before.customer and before.period = date '2024-01-01'
    where after.period = date '2024-02-01'
    group by all;
    update segment_transitions set from_segment = 'outside' where from_segment = ':';
"""


def query(file: Path, name: str, folder: Path) -> Path:
    text = file.read_text(encoding="utf-8")
    part = next(part for part in text.split("-- table: ") if part.startswith(f"{name}\n"))
    (folder / f"{name}.sql").write_text(f"-- table: {part}", encoding="utf-8")
    return folder / f"{name}.sql"


@pytest.mark.parametrize("seed", [0.1, 0.4, 0.7])
def test_no_small_cell_follows_from_sizes_and_moves_together(seed: float, tmp_path: Path) -> None:
    with duckdb.connect() as connection:
        connection.execute(WORLDS.format(seed=seed, smallest=SMALLEST))
        sizes = tables(HERE / "sizes.sql", connection, SMALLEST)["sizes"]["rows"]
        connection.execute(
            "create table shown_sizes (period date, scheme varchar, "
            "segment_key varchar, customers bigint)"
        )
        connection.executemany("insert into shown_sizes values (?, ?, ?, ?)", sizes)
        file = query(HERE / "pages" / "20_segment.sql", "moves", tmp_path)
        moves = tables(file, connection, SMALLEST)["moves"]["rows"]
        true_sizes = {
            (str(period), key): customers
            for period, key, customers in connection.execute(
                "select period, segment_key, customers from segment_kpis"
            ).fetchall()
        }
        true_moves = {
            (source, target): customers
            for source, target, customers in connection.execute(
                "select from_segment, to_segment, customers from segment_transitions"
            ).fetchall()
        }
    everything = {source.partition(":")[0] for source, _ in true_moves} - {"outside"}
    # Of other schemes only the moves of prospects and newcomers are shown, or none.
    whole = {
        source.partition(":")[0]
        for _, source, *_ in moves
        if source != "outside" and not source.endswith(":prospect")
    }
    assert whole
    assert whole < everything
    tried = tried_cells(
        [
            ((period, key), (period, scheme), shown, true_sizes[period, key])
            for period, scheme, key, shown in sizes
        ],
        [
            ((period, source, target), "2024-01-01", shown, true_moves[source, target])
            for period, source, target, shown, _ in moves
        ],
    )
    assert tried > 5


def tried_cells(sizes: list[Any], moves: list[Any]) -> int:
    """Reads what is shown, knowing that moves add up to sizes and sizes to customers.

    A withheld small cell must be open: another count agrees with all that is shown, by linear
    programming. How many are new and how many prospects bought follows from sizes whatever is
    shown of moves, so those are not judged, nor is the only cell of a total.

    Returns how many cells were tried.
    """
    cells: dict[Any, tuple[int | None, int]] = {}
    sums: dict[Any, list[tuple[Any, int]]] = {}
    for key, scheme, shown, truth in sizes:
        cells[key] = (shown, truth)
        if scheme is not None:
            sums.setdefault(("scheme", scheme), []).append((key, 1))
    for key, before, shown, truth in moves:
        period, source, target = key
        cells[key] = (shown, truth)
        for place in ((before, source), (period, target)):
            if place in cells and place[1] != "outside":
                side = "left" if place[0] == before else "came"
                sums.setdefault((side, place), [(place, -1)]).append((key, 1))
    hidden = [key for key, (shown, truth) in cells.items() if shown is None and truth > 0]
    assert all(shown in (None, truth) for shown, truth in cells.values())
    assert all(shown is None for shown, truth in cells.values() if 0 < truth < SMALLEST)
    at = {key: position for position, key in enumerate(hidden)}
    rows, alone = [], set()
    for parts in sums.values():
        there = [key for key, sign in parts if sign > 0 and cells[key][1] > 0]
        if len(there) == 1:
            alone |= set(there)
        row = np.zeros(len(hidden))
        for key, sign in parts:
            if key in at:
                row[at[key]] += sign
        if row.any():
            rows.append(row)
    matrix = np.array(rows)
    counts = np.array([cells[key][1] for key in hidden], dtype=float)
    tried = 0
    for key in hidden:
        is_new = len(key) == 3 and (key[1] == "outside" or key[1].endswith(":prospect"))
        if key in alone or is_new or cells[key][1] >= SMALLEST:
            continue
        goal = np.zeros(len(hidden))
        goal[at[key]] = 1
        ends = [
            sign * linprog(sign * goal, A_eq=matrix, b_eq=matrix @ counts, bounds=(0, 1e6)).fun
            for sign in (1, -1)
        ]
        assert ends[1] - ends[0] > 0.5, (key, cells[key])
        tried += 1
    return tried
