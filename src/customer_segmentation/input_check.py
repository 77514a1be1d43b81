"""Looks at raw data before a build and says what to change and which vars to set.

Formats are judged on a sample of a table, rows, dates and hours on all of it. The report tells
names of columns, kinds of values and numbers of rows. A value is told only where it is a word of a
status that everybody uses, or one of a status, a system or a currency that ten rows share.
"""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from pathlib import Path

import duckdb

from customer_segmentation.contract import (
    ContractTable,
    missing_columns,
    near_misses,
)
from customer_segmentation.raw_files import (
    FORMATS,
    RawFile,
    RawFileError,
    find_raw_file,
    read_header,
    relation_of,
)

SAMPLE_ROWS = 2_000
_SPREAD_UP_TO = 1_000_000  # rows; of a larger table the first rows are taken
_DISTINCT_VALUES = 200  # tried in each format
_MOST = 0.9  # share of the values that makes a column one of a kind
_TOLERATED = 0.05  # default of var max_reject_rate
_WIDTH = 110  # letters on a line of the report
_SHARED_BY = 10  # rows, from which on a word is told

# As the macro to_instant reads them.
_BARE_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_NAIVE = re.compile(r"\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}(:\d{2}(\.\d+)?)?")
_WITH_OFFSET = re.compile(_NAIVE.pattern + r" ?(Z|UTC|[+-]\d{2}(:?\d{2})?)")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_DECIMAL_COMMA = re.compile(r"[+-]?\d{1,3}(\.?\d{3})*,\d{1,2}")
_SINCE_1970 = re.compile(r"\d{10}|\d{13}|\d{16}")
_EMAIL = re.compile(r"\S+@\S+")
_BOOLEANS = {"true", "false", "t", "f", "yes", "no", "y", "n", "1", "0"}
_DATE_FORMATS = ["%Y-%m-%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%Y/%m/%d", "%Y%m%d"]
_STAMP_FORMATS = [
    f"{date} {time}"
    for date in ("%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%m/%d/%y", "%d/%m/%y", "%Y/%m/%d")
    for time in ("%H:%M", "%H:%M:%S", "%I:%M %p")
]
# What a word of a status usually means. A guess, printed to be corrected.
_MEANINGS = {
    "completed": "complete closed delivered done fulfilled invoiced ok paid shipped success sold",
    "returned": "chargeback credited refund refunded return reversed",
    "ignored": "abandoned authorized canceled cancelled declined draft expired failed open pending "
    "processing test unpaid void voided",
}
_MEANING_OF = {word: meaning for meaning, words in _MEANINGS.items() for word in words.split()}


@dataclass(frozen=True)
class Relation:
    """Raw data that can be read.

    Attributes:
        label: What the user calls it: a path, or its name in the warehouse.
        sql: What it is read from, for a from clause.
        columns: Its columns, in order.
        name: Its name without folder and ending, or without database and schema.
    """

    label: str
    sql: str
    columns: tuple[str, ...]
    name: str


@dataclass
class Report:
    """What was found.

    Attributes:
        place: Where the raw data is.
        found: Number of contract tables that are there.
        tables: A line for each contract table that is there.
        absent: Contract tables that are not.
        changes: What has to change before a build; one sentence or more each.
        notes: What is worth knowing.
        variables: YAML of the vars to set, by name.
        date_formats: What to add to the var date_formats, by source system.
    """

    place: str
    found: int = 0
    tables: list[str] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)
    changes: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)
    date_formats: dict[str, list[str]] = field(default_factory=dict)

    def __str__(self) -> str:
        lines = [f"{self.place}: tables of the contract found: {self.found}."]
        lines += [_wrapped("- ", table) for table in self.tables]
        if self.absent:
            lines.append(_wrapped("", f"Not there: {', '.join(self.absent)}."))
        lines += ["", "Change before a build:" if self.changes else "Nothing has to change."]
        lines += [_wrapped(f"{number}. ", text) for number, text in enumerate(self.changes, 1)]
        if self.notes:
            lines += ["", "Worth knowing:", *(_wrapped("- ", note) for note in self.notes)]
        lines += ["", 'Vars to set ("?" is yours to answer):']
        lines += [f"  {name}: {value}" for name, value in self.variables.items()]
        if self.date_formats:
            lines.append(f"  date_formats: {self.date_formats}")
        return "\n".join(lines)


