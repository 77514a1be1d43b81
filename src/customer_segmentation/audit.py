"""A log of who did what when: one JSON object a line, each with the hash of the line before.

Counts and names of segments, tables and files go in, never an identifier of a person.
"""

from __future__ import annotations

import datetime as dt
import fcntl
import hashlib
import json
import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, NamedTuple

from customer_segmentation.output.last_build import HOME

_LONGEST_LINE = 2**16  # bytes: the last line is found without reading the log
_COLUMNS = {"number", "at", "user", "action", "counts", "previous"}


class AuditError(ValueError):
    """The log can't be written, or doesn't hold together; the message says where."""


class End(NamedTuple):
    """Where a log ends: its number of lines, and the hash of the last one."""

    lines: int
    hash: str


START = End(0, "0" * 64)


class Checked(NamedTuple):
    """A log that holds together.

    Attributes:
        end: Where it ends.
        torn: Where in the file there is the beginning of a line that a kill ended, from 1.
    """

    end: End
    torn: list[int]


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
        AuditError: The log can't be written, or the line is too long.
    """
    append(audit_file(), action, counts)


def append(path: Path, action: str, counts: dict[str, int | str]) -> None:
    """Appends a line to a log of any path; see `record`."""
    try:
        path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o640)
        with os.fdopen(descriptor, "r+b") as log:
            # Held until the file is closed, also by a kill.
            fcntl.flock(log, fcntl.LOCK_EX)
            end, is_torn = _end_of(log, path)
            line = {
                "number": end.lines + 1,
                "at": dt.datetime.now(dt.UTC).isoformat(timespec="microseconds"),
                "user": _user(),
                "action": action,
                "counts": counts,
                "previous": end.hash,
            }
            text = json.dumps(line, ensure_ascii=False).encode() + b"\n"
            if len(text) > _LONGEST_LINE:
                raise AuditError(
                    f"A line for {path} would have {len(text):,} bytes. What was done is not "
                    f"recorded. Expected at most {_LONGEST_LINE:,}: shorter names and paths."
                )
            with _whole_or_nothing(descriptor):
                if is_torn:
                    # The half line that a kill left stays one, and the check says so.
                    _write(descriptor, b"\n")
                _write(descriptor, text)
                os.fsync(descriptor)
                _note_end(path, End(end.lines + 1, _hash(text)))
    except OSError as error:
        raise AuditError(
            f"{path} can't be written: {error.strerror}. What was done is not recorded. Expected a "
            f"folder that this user may write to, with room."
        ) from error


def lines_of(path: Path) -> list[dict[str, Any]]:
    """The lines of a log but those that were damaged or edited to another form."""
    if not path.exists():
        return []
    parsed = (_parsed(text) for text in path.read_bytes().splitlines())
    return [line for line in parsed if line is not None]


def check(path: Path) -> Checked:
    """Where a log ends that holds together.

    The beginning of a line is skipped: its process was killed before what it did was recorded.

    Raises:
        AuditError: A line was changed, removed, added or moved.
    """
    noted = _noted_end(path)
    if not path.exists():
        if noted == START:
            return Checked(START, [])
        raise AuditError(f"{path} is missing. Expected {noted.lines} lines: restore it.")
    before = end = START
    torn = []
    with path.open("rb") as log:
        fcntl.flock(log, fcntl.LOCK_SH)
        noted = _noted_end(path)
        for place, text in enumerate(log, start=1):
            number = end.lines + 1
            line = _parsed(text)
            if line is None and _is_torn(text):
                torn.append(place)
                continue
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
        return Checked(end, torn)
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


def _end_of(log: IO[bytes], path: Path) -> tuple[End, bool]:
    """The last whole line, and whether the log ends within a line; a long log is not read."""
    size = log.seek(0, os.SEEK_END)
    for start in (max(0, size - 2 * _LONGEST_LINE), 0):
        log.seek(start)
        lines = log.readlines()
        whole = next(
            ((line, text) for text in reversed(lines) if (line := _parsed(text)) is not None), None
        )
        if whole:
            break
    end = End(whole[0]["number"], _hash(whole[1])) if whole else START
    with suppress(AuditError):
        # A line that was noted and is none any more was no half line: the check must miss it.
        noted = _noted_end(path)
        end = noted if noted.lines > end.lines else end
    return end, bool(lines) and not lines[-1].endswith(b"\n")


def _is_torn(text: bytes) -> bool:
    """Whether a line is the beginning of one that `append` writes."""
    first = b'{"number": '
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return text.rstrip(b"\n")[: len(first)] == first[: len(text.rstrip(b"\n"))]
    return False


@contextmanager
def _whole_or_nothing(descriptor: int) -> Iterator[None]:
    """Takes back what was written before an error such as a full disk."""
    size = os.fstat(descriptor).st_size
    try:
        yield
    except OSError:
        with suppress(OSError):
            os.ftruncate(descriptor, size)
        raise


def _write(descriptor: int, text: bytes) -> None:
    # Without a buffer, which would be written once more when the file is closed.
    while text:
        text = text[os.write(descriptor, text) :]


def _user() -> str:
    """Name of the user of this process; variables of the environment may hold any other."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def _hash(text: bytes) -> str:
    # A kill may come before the end of the line alone.
    return hashlib.sha256(text.rstrip(b"\n") + b"\n").hexdigest()


def _parsed(text: bytes) -> dict[str, Any] | None:
    """A line as `append` writes it; None for any other, which the mart could not hold."""
    try:
        line = json.loads(text)
        if not isinstance(line, dict) or line.keys() != _COLUMNS:
            return None
        # Neither NaN nor half a character.
        json.dumps(line, ensure_ascii=False, allow_nan=False).encode()
        at = dt.datetime.fromisoformat(line["at"])
    except (ValueError, TypeError, RecursionError):
        return None
    texts = line["user"], line["action"], line["previous"]
    is_whole = (
        type(line["number"]) is int
        and 0 < line["number"] < 2**63
        and at.utcoffset() == dt.timedelta(0)
        and at.isoformat(timespec="microseconds") == line["at"]
        and all(isinstance(text, str) for text in texts)
        and isinstance(line["counts"], dict)
    )
    return line if is_whole else None


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
