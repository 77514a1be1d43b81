"""What dbt-duckdb loads: it waits for the working file and registers functions for SQL."""

import json
import os
import threading
import time

import duckdb
import pytest
import yaml
from conftest import ROOT
from dbt.adapters.duckdb.credentials import DuckDBCredentials
from dbt_common.exceptions import DbtRuntimeError
from other_processes import held

from customer_segmentation import dbt_plugin
from customer_segmentation.identity.identifiers import hashed_reference, keyed_hash


def plugin(path) -> dbt_plugin.Plugin:
    credentials = DuckDBCredentials(path=str(path), database="x", schema="main")
    made = dbt_plugin.Plugin("segmentation", {}, credentials)
    made.update_connection_config(credentials, {})
    return made


def test_keyed_hash_is_hmac_sha_256_of_rfc_4231(monkeypatch):
    monkeypatch.setenv("SEGMENTATION_HASH_KEY", "Jefe")
    digest = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    assert keyed_hash("what do ya want for nothing?") == digest[:32]


def test_the_key_decides_the_hash(monkeypatch):
    monkeypatch.delenv("SEGMENTATION_HASH_KEY", raising=False)
    unkeyed = keyed_hash("anna@example.org")
    monkeypatch.setenv("SEGMENTATION_HASH_KEY", "secret")
    assert keyed_hash("anna@example.org") != unkeyed


@pytest.mark.parametrize(
    "spelling",
    ["Ann@Example.com", " ann@example.com", "ann+a+b@example.com", "mailto:ann@example.com"],
)
def test_spellings_of_an_address_have_one_hash(spelling):
    assert hashed_reference(spelling) == f"e-{keyed_hash('ann@example.com')}"


@pytest.mark.parametrize(
    "reference", ["info@example.com", "No-Reply+1@example.com", "ann@b", "+49 1"]
)
def test_only_an_address_of_a_person_is_marked(reference):
    assert hashed_reference(reference).startswith("h-")


@pytest.mark.check("lock")
def test_a_file_that_another_process_holds_is_waited_for_and_its_holder_named(
    tmp_path, monkeypatch
):
    path = tmp_path / "demo.duckdb"
    said = []
    monkeypatch.setattr(dbt_plugin._LOGGER, "info", said.append)
    monkeypatch.setattr(dbt_plugin, "SECONDS_TO_WAIT_FOR_LOCK", 1)
    with held(path) as holder:
        begin = time.monotonic()
        # dbt opens the file again and again; all of it waits once.
        for _ in range(7):
            with pytest.raises(DbtRuntimeError, match=f"in use by process {holder} and"):
                plugin(path)
        assert 1 <= time.monotonic() - begin < 3
        assert said == [f"{path} is in use by process {holder}. Waiting for up to 1 s."]
    plugin(path)


def test_a_damaged_file_is_named(tmp_path):
    path = tmp_path / "demo.duckdb"
    path.write_bytes(b"no database" * 1000)
    with pytest.raises(DbtRuntimeError, match=r"demo\.duckdb is damaged.+Delete it"):
        plugin(path)
    path.unlink()
    with duckdb.connect(str(path)) as connection:
        connection.execute("create table numbers as from range(1000)")
    content = bytearray(path.read_bytes())
    content[5000] ^= 1  # a byte of the first header, so that its checksum is wrong
    path.write_bytes(content)
    with pytest.raises(DbtRuntimeError, match=r"demo\.duckdb is damaged.+Delete it"):
        plugin(path)


@pytest.mark.parametrize("place", ["/proc/demo.duckdb", "/proc/new/demo.duckdb"])
def test_a_place_that_cant_be_written_is_no_reason_to_delete_a_file(place):
    with pytest.raises(DbtRuntimeError, match="Expected a folder and a file that this") as said:
        plugin(place)
    assert "elete" not in str(said.value)
    assert len(said.value.msg.splitlines()) == 1


