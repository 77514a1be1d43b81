"""Freezes a small shop as this version builds it: `python tests/python/upgrade_shop.py`.

Run it at each release. Later versions build on the files, in test_builds_upgrade.py.
"""

from __future__ import annotations

import lzma
import random
import tempfile
from pathlib import Path

from conftest import Build, Builder
from test_builds_history import HISTORY_VARS, World, a_world

FROZEN = Path(__file__).parent / "data" / "upgrade"
FILES = ("warehouse/trial.duckdb", "published/segments.duckdb")


def world() -> World:
    return a_world(1, batches=2)


def build_the_first_batch(builder: Builder, folder: Path) -> Build:
    return builder.build(folder, world().known({0}, random.Random(0)), HISTORY_VARS).passed()


def freeze() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        build_the_first_batch(Builder(folder / "dbt"), folder)
        FROZEN.mkdir(exist_ok=True)
        for file in FILES:
            content = lzma.compress((folder / file).read_bytes(), preset=9)
            (FROZEN / f"{Path(file).name}.xz").write_bytes(content)
            print(f"{file}: {len(content):,} bytes")


def thaw(folder: Path) -> None:
    """Puts the frozen files where a build in this folder looks for them."""
    for file in FILES:
        (folder / file).parent.mkdir(parents=True)
        content = (FROZEN / f"{Path(file).name}.xz").read_bytes()
        (folder / file).write_bytes(lzma.decompress(content))


if __name__ == "__main__":
    freeze()
