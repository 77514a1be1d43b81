"""Writes the explorer of a published file."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import jinja2

from explorer.tables import Table, tables

HERE = Path(__file__).parent
_NO_DOCUMENTATION = '<meta name="documentation" content="">'
_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)


class Explorer(NamedTuple):
    """What was written: the file, its size in bytes and the ids of its pages."""

    path: Path
    size: int
    pages: list[str]


class _Page(NamedTuple):
    id: str
    title: str
    content: str


def explorer_file(published: Path) -> Path:
    """Where the explorer of a published file goes: a folder beside it, which may hold several."""
    name = "index" if published.stem == "segments" else published.stem
    return published.parent / "explorer" / f"{name}.html"


def write_explorer(connection: duckdb.DuckDBPyConnection, path: Path) -> Explorer:
    """Writes the explorer and replaces the one that is there in one step.

    Args:
        connection: A connection to a published file. Temporary tables are made in it.
        path: The file to write. A missing folder is created.
    """
    data = read_data(connection)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pages = _pages(environment)
    page = _rendered(data, environment, pages)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.draft")
    draft.write_text(page, encoding="utf-8")
    os.replace(draft, path)
    return Explorer(path, path.stat().st_size, [one.id for one in pages])


def with_documentation(page: str, dictionary: str) -> str:
    """The text of an explorer that lies in a documentation site and leads to its data dictionary.

    Alone it leads nowhere else, because it is mailed without the site.
    """
    return page.replace(_NO_DOCUMENTATION, f'{_NO_DOCUMENTATION[:-2]}{dictionary}">', 1)


def read_data(connection: duckdb.DuckDBPyConnection) -> dict[str, Table]:
    """The tables of all pages by name; figures of too few customers are null in them."""
    ((smallest,),) = connection.execute("select smallest_cell from monitoring.data_set").fetchall()
    # Which sizes and shares are withheld is decided once; the queries of the pages join it.
    data = tables(HERE / "sizes.sql", connection, smallest)
    _show(connection, data)
    _show(connection, tables(HERE / "shares.sql", connection, smallest))
    for file in sorted((HERE / "pages").glob("*.sql")):
        data |= tables(file, connection, smallest)
    return data


def _show(connection: duckdb.DuckDBPyConnection, found: dict[str, Table]) -> None:
    for name, table in found.items():
        columns = table["columns"]
        connection.execute(
            f"create or replace temp table shown_{name} as select {_unnested(columns)}",
            list(map(list, zip(*table["rows"], strict=True))) or [[]] * len(columns),
        )


def _unnested(columns: list[str]) -> str:
    types = {"period": "date", "decile": "integer", "customers": "bigint"}
    return ", ".join(
        f"cast(unnest(cast(? as varchar[])) as {types.get(name, 'varchar')}) as {name}"
        for name in columns
    )


def _pages(environment: jinja2.Environment) -> list[_Page]:
    pages = []
    for file in sorted((HERE / "pages").glob("*.html.jinja")):
        module: Any = environment.get_template(f"pages/{file.name}").module
        name = file.name.removesuffix(".html.jinja").partition("_")[2]
        pages.append(_Page(name, module.title, str(module)))
    return pages


def _rendered(data: dict[str, Table], environment: jinja2.Environment, pages: list[_Page]) -> str:
    page_data = {
        name: {part: table[part] for part in ("columns", "rows")} for name, table in data.items()
    }
    # "<" can't end the element that holds the data.
    text = json.dumps(page_data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    data_set = dict(zip(data["data_set"]["columns"], data["data_set"]["rows"][0], strict=True))
    page = environment.get_template("base.html.jinja").render(
        data_set=data_set,
        pages=pages,
        style=(HERE / "explorer.css").read_text("utf-8"),
        scripts=[
            (HERE / "vendor" / "echarts.min.js").read_text("utf-8"),
            (HERE / "explorer.js").read_text("utf-8"),
        ],
        data=text.replace("<", r"\u003c"),
    )
    hashes = " ".join(f"'sha256-{_sha256(script)}'" for script in _SCRIPT.findall(page))
    return page.replace("SCRIPT-HASHES", hashes, 1)


def _sha256(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