def check_folder(raw_dir: str, contract: Sequence[ContractTable]) -> Report:
    """Looks at a folder of raw files, which nothing writes to.

    Args:
        raw_dir: The folder, as the var raw_dir would name it.
        contract: The tables that may be there.

    Returns:
        What was found. Files that can't be read are among the changes.
    """
    report = Report(raw_dir)
    folder = Path(raw_dir)
    name = re.sub(r"[^A-Za-z0-9_-]+", "_", folder.resolve().name)
    report.variables = {"raw_dir": raw_dir, "dataset": name}
    if not folder.is_dir():
        report.changes.append(
            f"{raw_dir} is not a folder. Name one with Parquet or CSV files, at least "
            f"orders.parquet or orders.csv."
        )
        return report
    found: dict[str, Relation] = {}
    for table in contract:
        try:
            file = find_raw_file(folder, ContractTable(table.name, table.columns))
        except RawFileError as error:
            report.changes.append(str(error))
            continue
        if file is None:
            report.absent.append(table.name)
        else:
            found[table.name] = _of_file(file)
    contract_files = {f"{table.name}{ending}" for table in contract for ending in FORMATS}
    others = []
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.name not in contract_files and not path.name.startswith("."):
            others += _other_file(path, report)
    lacks_required = any(table.is_required and table.name in report.absent for table in contract)
    if lacks_required and not others:
        # Without it nothing can be built, so what can't be read may be what is meant.
        report.changes += [_say_unread(path) for path in sorted(folder.iterdir()) if _is_data(path)]
    # One thread: more of them would draw another sample each time.
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.execute("set TimeZone = 'UTC'")
        _check(connection, found, others, contract, report)
    return report


def check_warehouse(
    connection: duckdb.DuckDBPyConnection,
    database: str,
    schema: str,
    identifiers: Mapping[str, str],
    contract: Sequence[ContractTable],
) -> Report:
    """Looks at the tables of a schema, which nothing writes to.

    Args:
        connection: A connection that can read them, used for nothing else meanwhile.
        database: Name of the database, as attached.
        schema: Name of the schema.
        identifiers: Names of tables that differ from the contract's, by contract table.
        contract: The tables that may be there.
    """
    place = f"{database}.{schema}"
    report = Report(place, variables={"raw_database": database, "raw_schema": schema})
    if identifiers:
        pairs = ", ".join(f"{name}: {identifier}" for name, identifier in identifiers.items())
        report.variables["raw_identifiers"] = f"{{{pairs}}}"
    report.variables["dataset"] = re.sub(r"[^A-Za-z0-9_-]+", "_", database)
    columns = connection.execute(
        """
        select table_name, list(column_name order by ordinal_position)
        from information_schema.columns
        where table_catalog = ? and table_schema = ?
        group by table_name
        order by table_name
        """,
        [database, schema],
    ).fetchall()
    others = {
        name: Relation(
            f"{place}.{name}", ".".join(map(_quoted, (database, schema, name))), tuple(found), name
        )
        for name, found in columns
    }
    if not others:
        report.changes.append(
            f"{place} has no tables. Check the vars raw_database and raw_schema, and that the "
            f"profile attaches the database."
        )
        return report
    named = {table.name: identifiers.get(table.name, table.name) for table in contract}
    found = {name: others.pop(named[name]) for name in named if named[name] in others}
    report.absent = [name for name in named if name not in found]
    _check(connection, found, list(others.values()), contract, report)
    return report


