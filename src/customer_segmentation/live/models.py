"""The project's own compiled models over the rows of a few customers.

An in-memory DuckDB stands for the working file of the last build. It has the same names, so that
the SQL that dbt compiled runs as it is; but of customers' rows it has those of the customers asked
about alone. What a model reads of all customers, such as the figures of all buyers, is a parameter:
it stays as of the last build.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pyarrow as pa

from customer_segmentation.identity.identifiers import hashed_reference
from customer_segmentation.input.tombstones import keyed_reference
from customer_segmentation.live.errors import LiveError
from customer_segmentation.sql import identifier, literal

# What is computed anew, in the order of the graph. Everything else is as of the last build.
TABLES = ("orders", "events")
COMPUTED = (
    *("base_orders", "stg_orders", "base_events", "stg_events", "int_staging__bot_days"),
    *("int_facts__orders", "int_facts__events", "int_facts__sessions"),
    *("int_features__interests", "int_value__purchase_histories"),
    *("int_value__expected_purchases", "int_value__lifetime_values"),
    *("int_features__customers_measured", "int_features__treated"),
    *("int_segmentation__clusters", "int_segmentation__customers_scored"),
    *("int_segmentation__customers_predicted", "int_segmentation__rule_trials"),
    "int_segmentation__memberships",
)
# Filled by themselves: see Models._judge.
_JUDGED = ("base_orders", "base_events")
# The CTEs that read all customers, or the same days every time.
OF_ALL_CUSTOMERS = {
    "base_orders": ("zone_days",),
    "int_facts__events": ("numeric_sources",),
    "int_facts__sessions": ("months_of_products",),
    "int_features__customers_measured": ("all_buyers", "dates_with_events"),
}
_MEMBERSHIPS = "int_segmentation__memberships"
_REFERENCES = "int_identity__references"
_LINKS = "stg_identity_links"
_CUSTOMERS = "int_identity__customers_resolved"
_SEGMENTS = "int_segmentation__segments"
_PERIODS = "int_periods"
_TRIALS = "int_segmentation__rule_trials"
_ERASED_REFERENCES = "int_identity__erased_references"
_TOMBSTONES = "stg_tombstones"

# A rejected row changes no other, but one that contradicts another row does.
_COUNTS = "(failed_rule is null or failed_rule = 'conflicting_repeat')"
_CARRIERS = {"orders": "coupon", "events": "campaign_id"}
_KEYS = {"orders": "order_id", "events": "event_id"}

_ERASED = "erased_customer"

Row = tuple[str, Mapping[str, str | None]]


class Relation(NamedTuple):
    """A table or view of the working file: its schema and name."""

    schema: str
    name: str

    def within(self, database: str) -> str:
        return identifier(database, *self)


class Compiled:
    """The models of the last build, as dbt compiled them."""

    def __init__(self, manifest: Mapping[str, Any]) -> None:
        self._nodes = {
            node["name"]: node
            for node in (*manifest["nodes"].values(), *manifest["sources"].values())
            if node["resource_type"] in ("model", "seed", "source")
        }
        missing = [name for name in COMPUTED if not self._nodes.get(name, {}).get("compiled_code")]
        if missing:
            raise LiveError(
                f"The manifest has no compiled SQL of {missing[0]}: dbt's last command was no "
                f"build of everything. Run `make build` first."
            )
        self.database: str = self._nodes[_MEMBERSHIPS]["database"]

    def relation(self, name: str) -> Relation:
        node = self._nodes[name]
        return Relation(node["schema"], node.get("alias") or node["identifier"])

    def sql(self, name: str) -> str:
        return str(self._nodes[name]["compiled_code"])

    def columns(self, name: str) -> list[str]:
        return list(self._nodes[name]["columns"])

    def read(self) -> list[Relation]:
        """What the computed models read of the build."""
        pattern = re.compile(rf'"{re.escape(self.database)}"\."([^"]+)"\."([^"]+)"')
        found = {
            Relation(*names) for model in COMPUTED for names in pattern.findall(self.sql(model))
        }
        computed = {self.relation(name) for name in (*COMPUTED, *TABLES)}
        others = (_MEMBERSHIPS, _REFERENCES, _LINKS, _CUSTOMERS, _SEGMENTS, _PERIODS, _TRIALS)
        named = {self.relation(name) for name in (*others, _ERASED_REFERENCES, _TOMBSTONES)}
        named |= {self.relation(f"base_{table}") for table in TABLES}
        return sorted(found - computed | named)


def with_table(sql: str, cte: str, table: str) -> str:
    """The SQL with a CTE that selects all of a table instead.

    Models begin a CTE, and end it, at the start of a line.
    """
    pattern = re.compile(
        rf"^{re.escape(cte)} as (?:(?:not )?materialized )?\(\n.*?^\)", re.DOTALL | re.MULTILINE
    )
    changed, count = pattern.subn(lambda _: f"{cte} as (select * from {table})", sql)
    if count != 1:
        raise LiveError(f"A model has no CTE {cte} any more. live/models.py has to name another.")
    return changed


def materialized(sql: str) -> str:
    """The SQL with every CTE computed once.

    Where a base model reads a CTE again, so that no raw table has to fit into memory, DuckDB would
    plan its expressions as often: most of the time that a few rows take.
    """
    return re.sub(
        r"^(\w+) as (?:not materialized )?\(\n", r"\1 as materialized (\n", sql, flags=re.M
    )


def rows_of_cte(sql: str, cte: str) -> str:
    """The SQL with the rows of one of its CTEs as the result."""
    head, _, _ = sql.rpartition("\n)\n")
    if not head:
        raise LiveError("A model does not end with a select from a CTE. See live/models.py.")
    return f"{head}\n)\nselect * from {cte}"


def take_snapshot(working: Path, file: Path, compiled: Compiled) -> None:
    """Copies what live profiles need of a build, so that the working file is free for the next."""
    draft = file.with_name(f".{file.name}.draft")
    draft.unlink(missing_ok=True)
    with duckdb.connect() as copy:
        copy.execute("set TimeZone = 'UTC'")
        copy.execute(f"attach {literal(str(draft))} as build")
        copy.execute(
            f"attach {literal(str(working))} as {identifier(compiled.database)} (read_only)"
        )
        for schema, name in compiled.read():
            source = identifier(compiled.database, schema, name)
            columns = [column for (column, *_) in copy.execute(f"describe {source}").fetchall()]
            # Rows of a customer lie together, and few blocks are read for it.
            order = "order by customer_key" if "customer_key" in columns else ""
            # The ids of erased people are for the outbox alone.
            rows = (
                "* replace (cast(null as varchar) as customer_id)" if name == _TOMBSTONES else "*"
            )
            where = f"where {_COUNTS} and fate <> 'expired'" if name in _JUDGED else ""
            copy.execute(f"create schema if not exists build.{identifier(schema)}")
            copy.execute(
                f"create table {identifier('build', schema, name)} as "
                f"select {rows} from {source} {where} {order}"
            )
        copy.execute("create schema build.population")
        for model, ctes in OF_ALL_CUSTOMERS.items():
            for cte in ctes:
                copy.execute(
                    f"create table {identifier('build', 'population', cte)} as "
                    f"{rows_of_cte(compiled.sql(model), cte)}"
                )
    draft.replace(file)


class Changed(NamedTuple):
    """What a batch of messages may change.

    Attributes:
        customers: Keys of the customers whose memberships may be others now.
        aside: Ids of messages that change nothing for now, each with the reason.
        references: The customer_ref of each message as staging keeps it, without e-mail addresses.
    """

    customers: list[int]
    aside: dict[str, str]
    references: dict[str, str | None]


class Customer(NamedTuple):
    """A customer of the build.

    Attributes:
        key: The internal key.
        may_be_contacted: Whether other systems may know the customer.
        segments: Memberships as of the build.
    """

    key: int
    may_be_contacted: bool
    segments: frozenset[str]


class Models:
    """Computes memberships from a snapshot of the build and the messages since.

    Args:
        snapshot: What :func:`take_snapshot` wrote.
        compiled: The models of that build.
        as_of: Exclusive local midnight up to which rows count; None: that of the build.
    """

    def __init__(self, snapshot: Path, compiled: Compiled, as_of: dt.date | None = None) -> None:
        self._compiled = compiled
        self._db = compiled.database
        self._connection = run = duckdb.connect()
        run.execute("set TimeZone = 'UTC'")
        # A batch is too small to share out: a second thread costs more than it saves.
        run.execute("set threads = 1")
        run.create_function(
            "segmentation_hashed_reference",
            hashed_reference,
            [duckdb.sqltype("VARCHAR")],
            duckdb.sqltype("VARCHAR"),
        )
        run.execute(f"attach {literal(str(snapshot))} as build (read_only)")
        run.execute(f"attach ':memory:' as {identifier(self._db)}")
        self._sql = {name: compiled.sql(name) for name in COMPUTED}
        for model, ctes in OF_ALL_CUSTOMERS.items():
            for cte in ctes:
                self._sql[model] = with_table(self._sql[model], cte, f"population.{cte}")
        self._sql["base_orders"] = with_table(
            self._sql["base_orders"], "plausible_dates", "population.plausible_dates"
        )
        for name in _JUDGED:
            self._sql[name] = materialized(self._sql[name])
        for relation in {*compiled.read(), *map(compiled.relation, (*COMPUTED, *TABLES))}:
            run.execute(f"create schema if not exists {identifier(self._db, relation.schema)}")
        ((built,),) = run.execute(
            f"select as_of from {self._build(_PERIODS)} where is_current"
        ).fetchall()
        self._built_as_of: dt.date = built
        self.as_of = as_of or self._built_as_of
        if self.as_of < self._built_as_of:
            raise LiveError(
                f"--as-of is {self.as_of}, but the build is as of {self._built_as_of}. Expected "
                f"that or later."
            )
        self._copy_parameters()
        self._move()
        self._know()

    def _build(self, name: str) -> str:
        return self._compiled.relation(name).within("build")

    def _here(self, name: str) -> str:
        return self._compiled.relation(name).within(self._db)

    def _copy_parameters(self) -> None:
        """Copies tables without customers; the others show those rows that are asked about."""
        run = self._connection
        for asked in ("keys", "people"):
            run.execute(f"create temp table {asked} (customer_key bigint)")
        computed = {self._compiled.relation(name) for name in COMPUTED}
        for relation in self._compiled.read():
            if relation in computed or relation.name in _JUDGED:
                continue
            columns = {
                c for (c, *_) in run.execute(f"describe {relation.within('build')}").fetchall()
            }
            here, build = relation.within(self._db), relation.within("build")
            if "customer_key" in columns:
                whose = "people" if relation.name in (_REFERENCES, _CUSTOMERS) else "keys"
                # The scores of the build are the current ones on a later day, too.
                current = (
                    f"replace (if(as_of = date '{self._built_as_of}', date '{self.as_of}', as_of) "
                    f"as as_of)"
                    if relation.name.endswith("prediction_scores")
                    else ""
                )
                run.execute(
                    f"create view {here} as select * {current} "
                    f"from {build} semi join temp.{whose} using (customer_key)"
                )
            else:
                run.execute(f"create table {here} as from {build}")
        run.execute("create schema population")
        for cte in (cte for ctes in OF_ALL_CUSTOMERS.values() for cte in ctes):
            run.execute(f"create table population.{cte} as from build.population.{cte}")
        run.execute(
            "create table population.plausible_dates as select "
            "cast(min(ordered_on) - interval 367 day as date) as implausible_until, "
            "cast(max(ordered_on) + interval 367 day as date) as implausible_from "
            f"from {self._build('base_orders')}"
        )

    def _move(self) -> None:
        """Ends the current period at another date."""
        run, periods, built = self._connection, self._here(_PERIODS), self._built_as_of
        # With score_slack, scores are replayed over all periods.
        self._builds_all = "kept_recency_score" in self._sql["int_segmentation__customers_scored"]
        ((is_closed,),) = run.execute(
            f"select coalesce(bool_or(is_whole), false) from {periods} where next_as_of = ?",
            [built],
        ).fetchall()
        # The period that is open now; one that ended at the build's as_of is followed by another.
        self._replaced = None if is_closed and self.as_of != built else built
        if self.as_of != built and is_closed:
            run.execute(
                f"insert into {periods} select * replace (? as as_of, as_of as previous_as_of) "
                f"from {periods} where is_current",
                [self.as_of],
            )
            run.execute(
                f"update {periods} set next_as_of = ?, is_current = false where as_of = ?",
                [self.as_of, built],
            )
        elif self.as_of != built:
            run.execute(f"update {periods} set as_of = ? where is_current", [self.as_of])
        if self.as_of != built:
            for table in ("all_buyers", "dates_with_events"):
                run.execute(
                    f"update population.{table} set as_of = ? where as_of = ?", [self.as_of, built]
                )

    def _know(self) -> None:
        """Prepares the tables of the messages, as the base models type them."""
        run = self._connection
        run.execute("create schema known")
        for table in TABLES:
            base = self._build(f"base_{table}")
            run.execute(f"create table known.{table} as select * from {base} limit 0")
            run.execute(
                f"create view {table}_known as select *, false as is_new from {base} "
                f"union all by name select *, true as is_new from known.{table}"
            )
        run.execute(
            f"create view names as select source_system, customer_ref, customer_key "
            f"from {self._build(_REFERENCES)}"
        )
        run.execute(
            f"create view erased as select source_system, reference as customer_ref "
            f"from {self._build(_ERASED_REFERENCES)} where source_table <> 'records'"
        )
        rows = run.execute(f"select reference from {self._build(_TOMBSTONES)}").fetchall()
        self._tombstones = {reference for (reference,) in rows}

    def add(self, rows: Mapping[str, Sequence[Row]]) -> Changed:
        """Takes in messages.

        Args:
            rows: For each table its messages: id and values, as text. A column that a message lacks
                is null.

        Returns:
            Whom they change, and which of them do not count.
        """
        run = self._connection
        aside: dict[str, str] = {}
        references: dict[str, str | None] = {}
        for table in TABLES:
            self._type(table, rows.get(table, ()))
            found = run.execute(
                f"select message_id, failed_rule from typed_{table} where not {_COUNTS}"
            ).fetchall()
            found += [(message_id, _ERASED) for message_id in self._erased(table)]
            found += run.execute(
                f"select message_id, 'unknown_reference' from typed_{table} "
                f"anti join names using (source_system, customer_ref) "
                f"where customer_ref is not null"
            ).fetchall()
            for message_id, reason in found:
                aside.setdefault(message_id, reason)
            kept = run.execute(f"select message_id, customer_ref from typed_{table}")
            references |= dict(kept.fetchall())
            # Of a row that var retention leaves out, its id is gone as well.
            lost = {message_id for message_id, _ in rows.get(table, ())} - references.keys()
            aside |= dict.fromkeys(lost, "expired")
            gone = [(i,) for i, reason in aside.items() if reason == _ERASED]
            run.execute(f"delete from typed_{table} where not {_COUNTS}")
            if gone:
                run.executemany(f"delete from typed_{table} where message_id = ?", gone)
            run.execute(
                f"insert into known.{table} by name "
                f"select * exclude (message_id) from typed_{table}"
            )
        return Changed(self._customers_of_messages(), aside, references)

    def _erased(self, table: str) -> list[str]:
        """Ids of messages about people who were erased, with raw rows left or without."""
        run = self._connection
        found = run.execute(
            f"select message_id from typed_{table} "
            f"semi join erased using (source_system, customer_ref)"
        ).fetchall()
        if self._tombstones:
            visitor = "'visitor ' || anonymous_id" if table == "events" else "null"
            unknown = run.execute(
                f"select message_id, source_system, coalesce(customer_ref, {visitor}) as reference "
                f"from typed_{table} anti join names using (source_system, customer_ref) "
                f"where reference is not null"
            ).fetchall()
            found += [(i,) for i, *whose in unknown if keyed_reference(*whose) in self._tombstones]
        return [message_id for (message_id,) in found]

    def _type(self, table: str, rows: Sequence[Row]) -> None:
        """Runs the base model over the messages.

        A text column carries the message id meanwhile. It gets its own value back, which is typed
        when the row is computed with.
        """
        run, carrier = self._connection, _CARRIERS[table]
        if not rows:
            run.execute(
                f"create or replace temp table typed_{table} as "
                f"select *, '' as message_id from known.{table} limit 0"
            )
            return
        text = pa.string()
        messages = pa.table(
            {
                "message_id": pa.array([message_id for message_id, _ in rows], text),
                **{
                    column: pa.array([row.get(column) for _, row in rows], text)
                    for column in self._columns(table)
                },
            }
        )
        run.register("messages", messages)
        run.execute(
            f"create or replace table {self._here(table)} as "
            f"select * exclude (message_id) replace (message_id as {carrier}) from messages"
        )
        run.execute(
            f"create or replace temp table typed_{table} as "
            f"select own.* replace (messages.{carrier} as {carrier}), messages.message_id "
            f"from ({self._sql[f'base_{table}']}) as own "
            f"inner join messages on own.{carrier} = messages.message_id"
        )
        run.unregister("messages")

    def _columns(self, table: str) -> list[str]:
        return self._compiled.columns(table)

    def _customers_of_messages(self) -> list[int]:
        """Customers whom the typed messages are about, or share a device or a session with."""
        run = self._connection
        run.execute(
            """
            create or replace temp table near as
            select e.source_system, e.event_id, e.session_id, e.anonymous_id, e.customer_ref
            from events_known as e
            semi join typed_events using (source_system, event_id)
            """
        )
        for _ in range(2):
            self._widen()
        run.execute(
            f"""
            create or replace temp table named as
            select source_system, customer_ref from typed_orders
            union
            select o.source_system, o.customer_ref
            from orders_known as o
            semi join typed_orders using (source_system, order_id)
            union
            select source_system, customer_ref from near
            union
            select links.source_system, links.customer_ref
            from {self._build(_LINKS)} as links
            semi join near using (source_system, anonymous_id)
            """
        )
        return [
            key
            for (key,) in run.execute(
                "select distinct customer_key from names "
                "semi join named using (source_system, customer_ref) order by 1"
            ).fetchall()
        ]

    def _widen(self) -> None:
        """Adds the events of the same sessions, then those of the same visitors, to `near`."""
        run = self._connection
        for condition in (
            "e.session_id = near.session_id",
            "coalesce(e.anonymous_id, e.customer_ref) = "
            "coalesce(near.anonymous_id, near.customer_ref)",
        ):
            run.execute(
                f"""
                create or replace temp table near as
                select source_system, event_id, session_id, anonymous_id, customer_ref from near
                union
                select e.source_system, e.event_id, e.session_id, e.anonymous_id, e.customer_ref
                from events_known as e
                semi join near on e.source_system = near.source_system and {condition}
                """
            )

    def memberships(self, customers: Iterable[int]) -> list[tuple[str, str]]:
        """The memberships of customers: customer_id and segment_key."""
        run = self._connection
        run.register("asked", pa.table({"customer_key": pa.array(list(customers), pa.int64())}))
        run.execute("create or replace temp table keys as from asked")
        run.unregister("asked")
        self._fill()
        for name in COMPUTED:
            if name not in _JUDGED:
                run.execute(f"create or replace table {self._here(name)} as {self._sql[name]}")
            if name == _TRIALS:
                run.execute(
                    f"insert into {self._here(name)} by name "
                    f"select trials.* from {self._build(name)} as trials "
                    f"semi join keys using (customer_key) where as_of not in "
                    f"(select as_of from {self._here(_PERIODS)} where is_built) "
                    f"and as_of is distinct from ?",
                    [self._replaced],
                )
        return run.execute(
            f"""
            select customer_id, segment_key
            from {self._here(_MEMBERSHIPS)}
            inner join {self._build(_CUSTOMERS)} using (customer_key)
            semi join keys using (customer_key)
            where as_of = ?
            order by all
            """,
            [self.as_of],
        ).fetchall()

    def _fill(self) -> None:
        """Puts in what the customers own and what decides about it."""
        run = self._connection
        run.execute(
            f"""
            create or replace temp table near as
            select e.source_system, e.event_id, e.session_id, e.anonymous_id, e.customer_ref
            from events_known as e
            semi join (
                select names.* from names semi join keys using (customer_key)
            ) as own using (source_system, customer_ref)
            union
            select e.source_system, e.event_id, e.session_id, e.anonymous_id, e.customer_ref
            from events_known as e
            semi join (
                select links.source_system, links.anonymous_id
                from {self._build(_LINKS)} as links
                inner join names using (source_system, customer_ref)
                semi join keys using (customer_key)
            ) as linked using (source_system, anonymous_id)
            """
        )
        for _ in range(2):
            self._widen()
        # An order that a message gives to another customer counts with all its versions.
        rows = {
            "events": "semi join near using (source_system, event_id)",
            "orders": """
                semi join (
                    select o.source_system, o.order_id
                    from orders_known as o
                    inner join names using (source_system, customer_ref)
                    semi join keys using (customer_key)
                ) as own using (source_system, order_id)
            """,
        }
        for table, condition in rows.items():
            self._judge(table, condition)
        self._choose_periods()
        # With everyone on the same devices: whether one is shared decides whose an event is.
        run.execute(
            """
            create or replace temp table people as
            select customer_key from keys
            union
            select customer_key from names semi join near using (source_system, customer_ref)
            """
        )

    def _choose_periods(self) -> None:
        """Has the current period built, and those that a message is early enough to change.

        A rule with stay_until depends on earlier periods. Of those that no message reaches, its
        trials are in the build.
        """
        if self._builds_all:
            return
        self._connection.execute(
            f"""
            update {self._here(_PERIODS)} set is_built = is_current or as_of > (
                select coalesce(min(day), date '9999-12-31')
                from (
                    select ordered_on as day from own_orders where is_new
                    union all
                    select occurred_on as day from own_events where is_new
                )
            )
            """
        )

    def _judge(self, table: str, condition: str) -> None:
        """Makes the base table of rows, each with its fate.

        A row is judged again where a message repeats its key. Others are as the build, or the base
        model over the batch, judged them, which spares a run of the longest SQL.
        """
        run, here, key = self._connection, self._here(f"base_{table}"), _KEYS[table]
        run.execute(
            f"create or replace temp table own_{table} as select * from {table}_known {condition}"
        )
        run.execute(
            f"""
            create or replace temp table repeated_{table} as
            select source_system, {key}
            from own_{table}
            group by source_system, {key}
            having
                (bool_or(is_new) and count(*) > 1)
                or bool_or(is_new and {_CARRIERS[table]} is not null)
            """
        )
        run.execute(
            f"create or replace table {here} as select * exclude (is_new) from own_{table} "
            f"anti join repeated_{table} using (source_system, {key})"
        )
        columns = ", ".join(
            f"timezone('UTC', {c}) as {c}" if c.endswith("_at") else c for c in self._columns(table)
        )
        run.execute(
            f"create or replace table {self._here(table)} as select {columns} from own_{table} "
            f"semi join repeated_{table} using (source_system, {key})"
        )
        if run.execute(f"select count(*) from {self._here(table)}").fetchone() != (0,):
            run.execute(f"insert into {here} by name {self._sql[f'base_{table}']}")

    def keys_of(self, customer_ids: Sequence[str]) -> list[int]:
        """Keys of those who are customers of the build, in order."""
        return self._keys("semi join asked using (customer_id)", customer_ids)

    def keys_of_others(self, customer_ids: Sequence[str]) -> list[int]:
        """Keys of all other customers of the build who can have memberships, in order."""
        others = "anti join asked using (customer_id) where not is_excluded"
        return self._keys(others, customer_ids)

    def _keys(self, which: str, customer_ids: Sequence[str]) -> list[int]:
        run = self._connection
        run.register("asked", pa.table({"customer_id": pa.array(customer_ids, pa.string())}))
        found = run.execute(
            f"select customer_key from {self._build(_CUSTOMERS)} {which} order by 1"
        ).fetchall()
        run.unregister("asked")
        return [key for (key,) in found]

    @property
    def is_later(self) -> bool:
        """Whether as_of is after that of the build, so that time alone moves customers."""
        return self.as_of != self._built_as_of

    def customers(self, keys: Iterable[int]) -> dict[str, Customer]:
        """Customers of the build by id, with their memberships as of the build."""
        run = self._connection
        run.register("asked", pa.table({"customer_key": pa.array(list(keys), pa.int64())}))
        found = run.execute(
            f"""
            select
                customer_id,
                customer_key,
                may_be_contacted,
                list(segment_key order by segment_key) filter (where segment_key is not null)
            from {self._build(_CUSTOMERS)}
            semi join asked using (customer_key)
            left join (
                select customer_key, segment_key
                from {self._build(_MEMBERSHIPS)}
                where as_of = ?
            ) as memberships using (customer_key)
            where not is_excluded
            group by all
            order by all
            """,
            [self._built_as_of],
        ).fetchall()
        run.unregister("asked")
        return {
            customer_id: Customer(key, may_be_contacted, frozenset(segments or ()))
            for customer_id, key, may_be_contacted, segments in found
        }

    def segments(self) -> dict[str, dict[str, str | None]]:
        """What the outbox says about each segment."""
        columns = "name", "recommended_action", "channel", "offer"
        found = self._connection.execute(
            f"select segment_key, {', '.join(columns)} from {self._build(_SEGMENTS)}"
        ).fetchall()
        return {key: dict(zip(columns, values, strict=True)) for key, *values in found}
