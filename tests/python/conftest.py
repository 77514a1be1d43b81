"""Builds of the real project on small raw data, for the tests named test_builds_*.

A build is an ordinary `dbt build` in a process of its own and in a folder of its own: raw data,
working file, published file, target and logs lie there, so nothing in the repository is touched.
Scenarios, which are session fixtures that build something, start two at a time as soon as the tests
to run are known.
"""

from __future__ import annotations

import functools
import gc
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pandas as pd
import pytest
import reliability
import yaml
from dbt_process import run_dbt
from hypothesis import settings

from customer_segmentation import audit

if TYPE_CHECKING:
    from rule_grammar_project import GrammarProject

# How long an example takes depends on what else the machine does.
settings.register_profile("tests", deadline=None)
settings.load_profile("tests")

# To publish references that look like e-mail addresses takes a key; other processes inherit it.
os.environ.setdefault("SEGMENTATION_HASH_KEY", "a key of the tests")

ROOT = Path(__file__).resolve().parents[2]
PARTS_OF_THE_PROJECT = ["dbt_project.yml", "profiles.yml", "selectors.yml"]
PARTS_OF_THE_PROJECT += ["models", "macros", "seeds", "tests"]
BUILDS_AT_A_TIME = int(os.environ.get("BUILDS_AT_A_TIME", "2"))

# The vars most scenarios share: for others dbt parses the project anew.
VARS: dict[str, Any] = {
    "raw_dir": "raw",
    "dataset": "trial",
    "timezone": "Europe/Berlin",
    "raw_timezone": "UTC",
    "history_start": "as_of",
    "order_statuses": {
        "completed": "completed",
        "returned": "returned",
        "ignored": "ignored",
        "paid": "completed",
        "refunded": "returned",
        "cancelled": "ignored",
    },
    "schemes": {
        **yaml.safe_load((ROOT / "dbt_project.yml").read_text())["vars"]["schemes"],
        "spend_limits": {
            "segments": [
                {"segment": "large", "rule": {"metric": "revenue", "at_least": 500.5}},
                {"segment": "medium", "rule": {"metric": "revenue", "at_least": 100}},
                {"segment": "small", "else": True},
            ]
        },
    },
    # A second choice of clusters would cost every build too much: `shoppers` has it.
    "journey_features": [],
    # Fewer candidates than usual: which one is chosen is the matter of test_cluster_*.py.
    "cluster_k": {"min": 2, "max": 3},
    "cluster_sample_rows": 400,
    "rule_segments": {
        "two_orders_90d": {"metric": "orders", "window_days": 90, "at_least": 2},
        "two_to_four_orders": {"metric": "orders", "between": [2, 4]},
        "revenue_100_to_300": {"metric": "revenue", "window_days": 365, "between": [100, 300]},
        "quiet_or_returning_goods": {
            "any": [
                {
                    "all": [
                        {
                            "metric": "orders",
                            "from_days_ago": 365,
                            "to_days_ago": 90,
                            "at_least": 1,
                        },
                        {"not": {"metric": "orders", "window_days": 90, "at_least": 1}},
                    ]
                },
                {"metric": "returns", "more_than": 1},
            ]
        },
        "not_recent": {"not": {"metric": "recency_days", "at_most": 100}},
        "long_ago": {"metric": "recency_days", "more_than": 400},
        "no_order_30d": {"metric": "orders", "window_days": 30, "at_most": 0},
        "in_the_red": {"metric": "revenue", "less_than": 0},
        "top_days": {"metric": "purchase_days", "top_percent": 20},
        "top_revenue_2y": {"metric": "revenue", "window_days": 730, "top_percent": 30},
        "bottom_revenue": {"metric": "revenue", "bottom_percent": 10},
        "cart_30d": {"metric": "cart_adds", "window_days": 30, "at_least": 2},
        "engaged_90d": {"metric": "session_minutes", "window_days": 90, "top_percent": 25},
        "browsing_only": {
            "all": [
                {"metric": "page_views", "at_least": 1},
                {"not": {"metric": "cart_adds", "more_than": 0}},
                {"metric": "sessions", "window_days": 365, "between": [1, 2]},
            ]
        },
        "northern_champions": {
            "name": """Bob's "best" 100 %""",
            "description": "Those who'd come back; the {{ north }} and east",
            "owner": "o'neill",
            "all": [
                {"attribute": "region", "in": ["north", "east", "d'or"]},
                {"any": [{"segment": "rfm:champions"}, {"segment": "rfm:loyal"}]},
            ],
        },
    },
}

