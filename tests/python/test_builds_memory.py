"""A build spills what doesn't fit: its memory doesn't grow with the shop."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import ROOT, Build

sys.path.insert(0, str(ROOT / "bench"))

from raw_orders import AS_OF, TIMEZONE, write_raw_orders


@pytest.mark.slow
def test_a_hundred_thousand_customers_are_built_in_a_tenth_of_the_memory(
    build: Callable[..., Build], tmp_path: Path
) -> None:
    """As many as a million in a little more than the project's limit, with the shipped segments.

    A join that holds all memberships in memory ends such a build.
    """
    write_raw_orders(tmp_path / "raw", 100_000, seed=7)
    profile = (ROOT / "profiles.yml").read_text(encoding="utf-8")
    assert profile.count("memory_limit: 2500MB") == 1
    profiles = tmp_path / "profiles"
    profiles.mkdir()
    (profiles / "profiles.yml").write_text(profile.replace("2500MB", "300MB"), encoding="utf-8")
    variables = {"timezone": TIMEZONE, "as_of": AS_OF, "history_start": "as_of"}
    build(tmp_path, None, variables, ["--profiles-dir", str(profiles)]).passed()
