"""A receiver that follows the outbox has the members who may be contacted, whatever came before."""

from __future__ import annotations

import datetime
from collections import Counter
from dataclasses import dataclass, field
from itertools import product

import duckdb
import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st
from rule_grammar_project import DEFAULTS, ROOT, GrammarProject

MODEL = ROOT / "models" / "marts" / "activation" / "activation_outbox.sql"
CUSTOMERS = ("ann", "ben")
SEGMENTS = ("rule:a", "rule:b")
FIRST_DAY = datetime.date(2026, 1, 1)
STATEMENTS = (None, True, False)

# What changes on a day: a membership, a statement on consent (None: no statement), the holdout.
STEP = st.one_of(
    st.tuples(st.just("member"), st.sampled_from(CUSTOMERS), st.sampled_from(SEGMENTS)),
    st.tuples(st.just("consent"), st.sampled_from(CUSTOMERS), st.booleans()),
    st.tuples(st.just("holdout"), st.sampled_from(CUSTOMERS), st.just("")),
)
DAYS = st.lists(st.tuples(st.lists(STEP, max_size=3), st.booleans()), min_size=2, max_size=12)


@pytest.fixture(scope="module")
def query(project: GrammarProject) -> str:
    return project.render(MODEL.read_text(), {**DEFAULTS, "activation_triggers": []})


@dataclass
class World:
    """Tables that the outbox reads, day by day, and a receiver that follows its messages."""

    members: set[tuple[str, str]] = field(default_factory=set)
    consents: list[tuple[str, bool, datetime.date]] = field(default_factory=list)
    held_out: set[str] = field(default_factory=set)
    changes: list[tuple[str, str, str, datetime.date]] = field(default_factory=list)
    receipts: list[tuple[str, datetime.datetime]] = field(default_factory=list)
    received: set[tuple[str, str]] = field(default_factory=set)

    def consent_of(self, customer: str) -> bool | None:
        stated = [granted for name, granted, _ in self.consents if name == customer]
        return stated[-1] if stated else None

    def addressable(self) -> set[tuple[str, str]]:
        return {
            (customer, segment)
            for customer, segment in self.members
            if self.consent_of(customer) and customer not in self.held_out
        }

    def live(self, steps: list[tuple[str, str, str | bool]], day: datetime.date) -> None:
        # At most one change of a kind per day, as there is one state per as_of.
        for kind, customer, what in {(one[0], one[1]): one for one in steps}.values():
            if kind == "member":
                pair = customer, str(what)
                self.changes.append((*pair, "exited" if pair in self.members else "entered", day))
                self.members ^= {pair}
            elif kind == "consent":
                self.consents.append((customer, bool(what), day))
            else:
                self.held_out ^= {customer}

    def outbox(self, query: str, day: datetime.date) -> list[tuple[str, str, str, str | None]]:
        with duckdb.connect() as connection:
            connection.execute("set timezone = 'UTC'")
            connection.execute(
                "create table int_periods as"
                " select unnest(range(?, ?, interval 1 day))::date as as_of, false as is_current",
                [FIRST_DAY, day + datetime.timedelta(1)],
            )
            connection.execute("update int_periods set is_current = as_of = ?", [day])
            connection.execute(
                "create table int_segmentation__segments (segment_key text, name text,"
                " recommended_action text, channel text, offer text)"
            )
            connection.execute(
                "create table int_identity__customers_resolved (customer_key int, customer_id text,"
                " activation_consent boolean, is_excluded boolean, may_be_contacted boolean)"
            )
            connection.execute(
                "create table int_identity__references (source_system text, customer_ref text,"
                " customer_key int)"
            )
            for key, customer in enumerate(CUSTOMERS):
                consent = self.consent_of(customer)
                may = bool(consent) and customer not in self.held_out
                connection.execute(
                    "insert into int_identity__customers_resolved values (?, ?, ?, false, ?)",
                    [key, customer, consent, may],
                )
                connection.execute(
                    "insert into int_identity__references values ('crm', ?, ?)", [customer, key]
                )
            tables = {
                "stg_consents (source_system text, customer_ref text, granted boolean,"
                " recorded_at timestamptz)": [
                    ("crm", customer, granted, f"{on} 09:00:00+00")
                    for customer, granted, on in self.consents
                ],
                "int_identity__erasures (customer_id text)": [],
                "segment_memberships (customer_id text, segment_key text)": sorted(self.members),
                "segment_changes (change_id text, customer_id text, segment_key text, change text,"
                " changed_on date)": [(None, *change) for change in self.changes],
                "stg_activation_receipts (change_id text, handed_over_at timestamptz)": [
                    (change_id, f"{at}+00") for change_id, at in self.receipts
                ],
            }
            for table, rows in tables.items():
                connection.execute(f"create table {table}")
                if rows:
                    places = ", ".join("?" * len(rows[0]))
                    name = table.split()[0]
                    connection.executemany(f"insert into {name} values ({places})", rows)
            connection.execute(
                "update segment_changes set change_id = md5("
                "length(customer_id) || ':' || customer_id || length(segment_key) || ':'"
                " || segment_key || length(change) || ':' || change || '10:' || changed_on)"
            )
            return connection.execute(
                f"select change_id, message, customer_id, segment_key from ({query})"
                " order by message, customer_id, segment_key"
            ).fetchall()

    def deliver(self, query: str, day: datetime.date) -> None:
        messages = self.outbox(query, day)
        handed_over_at = datetime.datetime.combine(day, datetime.time(18))
        for change_id, message, customer, segment in messages:
            if message == "suppressed":
                self.received -= set(product([customer], SEGMENTS))
            else:
                pair = customer, str(segment)
                # Nothing that the receiver has, or lacks, already.
                assert (pair in self.received) == (message == "exited"), (day, message, pair)
                self.received ^= {pair}
            self.receipts.append((change_id, handed_over_at))


@given(days=DAYS)
@examples(150)
def test_the_receiver_has_the_members_who_may_be_contacted(
    query: str, days: list[tuple[list[tuple[str, str, str | bool]], bool]]
) -> None:
    world = World()
    for number, (steps, is_delivered) in enumerate(days):
        day = FIRST_DAY + datetime.timedelta(number)
        world.live(steps, day)
        if is_delivered or number == len(days) - 1:
            world.deliver(query, day)
            assert world.received == world.addressable(), day
    assert max(Counter(change_id for change_id, _ in world.receipts).values(), default=1) == 1
