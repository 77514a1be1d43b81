"""The audit log: several writers, and whatever is changed in it is found."""

from __future__ import annotations

import json
import multiprocessing
import os
import pwd
import resource
import shutil
from pathlib import Path

import duckdb
import jinja2
import pytest
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st

from customer_segmentation import audit, cli
from customer_segmentation.audit import START, AuditError, append, audit_file, check, lines_of
from customer_segmentation.dbt_plugin import audit_lines
from customer_segmentation.identity.identifiers import hashed_reference

LINES = 8


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    path = tmp_path_factory.mktemp("audit") / "audit" / "audit.jsonl"
    for number in range(LINES):
        append(path, "export", {"segment": f"rule:s{number % 2}", "customers": number})
    return path


def copied(log: Path) -> Path:
    folder = log.parent.parent / "tampered"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(log.parent, folder)
    return folder / log.name


def test_a_log_holds_together(log):
    assert check(log).end.lines == LINES
    first = json.loads(log.read_text().splitlines()[0])
    assert (first["action"], first["counts"]) == ("export", {"segment": "rule:s0", "customers": 0})
    assert first["user"]
    assert log.stat().st_mode & 0o777 == 0o640


def test_a_lost_line_end_is_put_back_by_the_next_line(log):
    path = copied(log)
    path.write_bytes(path.read_bytes().removesuffix(b"\n"))
    assert check(path).end.lines == LINES
    append(path, "export", {})
    assert check(path).end.lines == LINES + 1


def test_there_may_be_no_log_yet(tmp_path):
    assert check(tmp_path / "audit.jsonl").end == START


@settings(max_examples=200)
@given(data=st.data())
def test_any_tampering_is_found_and_placed(log, data):
    path = copied(log)
    lines = path.read_bytes().splitlines(keepends=True)
    line = data.draw(st.integers(0, LINES - 1), label="line")
    kind = data.draw(st.sampled_from(["change", "remove", "swap", "repeat", "cut"]), label="kind")
    # The line that a reader has to look at, by number.
    suspects = {line, line + 1, line + 2}
    if kind == "change":
        at = data.draw(st.integers(0, len(lines[line]) - 2), label="byte")
        other = data.draw(st.integers(32, 126).filter(lambda byte: byte != lines[line][at]))
        lines[line] = lines[line][:at] + bytes([other]) + lines[line][at + 1 :]
    elif kind == "remove":
        del lines[line]
    elif kind == "swap":
        other = data.draw(st.integers(0, LINES - 1).filter(lambda n: n != line), label="other")
        lines[line], lines[other] = lines[other], lines[line]
        suspects |= {other, other + 1, other + 2}
    elif kind == "repeat":
        lines.insert(line, lines[line])
    else:
        # The line end alone is no part of what was recorded.
        at = data.draw(st.integers(0, len(lines[line]) - 2), label="byte")
        lines[line:] = [lines[line][:at]] if at else []
        suspects.add(line)
    path.write_bytes(b"".join(lines))
    with pytest.raises(AuditError) as found:
        check(path)
    said = str(found.value).replace(str(path), "")
    assert any(
        f"ine {number} " in said or f"ine {number}." in said or f"ine {number}:" in said
        for number in suspects
    ), said


def test_a_line_added_by_hand_or_a_removed_note_is_found(log):
    path = copied(log)
    path.with_name("audit.jsonl.end").unlink()
    with pytest.raises(AuditError, match=r"goes on after line 0"):
        check(path)
    path = copied(log)
    path.unlink()
    with pytest.raises(AuditError, match=f"is missing. Expected {LINES} lines"):
        check(path)


def test_a_kill_between_a_line_and_its_note_is_no_tampering(log):
    path = copied(log)
    note = path.with_name("audit.jsonl.end").read_bytes()
    append(path, "build", {})
    path.with_name("audit.jsonl.end").write_bytes(note)
    assert check(path).end.lines == LINES + 1
    append(path, "build", {})
    assert check(path).end.lines == LINES + 2


