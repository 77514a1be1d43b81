"""Checks one raw table against its contract table and adds the findings to the report."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence

import duckdb
import yaml

from customer_segmentation.identity.identifiers import EMAIL
from customer_segmentation.input.contract import ContractTable, missing_columns
from customer_segmentation.input.event_roles import guessed_role
from customer_segmentation.input.orders_check import check_orders
from customer_segmentation.input.raw_tables import (
    Contents,
    RawTable,
    read_contents,
    rows_by_day,
)
from customer_segmentation.input.report import Report
from customer_segmentation.input.text_files import RawFileError
from customer_segmentation.input.values import (
    EARLIEST_PLAUSIBLE,
    bad_values,
    clock_of,
    kind_of_values,
    other_date_formats,
    plausible_days,
)
from customer_segmentation.near_names import near_misses
from customer_segmentation.sql import identifier

_TOLERATED = 0.05  # default of var max_reject_rate
_MOST_PERIODS = 240  # of months, the default of var period
_SHARED_BY = 10  # rows; rarer words are not shown
# What a word of a status usually means. A guess, printed to be corrected.
_MEANINGS = {
    "completed": "complete closed delivered done fulfilled invoiced ok paid shipped success sold",
    "returned": "chargeback credited refund refunded return reversed",
    "ignored": "abandoned authorized canceled cancelled declined draft expired failed open pending "
    "processing test unpaid void voided",
}
_MEANING_OF = {word: meaning for meaning, words in _MEANINGS.items() for word in words.split()}
_PLURALS = {
    "instant": "time stamps",
    "date": "dates",
    "number": "numbers",
    "boolean": "yes or no",
    "email": "e-mail addresses",
}
# Stable over exports, which row numbers seldom are.
_WITHOUT_ORDER_ID = (
    "If the orders have no number, make an order_id of the customer and the time, such as "
    "customer_ref || '-' || ordered_at, and sum up the amounts of the same customer and time "
    "to one row: of several rows of one order_id only one counts."
)


def check_table(
    connection: duckdb.DuckDBPyConnection,
    contract: ContractTable,
    table: RawTable,
    report: Report,
    event_roles: Mapping[str, Sequence[str]],
) -> bool:
    """Checks header, lines, names, values, key and words of a table; False if it can't be read."""
    if kind := _unusable_header(contract, table):
        report.changes.append(f"{table.label} {kind}")
        return False
    check = _TableCheck(connection, contract, table, report, event_roles)
    try:
        contents = read_contents(connection, table, check.named.get(check.clock or ""))
    except RawFileError as error:
        report.changes.append(str(error))
        return False
    except duckdb.Error as error:
        report.changes.append(
            f"{table.label} can't be read to its end: {type(error).__name__}. Write it again."
        )
        return False
    check.run(contents)
    return True


def _unusable_header(contract: ContractTable, table: RawTable) -> str | None:
    """Why the header of a table can't be used, and what to change; None if it can."""
    if table.text and not set(table.columns) & set(contract.columns):
        kinds = {kind_of_values([name]) for name in table.columns}
        if kinds & {"instant", "date", "number", "email"}:
            return (
                f"has no header: its first line holds values. Put the names of the columns above "
                f"it, at least {', '.join(contract.required_columns)}."
            )
    separator = re.search(r"[;\t|]", table.columns[0]) if len(table.columns) == 1 else None
    if separator:
        name = {";": "semicolons", "\t": "tabs", "|": "bars"}[separator[0]]
        return (
            f"is separated by {name}. Write it with commas, and decimals with a point; "
            "docs/own_data.md (Look at it first) has a command for it."
        )
    return None


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


