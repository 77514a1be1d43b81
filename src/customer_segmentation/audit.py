"""A log of who did what when: one JSON object a line, each with the hash of the line before.

Counts and names of segments, tables and files go in, never an identifier of a person.
"""

from __future__ import annotations

import datetime as dt
import fcntl
import getpass
import hashlib
import json
import os
from pathlib import Path
from typing import IO, Any, NamedTuple

from customer_segmentation.output.last_build import HOME

_LONGEST_LINE = 2**16
_COLUMNS = {"number", "at", "user", "action", "counts", "previous"}


class AuditError(ValueError):
    """The log can't be written, or doesn't hold together; the message says where."""


class End(NamedTuple):
    """Where a log ends: its number of lines, and the hash of the last one."""

    lines: int
    hash: str


START = End(0, "0" * 64)


def audit_file() -> Path:
    """The log of all data sets of this folder. A file beside it notes where the log ends."""
    return HOME / "audit" / "audit.jsonl"


def record(action: str, **counts: int | str) -> None:
    """Appends a line on what was just done, by the user of the operating system.

    Several processes may write at a time.

    Args:
        action: Such as export or erase.
        counts: What it was about, such as segment="rule:lapsed", customers=1200. No identifiers
            of people.

    Raises:
        AuditError: The log can't be written.
    """
    append(audit_file(), action, counts)


def append(path: Path, action: str, counts: dict[str, int | str]) -> None:
    """Appends a line to a log of any path; see `record`."""
    try:
        path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o640)
        with os.fdopen(descriptor, "r+b") as log:
            # Held until the file is closed, also by a kill.
            fcntl.flock(log, fcntl.LOCK_EX)
            number, last = _last_line(log)
            line = {
                "number": number + 1,
                "at": dt.datetime.now(dt.UTC).isoformat(timespec="microseconds"),
                "user": getpass.getuser(),
                "action": action,
                "counts": counts,
                "previous": _hash(last) if last else START.hash,
            }
            text = json.dumps(line, ensure_ascii=False).encode() + b"\n"
            if last and not last.endswith(b"\n"):
                # Half a line that a full disk left is found by the check, and stays one.
                text = b"\n" + text
            log.write(text)
            log.flush()
            os.fsync(log.fileno())
            _note_end(path, End(number + 1, _hash(text.lstrip(b"\n"))))
    except OSError as error:
        raise AuditError(
            f"{path} can't be written: {error.strerror}. What was done is not recorded. Expected a "
            f"folder that this user may write to, with room."
        ) from error


def lines_of(path: Path) -> list[dict[str, Any]]:
    """The lines of a log that can be read, as they were written; none without a file."""
    if not path.exists():
        return []
    parsed = (_parsed(text) for text in path.read_bytes().splitlines())
    return [line for line in parsed if line is not None]


def check(path: Path) -> End:
    """Where a log ends that holds together.

    Raises:
        AuditError: A line was changed, removed, added or moved.
    """
    noted = _noted_end(path)
    if not path.exists():
        if noted == START:
            return START
        raise AuditError(f"{path} is missing. Expected {noted.lines} lines: restore it.")
    before = end = START
    with path.open("rb") as log:
        fcntl.flock(log, fcntl.LOCK_SH)
        noted = _noted_end(path)
        for text in log:
            number = end.lines + 1
            line = _parsed(text)
            if line is None:
                raise AuditError(f"Line {number} of {path} is damaged. Expected a record.")
            if line["number"] != number:
                raise AuditError(
                    f"Line {number} of {path} has the number {line['number']}. Expected {number}: "
                    f"a line there was removed, added or moved."
                )
            if line["previous"] != end.hash:
                raise AuditError(
                    f"Line {max(end.lines, 1)} of {path} was changed: the next line holds another "
                    f"hash of it."
                )
            before, end = end, End(number, _hash(text))
    # A process that is killed after its line leaves the note of the line before.
    if noted in (end, before):
        return end
    if noted.lines > end.lines:
        raise AuditError(
            f"{path} ends at line {end.lines}. Expected {noted.lines}: the last lines were removed."
        )
    if noted.lines == end.lines:
        raise AuditError(f"Line {end.lines} of {path} was changed.")
    raise AuditError(
        f"{path} goes on after line {noted.lines}, where it was noted to end. Expected no more: "
        f"lines were added by hand, or {_note(path).name} was removed."
    )


def _last_line(log: IO[bytes]) -> tuple[int, bytes]:
    """Number and text of the last line, with the log at its end; a long log is not read."""
    size = log.seek(0, os.SEEK_END)
    log.seek(max(0, size - _LONGEST_LINE))
    last = (log.readlines() or [b""])[-1]
    line = _parsed(last)
    if line is not None and isinstance(line["number"], int):
        return line["number"], last
    log.seek(0)
    return len(log.readlines()), last


def _hash(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()


def _parsed(text: bytes) -> dict[str, Any] | None:
    try:
        line = json.loads(text)
    except ValueError:
        return None
    return line if isinstance(line, dict) and line.keys() == _COLUMNS else None


def _note(path: Path) -> Path:
    return path.with_name(f"{path.name}.end")


def _note_end(path: Path, end: End) -> None:
    draft = _note(path).with_suffix(".draft")
    draft.write_text(json.dumps(end), encoding="utf-8")
    os.replace(draft, _note(path))


def _noted_end(path: Path) -> End:
    try:
        return End(*json.loads(_note(path).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return START
    except (ValueError, TypeError) as error:
        raise AuditError(f"{_note(path)} is damaged. Expected lines and hash of {path}.") from error