def _append_and_die(path: Path, written: int) -> None:
    """As a kill does in the middle of a write."""
    write = os.write

    def half(descriptor: int, text: bytes) -> int:
        write(descriptor, text[:written])
        os._exit(9)

    os.write = half
    append(path, "export", {"segment": "rule:lapsed"})


@pytest.mark.parametrize("written", [1, 11, 60, -2])
def test_a_kill_in_the_middle_of_a_line_leaves_the_others_verifiable(log, written, capsys):
    path = copied(log)
    process = multiprocessing.get_context("fork").Process(
        target=_append_and_die, args=(path, written)
    )
    process.start()
    process.join()
    assert process.exitcode == 9
    assert not path.read_bytes().endswith(b"\n")
    assert check(path) == (check(log).end, [LINES + 1])
    for number in (1, 2):
        append(path, "build", {})
        assert check(path).end.lines == LINES + number
        assert check(path).torn == [LINES + 1]
    assert [line["number"] for line in lines_of(path)] == list(range(1, LINES + 3))


def test_a_line_without_its_end_is_whole(log):
    path = copied(log)
    append(path, "build", {})
    path.write_bytes(path.read_bytes()[:-1])
    assert check(path) == ((LINES + 1, check(path).end.hash), [])
    append(path, "build", {})
    assert check(path).end.lines == LINES + 2


def test_a_last_line_that_is_cut_by_hand_is_missed(log):
    path = copied(log)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(AuditError, match="the last lines were removed"):
        check(path)
    append(path, "build", {})
    with pytest.raises(AuditError, match=f"has the number {LINES + 1}. Expected {LINES}"):
        check(path)


def test_half_lines_are_said(log, monkeypatch, capsys):
    path = copied(log)
    with path.open("ab") as file:
        file.write(b'{"number": 9, "at": "2026')
    monkeypatch.setattr(cli, "audit_file", lambda: path)
    cli.main(["check-audit"])
    assert f"Half lines, skipped: {LINES + 1} of the file" in capsys.readouterr().out


def test_a_folder_that_is_a_file_is_said(tmp_path):
    (tmp_path / "audit").write_text("")
    with pytest.raises(AuditError, match=r"can't be written.*is not recorded"):
        append(tmp_path / "audit" / "audit.jsonl", "build", {})


def test_the_user_is_that_of_the_process(tmp_path, monkeypatch):
    path = tmp_path / "audit.jsonl"
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "someone-else")
    append(path, "build", {})
    # A container may run as a user who has no name.
    monkeypatch.setattr(os, "getuid", lambda: 2**31 - 7)
    append(path, "build", {})
    user = pwd.getpwuid(os.geteuid()).pw_name
    assert [line["user"] for line in lines_of(path)] == [user, str(2**31 - 7)]


def _append_to_a_full_disk(path: Path, room: int) -> None:
    most = path.stat().st_size + room
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    with pytest.raises(AuditError, match=r"can't be written.*is not recorded"):
        append(path, "export", {"segment": "rule:lapsed"})


@pytest.mark.parametrize("room", [0, 1, 50])
def test_a_full_disk_leaves_no_half_line(log, room):
    path = copied(log)
    before = path.read_bytes()
    process = multiprocessing.get_context("fork").Process(
        target=_append_to_a_full_disk, args=(path, room)
    )
    process.start()
    process.join()
    assert process.exitcode == 0
    assert path.read_bytes() == before
    append(path, "build", {})
    assert check(path).end.lines == LINES + 1


def test_a_line_whose_end_cant_be_noted_is_taken_back(log):
    path = copied(log)
    draft = path.with_name("audit.jsonl.draft")
    draft.mkdir()
    with pytest.raises(AuditError, match="is not recorded"):
        append(path, "build", {})
    assert check(path).end.lines == LINES
    draft.rmdir()
    append(path, "build", {})
    assert check(path).end.lines == LINES + 1


