"""dbt in a process of its own, forked from one that has imported dbt."""

from __future__ import annotations

import atexit
import multiprocessing
import os
import sys
from pathlib import Path

# The slowest imports of a build, and pytest, the main program, which each process imports again.
IMPORTED_BY_BUILDS = ["dbt.cli.main", "dbt.adapters.duckdb", "pytest"]
IMPORTED_BY_BUILDS += ["scipy.cluster.hierarchy", "scipy.stats", "sklearn.cluster"]
IMPORTED_BY_BUILDS += ["sklearn.manifold", "sklearn.metrics", "splink"]

LONGEST_BUILD_SECONDS = 900

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(IMPORTED_BY_BUILDS)


def run_dbt(folder: Path, args: list[str], killed_after: float | None = None) -> int:
    """Runs dbt in a folder, with its output in output.txt there, and returns the exit status.

    killed_after: seconds after which the process is killed, if it still runs.
    """
    process = PROCESSES.Process(target=_invoke, args=(folder, args))
    process.start()
    process.join(killed_after or LONGEST_BUILD_SECONDS)
    if process.is_alive():
        process.kill()
        process.join()
    assert process.exitcode is not None
    return process.exitcode


def _invoke(folder: Path, args: list[str]) -> None:
    from dbt.cli.main import dbtRunner

    # Two builds at a time with one thread each are quicker than one with two.
    os.environ["SEGMENTATION_THREADS"] = "1"
    os.chdir(folder)
    output = os.open("output.txt", os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(output, stream)
    result = dbtRunner().invoke(args)
    # As at the end of the command line, which a forked process leaves out.
    atexit._run_exitfuncs()
    # As the command line does it: 2 where dbt could not run, 1 where something failed.
    sys.exit(0 if result.success else 1 if result.exception is None else 2)
