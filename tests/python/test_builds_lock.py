"""A build whose working file another process holds waits for it, and not for ever."""

from __future__ import annotations

import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from conftest import Build, Workshop, scenario
from other_processes import held
from test_builds_history import working_file

from customer_segmentation.dbt_plugin import SECONDS_TO_WAIT_FOR_LOCK

OneMart = tuple[Build, list[str]]


def a_copy(workshop: Workshop, one_mart: OneMart, name: str) -> Path:
    folder = workshop.folder(name)
    return Path(shutil.copytree(one_mart[0].folder, folder, dirs_exist_ok=True))


@scenario("one_mart")
def after_another(workshop: Workshop, one_mart: OneMart) -> tuple[Build, int]:
    """A build that meets a holder, who lets go when the build says that it waits."""
    folder = a_copy(workshop, one_mart, "lock-released")
    output = folder / "output.txt"
    output.unlink()
    with ThreadPoolExecutor(1) as pool:
        with held(working_file(folder)) as holder:
            build = pool.submit(workshop.build, folder, None, args=one_mart[1])
            while not build.done() and not (
                output.exists() and f"in use by process {holder}" in output.read_text()
            ):
                time.sleep(0.1)
        return build.result(), holder


@pytest.mark.check("lock")
def test_a_second_build_waits_for_the_first(after_another: tuple[Build, int]) -> None:
    build, holder = after_another
    said = f"is in use by process {holder}. Waiting for up to {SECONDS_TO_WAIT_FOR_LOCK} s."
    assert build.passed().output.count(said) == 1


@pytest.mark.slow
@pytest.mark.check("lock")
def test_a_build_that_waits_in_vain_names_the_holder_in_one_line(
    workshop: Workshop, one_mart: OneMart
) -> None:
    folder = a_copy(workshop, one_mart, "lock-held")
    with held(working_file(folder)) as holder:
        build = workshop.build(folder, None, args=one_mart[1]).failed()
    assert build.seconds >= SECONDS_TO_WAIT_FOR_LOCK
    lines = [line for line in build.output.splitlines() if f"process {holder}" in line]
    assert len(lines) == 2, build.output
    assert f"Waiting for up to {SECONDS_TO_WAIT_FOR_LOCK} s." in lines[0]
    assert f"was not released within {SECONDS_TO_WAIT_FOR_LOCK} s. Wait for that" in lines[1]
    assert "Traceback" not in build.output