class _TableCheck:
    """The checks of one table; each adds to the report."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        contract: ContractTable,
        table: RawTable,
        report: Report,
        event_roles: Mapping[str, Sequence[str]],
    ) -> None:
        self.connection = connection
        self.contract = contract
        self.table = table
        self.report = report
        self.role_of = {
            event_type.casefold(): role
            for role, event_types in event_roles.items()
            for event_type in event_types
        }
        self.not_empty = set(contract.required_columns) - {"customer_ref"}
        absent = [name for name in contract.columns if name not in table.columns]
        self.others = [name for name in table.columns if name not in contract.columns]
        self.near = near_misses(absent, self.others, contract.also_called)
        # The column that is checked as each contract column; for required ones a near miss too.
        self.named = {
            name: name if name in table.columns else self.near[name]
            for name in contract.columns
            if name in table.columns or (name in self.near and name in contract.required_columns)
        }

    @property
    def clock(self) -> str | None:
        """The contract column whose range is reported: the first instant, required ones first."""
        return next(
            (
                name
                for name in (*self.contract.required_columns, *self.contract.columns)
                if name in self.named and self.contract.kind_of(name) == "instant"
            ),
            None,
        )

    def run(self, contents: Contents) -> None:
        self.rows, self.sample = contents.rows, contents.sample
        self._check_lines(contents.unreadable)
        self._describe(self._check_clock(contents))
        self._check_names()
        for column, found in self.named.items():
            self._check_values(column, found)
        self._check_inexact_ids()
        if self.contract.name in ("orders", "customers", "events"):
            self._check_key()
        if self.contract.name == "orders":
            check_orders(self.connection, self.table, self.named, self.report)
            self._suggest_statuses()
            self._suggest_currency()
        if self.contract.name == "events" and "event_type" in self.named:
            self._suggest_roles(self.named["event_type"])

    def _check_lines(self, unreadable: list[tuple[str, int]]) -> None:
        if unreadable:
            kinds = ", ".join(f"{lines:,} {error.lower()}" for error, lines in unreadable)
            is_encoding = any(error == "INVALID ENCODING" for error, _ in unreadable)
            self._add(
                f"has unreadable lines ({kinds}); they go to the quarantine."
                + (" Write it in UTF-8." if is_encoding else ""),
                is_change=sum(lines for _, lines in unreadable) > _TOLERATED * self.rows,
            )

    def _check_clock(self, contents: Contents) -> str:
        """Checks the zone of the time stamps; returns words for their range."""
        if self.clock is None or not contents.hours:
            return ""
        column = self.named[self.clock]
        values = [value for value in self.sample[column] if value]
        if self.clock in ("ordered_at", "occurred_at"):
            if found := clock_of(column, values, contents.hours):
                self.report.variables.setdefault("raw_timezone", found.raw_timezone)
                self._add(found.remark)
            self._check_early_days(column)
        first = min(hour.first for hour in contents.hours)
        last = max(hour.last for hour in contents.hours)
        return f", {column} from {first.date()} to {last.date()}"

    def _check_early_days(self, column: str) -> None:
        is_order = self.contract.name == "orders"
        days = rows_by_day(self.connection, self.table, column)
        plausible = plausible_days(days, by_gaps=is_order)
        if early := sum(rows for _, rows in days) - sum(rows for _, rows in plausible):
            gap = ", or more than 366 days before nearly all others" if is_order else ""
            self._add(
                f"has {early:,} rows with an implausible {column}, the first of {days[0][0]}: "
                f"before {EARLIEST_PLAUSIBLE} (var earliest_plausible_date){gap}. They go to the "
                f"quarantine",
                is_change=early > _TOLERATED * self.rows,
            )
        if is_order and plausible:
            (first, _), (last, _) = plausible[0], plausible[-1]
            months = 12 * (last.year - first.year) + last.month - first.month
            if months > _MOST_PERIODS:
                self.report.variables["history_start"] = (
                    f'"?"  # orders of {months} months; more than {_MOST_PERIODS} periods stop the '
                    f"build unless it is set"
                )

    def _describe(self, dates: str) -> None:
        there = [name for name in self.contract.columns if name in self.table.columns]
        missing = [name for name in self.contract.columns if name not in there]
        perhaps = ", perhaps" if self.contract.name in self.report.absent else ""
        self.report.tables.append(
            f"{self.contract.name}{perhaps}: {self.table.label}, {self.rows:,} rows{dates}; has "
            f"{', '.join(there) or 'none of the expected columns'}"
            + (f"; lacks {', '.join(missing)}" if missing else "")
        )

    def _check_names(self) -> None:
        required = self.contract.required_columns
        kinds = {name: kind_of_values(self.sample[name]) for name in self.others}
        hints = {name: f"'{found}' looks like {name}" for name, found in self.near.items()}
        for name in required:
            wanted = self.contract.kind_of(name)
            alike = [
                other
                for other in self.others
                if other not in self.near.values()
                and (kinds[other] == wanted or {kinds[other], wanted} == {"date", "instant"})
            ]
            if name in self.near and kinds[self.near[name]] == wanted != "text":
                hints[name] += f", by its name and by its values, which are {_PLURALS[wanted]}"
            elif name not in self.named and wanted != "text" and alike:
                listed = "'" + "' or '".join(alike[:3]) + "'"
                hints[name] = f"{listed} may be {name}: the values are {_PLURALS[wanted]}"
        if message := missing_columns(self.table.label, self.table.columns, self.contract, hints):
            self.report.changes.append(message)
            if self.contract.name == "orders" and "order_id" not in {*self.named, *hints}:
                self.report.changes.append(_WITHOUT_ORDER_ID)
        if optional := [hint for name, hint in hints.items() if name not in required]:
            self._add(f"has columns that would be ignored as they are named: {'; '.join(optional)}")

    def _check_values(self, column: str, found: str) -> None:
        """Checks the values of what was found for a contract column."""
        sample = self.sample[found]
        values = [value for value in sample if value]
        if self.contract.name == "orders" and column == "customer_ref":
            self._check_references(values)
        elif column in self.not_empty and len(values) < len(sample):
            self._add_problem(found, "is empty", len(sample) - len(values))
        kind = self.contract.kind_of(column)
        if kind == "date":
            self._check_dates(found)
        elif values and (problem := bad_values(kind, found, values)):
            self._add_problem(found, *problem)

    def _check_references(self, values: list[str]) -> None:
        if emails := sum(bool(EMAIL.fullmatch(value)) for value in values):
            self._add(
                f"has e-mail addresses as customer_ref ({emails / len(values):.0%}); they become "
                f"keyed hashes. Set the environment variable SEGMENTATION_HASH_KEY"
            )

    def _check_dates(self, column: str) -> None:
        values = self.sample[column]
        systems = self.sample.get("source_system", [""] * len(values))
        for system, formats in other_date_formats(values, systems).items():
            is_shown = system == "default" or systems.count(system) >= _SHARED_BY
            self.report.date_formats[system if is_shown else "?"] = formats or ["?"]
            words = (
                f"writes {column} as {' and '.join(formats)}"
                if formats
                else f"has a {column} of unknown format, or with day and month in unclear order,"
            )
            self._add(f"{words}{f' in {system}' if is_shown else ''}: see var date_formats")

    def _check_key(self) -> None:
        """Counts the rows of each key: order lines, repeats, and rows that contradict."""
        key = self.named.get(self.contract.required_columns[0])
        # With loaded_at the rows of one key are its versions, and the newest counts.
        if key is None or "loaded_at" in self.table.columns:
            return
        parts = [identifier(name) for name in (key, "source_system") if name in self.sample]
        uncompared = {"sequence", "is_synthetic"}
        compared = [found for column, found in self.named.items() if column not in uncompared]
        amount = identifier(self.named["amount"]) if "amount" in self.named else "null"
        key_hash = f"hash({', '.join(parts)})"
        found = self.connection.execute(
            f"""
            with keys as materialized (
                select {key_hash} as key_hash, count(*) as rows
                from {self.table.sql}
                where trim(cast({parts[0]} as varchar)) <> ''
                group by key_hash
            ),

            distinct_rows as (
                select
                    {key_hash} as key_hash,
                    hash({", ".join(identifier(name) for name in compared)}) as content_hash,
                    hash({", ".join(identifier(name) for name in self.table.columns)}) as row_hash,
                    hash({amount}) as amount_hash,
                    count(*) as copies
                from {self.table.sql}
                where key_hash in (select key_hash from keys where rows > 1)
                group by all
            ),

            repeated as (
                select
                    sum(copies) as rows,
                    sum(copies) - count(*) as copies,
                    count(*) > 1 as differs,
                    min(content_hash) <> max(content_hash) as contradicts,
                    min(amount_hash) <> max(amount_hash) as has_amounts
                from distinct_rows
                group by key_hash
            )

            select
                (select count(*) from keys),
                (select sum(rows) from keys),
                coalesce(sum(copies), 0),
                count(*) filter (where differs),
                count(*) filter (where has_amounts),
                count(*) filter (where contradicts),
                coalesce(sum(rows) filter (where contradicts), 0)
            from repeated
            """
        ).fetchall()
        keys, rows, copies, several, with_amounts, contradicting, contradicting_rows = (
            int(number or 0) for number in found[0]
        )
        if not keys:
            return
        per_key = f"{rows / keys:.1f} rows for each {key}"
        verb = "repeats" if copies == 1 else "repeat"
        repeats = f"{_counted(copies, 'row')} that {verb} another in every column"
        is_order = self.contract.name == "orders"
        if is_order and rows - copies > (1 + _TOLERATED) * keys:
            if "amount" in self.named and with_amounts <= _TOLERATED * several:
                advice = (
                    f"They differ, but not in {self.named['amount']}, as where each line or export "
                    f"of an order repeats its total: keep one row an order, and don't sum them up"
                )
            else:
                advice = (
                    "They differ, as order lines do: sum them up to one row an order, and give "
                    "the lines as order_lines"
                )
                if copies:
                    advice += f". First look at {repeats}: entered twice, they would count twice"
            self._add(f"has {per_key}. {advice}", is_change=True)
            return
        if is_order and copies:
            self._add(
                f"has {repeats}. These are orders again and no order lines: one of each counts, so "
                f"don't sum them up"
            )
        elif rows > (1 + _TOLERATED) * keys:
            self._add(f"has {per_key}. One of them counts")
        if contradicting:
            self._add(
                f"has {contradicting_rows:,} rows of {_counted(contradicting, 'id')} that repeat "
                f"with other content. They go to the quarantine: give versions of a row a column "
                f"loaded_at, and other rows, such as returns, an id of their own",
                is_change=contradicting_rows > _TOLERATED * self.rows,
            )

    def _check_inexact_ids(self) -> None:
        """Counts ids that a double can't tell from the next whole number."""
        ids = [
            identifier(found)
            for column, found in self.named.items()
            if column.endswith(("_id", "_ref"))
        ]
        if not ids or self.table.text:
            return
        too_large = " or ".join(
            f"typeof({name}) in ('FLOAT', 'DOUBLE') and abs(try_cast({name} as double)) >= 2**53"
            for name in ids
        )
        found = self.connection.execute(
            f"select count(*) from {self.table.sql} where {too_large}"
        ).fetchall()
        if inexact := found[0][0]:
            self._add(
                f"has {_counted(inexact, 'row')} with an id of more than 15 digits that was "
                f"written as a float, so its last digits may be lost. They go to the quarantine: "
                f"write ids as text",
                is_change=inexact > _TOLERATED * self.rows,
            )

    def _suggest_statuses(self) -> None:
        signs = self._signs_of_statuses()
        has_returns = any(negative for negative, _ in signs.values())
        wrong = other = 0

        def meaning_of(word: str) -> str | None:
            meaning = word if word in _MEANINGS else _MEANING_OF.get(word)
            negative, positive = signs.get(word, (0, 0))
            # An order that was refunded is a purchase if the refund is a row of its own.
            if word not in _MEANINGS and meaning == "returned" and positive > negative:
                return "completed" if has_returns else None
            return meaning

        for word, (negative, positive) in signs.items():
            meaning = meaning_of(word)
            wrong += {"completed": negative, "returned": positive}.get(meaning or "", 0)
            other += 0 if word in _MEANINGS else negative + positive
        if wrong:
            self._add(
                f"has {_counted(wrong, 'row')} whose amount has the wrong sign for their "
                f"status: a return is negative, a completed order is not. They go to the "
                f"quarantine",
                is_change=wrong > _TOLERATED * self.rows,
            )
        if other:
            self._add(
                f"has {_counted(other, 'row')} of other status words than "
                f"{', '.join(_MEANINGS)}; those that var order_statuses doesn't list go to the "
                f"quarantine"
            )
        if unknown := {
            word: meaning_of(word.casefold()) or '"?"'
            for word in self._shared_words(
                "status", r"[^\W\d_][\w -]{1,29}", {*_MEANINGS, *_MEANING_OF}
            )
            if word.lower() not in _MEANINGS
        }:
            pairs = ", ".join(f"{word}: {meaning}" for word, meaning in unknown.items())
            self.report.variables["order_statuses"] = (
                f"{{{pairs}}}  # completed, returned or ignored; guessed by the word"
            )

    def _signs_of_statuses(self) -> dict[str, tuple[int, int]]:
        """The numbers of negative and of other amounts of each status word, in lower case."""
        if not {"status", "amount"} <= set(self.table.columns):
            return {}
        found = self.connection.execute(
            f"""
            select
                lower(trim(cast(status as varchar))) as word,
                count(*) filter (where try_cast(amount as double) < 0),
                count(*) filter (where try_cast(amount as double) >= 0)
            from {self.table.sql}
            where trim(cast(status as varchar)) <> ''
            group by word
            """
        ).fetchall()
        return {word: (negative, positive) for word, negative, positive in found}

    def _suggest_currency(self) -> None:
        codes = self._shared_words("currency", "[A-Za-z]{3}")
        if "currency" not in self.table.columns:
            return
        found = self.connection.execute(
            f"""
            select count(distinct upper(trim(cast(currency as varchar))))
            from {self.table.sql}
            where trim(cast(currency as varchar)) <> ''
            """
        ).fetchall()
        if found[0][0] > 1:
            several = len({code.upper() for code in codes}) > 1
            words = " or ".join(codes) if several else f"one of {found[0][0]:,}"
            self.report.variables["currency"] = (
                f'"?"  # {words}; unless it is set the build stops, and others are set aside'
            )

    def _suggest_roles(self, column: str) -> None:
        """Proposes roles of event types, and counts the events that have none yet."""
        words = self._shared_words(column, r"[^\W\d_][\w .:/-]{1,49}", self.role_of, most=100)
        guessed = {
            word: role
            for word in words
            if word.casefold() not in self.role_of and (role := guessed_role(word))
        }
        if guessed:
            roles: dict[str, list[str]] = {}
            for word in words:
                if role := self.role_of.get(word.casefold()) or guessed.get(word):
                    roles.setdefault(role, []).append(word)
            value = yaml.safe_dump(
                roles, default_flow_style=True, sort_keys=False, allow_unicode=True, width=10**6
            )
            self.report.variables["event_roles"] = (
                f"{value.strip()}  # guessed by the word: {', '.join(guessed)}"
            )
        without = self.connection.execute(
            f"""
            select avg(case when list_contains($1, event_type) then 0 else 1 end)
            from (
                select lower(trim(cast({identifier(column)} as varchar))) as event_type
                from {self.table.sql}
            )
            """,
            [list(self.role_of)],
        ).fetchall()[0][0]
        if without:
            self._add(
                f"has event types without a role in {without:.1%} of its rows; carts and journeys "
                f"see only those with one (var event_roles)"
            )

    def _shared_words(
        self, column: str, pattern: str, known: Collection[str] = (), most: int = 20
    ) -> list[str]:
        """The words of a column that may be shown, the most frequent first."""
        if column not in self.table.columns:
            return []
        found = self.connection.execute(
            f"""
            select trim(cast({identifier(column)} as varchar)) as word, count(*) as rows
            from {self.table.sql}
            where {identifier(column)} is not null
            group by word
            order by rows desc, word
            limit {most + 1}
            """
        ).fetchall()
        shown = [
            word
            for word, rows in found
            if (rows >= _SHARED_BY and re.fullmatch(pattern, word)) or word.casefold() in known
        ]
        if len(found) > most or len(shown) < len(found):
            several = f"more than {most}" if len(found) > most else f"{len(found)}"
            self._add(
                f"has {several} different words as {column}; unusual ones of fewer than "
                f"{_SHARED_BY} rows are not shown here"
            )
        return shown

    def _add(self, words: str, *, is_change: bool = False) -> None:
        end = "" if words.endswith(".") else "."
        self.report.add(f"{self.table.label} {words}{end}", is_change=is_change)

    def _add_problem(self, column: str, predicate: str, bad: int, advice: str = "") -> None:
        """Reports in how many rows of a column something is wrong, and what to change."""
        rows = len(self.sample[column])
        required = [self.named.get(name) for name in self.contract.required_columns]
        looked_at = f"{rows:,} rows of a sample" if self.rows > rows else f"{rows:,} rows"
        self._add(
            f"has a column {column} that {predicate} in {bad:,} of {looked_at}"
            + (f". {advice}" if advice else ""),
            is_change=column in required and bad > _TOLERATED * rows,
        )
