"""A build that would read what the last one read is left out; any other one runs."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from printed_examples import ROOT, copy_project, run

from customer_segmentation.output.unchanged import inputs_hash
from customer_segmentation.output.unchanged import is_unchanged as unchanged

VARS = {
    "dataset": "shop",
    "raw_dir": "raw",
    "timezone": "UTC",
    "history_start": "as_of",
    "roles": {"science": ["models"]},
}
ORDERS = "order_id,customer_ref,ordered_at,amount\n1,c1,2024-03-01,25\n2,c2,2024-03-05,40\n"


def build(folder: Path, *options: str) -> str:
    """What the command says."""
    command = f"build --vars '{json.dumps(VARS)}' {' '.join(options)}"
    script = f"export PYTHONPATH={ROOT / 'src'} DBT_PROFILES_DIR=.\n"
    made = run(f"{script}.venv/bin/customer-segmentation {command}", folder)
    assert made.returncode == 0, made.stdout + made.stderr
    return made.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A project that was built twice, and what either build said."""
    folder = copy_project(tmp_path_factory.mktemp("unchanged"))
    (folder / "raw").mkdir()
    (folder / "warehouse").mkdir()
    (folder / "raw" / "orders.csv").write_text(ORDERS)
    return folder, [build(folder), build(folder)]


@pytest.fixture
def folder(built: tuple[Path, list[str]], monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(built[0])
    monkeypatch.setenv("DBT_PROFILES_DIR", ".")
    return built[0]


def is_unchanged(folder: Path, **more: Any) -> bool:
    given = VARS | more
    return unchanged(inputs_hash(given), given, folder / "target")


def test_the_second_build_of_the_same_is_left_out(built: tuple[Path, list[str]]) -> None:
    first, second = built[1]
    assert "Published published/segments.duckdb" in first
    assert second.startswith("Nothing changed since published/segments.duckdb was published (20")
    assert len(second.splitlines()) == 1
    assert "make build FORCE=1" in second


def write(path: str, text: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / path).write_text(text)

    return change


def append(path: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        with (folder / path).open("a") as file:
            file.write("\n")

    return change


def note_as_an_earlier_version(folder: Path) -> None:
    record = folder / "target" / "inputs.json"
    noted = json.loads(record.read_text())
    left = {name: noted[name] for name in ("published", "files")}
    record.write_text(json.dumps({**left, "inputs": noted["all"]}))


@pytest.fixture
def put_back(folder: Path) -> Iterator[None]:
    """What a test changes is as it was afterwards, times included."""
    kept = {
        path: (path.read_bytes(), path.stat())
        for path in folder.rglob("*")
        if path.is_file() and ".venv" not in path.parts
    }
    yield
    for path in folder.rglob("*"):
        if path.is_file() and ".venv" not in path.parts and path not in kept:
            path.unlink()
    for path, (content, times) in kept.items():
        path.write_bytes(content)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


@pytest.mark.parametrize(
    "change",
    [
        append("raw/orders.csv"),
        write("raw/products.csv", "product_id,category\np1,shoes\n"),
        append("models/marts/segments/segments.sql"),
        append("macros/rules/grammar.sql"),
        append("dbt_project.yml"),
        append("profiles.yml"),
        # Other commands write to these: a plain dbt run, another data set, an erasure, a stream.
        append("warehouse/shop.duckdb"),
        append("published/segments.duckdb"),
        write("warehouse/shop.erased.json", "{}"),
        lambda folder: (folder / "published" / "explorer" / "index.html").unlink(),
        lambda folder: (folder / "warehouse" / "shop.duckdb").unlink(),
        lambda folder: (folder / "published/roles/science/segments.duckdb").unlink(),
        note_as_an_earlier_version,
    ],
)
@pytest.mark.usefixtures("put_back")
def test_any_change_is_built(folder: Path, change: Callable[[Path], None]) -> None:
    assert is_unchanged(folder)
    change(folder)
    assert not is_unchanged(folder)


def test_other_vars_and_another_environment_are_built(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert is_unchanged(folder)
    assert not is_unchanged(folder, as_of="2024-03-04")
    monkeypatch.setenv("SEGMENTATION_HASH_KEY", "another")
    assert not is_unchanged(folder)


def test_a_file_that_is_written_again_with_the_same_rows_is_no_change(folder: Path) -> None:
    (folder / "raw" / "orders.csv").write_text(ORDERS)
    assert is_unchanged(folder)


def test_what_cannot_be_judged_is_built(folder: Path) -> None:
    assert inputs_hash(VARS) is not None
    assert inputs_hash(VARS | {"raw_schema": "raw"}) is None
    # A build says what is wrong with these.
    for wrong in (
        {"raw_dir": "nowhere"},
        {"raw_dir": 5},
        {"raw_roots": None},
        {"topics": {"count": 5}},
        {"topics": None},
    ):
        assert inputs_hash(VARS | wrong) is None, wrong
    assert inputs_hash(VARS | {"order_statuses": {1: "completed", "x": "returned"}}) is not None


def test_vars_that_are_no_mapping_are_refused_in_one_line(folder: Path) -> None:
    made = run(".venv/bin/customer-segmentation build --vars '[1]'", folder)
    assert made.returncode == 2
    assert "--vars is no mapping. Expected one" in made.stderr
    assert len(made.stderr.splitlines()) == 1