def test_a_file_that_is_no_file_is_named(tmp_path):
    (tmp_path / "demo.duckdb").mkdir()
    with pytest.raises(DbtRuntimeError, match=r"demo\.duckdb can't be opened: .+ Expected"):
        plugin(tmp_path / "demo.duckdb")


def test_a_name_that_leads_elsewhere_is_refused(tmp_path):
    with pytest.raises(DbtRuntimeError, match="Var dataset is 'a b;c'"):
        plugin(tmp_path / "a b;c.duckdb")


def test_functions_answer_in_json(tmp_path):
    with duckdb.connect() as connection:
        plugin(tmp_path / "demo.duckdb").configure_connection(connection)
        contract = json.dumps([{"name": "orders", "columns": ["order_id"], "is_required": True}])
        answer = connection.execute(
            "select segmentation_find_raw_files(?, ?, '[]')", [str(tmp_path), contract]
        ).fetchall()
        assert "no file for the required table 'orders'" in json.loads(answer[0][0])["error"]
        (tmp_path / "orders.csv").write_text("order_id\n")
        answer = connection.execute(
            "select segmentation_find_raw_files(?, ?, '[]')", [str(tmp_path), contract]
        ).fetchall()
        assert json.loads(answer[0][0])["result"][0]["columns"] == ["order_id"]


