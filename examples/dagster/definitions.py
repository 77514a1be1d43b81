"""The project in Dagster: a nightly build of everything, delivery after a green one, alerts."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import yaml
from dagster_dbt import DbtCliResource, dbt_assets

ROOT = Path(os.environ.get("SEGMENTATION_PROJECT", Path(__file__).parents[2]))
DATASET = os.environ.get("DATASET", "demo")
# Name of the environment variable with the address that alerts are posted to, if there is one.
WEBHOOK = "SEGMENTATION_ALERTS"


class Periods(dg.Config):
    """Past periods to build again, such as 2017-04-01 and 2017-06-30; by default none."""

    backfill_from: str | None = None
    backfill_to: str | None = None


# Data tests are asset checks. Those of severity error stop what comes after them, and the build
# publishes nothing: var error_gates makes gates such.
@dbt_assets(manifest=ROOT / "target" / "manifest.json", name="customer_segmentation")
def everything(
    context: dg.AssetExecutionContext, dbt: DbtCliResource, config: Periods
) -> Iterator[Any]:
    """Tables and checks of the data set. Only a run of all assets publishes."""
    file = ROOT / "datasets" / f"{DATASET}.yml"
    variables = {"dataset": DATASET, **yaml.safe_load(file.read_text(encoding="utf-8"))}
    variables |= {key: value for key, value in config.model_dump().items() if value}
    arguments = ["build", "--vars", json.dumps(variables, default=str)]
    # Where alerts look: by default each run has a folder of its own.
    yield from dbt.cli(arguments, context=context, target_path=ROOT / "target").stream()


@dg.op
def hand_over(context: dg.OpExecutionContext) -> None:
    """Writes the explorer, and sends what changed if there are destinations."""
    commands = [["explore"]]
    if (ROOT / "destinations.yml").exists():
        commands.append(["deliver"])
    for command in commands:
        context.log.info(_run(command, check=True))


@dg.job
def delivery() -> None:
    hand_over()


# One process at a time may write the working file.
build = dg.define_asset_job(
    "build", selection=dg.AssetSelection.all(), executor_def=dg.in_process_executor
)


@dg.run_status_sensor(
    run_status=dg.DagsterRunStatus.SUCCESS,
    monitored_jobs=[build],
    request_job=delivery,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def after_a_green_build(context: dg.RunStatusSensorContext) -> dg.RunRequest:
    return dg.RunRequest(run_key=context.dagster_run.run_id)


@dg.run_failure_sensor(default_status=dg.DefaultSensorStatus.RUNNING)
def after_a_failure(context: dg.RunFailureSensorContext) -> None:
    _alert(context)


# A green run may leave stale tables, gates and deliveries that wait.
@dg.run_status_sensor(
    run_status=dg.DagsterRunStatus.SUCCESS,
    monitored_jobs=[delivery],
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def after_a_delivery(context: dg.RunStatusSensorContext) -> None:
    _alert(context)


def _alert(context: dg.RunStatusSensorContext) -> None:
    webhook = ["--webhook", WEBHOOK] if os.environ.get(WEBHOOK) else []
    if said := _run(["alert", *webhook], check=False):
        context.log.error(said)


def _run(arguments: list[str], *, check: bool) -> str:
    command = [str(ROOT / ".venv" / "bin" / "customer-segmentation"), *arguments]
    command += ["--dataset", DATASET]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if check and ran.returncode:
        raise dg.Failure(f"{arguments[0]} ended with {ran.returncode}: {ran.stdout}{ran.stderr}")
    return ran.stdout + ran.stderr


defs = dg.Definitions(
    assets=[everything],
    jobs=[build, delivery],
    schedules=[
        dg.ScheduleDefinition(
            job=build,
            cron_schedule="0 3 * * *",
            default_status=dg.DefaultScheduleStatus.RUNNING,
        )
    ],
    sensors=[after_a_green_build, after_a_delivery, after_a_failure],
    resources={
        "dbt": DbtCliResource(
            project_dir=str(ROOT),
            profiles_dir=str(ROOT),
            dbt_executable=str(ROOT / ".venv" / "bin" / "dbt"),
        )
    },
)
