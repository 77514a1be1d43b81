"""The audit log: several writers, and whatever is changed in it is found."""

from __future__ import annotations

import json
import multiprocessing
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from customer_segmentation.audit import START, AuditError, append, check

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
    assert check(log).lines == LINES
    first = json.loads(log.read_text().splitlines()[0])
    assert (first["action"], first["counts"]) == ("export", {"segment": "rule:s0", "customers": 0})
    assert first["user"]
    assert log.stat().st_mode & 0o777 == 0o640


def test_there_may_be_no_log_yet(tmp_path):
    assert check(tmp_path / "audit.jsonl") == START


@settings(max_examples=200, deadline=None)
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
        at = data.draw(st.integers(0, len(lines[line]) - 1), label="byte")
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
    assert check(path).lines == LINES + 1
    append(path, "build", {})
    assert check(path).lines == LINES + 2


def test_a_folder_that_is_a_file_is_said(tmp_path):
    (tmp_path / "audit").write_text("")
    with pytest.raises(AuditError, match=r"can't be written.*is not recorded"):
        append(tmp_path / "audit" / "audit.jsonl", "build", {})


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
    assert check(path).lines == 60
