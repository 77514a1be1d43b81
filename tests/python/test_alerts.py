"""What is said when builds, freshness, gates or deliveries need attention."""

import datetime as dt
import json
import os
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import duckdb
import pytest

from customer_segmentation.activation.state import State
from customer_segmentation.cli import main
from customer_segmentation.output.alerts import AlertError, alerts, send

PUBLISHED_AT = dt.datetime(2026, 11, 2, 3, 0, tzinfo=dt.UTC)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What a build leaves: all is well."""
    with duckdb.connect(str(tmp_path / "segments.duckdb")) as connection:
        connection.execute("create schema monitoring")
        connection.execute(
            "create table monitoring.source_coverage (source_table varchar, check_name varchar,"
            " verdict varchar, value double, threshold double)"
        )
        connection.execute(
            "create table monitoring.segment_warnings (segment_key varchar, gate varchar,"
            " warning varchar)"
        )
        connection.execute(
            "create table monitoring.data_set as select 'shop' as dataset, 'raw' as raw_data,"
            " date '2026-11-01' as as_of"
        )
    _age(tmp_path)
    return tmp_path


def _age(folder: Path) -> None:
    os.utime(folder / "segments.duckdb", (PUBLISHED_AT.timestamp(),) * 2)


def insert(folder: Path, table: str, *rows: tuple[object, ...]) -> None:
    with duckdb.connect(str(folder / "segments.duckdb")) as connection:
        marks = ", ".join("?" * len(rows[0]))
        connection.executemany(f"insert into monitoring.{table} values ({marks})", rows)
    _age(folder)


def said(folder: Path, hours_later: float = 1, hours: float = 26) -> list[str]:
    now = PUBLISHED_AT + dt.timedelta(hours=hours_later)
    return alerts(folder / "segments.duckdb", folder, folder / "shop.sqlite", hours, now)


def write_results(folder: Path, began: dt.datetime, *statuses: str) -> None:
    results = [
        {"unique_id": f"model.shop.m{at}", "status": status, "message": "'anna@example.com'"}
        for at, status in enumerate(statuses)
    ]
    written = {
        "metadata": {"invocation_started_at": began.isoformat()},
        "args": {"which": "build"},
        "results": results,
    }
    (folder / "run_results.json").write_text(json.dumps(written))


def test_nothing_is_said_when_all_is_well(folder: Path) -> None:
    insert(folder, "source_coverage", ("orders", "days_old", "ok", 1, 2))
    insert(folder, "source_coverage", ("orders", "completeness", "warn", 1, 2))
    write_results(folder, PUBLISHED_AT - dt.timedelta(minutes=3), "success", "warn")
    with State(folder / "shop.sqlite"):
        pass
    assert said(folder) == []


def test_a_build_of_another_data_set_says_nothing_about_this_one(folder: Path) -> None:
    write_results(folder, PUBLISHED_AT + dt.timedelta(hours=1), "success")
    results = json.loads((folder / "run_results.json").read_text())
    for dataset, expected in {"other": 0, "shop": 1}.items():
        results["args"]["vars"] = {"dataset": dataset}
        (folder / "run_results.json").write_text(json.dumps(results))
        assert len([line for line in said(folder) if "published nothing" in line]) == expected


def test_a_build_that_failed_is_named_without_quoting_data(folder: Path) -> None:
    write_results(folder, PUBLISHED_AT + dt.timedelta(days=1), *["error"] * 7, "skipped", "pass")
    lines = said(folder)
    assert lines[0] == (
        "The last build published nothing: readers have the file of 2026-11-02 03:00 UTC."
    )
    assert lines[1] == "Failed: m0 (error)"
    assert lines[-2:] == ["and 2 more.", "Skipped: 1 models and tests that come after."]
    assert "anna" not in "".join(lines)


def test_a_build_that_never_came_shows_in_the_age_of_the_file(folder: Path) -> None:
    assert said(folder, 26) == []
    (line,) = said(folder, 50)
    assert line == "Last published 50 hours ago (limit 26 hours)."
    assert said(folder, 50, hours=168) == []
    (folder / "segments.duckdb").unlink()
    assert said(folder)[0].startswith("Nothing has been published to ")


def test_a_build_that_found_nothing_to_do_is_as_good_as_one_that_published(folder: Path) -> None:
    noted = folder / "inputs.json"
    noted.write_text(json.dumps({"published": (folder / "segments.duckdb").as_posix()}))
    checked_at = PUBLISHED_AT + dt.timedelta(hours=48)
    os.utime(noted, (checked_at.timestamp(),) * 2)
    assert said(folder, hours_later=50) == []
    assert said(folder, hours_later=75) == ["Last published 75 hours ago (limit 26 hours)."]


def test_a_check_of_another_published_file_says_nothing_of_this_one(folder: Path) -> None:
    (folder / "inputs.json").write_text(json.dumps({"published": "other/segments.duckdb"}))
    assert said(folder, hours_later=50) == ["Last published 50 hours ago (limit 26 hours)."]


def test_another_data_set_in_the_file_is_the_finding(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    insert(folder, "segment_warnings", ("c", "size", "grew"))
    command = ["alert", "--published", str(folder / "segments.duckdb"), "--state", str(folder)]
    command += ["--target", str(folder), "--hours", "1000000", "--dataset"]
    with pytest.raises(SystemExit, match="1"):
        main([*command, "toys"])
    title, line = capsys.readouterr().out.splitlines()
    assert title == "Data set toys:"
    assert " holds the data set shop. Expected toys: build it, or set its publish_path." in line
    with pytest.raises(SystemExit, match="1"):
        main([*command, "shop"])
    assert capsys.readouterr().out == "Data set shop, as of 2026-11-01:\nGate size: c.\n"


def test_freshness_and_gates_are_named_without_figures(folder: Path) -> None:
    insert(folder, "source_coverage", ("orders", "days_old", "warn", 5, 2))
    insert(folder, "segment_warnings", ("rule:b", "drift", "has 6 members"))
    insert(folder, "segment_warnings", ("rule:a", "drift", "has 6 members"), ("c", "size", "grew"))
    assert said(folder) == [
        "Not fresh: orders: the newest row is 5 days older than as_of, expected at most 2 (var "
        "freshness_days).",
        "Gate drift: rule:a, and 1 more.",
        "Gate size: c.",
    ]


def test_deliveries_that_wait_are_counted(folder: Path) -> None:
    with State(folder / "shop.sqlite") as state:
        for at, status in enumerate(["waiting", "waiting", "set_aside", "delivered"]):
            state._run(
                "insert into deliveries (destination, change_id, customer_id, message,"
                " occurred_at, status) values ('mail', ?, 'c', 'entered', '', ?)",
                str(at),
                status,
            )
        (line,) = said(folder)
        assert "another delivery is running" in line
    assert said(folder) == ["Delivery to mail: 2 wait, 1 set aside."]


def test_the_command_is_silent_or_says_it_and_posts_it(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    posted = []

    class Chat(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            posted.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(204 if self.path == "/hook" else 500)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    chat = HTTPServer(("127.0.0.1", 0), Chat)
    threading.Thread(target=chat.serve_forever, daemon=True).start()
    command = ["alert", "--published", str(folder / "segments.duckdb"), "--state", str(folder)]
    command += ["--target", str(folder)]
    command += ["--hours", "1000000", "--webhook", "CHAT_ADDRESS"]
    monkeypatch.setenv("CHAT_ADDRESS", f"http://127.0.0.1:{chat.server_port}/hook")
    main(command)
    assert capsys.readouterr() == ("", "")
    insert(folder, "segment_warnings", ("c", "size", "grew"))
    with pytest.raises(SystemExit, match="1"):
        main(command)
    expected = "Data set shop, as of 2026-11-01:\nGate size: c."
    assert capsys.readouterr() == (f"{expected}\n", "")
    assert posted == [{"text": expected}]
    monkeypatch.setenv("CHAT_ADDRESS", f"http://127.0.0.1:{chat.server_port}/other")
    with pytest.raises(SystemExit, match="2"):
        main(command)
    assert "The webhook answered 500" in capsys.readouterr().err
    chat.shutdown()


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("", "is not set"),
        ("http://example.com/secret", "Expected https"),
        ("secret-T024BE7LD", "Expected https"),
        ("http://127.0.0.1:9/secret", "can't be reached"),
    ],
)
def test_an_address_that_cannot_be_used_is_not_repeated(address: str, reason: str) -> None:
    with pytest.raises(AlertError, match=reason) as raised:
        send(["text"], "CHAT_ADDRESS", {"CHAT_ADDRESS": address})
    assert "secret" not in str(raised.value)