def test_a_line_is_at_most_as_long_as_is_read_back(log):
    path = copied(log)
    append(path, "export", {"file": ""})
    around = len(path.read_bytes().splitlines(keepends=True)[-1])
    # The number of the next line has one digit more.
    with pytest.raises(AuditError, match=r"65,537 bytes.*is not recorded. Expected at most 65,536"):
        append(path, "export", {"file": "x" * (2**16 - around)})
    assert check(path).end.lines == LINES + 1
    for number in (2, 3):
        append(path, "export", {"file": "x" * (2**16 - around - 1)})
        assert check(path).end.lines == LINES + number


EDITED = {
    "number": ["1", 1.5, None, True, 0, -1, 2**63, 10**400, [1]],
    "at": [
        "yesterday",
        "2026-11-30",
        "2026-11-30T10:00:00",
        "2026-W49-1T10:00:00+00:00",
        "2026-11-30T10:00:00.000000+01:00",
        "",
        None,
        7,
    ],
    "user": [None, 7, "\ud800"],
    "action": [None, ["build"]],
    "counts": [None, "{}", [], {"customers": float("nan")}, {"customers": float("inf")}],
    "previous": [None, 0],
}


def test_a_line_that_was_edited_by_hand_stops_no_publication(tmp_path, monkeypatch):
    monkeypatch.setattr(audit, "HOME", tmp_path)
    path = audit_file()
    append(path, "build", {"dataset": "shop", "nodes": 9})
    whole = json.loads(path.read_text())
    path.write_text("")
    for name, values in EDITED.items():
        for value in values:
            with path.open("a") as lines:
                lines.write(json.dumps({**whole, name: value}) + "\n")
            with pytest.raises(AuditError):
                check(path)
    unusual = {"number": 2**63 - 1, "user": "a\0b", "counts": {"deep": 1e300, "n": 10**400}}
    with path.open("a") as lines:
        lines.write('{"half\n[1]\nnull\n' + "[" * 100_000 + "\n")
        lines.write(json.dumps({**whole, **unusual}) + "\n")
        lines.write(json.dumps(whole) + "\n")
    # The macro's own SQL, into a table as the mart's contract makes it.
    statements = []
    macros = (ROOT / "macros" / "publication" / "publish_marts.sql").read_text()
    engine = jinja2.Environment(extensions=["jinja2.ext.do"])
    mart = {"model.customer_segmentation.audit_log": {"relation_name": "audit_log"}}
    engine.from_string(macros).make_module(
        {"execute": True, "graph": {"nodes": mart}, "run_query": statements.append}
    ).duckdb__fill_audit_log()
    table = """
        create table audit_log (
            line_number bigint not null, recorded_at timestamp not null, user_name varchar not null,
            action varchar not null, counts varchar not null, previous_hash varchar not null
        )
    """
    with duckdb.connect() as connection:
        connection.execute(table)
        connection.create_function(
            "segmentation_audit_log", audit_lines, [], duckdb.sqltype("VARCHAR"), side_effects=True
        )
        for statement in statements:
            connection.execute(statement)
        rows = connection.execute("select * from audit_log order by line_number").fetchall()
    assert [row[0] for row in rows] == [1, 2**63 - 1]
    assert rows[0][1].isoformat(timespec="microseconds") + "+00:00" == whole["at"]
    assert json.loads(rows[0][4]) == whole["counts"]


def test_the_mart_has_nothing_that_stands_for_an_erased_person(tmp_path, monkeypatch):
    monkeypatch.setattr(audit, "HOME", tmp_path)
    reference = hashed_reference("anna@example.org")
    counts = {"dataset": "shop", "reference": reference, "references": 2}
    append(audit_file(), "erase", counts)
    (line,) = json.loads(audit_lines())
    assert line["counts"] == {"dataset": "shop", "references": 2}
    # To know later whose request it was, the file has it.
    assert reference in audit_file().read_text()
    assert check(audit_file()).end.lines == 1


def _write(path: Path, number: int) -> None:
    for _ in range(20):
        append(path, "deliver", {"messages": number})


def test_two_writers_at_a_time_lose_no_line(tmp_path):
    path = tmp_path / "audit.jsonl"
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_write, args=(path, number)) for number in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert check(path).end.lines == 60
