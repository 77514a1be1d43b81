"""The examples of schedules: read, imported and validated where their programs can be installed."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from printed_examples import ROOT

from customer_segmentation.cli import main

UV = ROOT / ".venv" / "bin" / "uv"
COMMANDS = re.compile(r"make ([a-z-]+) DATASET")
PROGRAM = re.compile(r"\.venv/bin/customer-segmentation (.*)")


def test_cron_and_systemd_call_what_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    for file in ("cron/crontab", "systemd/segmentation.service"):
        text = (ROOT / "examples" / file).read_text(encoding="utf-8")
        assert COMMANDS.findall(text) == ["build", "deliver"]
        assert targets >= set(COMMANDS.findall(text))
        (alert,) = PROGRAM.findall(text)
        assert alert.startswith("alert ")
        assert_is_accepted(alert)
    text = (ROOT / "examples/systemd/segmentation-api.service").read_text(encoding="utf-8")
    (serve,) = PROGRAM.findall(text)
    assert serve.startswith("serve ")
    assert_is_accepted(serve)


def assert_is_accepted(arguments: str) -> None:
    with pytest.raises(SystemExit, match="0"):
        main([*arguments.split(), "--help"])


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="There is no systemd-analyze.")
def test_the_timer_is_at_three() -> None:
    text = (ROOT / "examples/systemd/segmentation.timer").read_text(encoding="utf-8")
    when = re.search(r"^OnCalendar=(.*)", text, re.MULTILINE)
    ran = subprocess.run(
        ["systemd-analyze", "calendar", when[1]], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0
    assert "*-*-* 03:00:00" in ran.stdout


def test_dagster_and_airflow_are_no_dependency() -> None:
    lock = (ROOT / "uv.lock").read_text(encoding="utf-8")
    assert not re.search(r'^name = "(dagster|apache-airflow|astronomer-cosmos)', lock, re.MULTILINE)


def printed_packages(program: str) -> list[str]:
    """The packages that docs/schedule.md installs for Dagster or Airflow."""
    text = (ROOT / "docs" / "schedule.md").read_text(encoding="utf-8")
    return re.search(rf"~/{program}/bin/pip install (.*)", text)[1].split()


@pytest.mark.parametrize("program", ["dagster", "airflow"])
def test_the_printed_packages_are_pinned_and_have_dbt_as_locked(program: str) -> None:
    # So that the manifest is one they can read.
    lock = (ROOT / "uv.lock").read_text(encoding="utf-8")
    dbt = re.search(r'^name = "dbt-core"\nversion = "(.*)"', lock, re.MULTILINE)[1]
    packages = printed_packages(program)
    assert f"dbt-core=={dbt}" in packages
    assert all(re.search("[=~]=", package) for package in packages)


@pytest.fixture
def install(tmp_path: Path) -> Callable[[str], Path]:
    """`install(program)`: the folder of programs of a new environment with what is printed."""

    def install(program: str) -> Path:
        home = tmp_path / "environment"
        subprocess.run([UV, "venv", "--quiet", home], check=True)
        command = [UV, "pip", "install", "--quiet", "--python", home / "bin" / "python"]
        ran = subprocess.run(
            [*command, *printed_packages(program)], capture_output=True, text=True, check=False
        )
        if ran.returncode:
            pytest.skip(f"{program} can't be installed: {ran.stderr.splitlines()[-1]}")
        return home / "bin"

    return install


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The project with a manifest, and nothing built."""
    folder = tmp_path / "project"
    folder.mkdir()
    for name in (".venv", "models", "macros", "seeds", "tests", "src", "datasets", "data"):
        (folder / name).symlink_to(ROOT / name)
    for name in ("dbt_project.yml", "profiles.yml", "selectors.yml"):
        shutil.copy(ROOT / name, folder)
    subprocess.run(
        [ROOT / ".venv/bin/dbt", "parse", "--quiet", "--vars", "{dataset: demo, raw_dir: raw}"],
        cwd=folder,
        env={**os.environ, "DBT_PROFILES_DIR": str(folder), "DBT_TARGET_PATH": "target"},
        check=True,
    )
    return folder


