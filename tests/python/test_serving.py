"""The service over a small published file: a real server, asked over HTTP."""

import csv
import datetime as dt
import json
import logging
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import pytest
import schemathesis
import urllib3
import uvicorn
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from prometheus_client.parser import text_string_to_metric_families
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import ignored_auth

from customer_segmentation.audit import audit_file
from customer_segmentation.cli import main
from customer_segmentation.output.export import export_segment
from customer_segmentation.serving.access import LOG, record_reads
from customer_segmentation.serving.app import make_app
from customer_segmentation.serving.errors import NothingToServeError, ServeError
from customer_segmentation.serving.readers import Reader, read_readers, reader_of
from customer_segmentation.serving.runs import load, write_rows
from customer_segmentation.serving.sources import Source, open_sources

KEY, ROLE_KEY, SLOW_KEY = "k" * 32, "r" * 32, "s" * 32
KEYS = {"SHOP_KEY": KEY, "ROLE_KEY": ROLE_KEY, "SLOW_KEY": SLOW_KEY}
READERS = """
readers:
  shop: {key: SHOP_KEY, per_second: 100000}
  analyst: {key: ROLE_KEY, role: analyst}
  slow: {key: SLOW_KEY, per_second: 2}
"""
PROBLEM = {"type", "title", "status", "where", "detail", "expected", "what_to_do"}


def customers(generation: int) -> list[tuple[str, bool | None, bool]]:
    """Customer, activation consent, and whether the customer is held out."""
    kinds = [(True, False), (True, True), (False, False), (None, False)]
    return [
        (f"{number:03}{'ü' * (number == 7)}", *kinds[number % 4])
        for number in range(30 + generation)
    ]