REFERENCE_VARS = {"history_start": "2024-02-01"}
ROLES = {
    "marketing": ["aggregates", "outbox"],
    "analyst": ["customers"],
    "science": ["models"],
    "support": ["references", "quality"],
}


# --- Checks of reliability ---------------------------------------------------------------------

_RESULTS = pytest.StashKey[dict[str, reliability.Result]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--page", type=Path, help="the page that gets the results of the checks")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_RESULTS] = defaultdict(reliability.Result)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, Any]:
    report = yield
    if marker := item.get_closest_marker("check"):
        item.config.stash[_RESULTS][marker.args[0]].add(item, report)
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    if page := session.config.getoption("page"):
        reliability.write(page, session.config.stash[_RESULTS])
    # Hypothesis times the garbage collection. Called at exit, it keeps DuckDB's module alive, which
    # prints a page about leaks.
    gc.callbacks.clear()


@pytest.fixture(scope="session", autouse=True)
def audit_log_of_the_tests(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Commands that tests call in this process are not what users did in this folder."""
    audit.HOME = tmp_path_factory.mktemp("audit")


# --- Builds ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Build:
    """What a build left behind.

    is_published: whether queries go to the published file; otherwise to the marts in the working
        file, where not all of them were built.
    seconds: how long it took.
    """

    folder: Path
    status: int
    output: str
    is_published: bool = True
    seconds: float = 0

    @property
    def published(self) -> Path:
        return self.folder / "published" / "segments.duckdb"

    @property
    def _marts(self) -> duckdb.DuckDBPyConnection:
        if self.is_published:
            return _opened(self.published)
        return _opened(self.folder / "warehouse" / f"{VARS['dataset']}.duckdb")

    def passed(self) -> Build:
        assert self.status == 0, self.output[-6000:]
        return self

    def failed(self) -> Build:
        assert self.status != 0, f"the build should have failed\n{self.output[-3000:]}"
        return self

    def query(self, sql: str) -> pd.DataFrame:
        """The result of a query on the marts."""
        return self._marts.execute(sql).df()

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return self._marts.execute(sql).fetchall()

    def marts(self) -> list[str]:
        """The published tables, with their schemas; but the log of the builds themselves."""
        return [
            f'"{schema}"."{table}"'
            for schema, table in self.rows(
                "select table_schema, table_name from information_schema.tables "
                "where table_name <> 'audit_log' order by all"
            )
        ]


@functools.cache
def _opened(file: Path) -> duckdb.DuckDBPyConnection:
    """Opened once: a file is only queried after the last build in its folder."""
    connection = duckdb.connect(str(file), read_only=True)
    schemas = connection.execute("select distinct table_schema from information_schema.tables")
    found = sorted(name for (name,) in schemas.fetchall())
    # In a working file there are other tables of the same names as the marts.
    found.sort(key=lambda schema: schema != "segmentation")
    connection.execute(f"set search_path = '{','.join(found)}'")
    return connection


def fingerprint(file: Path) -> tuple[str, int, int] | None:
    """Content, inode and time of a file: any replacement shows, even by equal bytes."""
    if not file.exists():
        return None
    facts = file.stat()
    return hashlib.sha256(file.read_bytes()).hexdigest(), facts.st_ino, facts.st_mtime_ns


def write_raw(folder: Path, tables: Mapping[str, Any]) -> None:
    """Puts raw files in place of all that are there.

    A name with an ending is a file name, and its content text or bytes; one without is a table,
    and its content a frame (written as Parquet) or the path of a file to copy.
    """
    raw = folder / "raw"
    shutil.rmtree(raw, ignore_errors=True)
    raw.mkdir(parents=True)
    for name, content in tables.items():
        (raw / name).parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, pd.DataFrame):
            content.to_parquet(raw / f"{name}.parquet", index=False)
        elif isinstance(content, Path):
            shutil.copy(content, raw / f"{name}{content.suffix}")
        elif isinstance(content, bytes):
            (raw / name).write_bytes(content)
        else:
            (raw / name).write_text(content, encoding="utf-8", newline="")


class Builder:
    """Runs dbt on a copy of the project, made once so that edits meanwhile change nothing."""

    def __init__(self, home: Path) -> None:
        self.project, self.parsed = home / "project", home / "parsed"
        self.project.mkdir(parents=True)
        self.parsed.mkdir()
        for part in PARTS_OF_THE_PROJECT:
            source = ROOT / part
            if source.is_dir():
                # Unit tests are no part of a build; parsing them takes as long as the rest.
                ignored = shutil.ignore_patterns("python", "unit", "__pycache__")
                shutil.copytree(source, self.project / part, ignore=ignored)
            else:
                shutil.copy(source, self.project / part)

    def build(
        self,
        folder: Path,
        tables: Mapping[str, Any] | None,
        variables: Mapping[str, Any] | None = None,
        args: Sequence[str] = (),
        command: str = "build",
        with_artifacts: bool = False,
        killed_after: float | None = None,
    ) -> Build:
        """Runs dbt in a folder on raw tables (None: those that are there already).

        killed_after: seconds after which the process is killed, if it still runs.
        """
        for name in ("warehouse", "published", "target"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        if tables is not None:
            write_raw(folder, tables)
        given = json.dumps({**VARS, **(variables or {})})
        where = ["--project-dir", str(self.project), "--profiles-dir", str(self.project)]
        where += ["--target-path", str(folder / "target"), "--log-path", str(folder / "logs")]
        flags = ["--no-use-colors", "--no-version-check"]
        if not with_artifacts:
            flags += ["--log-level-file", "none", "--no-write-json"]
        # dbt takes a stored parse for what it is: with other vars it parses anew.
        stored = self.parsed / hashlib.sha256(given.encode()).hexdigest()
        parse = folder / "target" / "partial_parse.msgpack"
        if stored.exists():
            shutil.copy(stored, parse)
        began = time.monotonic()
        status = run_dbt(folder, [*flags, command, *where, "--vars", given, *args], killed_after)
        seconds = time.monotonic() - began
        if parse.exists() and not (stored.exists() or killed_after or "--project-dir" in args):
            shutil.copy(parse, folder / "parse")
            (folder / "parse").replace(stored)
        output = folder / "output.txt"
        text = output.read_text(errors="replace") if output.exists() else ""
        return Build(folder, status, text, seconds=seconds)


# --- Scenarios -------------------------------------------------------------------------------


@dataclass
class Workshop:
    """Makes each scenario once, in threads that mostly wait for dbt."""

    builder: Builder
    home: Path
    made: dict[str, Future[Any]] = field(default_factory=dict)
    pool: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(max_workers=BUILDS_AT_A_TIME)
    )

    def folder(self, name: str) -> Path:
        path = self.home / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    def build(self, folder: Path, *args: Any, **keywords: Any) -> Build:
        return self.builder.build(folder, *args, **keywords)

    def start(self, name: str) -> Future[Any]:
        if name not in self.made:
            make, needed = _SCENARIOS[name]
            # Started before those that need them, so no thread waits for one not under way.
            earlier = [self.start(other) for other in needed]
            self.made[name] = self.pool.submit(
                lambda: make(self, *(other.result() for other in earlier))
            )
        return self.made[name]


_SCENARIOS: dict[str, tuple[Callable[..., Any], tuple[str, ...]]] = {}


def scenario(*needed: str) -> Callable[[Callable[..., Any]], Any]:
    """Makes `function(workshop, *needed scenarios)` a session fixture that starts early."""

    def register(function: Callable[..., Any]) -> Any:
        name = function.__name__
        _SCENARIOS[name] = (function, needed)

        def fixture(workshop: Workshop) -> Any:
            return workshop.start(name).result()

        fixture.__name__ = name
        fixture.__doc__ = function.__doc__
        return pytest.fixture(scope="session", name=name)(fixture)

    return register


@pytest.fixture(scope="session")
def workshop(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Workshop]:
    home = tmp_path_factory.mktemp("builds")
    builder = Builder(home / "dbt")
    made = Workshop(builder, home)
    for item in request.session.items:
        for name in getattr(item, "fixturenames", ()):
            if name in _SCENARIOS:
                made.start(name)
    yield made
    made.pool.shutdown(cancel_futures=True)


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> GrammarProject:
    """The macros alone, parsed once for all tests that render them."""
    from rule_grammar_project import GrammarProject

    return GrammarProject(tmp_path_factory.mktemp("macros"))


@pytest.fixture(scope="session")
def build(workshop: Workshop) -> Callable[..., Build]:
    """`build(tmp_path, tables, vars, args)`: one build, not shared."""
    return functools.partial(workshop.builder.build)


# --- What is built ---------------------------------------------------------------------------

ONE_ORDER = (
    "order_id,customer_ref,ordered_at,amount,currency\n1,only,2024-03-05 12:00:00,30.00,EUR\n"
)
TWO_CUSTOMERS = f"{ONE_ORDER}2,other,2024-03-01 12:00:00,40.00,EUR\n"
HEADER = "order_id,customer_ref,ordered_at,amount\n"
# The models and tests of a project that decides as the real one does whether to publish.
ONE_MART = {
    "models/groups.yml": """
        groups: [{name: segments, owner: {name: us}}, {name: foundation, owner: {name: us}}]
    """,
    "models/marts/customers.sql": """
        {{ config(contract={'enforced': false}) }}
        select distinct customer_ref as customer_id from {{ source('input', 'orders') }}
    """,
    "models/marts/monitoring/data_set.sql": """
        {{ config(contract={'enforced': false}) }}
        select '{{ var("dataset") }}' as dataset, 'raw' as raw_data, date '2024-03-02' as as_of
    """,
    "models/marts/monitoring/data_tests.sql": """
        {{ config(contract={'enforced': false}) }}
        select '' as test_name, '' as verdict, 0 as findings, '' as reads where false
    """,
    "models/staging/orders.sql": "select * from {{ source('input', 'orders') }}",
    "tests/orders_have_amounts.sql": """
        {{ config(severity='error') }}
        select 1 from {{ ref('orders') }} where amount is null
    """,
}


@contextmanager
def open_folder() -> Iterator[Path]:
    """A folder that every user may enter, unlike those of pytest."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@contextmanager
def as_a_user_without_rights() -> Iterator[None]:
    """Of root, whom no mode of a file stops, the block is run as another user."""
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)


@dataclass(frozen=True)
class Attempt:
    """A build over an older green one, with what became of the published file."""

    build: Build
    before: tuple[str, int, int]
    after: tuple[str, int, int] | None


def attempt(workshop: Workshop, green: Build, name: str, *args: Any, **keywords: Any) -> Attempt:
    """Builds in a copy of a green build's folder, so that each attempt meets the same file."""
    folder = workshop.folder(f"attempt-{name}")
    for part in ("raw", "warehouse", "published"):
        shutil.copytree(green.folder / part, folder / part)
    published = Build(folder, 0, "").published
    before = fingerprint(published)
    assert before is not None, green.output[-3000:]
    made = workshop.build(folder, *args, **keywords)
    return Attempt(made, before, fingerprint(published))


def some_marts(
    workshop: Workshop,
    marts: str,
    folder: Path,
    tables: Mapping[str, Any] | None,
    variables: Mapping[str, Any] | None = None,
    args: Sequence[str] = (),
) -> Build:
    """These marts and what they need, without data tests; queries read the working file."""
    selected = ["--select", *(f"+{mart}" for mart in marts.split())]
    selected += ["--exclude-resource-type", "test", "unit_test"]
    made = workshop.build(folder, tables, variables, [*args, *selected])
    return replace(made, is_published=False)


def as_csv(table: pd.DataFrame) -> bytes:
    """The same rows as a CSV file that reads badly by position, line or cell."""
    shuffled = table.sample(frac=1, random_state=7)[list(table.columns[::-1])]
    shuffled.insert(1, "comment", "not in the contract,\r\nand of two lines")
    text = shuffled.to_csv(index=False, lineterminator="\r\n")
    return b"\xef\xbb\xbf" + text.encode()


@scenario()
def reference(workshop: Workshop) -> Build:
    """The people of the oracle, from Parquet, with history, on four threads."""
    from test_builds_oracle import reference_data

    folder, tables = workshop.folder("reference"), reference_data().tables()
    four = ["--threads", "4"]
    variables = {**REFERENCE_VARS, "roles": ROLES}
    return workshop.build(folder, tables, variables, four, with_artifacts=True)


@scenario()
def one_customer(workshop: Workshop) -> Build:
    return workshop.build(workshop.folder("one-customer"), {"orders.csv": ONE_ORDER})


@scenario()
def no_orders(workshop: Workshop) -> Build:
    """Nothing but headers; the scheme journeys is asked for."""
    folder = workshop.folder("no-orders")
    journeys = {"journey_features": [{"name": "buying", "column": "to_purchase_share__90d"}]}
    return workshop.build(folder, {"orders.csv": HEADER}, journeys, with_artifacts=True)


@scenario()
def sixteen_tables(workshop: Workshop) -> Build:
    """All tables of the input contract as CSV files, each with faults; no rule segments."""
    from test_builds_sixteen_tables import FILES, SIXTEEN_VARS

    return workshop.build(workshop.folder("sixteen-tables"), FILES, SIXTEEN_VARS)


@scenario("one_customer")
def more_customers(workshop: Workshop, one_customer: Build) -> Attempt:
    """Forty customers with the same two orders, over the file of the one."""
    orders = pd.DataFrame(
        [
            {
                "order_id": f"{customer}-{day}",
                "customer_ref": f"c{customer}",
                "ordered_at": pd.Timestamp(f"2024-03-0{day} 12:00:00"),
                "amount": 25.0,
            }
            for customer in range(40)
            for day in (1, 5)
        ]
    )
    return attempt(workshop, one_customer, "identical", {"orders": orders})


@scenario("more_customers")
def identical_customers(workshop: Workshop, more_customers: Attempt) -> Build:
    return more_customers.build


@scenario()
def one_mart(workshop: Workshop) -> tuple[Build, list[str]]:
    """A build of a project with one mart and one data test, and the arguments that name it.

    The same macros and functions open files and decide whether to publish, in a tenth of the time.
    """
    project = workshop.folder("project-of-one-mart")
    of = workshop.builder.project
    shutil.copytree(of / "macros", project / "macros")
    for part in ("dbt_project.yml", "profiles.yml", "models/staging/_input__sources.yml"):
        (project / part).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(of / part, project / part)
    for part, sql in ONE_MART.items():
        (project / part).parent.mkdir(parents=True, exist_ok=True)
        (project / part).write_text(sql)
    where = ["--project-dir", str(project)]
    green = workshop.build(workshop.folder("one-mart"), {"orders.csv": ONE_ORDER}, args=where)
    return green.passed(), where


@scenario("one_mart")
def guarded(workshop: Workshop, one_mart: tuple[Build, list[str]]) -> dict[str, Attempt]:
    """Runs that must not publish and a whole build, on data that would change the file."""
    green, where = one_mart
    new = {"orders.csv": TWO_CUSTOMERS}
    runs: dict[str, dict[str, Any]] = {
        "whole": {},
        "dbt run": {"command": "run"},
        "--select": {"args": ["--select", "customers"]},
        "--exclude-resource-type test": {"args": ["--exclude-resource-type", "test"]},
        "--empty": {"args": ["--empty"]},
        "another target": {"args": ["--target", "scratch"]},
        "another data set": {"variables": {"dataset": "another"}},
        "another data set that may": {
            "variables": {"dataset": "another", "replace_other_dataset": True}
        },
        "no rows": {"tables": {"orders.csv": HEADER}},
        "a failing test": {"tables": {"orders.csv": ONE_ORDER + "2,other,2024-03-01,,EUR\n"}},
    }
    return {
        name: attempt(
            workshop,
            green,
            f"guard-{number}",
            run.get("tables", new),
            run.get("variables"),
            args=[*where, *run.get("args", [])],
            command=run.get("command", "build"),
        )
        for number, (name, run) in enumerate(runs.items())
    }