def test_sql_of_a_var_can_use_the_functions_for_no_file_but_the_published_one(tmp_path):
    """The macros declare the files; what runs after it can neither read others nor declare more."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "orders.csv").write_text("secret_header\n")
    published = tmp_path / "published" / "segments.duckdb"
    published.parent.mkdir()
    published.symlink_to(outside / "linked.duckdb")

    roles = {"analyst": ["customers"]}

    def request(path, roles=roles):
        tables = [
            {"relation": f"main.{name}", "schema": schema, "name": name}
            for schema, name in (("main", "customers"), ("monitoring", "data_set"))
        ]
        wanted = {"path": str(path), "allow_empty": False, "roles": roles, "tables": tables}
        return json.dumps(wanted)

    limits = {
        "folders": [str(tmp_path / "raw")],
        "publish_path": str(published),
        "target": str(tmp_path),
        "roles": roles,
        "vars": {"dataset": "shop"},
        "project": str(tmp_path / "project"),
        "model": None,
        "erased": "",
        "command": "build",
        "dataset": "shop",
        "target_name": "local",
    }
    line = {"command": "build", "dataset": "shop", "target": "local", "nodes": 9, "unsuccessful": 0}
    file = {"table": "orders", "path": str(outside / "orders.csv"), "format": "csv"}
    calls = {
        "segmentation_find_raw_files": [str(outside), "[]", "[]"],
        "segmentation_check_input": ['{"raw_dir": "/", "raw_roots": [], "contract": []}'],
        "segmentation_load_raw_file": [json.dumps(file), "read_back", "rejected", "{}"],
        "segmentation_load_tombstones": ["tombstones", "counts"],
        "segmentation_keep_out": [f"read_csv('{outside}/orders.csv')", "{}", "read_back"],
        "segmentation_record_tombstones": [
            "select 'orders', 'default', 'c1', null, date '2024-03-01'"
        ],
        "segmentation_published_data_set": [str(outside / "any.duckdb")],
        "segmentation_limit_file_access": [json.dumps({**limits, "folders": ["/"]})],
        "segmentation_publish": [request(outside / "new" / "stolen.duckdb")],
        "segmentation_code_hash": [str(outside)],
        "segmentation_embedding_model": [str(outside)],
        "segmentation_record_build": [json.dumps({**line, "dataset": "anna@example.org"})],
    }
    with duckdb.connect() as connection:
        plugin(tmp_path / "demo.duckdb").configure_connection(connection)

        def call(function, *arguments):
            places = ", ".join("?" for _ in arguments)
            (row,) = connection.execute(f"select {function}({places})", arguments).fetchall()
            return json.loads(row[0])

        connection.execute("create table customers as select 1 as customer_id")
        connection.execute("create table data_set as select 10 as smallest_cell")
        folders = call("segmentation_limit_file_access", json.dumps(limits))["result"]
        assert folders == [str(tmp_path / "raw"), str(published.parent), str(outside)]
        connection.execute(f"set allowed_directories = {folders}")
        connection.execute("set enable_external_access = false")
        for function, arguments in calls.items():
            assert "SQL of a var or a model" in call(function, *arguments)["error"], function
        more = {"analyst": ["customers", "references"]}
        for other in ({}, more, {"../../outside": ["customers"]}, {str(outside): ["customers"]}):
            assert (
                "SQL of a var" in call("segmentation_publish", request(published, other))["error"]
            )
        of_this_build = {"path": str(published), "checks": []} | {
            name: limits[name] for name in ("target", "target_name", "vars")
        }
        for elsewhere in (
            {"path": str(outside / "any.duckdb")},
            {"target": str(outside)},
            {"vars": {"dataset": "shop", "publish_path": str(outside / "any.duckdb")}},
        ):
            summary = json.dumps({**of_this_build, **elsewhere})
            assert "SQL of a var" in call("segmentation_summary", summary)["result"]
        for other in (
            {"command": "anna@example.org"},
            {"target": "anna@example.org"},
            {"nodes": "anna@example.org"},
            {"unsuccessful": True},
            {"more": "anna@example.org"},
        ):
            recorded = call("segmentation_record_build", json.dumps({**line, **other}))
            assert "SQL of a var" in recorded["error"], other
        before = len(json.loads(dbt_plugin.audit_lines()))
        assert call("segmentation_record_build", json.dumps(line)) == {"result": None}
        assert len(json.loads(dbt_plugin.audit_lines())) == before + 1
        assert {path.name for path in outside.iterdir()} == {"orders.csv"}
        assert not (tmp_path / "last_build.json").exists()
        assert call("segmentation_publish", request(published)) == {"result": None}
        assert (outside / "linked.duckdb").exists()
        assert len(call("segmentation_code_hash", limits["project"])["result"]) == 64


def test_a_pipe_among_the_models_is_no_model(tmp_path):
    (tmp_path / "models").mkdir()
    without = dbt_plugin.project_hash(str(tmp_path))
    os.mkfifo(tmp_path / "models" / "a.sql")
    hashes = []
    # A thread that waits for the pipe doesn't keep the tests from ending.
    work = threading.Thread(
        target=lambda: hashes.append(dbt_plugin.project_hash(str(tmp_path))), daemon=True
    )
    work.start()
    work.join(timeout=20)
    assert hashes == [without]


def test_with_little_memory_a_build_spills(tmp_path):
    profile = yaml.safe_load((ROOT / "profiles.yml").read_text())
    options = profile["customer_segmentation"]["outputs"]["local"]["config_options"]
    assert options["temp_directory"].endswith("/warehouse/spill")
    options |= {"temp_directory": str(tmp_path / "spill"), "memory_limit": "40MB", "threads": "1"}
    sort = "create table sorted as select hash(i) as key, i from range(4000000) as t(i) order by 1"
    with duckdb.connect(str(tmp_path / "demo.duckdb"), config=options) as connection:
        # It does need the folder: with hardly any room there it can't be done.
        connection.execute("set max_temp_directory_size = '1MB'")
        with pytest.raises(duckdb.OutOfMemoryException):
            connection.execute(sort)
        connection.execute("reset max_temp_directory_size")
        connection.execute(sort)
        assert connection.execute("select count(*) from sorted").fetchall() == [(4_000_000,)]


def test_the_profile_lets_duckdb_fetch_no_extensions():
    profile = yaml.safe_load((ROOT / "profiles.yml").read_text())
    options = profile["customer_segmentation"]["outputs"]["local"]["config_options"]
    # dbt takes these two from the environment.
    del options["temp_directory"], options["memory_limit"]
    with duckdb.connect(config=options) as connection:
        settings = connection.execute(
            "select name, value from duckdb_settings() where name like 'auto%known_extensions'"
        ).fetchall()
    assert len(settings) == 2
    assert {value for _, value in settings} == {"false"}