def publish(path: Path, generation: int = 0, *, with_customers: bool = True) -> Path:
    """Puts a file in place of the one before in one step, as a build does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name("draft.duckdb")
    draft.unlink(missing_ok=True)
    with duckdb.connect(str(draft)) as connection:
        connection.execute("create schema monitoring")
        connection.execute(
            "create table monitoring.data_set as select 'shop' as dataset, 'raw' as raw_data,"
            " cast(? as date) as as_of",
            [dt.date(2026, 1, 1) + dt.timedelta(days=generation)],
        )
        if with_customers:
            _write_customers(connection, generation)
    os.replace(draft, path)
    return path


def _write_customers(connection: duckdb.DuckDBPyConnection, generation: int) -> None:
    connection.execute(
        "create table customers (customer_id varchar, activation_consent boolean,"
        " is_held_out boolean, may_be_contacted boolean, generation integer)"
    )
    for customer_id, consent, held_out in customers(generation):
        contacted = consent is True and not held_out
        connection.execute(
            "insert into customers values (?, ?, ?, ?, ?)",
            [customer_id, consent, held_out, contacted, generation],
        )
    connection.execute(
        f"""
        create table customer_features as
            select customer_id, 3 as recency_days, 2 as frequency, 1.50 as monetary
            from customers where customer_id <> '000';
        create table customer_segments as
            select customer_id, 'loyal' as rfm_segment from customer_features;
        create table segment_memberships as
            select customer_id, 'rule:all' as segment_key, 'rule' as scheme,
                'generation {generation}, "quoted"' as reason, date '2026-01-01' as as_of
            from customer_features
            union all
            select customer_id, 'rfm:loyal', 'rfm', 'score 4', date '2026-01-01'
            from customer_features where customer_id < '003';
        create table segment_history as
            select customer_id, scheme, segment_key, date '2025-03-01' as valid_from,
                date '2025-04-01' as valid_to
            from segment_memberships
            union all
            select customer_id, scheme, segment_key, date '2025-06-01', null
            from segment_memberships;
        create table segments as
            select unnest(['rule:all', 'rfm:loyal', 'rule:none']) as segment_key, 'Name' as name;
        create table customer_predictions as
            select customer_id, 'lapses' as target, 'lapses-1' as model_id, 0.25 as probability,
                4 as decile, 60.5 as rank_percent, false as is_likely, 'orders: 2' as reason_1,
                null as reason_2, null as reason_3
            from customer_features
        """
    )


@dataclass
class Service:
    """A server on a port of its own, and a client of it."""

    published: Path
    port: int
    sources: dict[str, Source]
    lines: list[str]
    pool: urllib3.PoolManager = field(default_factory=lambda: urllib3.PoolManager(maxsize=4))

    def __call__(
        self, path: str, key: str = KEY, method: str = "GET", **given: object
    ) -> urllib3.BaseHTTPResponse:
        headers = {"Authorization": f"Bearer {key}", **given.pop("headers", {})}
        url = f"http://127.0.0.1:{self.port}{path}"
        return self.pool.request(method, url, headers=headers, retries=False, **given)

    def ok(self, path: str, key: str = KEY, **given: object) -> dict[str, object]:
        answered = self(path, key, **given)
        assert answered.status == 200, answered.data
        return answered.json()

    def pages(self, segment: str, limit: int) -> list[list[str]]:
        page = self.ok(f"/v1/segments/{segment}/members?limit={limit}")
        pages = [page["customer_ids"]]
        while page["next"]:
            page = self.ok(f"/v1/segments/{segment}/members?limit={limit}&cursor={page['next']}")
            pages.append(page["customer_ids"])
        return pages


class Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.kept: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.kept.append(record.getMessage())


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Service]]:
    """Starts a service over a file of its own."""
    running = []
    lines = Lines()
    LOG.addHandler(lines)
    LOG.setLevel(logging.INFO)

    def start() -> Service:
        folder = tmp_path_factory.mktemp("served")
        published = publish(folder / "segments.duckdb")
        publish(folder / "roles" / "analyst" / "segments.duckdb", 5)
        (folder / "readers.yml").write_text(READERS)
        readers = read_readers(folder / "readers.yml", KEYS)
        sources = open_sources(published, readers)
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            port = one.getsockname()[1]
        config = uvicorn.Config(make_app(sources, readers), port=port, log_config=None)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run)
        thread.start()
        running.append((server, thread))
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        return Service(published, port, sources, lines.kept)

    yield start
    LOG.removeHandler(lines)
    for server, thread in running:
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def service(start: Callable[[], Service]) -> Service:
    """A service whose file stays as it is."""
    return start()


# --- Answers ---------------------------------------------------------------------------------


def test_a_profile_has_the_rows_of_the_marts(service: Service) -> None:
    profile = service.ok("/v1/customers/004")
    assert profile["as_of"] == "2026-01-01"
    assert profile["customers"]["may_be_contacted"] is True
    assert profile["customer_features"]["monetary"] == 1.5
    assert profile["customer_segments"] == {"customer_id": "004", "rfm_segment": "loyal"}


def test_a_customer_who_is_not_eligible_has_a_profile_and_no_segments(service: Service) -> None:
    profile = service.ok("/v1/customers/000")
    assert (profile["customer_features"], profile["customer_segments"]) == (None, None)
    assert service.ok("/v1/customers/000/segments")["segments"] == []
    assert service.ok("/v1/customers/000/predictions")["predictions"] == []


def test_segments_have_a_reason_and_the_start_of_the_current_spell(service: Service) -> None:
    answer = service.ok("/v1/customers/002/segments")
    assert answer["may_be_contacted"] is False
    assert [row["segment_key"] for row in answer["segments"]] == ["rfm:loyal", "rule:all"]
    assert answer["segments"][1] == {
        "segment_key": "rule:all",
        "scheme": "rule",
        "since": "2025-06-01",
        "reason": 'generation 0, "quoted"',
    }


def test_a_check_says_who_is_no_member_and_who_may_be_contacted(service: Service) -> None:
    checked = service.ok("/v1/customers/004/segments/rule:all")
    assert (checked["is_member"], checked["since"]) == (True, "2025-06-01")
    assert checked["may_be_contacted"] is True
    checked = service.ok("/v1/customers/004/segments/rfm:loyal")
    assert (checked["is_member"], checked["since"], checked["reason"]) == (False, None, None)


def test_predictions_have_their_reasons(service: Service) -> None:
    (prediction,) = service.ok("/v1/customers/004/predictions")["predictions"]
    assert (prediction["target"], prediction["probability"]) == ("lapses", 0.25)
    assert prediction["reasons"] == ["orders: 2"]


def test_a_lookup_answers_about_each_customer_once(service: Service) -> None:
    asked = ["007ü", "unknown", "004", "004"]
    answer = service.ok("/v1/lookup", method="POST", json={"customer_ids": asked})
    assert [row["customer_id"] for row in answer["found"]] == ["007ü", "004"]
    assert answer["unknown"] == ["unknown"]
    for row in answer["found"]:
        alone = service.ok(f"/v1/customers/{row['customer_id']}/segments")
        assert row["segments"] == alone["segments"]


def test_segments_are_listed_with_their_sizes(service: Service) -> None:
    listed = {row["segment"]["segment_key"]: row for row in service.ok("/v1/segments")["segments"]}
    assert listed["rule:all"]["customers"] == 29
    assert listed["rule:all"]["may_be_contacted"] == 7
    assert listed["rule:none"]["customers"] == 0


# --- Members ---------------------------------------------------------------------------------


@given(limit=st.integers(1, 12))
@settings(max_examples=12)
def test_pages_have_all_members_of_an_export_once(service: Service, limit: int) -> None:
    target = service.published.parent / "members.csv"
    exported = export_segment("rule:all", "csv", service.published, target)
    with target.open(newline="", encoding="utf-8") as file:
        expected = [row["customer_id"] for row in csv.DictReader(file)]
    pages = service.pages("rule:all", limit)
    assert [customer_id for page in pages for customer_id in page] == expected
    assert all(len(page) == limit for page in pages[:-1])
    answer = service.ok("/v1/segments/rule:all/members")
    assert answer["may_be_contacted"] == exported.customers == len(expected)
    assert answer["left_out"] == {
        "withdrawn": exported.withdrawn,
        "unstated": exported.unstated,
        "held_out": exported.held_out,
    }


def test_an_empty_segment_has_one_empty_page(service: Service) -> None:
    assert service.pages("rule:none", 5) == [[]]


# --- Keys, limits and bad input --------------------------------------------------------------


def check_problem(answered: urllib3.BaseHTTPResponse, status: int) -> dict[str, object]:
    assert answered.status == status, answered.data
    assert answered.headers["content-type"] == "application/problem+json"
    problem = answered.json()
    assert set(problem) == PROBLEM
    assert problem["status"] == status
    assert all(problem.values())
    return problem


@pytest.mark.parametrize("header", ["", "Bearer", f"Bearer {'x' * 32}", f"Basic {KEY}", KEY])
@pytest.mark.parametrize("path", ["/v1/customers/004", "/v1/segments", "/metrics", "/none"])
def test_without_a_valid_key_nothing_is_answered(service: Service, header: str, path: str) -> None:
    answered = service(path, headers={"Authorization": header})
    check_problem(answered, 401)
    assert answered.headers["www-authenticate"] == "Bearer"


def test_health_and_the_description_take_no_key(service: Service) -> None:
    assert service.ok("/health", headers={"Authorization": ""}) == {"status": "ok"}
    assert "/v1/lookup" in service.ok("/openapi.json", headers={"Authorization": ""})["paths"]


def test_a_reader_with_a_role_reads_the_file_of_the_role(service: Service) -> None:
    check_problem(service("/v1/customers/034"), 404)
    assert service.ok("/v1/customers/034", ROLE_KEY)["customers"]["generation"] == 5


def test_a_reader_beyond_its_limit_is_asked_to_wait(service: Service) -> None:
    answered = [service("/v1/segments", SLOW_KEY) for _ in range(4)]
    assert [one.status for one in answered[:2]] == [200, 200]
    check_problem(answered[3], 429)
    assert answered[3].headers["retry-after"] == "1"
    assert service("/v1/segments").status == 200


@given(
    steps=st.lists(st.floats(0, 3), min_size=1, max_size=60),
    per_second=st.floats(0.1, 20),
)
def test_a_reader_gets_no_more_than_its_limit(steps: list[float], per_second: float) -> None:
    now = 0.0
    reader = Reader("one", b"", per_second=per_second, clock=lambda: now)
    admitted = 0
    for step in steps:
        now += step
        if wait := reader.wait():
            assert 0 < wait <= 1 / per_second + 1e-9
        else:
            admitted += 1
    assert admitted <= max(per_second, 1) + now * per_second + 1e-6


@pytest.mark.parametrize(
    ("path", "given", "status", "where"),
    [
        ("/v1/customers/none", {}, 404, "customer_id"),
        ("/v1/customers/" + "1" * 201, {}, 422, "path.customer_id"),
        ("/v1/customers/004/segments/rule:al", {}, 404, "segment_key"),
        ("/v1/segments/rule:al/members", {}, 404, "segment_key"),
        ("/v1/segments/rule:all/members?limit=0", {}, 422, "query.limit"),
        ("/v1/segments/rule:all/members?limit=1001", {}, 422, "query.limit"),
        ("/v1/segments/rule:all/members?cursor=004", {}, 409, "cursor"),
        ("/v1/nothing", {}, 404, "path"),
        ("/v1/segments", {"method": "DELETE"}, 405, "method"),
        ("/v1/lookup", {"method": "POST", "body": b"{"}, 422, "body.1"),
        ("/v1/lookup", {"method": "POST", "json": {}}, 422, "body.customer_ids"),
        ("/v1/lookup", {"method": "POST", "json": {"customer_ids": []}}, 422, "body.customer_ids"),
        (
            "/v1/lookup",
            {"method": "POST", "json": {"customer_ids": ["1"] * 101}},
            422,
            "body.customer_ids",
        ),
        ("/v1/lookup", {"method": "POST", "body": b"x" * 70_000}, 413, "header Content-Length"),
        (
            "/v1/lookup",
            {"method": "POST", "body": iter([b"{}"]), "chunked": True},
            411,
            "header Content-Length",
        ),
    ],
)
def test_a_wrong_request_is_explained(
    service: Service, path: str, given: dict[str, object], status: int, where: str
) -> None:
    if "body" in given:
        given = {**given, "headers": {"Content-Type": "application/json"}}
    assert check_problem(service(path, **given), status)["where"] == where


@pytest.mark.parametrize("path", ["/v1/segments/", "/v1/customers/004/", "/health/"])
def test_no_answer_leads_to_the_host_that_a_request_names(service: Service, path: str) -> None:
    answered = service(path, headers={"Host": "elsewhere.example"})
    assert check_problem(answered, 404)["where"] == "path"
    assert "location" not in answered.headers


def test_a_misspelt_segment_gets_a_suggestion(service: Service) -> None:
    problem = check_problem(service("/v1/segments/rule:al/members"), 404)
    assert "Did you mean rule:all" in problem["detail"]


def test_the_log_has_no_path_as_it_was_asked_for(service: Service) -> None:
    service("/v1/customers/anna@example.com/segments")
    service("/anna@example.com")
    service.ok("/v1/customers/004/segments")
    run = service.ok("/v1/segments")["run"]
    expected = {
        "reader": "shop",
        "route": "/v1/customers/{customer_id}/segments",
        "status": 200,
        "run": run,
        "customers": 1,
        "customer_id": "004",
    }
    # A line is written when its answer has gone out.
    wait_for(lambda: any(expected.items() <= json.loads(line).items() for line in service.lines))
    assert not any("anna" in line or KEY in line for line in service.lines)


def test_sums_of_requests_are_in_the_audit_log(service: Service) -> None:
    record_reads()
    before = audit_file().read_text().count("\n") if audit_file().exists() else 0
    for _ in range(3):
        service.ok("/v1/customers/004")
    service("/v1/customers/none")
    record_reads()
    record_reads()
    (line,) = audit_file().read_text().splitlines()[before:]
    route = "/v1/customers/{customer_id}"
    said = {"reader": "shop", "route": route, "requests": 3, "customers": 3}
    assert (json.loads(line)["action"], json.loads(line)["counts"]) == ("read", said)


def test_metrics_count_requests_by_route_and_name_no_reader(service: Service) -> None:
    service.ok("/v1/customers/004")
    text = service("/metrics").data.decode()
    samples = {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    asked = {"route": "/v1/customers/{customer_id}", "status": "200"}
    assert samples["segmentation_requests_total", tuple(sorted(asked.items()))] >= 1
    assert samples["segmentation_customers", (("role", ""),)] == 30
    assert samples["segmentation_customers", (("role", "analyst"),)] == 35
    assert not any("004" in value for _, labels in samples for _, value in labels)
    # Any reader may ask for them.
    assert "reader" not in text


# --- Another build ---------------------------------------------------------------------------


def wait_for(is_so: Callable[[], bool]) -> None:
    until = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_answers_are_of_one_run_while_the_file_is_replaced(start: Callable[[], Service]) -> None:
    service = start()
    path = "/v1/customers/004/segments"
    first = service(path)
    tag = first.headers["etag"]
    unchanged = service(path, headers={"If-None-Match": f'"other", W/{tag}'})
    assert (unchanged.status, unchanged.data) == (304, b"")
    assert service(path, headers={"If-None-Match": '"other"'}).status == 200
    check_problem(service("/v1/customers/none", headers={"If-None-Match": tag}), 404)
    cursor = service.ok("/v1/segments/rule:all/members?limit=2")["next"]

    seen, wrong, stop = set(), [], threading.Event()

    def keep_asking() -> None:
        while not stop.is_set():
            answer = service.ok("/v1/lookup", method="POST", json={"customer_ids": ["004", "030"]})
            generation = (dt.date.fromisoformat(answer["as_of"]) - dt.date(2026, 1, 1)).days
            said = {row["segments"][-1]["reason"] for row in answer["found"]}
            # The customer 030 is known from generation 1 on.
            of_one_run = {f'generation {generation}, "quoted"'} == said
            if not of_one_run or len(answer["found"]) != 1 + (generation > 0):
                wrong.append(answer)
            seen.add((generation, answer["run"]))

    asking = [threading.Thread(target=keep_asking) for _ in range(3)]
    for thread in asking:
        thread.start()
    for generation in (1, 2):
        publish(service.published, generation)
        wait_for(lambda generation=generation: generation in {number for number, _ in seen})
    stop.set()
    for thread in asking:
        thread.join()
    assert wrong == []
    assert len(seen) == 3
    assert service(path, headers={"If-None-Match": tag}).status == 200
    check_problem(service(f"/v1/segments/rule:all/members?cursor={cursor}"), 409)


def test_what_is_no_longer_published_is_no_longer_served(start: Callable[[], Service]) -> None:
    service = start()
    publish(service.published.parent / "roles/analyst/segments.duckdb", 6, with_customers=False)
    wait_for(lambda: service("/health").status == 503)
    check_problem(service("/v1/customers/004", ROLE_KEY), 503)
    assert service("/v1/customers/004").status == 200
    service.published.unlink()
    wait_for(lambda: service("/v1/customers/004").status == 503)
    assert service("/metrics").status == 200


def test_a_file_that_cannot_be_read_leaves_the_run_before(tmp_path: Path) -> None:
    source = Source(publish(tmp_path / "segments.duckdb"))
    source.load()
    run = source.run
    (tmp_path / "broken").write_bytes(b"no database" * 1000)
    os.replace(tmp_path / "broken", source.file)
    source.refresh()
    assert source.run is run
    assert source.failures == 1
    source.refresh()
    assert source.failures == 1
    publish(source.file, 1)
    source.refresh()
    assert source.run.size == 31


def test_a_run_is_not_named_after_a_file_that_is_published_while_it_is_loaded(
    tmp_path: Path,
) -> None:
    published = publish(tmp_path / "segments.duckdb")

    def replace(how_many: int) -> None:
        """As of the same day, with other customers."""
        with duckdb.connect(str(publish(tmp_path / "next.duckdb"))) as connection:
            connection.execute(f"delete from customers where customer_id >= '{how_many:03}'")
        os.replace(tmp_path / "next.duckdb", published)

    def write(file: Path, target: Path) -> None:
        write_rows(file, target)
        replace(9)

    during, after = load(published, write), load(published)
    assert (during.size, after.size) == (30, 9)
    assert during.name != after.name
    assert load(published).name == after.name

    def remove(file: Path, target: Path) -> None:
        write_rows(file, target)
        file.unlink()

    assert load(published, remove).name == after.name
    with pytest.raises(NothingToServeError, match="does not exist"):
        load(published)


# --- Start -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        ("readers:", "declares no reader"),
        ("readers: {shop: {key: SHOP_KEY}}\nother: 1", "hold nothing else"),
        ("readers: [", "line 2, column 1: .*Expected YAML"),
        ("readers: {Shop: {key: SHOP_KEY}}", "named 'Shop'"),
        ("readers: {shop: SHOP_KEY}", "is no mapping"),
        ("readers: {shop: {kee: SHOP_KEY}}", "Did you mean key"),
        ("readers: {shop: {}}", "names no key"),
        ("readers: {shop: {key: UNSET}}", "is not set"),
        ("readers: {shop: {key: SHORT}}", "32 printable"),
        ("readers: {shop: {key: SHOP_KEY}, site: {key: SHOP_KEY}}", "the same key"),
        ("readers: {shop: {key: SHOP_KEY, per_second: 0}}", "above 0"),
        ("readers: {shop: {key: SHOP_KEY, role: ../x}}", "var roles"),
    ],
)
def test_a_wrong_reader_is_explained(tmp_path: Path, declared: str, said: str) -> None:
    file = tmp_path / "readers.yml"
    file.write_text(declared)
    with pytest.raises(ServeError, match=said) as raised:
        read_readers(file, {**KEYS, "SHORT": "too-short-a-key"})
    assert "too-short-a-key" not in str(raised.value)


def test_nothing_starts_without_keys_or_customers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    published = publish(tmp_path / "segments.duckdb")
    readers = tmp_path / "readers.yml"
    command = ["serve", "--published", str(published), "--readers", str(readers)]
    with pytest.raises(SystemExit, match="2"):
        main(command)
    assert "Expected the readers, as in docs/serving.md" in capsys.readouterr().err
    monkeypatch.setenv("ROLE_KEY", ROLE_KEY)
    readers.write_text("readers: {analyst: {key: ROLE_KEY, role: analyst}}")
    with pytest.raises(SystemExit, match="2"):
        main(command)
    assert "roles/analyst/segments.duckdb does not exist" in capsys.readouterr().err
    publish(tmp_path / "roles" / "analyst" / "segments.duckdb", with_customers=False)
    with pytest.raises(SystemExit, match="2"):
        main(command)
    assert "without the kind `customers`" in capsys.readouterr().err


def test_a_service_that_is_stopped_leaves_no_files(tmp_path: Path) -> None:
    published = publish(tmp_path / "segments.duckdb")
    (tmp_path / "readers.yml").write_text("readers: {shop: {key: SHOP_KEY}}")
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    command = [sys.executable, "-m", "customer_segmentation.cli", "serve", "--port", str(port)]
    command += ["--published", str(published), "--readers", str(tmp_path / "readers.yml")]
    (tmp_path / "temporary").mkdir()
    environment = {**os.environ, **KEYS, "TMPDIR": str(tmp_path / "temporary")}
    running = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    url = f"http://127.0.0.1:{port}/v1/customers/004"
    retries = urllib3.Retry(600, backoff_factor=0.2, backoff_max=0.2)
    headers = {"Authorization": f"Bearer {KEY}"}
    answered = urllib3.request("GET", url, headers=headers, retries=retries)
    assert answered.status == 200
    assert list((tmp_path / "temporary").iterdir()) == []
    running.terminate()
    log, _ = running.communicate(timeout=60)
    assert running.returncode == 0
    assert json.loads(log)["customer_id"] == "004"


def test_a_key_is_its_readers_alone(tmp_path: Path) -> None:
    (tmp_path / "readers.yml").write_text(READERS)
    readers = read_readers(tmp_path / "readers.yml", KEYS)
    assert [reader_of(readers, key).name for key in KEYS.values()] == ["shop", "analyst", "slow"]
    assert reader_of(readers, KEY[:-1]) is None
    assert reader_of(readers, "ü\udcff") is None
    assert KEY not in repr(readers)


# --- The description -------------------------------------------------------------------------


DESCRIBED = schemathesis.openapi.from_dict(make_app({}, []).openapi())


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize(
    "operation", [found.ok() for found in DESCRIBED.get_all_operations()], ids=lambda one: one.label
)
def test_no_answer_is_an_error_or_outside_the_description(
    service: Service, operation: schemathesis.schemas.APIOperation, mode: GenerationMode
) -> None:
    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=10,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    def ask(case: schemathesis.Case) -> None:
        if mode is GenerationMode.POSITIVE:
            # Any text is a valid id, but few are of a customer.
            known = {"customer_id": "004", "segment_key": "rule:all"}
            case.path_parameters = {name: known[name] for name in case.path_parameters or {}}
            if operation.label == "POST /v1/lookup":
                case.body["customer_ids"][0] = "004"
        case.call_and_validate(
            base_url=f"http://127.0.0.1:{service.port}",
            headers={"Authorization": f"Bearer {KEY}"},
            # It takes the key away, and the header comes back here.
            excluded_checks=[ignored_auth],
        )

    try:
        ask()
    except Unsatisfiable:
        assert mode is GenerationMode.NEGATIVE, "no request of this operation can be valid"
