"""Writes what was handed over as the raw table ``activation_receipts``, for the next build."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from customer_segmentation.activation.transport import replace_safely

COLUMNS = ("change_id", "handed_over_at")
_TABLE = "activation_receipts"


class ReceiptsError(ValueError):
    """Receipts have no place; the message says where one is expected."""


def receipts_file(raw_data: str) -> Path:
    """The file of a raw folder to which receipts are added.

    Raises:
        ReceiptsError: The raw data is no folder, or its receipts are kept in another form.
    """
    folder = Path(raw_data)
    if not folder.is_dir():
        raise ReceiptsError(
            f"The raw data of this build is {raw_data}, which is no folder here. Name the file for "
            f"receipts with --receipts, and load it into the table {_TABLE} before the next build."
        )
    path = folder / f"{_TABLE}.csv"
    if others := [one for one in sorted(folder.glob(f"{_TABLE}*")) if one != path]:
        raise ReceiptsError(
            f"{others[0]} holds receipts already, and delivery adds to {path}. Convert it to that "
            f"file, with the columns {', '.join(COLUMNS)}."
        )
    return path


def add_receipts(path: Path, receipts: Iterable[tuple[str, str]]) -> int:
    """Adds those the file lacks, and writes it as a whole. Returns how many it has then.

    Nothing that it holds is taken out: the state may have been lost, or have forgotten customers
    who were deleted.
    """
    path = path.resolve()  # a link stays one
    try:
        return _add(path, receipts)
    except OSError as error:
        raise ReceiptsError(
            f"{path} can't be written: {error.strerror}. Expected a folder and a file that this "
            f"user may write, or another one with --receipts. What was sent is in the state, and "
            f"the next delivery writes its receipts first."
        ) from error


def _add(path: Path, receipts: Iterable[tuple[str, str]]) -> int:
    rows = dict(_rows(path)) if path.exists() else {}
    known = len(rows)
    rows |= {change_id: at for change_id, at in receipts if change_id not in rows}
    if len(rows) > known:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.draft")
        with draft.open("w", newline="", encoding="utf-8") as file:
            if path.exists():
                shutil.copymode(path, draft)
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(COLUMNS)
            in_order = sorted((at, change_id) for change_id, at in rows.items())
            writer.writerows((change_id, at) for at, change_id in in_order)
        replace_safely(draft, path)
    return len(rows)


def _rows(path: Path) -> Iterator[tuple[str, str]]:
    try:
        # People save such files with a byte order mark and empty lines.
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            if (header := tuple(next(reader, ()))) != COLUMNS:
                raise ReceiptsError(
                    f"{path} has the columns {', '.join(header)}. Expected {', '.join(COLUMNS)}."
                )
            for row in filter(None, reader):
                if len(row) != len(COLUMNS):
                    raise ReceiptsError(
                        f"Line {reader.line_num} of {path} has {len(row)} values. Expected "
                        f"{', '.join(COLUMNS)}."
                    )
                yield row[0], row[1]
    except (UnicodeDecodeError, csv.Error) as error:
        raise ReceiptsError(f"{path} is no CSV file in UTF-8 ({error}). Convert it.") from error