def _of_file(file: RawFile) -> Relation:
    path = Path(file.path)
    return Relation(file.path, relation_of(file), file.columns, path.name.split(".")[0])


def _other_file(path: Path, report: Report) -> list[Relation]:
    """A file that isn't named after a contract table: readable, or worth a word, or neither."""
    label = path.as_posix()
    if path.name.casefold().endswith(FORMATS):
        format_ = "parquet" if path.suffix.casefold() == ".parquet" else "csv"
        try:
            return [_of_file(RawFile(path.stem, label, format_, read_header(path)))]
        except RawFileError as error:
            report.notes.append(str(error))
    return []


def _is_data(path: Path) -> bool:
    return path.suffix.casefold() in (".xlsx", ".xls", ".ods", ".tsv", ".txt", ".json", ".jsonl")


def _say_unread(path: Path) -> str:
    return (
        f"{path.as_posix()} is not read: write it as Parquet, or as CSV in UTF-8 with commas, and "
        f"name it after a table of the contract, such as orders.csv."
    )


def _check(
    connection: duckdb.DuckDBPyConnection,
    found: Mapping[str, Relation],
    others: Sequence[Relation],
    contract: Sequence[ContractTable],
    report: Report,
) -> None:
    report.found = len(found)
    report.variables["timezone"] = '"?"  # where your customers\' days begin, e.g. Europe/Berlin'
    for table in contract:
        if table.name in found:
            _Look(connection, table, found[table.name], report).take()
    _name_other_tables(connection, others, contract, report)


def _name_other_tables(
    connection: duckdb.DuckDBPyConnection,
    others: Sequence[Relation],
    contract: Sequence[ContractTable],
    report: Report,
) -> None:
    """Says which tables may be contract tables under another name."""
    absent = {table.name: table for table in contract if table.name in report.absent}
    near = near_misses(
        absent, [other.name for other in others], {name: t.names for name, t in absent.items()}
    )
    by_name = {other.name: other for other in others}
    for table in absent.values():
        if table.name in near:
            label = by_name[near[table.name]].label
            said = f"{label} looks like {table.name}: {_rename(label, table.name)}."
            (report.changes if table.is_required else report.notes).append(said)
            if table.is_required:
                _Look(connection, table, by_name[near[table.name]], report).take()
        elif table.is_required:
            said = f"There is no table {table.name}, and the build needs it"
            # Whatever its name, the one with the most columns like the contract's may be it.
            likely = max(others, key=lambda other: _likeness(other, table), default=None)
            if likely is not None and _likeness(likely, table):
                rename = _rename(likely.label, table.name)
                report.changes.append(f"{said}. {likely.label} may be it: {rename}.")
                _Look(connection, table, likely, report).take()
            else:
                required = ", ".join(table.required_columns)
                report.changes.append(f"{said}. Expected the columns {required}.")


def _likeness(relation: Relation, table: ContractTable) -> int:
    return len(near_misses(table.required_columns, relation.columns, table.also_called))


def _rename(label: str, name: str) -> str:
    for ending in FORMATS:
        if label.casefold().endswith(ending):
            return f"name it {name}{ending}"
    return f"set the var raw_identifiers: {{{name}: {label.split('.')[-1]}}}"