@pytest.mark.slow
def test_dagster_validates_the_definitions(
    install: Callable[[str], Path], project: Path, tmp_path: Path
) -> None:
    programs = install("dagster")
    file = ROOT / "examples" / "dagster" / "definitions.py"
    environment = {
        **os.environ,
        "SEGMENTATION_PROJECT": str(project),
        "DAGSTER_HOME": str(tmp_path),
        "DAGSTER_DISABLE_TELEMETRY": "1",
    }
    ran = subprocess.run(
        [programs / "dagster", "definitions", "validate", "-f", file],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    listed = subprocess.run(
        [programs / "python", "-c", LIST_OF_DAGSTER, file],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(listed.stdout)
    assert found["assets"] > 100
    assert found["checks"] > 50
    assert found["sensors"] == ["after_a_delivery", "after_a_failure", "after_a_green_build"]
    assert found["jobs"] == ["build", "delivery"]


LIST_OF_DAGSTER = """
import importlib.util, json, sys
spec = importlib.util.spec_from_file_location("definitions", sys.argv[1])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
repository = module.defs.get_repository_def()
keys = repository.asset_graph
print(json.dumps({
    "assets": len(keys.materializable_asset_keys),
    "checks": len(keys.asset_check_keys),
    "sensors": sorted(sensor.name for sensor in repository.sensor_defs),
    "jobs": sorted(name for name in repository.job_names if not name.startswith("__")),
}))
"""


@pytest.mark.slow
def test_airflow_imports_the_dag(install: Callable[[str], Path], tmp_path: Path) -> None:
    programs = install("airflow")
    listed = subprocess.run(
        [
            programs / "python",
            "-c",
            LIST_OF_AIRFLOW,
            ROOT / "examples/airflow/segmentation.py",
            tmp_path / "copy",
        ],
        env={
            **os.environ,
            "AIRFLOW_HOME": str(tmp_path / "airflow"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "SEGMENTATION_PROJECT": str(ROOT),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert listed.returncode == 0, listed.stderr[-3000:]
    found = json.loads(listed.stdout.splitlines()[-1])
    assert found["tasks"] == {
        "build": ["alert", "deliver"],
        "deliver": ["alert", "done"],
        "alert": [],
        "done": [],
    }
    assert found["rules"]["alert"] == "all_done"
    assert found["mode"] == "subprocess"
    assert found["kept"] == ["run_results.json"]
    always, past = found["vars"]
    assert always["dataset"] == "demo"
    assert "backfill_from" not in always
    assert past == {**always, "backfill_from": "2017-04-01", "backfill_to": "2017-06-30"}


LIST_OF_AIRFLOW = """
import importlib.util, json, sys
import jinja2, yaml
spec = importlib.util.spec_from_file_location("segmentation", sys.argv[1])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
none = {"backfill_from": None, "backfill_to": None}
past = {"backfill_from": "2017-04-01", "backfill_to": "2017-06-30"}
texts = [jinja2.Template(module.VARIABLES).render(params=params) for params in (none, past)]
copy = module.Path(sys.argv[2])
(copy / "target").mkdir(parents=True)
for name in ("run_results.json", "partial_parse.msgpack"):
    (copy / "target" / name).write_text("{}")
module.ROOT = copy / "project"
module.ROOT.mkdir()
build = module.dag.get_task("build")
build.callback(str(copy), context={})
print(json.dumps({
    "rules": {task.task_id: task.trigger_rule for task in module.dag.tasks},
    "mode": build.invocation_mode.value,
    "kept": sorted(file.name for file in (module.ROOT / "target").iterdir()),
    "tasks": {task.task_id: sorted(task.downstream_task_ids) for task in module.dag.tasks},
    "vars": [yaml.safe_load(text) for text in texts],
}, default=str))
"""
