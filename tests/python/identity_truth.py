"""How well records were resolved to people, measured against the companion's truth.

`python tests/python/identity_truth.py --warehouse <file> --truth <folder>` prints the figures of a
build on generated data; the tests assert them on a small population. No model reads the truth.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict, dataclass
from pathlib import Path

import duckdb


@dataclass(frozen=True)
class Accuracy:
    """Counts of records and pairs of records; shares are from 0 to 1, and 1 where there are none.

    A customer is false where it holds records of more than one person. A pair is linkable where
    the truth says that any identifier still joins it.
    """

    records: int
    people: int
    customers: int
    found_pairs: int
    precision: float
    true_pairs: int
    recall: float
    linkable_pairs: int
    recall_of_linkable: float
    false_customers: int
    most_people_in_a_customer: int


def measured(warehouse: Path, truth: Path) -> Accuracy:
    """Compares int_identity__records of a working file with `records` and `pairs` of the truth.

    Records that are in one of the two only (the erased, references without a record) don't count.
    """
    with duckdb.connect() as connection:
        connection.execute(f"attach '{warehouse}' as warehouse (read_only)")
        connection.execute(
            f"""
            create table resolved as
            select source_system, record_id, person, customer_id
            from '{truth / "records.parquet"}'
            inner join warehouse.identity.int_identity__records using (source_system, record_id);

            create table customers as
            select customer_id, count(*) as records, count(distinct person) as people
            from resolved group by all;

            create table found as
            select count(*) as pairs, count(*) filter (one.person = other.person) as correct
            from resolved as one
            inner join resolved as other
                on one.customer_id = other.customer_id
                and (one.source_system, one.record_id) < (other.source_system, other.record_id);

            create table true_pairs as
            select is_linkable, one.customer_id = other.customer_id as is_found
            from '{truth / "pairs.parquet"}' as pairs
            inner join resolved as one
                on pairs.source_system = one.source_system and pairs.record_id = one.record_id
            inner join resolved as other
                on pairs.other_source_system = other.source_system
                and pairs.other_record_id = other.record_id;
            """
        )
        row = connection.execute(
            """
            select
                (select count(*) from resolved),
                (select count(distinct person) from resolved),
                (select count(*) from customers),
                found.pairs,
                coalesce(found.correct / nullif(found.pairs, 0), 1),
                (select count(*) from true_pairs),
                (select coalesce(avg(is_found::int), 1) from true_pairs),
                (select count(*) from true_pairs where is_linkable),
                (select coalesce(avg(is_found::int), 1) from true_pairs where is_linkable),
                (select count(*) from customers where people > 1),
                (select coalesce(max(people), 0) from customers)
            from found
            """
        ).fetchone()
    assert row is not None
    return Accuracy(*row)


def main() -> None:
    """Prints one figure a line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--warehouse", type=Path, required=True, help="working file of the build")
    parser.add_argument("--truth", type=Path, required=True, help="folder of the truth")
    arguments = parser.parse_args()
    for name, figure in asdict(measured(arguments.warehouse, arguments.truth)).items():
        print(f"{name:26} {figure:,.5f}" if isinstance(figure, float) else f"{name:26} {figure:,}")


if __name__ == "__main__":
    main()