class _Look:
    """A look at one table: it adds to the report."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        table: ContractTable,
        relation: Relation,
        report: Report,
    ) -> None:
        self.connection = connection
        self.table = table
        self.relation = relation
        self.report = report
        absent = [name for name in table.columns if name not in relation.columns]
        self.others = [name for name in relation.columns if name not in table.columns]
        self.near = near_misses(absent, self.others, table.also_called)
        # What is looked at as each column of the contract, the near misses of required ones too.
        self.named = {
            name: name if name in relation.columns else self.near[name]
            for name in table.columns
            if name in relation.columns or (name in self.near and name in table.required_columns)
        }
        self.sample: dict[str, list[str]] = {}
        self.rows = 0

    def take(self) -> None:
        label = self.relation.label
        if self._has_no_header():
            self.report.changes.append(
                f"{label} has no header: its first line holds values. Put the names of the columns "
                f"above it, at least {', '.join(self.table.required_columns)}."
            )
            return
        if len(self.relation.columns) == 1 and (
            sign := re.search(r"[;\t|]", self.relation.columns[0])
        ):
            names = {";": "semicolons", "\t": "tabs", "|": "bars"}
            self.report.changes.append(
                f"{label} is separated by {names[sign[0]]}. Write it with commas, and decimals "
                f"with a point."
            )
            return
        try:
            dates = self._read()
        except duckdb.Error as error:
            self.report.changes.append(
                f"{label} can't be read to its end: {type(error).__name__}. Write it again."
            )
            return
        there = [name for name in self.table.columns if name in self.relation.columns]
        lacking = [name for name in self.table.columns if name not in there]
        perhaps = ", perhaps" if self.table.name in self.report.absent else ""
        self.report.tables.append(
            f"{self.table.name}{perhaps}: {label}, {self.rows:,} rows{dates}; has "
            f"{', '.join(there) or 'none of the expected columns'}"
            + (f"; lacks {', '.join(lacking)}" if lacking else "")
        )
        self._judge_names()
        for column, found in self.named.items():
            self._judge_values(column, found)
        if self.table.name in ("orders", "customers", "events"):
            self._judge_key()
        if self.table.name == "orders":
            self._judge_words()

    def _has_no_header(self) -> bool:
        if not self._is_csv() or set(self.relation.columns) & set(self.table.columns):
            return False
        kinds = [kind_of_values([name]) for name in self.relation.columns]
        return any(kind in ("instant", "date", "number", "email") for kind in kinds)

    # --- Reading ---------------------------------------------------------------------------

    def _read(self) -> str:
        """Reads the table; returns words for the range of its dates."""
        clock = self._clock()
        stamp = "cast(null as timestamp)" if clock is None else self._stamp(self.named[clock])
        # A cell of a CSV file is only found unreadable when it is asked for.
        counted = self.relation.columns if self._is_csv() else ()
        query = f"""
            with stamps as (select *, {stamp} as "the stamp" from {self.relation.sql})
            select
                extract(hour from "the stamp"),
                count(*),
                min("the stamp"),
                max("the stamp"),
                count(*) filter (where "the stamp" = date_trunc('day', "the stamp"))
                {"".join(f", count({_quoted(name)})" for name in counted)}
            from stamps
            group by extract(hour from "the stamp")
        """
        hours = self.connection.execute(query).fetchall()
        self.rows = sum(count for _, count, *_ in hours)
        self._judge_lines()
        listed = ", ".join(f"cast({_quoted(name)} as varchar)" for name in self.relation.columns)
        is_large = self.rows > _SPREAD_UP_TO
        spread = f"using sample reservoir({SAMPLE_ROWS} rows) repeatable (1)"
        part = f"limit {SAMPLE_ROWS}" if is_large else spread
        values = self.connection.execute(
            f"select {listed} from {self.relation.sql} {part}"
        ).fetchall()
        columns = zip(*values, strict=True) if values else ([] for _ in self.relation.columns)
        self.sample = {
            name: ["" if value is None else value.strip() for value in column]
            for name, column in zip(self.relation.columns, columns, strict=True)
        }
        dated = [hour for hour in hours if hour[2] is not None]
        if clock is None or not dated:
            return ""
        if clock in ("ordered_at", "occurred_at"):
            self._judge_clock(self.named[clock], {hour: count for hour, count, *_ in dated}, dated)
        first, last = min(hour[2] for hour in dated), max(hour[3] for hour in dated)
        return f", {self.named[clock]} from {first:%Y-%m-%d} to {last:%Y-%m-%d}"

    def _is_csv(self) -> bool:
        return self.relation.sql.startswith("read_csv")

    def _clock(self) -> str | None:
        """The column whose range is told: the first instant, required ones first."""
        instants = [
            name
            for name in (*self.table.required_columns, *self.table.columns)
            if name in self.named and self.table.kind_of(name) == "instant"
        ]
        return instants[0] if instants else None

    def _stamp(self, column: str) -> str:
        described = self.connection.execute(
            f"describe select {_quoted(column)} from {self.relation.sql}"
        ).fetchall()
        if described[0][1] == "VARCHAR":
            return f"try_cast(left(trim({_quoted(column)}), 19) as timestamp)"
        return f"try_cast({_quoted(column)} as timestamp)"

    # --- Judging ---------------------------------------------------------------------------

    def _judge_lines(self) -> None:
        if not self._is_csv():
            return
        bad = self.connection.execute(
            """
            select error_type, count(distinct line)
            from reject_errors
            where scan_id = (select max(scan_id) from reject_errors)
            group by all
            order by all
            """
        ).fetchall()
        self.connection.execute("drop table reject_errors; drop table reject_scans")
        if bad:
            kinds = ", ".join(f"{lines:,} {error.lower()}" for error, lines in bad)
            advice = " Write it in UTF-8." if any(e == "INVALID ENCODING" for e, _ in bad) else ""
            self._say(
                f"has lines that can't be read ({kinds}); they go to the quarantine.{advice}",
                is_change=sum(lines for _, lines in bad) > _TOLERATED * self.rows,
            )

    def _judge_names(self) -> None:
        near = self.near
        kinds = {name: kind_of_values(self.sample[name]) for name in self.others}
        words = {name: f"'{found}' looks like {name}" for name, found in near.items()}
        for name in self.table.required_columns:
            wanted = self.table.kind_of(name)
            alike = [
                other
                for other in self.others
                if other not in near.values()
                and (kinds[other] == wanted or {kinds[other], wanted} == {"date", "instant"})
            ]
            if name in near and kinds[near[name]] == wanted != "text":
                words[name] += f", by its name and by its values, which are {_PLURALS[wanted]}"
            elif name not in self.named and wanted != "text" and alike:
                listed = "'" + "' or '".join(alike[:3]) + "'"
                words[name] = f"{listed} may be {name}: the values are {_PLURALS[wanted]}"
        if said := missing_columns(self.relation.label, self.relation.columns, self.table, words):
            self.report.changes.append(said)
        optional = [word for name, word in words.items() if name not in self.table.required_columns]
        if optional:
            self._say(f"has columns that would be ignored as they are named: {'; '.join(optional)}")

    def _judge_values(self, column: str, found: str) -> None:
        """Judges the values of what was found for a column of the contract."""
        values = [value for value in self.sample[found] if value]
        empty = len(self.sample[found]) - len(values)
        if column in self.table.required_columns and column != "customer_ref" and empty:
            self._say_of(found, "is empty", empty)
        if self.table.name == "orders" and column == "customer_ref":
            if empty > 0.5 * len(self.sample[found]):
                self._say("has no customer_ref in most rows: those are guests and nobody's orders")
            if (emails := sum(bool(_EMAIL.fullmatch(value)) for value in values)) > 0:
                self._say(
                    f"has e-mail addresses as customer_ref ({_share(emails, len(values))}); they "
                    f"become keyed hashes. Set the environment variable SEGMENTATION_HASH_KEY"
                )
        judge = {
            "instant": self._judge_instants,
            "date": self._judge_dates,
            "number": self._judge_numbers,
            "boolean": self._judge_booleans,
        }.get(self.table.kind_of(column))
        if judge is not None and values:
            judge(found, values)

    def _judge_instants(self, column: str, values: list[str]) -> None:
        bad = [v for v in values if not (_is_iso(v) or _BARE_DATE.fullmatch(v))]
        if not bad:
            return
        if kind_of_values(bad) == "number" and all(_SINCE_1970.fullmatch(value) for value in bad):
            unit = {10: "to_timestamp", 13: "epoch_ms", 16: "make_timestamp"}[len(bad[0])]
            advice = f"They count from 1970: convert them with {unit}({column})"
        else:
            formats = _formats_that_read(bad, [*_STAMP_FORMATS, *_DATE_FORMATS])
            advice = _advice_on_formats(column, formats)
        self._say_of(
            column, "holds no ISO time stamp, such as 2026-01-31 14:05:00,", len(bad), advice
        )

    def _judge_dates(self, column: str, values: list[str]) -> None:
        """Formats are a matter of the system that wrote them, as in var date_formats."""
        systems = self.sample.get("source_system", [""] * len(self.sample[column]))
        by_system: dict[str, list[str]] = {}
        for system, value in zip(systems, self.sample[column], strict=True):
            if value and not _is_iso(value):
                by_system.setdefault(system or "default", []).append(value)
        for system, written in sorted(by_system.items()):
            formats = date_formats_of(written)
            if formats == ["%Y-%m-%d"]:
                continue
            is_told = system == "default" or len(written) >= _SHARED_BY
            self.report.date_formats[system if is_told else "?"] = formats or ["?"]
            said = (
                f"writes {column} as {' and '.join(formats)}"
                if formats
                else (
                    f"has a {column} of which the day and the month can't be told apart, or in a "
                    f"format that is not known here"
                )
            )
            self._say(f"{said}{f' in {system}' if is_told else ''}: see var date_formats")

    def _judge_numbers(self, column: str, values: list[str]) -> None:
        bad = [value for value in values if not _NUMBER.fullmatch(value)]
        if not bad:
            return
        if sum(bool(_DECIMAL_COMMA.fullmatch(value)) for value in bad) >= _MOST * len(bad):
            advice = "They have decimal commas: write 12.50 and not 12,50"
        else:
            advice = "Write digits and a decimal point alone, without currency and thousands signs"
        self._say_of(column, "is no number", len(bad), advice)

    def _judge_booleans(self, column: str, values: list[str]) -> None:
        bad = sum(value.casefold() not in _BOOLEANS for value in values)
        if bad:
            self._say_of(column, "is neither true nor false", bad, "Write true or false")

    def _judge_key(self) -> None:
        key = self.named.get(self.table.required_columns[0])
        # With loaded_at the rows of one key are its versions, and the newest counts.
        if key is None or "loaded_at" in self.relation.columns:
            return
        parts = [_quoted(name) for name in (key, "source_system") if name in self.sample]
        columns = f"({', '.join(parts)})"
        is_large = self.rows > _SPREAD_UP_TO  # then an estimate, to a few percent, has to do
        keys = f"approx_count_distinct({columns})" if is_large else f"count(distinct {columns})"
        found = self.connection.execute(
            f"select count(*) / nullif({keys}, 0) from {self.relation.sql}"
        ).fetchall()
        per_key = found[0][0] or 0
        if per_key > (1.2 if is_large else 1 + _TOLERATED):
            lines = self.table.name == "orders"
            self._say(
                f"has {per_key:.1f} rows for each {key}. "
                + (
                    "They look like order lines: sum them up to one row an order, and give the "
                    "lines as order_lines"
                    if lines
                    else "One of them counts"
                ),
                is_change=lines,
            )

    def _judge_words(self) -> None:
        if "status" in self.relation.columns:
            words = self._shared_words("status", r"[^\W\d_][\w -]{1,29}")
            unknown = {
                word: _MEANING_OF.get(word.lower(), '"?"')
                for word in words
                if word.lower() not in _MEANINGS
            }
            if unknown:
                pairs = ", ".join(f"{word}: {meaning}" for word, meaning in unknown.items())
                self.report.variables["order_statuses"] = (
                    f"{{{pairs}}}  # completed, returned or ignored; guessed by the word"
                )
        if "currency" in self.relation.columns:
            codes = self._shared_words("currency", "[A-Za-z]{3}")
            if len({code.upper() for code in codes}) > 1:
                self.report.variables["currency"] = (
                    f'"?"  # {" or ".join(codes)}; orders in another one are set aside'
                )

    def _shared_words(self, column: str, pattern: str) -> list[str]:
        """The words of a column that can be told, the most frequent first."""
        found = self.connection.execute(
            f"""
            select trim(cast({_quoted(column)} as varchar)) as word, count(*) as rows
            from {self.relation.sql}
            where {_quoted(column)} is not null
            group by word
            order by rows desc, word
            limit 21
            """
        ).fetchall()
        told = [
            word
            for word, rows in found
            if (rows >= _SHARED_BY and re.fullmatch(pattern, word))
            or word.lower() in (*_MEANINGS, *_MEANING_OF)
        ]
        untold = sum(rows for word, rows in found if word not in told)
        if len(found) > 20 or untold:
            several = "more than 20" if len(found) > 20 else f"{len(found)}"
            self._say(
                f"has {several} different words as {column}; unusual ones of fewer than "
                f"{_SHARED_BY} rows are not shown here"
            )
        return told

    def _judge_clock(
        self, column: str, hours: Mapping[int, int], dated: Sequence[Sequence[int]]
    ) -> None:
        values = [value for value in self.sample[column] if value]
        naive = sum(bool(_NAIVE.fullmatch(value)) for value in values)
        if naive < 0.5 * len(values):
            return
        if sum(hour[4] for hour in dated) >= _MOST * sum(hours.values()):
            self.report.variables["raw_timezone"] = '"?"  # the same zone as timezone'
            self._say(
                f"has stamps in {column} without offset and without a time of day. Midnight in one "
                f"zone is the day before in another: set raw_timezone to the zone of timezone, or "
                f"write dates, such as 2026-01-31"
            )
            return
        ahead = hours_ahead(hours)
        question = f"has stamps in {column} without offset, read as var raw_timezone says (UTC)"
        if ahead is None:
            self.report.variables.setdefault(
                "raw_timezone", '"?"  # UTC, or the zone the stamps were written in'
            )
            self._say(f"{question}. The hours of the day don't tell which zone that is")
        elif abs(ahead) <= 3:
            self.report.variables.setdefault(
                "raw_timezone", '"?"  # it looks like the zone of timezone, or one near it'
            )
            self._say(
                f"{question}. The hours of the day look like local time, give or take three: set "
                f"raw_timezone to the zone of timezone if they are"
            )
        else:
            place = f"UTC{-ahead:+d}"
            self.report.variables.setdefault(
                "raw_timezone", f"UTC  # if the customers live at about {place}; else ask"
            )
            self._say(
                f"{question}. The day's activity lies about {abs(ahead)} hours "
                f"{'later' if ahead > 0 else 'earlier'} than people shop, which is what UTC stamps "
                f"of a place at about {place} look like: set timezone to that place"
            )

    def _say(self, words: str, *, is_change: bool = False) -> None:
        said = f"{self.relation.label} {words}"
        said += "" if said.endswith(".") else "."
        (self.report.changes if is_change else self.report.notes).append(said)

    def _say_of(self, column: str, words: str, bad: int, advice: str = "") -> None:
        """Says of a column in how many rows something is wrong, and what to change."""
        rows = len(self.sample[column])
        required = [self.named.get(name) for name in self.table.required_columns]
        is_change = column in required and bad > _TOLERATED * rows
        looked_at = f"{rows:,} rows of a sample" if self.rows > rows else f"{rows:,} rows"
        self._say(
            f"has a column {column} that {words} in {bad:,} of {looked_at}"
            + (f". {advice}" if advice else ""),
            is_change=is_change,
        )


_PLURALS = {
    "instant": "time stamps",
    "date": "dates",
    "number": "numbers",
    "boolean": "yes or no",
    "email": "e-mail addresses",
}


def kind_of_values(values: Iterable[str]) -> str:
    """What most of the values are.

    Args:
        values: Text; empty values don't count.

    Returns:
        ``instant``, ``date``, ``number``, ``boolean``, ``email`` or ``text``.
    """
    given = list(islice(dict.fromkeys(value for value in values if value), _DISTINCT_VALUES))
    if not given:
        return "text"

    def most(is_one: Iterable[bool]) -> bool:
        return sum(is_one) >= _MOST * len(given)

    if most(_is_iso(value) for value in given) or _formats_that_read(given, _STAMP_FORMATS):
        return "instant"
    if _formats_that_read(given, _DATE_FORMATS):
        return "date"
    if most(bool(_NUMBER.fullmatch(v) or _DECIMAL_COMMA.fullmatch(v)) for v in given):
        return "number"
    if most(value.casefold() in _BOOLEANS for value in given):
        return "boolean"
    return "email" if most(bool(_EMAIL.fullmatch(value)) for value in given) else "text"


def date_formats_of(values: Sequence[str]) -> list[str]:
    """The fewest formats that read nearly all dates, the most frequent first.

    Returns:
        Formats of strptime; none where no format reads a tenth of what is left, or where two
        formats read as many but differ in which is the day and which the month.
    """
    left, formats = list(values), []
    while len(left) > 0.02 * len(values):
        best = _formats_that_read(left, _DATE_FORMATS, least=0.1)
        if not best or len(best) > 1:
            return []
        formats += best
        left = [value for value in left if not _reads(best[0], value)]
    return formats


def hours_ahead(hours: Mapping[int, int]) -> int | None:
    """How many hours a clock seems to be ahead of the people whose activity it stamps.

    The circular mean of the hours (Mardia and Jupp 2000, section 2.2) is compared with 14:30, the
    middle of a day on which people shop from morning to late evening.

    Args:
        hours: Rows by hour of the day, 0 to 23.

    Returns:
        Whole hours from -11 to 12; None with fewer than 500 rows or hardly any rhythm.
    """
    rows = sum(hours.values())
    angles = {hour: (hour + 0.5) * math.tau / 24 for hour in hours}
    east = sum(count * math.cos(angles[hour]) for hour, count in hours.items())
    north = sum(count * math.sin(angles[hour]) for hour, count in hours.items())
    if rows < 500 or math.hypot(east, north) < 0.2 * rows:
        return None
    ahead = round(math.atan2(north, east) * 24 / math.tau - 14.5)
    return (ahead + 11) % 24 - 11


def _is_iso(value: str) -> bool:
    return bool(_NAIVE.fullmatch(value) or _WITH_OFFSET.fullmatch(value))


def _formats_that_read(
    values: Iterable[str], formats: Iterable[str], least: float = _MOST
) -> list[str]:
    """The formats that read the most values, if that is at least a share of them."""
    given = list(islice(dict.fromkeys(value for value in values if value), _DISTINCT_VALUES))
    read = {name: sum(_reads(name, value) for value in given) for name in formats}
    best = max(read.values(), default=0)
    return [name for name, count in read.items() if count == best >= least * len(given) > 0]


def _reads(format_: str, value: str) -> bool:
    try:
        return datetime.strptime(value, format_).year >= 1000
    except ValueError:
        return False


def _advice_on_formats(column: str, formats: Sequence[str]) -> str:
    if not formats:
        return "No format that is known here reads them"
    if len(formats) > 1:
        return f"They could be {' or '.join(formats)}: find out, and convert them with strptime"
    return f"Convert them with strptime({column}, '{formats[0]}')"


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.0%}"


def _wrapped(mark: str, text: str) -> str:
    return textwrap.fill(
        text,
        _WIDTH,
        initial_indent=mark,
        subsequent_indent=" " * len(mark),
        break_long_words=False,
        break_on_hyphens=False,
    )


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
